"""Random small models of the kinds in which a local search goes astray, as pyhf documents.

Every model is drawn from (seed, number) alone.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import nablafit as nf
from nablafit import spec as sp

# pyhf JSON cannot have a factor twice in a sample: this normfactor means mu once more.
AGAIN = "mu_again"

Document = dict[str, Any]
Modifier = dict[str, Any]


def compiled(document: Document) -> tuple[nf.Model, nf.Data]:
    """Compile a document and take its data; factors that turn negative are meant here."""
    workspace = nf.Workspace.load(document)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nf.ModelWarning)
        model = nf.Model(_with_squares(workspace.spec()))
    return model, model.data(workspace.observations)


def _with_squares(spec: nf.ModelSpec) -> nf.ModelSpec:
    """Let the factor that stands for the second power of mu be mu."""
    if AGAIN not in {parameter.name for parameter in spec.parameters}:
        return spec

    def squared(one: sp.Sample) -> sp.Sample:
        modifiers = [
            sp.NormFactor(AGAIN, "mu") if modifier.name == AGAIN else modifier
            for modifier in one.modifiers
        ]
        return one.replace(modifiers=tuple(modifiers))

    channels = [
        channel.replace(samples=tuple(map(squared, channel.samples))) for channel in spec.channels
    ]
    kept = tuple(parameter for parameter in spec.parameters if parameter.name != AGAIN)
    return spec.replace(channels=tuple(channels), parameters=kept)


@dataclass(frozen=True)
class Case:
    """One random model with data."""

    seed: int
    number: int
    kind: str
    document: Document

    @property
    def text(self) -> str:
        """The document as JSON, to be pasted into a file."""
        return json.dumps(self.document, separators=(",", ":"))

    def generator(self, purpose: int) -> np.random.Generator:
        """Return random numbers for one purpose: starts, tested values."""
        return np.random.default_rng([self.seed, self.number, purpose])


def random_case(seed: int, number: int) -> Case:
    """Draw a model; kinds take turns."""
    kinds = list(KINDS)
    kind = kinds[number % len(kinds)]
    draw = Draw(np.random.default_rng([seed, number]))
    return Case(seed, number, kind, KINDS[kind](draw))


class Draw:
    """Random templates and modifiers with three significant digits, so that models can be read."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def number(self, low: float, high: float) -> float:
        """Draw uniformly."""
        return float(f"{self.generator.uniform(low, high):.3g}")

    def magnitude(self, low: float, high: float) -> float:
        """Draw uniformly in the logarithm."""
        return float(f"{np.exp(self.generator.uniform(np.log(low), np.log(high))):.3g}")

    def integer(self, low: int, high: int) -> int:
        """Draw from low to high, both included."""
        return int(self.generator.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)

    def background(self, n_bins: int) -> list[float]:
        return [self.magnitude(1.0, 200.0) for _ in range(n_bins)]

    def signal(self, background: list[float]) -> list[float]:
        """Draw a signal that would be seen at a strength of a few."""
        size = self.magnitude(0.15, 1.5)
        return [
            float(f"{size * np.sqrt(b + 1.0) * self.generator.uniform(0, 1.5):.3g}")
            for b in background
        ]

    def observed(self, *expected: list[float], spread: float = 0.25) -> list[float]:
        """Draw events about the sum, which is off by what a systematic uncertainty may do."""
        off = np.exp(self.generator.normal(0, spread))
        total = np.maximum(np.sum(expected, axis=0), 0.0)
        return [float(n) for n in self.generator.poisson(total * off)]

    def normsys(self, name: str, *, large: bool = False) -> Modifier:
        if not large:
            size = self.number(0.02, 0.2)
            return normsys(name, 1 - size, 1 + self.number(0.5, 1.5) * size)
        low, high = self.number(0.3, 0.8), self.number(1.2, 2.0)
        if self.chance(0.3):  # both on one side
            low = self.number(1.1, 1.6)
        return normsys(name, high, low) if self.chance(0.5) else normsys(name, low, high)

    def histosys(self, name: str, nominal: list[float], *, one_sided: bool) -> Modifier:
        """Draw variations; those of a one-sided one lie above the nominal yield, or below."""
        size = self.number(0.05, 0.4)
        side = -1.0 if self.chance(0.3) else 1.0

        def varied(sign: float) -> list[float]:
            shifts = size * self.generator.uniform(0.05, 1.0, len(nominal)) * sign
            return [float(f"{n * (1 + s):.4g}") for n, s in zip(nominal, shifts, strict=True)]

        return histosys(name, varied(side if one_sided else -side), varied(side))

    def bin_uncertainty(self, name: str, nominal: list[float]) -> Modifier:
        """Draw a staterror or a shapesys; bins without events have none."""
        kind = "staterror" if self.chance(0.5) else "shapesys"
        size = self.number(0.02, 0.3)
        data = [float(f"{n * size * self.generator.uniform(0.5, 1.5):.3g}") for n in nominal]
        return {"name": f"{kind}_{name}", "type": kind, "data": data}


