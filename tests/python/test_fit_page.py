"""What a fit shows first: a summary, what was measured, what stands out, in the width there is."""

import copy
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
import profile_models
from nablafit._results.text import Page, shortened
from nablafit.cli import main

WIDTHS = (80, 120)


@pytest.fixture
def document() -> dict[str, Any]:
    """Many nuisance parameters with long names, staterrors, and two normalisations."""
    names = [
        f"a_systematic_uncertainty_with_a_long_name_number_{i:02}_of_thirty" for i in range(30)
    ]
    shapes = [
        {
            "name": name,
            "type": "normsys",
            "data": {"lo": 1.0 - 0.003 * (i + 1), "hi": 1.0 + 0.004 * (i + 1)},
        }
        for i, name in enumerate(names)
    ]
    factors = [{"name": name, "type": "normfactor", "data": None} for name in ("mu", "norm_bkg")]
    signal = {"name": "signal", "data": [2.0, 5.0, 9.0], "modifiers": [factors[0]]}
    stat = {"name": "mc", "type": "staterror", "data": [2.0, 2.0, 2.0]}
    background = {
        "name": "background",
        "data": [60.0, 50.0, 40.0],
        "modifiers": [factors[1], *shapes, stat],
    }
    poi = {"poi": "mu", "parameters": []}
    fixed = {"poi": "mu", "parameters": [{"name": names[0], "fixed": True}]}
    return {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": [signal, background]}],
        "observations": [{"name": "SR", "data": [63.0, 52.0, 57.0]}],
        "measurements": [{"name": "first", "config": poi}, {"name": "second", "config": fixed}],
    }


@pytest.fixture
def result(document: dict[str, Any]) -> nf.FitResult:
    return fitted(document)


def fitted(document: dict[str, Any], **options: Any) -> nf.FitResult:  # noqa: ANN401
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    return nf.fit(model, workspace.data(model), **options)


