"""Files as the field has them: what other tools read is read, and what is passed over is said."""

import copy
import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY, SHARED_DATA
from nablafit.cli import main

CASES = SHARED_DATA / "cases"
XML = REPOSITORY / "tests" / "data" / "histfactory_xml"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the shared data are missing")

Document = dict[str, Any]


def channel(name: str, *yields: float) -> Document:
    background = {"name": "unc", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    return {
        "name": name,
        "samples": [
            {
                "name": "sig",
                "data": [0.1 * y for y in yields],
                "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
            },
            {"name": "bkg", "data": list(yields), "modifiers": [background]},
        ],
    }


@pytest.fixture
def pyhf_document() -> Document:
    return {
        "channels": [channel("SR", 50.0, 40.0), channel("CR", 200.0)],
        "observations": [{"name": "CR", "data": [205.0]}, {"name": "SR", "data": [52.0, 44.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def best(workspace: nf.Workspace) -> nf.FitResult:
    model = workspace.model()
    return nf.fit(model, workspace.data(model))


# --- pyhf JSON -----------------------------------------------------------------------------------


def test_observation_without_channel_is_ignored(pyhf_document: Document) -> None:
    expected = best(nf.Workspace.load(pyhf_document))
    pyhf_document["observations"].insert(1, {"name": "VR", "data": [-1.0]})
    with pytest.warns(nf.ModelWarning, match=r"channels that do not exist were ignored: 'VR'"):
        workspace = nf.Workspace.load(pyhf_document)
    assert workspace.channels == ("CR", "SR")
    assert len(workspace.notes) == 1
    assert best(workspace).nll == expected.nll


def test_measurement_without_name(pyhf_document: Document) -> None:
    named = copy.deepcopy(pyhf_document["measurements"][0])
    pyhf_document["measurements"].append({**named, "name": ""})
    pyhf_document["measurements"][1]["config"] = {"poi": "unc", "parameters": []}
    workspace = nf.Workspace.load(pyhf_document)
    assert workspace.measurements == ("m", "")
    assert (workspace.poi(), workspace.poi("")) == ("mu", "unc")
    assert workspace.model().poi == "mu"
    assert workspace.model("").poi == "unc"


def test_equal_bounds_hold_a_parameter(pyhf_document: Document) -> None:
    settings = [{"name": "mu", "inits": [1.0], "bounds": [[1.2, 1.2]]}]
    pyhf_document["measurements"][0]["config"] = {"poi": "unc", "parameters": settings}
    with pytest.warns(nf.ModelWarning, match="whose bounds are equal are constant there: 'mu'"):
        held = best(nf.Workspace.load(pyhf_document))
    assert held["mu"].fixed
    assert held["mu"].value == 1.2
    del settings[0]["bounds"]
    model = (workspace := nf.Workspace.load(pyhf_document)).model()
    fixed = nf.fit(model, workspace.data(model), fixed={"mu": 1.2})
    assert held.nll == pytest.approx(fixed.nll, abs=1e-10)
    assert held["unc"].error == pytest.approx(fixed["unc"].error, rel=1e-8)


def test_patch_that_removes_a_channel(pyhf_document: Document) -> None:
    operations = [
        {"op": "remove", "path": "/channels/1"},
        {
            "op": "add",
            "path": "/channels/0/samples/0",
            "value": {"name": "new", "data": [1.0, 2.0], "modifiers": []},
        },
    ]
    base = nf.Workspace.load(pyhf_document)
    with pytest.warns(nf.ModelWarning, match="ignored: 'CR'"):
        patched = base.patch(operations)
    assert patched.channels == ("SR",)
    assert {s.name for s in patched.spec().channels[0].samples} == {"new", "sig", "bkg"}


@pytest.mark.parametrize("command", ["fit", "inspect", "limit", "scan"])
def test_plain_patch_on_the_command_line(
    pyhf_document: Document, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    workspace, patch = tmp_path / "w.json", tmp_path / "signal.json"
    workspace.write_text(json.dumps(pyhf_document))
    path = "/channels/0/samples/0/data"
    patch.write_text(json.dumps([{"op": "replace", "path": path, "value": [7.0, 1.0]}]))
    assert main([command, str(workspace), "--json", "--patch", str(patch)]) == 0
    patched = capsys.readouterr().out
    assert main([command, str(workspace), "--json"]) == 0
    assert capsys.readouterr().out != patched


def test_plain_patch_as_a_signal_of_a_grid(pyhf_document: Document, tmp_path: Path) -> None:
    patch = tmp_path / "signal.json"
    path = "/channels/0/samples/0/data"
    operations = [{"op": "replace", "path": path, "value": [7.0, 1.0]}]
    patch.write_text(json.dumps(operations))
    base = nf.Workspace.load(pyhf_document)
    grid = nf.limit_grid(base, patch)
    patched = base.patch(patch)
    model = patched.model()
    assert grid.names == ("signal",)
    assert grid.observed[0] == pytest.approx(
        nf.upper_limit(model, patched.data(model)).observed, rel=1e-5
    )
    assert patched.spec() == base.patch(operations).spec()


def test_patch_of_a_set_on_the_command_line(
    pyhf_document: Document, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nablafit.io.patchset import digest

    path = "/channels/0/samples/0/data"
    patches = [
        {
            "metadata": {"name": name, "values": [i]},
            "patch": [{"op": "replace", "path": path, "value": [i, i]}],
        }
        for i, name in enumerate(("low", "high"))
    ]
    digests = {"sha256": digest(pyhf_document)}
    metadata = {"digests": digests, "labels": ["i"], "references": {}, "description": ""}
    document = {"metadata": metadata, "patches": patches, "version": "1.0.0"}
    workspace, file = tmp_path / "w.json", tmp_path / "set.json"
    workspace.write_text(json.dumps(pyhf_document))
    file.write_text(json.dumps(document))
    assert main(["inspect", str(workspace), "--patch", f"{file}:high"]) == 0
    assert "(high)" in capsys.readouterr().out
    assert main(["inspect", str(workspace), "--patch", str(file)]) == 2
    assert "choose one of 2 patches" in capsys.readouterr().err


def test_failed_patch_says_why_in_text(pyhf_document: Document) -> None:
    base = nf.Workspace.load(pyhf_document)
    grid = nf.limit_grid(base, [{"op": "remove", "path": "/channels/7"}])
    assert grid.status == ("error",)
    assert "operation 0: does not fit the workspace" in repr(grid)


# --- HS3 -----------------------------------------------------------------------------------------


def hs3_document(*channels: str, data: dict[str, tuple[str, list[float]]]) -> Document:
    """Channels over axes of the same name as they; data by name: their channel and contents."""

    def axes(name: str) -> list[Document]:
        return [{"name": f"x_{name}", "min": 0.0, "max": 2.0, "nbins": 2}]

    mu = {"name": "mu", "parameter": "mu", "type": "normfactor"}
    normsys = {
        "name": "n",
        "parameter": "alpha",
        "type": "normsys",
        "constraint_name": "c",
        "data": {"hi": 1.1, "lo": 0.9},
    }
    samples = [
        {"name": "sig", "data": {"contents": [5.0, 7.0]}, "modifiers": [mu]},
        {"name": "bkg", "data": {"contents": [50.0, 40.0]}, "modifiers": [normsys]},
    ]
    constraint = {"name": "c", "type": "gaussian_dist", "x": "nom", "mean": "alpha", "sigma": 1.0}
    return {
        "metadata": {"hs3_version": "0.2"},
        "distributions": [
            *(
                {"name": name, "type": "histfactory_dist", "axes": axes(name), "samples": samples}
                for name in channels
            ),
            constraint,
        ],
        "data": [
            {"name": name, "type": "binned", "axes": axes(axis), "contents": contents}
            for name, (axis, contents) in data.items()
        ],
        "domains": [],
        "parameter_points": [],
    }


def test_hs3_without_likelihoods_finds_data_by_name() -> None:
    names = {"obsData_SR": "SR", "obsData_CR": "CR", "asimovData_CR": "CR", "asimovData_SR": "SR"}
    data = {name: (axis, [float(len(name)), 40.0]) for name, axis in names.items()}
    workspace = nf.Workspace.load(hs3_document("SR", "CR", data=data))
    assert workspace.datasets == ("obsData", "asimovData")
    assert [c.counts[0] for c in workspace.dataset("asimovData").channels] == [13.0, 13.0]


def test_hs3_without_likelihoods_finds_data_by_axes() -> None:
    data = {"second": ("CR", [2.0, 2.0]), "first": ("SR", [1.0, 1.0]), "third": ("VR", [3.0, 3.0])}
    workspace = nf.Workspace.load(hs3_document("SR", "CR", data=data))
    assert [c.counts[0] for c in workspace.observations.channels] == [1.0, 2.0]


def test_hs3_without_likelihoods_does_not_guess() -> None:
    data = {"a": ("SR", [2.0, 2.0]), "b": ("SR", [1.0, 1.0])}
    workspace = nf.Workspace.load(hs3_document("SR", data=data))
    assert workspace.datasets == ()
    assert any("data were left out" in note for note in workspace.notes)


@pytest.mark.parametrize("listed", [True, False])
def test_hs3_observation_of_a_constraint_that_a_modifier_names(listed: bool) -> None:
    document = hs3_document("SR", data={"obs": ("SR", [58.0, 44.0])})
    distributions, data = ["SR", "c"], ["obs", 0.3]
    document["likelihoods"] = [{"name": "L", "distributions": distributions, "data": data}]
    if not listed:  # by type, and by the name of its global observable
        del document["distributions"][0]["samples"][1]["modifiers"][0]["constraint_name"]
        document["distributions"][0]["samples"][1]["modifiers"][0]["constraint"] = "Gauss"
        document["distributions"][1]["x"] = "nom_alpha"
    constraint = next(p for p in nf.Workspace.load(document).spec().parameters if p.name == "alpha")
    assert constraint.constraint.observed == 0.3  # type: ignore[union-attr]


def test_hs3_two_observations_of_a_constraint() -> None:
    document = hs3_document("SR", data={"obs": ("SR", [58.0, 44.0])})
    distributions, data = ["SR", "c", "c"], ["obs", 0.3, 0.4]
    document["likelihoods"] = [{"name": "L", "distributions": distributions, "data": data}]
    with pytest.raises(nf.WorkspaceError, match=r"/likelihoods/0/data/2: found the number 0\.4"):
        nf.Workspace.load(document)


def test_hs3_equal_bounds_hold_a_parameter() -> None:
    document = hs3_document("SR", data={"obs": ("SR", [58.0, 44.0])})
    axis = {"name": "mu", "min": 1.2, "max": 1.2}
    document["domains"] = [{"name": "default_domain", "type": "product_domain", "axes": [axis]}]
    workspace = nf.Workspace.load(document)
    mu = next(p for p in workspace.spec().parameters if p.name == "mu")
    assert (mu.initial, mu.fixed) == (1.2, True)
    assert any("bounds are equal" in note for note in workspace.notes)


# --- HistFactory XML -----------------------------------------------------------------------------


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A copy of the fixture whose paths are absolute, and of a place that does not exist."""
    for part in ("config", "data"):
        shutil.copytree(XML / part, tmp_path / "job" / part)
    for file in (tmp_path / "job" / "config").glob("*.xml"):
        text = file.read_text()
        file.write_text(text.replace('"./', '"/old/place/').replace(">./", ">/old/place/"))
    assert "/old/place" in (tmp_path / "job" / "config" / "top.xml").read_text()
    return tmp_path / "job"


def test_moved_export(export: Path) -> None:
    expected = nf.Workspace.load(XML / "config" / "top.xml")
    with pytest.warns(nf.ModelWarning, match="not found in /old/place/") as caught:
        moved = nf.Workspace.load(export / "config" / "top.xml")
    assert moved.spec() == expected.spec()
    assert len(caught) == len(moved.notes) - len(expected.notes)
    assert len(caught) == 2  # one for each folder, not for each file


def test_mount(export: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moved = nf.Workspace.load(export / "config" / "top.xml", mounts=[(export, "/old/place")])
    assert moved.spec() == nf.Workspace.load(XML / "config" / "top.xml").spec()


def test_mount_on_the_command_line(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = str(export / "config" / "top.xml")
    assert main(["inspect", top, "--mount", f"{export}:/old/place"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["inspect", top]) == 0
    assert "warning" in capsys.readouterr().err
    assert main(["inspect", top, "--mount", "nowhere"]) == 2
    assert "--mount: expected HERE:INSIDE" in capsys.readouterr().err


def test_ambiguous_file_of_a_moved_export(export: Path) -> None:
    for name in ("a", "b"):
        (export / "config" / name).mkdir()
        shutil.copy(export / "config" / "signal_region.xml", export / "config" / name / "x.xml")
    top = export / "config" / "top.xml"
    top.write_text(top.read_text().replace("/old/place/config/signal_region.xml", r"C:\job\x.xml"))
    with (
        pytest.raises(
            nf.WorkspaceError, match=r"several files have its name: .*a/x\.xml, .*b/x\.xml"
        ),
        warnings.catch_warnings(action="ignore"),
    ):
        nf.Workspace.load(top)
    shutil.rmtree(export / "config" / "a")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nf.Workspace.load(top)
    assert any(r"x.xml: not found in C:\job" in str(warning.message) for warning in caught)


def test_mounts_are_for_xml(pyhf_document: Document) -> None:
    with pytest.raises(nf.ArgumentError, match="mounts: only for HistFactory XML"):
        nf.Workspace.load(pyhf_document, mounts=[("a", "b")])


def test_xml_notes_are_said_once(export: Path) -> None:
    for file in (export / "config").glob("*.xml"):
        text = re.sub(r'\s+NormalizeByTheory="\w+"', "", file.read_text())
        file.write_text(text.replace("<Sample ", '<Sample NormalizeByTheory="False" '))
    notes = nf.Workspace.load(export / "config", mounts=[(export, "/old/place")]).notes
    assert sum("NormalizeByTheory" in note for note in notes) == 1


# --- bad data ------------------------------------------------------------------------------------


def wrong_length(document: Document) -> None:
    document["observations"][1]["data"].append(1.0)


def negative(document: Document) -> None:
    document["observations"][1]["data"][0] = -1.0


def missing(document: Document) -> None:
    del document["observations"][1]


def empty(document: Document) -> None:
    document["observations"] = []


@pytest.mark.parametrize("spoil", [wrong_length, negative, missing, empty])
def test_inspect_shows_the_model_when_the_data_are_bad(
    pyhf_document: Document,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Document], None],
) -> None:
    spoil(pyhf_document)
    path = tmp_path / "w.json"
    path.write_text(json.dumps(pyhf_document))
    with pytest.raises(nf.WorkspaceError, match="/observations") as caught:
        nf.Workspace.load(path)
    assert main(["inspect", str(path)]) == 2
    shown = capsys.readouterr().out
    assert f"no data: {caught.value}" in shown
    assert ["bkg", "2", "290"] in [line.split() for line in shown.splitlines()]
    assert main(["inspect", str(path), "--json"]) == 2
    summary = json.loads(capsys.readouterr().out)
    assert summary["data_problem"] == str(caught.value)
    assert [c["observed"] for c in summary["channels"]] == [None, None]
    assert main(["fit", str(path)]) == 2
    assert capsys.readouterr().err == f"nablafit: {caught.value}\n"


@pytest.mark.parametrize("counts", [[1.0], [-1.0, 2.0]])
def test_inspect_of_hs3_with_bad_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: list[float]
) -> None:
    path = tmp_path / "w.json"
    path.write_text(json.dumps(hs3_document("SR", data={"obs": ("SR", counts)})))
    with pytest.raises(nf.WorkspaceError):
        nf.Workspace.load(path)
    assert main(["inspect", str(path)]) == 2
    shown = capsys.readouterr().out
    assert "no data: " in shown
    assert ["bkg", "1", "90"] in [line.split() for line in shown.splitlines()]


def test_inspect_of_xml_with_bad_data(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channel = export / "config" / "signal_region.xml"
    text = channel.read_text()
    start = text.index("<Data")
    name = text[start:].split('HistoName="')[1].split('"')[0]
    channel.write_text(text[:start] + text[start:].replace(f'"{name}"', '"nothing"', 1))
    mount = f"{export}:/old/place"
    assert main(["inspect", str(export / "config"), "--mount", mount]) == 2
    shown = capsys.readouterr().out
    assert "no data: " in shown
    assert "nothing: no such object" in shown
    assert "parameters of" in shown


def test_asimov_data_in_place_of_none_are_announced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.json"
    path.write_text(json.dumps(hs3_document("SR", data={})))
    assert main(["fit", str(path)]) == 0
    assert "holds no data, so Asimov data" in capsys.readouterr().err


def test_model_warning_is_said_once_for_all_samples(pyhf_document: Document) -> None:
    wild = {"name": "wild", "type": "normsys", "data": {"hi": 40.0, "lo": 0.01}}
    for c in pyhf_document["channels"]:
        for s in c["samples"]:
            s["modifiers"].append(wild)
    with pytest.warns(nf.ModelWarning, match="as in 3 more samples, interpolates to") as caught:
        nf.Workspace.load(pyhf_document).model()
    assert len(caught) == 1


# --- the shared cases ----------------------------------------------------------------------------


@needs_cases
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("pyhf_extra_observation.json", {"mu": 0.4}),
        ("pyhf_empty_measurement_name.json", {}),
        ("hs3_domain_min_equals_max.json", {"Lumi": 1.0}),
        ("hs3_inline_observation_of_named_constraint.json", {}),
        ("hs3_no_likelihoods.json", {"mu": 0.7}),
        ("rooworkspace_equal_bounds.root", {"k": 1.2, "mu": 0.0002}),
        ("rooworkspace_hgamma_lumi_not_global.root", {"Lumi": 1.0}),
        ("xml_moved_export", {}),
        ("xml_normfactor_equal_bounds", {"k": 1.2, "mu": 0.0002}),
        ("xml_staterror_histogram_without_sumw2", {}),
    ],
)
def test_case(name: str, values: dict[str, float]) -> None:
    result = best(nf.Workspace.load(CASES / name))
    assert result.valid
    for parameter, value in values.items():
        assert result[parameter].value == pytest.approx(value, abs=0.05)


@needs_cases
def test_likelihood_without_the_extra_observation() -> None:
    with pytest.warns(nf.ModelWarning):
        workspace = nf.Workspace.load(CASES / "pyhf_extra_observation.json")
    result = best(workspace)
    assert result.values["mu"] == pytest.approx(0.4, abs=1e-3)
    model = workspace.model()
    start = nf.fit(model, workspace.data(model), fixed={"mu": 1.0, "unc": 0.0})
    assert -start.nll == pytest.approx(-3.89845, abs=1e-5)


@needs_cases
def test_samples_have_the_names_of_the_hs3_document() -> None:
    spec = nf.Workspace.load(CASES / "rooworkspace_from_hs3_sample_names.root").spec()
    assert [sample.name for sample in spec.channels[0].samples] == ["sig", "bkg"]


@needs_cases
def test_combine_workspace() -> None:
    with pytest.raises(nf.WorkspaceError, match=r"Combine .*RooSimultaneousOpt.*datacard"):
        nf.Workspace.load(CASES / "combine_one_bin.root")


@needs_cases
def test_staterror_histogram_converts_without_loss() -> None:
    path = CASES / "xml_staterror_histogram_without_sumw2" / "combination.xml"
    spec = nf.Workspace.load(path).spec()
    text = spec.to_hs3()
    again = nf.Workspace.load(json.loads(text)).spec()
    np.testing.assert_allclose(
        [p.initial for p in again.parameters], [p.initial for p in spec.parameters]
    )