def normfactor(name: str) -> Modifier:
    return {"name": name, "type": "normfactor", "data": None}


def normsys(name: str, low: float, high: float) -> Modifier:
    return {"name": name, "type": "normsys", "data": {"lo": round(low, 4), "hi": round(high, 4)}}


def histosys(name: str, low: list[float], high: list[float]) -> Modifier:
    return {"name": name, "type": "histosys", "data": {"lo_data": low, "hi_data": high}}


def sample(name: str, data: list[float], *modifiers: Modifier) -> dict[str, Any]:
    return {"name": name, "data": data, "modifiers": list(modifiers)}


def document(
    channels: dict[str, list[dict[str, Any]]],
    observed: dict[str, list[float]],
    bounds: dict[str, tuple[float, float]] | None = None,
    initial: dict[str, float] | None = None,
) -> Document:
    """Return a workspace with the parameter of interest mu."""
    settings: dict[str, dict[str, Any]] = {}
    for name, pair in (bounds or {}).items():
        settings.setdefault(name, {"name": name})["bounds"] = [list(pair)]
    for name, value in (initial or {}).items():
        settings.setdefault(name, {"name": name})["inits"] = [value]
    config = {"poi": "mu", "parameters": list(settings.values())}
    return {
        "version": "1.0.0",
        "channels": [{"name": name, "samples": samples} for name, samples in channels.items()],
        "observations": [{"name": name, "data": data} for name, data in observed.items()],
        "measurements": [{"name": "m", "config": config}],
    }


# --- kinds ---------------------------------------------------------------------------------------


def one_sided(draw: Draw) -> Document:
    """One channel; a histosys that raises the background up and down."""
    b = draw.background(draw.integer(1, 3))
    s = draw.signal(b)
    modifiers = [draw.histosys("shape", b, one_sided=True), draw.normsys("norm")]
    if draw.chance(0.4):
        modifiers.append(draw.bin_uncertainty("c", b))
    if draw.chance(0.3):
        modifiers.append(draw.histosys("other", b, one_sided=draw.chance(0.5)))
    samples = [sample("signal", s, normfactor("mu")), sample("background", b, *modifiers)]
    return document({"c": samples}, {"c": draw.observed(b, s)})


def shared_norm(draw: Draw) -> Document:
    """A large normsys that signal and background share, and a histosys."""
    b = draw.background(draw.integer(1, 3))
    s = draw.signal(b)
    on_signal = [normfactor("mu"), draw.normsys("norm", large=draw.chance(0.3))]
    on_background = [draw.normsys("norm", large=True)]
    if draw.chance(0.8):
        on_background.append(draw.histosys("shape", b, one_sided=draw.chance(0.3)))
    samples = [sample("signal", s, *on_signal), sample("background", b, *on_background)]
    return document({"c": samples}, {"c": draw.observed(b, s, spread=0.5)})


