"""How plots look: fonts, ticks, the label of the experiment."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import style as mpl_style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, OffsetBox, TextArea, VPacker
from matplotlib.patches import Rectangle

from .._arrays import FloatArray
from ..errors import ArgumentError, located

if TYPE_CHECKING:
    from matplotlib.backend_bases import RendererBase
    from matplotlib.transforms import Bbox

_STYLES = ("plain", "ATLAS", "CMS")
LINE_STYLES = ("-", "--", ":", "-.")
_NARROWEST = 5.0
_DESIGN = 6.4
"""Width in inches that sizes of text and lines are given for."""
_LEAST_FACTOR = 0.68
LEAST_POINTS = 6.0
"""No text is smaller."""
WIDEST = 17.8 / 2.54
"""Width of two columns in inches: nothing is drawn wider, to be shrunk in print."""

_RC: dict[str, Any] = {
    "text.usetex": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "mathtext.default": "regular",
    "font.size": 11.0,
    "axes.labelsize": 12.0,
    "axes.titlesize": 12.0,
    "axes.linewidth": 1.0,
    "axes.unicode_minus": True,
    "axes.grid": False,
    "axes.facecolor": "white",
    "axes.edgecolor": "black",
    "axes.labelcolor": "black",
    "text.color": "black",
    "figure.facecolor": "white",
    "figure.dpi": 100.0,
    "savefig.dpi": 200.0,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.color": "black",
    "ytick.color": "black",
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "xtick.major.size": 6.0,
    "ytick.major.size": 6.0,
    "xtick.minor.size": 3.0,
    "ytick.minor.size": 3.0,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "legend.frameon": False,
    "legend.fontsize": 10.0,
    "legend.handlelength": 1.6,
    "legend.labelspacing": 0.35,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.6,
    "errorbar.capsize": 0.0,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "nablafit",
}
_SIZES = ("size", "linewidth")
"""Ends of the names of settings that follow the width of a figure."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """Experiment, conditions and style of a plot; one object serves all plots of a paper.

    Raises
    ------
    ArgumentError
        For an unknown style.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> from nablafit import plot
    >>> label = plot.Label(experiment="ATLAS", status="Internal", energy=13, luminosity=139)
    >>> figure = plot.pulls(result, label=label)
    """

    experiment: str = ""
    """Name in bold, e.g. "ATLAS"."""
    status: str = ""
    """Status, e.g. "Internal" or "Preliminary"."""
    energy: float | None = None
    """Centre-of-mass energy in TeV."""
    luminosity: float | None = None
    """Integrated luminosity in 1/fb."""
    text: str = ""
    """Another line, e.g. the region or the model."""
    style: str = "plain"
    """"plain", "ATLAS" or "CMS": position of the label, and fonts from mplhep."""
    width: float | None = None
    """Width in print in cm, e.g. 8.6 for one column of a journal and 17.8 for two: the plot is
    made in this size, with lines and text to match. By default about 16 cm."""

    def __post_init__(self) -> None:
        if self.width is not None and not self.width >= _NARROWEST:
            message = f"expected at least {_NARROWEST:g} cm, got {self.width:g}"
            raise located(ArgumentError, message, "label.width")
        if self.style not in _STYLES:
            message = f"expected one of {', '.join(_STYLES)}, got {self.style!r}"
            raise located(ArgumentError, message, "label.style")

    @property
    def conditions(self) -> tuple[str, ...]:
        """Energy and luminosity, as far as they are known."""
        energy = "" if self.energy is None else rf"$\sqrt{{s}}$ = {self.energy:g} TeV"
        luminosity = "" if self.luminosity is None else rf"{self.luminosity:g} fb$^{{-1}}$"
        return tuple(part for part in (energy, luminosity) if part)


class StyledFigure(Figure):
    """A figure that keeps its style wherever it is drawn: on screen, in a notebook, in a file.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> from nablafit import plot
    >>> figure = plot.pulls(result)
    >>> figure.axes[0].set_xlim(-3, 3)
    (-3.0, 3.0)
    >>> figure.savefig("pulls.png")
    """

    def __init__(self, rc: Mapping[str, Any], factor: float, **arguments: Any) -> None:  # noqa: ANN401
        self.rc = dict(rc)
        self.factor = factor
        with _in_force(self.rc):
            super().__init__(**arguments)

    def draw(self, renderer: RendererBase) -> None:
        """Draw with the style of this figure."""
        with _in_force(self.rc):
            super().draw(renderer)

    def savefig(self, fname: Any, **arguments: Any) -> None:  # noqa: ANN401
        """Save with the style of this figure."""
        with _in_force(self.rc):
            super().savefig(fname, **arguments)

    def _repr_png_(self) -> bytes:
        target = io.BytesIO()
        self.savefig(target, format="png", dpi=100)
        return target.getvalue()


def _in_force(rc: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Replace all settings of the user by those of matplotlib and ours, for a while."""
    return mpl_style.context(["default", dict(rc)])


