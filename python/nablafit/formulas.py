"""User-defined factors: expressions in parameters and in numbers of the bin.

The core parses an expression against a grammar of its own (nothing is executed as Python) and
differentiates it exactly, twice: `+ - * / ^ **`, parentheses, numbers, names, and `exp log log10
sqrt abs sin cos tan pow min max`.

>>> from nablafit import formulas
>>> coupling = formulas.factor("kappa", "kappa_t * kappa_W", ["kappa_t", "kappa_W"])
>>> eft = formulas.bin_factor("eft", "1 + c*a + c**2*b", ["c"], a=[0.1, 0.3], b=[0.02, 0.2])
>>> falling = formulas.bin_integral("falling", "k * exp(-k*x)", ["k"], edges=[0.0, 1.0, 3.0])

Each is a modifier: add it to the `modifiers` of a `Sample`, and its parameters to the `ModelSpec`.
A sample with nominal yields 1 has the product of its factors as its yields.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ._arrays import frozen_vector, name_tuple
from ._core import expression_nodes
from .errors import ArgumentError, SpecError, located
from .spec import BinVariable, FormulaFactor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from ._arrays import FloatArray

__all__ = ["bin_factor", "bin_integral", "factor"]


def factor(name: str, expression: str, parameters: Iterable[str]) -> FormulaFactor:
    """Return a factor that is common to all bins of a sample.

    Parameters
    ----------
    name : str
        Name of the modifier.
    expression : str
        Arithmetic in the parameters, dimensionless.
    parameters : iterable of str
        The parameters that it names.

    Raises
    ------
    SpecError
        If the expression cannot be parsed or names something else; the message has the column.

    Examples
    --------
    >>> factor = nf.formulas.factor("kappa", "kappa_t * kappa_W", ["kappa_t", "kappa_W"])
    >>> factor.name, list(factor.parameters)
    ('kappa', ['kappa_t', 'kappa_W'])
    """
    return _formula(name, expression, parameters, {})


def bin_factor(
    name: str,
    expression: str,
    parameters: Iterable[str],
    *,
    edges: ArrayLike | None = None,
    **values: ArrayLike,
) -> FormulaFactor:
    """Return a factor that differs from bin to bin.

    Parameters
    ----------
    name, parameters
        As in `factor`.
    expression : str
        Arithmetic in the parameters and in the variables of the bin.
    edges : array_like, shape (n_bins + 1,), optional
        Ascending bin edges of a one-dimensional channel, e.g. `channel.axes[0].edges`. They define
        the variables `x`, the bin's centre, `x_low` and `x_high`.
    **values : array_like, shape (n_bins,)
        Further variables by name: one number per bin, in the order of the channel's bins.

    Raises
    ------
    ArgumentError
        If edges do not ascend or `values` redefine what `edges` define.
    SpecError
        If the expression cannot be parsed or names something else; the message has the column.

    Examples
    --------
    >>> factor = nf.formulas.bin_factor("eft", "1 + c*a", ["c"], a=[0.1, 0.3])
    >>> factor.name, list(factor.parameters)
    ('eft', ['c'])
    """
    variables = {key: frozen_vector(value, key) for key, value in values.items()}
    if edges is not None:
        low, high = _bins(edges)
        defined = {"x": 0.5 * (low + high), "x_low": low, "x_high": high}
        for key in sorted(defined.keys() & variables.keys()):
            raise located(ArgumentError, "defined by `edges` already; choose another name", key)
        variables |= {key: defined[key] for key in defined if _names(expression, key)}
    return _formula(name, expression, parameters, variables)


def bin_integral(
    name: str,
    expression: str,
    parameters: Iterable[str],
    *,
    edges: ArrayLike,
    variable: str = "x",
    n_nodes: int = 10,
) -> FormulaFactor:
    """Return the integral of a density over each bin, as a factor.

    Parameters
    ----------
    name, parameters
        As in `factor`.
    expression : str
        The density in the parameters and in `variable`. It need not be normalised.
    edges : array_like, shape (n_bins + 1,)
        Ascending bin edges, in the unit of `variable`.
    variable : str
        Name of the integration variable.
    n_nodes : int
        Nodes per bin of the Gauss-Legendre rule, exact for polynomials up to degree 2 n_nodes - 1.
        Derivatives are those of the rule, exactly.

    Raises
    ------
    ArgumentError
        If edges do not ascend, or `n_nodes` is not from 1 to 100.
    SpecError
        If the expression cannot be parsed or names something else; the message has the column.

    Examples
    --------
    >>> factor = nf.formulas.bin_integral("falling", "k * exp(-k*x)", ["k"], edges=[0.0, 1.0, 3.0])
    >>> factor.name, list(factor.parameters)
    ('falling', ['k'])
    """
    if not 1 <= n_nodes <= 100:
        message = f"found {n_nodes}, expected a number from 1 to 100"
        raise located(ArgumentError, message, "n_nodes")
    low, high = _bins(edges)
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    half = 0.5 * (high - low)[:, np.newaxis]
    places = 0.5 * (high + low)[:, np.newaxis] + half * nodes
    return _formula(
        name, expression, parameters, {variable: places.ravel()}, (half * weights).ravel()
    )


def _formula(
    name: str,
    expression: str,
    parameters: Iterable[str],
    values: dict[str, FloatArray],
    weights: Iterable[float] = (),
) -> FormulaFactor:
    """Return the factor, or say what is wrong with its expression."""
    if isinstance(parameters, str):
        message = f"found the text {parameters!r}, expected a list of names: [{parameters!r}]"
        raise located(ArgumentError, message, "parameters")
    names = name_tuple(parameters, "parameters")
    for key, text in (("name", name), ("expression", expression)):
        if not isinstance(text, str):
            raise located(ArgumentError, f"expected text, got {text!r}", key)
    try:
        expression_nodes(expression, names, tuple(values))
    except SpecError as error:
        listing = f"parameters: {', '.join(names) or 'none'}"
        if values:
            listing += f"; numbers of the bin: {', '.join(values)}"
        message = f"{error} ({listing})"
        raise located(SpecError, message, f"expression of {name!r}") from None
    variables = tuple(BinVariable(key, value) for key, value in values.items())
    return FormulaFactor(name, expression, names, variables, weights)


def _names(expression: str, name: str) -> bool:
    """Whether an expression contains a name."""
    return re.search(rf"(?<![\w.:]){re.escape(name)}(?![\w.:\[])", expression) is not None


def _bins(edges: ArrayLike) -> tuple[FloatArray, FloatArray]:
    points = frozen_vector(edges, "edges")
    if points.size < 2 or not np.all(np.diff(points) > 0.0) or not np.all(np.isfinite(points)):
        message = f"found {points.tolist()}, expected at least two finite numbers that ascend"
        raise located(ArgumentError, message, "edges")
    return points[:-1], points[1:]
