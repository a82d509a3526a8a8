"""pyhf patch sets and JSON patches, which turn a background-only workspace into signal models."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from .._arrays import nearest
from .._printable import printable
from ..errors import ArgumentError, WorkspaceError, located
from .recognise import describe

__all__ = ["Patch", "PatchSet", "apply_operations", "digest"]

Operations: TypeAlias = Sequence[Mapping[str, Any]]
Source: TypeAlias = (
    "str | os.PathLike[str] | bytes | Mapping[str, Any] | Operations | IO[str] | IO[bytes]"
)

MAX_COPIED_CHARACTERS = 16 * 1024**2
MAX_DEPTH = 100
"""Arrays and objects in each other, as in workspaces."""
TOO_DEEP = f"expected arrays and objects nested at most {MAX_DEPTH} deep"
_EXPECTED = "a pyhf patch set or a JSON patch"
_ALGORITHMS = ("sha256", "md5")
_CONTAINERS = (dict, list)


@dataclass(frozen=True)
class Patch:
    """One patch of a set.

    Parameters
    ----------
    name : str
        Its name, unique in the set.
    values : tuple
        Its place in the space of `PatchSet.labels`, e.g. masses; unique in the set.
    operations : sequence of mapping
        JSON patch (RFC 6902).
    """

    name: str
    values: tuple[float | str, ...]
    operations: Operations


class PatchSet(Mapping[str, Patch]):
    """A set of named patches; immutable. Made by `PatchSet.load`.

    A mapping of names to patches; `find` also takes values.

    Examples
    --------
    >>> patches = nf.PatchSet.load("patchset.json")
    >>> list(patches)
    ['mass_300', 'mass_400']
    >>> signal = nf.Workspace.load("background.json").patch(patches, "mass_300")
    >>> signal.model().poi
    'mu'
    """

    def __init__(self, document: Mapping[str, Any] | Operations, source: str = "patch set") -> None:
        found: object = document
        if not isinstance(found, Mapping | Sequence) or isinstance(found, str | bytes):
            message = f"expected a document, got {document!r}; PatchSet.load(path) reads a file"
            raise located(ArgumentError, message, "document")
        self._source = source
        self._is_plain = not isinstance(document, Mapping)
        if not isinstance(document, Mapping):
            document = _set_of_one(document, source)
        metadata = _member(document, "metadata", dict, source, "")
        self.description = str(metadata.get("description", ""))
        self.references = dict(_member(metadata, "references", dict, source, "/metadata", {}))
        self.digests = {
            str(name): str(value)
            for name, value in _member(metadata, "digests", dict, source, "/metadata", {}).items()
        }
        labels = _member(metadata, "labels", list, source, "/metadata", [])
        self.labels = tuple(str(label) for label in labels)
        self._patches: dict[str, Patch] = {}
        self._by_values: dict[tuple[float | str, ...], Patch] = {}
        for index, entry in enumerate(_member(document, "patches", list, source, "")):
            self._add(entry, f"/patches/{index}")

    @classmethod
    def load(cls, source: Source) -> PatchSet:
        """Read a patch set from a path, an open file, bytes or a parsed document.

        A plain JSON patch, a list of operations, is a set of one patch with the name of its file,
        which is for any workspace.

        Raises
        ------
        WorkspaceError
            If it is not a patch set; with the JSON pointer of the culprit.
        """
        name, document = _parse(source)
        if not isinstance(document, Mapping | Sequence) or isinstance(document, str):
            message = (
                f"found {type(document).__name__}, expected an object with 'patches', or the list "
                "of operations of a JSON patch"
            )
            raise located(WorkspaceError, message, name)
        return cls(document, name)

    def _add(self, entry: object, pointer: str) -> None:
        if not isinstance(entry, Mapping):
            raise located(WorkspaceError, "expected an object", f"{self._source}: {pointer}")
        metadata = _member(entry, "metadata", dict, self._source, pointer)
        name = _member(metadata, "name", str, self._source, f"{pointer}/metadata")
        values = _member(metadata, "values", list, self._source, f"{pointer}/metadata", [])
        operations = _member(entry, "patch", list, self._source, pointer)
        where = f"{self._source}: {pointer}/metadata/values"
        if not all(isinstance(value, str | int | float) for value in values):
            raise located(WorkspaceError, "expected numbers or strings", where)
        if self.labels and len(values) != len(self.labels):
            message = f"found {len(values)} values, expected {len(self.labels)}, one per label"
            raise located(WorkspaceError, message, where)
        patch = Patch(name, tuple(values), operations)
        if name in self._patches:
            message = f"the name {name!r} occurs more than once"
            raise located(WorkspaceError, message, f"{self._source}: {pointer}/metadata/name")
        if values and patch.values in self._by_values:
            raise located(WorkspaceError, f"the values {values} occur more than once", where)
        self._patches[name] = patch
        self._by_values[patch.values] = patch

    def __repr__(self) -> str:
        return (
            f"<PatchSet {self._source!r}: {len(self)} patches, {printable(', '.join(self.labels))}>"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._patches)

    def __len__(self) -> int:
        return len(self._patches)

    def __getitem__(self, name: str) -> Patch:
        return self._patches[name]

    @property
    def source(self) -> str:
        """Where the patch set came from, as error messages name it."""
        return self._source

    def find(self, key: str | Sequence[float | str]) -> Patch:
        """Return the patch with a name or, for a sequence, with values; else ArgumentError."""
        if isinstance(key, str):
            if key in self._patches:
                return self._patches[key]
            message = f"no such patch in {self._source}{nearest(key, tuple(self._patches))}"
            raise located(ArgumentError, message, key)
        values = tuple(key)
        if values in self._by_values:
            return self._by_values[values]
        message = f"no patch with these values in {self._source}; labels: {', '.join(self.labels)}"
        raise located(ArgumentError, message, str(values))

    def verify(self, document: Mapping[str, Any]) -> None:
        """Check that a workspace is the one that the set is for.

        Raises
        ------
        WorkspaceError
            If a digest differs, or none is of a known algorithm.
        """
        if self._is_plain:
            return
        known = {name: value for name, value in self.digests.items() if name in _ALGORITHMS}
        if not known:
            found = ", ".join(self.digests) or "none"
            message = f"digests: found {found}, expected {' or '.join(_ALGORITHMS)}"
            raise located(WorkspaceError, message, f"{self._source}: /metadata/digests")
        for algorithm, expected in known.items():
            found = digest(document, algorithm)
            if found != expected.lower():
                message = (
                    f"the {algorithm} digest of the workspace is {found}, this set is for one with "
                    f"{expected}; patch the workspace that it was published with"
                )
                raise located(WorkspaceError, message, self._source)

    def apply(
        self, document: Mapping[str, Any], key: str | Sequence[float | str], *, verify: bool = True
    ) -> dict[str, Any]:
        """Return a patched copy of a workspace's JSON document."""
        patch = self.find(key)
        if verify:
            self.verify(document)
        return apply_operations(document, patch.operations, f"{self._source}: {patch.name}")


