"""Plots of parameters: pulls, ranking, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .._arrays import FloatArray
from ..errors import ArgumentError, located
from ..infer.impacts._selection import select
from ..result import FitResult
from ._colours import BLUE, GREY, ONE_SIGMA, ORANGE, TWO_SIGMA
from ._output import Save, documented, save_figure
from ._style import Label, StyledFigure, label_figure, legend_above, new_figure, text_size
from ._text import MAX_NAME, display_names, note_below, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ..infer.impacts.pulls import PullsResult
    from ..infer.impacts.ranking import RankingResult
    from ..infer.profiles.intervals import IntervalsResult

_ROW = 0.21
"""Height of a line of a list of parameters, in inches."""
_PULL_LABEL = r"$(\hat{\theta} - \theta_0)\,/\,\Delta\theta$"
_FACTOR_LABEL = r"$\hat{\gamma}\,/\,\gamma_0$"


@documented
def pulls(
    result: PullsResult | FitResult,
    *,
    parameters: Sequence[str] | str | None = None,
    intervals: IntervalsResult | None = None,
    n_max: int = 40,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str = _PULL_LABEL,
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    r"""Draw how far the fit moved constrained parameters, and their uncertainties after the fit.

    Points are (fitted value - centre of the constraint) / width of the constraint, bars the
    uncertainty after the fit in the same unit. Factors, whose constraint has another centre than 0
    (gammas of the simulated statistics, luminosity), follow in a panel of their own, relative to
    that centre, with the width of the constraint as a grey box. For a fit result another panel
    shows the parameters without a constraint in their own units.

    Parameters
    ----------
    result : PullsResult or FitResult
        What to draw; fixed parameters are left out.
    parameters : sequence of str, optional
        Names or patterns (`*`, `?`) of the parameters to draw.
    n_max : int
        Largest number of parameters per panel: those with the largest pulls, and the first of those
        without a constraint. A note says if there are more.

    Raises
    ------
    ArgumentError
        If there is nothing to draw, a pattern matches no parameter, or the intervals are not those
        of one standard deviation.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> from nablafit import plot
    >>> figure = plot.pulls(result, save="pulls.pdf")
    """
    chosen = np.array(select(result.parameters, parameters, "parameters"), dtype=np.intp)
    movable = chosen[~result.fixed[chosen]]
    is_factor = (result.prefit_errors[movable] > 0) & (result.prefit_values[movable] != 0)
    is_pull = (result.prefit_errors[movable] > 0) & ~is_factor
    sizes = np.abs(np.asarray(result.pulls))
    groups = {
        "constrained parameters": movable[is_pull],
        "constrained factors": movable[is_factor],
        "free parameters": movable[~is_pull & ~is_factor],
    }
    shown = {
        kind: positions[:n_max] if kind.startswith("free") else _largest(positions, sizes, n_max)
        for kind, positions in groups.items()
        if len(positions)
    }
    if not shown:
        raise located(ArgumentError, "there is no free parameter to draw", "parameters")
    n_rows = [len(positions) for positions in shown.values()]
    height = 1.1 + 0.55 * (len(n_rows) - 1) + _ROW * (sum(n_rows) + len(n_rows))
    errors = _two_sided(result.parameters, np.asarray(result.errors), intervals)
    with new_figure(figsize, (6.4, height), label, in_rows=True) as figure:
        panels = figure.subplots(
            len(n_rows), 1, squeeze=False, height_ratios=[n + 1 for n in n_rows]
        )
        texts = display_names(result.parameters, names, _name_length(figure))
        for axes, (kind, rows) in zip(panels[:, 0], shown.items(), strict=True):
            if kind.startswith("free"):
                _draw_values(axes, np.asarray(result.values)[rows], errors[:, rows], "value")
            elif kind.endswith("factors"):
                _draw_factors(axes, result, rows, errors[:, rows])
            else:
                _draw_pulls(axes, result, rows, errors[:, rows], x_label)
            _list_names(axes, [texts[i] for i in rows])
        notes = [
            f"{len(rows)} of {len(groups[kind])} {kind}: "
            + ("the first" if kind.startswith("free") else "the largest pulls")
            for kind, rows in shown.items()
            if len(rows) < len(groups[kind])
        ]
        note_below(panels[-1, 0], "; ".join(notes))
        label_figure(figure, label)
    return save_figure(figure, save)


def _name_length(figure: StyledFigure) -> int:
    """Return how many characters of a name leave enough of the width to what is drawn."""
    return min(MAX_NAME, int(figure.get_figwidth() * 6.4 / figure.factor))


def _two_sided(
    names: Sequence[str], errors: FloatArray, intervals: IntervalsResult | None
) -> FloatArray:
    """Return errors downwards and upwards, shape (2, n): those of intervals where they are known.

    What is not finite becomes 0: there is no bar.
    """
    both = np.array([errors, errors])
    if intervals is not None:
        if not np.isclose(intervals.sigma, 1.0, rtol=1e-3):
            message = f"expected those of one standard deviation, got {intervals.sigma:.4g}"
            raise located(ArgumentError, message, "intervals")
        found = {name: i for i, name in enumerate(intervals.parameters)}
        for k, name in enumerate(names):
            if (i := found.get(name)) is not None:
                sides = np.array([-intervals.lower[i], intervals.upper[i]])
                both[:, k] = np.where(np.isfinite(sides), sides, both[:, k])
    return np.where(np.isfinite(both), np.maximum(both, 0.0), 0.0)


def _largest(positions: NDArray[np.intp], sizes: FloatArray, n_max: int) -> NDArray[np.intp]:
    """Keep the positions of the `n_max` largest sizes, in their order."""
    order = np.argsort(-np.nan_to_num(sizes[positions], nan=-1.0), kind="stable")[:n_max]
    return positions[np.sort(order)]


def _draw_pulls(
    axes: Axes,
    result: PullsResult | FitResult,
    positions: NDArray[np.intp],
    errors: FloatArray,
    x_label: str,
) -> None:
    pull = np.asarray(result.pulls)[positions]
    bars = errors / result.prefit_errors[positions]
    reach = np.nanmax(np.abs(pull) + bars.max(axis=0), initial=2.0)
    axes.axvspan(-2, 2, color=TWO_SIGMA, alpha=0.55, lw=0)
    axes.axvspan(-1, 1, color="white", lw=0)
    axes.axvspan(-1, 1, color=ONE_SIGMA, alpha=0.55, lw=0)
    axes.axvline(0.0, color="black", lw=0.8, ls="--")
    axes.errorbar(pull, np.arange(len(positions)), xerr=bars, **_POINTS)
    axes.set_xlim(-1.08 * max(reach, 2.2), 1.08 * max(reach, 2.2))
    axes.set_xlabel(x_label)


def _draw_factors(
    axes: Axes, result: PullsResult | FitResult, positions: NDArray[np.intp], errors: FloatArray
) -> None:
    centres = result.prefit_values[positions]
    widths = result.prefit_errors[positions] / np.abs(centres)
    rows = np.arange(len(positions))
    axes.barh(rows, 2.0 * widths, left=1.0 - widths, height=0.7, color=GREY, alpha=0.35, lw=0)
    axes.axvline(1.0, color="black", lw=0.8, ls="--")
    values, bars = np.asarray(result.values)[positions] / centres, errors / np.abs(centres)
    axes.errorbar(values, rows, xerr=bars, **_POINTS)
    reach = np.nanmax(np.append(np.abs(values - 1.0) + bars.max(axis=0), widths), initial=0.01)
    axes.set_xlim(1.0 - 1.15 * reach, 1.0 + 1.15 * reach)
    axes.set_xlabel(_FACTOR_LABEL)


def _draw_values(axes: Axes, values: FloatArray, errors: FloatArray, x_label: str) -> None:
    axes.axvline(1.0, color="black", lw=0.8, ls="--")
    axes.errorbar(values, np.arange(len(values)), xerr=errors, **_POINTS)
    axes.set_xlabel(x_label)
    axes.margins(x=0.1)


_POINTS: dict[str, Any] = {"fmt": "o", "color": "black", "elinewidth": 1.4, "zorder": 5}


def _list_names(axes: Axes, texts: Sequence[str]) -> None:
    """Put one name per row, the first on top."""
    axes.set_ylim(len(texts) - 0.25, -0.75)
    axes.set_yticks(range(len(texts)), texts, fontsize=text_size(axes, 9))
    axes.tick_params(axis="y", which="both", length=0)
    axes.yaxis.minorticks_off()


@documented
def intervals(
    result: IntervalsResult,
    *,
    parameters: Sequence[str] | str | None = None,
    n_max: int = 40,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str = "value",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw values with the asymmetric errors of the profile likelihood, and write them.

    Grey bars are the symmetric errors from the covariance, for comparison.

    Parameters
    ----------
    result : IntervalsResult
        What to draw.
    parameters : sequence of str, optional
        Names or patterns (`*`, `?`) of the parameters to draw.
    n_max : int
        Largest number of parameters to draw: the first. A note says if there are more.

    Raises
    ------
    ArgumentError
        If a pattern matches no parameter, or there is none.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> figure = plot.intervals(nf.intervals(model, data, ["mu"]))
    """
    chosen = select(result.parameters, parameters, "parameters")
    if not chosen:
        raise located(ArgumentError, "there is no parameter to draw", "result")
    rows = np.array(chosen[:n_max], dtype=np.intp)
    ends = np.array([-result.lower[rows], result.upper[rows]])
    errors = np.where(np.isfinite(ends), np.maximum(ends, 0.0), 0.0)
    symmetric = np.nan_to_num(result.sigma * result.errors[rows], posinf=0.0)
    height = 1.3 + _ROW * (len(rows) + 1)
    with new_figure(figsize, (6.4, height), label, in_rows=True) as figure:
        axes = figure.subplots()
        texts = display_names(result.parameters, names, _name_length(figure))
        values = result.values[rows]
        axes.errorbar(values, np.arange(len(rows)), xerr=symmetric, fmt="", ls="", color=GREY,
                      elinewidth=5.0, alpha=0.6, label="covariance")  # fmt: skip
        axes.errorbar(values, np.arange(len(rows)), xerr=errors, label="profile likelihood",
                      **_POINTS)  # fmt: skip
        axes.set_xlabel(x_label)
        _list_names(axes, [texts[i] for i in rows])
        axes.margins(x=0.08)
        for row, (value, (down, up)) in enumerate(zip(values, ends.T, strict=True)):
            axes.text(1.02, row, quoted(value, down, up), transform=axes.get_yaxis_transform(),
                      va="center", fontsize=text_size(axes, 9))  # fmt: skip
        if len(rows) < len(chosen):
            note_below(axes, f"{len(rows)} of {len(chosen)} parameters: the first")
        level = f"{100 * result.level:.3g} % CL"
        handles, kinds = axes.get_legend_handles_labels()
        below = label_figure(figure, label, reserved=0.32)
        legend_above(figure, handles, [f"{kind}, {level}" for kind in kinds], below)
    return save_figure(figure, save)


