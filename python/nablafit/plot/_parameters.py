"""Plots of parameters: pulls and ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .._arrays import FloatArray
from .._results.rounding import pdg_round
from ..errors import ArgumentError, located
from ..infer.impacts._selection import select
from ..result import FitResult
from ._colours import BLUE, ONE_SIGMA, ORANGE, TWO_SIGMA
from ._output import Save, documented, save_figure
from ._style import Label, StyledFigure, label_figure, new_figure
from ._text import display_names, note_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ..infer.impacts.pulls import PullsResult
    from ..infer.impacts.ranking import RankingResult

_ROW = 0.21
"""Height of a line of a list of parameters, in inches."""
_PULL_LABEL = r"$(\hat{\theta} - \theta_0)\,/\,\Delta\theta$"


@documented
def pulls(
    result: PullsResult | FitResult,
    *,
    parameters: Sequence[str] | str | None = None,
    n_max: int = 40,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str = _PULL_LABEL,
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    r"""Draw how far the fit moved constrained parameters, and their uncertainties after the fit.

    Points are (fitted value - centre of the constraint) / width of the constraint, bars the
    uncertainty after the fit in the same unit. For a fit result a second panel shows the parameters
    without a constraint in their own units.

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
        If there is nothing to draw, or a pattern matches no parameter.

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
    prefit = result.prefit_errors[movable]
    constrained, n_all = _largest(movable[prefit > 0], np.abs(np.asarray(result.pulls)), n_max)
    unconstrained = movable[~(prefit > 0)]
    free = unconstrained[:n_max]
    if not len(constrained) + len(free):
        raise located(ArgumentError, "there is no free parameter to draw", "parameters")
    rows = [len(part) for part in (constrained, free) if len(part)]
    size = figsize or (6.4, 1.1 + 0.55 * (len(rows) - 1) + _ROW * (sum(rows) + len(rows)))
    with new_figure(size, label) as figure:
        panels = figure.subplots(len(rows), 1, squeeze=False, height_ratios=[n + 1 for n in rows])
        texts = display_names(result.parameters, names)
        if len(constrained):
            _draw_pulls(panels[0, 0], result, constrained, texts, x_label)
        if len(free):
            _draw_values(panels[-1, 0], result, free, texts)
        notes = []
        if len(constrained) < n_all:
            notes.append(f"{len(constrained)} of {n_all} constrained parameters: the largest pulls")
        if len(free) < len(unconstrained):
            notes.append(f"{len(free)} of {len(unconstrained)} free parameters: the first")
        note_below(panels[-1, 0], "; ".join(notes))
        label_figure(figure, label)
    return save_figure(figure, save)


def _largest(
    positions: NDArray[np.intp], sizes: FloatArray, n_max: int
) -> tuple[NDArray[np.intp], int]:
    """Keep the positions of the `n_max` largest sizes, in their order; return their number too."""
    order = np.argsort(-np.nan_to_num(sizes[positions], nan=-1.0), kind="stable")[:n_max]
    return positions[np.sort(order)], len(positions)


def _draw_pulls(
    axes: Axes,
    result: PullsResult | FitResult,
    positions: NDArray[np.intp],
    texts: Sequence[str],
    x_label: str,
) -> None:
    rows = np.arange(len(positions))
    pull = np.asarray(result.pulls)[positions]
    error = np.asarray(result.errors)[positions] / result.prefit_errors[positions]
    error = np.where(np.isfinite(error), error, 0.0)
    reach = np.nanmax(np.abs(pull) + error, initial=2.0)
    axes.axvspan(-2, 2, color=TWO_SIGMA, alpha=0.55, lw=0)
    axes.axvspan(-1, 1, color="white", lw=0)
    axes.axvspan(-1, 1, color=ONE_SIGMA, alpha=0.55, lw=0)
    axes.axvline(0.0, color="black", lw=0.8, ls="--")
    axes.errorbar(pull, rows, xerr=error, **_POINTS)
    axes.set_xlim(-1.08 * max(reach, 2.2), 1.08 * max(reach, 2.2))
    axes.set_xlabel(x_label)
    _list_names(axes, [texts[i] for i in positions])


def _draw_values(
    axes: Axes,
    result: PullsResult | FitResult,
    positions: NDArray[np.intp],
    texts: Sequence[str],
) -> None:
    rows = np.arange(len(positions))
    error = np.nan_to_num(np.asarray(result.errors)[positions], posinf=0.0)
    axes.axvline(1.0, color="black", lw=0.8, ls="--")
    axes.errorbar(np.asarray(result.values)[positions], rows, xerr=error, **_POINTS)
    axes.set_xlabel("value")
    axes.margins(x=0.1)
    _list_names(axes, [texts[i] for i in positions])


