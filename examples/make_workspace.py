"""Write multichannel.json: a search for a heavy resonance in events with one lepton and jets.

Two signal regions (two and three b-jets) hold the mass spectrum of the resonance candidate in 16
and 12 bins. One control region each determines the normalisation of top pairs and of W bosons with
jets; a validation region with little signal lies between them. Single top and dibosons come from
simulation and theory, misidentified leptons from data. Everything is generated from formulas and
one seed; the pseudo-data contain a signal of the predicted strength.

    python examples/make_workspace.py [OUTPUT]
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20240611
LUMI_UNCERTAINTY = 0.0083
SIGNAL_STRENGTH = 1.0
SIGNAL_MASS, SIGNAL_WIDTH = 900.0, 100.0  # GeV
SIGNIFICANT_DIGITS = 6

Vector = np.ndarray
Modifier = dict[str, Any]


@dataclass(frozen=True)
class Region:
    """Edges of the mass bins in GeV, and expected events by sample."""

    name: str
    edges: Vector
    events: dict[str, float]


@dataclass(frozen=True)
class Spectrum:
    """A density of the mass m in GeV, m^power exp(-m / slope), or a Gaussian peak.

    `weight` is the weight of one simulated event (of one event of the sideband, for misidentified
    leptons): it sets the statistical uncertainty of the template.
    """

    slope: float
    power: float
    weight: float
    peak: tuple[float, float] | None = None

    def shares(self, edges: Vector, scale: float = 1.0, smear: float = 1.0) -> Vector:
        """Return the fraction in every bin if measured masses are `scale` times too large.

        `smear` multiplies the width of a peak. The first and last bin include what lies outside.
        """
        bounds = edges / scale
        if self.peak is not None:
            mean, width = self.peak
            cdf = np.array(
                [0.5 * math.erfc((mean - m) / (math.sqrt(2.0) * width * smear)) for m in bounds]
            )
        else:
            grid = np.linspace(270.0, 6000.0, 5731)
            density = (grid / 500.0) ** self.power * np.exp(-grid / (self.slope * smear))
            cdf = np.interp(bounds, grid, np.cumsum(density) / np.sum(density))
        cdf[0], cdf[-1] = 0.0, 1.0
        return np.diff(cdf)


SPECTRA = {
    "signal": Spectrum(0.0, 0.0, 0.02, peak=(SIGNAL_MASS, SIGNAL_WIDTH)),
    "ttbar": Spectrum(150.0, 1.6, 0.25),
    "wjets": Spectrum(190.0, 1.0, 0.5),
    "single_top": Spectrum(165.0, 1.3, 0.2),
    "diboson": Spectrum(200.0, 1.0, 0.1),
    "fakes": Spectrum(120.0, 1.0, 0.3),
}

REGIONS = (
    Region(
        "SR_2b",
        np.linspace(300.0, 1500.0, 17),
        {
            "signal": 34.0, "ttbar": 1450.0, "wjets": 620.0, "single_top": 210.0, "diboson": 64.0,
            "fakes": 95.0,
        },
    ),
    Region(
        "SR_3b",
        np.linspace(300.0, 1500.0, 13),
        {
            "signal": 20.0, "ttbar": 480.0, "wjets": 60.0, "single_top": 44.0, "diboson": 9.0,
            "fakes": 21.0,
        },
    ),
    Region(
        "CR_ttbar",
        np.array([300.0, 450.0, 600.0, 750.0, 1000.0, 1500.0]),
        {"ttbar": 8200.0, "wjets": 390.0, "single_top": 520.0, "diboson": 38.0, "fakes": 160.0},
    ),
    Region(
        "CR_wjets",
        np.array([300.0, 450.0, 600.0, 750.0, 1000.0, 1500.0]),
        {"ttbar": 900.0, "wjets": 11800.0, "single_top": 310.0, "diboson": 480.0, "fakes": 900.0},
    ),
    Region(
        "VR",
        np.array([300.0, 450.0, 600.0, 800.0, 1500.0]),
        {
            "signal": 3.0, "ttbar": 1900.0, "wjets": 1750.0, "single_top": 190.0, "diboson": 96.0,
            "fakes": 210.0,
        },
    ),
)  # fmt: skip

NORM_FACTORS = {"signal": "mu_signal", "ttbar": "mu_ttbar", "wjets": "mu_wjets"}
SIMULATED = ("signal", "ttbar", "wjets", "single_top", "diboson")
FROM_THEORY = ("signal", "single_top", "diboson")  # normalised to luminosity times cross section

# Relative uncertainties on the number of events: (up, down).
CROSS_SECTIONS = {"single_top": (0.054, -0.050), "diboson": (0.10, -0.10)}
B_JETS = {"SR_2b": 2.0, "SR_3b": 3.0, "CR_ttbar": 2.0, "CR_wjets": 0.3, "VR": 1.0}
B_TAGGING_PER_JET = {"signal": 0.022, "ttbar": 0.014, "single_top": 0.015}
MISTAGGING_PER_JET = {"wjets": 0.06, "diboson": 0.05}
EXTRAPOLATION = {  # from the control region of the sample
    "ttbar": {"SR_2b": 0.05, "SR_3b": 0.12, "CR_wjets": 0.08, "VR": 0.05},
    "wjets": {"SR_2b": 0.08, "SR_3b": 0.20, "CR_ttbar": 0.10, "VR": 0.06},
}
# True values of the nuisance parameters in the pseudo-data, in standard deviations.
TRUE_PARAMETERS = {"jet_energy_scale": 0.6, "b_tagging": -0.5, "ttbar_generator": 0.8}
TRUE_NORMS = {"ttbar": 1.06, "wjets": 0.93}


def norm_sys(name: str, up: float, down: float) -> Modifier:
    """Return a modifier that multiplies by 1 + up or 1 + down at one standard deviation."""
    return {
        "name": name,
        "type": "normsys",
        "data": {"hi": rounded(1 + up), "lo": rounded(1 + down)},
    }


def norm_and_shape(name: str, nominal: Vector, up: Vector, down: Vector) -> list[Modifier]:
    """Split ratios to the nominal template into a normalisation and a shape of the same name."""
    total = np.sum(nominal)
    high, low = np.sum(nominal * up) / total, np.sum(nominal * down) / total
    shapes = {"hi_data": nominal * up / high, "lo_data": nominal * down / low}
    data = {key: [rounded(x) for x in shape] for key, shape in shapes.items()}
    return [
        {"name": name, "type": "histosys", "data": data},
        norm_sys(name, high - 1, low - 1),
    ]


def normalisation_modifiers(sample: str, region: Region) -> list[Modifier]:
    """Return norm factors, luminosity and uncertainties that change only the number of events."""
    modifiers: list[Modifier] = []
    if sample in NORM_FACTORS:
        modifiers.append({"name": NORM_FACTORS[sample], "type": "normfactor", "data": None})
    if sample in FROM_THEORY:
        modifiers.append({"name": "lumi", "type": "lumi", "data": None})
    if sample in SIMULATED:
        modifiers.append(norm_sys("lepton_efficiency", 0.011, -0.011))
    if sample in CROSS_SECTIONS:
        modifiers.append(norm_sys(f"xsec_{sample}", *CROSS_SECTIONS[sample]))
    jets = B_JETS[region.name]
    for name, table in (("b_tagging", B_TAGGING_PER_JET), ("mistagging", MISTAGGING_PER_JET)):
        if sample in table:
            up = jets * table[sample]
            modifiers.append(norm_sys(name, up, -0.95 * up))
    if sample in EXTRAPOLATION and region.name in EXTRAPOLATION[sample]:
        up = EXTRAPOLATION[sample][region.name]
        modifiers.append(norm_sys(f"{sample}_extrapolation", up, -0.9 * up))
    if sample == "signal":
        modifiers.append(norm_sys("signal_acceptance", 0.04, -0.035))
    if sample == "fakes":
        modifiers.append(norm_sys("fakes_nonclosure", 0.25, -0.22))
    return modifiers


def shape_ratios(sample: str, edges: Vector) -> dict[str, tuple[Vector, Vector]]:
    """Return templates with a systematic effect, up and down, divided by those without."""
    spectrum = SPECTRA[sample]
    nominal = spectrum.shares(edges)
    center = 0.5 * (edges[1:] + edges[:-1])
    ratios: dict[str, tuple[Vector, Vector]] = {}
    if sample in SIMULATED:
        up, down = spectrum.shares(edges, scale=1.018), spectrum.shares(edges, scale=0.983)
        ratios["jet_energy_scale"] = (1.012 * up / nominal, 0.989 * down / nominal)
        up, down = spectrum.shares(edges, smear=1.03), spectrum.shares(edges, smear=0.98)
        ratios["jet_energy_resolution"] = (up / nominal, down / nominal)
    if sample == "ttbar":
        tilt = 0.10 * (center - 600.0) / 600.0
        ratios["ttbar_generator"] = (1.0 + tilt, 1.0 - 0.8 * tilt)
    if sample == "wjets":
        tilt = 0.15 * np.log(center / 600.0)
        ratios["wjets_scale"] = (np.exp(tilt), np.exp(-0.9 * tilt))
    return ratios


def template(sample: str, region: Region, random: np.random.RandomState) -> tuple[Vector, Vector]:
    """Return events and statistical uncertainty per bin, from limited simulation."""
    weight = SPECTRA[sample].weight
    expected = region.events[sample] * SPECTRA[sample].shares(region.edges)
    simulated = random.poisson(expected / weight)
    return weight * simulated, weight * np.sqrt(simulated)


def make_sample(sample: str, region: Region, random: np.random.RandomState) -> dict[str, Any]:
    """Return one sample of one region as pyhf JSON."""
    nominal, uncertainty = template(sample, region, random)
    modifiers = normalisation_modifiers(sample, region)
    for name, (up, down) in shape_ratios(sample, region.edges).items():
        modifiers += norm_and_shape(name, nominal, up, down)
    statistical = {
        "name": f"fakes_stat_{region.name}" if sample == "fakes" else f"mc_stat_{region.name}",
        "type": "shapesys" if sample == "fakes" else "staterror",
        "data": [rounded(x) for x in uncertainty],
    }
    data = [rounded(x) for x in nominal]
    return {"name": sample, "data": data, "modifiers": [*modifiers, statistical]}


def observe(region: Region, random: np.random.RandomState) -> list[float]:
    """Return pseudo-data: Poisson counts around the true expectation."""
    total = np.zeros(len(region.edges) - 1)
    for sample, events in region.events.items():
        expected = events * SPECTRA[sample].shares(region.edges) * TRUE_NORMS.get(sample, 1.0)
        for name, (up, _) in shape_ratios(sample, region.edges).items():
            expected = expected * up ** TRUE_PARAMETERS.get(name, 0.0)
        jets = B_JETS[region.name] * B_TAGGING_PER_JET.get(sample, 0.0)
        expected = expected * (1.0 + jets) ** TRUE_PARAMETERS["b_tagging"]
        total += expected * (SIGNAL_STRENGTH if sample == "signal" else 1.0)
    return [float(n) for n in random.poisson(total)]


def measurements() -> list[dict[str, Any]]:
    """Return the search, and the same without signal."""
    lumi = {
        "name": "lumi",
        "auxdata": [1.0],
        "sigmas": [LUMI_UNCERTAINTY],
        "bounds": [[0.9, 1.1]],
        "inits": [1.0],
    }
    norms = [
        {"name": NORM_FACTORS[sample], "inits": [1.0], "bounds": [[0.0, 3.0]]}
        for sample in ("ttbar", "wjets")
    ]
    signal = {"name": "mu_signal", "inits": [1.0], "bounds": [[0.0, 10.0]]}
    absent = {"name": "mu_signal", "inits": [0.0], "bounds": [[0.0, 10.0]], "fixed": True}
    return [
        {"name": name, "config": {"poi": "mu_signal", "parameters": [lumi, parameter, *norms]}}
        for name, parameter in (("search", signal), ("background_only", absent))
    ]


def make_workspace(seed: int = SEED) -> dict[str, Any]:
    """Return the workspace as a pyhf JSON document."""
    # NumPy guarantees that the numbers of the legacy generator never change.
    random = np.random.RandomState(seed)
    channels = [
        {
            "name": region.name,
            "samples": [make_sample(sample, region, random) for sample in region.events],
        }
        for region in REGIONS
    ]
    observations = [{"name": region.name, "data": observe(region, random)} for region in REGIONS]
    return {
        "channels": channels,
        "observations": observations,
        "measurements": measurements(),
        "version": "1.0.0",
    }


def rounded(value: float) -> float:
    """Round so that the text does not depend on the last bit of the platform's exponential."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def to_text(value: Any, indent: str = "") -> str:  # noqa: ANN401
    """Format as JSON, with innermost objects and lists of numbers on one line."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, dict | list) or len(indent) + len(text) <= 100:
        return text
    if isinstance(value, list) and not isinstance(value[0], dict | list):
        return text
    deeper = indent + " "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {to_text(item, deeper)}" for key, item in value.items()]
    else:
        items = [to_text(item, deeper) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    separator = f",\n{deeper}"
    return f"{opening}\n{deeper}{separator.join(items)}\n{indent}{closing}"


def main() -> None:
    """Write the workspace to the file named on the command line, by default beside this script."""
    default = Path(__file__).with_name("multichannel.json")
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    output.write_text(to_text(make_workspace()) + "\n", encoding="utf-8")
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
