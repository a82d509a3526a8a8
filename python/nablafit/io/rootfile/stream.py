"""Objects of a TBufferFile stream, each decoded when it is asked for, and once.

Tags of objects and classes are absolute positions in the stream, so nothing has to be read in
order: a pointer is kept as a `Reference` and its object skipped by its byte count. No recursion
follows pointers; the nesting of bases and of members stored inline is limited.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from ..._budget import OBJECTS
from ...errors import WorkspaceError, located
from .records import DecodeError, Deferred, Member, Record, Reference

if TYPE_CHECKING:
    from ..._budget import Budget
    from .file import Payload
    from .records import ClassDescription, ClassDescriptions, Element

__all__ = ["MAX_NESTING", "RECORD_COST", "Stream", "int32", "uint32"]

MAX_NESTING = 64  # bases, inline members and nested collections within one object
MAX_NAME = 4096  # bytes of a class name
RECORD_COST = 4  # memory of a record, in pointers

_TAG_OFFSET = 2  # ROOT counts tags from here (kMapOffset)
_BYTE_COUNT = 0x40000000
_NEW_CLASS = 0xFFFFFFFF
_CLASS_TAG = 0x80000000
_IS_REFERENCED = 0x10
_READ_ERRORS = (ValueError, LookupError, TypeError, OverflowError, struct.error)

uint32 = struct.Struct(">I").unpack_from
int32 = struct.Struct(">i").unpack_from
_counted_version = struct.Struct(">IH").unpack_from
_object_header = struct.Struct(">HII").unpack_from

Step: TypeAlias = Callable[["Stream", int, Record, int], int]
"""Reads a part of an object: (stream, position, record, nesting) -> position behind it."""

Reader: TypeAlias = Callable[["Stream", int, int], tuple[object, int]]
"""Reads a member: (stream, position, nesting) -> its value and the position behind it."""

PlanMaker: TypeAlias = Callable[["ClassDescription"], tuple[Step, ...]]


class Stream:
    """Random access to the objects of one payload.

    Parameters
    ----------
    payload : Payload
        Where the bytes are.
    descriptions : mapping
        Class descriptions of the file by name and version.
    plan : callable
        Turns a class description into steps.
    custom : mapping
        Steps of classes that do not follow their description, by name.
    source : str
        Name of the file, for messages.
    budget : Budget
        That of the document; objects are paid from it.
    """

    def __init__(
        self,
        payload: Payload,
        descriptions: ClassDescriptions,
        plan: PlanMaker,
        custom: dict[str, Step],
        source: str,
        budget: Budget,
    ) -> None:
        self.data = payload.data
        self._size = len(payload.data)
        self.descriptions = descriptions
        self.by_checksum = {(d.name, d.checksum): d for d in descriptions.values()}
        self._displacement = payload.key_length + _TAG_OFFSET
        self._location = f"{source}:{payload.name}"
        self._plan = plan
        self._custom = custom
        self._plans: dict[tuple[str, int], tuple[Step, ...]] = {}
        self._objects: dict[Reference, Record] = {}
        self._class_names: dict[int, str] = {}
        self._load = self._read_deferred
        self._most = 2 * len(payload.data) + 10_000
        self._budget = budget

    # --- objects ---------------------------------------------------------------------------------

    def top(self, class_name: str) -> Record:
        """Decode the object that the key itself holds."""
        record = Record(class_name, 0)
        self._guarded(record, 0, len(self.data))
        return record

    def object(self, reference: Reference) -> Record:
        """Decode the object of a pointer, or return it if that was done before.

        Raises
        ------
        WorkspaceError
            If the pointer is null or the object is damaged; the location is its class and byte.
        """
        record = self._objects.get(reference)
        if record is None:
            class_name, position, end = self._header(reference)
            record = Record(class_name, position)
            self._guarded(record, position, end)
            self._objects[reference] = record
        return record

    def class_name(self, reference: Reference) -> str:
        """Return the class of an object without decoding it."""
        return self._header(reference)[0]

    def spend(self, amount: int) -> None:
        """Count elements read; an honest file has at most one per byte."""
        self._most -= amount
        if amount < 0 or self._most < 0:
            raise DecodeError("more elements than bytes: collections overlap or are damaged")
        self._budget.spend(OBJECTS, amount, self._location)

    def defer(self, read: Reader, what: str, position: int, end: int) -> Deferred:
        """Return a member that ends at `end`, to be read when it is asked for."""
        return Deferred(self._load, read, what, position, end)

    def _read_deferred(self, member: Deferred) -> Member:
        try:
            self.spend(RECORD_COST)
            value, stop = member.read(self, member.position, 0)
            if stop != member.end:
                raise DecodeError(f"it ends at byte {stop}, its byte count says {member.end}")
        except WorkspaceError:
            raise
        except _READ_ERRORS as error:
            where = f"{self._location}:{member.what} at byte {member.position}"
            message = f"the member is damaged or of an unknown layout: {error}"
            raise located(WorkspaceError, message, where) from error
        return value

    def _guarded(self, record: Record, position: int, end: int) -> None:
        try:
            self.spend(RECORD_COST)
            stop = self.streamer(record.class_name, position, record, 0)
            if stop != end:
                raise DecodeError(f"its members end at byte {stop}, its byte count at {end}")
        except WorkspaceError:
            raise
        except _READ_ERRORS as error:
            where = f"{self._location}:{record.class_name} at byte {position}"
            message = f"the object is damaged or of an unknown layout: {error}"
            raise located(WorkspaceError, message, where) from error

    def _header(self, reference: Reference) -> tuple[str, int, int]:
        """Return class name, position of the members and end of an object."""
        position = reference - self._displacement
        try:
            if not 0 <= position <= len(self.data) - 8:
                raise DecodeError("it points outside of the stream")
            (word,) = uint32(self.data, position)
            if not word & _BYTE_COUNT:
                raise DecodeError("no object is there")
            end = self.checked_end(position + 4, word & ~_BYTE_COUNT)
            (tag,) = uint32(self.data, position + 4)
            if tag == _NEW_CLASS:
                name = self._class_name_at(position + 4)
                return name, position + 9 + len(name.encode("latin-1")), end
            if not tag & _CLASS_TAG:
                raise DecodeError(f"{tag:#x} is not the tag of a class")
            return self._class_name_at((tag & ~_CLASS_TAG) - self._displacement), position + 8, end
        except WorkspaceError:
            raise
        except _READ_ERRORS as error:
            where = f"{self._location}:pointer to byte {position}"
            raise located(WorkspaceError, f"the stream is damaged: {error}", where) from error

    def _class_name_at(self, position: int) -> str:
        name = self._class_names.get(position)
        if name is None:
            if position < 0 or uint32(self.data, position)[0] != _NEW_CLASS:
                raise DecodeError(f"no class is defined at byte {position}")
            end = self.data.find(b"\0", position + 4, position + 4 + MAX_NAME)
            if end < 0:
                raise DecodeError(f"the name of the class at byte {position} has no end")
            name = self._class_names[position] = self.data[position + 4 : end].decode("latin-1")
        return name

    # --- classes ---------------------------------------------------------------------------------

    def streamer(self, class_name: str, position: int, record: Record, nesting: int) -> int:
        """Read header and members of a class into `record`."""
        if nesting > MAX_NESTING:
            raise DecodeError(f"classes are nested more than {MAX_NESTING} levels deep")
        custom = self._custom.get(class_name)
        if custom is not None:
            return custom(self, position, record, nesting)
        version, end, position = self.version(position)
        return self.body(class_name, version, position, end, record, nesting)

    def body(
        self,
        class_name: str,
        version: int,
        position: int,
        end: int | None,
        record: Record,
        nesting: int,
    ) -> int:
        """Read the members of a class behind its header, and check where they end."""
        description = self.descriptions.get((class_name, version))
        if description is None and end is not None and end - position >= 4:
            checksum = uint32(self.data, position)[0]
            description = self.by_checksum.get((class_name, checksum))
            position += 0 if description is None else 4
        if description is None:
            if end is None:
                raise DecodeError(f"no description of class {class_name}, version {version}")
            return end
        position = self.members(description, position, record, nesting)
        if end is not None and position != end:
            found = f"members of {class_name} version {version} end at byte {position}"
            raise DecodeError(f"{found}, their byte count at {end}")
        return position

    def members(
        self, description: ClassDescription, position: int, record: Record, nesting: int
    ) -> int:
        """Read all members of a class description."""
        key = (description.name, description.version)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(description)
        for step in plan:
            position = step(self, position, record, nesting + 1)
        return position

    def member_step(self, owner: ClassDescription, element: Element) -> Step:
        """Return the step that reads one member alone."""
        key = (f"{owner.name}::{element.name}", owner.version)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(replace(owner, elements=(element,)))
        return plan[0]

    # --- primitives ------------------------------------------------------------------------------

    def checked_end(self, start: int, n_bytes: int) -> int:
        """Return start + n_bytes if that is inside of the stream."""
        end = start + n_bytes
        if n_bytes < 0 or end > len(self.data):
            raise DecodeError(f"{n_bytes} bytes at byte {start} reach beyond the stream")
        return end

    def version(self, position: int) -> tuple[int, int | None, int]:
        """Read a class header; return version, end (None without byte count) and position."""
        word, version = _counted_version(self.data, position)
        if word & _BYTE_COUNT and word != _NEW_CLASS:
            end = position + 4 + (word & ~_BYTE_COUNT)
            if end > self._size:
                raise DecodeError(f"a byte count at byte {position} reaches beyond the stream")
            return version, end, position + 6
        return word >> 16, None, position + 2

    def skip(self, position: int) -> int | None:
        """Return the end of what starts here with a byte count; None if there is no count."""
        (word,) = uint32(self.data, position)
        if not word & _BYTE_COUNT or word == _NEW_CLASS:
            return None
        return self.checked_end(position + 4, word & ~_BYTE_COUNT)

    def string(self, position: int) -> tuple[str, int]:
        """Read a TString: UTF-8 in practice, Latin-1 otherwise."""
        length = self.data[position]
        position += 1
        if length == 255:
            (length,) = int32(self.data, position)
            position += 4
        end = self.checked_end(position, length)
        raw = self.data[position:end]
        try:
            return raw.decode(), end
        except UnicodeDecodeError:
            return raw.decode("latin-1"), end

    def object_header(self, position: int) -> int:
        """Skip the members of TObject."""
        if uint32(self.data, position)[0] & _BYTE_COUNT:
            position += 4
        _, _, bits = _object_header(self.data, position)
        return position + (12 if bits & _IS_REFERENCED else 10)

    def named(self, position: int, record: Record) -> int:
        """Read the members of TNamed."""
        _, end, position = self.version(position)
        position = self.object_header(position)
        record["fName"], position = self.string(position)
        record["fTitle"], position = self.string(position)
        if end is not None and position != end:
            raise DecodeError(f"a TNamed ends at byte {position}, its byte count at {end}")
        return position

    def pointer(self, position: int) -> tuple[Reference, int]:
        """Read a pointer without following it."""
        (word,) = uint32(self.data, position)
        if not word & _BYTE_COUNT or word == _NEW_CLASS:
            if word & _CLASS_TAG:
                raise DecodeError(f"an object without byte count at byte {position}")
            return Reference(word), position + 4
        end = self.checked_end(position + 4, word & ~_BYTE_COUNT)
        return Reference(position + self._displacement), end

    def pointers(self, position: int, count: int) -> tuple[list[Reference], int]:
        """Read `count` pointers without following them."""
        self.spend(count)
        references = []
        for _ in range(count):
            reference, position = self.pointer(position)
            references.append(reference)
        return references, position
