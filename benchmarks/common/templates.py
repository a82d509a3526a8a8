"""A model that iminuit's cost functions can hold: templates with free normalisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from iminuit import Minuit
from iminuit.cost import ExtendedBinnedNLL, Template

import nablafit as nf
from nablafit import spec as s

from .run import Stopwatch, Task, to_record

BINS, EVENTS = 100, (2000.0, 3000.0, 800.0)


def make_templates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return edges, templates of unit sum, and Poisson data."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    x = 0.5 * (edges[1:] + edges[:-1])
    shapes = np.array([np.exp(-3.0 * x), np.ones_like(x), np.exp(-0.5 * ((x - 0.6) / 0.05) ** 2)])
    shapes /= shapes.sum(axis=1, keepdims=True)
    counts = np.random.default_rng(3).poisson(np.array(EVENTS) @ shapes).astype(float)
    return edges, shapes, counts


def make_likelihood(shapes: np.ndarray, counts: np.ndarray) -> nf.Likelihood:
    names = [f"n{i}" for i in range(len(shapes))]
    samples = [
        s.Sample(name, shape, [s.NormFactor(name, name)])
        for name, shape in zip(names, shapes, strict=True)
    ]
    parameters = [s.Parameter(name, float(counts.sum()) / 3, 0.0, 1e6) for name in names]
    model = nf.Model(s.ModelSpec("templates", [s.Channel("c", samples)], parameters))
    return model.likelihood(nf.Data(counts, np.empty(0)))


def migrad(cost: Any, start: np.ndarray) -> Minuit:  # noqa: ANN401
    minuit = Minuit(cost, *start)
    minuit.limits = (0.0, 1e6)
    minuit.migrad()
    minuit.hesse()
    return minuit


def measure_templates(stopwatch: Stopwatch) -> dict[str, Any]:
    """Fit with nablafit and with iminuit's costs, with and without gradient."""
    edges, shapes, counts = make_templates()
    likelihood = make_likelihood(shapes, counts)
    start = np.array(likelihood.model.initial)
    cumulative = np.concatenate([np.zeros((len(shapes), 1)), np.cumsum(shapes, axis=1)], axis=1)

    def cdf(_: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        return a * cumulative[0] + b * cumulative[1] + c * cumulative[2]

    def slopes(_: np.ndarray, a: float, b: float, c: float) -> np.ndarray:  # noqa: ARG001
        return cumulative

    costs = {
        "iminuit ExtendedBinnedNLL": ExtendedBinnedNLL(counts, edges, cdf),
        "iminuit ExtendedBinnedNLL, gradient": ExtendedBinnedNLL(counts, edges, cdf, grad=slopes),
        # The templates as exact as it takes: 1e8 simulated events for one of data.
        "iminuit Template": Template(counts, edges, [1e8 * shape for shape in shapes]),
    }
    found: dict[str, tuple[np.ndarray, bool]] = {}

    def ours(minimizer: str) -> Callable[[], None]:
        def call() -> None:
            result = nf.fit(likelihood, minimizer=minimizer)
            found[f"nablafit {minimizer}"] = (result.x, bool(result.valid))

        return call

    def theirs(name: str) -> Callable[[], None]:
        def call() -> None:
            minuit = migrad(costs[name], start)
            found[name] = (np.array(minuit.values), bool(minuit.valid))

        return call

    tasks = {f"nablafit {name}": Task(ours(name)) for name in ("newton", "minuit")}
    tasks |= {name: Task(theirs(name)) for name in costs}
    times = stopwatch.measure(tasks)
    minima = {name: 2.0 * likelihood(x) for name, (x, _) in found.items()}
    fits = {
        name: {
            "seconds": to_record(times[name]),
            "above_lowest": minima[name] - min(minima.values()),
            "valid": found[name][1],
        }
        for name in found
    }
    return {"bins": BINS, "samples": len(shapes), "fits": fits}
