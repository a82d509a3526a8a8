"""HistFactory XML with ROOT histograms, against numbers worked out by hand and against pyhf."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY, SHARED_DATA
from nablafit import spec as sp
from nablafit._budget import Budget
from nablafit.io.histfactory_xml_tree import MAX_DEPTH, parse

FIXTURE = REPOSITORY / "tests" / "data" / "histfactory_xml"
ALPHA = sp.GaussianConstraint(0.0, 1.0)


@pytest.fixture(scope="module")
def workspace() -> nf.Workspace:
    return nf.Workspace.load(FIXTURE / "config" / "top.xml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the fixture to spoil."""
    for part in ("config", "data"):
        shutil.copytree(FIXTURE / part, tmp_path / part)
    return tmp_path


def parameters(spec: nf.ModelSpec) -> dict[str, sp.Parameter]:
    return {parameter.name: parameter for parameter in spec.parameters}


def sample(spec: nf.ModelSpec, name: str) -> sp.Sample:
    return next(s for s in spec.channels[0].samples if s.name == name)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# --- meaning -------------------------------------------------------------------------------------


def test_document(workspace: nf.Workspace) -> None:
    assert workspace.format == "HistFactory XML"
    assert workspace.measurements == ("plain", "gamma", "lognormal", "uniform", "dropped")
    assert workspace.datasets == ("obsData", "half_signal")
    assert workspace.channels == ("signal_region", "control_region")
    assert [workspace.poi(name) for name in workspace.measurements] == ["mu"] * 5
    assert workspace.spec("gamma").parameters_of_interest == ("mu", "other")


def test_channels_and_data(workspace: nf.Workspace) -> None:
    first, second = workspace.spec().channels
    assert first.axes == (sp.Axis("obs_x_signal_region", [0.0, 1.0, 2.0, 5.0]),)
    assert second.axes == (
        sp.Axis("obs_x_control_region", [0.0, 1.0, 2.0]),
        sp.Axis("obs_y_control_region", [0.0, 10.0, 20.0]),
    )
    np.testing.assert_array_equal(second.samples[0].nominal, [200.0, 100.0, 50.0, 20.0])
    model = workspace.model()
    counts = workspace.data(model).counts
    np.testing.assert_array_equal(counts, [55.0, 42.0, 31.0, 210.0, 105.0, 55.0, 22.0])


def test_modifiers(workspace: nf.Workspace) -> None:
    spec = workspace.spec()
    assert sample(spec, "signal").modifiers == (
        sp.NormFactor("mu", "mu"),
        sp.NormSys("acceptance", "alpha_acceptance", 0.9, 1.1),
        sp.Lumi("Lumi", "Lumi"),
    )
    background = sample(spec, "background")
    gammas = [f"gamma_stat_signal_region_bin_{i}" for i in range(3)]
    assert background.modifiers == (
        sp.StatError("staterror_signal_region", gammas, [4.0, 0.9, 3.0]),
        sp.NormSys("cross_section", "alpha_cross_section", 0.8, 1.25),
        sp.HistoSys("shape", "alpha_shape", [38.0, 30.5, 21.0], [43.0, 29.0, 19.0]),
        sp.Lumi("Lumi", "Lumi"),
    )
    assert (background.yield_floor, background.factor_floor) == (0.0, sys.float_info.min)
    minor = sample(spec, "minor").modifiers
    assert minor[0] == sp.StatError("staterror_signal_region", gammas, [2.0, 0.2 * 3.5, 0.0])
    assert minor[1] == sp.HistoSys("tilt", "alpha_tilt", [3.0, 3.0, 0.0], [5.0, 4.0, 0.0])
    fake = sample(spec, "fake").modifiers
    names = [f"gamma_fake_rate_bin_{i}" for i in range(3)]
    assert fake[0] == sp.ShapeSys("fake_rate", names, [0.4, 0.0, 1.0])
    free = sample(spec, "free").modifiers
    assert free == (
        sp.ShapeFactor("form", [f"gamma_form_bin_{i}" for i in range(3)]),
        sp.FormulaFactor("mu_squared", "mu*mu", ["mu"]),
    )


