"""The workspaces of a ROOT file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import WorkspaceError, located
from ..rootfile.descriptions import file_descriptions
from ..rootfile.file import Key, Payload, RootFile

if TYPE_CHECKING:
    from pathlib import Path

    from ..._budget import Budget
    from ..rootfile.records import ClassDescriptions

__all__ = ["workspaces"]

MAX_DEPTH = 8  # of nested directories that are searched
_WORKSPACE = "RooWorkspace"


def workspaces(
    name: str, content: bytes | Path, budget: Budget
) -> tuple[list[Payload], ClassDescriptions]:
    """Return the workspaces of a ROOT file, in the order of its keys, and its class descriptions.

    Only if the top directory holds none are its subdirectories searched.

    Raises
    ------
    WorkspaceError
        If the file is damaged, beyond a limit, or holds no workspace.
    """
    with RootFile(content, name, budget) as file:
        keys = _workspace_keys(file)
        if not keys:
            found = ", ".join(sorted({key.class_name for key in file.entries()})[:10])
            message = f"no RooWorkspace in this ROOT file; it holds {found or 'nothing'}"
            raise located(WorkspaceError, message, name)
        descriptions = file_descriptions(file)
        if not descriptions:
            raise located(WorkspaceError, "no class descriptions in this ROOT file", name)
        return [file.payload(key, path) for path, key in keys], descriptions


def _workspace_keys(file: RootFile) -> list[tuple[str, Key]]:
    """Return the workspaces of the first level of directories that has any."""
    level: list[tuple[str, Key | None]] = [("", None)]
    visited: set[int] = set()
    for _ in range(MAX_DEPTH):
        found: list[tuple[str, Key]] = []
        below: list[tuple[str, Key | None]] = []
        for prefix, directory in level:
            for key in file.entries(directory):
                if key.class_name == _WORKSPACE:
                    found.append((prefix + key.name, key))
                elif key.is_directory and key.position not in visited:
                    visited.add(key.position)
                    below.append((f"{prefix}{key.name}/", key))
        if found:
            return found
        level = below
    return []
