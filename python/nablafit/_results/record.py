"""What results of inference share: frozen, comparable, and the same after a trip through JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .._arguments import checked
from .._printable import printable
from ..errors import ArgumentError, located
from ..io.recognise import describe
from .files import is_archive, read_archive, write_archive, write_text
from .provenance import origin_array
from .tables import Tabular
from .text import Page

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Archive", "Record", "SavedResult", "document_format", "load_result"]


class SavedResult(Protocol):
    """What results have in common, those of many fits and toys included."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings."""

    @classmethod
    def from_dict(cls, document: dict[str, Any], /) -> Self:
        """Inverse of `to_dict`."""

    def save(self, path: str | Path, /) -> None:
        """Write a file that `nablafit.load_result` reads."""


ResultT = TypeVar("ResultT", bound=type[SavedResult])

_FORMATS: dict[str, type[SavedResult]] = {}
_SPECIAL = {"inf": math.inf, "-inf": -math.inf}
_AS_IN_JSON = (str, int, bool, Any)


def document_format(name: str) -> Callable[[ResultT], ResultT]:
    """Decorate a class whose documents are of this format."""

    def register(cls: ResultT) -> ResultT:
        _FORMATS[name] = cls
        return cls

    return register


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Record(Tabular):
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

    def _pages(self) -> Sequence[Page]:
        """Return what the result shows of itself."""
        return ()

    def __repr__(self) -> str:
        return "\n\n".join(page.text() for page in self._pages()) or super().__repr__()

    def _repr_html_(self) -> str:
        pages = "".join(page.html() for page in self._pages())
        return pages or f"<div>{escape(printable(repr(self)))}</div>"

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


class Archive(Tabular, ABC):
    """Base of frozen dataclasses of arrays that are saved as compressed .npz files.

    A subclass names its files with `class Toys(Archive, format="nablafit.Toys/1")`.
    """

    document_format: ClassVar[str]
    origin: Mapping[str, Any] | None

    def __init_subclass__(cls, *, format: str, **arguments: Any) -> None:  # noqa: A002
        super().__init_subclass__(**arguments)
        cls.document_format = format
        _FORMATS[format] = cls

    @abstractmethod
    def _members(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the file by name, without the origin."""

    @classmethod
    @abstractmethod
    def _from_members(cls, members: Mapping[str, NDArray[Any]]) -> Self:
        """Inverse of `_members`; may find an origin in a file."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Archive) or type(other) is not type(self):
            return NotImplemented
        mine, theirs = self._members(), other._members()
        return mine.keys() == theirs.keys() and all(
            np.array_equal(mine[key], theirs[key], equal_nan=mine[key].dtype.kind == "f")
            for key in mine
        )

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings; None for numbers that are not finite."""
        members = {name: _plain(array) for name, array in self._members().items()}
        origin = None if self.origin is None else dict(self.origin)
        return {"format": self.document_format, **members, "origin": origin}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; numbers that are not finite come back as NaN."""
        if document.get("format") != cls.document_format:
            message = f"expected format {cls.document_format!r}, got {document.get('format')!r}"
            raise located(ArgumentError, message, "document")
        members = {k: np.array(v) for k, v in document.items() if k not in ("format", "origin")}
        result: Any = cls._from_members(members)
        return cast("Self", dataclasses.replace(result, origin=document.get("origin")))

    def save(self, path: str | Path, notes: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Write a compressed .npz file, at once or not at all.

        Parameters
        ----------
        path : str or Path
            Name of the file.
        notes : mapping, optional
            More arrays for the file, which `load` passes over.
        """
        members = {**(notes or {}), **self._members(), **origin_array(self.origin)}
        write_archive(path, self.document_format, members)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; raise ArgumentError for other files."""
        return cls._from_members(read_archive(path, cls.document_format))


def _plain(array: NDArray[Any]) -> object:
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        array = array.astype(object)
        array[~finite] = None
    return array.tolist()


@checked
def load_result(path: str | Path) -> SavedResult:
    """Read a result that `save` wrote, JSON or .npz; the file says of which type it is.

    Raises
    ------
    ArgumentError
        If the file holds no result of nablafit.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> nf.upper_limit(model, data).save("limit.json")
    >>> print(f"{nf.load_result('limit.json').observed:.3f}")
    1.642
    """
    if Path(path).is_dir():
        raise located(ArgumentError, "this is a folder, expected a file", str(path))
    if is_archive(path):
        found: object = str(read_archive(path).get("format", "unknown"))
        loader = getattr(_FORMATS.get(str(found)), "load", None)
        if loader is not None:
            result: SavedResult = loader(path)
            return result
        raise _unknown(found, path)
    content = Path(path).read_bytes()
    try:
        document = json.loads(content.decode())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        what = describe(content)
        reason = f" ({error})" if content.lstrip()[:1] == b"{" else ""
        message = f"expected a saved result of nablafit, found {what}{reason}"
        raise located(ArgumentError, message, str(path)) from error
    found = document.get("format") if isinstance(document, dict) else None
    if not isinstance(found, str) or found not in _FORMATS:
        if found is None:
            message = f"expected a saved result of nablafit, found {describe(content)}"
            raise located(ArgumentError, message, str(path))
        raise _unknown(found, path)
    return _FORMATS[found].from_dict(document)


def _unknown(found: object, path: str | Path) -> ArgumentError:
    message = f"expected a result of nablafit, got a document of format {found!r}"
    return located(ArgumentError, message, str(path))


def _fields(record: Any) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(record) if field.name != "origin")


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """Return the types of the members, evaluated."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in _fields(cls)}


def _encode(value: Any) -> Any:
    if hasattr(value, "to_dict"):
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
    if isinstance(hint, type) and hasattr(hint, "from_dict"):
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
