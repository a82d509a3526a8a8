"""Steps that read the members of an object: described classes, containers, special classes."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .records import DecodeError, Record
from .stream import MAX_NESTING, RECORD_COST, Stream, int32, uint32

if TYPE_CHECKING:
    from collections.abc import Callable

    from .records import ClassDescription, Element
    from .stream import Reader, Step

__all__ = ["CUSTOM", "plan"]

# --- containers of the standard library, object-wise and member-wise ------------------------------

_STL = (500, 365, 300)
_MEMBER_WISE = 0x4000
_MAX_TYPE_NAME = 1000  # characters
_SEQUENCES = ("vector", "set", "list", "deque", "unordered_set", "multiset")
_MAPS = ("map", "unordered_map", "multimap")
_SHORT = struct.Struct(">h").unpack_from

_NUMBERS = {
    "char": "b", "unsigned char": "B", "short": "h", "unsigned short": "H",
    "int": "i", "Int_t": "i", "unsigned int": "I", "UInt_t": "I",
    "long": "q", "unsigned long": "Q", "long long": "q", "unsigned long long": "Q",
    "Long64_t": "q", "ULong64_t": "Q", "float": "f", "Float_t": "f",
    "double": "d", "Double_t": "d", "bool": "?", "Bool_t": "?",
    "Char_t": "b", "UChar_t": "B", "Short_t": "h", "UShort_t": "H", "Long_t": "q", "ULong_t": "Q",
}  # fmt: skip
_DTYPES = {name: np.dtype(f">{code}") for name, code in _NUMBERS.items()}


@lru_cache(maxsize=512)
def split_type(type_name: str) -> tuple[str, tuple[str, ...]]:
    """Split "map<string,vector<int> >" into "map" and ("string", "vector<int>")."""
    if len(type_name) > _MAX_TYPE_NAME:
        raise DecodeError(f"a type name of {len(type_name)} characters")
    text = type_name.replace("std::", "").strip()
    start = text.find("<")
    if start < 0:
        return text, ()
    end = text.rfind(">")
    arguments, depth, current = [], 0, ""
    for character in text[start + 1 : end]:
        depth += (character == "<") - (character == ">")
        if character == "," and depth == 0:
            arguments.append(current.strip())
            current = ""
        else:
            current += character
    return text[:start].strip(), (*arguments, current.strip())


def read_member(stream: Stream, type_name: str, position: int, nesting: int) -> tuple[Any, int]:
    """Read a member that is a string or container of the standard library, with its header."""
    base = type_name.rstrip("*").strip()
    version, end, position = stream.version(position)
    if split_type(base)[0] == "string":
        value: Any
        value, position = stream.string(position)
    else:
        is_member_wise = bool(version & _MEMBER_WISE)
        value, position = _container(stream, base, position, is_member_wise, nesting)
    if end is not None and position != end:
        raise DecodeError(f"{type_name} ends at byte {position}, its byte count at {end}")
    return value, position


def _container(
    stream: Stream, type_name: str, position: int, is_member_wise: bool, nesting: int
) -> tuple[Any, int]:
    if nesting > MAX_NESTING:
        raise DecodeError(f"containers are nested more than {MAX_NESTING} levels deep")
    name, arguments = split_type(type_name)
    if name in _SEQUENCES and arguments:
        if is_member_wise:
            return _member_wise(stream, arguments[0], position, nesting)
        count, position = _count(stream, position)
        return _sequence(stream, arguments[0], count, position, nesting)
    if name in _MAPS and len(arguments) >= 2:
        return _mapping(stream, arguments, position, is_member_wise, nesting)
    raise DecodeError(f"containers of type {type_name} cannot be decoded")


def _count(stream: Stream, position: int) -> tuple[int, int]:
    (count,) = int32(stream.data, position)
    position += 4
    stream.checked_end(position, count)
    return count, position


def _sequence(
    stream: Stream, element: str, count: int, position: int, nesting: int
) -> tuple[Any, int]:
    dtype = _DTYPES.get(element)
    if dtype is not None:
        end = stream.checked_end(position, count * dtype.itemsize)
        return np.frombuffer(stream.data, dtype, count, position), end
    if element.endswith("*"):
        return stream.pointers(position, count)
    stream.spend(count)
    values = []
    for _ in range(count):
        value, position = _element(stream, element, position, nesting)
        values.append(value)
    return values, position


def _mapping(
    stream: Stream,
    arguments: tuple[str, ...],
    position: int,
    is_member_wise: bool,
    nesting: int,
) -> tuple[dict[Any, Any], int]:
    key_type, value_type = arguments[:2]
    if not is_member_wise:
        count, position = _count(stream, position)
        stream.spend(count)
        result = {}
        for _ in range(count):
            key, position = _element(stream, key_type, position, nesting)
            result[_hashable(key)], position = _element(stream, value_type, position, nesting)
        return result, position
    _, _, count, position = _member_wise_header(stream, position)
    if count == 0:
        return {}, position
    keys, position = _column(stream, key_type, count, position, nesting)
    values, position = _column(stream, value_type, count, position, nesting)
    return dict(zip(map(_hashable, keys), values, strict=True)), position


def _hashable(key: object) -> str | int | float:
    if isinstance(key, str | int | float):
        return key
    raise DecodeError(f"keys of type {type(key).__name__} in a map")


def _element(stream: Stream, type_name: str, position: int, nesting: int) -> tuple[Any, int]:
    """Read one element of a container; strings and containers have no header here."""
    dtype = _DTYPES.get(type_name)
    if dtype is not None:
        end = stream.checked_end(position, dtype.itemsize)
        return np.frombuffer(stream.data, dtype, 1, position)[0].item(), end
    if type_name in ("string", "TString"):
        return stream.string(position)
    if type_name.endswith("*"):
        return stream.pointer(position)
    name, arguments = split_type(type_name)
    if name in _SEQUENCES or name in _MAPS:
        return _container(stream, type_name, position, False, nesting + 1)
    if name == "pair" and len(arguments) == 2 and nesting <= MAX_NESTING:
        first, position = _element(stream, arguments[0], position, nesting + 1)
        second, position = _element(stream, arguments[1], position, nesting + 1)
        return (first, second), position
    stream.spend(RECORD_COST)
    record = Record(type_name, position)
    return record, stream.streamer(type_name, position, record, nesting + 1)


def _column(
    stream: Stream, type_name: str, count: int, position: int, nesting: int
) -> tuple[list[Any], int]:
    """Read one member of `count` pairs; one of the standard library has one header for all."""
    end = None
    name, _ = split_type(type_name)
    if name == "string" or name in _SEQUENCES or name in _MAPS:
        _, end, position = stream.version(position)
    stream.spend(count)
    values = []
    for _ in range(count):
        value, position = _element(stream, type_name, position, nesting)
        values.append(value)
    if end is not None and position != end:
        raise DecodeError(f"a column of {type_name} ends at byte {position}, not {end}")
    return values, position


def _member_wise_header(stream: Stream, position: int) -> tuple[int, int | None, int, int]:
    """Return version, checksum (of classes without version), count and position."""
    (version,) = _SHORT(stream.data, position)
    position += 2
    checksum = None
    if version == 0:
        (checksum,) = uint32(stream.data, position)
        position += 4
    count, position = _count(stream, position)
    stream.checked_end(position, 4 * count)
    return version, checksum, count, position


def _member_wise(
    stream: Stream, class_name: str, position: int, nesting: int
) -> tuple[list[Record], int]:
    """Read a vector of objects member by member: each member for all objects in turn."""
    version, checksum, count, position = _member_wise_header(stream, position)
    if checksum is None:
        description = stream.descriptions.get((class_name, version))
    else:
        description = stream.by_checksum.get((class_name, checksum))
    if description is None:
        raise DecodeError(f"no description of class {class_name}, version {version}")
    stream.spend(RECORD_COST * count)
    records = [Record(class_name, position) for _ in range(count)]
    for element in description.elements if records else ():
        position = _member_column(stream, description, element, records, position, nesting)
    return records, position


def _member_column(
    stream: Stream,
    owner: ClassDescription,
    element: Element,
    records: list[Record],
    position: int,
    nesting: int,
) -> int:
    if element.is_base and _is_empty(stream, element.name):
        return position
    stream.spend(len(records))
    if element.type in _STL:
        version, end, position = stream.version(position)
        for record in records:
            if split_type(element.type_name)[0] == "string":
                record[element.name], position = stream.string(position)
            else:
                record[element.name], position = _container(
                    stream, element.type_name, position, bool(version & _MEMBER_WISE), nesting + 1
                )
        if end is not None and position != end:
            raise DecodeError(f"{owner.name}::{element.name} ends at byte {position}, not {end}")
        return position
    step = stream.member_step(owner, element)
    for record in records:
        position = step(stream, position, record, nesting + 1)
    return position


def _is_empty(stream: Stream, class_name: str) -> bool:
    """Return whether a base has no members, so that nothing of it is written."""
    if class_name in ("TObject", "TNamed"):
        return False
    found = (d for (name, _), d in stream.descriptions.items() if name == class_name)
    description = next(found, None)
    return description is not None and not description.elements


# --- members of classes that have a description ---------------------------------------------------

# TStreamerInfo's basic types: format of struct, which is the type code of NumPy too.
_BASIC = {
    1: "b", 2: "h", 3: "i", 4: "q", 5: "f", 6: "i", 8: "d",
    11: "B", 12: "H", 13: "I", 14: "Q", 15: "I", 16: "q", 17: "Q", 18: "?",
}  # fmt: skip
_OFFSET_ARRAY, _OFFSET_POINTER = 20, 40
_INLINE, _POINTER = (61, 62), (63, 64, 68, 69)

_NOT_NEEDED = frozenset(
    ("_clientList", "_clientListShape", "_clientListValue", "_proxyList", "_stringAttrib")
)
"""Members without information on the model, or with redundant information: skipped by their byte
count."""

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
        return _value(element.name, Stream.pointer)
    if kind in _STL:
        return _standard_container(element.name, element.type_name)
    if kind == 65:
        return _value(element.name, Stream.string)
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


def _value(name: str, read: Callable[[Stream, int], tuple[object, int]]) -> Step:
    """Return the step of a member without byte count: a pointer or a string."""

    def step(stream: Stream, position: int, record: Record, _nesting: int) -> int:
        record[name], position = read(stream, position)
        return position

    return step


def _standard_container(name: str, type_name: str) -> Step:
    def read(stream: Stream, position: int, nesting: int) -> tuple[object, int]:
        return read_member(stream, type_name, position, nesting)

    return _member(name, type_name, read)


def _fixed_array(element: Element, code: str) -> Step:
    dtype = np.dtype(f">{code}")
    name, count = element.name, element.array_length

    def step(stream: Stream, position: int, record: Record, _nesting: int) -> int:
        end = stream.checked_end(position, count * dtype.itemsize)
        record[name] = np.frombuffer(stream.data, dtype, count, position)
        return end

    return step


def _counted_array(element: Element, code: str) -> Step:
    dtype = np.dtype(f">{code}")
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


def _array(dtype: str) -> Step:
    """TArray and its kin: the number of values, then these; no header."""
    kind = np.dtype(dtype)

    def step(stream: Stream, position: int, record: Record, _nesting: int) -> int:
        (count,) = int32(stream.data, position)
        end = stream.checked_end(position + 4, count * kind.itemsize)
        record["values"] = np.frombuffer(stream.data, kind, count, position + 4)
        return end

    return step


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
    "TArrayC": _array("i1"),
    "TArrayS": _array(">i2"),
    "TArrayI": _array(">i4"),
    "TArrayL": _array(">i8"),
    "TArrayL64": _array(">i8"),
    "TArrayF": _array(">f4"),
    "TArrayD": _array(">f8"),
    "RooLinkedList": _linked_list,
    "RooRealVar": _real_variable,
    "RooCategory": _category,
}
"""Readers of classes with a Streamer of their own."""
