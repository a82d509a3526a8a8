"""Formula factors as C++: the expression, and the reverse sweep over it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..._core import expression_nodes
from ._functions import pullback_function
from ._text import Identifiers, documented, function, number, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...spec import FormulaFactor
    from ._functions import Scope

_UNARY = {
    "negate": "(-{a})",
    "exp": "std::exp({a})",
    "log": "std::log({a})",
    "log10": "std::log({a}) * 0.43429448190325182765",
    "sqrt": "std::sqrt({a})",
    "abs": "absolute({a})",
    "sin": "std::sin({a})",
    "cos": "std::cos({a})",
    "tan": "std::tan({a})",
    "constant_power": "std::pow({a}, {c})",
}
_BINARY = {
    "add": "({a} + {b})",
    "subtract": "({a} - {b})",
    "multiply": "({a} * {b})",
    "divide": "({a} / {b})",
    "power": "std::exp({b} * std::log({a}))",
    "min": "minimum({a}, {b})",
    "max": "maximum({a}, {b})",
}

# Derivatives with respect to the operands; d is that with respect to the result t.
_ADJOINTS = {
    "negate": ("-{d}",),
    "exp": ("{d} * {t}",),
    "log": ("{d} / {a}",),
    "log10": ("{d} * 0.43429448190325182765 / {a}",),
    "sqrt": ("{d} * 0.5 / {t}",),
    "abs": ("({a} < 0.0 ? -{d} : {d})",),
    "sin": ("{d} * std::cos({a})",),
    "cos": ("-{d} * std::sin({a})",),
    "tan": ("{d} * (1.0 + {t} * {t})",),
    "constant_power": ("{d} * {c} * std::pow({a}, {c} - 1.0)",),
    "add": ("{d}", "{d}"),
    "subtract": ("{d}", "-{d}"),
    "multiply": ("{d} * {b}", "{d} * {a}"),
    "divide": ("{d} / {b}", "-{d} * {t} / {b}"),
    "power": ("{d} * {t} * {b} / {a}", "{d} * {t} * std::log({a})"),
    "min": ("({b} < {a} ? 0.0 : {d})", "({b} < {a} ? {d} : 0.0)"),
    "max": ("({a} < {b} ? 0.0 : {d})", "({a} < {b} ? {d} : 0.0)"),
}


class FormulaKey(NamedTuple):
    """What makes two formulas one function."""

    expression: str
    parameters: tuple[str, ...]
    variables: tuple[str, ...]

    @classmethod
    def of(cls, modifier: FormulaFactor) -> FormulaKey:
        """Return the key of a modifier."""
        variables = tuple(variable.name for variable in modifier.variables)
        return cls(modifier.expression, tuple(modifier.parameters), variables)


@dataclass(frozen=True)
class _Node:
    """One operation: its place in the order of evaluation, and those of its operands."""

    index: int
    operation: str
    constant: float
    operands: tuple[int, ...]  # of an argument: its place among the arguments
    varies: bool

    @property
    def name(self) -> str:
        """How other lines call the result."""
        return f"t{self.index}"


def _parse(key: FormulaKey) -> list[_Node]:
    nodes = expression_nodes(key.expression, key.parameters, key.variables)
    return [
        _Node(index, operation, constant, tuple(operands), varies)
        for index, (operation, constant, operands, varies) in enumerate(nodes)
    ]


def formula_functions(name: str, key: FormulaKey, par: Identifiers) -> list[str]:
    """Return the functions `name` and, if it depends on parameters, `name`_pullback.

    They take x and the variables of the bin, in the order of `key`.
    """
    nodes = _parse(key)
    local = Identifiers("v_")
    places = [
        *(f"x[par::{par[name]}]" for name in key.parameters),
        *(local[name] for name in key.variables),
    ]
    values = [_value(node, places) for node in nodes]
    result = nodes[-1].name
    arguments = ["const double* x", *(f"const double {local[name]}" for name in key.variables)]
    body = [*_needed(values, result), f"  return {result};"]
    lines = function(f"Formula {key.expression}", "double", name, arguments, body)
    if nodes[-1].varies:
        sweep = _sweep(nodes, places)
        body = [*_needed(values, "\n".join(sweep)), *sweep]
        lines += pullback_function(name, arguments, body)
    return lines


def varies(key: FormulaKey) -> bool:
    """Whether the value of an expression depends on parameters."""
    return _parse(key)[-1].varies


def per_bin_functions(
    name: str, formula: str, modifier: FormulaFactor, scope: Scope, *, depends: bool
) -> list[str]:
    """Return the table of a formula's nodes, and its sum over those of a bin."""
    n_variables = len(modifier.variables)
    weights = modifier.weights if modifier.weights.size else np.ones(scope.n_bins)
    columns = [weights, *(variable.values for variable in modifier.variables)]
    nodes = np.stack(columns, axis=-1).reshape(scope.n_bins, -1)
    n_nodes = weights.size // scope.n_bins
    size = f"[n_bins][{n_nodes * (n_variables + 1)}]"
    labels = ", ".join(("weight", *(variable.name for variable in modifier.variables)))
    step = n_variables + 1
    first = f"{step} * node"
    arguments = "".join(f", {name}_nodes[bin][{first} + {i + 1}]" for i in range(n_variables))
    weight = f"{name}_nodes[bin][{first}]"
    head = f"  for (int node = 0; node < {n_nodes}; ++node) {{"
    body = [
        "  double value = 0.0;",
        head,
        f"    value += {weight} * {formula}(x{arguments});",
        "  }",
        "  return value;",
    ]
    what = f"{modifier.name}: sum over the nodes of a bin of weight times formula."
    lines = [
        *documented(f"{modifier.name}: {labels} of each node, by bin."),
        *table(f"double {name}_nodes{size}", [(f"bin {b}", row) for b, row in enumerate(nodes)]),
        "",
        *function(what, "double", name, scope.parameters, body),
    ]
    if depends:
        call = f"    {formula}_pullback(x{arguments}, seed * {weight}, gradient);"
        lines += pullback_function(name, scope.parameters, [head, call, "  }"])
    return lines


