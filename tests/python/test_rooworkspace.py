"""RooWorkspaces read without ROOT: models, data, descriptions, refusals."""

import dataclasses
import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY, SHARED_DATA
from nablafit._budget import Budget
from nablafit.io import rooworkspace
from nablafit.io.document import Document
from nablafit.io.rooworkspace import _file
from nablafit.spec import (
    FormulaFactor,
    GammaConstraint,
    GammaTransformation,
    GaussianConstraint,
    HistoSys,
    Interpolation,
    LogNormalTransformation,
    Lumi,
    NormFactor,
    NormSys,
    Parameter,
    PoissonConstraint,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
)
from nablafit.surgery import prune

OWN = REPOSITORY / "tests" / "data" / "rooworkspace"
SHARED = sorted((SHARED_DATA / "rooworkspace").glob("*.root"))
REFERENCES = json.loads((OWN / "reference.json").read_text(encoding="utf-8"))["models"]


def read(name: str) -> Document:
    return rooworkspace.read(name, OWN / name)


@pytest.fixture(scope="module")
def every() -> Document:
    return read("every_modifier.root")


@pytest.fixture(scope="module")
def several() -> Document:
    return read("two_workspaces.root")


def samples(document: Document, channel: str) -> dict[str, Sample]:
    (spec,) = document.measurements.values()
    return {s.name: s for c in spec.channels if c.name == channel for s in c.samples}


def parameters(document: Document) -> dict[str, Parameter]:
    (spec,) = document.measurements.values()
    return {parameter.name: parameter for parameter in spec.parameters}


@pytest.mark.parametrize("case", REFERENCES, ids=lambda case: f"{case['file']}-{case['workspace']}")
def test_yields_and_likelihood_are_those_of_root(case: dict[str, Any]) -> None:
    """Numbers that ROOT 6.40 gave when it wrote the files."""
    document = read(case["file"])
    several = "ModelConfig" not in document.measurements
    prefix = f"{case['workspace']}/" if several else ""
    model = nf.Model(document.measurements[f"{prefix}ModelConfig"])
    likelihood = model.likelihood(model.data(document.datasets[f"{prefix}obsData"]))
    values = []
    for point, yields in zip(case["points"], case["yields"], strict=True):
        assert set(point) <= set(model.parameters)
        actual = model.expected_by_channel(point)
        assert set(actual) == set(yields)
        for channel, expected in yields.items():
            np.testing.assert_allclose(actual[channel], expected, rtol=1e-12)
        values.append(float(likelihood(model.point(point))))
    differences = np.array(values) - values[0]
    np.testing.assert_allclose(differences, case["nll_differences"], rtol=1e-12, atol=1e-9)


def test_modifiers_have_their_types(every: Document) -> None:
    found = {
        (name, sample.name): [type(m) for m in sample.modifiers]
        for name in ("SR", "CR")
        for sample in samples(every, name).values()
    }
    assert found == {
        ("SR", "signal"): [NormSys, FormulaFactor, Lumi],
        ("SR", "first"): [HistoSys, HistoSys, StatError, NormSys, NormSys, NormSys, NormSys, Lumi],
        ("SR", "second"): [StatError, ShapeSys, NormFactor, Lumi],
        ("SR", "third"): [ShapeSys, Lumi],
        ("CR", "first"): [NormSys, Lumi],
        ("CR", "free"): [ShapeFactor, Lumi],
    }


def test_interpolations_and_floors_are_those_of_histfactory(every: Document) -> None:
    sample = samples(every, "SR")["first"]
    assert sample.yield_floor == 0.0
    assert sample.factor_floor == sys.float_info.min
    np.testing.assert_array_equal(sample.nominal, [60.0, 40.0, 12.0])
    steep = next(m for m in sample.modifiers if m.name == "steep")
    assert isinstance(steep, HistoSys)
    np.testing.assert_array_equal(steep.low, [80.0, 30.0, 1.0])
    np.testing.assert_array_equal(steep.high, [30.0, 52.0, 25.0])
    assert steep.interpolation == Interpolation.polynomial_linear
    factors = {m.name: m for m in sample.modifiers if isinstance(m, NormSys)}
    assert list(factors) == ["scale", "beta_gamma_like", "log_normal_like", "flat"]
    assert (factors["scale"].low, factors["scale"].high) == (0.9, 1.15)
    assert factors["scale"].interpolation == Interpolation.polynomial_exponential
    assert factors["scale"].parameter == "alpha_scale"


