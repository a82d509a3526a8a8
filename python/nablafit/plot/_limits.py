"""Plots of upper limits: CLs against the parameter of interest, limits and exclusion on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import LinearNDInterpolator, PchipInterpolator

from .._arrays import FloatArray
from ..errors import ArgumentError, located
from ._colours import GREY, ONE_SIGMA, RED, TWO_SIGMA
from ._output import Save, documented, save_figure
from ._style import Label, StyledFigure, label_axes, make_room, new_figure, text_size
from ._text import axis_label, display_names, note_below, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

    from ..infer.limits.results import LimitGridResult, LimitResult

_MAX_MARKERS = 40
"""More tested values than this are a line without markers."""


@documented
def limit(
    result: LimitResult,
    *,
    y_scale: str = "linear",
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    unit: str = "",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw CLs against the parameter of interest, observed and expected with bands.

    Points are tested values; between them, the logarithm of the p-value is interpolated (PCHIP). A
    limit that was searched for has few of them: `nablafit.upper_limit(..., n_curve=20)` tests more,
    from 0 to beyond the limits.

    Parameters
    ----------
    result : LimitResult
        What to draw.
    y_scale : {"linear", "log"}
        Scale of the p-value.

    Raises
    ------
    ArgumentError
        For an unknown scale, or if no value was tested.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> result = nf.upper_limit(model, data, values=np.linspace(0, 2, 9))
    >>> figure = plot.limit(result, x_label="Signal strength")
    """
    if y_scale not in ("linear", "log"):
        raise located(ArgumentError, f"expected 'linear' or 'log', got {y_scale!r}", "y_scale")
    if not len(result.values):
        raise located(ArgumentError, f"no value was tested: {result.message}", "result")
    text = display_names([result.poi], names)[0]
    with new_figure(figsize, (6.4, 5.4), label) as figure:
        axes = figure.subplots()
        axes.set_yscale(y_scale)
        _draw_curves(axes, result)
        level = f"{100 * result.level:g} % CL"
        axes.axhline(1.0 - result.level, color=RED, lw=1.2, label=level)
        axes.set_xlabel(axis_label(text if x_label is None else x_label, unit))
        criterion = {"CLs": r"$CL_{s}$", "CLs+b": r"$CL_{s+b}$"}
        axes.set_ylabel(y_label or criterion.get(result.criterion, result.criterion))
        legend = _order_legend(axes, f"expected: {_number(float(result.expected[2]))}")
        boxes = [legend, *label_axes(axes, label)]
        tops = np.fmax(result.cls_observed, result.cls_expected[:, 4])
        edges = np.append(result.values, result.values[-1])
        lowest = 0.02 * (1.0 - result.level) if y_scale == "log" else 0.0
        make_room(axes, boxes, edges, np.nan_to_num(tops), lowest)
        if not result.valid:
            note_below(axes, plain(result.message))
    return save_figure(figure, save)


def _draw_curves(axes: Axes, result: LimitResult) -> None:
    fine = np.linspace(result.values[0], result.values[-1], 201)
    x = np.unique(np.concatenate([result.values, fine]))
    _draw_bands(
        axes, x, np.column_stack([_smooth(result.values, c, x) for c in result.cls_expected.T])
    )
    shown = np.isfinite(result.cls_observed)
    axes.plot(x, _smooth(result.values, result.cls_observed, x), "-", color="black",
              label=f"observed: {_number(result.observed)}")  # fmt: skip
    if len(result.values) <= _MAX_MARKERS:
        axes.plot(result.values[shown], result.cls_observed[shown], "o", color="black")
    axes.set_xlim(result.values[0], result.values[-1])


def _smooth(values: FloatArray, p: FloatArray, x: FloatArray) -> FloatArray:
    """Interpolate the logarithm of p-values, without overshooting; NaN outside the known ones."""
    known = np.isfinite(p) & (p > 0)
    if known.sum() < 2:
        return np.full(len(x), np.nan)
    curve = PchipInterpolator(values[known], np.log(p[known]), extrapolate=False)
    return np.exp(curve(x))


