"""Functions of parameters: constants, arguments of interpolations, and formulas as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...spec import (
    GammaTransformation,
    IdentityTransformation,
    LogNormalTransformation,
    Transformation,
)
from ..rootfile.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._graph import Graph

__all__ = ["Formula", "constant", "flattened", "formula", "transformation"]

MAX_FACTORS = 10_000
MAX_NESTING = 16  # formulas within formulas
MAX_LENGTH = 4096  # characters of a formula

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|@(?P<at>\d+)|x\[(?P<index>\d+)\]"
    r"|(?P<name>[A-Za-z_](?:[\w.]|::)*)"
    r"|(?P<other>\s+|\*\*|.)"
)
_LOG_NORMAL = re.compile(r"@(\d+)\*\(pow\(@(\d+),@(\d+)\)-1(?:\.0*)?\)")
_FUNCTIONS = {
    "Abs": "abs", "fabs": "abs", "Exp": "exp", "Log": "log", "Log10": "log10", "Sqrt": "sqrt",
    "Sin": "sin", "Cos": "cos", "Tan": "tan", "Power": "pow", "Min": "min", "Max": "max",
}  # fmt: skip
_TOLERANCE = 1e-5
"""HistFactory XML rounds to six digits what must be equal here."""


def flattened(graph: Graph, *products: Record) -> list[Record]:
    """Return the factors of RooProducts, those of nested ones in their place."""
    pending = list(reversed(products))
    factors: list[Record] = []
    n_visited = 0
    while pending:
        record = pending.pop()
        n_visited += 1
        if n_visited > MAX_FACTORS:
            raise graph.refuse(record, f"more than {MAX_FACTORS} factors, or products in a circle")
        if record.class_name != "RooProduct":
            factors.append(record)
            continue
        if "_compCSet" in record and graph.guard(record.references, "_compCSet"):
            raise graph.refuse(record, "a product with a category cannot be read")
        pending.extend(reversed(graph.objects(record, "_compRSet")))
    return factors


def constant(graph: Graph, record: Record, what: str) -> float:
    """Return the value of a constant: a RooConstVar, a constant RooRealVar, a product of them."""
    value = 1.0
    for factor in flattened(graph, record):
        if factor.class_name not in ("RooConstVar", "RooRealVar") or not graph.is_constant(factor):
            raise graph.refuse(factor, f"{what} is not constant, which cannot be read")
        value *= graph.variable(factor).value
    return value


def transformation(graph: Graph, record: Record) -> tuple[Record, Transformation]:
    """Return parameter and transformation of the argument of an interpolation.

    An argument is the parameter itself or what HistFactory puts around it for its ConstraintTerms:
    a RooPolyVar (beta - 1) / relative for Gamma, a RooFormulaVar (kappa^alpha - 1) / relative for
    LogNormal.
    """
    if record.class_name == "RooRealVar":
        return record, IdentityTransformation()
    if record.class_name == "RooPolyVar":
        return _gamma_transformation(graph, record)
    if record.class_name == "RooFormulaVar":
        return _log_normal_transformation(graph, record)
    message = "expected a RooRealVar, or HistFactory's function of one, as argument of an "
    raise graph.refuse(record, message + "interpolation")


def _gamma_transformation(graph: Graph, record: Record) -> tuple[Record, Transformation]:
    coefficients = [constant(graph, c, "a coefficient") for c in graph.objects(record, "_coefList")]
    parameter = graph.argument(record, "_x")
    is_standard = (
        len(coefficients) == 2
        and graph.guard(record.number, "_lowestOrder") == 0
        and coefficients[1] > 0.0
        and abs(coefficients[0] + coefficients[1]) <= _TOLERANCE * coefficients[1]
        and parameter.class_name == "RooRealVar"
    )
    if not is_standard:
        message = f"a polynomial with coefficients {coefficients}; expected (beta - 1) / relative"
        raise graph.refuse(record, message)
    return parameter, GammaTransformation(1.0 / coefficients[1])


def _log_normal_transformation(graph: Graph, record: Record) -> tuple[Record, Transformation]:
    text, variables = _source(graph, record)
    plain = _translated(graph, record, text, variables, "@{}".format).replace(" ", "")
    match = _LOG_NORMAL.fullmatch(plain)
    indices = [int(group) for group in match.groups()] if match else []
    if not match or max(indices) >= len(variables):
        message = f"{text!r} as argument of an interpolation; expected tau*(pow(kappa,alpha)-1)"
        raise graph.refuse(record, message)
    scale, kappa = (constant(graph, variables[i], "a coefficient") for i in indices[:2])
    relative = kappa - 1.0
    if relative <= 0.0 or abs(scale * relative - 1.0) > _TOLERANCE:
        message = f"tau = {scale} and kappa = {kappa}; expected tau = 1 / (kappa - 1)"
        raise graph.refuse(record, message)
    return variables[indices[2]], LogNormalTransformation(relative)


# --- formulas ------------------------------------------------------------------------------------


class Formula:
    """An expression in parameters, as FormulaFactor takes it: `@i` is the i-th parameter."""

    def __init__(self) -> None:
        self.parameters: list[Record] = []
        self._positions: dict[int, int] = {}  # by id
        self.text = ""

    def index(self, parameter: Record) -> int:
        """Return the position of a parameter, which is added if it is new."""
        position = self._positions.setdefault(id(parameter), len(self.parameters))
        if position == len(self.parameters):
            self.parameters.append(parameter)
        return position


def formula(graph: Graph, record: Record) -> Formula:
    """Return a RooFormulaVar as one expression in variables.

    Functions among its variables are put in their place. The text is only rewritten here: what
    may stand in an expression is decided where the model is compiled.
    """
    result = Formula()
    result.text = _expression(graph, record, result, 0)
    return result


def _expression(graph: Graph, record: Record, result: Formula, nesting: int) -> str:
    if nesting > MAX_NESTING:
        raise graph.refuse(record, f"formulas nested more than {MAX_NESTING} levels deep")
    if record.class_name == "RooRealVar":
        return f"@{result.index(record)}"
    if record.class_name == "RooConstVar":
        return f"({graph.variable(record).value!r})"
    if record.class_name in ("RooProduct", "RooAddition"):
        is_sum = record.class_name == "RooAddition"
        terms = graph.objects(record, "_set" if is_sum else "_compRSet")
        texts = [_expression(graph, term, result, nesting + 1) for term in terms]
        return _limited(graph, record, f"({('+' if is_sum else '*').join(texts)})")
    if record.class_name != "RooFormulaVar":
        raise graph.refuse(record, "this function cannot be read as a part of a formula")
    text, variables = _source(graph, record)
    parts = [_expression(graph, variable, result, nesting + 1) for variable in variables]
    return f"({_translated(graph, record, text, variables, parts.__getitem__)})"


def _source(graph: Graph, record: Record) -> tuple[str, list[Record]]:
    """Return text and variables of a RooFormulaVar."""
    members = (m for m in ("_formExpr", "formExpr") if record.get(m))
    text = graph.guard(record.text, next(members, "fTitle"))
    _limited(graph, record, text)
    return text, graph.objects(record, "_actualVars")


def _translated(
    graph: Graph,
    record: Record,
    text: str,
    variables: list[Record],
    part: Callable[[int], str],
) -> str:
    """Replace variables by `part(index)` and ROOT's names of functions by common ones."""
    names = {variable.name: i for i, variable in enumerate(variables)}
    pieces = []
    for token in _TOKEN.finditer(text):
        index = token["at"] or token["index"]
        name = token["name"]
        if name in names:
            pieces.append(part(names[name]))
        elif index is not None:
            if int(index) >= len(variables):
                message = f"{text!r} names variable {index} of {len(variables)}"
                raise graph.refuse(record, message)
            pieces.append(part(int(index)))
        elif name is not None:
            plain = name.removeprefix("TMath::").removeprefix("std::")
            pieces.append(_FUNCTIONS.get(plain, plain))
        elif token["number"] is not None:
            pieces.append(token["number"])
        else:
            other = token["other"]
            pieces.append("^" if other == "**" else " " if other.isspace() else other)
    return _limited(graph, record, "".join(pieces))


def _limited(graph: Graph, record: Record, text: str) -> str:
    if len(text) > MAX_LENGTH:
        raise graph.refuse(record, f"a formula of more than {MAX_LENGTH} characters")
    return text
