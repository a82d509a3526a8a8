"""Containers of the standard library, object-wise and member-wise."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ._records import DecodeError, Record
from ._stream import MAX_NESTING, Stream, int32, uint32

if TYPE_CHECKING:
    from ._file import ClassDescription, Element

__all__ = ["read_member"]

_MEMBER_WISE = 0x4000
_MAX_TYPE_NAME = 1000  # characters
_SEQUENCES = ("vector", "set", "list", "deque", "unordered_set", "multiset")
_MAPS = ("map", "unordered_map", "multimap")
_STL_TYPES = (500, 365, 300)
_SHORT = struct.Struct(">h").unpack_from

_NUMBERS = {
    "char": "i1",
    "unsigned char": "u1",
    "short": ">i2",
    "unsigned short": ">u2",
    "int": ">i4",
    "Int_t": ">i4",
    "unsigned int": ">u4",
    "UInt_t": ">u4",
    "long": ">i8",
    "unsigned long": ">u8",
    "long long": ">i8",
    "unsigned long long": ">u8",
    "Long64_t": ">i8",
    "ULong64_t": ">u8",
    "float": ">f4",
    "Float_t": ">f4",
    "double": ">f8",
    "Double_t": ">f8",
    "bool": "?",
    "Bool_t": "?",
}
_DTYPES = {name: np.dtype(code) for name, code in _NUMBERS.items()}


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
    stream.spend(count)
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
    if element.type in _STL_TYPES:
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