@contextmanager
def new_figure(
    figsize: tuple[float, float] | None,
    design: tuple[float, float],
    label: Label | None = None,
    *,
    in_rows: bool = False,
) -> Iterator[StyledFigure]:
    """Yield an empty figure, with the style in force until the end.

    Parameters
    ----------
    figsize : tuple, optional
        Size in inches that the user asks for.
    design : tuple
        Size in inches otherwise, unless the label has a width.
    in_rows : bool
        Whether the height is one of rows of text: it shrinks as text does, not as the width.
    """
    label = label or Label()
    width, height = figsize or design
    factor = 1.0
    if figsize is None and label.width is not None:
        width = label.width / 2.54
        height *= _factor(width) if in_rows else width / design[0]
    factor = _factor(width)
    rc = _settings(label, factor)
    with _in_force(rc):
        yield StyledFigure(rc, factor, figsize=(width, height), layout="constrained")


def _factor(width: float) -> float:
    """Return the factor of sizes of text and lines for a figure of this width in inches."""
    return min(max(width / _DESIGN, _LEAST_FACTOR), 1.0)


def text_size(artist: Axes | StyledFigure, size: float) -> float:
    """Return the size of text that has `size` points in a figure of the usual width."""
    figure = artist.figure
    factor = figure.factor if isinstance(figure, StyledFigure) else 1.0
    return max(LEAST_POINTS, size * factor)


def _settings(label: Label, factor: float) -> dict[str, Any]:
    """Return our settings, with the fonts of mplhep for the styles of experiments."""
    scaled = {key: factor * _RC[key] for key in _RC if key.endswith(_SIZES)}
    if label.style == "plain":
        return _RC | scaled
    try:
        from mplhep import style
    except ImportError as error:
        message = f"the style {label.style!r} needs mplhep: pip install 'nablafit[plot]'"
        raise ImportError(message) from error
    fonts = [*getattr(style, label.style)["font.sans-serif"], *_RC["font.sans-serif"]]
    return _RC | scaled | {"font.sans-serif": fonts, "mathtext.fontset": "stixsans"}


def label_axes(axes: Axes, label: Label | None, lines: Sequence[str] = ()) -> list[Artist]:
    """Put the label at axes that are as wide as the figure: inside for ATLAS, above otherwise.

    Further lines follow inside, at the upper left. Returns what stands inside, for `make_room`.
    """
    label = label or Label()
    texts = [_text(axes, text) for text in (label.text, *lines)]
    if label.style == "ATLAS":
        inside = [_name(axes, label), _text(axes, ", ".join(label.conditions)), *texts]
    else:
        inside = texts
        _anchor(axes, [_name(axes, label)], "lower left", (0.0, 1.0))
        _anchor(axes, [_text(axes, _outside(label))], "lower right", (1.0, 1.0))
    box = _anchor(axes, inside, "upper left", (0.0, 1.0), pad=0.8)
    return [] if box is None else [box]


def make_room(
    axes: Axes, boxes: Sequence[Artist], edges: FloatArray, tops: FloatArray, lowest: float
) -> float:
    """Set the range of the y axis so that a histogram stays below labels and legends.

    `tops` are the heights of what is drawn between neighbouring `edges`; the axis starts at
    `lowest`. Returns the fraction of the axes that is below all labels and legends.
    """
    scale = np.log10 if axes.get_yscale() == "log" else np.asarray
    axes.set_ylim(bottom=lowest)
    lay_out(axes)
    for legend in (box for box in boxes if isinstance(box, Legend)):
        _keep_apart(axes, legend, [box for box in boxes if box is not legend])
    heights = scale(np.maximum(tops, lowest)) - scale(lowest)
    span = 1.08 * float(np.max(heights, initial=0.0)) or 1.0
    free = 1.0
    for box in boxes:
        extent = _extent(axes, box)
        left, right = axes.get_xlim()
        low, high = (left + (right - left) * x for x in (extent.x0 - 0.01, extent.x1 + 0.01))
        below = heights[(edges[1:] > low) & (edges[:-1] < high)]
        free = min(free, float(extent.y0) - 0.04)
        span = max(span, float(np.max(below, initial=0.0)) / max(extent.y0 - 0.04, 0.3))
    top = float(scale(lowest)) + span
    axes.set_ylim(lowest, 10**top if axes.get_yscale() == "log" else top)
    return free


def lay_out(axes: Axes) -> None:
    """Compute where everything stands."""
    figure = axes.figure
    if isinstance(figure, Figure) and (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)


def _extent(axes: Axes, box: Artist) -> Bbox:
    """Return where a box stands as fractions of the axes."""
    return box.get_window_extent().transformed(axes.transAxes.inverted())


def _keep_apart(axes: Axes, legend: Legend, others: Sequence[Artist]) -> None:
    """Move a legend at the upper right below the boxes that it would cover."""
    left = _extent(axes, legend).x0 - 0.02
    beside = [extent for box in others if (extent := _extent(axes, box)).x1 > left]
    if beside:
        legend.set_bbox_to_anchor((1.0, min(extent.y0 for extent in beside)), axes.transAxes)
        lay_out(axes)


