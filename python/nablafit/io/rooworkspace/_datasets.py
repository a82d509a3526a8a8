"""Observed counts from RooDataSet and RooDataHist."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...spec import ChannelCounts, Observations
from ._channels import cell_of
from ._records import DecodeError, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._channels import ChannelPdf
    from ._graph import Graph

__all__ = ["observations"]

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
    weights = np.ones(lengths.pop())
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
