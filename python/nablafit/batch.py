"""Many fits of one model at once: toys, scan points, ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._arguments import checked
from ._arrays import (
    FloatArray,
    ParameterValues,
    Positions,
    float_array,
    index_of,
    real_number,
    thread_count,
)
from ._results.provenance import batch_origin, merged_origin, read_origin
from ._results.record import Archive
from ._starts import bends, check_starts
from .data import Data
from .errors import ArgumentError, finished, located
from .minimizers.newton import minimize_options, status_name
from .minimizers.problem import Bounds, FitOptions, box
from .toys import Toys

if TYPE_CHECKING:
    from .model import Model

__all__ = ["FitManyResult", "fit_many"]

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
        positions = Positions(model.parameters)
        for name, value in fixed.items():
            starts = _fix_column(flags, starts, positions[name], name, value)
        return starts, flags
    if not isinstance(fixed, Iterable):
        message = f"expected names, a mapping of names to values, or flags, got {fixed!r}"
        raise located(ArgumentError, message, "fixed")
    items = list(fixed)
    if all(isinstance(item, str) for item in items):
        positions = Positions(model.parameters)
        for name in items:
            flags[0, positions[str(name)]] = True
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
    positions = Positions(model.parameters)
    for row, item in enumerate(items):
        if item is not None and not isinstance(item, Mapping):
            message = f"expected a mapping or None, got {type(item).__name__}"
            raise located(ArgumentError, message, f"fixed[{row}]")
        for name, value in (item or {}).items():
            index = positions[name]
            flags[row, index] = value is not False
            if not isinstance(value, bool | np.bool_):
                starts[row, index] = real_number(value, f"fixed[{row}][{name!r}]")
    return starts, flags


DataSets: TypeAlias = "Data | Toys | Sequence[Data] | ArrayLike"

FORMAT = "nablafit.FitManyResult/1"
_PER_FIT = (
    "value",
    "constant",
    "edm",
    "status_codes",
    "iterations",
    "n_gradients",
)
# The same of further starts; version 0.1 had none.
_PER_SEARCH = ("n_starts", "lowered", "apart")
# Starts where a fit found no minimum.
_RETRIES = 8
STATUSES = tuple(map(status_name, _core.FIT_STATUSES))
"""Names of the status codes, in order."""
_VALID = np.array([name.startswith("converged") for name in STATUSES])


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FitManyResult(Archive, format=FORMAT):
    """Outcome of many fits, as arrays with one entry or row per fit; frozen.

    `result["mu"]` is the array of the fitted values of one parameter. Numbers of fits that could
    not be done are NaN: select with `valid`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> fits = nf.fit_many(model, nf.toys(model, {"mu": 1.0}, n=100, seed=1))
    >>> fits.x.shape, bool(fits.valid.all())
    ((100, 3), True)
    """

    parameters: tuple[str, ...]
    """The parameters that were kept: the columns of `x` and `errors`."""
    x: FloatArray
    """Fitted values, shape (n_fits, n_kept)."""
    errors: FloatArray | None
    """Standard deviations, shape (n_fits, n_kept); None if not asked for."""
    value: FloatArray
    """Minima of -log(L / L_saturated); twice it is the goodness of fit."""
    constant: FloatArray
    """-log L_saturated of each data set: -log L = value + constant."""
    edm: FloatArray
    """Estimated vertical distance to the minimum, in -log L."""
    status_codes: NDArray[np.int8]
    """Positions in `nablafit.batch.STATUSES`; see `status`."""
    iterations: NDArray[np.int32]
    """From all starts."""
    n_gradients: NDArray[np.int32]
    """From all starts."""
    complete: bool = True
    """False if the call was interrupted: fits that were not done have status "not_fitted"."""
    origin: Mapping[str, Any] | None = None
    """What the fits were made from, as plain data: "model", its digest, "data", the digests of all
    data sets of each call together, "options" and "versions". Not part of equality."""
    n_starts: NDArray[np.int32] | None = None
    """Starts that were tried: 1 where the usual one was enough. None in results of version 0.1, as
    the next two."""
    lowered: FloatArray | None = None
    """How far the minimum is below that from the usual start, in -log L; 0 if it is the same,
    infinite where the usual start leads to none."""
    apart: FloatArray | None = None
    """Largest difference between the minima that were found, in -log L; 0 if there is one."""

    def __post_init__(self) -> None:
        names = (*_PER_FIT, *_PER_SEARCH)
        for array in (self.x, self.errors, *(getattr(self, name) for name in names)):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, name: str) -> FloatArray:
        column: FloatArray = self.x[:, index_of(self.parameters, name)]
        return column

    def error(self, name: str) -> FloatArray:
        """Return the standard deviations of one parameter, shape (n_fits,)."""
        if self.errors is None:
            raise located(ArgumentError, "these fits were made with errors=False", "errors")
        column: FloatArray = self.errors[:, index_of(self.parameters, name)]
        return column

    def first(self, n: int) -> FitManyResult:
        """Return the first `n` fits."""
        errors = None if self.errors is None else self.errors[:n]
        members = {name: getattr(self, name)[:n] for name in (*_PER_FIT, *self._searched())}
        complete = "not_fitted" not in self.status[:n]
        return replace(self, x=self.x[:n], errors=errors, complete=complete, **members)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which fits found a minimum, shape (n_fits,)."""
        valid: NDArray[np.bool_] = _VALID[self.status_codes]
        return valid

    @property
    def status(self) -> tuple[str, ...]:
        """Outcome of every fit: a status of `FitResult`, "invalid_input" or "not_fitted"."""
        return tuple(STATUSES[code] for code in self.status_codes.tolist())

    @property
    def status_counts(self) -> dict[str, int]:
        """How many fits ended in each way, the most frequent first."""
        return dict(Counter(self.status).most_common())

    @property
    def n_rescued(self) -> int:
        """Number of fits that found a minimum from another start only."""
        return 0 if self.lowered is None else int(np.sum(self.valid & np.isinf(self.lowered)))

    @property
    def n_lowered(self) -> int:
        """Number of fits that found a lower minimum from another start."""
        if self.lowered is None:
            return 0
        return int(np.sum((self.lowered > 0.0) & np.isfinite(self.lowered)))

    @property
    def n_several(self) -> int:
        """Number of fits that found several minima."""
        return 0 if self.apart is None else int(np.sum(self.apart > 0.0))

    @property
    def nll(self) -> FloatArray:
        """-log L at the minima."""
        return self.value + self.constant

    @property
    def twice_nll(self) -> FloatArray:
        """-2 log L at the minima."""
        return 2.0 * self.nll

    def _columns(self) -> dict[str, Any]:
        columns = dict(zip(self.parameters, self.x.T, strict=True))
        if self.errors is not None:
            names = (f"{name} error" for name in self.parameters)
            columns |= dict(zip(names, self.errors.T, strict=True))
        return {**columns, "nll": self.nll, "status": self.status}

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.status_counts.items())
        parts = [f"{len(self)} fits ({counts})", f"{len(self.parameters)} kept"]
        parts += self.notes()
        end = "" if self.complete else "; interrupted"
        return f"<FitManyResult: {', '.join(parts)}{end}>"

    def notes(self) -> tuple[str, ...]:
        """Say how often other starts than the usual one mattered; empty if they never did."""
        counts = (
            (self.n_rescued, "valid from another start only"),
            (self.n_several, "with several minima"),
            (self.n_lowered, "lower from another start"),
        )
        return tuple(f"{count} {what}" for count, what in counts if count)

    def _searched(self) -> tuple[str, ...]:
        """Return the members about further starts that there are."""
        return tuple(name for name in _PER_SEARCH if getattr(self, name) is not None)

    def _members(self) -> dict[str, NDArray[Any]]:
        names = (*_PER_FIT, *self._searched())
        members: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in names}
        members |= {"x": self.x, "complete": np.array(self.complete)}
        members["parameters"] = np.array(self.parameters, dtype=np.str_)
        return members if self.errors is None else members | {"errors": self.errors}

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings; None for numbers that are not finite."""
        return super().to_dict() | {"status": list(self.status)}

    @classmethod
    def _from_members(cls, members: Mapping[str, NDArray[Any]]) -> FitManyResult:
        parameters = tuple(members["parameters"].tolist())
        types: dict[str, type[np.generic]] = {"status_codes": np.int8}
        types |= dict.fromkeys(("iterations", "n_gradients", "n_starts"), np.int32)
        shape = (len(members["value"]), len(parameters))
        given = (*_PER_FIT, *(name for name in _PER_SEARCH if name in members))
        errors = members.get("errors")
        return cls(
            parameters=parameters,
            x=members["x"].astype(float).reshape(shape),
            errors=None if errors is None else errors.astype(float).reshape(shape),
            complete=bool(members["complete"]),
            origin=read_origin(members),
            **{name: members[name].astype(types.get(name, np.float64)) for name in given},
        )

    @classmethod
    def merge(cls, results: Sequence[FitManyResult]) -> FitManyResult:
        """Join results of the same parameters and model, in the order given."""
        if not results:
            raise located(ArgumentError, "expected at least one result, got none", "results")
        first = results[0]
        for i, other in enumerate(results):
            if other.parameters != first.parameters:
                message = "has other parameters than the first result"
                raise located(ArgumentError, message, f"results[{i}]")
        errors = [r.errors for r in results if r.errors is not None]
        searched = [name for name in _PER_SEARCH if all(name in r._searched() for r in results)]
        return cls(
            parameters=first.parameters,
            x=np.concatenate([r.x for r in results]),
            errors=np.concatenate(errors) if len(errors) == len(results) else None,
            complete=all(r.complete for r in results),
            origin=merged_origin([r.origin for r in results], "results"),
            **{
                name: np.concatenate([getattr(r, name) for r in results])
                for name in (*_PER_FIT, *searched)
            },
        )


@checked
def fit_many(
    model: Model,
    data: DataSets,
    *,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: FixedMany | None = None,
    parameters: Sequence[str] | None = None,
    errors: bool = True,
    tolerance: float | None = None,
    max_calls: int | None = None,
    starts: int | None = None,
    seed: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> FitManyResult:
    """Fit one model many times with the native minimiser, in threads.

    The number of fits follows from the longest of `data`, `initial` and the values in `fixed`; what
    has one row only is used for all.

    Parameters
    ----------
    model : Model
        What to fit.
    data : Data, Toys, sequence of Data, or array
        Data sets. An array has one row per data set, with the main counts, n_bins columns, or with
        counts and global observables, n_bins + n_constrained columns as in `Data.to_pyhf`.
        `model.asimov({"mu": 1})` are data for expected results.
    initial : array_like or mapping, optional
        Start values: of shape (n_parameters,), the same for all, or (n_fits, n_parameters). By
        default those of the model or, for Toys, the values that the toys were drawn at. Values
        outside the bounds are moved to them.
    bounds : mapping or sequence, optional
        As in `nablafit.fit`.
    fixed : str, iterable of str, mapping, sequence of mappings, or bool array, optional
        As in `nablafit.fit`; values of a mapping may be arrays with one value per fit, which makes
        a scan. A sequence has one mapping (or None) per fit. An array, of shape (n_parameters,) or
        (n_fits, n_parameters), says of every parameter whether it is held at its start value, in
        place of what the model fixes.
    parameters : sequence of str, optional
        Keep only these in the result, to save memory; by default all.
    errors : bool
        Compute standard deviations too.
    tolerance, max_calls
        As in `nablafit.fit`.
    starts : int, optional
        Random starts of every fit besides its own; the lowest minimum counts, as in `nablafit.fit`.
        By default those that pay: up to eight where a fit finds no minimum and, where parameters
        change the expected events alike on both sides of their centre, their other sides if the
        likelihood there is not much lower. 0 means the usual start alone. The result says how often
        it mattered.
    seed : int
        Random seed for these starts. They depend on it and on the data of the fit alone.
    n_threads : int, optional
        By default the environment variable NABLAFIT_NUM_THREADS, else the processors that this
        process may run on. Results are bitwise identical for any number of threads.
    progress : callable, optional
        Called with the number of fits done, about forty times a second.

    Returns
    -------
    FitManyResult
        A failed fit is data, not an exception: look at `valid` and `status_counts`. Data that are
        NaN or negative give the status "invalid_input".

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model.
    Interrupted
        At Ctrl-C, after the fits under way: a KeyboardInterrupt whose `result` has the fits that
        were done, with `complete` False.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> toys = nf.toys(model, {"mu": 1.0}, n=100, seed=1)
    >>> fits = nf.fit_many(model, toys)
    >>> mu = model.index("mu")
    >>> print(f"spread {fits.x[:, mu].std():.2f}, errors {fits.errors[:, mu].mean():.2f}")
    spread 0.57, errors 0.56
    """
    options = FitOptions(tolerance=tolerance, max_calls=max_calls)
    names = model.parameters if parameters is None else tuple(parameters)
    arrays, n_fits = batch_input(model, data, initial, bounds, fixed)
    kept = [model.index(name) for name in names]
    found, exception = fit_arrays(
        model,
        arrays,
        n_fits,
        kept,
        options,
        errors=errors,
        elsewhere=further(model, starts, seed),
        n_threads=n_threads,
        progress=progress,
    )
    sets = (arrays["counts"], arrays["global_observables"])
    recorded = {**vars(options), "errors": errors, "starts": starts, "seed": seed}
    origin = batch_origin(model, sets, recorded)
    codes = found.pop("status")
    result = FitManyResult(parameters=names, status_codes=codes, origin=origin, **found)
    return finished(result, exception)


@dataclass(frozen=True, kw_only=True)
class Further:
    """Where fits start besides their own start, as the core takes it."""

    n_random: int = 0
    seed: int = 0
    n_retries: int = 0
    sides: list[tuple[int, float, float, list[float]]] = field(default_factory=list)
    look_around: bool = False


def further(model: Model, starts: int | None, seed: int) -> Further:
    """Return where fits of a model start as well, see `fit_many`."""
    if starts is not None:
        check_starts(starts)
    if not 0 <= seed < 2**64:
        message = f"expected a number from 0 to {2**64 - 1}, got {seed}"
        raise located(ArgumentError, message, "seed")
    if starts == 0:
        return Further(seed=seed)
    bent = bends(model)
    columns = (bent.parameters, bent.centers, bent.widths, bent.even)
    return Further(
        n_random=starts or 0,
        seed=seed,
        n_retries=_RETRIES,
        sides=list(zip(*(column.tolist() for column in columns), strict=True)),
        look_around=True,
    )


def fit_arrays(
    model: Model,
    arrays: Mapping[str, NDArray[Any] | None],
    n_fits: int,
    kept: Sequence[int],
    options: FitOptions,
    *,
    errors: bool,
    elsewhere: Further = Further(),
    n_threads: int | None,
    progress: Callable[[int], object] | None = None,
) -> tuple[dict[str, Any], BaseException | None]:
    """Make fits of what `batch_input` returns, without anything that only results need.

    Returns the members of `FitManyResult`, "status" for `status_codes`, and what interrupted it.
    """
    kind = _core.CovarianceKind.errors if errors else _core.CovarianceKind.none
    return _core.fit_many(
        model._core,
        n_fits,
        arrays=dict(arrays),
        options=minimize_options(options, kind, diagnostics=False),
        kept_parameters=list(kept),
        **vars(elsewhere),
        n_threads=thread_count(n_threads),
        progress=progress,
    )