def fitting_legend(axes: Axes, handles: Sequence[Artist], texts: Sequence[str]) -> Legend:
    """Add a legend at the upper right, in as many columns as are useful and fit."""
    n_columns = 1 + (len(texts) > 6) + (len(texts) > 12)
    while True:
        legend = axes.legend(handles, texts, loc="upper right", ncols=n_columns,
                             fontsize=text_size(axes, 9), columnspacing=1.2)  # fmt: skip
        if n_columns == 1:
            return legend
        lay_out(axes)
        if _extent(axes, legend).width < 0.98:
            return legend
        n_columns -= 1


def keep_below(axes: Axes, lines: Sequence[Line2D], top: float, *boxes: Artist) -> None:
    """End the frame of curves at a height, with a strip for the legend and labels above it."""
    left, right = axes.get_xlim()
    bottom = axes.get_ylim()[0]
    area = Rectangle((left, bottom), right - left, top - bottom, transform=axes.transData)
    for line in lines:
        line.set_clip_path(area)
    lay_out(axes)
    legends = [box for box in boxes if isinstance(box, Legend)]
    for legend in legends:
        _keep_apart(axes, legend, [box for box in boxes if box is not legend])
    strip = 1.03 - min((_extent(axes, box).y0 for box in boxes), default=1.0)
    axes.set_ylim(bottom, bottom + (top - bottom) / (1.0 - min(strip, 0.6)))
    axes.axhline(top, color="black", lw=axes.spines["top"].get_linewidth())
    ticks = [tick for tick in axes.get_yticks() if bottom <= tick <= 1.0001 * top]
    minor = [tick for tick in axes.get_yticks(minor=True) if tick <= top]
    axes.set_yticks(ticks)
    axes.set_yticks(minor, minor=True)


def label_figure(figure: StyledFigure, label: Label | None, *, reserved: float = 0.0) -> float:
    """Put the label into a strip at the top, for plots whose names take much of the width.

    Below it `reserved` inches, for a figure of the usual width, are kept free; returns their upper
    end as a fraction of the figure.
    """
    label = label or Label()
    left, right = _name(figure, label), _text(figure, _outside(label))
    rows = [[left, right]] if not label.text else [[left, right], [_text(figure, label.text), None]]
    rows = [row for row in rows if any(row)]
    inch = 1.0 / figure.get_figheight()
    below = 1.0 - 0.28 * figure.factor * len(rows) * inch
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0.0, 0.0, 1.0, below - reserved * figure.factor * inch))  # type: ignore[call-arg]
    for i, row in enumerate(rows):
        y = 1.0 - 0.28 * figure.factor * i * inch
        for box, place, x in zip(row, ("upper left", "upper right"), (0.0, 1.0), strict=True):
            _anchor(figure, [box], place, (x, y), pad=0.3)
    return below


def legend_above(
    figure: StyledFigure,
    handles: Sequence[Artist],
    texts: Sequence[str],
    below: float,
    title: str = "",
    n_columns: int = 2,
) -> None:
    """Put a legend into the strip that `label_figure` keeps free, below that height."""
    legend = figure.legend(
        handles,
        texts,
        loc="upper center",
        bbox_to_anchor=(0.5, below),
        ncols=n_columns,
        fontsize=text_size(figure, 9),
        title=title,
        title_fontsize=text_size(figure, 10),
    )
    legend.set_in_layout(False)


def _outside(label: Label) -> str:
    """Energy and luminosity as shown above a plot."""
    if label.style == "CMS" and len(label.conditions) == 2:
        return f"{label.luminosity:g} fb$^{{-1}}$ ({label.energy:g} TeV)"
    return ", ".join(label.conditions)


def _name(parent: Axes | StyledFigure, label: Label) -> OffsetBox | None:
    parts: list[Artist] = []
    if label.experiment:
        style = "normal" if label.style == "CMS" else "italic"
        font: dict[str, Any] = {
            "fontweight": "bold",
            "fontstyle": style,
            "fontsize": text_size(parent, 14),
        }
        parts.append(TextArea(label.experiment, textprops=font))
    if label.status:
        style = "italic" if label.style == "CMS" else "normal"
        font = {"fontstyle": style, "fontsize": text_size(parent, 13)}
        parts.append(TextArea(label.status, textprops=font))
    return HPacker(children=parts, align="baseline", pad=0, sep=5) if parts else None


def _text(parent: Axes | StyledFigure, text: str) -> OffsetBox | None:
    return TextArea(text, textprops={"fontsize": text_size(parent, 11)}) if text else None


def _anchor(
    parent: Axes | StyledFigure,
    boxes: Sequence[OffsetBox | None],
    place: str,
    at: tuple[float, float],
    pad: float = 0.0,
) -> AnchoredOffsetbox | None:
    children: list[Artist] = [box for box in boxes if box is not None]
    if not children:
        return None
    transform = parent.transAxes if isinstance(parent, Axes) else parent.transFigure
    box = AnchoredOffsetbox(
        place,
        child=VPacker(children=children, align="left", pad=0, sep=4),
        bbox_to_anchor=at,
        bbox_transform=transform,
        frameon=False,
        pad=0.2,
        borderpad=pad,
    )
    box.set_in_layout(isinstance(parent, Axes))
    parent.add_artist(box)
    return box
