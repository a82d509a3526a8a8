"""What commands say to wrong arguments and wrong files, and about what they did."""

import dataclasses
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest

import nablafit as nf
from nablafit.cli import _cli, main
from test_cli_fits import FITS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of all kinds; none of them changes."""
    from conftest import SMALL

    folder = tmp_path_factory.mktemp("kinds")
    text = json.dumps(SMALL)
    workspace = nf.Workspace.load(SMALL)
    model = workspace.model()
    (folder / "workspace.json").write_text(text)
    (folder / "workspace.json.gz").write_bytes(gzip.compress(text.encode()))
    nf.toys(model, n=2).save(folder / "toys.npz")
    nf.fit(model, workspace.data(model)).save(folder / "fit.json")
    with pytest.warns(nf.ModelWarning):
        workspace.save(folder / "hs3.json", format="hs3")
    (folder / "patch.json").write_text('[{"op": "remove", "path": "/channels/0"}]')
    patches = {"metadata": {"name": "p"}, "patches": [], "version": "1.0.0"}
    (folder / "set.json").write_text(json.dumps(patches))
    (folder / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    (folder / "card.txt").write_text("imax 1\njmax 1\n")
    (folder / "config.yaml").write_text("General:\n  Measurement: x\n")
    (folder / "empty.json").write_text("")
    (folder / "folder").mkdir()
    return folder


@pytest.fixture(autouse=True)
def unchanged(folder: Path) -> Iterator[None]:
    """Every file of the folder is the same after each test."""

    def digests() -> dict[str, str]:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = digests()
    yield
    assert digests() == before


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    return captured.err


KINDS = {
    "workspace.json": "a pyhf workspace",
    "workspace.json.gz": "a gzip archive",
    "hs3.json": "an HS3 workspace",
    "toys.npz": "an archive of arrays (.npz), in which toys",
    "fit.json": "a saved result of nablafit",
    "patch.json": "a JSON patch",
    "set.json": "a pyhf patch set",
    "image.png": "an image",
    "card.txt": "a datacard of Combine",
    "config.yaml": "text that is not JSON",
    "empty.json": "an empty file",
}


@pytest.mark.parametrize("name", KINDS)
def test_files_of_another_kind_are_named(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, workspace = folder / name, folder / "workspace.json"
    if name not in ("toys.npz", "fit.json"):
        for words in (("show", path), ("pulls", workspace, "--fit", path)):
            said = refused(capsys, *words)
            assert f"{name}: expected a saved result of nablafit, found {KINDS[name]}" in said
    if name not in ("patch.json", "set.json"):
        said = refused(capsys, "fit", workspace, "--patch", path)
        assert f"{name}: this is {KINDS[name]}" in said
        assert "expected a pyhf patch set or a JSON patch" in said
    if name not in ("workspace.json", "hs3.json", "config.yaml", "empty.json", "set.json"):
        assert f"{name}: this is {KINDS[name]}" in refused(capsys, "fit", path)


def test_folders_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "this is a folder" in refused(capsys, "show", folder / "folder")
    assert "one XML file" in refused(capsys, "fit", folder / "folder")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fitt",), "No such command 'fitt'; did you mean fit?"),
        (("fit", "W", "--minimiser", "newton"), "--minimizer"),
        (("fit", "W", "--minimizer", "newtn"), "--minimizer: unknown minimiser 'newtn'"),
        (("fit", "W", "--minimizer", "newtn"), "did you mean newton?"),
        (("fit", "W", "--measurement", "nominl"), "did you mean nominal?"),
        (("fit", "W", "--dataset", "observatons"), "no such data set"),
        (("fit", "W", "--fix", "x"), "known: scale, lumi, mu, shape[0], stat[0], stat[1]"),
        (("fit", "W", "--fix", "mu=20"), "choose another one or wider --range"),
        (("limit", "W", "--statistic", "qtild"), "--statistic: expected one of qtilde, q"),
        (("limit", "W", "--statistic", "qtild"), "did you mean qtilde?"),
        (("limit", "W", "--level", "3"), "--level: expected a number between 0 and 1"),
        (("limit", "W", "--fix", "mu=1"), "--fix mu: this parameter is tested at values"),
        (("significance", "W", "--expected-at", "-1"), "--expected-at: expected a positive"),
        (("ranking", "W", "--fix", "mu"), "release it in the fit: --release mu"),
        (("scan", "W", "mu", "--values", "0:20"), "choose others or wider --range"),
        (("contour", "W", "mu", "mu"), "PARAMETERS: expected the names of two"),
        (("pulls", "W", "--parameters", "scal"), "--parameters: 'scal' matches no parameter"),
        (
            ("prune", "W", "-", "--channel", "signal_regio"),
            "did you mean signal_region or",
        ),
        (("prune", "W", "-", "--sample", "sgnal"), "did you mean signal?"),
        (("rename", "W", "-", "--modifier", "scal=x"), "did you mean scale?"),
        (("plot", "F", "-o", "x.png", "--kind", "puls"), "did you mean pulls?"),
    ],
)
def test_wrong_words_get_a_suggestion_and_options(
    words: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"W": str(folder / "workspace.json"), "F": str(folder / "fit.json")}
    if words[0] == "plot":
        pytest.importorskip("matplotlib")
    assert message in refused(capsys, *(names.get(word, word) for word in words))


@pytest.mark.parametrize("command", FITS)
@pytest.mark.parametrize(
    "words",
    [
        ("--poi", "nu"),
        ("--measurement", "x"),
        ("--fix", "nu"),
        ("--range", "mu=1"),
        ("--patch", "none.json"),
        ("--starts", "-1"),
        ("--asimov", "nu=1"),
        ("-o", "{workspace}"),
        ("surplus", "words", "here"),
        ("--nonsense",),
    ],
)
def test_every_command_refuses_wrong_arguments(
    command: str, words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = folder / "workspace.json"
    needed = ("mu", "scale") if command == "contour" else ()
    output = () if "-o" in words else ("-o", folder / "none" / "out.npz")
    given = (str(word).format(workspace=workspace) for word in words)
    said = refused(capsys, command, workspace, *needed, *given, *output)
    assert "Traceback" not in said
    assert "has no attribute" not in said


def test_at_most_ten_names_are_listed() -> None:
    names = [f"a{i}" for i in range(15)]
    model = nf.build.uncorrelated_background([1.0] * 15, [5.0] * 15, [1.0] * 15)
    with pytest.raises(nf.ArgumentError, match=r"known: .* and \d+ more$") as caught:
        nf.fit(model, model.asimov(), initial={"zzzzzz": 1.0})
    assert str(caught.value).count(",") < len(names)


def test_prune_and_combine_say_what_they_did(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = folder / "workspace.json"
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    for path, channel in ((one, "control_region"), (other, "signal_region")):
        options = ("--channel", channel, "--measurement", "nominal")
        assert main([str(word) for word in ("prune", workspace, path, *options)]) == 0
    said = capsys.readouterr().err
    assert "left: 1 channels, 2 samples, 5 modifiers, 5 parameters" in said
    assert "removed channels: 1 (control_region)" in said
    assert "removed parameters: 1 (shape[0])" in said
    assert main(["combine", str(one), str(other), str(tmp_path / "both.json")]) == 0
    said = capsys.readouterr().err
    assert "combined 2 workspaces: 2 channels, 3 samples, 7 modifiers, 6 parameters" in said
    assert "shared: 1 (scale)" in said


def test_significances_beyond_the_toys_are_lower_bounds(model: nf.Model) -> None:
    found = nf.significance(model, model.asimov({"mu": 8}), calculator="toys", n_toys=40)
    assert found.p0 == 0.0
    assert found.z_beyond_toys == pytest.approx(1.95996, abs=1e-4)
    assert "1.96 is a lower bound" in repr(found)
    assert "> 1.96" in repr(found)
    assert "inf" not in repr(found)


def test_expected_limits_out_of_order_are_warned_of(model: nf.Model, data: nf.Data) -> None:
    found = nf.upper_limit(model, data)
    assert found.disorder == ""
    bent = dataclasses.replace(found, expected=np.array([1.0, 1.5, 1.4, 3.0, np.nan]))
    assert "-1 sigma 1.5 is above expected median 1.4" in bent.disorder
    assert f"warning: {bent.disorder}" in repr(bent)


def test_options_have_help() -> None:
    without = {
        f"{name} {option.name}"
        for name, command in _cli.commands.items()
        for option in command.params
        if isinstance(option, click.Option) and option.help is None
    }
    assert not without