_POINTS: dict[str, Any] = {"fmt": "o", "color": "black", "ms": 4.0, "elinewidth": 1.4, "zorder": 5}


def _list_names(axes: Axes, texts: Sequence[str]) -> None:
    """Put one name per row, the first on top."""
    axes.set_ylim(len(texts) - 0.25, -0.75)
    axes.set_yticks(range(len(texts)), texts, fontsize=9)
    axes.tick_params(axis="y", which="both", length=0)
    axes.yaxis.minorticks_off()


@documented
def ranking(
    result: RankingResult,
    *,
    poi: str | None = None,
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
    the name.

    Parameters
    ----------
    result : RankingResult
        What to draw.
    poi : str, optional
        Parameter of interest; the first by default.
    n_max : int
        Largest number of parameters to draw; a note says if there are more.
    impact_label : str, optional
        Label of the upper axis; by default the change of the parameter of interest.

    Raises
    ------
    ArgumentError
        If the result has no parameter, or not this parameter of interest.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> figure = plot.ranking(nf.ranking(model, data), n_max=10)
    """
    one = result.for_poi(result.pois[0] if poi is None else poi)
    top = one.first(n_max)
    if not len(top):
        raise located(ArgumentError, "the ranking has no parameter to draw", "result")
    size = figsize or (7.0, 2.1 + 0.29 * len(top))
    poi_text = display_names(top.pois, names)[0]
    with new_figure(size, label) as figure:
        axes = figure.subplots()
        bars = axes.twiny()
        axes.set_zorder(bars.get_zorder() + 1)
        axes.patch.set_visible(False)
        _draw_impacts(bars, top)
        bars.set_xlabel(impact_label or rf"$\Delta$ {poi_text}", loc="right")
        _draw_ranked_pulls(axes, top)
        axes.set_xlabel(x_label)
        _list_names(axes, _names_with_values(top, names))
        if len(top) < len(one):
            note_below(axes, f"{len(top)} of {len(one)} parameters: the largest impacts")
        handles = _ranking_legend(top)
        below = label_figure(figure, label, reserved=0.22 * ((len(handles) + 1) // 2) + 0.1)
        legend = figure.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, below), ncols=2, fontsize=9
        )
        legend.set_in_layout(False)
    return save_figure(figure, save)


_BARS = (("up", ORANGE, r"$+1\sigma$"), ("down", BLUE, r"$-1\sigma$"))


def _draw_impacts(axes: Axes, top: RankingResult) -> None:
    rows = np.arange(len(top))
    reach = 0.0
    for side, colour, _ in _BARS:
        prefit = np.nan_to_num(getattr(top, f"prefit_{side}")[0], posinf=0.0, neginf=0.0)
        postfit = np.nan_to_num(getattr(top, f"postfit_{side}")[0], posinf=0.0, neginf=0.0)
        axes.barh(rows, postfit, height=0.72, color=colour, alpha=0.75, lw=0)
        axes.barh(rows, prefit, height=0.72, fill=False, edgecolor=colour, lw=1.2)
        reach = max(reach, *np.abs(prefit), *np.abs(postfit))
    axes.set_xlim(-1.1 * reach or -1.0, 1.1 * reach or 1.0)
    axes.tick_params(axis="x", which="both", bottom=False, top=True)
    axes.xaxis.set_major_locator(MaxNLocator(5, symmetric=True))


def _draw_ranked_pulls(axes: Axes, top: RankingResult) -> None:
    shown = np.isfinite(top.pulls)
    pull, error = top.pulls[shown], np.nan_to_num(top.constraints[shown], posinf=0.0)
    for x in (-1.0, 0.0, 1.0):
        axes.axvline(x, color="black", lw=0.8, ls="--" if x else "-", alpha=0.6)
    axes.errorbar(pull, np.arange(len(top))[shown], xerr=error, **_POINTS)
    widest = max(2.0, np.max(np.abs(pull) + error, initial=0.0))
    axes.set_xlim(-1.1 * widest, 1.1 * widest)
    axes.tick_params(axis="x", which="both", top=False)


def _names_with_values(top: RankingResult, names: Mapping[str, str] | None) -> list[str]:
    texts = display_names(top.parameters, names)
    for i in np.flatnonzero(~np.isfinite(top.prefit_errors)):
        value, error = pdg_round(float(top.values[i]), float(top.errors[i]))
        texts[i] += f" = {value}" + (f" ± {error}" if error else "")
    return texts


def _ranking_legend(top: RankingResult) -> list[Patch]:
    handles = [Patch(fc=c, alpha=0.75, label=f"post-fit impact, {s}") for _, c, s in _BARS]
    if np.isfinite(top.prefit_up).any():
        handles += [Patch(fill=False, ec=c, label=f"pre-fit impact, {s}") for _, c, s in _BARS]
    return handles
