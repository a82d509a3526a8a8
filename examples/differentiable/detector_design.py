"""Balance the resolution of a detector and its cost, with the gradient of the expected limit.

The search is for a narrow resonance at 125 GeV on a falling spectrum. The finer the calorimeter is
segmented, the better it measures:

    resolution^2 = (0.8 GeV)^2 + (3.2 GeV)^2 / segments

but money spent on segments is not available for running: the budget pays for `1 - segments/10` of
the full luminosity. The limit on the signal depends on both, and on the systematic uncertainties of
resolution and background shape. Its gradient with respect to the number of segments comes from the
simulated events: each has a true mass and a smearing drawn once, and the measured mass moves with
the resolution.

    python examples/differentiable/detector_design.py --plot detector_design.png
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from common import Array, Templates, adam, asimov_workspace, main

import nablafit as nf
from nablafit import relax

if TYPE_CHECKING:
    from pathlib import Path

EDGES = np.linspace(105.0, 145.0, 41)  # GeV
BANDWIDTH = 0.3  # GeV
SIGNAL_EVENTS, BACKGROUND_EVENTS = 60.0, 4000.0  # at full luminosity
CONSTANT_TERM, SAMPLING_TERM, MOST_SEGMENTS = 0.8, 3.2, 10.0
SMEARING_UNCERTAINTY, SLOPE_UNCERTAINTY = 0.15, 0.002
CHANNEL = "mass"


@dataclass(frozen=True)
class Events:
    """True masses in GeV, and their smearing in units of the resolution."""

    background: Array
    signal_smearing: Array
    background_smearing: Array


def simulate(n_events: int, seed: int) -> Events:
    """Draw events: the background falls from 85 to 165 GeV, with a decay length of 30 GeV."""
    rng = np.random.default_rng(seed)
    uniform = rng.uniform(size=n_events)
    low, high = np.exp(-85.0 / 30.0), np.exp(-165.0 / 30.0)
    background = -30.0 * np.log(low - uniform * (low - high))
    return Events(background, rng.normal(size=n_events), rng.normal(size=n_events))


def resolution(segments: float) -> tuple[float, float]:
    """Return the resolution in GeV and its derivative with respect to the number of segments."""
    sigma = float(np.hypot(CONSTANT_TERM, SAMPLING_TERM / np.sqrt(segments)))
    return sigma, -0.5 * (SAMPLING_TERM / segments) ** 2 / sigma


class Design:
    """The analysis as a function of the number of segments."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.model = make_model(self.templates(4.0, BANDWIDTH)[0])

    def templates(self, segments: float, bandwidth: float) -> tuple[Templates, Templates]:
        """Return templates in events, and their derivatives with respect to the segments."""
        events = self.events
        sigma, slope = resolution(segments)
        luminosity = 1.0 - segments / MOST_SEGMENTS
        n = events.background.size

        factors = np.array([1.0, 1.0 + SMEARING_UNCERTAINTY, 1.0 - SMEARING_UNCERTAINTY])
        smearing = factors[:, None] * events.signal_smearing
        signal = relax.histogram(125.0 + sigma * smearing, EDGES, bandwidth)
        tilt = SLOPE_UNCERTAINTY * (events.background - 125.0)
        weights = np.stack([np.ones(n), 1.0 + tilt, 1.0 - tilt])
        measured = events.background + sigma * events.background_smearing
        background = relax.histogram(measured, EDGES, bandwidth, weights=weights)

        values, slopes = {}, {}
        for name, spread, moved, n_expected in (
            ("signal", signal, smearing, SIGNAL_EVENTS),
            ("background", background, events.background_smearing, BACKGROUND_EVENTS),
        ):
            per_event = n_expected / n
            change = spread.jvp(values=moved * slope)
            addresses = template_addresses(name)
            for i, address in enumerate(addresses):
                values[address] = per_event * luminosity * spread.counts[i]
                slopes[address] = per_event * (
                    luminosity * change[i] - spread.counts[i] / MOST_SEGMENTS
                )
        return values, slopes

    def limit(self, segments: float, bandwidth: float = 0.0) -> float:
        """Return the expected limit, by default with ordinary histograms."""
        templates = self.templates(segments, bandwidth)[0]
        return float(nf.diff.upper_limit(self.model, inputs=self.model.inputs.vector(templates)))

    def log_limit_and_slope(self, segments: float) -> tuple[float, float]:
        """Return log(limit) of the relaxed analysis and its derivative."""
        values, slopes = self.templates(segments, BANDWIDTH)
        limit = nf.diff.upper_limit(self.model, inputs=self.model.inputs.vector(values))
        gradient = self.model.inputs.to_dict(limit.inputs)
        slope = sum(float(gradient[address] @ slopes[address]) for address in slopes)
        return float(np.log(float(limit))), slope / float(limit)


