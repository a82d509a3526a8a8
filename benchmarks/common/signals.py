"""Signals for published workspaces, which have the background alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def with_signal(source: Path | dict[str, Any]) -> dict[str, Any]:
    """Return a workspace with a parameter of interest, adding a signal where it has none.

    The signal goes to the channels whose name starts with SR (to all, if there are none): half the
    square root of the background, rising from bin to bin, with 10 % uncertainty.
    """
    document = json.loads(source.read_text("utf-8")) if isinstance(source, Path) else source
    config = document["measurements"][0]["config"]
    poi = config["poi"] = config["poi"] or "mu_SIG"
    if poi in normalisations(document):
        return document
    names = [channel["name"] for channel in document["channels"]]
    regions = [name for name in names if name.startswith("SR")] or names
    for channel in document["channels"]:
        if channel["name"] in regions:
            channel["samples"].append(signal(channel, poi))
    return document


def normalisations(document: dict[str, Any]) -> set[str]:
    """Return the names of all norm factors."""
    return {
        modifier["name"]
        for channel in document["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
        if modifier["type"] == "normfactor"
    }


def signal(channel: dict[str, Any], poi: str) -> dict[str, Any]:
    total = np.sum([sample["data"] for sample in channel["samples"]], axis=0)
    shape = np.linspace(0.25, 0.75, len(total))
    return {
        "name": "benchmark_signal",
        "data": (np.sqrt(np.maximum(total, 0.5)) * shape).tolist(),
        "modifiers": [
            {"name": poi, "type": "normfactor", "data": None},
            {"name": "benchmark_theory", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}},
        ],
    }