def coupled(draw: Draw) -> Document:
    """Two channels with a common histosys, one-sided for one of the backgrounds."""
    bins = draw.integer(1, 2)
    b, other, control = (draw.background(n) for n in (bins, bins, draw.integer(1, 2)))
    s = draw.signal([x + y for x, y in zip(b, other, strict=True)])
    first = sample("b1", b, draw.histosys("coupled", b, one_sided=draw.chance(0.3)))
    second = sample("b2", other, draw.histosys("coupled", other, one_sided=True))
    third = draw.histosys("coupled", control, one_sided=draw.chance(0.3))
    region = [sample("signal", s, normfactor("mu")), first, second]
    for one in (first, second):
        if draw.chance(0.3):
            one["modifiers"].append(draw.normsys("norm", large=draw.chance(0.5)))
    observed = {"A": draw.observed(b, other, s), "B": draw.observed(control)}
    return document({"A": region, "B": [sample("b1", control, third)]}, observed)


def empty(draw: Draw) -> Document:
    """Bins without background, most of them without events."""
    return _with_tiny_bins(draw, 0.0, share=0.0 if draw.chance(0.6) else draw.number(0.0, 1.0))


def padded(draw: Draw) -> Document:
    """Bins with a tiny background that somebody put there instead of none."""
    return _with_tiny_bins(draw, draw.magnitude(1e-12, 1e-5))


def padded_document(draw: Draw, padding: float) -> Document:
    """Return a model with one padding; what else is drawn does not depend on it."""
    return _with_tiny_bins(draw, padding)


def _with_tiny_bins(draw: Draw, padding: float, *, share: float = 0.0) -> Document:
    usual = draw.background(draw.integer(0, 2))
    b = usual + [padding] * draw.integer(1, 2)
    s = draw.signal(b)
    for i in range(len(usual), len(s)):
        s[i] = draw.magnitude(0.05, 3.0)
    modifiers = [draw.normsys("norm", large=draw.chance(0.4))]
    if draw.chance(0.4):
        modifiers.append(draw.histosys("shape", b, one_sided=draw.chance(0.5)))
    on_signal = [normfactor("mu")]
    if draw.chance(0.3):
        on_signal.append(draw.normsys("theory", large=draw.chance(0.5)))
    samples = [sample("signal", s, *on_signal), sample("background", b, *modifiers)]
    return document({"c": samples}, {"c": draw.observed(b, [share * x for x in s])})


def quadratic(draw: Draw) -> Document:
    """Yields that are quadratic in the parameter of interest: interference and square."""
    b = draw.background(draw.integer(1, 3))
    s = draw.signal(b)
    share = draw.number(-1.5, 1.5)
    interference = [float(f"{share * x * draw.number(0.5, 1.5):.3g}") for x in s]
    samples = [
        sample("background", b, draw.normsys("norm", large=draw.chance(0.3))),
        sample("interference", interference, normfactor("mu")),
        sample("square", s, normfactor("mu"), normfactor(AGAIN)),
    ]
    if draw.chance(0.4):
        samples[0]["modifiers"].append(draw.histosys("shape", b, one_sided=draw.chance(0.5)))
    low = 0.0 if draw.chance(0.5) else -10.0
    return document({"c": samples}, {"c": draw.observed(b, s)}, {"mu": (low, 10.0)})


def negative_signal(draw: Draw) -> Document:
    """Signals that lower the yield of some bins, one of which may be nearly empty."""
    b = draw.background(draw.integer(1, 3))
    s = draw.signal(b)
    lowered = draw.integer(0, len(s) - 1)
    s[lowered] = -s[lowered]
    if draw.chance(0.2):
        b[lowered] = draw.magnitude(0.05, 1.0)
    modifiers = [draw.normsys("norm", large=draw.chance(0.4))]
    modifiers.append(draw.histosys("shape", b, one_sided=draw.chance(0.6)))
    if draw.chance(0.3):
        modifiers.append(draw.bin_uncertainty("c", b))
    samples = [sample("signal", s, normfactor("mu")), sample("background", b, *modifiers)]
    return document({"c": samples}, {"c": draw.observed(b)})


