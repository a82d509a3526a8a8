"""Models whose profile likelihood is known by other means."""

from __future__ import annotations

import json
import warnings
from typing import Any

import nablafit as nf
from locations import SHARED_DATA


def counting(
    observed: float,
    background: float,
    *,
    signal: float = 1.0,
    bounds: tuple[float, float] = (0.0, 100.0),
) -> tuple[nf.Model, nf.Data]:
    """One bin with mean mu * signal + background, the background known."""
    signal_sample = {
        "name": "signal",
        "data": [signal],
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    samples: list[dict[str, Any]] = [signal_sample]
    if background:
        samples.append({"name": "background", "data": [background], "modifiers": []})
    return load([("SR", samples, [observed])], {"mu": bounds})


def load(
    channels: list[tuple[str, list[dict[str, Any]], list[float]]],
    bounds: dict[str, tuple[float, float]] | None = None,
) -> tuple[nf.Model, nf.Data]:
    """Make a model from pyhf samples by channel, with the parameter of interest mu."""
    parameters = [{"name": name, "bounds": [list(pair)]} for name, pair in (bounds or {}).items()]
    document = {
        "version": "1.0.0",
        "channels": [{"name": name, "samples": samples} for name, samples, _ in channels],
        "observations": [{"name": name, "data": data} for name, _, data in channels],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
    }
    return compile_quietly(document)


def published(name: str) -> tuple[nf.Model, nf.Data]:
    """Read one of the published workspaces."""
    return compile_quietly(json.loads((SHARED_DATA / "pyhf" / name).read_text()))


def compile_quietly(document: dict[str, Any]) -> tuple[nf.Model, nf.Data]:
    """Compile; normsys that turn negative are meant here."""
    workspace = nf.Workspace.load(document)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nf.ModelWarning)
        model = workspace.model()
    return model, workspace.data(model)


def turning(observed: float, bounds: tuple[float, float]) -> tuple[nf.Model, nf.Data]:
    """One bin with a normsys that falls, turns and rises: a count fits two of its values."""
    modifiers = [{"name": "alpha", "type": "normsys", "data": {"lo": 0.01, "hi": 40.0}}]
    samples = [
        {"name": "background", "data": [5.0], "modifiers": modifiers},
        {
            "name": "signal",
            "data": [10.0],
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
        },
    ]
    return load([("SR", samples, [observed])], {"mu": bounds})
