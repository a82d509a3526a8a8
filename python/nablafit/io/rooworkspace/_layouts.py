"""From class descriptions to steps that read their members, and the classes without description."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from ._containers import read_member
from ._records import DecodeError, Record
from ._stream import Stream, int32, uint32

if TYPE_CHECKING:
    from ._file import ClassDescription, Element
    from ._stream import Reader, Step

__all__ = ["CUSTOM", "plan"]

# TStreamerInfo's basic types: format of struct, which is the type code of NumPy too.
_BASIC = {
    1: "b",
    2: "h",
    3: "i",
    4: "q",
    5: "f",
    6: "i",
    8: "d",
    11: "B",
    12: "H",
    13: "I",
    14: "Q",
    15: "I",
    16: "q",
    17: "Q",
    18: "?",
}
_NUMPY = {
    "b": "i1", "h": ">i2", "i": ">i4", "q": ">i8", "f": ">f4", "d": ">f8",
    "B": "u1", "H": ">u2", "I": ">u4", "Q": ">u8", "?": "?",
}  # fmt: skip
_OFFSET_ARRAY, _OFFSET_POINTER = 20, 40
_INLINE, _POINTER, _STL = (61, 62), (63, 64, 68, 69), (500, 365, 300)

_NOT_NEEDED = frozenset(
    ("_clientList", "_clientListShape", "_clientListValue", "_proxyList", "_stringAttrib")
)
"""Members that say nothing about the model, or say it twice: skipped by their byte count."""

_SKIPPED_CLASSES = frozenset(("RooWorkspace::CodeRepo", "RooRefArray", "RooExpensiveObjectCache"))
"""Source code of user classes, which is never looked at, and things that refer to a process."""


def plan(description: ClassDescription) -> tuple[Step, ...]:
    """Return the steps that read the members of a class."""
    steps: list[Step] = []
    run: list[tuple[str, str]] = []
    for element in description.elements:
        if element.type in _BASIC and not element.array_length:
            run.append((element.name, _BASIC[element.type]))
            continue
        if run:
            steps.append(_numbers(run))
            run = []
        steps.append(_step(description.name, element))
    if run:
        steps.append(_numbers(run))
    return tuple(steps)


def _step(owner: str, element: Element) -> Step:
    kind = element.type
    if element.is_base:
        return _base(element.name)
    if element.name in _NOT_NEEDED or element.type_name in _SKIPPED_CLASSES:
        return _skipped(element)
    return _described(owner, element, kind)


def _described(owner: str, element: Element, kind: int) -> Step:
    if kind in _BASIC or kind - _OFFSET_ARRAY in _BASIC:
        return _fixed_array(element, _BASIC[kind % _OFFSET_ARRAY])
    if kind - _OFFSET_POINTER in _BASIC:
        return _counted_array(element, _BASIC[kind - _OFFSET_POINTER])
    if kind in _INLINE:
        return _inline(element.name, element.type_name)
    if kind in _POINTER:
        return _pointer(element.name)
    if kind in _STL:
        return _container(element.name, element.type_name)
    if kind == 65:
        return _string(element.name)
    if kind in (66, 67):
        return _base("TObject" if kind == 66 else "TNamed")
    message = f"member {owner}::{element.name} is of type {kind} ({element.type_name})"
    raise DecodeError(f"{message}, which cannot be decoded")


def _numbers(members: list[tuple[str, str]]) -> Step:
    names = [name for name, _ in members]
    layout = struct.Struct(">" + "".join(code for _, code in members))

    def step(stream: Stream, position: int, record: Record, _nesting: int) -> int:
        record.update(zip(names, layout.unpack_from(stream.data, position), strict=True))
        return position + layout.size

    return step


def _base(name: str) -> Step:
    def read(stream: Stream, position: int, nesting: int) -> tuple[Record, int]:
        part = Record(name, position)
        return part, stream.streamer(name, position, part, nesting)

    def step(stream: Stream, position: int, record: Record, nesting: int) -> int:
        end = None if name == "TObject" else stream.skip(position)
        if end is None:
            return stream.streamer(name, position, record, nesting)
        record.bases.append(stream.defer(read, name, position, end))
        return end

    return step


def _skipped(element: Element) -> Step:
    read = _described("", element, element.type)

    def step(stream: Stream, position: int, record: Record, nesting: int) -> int:
        end = stream.skip(position)
        return read(stream, position, record, nesting) if end is None else end

    return step


def _inline(name: str, class_name: str) -> Step:
    def read(stream: Stream, position: int, nesting: int) -> tuple[Record, int]:
        inner = Record(class_name, position)
        return inner, stream.streamer(class_name, position, inner, nesting)

    return _member(name, class_name, read)


def _member(name: str, type_name: str, read: Reader) -> Step:
    """Return the step of a member: deferred if a byte count says where it ends."""

    def step(stream: Stream, position: int, record: Record, nesting: int) -> int:
        end = stream.skip(position)
        if end is None:
            record[name], end = read(stream, position, nesting)
        else:
            record[name] = stream.defer(read, type_name, position, end)
        return end

    return step


def _pointer(name: str) -> Step:
    def step(stream: Stream, position: int, record: Record, _nesting: int) -> int:
        record[name], position = stream.pointer(position)
        return position

    return step


def _string(name: str) -> Step:
    def step(stream: Stream, position: int, record: Record, _nesting: int) -> int:
        record[name], position = stream.string(position)
        return position

    return step


def _container(name: str, type_name: str) -> Step:
    def read(stream: Stream, position: int, nesting: int) -> tuple[object, int]:
        return read_member(stream, type_name, position, nesting)

    return _member(name, type_name, read)


def _fixed_array(element: Element, code: str) -> Step:
    dtype = np.dtype(_NUMPY[code])
    name, count = element.name, element.array_length

    def step(stream: Stream, position: int, record: Record, _nesting: int) -> int:
        end = stream.checked_end(position, count * dtype.itemsize)
        record[name] = np.frombuffer(stream.data, dtype, count, position)
        return end

    return step


def _counted_array(element: Element, code: str) -> Step:
    dtype = np.dtype(_NUMPY[code])
    name, count_name = element.name, element.count_name

    def step(stream: Stream, position: int, record: Record, _nesting: int) -> int:
        is_present = stream.data[position]
        position += 1
        count = int(record[count_name]) if is_present else 0
        end = stream.checked_end(position, count * dtype.itemsize)
        record[name] = np.frombuffer(stream.data, dtype, count, position)
        return end

    return step


# --- classes whose stream differs from their description, or that have none ----------------------


def _object(stream: Stream, position: int, _record: Record, _nesting: int) -> int:
    return stream.object_header(position)


def _named(stream: Stream, position: int, record: Record, _nesting: int) -> int:
    return stream.named(position, record)


def _root_string(stream: Stream, position: int, record: Record, _nesting: int) -> int:
    record["value"], position = stream.string(position)
    return position


def _linked_list(stream: Stream, position: int, record: Record, _nesting: int) -> int:
    """RooLinkedList: version without byte count, TObject, size, pointers; versions 2, 3: a name."""
    version, _, position = stream.version(position)
    position = stream.object_header(position)
    (count,) = int32(stream.data, position)
    record["list"], position = stream.pointers(position + 4, count)
    if 1 < version < 4:
        record["_name"], position = stream.string(position)
    return position


_LVALUE = _base("RooAbsRealLValue")


def _real_variable(stream: Stream, position: int, record: Record, nesting: int) -> int:
    """RooRealVar: base, three errors, binning, shared properties (pointer in v3, inline since)."""
    version, end, position = stream.version(position)
    position = _LVALUE(stream, position, record, nesting + 1)
    errors = struct.unpack_from(">ddd", stream.data, position)
    record["_error"], record["_asymErrLo"], record["_asymErrHi"] = errors
    position += 24
    if version < 2:
        raise DecodeError("RooRealVar version 1 (before ROOT 5.22) cannot be read")
    record["_binning"], position = stream.pointer(position)
    if version == 3:
        record["_sharedProp"], position = stream.pointer(position)
    elif version >= 4:
        shared = record["_sharedProp"] = Record("RooRealVarSharedProperties", position)
        position = stream.streamer(shared.class_name, position, shared, nesting + 1)
    return _ends_at(position, end, "RooRealVar")


def _category(stream: Stream, position: int, record: Record, nesting: int) -> int:
    """RooCategory up to version 2: base, shared properties (pointer in v1, inline in v2)."""
    version, end, position = stream.version(position)
    if version >= 3:
        return stream.body("RooCategory", version, position, end, record, nesting)
    position = stream.streamer("RooAbsCategoryLValue", position, record, nesting + 1)
    if version == 1:
        record["_sharedProp"], position = stream.pointer(position)
    else:
        shared = record["_sharedProp"] = Record("RooCategorySharedProperties", position)
        position = stream.streamer(shared.class_name, position, shared, nesting + 1)
    return _ends_at(position, end, "RooCategory")


def _list(stream: Stream, position: int, record: Record, _nesting: int) -> int:
    """TList: TObject, name, size, then pointers each with an option string."""
    version, end, position = stream.version(position)
    position = stream.object_header(position)
    record["fName"], position = stream.string(position)
    (count,) = int32(stream.data, position)
    position += 4
    stream.spend(count)
    pointers = []
    for _ in range(count):
        reference, position = stream.pointer(position)
        pointers.append(reference)
        if version > 4:
            _, position = stream.string(position)
        else:
            position = stream.checked_end(position + 1, stream.data[position])
    record["list"] = pointers
    return _ends_at(position, end, "TList")


def _object_array(stream: Stream, position: int, record: Record, _nesting: int) -> int:
    """TObjArray: TObject, name, size, lower bound, pointers."""
    version, end, position = stream.version(position)
    if version > 2:
        position = stream.object_header(position)
    if version > 1:
        record["fName"], position = stream.string(position)
    (count,) = int32(stream.data, position)
    record["list"], position = stream.pointers(position + 8, count)
    return _ends_at(position, end, "TObjArray")


def _process_reference(stream: Stream, position: int, _record: Record, _nesting: int) -> int:
    """TRef: like TObject, with a process number in any case."""
    end = stream.object_header(position)
    is_counted = uint32(stream.data, position)[0] & 0x40000000
    return end if end - position - (4 if is_counted else 0) == 12 else end + 2


def _ends_at(position: int, end: int | None, class_name: str) -> int:
    if end is not None and position != end:
        raise DecodeError(f"{class_name} ends at byte {position}, its byte count at {end}")
    return position


CUSTOM: dict[str, Step] = {
    "TObject": _object,
    "TNamed": _named,
    "TString": _root_string,
    "TList": _list,
    "THashList": _list,
    "TObjArray": _object_array,
    "TRef": _process_reference,
    "RooLinkedList": _linked_list,
    "RooRealVar": _real_variable,
    "RooCategory": _category,
}
"""Readers of classes with a Streamer of their own."""
