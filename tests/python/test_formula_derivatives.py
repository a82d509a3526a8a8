"""Derivatives of expressions against complex steps through NumPy, which know nothing of the core.

Im f(x + ih) / h is the derivative of an analytic f to rounding (Squire and Trapp, SIAM Rev. 40,
110). Second derivatives are central differences of eighth order of such gradients; their error is
below 1e-11 of the largest derivative here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit import formulas
from nablafit import spec as s

N_BINS = 150
EDGES = np.linspace(0.5, 3.5, N_BINS + 1)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])
A = np.cos(7.0 * CENTRES)
B = 0.3 + np.sin(3.0 * CENTRES) ** 2
POINT = np.array([0.7, 0.4, 1.3])
STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
EXPRESSIONS = (
    "1 + p*a + p**2*b + q*a*b + p*q*a + r*b",
    "exp(-p*x) * (1 + q*a)^2 / (r + b)",
    "r * b^p * x^(-q) + (r + p)^3 * b^1.5",
    "log(r + p*b) * log10(2 + q*x) + sqrt(r + q*b)",
    "2 + sin(p*x) * cos(q*a) + tan(0.2*r*a)",
    "(p + q*x + r*x^2) * (p + q*x + r*x^2) - -p / (1 + (q*x)^-2)",
)
Function = Callable[[np.ndarray], Any]
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log10": lambda z: np.log(z) / np.log(10.0),
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
}


def yields(expression: str, parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
    names = {"p": parameters[0], "q": parameters[1], "r": parameters[2], "x": x, "a": A, "b": B}
    value = eval(expression.replace("^", "**"), {"__builtins__": {}, **FUNCTIONS, **names})
    return 100.0 * value


def integrals(parameters: np.ndarray) -> np.ndarray:
    """Integrals of r exp(-p x) + q / x^2 over the bins."""
    p, q, r = parameters
    return 100.0 * (-np.diff(r * np.exp(-p * EDGES) / p) - np.diff(q / EDGES))


def gradient_of(nll: Function, point: np.ndarray) -> np.ndarray:
    steps = 1e-30j * np.eye(point.size)
    return np.array([nll(point + step).imag / 1e-30 for step in steps])


def hessian_of(nll: Function, point: np.ndarray, width: float = 0.004) -> np.ndarray:
    rows = []
    for direction in np.eye(point.size):
        differences = (
            coefficient
            * (
                gradient_of(nll, point + k * width * direction)
                - gradient_of(nll, point - k * width * direction)
            )
            for k, coefficient in enumerate(STENCIL, start=1)
        )
        rows.append(sum(differences) / width)
    return np.array(rows)


def model_of(modifier: s.Modifier) -> nf.Model:
    parameters = [s.Parameter(name, 1.0, -5.0, 5.0) for name in "pqr"]
    sample = s.Sample("sample", np.full(N_BINS, 100.0), [modifier])
    return nf.Model(s.ModelSpec("m", [s.Channel("c", [sample], [s.Axis("x", EDGES)])], parameters))


def check(modifier: s.Modifier, expected: Function) -> None:
    """Compare -log L, its gradient, Hessian and Hessian-vector product."""
    model = model_of(modifier)
    counts = np.real(expected(POINT + 0.1)) * (1.0 + 0.1 * A)
    likelihood = model.likelihood(nf.Data(counts, []))

    def nll(parameters: np.ndarray) -> np.complexfloating:
        found = expected(parameters)
        return np.sum(found - counts * np.log(found))

    np.testing.assert_allclose(model.expected(POINT), np.real(expected(POINT)), rtol=1e-12)
    gradient, hessian = gradient_of(nll, POINT), hessian_of(nll, POINT)
    largest = np.abs(hessian).max()
    np.testing.assert_allclose(likelihood.gradient(POINT), gradient, rtol=0, atol=1e-10 * largest)
    np.testing.assert_allclose(likelihood.hessian(POINT), hessian, rtol=0, atol=1e-10 * largest)
    v = np.array([0.3, -1.1, 0.6])
    np.testing.assert_allclose(likelihood.hvp(POINT, v), hessian @ v, rtol=0, atol=1e-10 * largest)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_factors_of_bins(expression: str) -> None:
    modifier = formulas.bin_factor("f", expression, [*"pqr"], edges=EDGES, a=A, b=B)
    check(modifier, lambda parameters: yields(expression, parameters, CENTRES))


def test_kinks_have_the_derivatives_of_the_branch_taken() -> None:
    p, q, r = POINT
    low, high, negative = CENTRES * p < 0.7 * r, -p * B < q * A, p < q * CENTRES

    def branches(parameters: np.ndarray) -> np.ndarray:
        p, q, r = parameters
        first = np.where(low, p * CENTRES, 0.7 * r)
        second = np.where(high, q * A, -p * B)
        third = np.where(negative, q * CENTRES - p, p - q * CENTRES)
        return 100.0 * (first + second + third + 3)

    expression = "min(p*x, 0.7*r) + max(q*a, -p*b) + abs(p - q*x) + 3"
    check(
        formulas.bin_factor("f", expression, [*"pqr"], edges=EDGES, a=A, b=B),
        branches,
    )


def test_integrals_over_bins() -> None:
    modifier = formulas.bin_integral("f", "r*exp(-p*x) + q/x^2", [*"pqr"], edges=EDGES)
    check(modifier, integrals)


def test_backends_agree_and_bits_are_the_same_each_time() -> None:
    modifier = formulas.bin_factor("f", EXPRESSIONS[1], [*"pqr"], edges=EDGES, a=A, b=B)
    model = model_of(modifier)
    data = model.asimov(POINT + 0.1)
    likelihood = model.likelihood(data)
    first = likelihood.value_and_gradient(POINT)
    likelihood.value_and_gradient(POINT + 0.3)
    again = likelihood.value_and_gradient(POINT)
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])
    reference = model.likelihood(data, backend="forward")
    np.testing.assert_allclose(likelihood.gradient(POINT), reference.gradient(POINT), rtol=1e-12)