def test_code_4_of_flexible_interp_var_means_5(monkeypatch: pytest.MonkeyPatch) -> None:
    """ROOT up to 6.18 stored 4 for what 6.40 stores as 5."""
    content = (OWN / "every_modifier.root").read_bytes()
    (payload,), descriptions = _file.workspaces("file", content, Budget("file"))
    codes = [struct.pack(">5i", 4, *[code] * 4) for code in (5, 4)]
    assert payload.data.count(codes[0]) == 1
    old = dataclasses.replace(payload, data=payload.data.replace(*codes))
    monkeypatch.setattr(rooworkspace, "workspaces", lambda *_: ([old], descriptions))
    sample = samples(rooworkspace.read("old", b""), "SR")["first"]
    found = [m.interpolation for m in sample.modifiers if isinstance(m, NormSys)]
    assert found == [Interpolation.polynomial_exponential] * 4


def test_yields_do_not_go_below_zero(every: Document) -> None:
    model = nf.Model(every.measurements["ModelConfig"])
    yields = model.expected_by_sample({"alpha_steep": 3.0})["SR"]["first"]
    assert yields[0] == 0.0
    assert yields[1] > 0.0


def test_constraints_are_those_of_the_terms(every: Document) -> None:
    found = parameters(every)
    alpha = found["alpha_scale"]
    assert alpha.constraint == GaussianConstraint(0.0, 1.0)
    assert (alpha.lower, alpha.upper, alpha.global_observable) == (-5.0, 5.0, "nom_alpha_scale")
    beta = found["beta_gamma_like"]
    assert isinstance(beta.constraint, GammaConstraint)
    assert (beta.constraint.observed, beta.lower, beta.upper) == (10.0, 0.0, 10.0)
    assert beta.constraint.scale == pytest.approx(0.04, rel=1e-12)
    assert isinstance(beta.transformation, GammaTransformation)
    assert beta.transformation.relative == pytest.approx(0.2, rel=1e-12)
    transformation = found["alpha_log_normal_like"].transformation
    assert isinstance(transformation, LogNormalTransformation)
    assert transformation.relative == pytest.approx(0.15, rel=1e-12)
    flat = found["alpha_flat"].constraint
    assert isinstance(flat, GaussianConstraint)
    assert flat.sigma == 100.0
    assert flat.observable_range is not None
    assert (flat.observable_range.lower, flat.observable_range.upper) == (-10.0, 10.0)
    assert found["alpha_flat"].fixed


def test_luminosity_is_truncated_at_the_range_of_its_observable(every: Document) -> None:
    lumi = parameters(every)["Lumi"]
    assert lumi.global_observable == "nominalLumi"
    assert isinstance(lumi.constraint, GaussianConstraint)
    assert (lumi.constraint.observed, lumi.constraint.sigma) == (1.0, 0.02)
    limits = lumi.constraint.observable_range
    assert limits is not None
    assert (limits.lower, limits.upper) == (0.0, pytest.approx(1.2))


def test_gammas_below_the_threshold_are_fixed_and_keep_their_term(every: Document) -> None:
    found = parameters(every)
    stat = [found[f"gamma_stat_SR_bin_{i}"] for i in range(3)]
    assert [p.fixed for p in stat] == [True, True, False]
    assert all(isinstance(p.constraint, PoissonConstraint) for p in stat)
    relative = math.sqrt(0.4**2) / 40.0
    constraint = stat[1].constraint
    assert isinstance(constraint, PoissonConstraint)
    assert constraint.tau == pytest.approx(relative**-2)
    assert constraint.observed == pytest.approx(constraint.tau)


def test_uncertainties_of_samples_are_not_known_where_several_share_the_bin(
    every: Document,
) -> None:
    held = samples(every, "SR")
    for name in ("first", "second"):
        (stat,) = (m for m in held[name].modifiers if isinstance(m, StatError))
        assert stat.parameters == tuple(f"gamma_stat_SR_bin_{i}" for i in range(3))
        assert stat.uncertainties.size == 0
    (shape,) = (m for m in held["third"].modifiers if isinstance(m, ShapeSys))
    np.testing.assert_allclose(shape.uncertainties, [2.0, 0.0, 1.5])
    (spec,) = every.measurements.values()
    with pytest.raises(nf.SpecError, match="its width in channel SR is that of the sum"):
        prune(spec, samples=["first"])


def test_formulas_name_their_parameters(every: Document) -> None:
    (factor,) = (
        m for m in samples(every, "SR")["signal"].modifiers if isinstance(m, FormulaFactor)
    )
    assert factor.parameters == ("mu", "kappa")
    assert factor.expression == "(@0*@1*@1)"


def test_axes_have_the_edges_of_the_channel(every: Document) -> None:
    (spec,) = every.measurements.values()
    edges = {c.name: (c.axes[0].name, c.axes[0].edges.tolist()) for c in spec.channels}
    assert edges["SR"] == ("obs_x_SR", [0.0, 50.0, 120.0, 300.0])
    assert edges["CR"] == ("obs_x_CR", [0.0, 1.0, 3.0])