def test_lumi(workspace: nf.Workspace) -> None:
    lumi = parameters(workspace.spec())["Lumi"]
    constraint = sp.GaussianConstraint(1.0, 0.1, sp.Range(0.0, 2.0))
    expected = sp.Parameter(
        "Lumi", 1.0, 0.0, 10.0, constraint=constraint, global_observable="nominalLumi"
    )
    assert lumi == expected
    exact = parameters(workspace.spec("gamma"))["Lumi"]
    assert exact == sp.Parameter("Lumi", 2.0, 0.0, 20.0, fixed=True)


def test_normalize_by_theory(workspace: nf.Workspace) -> None:
    """Histograms of samples that Lumi does not scale are for a luminosity of 1."""
    np.testing.assert_array_equal(sample(workspace.spec("gamma"), "free").nominal, [4.0, 6.0, 8.0])
    np.testing.assert_array_equal(sample(workspace.spec("gamma"), "fake").nominal, [2.0, 3.0, 4.0])
    assert any("signal_region/free: NormalizeByTheory" in note for note in workspace.notes)


def test_stat_errors(workspace: nf.Workspace) -> None:
    known = parameters(workspace.spec())
    widths = [np.hypot(4.0, 2.0) / 44.0, np.hypot(0.9, 0.7) / 33.5, 3.0 / 20.0]
    for index, width in enumerate(widths):
        gamma = known[f"gamma_stat_signal_region_bin_{index}"]
        assert gamma.constraint.tau == pytest.approx(width**-2, rel=1e-14)
        assert gamma.constraint.observed == gamma.constraint.tau
        assert (gamma.lower, gamma.upper) == (0.0, pytest.approx(1.0 + 5.0 * width))
        assert gamma.fixed == (width < 0.08)
    for name, width, fixed in (
        ("0_0", 0.1, False),
        ("0_1", 0.04, True),
        ("1_0", 0.1, False),
        ("1_1", 0.2, False),
    ):
        gamma = known[f"gamma_stat_control_region_bin_{name}"]
        assert gamma.constraint.sigma == pytest.approx(width, rel=1e-14)
        assert gamma.fixed is fixed


def test_bins_without_uncertainty_are_constant(workspace: nf.Workspace) -> None:
    gamma = parameters(workspace.spec())["gamma_fake_rate_bin_1"]
    assert gamma == sp.Parameter("gamma_fake_rate_bin_1", 1.0, 0.0, 10.0, fixed=True)


def test_shape_factors(workspace: nf.Workspace) -> None:
    known = parameters(workspace.spec())
    assert known["gamma_form_bin_2"] == sp.Parameter("gamma_form_bin_2", 1.0, 0.0, 1000.0)
    tail = known["gamma_tail_bin_1_0"]
    assert tail == sp.Parameter("gamma_tail_bin_1_0", 1.5, 0.0, 1000.0, fixed=True)


def test_constraint_terms(workspace: nf.Workspace) -> None:
    beta = parameters(workspace.spec("gamma"))["beta_cross_section"]
    assert beta == sp.Parameter(
        "beta_cross_section",
        1.0,
        0.0,
        10.0,
        constraint=sp.GammaConstraint(4.0, 0.25),
        transformation=sp.GammaTransformation(0.5),
        global_observable="nom_beta_cross_section",
    )
    lognormal = parameters(workspace.spec("lognormal"))["alpha_cross_section"]
    assert (lognormal.constraint, lognormal.transformation) == (
        ALPHA,
        sp.LogNormalTransformation(0.3),
    )
    uniform = parameters(workspace.spec("uniform"))["alpha_cross_section"]
    assert uniform.constraint == sp.GaussianConstraint(0.0, 100.0, sp.Range(-10.0, 10.0))
    dropped = workspace.spec("dropped")
    assert "alpha_cross_section" not in parameters(dropped)
    assert all(m.name != "cross_section" for m in sample(dropped, "background").modifiers)
    assert parameters(dropped)["alpha_acceptance"].constraint == ALPHA


