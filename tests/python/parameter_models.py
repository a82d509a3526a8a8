"""Models for tests of impacts and components of uncertainty."""

from typing import Any

import nablafit as nf


def normsys(name: str, low: float, high: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"lo": low, "hi": high}}


def histosys(name: str, low: list[float], high: list[float]) -> dict[str, Any]:
    return {"name": name, "type": "histosys", "data": {"lo_data": low, "hi_data": high}}


def normfactor(name: str) -> dict[str, Any]:
    return {"name": name, "type": "normfactor", "data": None}


def sample(name: str, data: list[float], *modifiers: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "data": data, "modifiers": list(modifiers)}


def document(
    observed: list[float], *samples: dict[str, Any], parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return a pyhf workspace of one channel with the parameter of interest mu."""
    return {
        "version": "1.0.0",
        "channels": [{"name": "channel", "samples": list(samples)}],
        "observations": [{"name": "channel", "data": observed}],
        "measurements": [
            {"name": "nominal", "config": {"poi": "mu", "parameters": parameters or []}}
        ],
    }


def build(content: dict[str, Any]) -> tuple[nf.Model, nf.Data]:
    workspace = nf.Workspace.load(content)
    model = workspace.model()
    return model, workspace.data(model)


def linear_document() -> dict[str, Any]:
    """Return a model whose expected events are linear in its parameters, with many events.

    Symmetric histosys variations are linear in code 4p.
    """
    return document(
        [1.0003e8, 1.5004e8, 0.9998e8],
        sample("signal", [1e6, 3e6, 0.5e6], normfactor("mu")),
        sample(
            "background",
            [0.99e8, 1.47e8, 0.995e8],
            histosys("tilt", [0.9905e8, 1.469e8, 0.9947e8], [0.9895e8, 1.471e8, 0.9953e8]),
            histosys("shape", [0.99e8, 1.4704e8, 0.993e8], [0.99e8, 1.4696e8, 0.997e8]),
            {"name": "stat", "type": "staterror", "data": [2e4, 1.5e4, 1e4]},
        ),
    )
