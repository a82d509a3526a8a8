"""The commands about yields and goodness of fit."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import nablafit as nf
from nablafit.cli import main


@pytest.fixture
def path(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main([*map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_yields_of_a_fit(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = tmp_path / "yields.json"
    code, out, err = run(capsys, "yields", path, "-o", output)
    assert (code, err) == (0, "")
    assert out.startswith("Post-fit yields of ")
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    data = workspace.data(model)
    expected = nf.yields(model, nf.fit(model, data), data=data)
    assert nf.load_result(output) == expected
    assert out == repr(expected) + "\n"


def test_formats(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "yields", path, "--prefit", "--format", "csv", "--by", "bin")
    assert code == 0
    assert len(list(csv.DictReader(io.StringIO(out)))) == 3 + 8
    code, out, _ = run(capsys, "yields", path, "--prefit", "--format", "latex")
    assert code == 0
    assert out.startswith(r"\begin{tabular}{lrr}")
    code, out, _ = run(capsys, "yields", path, "--prefit", "--json")
    found = nf.infer.YieldsResult.from_json(out)
    assert (code, found.kind) == (0, "prefit")
    code, out, _ = run(capsys, "yields", path, "--by", "bin")
    assert out.count("events expected") == 2


def test_yields_of_a_saved_fit(
    path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    saved = tmp_path / "fit.json"
    assert run(capsys, "fit", path, "--fix", "mu=2", "-o", saved)[0] == 0
    code, out, _ = run(capsys, "yields", path, "--fit", saved, "--json")
    assert code == 0
    found = nf.infer.YieldsResult.from_json(out)
    assert found.x[found.parameters.index("mu")] == 2.0
    assert out == run(capsys, "yields", path, "--fix", "mu=2", "--json")[1]


def test_yields_of_a_fit_that_failed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "yields", path, "--range", "mu=-30:", "--fix", "mu=-20")
    assert code == 1
    assert "The fit is not valid" in out


def test_gof(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = tmp_path / "gof.json"
    code, out, err = run(capsys, "gof", path, "--toys", "20", "--seed", "3", "-o", output)
    assert (code, err) == (0, "")
    found = nf.load_result(output)
    assert isinstance(found, nf.infer.GoodnessOfFitResult)
    assert (found.n_toys, found.toy_ranges[0].seed) == (20, 3)
    assert out == repr(found) + "\n"
    code, out, _ = run(capsys, "gof", path, "--json")
    assert nf.infer.GoodnessOfFitResult.from_json(out).dof == found.dof
    assert run(capsys, "gof", path, "--range", "mu=-30:", "--fix", "mu=-20")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("yields", "{path}", "--prefit", "--fix", "mu"),
            "--prefit: --fix, --release",
        ),
        (("yields", "{path}", "--fit", "{path}"), "expected a saved result of nablafit"),
        (("yields", "{path}", "--fit", "{yields}"), "expected the result of a fit, got a Yields"),
        (("yields", "{path}", "--fit", "{yields}", "--fix", "mu"), "--fit: the fit is taken"),
        (("yields", "{path}", "--format", "pdf"), "'pdf' is not one of"),
        (("gof", "{path}", "--toys", "-1"), "'--toys': -1 is not in the range"),
    ],
)
def test_bad_input(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    saved = path.with_name("yields.json")
    nf.yields(nf.Workspace.load(path).model()).save(saved)
    code, out, err = run(capsys, *(a.format(path=path, yields=saved) for a in arguments))
    assert (code, out) == (2, "")
    assert message in err
