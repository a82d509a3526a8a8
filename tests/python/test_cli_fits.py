"""Options that all commands with fits share: data, Asimov data, parameters held, ranges, starts."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import nablafit as nf
from nablafit.cli import _cli, main

# Every command that fits, with what it needs besides the workspace, to be quick.
FITS: dict[str, tuple[str, ...]] = {
    "fit": (),
    "limit": (),
    "hypotest": (),
    "significance": (),
    "intervals": ("mu",),
    "scan": ("--points", "3"),
    "contour": ("mu", "scale", "--points", "4", "--level", "0.68"),
    "feldman-cousins": ("--values", "0.5,1.5", "--toys", "5"),
    "ranking": ("--parameters", "scale"),
    "impacts": (),
    "pulls": (),
    "breakdown": (),
    "correlation": (),
    "yields": (),
    "gof": (),
    "toys": ("--toys", "3"),
    "report": ("--no-ranking",),
}
ONE_FIT = ("fit", "ranking", "impacts", "pulls", "breakdown", "correlation", "yields", "report")
OUTPUTS = {"toys": "toys.npz", "report": "report.html"}


@pytest.fixture
def path(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def options_of(command: str) -> set[str]:
    parameters = _cli.commands[command].params
    return {name for each in parameters if isinstance(each, click.Option) for name in each.opts}


def test_every_command_that_fits_is_in_the_table() -> None:
    found = {name for name in _cli.commands if "--fix" in options_of(name)}
    assert found == set(FITS)


@pytest.mark.parametrize("command", FITS)
def test_commands_that_fit_have_the_same_options(command: str) -> None:
    shared = {"--dataset", "--asimov", "--nuisances", "--fix", "--release", "--range", "--starts"}
    assert shared <= options_of(command)
    assert ("--minimizer" in options_of(command)) == (command in ONE_FIT)


@pytest.mark.parametrize("command", FITS)
def test_expected_results_of_every_command(
    command: str, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    output = tmp_path / OUTPUTS.get(command, "result.json")
    options = ("--asimov", "mu=1.5", "--fix", "stat*", "--range", "mu=:8", "--release", "lumi")
    words = (*options, path, *FITS[command], "-o", output, "--measurement", "fixed_lumi")
    code, _, err = run(capsys, command, "--poi", "mu", *words)
    assert (code, "Traceback" in err) == (0, False), err
    assert "note: Asimov data at mu = 1.5; other parameters at the initial values" in err
    assert output.stat().st_size > 0


def test_asimov_data_of_a_fit(
    path: Path,
    model: nf.Model,
    data: nf.Data,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fitted(*options: str) -> nf.FitResult:
        code, out, err = run(capsys, "fit", "--json", *options, path)
        assert code == 0, err
        return nf.FitResult.from_json(out)

    same = {"atol": 1e-6}
    np.testing.assert_allclose(fitted("--asimov").x, model.initial, **same)
    np.testing.assert_allclose(fitted("--asimov", "1.5").x, model.point({"mu": 1.5}), **same)
    two = fitted("--asimov", "mu=2", "--asimov", "sc*=0.5")
    np.testing.assert_allclose(two.x, model.point({"mu": 2, "scale": 0.5}), **same)
    held = nf.fit(model, data, fixed={"mu": 2.0})
    profiled = fitted("--asimov", "mu=2", "--nuisances", "profiled")
    np.testing.assert_allclose(profiled.x, held.x, atol=1e-5)
    free = nf.fit(model, data)
    postfit = fitted("--asimov", "mu=2", "--nuisances", "postfit")
    assert postfit["scale"].value == pytest.approx(free["scale"].value, abs=1e-5)


def test_patterns_choose_parameters(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--fix", "stat*=1.01", "--fix", "stat[1]", "--release", "shape[0]")
    code, out, err = run(capsys, "fit", path, "--json", *options, "--range", "re:s.*=-3:3")
    assert code == 0, err
    result = nf.FitResult.from_json(out)
    assert [result[name].value for name in ("stat[0]", "stat[1]")] == [1.01, 1.0]
    ends = dict(zip(result.parameters, zip(result.lower, result.upper, strict=True), strict=True))
    assert ends["scale"] == ends["shape[0]"] == (-3.0, 3.0)
    assert ends["lumi"] == (0.9, 1.1)
    code, out, _ = run(capsys, "fit", path, "--json", "--fix", "s*", "--release", "scale")
    assert not nf.FitResult.from_json(out)["scale"].fixed
    assert nf.FitResult.from_json(out)["stat[0]"].fixed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fix", "gamma*"), "--fix: 'gamma*' matches no parameter"),
        (("--fix", "scal"), "scal: unknown parameter; did you mean scale?"),
        (("--fix", "mu=1e9"), "mu: the value 1e+09 to hold it at is outside [0, 10]"),
        (("--fix", "mu=nan"), "mu: the value nan to hold it at is outside"),
        (("--range", "mu"), "--range: expected NAME=LOW:HIGH, got 'mu'"),
        (("--range", "mu=1"), "--range: expected NAME=LOW:HIGH, got 'mu=1'"),
        (("--range", "mu=a:b"), "--range mu: expected LOW:HIGH, two numbers, got 'a'"),
        (("--range", "mu=3:1"), "--range mu: expected LOW < HIGH"),
        (("--fix", "mu", "--release", "mu"), "mu: both fixed and released"),
        (("--nuisances", "postfit"), "--nuisances: needs --asimov"),
        (("--asimov", "--nuisances", "profiled"), "need the value of the parameter of interest"),
        (("--asimov", "--dataset", "x"), "--dataset: Asimov data before the fit need no data set"),
        (("--asimov", "mu=x"), "--asimov mu: expected a number"),
        (("--dataset", "observd"), "observd: no such data set"),
    ],
)
def test_wrong_values_are_a_sentence(
    options: tuple[str, ...], message: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "fit", path, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_former_meanings_of_options(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "significance", "--asimov", "prefit", path, "--json")
    assert (code, json.loads(out)["asimov"]) == (0, "prefit")
    assert err == "warning: --asimov prefit is deprecated, use --expected-nuisances prefit\n"
    former = run(capsys, "scan", path, "--range", "0.5:2", "--points", "3", "--json")
    assert former[2] == "warning: --range LOW:HIGH is deprecated, use --values LOW:HIGH\n"
    new = run(capsys, "scan", path, "--values", "0.5:2:3", "--json")
    assert json.loads(former[1])["axes"] == json.loads(new[1])["axes"] == [[0.5, 1.25, 2.0]]
    assert new[2] == ""


def test_toys_of_other_fits_are_not_continued(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toys = ("toys", path, "--toys", "3", "--initial", "-o", tmp_path / "toys.npz")
    assert run(capsys, *toys, "--fix", "scale")[0] == 0
    assert run(capsys, *toys, "--fix", "scale")[0] == 0
    code, _, err = run(capsys, *toys)
    assert code == 2
    assert "toys of another run" in err


def test_reports_hold_what_their_fit_holds(model: nf.Model, data: nf.Data) -> None:
    best = nf.fit(model, data, fixed={"scale": 0.5}, bounds={"mu": (0.0, 20.0)})
    report = nf.make_report(model, data, result=best, rank=False)
    same = {"fixed": {"scale": 0.5}, "bounds": {"mu": (0.0, 20.0)}}
    assert report.limit.observed == nf.upper_limit(model, data, **same).observed
    assert report.goodness_of_fit.fit.x.tolist() == pytest.approx(best.x.tolist(), abs=1e-6)
    assert report.significance.z == nf.significance(model, data, **same).z


@pytest.mark.parametrize("name", [n for n in nf.__all__ if callable(getattr(nf, n))])
def test_docstrings_say_how_to_get_expected_results(name: str) -> None:
    function = getattr(nf, name)
    if isinstance(function, type) or "data" not in getattr(function, "__annotations__", {}):
        return
    assert name == "asimov_data" or "`model.asimov(" in function.__doc__