def _number(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.3g}"


def _draw_bands(axes: Axes, x: FloatArray, expected: FloatArray) -> None:
    """Draw the median and both bands of an array with columns for -2 to +2 sigma."""
    low2, low1, median, high1, high2 = np.where(np.isfinite(expected), expected, np.nan).T
    axes.fill_between(x, low2, high2, color=TWO_SIGMA, lw=0, label=r"expected $\pm 2\sigma$")
    axes.fill_between(x, low1, high1, color=ONE_SIGMA, lw=0, label=r"expected $\pm 1\sigma$")
    axes.plot(x, median, "--", color="black", label="expected")


def _order_legend(axes: Axes, expected: str) -> Legend:
    """Put observed before expected, and give the value of the latter."""
    found = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    texts = sorted(
        found,
        key=lambda text: (not text.startswith("observed"), not text.startswith("expected"), text),
    )
    handles = [found[text] for text in texts]
    shown = [expected if text == "expected" else text for text in texts]
    return axes.legend(handles, shown, loc="upper right")


@documented
def limit_grid(
    result: LimitGridResult,
    *,
    x: str | None = None,
    y: str | None = None,
    show_values: bool = True,
    names: Mapping[str, str] | None = None,
    y_scale: str = "log",
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    unit: str = "",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw the limits of a grid of signals: a band over one value, or the exclusion in two.

    In two dimensions the logarithm of the limit is interpolated linearly on a Delaunay
    triangulation of the signals; a signal is excluded where its limit is below `result.tested`.
    Nothing is drawn outside the signals that were tested.

    Parameters
    ----------
    result : LimitGridResult
        What to draw.
    x, y : str, optional
        Values of the signals to use; by default the first two that are numbers and vary.
    show_values : bool
        In two dimensions: write the observed limits at the signals.
    y_scale : {"linear", "log"}
        In one dimension: scale of the limits.

    Raises
    ------
    ArgumentError
        If the signals have no values that are numbers and vary, or not those asked for.

    Examples
    --------
    >>> from nablafit import plot
    >>> grid = nf.limit_grid(nf.Workspace.load("background.json"), "patchset.json")
    >>> figure = plot.limit_grid(grid)
    """
    columns = _axes_of_grid(result, x, y)
    x_values, *rest = columns.values()
    text = display_names([*columns, result.poi], names)
    with new_figure(figsize, (6.8, 5.6), label) as figure:
        axes = figure.subplots()
        axes.set_xlabel(axis_label(text[0] if x_label is None else x_label, unit))
        if not rest:
            axes.set_yscale(y_scale)
            _draw_limits(axes, x_values, result, label)
            axes.set_ylabel(y_label or f"{100 * result.level:g} % CL limit on {text[-1]}")
        else:
            axes.set_ylabel(axis_label(text[1] if y_label is None else y_label, unit))
            y_values = rest[0]
            _draw_exclusion(axes, np.column_stack([x_values, y_values]), result, show_values, label)
        n_missing = int(np.sum(np.isnan(result.observed)))
        if n_missing:
            note_below(axes, f"{n_missing} of {len(result)} signals without an observed limit")
    return save_figure(figure, save)


def _axes_of_grid(result: LimitGridResult, x: str | None, y: str | None) -> dict[str, FloatArray]:
    """Return one or two columns of the signals' values."""
    numeric: dict[str, FloatArray] = {}
    for name, column in zip(result.labels, zip(*result.points, strict=True), strict=True):
        if all(isinstance(value, int | float) for value in column) and len(set(column)) > 1:
            numeric[name] = np.array(column, dtype=float)
    wanted = [name for name in (x, y) if name is not None] or list(numeric)[:2]
    for name in wanted:
        if name not in numeric:
            message = f"expected values that are numbers and vary: {', '.join(numeric) or 'none'}"
            raise located(ArgumentError, message, name)
    if not wanted:
        message = "the signals of this grid have no values that are numbers and vary"
        raise located(ArgumentError, message, "result")
    return {name: numeric[name] for name in wanted}


def _draw_limits(axes: Axes, x: FloatArray, result: LimitGridResult, label: Label | None) -> None:
    order = np.argsort(x, kind="stable")
    x, observed, expected = x[order], result.observed[order], result.expected[order]
    _draw_bands(axes, x, expected)
    shown = np.isfinite(observed)
    axes.plot(x[shown], observed[shown], "o-", color="black", label="observed")
    axes.axhline(result.tested, color=RED, lw=1.2, label=f"tested: {result.tested:g}")
    axes.set_xlim(x[0], x[-1])
    boxes = [_order_legend(axes, "expected"), *label_axes(axes, label)]
    tops = np.fmax(np.nan_to_num(observed, posinf=0.0), np.nan_to_num(expected[:, 4], posinf=0.0))
    finite = np.concatenate([expected[np.isfinite(expected)], observed[shown]])
    lowest = 0.0 if axes.get_yscale() == "linear" else 0.5 * float(np.min(finite, initial=1.0))
    make_room(axes, boxes, x, np.maximum(tops[1:], tops[:-1]), lowest)


def _draw_exclusion(
    axes: Axes,
    points: FloatArray,
    result: LimitGridResult,
    show_values: bool,
    label: Label | None,
) -> None:
    low, high = points.min(axis=0), points.max(axis=0)
    grid = [np.linspace(a, b, 301) for a, b in zip(low, high, strict=True)]
    targets = np.stack(np.meshgrid(*grid), axis=-1)
    height = {
        key: _interpolated((points - low) / (high - low), values / result.tested)(
            (targets - low) / (high - low)
        )
        for key, values in (("observed", result.observed), *enumerate(result.expected.T))
    }
    inside = np.minimum(-height[1], height[3])
    if np.nanmax(inside, initial=-1.0) > 0:
        axes.contourf(*grid, inside, [0.0, np.inf], colors=[TWO_SIGMA], alpha=0.6)
    axes.fill_between([], [], color=TWO_SIGMA, alpha=0.6, label=r"expected $\pm 1\sigma$")
    for key, colour, style in ((2, "black", "--"), ("observed", RED, "-")):
        text = "expected" if key == 2 else "observed"
        if np.nanmin(height[key], initial=1.0) < 0 < np.nanmax(height[key], initial=-1.0):
            axes.contour(*grid, height[key], [0.0], colors=colour, linestyles=style, linewidths=2)
        axes.plot([], [], color=colour, ls=style, lw=2, label=text)
    if show_values:
        for (x, y), value in zip(points, result.observed, strict=True):
            axes.text(
                x,
                y,
                _number(value),
                color="#555555",
                fontsize=text_size(axes, 6.5),
                ha="center",
                va="center",
            )
    else:
        axes.plot(*points.T, ".", color=GREY, ms=3)
    legend = _order_legend(axes, "expected")
    legend.set_title(f"{100 * result.level:g} % CL exclusion")
    axes.margins(0.05)
    span = high - low
    axes.set_xlim(low[0] - 0.05 * span[0], high[0] + 0.05 * span[0])
    axes.set_ylim(low[1] - 0.05 * span[1], high[1] + 0.45 * span[1])
    label_axes(axes, label)


def _interpolated(points: FloatArray, ratios: FloatArray) -> LinearNDInterpolator:
    """Interpolate the logarithm of limit over tested value; nothing excluded counts as 1e6."""
    known = ~np.isnan(ratios)
    if known.sum() < 3:
        message = f"expected at least 3 signals with a limit, got {known.sum()}"
        raise located(ArgumentError, message, "result")
    return LinearNDInterpolator(points[known], np.log(np.clip(ratios[known], 1e-6, 1e6)))
