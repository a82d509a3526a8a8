"""RooFit workspaces (.root) without ROOT.

uproot opens the file and decompresses the workspace; the object stream is decoded here, and the
HistFactory model rebuilt from the graph of functions. C++ code that a workspace carries is skipped:
it is never compiled, run or shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...errors import Error, WorkspaceError, located
from ...spec import Observations
from ..document import Document
from ._channels import refuse_combine
from ._describe import WorkspaceDescription, describe_graph
from ._file import read_content, workspaces
from ._graph import Graph, ModelConfig
from ._measurement import Measurement, read_measurement, read_observations

__all__ = ["WorkspaceDescription", "describe", "read"]

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
    payloads, descriptions = workspaces(name, read_content(name, content))
    measurements: dict[str, Measurement] = {}
    datasets: dict[str, Observations] = {}
    notes: list[str] = []
    failures: list[WorkspaceError] = []
    unread: dict[str, WorkspaceError] = {}
    for payload in payloads:
        graph = Graph(payload, descriptions, name)
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
        payloads, descriptions = workspaces(name, read_content(name, content))
        return tuple(describe_graph(Graph(payload, descriptions, name)) for payload in payloads)


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