def test_settings(workspace: nf.Workspace) -> None:
    known = parameters(workspace.spec("gamma"))
    assert known["alpha_acceptance"].fixed
    assert known["alpha_acceptance"].constraint == ALPHA
    assert known["gamma_stat_signal_region_bin_1"].fixed
    assert (known["alpha_shape"].fixed, known["alpha_shape"].initial) == (True, 0.5)
    assert (known["alpha_tilt"].fixed, known["alpha_tilt"].initial) == (False, 5.0)
    assert "nobody: set constant, but no such parameter exists." in workspace.notes
    assert not parameters(workspace.spec())["alpha_acceptance"].fixed


def test_asimov_sets(workspace: nf.Workspace) -> None:
    model = workspace.model("gamma")
    data = workspace.data(model, "half_signal")
    np.testing.assert_array_equal(data.counts, model.expected({"mu": 0.5}))


def test_missing_data_are_expected_events(folder: Path) -> None:
    for name in ("signal_region", "control_region"):
        path = folder / "config" / f"{name}.xml"
        lines = [line for line in path.read_text().splitlines() if "<Data" not in line]
        path.write_text("\n".join(lines))
    workspace = nf.Workspace.load(folder)
    assert workspace.datasets == ("asimovData", "half_signal")
    model = workspace.model()
    np.testing.assert_array_equal(workspace.data(model).counts, model.expected({}))
    assert any(note.startswith("No Data for signal_region, control") for note in workspace.notes)


def test_fits(workspace: nf.Workspace) -> None:
    for measurement in workspace.measurements:
        model = workspace.model(measurement)
        likelihood = model.likelihood(workspace.data(model))
        reference = model.likelihood(workspace.data(model), backend="forward")
        np.testing.assert_allclose(
            likelihood.gradient(model.initial), reference.gradient(model.initial), atol=1e-9
        )
        assert nf.fit(model, workspace.data(model)).valid


def test_the_defaults_are_those_of_root(folder: Path) -> None:
    path = folder / "config" / "control_region.xml"
    edit(path, '<StatErrorConfig ConstraintType="Gaussian"/>', "")
    gamma = parameters(nf.Workspace.load(folder).spec())["gamma_stat_control_region_bin_0_1"]
    assert isinstance(gamma.constraint, sp.PoissonConstraint)
    assert gamma.fixed


# --- files ---------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_top_file_or_above(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workspace: nf.Workspace
) -> None:
    monkeypatch.chdir(folder.parent)
    expected = workspace.spec()
    assert nf.Workspace.load(folder / "config" / "top.xml").spec() == expected
    assert nf.Workspace.load(folder).spec() == expected
    flat = folder / "flat"
    shutil.copytree(folder / "config", flat / "config")
    shutil.copytree(folder / "data", flat / "data")
    shutil.move(flat / "config" / "top.xml", flat / "top.xml")
    assert nf.Workspace.load(flat).spec() == expected
    with pytest.raises(nf.WorkspaceError, match=r"found config/top\.xml, flat/top\.xml"):
        nf.Workspace.load(folder)


