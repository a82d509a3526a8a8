"""Optimise a cut and a binning of a search with two channels, from events to uncertainty.

Events have a score and a missing momentum. A cut on the momentum divides them into a search region,
whose score is histogrammed, and a control region of one bin, which measures the background's
normalisation. Both move with the momentum scale, the score also with its own calibration; templates
have the statistical uncertainties of the simulation, so that bins cannot be arbitrarily fine. The
expected uncertainty of the signal strength is minimised in the threshold and all inner edges of the
score at once.

    python examples/differentiable/cut_and_binning.py --plot cut_and_binning.png
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from common import Array, Templates, adam, asimov_workspace, main

import nablafit as nf
from nablafit import relax

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N_BINS = 6
BANDWIDTH, WIDTH = 0.02, 4.0  # of the score; of the cut in GeV
EXPECTED = {"signal": 120.0, "top": 4000.0, "wjets": 6000.0}
SCALE_UNCERTAINTY, SCORE_UNCERTAINTY = 0.03, 0.02
VARIATIONS = {"scale": 0, "score": 1}


@dataclass(frozen=True)
class Sample:
    """Events of one process: score in [0, 1], missing momentum in GeV, shape (n_events,)."""

    score: Array
    momentum: Array
    weight: float


def simulate(n_events: int, seed: int) -> dict[str, Sample]:
    """Draw the same number of events for every process; all scores are beta distributed."""
    rng = np.random.default_rng(seed)
    shapes = {"signal": (6.0, 2.0, 90.0), "top": (2.5, 3.0, 45.0), "wjets": (1.5, 4.0, 30.0)}
    return {
        name: Sample(
            rng.beta(a, b, size=n_events),
            rng.gamma(2.0, momentum, size=n_events),
            EXPECTED[name] / n_events,
        )
        for name, (a, b, momentum) in shapes.items()
    }


@dataclass(frozen=True)
class Selection:
    """Threshold in GeV and edges of the score, from unconstrained parameters.

    The widths of the bins are a softmax of all but the first parameter, which keeps edges in order.
    """

    threshold: float
    edges: Array
    by_threshold: float
    by_edges: Array
    """Derivatives of the edges, shape (n_edges, n_bins)."""

    @classmethod
    def of(cls, x: Array) -> Selection:
        """Make the selection of parameters: log(threshold / 100 GeV), then one per bin."""
        threshold = 100.0 * float(np.exp(x[0]))
        shares = np.exp(x[1:] - x[1:].max())
        shares /= shares.sum()
        edges = np.concatenate([[0.0], np.cumsum(shares)])
        edges[-1] = 1.0
        softmax = np.diag(shares) - np.outer(shares, shares)
        by_edges = np.vstack([np.zeros(shares.size), np.cumsum(softmax, axis=0)])
        return cls(threshold, edges, threshold, by_edges)


Filled = dict[str, tuple[relax.SoftCut, relax.SoftHistogram]]


class Analysis:
    """Templates of a selection, and derivatives with respect to its parameters."""

    def __init__(self, samples: dict[str, Sample], *, bandwidth: float, width: float) -> None:
        self.samples = samples
        self.bandwidth, self.width = bandwidth, width

    def variations(self, sample: Sample) -> tuple[Array, Array]:
        """Return score and momentum in rows: nominal, scale up and down, score up and down."""
        up = np.array([0.0, 1.0, -1.0, 0.0, 0.0])[:, None] * SCALE_UNCERTAINTY
        calibration = np.array([0.0, 0.0, 0.0, 1.0, -1.0])[:, None] * SCORE_UNCERTAINTY
        score = sample.score + calibration * sample.score * (1.0 - sample.score)
        return score, sample.momentum * (1.0 + up)

    def fill(self, selection: Selection) -> Filled:
        """Cut and histogram all variations of each sample, and its squared weights."""
        filled = {}
        for name, sample in self.samples.items():
            score, momentum = self.variations(sample)
            passed = relax.cut(momentum, selection.threshold, self.width)
            weights = np.vstack([passed.weights, passed.weights[:1] ** 2])
            scores = np.vstack([score, score[:1]])
            spread = relax.histogram(
                scores, selection.edges, self.bandwidth, weights=weights, outside="fold"
            )
            filled[name] = passed, spread
        return filled

    def templates(self, filled: Filled) -> Templates:
        """Return the templates of all samples in both channels, in events."""
        values: Templates = {}
        for name, sample in self.samples.items():
            passed, spread = filled[name]
            for address, row in rows("search", name):
                values[address] = sample.weight * spread.counts[row]
            squares = sample.weight**2 * spread.counts[5]
            values[("search", name, "staterror", "search_stat")] = np.sqrt(squares)
            outside = sample.weight * (1.0 - passed.weights).sum(axis=1)
            for address, row in rows("control", name):
                values[address] = outside[row : row + 1]
        return values

    def pull_back(
        self, selection: Selection, filled: Filled, templates: Templates, gradient: Templates
    ) -> Array:
        """Return the derivatives with respect to the parameters of the selection."""
        by_threshold, by_edges = 0.0, np.zeros(selection.edges.size)
        for name, sample in self.samples.items():
            passed, spread = filled[name]
            cotangents = np.zeros_like(spread.counts)
            by_weight = np.zeros_like(passed.weights)
            for address, row in rows("search", name):
                cotangents[row] = sample.weight * gradient[address]
            error = ("search", name, "staterror", "search_stat")
            cotangents[5] = sample.weight**2 * 0.5 * gradient[error] / templates[error]
            for address, row in rows("control", name):
                by_weight[row] = -sample.weight * gradient[address][0]
            by = spread.vjp(cotangents)
            by_weight += by.weights[:5]
            by_weight[0] += by.weights[5] * 2.0 * passed.weights[0]
            by_threshold += float(passed.vjp(by_weight).threshold)
            by_edges += by.edges
        return np.concatenate(
            [[by_threshold * selection.by_threshold], by_edges @ selection.by_edges]
        )


def rows(channel: str, sample: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the addresses of nominal and varied templates, and their rows."""
    yield (channel, sample, "nominal"), 0
    for variation, i in VARIATIONS.items():
        for side, offset in (("high", 1), ("low", 2)):
            yield (channel, sample, "histosys", variation, side), 2 * i + offset


