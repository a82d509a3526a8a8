"""Names from files: terminals, messages, pages, tables and headers get their printable form."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

import nablafit as nf
from nablafit._printable import csv_text, json_text, printable
from nablafit.cli import main

HOSTILE = "@\x1b[31m\x1b]0;title\x07\r\x00\x9b\x7f\u202e\u2066\u200f\u200b\ufeff[bold]$x[/]\n"
"""Escape sequences, C0 and C1 controls, NUL, directions, no width, markup of rich, formulas."""


def hostile(name: str) -> str:
    return HOSTILE + name


def workspace(mu: str = hostile("mu")) -> dict[str, Any]:
    def sample(name: str, data: list[float], *modifiers: dict[str, Any]) -> dict[str, Any]:
        return {"name": hostile(name), "data": data, "modifiers": list(modifiers)}

    signal = {"name": mu, "type": "normfactor", "data": None}
    scale = {"name": hostile("scale"), "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    stat = {"name": hostile("stat"), "type": "staterror", "data": [2.0, 2.5]}
    samples = [sample("signal", [5.0, 9.0], signal), sample("rest", [50.0, 60.0], scale, stat)]
    return {
        "version": "1.0.0",
        "channels": [{"name": hostile("region"), "samples": samples}],
        "observations": [{"name": hostile("region"), "data": [52.0, 71.0]}],
        "measurements": [
            {"name": hostile("first"), "config": {"poi": mu, "parameters": []}},
            {"name": hostile("second"), "config": {"poi": mu, "parameters": []}},
        ],
    }


DIGEST = hashlib.sha256(
    json.dumps(workspace(), sort_keys=True, ensure_ascii=False).encode()
).hexdigest()

PATCH = hostile("point\udcff")
PATCHES = {
    "metadata": {
        "name": hostile("set"),
        "description": hostile("set"),
        "digests": {"sha256": DIGEST},
        "labels": [hostile("label")],
        "references": {},
    },
    "version": "1.0.0",
    "patches": [{"metadata": {"name": PATCH, "values": ["=1+1"]}, "patch": []}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hostile files in a folder with a hostile name."""
    folder = tmp_path / "\x1b[31m\udcff\u202e=[bold]"
    try:
        folder.mkdir()
    except OSError:
        folder = tmp_path / "\x1b[31m[bold]"
        folder.mkdir()
    (folder / "workspace.json").write_text(json.dumps(workspace()))
    (folder / "patches.json").write_text(json.dumps(PATCHES))
    (folder / "damaged.json").write_text(json.dumps({hostile("key"): 1, "channels": [HOSTILE]}))
    twice = workspace()
    twice["channels"] *= 2
    (folder / "twice.json").write_text(json.dumps(twice))
    odd = workspace()
    odd["channels"][0]["samples"][1]["modifiers"][0]["type"] = hostile("type")
    (folder / "odd.json").write_text(json.dumps(odd))
    short = workspace()
    short["observations"][0]["data"].pop()
    (folder / "short.json").write_text(json.dumps(short))
    wide = workspace()
    wide["channels"][0]["samples"][1]["modifiers"][0]["data"] = {"hi": 40.0, "lo": 0.01}
    (folder / "wide.json").write_text(json.dumps(wide))
    (folder / "surrogate.json").write_text(json.dumps(workspace("mu\udcff")))
    model = nf.Workspace.load(workspace()).model()
    data = nf.Workspace.load(workspace()).data(model)
    nf.fit(model, data).save(folder / "fit.json")
    return folder


def check(text: str, where: object) -> None:
    found = sorted({f"{character!r}" for character in text if not prints(character)})
    assert found == [], where


def prints(character: str) -> bool:
    return character == "\n" or character.isprintable()


def run(capsys: pytest.CaptureFixture[str], folder: Path, command: list[str]) -> tuple[int, str]:
    """Run a command on files of a folder; look at all that it prints and writes, and return it."""
    before = set(folder.iterdir())
    words = [word.replace("%", f"{folder}/") for word in command]
    code = main(words)
    captured = capsys.readouterr()
    check(captured.out, "stdout")
    check(captured.err, "stderr")
    assert "Traceback" not in captured.err
    text = captured.out + captured.err
    for path in sorted(set(folder.iterdir()) - before):
        if path.suffix != ".npz":
            written = path.read_text(encoding="utf-8")
            check(written, path.name)
            text += written
    return code, text


MU, SCALE = hostile("mu"), hostile("scale")

