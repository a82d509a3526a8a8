"""The commands limit, hypotest, significance and show, end to end."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nablafit as nf
from nablafit._cli import common as _cli_common
from nablafit._cli.common import parse_list
from nablafit._cli.limits import parse_tested
from nablafit.infer import HypotestResult, LimitGridResult, LimitResult, SignificanceResult
from nablafit.io.patchset import digest

pytestmark = pytest.mark.process


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nablafit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def path(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    return path


def test_limit(path: Path, tmp_path: Path, model: nf.Model, data: nf.Data) -> None:
    output = tmp_path / "limit.json"
    finished = run("limit", path, "--level", "0.9", "-o", output)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    assert finished.stdout.startswith("90 % CLs upper limit on mu with qtilde, asymptotic\n")
    result = nf.load_result(output)
    assert isinstance(result, LimitResult)
    assert result == nf.upper_limit(model, data, level=0.9)
    shown = run("show", output)
    assert shown.stdout == finished.stdout
    path.unlink()  # what was saved needs no workspace
    again = run("show", output, "--json")
    assert LimitResult.from_json(again.stdout) == result


def test_limit_on_a_grid_with_toys(path: Path) -> None:
    finished = run(
        "limit", path, "--values", "0.5:3.5:4", "--toys", "200", "--seed", "5", "--json",
        "--interpolation", "linear", "--criterion", "CLs+b", "--fix", "lumi", "--threads", "1",
    )  # fmt: skip
    assert finished.returncode in (0, 1), finished.stderr
    result = LimitResult.from_json(finished.stdout)
    assert result.values.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert (result.method, result.criterion, result.calculator) == ("linear", "CLs+b", "toys")
    assert [len(toys) for toys in result.toys] == [200] * 8
    assert result.toys[0].seed == 5


def test_limit_that_is_not_found(path: Path) -> None:
    finished = run("limit", path, "--values", "0.1,0.2")
    assert finished.returncode == 1
    assert "FAILED" in finished.stdout
    assert "Values above 0.2 have to be tested" in finished.stdout


def test_hypotest(path: Path) -> None:
    finished = run("hypotest", path, "--value", "2", "--json")
    assert finished.returncode == 0, finished.stderr
    assert HypotestResult.from_json(finished.stdout).tested == (2.0,)
    finished = run(
        "hypotest", path, "--value", "mu=2", "--value", "scale=0.5", "--statistic", "t",
        "--toys", "50", "--start", "10",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert "Test of mu = 2, scale = 0.5 with t, toys" in finished.stdout
    assert "50 toys at 2, 0.5, 0 failed" in finished.stdout


def test_significance(path: Path) -> None:
    finished = run(
        "significance", path, "--json", "--expected-nuisances", "prefit", "--expected-at", "2"
    )
    assert finished.returncode == 0, finished.stderr
    result = SignificanceResult.from_json(finished.stdout)
    assert (result.asimov, result.expected_at) == ("prefit", 2.0)
    assert result.z > 1


def test_signal_grid(document: dict[str, Any], path: Path, tmp_path: Path) -> None:
    background = copy.deepcopy(document)
    signal_sample = background["channels"][0]["samples"].pop(0)
    path.write_text(json.dumps(background))
    operation = {"op": "add", "path": "/channels/0/samples/-", "value": signal_sample}
    entries = [
        {"metadata": {"name": f"s{mass}", "values": [mass]}, "patch": [operation][: mass - 1]}
        for mass in (1, 2, 3)
    ]
    patches = {
        "metadata": {
            "digests": {"sha256": digest(background)},
            "references": {},
            "description": "",
            "labels": ["mass"],
        },
        "patches": entries,
        "version": "1.0.0",
    }
    patchset, table = tmp_path / "patches.json", tmp_path / "grid.csv"
    patchset.write_text(json.dumps(patches))
    finished = run("limit", path, "--patchset", patchset, "--csv", table, "--json")
    assert finished.returncode == 1, finished.stderr  # the first has no signal
    grid = LimitGridResult.from_json(finished.stdout)
    assert grid.status == ("error", "ok", "ok")
    assert grid.source == str(patchset)
    assert table.read_text("utf-8") == grid.to_csv()
    one = run("limit", path, "--patchset", patchset, "--signal", "s3")
    assert one.returncode == 0, one.stderr
    assert "upper limits on mu of 1 signals" in one.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("limit", "{path}", "--poi", "nu"), "nu"),
        (("limit", "{path}", "--values", "a,b"), "--values: expected numbers"),
        (("limit", "{path}", "--csv", "x.csv"), "--csv: needs --patchset"),
        (("limit", "{path}", "--patchset", "{path}", "--toys", "5"), "--toys: is not for signal"),
        (("limit", "{path}", "--patchset", "missing.json"), "missing.json: no such file"),
        (("limit", "{path}", "--statistic", "t"), "statistic: expected one of qtilde, q"),
        (("limit", "{path}", "--measurement", "fixed_lumi"), "no parameter of interest"),
        (("hypotest", "{path}", "--value", "x"), "--value: expected a number"),
        (("hypotest", "{path}", "--value", "1", "--value", "2"), "--value: expected NAME=VALUE"),
        (("hypotest", "{path}", "--statistic", "z"), "statistic: expected one of"),
        (("significance", "{path}", "--expected-nuisances", "x"), "is not one of"),
        (("show", "{path}"), "expected a saved result of nablafit"),
    ],
)
def test_bad_input_has_exit_code_2(path: Path, arguments: tuple[str, ...], message: str) -> None:
    finished = run(*(argument.format(path=path) for argument in arguments))
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


def test_options_are_parsed(model: nf.Model) -> None:
    assert parse_list("0:2:3").tolist() == [0.0, 1.0, 2.0]
    assert parse_list("0.5,2").tolist() == [0.5, 2.0]
    assert parse_tested((), model) is None
    assert parse_tested(("1.5",), model) == 1.5
    assert parse_tested(("stat[0]=1", "mu=2"), model) == {"stat[0]": 1.0, "mu": 2.0}


_INTERRUPTED = """
import os, signal, sys
import nablafit.infer.testing._toy_runs as runs
from nablafit.cli import main

original, n_blocks = runs.run_block, 0

def counted(*arguments):
    global n_blocks
    original(*arguments)
    n_blocks += 1
    if n_blocks == 5:
        os.kill(os.getpid(), signal.SIGINT)

runs.run_block = counted
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_interruption_saves_what_is_done(path: Path, tmp_path: Path) -> None:
    output = tmp_path / "toys.json"
    arguments = ("hypotest", path, "--toys", "1000000000", "-o", output)
    finished = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 130, finished.stderr
    assert "toys.json: what was done until the interruption" in finished.stderr
    result = nf.load_result(output)
    assert isinstance(result, HypotestResult)
    assert result.status == "interrupted"
    assert len(result.toys[0]) > 64


def test_long_runs_write_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_cli_common, "_SECONDS_BETWEEN_LINES", 0.0)
    with _cli_common.progress_bar(30, "toys") as progress:
        progress(10)
    monkeypatch.setattr(_cli_common, "_SECONDS_BETWEEN_LINES", 1e9)
    with _cli_common.progress_bar(30, "toys") as progress:
        progress(20)
    assert capsys.readouterr().err == "10 of 30 toys\n"