def test_parameters_of_interest_come_first_then_those_of_the_model_config(every: Document) -> None:
    (spec,) = every.measurements.values()
    names = [p.name for p in spec.parameters]
    assert spec.parameters_of_interest == ("mu",)
    assert names[0] == "mu"
    n_floating = sum(not p.fixed for p in spec.parameters)
    assert names[1:n_floating] == sorted(names[1:n_floating])
    rest = names[n_floating:]
    assert rest == sorted(rest)
    assert "alpha_flat" in rest


def test_counts_of_dimensions_run_with_the_last_axis_fastest() -> None:
    counts = {
        c.channel: c.counts for c in read("two_dimensional.root").datasets["obsData"].channels
    }
    np.testing.assert_array_equal(counts["plane"], [11.0, 12.0, 15.0, 22.0, 18.0, 12.0])
    np.testing.assert_array_equal(counts["line"], [52.0])


def test_gammas_of_dimensions_are_at_their_bins() -> None:
    (sample,) = (
        s for s in samples(read("two_dimensional.root"), "plane").values() if s.name != "signal"
    )
    (stat,) = (m for m in sample.modifiers if isinstance(m, StatError))
    assert stat.parameters == tuple(
        f"gamma_stat_plane_bin_{x}_{y}" for x in range(2) for y in range(3)
    )
    np.testing.assert_allclose(stat.uncertainties, [1.0, 0.9, 2.0, 3.0, 1.5, 1.2])


def test_single_channels_have_no_category() -> None:
    document = read("single_channel.root")
    (spec,) = document.measurements.values()
    assert [channel.name for channel in spec.channels] == ["only"]
    assert [c.channel for c in document.datasets["obsData"].channels] == ["only"]


def test_several_workspaces_and_model_configs_are_told_apart(several: Document) -> None:
    assert list(several.measurements) == ["rich/ModelConfig", "rich/Second", "plain/ModelConfig"]
    assert several.measurements["rich/ModelConfig"].parameters_of_interest == ("mu",)
    assert several.measurements["rich/Second"].parameters_of_interest == ("alpha_scale",)
    assert several.measurements["plain/ModelConfig"].parameters_of_interest == ("mu_second",)


@pytest.mark.parametrize("kind", ["obsData", "binned", "composite"])
def test_data_sets_of_all_kinds_give_the_same_counts(several: Document, kind: str) -> None:
    (channel,) = several.datasets[f"rich/{kind}"].channels
    assert channel.channel == "first"
    np.testing.assert_array_equal(channel.counts, [23.0, 18.0])


def test_snapshots_are_parameter_points(several: Document) -> None:
    points = several.measurements["rich/ModelConfig"].parameter_points
    values = {point.name: {v.parameter: v.value for v in point.values} for point in points}
    assert list(values) == ["NominalParamValues", "shifted"]
    assert values["shifted"]["mu"] == 2.0
    assert values["NominalParamValues"]["mu"] == 1.0


def test_other_pdfs_are_refused_by_class_and_node() -> None:
    with pytest.raises(nf.WorkspaceError, match="RooAddPdf") as caught:
        read("not_histfactory.root")
    assert caught.value.location == "not_histfactory.root:unbinned:RooAddPdf 'model'"


def test_other_pdfs_are_described() -> None:
    (description,) = rooworkspace.describe("file", OWN / "not_histfactory.root")
    nodes = {node.name: node for node in description.nodes}
    assert nodes["model"].class_name == "RooAddPdf"
    assert set(nodes["model"].servers) == {"peak", "n", "tail", "b"}
    assert nodes["slope"].value == -0.3
    assert nodes["slope"].bounds == (-2.0, 0.0)
    text = str(description)
    assert "RooExponential tail <- x, slope" in text
    assert "ModelConfig ModelConfig: pdf model, of interest: n" in text


def test_files_without_workspace_are_refused(tmp_path: Path) -> None:
    uproot = pytest.importorskip("uproot")
    path = tmp_path / "histogram.root"
    with uproot.recreate(path) as file:
        file["counts"] = np.histogram([1.0, 2.0], bins=2)
    with pytest.raises(nf.WorkspaceError, match=r"no RooWorkspace.*TH1D"):
        rooworkspace.read("histogram.root", path)


@pytest.mark.parametrize("content", [b"", b"root", b"root" + bytes(200), b"{}" * 100])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(nf.WorkspaceError, match=r"^name: "):
        rooworkspace.read("name", content)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED, reason="the shared workspaces are missing")
@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_published_workspaces_load_and_fit(path: Path) -> None:
    document = rooworkspace.read(path.name, path)
    assert next(iter(document.datasets)) == "obsData"
    model = nf.Model(document.measurements["ModelConfig"])
    result = nf.fit(model, model.data(document.datasets["obsData"]))
    assert result.valid
