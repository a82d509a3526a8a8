"""What is tested: parameters of interest, their values and ranges, and how fits treat the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ...errors import ArgumentError, located
from ...minimizers.problem import (
    Bound,
    Bounds,
    Fixed,
    bounds_by_name,
    box,
    check_held,
    fixed_items,
)
from .._common import check_choice, find_poi

if TYPE_CHECKING:
    from ...model import Model

STATISTICS = ("q", "qtilde", "t", "ttilde", "q0")
Values: TypeAlias = "float | Mapping[str, float]"


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A hypothesis about parameters of interest of one model."""

    model: Model
    poi: tuple[str, ...]
    statistic: str
    tested: FloatArray
    """Tested values, shape (n_poi,)."""
    alternative: FloatArray
    """Values in the alternative hypothesis, shape (n_poi,)."""
    ranges: tuple[tuple[float, float], ...]
    """Ranges of the parameters of interest in free fits."""
    others: dict[str, Bound]
    """Ranges of other parameters that the caller has changed."""
    fixed: dict[str, float | bool]
    """Other parameters that the caller holds."""

    @cached_property
    def indices(self) -> list[int]:
        """Positions of the parameters of interest."""
        return [self.model.index(name) for name in self.poi]

    @property
    def bounds(self) -> dict[str, Bound]:
        """Ranges in free fits, for `fit_many`."""
        return {**self.others, **dict(zip(self.poi, self.ranges, strict=True))}

    @cached_property
    def box(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of all parameters in free fits, two arrays of shape (1, n_parameters)."""
        lower, upper = box(self.model.parameters, self.model.bounds, self.bounds)
        return np.array(lower[np.newaxis]), np.array(upper[np.newaxis])

    @property
    def free(self) -> dict[str, float | bool]:
        """What a free fit holds: the parameters of interest float even if the model fixes them."""
        return {**self.fixed, **dict.fromkeys(self.poi, False)}

    def start(self, values: FloatArray | None = None) -> FloatArray:
        """Return the initial values of the model, with those of the parameters of interest."""
        point = self.model.point()
        for index, name in enumerate(self.poi):
            at = self.model.index(name)
            point[at] = point[at] if values is None else values[index]
        return point

    def held(self, values: FloatArray | None) -> NDArray[np.bool_]:
        """Return which parameters a fit holds; the parameters of interest unless `values` is None.

        Shape (n_parameters,).
        """
        mask = self._held_by_caller[0].copy()
        mask[self.indices] = values is not None
        return mask

    def put_held(self, x: FloatArray, values: FloatArray | None) -> None:
        """Set what a fit holds in parameters, shape (..., n_parameters)."""
        _, positions, numbers = self._held_by_caller
        x[..., positions] = numbers
        if values is not None:
            x[..., self.indices] = values

    @cached_property
    def _held_by_caller(self) -> tuple[NDArray[np.bool_], list[int], list[float]]:
        """Parameters that model and caller hold, and positions and values where those are given."""
        mask = np.array(self.model.fixed)
        numbers: dict[int, float] = {}
        for name, value in self.fixed.items():
            index = self.model.index(name)
            mask[index] = value is not False
            if not isinstance(value, bool):
                numbers[index] = value
        return mask, list(numbers), list(numbers.values())

    def in_range(self, x: FloatArray) -> bool:
        """Whether a free fit may end at these values of the parameters of interest."""
        low, high = np.transpose(self.ranges)
        values = x[self.indices]
        return bool(np.all((values >= low) & (values <= high)))

    def describe(self, values: FloatArray) -> str:
        """Return the parameters of interest with values, for messages."""
        return ", ".join(f"{name} = {at:g}" for name, at in zip(self.poi, values, strict=True))

    def has_effect(self, points: Iterable[FloatArray] = (), scale: float = math.nan) -> bool:
        """Whether the parameters of interest change the likelihood anywhere we look.

        Compares the expected events at the tested and alternative values and one scale above the
        latter, the other parameters at their initial values and as in `points`.
        """
        if set(self.poi) & set(self.model.constrained_parameters):
            return True
        above = self.alternative + (scale if math.isfinite(scale) else 1.0)
        for point in (self.start(), *points):
            events = []
            for values in (self.tested, self.alternative, above):
                x = point.copy()
                x[self.indices] = values
                events.append(self.model.expected(x))
            if not all(np.array_equal(events[0], e, equal_nan=True) for e in events[1:]):
                return True
        return False

    def widened(self) -> Hypothesis:
        """Return the same without upper bounds of the parameters of interest."""
        ranges = tuple((low, math.inf) for low, _ in self.ranges)
        return replace(self, ranges=ranges)


def make_hypothesis(
    model: Model,
    value: Values | None,
    *,
    poi: str | None,
    statistic: str,
    alternative: Values | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
) -> Hypothesis:
    """Check what the caller asks for and fill in what it leaves out."""
    check_choice("statistic", statistic, STATISTICS)
    if value is None:
        value = 0.0 if statistic == "q0" else 1.0
    names = _names(model, value, poi)
    tested = _vector(names, value, "value")
    held = dict(fixed_items(fixed))
    for name in held:
        model.index(name)
        if name in names:
            message = "this parameter is tested at values, so it cannot be fixed; leave it out"
            raise located(ArgumentError, message, f"fixed[{name!r}]")
    check_held(model.parameters, *box(model.parameters, model.bounds, bounds), held)
    if alternative is None:
        alternative = dict.fromkeys(names, 1.0 if statistic == "q0" else 0.0)
    elif statistic not in ("t", "q0"):
        message = f"{statistic} is defined against 0; choose statistic t or q0"
        raise located(ArgumentError, message, "alternative")
    against = _vector(names, alternative, "alternative")
    _check_values(statistic, names, tested)
    chosen = dict(bounds_by_name(model.parameters, bounds))
    return Hypothesis(
        model=model,
        poi=names,
        statistic=statistic,
        tested=tested,
        alternative=against,
        ranges=tuple(_range(model, name, statistic, chosen) for name in names),
        others={name: pair for name, pair in chosen.items() if name not in names},
        fixed=held,
    )


def _names(model: Model, value: Values, poi: str | None) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        return (find_poi(model, poi),)
    if not value:
        raise located(ArgumentError, "expected at least one parameter, got none", "value")
    names = tuple(value)
    for name in names:
        model.index(name)
    if poi is not None and names != (poi,):
        message = f"value names {', '.join(names)}, poi {poi!r}; give one of them"
        raise located(ArgumentError, message, "poi")
    return names


def _vector(names: tuple[str, ...], values: Values, where: str) -> FloatArray:
    if isinstance(values, Mapping):
        if set(values) != set(names):
            message = f"expected values of {', '.join(names)}, got those of {', '.join(values)}"
            raise located(ArgumentError, message, where)
        vector = np.array([float(values[name]) for name in names])
    else:
        vector = np.full(len(names), float(values))
    if not np.all(np.isfinite(vector)):
        raise located(ArgumentError, f"expected finite numbers, got {vector}", where)
    return vector


def _check_values(statistic: str, names: tuple[str, ...], tested: FloatArray) -> None:
    if statistic != "t" and len(names) > 1:
        message = f"{statistic} tests one parameter, got {', '.join(names)}; use statistic t"
        raise located(ArgumentError, message, "value")
    if statistic == "q0" and tested[0] != 0:
        message = f"q0 tests the absence of a signal, value 0, got {tested[0]:g}"
        raise located(ArgumentError, message, "value")
    if statistic in ("q", "qtilde", "ttilde") and tested[0] < 0:
        message = f"{statistic} is defined for values from 0 on, got {tested[0]:g}; use statistic t"
        raise located(ArgumentError, message, "value")


def _range(
    model: Model, name: str, statistic: str, chosen: Mapping[str, Bound]
) -> tuple[float, float]:
    """Return the range of a parameter of interest in free fits: what the statistic demands."""
    if name in chosen:
        low, high = chosen[name]
        return (-math.inf if low is None else low, math.inf if high is None else high)
    low, high = model.bounds[model.index(name)]
    if statistic in ("qtilde", "ttilde"):
        return 0.0, high
    if statistic == "q0":
        return min(low, 0.0), high
    return low if low < 0 else -math.inf, high
