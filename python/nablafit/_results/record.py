"""What results of inference share: frozen, comparable, and the same after a trip through JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, located
from ..result import FitResult

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Record", "load_result"]

_FORMATS: dict[str, type[Record]] = {}
_SPECIAL = {"inf": math.inf, "-inf": -math.inf}
_AS_IN_JSON = (str, int, bool, Any)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Record:
    """Base of frozen dataclasses that go through JSON by the annotations of their members.

    Members are numbers, strings, arrays, tuples, dicts with string keys, fit results and records;
    a document with another is a TypeError when it is read.
    A subclass is declared as `@dataclass(frozen=True, eq=False, kw_only=True, repr=False)`, names
    its document with `class Limit(Record, format="nablafit.Limit/1")` and has `__repr__` and
    `_repr_html_`; parts of other results need no format. Arrays become read-only.

    Functions that return one are decorated with `remembers_origin`, which fills `origin`.
    """

    document_format: ClassVar[str | None] = None

    origin: Mapping[str, Any] | None = dataclasses.field(default=None, kw_only=True)
    """What the result was made from, as plain data: "function", "options", "versions", and digests
    of the "model" and the "data". None if it is not known. Not part of equality."""

    def __init_subclass__(cls, *, format: str | None = None, **arguments: Any) -> None:  # noqa: A002
        super().__init_subclass__(**arguments)
        cls.document_format = format
        if format is not None:
            _FORMATS[format] = cls

    def __post_init__(self) -> None:
        for field in _fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._members() == other._members()

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings: NaN becomes None, infinity "inf" or "-inf"."""
        head = {} if self.document_format is None else {"format": self.document_format}
        tail = {} if self.origin is None else {"origin": dict(self.origin)}
        return head | self._members() | tail

    def _members(self) -> dict[str, Any]:
        return {field.name: _encode(getattr(self, field.name)) for field in _fields(self)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; raise ArgumentError for a document of another kind."""
        if cls.document_format is not None and document.get("format") != cls.document_format:
            message = f"expected {cls.document_format!r}, got {document.get('format')!r}"
            raise located(ArgumentError, message, "format")
        hints: dict[str, Any] = _hints(cls)  # type: ignore[arg-type]
        given = {name: hint for name, hint in hints.items() if name in document}
        optional = {f.name for f in _fields(cls) if f.default is not dataclasses.MISSING}
        missing = [name for name in hints if name not in given and name not in optional]
        if missing:
            message = f"expected the member {missing[0]!r}, found none"
            raise located(ArgumentError, message, cls.document_format or cls.__name__)
        members = {name: _decode(document[name], hint, name) for name, hint in given.items()}
        return cls(**members, origin=document.get("origin"))

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Inverse of `to_json`."""
        return cls.from_dict(json.loads(text))

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file, at once or not at all; `nablafit.load_result` reads it."""
        write_text(path, self.to_json(indent=1) + "\n")


def load_result(path: str | Path) -> Record | FitResult:
    """Read a result that was saved as JSON; its document says of which type it is.

    Raises
    ------
    ArgumentError
        If the file is no JSON, or holds no result of nablafit.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        message = f"expected the JSON of a result, got a file that is none: {error}"
        raise located(ArgumentError, message, str(path)) from error
    found = document.get("format") if isinstance(document, dict) else None
    if isinstance(found, str) and found.startswith("nablafit.FitResult/"):
        return FitResult.from_dict(document)
    if not isinstance(found, str) or found not in _FORMATS:
        message = f"expected a result of nablafit, got a document of format {found!r}"
        raise located(ArgumentError, message, str(path))
    return _FORMATS[found].from_dict(document)


def write_text(path: str | Path, text: str) -> None:
    """Write next to the target and rename: readers never see half a file."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _fields(record: Any) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(record) if field.name != "origin")


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """Return the types of the members, evaluated."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in _fields(cls)}


def _encode(value: Any) -> Any:
    if isinstance(value, Record | FitResult):
        return value.to_dict()
    if isinstance(value, np.ndarray | np.generic):
        return _encode(value.tolist())
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return None if math.isnan(value) else str(value)
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    return value


def _decode(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(value, arguments, where)
    if origin is np.ndarray:
        return _array(value, typing.get_args(arguments[1])[0], where)
    if origin is NDArray:  # itself an alias since NumPy 2.5 on Python 3.12
        return _array(value, arguments[0], where)
    if hint is float:
        return _number(value, where)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        pairs = enumerate(zip(value, kinds, strict=True))
        return tuple(_decode(item, kind, f"{where}[{i}]") for i, (item, kind) in pairs)
    if origin is dict:
        return {key: _decode(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, Record | FitResult):
        return hint.from_dict(value)
    if hint in _AS_IN_JSON or origin in (typing.Literal, Mapping):
        return value
    raise TypeError(f"{where}: no way to read a member of the type {hint}")


def _decode_union(value: Any, members: tuple[Any, ...], where: str) -> Any:
    """Decode an optional member. NaN is None too, so a number is never optional."""
    kinds = [kind for kind in members if kind is not type(None)]
    if isinstance(value, str) and str in kinds:
        return value
    if value is None and float not in kinds:
        return None
    return _decode(value, kinds[0], where)


def _number(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise located(ArgumentError, f"expected a number, got {value!r}", where)
    return float(value)


def _array(value: Any, kind: Any, where: str) -> NDArray[Any]:
    if kind is np.float64:
        numbers = _map(value, lambda item: _number(item, where))
        return np.array(numbers, dtype=np.float64)
    return np.array(value, dtype=kind)


def _map(value: Any, function: Any) -> Any:
    return [_map(item, function) for item in value] if isinstance(value, list) else function(value)
