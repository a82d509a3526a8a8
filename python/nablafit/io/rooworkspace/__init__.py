"""RooFit workspaces (.root) without ROOT.

The object stream is decoded as the file describes it, and the HistFactory model rebuilt from the
graph of functions. C++ code that a workspace carries is skipped:
it is never compiled, run or shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._budget import Budget
from ..._printable import printable
from ...errors import Error, WorkspaceError, located
from ...spec import Observations
from ..document import Document
from ..rootfile.records import Record
from ._channels import refuse_combine
from ._file import workspaces
from ._graph import Graph, ModelConfig
from ._measurement import Measurement, read_measurement, read_observations

__all__ = ["WorkspaceDescription", "describe", "read"]


_VALUES = ("RooRealVar", "RooConstVar")


@dataclass(frozen=True)
class NodeDescription:
    """One node.

    `servers` are the nodes that it depends on. `value`, `bounds` and `is_constant` are None for
    functions. `problem` says why a node could not be decoded; empty if it could.
    """

    name: str
    class_name: str
    servers: tuple[str, ...] = ()
    value: float | None = None
    bounds: tuple[float, float] | None = None
    is_constant: bool | None = None
    problem: str = ""

    def __str__(self) -> str:
        text = f"{self.class_name} {self.name}"
        if self.value is not None:
            text += f" = {self.value:g}"
        if self.bounds is not None:
            text += f" in [{self.bounds[0]:g}, {self.bounds[1]:g}]"
        if self.is_constant:
            text += " (constant)"
        if self.servers:
            text += f" <- {', '.join(self.servers)}"
        return printable(f"{text} [{self.problem}]" if self.problem else text)


@dataclass(frozen=True)
class WorkspaceDescription:
    """What one workspace holds; `str()` gives it as text, one line per node."""

    name: str
    model_configs: tuple[ModelConfig, ...]
    datasets: tuple[str, ...]
    snapshots: tuple[str, ...]
    named_sets: tuple[str, ...]
    nodes: tuple[NodeDescription, ...]

    def __str__(self) -> str:
        lines = [f"RooWorkspace {self.name}: {len(self.nodes)} nodes"]
        for config in self.model_configs:
            interest = ", ".join(config.parameters_of_interest) or "none"
            lines.append(f"  ModelConfig {config.name}: pdf {config.pdf}, of interest: {interest}")
        for title, names in (
            ("data sets", self.datasets),
            ("snapshots", self.snapshots),
            ("named sets", self.named_sets),
        ):
            lines.append(f"  {title}: {', '.join(names) or 'none'}")
        lines.extend(f"  {node}" for node in self.nodes)
        return "\n".join(map(printable, lines))


def describe_graph(graph: Graph) -> WorkspaceDescription:
    """Describe a workspace; nodes that cannot be decoded are described by their class."""
    nodes = []
    for class_name, node in graph.nodes():
        if isinstance(node, Record):
            nodes.append(_described(graph, node))
        else:
            nodes.append(NodeDescription("?", class_name, problem=str(node)))
    return WorkspaceDescription(
        graph.name,
        tuple(graph.model_configs()),
        tuple(graph.datasets()),
        tuple(graph.snapshots()),
        graph.named_sets,
        tuple(nodes),
    )


def _described(graph: Graph, node: Record) -> NodeDescription:
    try:
        servers = tuple(server.name for server in graph.servers(node))
        if node.class_name not in _VALUES:
            return NodeDescription(node.name, node.class_name, servers)
        variable = graph.variable(node)
        bounds = (variable.lower, variable.upper) if node.class_name == "RooRealVar" else None
        return NodeDescription(
            node.name, node.class_name, servers, variable.value, bounds, variable.is_constant
        )
    except Error as error:
        return NodeDescription(node.name, node.class_name, problem=str(error))


FORMAT = "RooWorkspace"
_DEFAULT_DATA = "obsData"


def read(name: str, content: bytes | Path) -> Document:
    """Read all measurements and data sets of a ROOT file with RooWorkspaces.

    Parameters
    ----------
    name : str
        Name of the file, for messages.
    content : bytes or Path
        The file.

    Returns
    -------
    Document
        One measurement per ModelConfig, named as it is; where the file holds several workspaces,
        names of measurements and data sets start with that of the workspace and a slash.

    Raises
    ------
    WorkspaceError
        If the file is damaged, holds no workspace, or none of its models is a HistFactory model;
        the location names file, workspace, class and node.
    """
    with _damage_reported(name):
        return _read(name, content)


def _read(name: str, content: bytes | Path) -> Document:
    budget = Budget(name)
    payloads, descriptions = workspaces(name, content, budget)
    measurements: dict[str, Measurement] = {}
    datasets: dict[str, Observations] = {}
    notes: list[str] = []
    failures: list[WorkspaceError] = []
    unread: dict[str, WorkspaceError] = {}
    for payload in payloads:
        graph = Graph(payload, descriptions, name, budget)
        prefix = f"{payload.name}/" if len(payloads) > 1 else ""
        refuse_combine(graph)
        found, failed = _measurements(graph, prefix)
        measurements.update(found)
        failures.extend(failed)
        if found:
            observed, left_out = read_observations(graph, list(found.values()))
            unread.update((prefix + name, error) for name, error in left_out.items())
            datasets.update((prefix + o.name, o.replace(name=prefix + o.name)) for o in observed)
    if not measurements:
        raise failures[0]
    data_notes = tuple(f"data set {name!r} is left out: {error}" for name, error in unread.items())
    notes.extend(data_notes)
    notes.extend(f"a model is left out: {error}" for error in failures)
    notes.extend(note for m in measurements.values() for note in m.notes)
    return Document(
        FORMAT,
        name,
        {key: measurement.spec for key, measurement in measurements.items()},
        dict(sorted(datasets.items(), key=lambda item: item[1].name != _DEFAULT_DATA)),
        tuple(dict.fromkeys(notes)),
        data_notes if datasets else (),
        None if datasets else next(iter(unread.values()), None),
    )


def describe(name: str, content: bytes | Path) -> tuple[WorkspaceDescription, ...]:
    """Describe the workspaces of a ROOT file, HistFactory models or not.

    Parameters
    ----------
    name : str
        Name of the file, for messages.
    content : bytes or Path
        The file.

    Raises
    ------
    WorkspaceError
        If the file is damaged or holds no workspace. A node that cannot be decoded is described
        as such.
    """
    with _damage_reported(name):
        budget = Budget(name)
        payloads, descriptions = workspaces(name, content, budget)
        graphs = (Graph(payload, descriptions, name, budget) for payload in payloads)
        return tuple(map(describe_graph, graphs))


@contextmanager
def _damage_reported(name: str) -> Iterator[None]:
    """Turn what a file that contradicts itself can cause into a WorkspaceError.

    Numbers that are not finite are found when the model is validated, so NumPy need not warn.
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except (Error, OSError):
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        message = f"the workspace is damaged: {error}"
        raise located(WorkspaceError, message, name) from error
    except (MemoryError, RecursionError) as error:
        message = f"the workspace is damaged: {type(error).__name__} while reading it"
        raise located(WorkspaceError, message, name) from error


def _measurements(graph: Graph, prefix: str) -> tuple[dict[str, Measurement], list[WorkspaceError]]:
    """Read the model of every ModelConfig, or the only model of a workspace without one."""
    configs = graph.model_configs() or [ModelConfig("", "", (), (), (), ())]
    found: dict[str, Measurement] = {}
    failures = []
    for config in configs:
        key = prefix + (config.name or graph.name)
        try:
            found[key] = read_measurement(graph, config, key)
        except WorkspaceError as error:
            failures.append(error)
    return found, failures