def _set_of_one(operations: Sequence[object], source: str) -> dict[str, Any]:
    for index, operation in enumerate(operations):
        if not isinstance(operation, Mapping) or "op" not in operation:
            message = "expected an object with 'op' and 'path', an operation of a JSON patch"
            raise located(WorkspaceError, message, f"{source}: /{index}")
    name = Path(source).name.removesuffix(".json")
    return {"metadata": {}, "patches": [{"metadata": {"name": name}, "patch": operations}]}


def digest(document: Mapping[str, Any], algorithm: str = "sha256") -> str:
    """Return the digest of a document as pyhf computes it: of its JSON with sorted keys."""
    try:
        text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    except RecursionError as error:
        raise located(WorkspaceError, TOO_DEEP, "workspace") from error
    return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


def apply_operations(
    document: Mapping[str, Any], operations: Operations, name: str = "patch"
) -> dict[str, Any]:
    """Return `document` with a JSON patch applied; WorkspaceError if it does not fit.

    Only containers that the patch changes are copied: the result shares the rest with `document`.
    """
    import jsonpatch
    import jsonpointer

    patched: Any = dict(document)
    owned = {id(patched)}
    copied = 0
    for index, operation in enumerate(operations):
        where = f"{name}: operation {index}"
        try:
            value = operation.get("value")
            if operation.get("op") in ("copy", "move"):
                value = jsonpointer.resolve_pointer(patched, operation["from"])
            _check_depth(value, where, _parts(operation.get("path")))
            if operation.get("op") == "copy":
                copied += len(json.dumps(value))
                if copied > MAX_COPIED_CHARACTERS:
                    message = f"copies more than {MAX_COPIED_CHARACTERS} characters"
                    raise located(WorkspaceError, message, where)
            for member in ("path", "from"):
                _own(patched, operation.get(member), owned)
            patched = jsonpatch.apply_patch(patched, [operation], in_place=True)
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
            raise located(WorkspaceError, f"does not fit the workspace: {error}", where) from error
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            if isinstance(error, WorkspaceError):
                raise
            message = f"not an operation of a JSON patch: {error}"
            raise located(WorkspaceError, message, where) from error
        except RecursionError as error:
            raise located(WorkspaceError, TOO_DEEP, where) from error
    if not isinstance(patched, dict):
        raise located(WorkspaceError, "the patched document is not a JSON object", name)
    return patched


