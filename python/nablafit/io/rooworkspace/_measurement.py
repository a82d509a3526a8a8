"""From the graph of a workspace to the specification of a model and its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._budget import BINS
from ...errors import SpecError, WorkspaceError, located
from ...spec import ChannelCounts, ModelSpec, Observations, ParameterPoint, ParameterValue, validate
from ..rootfile.records import DecodeError, Record
from ._channels import ChannelPdf, cell_of, channel_pdfs, model_pdf
from ._graph import Graph, ModelConfig
from ._parameters import Parameters
from ._samples import ChannelReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...spec import Parameter

__all__ = ["Measurement", "read_measurement", "read_observations"]


Columns: TypeAlias = dict[str, NDArray[np.float64]]


def observations(
    graph: Graph, dataset: Record, channels: Sequence[ChannelPdf], category: Record | None
) -> Observations:
    """Fill the entries of a data set into the bins of the channels.

    Parameters
    ----------
    graph : Graph
        Where the data set is.
    dataset : Record
        A RooDataSet or RooDataHist.
    channels : sequence of ChannelPdf
        Whose counts are wanted.
    category : Record, optional
        The category that tells channels apart; None for a single channel.
    """
    return graph.guard(_observations, graph, dataset, channels, category)


def _observations(
    graph: Graph, dataset: Record, channels: Sequence[ChannelPdf], category: Record | None
) -> Observations:
    graph.budget.spend(BINS, sum(channel.n_bins for channel in channels), graph.location)
    counts = {channel.name: np.zeros(channel.n_bins) for channel in channels}
    for columns, weights in _parts(graph, dataset):
        for channel in channels:
            chosen = np.ones(len(weights), bool)
            if category is not None:
                chosen = _column(dataset, columns, category.name) == channel.state
            if not chosen.any():
                continue
            index = np.zeros(int(chosen.sum()), np.intp)
            for axis in channel.axes:
                values = _column(dataset, columns, axis.name)[chosen]
                index = index * (len(axis.edges) - 1) + cell_of(values, axis.edges)
            np.add.at(counts[channel.name], index, weights[chosen])
    return Observations(
        dataset.name, [ChannelCounts(name, values) for name, values in counts.items()]
    )


def _column(dataset: Record, columns: Columns, name: str) -> NDArray[np.float64]:
    if name not in columns:
        known = ", ".join(columns) or "none"
        raise DecodeError(f"data set {dataset.name!r} has no column {name!r}; it has {known}")
    return columns[name]


def _parts(graph: Graph, dataset: Record) -> list[tuple[Columns, NDArray[np.float64]]]:
    """Return columns and weights of every part of a data set."""
    if dataset.class_name not in ("RooDataSet", "RooDataHist"):
        raise graph.refuse(dataset, "expected a RooDataSet or RooDataHist")
    store = graph.object(dataset.reference("_dstore"))
    parts = _store(graph, dataset, store)
    if dataset.class_name == "RooDataHist":
        weights = dataset.numbers("_wgt")
        if len(parts) != 1 or len(parts[0][1]) != len(weights):
            raise graph.refuse(dataset, f"{len(weights)} weights do not match its entries")
        return [(parts[0][0], weights)]
    return parts


def _store(
    graph: Graph, dataset: Record, store: Record
) -> list[tuple[Columns, NDArray[np.float64]]]:
    if store.class_name == "RooVectorDataStore":
        return [_vector_store(graph, store)]
    if store.class_name != "RooCompositeDataStore":
        message = f"its entries are in a {store.class_name}, which cannot be read; "
        remedy = "call RooAbsData::convertToVectorStore() on it and write the workspace again"
        raise graph.refuse(dataset, message + remedy)
    category = graph.object(store.reference("_indexCat")).name
    parts = []
    for state, reference in store["_dataMap"].items():
        inner = graph.object(reference)
        if inner.class_name != "RooVectorDataStore":
            raise graph.refuse(dataset, f"a part of it is a {inner.class_name}")
        columns, weights = _vector_store(graph, inner)
        columns[category] = np.full(len(weights), float(state))
        parts.append((columns, weights))
    return parts


def _vector_store(graph: Graph, store: Record) -> tuple[Columns, NDArray[np.float64]]:
    columns: Columns = {}
    for member in ("_realStoreList", "_realfStoreList"):
        for column in graph.objects(store, member) if member in store else ():
            variable = graph.object(column.reference("_nativeReal"))
            columns[variable.name] = column.numbers("_vec")
    for column in graph.objects(store, "_catStoreList"):
        columns[graph.object(column.reference("_cat")).name] = _states(column)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise graph.refuse(store, f"columns of {sorted(lengths)} entries in one data set")
    n_entries = lengths.pop()
    graph.budget.spend(BINS, n_entries * len(columns), graph.location)
    weights = np.ones(n_entries)
    variable_of_weight = store.reference("_wgtVar")
    if variable_of_weight:
        weights = columns.pop(graph.object(variable_of_weight).name, weights)
    return columns, weights


def _states(column: Record) -> NDArray[np.float64]:
    """Return state indices, stored as numbers or, in old files, as RooCatType."""
    states = column["_vec"]
    if isinstance(states, np.ndarray):
        return column.numbers("_vec")
    if not all(isinstance(state, Record) for state in states):
        raise DecodeError("a category column of unknown type")
    return np.array([state.number("_value") for state in states])


@dataclass(frozen=True)
class Measurement:
    """A model with what is needed to read its data; `notes` say what was assumed."""

    spec: ModelSpec
    channels: tuple[ChannelPdf, ...]
    category: Record | None
    notes: tuple[str, ...]


def read_measurement(graph: Graph, config: ModelConfig, name: str) -> Measurement:
    """Rebuild the HistFactory model that a ModelConfig names.

    Parameters are in the order of the ModelConfig: parameters of interest, then nuisance
    parameters as they are stored; then all others by name.

    Raises
    ------
    WorkspaceError
        If the model is not of HistFactory's structure; the location names class and node.
    """
    pdf = model_pdf(graph, config.pdf)
    channels = channel_pdfs(graph, pdf)
    category = graph.argument(pdf, "_indexCat") if pdf.class_name == "RooSimultaneous" else None
    parameters = Parameters(graph, config.global_observables)
    readers = [ChannelReader(graph, channel, parameters) for channel in channels]
    for reader in readers:
        reader.read()
    for channel in channels:
        for term in channel.constraints:
            graph.guard(parameters.constrain, term)
    ordered = parameters.ordered((*config.parameters_of_interest, *config.nuisance_parameters))
    spec = ModelSpec(
        name,
        [reader.channel() for reader in readers],
        ordered,
        config.parameters_of_interest,
        _points(graph, ordered),
    )
    try:
        validate(spec)
    except SpecError as error:
        message = f"the model of {name!r} is inconsistent: {error}"
        raise located(WorkspaceError, message, graph.location) from error
    return Measurement(spec, tuple(channels), category, parameters.notes.take())


def read_observations(
    graph: Graph, measurements: Sequence[Measurement]
) -> tuple[list[Observations], dict[str, WorkspaceError]]:
    """Read the data sets of a workspace; return also what is wrong with those that fit no model."""
    found: list[Observations] = []
    unread: dict[str, WorkspaceError] = {}
    for name, dataset in graph.datasets().items():
        for i, measurement in enumerate(measurements):
            arguments = (graph, dataset, measurement.channels, measurement.category)
            try:
                found.append(observations(*arguments))
                break
            except WorkspaceError as error:
                if i + 1 == len(measurements):
                    unread[name] = error
    return found, unread


def _points(graph: Graph, parameters: Sequence[Parameter]) -> list[ParameterPoint]:
    known = {parameter.name for parameter in parameters}
    return [
        ParameterPoint(
            name, [ParameterValue(key, value) for key, value in values.items() if key in known]
        )
        for name, values in graph.snapshots().items()
    ]
