"""What decoding goes by and yields: classes, records, references, errors of contradictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Member: TypeAlias = Any
"""What a member decodes to."""

__all__ = [
    "ClassDescription",
    "ClassDescriptions",
    "DecodeError",
    "Deferred",
    "Element",
    "Record",
    "Reference",
]


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


class DecodeError(ValueError):
    """The bytes are not what the class description or a byte count says; made a WorkspaceError."""


class Reference(int):
    """A pointer: the absolute tag of the object it points to; 0 is null."""

    __slots__ = ()


class Deferred:
    """A member or base that is decoded when it is asked for.

    `load` decodes it; what it is, how to read it, and where it starts and ends is for `load`.
    """

    __slots__ = ("end", "load", "position", "read", "what")

    def __init__(
        self,
        load: Callable[[Deferred], Any],
        read: Callable[..., tuple[object, int]],
        what: str,
        position: int,
        end: int,
    ) -> None:
        self.load = load
        self.read = read
        self.what = what
        self.position = position
        self.end = end


class Record(dict[str, Any]):
    """Members of one object by name, those of its bases included.

    Members and bases may be deferred: `[]`, `in`, `get` and the accessors decode what they need,
    once. A member hides those of the same name in bases.
    The accessors check the type of a member, which the class descriptions of an untrusted file may
    have changed at will.
    """

    __slots__ = ("bases", "class_name", "offset")

    def __init__(self, class_name: str, offset: int) -> None:
        super().__init__()
        self.class_name = class_name
        self.offset = offset
        self.bases: list[Deferred] = []

    def __getitem__(self, member: str) -> Member:
        value = super().__getitem__(member)
        if type(value) is Deferred:
            value = self[member] = value.load(value)
        return value

    def __missing__(self, member: str) -> Member:
        while self.bases:
            base = self.bases.pop(0)
            part = base.load(base)
            for key, value in part.items():
                self.setdefault(key, value)
            self.bases[:0] = part.bases
            if super().__contains__(member):
                return self[member]
        raise KeyError(member)

    def __contains__(self, member: object) -> bool:
        if not super().__contains__(member) and self.bases:
            try:
                self[str(member)]
            except KeyError:
                return False
        return super().__contains__(member)

    def get(self, member: str, default: Member = None) -> Member:
        """Return a member, `default` if there is none."""
        try:
            return self[member]
        except KeyError:
            return default

    def __repr__(self) -> str:
        return f"<{self.class_name} {self.get('fName', '')!r} at byte {self.offset}>"

    @property
    def name(self) -> str:
        """Name of a TNamed or of a collection; empty if it has none."""
        name = self.get("fName", self.get("_name", ""))
        return name if isinstance(name, str) else ""

    def text(self, member: str) -> str:
        """Return a string member."""
        value = self._member(member)
        if isinstance(value, str):
            return value
        raise self._unexpected(member, "a string")

    def number(self, member: str) -> float:
        """Return a number member."""
        value = self._member(member)
        if isinstance(value, bool | int | float):
            return float(value)
        raise self._unexpected(member, "a number")

    def numbers(self, member: str) -> NDArray[np.float64]:
        """Return a member that holds numbers, shape (n,), native float64."""
        value = self._member(member)
        if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iufb":
            return value.astype(np.float64)
        raise self._unexpected(member, "numbers")

    def record(self, member: str) -> Record:
        """Return a member stored inline."""
        value = self._member(member)
        if isinstance(value, Record):
            return value
        raise self._unexpected(member, "an object")

    def reference(self, member: str) -> Reference:
        """Return a pointer member."""
        value = self._member(member)
        if isinstance(value, Reference):
            return value
        raise self._unexpected(member, "a pointer")

    def references(self, member: str | None = None) -> Sequence[Reference]:
        """Return the pointers of a collection: of a member, or of this record itself.

        A collection is a vector of pointers, a RooLinkedList or a TList, or a RooFit class around
        one of them.
        """
        value: object = self if member is None else self._member(member)
        for _ in range(4):
            if not isinstance(value, Record):
                break
            present = (key for key in ("list", "_storage") if dict.__contains__(value, key))
            value = value.get(next(present, "_list"))
        if isinstance(value, list) and all(isinstance(item, Reference) for item in value):
            return value
        raise self._unexpected(member or "list", "a collection of pointers")

    def _member(self, member: str) -> object:
        if member not in self:
            raise self._unexpected(member, "this member")
        return self[member]

    def _unexpected(self, member: str, expected: str) -> DecodeError:
        found = type(self.get(member)).__name__ if member in self else "nothing"
        message = f"{self.class_name} {self.name!r}, member {member}: expected {expected}"
        return DecodeError(f"{message}, found {found}")
