"""Configurations of cabinetry give its workspaces; expressions are arithmetic and nothing else."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY
from nablafit.build._expressions import columns_of, evaluate

uproot = pytest.importorskip("uproot")

DATA = REPOSITORY / "tests" / "data" / "cabinetry"
Config = dict[str, Any]


def write_ntuples(folder: Path) -> None:
    """Events without random numbers; every file has the trees that the configuration names."""
    for r, region in enumerate(("signal", "control")):
        for s, sample in enumerate(("data", "mc", "more")):
            with uproot.recreate(folder / f"{region}_{sample}.root") as file:
                for t, tree in enumerate(("events", "other", "varied")):
                    n = 150 + 7 * t + 20 * s
                    phase = 0.37 * np.arange(n) + r + 0.3 * s + 0.7 * t
                    columns = {
                        "pt": (75.0 * (1.0 + np.sin(phase))).astype(np.float32),
                        "charge": np.where(np.arange(n) % 3, 1, -1).astype(np.int32),
                        "njets": (np.arange(n) % 7).astype(np.int64),
                        "weight": 1.0 + 0.2 * np.cos(3.0 * phase),
                    }
                    file.mktree(tree, {name: column.dtype for name, column in columns.items()})
                    file[tree].extend(columns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cabinetry")
    write_ntuples(folder)
    shutil.copy(DATA / "config.yml", folder)
    return folder


@pytest.fixture
def config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The configuration as a mapping, for use from its folder."""
    yaml = pytest.importorskip("yaml")
    monkeypatch.chdir(folder)
    loaded: Config = yaml.safe_load((DATA / "config.yml").read_text(encoding="utf-8"))
    return loaded


def same_workspace(ours: nf.Workspace, theirs: dict[str, Any]) -> None:
    """Channels and data are equal number by number, and all settings are, defaults included."""
    written = ours.to_pyhf()
    assert written["channels"] == theirs["channels"]
    assert written["observations"] == theirs["observations"]
    assert nf.Workspace.load(written).spec() == nf.Workspace.load(theirs).spec()


def test_every_option_gives_the_workspace_of_cabinetry(folder: Path) -> None:
    """cabinetry 0.6.0 made workspace.json: templates.build, postprocess, workspace.build."""
    pytest.importorskip("yaml")
    workspace = nf.build.from_cabinetry(folder / "config.yml").workspace()
    same_workspace(workspace, json.loads((DATA / "workspace.json").read_text(encoding="utf-8")))
    region, control = workspace.spec().channels
    assert (region.axes[0].name, control.axes[0].name) == ("pt", "sqrt(pt**2 + 25)")
    model = workspace.model()
    assert nf.fit(model, workspace.data(model)).valid


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
def test_cabinetry_itself_gives_the_same(config: Config, tmp_path: Path) -> None:
    cabinetry = pytest.importorskip("cabinetry")
    theirs = copy.deepcopy(config)
    theirs["General"]["HistogramFolder"] = str(tmp_path)
    cabinetry.templates.build(theirs, method="uproot")
    cabinetry.templates.postprocess(theirs)
    expected = cabinetry.workspace.build(theirs)
    same_workspace(nf.build.from_cabinetry(config).workspace(), expected)


