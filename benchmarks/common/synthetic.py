"""Synthetic pyhf workspaces of any number of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

BINS_PER_CHANNEL = 20
SAMPLES = 3
LARGEST_NUMBER_OF_PULLS = 100


def synthetic_workspace(size: int, seed: int = 1) -> dict[str, Any]:
    """Return a workspace with `size` parameters and data drawn at its initial values.

    A third of the parameters, but at most 100, are pulls: each changes the shape and the rate of
    every sample. One is the signal's norm factor; the rest are gammas, one for each bin.
    """
    n_pulls = max(1, min(size // 3, LARGEST_NUMBER_OF_PULLS))
    n_bins = size - 1 - n_pulls
    random = np.random.default_rng(seed)
    sizes = [
        len(part) for part in np.array_split(np.arange(n_bins), -(-n_bins // BINS_PER_CHANNEL))
    ]
    channels, observations = [], []
    for c, n in enumerate(sizes):
        samples = [_sample(c, i, n, n_pulls, random) for i in range(SAMPLES)]
        total = np.sum([sample["data"] for sample in samples], axis=0)
        channels.append({"name": f"channel_{c}", "samples": samples})
        observations.append({"name": f"channel_{c}", "data": random.poisson(total).tolist()})
    return {
        "version": "1.0.0",
        "channels": channels,
        "observations": observations,
        "measurements": [{"name": "synthetic", "config": {"poi": "mu", "parameters": []}}],
    }


def _sample(
    channel: int, index: int, n_bins: int, n_pulls: int, random: np.random.Generator
) -> dict[str, Any]:
    nominal = random.uniform(50.0, 150.0, n_bins)
    modifiers: list[dict[str, Any]] = [
        {"name": f"stat_{channel}", "type": "staterror", "data": (0.05 * nominal).tolist()}
    ]
    if index == 0:
        modifiers.append({"name": "mu", "type": "normfactor", "data": None})
    for k in range(n_pulls):
        change = nominal * random.normal(0.0, 0.02, n_bins)
        shapes = {
            "lo_data": (nominal - 0.9 * change).tolist(),
            "hi_data": (nominal + change).tolist(),
        }
        modifiers.append({"name": f"pull_{k}", "type": "histosys", "data": shapes})
        modifiers.append(
            {"name": f"pull_{k}", "type": "normsys", "data": {"lo": 0.98, "hi": 1.025}}
        )
    return {"name": f"sample_{index}", "data": nominal.tolist(), "modifiers": modifiers}
