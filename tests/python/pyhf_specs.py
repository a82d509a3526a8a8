"""Random pyhf workspaces: every modifier, shared in every way that pyhf allows.

What pyhf and nablafit treat differently on purpose is left out here and tested by itself in
test_against_pyhf.py: a modifier twice in one sample, a shapefactor with more bins than in the first
channel that carries it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

Document = dict[str, Any]

ALPHAS = ("theory", "jes", "btag")
NORM_FACTORS = ("mu", "k_top", "k_z")
SAMPLES = ("signal", "top", "Z", "fakes")
CHANNELS = ("SR", "CR_top", "aux", "B0")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Decimal numbers with three digits: no denormals, no cancellation by design."""
    return st.integers(round(low * 1000), round(high * 1000)).map(lambda n: n / 1000)


def yields(*, may_be_negative: bool = True) -> st.SearchStrategy[float]:
    """Events of one sample in one bin: empty bins and, as from NLO weights, negative ones too."""
    usual = numbers(0.1, 150.0)
    rare = [st.just(0.0), numbers(-2.0, -0.1)] if may_be_negative else [st.just(0.0)]
    return st.one_of(usual, usual, usual, *rare)


@dataclass(frozen=True)
class Sharing:
    """Names of modifiers with one component per bin, by (channel, sample)."""

    staterrors: dict[tuple[str, str], list[str]]
    shapefactors: dict[tuple[str, str], list[str]]


@st.composite
def staterrors(draw: st.DrawFn, samples: dict[str, list[str]]) -> dict[tuple[str, str], list[str]]:
    """Draw one name per channel, or one for several channels, which then agree on the samples."""
    carriers: dict[tuple[str, str], list[str]] = {}
    shared = draw(st.lists(st.sampled_from(sorted(samples)), unique=True))
    common = set.intersection(*(set(samples[channel]) for channel in shared)) if shared else set()
    groups = [("stat_all", shared, sorted(common))]
    groups += [(f"stat_{channel}", [channel], samples[channel]) for channel in samples]
    for name, channels, candidates in groups:
        if candidates and draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(candidates), min_size=1, unique=True))
            for channel in channels:
                for sample in chosen:
                    carriers.setdefault((channel, sample), []).append(name)
    return carriers


@st.composite
def shapefactors(
    draw: st.DrawFn, samples: dict[str, list[str]], n_bins: dict[str, int]
) -> dict[tuple[str, str], list[str]]:
    """Draw a shapefactor for some samples, across channels not larger than the first."""
    carriers: dict[tuple[str, str], list[str]] = {}
    for name in ("shape_a", "shape_b"):
        first = draw(st.one_of(st.none(), st.sampled_from(sorted(samples))))
        if first is None:
            continue
        following = [c for c in samples if c >= first and n_bins[c] <= n_bins[first]]
        for channel in following:
            candidates = samples[channel]
            least = 1 if channel == first else 0
            chosen = draw(st.lists(st.sampled_from(candidates), min_size=least, unique=True))
            for sample in chosen:
                carriers.setdefault((channel, sample), []).append(name)
    return carriers


@st.composite
def alpha_modifiers(draw: st.DrawFn, nominal: list[float]) -> list[Document]:
    """Draw normsys and histosys; the same name in both is one parameter."""
    modifiers: list[Document] = []
    for name in draw(st.lists(st.sampled_from(ALPHAS), unique=True)):
        low, high = draw(st.tuples(numbers(0.5, 1.5), numbers(0.5, 1.5)))
        modifiers.append({"name": name, "type": "normsys", "data": {"lo": low, "hi": high}})
    for name in draw(st.lists(st.sampled_from(ALPHAS), unique=True)):
        n = len(nominal)
        low, high = draw(st.tuples(*[st.lists(numbers(-0.4, 0.4), min_size=n, max_size=n)] * 2))
        data = {
            "lo_data": [x * (1 + change) for x, change in zip(nominal, low, strict=True)],
            "hi_data": [x * (1 + change) for x, change in zip(nominal, high, strict=True)],
        }
        modifiers.append({"name": name, "type": "histosys", "data": data})
    return modifiers


@st.composite
def samples_with_modifiers(
    draw: st.DrawFn, channel: str, name: str, n_bins: int, sharing: Sharing
) -> Document:
    """Draw one sample with its modifiers in any order."""
    nominal = draw(st.lists(yields(), min_size=n_bins, max_size=n_bins))
    uncertainties = st.lists(
        st.one_of(numbers(0.01, 5.0), numbers(0.01, 5.0), st.just(0.0)),
        min_size=n_bins,
        max_size=n_bins,
    )
    modifiers = draw(alpha_modifiers(nominal))
    for factor in draw(st.lists(st.sampled_from(NORM_FACTORS), unique=True, max_size=2)):
        modifiers.append({"name": factor, "type": "normfactor", "data": None})
    if draw(st.booleans()):
        modifiers.append({"name": "lumi", "type": "lumi", "data": None})
    if draw(st.integers(0, 2)) == 0:
        data = draw(uncertainties)
        modifiers.append({"name": f"unc_{channel}_{name}", "type": "shapesys", "data": data})
    for stat in sharing.staterrors.get((channel, name), []):
        modifiers.append({"name": stat, "type": "staterror", "data": draw(uncertainties)})
    for shape in sharing.shapefactors.get((channel, name), []):
        modifiers.append({"name": shape, "type": "shapefactor", "data": None})
    return {"name": name, "data": nominal, "modifiers": draw(st.permutations(modifiers))}


