"""Relaxed histograms, cuts and choices: against NumPy, SciPy and finite differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import stats

import nablafit as nf
from nablafit import relax
from nablafit.relax import SoftHistogram

Array = NDArray[np.float64]

KERNELS = ("gaussian", "logistic")
OUTSIDE = ("separate", "fold", "drop")
CUMULATIVE = {"gaussian": stats.norm.cdf, "logistic": stats.logistic.cdf}
EDGES = np.array([-1.5, -0.7, 0.0, 0.4, 1.8])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(12)


def reference(
    values: Array, weights: Array, edges: Array, bandwidth: ArrayLike, kernel: str
) -> Array:
    """Bins with underflow and overflow, as the definition reads."""
    below = CUMULATIVE[kernel]((edges[:, None] - values) / bandwidth)
    padded = np.vstack([np.zeros(values.size), below, np.ones(values.size)])
    counts: Array = np.diff(padded, axis=0) @ weights
    return counts


def with_outside(full: Array, outside: str) -> Array:
    if outside == "separate":
        return full
    inner = full[1:-1].copy()
    if outside == "fold":
        inner[0] += full[0]
        inner[-1] += full[-1]
    return inner


def difference_error(function: Callable[[float], Array], expected: Array) -> float:
    """Smallest error of a central difference over a scan of steps, relative to the largest."""
    scale = np.max(np.abs(expected))
    errors = [
        np.max(np.abs((function(h) - function(-h)) / (2 * h) - expected)) / scale
        for h in 10.0 ** np.arange(-6.0, -1.0)
    ]
    return float(min(errors))


@pytest.mark.parametrize(("kernel", "outside"), list(itertools.product(KERNELS, OUTSIDE)))
def test_counts_are_those_of_the_definition(
    rng: np.random.Generator, kernel: str, outside: str
) -> None:
    values, weights = rng.normal(size=500), rng.normal(1.0, 0.3, size=500)
    for bandwidth in (0.02, 0.3, 5.0, rng.uniform(0.01, 1.0, size=500)):
        found = relax.histogram(
            values, EDGES, bandwidth, weights=weights, kernel=kernel, outside=outside
        )
        full = reference(values, weights, EDGES, bandwidth, kernel)
        np.testing.assert_allclose(found.counts, with_outside(full, outside), rtol=1e-12)


def test_far_bins_have_no_negative_counts() -> None:
    edges = np.linspace(-12.0, 12.0, 97)
    counts = relax.histogram([0.0], edges, 1.0).counts
    assert counts.min() == 0.0
    expected = np.diff(stats.norm.cdf(edges[edges <= 0.0]))
    near = expected > 1e-14
    np.testing.assert_allclose(counts[:48][near], expected[near], rtol=1e-3)
    np.testing.assert_array_equal(counts, counts[::-1])


def test_weights_are_conserved(rng: np.random.Generator) -> None:
    values, weights = rng.normal(size=20_000), rng.exponential(size=(3, 20_000))
    for outside in ("separate", "fold"):
        counts = relax.histogram(values, EDGES, 0.4, weights=weights, outside=outside).counts
        np.testing.assert_allclose(counts.sum(axis=1), weights.sum(axis=1), rtol=1e-13)


def test_hard_limit_is_numpys(rng: np.random.Generator) -> None:
    values = np.concatenate([rng.normal(size=5000), EDGES, EDGES - 1e-12])
    weights = rng.exponential(size=values.size)
    expected, _ = np.histogram(values, EDGES, weights=weights)
    hard = relax.histogram(values, EDGES, 0.0, weights=weights)
    np.testing.assert_allclose(hard.counts, expected, rtol=1e-13)
    np.testing.assert_array_equal(
        relax.histogram(values, EDGES, 0.0).counts, np.histogram(values, EDGES)[0]
    )
    inner = values[:5000]
    away = np.abs(inner[:, None] - EDGES).min(axis=1) > 1e-6
    nearly = relax.histogram(inner[away], EDGES, 1e-8).counts
    np.testing.assert_allclose(nearly, np.histogram(inner[away], EDGES)[0], rtol=1e-14)
    gradients = hard.vjp(np.arange(4.0))
    assert not gradients.values.any()
    assert not gradients.edges.any()
    assert not gradients.bandwidth.any()
    bins = np.digitize(inner, EDGES) - 1
    inside = (bins >= 0) & (bins < 4)
    np.testing.assert_array_equal(gradients.weights[:5000], np.where(inside, bins, 0.0))


@pytest.mark.parametrize(("kernel", "outside"), list(itertools.product(KERNELS, OUTSIDE)))
def test_directional_derivatives(rng: np.random.Generator, kernel: str, outside: str) -> None:
    inputs: dict[str, Array] = {
        "values": rng.normal(size=(2, 50)),
        "edges": EDGES,
        "bandwidth": rng.uniform(0.1, 0.5, size=50),
        "weights": rng.normal(1.0, 0.3, size=50),
    }

    def histogram(moved: dict[str, Array]) -> SoftHistogram:
        return relax.histogram(**moved, kernel=kernel, outside=outside)

    spread = histogram(inputs)
    cotangents = rng.normal(size=spread.counts.shape)
    gradients = spread.vjp(cotangents)
    for name, array in inputs.items():
        direction = rng.normal(size=array.shape)

        def along(h: float, name: str = name, direction: Array = direction) -> Array:
            return histogram(inputs | {name: inputs[name] + h * direction}).counts

        change = spread.jvp(**{name: direction})
        assert difference_error(along, change) < 1e-7
        by_name = getattr(gradients, name)
        assert by_name.shape == array.shape
        total = float(np.sum(by_name * direction))
        assert total == pytest.approx(float(np.sum(cotangents * change)), rel=1e-11)


def test_a_batch_is_what_its_histograms_are(rng: np.random.Generator) -> None:
    values, weights = rng.normal(size=3000), rng.exponential(size=(4, 3000))
    batch = relax.histogram(values, EDGES, 0.2, weights=weights)
    cotangents = rng.normal(size=batch.counts.shape)
    gradients = batch.vjp(cotangents)
    singles = [relax.histogram(values, EDGES, 0.2, weights=row) for row in weights]
    parts = [single.vjp(g) for single, g in zip(singles, cotangents, strict=True)]
    np.testing.assert_array_equal(batch.counts, [single.counts for single in singles])
    np.testing.assert_allclose(gradients.weights, [part.weights for part in parts], rtol=1e-14)
    for name in ("values", "edges", "bandwidth"):
        total = np.sum([getattr(part, name) for part in parts], axis=0)
        np.testing.assert_allclose(getattr(gradients, name), total, rtol=1e-11, atol=1e-13)
    shifted = np.stack([values + 0.1 * i for i in range(4)])
    both = relax.histogram(shifted, EDGES, 0.2, weights=weights)
    for i in range(4):
        single = relax.histogram(shifted[i], EDGES, 0.2, weights=weights[i])
        np.testing.assert_array_equal(both.counts[i], single.counts)
    one = both.vjp(cotangents)
    np.testing.assert_array_equal(
        one.values[2],
        relax.histogram(shifted[2], EDGES, 0.2, weights=weights[2]).vjp(cotangents[2]).values,
    )


def test_bits_do_not_depend_on_threads(rng: np.random.Generator) -> None:
    values, weights = rng.normal(size=30_000), rng.exponential(size=(2, 30_000))
    results = []
    for n_threads in (1, 2, 7):
        spread = relax.histogram(values, EDGES, 0.1, weights=weights, n_threads=n_threads)
        gradients = spread.vjp(spread.counts)
        cut = relax.cut(values, 0.3, 0.1, n_threads=n_threads)
        parts = (spread.counts, gradients.values, gradients.edges, gradients.bandwidth, cut.weights)
        results.append([part.tobytes() for part in parts])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("kernel", KERNELS)
def test_bias_is_of_second_order_in_the_bandwidth(kernel: str) -> None:
    """Events on a grid with the weights of a normal density: sums converge faster than any power.

    The kernel with standard deviation t adds t^2/2 [f'(b) - f'(a)] to the bin from a to b; the
    numbers of docs/relaxations.md are those of this test.
    """
    grid = np.linspace(-9.0, 9.0, 3001)
    density = stats.norm.pdf(grid) * (grid[1] - grid[0])
    exact = stats.norm.cdf(0.5) - stats.norm.cdf(-0.5)
    spread = 1.0 if kernel == "gaussian" else np.pi / np.sqrt(3.0)
    leading = -0.5 * stats.norm.pdf(0.5)  # [f'(b) - f'(a)]/2
    for bandwidth in (0.05, 0.1, 0.2):
        counts = relax.histogram(grid, [-0.5, 0.5], bandwidth, weights=density, kernel=kernel)
        bias = counts.counts[0] - exact
        deviation = bandwidth * spread
        assert bias == pytest.approx(leading * deviation**2, rel=1.5 * deviation**2)
        if kernel == "gaussian":
            width = np.sqrt(1.0 + bandwidth**2)  # the convolution is normal too
            convolved = stats.norm.cdf(0.5 / width) - stats.norm.cdf(-0.5 / width)
            assert counts.counts[0] == pytest.approx(convolved, rel=1e-12)
            assert bias / exact == pytest.approx(-0.46 * bandwidth**2, rel=0.05)


def test_bias_of_a_falling_spectrum() -> None:
    """exp(-x) stays exponential: every bin gains the factor exp(s^2/2), away from the start."""
    grid = np.linspace(0.0, 30.0, 6001)
    density = np.exp(-grid) * (grid[1] - grid[0])
    edges = np.array([4.0, 5.0, 6.5, 7.0])
    exact = np.exp(-edges[:-1]) - np.exp(-edges[1:])
    for bandwidth in (0.1, 0.3):
        counts = relax.histogram(grid, edges, bandwidth, weights=density).counts
        np.testing.assert_allclose(counts / exact, np.exp(bandwidth**2 / 2), rtol=1e-5)


@pytest.mark.parametrize(("kernel", "keep"), list(itertools.product(KERNELS, ("above", "below"))))
def test_cuts(rng: np.random.Generator, kernel: str, keep: str) -> None:
    inputs: dict[str, Array] = {
        "values": rng.normal(size=(7, 30)),
        "threshold": rng.normal(size=(7, 1)),
        "width": rng.uniform(0.1, 1.0, size=30),
    }

    def cut(moved: dict[str, Array]) -> relax.SoftCut:
        return relax.cut(**moved, keep=keep, kernel=kernel)

    passed = cut(inputs)
    z = (inputs["values"] - inputs["threshold"]) / inputs["width"]
    expected = CUMULATIVE[kernel](z if keep == "above" else -z)
    np.testing.assert_allclose(passed.weights, expected, rtol=1e-12, atol=1e-16)
    cotangents = rng.normal(size=(7, 30))
    gradients = passed.vjp(cotangents)
    for name, array in inputs.items():
        direction = rng.normal(size=array.shape)

        def along(h: float, name: str = name, direction: Array = direction) -> Array:
            return cut(inputs | {name: inputs[name] + h * direction}).weights

        change = passed.jvp(**{name: direction})
        assert difference_error(along, change) < 1e-7
        total = float(np.sum(getattr(gradients, name) * direction))
        assert total == pytest.approx(float(np.sum(cotangents * change)), rel=1e-11)
    hard = cut(inputs | {"width": np.zeros(())})
    np.testing.assert_array_equal(hard.weights, (z >= 0) if keep == "above" else (z < 0))
    assert not hard.vjp(1.0).threshold.any()


def test_choices(rng: np.random.Generator) -> None:
    inputs: dict[str, Array] = {
        "values": rng.normal(size=20),
        "threshold": np.array(0.2),
        "width": np.array(0.3),
        "above": rng.normal(size=(3, 20)),
        "below": np.array(1.5),
    }
    choice = relax.where(**inputs)
    share = stats.logistic.cdf((inputs["values"] - 0.2) / 0.3)
    expected = share * inputs["above"] + (1 - share) * 1.5
    np.testing.assert_allclose(choice.result, expected, rtol=1e-12)
    cotangents = rng.normal(size=(3, 20))
    gradients = choice.vjp(cotangents)
    for name, array in inputs.items():
        direction = rng.normal(size=array.shape)

        def along(h: float, name: str = name, direction: Array = direction) -> Array:
            moved = inputs | {name: inputs[name] + h * direction}
            return relax.where(**moved).result

        change = choice.jvp(**{name: direction})
        assert difference_error(along, change) < 1e-7
        by_name = getattr(gradients, name)
        assert by_name.shape == array.shape
        total = float(np.sum(by_name * direction))
        assert total == pytest.approx(float(np.sum(cotangents * change)), rel=1e-11)
    hard = relax.where(inputs["values"], 0.2, 0.0, inputs["above"], 1.5).result
    np.testing.assert_array_equal(hard, np.where(inputs["values"] >= 0.2, inputs["above"], 1.5))


def test_results_are_frozen_and_survive_json(rng: np.random.Generator) -> None:
    spread = relax.histogram(rng.normal(size=5), EDGES, 0.1, outside="separate")
    assert SoftHistogram.from_json(spread.to_json()) == spread
    np.testing.assert_array_equal(
        SoftHistogram.from_json(spread.to_json()).vjp(1.0).values, spread.vjp(1.0).values
    )
    with pytest.raises(ValueError, match="read-only"):
        spread.counts[0] = 1.0
    text = repr(spread)
    assert text.splitlines()[0] == "Histogram of 5 events, gaussian kernel, bandwidth 0.1"
    assert len(text.splitlines()) == 4 + 6
    assert "<table>" in spread._repr_html_()
    assert "of 2 pass" in repr(relax.cut([0.0, 1.0], 0.5, 0.0))
    assert "2 results" in repr(relax.where([0.0, 1.0], 0.5, 0.0, 1.0, 2.0))


def test_no_events_give_empty_bins() -> None:
    spread = relax.histogram([], EDGES, 0.1)
    np.testing.assert_array_equal(spread.counts, np.zeros(4))
    assert spread.vjp(1.0).values.shape == (0,)


def spoiled(**changes: object) -> Callable[[], object]:
    arguments: dict[str, object] = {"values": [0.1, 0.2], "edges": [0.0, 1.0], "bandwidth": 0.1}
    return lambda: relax.histogram(**(arguments | changes))


@pytest.mark.parametrize(
    ("call", "location", "message"),
    [
        (spoiled(values=[0.0, np.nan]), "values[1]", "finite"),
        (spoiled(weights=[np.inf, 1.0]), "weights[0]", "finite"),
        (spoiled(edges=[0.0, 1.0, 1.0]), "edges[2]", "increase"),
        (spoiled(edges=[0.0]), "edges", "at least 2"),
        (spoiled(bandwidth=-0.1), "bandwidth[0]", "not negative"),
        (spoiled(bandwidth=[0.1, 0.1, 0.1]), "bandwidth", "expected 2 values, got 3"),
        (spoiled(weights=[1.0]), "weights", r"got shape \(1,\)"),
        (spoiled(weights=[[[1.0]]]), "weights", "axes"),
        (spoiled(values=[[0.1], [0.2]], weights=[[1.0]]), "weights", "one per value"),
        (spoiled(values=0.3), "values", "axes"),
        (spoiled(kernel="box"), "kernel", "'gaussian' or 'logistic'"),
        (spoiled(outside="keep"), "outside", "'separate'"),
        (spoiled(n_threads=0), "n_threads", "positive"),
        (lambda: relax.histogram([0.1], [0, 1], 0.1).vjp([1.0, 2.0]), "cotangents", "shape"),
        (lambda: relax.histogram([0.1], [0, 1], 0.1).jvp(edges=[1.0]), "edges", "shape"),
        (lambda: relax.cut([0.1, np.nan], 0.0, 0.1), "values", "finite"),
        (lambda: relax.cut([0.1], np.nan, 0.1), "threshold", "finite"),
        (lambda: relax.cut([0.1], 0.0, -0.1), "width[0]", "not negative"),
        (lambda: relax.cut([0.1, 0.2], [0.0, 0.1, 0.2], 0.1), "values", "broadcast"),
        (lambda: relax.cut([0.1], 0.0, 0.1, keep="left"), "keep", "'above'"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], location: str, message: str) -> None:
    with pytest.raises(nf.ArgumentError, match=message) as caught:
        call()
    assert caught.value.location == location
