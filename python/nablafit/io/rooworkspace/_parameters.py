"""Parameters that a model turns out to have, and their constraint terms."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...spec import (
    Constraint,
    GammaConstraint,
    GaussianConstraint,
    IdentityTransformation,
    LogNormalConstraint,
    Parameter,
    PoissonConstraint,
    Range,
    Transformation,
    Unconstrained,
    UniformConstraint,
)
from ..document import Notes, hold_at_equal_bounds
from ._functions import constant, flattened, transformation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..rootfile.records import Record
    from ._graph import Graph, Variable

__all__ = ["Parameters"]

NEGLIGIBLE = 1e-6
"""A range of a global observable is left out if it changes the likelihood by less than this."""


@dataclass
class _Entry:
    variable: Variable
    is_used: bool = False  # by a sample, not only by a constraint term
    transformation: Transformation | None = None
    constraint: Constraint = field(default_factory=Unconstrained)
    global_observable: str = ""
    constraint_node: Record | None = None


class Parameters:
    """Collects parameters by name while samples and constraint terms are read.

    Samples come first: a variable that they use is a parameter, the other variable of its
    constraint term the global observable, unless the ModelConfig says which is which.
    """

    def __init__(self, graph: Graph, global_observables: Iterable[str]) -> None:
        self._graph = graph
        self._observables = frozenset(global_observables)
        self._entries: dict[str, _Entry] = {}
        self._seen: dict[str, Record] = {}
        self.notes = Notes()

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def constraint(self, name: str) -> Constraint:
        """Return the constraint of a parameter."""
        return self._entries[name].constraint

    # --- samples ---------------------------------------------------------------------------------

    def use(self, record: Record) -> str:
        """Register a variable that a sample depends on; return its name."""
        if record.class_name != "RooRealVar":
            raise self._graph.refuse(record, "expected a RooRealVar as parameter of a modifier")
        entry = self._entry(record)
        entry.is_used = True
        return record.name

    def use_transformed(self, record: Record) -> str:
        """Register the argument of an interpolation; return the name of its parameter."""
        parameter, function = transformation(self._graph, record)
        name = self.use(parameter)
        entry = self._entries[name]
        if entry.transformation is not None and entry.transformation != function:
            message = f"interpolations use {name!r} in different ways, which cannot be read"
            raise self._graph.refuse(record, message)
        entry.transformation = function
        return name

    def _entry(self, record: Record) -> _Entry:
        entry = self._entries.get(record.name)
        if entry is None:
            entry = self._entries[record.name] = _Entry(self._graph.variable(record))
        return entry

    # --- constraint terms ------------------------------------------------------------------------

    def constrain(self, term: Record) -> None:
        """Read a constraint term; the same term may come with several channels."""
        known = self._seen.get(term.name)
        if known is term:
            return
        if known is not None:
            raise self._graph.refuse(term, "two constraint terms of the same name")
        self._seen[term.name] = term
        reader = _READERS.get(term.class_name)
        if reader is None:
            message = (
                f"a factor of class {term.class_name} is not a constraint term that can be read"
            )
            raise self._graph.refuse(term, f"{message}; expected {', '.join(_READERS)}")
        reader(self, term)

    def _set(
        self, term: Record, parameter: Record, constraint: Constraint, observable: str
    ) -> None:
        entry = self._entry(parameter)
        if entry.constraint_node is not None:
            other = entry.constraint_node.name
            message = f"a second constraint term of {parameter.name!r}, which has {other!r} already"
            raise self._graph.refuse(term, message)
        entry.constraint = constraint
        entry.constraint_node = term
        entry.global_observable = observable

    def _roles(self, term: Record, *candidates: Record) -> tuple[Record, Record]:
        """Return (parameter, global observable) of two variables in either order."""
        for record in candidates:
            if record.class_name != "RooRealVar":
                message = "it is a function, where a constraint term must have a variable"
                raise self._graph.refuse(record, message)
        first, second = candidates
        for is_observable in (self._is_named, self._is_unused):
            if is_observable(first) != is_observable(second):
                return (second, first) if is_observable(first) else (first, second)
        for parameter, observable in ((first, second), (second, first)):
            if observable.name in (f"nom_{parameter.name}", f"nominal{parameter.name}"):
                return parameter, observable
        message = f"which of {first.name!r} and {second.name!r} is the global observable?"
        remedy = " The ModelConfig must name it"
        raise self._graph.refuse(term, message + remedy)

    def _is_named(self, record: Record) -> bool:
        return record.name in self._observables

    def _is_unused(self, record: Record) -> bool:
        entry = self._entries.get(record.name)
        return entry is None or not entry.is_used

    def gaussian(self, term: Record) -> None:
        """RooGaussian(x, mean, sigma), symmetric in x and mean."""
        graph = self._graph
        candidates = (graph.argument(term, "x"), graph.argument(term, "mean"))
        parameter, observable = self._roles(term, *candidates)
        sigma = abs(constant(graph, graph.argument(term, "sigma"), "the width"))
        seen = graph.variable(observable)
        limits = _truncation(graph.variable(parameter), seen, sigma)
        self._set(term, parameter, GaussianConstraint(seen.value, sigma, limits), seen.name)

    def poisson(self, term: Record) -> None:
        """RooPoisson(x = global observable, mean = parameter * tau)."""
        graph = self._graph
        observable = graph.variable(graph.argument(term, "x"))
        factors = flattened(graph, graph.argument(term, "mean"))
        parameters = [f for f in factors if f.class_name == "RooRealVar" and self._floats(f, term)]
        if len(parameters) != 1:
            names = ", ".join(repr(f.name) for f in factors)
            message = f"a mean with the factors {names}; expected one parameter and constants"
            raise graph.refuse(term, message)
        rest = [f for f in factors if f is not parameters[0]]
        tau = math.prod(constant(graph, f, "a factor of the mean") for f in rest)
        is_rounded = not term.get("_noRounding", False)
        value = math.floor(observable.value) if is_rounded else observable.value
        if observable.upper < value + 12.0 * math.sqrt(value + 36.0):
            self.notes.add(
                "RooFit normalises this Poisson term over the range of its global observable, "
                "which ends close above its value; here it is not truncated.",
                term.name,
            )
        self._set(term, parameters[0], PoissonConstraint(value, tau), observable.name)

    def _floats(self, record: Record, term: Record) -> bool:
        """Return whether a factor of a Poisson mean is the parameter, which may be constant."""
        used = not self._is_unused(record)
        return used or not self._graph.is_constant(record) or term.name.startswith(record.name)

    def log_normal(self, term: Record) -> None:
        """RooLognormal(x = global observable, m0 = parameter, k)."""
        graph = self._graph
        x, median = graph.argument(term, "x"), graph.argument(term, "m0")
        parameter, observable = self._roles(term, x, median)
        if observable is not x:
            message = "its x is the parameter; expected the global observable as x, "
            raise graph.refuse(term, message + "and the parameter as m0")
        kappa = constant(graph, graph.argument(term, "k"), "k")
        if kappa <= 0.0 or kappa == 1.0:
            raise graph.refuse(term, f"k = {kappa}; expected a positive number other than 1")
        value = graph.variable(observable).value
        width = max(kappa, 1.0 / kappa)
        self._set(term, parameter, LogNormalConstraint(value, width), observable.name)

    def gamma(self, term: Record) -> None:
        """RooGamma(x = parameter, gamma = global observable + 1, beta = scale, mu = 0)."""
        graph = self._graph
        parameter = graph.argument(term, "x")
        shape = graph.argument(term, "gamma")
        terms = graph.objects(shape, "_set") if shape.class_name == "RooAddition" else []
        observables = [t for t in terms if t.class_name == "RooRealVar"]
        offset = [t for t in terms if t.class_name == "RooConstVar"]
        shift = constant(graph, graph.argument(term, "mu"), "mu")
        is_standard = len(terms) == 2 and len(observables) == 1 and shift == 0.0
        if not is_standard or graph.variable(offset[0]).value != 1.0:
            message = "expected HistFactory's Gamma(parameter; global observable + 1, scale)"
            raise graph.refuse(term, message)
        scale = constant(graph, graph.argument(term, "beta"), "the scale")
        seen = graph.variable(observables[0])
        self._set(term, parameter, GammaConstraint(seen.value, scale), seen.name)
        self.notes.add(
            "this Gamma term is the density of the parameter that HistFactory defines; RooFit "
            "normalises it numerically over the range of its global observable.",
            term.name,
        )

    def uniform(self, term: Record) -> None:
        """RooUniform(x): flat, so that no global observable matters."""
        for parameter in self._graph.objects(term, "x"):
            if parameter.name not in self._observables:
                self._set(term, parameter, UniformConstraint(), "")

    # --- result ----------------------------------------------------------------------------------

    def ordered(self, first: Iterable[str]) -> list[Parameter]:
        """Return the parameters: those named in `first` in that order, then the others by name."""
        leading = [name for name in dict.fromkeys(first) if name in self._entries]
        others = sorted(self._entries.keys() - set(leading))
        return [self._parameter(name) for name in (*leading, *others)]

    def _parameter(self, name: str) -> Parameter:
        entry = self._entries[name]
        variable = entry.variable
        parameter = Parameter(
            name,
            variable.value,
            variable.lower,
            variable.upper,
            variable.is_constant,
            entry.constraint,
            entry.transformation or IdentityTransformation(),
            entry.global_observable,
        )
        held = hold_at_equal_bounds(parameter)
        if held is not parameter:
            self.notes.add("its bounds are equal, so that it is constant, as in ROOT.", name)
        return held


def _truncation(parameter: Variable, observable: Variable, sigma: float) -> Range | None:
    """Return the range over which RooFit normalises a Gaussian, None if that changes nothing.

    It changes nothing if the density loses less than NEGLIGIBLE outside of the range wherever
    the parameter may be.
    """
    lower, upper = observable.lower, observable.upper
    if not sigma > 0.0 or (math.isinf(lower) and math.isinf(upper)):
        return None
    lost = _tail((upper - parameter.upper) / sigma) + _tail((parameter.lower - lower) / sigma)
    if lost < NEGLIGIBLE:
        return None
    edge = 1e30 * sigma
    return Range(max(lower, -edge), min(upper, edge))


def _tail(distance: float) -> float:
    """Return the probability of a standard normal beyond `distance`; 0 if there is no edge."""
    return 0.0 if math.isnan(distance) else 0.5 * math.erfc(distance / math.sqrt(2.0))


_READERS: dict[str, Callable[[Parameters, Record], None]] = {
    "RooGaussian": Parameters.gaussian,
    "RooPoisson": Parameters.poisson,
    "RooLognormal": Parameters.log_normal,
    "RooGamma": Parameters.gamma,
    "RooUniform": Parameters.uniform,
}
