"""Plots of tables of numbers: correlations, breakdown of an uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import FloatArray
from ..errors import ArgumentError, located
from ..infer.impacts._selection import select
from ..result import FitResult
from ._colours import BLUE, GREY, ORANGE
from ._output import Save, documented, save_figure
from ._style import Label, StyledFigure, label_figure, new_figure
from ._text import display_names, note_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..infer.impacts.breakdown import BreakdownResult
    from ..infer.impacts.correlation import CorrelationResult

_MAX_NUMBERS = 24
"""Cells carry numbers up to this many parameters."""


@documented
def correlation(
    result: CorrelationResult | FitResult,
    *,
    parameters: Sequence[str] | str | None = None,
    n_max: int = 30,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw a correlation matrix; with numbers (in percent) if there are few parameters.

    Parameters
    ----------
    result : CorrelationResult or FitResult
        What to draw; fixed parameters of a fit are left out.
    parameters : sequence of str, optional
        Names or patterns (`*`, `?`) of the parameters to draw.
    n_max : int
        Largest number of parameters to draw: those with the largest correlations. A note says if
        there are more.

    Raises
    ------
    ArgumentError
        If the fit gave no covariance, or a pattern matches no parameter.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> from nablafit import plot
    >>> figure = plot.correlation(result)
    """
    matrix = result.correlation if isinstance(result, FitResult) else result.matrix
    if matrix is None:
        raise located(ArgumentError, "the fit gave no covariance", "result")
    chosen = np.array(select(result.parameters, parameters, "parameters"), dtype=np.intp)
    n_pruned = 0 if isinstance(result, FitResult) else result.n_pruned
    if isinstance(result, FitResult):
        chosen = chosen[~result.fixed[chosen]]
    shown = chosen[_strongest(matrix[np.ix_(chosen, chosen)], n_max)]
    if not len(shown):
        raise located(ArgumentError, "there is no free parameter to draw", "parameters")
    texts = display_names([result.parameters[i] for i in shown], names)
    side = 2.0 + max(0.23 * len(shown), 2.0)
    with new_figure(figsize or (side + 0.9, side + 0.3), label) as figure:
        axes = figure.subplots()
        _draw_matrix(axes, matrix[np.ix_(shown, shown)], texts)
        n_all = len(chosen) + n_pruned
        if len(shown) < n_all:
            note_below(axes, f"{len(shown)} of {n_all} parameters: the largest correlations")
        label_figure(figure, label)
    return save_figure(figure, save)


def _strongest(matrix: FloatArray, n_max: int) -> FloatArray:
    """Return the positions of the parameters with the largest correlations, in their order."""
    sizes = np.abs(np.nan_to_num(matrix - np.eye(len(matrix))))
    order = np.argsort(-sizes.max(axis=1, initial=0.0), kind="stable")
    return np.sort(order[:n_max])


def _draw_matrix(axes: Axes, matrix: FloatArray, texts: Sequence[str]) -> None:
    n = len(matrix)
    image = axes.imshow(matrix, vmin=-1.0, vmax=1.0, cmap="RdBu_r")
    size = 9 if n <= _MAX_NUMBERS else 7.5
    axes.set_xticks(range(n), texts, rotation=90, fontsize=size)
    axes.set_yticks(range(n), texts, fontsize=size)
    axes.minorticks_off()
    axes.tick_params(length=0)
    scale = axes.inset_axes((1.03, 0.0, 0.04, 1.0))
    axes.figure.colorbar(image, cax=scale, label="correlation")
    if n > _MAX_NUMBERS:
        return
    for i, j in np.ndindex(n, n):
        if np.isfinite(matrix[i, j]):
            colour = "white" if abs(matrix[i, j]) > 0.6 else "black"
            text = f"{100 * matrix[i, j]:.0f}".replace("-", "\u2212")
            axes.text(j, i, text, ha="center", va="center", fontsize=6.5, color=colour)


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
    with new_figure(figsize or (6.4, 1.2 + 0.3 * len(rows)), label) as figure:
        axes = figure.subplots()
        sizes = [float(np.nan_to_num(size)) for _, size in rows]
        axes.barh(range(len(rows)), sizes, color=colours, height=0.7)
        for i, (_, size) in enumerate(rows):
            text = f" {size:.3g}" if np.isfinite(size) else " not known"
            axes.text(sizes[i], i, text, va="center", fontsize=9)
        axes.set_xlim(0.0, 1.18 * max(sizes) or 1.0)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), texts)
        axes.axhline(2.5, color="black", lw=0.8)
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_xlabel(x_label or f"uncertainty of {poi}")
        label_figure(figure, label)
    return save_figure(figure, save)
