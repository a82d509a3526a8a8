"""Train a network on the expected CLs with a systematic uncertainty, and on cross-entropy.

The toy problem of neos (N. Simpson, L. Heinrich, "neos: End-to-End-Optimised Summary Statistics for
High Energy Physics", arXiv:2203.05570): signal and background are blobs in two dimensions, and the
background's systematic uncertainty moves it to two other places, one of them close to the signal.
The output of the network is histogrammed in three bins. A classifier learns to separate signal from
the nominal background, ignoring its variations; a network that is trained on CLs learns to avoid
the regions to which the background may move.

    python examples/differentiable/neos.py --plot neos.png
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from common import Array, Templates, adam, asimov_workspace, main
from network import Network, cross_entropy, sigmoid

import nablafit as nf
from nablafit import relax

if TYPE_CHECKING:
    from pathlib import Path

MEANS = {
    "signal": (-1.0, 1.0),
    "nominal": (1.0, -1.0),
    "high": (2.5, 2.0),
    "low": (-2.5, -1.5),
}
EXPECTED = {"signal": 20.0, "background": 100.0}
EDGES = np.linspace(0.0, 1.0, 4)
BANDWIDTH = 0.08
VARIATION = ("output", "background", "histosys", "place")
ADDRESSES: dict[str, tuple[str, ...]] = {
    "signal": ("output", "signal", "nominal"),
    "nominal": ("output", "background", "nominal"),
    "high": (*VARIATION, "high"),
    "low": (*VARIATION, "low"),
}

Blobs = dict[str, Array]


def simulate(n_events: int, seed: int) -> Blobs:
    """Draw events of unit covariance around each mean, shape (n_events, 2)."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(n_events, 2)) + mean for name, mean in MEANS.items()}


def some(blobs: Blobs, n_events: int, seed: int) -> Blobs:
    """Return a random part of each blob."""
    rng = np.random.default_rng(seed)
    return {name: rng.choice(events, size=n_events) for name, events in blobs.items()}


