"""Benchmarks run, and say what they measured; their numbers are not tested."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from locations import REPOSITORY

pytestmark = pytest.mark.bench

RIVALS = ("pyhf NumPy", "pyhf JAX", "NextStat")
# In seconds. Against what hangs, not for speed: other work may share the machine.
PATIENCE = 1200


@pytest.mark.parametrize("name", ["evaluate", "fit"])
def test_benchmark_of_the_example(name: str, tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    script = REPOSITORY / "benchmarks" / f"{name}.py"
    workspace = REPOSITORY / "examples" / "multichannel.json"
    skip = [word for rival in RIVALS for word in ("--skip", rival)]
    command = [sys.executable, script, workspace, "--seconds", "1e-3", "--output", output, *skip]
    finished = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert finished.returncode == 0, finished.stderr
    assert "skipped" in finished.stdout
    document = json.loads(output.read_text("utf-8"))
    assert document["packages"]["nablafit"]
    assert {"date", "processor", "clock", "load"} <= set(document)
    found = document["workspaces"]["multichannel"]
    assert found["sizes"] == {"parameters": 101, "bins": 42}
    if name == "evaluate":
        assert found["results"]["value and gradient"]["nablafit"]["median"] > 0
        assert found["results"]["value"]["NextStat"] == {"absent": "skipped"}
        assert found["ratios"]["gradient / value"] > 0
    else:
        assert found["fits"]["nablafit newton"]["says_valid"]
        assert found["fits"]["nablafit newton"]["above_lowest"] < 1e-6
        assert found["ratios"]["nablafit MINUIT / newton"] > 0


def test_benchmark_of_formulas(tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    script = REPOSITORY / "benchmarks" / "formulas.py"
    command = [sys.executable, script, "--bins", 20, "--seconds", 1e-3, "--output", output]
    finished = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert finished.returncode == 0, finished.stderr
    found = json.loads(output.read_text("utf-8"))
    assert found["bins"] == 20
    assert len(found["seconds"]) == 10
    assert min(found["seconds"].values()) > 0


def test_benchmark_of_rankings(tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    script = REPOSITORY / "benchmarks" / "ranking.py"
    workspace = REPOSITORY / "examples" / "multichannel.json"
    command = [sys.executable, script, workspace, "--skip", "cabinetry", "--output", output]
    finished = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert finished.returncode == 0, finished.stderr
    assert "skipped" in finished.stdout
    found = json.loads(output.read_text("utf-8"))["workspaces"]["multichannel"]
    assert found["valid_fit"]
    assert found["refits"] > 2 * found["parameters"] > 100
    assert 0 < found["linear_cpu"] < found["cpu_1"]


def test_benchmark_of_inference(tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    script = REPOSITORY / "benchmarks" / "infer.py"
    workspace = REPOSITORY / "examples" / "multichannel.json"
    command = [sys.executable, script, workspace, "--toys", "20", "--skip", "pyhf"]
    finished = subprocess.run(
        [*map(str, command), "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert finished.returncode == 0, finished.stderr
    found = json.loads(output.read_text("utf-8"))["workspaces"]["multichannel"]
    assert found["status"] == "ok"
    assert found["limit"] > 0
    assert found["toy"] > 0


def test_benchmark_of_differentiable_inference(tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    workspace = REPOSITORY / "examples" / "multichannel.json"
    options = ["--sizes", "8", "--no-staterror", "--seconds", "1e-3", "--skip", "jax"]
    run_script("differentiable.py", workspace, *options, "--output", output)
    record = json.loads(output.read_text("utf-8"))
    assert list(record["models"]) == ["synthetic 8", "multichannel"]
    assert not record["staterror"]
    for found in record["models"].values():
        assert found["mu"] > 0
        assert found["inputs"] > found["parameters"]
        assert found["results"]["expected limit"]["median"] > 0


def test_hierarchy_of_a_small_model(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    output = tmp_path / "numbers.json"
    options = ["--sizes", "8", "--seconds", "1e-3", "--largest-jax", "0", "--fit-seconds", "1"]
    run_script("hierarchy.py", *options, "--output", output)
    (found,) = json.loads(output.read_text("utf-8"))["models"].values()
    assert found["sizes"]["parameters"] == 8
    assert found["gradients"]["clad"]["gradient"]["median"] > 0
    assert found["gradients"]["forward"]["deviation"] < 1e-12
    missing = {"absent": "Clad is not installed"}
    assert found["gradients"]["Clad on the exported function"] == missing
    newton = next(fit for fit in found["fits"] if fit["name"] == "newton")
    assert newton["valid"]
    assert newton["above_lowest"] < 1e-6
    run_script("hierarchy_report.py", output, tmp_path)
    text = (tmp_path / "hierarchy.md").read_text("utf-8")
    assert "absent: Clad is not installed" in text
    assert (tmp_path / "hierarchy_fits.png").stat().st_size > 1000


@pytest.fixture
def small(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


def test_quality_of_a_small_workspace(small: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    output = tmp_path / "numbers.json"
    run_script("quality.py", small, "--output", output)
    (found,) = json.loads(output.read_text("utf-8"))["workspaces"].values()
    assert found["agreement"]["forward"]["gradient"] < 1e-12
    assert found["agreement"]["finite-difference"]["gradient"] > 1e-13
    run_script("quality_report.py", output, tmp_path)
    assert (tmp_path / "quality_migrad.png").stat().st_size > 1000


def test_minima_of_toys_of_a_directory(small: Path) -> None:
    run_script("toy_minima.py", small.parent, "--toys", 20)


def test_rivals_on_a_small_workspace(small: Path, tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    skip = [word for tool in ("pyhf JAX", "RooFit", "NextStat") for word in ("--skip", tool)]
    options = ["--seconds", "1e-3", "--toys", "3", "--few-toys", "1", *skip]
    run_script("rivals.py", small, *options, "--output", output)
    document = json.loads(output.read_text("utf-8"))
    (found,) = document["workspaces"].values()
    cls = found["results"]["CLs"]
    assert cls["nablafit"]["value"] == pytest.approx(cls["pyhf NumPy"]["value"], rel=1e-3)
    assert cls["RooFit"] == {"absent": "skipped"}
    assert found["results"]["fit with covariance"]["nablafit"]["above_lowest"] < 1e-6
    assert all(fit["valid"] for fit in document["templates"]["fits"].values())


def run_script(name: str, *arguments: object) -> None:
    command = [sys.executable, REPOSITORY / "benchmarks" / name, *arguments]
    finished = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert finished.returncode == 0, finished.stderr
