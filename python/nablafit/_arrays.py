"""Conversion of what users pass into the exact arrays that the core takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ArgumentError, located

FloatArray: TypeAlias = NDArray[np.float64]
ParameterValues: TypeAlias = ArrayLike | Mapping[str, float]

_MOST_LISTED = 10
_LONGEST_COMPARED = 200  # characters; comparing names takes the square of their length


def float_array(values: ArrayLike, name: str) -> FloatArray:
    """Convert to a float64 array, C-contiguous and aligned.

    Raises
    ------
    ArgumentError
        For what is not real numbers.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"numbers of type {array.dtype}")
        array = np.asarray(array, dtype=np.float64, order="C")
        return array if array.flags.aligned else array.copy()
    except (TypeError, ValueError, OverflowError) as error:
        raise located(ArgumentError, f"expected real numbers, got {error}", name) from error


def float_vector(values: ArrayLike, size: int, name: str) -> FloatArray:
    """Convert to a float64 array of shape (size,); a number will do for a vector of one."""
    array = float_array(values, name)
    if size == 1 and array.ndim == 0:
        return array.reshape(1)
    if array.shape != (size,):
        found = "a single number" if array.ndim == 0 else f"shape {array.shape}"
        raise located(ArgumentError, f"expected shape ({size},), got {found}", name)
    return array


def frozen_vector(values: ArrayLike, name: str) -> FloatArray:
    """Copy into a read-only float64 array with one axis."""
    array = np.array(float_array(values, name))
    if array.ndim != 1:
        raise located(ArgumentError, f"expected one axis, got shape {array.shape}", name)
    array.setflags(write=False)
    return array


def real_number(value: object, name: str) -> float:
    """Convert to a number; raise ArgumentError for anything else."""
    try:
        if isinstance(value, str | bytes | bytearray):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise located(ArgumentError, f"expected a number, got {value!r}", name) from None


def thread_count(n_threads: int | None) -> int:
    """Return the number for the core, 0 for its default."""
    if n_threads is None:
        return 0
    if n_threads < 1:
        message = f"expected a positive number or None, got {n_threads}"
        raise located(ArgumentError, message, "n_threads")
    return n_threads


def name_tuple(names: object, where: str) -> tuple[str, ...]:
    """Return one name or several as a tuple; raise ArgumentError for something else."""
    if isinstance(names, str):
        return (names,)
    try:
        found: tuple[object, ...] = tuple(names)  # type: ignore[arg-type]
    except TypeError:
        found = (names,)
    for name in found:
        if not isinstance(name, str):
            raise located(ArgumentError, f"expected names, got {name!r}", where)
    return tuple(str(name) for name in found)


def index_of(names: Sequence[str], name: str) -> int:
    """Return the position of a name; raise ArgumentError naming the nearest known ones."""
    if not isinstance(name, str):
        raise located(ArgumentError, f"expected the name of a parameter, got {name!r}", "")
    try:
        return names.index(name)
    except ValueError:
        raise located(ArgumentError, f"unknown parameter{nearest(name, names)}", name) from None


class Positions:
    """Where names are in a sequence: `index_of` for those who ask often."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._index = {name: i for i, name in enumerate(names)}

    def __getitem__(self, name: str) -> int:
        try:
            return self._index[name]
        except (KeyError, TypeError):
            return index_of(self._names, name)


def nearest(name: str, known: Sequence[str]) -> str:
    """Return '; did you mean ...?', or a list of some that there are."""
    import difflib

    comparable = (
        [other for other in known if len(other) <= _LONGEST_COMPARED]
        if len(name) <= _LONGEST_COMPARED
        else []
    )
    matches = difflib.get_close_matches(name, comparable, n=3)
    if matches:
        return f"; did you mean {' or '.join(matches)}?"
    if not known:
        return ""
    more = f" and {len(known) - _MOST_LISTED} more" if len(known) > _MOST_LISTED else ""
    return f"; known: {', '.join(known[:_MOST_LISTED])}{more}"
