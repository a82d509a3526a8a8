"""Parameters of a HistFactory measurement, with ROOT's names, ranges and constraint terms.

Source: roofit/histfactory/src/{HistoToWorkspaceFactoryFast,HistFactoryImpl}.cxx of ROOT.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ..errors import WorkspaceError, located
from ..spec import (
    GammaConstraint,
    GammaTransformation,
    GaussianConstraint,
    LogNormalTransformation,
    Parameter,
    PoissonConstraint,
    Range,
)
from .document import hold_at_equal_bounds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .document import Notes
    from .histfactory_xml_config import Function, Measurement

__all__ = ["Parameters"]

ALPHA_RANGE = (-5.0, 5.0)
NOMINAL_ALPHA_RANGE = Range(-10.0, 10.0)
NOMINAL_GAMMA_RANGE = Range(0.0, 10.0)
UNIFORM_WIDTH = 100.0
GAMMA_WIDTHS_ABOVE = 5.0
NEGLIGIBLE_LOSS = 1e-6
_DEPENDENT = re.compile(r"\s*([^\s,\[\]]+)\s*(?:\[([^\]]*)\])?\s*(?:,|$)")


class Parameters:
    """The parameters of one measurement, in the order in which they are first used."""

    def __init__(self, measurement: Measurement, notes: Notes) -> None:
        self._measurement = measurement
        self._known: dict[str, Parameter] = {}
        self._shape_widths: dict[str, float] = {}
        self.notes = notes

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def add(self, parameter: Parameter) -> str:
        """Add a parameter unless its name is known, as a workspace does; return the name."""
        self._known.setdefault(parameter.name, parameter)
        return parameter.name

    def lumi(self) -> str:
        """Lumi in [0, 10 L]; a Gaussian normalised over the range of nominalLumi."""
        value = self._measurement.lumi
        sigma = value * self._measurement.lumi_relative_error
        if sigma == 0.0:
            return self.add(Parameter("Lumi", value, 0.0, 10.0 * value, fixed=True))
        seen = Range(0.0, value + 10.0 * sigma)
        constraint = _gaussian(value, sigma, (0.0, 10.0 * value), seen)
        return self.add(
            Parameter(
                "Lumi",
                value,
                0.0,
                10.0 * value,
                constraint=constraint,
                global_observable="nominalLumi",
            )
        )

    def alpha(self, systematic: str, sigma: float = 1.0, relative: float | None = None) -> str:
        """alpha_X in [-5, 5]; with `relative` transformed as by a LogNormal ConstraintTerm."""
        name = f"alpha_{systematic}"
        constraint = _gaussian(0.0, sigma, ALPHA_RANGE, NOMINAL_ALPHA_RANGE)
        parameter = Parameter(
            name, 0.0, *ALPHA_RANGE, constraint=constraint, global_observable=f"nom_{name}"
        )
        if relative is not None:
            parameter = parameter.replace(transformation=LogNormalTransformation(relative))
        return self.add(parameter)

    def overall(self, systematic: str, location: str) -> str | None:
        """Return the parameter of an OverallSys, None if its systematic is dropped."""
        term = self._measurement.constraint_terms.get(systematic)
        if term is None:
            name = self.alpha(systematic)
        elif term.type == "NoConstraint":
            return None
        elif term.type == "Gamma":
            return self._beta(systematic, term.relative)
        elif term.type == "Uniform":
            name = self.alpha(systematic, sigma=UNIFORM_WIDTH)
        else:
            name = self.alpha(systematic, relative=term.relative)
        self._check_transformation(
            name, location, is_lognormal=term is not None and term.type == "LogNormal"
        )
        return name

    def histogram(self, systematic: str, location: str) -> str:
        """Return the parameter of a HistoSys, which ConstraintTerms do not touch."""
        name = self.alpha(systematic)
        self._check_transformation(name, location, is_lognormal=False)
        return name

    def _check_transformation(self, name: str, location: str, *, is_lognormal: bool) -> None:
        if isinstance(self._known[name].transformation, LogNormalTransformation) != is_lognormal:
            message = (
                f"{name} has a LogNormal ConstraintTerm and also steers a HistoSys, which ROOT "
                "leaves untransformed; give one of the two systematics another name"
            )
            raise located(WorkspaceError, message, location)

    def _beta(self, systematic: str, relative: float) -> str:
        """beta_X in [0, 10] with Gamma(beta; y + 1, relative^2), y = 1/relative^2."""
        name = f"beta_{systematic}"
        if name not in self and 1.0 / relative**2 > 10.0:
            self.notes.add(
                "its global observable is above 10; ROOT 6.40 cuts it to 10, the end of the range "
                "it declares, which pulls beta below 1.",
                name,
            )
        return self.add(
            Parameter(
                name,
                1.0,
                0.0,
                10.0,
                constraint=GammaConstraint(1.0 / relative**2, relative**2),
                transformation=GammaTransformation(relative),
                global_observable=f"nom_{name}",
            )
        )

    def gammas(
        self, names: Iterable[str], widths: Iterable[float], constraint: str, threshold: float
    ) -> None:
        """Add constrained factors of bins; `widths` are relative uncertainties.

        Not positive: fixed, without a term. Below `threshold`: fixed, the term stays.
        """
        for name, width in zip(names, widths, strict=True):
            if self._shape_widths.setdefault(name, width) != width:
                self.notes.add("stated with different uncertainties; the first one counts.", name)
            if width <= 0.0:
                self.add(Parameter(name, 1.0, 0.0, 10.0, fixed=True))
                continue
            tau = 1.0 / width**2
            limits = (0.0, 1.0 + GAMMA_WIDTHS_ABOVE * width)
            self.add(
                Parameter(
                    name,
                    1.0,
                    *limits,
                    fixed=width < threshold,
                    constraint=PoissonConstraint(tau, tau)
                    if constraint == "Poisson"
                    else _gaussian(1.0, width, limits, NOMINAL_GAMMA_RANGE),
                    global_observable=f"nom_{name}",
                )
            )

    def dependents(self, function: Function) -> list[str]:
        """Add what a function depends on, written `a[value,low,high], b[low,high], c[value], d`."""
        names: list[str] = []
        position = 0
        while position < len(function.dependents):
            match = _DEPENDENT.match(function.dependents, position)
            if match is None:
                message = f"Dependents: found {function.dependents!r}, expected name[low,high], ..."
                raise located(WorkspaceError, message, function.location)
            position = match.end()
            name, numbers = match.groups()
            names.append(name)
            if numbers is not None:
                self.add(_declared(name, numbers, function))
            elif name not in self:
                message = f"Dependents: {name!r} is not declared; write {name}[value,low,high]"
                raise located(WorkspaceError, message, function.location)
        return names

    def settings(self) -> tuple[Parameter, ...]:
        """Return all parameters with the values and constants of the measurement applied."""
        known = dict(self._known)
        for name, value in self._measurement.values.items():
            if name not in known:
                self.notes.add("set to a value, but no such parameter exists.", name)
                continue
            old = known[name]
            inside = min(max(value, old.lower), old.upper)
            if inside != value:
                self.notes.add(f"set to {value:g}, outside its range; taken {inside:g}.", name)
            known[name] = old.replace(initial=inside)
        for name in self._measurement.constants:
            if name in known:
                known[name] = known[name].replace(fixed=True)
            else:
                self.notes.add("set constant, but no such parameter exists.", name)
        held = {name: hold_at_equal_bounds(parameter) for name, parameter in known.items()}
        for name, parameter in held.items():
            if parameter is not known[name]:
                self.notes.add("its bounds are equal, so that it is constant, as in ROOT.", name)
        return tuple(held.values())


def _gaussian(
    observed: float, sigma: float, limits: tuple[float, float], seen: Range
) -> GaussianConstraint:
    """Return a Gaussian normalised over the range of its global observable, as in RooFit.

    Without the range where that changes nothing, wherever the parameter is inside its limits.
    """
    tails = ((seen.upper - limits[1]) / sigma, (limits[0] - seen.lower) / sigma)
    lost = sum(math.erfc(tail / math.sqrt(2.0)) / 2.0 for tail in tails)
    return GaussianConstraint(observed, sigma, None if lost < NEGLIGIBLE_LOSS else seen)


def _declared(name: str, numbers: str, function: Function) -> Parameter:
    """Return what a workspace factory makes of `name[numbers]`."""
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        return Parameter(name, values[0], -1e30, 1e30, fixed=True)
    if len(values) == 2:
        values.insert(0, (values[0] + values[1]) / 2.0)
    if len(values) != 3 or not values[1] <= values[0] <= values[2]:
        message = f"Dependents: found {name}[{numbers}], expected {name}[value,low,high]"
        raise located(WorkspaceError, message, function.location)
    return Parameter(name, values[0], values[1], values[2])