def several_pois(draw: Draw) -> Document:
    """Two signals with strengths of their own, and a control region."""
    b = draw.background(draw.integer(2, 3))
    first, second, control = draw.signal(b), draw.signal(b), draw.background(1)
    on_background = [draw.normsys("norm", large=True)]
    on_background.append(draw.histosys("shape", b, one_sided=draw.chance(0.6)))
    region = [
        sample("background", b, *on_background),
        sample("signal1", first, normfactor("mu")),
        sample("signal2", second, normfactor("mu2"), draw.normsys("theory")),
    ]
    observed = {"A": draw.observed(b, first), "B": draw.observed(control)}
    channels = {"A": region, "B": [sample("background", control, draw.normsys("norm"))]}
    return document(channels, observed, {"mu2": (-5.0, 10.0)})


def uncertain(draw: Draw) -> Document:
    """A signal as uncertain as it is large, and asymmetric systematics on little background."""
    s, b = draw.magnitude(0.5, 10.0), draw.magnitude(0.05, 5.0)
    on_signal = [normfactor("mu"), normsys("theory", draw.number(0.05, 0.7), draw.number(1.3, 3.0))]
    if draw.chance(0.5):
        size = float(f"{s * draw.number(0.3, 1.0):.3g}")
        on_signal[1] = {"name": "size", "type": "shapesys", "data": [size]}
    on_background = [normsys("norm", draw.magnitude(0.001, 0.9), draw.number(1.1, 3.0))]
    samples = [sample("signal", [s], *on_signal), sample("background", [b], *on_background)]
    return document({"c": samples}, {"c": draw.observed([b])})


def scaled(draw: Draw) -> Document:
    """One of the others in units of the parameter of interest far from 1."""
    kinds = (one_sided, shared_norm, coupled, padded)
    chosen: Document = kinds[draw.integer(0, len(kinds) - 1)](draw)
    return rescaled(chosen, draw.magnitude(1e-12, 1e12))


def ordinary(draw: Draw) -> Document:
    """What an analysis usually has."""
    b, control = draw.background(draw.integer(2, 4)), draw.background(1)
    s = draw.signal(b)
    modifiers = [draw.normsys("norm"), draw.histosys("shape", b, one_sided=False)]
    modifiers += [draw.bin_uncertainty("A", b), normfactor("k")]
    region = [
        sample("signal", s, normfactor("mu"), draw.normsys("theory")),
        sample("background", b, *modifiers),
    ]
    channels = {"A": region, "B": [sample("background", control, normfactor("k"))]}
    return document(channels, {"A": draw.observed(b, s), "B": draw.observed(control)})


def rescaled(original: Document, k: float) -> Document:
    """Multiply the signal by k and divide start and bounds of mu by it."""
    changed: Document = json.loads(json.dumps(original))
    for channel in changed["channels"]:
        for one in channel["samples"]:
            power = sum(modifier["name"] in ("mu", AGAIN) for modifier in one["modifiers"])
            one["data"] = [value * k**power for value in one["data"]]
            for modifier in one["modifiers"] if power else ():
                if modifier["type"] == "histosys":
                    ends = modifier["data"]
                    for key in ends:
                        ends[key] = [value * k**power for value in ends[key]]
                elif isinstance(modifier["data"], list):
                    modifier["data"] = [value * k**power for value in modifier["data"]]
    parameters = changed["measurements"][0]["config"]["parameters"]
    settings = next((entry for entry in parameters if entry["name"] == "mu"), None)
    if settings is None:
        settings = {"name": "mu"}
        parameters.append(settings)
    low, high = settings.get("bounds", [[0.0, 10.0]])[0]
    settings["bounds"] = [[low / k, high / k]]
    settings["inits"] = [settings.get("inits", [1.0])[0] / k]
    return changed


KINDS: dict[str, Callable[[Draw], Document]] = {
    kind.__name__: kind
    for kind in (
        one_sided,
        shared_norm,
        coupled,
        empty,
        padded,
        quadratic,
        negative_signal,
        several_pois,
        uncertain,
        scaled,
        ordinary,
    )
}
