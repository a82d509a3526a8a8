"""Commands for the profile likelihood, end to end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit._cli import fits as _cli_fits
from nablafit.cli import _cli, main
from nablafit.infer import ContourResult, FeldmanCousinsResult, IntervalsResult, ScanResult


@pytest.fixture
def path(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_intervals(
    path: Path, capsys: pytest.CaptureFixture[str], model: nf.Model, data: nf.Data, tmp_path: Path
) -> None:
    output = tmp_path / "intervals.json"
    code, out, err = run(capsys, "intervals", path, "mu", "scale", "--level", "0.95", "-o", output)
    assert (code, err) == (0, "")
    assert out.startswith("Profile-likelihood intervals: 1.96 sigma, 95 %")
    names = [line.split()[0] for line in out.splitlines() if line.strip()]
    assert names[-2:] == ["mu", "scale"]
    assert nf.load_result(output) == nf.intervals(model, data, ["mu", "scale"], level=0.95)
    code, out, _ = run(capsys, "intervals", path, "--json", "--fix", "scale=0.5", "--threads", 1)
    assert code == 0
    result = IntervalsResult.from_json(out)
    assert result == nf.intervals(model, data, fixed={"scale": 0.5})


def test_scan(
    path: Path, capsys: pytest.CaptureFixture[str], model: nf.Model, data: nf.Data
) -> None:
    code, out, _ = run(capsys, "scan", path, "--points", 5, "--range", "0:2", "--json")
    assert code == 0
    assert ScanResult.from_json(out) == nf.scan(model, data, "mu", n=5, range=(0.0, 2.0))
    code, out, _ = run(
        capsys, "scan", path, "mu", "scale", "--points", 3, "--range", "0:2", "--range", "-1:1"
    )
    assert code == 0
    assert "9 points" in out
    assert "9 converged" in out


def test_contour(
    path: Path, capsys: pytest.CaptureFixture[str], model: nf.Model, data: nf.Data
) -> None:
    code, out, _ = run(
        capsys, "contour", path, "mu", "scale", "--level", 0.5, "--points", 10, "--json"
    )
    assert code == 0
    expected = nf.contour(model, data, ("mu", "scale"), levels=(0.5,), n_points=10)
    assert ContourResult.from_json(out) == expected
    assert run(capsys, "contour", path, "mu", "scale", "--points", 10)[1].count("closed") == 2


def test_feldman_cousins_continues_its_file(
    path: Path, capsys: pytest.CaptureFixture[str], model: nf.Model, data: nf.Data, tmp_path: Path
) -> None:
    output = tmp_path / "fc.json"
    arguments = ("feldman-cousins", path, "-o", output)
    code, out, _ = run(capsys, *arguments, "--values", "0:4:3", "--toys", 20)
    assert code == 0
    assert out.startswith("Feldman-Cousins interval of mu at 95 %")
    first = nf.load_result(output)
    assert isinstance(first, FeldmanCousinsResult)
    code, out, _ = run(capsys, *arguments, "--toys", 50, "--json")
    assert code == 0
    expected = nf.feldman_cousins(model, data, values=[0.0, 2.0, 4.0], n_toys=50)
    assert nf.load_result(output) == FeldmanCousinsResult.from_json(out) == expected
    np.testing.assert_array_equal(expected.toys[:, :20], first.toys)


def test_an_interrupted_run_keeps_its_toys(
    path: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(n_done: int) -> None:
        if n_done > 40:
            raise KeyboardInterrupt

    @contextmanager
    def stopping(*_: object) -> Iterator[Callable[[int], None]]:
        yield stop

    output = tmp_path / "fc.json"
    arguments = ("feldman-cousins", path, "-o", output, "--toys", 100, "--json")
    with monkeypatch.context() as patch:
        patch.setattr(_cli_fits, "progress_bar", stopping)
        code, _, err = run(capsys, *arguments)
    assert code == 130
    lines = err.split("\n")
    assert lines[0].endswith("fc.json: what was done until the interruption")
    assert "nablafit: interrupted" in lines
    partial = nf.load_result(output)
    assert isinstance(partial, FeldmanCousinsResult)
    assert 0 < np.sum(partial.n_done) < partial.toys.size
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    output.unlink()
    assert run(capsys, *arguments)[1] == out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("intervals", "nu"), "nu: unknown parameter"),
        (("intervals", "--level", "2"), "--level: expected a number between 0 and 1"),
        (("scan", "--values", "0:x"), "--values: expected numbers as 0.5,1,2 or LOW:HIGH:N"),
        (("scan", "--values", "0:1", "--values", "0:1"), "--values: expected one for each"),
        (("scan", "--values", "0,1", "--points", "3"), "--points: the values are listed"),
        (("contour", "mu", "mu"), "PARAMETERS: expected the names of two"),
        (("feldman-cousins", "--values", "0:1"), "--values: expected numbers as"),
        (("feldman-cousins", "--values", "0:1:1"), "--values: expected at least 2 values"),
    ],
)
def test_bad_input_is_a_sentence(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    command, *others = arguments
    code, _, err = run(capsys, command, path, *others)
    assert code == 2
    assert err.startswith(f"nablafit: {message}")


def test_another_result_is_not_continued(
    path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = tmp_path / "result.json"
    assert run(capsys, "intervals", path, "mu", "-o", output)[0] == 0
    code, _, err = run(capsys, "feldman-cousins", path, "-o", output)
    assert code == 2
    assert "result.json: this file exists and holds another output (IntervalsResult)" in err


def test_a_bound_is_no_failure(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document["channels"][0]["samples"][0]["data"] = [0.0, 0.0]
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    code, out, _ = run(capsys, "intervals", path, "mu")
    assert code == 0
    assert "the bound 10 comes first" in out


@pytest.mark.parametrize(
    ("command", "former", "name", "rest"),
    [
        ("scan", "--n", "--points", []),
        ("contour", "--n", "--points", ["mu", "scale"]),
        ("feldman-cousins", "--n-toys", "--toys", []),
        ("toys", "--n", "--toys", ["-o", "toys.npz"]),
    ],
)
def test_former_names_of_options(
    command: str, former: str, name: str, rest: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = _cli.commands[command]
    contexts = [
        found.make_context(command, ["workspace.json", *rest, option, "7"])
        for option in (former, name)
    ]
    said = f"warning: {former} is deprecated, use {name}\n"
    assert capsys.readouterr().err == said
    assert contexts[0].params == contexts[1].params
    assert 7 in contexts[0].params.values()
    helped = found.get_help(contexts[0])
    assert f"{name} " in helped
    assert f"{former} " not in helped
