"""Channels of a pdf: for each its sum of samples, its constraint terms and its axes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._budget import BINS
from ...errors import WorkspaceError, located
from ...spec import Axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rootfile.records import Record
    from ._graph import Graph

__all__ = ["ChannelPdf", "channel_pdfs", "model_pdf", "refuse_combine"]

MAX_CHANNEL_BINS = 1_000_000
COMBINE_CLASSES = frozenset(
    (
        "AsymPow",
        "CMSHistErrorPropagator",
        "CMSHistFunc",
        "CMSHistSum",
        "CMSInterferenceFunc",
        "FastVerticalInterpHistPdf2",
        "FastVerticalInterpHistPdf2D2",
        "ProcessNormalization",
        "RooMultiPdf",
        "RooParametricHist",
        "RooSimultaneousOpt",
        "SimpleGaussianConstraint",
        "SimplePoissonConstraint",
        "VerticalInterpPdf",
    )
)

IndexArray: TypeAlias = NDArray[np.intp]


@dataclass
class ChannelPdf:
    """One channel.

    `axes` name the observables; bins run with the last axis fastest. `state` is the index of the
    channel in the category, None in a workspace of one channel. `pdf` is the name of its density.
    """

    name: str
    pdf: str
    sum: Record
    constraints: tuple[Record, ...]
    axes: tuple[Axis, ...]
    state: int | None = None
    _mappings: dict[tuple[object, ...], IndexArray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.shape = tuple(len(axis.edges) - 1 for axis in self.axes)
        self.n_bins = int(np.prod(self.shape, dtype=np.int64))

    def widths(self) -> NDArray[np.float64]:
        """Return the volume of every bin, shape (n_bins,)."""
        volume = np.ones(1)
        for axis in self.axes:
            volume = np.multiply.outer(volume, np.diff(axis.edges)).ravel()
        return volume

    def bins_of(
        self, names: Sequence[str], edges: Sequence[NDArray[np.float64]], *, is_first_fastest: bool
    ) -> IndexArray:
        """Return, for every bin of the channel, the bin of a histogram where its centre lies.

        Parameters
        ----------
        names : sequence of str
            Observable of each dimension of the histogram.
        edges : sequence of array
            Bin edges of each dimension.
        is_first_fastest : bool
            Order of the bins of the histogram: ParamHistFunc runs over the first dimension
            fastest, RooDataHist over the last.
        """
        key = (*names, is_first_fastest, *(e.tobytes() for e in edges))
        mapping = self._mappings.get(key)
        if mapping is None:
            mapping = self._mappings[key] = self._bins_of(names, edges, is_first_fastest)
        return mapping

    def _bins_of(
        self, names: Sequence[str], edges: Sequence[NDArray[np.float64]], is_first_fastest: bool
    ) -> IndexArray:
        own = [axis.name for axis in self.axes]
        cells = np.indices(self.shape)
        dimensions = list(zip(names, edges, strict=True))
        index = np.zeros(self.n_bins, np.intp)
        for name, borders in reversed(dimensions) if is_first_fastest else dimensions:
            axis = own.index(name)
            centres = 0.5 * (self.axes[axis].edges[1:] + self.axes[axis].edges[:-1])
            bins = cell_of(centres, borders)
            index = index * (len(borders) - 1) + bins[cells[axis].ravel()]
        return index


def cell_of(values: NDArray[np.float64], edges: NDArray[np.float64]) -> IndexArray:
    """Return the bin of every value; values beyond the edges count in the outer bins."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def refuse_combine(graph: Graph) -> None:
    """Raise WorkspaceError for a workspace of Combine, whose terms are functions of its own."""
    found = sorted(COMBINE_CLASSES.intersection(graph.class_names()))
    if not found:
        return
    message = (
        f"this is a workspace of Combine ({', '.join(found)}), and only HistFactory models can be "
        "read; give the datacard that it was made from instead, translated to one of the formats "
        "that can be read"
    )
    raise located(WorkspaceError, message, graph.location)


