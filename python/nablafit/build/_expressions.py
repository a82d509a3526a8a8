"""Arithmetic in columns of events: selections, weights and variables of configurations.

Expressions have Python's syntax and NumPy's meaning. They are parsed, and only what is listed here
is carried out; nothing is executed as Python.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from .._arrays import nearest
from ..errors import ArgumentError, located

__all__ = ["columns_of", "evaluate"]

Column: TypeAlias = Any
"""An array with one number per event, or a number."""

MAX_LENGTH = 4000

_BINARY: dict[type[ast.operator], Callable[[Column, Column], Column]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.BitAnd: np.bitwise_and,
    ast.BitOr: np.bitwise_or,
    ast.BitXor: np.bitwise_xor,
}
_UNARY: dict[type[ast.unaryop], Callable[[Column], Column]] = {
    ast.UAdd: np.positive,
    ast.USub: np.negative,
    ast.Not: np.logical_not,
    ast.Invert: np.invert,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Column, Column], Column]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_FUNCTIONS: dict[str, tuple[int, Callable[..., Column]]] = {
    **{
        name: (1, getattr(np, name))
        for name in (
            *("abs", "absolute", "sqrt", "square", "exp", "log", "log2", "log10", "log1p", "expm1"),
            *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
            *("floor", "ceil", "rint", "sign", "isfinite", "isnan"),
        )
    },
    "asin": (1, np.arcsin),
    "acos": (1, np.arccos),
    "atan": (1, np.arctan),
    "arctan2": (2, np.arctan2),
    "atan2": (2, np.arctan2),
    "hypot": (2, np.hypot),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "pow": (2, lambda a, b: _power(a, b)),
    "where": (3, np.where),
}


def columns_of(expression: str, known: Mapping[str, object], place: str) -> set[str]:
    """Return the columns that an expression names.

    Parameters
    ----------
    expression : str
        Numbers, names of columns, + - * / // % **, comparisons, & | ^ ~ (and, or, not are the
        same), parentheses, and functions such as sqrt, exp, abs, min, max, where.
    known : mapping
        The columns that there are, by name; names may have dots.
    place : str
        Where the expression stands, for messages.

    Raises
    ------
    ArgumentError
        If it is not an expression of this kind, or names something that does not exist.
    """
    if expression in known:
        return {expression}
    found: set[str] = set()
    _walk(_parsed(expression, place), found, known, place)
    return found


def evaluate(expression: str, columns: Mapping[str, Column], place: str) -> Column:
    """Return the value of an expression for all events.

    Parameters
    ----------
    expression : str
        See `columns_of`.
    columns : mapping of str to array
        At least those that it names, all of the same length.
    place : str
        Where the expression stands, for messages.

    Raises
    ------
    ArgumentError
        If it cannot be parsed, or operators do not fit their operands.
    """
    if expression in columns:
        return columns[expression]
    tree = _parsed(expression, place)
    try:
        with np.errstate(all="ignore"):
            return _value(tree, columns, place)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError, RecursionError) as error:
        message = f"found {expression!r}, which has no value: {error}"
        raise located(ArgumentError, message, place) from error


def _parsed(expression: str, place: str) -> ast.expr:
    if len(expression) > MAX_LENGTH:
        message = f"found {len(expression)} characters, expected at most {MAX_LENGTH}"
        raise located(ArgumentError, message, place)
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None)
        where = f" at column {column}" if column else ""
        message = (
            f"found {expression!r}, which is not an expression{where}; write & | ~ with "
            "parentheses, as in (a > 1) & (b < 2)"
        )
        raise located(ArgumentError, message, place) from None


def _dotted(node: ast.expr) -> str | None:
    """Return a name with dots, as branches may have."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return None if head is None else f"{head}.{node.attr}"
    return None


def _operands(node: ast.expr, place: str) -> list[ast.expr]:
    """Return what a node works on; raise ArgumentError for what is not arithmetic."""
    match node:
        case ast.BinOp() if type(node.op) in _BINARY or isinstance(node.op, ast.Pow):
            return [node.left, node.right]
        case ast.UnaryOp():
            return [node.operand]
        case ast.BoolOp():
            return list(node.values)
        case ast.Compare() if all(type(op) in _COMPARISONS for op in node.ops):
            return [node.left, *node.comparators]
        case ast.Constant(value=bool() | int() | float()):
            return []
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            if name not in _FUNCTIONS:
                hint = nearest(name, tuple(_FUNCTIONS))
                raise located(ArgumentError, f"no such function {name!r}{hint}", place)
            n_arguments = _FUNCTIONS[name][0]
            if len(node.args) != n_arguments:
                message = f"{name}: found {len(node.args)} arguments, expected {n_arguments}"
                raise located(ArgumentError, message, place)
            return list(node.args)
    message = (
        f"found {type(node).__name__} at column {node.col_offset + 1}, expected numbers, names, "
        "operators, comparisons and functions"
    )
    raise located(ArgumentError, message, place)


def _walk(node: ast.expr, found: set[str], known: Mapping[str, object], place: str) -> None:
    stack = [node]
    while stack:
        current = stack.pop()
        name = _dotted(current)
        if name is None:
            stack += _operands(current, place)
        elif name in known:
            found.add(name)
        else:
            hint = nearest(name, tuple(known))
            raise located(ArgumentError, f"no column {name!r}{hint}", place)


def _value(node: ast.expr, columns: Mapping[str, Column], place: str) -> Column:
    name = _dotted(node)
    if name is not None:
        return columns[name]
    values = [_value(operand, columns, place) for operand in _operands(node, place)]
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp():
            return _UNARY[type(node.op)](values[0])
        case ast.BinOp():
            return _binary(node.op, *values)
        case ast.BoolOp():
            combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return combine.reduce(np.broadcast_arrays(*values))
        case ast.Compare():
            pairs = zip(node.ops, values[:-1], values[1:], strict=True)
            results = [_COMPARISONS[type(op)](left, right) for op, left, right in pairs]
            return np.logical_and.reduce(np.broadcast_arrays(*results))
        case ast.Call(func=ast.Name(id=function)):
            return _FUNCTIONS[function][1](*values)
    raise AssertionError  # `_operands` has refused the rest


def _binary(op: ast.operator, left: Column, right: Column) -> Column:
    if isinstance(op, ast.Pow):
        return _power(left, right)
    return _BINARY[type(op)](left, right)


def _power(base: Column, exponent: Column) -> Column:
    """Raise to a power; whole numbers of any length would take forever, doubles do not."""
    if isinstance(base, int) and isinstance(exponent, int):
        return float(base) ** exponent
    return base**exponent
