"""Plots of tables of numbers: correlations, breakdown of an uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import FloatArray
from ..errors import ArgumentError, located
from ..infer._common import check_choice
from ..infer.impacts._selection import select
from ..infer.impacts.correlation import ORDERS, rearranged
from ..infer.impacts.correlation import correlation as find_correlation
from ..result import FitResult
from ._colours import BLUE, GREY, ORANGE
from ._output import Save, documented, save_figure
from ._style import (
    LEAST_POINTS,
    WIDEST,
    Label,
    StyledFigure,
    label_figure,
    lay_out,
    new_figure,
    text_size,
)
from ._text import MINUS, display_names, note_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..infer.impacts.breakdown import BreakdownResult
    from ..infer.impacts.correlation import CorrelationResult

_NUMBER_CELL = 14.0
"""Width of a cell in points that a number fits into."""
_LABEL_CELL = 6.4
"""Width of a cell in points that a name fits beside."""


@documented
def correlation(
    result: CorrelationResult | FitResult,
    *,
    parameters: Sequence[str] | str | None = None,
    n_max: int = 30,
    threshold: float = 0.0,
    order: str | None = None,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw a correlation matrix in percent; numbers and names are written where they fit.

    Parameters
    ----------
    result : CorrelationResult or FitResult
        What to draw; parameters of a fit that are fixed or not determined are left out.
    parameters : sequence of str, optional
        Names or patterns (`*`, `?`) of the parameters to draw.
    n_max : int
        Largest number of parameters to draw: those with the largest correlations. A note says if
        there are more.
    threshold : float
        Draw only the parameters that have a correlation of at least this size with another one.
    order : str, optional
        As in `nablafit.correlation`: "cluster" puts related parameters side by side. By default as
        in the result.

    Raises
    ------
    ArgumentError
        If the fit gave no covariance, a pattern matches no parameter, or the order is unknown.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> from nablafit import plot
    >>> figure = plot.correlation(result)
    """
    if isinstance(result, FitResult):
        if result.covariance is None:
            raise located(ArgumentError, "the fit gave no covariance", "result")
        result = find_correlation(result, parameters=parameters)
        parameters = None
    if order is not None:
        check_choice("order", order, ORDERS)
    n_all = len(select(result.parameters, parameters, "parameters")) + result.n_pruned
    shown = rearranged(result, parameters=parameters, n_max=n_max, threshold=threshold, order=order)
    if not len(shown):
        raise located(ArgumentError, "there is no parameter to draw", "parameters")
    texts = display_names(shown.parameters, names, _MAX_LABEL)
    with new_figure(figsize, _size(texts, label), label) as figure:
        figure.set_layout_engine("compressed")
        axes = figure.subplots()
        label_figure(figure, label)
        _draw_matrix(axes, 100.0 * shown.matrix, texts)
        if len(shown) < n_all:
            reason = (
                f"those with one of at least {100 * threshold:g} %"
                if threshold
                else "the largest correlations"
            )
            note_below(axes, f"{len(shown)} of {n_all} parameters: {reason}")
    return save_figure(figure, save)


_MAX_LABEL = 32


def _size(texts: Sequence[str], label: Label | None) -> tuple[float, float]:
    """Return a size in inches so that the matrix, with names and scale, fills the figure."""
    widest = WIDEST if label is None or label.width is None else label.width / 2.54
    names = 0.075 * max(map(len, texts)) + 0.1
    wanted = names + _SCALE + max(0.23 * len(texts), 2.2)
    width = wanted if label is None or label.width is None else widest
    width = min(width, widest)
    if 72.0 * (width - names - _SCALE) / len(texts) < _LABEL_CELL:
        names = 0.3
    return width, width - _SCALE + 0.45


_SCALE = 0.85
"""Width that the scale of colours takes, in inches."""


def _draw_matrix(axes: Axes, matrix: FloatArray, texts: Sequence[str]) -> None:
    n = len(matrix)
    image = axes.imshow(matrix, vmin=-100.0, vmax=100.0, cmap="RdBu_r", interpolation="nearest",
                        aspect="equal")  # fmt: skip
    axes.minorticks_off()
    axes.tick_params(length=0)
    axes.figure.colorbar(
        image, ax=axes, label="correlation [%]", fraction=0.05, pad=0.02, aspect=28
    )
    axes.set_xticks(range(n), texts, rotation=90)
    axes.set_yticks(range(n), texts)
    sizes = np.array([LEAST_POINTS, text_size(axes, 9)])
    cells = [_cell(axes, n, size) for size in sizes]
    if cells[0] < _LABEL_CELL:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{n} parameters", loc="center")
        return
    fitting = np.linspace(sizes[0], sizes[1], 31)
    fitting = fitting[fitting <= 0.94 * np.interp(fitting, sizes, cells)]
    if _cell(axes, n, float(fitting.max(initial=LEAST_POINTS))) < _NUMBER_CELL:
        return
    for i, j in np.ndindex(n, n):
        if np.isfinite(matrix[i, j]):
            colour = "white" if abs(matrix[i, j]) > 60.0 else "black"
            text = f"{round(float(matrix[i, j])):d}".replace("-", MINUS)
            axes.text(j, i, text, ha="center", va="center", fontsize=text_size(axes, 6.5),
                      color=colour)  # fmt: skip


def _cell(axes: Axes, n: int, size: float) -> float:
    """Return the width of one of `n` cells, with names of this size, both in points."""
    for tick in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        tick.set_fontsize(size)
    lay_out(axes)
    return float(axes.get_window_extent().width) * 72.0 / axes.figure.dpi / n


@documented
def breakdown(
    result: BreakdownResult,
    *,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str | None = None,
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw what each source contributes to the uncertainty of the parameter of interest.

    Parameters
    ----------
    result : BreakdownResult
        What to draw; groups by decreasing uncertainty.
    x_label : str, optional
        Label of the axis; by default the uncertainty of the parameter of interest.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> figure = plot.breakdown(nf.breakdown(model, data))
    """
    groups = sorted(result.groups, key=lambda group: -np.nan_to_num(group.uncertainty, nan=-1.0))
    totals = [("total", result.total), ("statistical", result.statistical)]
    totals.append(("systematic", result.systematic))
    rows = [*totals, *((group.name, group.uncertainty) for group in groups)]
    texts = display_names([name for name, _ in rows], names)
    colours = [GREY, BLUE, BLUE, *[ORANGE] * len(groups)]
    poi = display_names([result.poi], names)[0]
    with new_figure(figsize, (6.4, 1.2 + 0.3 * len(rows)), label) as figure:
        axes = figure.subplots()
        sizes = [float(np.nan_to_num(size)) for _, size in rows]
        axes.barh(range(len(rows)), sizes, color=colours, height=0.7)
        for i, (_, size) in enumerate(rows):
            text = f" {size:.3g}" if np.isfinite(size) else " not known"
            axes.text(sizes[i], i, text, va="center", fontsize=text_size(axes, 9))
        axes.set_xlim(0.0, 1.18 * max(sizes) or 1.0)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), texts)
        axes.axhline(2.5, color="black", lw=0.8)
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_xlabel(x_label or f"uncertainty of {poi}")
        label_figure(figure, label)
    return save_figure(figure, save)
