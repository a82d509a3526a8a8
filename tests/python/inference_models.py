"""Workspaces and a pyhf referee for the tests of limits and p-values."""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest

import nablafit as nf
from nablafit.infer.testing import _profile
from nablafit.infer.testing._hypothesis import Hypothesis


def counting(
    signal: list[float], background: list[float], observed: list[float], poi: str = "mu"
) -> dict[str, Any]:
    """One channel with a 10 % uncertainty of the background."""
    uncertainty = {"name": "scale", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}
    strength = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": signal, "modifiers": [strength]},
        {"name": "background", "data": background, "modifiers": [uncertainty]},
    ]
    return {
        "version": "1.0.0",
        "channels": [{"name": "region", "samples": samples}],
        "observations": [{"name": "region", "data": observed}],
        "measurements": [{"name": "m", "config": {"poi": poi, "parameters": []}}],
    }


def opened(document: dict[str, Any]) -> tuple[nf.Model, nf.Data]:
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    return model, workspace.data(model)


def with_signal(path: Path) -> dict[str, Any]:
    """Add a signal to the signal regions of a published background model."""
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    modifiers = [
        {"name": "mu_SIG", "type": "normfactor", "data": None},
        {"name": "lumi", "type": "lumi", "data": None},
        {"name": "signal_theory", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}},
    ]
    for channel in document["channels"]:
        if channel["name"].startswith("SR"):
            total = np.sum([sample["data"] for sample in channel["samples"]], axis=0)
            shape = np.linspace(0.25, 0.75, len(total))
            data = (np.sqrt(np.maximum(total, 0.5)) * shape).tolist()
            channel["samples"].append({"name": "signal", "data": data, "modifiers": modifiers})
    return document


@contextmanager
def precise_pyhf() -> Iterator[None]:
    """Make pyhf fit with MINUIT to a small EDM."""
    before = pyhf.get_backend()
    optimizer = pyhf.optimize.minuit_optimizer(tolerance=1e-6, strategy=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyhf.set_backend("numpy", optimizer)
        try:
            yield
        finally:
            pyhf.set_backend(*before)


def pyhf_model(document: dict[str, Any]) -> tuple[Any, list[float]]:
    """Build pyhf's model of the first measurement and its data."""
    workspace = pyhf.Workspace(document)
    model = workspace.model(measurement_name=document["measurements"][0]["name"])
    return model, workspace.data(model)


def pyhf_test(
    document: dict[str, Any],
    value: float,
    *,
    test_stat: str = "qtilde",
    bounds: tuple[float, float] | None = None,
) -> np.ndarray:
    """Return CLs+b, CLb, CLs and the five expected CLs; with q0 p-values instead of CLs."""
    with precise_pyhf():
        model, data = pyhf_model(document)
        ranges = model.config.suggested_bounds()
        if bounds is not None:
            ranges[model.config.poi_index] = bounds
        main, tails, expected = pyhf.infer.hypotest(
            value,
            data,
            model,
            test_stat=test_stat,
            par_bounds=ranges,
            return_tail_probs=True,
            return_expected_set=True,
        )
    head = [main, *tails] if test_stat == "q0" else [*tails, main]
    return np.array([*map(float, head), *map(float, expected)])


def spoil_fits(monkeypatch: pytest.MonkeyPatch, fails: Callable[[float], bool]) -> None:
    """Let fits fail where the parameter of interest is held at some values."""

    def spoil(rows: Sequence[_profile.Row], fits: list[_profile.Fit]) -> None:
        for i, (row, fit) in enumerate(zip(rows, fits, strict=True)):
            if row.at is not None and fails(row.at[0]):
                fits[i] = _profile.Fit(fit.x, fit.value, "stalled")

    change_fits(monkeypatch, spoil)


def change_fits(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Sequence[_profile.Row], list[_profile.Fit]], None],
) -> None:
    """Let `change` do to the fits of every batch what it likes."""
    original = _profile.Fits._lowest

    def changed(
        self: _profile.Fits,
        hypothesis: Hypothesis,
        rows: Sequence[_profile.Row],
        *rest: object,
        **options: bool,
    ) -> tuple[list[_profile.Fit], list[bool]]:
        fits, differ = original(self, hypothesis, rows, *rest, **options)
        change(rows, fits)
        return fits, differ

    monkeypatch.setattr(_profile.Fits, "_lowest", changed)
