"""Relaxations as functions of JAX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pytest

from nablafit import relax
from nablafit.errors import ArgumentError

jax = pytest.importorskip("jax")
jnp = jax.numpy
soft = pytest.importorskip("nablafit.relax.jax")

Traced: TypeAlias = Any
EDGES = np.array([-1.5, -0.7, 0.0, 0.4, 1.8])


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_gradients_are_those_of_the_library(rng: np.random.Generator) -> None:
    values, weights = rng.normal(size=200), rng.exponential(size=(2, 200))
    target = rng.normal(size=(2, 6))

    def objective(x: Traced, e: Traced, s: Traced, w: Traced) -> Traced:
        counts = soft.histogram(x, e, s, weights=w, kernel="logistic", outside="separate")
        return jnp.sum(target * counts)

    arguments = (values, EDGES, 0.2, weights)
    spread = relax.histogram(
        values, EDGES, 0.2, weights=weights, kernel="logistic", outside="separate"
    )
    expected = spread.vjp(target)
    by_value, by_edge, by_bandwidth, by_weight = jax.jit(jax.grad(objective, argnums=(0, 1, 2, 3)))(
        *arguments
    )
    np.testing.assert_array_equal(by_value, expected.values)
    np.testing.assert_array_equal(by_edge, expected.edges)
    np.testing.assert_array_equal(by_bandwidth, expected.bandwidth)
    np.testing.assert_array_equal(by_weight, expected.weights)


def test_vmap_is_a_loop(rng: np.random.Generator) -> None:
    values = rng.normal(size=(3, 4, 50))

    def objective(x: Traced, s: Traced) -> Traced:
        return jnp.sum(soft.histogram(x, EDGES, s) ** 2)

    widths = jnp.array([0.1, 0.2, 0.3])
    gradient = jax.grad(objective, argnums=(0, 1))
    by_value, by_width = jax.vmap(jax.vmap(gradient, in_axes=(0, None)))(values, widths)
    for i, width in enumerate(widths):
        for j in range(4):
            expected = gradient(values[i, j], width)
            np.testing.assert_array_equal(by_value[i, j], expected[0])
            np.testing.assert_array_equal(by_width[i, j], expected[1])
    counts = jax.vmap(lambda s: soft.histogram(values[0], EDGES, s))(widths)
    np.testing.assert_array_equal(counts[1], relax.histogram(values[0], EDGES, 0.2).counts)


@pytest.mark.parametrize("kernel", ["gaussian", "logistic"])
def test_cuts_and_choices(rng: np.random.Generator, kernel: str) -> None:
    values, above = rng.normal(size=40), rng.normal(size=40)
    for width in (0.0, 0.3):
        cut = relax.cut(values, 0.1, width, keep="below", kernel=kernel)
        found, pullback = jax.vjp(
            lambda x, t, w: soft.cut(x, t, w, keep="below", kernel=kernel), values, 0.1, width
        )
        np.testing.assert_allclose(found, cut.weights, atol=1e-15)
        expected = cut.vjp(above)
        by_value, by_threshold, by_width = pullback(jnp.asarray(above))
        np.testing.assert_allclose(by_value, expected.values, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(by_threshold, expected.threshold, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(by_width, expected.width, rtol=1e-11, atol=1e-15)
        mixed = soft.where(values, 0.1, width, above, 2.0, kernel=kernel)
        choice = relax.where(values, 0.1, width, above, 2.0, kernel=kernel)
        np.testing.assert_allclose(mixed, choice.result, rtol=1e-13)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ArgumentError, match="one per value"):
        soft.histogram(np.zeros(3), EDGES, 0.1, weights=np.zeros(2))
    with pytest.raises(ArgumentError, match="'above'"):
        soft.cut(np.zeros(3), 0.0, 0.1, keep="left")
    with pytest.raises(ArgumentError, match="'gaussian'"):
        soft.cut(np.zeros(3), 0.0, 0.1, kernel="box")
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(ArgumentError, match="jax_enable_x64"):
        soft.histogram(np.zeros(3), EDGES, 0.1)
