"""Data and expectation: stacked histograms with uncertainty bands and a panel of ratios."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from scipy.special import gammaincinv

from .._arrays import FloatArray
from ..errors import ArgumentError, located
from ._colours import BAND, SAMPLES
from ._output import Save, documented, save_figure
from ._style import (
    LINE_STYLES,
    WIDEST,
    Label,
    StyledFigure,
    fitting_legend,
    label_axes,
    make_room,
    new_figure,
    text_size,
)
from ._text import MAX_NAME, axis_label, display_names, plain, shorten

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from ..infer.predictions.yields import YieldsResult

_TAIL = 0.158655
"""Probability outside a central interval of one standard deviation, on each side."""
_DATA: dict[str, Any] = {"fmt": "o", "color": "black", "elinewidth": 1.2, "zorder": 6}


@dataclass(frozen=True, kw_only=True)
class _Stack:
    """What is drawn: one column per bin, or per channel."""

    title: str
    kind: str
    samples: tuple[str, ...]
    by_sample: FloatArray
    total: FloatArray
    error: FloatArray
    observed: FloatArray | None
    edges: FloatArray
    axis: str
    colours: dict[str, str]
    """By sample, in the order of the model: the same in all channels, before and after a fit."""
    ticks: tuple[str, ...]
    """Names of the columns, where they are not intervals of an observable."""

    def sample(self, name: str) -> FloatArray:
        """Return the events of a sample per column, 0 where it is missing."""
        events = np.zeros_like(self.total)
        if name in self.samples:
            events += self.by_sample[self.samples.index(name)]
        return events


@documented
def yields(
    result: YieldsResult,
    *,
    channel: str | None = None,
    prefit: YieldsResult | None = None,
    samples: Sequence[str] | None = None,
    n_samples: int = 20,
    overlay: Mapping[str, float] | None = None,
    names: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    y_scale: str | None = None,
    ratio_range: tuple[float, float] | None = None,
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str | None = None,
    unit: str = "",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw observed and expected events, and their ratio.

    Vertical bars on data are central Poisson intervals of 68.3 % (Garwood); hatched bands are the
    uncertainties in the result.

    Parameters
    ----------
    result : YieldsResult
        What to draw.
    channel : str, optional
        Channel to draw, bin by bin; by default the only one or, if there are several, a summary
        with one column per channel.
    prefit : YieldsResult, optional
        The same before the fit: its total is added as a dashed line.
    samples : sequence of str, optional
        Samples on top of the stack, in this order, by default the signals; all others are ordered
        by yield.
    n_samples : int
        Largest number of samples to draw; the smallest ones, other than those on top, are added up
        as "Other".
    overlay : mapping, optional
        Samples to draw as lines too, and the factors that multiply them: `{"signal": 10}`.
    colours : mapping, optional
        Colour of a sample; the others have the same one in all channels, before and after a fit.
    y_scale : {"linear", "log"}, optional
        By default logarithmic if the columns differ by more than a factor of 100.
    ratio_range : tuple, optional
        Range of the lower panel, by default with all points up to a ratio of 4. Arrows mark points
        outside.
    x_label, y_label : str, optional
        Labels of the axes; by default the observable and "Events", with the width of equal bins.

    Raises
    ------
    ArgumentError
        For an unknown channel, sample or scale, or if `prefit` has other bins.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> from nablafit import plot
    >>> figure = plot.yields(nf.yields(model, result, data=data), prefit=nf.yields(model))
    """
    if y_scale not in (None, "linear", "log"):
        message = f"expected 'linear', 'log' or None, got {y_scale!r}"
        raise located(ArgumentError, message, "y_scale")
    stack = _stack(result, channel)
    on_top = list(result.signals if samples is None else samples)
    for name in (*on_top, *(overlay or {}), *(colours or {})):
        if name not in (known := _summary(result).samples):
            message = f"unknown sample; there are {', '.join(known)}"
            raise located(ArgumentError, message, name)
    lines = {name: stack.sample(name) * factor for name, factor in (overlay or {}).items()}
    stack = _merged(_ordered(stack, on_top), n_samples, on_top)
    stack = replace(stack, colours=stack.colours | dict(colours or {}))
    before = None if prefit is None else _stack(prefit, channel)
    if before is not None and before.total.shape != stack.total.shape:
        message = f"expected {len(stack.total)} columns as in the result, got {len(before.total)}"
        raise located(ArgumentError, message, "prefit")
    scale = y_scale or ("log" if _spread(stack.total) > 100 else "linear")
    with new_figure(figsize, _size(stack), label) as figure:
        n_panels = 1 if stack.observed is None else 2
        panels = figure.subplots(
            n_panels, 1, sharex=True, squeeze=False, height_ratios=[3.2, 1][:n_panels]
        )
        figure.get_layout_engine().set(hspace=0.0, h_pad=0.03)  # type: ignore[union-attr,call-arg]
        axes = panels[0, 0]
        axes.set_yscale(scale)
        _draw_stack(axes, stack, before, names or {})
        _draw_overlay(axes, stack, lines, overlay or {}, names)
        _label_bins(panels[-1, 0], stack, names, x_label, unit)
        axes.set_ylabel(y_label or _y_label(stack, unit))
        title = [*display_names([stack.title], names), _KINDS.get(stack.kind, stack.kind)]
        boxes = label_axes(axes, label, [line for line in title if line])
        if stack.observed is not None:
            _draw_ratio(panels[1, 0], stack, before, ratio_range)
            axes.tick_params(labelbottom=False)
        if stack.ticks:
            for panel in panels[:, 0]:
                panel.tick_params(axis="x", which="both", length=0)
                panel.xaxis.minorticks_off()
        boxes.append(fitting_legend(axes, *_legend_entries(axes)))
        tops = np.max([_tops(stack, before), *lines.values()], axis=0)
        make_room(axes, boxes, stack.edges, tops, _lowest(stack, scale))
    return save_figure(figure, save)


