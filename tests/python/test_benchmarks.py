"""Benchmarks run, and say what they measured; their numbers are not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from locations import REPOSITORY

RIVALS = ("pyhf NumPy", "pyhf JAX", "NextStat")


@pytest.mark.parametrize("name", ["evaluate", "fit"])
def test_benchmark_of_the_example(name: str, tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    script = REPOSITORY / "benchmarks" / f"{name}.py"
    workspace = REPOSITORY / "examples" / "multichannel.json"
    skip = [word for rival in RIVALS for word in ("--skip", rival)]
    command = [sys.executable, script, workspace, "--seconds", "1e-3", "--output", output, *skip]
    finished = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=300
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


def test_benchmark_of_rankings(tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    script = REPOSITORY / "benchmarks" / "ranking.py"
    workspace = REPOSITORY / "examples" / "multichannel.json"
    command = [sys.executable, script, workspace, "--skip", "cabinetry", "--output", output]
    finished = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=300
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
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    found = json.loads(output.read_text("utf-8"))["workspaces"]["multichannel"]
    assert found["status"] == "ok"
    assert found["limit"] > 0
    assert found["toy"] > 0


def test_hierarchy_of_a_small_model(tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    script = REPOSITORY / "benchmarks" / "hierarchy.py"
    command = [sys.executable, script, "--sizes", "6", "--seconds", "1e-3", "--calls", "200"]
    finished = subprocess.run(
        [str(word) for word in (*command, "--output", output)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    (found,) = json.loads(output.read_text("utf-8"))["models"].values()
    assert found["gradients"]["clad"]["gradient"]["median"] > 0
    assert found["gradients"]["Clad on the exported function"]["value"] == {
        "absent": "Clad is not installed"
    }
    newton = next(fit for fit in found["fits"] if fit["name"] == "newton")
    assert newton["valid"]
    assert newton["above_lowest"] < 1e-6
