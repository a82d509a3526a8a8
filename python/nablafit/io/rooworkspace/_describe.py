"""A workspace in words: its graph as it is, whatever its pdfs are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import Error
from ._records import Record

if TYPE_CHECKING:
    from ._graph import Graph, ModelConfig

__all__ = ["NodeDescription", "WorkspaceDescription", "describe_graph"]

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
        return f"{text} [{self.problem}]" if self.problem else text


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
        return "\n".join(lines)


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