_KINDS = {"prefit": "Pre-fit", "postfit": "Post-fit"}
_OTHER = "Other"
_COLOUR_OF_OTHERS = "#d0d0d0"


def _stack(result: YieldsResult, channel: str | None) -> _Stack:
    if channel is not None or len(result.channels) == 1:
        found = result.channels[0] if channel is None else result[channel]
        numbered = np.arange(found.n_bins + 1.0)
        ticks = () if found.edges is not None else tuple(map(str, range(1, found.n_bins + 1)))
        return _Stack(
            title=found.name,
            kind=result.kind,
            samples=found.samples,
            by_sample=found.by_sample,
            total=found.by_bin,
            error=found.by_bin_errors,
            observed=found.observed,
            edges=numbered if found.edges is None else found.edges,
            axis=plain(found.axis) if found.edges is not None else "bin",
            colours=_summary(result).colours,
            ticks=ticks,
        )
    return _summary(result)


def _summary(result: YieldsResult) -> _Stack:
    """Return one column per channel."""
    channels = result.channels
    samples = tuple(dict.fromkeys(name for channel in channels for name in channel.samples))
    by_sample = np.zeros((len(samples), len(channels)))
    for j, channel in enumerate(channels):
        rows = [samples.index(name) for name in channel.samples]
        by_sample[rows, j] = channel.sample_totals
    observed = np.array([channel.observed_total for channel in channels])
    return _Stack(
        title="",
        kind=result.kind,
        samples=samples,
        by_sample=by_sample,
        total=np.array([channel.total for channel in channels]),
        error=np.array([channel.total_error for channel in channels]),
        observed=None if np.isnan(observed).any() else observed,
        edges=np.arange(len(channels) + 1.0),
        axis="",
        colours=dict(zip(samples, itertools.cycle(SAMPLES), strict=False)),
        ticks=tuple(channel.name for channel in channels),
    )


def _ordered(stack: _Stack, on_top: Sequence[str]) -> _Stack:
    order = np.argsort(stack.by_sample.sum(axis=1), kind="stable").tolist()
    named = [stack.samples.index(name) for name in on_top if name in stack.samples]
    order = [i for i in order if i not in named] + named
    return _with_samples(stack, [stack.samples[i] for i in order], stack.by_sample[order])


def _merged(stack: _Stack, n_max: int, on_top: Sequence[str]) -> _Stack:
    """Add up the smallest samples so that at most `n_max` are left."""
    small = [i for i, name in enumerate(stack.samples) if name not in on_top]
    small = small[: max(0, len(stack.samples) - n_max + 1)]
    if len(stack.samples) <= n_max or not small:
        return stack
    rest = [i for i in range(len(stack.samples)) if i not in small]
    other = stack.by_sample[small].sum(axis=0, keepdims=True)
    names = [f"{_OTHER} ({len(small)})", *(stack.samples[i] for i in rest)]
    return _with_samples(stack, names, np.concatenate([other, stack.by_sample[rest]]))


