"""pyhf JSON workspaces as documents; the core parses them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .._core import PyhfWorkspace
from .._printable import printable
from ..errors import WorkspaceError
from .document import Document

if TYPE_CHECKING:
    from ..spec import ModelSpec, Observations

__all__ = ["PyhfDocument", "read"]


class _Measurements(Mapping[str, "ModelSpec"]):
    """Models by the name of their measurement, each made when it is asked for."""

    def __init__(self, workspace: PyhfWorkspace) -> None:
        self._workspace = workspace
        self._names = dict.fromkeys(workspace.measurement_names)

    def __getitem__(self, name: str) -> ModelSpec:
        if name not in self._names:
            raise KeyError(name)
        return self._workspace.model_spec(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class PyhfDocument(Document):
    """A document that also holds the workspace of the core and the JSON text."""

    workspace: PyhfWorkspace
    content: bytes

    def __init__(self, name: str, content: bytes) -> None:
        name = printable(name)
        workspace = PyhfWorkspace.parse(content, name)
        datasets: dict[str, Observations] = {}
        problem = None
        try:
            observed = workspace.observations
            datasets[observed.name] = observed
        except WorkspaceError as error:
            problem = error
        notes = workspace.notes
        measurements = _Measurements(workspace)
        super().__init__("pyhf", name, measurements, datasets, notes, notes, problem)
        object.__setattr__(self, "workspace", workspace)
        object.__setattr__(self, "content", content)

    def __reduce__(self) -> tuple[type[PyhfDocument], tuple[str, bytes]]:
        return type(self), (self.source, self.content)


def read(name: str, content: bytes) -> PyhfDocument:
    """Parse and check a pyhf workspace; raise WorkspaceError with `name` and a JSON pointer."""
    return PyhfDocument(name, content)
