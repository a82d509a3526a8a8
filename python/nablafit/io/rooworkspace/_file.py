"""The file layer: keys, decompression and class descriptions, through uproot."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import uproot

from ...errors import WorkspaceError, located

UprootObject: TypeAlias = Any
"""uproot has no types to speak of."""

__all__ = ["ClassDescriptions", "Element", "Payload", "read_content", "workspaces"]

MAX_FILE = 1 << 30  # bytes
MAX_PAYLOAD = 1 << 30  # bytes, decompressed
MAX_DESCRIPTIONS = 1 << 26  # bytes, decompressed: all class descriptions together
MAX_RATIO = 1100  # decompressed over stored; deflate cannot exceed 1032
MAX_DIRECTORIES = 1000
MAX_DEPTH = 8  # of nested directories


@dataclass(frozen=True)
class Element:
    """One member or base of a class, as TStreamerElement describes it."""

    name: str
    type: int
    type_name: str
    array_length: int
    count_name: str
    is_base: bool


@dataclass(frozen=True)
class ClassDescription:
    """Members of one version of a class, in the order of the stream."""

    name: str
    version: int
    checksum: int
    elements: tuple[Element, ...]


ClassDescriptions: TypeAlias = dict[tuple[str, int], ClassDescription]


@dataclass(frozen=True)
class Payload:
    """The decompressed content of one key.

    `name` is the path of the key in the file; `key_length` the length of its header, from which
    tags count.
    """

    name: str
    class_name: str
    key_length: int
    data: bytes


def read_content(name: str, content: bytes | Path) -> bytes:
    """Return the bytes of a file, if they are not too many."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size > MAX_FILE:
        message = f"{size} bytes; files of up to {MAX_FILE} bytes are read"
        raise located(WorkspaceError, message, name)
    return content if isinstance(content, bytes) else content.read_bytes()


def workspaces(name: str, content: bytes) -> tuple[list[Payload], ClassDescriptions]:
    """Return the workspaces of a ROOT file, in the order of its keys, and its class descriptions.

    Only if the top directory holds none are its subdirectories searched.

    Raises
    ------
    WorkspaceError
        If the file is damaged, beyond a limit, or holds no workspace.
    """
    try:
        with uproot.open(io.BytesIO(content), handler=uproot.source.object.ObjectSource) as top:
            keys = _workspace_keys(top)
            if not keys:
                found = ", ".join(sorted({key.fClassName for key in _keys(top)})[:10])
                message = f"no RooWorkspace in this ROOT file; it holds {found or 'nothing'}"
                raise located(WorkspaceError, message, name)
            descriptions = _descriptions(top.file, name, len(content))
            return [_payload(path, key, name) for path, key in keys], descriptions
    except WorkspaceError:
        raise
    except (Exception, RecursionError) as error:
        reason = " ".join(str(error).split()).split(" in file <")[0][:200]
        reason = reason or type(error).__name__
        message = f"the ROOT file is damaged or not complete: {reason}"
        raise located(WorkspaceError, message, name) from error


def _keys(directory: UprootObject) -> Iterator[UprootObject]:
    """Yield the newest cycle of every key of a directory."""
    newest: dict[str, Any] = {}
    for key in directory._keys:
        if key.fName not in newest or key.fCycle > newest[key.fName].fCycle:
            newest[key.fName] = key
    yield from newest.values()


def _workspace_keys(top: UprootObject) -> list[tuple[str, UprootObject]]:
    level: list[tuple[str, Any]] = [("", top)]
    visited: set[int] = set()
    for _ in range(MAX_DEPTH):
        found = [
            (prefix + key.fName, key)
            for prefix, directory in level
            for key in _keys(directory)
            if key.fClassName == "RooWorkspace"
        ]
        if found:
            return found
        below = []
        for prefix, directory in level:
            for key in _keys(directory):
                is_new = key.fSeekKey not in visited and len(visited) < MAX_DIRECTORIES
                if key.fClassName in ("TDirectory", "TDirectoryFile") and is_new:
                    visited.add(key.fSeekKey)
                    below.append((f"{prefix}{key.fName}/", key.get()))
        level = below
    return []


def _payload(path: str, key: UprootObject, source: str) -> Payload:
    where = f"{source}:{path}"
    _check_size(key.fObjlen, key.fNbytes, MAX_PAYLOAD, where)
    chunk, cursor = key.get_uncompressed_chunk_cursor()
    data = bytes(chunk.raw_data)[cursor.index - getattr(chunk, "start", 0) :]
    if len(data) < key.fObjlen:
        message = f"{len(data)} bytes after decompression, the key says {key.fObjlen}"
        raise located(WorkspaceError, message, where)
    return Payload(path, key.fClassName, key.fKeylen, data)


def _check_size(size: int, stored: int, limit: int, where: str) -> None:
    if not 0 < size <= limit:
        message = f"an object of {size} bytes; objects of up to {limit} bytes are read"
        raise located(WorkspaceError, message, where)
    if stored <= 0 or size > MAX_RATIO * stored:
        message = f"{stored} stored bytes claim to hold {size}; the key is damaged"
        raise located(WorkspaceError, message, where)


def _descriptions(file: UprootObject, source: str, size: int) -> ClassDescriptions:
    key = file.fSeekInfo
    if not 0 < key < size:
        raise located(WorkspaceError, "no class descriptions in this ROOT file", source)
    cursor = uproot.source.cursor.Cursor(key)
    chunk = file.chunk(key, min(key + 512, size))
    header = uproot.reading.ReadOnlyKey(chunk, cursor, {}, file, file, read_strings=True)
    _check_size(header.fObjlen, header.fNbytes, MAX_DESCRIPTIONS, f"{source}:StreamerInfo")
    return {
        (class_name, version): ClassDescription(
            class_name,
            version,
            int(info.member("fCheckSum")),
            tuple(_element(element) for element in info.elements),
        )
        for class_name, versions in file.streamers.items()
        for version, info in versions.items()
    }


def _element(element: UprootObject) -> Element:
    kind = type(element).__name__
    has_count = element.has_member("fCountName")
    return Element(
        name=element.member("fName"),
        type=int(element.member("fType")),
        type_name=element.member("fTypeName"),
        array_length=int(element.member("fArrayLength")),
        count_name=element.member("fCountName") if has_count else "",
        is_base=kind.startswith("Model_TStreamerBase"),
    )