COMMANDS = {
    "inspect": ["inspect", "%workspace.json"],
    "inspect-json": ["inspect", "%workspace.json", "--json"],
    "inspect-bad-data": ["inspect", "%short.json"],
    "fit": ["fit", "%workspace.json", "-o", "%new.json"],
    "fit-json": ["fit", "%workspace.json", "--json"],
    "fit-fails": [*("fit", "%workspace.json", "--range", f"{MU}=-200:", "--fix", f"{MU}=-100")],
    "fit-warns": ["fit", "%wide.json"],
    "toys": ["toys", "%workspace.json", "--toys", "2", "-o", "%new.npz"],
    "toys-no-fit": ["toys", "%workspace.json", "--toys", "2", "-o", "%new.npz", "--no-fit"],
    "convert": ["convert", "%workspace.json", "-"],
    "convert-hs3": ["convert", "%workspace.json", "-", "--to", "hs3", "--lossy"],
    "convert-file": ["convert", "%workspace.json", "%new.json", "--to", "hs3", "--lossy"],
    "combine": ["combine", "%workspace.json", "%workspace.json", "-"],
    "prune": ["prune", "%workspace.json", "-", "--modifier", SCALE],
    "rename": ["rename", "%workspace.json", "-", "--channel", f"{hostile('region')}=a"],
    "export": ["export", "%workspace.json", "-o", "%new.hpp"],
    "limit": ["limit", "%workspace.json", "-o", "%new.json"],
    "limit-toys": ["limit", "%workspace.json", "--toys", "20", "--values", "0,4,8"],
    "limit-grid-json": [
        *("limit", "%workspace.json", "--patchset", "%patches.json", "--json", "-o", "%new.json")
    ],
    "patch": ["fit", "%workspace.json", "--patch", f"%patches.json:{PATCH}"],
    "limit-grid": ["limit", "%workspace.json", "--patchset", "%patches.json", "--csv", "%new.csv"],
    "hypotest": ["hypotest", "%workspace.json", "-o", "%new.json"],
    "hypotest-toys": ["hypotest", "%workspace.json", "--toys", "20"],
    "significance": ["significance", "%workspace.json"],
    "intervals": ["intervals", "%workspace.json"],
    "scan": ["scan", "%workspace.json", MU, "--points", "3"],
    "scan-two": ["scan", "%workspace.json", MU, SCALE, "--points", "3"],
    "contour": ["contour", "%workspace.json", MU, SCALE, "--points", "4"],
    "feldman-cousins": ["feldman-cousins", "%workspace.json", "--values", "0:4:3", "--toys", "9"],
    "ranking": ["ranking", "%workspace.json"],
    "impacts": ["impacts", "%workspace.json"],
    "impacts-top": ["impacts", "%workspace.json", "--top", "1"],
    "pulls": ["pulls", "%workspace.json"],
    "pulls-warn": ["pulls", "%workspace.json", "--over-constrained", "2", "--pulled", "0"],
    "breakdown": ["breakdown", "%workspace.json", "--group", f"{HOSTILE}=*scale*"],
    "correlation": ["correlation", "%workspace.json", "--threshold", "0"],
    "yields": ["yields", "%workspace.json"],
    "yields-by-bin": ["yields", "%workspace.json", "--by", "bin", "--prefit"],
    "yields-csv": ["yields", "%workspace.json", "--format", "csv", "-o", "%new.csv"],
    "yields-latex": ["yields", "%workspace.json", "--format", "latex", "-o", "%new.tex"],
    "gof": ["gof", "%workspace.json", "--toys", "5"],
    "plot": ["plot", "%fit.json", "-o", "%new.svg", "-o", "%new.eps"],
    "show": ["show", "%fit.json"],
    "show-json": ["show", "%fit.json", "--json"],
}