def model_pdf(graph: Graph, name: str) -> Record:
    """Return the pdf of a model by name, or, for an empty name, the only one it can be."""
    if name:
        pdf = graph.node(name)
        if pdf is None:
            message = f"the ModelConfig names the pdf {name!r}, which the workspace does not hold"
            raise located(WorkspaceError, message, graph.location)
        return pdf
    for class_name in ("RooSimultaneous", "RooProdPdf", "RooRealSumPdf"):
        found = [node for kind, node in graph.nodes() if kind == class_name]
        pdfs = [node for node in found if not isinstance(node, Exception)]
        if len(found) == 1 and pdfs:
            return pdfs[0]
        if found:
            break
    message = "the workspace holds no ModelConfig, and no single RooSimultaneous or RooProdPdf"
    raise located(WorkspaceError, f"{message} that could be the model", graph.location)


def channel_pdfs(graph: Graph, pdf: Record) -> list[ChannelPdf]:
    """Return the channels of a model in the order of the workspace.

    Raises
    ------
    WorkspaceError
        If a channel is not a sum of samples times constraint terms.
    """
    if pdf.class_name != "RooSimultaneous":
        return [_channel(graph, pdf.name.removeprefix("model_"), pdf, None)]
    states = graph.states(graph.argument(pdf, "_indexCat"))
    channels = []
    for proxy in graph.objects(pdf, "_pdfProxyList"):
        channel = graph.object(graph.guard(proxy.reference, "_arg"))
        if proxy.name not in states:
            message = f"its channel {proxy.name!r} is not a state of its category"
            raise graph.refuse(pdf, message)
        channels.append(_channel(graph, proxy.name, channel, states[proxy.name]))
    return channels


def _channel(graph: Graph, name: str, pdf: Record, state: int | None) -> ChannelPdf:
    sums: list[Record] = []
    constraints: list[Record] = []
    for factor in _factors(graph, pdf):
        (sums if factor.class_name == "RooRealSumPdf" else constraints).append(factor)
    if len(sums) != 1:
        found = ", ".join(sorted({f.class_name for f in (*sums, *constraints)})) or "nothing"
        message = (
            f"channel {name!r}: expected one RooRealSumPdf and constraint terms, found "
            f"{len(sums)} RooRealSumPdf among factors of class {found}; only HistFactory models "
            "can be read"
        )
        raise graph.refuse(pdf, message)
    return ChannelPdf(name, pdf.name, sums[0], tuple(constraints), _axes(graph, sums[0]), state)


def _factors(graph: Graph, pdf: Record) -> list[Record]:
    """Return the factors of nested RooProdPdfs, each once, in order."""
    pending, seen, factors = [pdf], {id(pdf)}, []
    while pending:
        record = pending.pop()
        if record.class_name != "RooProdPdf":
            factors.append(record)
            continue
        for factor in reversed(graph.objects(record, "_pdfList")):
            if id(factor) not in seen:
                seen.add(id(factor))
                pending.append(factor)
    return factors


def _axes(graph: Graph, pdf: Record) -> tuple[Axis, ...]:
    """Return the observables of the first histogram below a sum."""
    for record in graph.below(pdf):
        if record.class_name == "RooHistFunc":
            observables = graph.objects(record, "_depList")
            axes = tuple(Axis(o.name, graph.edges(o)) for o in observables)
            n_bins = np.prod([float(len(axis.edges) - 1) for axis in axes])
            if not axes or n_bins > MAX_CHANNEL_BINS:
                message = f"{len(axes)} observables with {n_bins:.0f} bins cannot be a channel"
                raise graph.refuse(record, message)
            graph.budget.spend(BINS, int(n_bins), graph.location)
            return axes
    raise graph.refuse(pdf, "no RooHistFunc below this sum; only HistFactory models can be read")
