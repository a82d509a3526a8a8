"""Plots of the profile likelihood: scans, contours, Feldman-Cousins intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from scipy.interpolate import Akima1DInterpolator

from .._arrays import FloatArray
from ..errors import ArgumentError, located
from ._colours import BLUE, GREY, ORANGE, PETROFF6, RED
from ._output import Save, documented, save_figure
from ._style import (
    LINE_STYLES,
    Label,
    StyledFigure,
    keep_below,
    label_axes,
    label_figure,
    legend_above,
    new_figure,
    text_size,
)
from ._text import axis_label, display_names, note_below, quoted

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from ..infer.profiles.contour import ContourResult
    from ..infer.profiles.feldman_cousins import FeldmanCousinsResult
    from ..infer.profiles.scan import ScanResult

_HEIGHT = r"$-2\,\Delta\,\ln\,L$"
_LEVELS = {0.682689: "68.3 % CL", 0.954500: "95.4 % CL"}


@documented
def scan(
    result: ScanResult,
    *,
    others: Mapping[str, ScanResult] | None = None,
    name: str = "",
    names: Mapping[str, str] | None = None,
    y_max: float | None = None,
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    unit: str = "",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw a scan of the profile likelihood in one or two parameters.

    Parameters
    ----------
    result : ScanResult
        What to draw: a smooth curve through all points with lines at 1 and 4, and the best fit with
        the errors where it crosses 1; or a map with contours of 68.3 % and 95.4 %.
    others : mapping, optional
        More scans of the same parameter, by the text for the legend, e.g. without systematics.
    name : str
        Text of the first scan for the legend.
    y_max : float, optional
        Largest -2 Δ ln L drawn; by default 9 or, if less, what all curves reach.

    Raises
    ------
    ArgumentError
        If there is no number to draw, or `others` have other parameters.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> figure = plot.scan(nf.scan(model, data, "mu", n=11), x_label="Signal strength")
    """
    if not np.isfinite(result.twice_delta_nll).any():
        raise located(ArgumentError, "the scan has no point with a finite likelihood", "result")
    texts = display_names(result.parameters, names)
    scans = {name or "_": result, **(others or {})}
    for key, other in scans.items():
        if other.parameters != result.parameters:
            message = f"expected a scan of {result.parameters}, got one of {other.parameters}"
            raise located(ArgumentError, message, key)
    with new_figure(figsize, (6.4, 5.2), label) as figure:
        axes = figure.subplots()
        if len(result.parameters) == 1:
            boxes = label_axes(axes, label)
            axes.set_ylabel(y_label or _HEIGHT)
            _draw_curves(axes, scans, texts[0], y_max, unit, boxes)
        else:
            axes.set_ylabel(y_label or texts[1])
            _draw_map(axes, result, y_max)
            below = label_figure(figure, label, reserved=0.36)
            legend_above(figure, *axes.get_legend_handles_labels(), below, n_columns=3)
        axes.set_xlabel(axis_label(texts[0] if x_label is None else x_label, unit))
        if not np.isfinite(result.twice_delta_nll).all():
            n = int(np.sum(~np.isfinite(result.twice_delta_nll)))
            note_below(axes, f"{n} of {len(result)} points without a finite likelihood")
    return save_figure(figure, save)


def _draw_curves(
    axes: Axes,
    scans: Mapping[str, ScanResult],
    text: str,
    y_max: float | None,
    unit: str,
    boxes: Sequence[Artist],
) -> None:
    knots = {key: _knots(result) for key, result in scans.items()}
    low, high = (f(scans[next(iter(scans))].values[[0, -1]]) for f in (np.min, np.max))
    ends = [y[i] for x, y in knots.values() for i in (0, -1) if low < x[i] < high]
    reached = max(float(np.max(y)) for _, y in knots.values())
    top = y_max or (min([9.0, reached, *ends]) or 1.0)
    lines: list[Line2D] = []
    for i, (key, (x, y)) in enumerate(knots.items()):
        result = scans[key]
        best = f"{text} = {quoted(float(result.best[0]), *_errors(result, x, y))} {unit}".rstrip()
        fine = np.union1d(np.linspace(x[0], x[-1], 401), x)
        lines += axes.plot(
            fine,
            _smooth(x, y)(fine) if len(x) > 3 else np.interp(fine, x, y),
            color="black" if i == 0 else PETROFF6[(i - 1) % 6],
            ls=LINE_STYLES[i % 4],
            label=best if key == "_" else f"{key}: {best}",
        )
    axes.set_xlim(low, high)
    for level, threshold in (("68.3 %", 1.0), ("95.4 %", 4.0), ("99.7 %", 9.0)):
        if threshold < 0.94 * top:
            axes.axhline(threshold, color=GREY, lw=1.0, ls="--", zorder=0)
            rim = [withStroke(linewidth=2.5, foreground="white")]
            axes.text(0.99, threshold, level, transform=axes.get_yaxis_transform(), ha="right",
                      va="bottom", fontsize=text_size(axes, 9), color="#555555",
                      path_effects=rim)  # fmt: skip
    lowest = min(float(np.min(y)) for _, y in knots.values())
    axes.set_ylim(bottom=min(0.0, 1.1 * lowest))
    keep_below(axes, lines, top, axes.legend(loc="upper right"), *boxes)