ERRORS = {
    "no-file": ["fit", f"%{HOSTILE}".replace("\x00", "")],
    "measurement": ["fit", "%workspace.json", "--measurement", hostile("frst")],
    "fix": ["fit", "%workspace.json", "--fix", hostile("m")],
    "fix-number": ["fit", "%workspace.json", "--fix", f"{MU}={HOSTILE}"],
    "option": ["fit", "%workspace.json", f"--{HOSTILE}"],
    "command": [HOSTILE],
    "choice": ["yields", "%workspace.json", "--format", HOSTILE],
    "damaged": ["fit", "%damaged.json"],
    "twice": ["fit", "%twice.json"],
    "odd": ["fit", "%odd.json"],
    "short": ["fit", "%short.json"],
    "surrogate": ["fit", "%surrogate.json"],
    "patch": ["fit", "%workspace.json", "--patch", f"%patches.json:{HOSTILE}"],
    "signal": ["limit", "%workspace.json", "--patchset", "%patches.json", "--signal", HOSTILE],
    "prune": ["prune", "%workspace.json", "-", "--channel", hostile("none")],
    "rename": ["rename", "%workspace.json", "-", "--sample", f"{HOSTILE}=b"],
    "dataset": ["convert", "%workspace.json", "-", "--dataset", HOSTILE],
    "plot": ["plot", "%fit.json", "-o", f"%{HOSTILE}".replace("\x00", "")],
    "rename-text": ["plot", "%fit.json", "-o", "%new.svg", "--rename", HOSTILE],
    "output": ["fit", "%workspace.json", "-o", "%workspace.json"],
    "folder": ["fit", "%workspace.json", "-o", "%none/new.json"],
    "show": ["show", "%workspace.json"],
    "poi": ["limit", "%workspace.json", "--poi", HOSTILE],
    "scan": ["scan", "%workspace.json", HOSTILE],
    "poi-bytes": ["limit", "%workspace.json", "--poi", "\udcff"],
    "fix-bytes": ["limit", "%workspace.json", "--fix", "\udcff=1"],
    "release-bytes": ["limit", "%workspace.json", "--release", "\udcff"],
    "measurement-bytes": ["fit", "%workspace.json", "--measurement", "\udcff"],
    "scan-bytes": ["scan", "%workspace.json", "\udcff"],
    "value-bytes": ["hypotest", "%workspace.json", "--value", "\udcff=1"],
    "minimizer-bytes": ["fit", "%workspace.json", "--minimizer", "\udcff"],
    "backend-bytes": ["fit", "%workspace.json", "--backend", "\udcff"],
    "rename-bytes": ["rename", "%workspace.json", "-", "--parameter", f"{MU}=\udcff"],
    "keep-bytes": ["toys", "%workspace.json", "--keep", "\udcff", "-o", "%new.npz"],
    "set-bytes": ["toys", "%workspace.json", "--set", "\udcff=1", "-o", "%new.npz"],
    "namespace": ["export", "%workspace.json", "-o", "-", "--namespace", HOSTILE],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if command == "plot":
        pytest.importorskip("matplotlib")
    code, text = run(capsys, folder, COMMANDS[command])
    assert code in (0, 1) or command in ("inspect-bad-data", "combine"), text
    assert "x1b[31m" in text or "u001b[31m" in text
    assert "[bold]" in text


@pytest.mark.parametrize("command", ERRORS)
def test_errors(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, folder, ERRORS[command])
    assert code == 2
    assert text


@pytest.mark.slow
def test_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jinja2")
    assert run(capsys, folder, ["report", "%workspace.json", "-o", "%new.html"])[0] == 0
    assert "\\x1b[31m" in (folder / "new.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["fit-json", "convert", "convert-hs3", "show-json"])
def test_exact_names_are_in_json(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.replace("%", f"{folder}/") for word in COMMANDS[command]]) == 0
    assert SCALE in str_values(json.loads(capsys.readouterr().out))


def str_values(document: Any) -> list[str]:  # noqa: ANN401
    if isinstance(document, dict):
        return [s for pair in document.items() for item in pair for s in str_values(item)]
    if isinstance(document, list):
        return [s for item in document for s in str_values(item)]
    return [document] if isinstance(document, str) else []


def test_python_shows_them_too(folder: Path) -> None:
    source = nf.Workspace.load(folder / "workspace.json")
    model = source.model()
    data = source.data(model)
    fit = nf.fit(model, data)
    shown: list[Any] = [source, model, data, model.likelihood(data), fit, fit[MU], fit.diagnostics]
    shown += [nf.toys(model, n=1), nf.fit_many(model, [data]), nf.PatchSet.load(PATCHES)]
    shown += [nf.pulls(fit), nf.ranking(model, data), nf.breakdown(model, data, result=fit)]
    shown += [nf.goodness_of_fit(model, data), nf.yields(model, fit), nf.correlation(fit)]
    shown += [nf.upper_limit(model, data), nf.hypotest(model, data, 1.0), nf.intervals(model, data)]
    shown += [nf.scan(model, data, MU, n=3), nf.contour(model, data, (MU, SCALE), n_points=4)]
    shown += [*nf.pulls(fit, model=model, pulled=0.0, over_constrained=2.0).warnings]
    for item in shown:
        check(repr(item), type(item))
        check(str(item), type(item))
        if hasattr(item, "_repr_html_"):
            check(item._repr_html_(), type(item))
    with pytest.raises(nf.Error) as caught:
        model.index(hostile("m"))
    check(str(caught.value), "error")
    check(str(nf.ModelWarning(HOSTILE)), "warning")


def test_printable() -> None:
    assert printable("mu μ é 日本 []") == "mu μ é 日本 []"
    assert printable("a\x1b\n\u202e\udcff\U000e0001") == "a\\x1b\\n\\u202e\\udcff\\U000e0001"
    assert printable("a\nb\t", keep="\n") == "a\nb\\t"


def test_messages_keep_their_lists() -> None:
    error = nf.Error("not held:\n  - a\x1b\nb\n  - c")
    assert str(error) == "not held:\n  - a\\x1b\\nb\n  - c"


def test_json_text_keeps_its_meaning() -> None:
    names = ["μ", "\u202e\x7f\U000e0001", "\udcff"]
    text = json_text(json.dumps(names[:2], ensure_ascii=False) + "\n")
    assert json.loads(text) == names[:2]
    assert "μ" in text
    check(text, "json")
    assert json.loads(json_text(json.dumps(names, ensure_ascii=False))) == names


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d"])
def test_csv_protects_names_and_leaves_numbers(start: str) -> None:
    assert csv_text(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"
    assert [csv_text(text) for text in ("-5", "+1e3", "bin", "")] == ["-5", "+1e3", "bin", ""]
    document = json.loads(json.dumps(workspace()).replace('"@', f'"{start}'))
    model = nf.Workspace.load(document).model()
    rows = list(csv.reader(io.StringIO(nf.yields(model).to_csv())))
    assert all(row[0].startswith("'") for row in rows[1:])
    assert {float(row[5]) for row in rows[1:]} >= {5.0, 9.0}
