"""The parameters that modifiers of a builder make: those of pyhf, as the core makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import float_array, nearest, real_number
from ..errors import ArgumentError, SpecError, located
from ..spec import GaussianConstraint, Parameter, PoissonConstraint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..spec import Constraint

__all__ = [
    "Parameters",
    "bin_names",
    "check_name",
    "free_factor",
    "gamma_of_bin",
    "optional_number",
    "systematic",
]


def free_factor(name: str) -> Parameter:
    """Free, from 1, in [0, 10]: pyhf's normfactor and shapefactor."""
    return Parameter(name, 1.0, 0.0, 10.0)


def systematic(name: str) -> Parameter:
    """From 0, in [-5, 5], N(0 | alpha, 1): pyhf's normsys and histosys."""
    return Parameter(name, 0.0, -5.0, 5.0, constraint=GaussianConstraint(0.0, 1.0))


def gamma_of_bin(name: str, width: float, constraint: str) -> Parameter:
    """From 1, in [1e-10, 10], with a relative uncertainty; fixed without one, as in pyhf."""
    used = width if width > 0.0 else 1.0
    term: Constraint = GaussianConstraint(1.0, used)
    if constraint == "poisson":
        term = PoissonConstraint(used**-2, used**-2)
    return Parameter(name, 1.0, 1e-10, 10.0, fixed=width <= 0.0, constraint=term)


def bin_names(name: str, n_bins: int) -> tuple[str, ...]:
    return tuple(f"{name}[{b}]" for b in range(n_bins))


@dataclass(frozen=True)
class _Use:
    """What a name of a modifier stands for, and where it was used first."""

    role: str
    place: str
    channel: str
    n_bins: int


class Parameters:
    """The parameters of a model in the order of their first use, and what was asked of them."""

    def __init__(self) -> None:
        self._made: dict[str, Parameter] = {}
        self._uses: dict[str, _Use] = {}
        self._asked: dict[str, dict[str, tuple[object, str]]] = {}
        self._needed: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._made

    def use(self, name: str, role: str, place: str, channel: str = "", n_bins: int = 0) -> _Use:
        """Note what a name stands for; only a norm_sys and a histo_sys share one."""
        check_name(name, place)
        first = self._uses.setdefault(name, _Use(role, place, channel, n_bins))
        if first.role != role:
            message = (
                f"the name is that of a {first.role} ({first.place}), expected different names; "
                "rename one of them"
            )
            raise located(SpecError, message, place)
        return first

    def add(self, parameter: Parameter, place: str) -> None:
        """Add a parameter that must be new."""
        if parameter.name in self._made:
            message = f"found a second parameter {parameter.name!r}, expected one; rename one"
            raise located(SpecError, message, place)
        self._made[parameter.name] = parameter

    def share(self, parameter: Parameter) -> str:
        """Add a parameter unless it is known; return its name."""
        return self._made.setdefault(parameter.name, parameter).name

    def set_width(self, name: str, width: float, constraint: str, *, is_held: bool) -> None:
        """Give a gamma its width, which is known only when all samples are."""
        gamma = gamma_of_bin(name, width, constraint)
        self._made[name] = gamma.replace(fixed=gamma.fixed or is_held)

    def ask(
        self,
        name: str,
        place: str,
        *,
        initial: float | None = None,
        bounds: tuple[float, float] | None = None,
        **settings: object,
    ) -> None:
        """Note settings of a parameter; those that are None are left open."""
        check_name(name, place)
        fixed = settings.get("fixed")
        if fixed is not None and not isinstance(fixed, bool | np.bool_):
            message = f"found fixed = {fixed!r}, expected True or False"
            raise located(ArgumentError, message, place)
        settings["initial"] = optional_number(initial, f"{place}, initial")
        settings["bounds"] = _bounds(bounds, place)
        known = self._asked.setdefault(name, {})
        for key, value in settings.items():
            if value is None:
                continue
            earlier, where = known.setdefault(key, (value, place))
            if earlier != value:
                message = f"found {key} = {value}, expected {earlier} as in {where}; state it once"
                raise located(SpecError, message, place)

    def need(self, names: Iterable[str], place: str) -> None:
        """Note parameters that have to exist at the end."""
        for name in names:
            self._needed.setdefault(name, place)

    def finished(self) -> tuple[Parameter, ...]:
        """Return the parameters with what was asked of them; all that is needed must exist."""
        needed = dict(self._needed)
        for name, settings in self._asked.items():
            if settings:
                needed.setdefault(name, next(iter(settings.values()))[1])
        for name, place in needed.items():
            if name not in self._made:
                hint = nearest(name, list(self._made))
                message = f"no parameter {name!r}{hint}; modifiers and add_parameter make them"
                raise located(SpecError, message, place)
        return tuple(self._with_settings(parameter) for parameter in self._made.values())

    def _with_settings(self, parameter: Parameter) -> Parameter:
        asked = self._asked.get(parameter.name, {})
        changes: dict[str, Any] = {key: value for key, (value, _) in asked.items()}
        bounds = changes.pop("bounds", None)
        if bounds is not None:
            changes["lower"], changes["upper"] = bounds
        changed = parameter.replace(**changes)
        if not changed.lower <= changed.initial <= changed.upper and changes:
            place = next(iter(asked.values()))[1]
            message = (
                f"{parameter.name}: found the initial value {changed.initial:g} outside of the "
                f"bounds [{changed.lower:g}, {changed.upper:g}]; change one of them"
            )
            raise located(SpecError, message, place)
        return changed


def check_name(name: object, place: str) -> str:
    """Return a name; raise ArgumentError for something else or an empty one."""
    if isinstance(name, str) and name:
        return name
    raise located(ArgumentError, f"found the name {name!r}, expected some text", place)


def optional_number(value: object, place: str) -> float | None:
    """Return a finite number or None; raise ArgumentError for something else."""
    if value is None:
        return None
    number = real_number(value, place)
    if not math.isfinite(number):
        raise located(ArgumentError, f"found {number}, expected a finite number", place)
    return number


def _bounds(bounds: object, place: str) -> tuple[float, float] | None:
    """Return lower and upper bound as numbers."""
    if bounds is None:
        return None
    pair = float_array(bounds, f"{place}, bounds").ravel()  # type: ignore[arg-type]
    if pair.size != 2 or not pair[0] < pair[1]:
        message = f"found the bounds {bounds}, expected (lower, upper) with lower < upper"
        raise located(SpecError, message, place)
    return float(pair[0]), float(pair[1])
