"""Models with every kind of input, and central differences to compare derivatives with."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
from numpy.typing import ArrayLike, NDArray

import nablafit as nf

Document = dict[str, Any]


def everything() -> Document:
    """Two channels with all modifiers of pyhf that carry numbers."""
    signal = [
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": "theory", "type": "normsys", "data": {"lo": 0.9, "hi": 1.15}},
        {"name": "lumi", "type": "lumi", "data": None},
    ]
    top = [
        {"name": "theory", "type": "normsys", "data": {"lo": 0.95, "hi": 1.04}},
        {
            "name": "jes",
            "type": "histosys",
            "data": {"lo_data": [48.0, 37.5, 20.0], "hi_data": [53.0, 43.0, 20.0]},
        },
        {"name": "jes", "type": "normsys", "data": {"lo": 0.97, "hi": 1.02}},
        {"name": "stat_SR", "type": "staterror", "data": [2.0, 1.5, 1.2]},
        {"name": "lumi", "type": "lumi", "data": None},
    ]
    other = [
        {
            "name": "jes",
            "type": "histosys",
            "data": {"lo_data": [9.0, 4.0, 3.0], "hi_data": [12.0, 7.0, 3.5]},
        },
        {"name": "stat_SR", "type": "staterror", "data": [0.5, 0.4, 0.6]},
        {"name": "fake", "type": "shapesys", "data": [1.5, 0.8, 0.9]},
    ]
    control = [
        {"name": "theory", "type": "normsys", "data": {"lo": 0.95, "hi": 1.04}},
        {"name": "k_top", "type": "normfactor", "data": None},
    ]
    top.append({"name": "k_top", "type": "normfactor", "data": None})
    return {
        "version": "1.0.0",
        "channels": [
            {
                "name": "SR",
                "samples": [
                    {"name": "signal", "data": [3.0, 9.0, 5.0], "modifiers": signal},
                    {"name": "top", "data": [50.0, 40.0, 20.0], "modifiers": top},
                    {"name": "other", "data": [10.0, 5.0, 3.0], "modifiers": other},
                ],
            },
            {"name": "CR", "samples": [{"name": "top", "data": [200.0], "modifiers": control}]},
        ],
        "observations": [
            {"name": "SR", "data": [66.0, 52.0, 31.0]},
            {"name": "CR", "data": [207.0]},
        ],
        "measurements": [
            {
                "name": "m",
                "config": {
                    "poi": "mu",
                    "parameters": [
                        {"name": "mu", "bounds": [[0.0, 10.0]], "inits": [1.0]},
                        {
                            "name": "lumi",
                            "auxdata": [1.0],
                            "sigmas": [0.02],
                            "inits": [1.0],
                            "bounds": [[0.5, 1.5]],
                        },
                    ],
                },
            }
        ],
    }


def published(path: Path) -> Document:
    """Return a published background model with a signal everywhere, strength mu_SIG."""
    document: Document = json.loads(path.read_text("utf-8"))
    strength = {"name": "mu_SIG", "type": "normfactor", "data": None}
    for number, channel in enumerate(document["channels"]):
        total = np.sum([sample["data"] for sample in channel["samples"]], axis=0)
        shape = np.linspace(0.2, 0.6, len(total)) / (1 + number % 3)
        data = (np.sqrt(np.maximum(total, 0.5)) * shape).tolist()
        theory = {"name": "signal_theory", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}
        channel["samples"].append({"name": "signal", "data": data, "modifiers": [strength, theory]})
    document["measurements"][0]["config"]["poi"] = "mu_SIG"
    return document


def opened(document: Document) -> tuple[nf.Model, nf.Data]:
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    return model, workspace.data(model)


def with_inputs(document: Document, values: Mapping[tuple[str, ...], Any]) -> Document:
    """Write inputs by address into a pyhf document; arrays may be those of another package."""
    result = copy.deepcopy(document)
    samples = {(c["name"], s["name"]): s for c in result["channels"] for s in c["samples"]}
    keys = {
        "histosys": {"low": "lo_data", "high": "hi_data"},
        "normsys": {"low": "lo", "high": "hi"},
    }
    for (channel, name, kind, *rest), part in values.items():
        sample = samples[channel, name]
        if kind == "nominal":
            sample["data"] = part
            continue
        modifier = next(m for m in sample["modifiers"] if [m["type"], m["name"]] == [kind, rest[0]])
        if kind in ("staterror", "shapesys"):
            modifier["data"] = part
        else:
            key = keys[kind][rest[1]]
            modifier["data"][key] = part if kind == "histosys" else part[0]
    return result


def pyhf_model(document: Document) -> pyhf.Model:
    """Build the model with pyhf, which may compute with arrays of another package."""
    config = document["measurements"][0]["config"]
    spec = {"channels": document["channels"], "parameters": config["parameters"]}
    return pyhf.Model(
        spec,
        poi_name=config["poi"],
        validate=False,
        modifier_settings={
            "normsys": {"interpcode": "code4"},
            "histosys": {"interpcode": "code4p"},
        },
    )


def direction(values: ArrayLike, seed: int, share: float = 1.0) -> NDArray[np.float64]:
    """Random relative changes of some of the numbers; zeros stay."""
    values = np.asarray(values, dtype=float)
    random = np.random.default_rng(seed)
    chosen = random.random(values.shape) < share
    return np.where(chosen, random.normal(0.0, 1.0, values.shape) * values, 0.0)


def slope(
    function: Callable[[float], ArrayLike],
    derivative: ArrayLike,
    *,
    largest: float = 1e-2,
    floor: float = 1e-12,
) -> float:
    """Return the smallest relative deviation of a derivative from central differences.

    Steps are scanned over decades, each difference extrapolated from a step and its half.
    Derivatives below `floor` count as that: differences of the function do not resolve them.
    """
    exact = np.asarray(derivative, dtype=float)
    scale = max(float(np.max(np.abs(exact), initial=0.0)), floor)
    best = np.inf
    for step in largest * 0.3 ** np.arange(9):
        differences = [
            (np.asarray(function(h)) - np.asarray(function(-h))) / (2 * h) for h in (step, step / 2)
        ]
        estimate = (4 * differences[1] - differences[0]) / 3
        best = min(best, float(np.max(np.abs(estimate - exact))) / scale)
    return best
