"""The differentiable examples in short: each improves what it says, and its gradient is right."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest

from locations import REPOSITORY

Array = np.ndarray
DIRECTORY = REPOSITORY / "examples" / "differentiable"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(DIRECTORY))
    yield
    for name in ("common", "network"):
        sys.modules.pop(name, None)


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_detector_design() -> None:
    example = load("detector_design")
    result = example.run(short=True)
    assert result.best_limit < 0.9 * result.start_limit
    assert result.best_limit < 1.02 * result.limits.min()  # as good as a scan
    assert "chosen" in example.report(result)

    design = example.Design(example.simulate(2_000, 3))
    slope = design.log_limit_and_slope(2.0)[1]
    values = [design.log_limit_and_slope(2.0 + h)[0] for h in (1e-4, -1e-4)]
    assert slope == pytest.approx((values[0] - values[1]) / 2e-4, rel=1e-5)


def expect_gradient(function: Callable[[Array], tuple[float, Array]], x: Array) -> None:
    """Compare the gradient along a random direction with a central difference."""
    direction = np.random.default_rng(0).normal(size=x.size)
    step = 1e-6
    high, low = (function(x + sign * step * direction)[0] for sign in (1.0, -1.0))
    expected = (high - low) / (2.0 * step)
    assert function(x)[1] @ direction == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_cut_and_binning() -> None:
    example = load("cut_and_binning")
    analysis = example.Analysis(example.simulate(500, 2), bandwidth=0.02, width=4.0)
    x = np.array([-0.7, 0.1, -0.2, 0.3, 0.0, 0.1, -0.1])
    model = example.make_model(analysis.templates(analysis.fill(example.Selection.of(x))))
    expect_gradient(lambda y: example.uncertainty(analysis, model, y), x)
    result = example.run(short=True)
    assert result.chosen_uncertainty < 0.9 * result.start_uncertainty
    assert result.values.min() < result.values[0]
    assert np.all(np.diff(result.chosen.edges) > 0.0)
    assert "chosen" in example.report(result)


@pytest.mark.slow
def test_neos() -> None:
    example = load("neos")
    analysis, blobs = example.Analysis(), example.simulate(200, 2)
    expect_gradient(lambda w: analysis.log_cls(w, blobs), analysis.network.initial(3))
    result = example.run(short=True)
    assert result.cls.cls < result.entropy.cls
    assert result.cls.limit < result.entropy.limit
    assert result.cls.uncertainty < result.entropy.uncertainty
    assert "lowers" in example.report(result)


@pytest.mark.slow
def test_inferno() -> None:
    example = load("inferno")
    summary = example.Summary(example.Network((3, 8, 8, example.N_OUTPUTS)))
    events = example.simulate(300, 2)
    expect_gradient(lambda w: summary.loss(w, events, 4), summary.network.initial(3))
    result = example.run(short=True)
    assert result.inferno[2] < 0.9 * result.classifier[2]
    assert result.inferno[2] > example.PUBLISHED["exact likelihood"][2]
    assert "published" in example.report(result)
