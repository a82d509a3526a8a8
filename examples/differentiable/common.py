"""Common parts of the examples of differentiable analyses: an optimiser, and a command line.

Each example maps its parameters to templates with `nablafit.relax`, puts them into a model by
address, takes the gradient of an objective of `nablafit.diff` with respect to all templates, and
propagates it back by the chain rule.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import nablafit as nf

Array = np.ndarray
Templates = dict[tuple[str, ...], Array]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Descent:
    """The path of an optimiser: the parameters at each step, and the objective there."""

    parameters: Array
    values: Array

    @property
    def best(self) -> Array:
        """Parameters with the lowest value."""
        best: Array = self.parameters[np.argmin(self.values)]
        return best


def adam(
    function: Callable[[Array, int], tuple[float, Array]],
    start: Array,
    *,
    steps: int,
    rate: float,
) -> Descent:
    """Minimise with Adam (Kingma, Ba, arXiv:1412.6980, Algorithm 1); the rate falls to a tenth.

    `function(parameters, step)` returns value and gradient; it may use a different batch of events
    in every step.
    """
    x = np.array(start, dtype=float)
    mean, square = np.zeros_like(x), np.zeros_like(x)
    parameters, values = [], []
    for step in range(steps):
        value, gradient = function(x, step)
        parameters.append(x.copy())
        values.append(value)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        scale = np.sqrt(square / (1.0 - 0.999 ** (step + 1))) + 1e-12
        falling = rate * 0.1 ** (step / steps)
        x = x - falling * mean / (1.0 - 0.9 ** (step + 1)) / scale
    return Descent(np.array(parameters), np.array(values))


def asimov_workspace(channels: list[dict[str, Any]], poi: str = "mu") -> nf.Model:
    """Make the model of a pyhf workspace whose observations equal its expectation."""
    observations = [
        {
            "name": channel["name"],
            "data": np.sum([sample["data"] for sample in channel["samples"]], axis=0).tolist(),
        }
        for channel in channels
    ]
    measurement = {"name": "measurement", "config": {"poi": poi, "parameters": []}}
    workspace = {
        "channels": channels,
        "observations": observations,
        "measurements": [measurement],
        "version": "1.0.0",
    }
    return nf.Workspace.load(workspace).model()


def main(
    description: str,
    run: Callable[..., Result],
    report: Callable[[Result], str],
    plot: Callable[[Result, Path], None],
) -> None:
    """Run an example with the options of its command line."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="fewer events and steps, for tests")
    parser.add_argument("--plot", type=Path, help="draw to this file; needs Matplotlib")
    options = parser.parse_args()
    result = run(seed=options.seed, short=options.short)
    print(report(result))
    if options.plot is not None:
        plot(result, options.plot)
