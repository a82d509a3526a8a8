"""Scans of the profile likelihood in one or two parameters."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray, float_array, index_of
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.text import Page
from ...errors import ArgumentError, Interrupted, finished, located
from .._common import find_poi
from ._best_fit import MOST_MINIMA, LowerMinimum, Reference, make_reference, rebased, warn_of
from ._grid import ProfileGrid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..._arrays import ParameterValues
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Likelihood, Model
    from ...result import FitResult


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ScanResult(Record, format="nablafit.ScanResult/1"):
    """The profile likelihood at values of one parameter, or on a grid of two; frozen.

    Grids have the shape of `twice_delta_nll`: (n,), or (n_first, n_second) for two parameters.
    `result["name"]` is the grid of the fitted values of one parameter.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.scan(model, data, "mu", n=5)
    >>> result.axes[0].shape, result.twice_delta_nll.shape
    ((5,), (5,))
    """

    parameters: tuple[str, ...]
    """Names of the scanned parameters, one or two."""
    axes: tuple[FloatArray, ...]
    """The values of each scanned parameter."""
    best: FloatArray
    """Best-fit values of the scanned parameters, shape (n_scanned,)."""
    errors: FloatArray
    """Their standard deviations from the covariance, shape (n_scanned,)."""
    twice_delta_nll: FloatArray
    """-2 log L, minimised over all other parameters, minus that of the best fit. Infinite where the
    likelihood is zero, NaN where a fit failed or was not done; negative only if the best fit is not
    the lowest minimum: see `new_minimum`."""
    status: tuple[str, ...]
    """Outcome of the fit at each point, in C order: a status of `FitManyResult`."""
    fitted_parameters: tuple[str, ...]
    """Parameters whose fitted values were kept."""
    fitted: FloatArray
    """Their values at each point, shape (*grid, n_fitted)."""
    twice_nll: float
    """-2 log L at the best fit."""
    new_minimum: LowerMinimum | None
    """A minimum below the best fit that the scan met, if any."""
    complete: bool
    """False if the call was interrupted."""
    notes: tuple[str, ...] = ()
    """Where fits from different starts ended in different minima, a sentence each; the lowest was
    taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for axis in self.axes:
            axis.setflags(write=False)

    def _columns(self) -> dict[str, Any]:
        """Return one row per point, those of a grid in C order."""
        grids = np.meshgrid(*self.axes, indexing="ij")
        columns: dict[str, Any] = dict(
            zip(self.parameters, (grid.ravel() for grid in grids), strict=True)
        )
        columns |= {
            "twice_delta_nll": self.twice_delta_nll.ravel(),
            "status": self.status,
        }
        for i, name in enumerate(self.fitted_parameters):
            columns.setdefault(name, self.fitted[..., i].ravel())
        return columns

    @property
    def values(self) -> FloatArray:
        """The values of the first scanned parameter, shape (n,)."""
        return self.axes[0]

    @property
    def valid(self) -> bool:
        """True if the profile likelihood is known at every point."""
        return not bool(np.any(np.isnan(self.twice_delta_nll)))

    def __len__(self) -> int:
        return self.twice_delta_nll.size

    def __getitem__(self, name: str) -> FloatArray:
        column: FloatArray = self.fitted[..., index_of(self.fitted_parameters, name)]
        return column

    def _pages(self) -> tuple[Page, ...]:
        align = "r" * (len(self.axes) + 1) + "l"
        return (Page(self.outcome_lines(), *self.table(), align, self.valid),)

    def outcome_lines(self) -> list[str]:
        """Summarise the scan in a few lines."""
        names = " and ".join(self.parameters)
        counts = Counter(self.status).most_common()
        pairs = zip(self.parameters, self.best, self.errors, strict=True)
        best = ", ".join(f"{name} = {value:.6g} ± {error:.3g}" for name, value, error in pairs)
        lines = [
            f"Scan of the profile likelihood in {names}: {len(self)} points",
            f"  best fit: {best}, -2 log L = {self.twice_nll:.6g}",
            "  " + ", ".join(f"{count} {name}" for name, count in counts),
        ]
        if self.new_minimum is not None:
            lines.append(f"  {self.new_minimum!r}")
        lines += [f"  note: {note}" for note in self.notes]
        return lines if self.complete else [*lines, "  interrupted"]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows: scanned values, -2 Δ log L, remarks."""
        grids = np.meshgrid(*self.axes, indexing="ij")
        columns = [
            *(grid.ravel().tolist() for grid in grids),
            self.twice_delta_nll.ravel().tolist(),
        ]
        rows = []
        for *values, height, status in zip(*columns, self.status, strict=True):
            remark = "" if status == "converged" else status.replace("_", " ")
            rows.append((*(f"{value:.6g}" for value in values), f"{height:.6g}", remark))
        return (*self.parameters, "-2 Δ log L", ""), rows


_N_POINTS = {1: 41, 2: 25}
# Default range in units of the error.
_REACH = 3.0
# More do not fit into any memory.
_MOST_VALUES = 2**32


@remembers_origin
def scan(
    model: Model | Likelihood,
    data: Data | None = None,
    parameters: str | Sequence[str] | None = None,
    values: ArrayLike | Sequence[ArrayLike] | None = None,
    *,
    n: int | tuple[int, int] | None = None,
    range: Sequence[Any] | None = None,  # noqa: A002
    keep: Sequence[str] | None = None,
    result: FitResult | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> ScanResult:
    """Compute the profile likelihood at values of one parameter, or on a grid of two.

    Parameters
    ----------
    model, data, result, initial, bounds, fixed, starts, n_threads, progress
        As in `nablafit.intervals`, `model.asimov({"mu": 1})` for expected results; `starts` are
        those of the best fit and of every point, and progress counts points.
    parameters : str or sequence of str, optional
        One or two names; by default the parameter of interest.
    values : array_like or pair of array_like, optional
        Values of the parameter, in any order; for two parameters the values of each.
    n : int or pair of int, optional
        Instead of `values`: number of equally spaced values, by default 41, or 25 in each of two
        parameters.
    range : pair, or pair of pairs, optional
        Instead of `values`: first and last value; by default 3 errors around the best fit, within
        the bounds.
    keep : sequence of str, optional
        Parameters whose fitted values are kept: by default all in one dimension, none in two.

    Returns
    -------
    ScanResult
        A failed fit is data: look at `valid` and `status`.

    Raises
    ------
    ArgumentError, Error, Interrupted
        As in `nablafit.intervals`, and for values outside the bounds or not finite.

    Notes
    -----
    Every fit starts from the conditional minimum that the covariance predicts. Then each point is
    compared with what its neighbours' minima give there; where that is lower, the fit is repeated
    from it. So the scan follows the lowest branch that any point has found.

    Where a parameter acts the same way on both sides, such as a histosys with both variations above
    nominal, some points start from the initial values and from the other sides too, and the points
    around follow all minima that this finds. `notes` say where that led lower.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.scan(model, data, "mu", [0.0, 0.5, 1.0])
    >>> print(result.twice_delta_nll.round(2))
    [1.49 0.09 0.36]
    """
    best = make_reference(
        model, data, result, initial, bounds, fixed, starts=starts, n_threads=n_threads
    )
    names = _names(best, parameters)
    held = best.indices(names)
    axes = _axes(best, held, values, n, range)
    kept = _kept(best, names, keep)
    exception: BaseException | None = None
    for n_left in reversed(builtins.range(MOST_MINIMA)):
        grid = ProfileGrid(best, held, axes)
        try:
            grid.run(progress)
        except Interrupted as interrupted:
            exception = interrupted
        minimum = grid.lower_minimum()
        if minimum is None or best.is_given or exception is not None or not n_left:
            break
        best = rebased(best, minimum.x)
    fit = best.result
    columns = [fit.parameters.index(name) for name in kept]
    outcome = ScanResult(
        parameters=names,
        axes=axes,
        best=fit.x[held],
        errors=np.asarray(fit.errors)[held],
        twice_delta_nll=grid.rise.reshape(grid.shape),
        status=grid.status,
        fitted_parameters=kept,
        fitted=grid.x[:, columns].reshape(*grid.shape, len(kept)),
        twice_nll=fit.twice_nll,
        new_minimum=minimum,
        complete=exception is None,
        notes=(*best.notes, *grid.notes),
    )
    warn_of(best, outcome.new_minimum)
    return finished(outcome, exception)


def _names(reference: Reference, parameters: str | Sequence[str] | None) -> tuple[str, ...]:
    if parameters is None:
        return (find_poi(reference.likelihood.model, argument="parameters"),)
    names = (parameters,) if isinstance(parameters, str) else tuple(parameters)
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        message = f"expected one name or two different ones, got {names}"
        raise located(ArgumentError, message, "parameters")
    return names


def _kept(
    reference: Reference, names: tuple[str, ...], keep: Sequence[str] | None
) -> tuple[str, ...]:
    if keep is None:
        return reference.result.parameters if len(names) == 1 else ()
    kept = (keep,) if isinstance(keep, str) else tuple(keep)
    for name in kept:
        index_of(reference.result.parameters, name)
    return kept


def _axes(
    reference: Reference,
    held: NDArray[np.int64],
    values: ArrayLike | Sequence[ArrayLike] | None,
    n: int | Sequence[int] | None,
    limits: Sequence[Any] | None,
) -> tuple[FloatArray, ...]:
    """Return the values of each scanned parameter, checked."""
    if values is not None:
        if n is not None or limits is not None:
            message = "expected either values or n and range, got both"
            raise located(ArgumentError, message, "values")
        given: list[Any] = [values] if len(held) == 1 else _pair(values, "values")
    else:
        default = _N_POINTS[len(held)]
        counts = [default if n is None else n] if len(held) == 1 else _pair(n, "n", default)
        ranges = [limits] if len(held) == 1 else _pair(limits, "range")
        triples = zip(held.tolist(), counts, ranges, strict=True)
        given = [_equally_spaced(reference, *triple) for triple in triples]
    pairs = zip(held.tolist(), given, strict=True)
    return tuple(_checked(reference, parameter, axis) for parameter, axis in pairs)


def _pair(value: object, name: str, default: int | None = None) -> list[Any]:
    """Return one entry per parameter of two: a number or None stands for both."""
    if value is None or isinstance(value, int):
        return [default if value is None else value] * 2
    if not isinstance(value, Sequence | np.ndarray) or len(value) != 2:
        message = f"expected a pair, one for each parameter, got {value!r}"
        raise located(ArgumentError, message, name)
    return list(value)


def _equally_spaced(
    reference: Reference, parameter: int, n: int, limits: Sequence[float] | None
) -> FloatArray:
    best = reference.result
    if not 1 <= n < _MOST_VALUES:
        message = f"expected a number from 1 to {_MOST_VALUES - 1}, got {n}"
        raise located(ArgumentError, message, "n")
    if limits is not None:
        if len(limits) != 2:
            raise located(ArgumentError, f"expected a pair, got {len(limits)} items", "range")
        return np.linspace(float(limits[0]), float(limits[1]), n)
    value, error = float(best.x[parameter]), best.errors[parameter]
    low = max(value - _REACH * error, float(best.lower[parameter]))
    high = min(value + _REACH * error, float(best.upper[parameter]))
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        message = "its error does not give a range to scan: give values or range"
        raise located(ArgumentError, message, best.parameters[parameter])
    return np.linspace(low, high, n)


def _checked(reference: Reference, parameter: int, values: ArrayLike) -> FloatArray:
    best = reference.result
    name = best.parameters[parameter]
    axis = np.array(np.atleast_1d(float_array(values, name)))
    if axis.ndim != 1 or axis.size == 0:
        message = f"expected at least one value on one axis, got shape {axis.shape}"
        raise located(ArgumentError, message, name)
    low, high = float(best.lower[parameter]), float(best.upper[parameter])
    outside = axis[~((axis >= low) & (axis <= high) & np.isfinite(axis))]
    if outside.size:
        message = (
            f"the value {outside[0]:g} is outside [{low:g}, {high:g}]; choose others or wider "
            "`bounds`"
        )
        raise located(ArgumentError, message, name)
    return axis
