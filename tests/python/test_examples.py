"""The example workspace: made by its script, realistic, and fitted with the truth found again."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY

SCRIPT = REPOSITORY / "examples" / "make_workspace.py"
SHIPPED = REPOSITORY / "examples" / "multichannel.json"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    description = importlib.util.spec_from_file_location("make_workspace", SCRIPT)
    assert description is not None
    assert description.loader is not None
    module = importlib.util.module_from_spec(description)
    sys.modules[description.name] = module
    description.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SHIPPED.read_text("utf-8"))
    return document


@pytest.mark.process
def test_shipped_file_is_what_the_script_makes(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    subprocess.run([sys.executable, str(SCRIPT), str(made)], check=True, capture_output=True)
    assert made.read_bytes() == SHIPPED.read_bytes()
    assert len(made.read_bytes()) < 200_000


def test_every_common_modifier_is_shown(shipped: dict[str, Any]) -> None:
    modifiers = [
        modifier
        for channel in shipped["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    ]
    kinds = {modifier["type"] for modifier in modifiers}
    assert kinds == {"normfactor", "normsys", "histosys", "staterror", "shapesys", "lumi"}


def test_shapes_do_not_change_the_number_of_events(shipped: dict[str, Any]) -> None:
    """What a histosys changes is the shape; the normsys of the same name does the rest."""
    for channel in shipped["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                if modifier["type"] == "histosys":
                    for side in ("hi_data", "lo_data"):
                        total = sum(modifier["data"][side])
                        assert total == pytest.approx(sum(sample["data"]), rel=1e-4)


def test_fit_finds_the_signal() -> None:
    workspace = nf.Workspace.load(SHIPPED)
    assert workspace.measurements == ("search", "background_only")
    model = workspace.model()
    assert model.poi == "mu_signal"
    assert model.warnings == ()
    data = workspace.data(model)
    result = nf.fit(model, data)
    assert result.valid
    signal = result["mu_signal"]
    assert abs(signal.value - 1.0) < 2 * signal.error
    background = nf.fit(workspace.model("background_only"), data)
    assert background.valid
    assert background["mu_signal"].value == 0.0
    significance = np.sqrt(background.twice_nll - result.twice_nll)
    assert 1.5 < significance < 3.5


@pytest.mark.slow
def test_other_seeds_find_the_truth_on_average(script: ModuleType) -> None:
    pulls = []
    for seed in range(20):
        workspace = nf.Workspace.load(script.make_workspace(seed))
        model = workspace.model()
        result = nf.fit(model, workspace.data(model))
        assert result.valid, f"seed {seed}: {result.message}"
        minuit = nf.fit(model, workspace.data(model), minimizer="minuit")
        assert minuit.valid, f"seed {seed}: {minuit.message}"
        assert minuit.twice_nll == pytest.approx(result.twice_nll, abs=2e-3)
        signal = result["mu_signal"]
        pulls.append((signal.value - script.SIGNAL_STRENGTH) / signal.error)
    assert abs(np.mean(pulls)) < 3 / np.sqrt(20)
    assert 0.6 < np.std(pulls) < 1.5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, by pyhf
def test_pyhf_reads_it_and_agrees(shipped: dict[str, Any]) -> None:
    pyhf = pytest.importorskip("pyhf")
    workspace = nf.Workspace.load(SHIPPED)
    theirs = pyhf.Workspace(shipped)
    for name in workspace.measurements:
        model, other = workspace.model(name), theirs.model(measurement_name=name)
        logpdf = model.likelihood(workspace.data(model)).logpdf(model.initial)
        expected = float(other.logpdf(other.config.suggested_init(), theirs.data(other))[0])
        assert logpdf == pytest.approx(expected, rel=1e-10)