def test_a_document_without_a_path_is_read_from_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workspace: nf.Workspace
) -> None:
    content = (folder / "config" / "top.xml").read_bytes()
    monkeypatch.chdir(folder)
    assert nf.Workspace.load(content).spec() == workspace.spec()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("top", "<POI>mu</POI>", "<POY>mu</POY>", r"line [0-9]+: <POY>: unknown element"),
        ("top", "LumiRelErr", "LumiRelError", "unknown attribute 'LumiRelError'"),
        ("top", 'Lumi="1."', 'Lumi="one"', "'Lumi': found 'one', expected a number"),
        ("top", 'Type="Gamma"', 'Type="Beta"', "found 'Beta', expected Gamma, LogNormal"),
        ("top", "mu[1,0,5]", "mu[1,2,5]", r"found mu\[1,2,5\], expected mu\[value,low,high\]"),
        ("top", "mu[1,0,5]", "mu[", r"found 'mu\[', expected name"),
        ("top", "@0*mu", "@1*mu", "found @1, expected less than @1"),
        ("top", "@0*mu", "system(mu)", "measurement plain: .*expression"),
        ("top", "mu=0.5", "nu=0.5", "FixParams: nu: unknown parameter"),
        ("top", "./config/signal_region.xml", "none.xml", "found no file 'none.xml'"),
        ("top", "./config/signal_region.xml", "config/top.xml", "expected <Channel>"),
        ("top", '"lognormal"', '"plain"', "the name 'plain' occurs more than once"),
        ("top", "Combination>\n", "", "not well-formed XML"),
        ("signal_region", 'Low="0.9"', "", "attribute 'Low' is missing or empty"),
        ("signal_region", 'Name="background"', 'Name="signal"', "'signal' occurs more than once"),
        ("signal_region", 'Activate="True"', 'Activate="1"', "found '1', expected True or False"),
        ("signal_region", '"Poisson"', '"Normal"', "expected Gaussian or Poisson"),
        ("signal_region", 'Val="1" Low="0."', 'Val="1" Low="2"', "expected Low <= Val <= High"),
        ("signal_region", 'HistoName="signal"', 'HistoName="nil"', "signal/nil: no such object"),
        ("signal_region", 'HistoName="minor"', 'HistoName="two_bins"', "found bins .2,., expected"),
        ("signal_region", "./data/more.root", "config/top.xml", "does not start like a ROOT file"),
        ("signal_region", "./data/more.root", "", "no InputFile, neither here nor"),
        ("control_region", 'Name="control_region"', 'Name="signal_region"', "occurs more than"),
        ("control_region", 'HistoName="data"', 'HistoName=".."', "no such object|not readable"),
    ],
)
def test_errors_say_where(folder: Path, file: str, old: str, new: str, message: str) -> None:
    edit(folder / "config" / f"{file}.xml", old, new)
    with pytest.raises(nf.WorkspaceError, match=message) as caught:
        nf.Workspace.load(folder / "config" / "top.xml")
    assert str(folder) in str(caught.value)


def test_other_objects_are_not_histograms(folder: Path) -> None:
    import uproot

    with uproot.recreate(folder / "data" / "more.root") as file:
        file["minor"] = "a string"
    with pytest.raises(nf.WorkspaceError, match="found a TObjString, expected TH1, TH2 or TH3"):
        nf.Workspace.load(folder)


def test_a_systematic_cannot_be_lognormal_and_a_histogram(folder: Path) -> None:
    edit(folder / "config" / "signal_region.xml", 'HistoSys Name="shape"', 'HistoSys Name="xs"')
    edit(folder / "config" / "signal_region.xml", 'Name="cross_section"', 'Name="xs"')
    edit(folder / "config" / "top.xml", '0.3">cross_section', '0.3">xs')
    with pytest.raises(nf.WorkspaceError, match="alpha_xs has a LogNormal ConstraintTerm"):
        nf.Workspace.load(folder)


# --- safety --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares the entity 'b'"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "declares the entity"),
        ('<!DOCTYPE a [<!ENTITY % b SYSTEM "x.dtd"> %b;]><a/>', "declares the entity 'b'"),
        ("<!DOCTYPE a SYSTEM 'x.dtd'><a>&b;</a>", "unknown entity 'b'"),
        ("<a>" * (MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} deep"),
        ("<a>", "not well-formed"),
        ("", "not well-formed"),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "not well-formed|not readable"),
    ],
)
def test_unsafe_xml_is_refused(content: str, message: str) -> None:
    with pytest.raises(nf.WorkspaceError, match=message) as caught:
        parse("file.xml", content.encode(), Budget("file.xml"))
    assert caught.value.location.startswith("file.xml: line ")