def make_model(templates: Templates) -> nf.Model:
    """Make the model with search and control region."""

    def modifiers(channel: str, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if name == "wjets":
            found.append({"name": "xsec", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8}})
        else:
            factor = "mu" if name == "signal" else "top_norm"
            found.append({"name": factor, "type": "normfactor", "data": None})
        for variation in VARIATIONS:
            high, low = (
                templates[(channel, name, "histosys", variation, side)].tolist()
                for side in ("high", "low")
            )
            data = {"hi_data": high, "lo_data": low}
            found.append({"name": variation, "type": "histosys", "data": data})
        error = templates.get((channel, name, "staterror", f"{channel}_stat"))
        if error is not None:
            found.append({"name": f"{channel}_stat", "type": "staterror", "data": error.tolist()})
        return found

    channels = [
        {
            "name": channel,
            "samples": [
                {
                    "name": name,
                    "data": templates[(channel, name, "nominal")].tolist(),
                    "modifiers": modifiers(channel, name),
                }
                for name in EXPECTED
            ],
        }
        for channel in ("search", "control")
    ]
    return asimov_workspace(channels)


@dataclass(frozen=True)
class Result:
    """Parameters of each step, and expected uncertainties of mu on independent events."""

    values: Array
    start: Selection
    chosen: Selection
    start_uncertainty: float
    chosen_uncertainty: float
    thresholds: Array
    scanned: Array
    """Uncertainties at `thresholds` with the chosen binning, ordinary cut and histogram."""