def _value(node: _Node, places: Sequence[str]) -> str:
    if node.operation == "constant":
        return number(node.constant)
    if node.operation == "argument":
        return places[node.operands[0]]
    pattern = {**_UNARY, **_BINARY}[node.operation]
    return pattern.format(**_operands(node))


def _operands(node: _Node) -> dict[str, str]:
    names = {letter: f"t{index}" for letter, index in zip("ab", node.operands, strict=False)}
    return {**names, "c": number(node.constant)}


def _needed(values: Sequence[str], text: str) -> list[str]:
    """Return the lines that compute what `text` uses."""
    needed: set[int] = set()
    waiting = {int(i) for i in re.findall(r"\bt(\d+)\b", text)}
    while waiting:
        index = waiting.pop()
        needed.add(index)
        waiting |= {int(i) for i in re.findall(r"\bt(\d+)\b", values[index])} - needed
    return [f"  const double t{i} = {values[i]};" for i in sorted(needed)]


def _sweep(nodes: Sequence[_Node], places: Sequence[str]) -> list[str]:
    """Return the lines that take derivatives back from the result to the parameters."""
    terms = {nodes[-1].index: ["seed"]}
    lines: list[str] = []
    for node in reversed(nodes):
        if node.index not in terms:
            continue
        adjoint = f"d{node.index}"
        lines.append(f"  const double {adjoint} = {' + '.join(terms[node.index])};")
        if node.operation == "argument":
            place = places[node.operands[0]].removeprefix("x")
            lines.append(f"  gradient{place} += {adjoint};")
            continue
        for operand, pattern in zip(node.operands, _ADJOINTS[node.operation], strict=True):
            if nodes[operand].varies:
                text = pattern.format(d=adjoint, t=node.name, **_operands(node))
                terms.setdefault(operand, []).append(text)
    return lines