@documented
def ranking(
    result: RankingResult,
    *,
    poi: str | None = None,
    intervals: IntervalsResult | None = None,
    page: int = 1,
    n_max: int = 20,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str = _PULL_LABEL,
    impact_label: str | None = None,
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw impacts as bars (upper axis) and pulls as points (lower axis), the largest on top.

    Filled bars are impacts of one standard deviation after the fit, hollow ones of one width of the
    constraint before it. Parameters without a constraint have no pull; their value is given with
    the name. A label in the style of CMS puts pulls and impacts into two panels side by side.

    Parameters
    ----------
    result : RankingResult
        What to draw.
    poi : str, optional
        Parameter of interest; the first by default.
    page : int
        Which part of the ranking, from 1.
    n_max : int
        Number of parameters on a page; a note says if there are more.
    impact_label : str, optional
        Label of the upper axis; by default the change of the parameter of interest.

    Raises
    ------
    ArgumentError
        If the result has no parameter on this page, or not this parameter of interest, or the
        intervals are not those of one standard deviation.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> figure = plot.ranking(nf.ranking(model, data), n_max=10)
    """
    one = result.for_poi(result.pois[0] if poi is None else poi)
    if not len(one):
        raise located(ArgumentError, "the ranking has no parameter to draw", "result")
    n_pages = -(-len(one) // n_max)
    if not 1 <= page <= n_pages:
        raise located(ArgumentError, f"expected a number from 1 to {n_pages}, got {page}", "page")
    first = (page - 1) * n_max
    top = one.slice(first, first + n_max)
    errors = _two_sided(top.parameters, top.errors, intervals)
    poi_text = display_names(top.pois, names)[0]
    down, up = _two_sided(top.pois, top.poi_errors, intervals)[:, 0]
    best = f"{poi_text} = {quoted(float(top.poi_values[0]), down, up)}"
    side_by_side = label is not None and label.style == "CMS"
    with new_figure(figsize, (7.0, 2.6 + 0.29 * len(top)), label, in_rows=True) as figure:
        if side_by_side:
            axes, bars = figure.subplots(1, 2, sharey=True)
        else:
            axes = figure.subplots()
            bars = axes.twiny()
            axes.set_zorder(bars.get_zorder() + 1)
            axes.patch.set_visible(False)
            bars.tick_params(axis="x", which="both", bottom=False, top=True)
        _draw_impacts(bars, top, n_ticks=3 if side_by_side else 5)
        bars.set_xlabel(impact_label or rf"$\Delta$ {poi_text}", loc="right")
        points = _draw_ranked_pulls(axes, top, errors)
        if not side_by_side:
            axes.tick_params(axis="x", which="both", top=False)
        axes.set_xlabel(x_label)
        texts = _names_with_values(top, names, errors, _name_length(figure))
        numbers = [f"{first + i + 1:\u2007>{len(str(first + len(top)))}}" for i in range(len(top))]
        _list_names(axes, [f"{text}  {k}" for text, k in zip(texts, numbers, strict=True)])
        if side_by_side:
            bars.tick_params(axis="y", which="both", length=0)
        if n_pages > 1:
            note_below(axes, f"{first + 1} to {first + len(top)} of {len(one)} parameters")
        after, before = _ranking_legend(top)
        handles: list[Any] = [*after, points, *before]
        below = label_figure(figure, label, reserved=0.22 * ((len(handles) + 1) // 2) + 0.3)
        legend_above(figure, handles, [handle.get_label() for handle in handles], below, best)
    return save_figure(figure, save)


_BARS = (("up", ORANGE, r"$+1\sigma$"), ("down", BLUE, r"$-1\sigma$"))


def _draw_impacts(axes: Axes, top: RankingResult, n_ticks: int) -> None:
    rows = np.arange(len(top))
    reach = 0.0
    for side, colour, _ in _BARS:
        prefit = np.nan_to_num(getattr(top, f"prefit_{side}")[0], posinf=0.0, neginf=0.0)
        postfit = np.nan_to_num(getattr(top, f"postfit_{side}")[0], posinf=0.0, neginf=0.0)
        axes.barh(rows, postfit, height=0.72, color=colour, alpha=0.75, lw=0)
        axes.barh(rows, prefit, height=0.72, fill=False, edgecolor=colour, lw=1.2)
        reach = max(reach, *np.abs(prefit), *np.abs(postfit))
    axes.axvline(0.0, color="black", lw=0.8, alpha=0.6)
    axes.set_xlim(-1.1 * reach or -1.0, 1.1 * reach or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(n_ticks, symmetric=True))


def _draw_ranked_pulls(axes: Axes, top: RankingResult, errors: FloatArray) -> ErrorbarContainer:
    shown = np.isfinite(top.pulls)
    pull, bars = top.pulls[shown], (errors / top.prefit_errors)[:, shown]
    for x in (-1.0, 0.0, 1.0):
        axes.axvline(x, color="black", lw=0.8, ls="--" if x else "-", alpha=0.6)
    drawn = axes.errorbar(pull, np.arange(len(top))[shown], xerr=bars, label="pull", **_POINTS)
    widest = max(2.0, np.max(np.abs(pull) + bars.max(axis=0), initial=0.0))
    axes.set_xlim(-1.1 * widest, 1.1 * widest)
    return drawn


def _names_with_values(
    top: RankingResult, names: Mapping[str, str] | None, errors: FloatArray, length: int
) -> list[str]:
    values = [
        "" if known else f" = {quoted(float(value), *sides)}"
        for known, value, sides in zip(
            np.isfinite(top.prefit_errors), top.values, errors.T, strict=True
        )
    ]
    return [
        display_names([name], names, length - len(value))[0] + value
        for name, value in zip(top.parameters, values, strict=True)
    ]


def _ranking_legend(top: RankingResult) -> tuple[list[Patch], list[Patch]]:
    """Return what explains bars of impacts after and before the fit."""
    after = [Patch(fc=c, alpha=0.75, label=f"post-fit impact, {s}") for _, c, s in _BARS]
    if not np.isfinite(top.prefit_up).any():
        return after, []
    return after, [Patch(fill=False, ec=c, label=f"pre-fit impact, {s}") for _, c, s in _BARS]