def make_model() -> nf.Model:
    """Make the model of three bins; its numbers are exchanged afterwards."""
    flat = [EXPECTED["background"] / 3.0] * 3
    shape = {"hi_data": flat, "lo_data": flat}
    signal = {
        "name": "signal",
        "data": [EXPECTED["signal"] / 3.0] * 3,
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    background = {
        "name": "background",
        "data": flat,
        "modifiers": [{"name": "place", "type": "histosys", "data": shape}],
    }
    return asimov_workspace([{"name": "output", "samples": [signal, background]}])


class Analysis:
    """From the weights of the network to templates and CLs."""

    def __init__(self) -> None:
        self.network = Network((2, 20, 20, 1))
        self.model = make_model()

    def templates(self, weights: Array, blobs: Blobs, bandwidth: float = 0.0) -> Templates:
        """Return templates in events, by default from ordinary histograms."""
        return {
            ADDRESSES[name]: self.fill(weights, events, bandwidth)[1].counts
            * per_event(name, events)
            for name, events in blobs.items()
        }

    def fill(
        self, weights: Array, events: Array, bandwidth: float
    ) -> tuple[list[Array], relax.SoftHistogram]:
        """Return the layers of the network and the histogram of its output for one blob."""
        layers = self.network.evaluate(weights, events)
        output = sigmoid(layers[-1][:, 0])
        return layers, relax.histogram(output, EDGES, bandwidth, outside="fold")

    def log_cls(self, weights: Array, blobs: Blobs) -> tuple[float, Array]:
        """Return log of the expected CLs at mu = 1, and its gradient in the weights."""
        filled = {name: self.fill(weights, events, BANDWIDTH) for name, events in blobs.items()}
        templates = {
            ADDRESSES[name]: spread.counts * per_event(name, blobs[name])
            for name, (_, spread) in filled.items()
        }
        cls = nf.diff.cls(self.model, mu=1.0, inputs=self.model.inputs.vector(templates))
        gradient = self.model.inputs.to_dict(cls.inputs / cls.value)
        total = np.zeros_like(weights)
        for name, (layers, spread) in filled.items():
            cotangents = gradient[ADDRESSES[name]] * per_event(name, blobs[name])
            output = spread.values
            by_logit = spread.vjp(cotangents).values * output * (1.0 - output)
            total += self.network.pull_back(weights, layers, by_logit[:, None])
        return float(np.log(cls.value)), total


def per_event(name: str, events: Array) -> float:
    """Return the weight of one event."""
    return EXPECTED["signal" if name == "signal" else "background"] / len(events)


@dataclass(frozen=True)
class Verdict:
    """The performance of a network with ordinary histograms of independent events."""

    weights: Array
    templates: Templates
    cls: float
    limit: float
    uncertainty: float


def judge(analysis: Analysis, weights: Array, blobs: Blobs) -> Verdict:
    """Evaluate a network: CLs at mu = 1, limit, and uncertainty of mu, all expected."""
    templates = analysis.templates(weights, blobs)
    inputs = analysis.model.inputs.vector(templates)
    return Verdict(
        weights,
        templates,
        float(nf.diff.cls(analysis.model, mu=1.0, inputs=inputs)),
        float(nf.diff.upper_limit(analysis.model, inputs=inputs)),
        float(nf.diff.expected_uncertainty(analysis.model, poi="mu", inputs=inputs)),
    )


@dataclass(frozen=True)
class Result:
    """The descent in log CLs and both networks."""

    losses: Array
    entropy: Verdict
    cls: Verdict


def run(*, seed: int = 1, short: bool = False) -> Result:
    """Train both networks from the same start and test them."""
    n_events, batch, steps = (4_000, 1_000, 60) if short else (40_000, 4_000, 300)
    analysis = Analysis()
    blobs, test = simulate(n_events, seed), simulate(2 * n_events, seed + 1000)
    start = analysis.network.initial(seed)

    def entropy(weights: Array, i: int) -> tuple[float, Array]:
        events = some(blobs, batch, i)
        return cross_entropy(analysis.network, weights, events["signal"], events["nominal"])

    classifier = adam(entropy, start, steps=steps, rate=0.01).parameters[-1]
    descent = adam(
        lambda weights, i: analysis.log_cls(weights, some(blobs, batch, i)),
        start,
        steps=steps,
        rate=0.01,
    )
    return Result(
        descent.values,
        judge(analysis, classifier, test),
        judge(analysis, descent.parameters[-1], test),
    )


def report(result: Result) -> str:
    """Describe the improvement."""
    lines = [
        f"{'expected, ordinary histograms':32}{'CLs(mu=1)':>12}{'limit':>10}{'error of mu':>13}"
    ]
    for name, verdict in (("cross-entropy", result.entropy), ("trained on CLs", result.cls)):
        lines.append(
            f"{name:32}{verdict.cls:12.2e}{verdict.limit:10.3f}{verdict.uncertainty:13.3f}"
        )
    gain = 1.0 - result.cls.limit / result.entropy.limit
    lines.append(f"Training on CLs lowers the expected limit by {100 * gain:.0f} %.")
    return "\n".join(lines)


def plot(result: Result, path: Path) -> None:
    """Draw the outputs of both networks, and the descent."""
    import matplotlib.pyplot as plt

    network = Analysis().network
    grid = np.linspace(-5.0, 5.0, 200)
    points = np.stack(np.meshgrid(grid, grid), axis=-1)
    figure, axes = plt.subplots(1, 3, figsize=(12.0, 3.8), layout="constrained")
    for axis, verdict, title in (
        (axes[0], result.entropy, "cross-entropy"),
        (axes[1], result.cls, "trained on CLs"),
    ):
        output = sigmoid(network.evaluate(verdict.weights, points)[-1][..., 0])
        colours = axis.contourf(grid, grid, output, levels=np.linspace(0.0, 1.0, 13), cmap="RdBu_r")
        for name, mean in MEANS.items():
            circle = plt.Circle(
                mean, 1.0, fill=False, color="k", ls="-" if name == "signal" else ":"
            )
            axis.add_patch(circle)
            label = name if name == "signal" else f"background, {name}"
            box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.0}
            axis.annotate(label, mean, ha="center", va="center", fontsize="xx-small", bbox=box)
        axis.set(title=f"{title}: limit {verdict.limit:.2f}", aspect="equal")
    figure.colorbar(colours, ax=axes[:2], label="output", shrink=0.9)
    axes[2].plot(np.exp(result.losses), color="C0", lw=1, label="training, relaxed")
    axes[2].axhline(result.entropy.cls, color="C3", ls="--", label="cross-entropy")
    axes[2].axhline(result.cls.cls, color="C0", ls="--", label="trained on CLs")
    axes[2].set(yscale="log", xlabel="step", ylabel="expected CLs at $\\mu = 1$")
    axes[2].legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main(__doc__, run, report, plot)