def test_external_document_types_are_not_fetched() -> None:
    root = parse(
        "file.xml",
        b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/x.dtd'><a b='1'>text</a>",
        Budget("file.xml"),
    )
    assert (root.name, root.attributes, root.text) == ("a", {"b": "1"}, "text")


# --- published inputs, and pyhf ------------------------------------------------------------------


def top_level_files() -> list[Path]:
    files = sorted((SHARED_DATA / "histfactory_xml").rglob("*.xml"))
    return [path for path in files if b"<Combination" in path.read_bytes()]


@pytest.mark.parametrize("path", top_level_files(), ids=lambda path: path.stem)
def test_published_inputs_load_and_fit(path: Path) -> None:
    workspace = nf.Workspace.load(path)
    for measurement in workspace.measurements:
        model = workspace.model(measurement)
        assert nf.fit(model, workspace.data(model)).valid


@pytest.mark.parametrize("name", ["Gauss", "Gamma", "LogNorm", "Const"])
def test_root_makes_the_same_model(name: str) -> None:
    """hist2workspace of ROOT 6.10 ran on this XML; its numbers have 7 digits here and there."""
    path = SHARED_DATA / "rooworkspace" / f"example_combined_{name}Example_model.root"
    if not path.exists():
        pytest.skip("the published inputs are not here")
    xml = SHARED_DATA / "histfactory_xml" / "xmlimport_input" / "config" / "example.xml"
    ours, theirs = nf.Workspace.load(xml), nf.Workspace.load(path)
    model, reference = ours.model(f"{name}Example"), theirs.model()
    assert set(model.parameters) == set(reference.parameters)
    first = model.likelihood(ours.data(model))
    second = reference.likelihood(theirs.data(reference))
    generator = np.random.default_rng(11)
    differences = []
    for _ in range(10):
        point = model.initial + 0.1 * generator.normal(size=model.n_parameters)
        point[list(model.fixed)] = model.initial[list(model.fixed)]
        values = dict(zip(model.parameters, point.tolist(), strict=True))
        np.testing.assert_allclose(model.expected(point), reference.expected(values), rtol=1e-8)
        differences.append(first.logpdf(point) - second.logpdf(reference.point(values)))
    np.testing.assert_allclose(differences, differences[0], atol=5e-7)


AGREEING = {
    "multibin_histfactory": "config/example.xml",
    "multichannel_histfactory": "config/example.xml",
    "shared_nuispar_across_types": "config/example.xml",
    "xmlimport_input3": "config/examples/example_ShapeSys.xml",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, in pyhf
@pytest.mark.parametrize("name", AGREEING)
def test_pyhf_reads_the_same_model(name: str) -> None:
    """Where Lumi is fixed and no StatErrorConfig acts, pyhf's reader has the same likelihood."""
    base = SHARED_DATA / "histfactory_xml" / name
    if not base.exists():
        pytest.skip("the published inputs are not here")
    readxml = pytest.importorskip("pyhf.readxml")
    theirs = nf.Workspace.load(readxml.parse(base / AGREEING[name], base))
    ours = nf.Workspace.load(base / AGREEING[name])
    model, reference = ours.model(), theirs.model()
    first = model.likelihood(ours.data(model))
    second = reference.likelihood(theirs.data(reference))
    generator = np.random.default_rng(7)
    constants = []
    for _ in range(10):
        point = model.initial + 0.1 * generator.uniform(-1.0, 1.0, model.n_parameters)
        point[list(model.fixed)] = model.initial[list(model.fixed)]
        values = dict(zip(map(name_in_pyhf, model.parameters), point.tolist(), strict=True))
        other = [values.get(parameter, 1.0) for parameter in reference.parameters]
        constants.append(first.logpdf(point) - second.logpdf(other))
    np.testing.assert_allclose(constants, constants[0], atol=2e-7)


def name_in_pyhf(name: str) -> str:
    if name.startswith("gamma_"):
        stem, _, index = name.removeprefix("gamma_").rpartition("_bin_")
        return f"{stem}[{index}]"
    return name.removeprefix("alpha_").replace("Lumi", "lumi")