def _with_samples(stack: _Stack, samples: Sequence[str], by_sample: FloatArray) -> _Stack:
    return replace(stack, samples=tuple(samples), by_sample=by_sample)


def _spread(total: FloatArray) -> float:
    positive = total[total > 0]
    return float(positive.max() / positive.min()) if len(positive) else 1.0


def _size(stack: _Stack) -> tuple[float, float]:
    """Make room for names of columns."""
    if not stack.ticks or max(map(len, stack.ticks)) <= 3:
        return (6.4, 6.0)
    longest = min(max(map(len, stack.ticks)), MAX_NAME)
    return (min(max(6.4, 1.5 + 0.42 * len(stack.ticks)), WIDEST), 5.6 + 0.06 * longest)


def poisson_interval(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the central 68.3 % interval for the mean of Poisson counts, in events.

    F. Garwood, Biometrika 28 (1936) 437; the lower end for no event is 0. Counts need not be
    integers.
    """
    lower = np.where(counts > 0, gammaincinv(np.maximum(counts, 1e-300), _TAIL), 0.0)
    upper: FloatArray = np.asarray(gammaincinv(counts + 1.0, 1.0 - _TAIL), dtype=np.float64)
    return lower, upper


def _draw_stack(
    axes: Axes,
    stack: _Stack,
    before: _Stack | None,
    names: Mapping[str, str],
) -> None:
    texts = display_names([shorten(name, 28) for name in stack.samples], {})
    for i, name in reversed(list(enumerate(stack.samples))):
        base = stack.by_sample[:i].sum(axis=0)
        colour = stack.colours.get(name, _COLOUR_OF_OTHERS)
        text = names.get(name, texts[i])
        axes.stairs(base + stack.by_sample[i], stack.edges, baseline=base, fill=True,
                    facecolor=colour, edgecolor="black", label=text, lw=0.3)  # fmt: skip
    axes.stairs(stack.total, stack.edges, color="black", lw=1.0, baseline=None)
    _draw_band(axes, stack.edges, stack.total - stack.error, stack.total + stack.error)
    if before is not None:
        axes.stairs(before.total, stack.edges, baseline=None, color="#1845fb", ls="--", lw=1.4,
                    label="Pre-fit total", zorder=5)  # fmt: skip
    if stack.observed is not None:
        lower, upper = poisson_interval(stack.observed)
        bars = (stack.observed - lower, upper - stack.observed)
        axes.errorbar(_centres(stack), stack.observed, yerr=bars, label="Data", **_DATA)


def _draw_overlay(
    axes: Axes,
    stack: _Stack,
    lines: Mapping[str, FloatArray],
    factors: Mapping[str, float],
    names: Mapping[str, str] | None,
) -> None:
    """Draw samples as lines with a white rim: readable in front of any colour."""
    texts = display_names([shorten(name, 28) for name in lines], {})
    for (name, line), text, style in zip(
        lines.items(), texts, itertools.cycle(LINE_STYLES), strict=False
    ):
        factor = "" if factors[name] == 1.0 else rf" $\times$ {factors[name]:g}"
        colour = stack.colours[name]
        shown = (names or {}).get(name, text)
        rim = [withStroke(linewidth=3.6, foreground="white")]
        axes.stairs(line, stack.edges, baseline=None, color=colour, ls=style, lw=2.0, zorder=4.5,
                    label=shown + factor, path_effects=rim)  # fmt: skip


def _draw_band(axes: Axes, edges: FloatArray, low: FloatArray, high: FloatArray) -> None:
    known = np.isfinite(low) & np.isfinite(high)
    axes.stairs(
        np.where(known, high, np.nan),
        edges,
        baseline=np.where(known, low, np.nan),
        fill=True,
        facecolor="none",
        edgecolor=BAND,
        hatch="//////",
        lw=0,
        label="Uncertainty",
        zorder=4,
    )


def _centres(stack: _Stack) -> FloatArray:
    centres: FloatArray = 0.5 * (stack.edges[1:] + stack.edges[:-1])
    return centres


def _draw_ratio(
    axes: Axes, stack: _Stack, before: _Stack | None, limits: tuple[float, float] | None
) -> None:
    observed = stack.observed
    assert observed is not None  # noqa: S101 - there is no panel without data
    total = np.where(stack.total > 0, stack.total, np.nan)
    ratio = observed / total
    lower, upper = poisson_interval(observed)
    bars = (ratio - lower / total, upper / total - ratio)
    low, high = limits or _ratio_range(ratio, np.array(bars), stack.error / total)
    axes.axhline(1.0, color="black", lw=0.8)
    relative = stack.error / total
    _draw_band(axes, stack.edges, 1.0 - relative, 1.0 + relative)
    if before is not None:
        axes.stairs(before.total / total, stack.edges, baseline=None, color="#1845fb", ls="--",
                    lw=1.4)  # fmt: skip
    axes.errorbar(_centres(stack), ratio, yerr=bars, **_DATA)
    for outside, marker, y in ((ratio > high, "^", 0.93), (ratio < low, "v", 0.07)):
        axes.plot(
            _centres(stack)[outside],
            np.full(outside.sum(), low + y * (high - low)),
            marker,
            color="black",
            ms=6,
        )
    axes.set_ylim(low, high)
    axes.set_ylabel("Data / exp.", loc="center")
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], prune="upper"))


def _ratio_range(ratio: FloatArray, bars: FloatArray, error: FloatArray) -> tuple[float, float]:
    """Return the narrowest usual range with all points, and with most of the bars and bands."""
    distances = np.abs(ratio - 1.0)
    largest = float(np.max(distances[np.isfinite(distances)], initial=0.0))
    ends = np.concatenate([*np.abs(ratio - 1.0 + bars * [[-1.0], [1.0]]), error])
    ends = ends[np.isfinite(ends)]
    most = max(1.1 * largest, float(np.quantile(ends, 0.9)) if len(ends) else 0.0)
    for half in (0.05, 0.1, 0.2, 0.3, 0.5):
        if most < 0.95 * half:
            return 1.0 - half, 1.0 + half
    highest = float(np.max(ratio[np.isfinite(ratio)], initial=1.0))
    return 0.0, min(max(2.0, np.ceil(1.1 * highest)), 4.0)


def _label_bins(
    axes: Axes, stack: _Stack, names: Mapping[str, str] | None, x_label: str | None, unit: str
) -> None:
    axes.set_xlim(stack.edges[0], stack.edges[-1])
    axes.set_xlabel(axis_label(stack.axis if x_label is None else x_label, unit))
    if stack.ticks:
        step = 1 + (len(stack.ticks) - 1) // 40
        texts = display_names(stack.ticks[::step], names)
        size = text_size(axes, 10)
        width = 72.0 * axes.figure.bbox.width / axes.figure.dpi
        column = 0.85 * width / len(stack.ticks) * step
        size = max(min(size, 0.8 * column), text_size(axes, 6))
        angle = 45 if column > 1.6 * size else 90
        turned: dict[str, Any] = {"rotation": angle, "ha": "right", "rotation_mode": "anchor"}
        if angle == 90:
            turned["va"] = "center"
        long = max(map(len, texts)) > 3
        axes.set_xticks(_centres(stack)[::step], texts, fontsize=size, **(turned if long else {}))


def _y_label(stack: _Stack, unit: str) -> str:
    widths = np.diff(stack.edges)
    if stack.ticks or not np.allclose(widths, widths[0], rtol=1e-6):
        return "Events" if stack.ticks else "Events / bin"
    return f"Events / {widths[0]:.4g} {unit}".rstrip()


def _legend_entries(axes: Axes) -> tuple[list[Artist], list[str]]:
    """Return handles and texts: data, uncertainty, samples from top to bottom, lines."""
    handles, texts = axes.get_legend_handles_labels()
    first = [i for i, text in enumerate(texts) if text in ("Data", "Uncertainty")]
    first.sort(key=lambda i: texts[i])
    order = first + [i for i in range(len(texts)) if i not in first]
    return [handles[i] for i in order], [texts[i] for i in order]


def _tops(stack: _Stack, before: _Stack | None) -> FloatArray:
    """Return the height of what is drawn in each column."""
    tops = np.fmax(stack.total, stack.total + np.where(np.isfinite(stack.error), stack.error, 0.0))
    if stack.observed is not None:
        tops = np.fmax(tops, poisson_interval(stack.observed)[1])
    return tops if before is None else np.fmax(tops, before.total)


def _lowest(stack: _Stack, scale: str) -> float:
    if scale == "linear":
        return 0.0
    heights = stack.total if stack.observed is None else np.append(stack.total, stack.observed)
    positive = heights[heights > 0]
    if not len(positive):
        return 0.1
    return max(0.05 * float(positive.min()), 1e-5 * float(positive.max()))
