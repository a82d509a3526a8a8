"""Input and output of every minimiser: the interface between `fit` and the minimisers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._arguments import check_members
from .._arrays import FloatArray, ParameterValues, Positions, real_number
from .._results.diagnostics import Diagnostics
from ..errors import ArgumentError, located
from ..model import Likelihood

Bound: TypeAlias = tuple[float | None, float | None]
Bounds: TypeAlias = Mapping[str, Bound] | Sequence[Bound]
Fixed: TypeAlias = str | Iterable[str] | Mapping[str, float | bool]


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How to fit; frozen.

    Parameters
    ----------
    minimizer : str
        "newton", the native one, "minuit", or "scipy:<method>" with the name of a method of
        `scipy.optimize.minimize`.
    strategy : int, optional
        MINUIT's strategy, 0 to 2; others ignore it. Default 0: it trusts the exact gradient, and
        HESSE follows anyway.
    tolerance : float, optional
        Tolerance of the estimated vertical distance to the minimum (EDM), as in iminuit: a fit is
        valid if EDM < 0.001 x tolerance in -log L. Default: 0.1, as in iminuit; the native
        minimiser goes on to an EDM of 1e-10 unless a tolerance is given.
    max_calls : int, optional
        Stop after about this many evaluations (iterations of the native minimiser); default: that
        of the minimiser.
    check_gradients : bool
        Compare the gradient at the start with an independent derivative first; raise Error if they
        differ.
    hessian : bool
        Give MINUIT the exact Hessian too, which saves most of its calls; others ignore it.
    starts : int
        Fit from this many further starts, drawn from the constraint terms and ranges, with the
        native minimiser in threads. The result is the lowest minimum found, `minima` has all that
        are distinct; a FitWarning says if the default start does not lead to the lowest.
    seed : int
        Random seed for these starts.

    Examples
    --------
    >>> options = nf.FitOptions(minimizer="minuit", strategy=1)
    >>> options.minimizer, options.hessian
    ('minuit', True)
    """

    minimizer: str = "newton"
    strategy: int | None = None
    tolerance: float | None = None
    max_calls: int | None = None
    check_gradients: bool = False
    hessian: bool = True
    starts: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_members(self)
        if self.strategy not in (None, 0, 1, 2):
            raise located(ArgumentError, f"expected 0, 1 or 2, got {self.strategy}", "strategy")
        for name in ("tolerance", "max_calls"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise located(ArgumentError, f"expected a positive number, got {value}", name)
        for name in ("starts", "seed"):
            value = getattr(self, name)
            if not 0 <= value < 2**64:
                raise located(ArgumentError, f"expected a number from 0 on, got {value}", name)

    @property
    def edm_goal(self) -> float:
        """Largest estimated vertical distance to the minimum in -log L."""
        return 1e-3 * (0.1 if self.tolerance is None else self.tolerance)


@dataclass(frozen=True)
class FitProblem:
    """A function with a start point, a box and fixed parameters; arrays by parameter."""

    likelihood: Likelihood
    initial: FloatArray
    lower: FloatArray
    upper: FloatArray
    fixed: NDArray[np.bool_]

    @cached_property
    def free(self) -> NDArray[np.intp]:
        """Indices of the parameters that the fit varies."""
        return np.flatnonzero(~self.fixed)

    @cached_property
    def step(self) -> FloatArray:
        """Typical change of every parameter: prefit width, else a tenth of the start value."""
        _, width = self.likelihood.prefit
        guess = 0.1 * np.maximum(np.abs(self.initial), 1.0)
        return np.where(np.isfinite(width) & (width > 0), width, guess)

    def at_bound(self, x: FloatArray) -> NDArray[np.bool_]:
        """Whether free parameters are at a bound (within 1e-6 of their typical change)."""
        near = 1e-6 * self.step
        return ~self.fixed & ((x <= self.lower + near) | (x >= self.upper - near))


@dataclass(frozen=True)
class Minimum:
    """Where a minimiser ended. `message` is a sentence; if not valid, with the remedy."""

    x: FloatArray
    status: str
    message: str
    covariance: FloatArray | None
    edm: float
    n_calls: int
    n_gradients: int
    timings: dict[str, float] = field(default_factory=dict)
    minuit: Any = None
    diagnostics: Diagnostics | None = None
    interruption: BaseException | None = None
    """What stopped the minimiser: KeyboardInterrupt at Ctrl-C."""

    @classmethod
    def interrupted(
        cls, best: BestPoint, n_gradients: int, timings: dict[str, float], exception: BaseException
    ) -> Minimum:
        """Return the best point so far of a minimiser that was stopped."""
        message = (
            f"Interrupted after {best.n_calls} evaluations: the point is the best one so far, not "
            "the minimum; continue from here."
        )
        return cls(
            x=best.x,
            status="interrupted",
            message=message,
            covariance=None,
            edm=np.inf,
            n_calls=best.n_calls,
            n_gradients=n_gradients,
            timings=timings,
            interruption=exception,
        )


class BestPoint:
    """The lowest point that a minimiser has seen, for what is left at Ctrl-C."""

    def __init__(self, start: FloatArray) -> None:
        self.x = start.copy()
        self.n_calls = 0
        self._value = np.inf

    def note(self, value: float, x: FloatArray) -> None:
        """Count a call, and keep its point if it is lower than all before."""
        self.n_calls += 1
        if value < self._value:
            self._value = value
            self.x = x.copy()


def make_problem(
    likelihood: Likelihood,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
) -> FitProblem:
    """Combine start values, ranges and constness of the model with those of the caller."""
    model = likelihood.model
    start = model.point(initial)
    lower, upper = box(model.parameters, model.bounds, bounds)
    constant = np.array(model.fixed, dtype=bool)
    hold(model.parameters, start, constant, fixed)
    check_held(model.parameters, lower, upper, fixed)
    _check_released(model.parameters, lower, upper, constant)
    _check_start(model.parameters, start, lower, upper, constant, given=initial)
    start = np.where(constant, start, np.clip(start, lower, upper))
    return FitProblem(likelihood, start, lower, upper, constant)


def hold(
    names: Sequence[str], start: FloatArray, constant: NDArray[np.bool_], fixed: Fixed | None
) -> None:
    """Apply `fixed` to start values and constness, in place."""
    positions = Positions(names)
    for name, value in fixed_items(fixed):
        index = positions[name]
        constant[index] = value is not False
        if not isinstance(value, bool):
            start[index] = value


def check_held(
    names: Sequence[str], lower: FloatArray, upper: FloatArray, fixed: Fixed | None
) -> None:
    """Raise ArgumentError for a value in `fixed` that its parameter cannot have."""
    positions = Positions(names)
    for name, value in fixed_items(fixed):
        low, high = lower[positions[name]], upper[positions[name]]
        if not isinstance(value, bool) and not low <= value <= high:
            message = (
                f"the value {value:g} to hold it at is outside [{low:g}, {high:g}]; choose another "
                "one or wider `bounds`"
            )
            raise located(ArgumentError, message, name)


def fixed_items(fixed: Fixed | None) -> Iterable[tuple[str, float | bool]]:
    """Return the names in `fixed`, and the value or flag of each."""
    if fixed is None:
        return ()
    if isinstance(fixed, str):
        return ((fixed, True),)
    if isinstance(fixed, Mapping):
        return [(name, _plain(name, value)) for name, value in fixed.items()]
    return [(_name(name), True) for name in _several(fixed)]


def _several(fixed: object) -> list[object]:
    return list(fixed) if isinstance(fixed, Iterable) else [fixed]


def _name(name: object) -> str:
    if not isinstance(name, str):
        message = f"expected names of parameters, or a mapping of them to values, got {name!r}"
        raise located(ArgumentError, message, "fixed")
    return name


def _plain(name: str, value: float | bool) -> float | bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return real_number(value, f"fixed[{name!r}]")


def bounds_by_name(names: Sequence[str], bounds: Bounds | None) -> dict[str, tuple[float, float]]:
    """Return the ranges given by the caller, infinite where they are None."""
    if bounds is None:
        return {}
    if isinstance(bounds, Mapping):
        return {name: _pair(name, pair) for name, pair in bounds.items()}
    pairs = _sequence(bounds)
    if pairs is None:
        message = f"expected a mapping of names to pairs, or a pair for each, got {bounds!r}"
        raise located(ArgumentError, message, "bounds")
    if len(pairs) != len(names):
        message = f"expected one pair per parameter, {len(names)}, got {len(pairs)}"
        raise located(ArgumentError, message, "bounds")
    return {name: _pair(name, pair) for name, pair in zip(names, pairs, strict=True)}


def _sequence(value: object) -> Sequence[Any] | None:
    """Return a list, tuple or array as it is, None for anything else."""
    is_sequence = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes)
    return value if is_sequence else None  # type: ignore[return-value]


