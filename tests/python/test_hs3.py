"""HS3 JSON: dialects, defects of ROOT's export, other formats of the same model, round trips."""

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

import nablafit as nf
import pyhf_specs
from locations import REPOSITORY, SHARED_DATA
from nablafit._core import write_hs3
from nablafit.io import hs3
from nablafit.spec import (
    FormulaFactor,
    GaussianConstraint,
    HistoSys,
    Interpolation,
    Lumi,
    ModelSpec,
    NormFactor,
    Parameter,
    PoissonConstraint,
    ShapeFactor,
    ShapeSys,
    StatError,
    Unconstrained,
)

SMALL_TEXT = (REPOSITORY / "tests" / "data" / "hs3_small.json").read_text("utf-8")
SMALL: dict[str, Any] = json.loads(SMALL_TEXT)
TABLE = json.loads((REPOSITORY / "tests" / "data" / "malformed_hs3.json").read_text("utf-8"))

needs_shared = pytest.mark.skipif(
    not (SHARED_DATA / "hs3").is_dir(), reason="the shared HS3 documents are not there"
)


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(SMALL)


def parse(document: dict[str, Any]) -> tuple[ModelSpec, tuple[str, ...]]:
    read = hs3.read("test", json.dumps(document).encode())
    (spec,) = read.measurements.values()
    return spec, read.notes


def parameter(spec: ModelSpec, name: str) -> Parameter:
    return next(p for p in spec.parameters if p.name == name)


