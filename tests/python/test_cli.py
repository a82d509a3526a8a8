"""The command line, end to end."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import nablafit as nf

pytestmark = pytest.mark.process


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nablafit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def path(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    return path


def test_fit_prints_a_plain_table(path: Path) -> None:
    finished = run("fit", path)
    assert finished.returncode == 0
    assert finished.stderr == ""
    assert finished.stdout.startswith("workspace.json, nominal, newton: valid, chi2/dof = ")
    assert "\x1b" not in finished.stdout
    rows = [line.split() for line in finished.stdout.splitlines()]
    assert any(row[:1] == ["mu"] for row in rows)


def test_fit_prints_and_writes_json(path: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    finished = run(
        "fit", path, "--json", "--output", output, "--minimizer", "scipy:L-BFGS-B",
        "--measurement", "fixed_lumi", "--fix", "mu=1.5", "--fix", "scale", "--tolerance", "0.01",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    result = nf.FitResult.from_json(finished.stdout)
    assert result == nf.FitResult.from_json(output.read_text())
    assert result["mu"].value == 1.5
    assert result["scale"].fixed
    assert result["lumi"].fixed
    assert result.edm < 1e-5


def test_fit_that_fails_has_exit_code_1(path: Path) -> None:
    finished = run("fit", path, "--range", "mu=-30:10", "--fix", "mu=-20")
    assert finished.returncode == 1
    assert "NOT VALID (forbidden_start)" in finished.stdout


def test_inspect_counts_what_is_there(path: Path) -> None:
    finished = run("inspect", path, "--json")
    assert finished.returncode == 0
    summary = json.loads(finished.stdout)
    assert summary["sizes"] == {
        "channels": 2,
        "bins": 3,
        "samples": 3,
        "parameters": 6,
        "free parameters": 6,
        "constraint terms": 5,
    }
    assert summary["modifiers"]["normsys"] == 2
    control, signal_region = summary["channels"]
    assert control == {
        "name": "control_region",
        "bins": 1,
        "observed": 117.0,
        "expected": 120.0,
        "samples": {"background": 120.0},
    }
    assert signal_region["samples"]["signal"] == 11.0
    groups = {(g["kind"], g["constraint"]): g["names"] for g in summary["parameters"]}
    assert groups["histosys + normsys", "Gaussian"] == ["scale"]
    assert groups["shapesys", "Poisson"] == ["shape[0]"]
    assert groups["normfactor", "none"] == ["mu"]


def test_inspect_knows_fixed_parameters(path: Path) -> None:
    summary = json.loads(run("inspect", path, "--json", "--measurement", "fixed_lumi").stdout)
    assert summary["sizes"]["free parameters"] == 5
    assert [group["fixed"] for group in summary["parameters"] if group["kind"] == "lumi"] == [1]


def test_inspect_says_that_the_poi_is_missing(document: dict[str, Any], path: Path) -> None:
    document["measurements"][0]["config"]["poi"] = "mu_absent"
    path.write_text(json.dumps(document))
    finished = run("inspect", path)
    assert finished.returncode == 0
    assert "measurement nominal: mu_absent, not in any channel" in finished.stdout
    assert run("fit", path).returncode == 0


def test_warnings_go_to_stderr(document: dict[str, Any], path: Path) -> None:
    document["channels"][1]["samples"][0]["modifiers"][0]["data"] = {"lo": 0.01, "hi": 40.0}
    path.write_text(json.dumps(document))
    finished = run("inspect", path, "--json")
    assert finished.stderr.startswith("warning: ")
    assert "scale" in finished.stderr
    json.loads(finished.stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "missing.json"), "missing.json: no such file or directory"),
        (("fit", "{path}", "--fix", "nu"), "nu: unknown parameter"),
        (("fit", "{path}", "--fix", "mu=one"), "expected a number after '=', got 'one'"),
        (("fit", "{path}", "--minimizer", "newt"), "unknown minimiser 'newt'"),
        (("fit", "{path}", "--measurement", "nominl"), "did you mean nominal?"),
        (("inspect", "{path}", "--poi", "nu"), "nu"),
        (("inspect",), "Missing argument 'WORKSPACE'"),
        (("frobnicate",), "No such command 'frobnicate'"),
    ],
)
def test_bad_input_has_exit_code_2(path: Path, arguments: tuple[str, ...], message: str) -> None:
    finished = run(*(argument.format(path=path) for argument in arguments))
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


def test_broken_workspace_is_one_line(path: Path) -> None:
    path.write_text(path.read_text()[:300])
    finished = run("fit", path)
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert "workspace.json" in finished.stderr


def test_version_and_cmake_dir() -> None:
    assert run("--version").stdout == f"nablafit {nf.__version__}\n"
    directory = run("--cmake-dir").stdout.strip()
    assert Path(directory) == nf.cmake_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_interruption_is_clean(tmp_path: Path) -> None:
    """Reads from a pipe that nobody writes to, so that it is surely still running."""
    import os

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "nablafit", "fit", str(pipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        descriptor = os.open(pipe, os.O_WRONLY)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        os.close(descriptor)
    assert process.returncode == 130
    assert errors.strip() == "nablafit: interrupted"