def template_addresses(sample: str) -> list[tuple[str, ...]]:
    """Return the addresses of the nominal, up and down template of a sample."""
    name = {"signal": "smearing", "background": "slope"}[sample]
    variation = (CHANNEL, sample, "histosys", name)
    return [(CHANNEL, sample, "nominal"), (*variation, "high"), (*variation, "low")]


def make_model(templates: Templates) -> nf.Model:
    """Make the model: signal strength, free background, and two shape uncertainties."""

    def sample(name: str, factor: str, variation: str) -> dict[str, object]:
        nominal, high, low = (templates[a].tolist() for a in template_addresses(name))
        shape = {"hi_data": high, "lo_data": low}
        modifiers = [
            {"name": factor, "type": "normfactor", "data": None},
            {"name": variation, "type": "histosys", "data": shape},
        ]
        return {"name": name, "data": nominal, "modifiers": modifiers}

    samples = [
        sample("signal", "mu", "smearing"),
        sample("background", "background_norm", "slope"),
    ]
    return asimov_workspace([{"name": CHANNEL, "samples": samples}])


@dataclass(frozen=True)
class Result:
    """The path of the optimiser, and limits with ordinary histograms on a scan."""

    path: Array
    scanned: Array
    limits: Array
    start_limit: float
    best_limit: float

    @property
    def segments(self) -> float:
        """The chosen number of segments."""
        return float(self.path[-1])


def run(*, seed: int = 1, short: bool = False) -> Result:
    """Optimise from a coarse detector, and scan for comparison."""
    design = Design(simulate(5_000 if short else 30_000, seed))

    def objective(x: Array, _: int) -> tuple[float, Array]:
        value, slope = design.log_limit_and_slope(float(np.exp(x[0])))
        return value, np.array([slope * np.exp(x[0])])

    start = 0.3
    descent = adam(objective, np.array([np.log(start)]), steps=25 if short else 40, rate=0.25)
    path = np.exp(descent.parameters[:, 0])
    scanned = np.geomspace(0.2, 9.0, 12 if short else 40)
    limits = np.array([design.limit(s) for s in scanned])
    return Result(path, scanned, limits, design.limit(start), design.limit(float(path[-1])))


def report(result: Result) -> str:
    """Describe the improvement."""
    scan_best = result.scanned[np.argmin(result.limits)]
    gain = 1.0 - result.best_limit / result.start_limit
    return "\n".join(
        [
            (
                f"start:    {result.path[0]:.2f} segments, resolution "
                f"{resolution(result.path[0])[0]:.2f} GeV, expected limit {result.start_limit:.3f}"
            ),
            (
                f"chosen:   {result.segments:.2f} segments, resolution "
                f"{resolution(result.segments)[0]:.2f} GeV, expected limit {result.best_limit:.3f} "
                f"({100 * gain:.0f} % lower), {result.path.size} steps"
            ),
            (
                f"scan:     best of {result.scanned.size} points at {scan_best:.2f} segments, "
                f"expected limit {result.limits.min():.3f}"
            ),
            f"Limits are of ordinary histograms; the optimiser saw a bandwidth of {BANDWIDTH} GeV.",
        ]
    )


def plot(result: Result, path: Path) -> None:
    """Draw the limit against the segments, and the steps of the optimiser."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    left.plot(result.scanned, result.limits, color="0.5", label="scan, ordinary histograms")
    left.plot(result.path[0], result.start_limit, "o", color="C3", label="start")
    left.plot(
        result.segments, result.best_limit, "*", color="C0", ms=14, label="chosen by gradient"
    )
    left.set(xscale="log", xlabel="segments", ylabel="expected 95 % CLs limit on signal strength")
    left.set_xticks([0.2, 0.5, 1, 2, 5, 9], labels=["0.2", "0.5", "1", "2", "5", "9"])
    left.legend(frameon=False)
    right.plot(result.path, ".-", color="C0")
    right.set(xlabel="step", ylabel="segments")
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main(__doc__, run, report, plot)