def test_histograms_of_a_root_file(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same templates, stored, give the same model."""
    expected = json.loads((DATA / "workspace.json").read_text(encoding="utf-8"))
    templates: dict[tuple[str, str, str, str], Any] = {}
    builder = recorded(config, templates)
    same_workspace(builder.workspace(), expected)
    monkeypatch.chdir(tmp_path)
    hist = pytest.importorskip("hist")
    with uproot.recreate("all.root") as file:
        for (region, sample, systematic, side), histogram in templates.items():
            stored = hist.Hist(hist.axis.Variable(histogram.binning.edges[0]), storage="weight")
            stored.view().value = histogram.values
            stored.view().variance = histogram.variances
            file[f"{region}/{sample}/{systematic or 'nominal'}{side}".replace(" ", "-")] = stored
    stored_config = copy.deepcopy(config)
    path = "all.root:{RegionPath}/{SamplePath}/{VariationPath}"
    stored_config["General"].update(InputPath=path, VariationPath="nominal")
    for region in stored_config["Regions"]:
        region["RegionPath"] = region["Name"].replace(" ", "-")
    for sample in stored_config["Samples"]:
        del sample["Tree"]
        sample["SamplePath"] = sample["Name"]
    for item in stored_config["Systematics"]:
        for side in ("Up", "Down"):
            item[side].pop("SamplePath", None)
            item[side]["VariationPath"] = f"{item['Name']}{side}".replace(" ", "-")
    workspace = nf.build.from_cabinetry(stored_config).workspace()
    found, wanted = nf.Workspace.load(workspace.to_pyhf()), nf.Workspace.load(expected)
    assert found.observations == wanted.observations
    a, b = found.model(), wanted.model()
    np.testing.assert_allclose(a.expected(a.initial), b.expected(b.initial), rtol=1e-14)
    np.testing.assert_allclose(a.prefit()[1], b.prefit()[1], rtol=1e-14)


def test_a_stored_file_that_is_missing_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the same name elsewhere in the folder are others."""
    (tmp_path / "old").mkdir()
    with uproot.recreate(tmp_path / "old" / "all.root") as file:
        file["h"] = np.histogram([0.5], bins=[0.0, 1.0])
    monkeypatch.chdir(tmp_path)
    config = minimal()
    config["General"]["InputPath"] = "all.root:h"
    with pytest.raises(nf.WorkspaceError, match=r"sample 'data': found no file 'all\.root'"):
        nf.build.from_cabinetry(config)
    config["General"]["InputPath"] = "a\0b.root:h"
    with pytest.raises(nf.WorkspaceError, match="found no file"):
        nf.build.from_cabinetry(config)
    config["General"]["InputPath"] = "*/all.root:h"
    assert nf.build.from_cabinetry(config).observations().channels[0].counts.tolist() == [1.0]


def recorded(config: Config, templates: dict[tuple[str, str, str, str], Any]) -> Any:  # noqa: ANN401
    """Build, and keep what was read."""
    from nablafit.build import _cabinetry

    find = _cabinetry._Templates.find

    def spy(self: Any, region: Any, sample: Any, systematic: Any = None, side: Any = None) -> Any:  # noqa: ANN401
        found = find(self, region, sample, systematic, side)
        label = systematic["Name"] if systematic else ""
        templates[region["Name"], sample["Name"], label, side or ""] = found
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_cabinetry._Templates, "find", spy)
        return nf.build.from_cabinetry(config)


def minimal() -> Config:
    return {
        "General": {"Measurement": "m", "InputPath": "x.root", "HistogramFolder": "h"},
        "Regions": [{"Name": "SR"}],
        "Samples": [{"Name": "data", "Data": True}, {"Name": "signal"}],
        "NormFactors": [{"Name": "mu", "Samples": "signal", "Bounds": [0, 5]}],
        "Systematics": [
            {
                "Name": "jes",
                "Type": "NormPlusShape",
                "Up": {"VariationPath": "up"},
                "Down": {"Symmetrize": True},
            }
        ],
    }


def given(region: str, sample: str, systematic: str, side: str) -> Any:  # noqa: ANN401
    assert region == "SR"
    if sample == "data":
        return [11.0, 21.0]
    return [12.0, 22.0] if (systematic, side) == ("jes", "Up") else [10.0, 20.0]


