"""From the graph of a workspace to the specification of a model and its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import SpecError, WorkspaceError, located
from ...spec import ModelSpec, Observations, ParameterPoint, ParameterValue, validate
from ._channels import ChannelPdf, channel_pdfs, model_pdf
from ._datasets import observations
from ._graph import Graph, ModelConfig
from ._parameters import Parameters
from ._samples import ChannelReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...spec import Parameter
    from ._records import Record

__all__ = ["Measurement", "read_measurement", "read_observations"]


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