@pytest.fixture
def path(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    return path


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def sections(text: str) -> list[str]:
    """Return the headings of the table: what begins at the margin below the rule."""
    _, _, table = text.partition("─\n")
    return [line for line in table.splitlines() if not line.startswith(" ")]


@pytest.mark.parametrize("width", WIDTHS)
def test_page_has_all_in_order_and_fits(result: nf.FitResult, width: int) -> None:
    text = result.to_text(width=width)
    assert widest(text) <= width
    first, *_ = text.splitlines()
    gof = result.summary
    assert gof is not None
    assert first == f"first, newton: valid, chi2/dof = {gof.statistic:.4g}/1, p = {gof.p_value:.3g}"
    headings = sections(text)
    assert headings[0] == "parameters of interest (MINOS errors)"
    assert headings[1] == "free normalisations (MINOS errors)"
    rule = "by the larger of |pull| and |1 - constraint|"
    assert headings[2] == f"nuisance parameters: 15 of 30, {rule}"
    assert headings[3].startswith("gammas: 3 staterror; largest pull ")
    assert headings[4] == "18 more parameters: .to_text(top=None) shows all"


def test_summary_is_the_goodness_of_fit(document: dict[str, Any], result: nf.FitResult) -> None:
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    found = nf.goodness_of_fit(model, workspace.data(model))
    assert result.summary is not None
    assert result.summary.statistic == pytest.approx(found.statistic)
    assert result.summary.dof == found.dof
    assert result.summary.p_value == pytest.approx(found.p_asymptotic)


def test_asymmetric_errors_are_those_of_intervals(
    document: dict[str, Any], result: nf.FitResult
) -> None:
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    interval = nf.intervals(model, workspace.data(model), "mu")["mu"]
    assert result.displayed is not None
    shown = result.displayed.asymmetric_errors["mu"]
    assert (shown.lower, shown.upper) == pytest.approx((interval.lower, interval.upper), rel=1e-6)
    assert shown.lower != -shown.upper


def test_nuisance_parameters_are_the_first_of_their_order(result: nf.FitResult) -> None:
    pulls, errors = np.abs(result.pulls), np.asarray(result.errors)
    size = np.fmax(pulls, np.abs(1.0 - errors / result.prefit_errors))
    systematics = [i for i, name in enumerate(result.parameters) if name.startswith("a_")]
    for sort, key in (("size", size), ("pull", pulls)):
        expected = [result.parameters[i] for i in sorted(systematics, key=lambda i: -key[i])]
        shown = re.findall(r"^  (a_\S+)", result.to_text(sort=sort, top=7), re.M)
        assert shown == expected[:7]
    shown = re.findall(r"^  (a_\S+)", result.to_text(sort="name", top=None), re.M)
    assert shown == sorted(shown)
    assert len(shown) == 30


def test_all_and_chosen_parameters(result: nf.FitResult) -> None:
    everything = result.to_text(top=None)
    rows = re.findall(r"^  (\S+) ", everything.partition("─\n")[2], re.M)
    assert sorted(rows) == sorted(result.parameters)
    chosen = result.to_text(parameters=["*_1?_*", "mc*"])
    rows = re.findall(r"^  (\S+) ", chosen.partition("─\n")[2], re.M)
    assert sorted(rows) == sorted(n for n in result.parameters if "_1" in n or n.startswith("mc"))
    with pytest.raises(nf.ArgumentError, match="matches no parameter"):
        result.to_text(parameters="nothing*")
    with pytest.raises(nf.ArgumentError, match="expected one of size, pull"):
        result.to_text(sort="impact")


def test_numbers_have_one_digit_more_than_the_error_asks_for(result: nf.FitResult) -> None:
    mu = result["mu"]
    text = result.to_text()
    row = next(line for line in text.splitlines() if line.startswith("  mu "))
    value, lower, upper = row.split()[1:4]
    digits = len(str(mu).partition("±")[2].partition(".")[2]) + 1
    for shown in (value, lower, upper):
        assert len(shown.partition(".")[2]) == digits, row
    points = {line.index(".", 40) for line in text.splitlines() if line.startswith("  a_")}
    assert len(points) == 1  # below each other


def test_warnings_come_before_the_table(document: dict[str, Any]) -> None:
    observed = copy.deepcopy(document)
    observed["observations"][0]["data"] = [55.0, 40.0, 20.0]
    text = repr(fitted(observed))
    head, _, table = text.partition("\n\n")
    assert "  warning: at a bound: mu" in head
    assert "at bound 0" in table
    assert "NOT VALID" in repr(fitted(document, minimizer="minuit", max_calls=1)).splitlines()[0]


def test_a_lower_minimum_that_the_errors_met_is_announced() -> None:
    """A bin that two values of alpha describe, fitted from the worse one."""
    model, data = profile_models.turning(60.0, (0.0, 2.0))
    model = nf.Model(model.spec.replace(parameters_of_interest=("alpha",)))
    best = nf.fit(model, data, starts=30, seed=1)
    worse = nf.fit(model, data, initial=best.minima[-1].x)
    assert worse.value > best.value + 0.1
    head = repr(worse).partition("\n\n")[0]
    assert "lower in -2 log L than the best fit was met at" in head
    assert "was met" not in repr(best)
    again = nf.FitResult.from_dict(worse.to_dict())
    assert "lower in -2 log L than the best fit was met at" in repr(again)


def test_older_files_show_what_they_have(result: nf.FitResult) -> None:
    document = result.to_dict()
    del document["summary"]
    older = nf.FitResult.from_dict(document)
    assert older == result
    assert older.summary is None
    text = older.to_text(width=80)
    assert text.startswith("Fit with newton: valid\n")
    headings = sections(text)
    assert headings[0] == "free parameters (symmetric errors)"
    assert headings[1].startswith("nuisance parameters: 15 of 33")


def test_notebook_shows_the_same(result: nf.FitResult) -> None:
    html = result._repr_html_()
    text = repr(result)
    for heading in sections(text):
        assert heading in html
    assert html.count("<tr>") == 1 + len(text.partition("─\n")[2].splitlines())


def test_long_names_stay_different() -> None:
    assert shortened("abcdefghij", 7) == "abc…hij"
    names = [f"{'x' * 40}{i}{'y' * 40}" for i in range(3)]
    page = Page(["Title"], ("name", "value"), [(name, "1.5") for name in names], "lr")
    lines = page.text(60).splitlines()
    assert widest(page.text(60)) <= 60
    assert "".join(line.split()[0] for line in lines[4:]).count("x") == 120
    assert all(name in page.text() for name in names)


def test_columns_that_do_not_fit_follow_in_blocks() -> None:
    header = ["sample", *(f"channel_{i}" for i in range(20))]
    rows = [[name, *(f"{i}.5 ± 0.1" for i in range(20))] for name in ("signal", "background")]
    for width in WIDTHS:
        text = Page([], header, rows, "l" + "r" * 20).text(width)
        assert widest(text) <= width
        assert all(title in text for title in header)
        assert text.count("background") == len(text.split("\n\n")) > 1


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", ["fit", "yields", "inspect", "pulls", "intervals", "ranking"])
def test_commands_fit_the_width(
    path: Path,
    width: int,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main([command, str(path)]) == 0
    output = capsys.readouterr().out
    assert widest(output) <= width
    assert "\x1b" not in output


def test_fit_says_which_measurement_it_used(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(path)]) == 0
    output = capsys.readouterr().out
    assert output.startswith("workspace.json, first, newton: valid, chi2/dof = ")
    note = "  measurement first, one of 2; the others: second (--measurement NAME)"
    assert note in output.splitlines()
    assert main(["fit", str(path), "--measurement", "second"]) == 0
    assert "1 fixed: a_systematic" in capsys.readouterr().out


def test_options_of_the_page(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(path), "--all", "--sort", "model"]) == 0
    assert "mc[2]" in capsys.readouterr().out
    assert main(["fit", str(path), "--parameters", "mc*"]) == 0
    output = capsys.readouterr().out
    assert sections(output) == ["3 gammas, by the larger of |pull| and |1 - constraint|"]
    assert main(["fit", str(path), "--no-minos"]) == 0
    assert "symmetric errors: --minos finds asymmetric ones" in capsys.readouterr().out


def test_json_has_the_summary(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["summary"]["measurement"] == "first"
    assert set(document["summary"]["asymmetric_errors"]) == {"mu", "norm_bkg"}
    shown = nf.FitResult.from_dict(document).to_text()
    assert "parameters of interest (MINOS errors)" in shown


@pytest.mark.process
@pytest.mark.parametrize("command", ["fit", "yields", "intervals"])
def test_no_table_on_standard_output_that_is_the_file(path: Path, command: str) -> None:
    arguments = [sys.executable, "-m", "nablafit", command, str(path), "-o", "/dev/stdout"]
    finished = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
    assert json.load(io.StringIO(finished.stdout))["format"].startswith("nablafit.")