def test_histograms_that_are_given() -> None:
    """Normalised first, then mirrored; no file is read."""
    builder = nf.build.from_cabinetry(minimal(), histograms=given)
    spec = builder.build()
    mu, norm, shape = spec.channels[0].samples[0].modifiers
    assert mu.name == "mu"
    assert (norm.low, norm.high) == pytest.approx((2.0 - 34.0 / 30.0, 34.0 / 30.0))
    np.testing.assert_allclose(shape.high, np.array([12.0, 22.0]) * 30.0 / 34.0)
    np.testing.assert_allclose(shape.low, np.array([20.0, 40.0]) - shape.high)
    assert spec.parameters[0].upper == 5.0
    mirrored = minimal()
    sides = mirrored["Systematics"][0]
    sides["Up"], sides["Down"] = sides["Down"], sides["Up"]
    _, other_norm, other_shape = (
        nf.build.from_cabinetry(
            mirrored, histograms=lambda *names: given(*names[:3], "Up" if names[3] else "")
        )
        .build()
        .channels[0]
        .samples[0]
        .modifiers
    )
    assert (other_norm.low, other_norm.high) == (norm.high, norm.low)
    np.testing.assert_array_equal(other_shape.low, shape.high)
    assert spec.parameters_of_interest == ()
    np.testing.assert_array_equal(builder.observations().channels[0].counts, [11.0, 21.0])


def test_settings_that_cabinetry_passes_over_are_named() -> None:
    config = minimal()
    config["NormFactors"][0]["Nominal"] = 1.0
    config["General"]["Fixed"] = [{"Name": "mu", "Value": 0.0}]
    with pytest.warns(nf.ModelWarning, match="Fixed, mu: the value 0 is passed over"):
        builder = nf.build.from_cabinetry(config, histograms=given)
    (mu,) = (p for p in builder.build().parameters if p.name == "mu")
    assert (mu.initial, mu.fixed) == (1.0, True)


Change = Callable[[Config], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(Region=[]), "configuration: no such option 'Region'; did you mean"),
        (lambda c: c.pop("NormFactors"), "found no NormFactors, expected one"),
        (lambda c: c["General"].pop("InputPath"), "General: found no InputPath"),
        (lambda c: c["Regions"][0].update(Binning=[1]), r"Regions\[0\], Binning: found \[1\]"),
        (lambda c: c["Samples"][1].update(Weight=2.0), "Weight: found 2.0, expected text"),
        (lambda c: c["Samples"].append({"Name": "signal"}), "two of the name 'signal'"),
        (lambda c: c["Samples"].pop(0), "found 0 with Data: True, expected one"),
        (lambda c: c["Regions"].clear(), "Regions: found none"),
        (lambda c: c["Regions"].append("SR2"), r"Regions\[1\]: found str, expected a mapping"),
        (lambda c: c["NormFactors"][0].update(Samples="sgnal"), "no such name 'sgnal'; did you"),
        (lambda c: c["Systematics"][0].update(Type="Shape"), "Type: found 'Shape'"),
        (lambda c: c["Systematics"][0].update(Type="Normalization"), "found no Normalization"),
        (lambda c: c["Systematics"][0]["Up"].update(Symmetrize=True), "Symmetrize in Up and in"),
        (lambda c: c["Systematics"][0]["Down"].update(Symmetrise=1), "did you mean Symmetrize"),
        (
            lambda c: c["Systematics"][0].update(Smoothing={"Algorithm": "353QH"}),
            "Algorithm: found '353QH'; known: 353QH, twice",
        ),
        (
            lambda c: c["General"].update(Fixed=[{"Name": "jer", "Value": 0}]),
            "no such NormFactor or systematic 'jer'; did you mean jes",
        ),
    ],
)
def test_a_wrong_configuration_names_the_place(change: Change, message: str) -> None:
    config = minimal()
    change(config)
    with pytest.raises(nf.WorkspaceError, match=message):
        nf.build.from_cabinetry(config, histograms=given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["Samples"][1].update(Tree="Events"), "no such tree 'Events'; found events"),
        (lambda c: c["Samples"][1].update(SamplePath="m"), "no file 'signal_m.root'; looked in"),
        (lambda c: c["Samples"][1].pop("SamplePath"), "no SamplePath, expected one for {SampleP"),
        (lambda c: c["Samples"][1].update(Weight="weigth"), "Weight: no column 'weigth'; did you"),
        (lambda c: c["Regions"][0].update(Filter="pt >"), "Filter: found 'pt >', which is no"),
        (lambda c: c["Regions"][0].pop("Binning"), "found no Binning of the region"),
        (lambda c: c["Regions"][0].update(Binning=[0, 2, 1]), "Binning: found the edges"),
        (lambda c: c["Samples"][1].pop("Tree"), "expected one path of the form file.root:histo"),
    ],
)
def test_what_cannot_be_read_names_the_place(config: Config, change: Change, message: str) -> None:
    change(config)
    with pytest.raises(nf.Error, match=message) as caught:
        nf.build.from_cabinetry(config)
    assert str(caught.value).startswith("configuration: region 'SR', sample '")