def modifiers(document: dict[str, Any], channel: int, sample: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["distributions"][channel]["samples"][sample]["modifiers"]
    return found


def forget_writer(document: dict[str, Any]) -> None:
    del document["metadata"]["packages"], document["misc"]["ROOT_internal"]


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", TABLE["cases"], ids=[case["name"] for case in TABLE["cases"]])
def test_malformed(case: dict[str, str]) -> None:
    if "find" in case:
        assert SMALL_TEXT.count(case["find"]) == 1
    text = case.get("text", SMALL_TEXT.replace(case.get("find", "\0"), case.get("replace", "")))
    try:
        error = hs3.read("workspace", text.encode()).data_problem
    except nf.WorkspaceError as raised:
        error = raised
    assert error is not None
    assert error.location == case["location"]
    assert case["message"] in str(error)


def test_read_by_workspace(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(SMALL_TEXT)
    workspace = nf.Workspace.load(path)
    assert workspace.format == "HS3"
    assert workspace.measurements == ("ModelConfig",)
    assert workspace.datasets == ("obsData", "asimovData")
    assert workspace.poi() == "mu"
    model = workspace.model()
    assert nf.fit(model, workspace.data(model)).valid


# --- dialects ------------------------------------------------------------------------------------


def test_floors_follow_the_program_that_wrote_the_document(document: dict[str, Any]) -> None:
    spec, notes = parse(document)
    assert spec.channels[0].samples[1].yield_floor == 0.0
    assert any("ROOT 6.40.00" in note for note in notes)
    forget_writer(document)
    spec, notes = parse(document)
    assert all(s.yield_floor is s.factor_floor is None for c in spec.channels for s in c.samples)
    assert any("not clipped" in note for note in notes)


def test_normsys_without_logarithm_in_root(document: dict[str, Any]) -> None:
    modifiers(document, 0, 0)[2]["data"]["lo"] = 0.0
    spec, notes = parse(document)
    assert spec.channels[0].samples[0].modifiers[2].low == pytest.approx(2.2e-16, rel=0.1)
    assert any("2.2e-16" in note for note in notes)
    forget_writer(document)
    assert parse(document)[0].channels[0].samples[0].modifiers[2].low == 0.0


def test_pyhs3_conventions(document: dict[str, Any]) -> None:
    """Absolute vals, Gaussian staterrors, types of constraints instead of their names."""
    document["metadata"]["packages"] = [{"name": "pyhs3", "version": "0.5"}]
    del document["misc"]["ROOT_internal"], document["domains"]
    del document["analyses"][0]["domains"], document["analyses"][1]["domains"]
    for sample in document["distributions"][0]["samples"]:
        for modifier in sample["modifiers"]:
            for key in ("constraint_name", "constraint_type", "interpolation"):
                modifier.pop(key, None)
    normsys = modifiers(document, 0, 0)[2]
    normsys["constraint"] = "Gauss"
    normsys["data"]["interpolation"] = "code1"
    modifiers(document, 0, 1)[1] |= {"constraint": "Poisson", "data": {"vals": [5.0, 12.0]}}
    spec, notes = parse(document)
    fakes = parameter(spec, "gamma_fakes_bin_0").constraint
    assert isinstance(fakes, PoissonConstraint)
    assert fakes.tau == pytest.approx(100.0)
    assert parameter(spec, "gamma_stat_SR_bin_0").constraint == GaussianConstraint(1.0, 0.05)
    assert parameter(spec, "Lumi").constraint == Unconstrained()
    first = spec.channels[0].samples[0].modifiers
    assert first[2].interpolation == Interpolation.piecewise_exponential
    assert isinstance(first[0], NormFactor)
    assert any("absolute uncertainties" in note for note in notes)


def test_vals_judged_by_size(document: dict[str, Any]) -> None:
    forget_writer(document)
    del document["domains"]
    del document["analyses"][0]["domains"], document["analyses"][1]["domains"]
    shapesys = modifiers(document, 0, 1)[1]
    for vals, sense in (
        ([0.1, 0.2], "relative"),
        ([5.0, 12.0], "absolute"),
        ([100.0, 25.0], "tau"),
    ):
        shapesys["data"]["vals"] = vals
        spec, notes = parse(document)
        constraint = parameter(spec, "gamma_fakes_bin_0").constraint
        assert isinstance(constraint, PoissonConstraint)
        assert constraint.tau == pytest.approx(100.0)
        assert any(sense in note and "size alone" in note for note in notes)


def test_differences_are_recognised(document: dict[str, Any]) -> None:
    forget_writer(document)
    modifiers(document, 0, 1)[0]["data"] = {
        "lo": {"contents": [-2.0, 1.0]},
        "hi": {"contents": [2.0, -1.0]},
    }
    spec, notes = parse(document)
    histosys = spec.channels[0].samples[1].modifiers[0]
    assert isinstance(histosys, HistoSys)
    assert histosys.low.tolist() == [48.0, 61.0]
    assert any("differences" in note for note in notes)


def test_constraints_of_the_likelihood(document: dict[str, Any]) -> None:
    """The standard's aux_distributions, and terms with their observation in line."""
    for likelihood in document["likelihoods"]:
        likelihood["aux_distributions"] = ["muConstraint"]
        likelihood["distributions"].append("shapeConstraint")
        likelihood["data"].append(1.5)
    document["distributions"] += [
        {"name": "muConstraint", "type": "normal_dist", "x": "mu", "mean": 2.0, "sigma": 0.5},
        {"name": "shapeConstraint", "type": "poisson_dist", "x": "n", "mean": "product"},
    ]
    document["functions"] = [
        {"name": "product", "type": "product", "factors": ["gamma_shape_bin_0", "tau"]}
    ]
    document["parameter_points"][0]["parameters"].append({"name": "tau", "value": 4.0})
    spec, _ = parse(document)
    assert parameter(spec, "mu").constraint == GaussianConstraint(2.0, 0.5)
    assert parameter(spec, "gamma_shape_bin_0").constraint == PoissonConstraint(1.5, 4.0)


def test_constraints_by_name_per_bin(document: dict[str, Any]) -> None:
    shapesys = modifiers(document, 0, 1)[1]
    del shapesys["constraint_type"], shapesys["data"]
    shapesys["constraints"] = ["fakesConstraint", None]
    document["distributions"].append(
        {
            "name": "fakesConstraint",
            "type": "gaussian_dist",
            "x": "nom_fakes",
            "mean": "gamma_fakes_bin_0",
            "sigma": 0.3,
        }
    )
    spec, _ = parse(document)
    assert isinstance(spec.channels[0].samples[1].modifiers[1], ShapeSys)
    constraint = parameter(spec, "gamma_fakes_bin_0").constraint
    assert isinstance(constraint, GaussianConstraint)
    assert constraint.sigma == 0.3
    assert parameter(spec, "gamma_fakes_bin_1").constraint == Unconstrained()


def test_formula_modifiers(document: dict[str, Any]) -> None:
    modifiers(document, 0, 0)[1] = {"name": "scale", "type": "custom"}
    document["functions"] = [
        {"name": "scale", "type": "generic_function", "expression": "1 + 1e-1*mu*exp(Lumi)"}
    ]
    spec, _ = parse(document)
    formula = spec.channels[0].samples[0].modifiers[1]
    assert formula == FormulaFactor("scale", "1 + 1e-1*mu*exp(Lumi)", ("mu", "Lumi"))
    again, _ = parse(json.loads(write_hs3(spec, ())[0]))
    assert again == spec
    document["functions"][0]["expression"] = "system(mu)"
    with pytest.raises(nf.WorkspaceError, match="/functions/0/expression"):
        parse(document)
    document["functions"][0] = {"name": "scale", "type": "interpolation0d"}
    with pytest.raises(nf.WorkspaceError, match="'interpolation0d'"):
        parse(document)


# --- defects of ROOT's export --------------------------------------------------------------------


def test_failed_exports_leave_empty_files() -> None:
    with pytest.raises(nf.WorkspaceError, match="Gamma and LogNormal constraints"):
        hs3.read("export.json", b"")


def test_rounded_errors_take_their_digits_from_snapshots(document: dict[str, Any]) -> None:
    staterror = modifiers(document, 0, 1)[2]
    staterror["constraint_type"] = "Poisson"
    tau = (50.0 / 2.5000003) ** 2
    point = document["parameter_points"][1]["parameters"]
    point.append({"name": "nom_gamma_stat_SR_bin_0", "value": tau})
    spec, notes = parse(document)
    assert parameter(spec, "gamma_stat_SR_bin_0").constraint == PoissonConstraint(tau, tau)
    source = spec.channels[0].samples[1].modifiers[2]
    assert isinstance(source, StatError)
    assert source.uncertainties[0] == pytest.approx(2.5000003, rel=1e-12)
    assert any("7 digits" in note for note in notes)
    point[-1]["value"] = 390.0
    constraint = parameter(parse(document)[0], "gamma_stat_SR_bin_0").constraint
    assert isinstance(constraint, PoissonConstraint)
    assert constraint.tau == pytest.approx(400.0)


def test_names_of_old_nodes_are_shortened(document: dict[str, Any]) -> None:
    samples = document["distributions"][0]["samples"]
    samples[0]["name"] = "signal_SR_overallSyst_x_Exp"
    samples[1]["name"] = "background_SR_overallSyst_x_StatUncert"
    spec, _ = parse(document)
    assert [s.name for s in spec.channels[0].samples] == ["signal", "background"]
    samples[1]["name"] = "signal_SR_overallSyst_x_HistSyst"
    spec, _ = parse(document)
    assert spec.channels[0].samples[0].name == "signal_SR_overallSyst_x_Exp"


def test_gaussian_staterror_stays_gaussian(document: dict[str, Any]) -> None:
    """ROOT's own reader takes it as Poisson, because it looks at the channel only."""
    spec, _ = parse(document)
    assert isinstance(parameter(spec, "gamma_stat_SR_bin_0").constraint, GaussianConstraint)
    del modifiers(document, 0, 1)[2]["constraint_type"]
    spec, _ = parse(document)
    assert isinstance(parameter(spec, "gamma_stat_SR_bin_0").constraint, PoissonConstraint)
    document["distributions"][0]["staterror"] = {"constraint_type": "Gauss", "relThreshold": 0.055}
    spec, _ = parse(document)
    assert isinstance(parameter(spec, "gamma_stat_SR_bin_0").constraint, GaussianConstraint)


def test_shapefactor_written_as_shapesys_is_free(document: dict[str, Any]) -> None:
    spec, notes = parse(document)
    assert isinstance(spec.channels[1].samples[0].modifiers[0], ShapeFactor)
    assert not parameter(spec, "gamma_shape_bin_0").fixed
    assert parameter(spec, "gamma_shape_bin_0").constraint == Unconstrained()
    assert any("how ROOT writes a shapefactor" in note for note in notes)


def test_lumi_written_as_normfactor(document: dict[str, Any]) -> None:
    spec, _ = parse(document)
    assert spec.channels[0].samples[0].modifiers[0] == Lumi("Lumi", "Lumi")
    constraint = parameter(spec, "Lumi").constraint
    assert isinstance(constraint, GaussianConstraint)
    assert constraint.observable_range is not None


# --- the same model in several formats -----------------------------------------------------------


def likelihood_of(path: Path) -> nf.Likelihood:
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    return model.likelihood(workspace.data(model))


def difference_at_random_points(a: nf.Likelihood, b: nf.Likelihood) -> float:
    """Largest difference of NLL differences, at points near the start."""
    rng = np.random.default_rng(7)
    worst = 0.0
    initial = {p.name: p.initial for p in a.model.spec.parameters}
    start = a(a.model.point(initial)) - b(b.model.point(initial))
    for _ in range(5):
        point = {}
        for p in a.model.spec.parameters:
            shift = rng.normal(0.0, 1.0 if p.name.startswith("alpha_") else 0.05)
            point[p.name] = p.initial if p.fixed else p.initial + shift
        worst = max(worst, abs(a(a.model.point(point)) - b(b.model.point(point)) - start))
    return worst


@pytest.mark.slow
@needs_shared
@pytest.mark.filterwarnings("ignore::nablafit.errors.ModelWarning")
@pytest.mark.parametrize(
    ("name", "other", "tolerance"),
    [
        ("small", "small", 1e-9),
        ("sbottom_a", "sbottom_a", 1e-8),
        # Gaussian staterrors are rounded to 7 digits and no snapshot has the others.
        ("multibjets", "multibjets_combined", 1e-4),
    ],
)
def test_same_model_as_the_root_file(name: str, other: str, tolerance: float) -> None:
    pytest.importorskip("uproot")
    ours = likelihood_of(SHARED_DATA / "hs3" / f"{name}.json")
    root = likelihood_of(SHARED_DATA / "rooworkspace" / f"{other}.root")
    assert set(ours.model.parameters) == set(root.model.parameters)
    assert difference_at_random_points(ours, root) < tolerance
    fits = [nf.fit(each.model, each.data) for each in (ours, root)]
    assert fits[0].nll == pytest.approx(fits[1].nll, abs=1e-5)
    for p in ours.model.parameters:
        assert fits[0].errors[p] == pytest.approx(fits[1].errors[p], rel=1e-4, abs=1e-9)


@needs_shared
@pytest.mark.filterwarnings("ignore::nablafit.errors.ModelWarning")
@pytest.mark.parametrize("name", ["small", "sbottom_a", "multibjets"])
def test_shared_documents_are_read_and_written(name: str) -> None:
    document = hs3.read(name, SHARED_DATA / "hs3" / f"{name}.json")
    assert list(document.datasets) == ["obsData", "asimovData"]
    (spec,) = document.measurements.values()
    again = hs3.read(name, hs3.to_hs3(spec, document.datasets.values()).encode())
    (read,) = again.measurements.values()
    assert with_widths_of(read, spec) == spec
    assert dict(again.datasets) == dict(document.datasets)


def with_widths_of(spec: ModelSpec, other: ModelSpec) -> ModelSpec:
    """With the widths of `other` where they agree but for the last digits."""
    parameters = []
    for p, q in zip(spec.parameters, other.parameters, strict=True):
        a, b = p.constraint, q.constraint
        if isinstance(a, GaussianConstraint) and isinstance(b, GaussianConstraint):
            assert a.sigma == pytest.approx(b.sigma, rel=1e-15)
            a = a.replace(sigma=b.sigma)
        parameters.append(p.replace(constraint=a))
    return spec.replace(parameters=parameters)


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.slow
@hypothesis_settings(max_examples=40, deadline=None)
@given(document=pyhf_specs.workspaces())
def test_pyhf_models_survive(document: dict[str, Any]) -> None:
    workspace = nf.Workspace.load(document)
    spec = workspace.spec()
    text, losses, _ = write_hs3(spec, (workspace.observations,), lossy=True)
    read = hs3.read("again", text.encode())
    (again,) = read.measurements.values()
    assert read.datasets["observed"] == workspace.observations
    if losses:
        return
    model, other = nf.Model(spec), nf.Model(again)
    assert other.parameters == model.parameters
    x = model.initial + 0.01
    np.testing.assert_allclose(other.expected(x), model.expected(x), rtol=1e-12)
    a, b = (m.likelihood(m.data(workspace.observations)) for m in (model, other))
    start = np.array(model.initial)
    moved = np.where(model.fixed, start, start + 0.01)
    expected = a(moved) - a(start)
    if math.isfinite(expected):
        assert b(moved) - b(start) == pytest.approx(expected, rel=1e-7, abs=1e-8)


def test_what_hs3_cannot_hold_is_listed(document: dict[str, Any]) -> None:
    spec, _ = parse(document)
    floor = spec.channels[0].replace(yield_floor=0.5)
    with pytest.raises(nf.WorkspaceError, match="lower limit on total yields in channel 'SR'"):
        hs3.to_hs3(spec.replace(channels=(floor, spec.channels[1])))
    with pytest.warns(nf.ModelWarning, match="lower limit on total yields"):
        hs3.to_hs3(spec.replace(channels=(floor, spec.channels[1])), lossy=True)


def test_a_gamma_that_also_scales_a_sample(document: dict[str, Any]) -> None:
    """The constraint is implied by the staterror; no modifier may name one that is not written."""
    for sample in document["distributions"][0]["samples"]:
        for modifier in sample["modifiers"]:
            if modifier["type"] == "staterror":
                modifier["parameters"][0] = "mu"
    spec, _ = parse(document)
    assert isinstance(
        next(p for p in spec.parameters if p.name == "mu").constraint, GaussianConstraint
    )
    again, _ = parse(json.loads(write_hs3(spec, ())[0]))
    x = [p.initial * 1.01 for p in spec.parameters]
    np.testing.assert_allclose(nf.Model(again).expected(x), nf.Model(spec).expected(x), rtol=1e-12)


def names_of(value: object) -> set[str]:
    """All strings under the keys that ROOT takes for names."""
    if isinstance(value, list):
        return set().union(*map(names_of, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = {v for k, v in value.items() if isinstance(v, str) and k in ("name", "parameter", "x")}
    found |= {n for n in value.get("parameters", []) if isinstance(n, str)}
    return found.union(*map(names_of, value.values()))


def odd_workspace() -> nf.Workspace:
    """Names that ROOT does not accept, two luminosities, a POI that no channel has."""
    modifiers = [
        {"name": "stat", "type": "staterror", "data": [1.0, 2.0]},
        {"name": "a b", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
        {"name": "a_b", "type": "normsys", "data": {"hi": 1.2, "lo": 0.9}},
        {"name": "lumi", "type": "lumi", "data": None},
        {"name": "Lumi", "type": "normsys", "data": {"hi": 1.2, "lo": 0.9}},
    ]
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.1], "bounds": [[0, 2]], "inits": [1.0]}
    sample = {"name": "t-tbar", "data": [10.0, 20.0], "modifiers": modifiers}
    settings = {"poi": "mu", "parameters": [lumi]}
    return nf.Workspace.load(
        {
            "version": "1.0.0",
            "channels": [{"name": "2 jets", "samples": [sample]}],
            "observations": [{"name": "2 jets", "data": [9.0, 21.0]}],
            "measurements": [{"name": "m", "config": settings}],
        }
    )


@pytest.mark.filterwarnings("ignore::nablafit.errors.ModelWarning")
def test_names_are_those_that_root_accepts() -> None:
    workspace = odd_workspace()
    text = hs3.to_hs3(workspace.spec(), [workspace.observations])
    written = json.loads(text)
    misc = written.pop("misc")
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in names_of(written))
    assert misc["nablafit"]["names"]["parameters"] == {
        "a_b_": "a b",
        "stat_0": "stat[0]",
        "stat_1": "stat[1]",
    }
    distributions = [d["name"] for d in written["distributions"]]
    assert len(set(distributions)) == len(distributions)
    assert "parameters_of_interest" not in written["analyses"][0]
    again = hs3.read("again", text.encode())
    assert again.measurements == {"m": workspace.spec()}
    assert again.datasets == {"observed": workspace.observations}


@pytest.mark.filterwarnings("ignore::nablafit.errors.ModelWarning")
def test_brackets_of_earlier_versions_are_read() -> None:
    workspace = odd_workspace()
    text = hs3.to_hs3(workspace.spec(), [workspace.observations])
    written = json.loads(text)
    names = written["misc"]["nablafit"].pop("names")
    for kind in ("parameters", "channels"):
        for changed, original in names[kind].items():
            text = json.dumps(written).replace(f'"{changed}"', f'"{original}"')
            written = json.loads(text)
    again = hs3.read("old", text.encode()).measurements["m"]
    assert [p.name for p in again.parameters] == [p.name for p in workspace.spec().parameters]


@pytest.mark.filterwarnings("ignore::nablafit.errors.ModelWarning")
def test_original_names_are_checked() -> None:
    workspace = odd_workspace()
    written = json.loads(hs3.to_hs3(workspace.spec(), [workspace.observations]))
    written["misc"]["nablafit"]["names"]["parameters"]["stat_0"] = "a_b"
    with pytest.raises(nf.WorkspaceError, match="a_b"):
        parse(written)
    written["misc"]["nablafit"]["names"]["parameters"] = ["stat_0"]
    with pytest.raises(nf.WorkspaceError, match="/misc/nablafit/names/parameters"):
        parse(written)


def test_losses_have_the_original_names() -> None:
    spec = odd_workspace().spec()
    constraint = nf.spec.LogNormalConstraint(1.0, 1.1)
    parameters = [
        p.replace(constraint=constraint) if p.name == "a b" else p for p in spec.parameters
    ]
    with pytest.raises(nf.WorkspaceError, match="the log-normal constraint of 'a b'"):
        hs3.to_hs3(spec.replace(parameters=parameters))


def test_other_uncertainties_of_samples_are_no_loss() -> None:
    spec = odd_workspace().spec()
    (channel,) = spec.channels
    (sample,) = channel.samples
    channel = channel.replace(samples=[sample.replace(uncertainties=[3.0, 4.0])])
    text, losses, notes = write_hs3(spec.replace(channels=[channel]), (), lossy=False)
    assert not losses
    assert any("Uncertainties of the sample 't-tbar' in channel" in note for note in notes)
    assert hs3.read("again", text.encode()).measurements["m"] == spec


@pytest.mark.filterwarnings("ignore::nablafit.errors.ModelWarning")
def test_uncertainties_that_are_shared_out_are_not_taken_for_known() -> None:
    names = ["gamma_stat_A_bin_0"]
    samples = [
        nf.spec.Sample(name, [yields], [StatError("staterror_A", names, [])])
        for name, yields in (("s", 5.0), ("b", 20.0))
    ]
    gamma = Parameter(
        names[0], 1.0, 0.0, 2.0, constraint=PoissonConstraint(25.0, 25.0), global_observable="nom"
    ).replace(global_observable=f"nom_{names[0]}")
    spec = ModelSpec("m", [nf.spec.Channel("A", samples)], [gamma])
    text = hs3.to_hs3(spec)
    assert hs3.read("again", text.encode()).measurements["m"] == spec
    errors = [s["data"]["errors"][0] for s in json.loads(text)["distributions"][0]["samples"]]
    assert math.hypot(*errors) / 25.0 == pytest.approx(0.2)
    exported = json.loads(text)
    exported["metadata"]["packages"] = [{"name": "ROOT", "version": "6.40.00"}]
    (channel,) = parse(exported)[0].channels
    assert [s.modifiers[0].uncertainties.size for s in channel.samples] == [0, 0]


@pytest.mark.filterwarnings("ignore::nablafit.errors.ModelWarning")
def test_no_uncertainty_is_written_so_that_root_reads_none() -> None:
    """ROOT takes sqrt(yield) in bins before the first uncertainty above 0."""
    samples = [
        {"name": name, "data": [10.0, 20.0], "modifiers": [stat]}
        for name, stat in (
            ("a", {"name": "stat", "type": "staterror", "data": [0.0, 0.0]}),
            ("b", {"name": "stat", "type": "staterror", "data": [1.0, 2.0]}),
        )
    ]
    document = {
        "version": "1.0.0",
        "channels": [{"name": "A", "samples": samples}],
        "observations": [{"name": "A", "data": [20.0, 40.0]}],
        "measurements": [{"name": "m", "config": {"poi": "", "parameters": []}}],
    }
    spec = nf.Workspace.load(document).spec()
    text = hs3.to_hs3(spec)
    first, second = json.loads(text)["distributions"][0]["samples"]
    errors = first["data"]["errors"]
    assert (errors[0] > 0.0, errors[0] ** 2, errors[1]) == (True, 0.0, 0.0)
    assert second["data"]["errors"] == [1.0, 2.0]
    assert hs3.read("again", text.encode()).measurements["m"] == spec


def test_formulas_name_parameters_instead_of_positions() -> None:
    factor = nf.spec.FormulaFactor("f", "@0*@1*@0", ["mu", "k"])
    sample = nf.spec.Sample("s", [10.0], [factor])
    free = [Parameter(name, 1.0, 0.0, 3.0) for name in ("mu", "k")]
    spec = ModelSpec("m", [nf.spec.Channel("A", [sample])], free)
    again = hs3.read("again", hs3.to_hs3(spec).encode()).measurements["m"]
    assert again.channels[0].samples[0].modifiers[0].expression == "mu*k*mu"


def test_data_must_fit(document: dict[str, Any]) -> None:
    spec, _ = parse(document)
    data = hs3.read("test", SMALL_TEXT.encode()).datasets["obsData"]
    with pytest.raises(nf.ArgumentError, match="no counts of the channel 'CR'"):
        hs3.to_hs3(spec, [data.replace(channels=data.channels[:1])])


# --- damage --------------------------------------------------------------------------------------


def read_or_refuse(text: bytes) -> bool:
    try:
        hs3.read("damaged", text)
    except nf.WorkspaceError:
        return False
    return True


def test_truncated() -> None:
    text = SMALL_TEXT.encode()
    end = len(text.rstrip())
    assert not any(read_or_refuse(text[:length]) for length in range(0, end, 7))


def test_depth_is_limited() -> None:
    assert not read_or_refuse(b'{"distributions": ' + b"[" * 100_000)
