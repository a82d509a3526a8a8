"""Functions with their pullbacks: sums and products of terms in the parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...spec import Interpolation
from ._text import array, documented, function, number, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._arrays import FloatArray
    from ._text import Identifiers

_FORMULAS = {
    Interpolation.piecewise_linear: ("additive_piecewise_linear", 2),
    Interpolation.piecewise_exponential: ("factor_exponential", 2),
    Interpolation.quadratic_linear: ("additive_quadratic", 2),
    Interpolation.polynomial_linear: ("additive_polynomial", 2),
    Interpolation.polynomial_exponential: ("factor_polynomial_exponential", 8),
    Interpolation.polynomial_linear_multiplicative: ("factor_polynomial_linear", 2),
}
_CONSTANTS = {
    Interpolation.piecewise_exponential: "log of the factor at -1, and at +1",
    Interpolation.polynomial_exponential: "log of the factor at -1, and at +1, and c1 to c6",
    Interpolation.polynomial_linear_multiplicative: (
        "S = (high - low) / 2 and A = (high + low - 2) / 16 of the factors at -1 and +1"
    ),
}
_ADDITIVE = (
    "S = (high - low) / 2 and A = (high + low - 2 nominal) / 16, for the change alpha S + "
    "g(alpha) A"
)


@dataclass(frozen=True)
class Scope:
    """What the functions of one place take besides the parameters: nothing, or the bin too."""

    per_bin: bool
    n_bins: int

    @property
    def parameters(self) -> list[str]:
        """Declarations of the arguments."""
        return ["const double* x", "const int bin"] if self.per_bin else ["const double* x"]

    @property
    def arguments(self) -> str:
        """The arguments in a call."""
        return "x, bin" if self.per_bin else "x"


@dataclass(frozen=True)
class Term:
    """A value and what adds `seed` times its derivatives to the gradient."""

    value: str
    pullback: Callable[[str], str] | None = None
    """None for a number."""


def parameter_term(place: str) -> Term:
    """Return the term that is a parameter itself."""
    return Term(f"x[{place}]", lambda seed: f"gradient[{place}] += {seed};")


def function_term(name: str, scope: Scope) -> Term:
    """Return the term that is another function with a pullback."""
    return Term(
        f"{name}({scope.arguments})",
        lambda seed: f"{name}_pullback({scope.arguments}, {seed}, gradient);",
    )


@dataclass
class Variations:
    """Interpolated systematics of one code: a table of constants, one row per parameter."""

    name: str
    code: Interpolation
    scope: Scope
    parameters: list[str] = field(default_factory=list)
    rows: list[FloatArray] = field(default_factory=list)

    def definitions(self, what: str, par: Identifiers) -> list[str]:
        """Return the tables."""
        n = len(self.parameters)
        constants = _CONSTANTS.get(self.code, _ADDITIVE)
        bins = "[n_bins]" if self.scope.per_bin else ""
        size = _FORMULAS[self.code][1]
        places = (f"par::{par[name]}" for name in self.parameters)
        where = "bin and constant" if bins else "constant"
        return [
            *documented(
                f"{what} with interpolation code {int(self.code)}, by parameter, {where}: "
                f"{constants}."
            ),
            *array(f"int {self.name}_parameter[{n}]", places),
            *table(
                f"double {self.name}[{n}]{bins}[{size}]",
                list(zip(self.parameters, self.rows, strict=True)),
            ),
            "",
        ]

    def _constants(self) -> list[str]:
        row = f"{self.name}[k][bin]" if self.scope.per_bin else f"{self.name}[k]"
        return [f"{row}[{i}]" for i in range(_FORMULAS[self.code][1])]

    def value(self) -> str:
        """Return change or factor, inside a loop that defines alpha."""
        formula, constants = _FORMULAS[self.code][0], self._constants()
        if formula.startswith("additive"):
            return f"alpha * {constants[0]} + {formula}(alpha) * {constants[1]}"
        return f"{formula}(alpha, {', '.join(constants)})"

    def slope(self) -> str:
        """Return the derivative of `value` with respect to alpha."""
        formula, constants = _FORMULAS[self.code][0], self._constants()
        if formula.startswith("additive"):
            return f"({constants[0]} + {formula}_slope(alpha) * {constants[1]})"
        return f"{formula}_slope(alpha, {', '.join(constants)})"

    def loop(self, body: Sequence[str], pull: str) -> list[str]:
        """Return a loop over the parameters in which `parameter` and `alpha` are defined."""
        return [
            f"  for (int k = 0; k < {len(self.parameters)}; ++k) {{",
            f"    const int parameter = {self.name}_parameter[k];",
            f"    const double alpha = {pull};",
            *(f"    {line}" for line in body),
            "  }",
        ]


@dataclass(frozen=True)
class Pulls:
    """How interpolations get their argument: the parameter, or `pull` where a model has pulls."""

    exist: bool

    @property
    def alpha(self) -> str:
        """The argument that belongs to `parameter`."""
        return "pull(x, parameter)" if self.exist else "x[parameter]"

    @property
    def slope(self) -> str:
        """Factor of the chain rule, empty where it is 1."""
        return " * pull_slope(x, parameter)" if self.exist else ""


def sum_functions(
    name: str,
    what: str,
    start: str,
    variations: Sequence[Variations],
    pulls: Pulls,
    floor: float | None = None,
) -> list[str]:
    """Return `name` = `start` + all changes, raised to the floor, and its pullback."""
    forward = [f"  double value = {start};"]
    sweep: list[str] = []
    for group in variations:
        forward += group.loop([f"value += {group.value()};"], pulls.alpha)
        step = f"gradient[parameter] += seed * {group.slope()}{pulls.slope};"
        sweep += group.loop([step], pulls.alpha)
    return _functions(name, what, variations[0].scope, [*forward, "  return value;"], sweep, floor)


def product_functions(
    name: str,
    what: str,
    scope: Scope,
    terms: Sequence[Term],
    variations: Sequence[Variations],
    pulls: Pulls,
    floor: float | None = None,
) -> list[str]:
    """Return `name` = product of terms and factors, raised to the floor, and its pullback."""
    start = " * ".join(term.value for term in terms) or "1.0"
    forward = [f"  double value = {start};"]
    for group in variations:
        forward += group.loop([f"value *= {group.value()};"], pulls.alpha)
    forward.append("  return value;")
    if len(terms) == 1 and not variations and terms[0].pullback is not None:
        sweep = [f"  {terms[0].pullback('seed')}"]
    else:
        sweep = _product_sweep(terms, variations, pulls)
    if not variations:
        forward = [f"  return {start};"]
    return _functions(name, what, scope, forward, sweep, floor)


def _functions(
    name: str,
    what: str,
    scope: Scope,
    forward: Sequence[str],
    sweep: Sequence[str],
    floor: float | None,
) -> list[str]:
    """Return a function and its pullback; with a floor, `name`_unraised is the function without."""
    plain = name if floor is None else f"{name}_unraised"
    lines = function(what, "double", plain, scope.parameters, forward)
    stop: list[str] = []
    if floor is not None:
        call, least = f"{plain}({scope.arguments})", number(floor)
        raised = f"The same, raised to {least} where it is below."
        body = [f"  return maximum({call}, {least});"]
        lines += function(raised, "double", name, scope.parameters, body)
        stop = [f"  if ({call} < {least}) return;"]
    return [*lines, *pullback_function(name, scope.parameters, [*stop, *sweep])]


def pullback_function(name: str, parameters: Sequence[str], body: Sequence[str]) -> list[str]:
    """Return the pullback of `name`."""
    what = f"Adds seed times the derivatives of {name} to the gradient."
    arguments = [*parameters, "const double seed", "double* gradient"]
    return function(what, "void", f"{name}_pullback", arguments, body)


def _product_sweep(
    terms: Sequence[Term], variations: Sequence[Variations], pulls: Pulls
) -> list[str]:
    n = len(terms) + sum(len(group.parameters) for group in variations)
    lines = [f"  double values[{n}];", f"  double others[{n}];"]
    lines += [f"  values[{i}] = {term.value};" for i, term in enumerate(terms)]
    backward = [
        f"  {term.pullback(f'others[{i}]')}"
        for i, term in enumerate(terms)
        if term.pullback is not None
    ]
    first = len(terms)
    for group in variations:
        place = f"{first} + k" if first else "k"
        lines += group.loop([f"values[{place}] = {group.value()};"], pulls.alpha)
        step = f"gradient[parameter] += others[{place}] * {group.slope()}{pulls.slope};"
        backward += group.loop([step], pulls.alpha)
        first += len(group.parameters)
    return [*lines, f"  products_of_others({n}, values, seed, others);", *backward]
