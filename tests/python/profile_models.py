"""Models whose profile likelihood is known by other means."""

from __future__ import annotations

import json
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


def gaussian(widths: dict[str, float], *, far: float = 20.0) -> tuple[nf.Model, nf.Data]:
    """Constraint terms of unit width that nothing else disturbs, pulled by a bin without effect."""
    modifiers = [
        {"name": name, "type": "normsys", "data": {"lo": 1.0, "hi": 1.0}} for name in widths
    ]
    samples = [{"name": "background", "data": [10.0], "modifiers": modifiers}]
    return load([("SR", samples, [10.0])], dict.fromkeys(widths, (-far, far)))


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
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    return model, workspace.data(model)


def published(name: str) -> tuple[nf.Model, nf.Data]:
    """Read one of the published workspaces."""
    workspace = nf.Workspace.load(json.loads((SHARED_DATA / "pyhf" / name).read_text()))
    model = workspace.model()
    return model, workspace.data(model)
