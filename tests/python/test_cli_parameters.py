"""Commands about nuisance parameters, end to end."""

import json
import subprocess
import sys
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


def test_ranking(path: Path, model: nf.Model, data: nf.Data, tmp_path: Path) -> None:
    output = tmp_path / "ranking.json"
    finished = run("ranking", path, "--top", "2", "-o", output, "--threads", "2")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    assert "\x1b" not in finished.stdout
    expected = nf.ranking(model, data)
    assert nf.load_result(output) == expected
    assert finished.stdout == repr(expected.first(2)) + "\n"


def test_a_saved_fit_saves_the_fit(
    path: Path, model: nf.Model, data: nf.Data, tmp_path: Path
) -> None:
    fit = tmp_path / "fit.json"
    assert run("fit", path, "--fix", "lumi=1.01", "-o", fit).returncode == 0
    finished = run("ranking", path, "--fit", fit, "--json", "--exclude", "stat*")
    best = nf.fit(model, data, fixed={"lumi": 1.01})
    assert json.loads(finished.stdout)["parameters"] == list(
        nf.ranking(model, data, result=best, exclude="stat*").parameters
    )
    finished = run("pulls", path, "--fit", fit, "--parameters", "lumi")
    assert finished.stdout.splitlines()[-1].split() == ["lumi", "1.01", "+0.50", "fixed"]
    saved = tmp_path / "pulls.json"
    assert run("pulls", path, "-o", saved).returncode == 0
    finished = run("impacts", path, "--fit", saved)
    assert finished.returncode == 2
    assert "expected the result of a fit, got a PullsResult" in finished.stderr


@pytest.mark.parametrize(
    ("options", "method"), [((), "linear"), (("--global-observables",), "global_observables")]
)
def test_impacts(
    path: Path, model: nf.Model, data: nf.Data, options: tuple[str, ...], method: str
) -> None:
    finished = run("impacts", path, "--json", *options)
    assert finished.returncode == 0, finished.stderr
    found = nf.infer.RankingResult.from_json(finished.stdout)
    assert found == nf.ranking(model, data, method=method)


def test_pulls_and_their_warnings(path: Path) -> None:
    finished = run("pulls", path, "--over-constrained", "1.1", "--exclude", "re:stat.*")
    assert finished.returncode == 0, finished.stderr
    assert "lumi: the data constrain it to" in finished.stdout
    assert "stat[0]" not in finished.stdout


def test_breakdown(path: Path, model: nf.Model, data: nf.Data) -> None:
    options = ("--group", "gammas=stat*,shape*", "--group", "rest=lumi", "--group", "rest=scale")
    finished = run("breakdown", path, *options, "--method", "refit", "--json")
    assert finished.returncode == 0, finished.stderr
    found = nf.infer.BreakdownResult.from_json(finished.stdout)
    groups = {"gammas": ["stat*", "shape*"], "rest": ["lumi", "scale"]}
    assert found == nf.breakdown(model, data, groups=groups, method="refit")
    assert "MC statistics" in run("breakdown", path).stdout


def test_correlation(path: Path, model: nf.Model, data: nf.Data) -> None:
    finished = run("correlation", path, "--json", "--order", "cluster", "--threshold", "0.1")
    assert finished.returncode == 0, finished.stderr
    found = nf.infer.CorrelationResult.from_json(finished.stdout)
    assert found == nf.correlation(nf.fit(model, data), order="cluster", threshold=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ranking", "{path}", "--parameters", "nothing*"), "'nothing*' matches no parameter"),
        (("ranking", "{path}", "--method", "quick"), "'quick' is not one of 'refit'"),
        (("breakdown", "{path}", "--group", "gammas"), "--group: expected NAME=PATTERN"),
        (("impacts", "{path}", "--measurement", "fixed_lumi"), "names no parameter of interest"),
    ],
)
def test_bad_input_has_exit_code_2(path: Path, arguments: tuple[str, ...], message: str) -> None:
    finished = run(*(argument.format(path=path) for argument in arguments))
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