def uncertainty(analysis: Analysis, model: nf.Model, x: Array) -> tuple[float, Array]:
    """Return the expected uncertainty of mu and its gradient."""
    selection = Selection.of(x)
    filled = analysis.fill(selection)
    templates = analysis.templates(filled)
    inputs = model.inputs.vector(templates)
    found = nf.diff.expected_uncertainty(model, poi="mu", inputs=inputs)
    gradient = model.inputs.to_dict(found.inputs)
    return float(found), analysis.pull_back(selection, filled, templates, gradient)


def run(*, seed: int = 1, short: bool = False) -> Result:
    """Optimise threshold and edges; test them with ordinary histograms of independent events."""
    n_events = 12_000 if short else 30_000
    soft = Analysis(simulate(n_events, seed), bandwidth=BANDWIDTH, width=WIDTH)
    start = np.concatenate([[np.log(0.4)], np.zeros(N_BINS)])
    model = make_model(soft.templates(soft.fill(Selection.of(start))))

    descent = adam(
        lambda x, _: uncertainty(soft, model, x), start, steps=40 if short else 100, rate=0.15
    )
    hard = Analysis(simulate(n_events, seed + 1000), bandwidth=0.0, width=0.0)

    def judged(x: Array) -> float:
        templates = hard.templates(hard.fill(Selection.of(x)))
        inputs = model.inputs.vector(templates)
        return float(nf.diff.expected_uncertainty(model, poi="mu", inputs=inputs))

    best = descent.best
    thresholds = np.linspace(20.0, 250.0, 6 if short else 24)
    scan = [judged(np.concatenate([[np.log(t / 100.0)], best[1:]])) for t in thresholds]
    return Result(
        descent.values,
        Selection.of(start),
        Selection.of(best),
        judged(start),
        judged(best),
        thresholds,
        np.array(scan),
    )


def report(result: Result) -> str:
    """Describe the improvement."""
    gain = 1.0 - result.chosen_uncertainty / result.start_uncertainty

    def line(name: str, selection: Selection, uncertainty: float) -> str:
        edges = ", ".join(f"{edge:.3f}" for edge in selection.edges)
        return (
            f"{name}: threshold {selection.threshold:6.1f} GeV, edges {edges}: "
            f"uncertainty of mu {uncertainty:.4f}"
        )

    i = int(np.argmin(result.scanned))
    return "\n".join(
        [
            line("start ", result.start, result.start_uncertainty),
            line("chosen", result.chosen, result.chosen_uncertainty)
            + f" ({100 * gain:.0f} % less)",
            (
                f"scan of the threshold with these edges: {result.scanned[i]:.4f} "
                f"at {result.thresholds[i]:.0f} GeV"
            ),
            (
                "Uncertainties are those of ordinary cuts and histograms of independent events; "
                f"the optimiser saw {result.values[0]:.4f} and {result.values.min():.4f}."
            ),
        ]
    )


def plot(result: Result, path: Path) -> None:
    """Draw the descent, the scan of the threshold and the edges."""
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.0, 3.4), layout="constrained")
    left.plot(result.values, color="C0")
    left.set(xlabel="step", ylabel="expected uncertainty of $\\mu$ (relaxed)")
    middle.plot(result.thresholds, result.scanned, color="0.5", label="scan, chosen binning")
    middle.plot(result.start.threshold, result.start_uncertainty, "o", color="C3", label="start")
    middle.plot(
        result.chosen.threshold, result.chosen_uncertainty, "*", color="C0", ms=14, label="chosen"
    )
    middle.set(xlabel="threshold in GeV", ylabel="expected uncertainty of $\\mu$")
    middle.legend(frameon=False)
    for y, selection, colour in ((1.0, result.start, "C3"), (0.0, result.chosen, "C0")):
        right.vlines(selection.edges, y - 0.3, y + 0.3, color=colour)
    right.set(xlabel="score", yticks=[0.0, 1.0], yticklabels=["chosen", "start"], ylim=(-0.6, 1.6))
    right.set_title("edges of the bins", fontsize="medium")
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main(__doc__, run, report, plot)
