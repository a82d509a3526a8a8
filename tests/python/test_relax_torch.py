"""Relaxations as functions of PyTorch."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import ArrayLike

from nablafit import relax
from nablafit.errors import ArgumentError

torch = pytest.importorskip("torch")
soft = pytest.importorskip("nablafit.relax.torch")

Tensor: TypeAlias = Any
EDGES = np.array([-1.5, -0.7, 0.0, 0.4, 1.8])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def variable(values: ArrayLike) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_gradients_are_those_of_the_library(rng: np.random.Generator) -> None:
    values, weights = rng.normal(size=200), rng.exponential(size=(2, 200))
    target = rng.normal(size=(2, 6))
    x, e, s, w = (variable(array) for array in (values, EDGES, 0.2, weights))
    counts = soft.histogram(x, e, s, weights=w, kernel="logistic", outside="separate")
    (torch.tensor(target) * counts).sum().backward()
    expected = relax.histogram(
        values, EDGES, 0.2, weights=weights, kernel="logistic", outside="separate"
    ).vjp(target)
    np.testing.assert_array_equal(x.grad, expected.values)
    np.testing.assert_array_equal(e.grad, expected.edges)
    np.testing.assert_array_equal(s.grad, expected.bandwidth)
    np.testing.assert_array_equal(w.grad, expected.weights)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of torch itself
def test_torch_agrees_with_its_own_differences(rng: np.random.Generator) -> None:
    inputs = tuple(variable(a) for a in (rng.normal(size=(2, 4)), EDGES, rng.uniform(0.3, 0.6, 4)))
    assert torch.autograd.gradcheck(
        lambda x, e, s: soft.histogram(x, e, s, outside="fold"), inputs, check_forward_ad=True
    )
    more = (variable(rng.normal(size=5)), variable(0.2), variable(0.4), variable(1.5))
    assert torch.autograd.gradgradcheck(
        lambda x, t, w, a: soft.where(x, t, w, a, 0.5, kernel="gaussian"), more
    )


@pytest.mark.parametrize("kernel", ["gaussian", "logistic"])
def test_cuts_and_choices(rng: np.random.Generator, kernel: str) -> None:
    values, above = rng.normal(size=40), rng.normal(size=40)
    for width in (0.0, 0.3):
        cut = relax.cut(values, 0.1, width, keep="below", kernel=kernel)
        x, t, w = variable(values), variable(0.1), variable(width)
        found = soft.cut(x, t, w, keep="below", kernel=kernel)
        np.testing.assert_allclose(found.detach(), cut.weights, atol=1e-15)
        found.backward(torch.tensor(above))
        expected = cut.vjp(above)
        np.testing.assert_allclose(x.grad, expected.values, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(t.grad, expected.threshold, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(w.grad, expected.width, rtol=1e-11, atol=1e-15)
        mixed = soft.where(values, 0.1, width, above, 2.0, kernel=kernel)
        choice = relax.where(values, 0.1, width, above, 2.0, kernel=kernel)
        np.testing.assert_allclose(mixed, choice.result, rtol=1e-13)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ArgumentError, match="finite"):
        soft.histogram([0.0, float("nan")], EDGES, 0.1)
    with pytest.raises(ArgumentError, match="'above'"):
        soft.cut(np.zeros(3), 0.0, 0.1, keep="left")
    with pytest.raises(ArgumentError, match="'gaussian'"):
        soft.cut(np.zeros(3), 0.0, 0.1, kernel="box")