def _knots(result: ScanResult) -> tuple[FloatArray, FloatArray]:
    """Return the points of a scan that are known, and the best fit where it is inside."""
    finite = np.isfinite(result.twice_delta_nll)
    x, y = result.values[finite], result.twice_delta_nll[finite]
    order = np.argsort(x)
    x, y = x[order], y[order]
    best = float(result.best[0])
    if x[0] < best < x[-1] and best not in x and np.min(y) >= 0.0:
        place = int(np.searchsorted(x, best))
        x, y = np.insert(x, place, best), np.insert(y, place, 0.0)
    return x, y


def _smooth(x: FloatArray, y: FloatArray) -> Akima1DInterpolator:
    """Interpolate smoothly, with little overshooting beside kinks (modified Akima)."""
    return Akima1DInterpolator(x, y, method="makima")


def _errors(result: ScanResult, x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Return the distances to where the curve crosses 1, or the symmetric error."""
    best, error = float(result.best[0]), float(result.errors[0])
    if len(x) > 3:
        crossings = np.atleast_1d(_smooth(x, y).solve(1.0, extrapolate=False))
        below, above = crossings[crossings < best], crossings[crossings > best]
        if len(below) and len(above):
            return best - float(below.max()), float(above.min()) - best
    return error, error


def _draw_map(axes: Axes, result: ScanResult, y_max: float | None) -> None:
    finite = np.isfinite(result.twice_delta_nll)
    heights = np.where(finite, result.twice_delta_nll, np.nan).T
    top = y_max or min(16.0, float(np.nanmax(heights))) or 1.0
    image = axes.pcolormesh(*result.axes, heights, vmin=0.0, vmax=top, cmap="Blues_r",
                            shading="nearest", rasterized=True)  # fmt: skip
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, label=_HEIGHT)
    bar.ax.yaxis.set_ticks_position("right")
    for (level, text), style in zip(_LEVELS.items(), LINE_STYLES, strict=False):
        threshold = -2.0 * np.log1p(-level)
        if np.nanmin(heights) < threshold < np.nanmax(heights):
            axes.contour(*result.axes, heights, [threshold], colors=RED, linestyles=style)
            axes.plot([], [], color=RED, ls=style, label=text)
    axes.plot(*result.best, "P", color=ORANGE, mec="black", ms=9, ls="", label="best fit")


@documented
def contour(
    result: ContourResult,
    *,
    names: Mapping[str, str] | None = None,
    points: Mapping[str, tuple[float, float]] | None = None,
    ellipses: bool = False,
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    units: tuple[str, str] = ("", ""),
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw contours of the profile likelihood in two parameters.

    Parameters
    ----------
    result : ContourResult
        What to draw; a contour stays open where directions are missing.
    points : mapping, optional
        Points to mark, by the text for the legend, e.g. `{"SM": (1, 1)}`.
    ellipses : bool
        Draw the ellipses of the covariance too.
    units : tuple of str
        Units of the two parameters.

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> model = workspace.model()
    >>> data = workspace.data(model)
    >>> from nablafit import plot
    >>> result = nf.contour(model, data, ["mu_signal", "mu_ttbar"], n_points=12)
    >>> figure = plot.contour(result)
    """
    texts = display_names(result.parameters, names)
    with new_figure(figsize, (6.4, 5.6), label) as figure:
        axes = figure.subplots()
        for i, found in enumerate(result.contours):
            ring = found.points
            closed = np.concatenate([ring, ring[:1]]) if found.closed else ring
            colour, text = PETROFF6[i % 6], f"{100 * found.level:.3g} % CL"
            axes.plot(closed[:, 0], closed[:, 1], color=colour, ls=LINE_STYLES[i % 4], label=text)
            if ellipses:
                ellipse = _ellipse(result, found.twice_delta_nll)
                axes.plot(*ellipse, color=colour, lw=0.8, alpha=0.7)
        if ellipses:
            axes.plot([], [], color=GREY, lw=0.8, label="Gaussian")
        axes.plot(*result.best, "P", color="black", ms=8, ls="", label="best fit")
        for marker, (text, at) in zip("*sDv^", (points or {}).items(), strict=False):
            axes.plot(*at, marker, color=RED, ms=9, ls="", label=text)
        axes.margins(x=0.08, y=0.08)
        low, high = axes.get_ylim()
        axes.set_ylim(low, low + 1.42 * (high - low))
        axes.set_xlabel(axis_label(texts[0] if x_label is None else x_label, units[0]))
        axes.set_ylabel(axis_label(texts[1] if y_label is None else y_label, units[1]))
        axes.legend(loc="upper right")
        label_axes(axes, label)
    return save_figure(figure, save)


def _ellipse(result: ContourResult, height: float) -> FloatArray:
    """Return points of the ellipse of the covariance, shape (2, n)."""
    angles = np.linspace(0.0, 2.0 * np.pi, 200)
    root = np.linalg.cholesky(result.covariance)
    circle = np.sqrt(height) * np.array([np.cos(angles), np.sin(angles)])
    points: FloatArray = result.best[:, None] + root @ circle
    return points


@documented
def feldman_cousins(
    result: FeldmanCousinsResult,
    *,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str = _HEIGHT,
    unit: str = "",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw the observed likelihood ratio and its critical values, and p-values from the same toys.

    The interval, shaded, is where the straight lines between p-values are above 1 - level.

    Parameters
    ----------
    result : FeldmanCousinsResult
        What to draw.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> result = nf.feldman_cousins(model, data, "mu", np.linspace(0, 2, 5), n_toys=50, seed=1)
    >>> figure = plot.feldman_cousins(result)
    """
    text = display_names([result.poi], names)[0]
    level = f"{100 * result.level:.4g} %"
    with new_figure(figsize, (6.4, 6.4), label) as figure:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
        figure.get_layout_engine().set(hspace=0.0, h_pad=0.03)  # type: ignore[union-attr,call-arg]
        ends = ", ".join(f"[{low:.3g}, {high:.3g}]" for low, high in result.intervals) or "none"
        axes.set_xlim(result.values[0], result.values[-1])
        curve = axes.plot(
            result.values, result.twice_delta_nll, "o-", color="black", label="observed"
        )
        critical = axes.errorbar(
            result.values,
            result.critical_values,
            yerr=np.nan_to_num(result.critical_value_errors),
            fmt="s",
            color=RED,
            elinewidth=1.2,
            label=f"critical value ({level}, toys)",
        )
        known = result.critical_values[np.isfinite(result.critical_values)]
        axes.set_ylim(bottom=0.0)
        axes.set_ylabel(y_label)
        below.errorbar(result.values, result.p_values, yerr=np.nan_to_num(result.p_value_errors),
                       fmt="o", color="black", elinewidth=1.2)  # fmt: skip
        fine = np.union1d(np.linspace(result.values[0], result.values[-1], 401), result.values)
        below.plot(fine, np.interp(fine, result.values, result.p_values), color="black", lw=1.0)
        below.axhline(1.0 - result.level, color=RED, lw=1.2)
        below.set_yscale("log")
        below.set_ylim(min(0.2 * (1.0 - result.level), 0.5), 1.6)
        below.set_ylabel("p-value", loc="center")
        below.set_xlabel(axis_label(text if x_label is None else x_label, unit))
        axes.tick_params(labelbottom=False)
        boxes = label_axes(axes, label)
        area = Patch(color=BLUE, alpha=0.2, lw=0, label=f"{level} CL: {ends}")
        legend = axes.legend(handles=[area, *curve, critical], loc="upper right")
        top = 1.8 * float(np.max(known, initial=1.0))
        keep_below(axes, curve, top, legend, *boxes)
        for low, high in result.intervals:
            axes.fill_between([low, high], 0.0, top, color=BLUE, alpha=0.2, lw=0)
            below.axvspan(low, high, color=BLUE, alpha=0.2, lw=0)
    return save_figure(figure, save)