def _pair(name: str, pair: object) -> tuple[float, float]:
    where = f"bounds[{name!r}]"
    ends = _sequence(pair)
    if ends is None or len(ends) != 2:
        raise located(ArgumentError, f"expected a pair (lower, upper), got {pair!r}", where)
    low, high = ends
    return (
        -math.inf if low is None else real_number(low, where),
        math.inf if high is None else real_number(high, where),
    )


def box(
    names: Sequence[str], ranges: Sequence[tuple[float, float]], changes: Bounds | None
) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper bounds: the model's with the caller's changes."""
    limits = np.array(ranges, dtype=float).reshape(len(names), 2)
    positions = Positions(names)
    for name, pair in bounds_by_name(names, changes).items():
        if not pair[0] < pair[1]:
            message = f"expected lower < upper, got {pair}; to fix a parameter use `fixed`"
            raise located(ArgumentError, message, f"bounds[{name!r}]")
        limits[positions[name]] = pair
    return limits[:, 0], limits[:, 1]


def _check_released(
    names: Sequence[str], lower: FloatArray, upper: FloatArray, fixed: NDArray[np.bool_]
) -> None:
    """Refuse to fit a parameter whose bounds are equal: the file fixes it there."""
    equal = lower == upper
    if not equal.any():
        return
    for index in np.flatnonzero(~fixed & equal).tolist():
        message = f"its bounds are both {lower[index]:g}; give wider `bounds` to release it"
        raise located(ArgumentError, message, names[index])


def _check_start(
    names: Sequence[str],
    start: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    fixed: NDArray[np.bool_],
    *,
    given: ParameterValues | None,
) -> None:
    """Refuse values that are not finite, and given start values outside the range."""
    for index in np.flatnonzero(~np.isfinite(start)).tolist():
        message = f"expected a finite start value, got {start[index]}"
        raise located(ArgumentError, message, names[index])
    if given is None:
        return
    outside = ~fixed & ((start < lower) | (start > upper))
    for index in np.flatnonzero(outside).tolist():
        if isinstance(given, Mapping) and names[index] not in given:
            continue
        message = (
            f"the start value {start[index]:g} is outside [{lower[index]:g}, {upper[index]:g}]; "
            "choose another one or wider `bounds`"
        )
        raise located(ArgumentError, message, names[index])
