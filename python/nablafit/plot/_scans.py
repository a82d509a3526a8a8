"""Plots of the profile likelihood: scans, contours, Feldman-Cousins intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import FloatArray
from .._results.rounding import pdg_round
from ..errors import ArgumentError, located
from ._colours import BLUE, GREY, ORANGE, PETROFF6, RED
from ._output import Save, documented, save_figure
from ._style import Label, StyledFigure, keep_below, label_axes, new_figure
from ._text import axis_label, display_names, note_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from ..infer.profiles.contour import ContourResult
    from ..infer.profiles.feldman_cousins import FeldmanCousinsResult
    from ..infer.profiles.scan import ScanResult

_HEIGHT = r"$-2\,\Delta\,\ln\,L$"
_LEVELS = {0.682689: "68.3 % CL", 0.954500: "95.4 % CL"}
_STYLES = ("-", "--", ":", "-.")


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
        What to draw: a curve with lines at 1 and 4, or a map with contours of 68.3 % and 95.4 %.
    others : mapping, optional
        More scans of the same parameter, by the text for the legend, e.g. without systematics.
    name : str
        Text of the first scan for the legend.
    y_max : float, optional
        Largest -2 Δ ln L drawn; by default 9 or, if less, what was reached.

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
    with new_figure(figsize or (6.4, 5.2), label) as figure:
        axes = figure.subplots()
        if len(result.parameters) == 1:
            axes.set_ylabel(y_label or _HEIGHT)
            _draw_curves(axes, scans, texts[0], y_max)
        else:
            axes.set_ylabel(y_label or texts[1])
            _draw_map(axes, result, y_max)
        axes.set_xlabel(axis_label(texts[0] if x_label is None else x_label, unit))
        label_axes(axes, label)
        if not np.isfinite(result.twice_delta_nll).all():
            n = int(np.sum(~np.isfinite(result.twice_delta_nll)))
            note_below(axes, f"{n} of {len(result)} points without a finite likelihood")
    return save_figure(figure, save)


def _draw_curves(
    axes: Axes, scans: Mapping[str, ScanResult], text: str, y_max: float | None
) -> None:
    heights = [scan.twice_delta_nll for scan in scans.values()]
    reached = max(float(np.max(h[np.isfinite(h)])) for h in heights)
    top = y_max or (min(9.0, reached) or 1.0)
    lines: list[Line2D] = []
    for i, (key, result) in enumerate(scans.items()):
        value, error = pdg_round(float(result.best[0]), float(result.errors[0]))
        best = f"{text} = {value}" + (f" ± {error}" if error else "")
        finite = np.isfinite(result.twice_delta_nll)
        lines += axes.plot(
            result.values[finite],
            result.twice_delta_nll[finite],
            color="black" if i == 0 else PETROFF6[(i - 1) % 6],
            ls=_STYLES[i % 4],
            marker="o" if finite.sum() <= 25 else "",
            ms=3.5,
            label=best if key == "_" else f"{key}: {best}",
        )
    left, right = (float(f(scans[next(iter(scans))].values)) for f in (np.min, np.max))
    axes.set_xlim(left, right)
    for level, threshold in (("68.3 %", 1.0), ("95.4 %", 4.0), ("99.7 %", 9.0)):
        if threshold < top:
            axes.axhline(threshold, color=GREY, lw=1.0, ls="--", zorder=0)
            axes.text(0.99, threshold, level, transform=axes.get_yaxis_transform(), ha="right",
                      va="bottom", fontsize=9, color="#555555")  # fmt: skip
    lowest = min(float(np.min(h[np.isfinite(h)])) for h in heights)
    axes.set_ylim(bottom=min(0.0, 1.1 * lowest))
    keep_below(axes, lines, top)
    axes.legend(loc="upper right")


def _draw_map(axes: Axes, result: ScanResult, y_max: float | None) -> None:
    finite = np.isfinite(result.twice_delta_nll)
    heights = np.where(finite, result.twice_delta_nll, np.nan).T
    top = y_max or min(16.0, float(np.nanmax(heights))) or 1.0
    image = axes.pcolormesh(*result.axes, heights, vmin=0.0, vmax=top, cmap="Blues_r",
                            shading="nearest", rasterized=True)  # fmt: skip
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, label=_HEIGHT)
    bar.ax.yaxis.set_ticks_position("right")
    for (level, text), style in zip(_LEVELS.items(), _STYLES, strict=False):
        threshold = -2.0 * np.log1p(-level)
        if np.nanmin(heights) < threshold < np.nanmax(heights):
            axes.contour(*result.axes, heights, [threshold], colors=RED, linestyles=style)
            axes.plot([], [], color=RED, ls=style, label=text)
    axes.plot(*result.best, "P", color=ORANGE, mec="black", ms=9, ls="", label="best fit")
    axes.legend(loc="upper right", frameon=True, framealpha=0.85)


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
    with new_figure(figsize or (6.4, 5.6), label) as figure:
        axes = figure.subplots()
        for i, found in enumerate(result.contours):
            ring = found.points
            closed = np.concatenate([ring, ring[:1]]) if found.closed else ring
            colour, text = PETROFF6[i % 6], f"{100 * found.level:.3g} % CL"
            axes.plot(closed[:, 0], closed[:, 1], color=colour, ls=_STYLES[i % 4], label=text)
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
    """Draw the observed likelihood ratio and its critical values; accepted ranges are shaded.

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
    with new_figure(figsize or (6.4, 5.2), label) as figure:
        axes = figure.subplots()
        for low, high in result.intervals:
            range_text = f"{level} CL: [{low:.3g}, {high:.3g}]"
            axes.axvspan(low, high, color=BLUE, alpha=0.2, lw=0, label=range_text)
        curve = axes.plot(
            result.values, result.twice_delta_nll, "o-", color="black", ms=4, label="observed"
        )
        axes.errorbar(
            result.values,
            result.critical_values,
            yerr=np.nan_to_num(result.critical_value_errors),
            fmt="s--",
            color=RED,
            ms=4,
            elinewidth=1.2,
            label=f"critical value ({level}, toys)",
        )
        known = result.critical_values[np.isfinite(result.critical_values)]
        axes.set_xlim(result.values[0], result.values[-1])
        axes.set_ylim(bottom=0.0)
        keep_below(axes, curve, 1.8 * float(np.max(known, initial=1.0)))
        axes.set_xlabel(axis_label(text if x_label is None else x_label, unit))
        axes.set_ylabel(y_label)
        axes.legend(loc="upper right")
        label_axes(axes, label)
    return save_figure(figure, save)