def _parts(pointer: object) -> int:
    return pointer.count("/") if isinstance(pointer, str) else 0


def _check_depth(value: Any, location: str, depth: int = 0) -> None:  # noqa: ANN401 - JSON
    """Refuse a JSON value that, `depth` levels deep, has arrays and objects nested too deep."""
    level = [value] if type(value) in _CONTAINERS else []
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise located(WorkspaceError, TOO_DEEP, location)
        children = (item.values() if isinstance(item, dict) else item for item in level)
        level = [child for inner in children for child in inner if type(child) in _CONTAINERS]


def _own(document: Any, pointer: object, owned: set[int]) -> None:  # noqa: ANN401 - JSON
    """Replace the containers on the way to a place by copies, once each, so that it may change."""
    if not isinstance(pointer, str):
        return
    node = document
    for part in pointer.split("/")[1:-1]:
        key: Any = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list):
            if not key.isdecimal() or int(key) >= len(node):
                return
            key = int(key)
        elif not isinstance(node, dict) or key not in node:
            return
        child = node[key]
        if isinstance(child, dict | list) and id(child) not in owned:
            child = node[key] = child.copy()
            owned.add(id(child))
        node = child


def _parse(source: Source) -> tuple[str, Any]:
    if isinstance(source, Mapping | Sequence) and not isinstance(source, str | bytes):
        return "patch set", source
    name = "patch set"
    content: str | bytes
    if isinstance(source, bytes):
        content = source
    elif hasattr(source, "read"):
        content = source.read()
    elif isinstance(source, str | os.PathLike):
        name, content = str(source), Path(source).read_bytes()
    else:
        message = f"expected a path, a document, bytes or an open file, got {source!r}"
        raise located(ArgumentError, message, "source")
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise located(WorkspaceError, TOO_DEEP, name) from error
    except ValueError as error:
        text = content.encode() if isinstance(content, str) else content
        what = describe(text)
        is_damaged = what.startswith(("JSON", "a pyhf", "a JSON", "an HS3"))
        reason = f"not JSON: {error}" if is_damaged else f"this is {what}, expected {_EXPECTED}"
        raise located(WorkspaceError, reason, name) from error
    _check_depth(document, name)
    if isinstance(document, Mapping) and "patches" not in document:
        text = content.encode() if isinstance(content, str) else content
        message = f"this is {describe(text)}, expected {_EXPECTED}"
        raise located(WorkspaceError, message, name)
    return name, document


def _member(
    document: Mapping[str, Any],
    key: str,
    kind: type,
    source: str,
    pointer: str,
    default: object = None,
) -> Any:  # noqa: ANN401 - the type is an argument
    """Return a member of an object, checked."""
    if key not in document and default is not None:
        return default
    value = document.get(key)
    if not isinstance(value, kind):
        names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
        found = "nothing" if key not in document else type(value).__name__
        message = f"found {found}, expected {names[kind]}"
        raise located(WorkspaceError, message, f"{source}: {pointer}/{key}")
    return value
