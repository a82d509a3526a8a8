"""Small workspaces that tests share."""

import copy
from typing import Any

import pytest

import nablafit as nf

SMALL: dict[str, Any] = {
    "version": "1.0.0",
    "channels": [
        {
            "name": "signal_region",
            "samples": [
                {
                    "name": "signal",
                    "data": [3.0, 8.0],
                    "modifiers": [
                        {"name": "mu", "type": "normfactor", "data": None},
                        {"name": "lumi", "type": "lumi", "data": None},
                    ],
                },
                {
                    "name": "background",
                    "data": [40.0, 25.0],
                    "modifiers": [
                        {"name": "scale", "type": "normsys", "data": {"lo": 0.9, "hi": 1.15}},
                        {
                            "name": "scale",
                            "type": "histosys",
                            "data": {"lo_data": [38.0, 26.0], "hi_data": [41.0, 23.0]},
                        },
                        {"name": "stat", "type": "staterror", "data": [2.0, 1.5]},
                    ],
                },
            ],
        },
        {
            "name": "control_region",
            "samples": [
                {
                    "name": "background",
                    "data": [120.0],
                    "modifiers": [
                        {"name": "scale", "type": "normsys", "data": {"lo": 0.95, "hi": 1.04}},
                        {"name": "shape", "type": "shapesys", "data": [6.0]},
                    ],
                }
            ],
        },
    ],
    "observations": [
        {"name": "signal_region", "data": [46.0, 35.0]},
        {"name": "control_region", "data": [117.0]},
    ],
    "measurements": [
        {
            "name": "nominal",
            "config": {
                "poi": "mu",
                "parameters": [
                    {
                        "name": "lumi",
                        "auxdata": [1.0],
                        "sigmas": [0.02],
                        "bounds": [[0.9, 1.1]],
                        "inits": [1.0],
                    }
                ],
            },
        },
        {
            "name": "fixed_lumi",
            "config": {
                "poi": "",
                "parameters": [
                    {
                        "name": "lumi",
                        "auxdata": [1.0],
                        "sigmas": [0.02],
                        "bounds": [[0.9, 1.1]],
                        "inits": [1.0],
                        "fixed": True,
                    }
                ],
            },
        },
    ],
}


@pytest.fixture
def document() -> dict[str, Any]:
    """A workspace to change: every constrained modifier, two channels, two measurements."""
    return copy.deepcopy(SMALL)


@pytest.fixture(scope="session")
def workspace() -> nf.Workspace:
    return nf.Workspace.load(SMALL)


@pytest.fixture(scope="session")
def model(workspace: nf.Workspace) -> nf.Model:
    return workspace.model()


@pytest.fixture(scope="session")
def data(workspace: nf.Workspace, model: nf.Model) -> nf.Data:
    return workspace.data(model)


@pytest.fixture(scope="session")
def likelihood(model: nf.Model, data: nf.Data) -> nf.Likelihood:
    return model.likelihood(data)
