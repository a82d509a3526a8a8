"""Plots of templates: a sample, and what a systematic variation does to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from .._arrays import FloatArray
from ..errors import ArgumentError, located
from ._colours import BLUE, RED
from ._output import Save, documented, save_figure
from ._style import Label, StyledFigure, fitting_legend, label_axes, make_room, new_figure
from ._text import MINUS, axis_label, display_names, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..infer.impacts.templates import TemplatesResult, Variation


@documented
def templates(
    result: TemplatesResult,
    *,
    channel: str | None = None,
    sample: str | None = None,
    parameter: str | None = None,
    original: TemplatesResult | None = None,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    unit: str = "",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw a sample, nominal and varied, and the relative differences.

    Bars on the nominal template are statistical uncertainties of the simulation; the legend gives
    the change of the yield.

    Parameters
    ----------
    result : TemplatesResult
        What to draw.
    channel, sample, parameter : str, optional
        Which variation; may be left out where there is one only.
    original : TemplatesResult, optional
        The same before smoothing or symmetrising: drawn as dashed lines.

    Raises
    ------
    ArgumentError
        If there is no such variation, or several.

    Examples
    --------
    >>> model = nf.build.correlated_background([12, 11], [50, 52], low=[45, 57], high=[55, 47])
    >>> from nablafit import plot
    >>> figure = plot.templates(nf.templates(model))
    """
    found = _single(result, channel, sample, parameter)
    before = None
    if original is not None:
        before = _single(original, found.channel, found.sample, found.parameter)
        if before.nominal.shape != found.nominal.shape:
            message = f"expected {len(found.nominal)} bins, got {len(before.nominal)}"
            raise located(ArgumentError, message, "original")
    edges = np.arange(len(found.nominal) + 1.0) if found.edges is None else found.edges
    texts = display_names([found.channel, found.sample, found.parameter], names)
    with new_figure(figsize, (6.4, 6.0), label) as figure:
        axes, ratio = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
        figure.get_layout_engine().set(hspace=0.0, h_pad=0.03)  # type: ignore[union-attr,call-arg]
        bars: dict[str, Any] = {"color": "black", "ls": "", "elinewidth": 1.2}
        centres = 0.5 * (edges[1:] + edges[:-1])
        axes.stairs(found.nominal, edges, baseline=None, color="black", lw=1.6, label="nominal")
        axes.errorbar(centres, found.nominal, yerr=found.nominal_errors, **bars)
        ratio.axhline(0.0, color="black", lw=1.0)
        safe = np.where(found.nominal != 0.0, found.nominal, np.nan)
        ratio.errorbar(centres, np.zeros(len(safe)), yerr=100 * found.nominal_errors / np.abs(safe),
                       **bars)  # fmt: skip
        tops = [found.nominal + found.nominal_errors]
        for side, colour, sign, effect in zip(
            ("up", "down"), (RED, BLUE), ("+", MINUS), found.effects, strict=True
        ):
            change = f"{100 * effect:+.1f} %".replace("-", MINUS)
            for one, style in ((before, "--"), (found, "-")):
                if one is None:
                    continue
                values = getattr(one, side)
                text = (
                    rf"{sign}1$\sigma$: {change}" if one is found else f"{sign}1$\\sigma$, original"
                )
                axes.stairs(
                    values, edges, baseline=None, color=colour, ls=style, lw=1.6, label=text
                )
                ratio.stairs(100 * (values / safe - 1.0), edges, baseline=None, color=colour,
                             ls=style, lw=1.6)  # fmt: skip
                tops.append(values)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylabel(y_label or "Events / bin")
        ratio.set_ylabel("change [%]", loc="center")
        _centre(ratio, [100 * (values / safe - 1.0) for values in tops[1:]])
        name = "bin" if found.edges is None else plain(found.axis)
        ratio.set_xlabel(axis_label(name if x_label is None else x_label, unit))
        if found.edges is None:
            step = 1 + len(safe) // 20
            ratio.set_xticks(centres[::step], [str(i + 1) for i in range(len(safe))][::step])
            ratio.tick_params(axis="x", which="both", length=0)
            ratio.xaxis.minorticks_off()
        axes.tick_params(labelbottom=False)
        boxes = label_axes(axes, label, texts)
        boxes.append(fitting_legend(axes, *axes.get_legend_handles_labels()))
        make_room(axes, boxes, edges, np.max(tops, axis=0), _lowest(tops))
    return save_figure(figure, save)


def _single(
    result: TemplatesResult, channel: str | None, sample: str | None, parameter: str | None
) -> Variation:
    found = result.select(channel, sample, parameter)
    if len(found) != 1:
        listed = ", ".join(f"{v.parameter} of {v.sample} in {v.channel}" for v in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        message = (
            f"expected one variation, got {len(found)}: {listed}{more}; choose a channel, a sample "
            "and a parameter"
        )
        raise located(ArgumentError, message, "result")
    return found[0]


def _centre(axes: Axes, changes: list[FloatArray]) -> None:
    """Make the range of the panel of changes symmetric about all of them."""
    sizes = np.abs(np.concatenate(changes))
    reach = 1.25 * float(np.max(sizes[np.isfinite(sizes)], initial=0.0)) or 1.0
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(4, symmetric=True, prune="both"))


def _lowest(heights: list[FloatArray]) -> float:
    return min(0.0, float(np.min(heights)))