def test_other_sources_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    path = tmp_path / "config.yml"
    for text, message in (
        ("a: [1", "not readable as YAML"),
        ("- 1", "found list, expected a mapping"),
        ("!!python/object/apply:os.getcwd []", "not readable as YAML"),
        ("[" * 5000, "not readable as YAML"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(nf.WorkspaceError, match=message):
            nf.build.from_cabinetry(path)
    with pytest.raises(nf.ArgumentError, match="found int, expected a path or a mapping"):
        nf.build.from_cabinetry(3)  # type: ignore[arg-type]
    with pytest.raises(nf.ArgumentError, match="histograms: found dict, expected a function"):
        nf.build.from_cabinetry(minimal(), histograms={})  # type: ignore[arg-type]


# --- expressions ----------------------------------------------------------------------------------

COLUMNS = {
    "pt": np.array([1.0, 4.0, 9.0]),
    "n": np.array([1, 2, 3]),
    "jet.m": np.array([5.0, 6.0, 7.0]),
    "odd name": np.array([0.0, 1.0, 2.0]),
}


def value_of(expression: str) -> object:
    """With the columns that it names alone."""
    needed = columns_of(expression, COLUMNS, "here")
    return evaluate(expression, {name: COLUMNS[name] for name in needed}, "here")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("pt", [1, 4, 9]),
        ("odd name", [0, 1, 2]),
        ("2*sqrt(pt) - 1", [1, 3, 5]),
        ("-pt**2 / 2", [-0.5, -8.0, -40.5]),
        ("(pt > 1) & ~(n == 3)", [0, 1, 0]),
        ("pt > 1 and not n == 3", [0, 1, 0]),
        ("1 <= n < 3", [1, 1, 0]),
        ("(n & 1) | (n == 2)", [1, 1, 1]),
        ("n % 2 == 1 or pt > 8", [1, 0, 1]),
        ("where(n > 1, jet.m, -1.0)", [-1, 6, 7]),
        ("max(pt, 5) + min(n, 2) + hypot(3, 4)", [11, 12, 16]),
        ("pow(n, 2) + abs(-n)", [2, 6, 12]),
        ("3", [3, 3, 3]),
    ],
)
def test_expressions(expression: str, expected: list[float]) -> None:
    found = np.broadcast_to(value_of(expression), 3)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "pt.__class__",
        "().__class__.__bases__",
        "[x for x in pt]",
        "lambda: 1",
        "(lambda: 1)()",
        "pt[0]",
        "'text'",
        "f'{pt}'",
        "pt if n else 1",
        "sqrt(pt, where=n)",
        "sqrt(*pt)",
        "sqrt.__call__(2)",
        "open('x')",
        "eval('1')",
        "pt; n",
        "pt = 1",
        "(pt := 1)",
        "pt @ n",
        "pt << 1000000",
        "pt is n",
        "n in pt",
        "1j * pt",
        "",
        "(" * 3000 + "pt" + ")" * 3000,
        "-" * 3900 + "pt",
        "pt" + " " * 5000,
        "9**9**9**9",
        "pt & 0.5",
        "\0",
    ],
)
def test_nothing_but_arithmetic(expression: str) -> None:
    with pytest.raises(nf.ArgumentError, match="here: "):
        value_of(expression)
