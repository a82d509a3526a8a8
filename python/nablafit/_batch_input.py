"""Conversion of what users pass to `fit_many` into the matrices of the core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import FloatArray, ParameterValues, float_array, index_of, real_number
from .data import Data
from .errors import ArgumentError, located
from .minimizers.problem import Bounds, box
from .toys import Toys

if TYPE_CHECKING:
    from .model import Model

FixedMany: TypeAlias = (
    "str | Iterable[str] | Mapping[str, ArrayLike | bool] | "
    "Sequence[Mapping[str, float | bool] | None] | NDArray[np.bool_]"
)


def batch_input(
    model: Model,
    data: Data | Toys | Sequence[Data] | ArrayLike,
    initial: ParameterValues | None,
    bounds: Bounds | None,
    fixed: FixedMany | None,
) -> tuple[dict[str, NDArray[Any] | None], int]:
    """Return the matrices by the names of FitManyArguments, and the number of fits."""
    counts, observables = _data_matrices(model, data)
    point = data.x if isinstance(data, Toys) and initial is None else initial
    starts = _start_matrix(model, point)
    starts, flags = _fix(model, starts, fixed)
    lower, upper = box(model.parameters, model.bounds, bounds)
    arrays: dict[str, NDArray[Any] | None] = {
        "counts": counts,
        "global_observables": observables,
        "starts": starts,
        "fixed": flags,
        "lower": np.ascontiguousarray(lower).reshape(1, -1),
        "upper": np.ascontiguousarray(upper).reshape(1, -1),
    }
    lengths = {name: len(rows) for name, rows in arrays.items() if rows is not None}
    return arrays, _common_length(lengths, len(counts))


def _common_length(lengths: Mapping[str, int], n_data: int) -> int:
    several = {name: length for name, length in lengths.items() if length != 1}
    if len(set(several.values())) > 1:
        found = ", ".join(f"{length} of {name}" for name, length in several.items())
        message = f"expected one row, or the same number of rows everywhere, got {found}"
        raise located(ArgumentError, message, "data")
    return next(iter(several.values()), n_data)


def _data_matrices(
    model: Model, data: Data | Toys | Sequence[Data] | ArrayLike
) -> tuple[FloatArray, FloatArray | None]:
    sizes = (model.n_bins, len(model.constrained_parameters))
    if isinstance(data, Data):
        data = [data]
    if isinstance(data, Toys):
        return _checked(data.counts, sizes[0]), _checked(data.global_observables, sizes[1])
    if isinstance(data, Sequence) and not isinstance(data, str):
        sets = [item for item in data if isinstance(item, Data)]
        if sets and len(sets) == len(data):
            observables = _stack([item.global_observables for item in sets], "global observables")
            counts = _stack([item.counts for item in sets], "counts")
            return _checked(counts, sizes[0]), _checked(observables, sizes[1])
    values: Any = data
    matrix = np.atleast_2d(float_array(values, "data"))
    if matrix.ndim == 2 and matrix.shape[1] == sizes[0]:
        return matrix, None
    if matrix.ndim == 2 and matrix.shape[1] == sum(sizes):
        split = np.ascontiguousarray(matrix[:, : sizes[0]])
        return split, np.ascontiguousarray(matrix[:, sizes[0] :])
    message = (
        f"expected {sizes[0]} columns (counts) or {sum(sizes)} (counts and global observables), "
        f"got shape {matrix.shape}"
    )
    raise located(ArgumentError, message, "data")


def _stack(vectors: Sequence[FloatArray], what: str) -> FloatArray:
    if len({len(vector) for vector in vectors}) > 1:
        raise located(ArgumentError, f"data sets differ in their number of {what}", "data")
    return np.array(vectors)


def _checked(matrix: FloatArray, n_columns: int) -> FloatArray:
    if matrix.shape[1] != n_columns:
        message = f"belongs to another model: expected {n_columns} columns, got {matrix.shape[1]}"
        raise located(ArgumentError, message, "data")
    return np.ascontiguousarray(matrix)


def _start_matrix(model: Model, initial: ParameterValues | None) -> FloatArray:
    if initial is None or isinstance(initial, Mapping):
        return model.point(initial).reshape(1, -1)
    matrix = np.array(np.atleast_2d(float_array(initial, "initial")))
    if matrix.ndim != 2 or matrix.shape[1] != model.n_parameters:
        n = model.n_parameters
        message = f"expected shape ({n},) or (n_fits, {n}), got {np.shape(initial)}"
        raise located(ArgumentError, message, "initial")
    return matrix


def _fix(
    model: Model, starts: FloatArray, fixed: FixedMany | None
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return start values with those of fixed parameters, and which are fixed."""
    flags = np.array([model.fixed], dtype=bool)
    if fixed is None:
        return starts, flags
    if isinstance(fixed, np.ndarray) and fixed.dtype == np.bool_:
        return starts, _flag_matrix(model, fixed)
    if isinstance(fixed, str):
        fixed = [fixed]
    if isinstance(fixed, Mapping):
        for name, value in fixed.items():
            starts = _fix_column(flags, starts, index_of(model.parameters, name), name, value)
        return starts, flags
    if not isinstance(fixed, Iterable):
        message = f"expected names, a mapping of names to values, or flags, got {fixed!r}"
        raise located(ArgumentError, message, "fixed")
    items = list(fixed)
    if all(isinstance(item, str) for item in items):
        for name in items:
            flags[0, index_of(model.parameters, str(name))] = True
        return starts, flags
    return _fix_rows(model, starts, items)


def _flag_matrix(model: Model, fixed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    flags = np.ascontiguousarray(np.atleast_2d(fixed))
    if flags.ndim != 2 or flags.shape[1] != model.n_parameters:
        n = model.n_parameters
        message = f"expected shape ({n},) or (n_fits, {n}), got {fixed.shape}"
        raise located(ArgumentError, message, "fixed")
    return flags


def _fix_column(
    flags: NDArray[np.bool_], starts: FloatArray, index: int, name: str, value: ArrayLike | bool
) -> FloatArray:
    if isinstance(value, bool | np.bool_):
        flags[0, index] = value
        return starts
    flags[0, index] = True
    values = np.atleast_1d(float_array(value, f"fixed[{name!r}]"))
    if values.ndim != 1 or (len(starts) > 1 and len(values) not in (1, len(starts))):
        message = f"expected one value, or one per fit, got shape {values.shape}"
        raise located(ArgumentError, message, f"fixed[{name!r}]")
    if len(values) > len(starts):
        starts = np.repeat(starts, len(values), axis=0)
    starts[:, index] = values
    return starts


def _fix_rows(
    model: Model, starts: FloatArray, items: Sequence[Any]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    flags = np.repeat(np.array([model.fixed], dtype=bool), len(items), axis=0)
    if len(starts) == 1:
        starts = np.repeat(starts, len(items), axis=0)
    if len(starts) != len(items):
        message = f"expected one mapping per fit, {len(starts)}, got {len(items)}"
        raise located(ArgumentError, message, "fixed")
    for row, item in enumerate(items):
        if item is not None and not isinstance(item, Mapping):
            message = f"expected a mapping or None, got {type(item).__name__}"
            raise located(ArgumentError, message, f"fixed[{row}]")
        for name, value in (item or {}).items():
            index = index_of(model.parameters, name)
            flags[row, index] = value is not False
            if not isinstance(value, bool | np.bool_):
                starts[row, index] = real_number(value, f"fixed[{row}][{name!r}]")
    return starts, flags