def parameter_sizes(channels: list[Document]) -> dict[str, tuple[str, int]]:
    """Type and number of components of every parameter set, as the modifiers define them."""
    found: dict[str, tuple[str, int]] = {}
    stat_bins: dict[str, dict[str, int]] = {}
    for channel in sorted(channels, key=lambda c: str(c["name"])):
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                name, kind, n_bins = modifier["name"], modifier["type"], len(sample["data"])
                if kind == "staterror":
                    stat_bins.setdefault(name, {})[channel["name"]] = n_bins
                size = n_bins if kind in ("shapesys", "shapefactor") else 1
                found.setdefault(name, ("alpha" if kind in ("normsys", "histosys") else kind, size))
    for name, bins in stat_bins.items():
        found[name] = ("staterror", sum(bins.values()))
    return found


@st.composite
def parameter_settings(draw: st.DrawFn, name: str, kind: str, size: int) -> Document:
    """Draw what a measurement says about one parameter set; lumi needs everything."""
    is_lumi = kind == "lumi"

    def wanted() -> bool:
        return is_lumi or draw(st.booleans())

    def values(low: float, high: float) -> list[float]:
        return draw(st.lists(numbers(low, high), min_size=size, max_size=size))

    settings: Document = {"name": name}
    if wanted():
        settings["inits"] = values(-0.5, 0.5) if kind == "alpha" else values(0.8, 1.2)
    if wanted():
        lows = values(-4.0, -1.0) if kind == "alpha" else values(0.05, 0.5)
        settings["bounds"] = [[low, low + 2.0 + i] for i, low in enumerate(lows)]
    if kind in ("alpha", "staterror", "lumi") and wanted():
        settings["auxdata"] = values(-1.0, 1.0) if kind == "alpha" else values(0.8, 1.2)
    if kind in ("staterror", "lumi") and wanted():
        settings["sigmas"] = values(0.01, 0.3)
    if kind == "shapesys" and wanted():
        settings["auxdata"] = values(0.0, 50.0)
    if kind == "shapesys" and wanted():
        settings["factors"] = values(0.5, 50.0)
    if draw(st.integers(0, 3)) == 0:
        settings["fixed"] = draw(st.booleans())
    return settings


@st.composite
def measurements(draw: st.DrawFn, channels: list[Document]) -> list[Document]:
    """Draw one to three measurements that differ in parameter settings and POI."""
    sets = parameter_sizes(channels)
    pois = [name for name, (kind, _) in sets.items() if kind in ("normfactor", "alpha")]
    result = []
    for index in range(draw(st.integers(1, 3))):
        parameters = [
            draw(parameter_settings(name, kind, size))
            for name, (kind, size) in sets.items()
            if kind == "lumi" or draw(st.integers(0, 2)) == 0
        ]
        poi = draw(st.sampled_from(["", *pois]))
        config = {"poi": poi, "parameters": draw(st.permutations(parameters))}
        result.append({"name": f"measurement_{index}", "config": config})
    return result


@st.composite
def workspaces(draw: st.DrawFn) -> Document:
    """Draw a workspace that pyhf accepts."""
    names = draw(st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=3, unique=True))
    n_bins = {name: draw(st.integers(1, 4)) for name in names}
    samples = {
        name: draw(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=3, unique=True))
        for name in names
    }
    sharing = Sharing(draw(staterrors(samples)), draw(shapefactors(samples, n_bins)))
    channels = [
        {
            "name": channel,
            "samples": [
                draw(samples_with_modifiers(channel, sample, n_bins[channel], sharing))
                for sample in samples[channel]
            ],
        }
        for channel in names
    ]
    if not any(sample["modifiers"] for channel in channels for sample in channel["samples"]):
        factor = {"name": "mu", "type": "normfactor", "data": None}
        channels[0]["samples"][0]["modifiers"].append(factor)
    counts = st.one_of(st.integers(0, 200).map(float), numbers(0.0, 60.0), st.just(0.0))
    observations = [
        {"name": name, "data": draw(st.lists(counts, min_size=n_bins[name], max_size=n_bins[name]))}
        for name in draw(st.permutations(names))
    ]
    return {
        "version": "1.0.0",
        "channels": channels,
        "observations": observations,
        "measurements": draw(measurements(channels)),
    }


def points(
    initial: np.ndarray, lower: np.ndarray, upper: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Parameter vectors inside, on the kinks of interpolation, on bounds, and outside of them."""
    random = np.random.default_rng(seed)
    span = upper - lower
    near = np.clip(initial + random.normal(0.0, 0.3, len(initial)), lower, upper)
    kinks = near.copy()
    has_alpha = lower < 0
    kinks[has_alpha] = random.choice([-1.0, 0.0, 1.0], np.count_nonzero(has_alpha))
    on_bounds = near.copy()
    chosen = random.random(len(initial)) < 0.3
    on_bounds[chosen] = np.where(random.random(len(initial)) < 0.5, lower, upper)[chosen]
    return {
        "initial": initial.copy(),
        "near": near,
        "anywhere": random.uniform(lower, upper),
        "kinks": kinks,
        "bounds": on_bounds,
        "outside": random.uniform(lower - 0.2 * span, upper + 0.2 * span),
    }
