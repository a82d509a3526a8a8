"""Yields and their bands: exact derivatives, all correlations, tables, failures."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest

import nablafit as nf
from nablafit import spec as s
from nablafit._arrays import FloatArray

# jsonschema warns, called by pyhf.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def result(model: nf.Model, data: nf.Data) -> nf.FitResult:
    return nf.fit(model, data)


@pytest.fixture(scope="module")
def postfit(model: nf.Model, data: nf.Data, result: nf.FitResult) -> nf.infer.YieldsResult:
    return nf.yields(model, result, data=data, bin_covariance=True)


def rows_of(model: nf.Model, x: FloatArray) -> FloatArray:
    by_sample = model.expected_by_sample(x)
    return np.concatenate([rows for samples in by_sample.values() for rows in samples.values()])


def jacobian_by_differences(model: nf.Model, x: FloatArray) -> FloatArray:
    columns = []
    for i in range(model.n_parameters):
        step = np.zeros_like(x)
        step[i] = 1e-5
        columns.append((rows_of(model, x + step) - rows_of(model, x - step)) / 2e-5)
    return np.transpose(columns)


def all_errors(yields: nf.infer.YieldsResult) -> list[FloatArray]:
    parts: list[Any] = [[yields.total_error]]
    for c in yields.channels:
        parts += [c.by_sample_errors.ravel(), c.by_bin_errors, c.sample_total_errors]
        parts.append([c.total_error])
    return [np.asarray(part) for part in parts]


def linear_model() -> nf.Model:
    """Linear in every parameter: symmetric histograms, gammas, a norm factor."""
    nominal = np.array([20.0, 30.0, 25.0])
    shift = np.array([1.5, -2.0, 0.5])
    gammas = [f"stat[{b}]" for b in range(3)]
    background = s.Sample(
        "background",
        nominal,
        [
            s.HistoSys("shape", "shape", nominal - shift, nominal + shift),
            s.StatError("stat", gammas, 0.08 * nominal),
        ],
    )
    signal = s.Sample("signal", [4.0, 8.0, 2.0], [s.NormFactor("mu", "mu")])
    unit = s.GaussianConstraint(0.0, 1.0)
    parameters = [s.Parameter("mu", 1.0, 0.0, 10.0), s.Parameter("shape", 0.0, -5, 5, False, unit)]
    gamma = s.GaussianConstraint(1.0, 0.08)
    parameters += [s.Parameter(name, 1.0, 1e-10, 10.0, False, gamma) for name in gammas]
    axes = [s.Axis("mass", [0.0, 10.0, 20.0, 50.0])]
    channel = s.Channel("SR_a&b", [signal, background], axes)
    return nf.Model(nf.ModelSpec("linear", [channel], parameters, ["mu"]))


# --- numbers -------------------------------------------------------------------------------------


def test_jacobian_agrees_with_differences(model: nf.Model, result: nf.FitResult) -> None:
    jacobian = model.yield_jacobian(result.x)
    assert jacobian.shape == (5, model.n_parameters)
    expected = jacobian_by_differences(model, result.x)
    np.testing.assert_allclose(jacobian.toarray(), expected, rtol=1e-7, atol=1e-7)


def test_bands_agree_with_brute_force(
    model: nf.Model, result: nf.FitResult, postfit: nf.infer.YieldsResult
) -> None:
    control, signal_region = postfit.channels
    rows = jacobian_by_differences(model, result.x)
    covariance = result.covariance
    assert covariance is not None

    def errors(jacobian: FloatArray) -> FloatArray:
        return np.sqrt(np.diag(jacobian @ covariance @ jacobian.T))

    # Rows: control/background, signal_region/signal twice, signal_region/background twice.
    bins = np.array([rows[0], rows[1] + rows[3], rows[2] + rows[4]])
    samples = np.array([rows[1] + rows[2], rows[3] + rows[4]])
    channels = np.array([bins[0], bins[1] + bins[2]])
    check = {
        "rows": (
            np.r_[control.by_sample_errors.ravel(), signal_region.by_sample_errors.ravel()],
            rows,
        ),
        "bins": (np.r_[control.by_bin_errors, signal_region.by_bin_errors], bins),
        "samples": (signal_region.sample_total_errors, samples),
        "channels": (np.array([control.total_error, signal_region.total_error]), channels),
        "total": (np.array([postfit.total_error]), bins.sum(axis=0, keepdims=True)),
    }
    for found, jacobian in check.values():
        np.testing.assert_allclose(found, errors(jacobian), rtol=1e-7)
    assert postfit.bin_covariance is not None
    np.testing.assert_allclose(postfit.bin_covariance, bins @ covariance @ bins.T, rtol=1e-6)


def test_values_are_those_of_pyhf(document: dict[str, Any], postfit: nf.infer.YieldsResult) -> None:
    workspace = pyhf.Workspace(document)
    pyhf_model = workspace.model()
    x = [postfit.x[postfit.parameters.index(name)] for name in pyhf_model.config.par_names]
    expected = pyhf_model.expected_actualdata(x)
    found = np.concatenate([c.by_bin for c in postfit.channels])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert postfit.total == pytest.approx(np.sum(expected), rel=1e-12)
    for channel in postfit.channels:
        np.testing.assert_allclose(channel.by_sample.sum(axis=0), channel.by_bin, rtol=1e-13)
        assert channel.sample_totals.sum() == pytest.approx(channel.total, rel=1e-13)
        assert channel.observed_total == sum(
            next(o["data"] for o in document["observations"] if o["name"] == channel.name)
        )


def test_prefit_uses_widths_without_correlations(model: nf.Model, data: nf.Data) -> None:
    yields = nf.yields(model, data=data)
    assert yields.kind == "prefit"
    assert not yields.message
    np.testing.assert_array_equal(yields.x, model.initial)
    by_name = dict(zip(yields.parameters, yields.errors, strict=True))
    assert by_name["mu"] == 0.0
    assert by_name["lumi"] == 0.02
    assert by_name["scale"] == 1.0
    # pyhf 0.7.6: width of a shapesys term is sigma / nominal, 6 of 120 events.
    assert by_name["shape[0]"] == pytest.approx(6.0 / 120.0)
    rows = jacobian_by_differences(model, np.array(model.initial))
    expected = np.sqrt(rows**2 @ yields.errors**2)
    found = np.concatenate([c.by_sample_errors.ravel() for c in yields.channels])
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12)


def test_fixed_parameters_have_no_prefit_error(workspace: nf.Workspace) -> None:
    model = workspace.model("fixed_lumi")
    yields = nf.yields(model)
    assert yields.errors[model.index("lumi")] == 0.0
    assert yields.channels[0].observed is None
    assert math.isnan(yields.channels[0].observed_total)
    assert yields.channels[0].ratio is None


@pytest.mark.parametrize("kind", ["prefit", "postfit"])
def test_bands_agree_with_cabinetry(kind: str) -> None:
    """Equal to rounding where cabinetry's variations by one standard deviation are linear."""
    cabinetry = pytest.importorskip("cabinetry")
    model = linear_model()
    data = nf.Data([30.0, 33.0, 31.0], model.asimov().global_observables)
    fit_results = result = None
    if kind == "postfit":
        result = nf.fit(model, data)
        # cabinetry.fit.FitResults: bestfit, uncertainty, labels, corr_mat, best_twice_nll
        fit_results = cabinetry.fit.FitResults(
            result.x, np.asarray(result.errors), list(result.parameters), result.correlation, 0.0
        )
    found = nf.yields(model, result)["SR_a&b"]
    theirs = pyhf.Workspace(model.spec.to_pyhf()).model()
    order = [model.parameters.index(name) for name in theirs.config.par_names]
    if fit_results is not None:
        fit_results = fit_results._replace(
            bestfit=fit_results.bestfit[order],
            uncertainty=fit_results.uncertainty[order],
            labels=theirs.config.par_names,
            corr_mat=fit_results.corr_mat[np.ix_(order, order)],
        )
    prediction = cabinetry.model_utils.prediction(theirs, fit_results=fit_results)
    position = [found.samples.index(name) for name in theirs.config.samples]
    np.testing.assert_allclose(prediction.model_yields[0], found.by_sample[position], rtol=1e-12)
    *samples, total = prediction.total_stdev_model_bins[0]
    np.testing.assert_allclose(samples, found.by_sample_errors[position], rtol=1e-10)
    np.testing.assert_allclose(total, found.by_bin_errors, rtol=1e-10)
    *totals, channel = prediction.total_stdev_model_channels[0]
    np.testing.assert_allclose(totals, found.sample_total_errors[position], rtol=1e-10)
    assert found.total_error == pytest.approx(channel, rel=1e-10)


def test_bands_are_the_spread_of_yields() -> None:
    """Draws from the covariance of a fit with large correlations."""
    model = linear_model()
    result = nf.fit(model, nf.Data([30.0, 33.0, 31.0], model.asimov().global_observables))
    yields = nf.yields(model, result)
    draws = np.random.default_rng(1).multivariate_normal(result.x, result.covariance, 20_000)
    drawn = np.array([model.expected(x) for x in draws])
    found = yields.channels[0]
    # gamma times shape is bilinear: a few per mille beyond the linear band
    np.testing.assert_allclose(drawn.std(axis=0), found.by_bin_errors, rtol=0.03)
    assert drawn.sum(axis=1).std() == pytest.approx(yields.total_error, rel=0.03)
    # Anticorrelations make the whole more certain than the sum of squares of its parts.
    assert found.total_error < np.sqrt(np.sum(found.sample_total_errors**2))


def test_rows_in_blocks_and_sparse_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """All ways of splitting the work give the same numbers."""
    from scipy.sparse import csr_array

    from nablafit.infer.predictions import yields as _bands

    random = np.random.default_rng(3)
    dense = random.normal(size=(40, 12)) * (random.random((40, 12)) < np.linspace(0.02, 1.0, 12))
    root = random.normal(size=(12, 12))
    covariance = root @ root.T
    expected = np.einsum("ij,jk,ik->i", dense, covariance, dense)
    for block, fraction in [(10**6, 0.2), (60, 0.2), (60, 0.0), (10**6, 1.0)]:
        monkeypatch.setattr(_bands, "_BLOCK", block)
        monkeypatch.setattr(_bands, "_DENSE", fraction)
        found = _bands.variances(csr_array(dense), covariance)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


# --- parameters that nothing determines ----------------------------------------------------------


def test_a_parameter_without_effect_leaves_the_band_alone(document: dict[str, Any]) -> None:
    signal = document["channels"][0]["samples"][0]
    idle = {"name": "idle", "data": [0.0, 0.0]}
    idle["modifiers"] = [{"name": "k_idle", "type": "normfactor", "data": None}]
    document["channels"][0]["samples"] += [idle]
    assert signal["name"] == "signal"
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    data = workspace.data(model)
    result = nf.fit(model, data)
    assert math.isinf(result.errors["k_idle"])
    found = nf.yields(model, result)
    held = nf.yields(model, nf.fit(model, data, fixed="k_idle"))
    assert "k_idle" in found.message
    for ours, expected in zip(all_errors(found), all_errors(held), strict=True):
        assert np.all(np.isfinite(ours))
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_an_undetermined_parameter_makes_its_yields_infinite(
    model: nf.Model, result: nf.FitResult
) -> None:
    assert result.covariance is not None
    covariance = np.array(result.covariance)
    mu = model.index("mu")
    covariance[mu, mu] = np.inf
    found = nf.yields(model, replace(result, covariance=covariance), bin_covariance=True)
    region = found["signal_region"]
    signal, background = (region.samples.index(name) for name in ("signal", "background"))
    assert np.all(np.isinf(region.by_sample_errors[signal]))
    assert np.all(np.isfinite(region.by_sample_errors[background]))
    assert np.all(np.isinf(region.by_bin_errors))
    assert math.isinf(found.total_error)
    assert np.all(np.isfinite(found["control_region"].by_bin_errors))
    assert found.bin_covariance is not None
    assert np.isinf(np.diag(found.bin_covariance)).tolist() == [False, True, True]
    assert np.isnan(found.bin_covariance[0, 1])
    assert "± inf" in repr(found)
    assert nf.infer.YieldsResult.from_json(found.to_json()) == found


def test_a_term_without_width(model: nf.Model, data: nf.Data) -> None:
    """A Poisson term with nothing observed does not bound its parameter from the left."""
    observables = np.array(data.global_observables)
    observables[model.constrained_parameters.index("shape[0]")] = 0.0
    found = nf.yields(model, data=nf.Data(data.counts, observables))
    assert "shape[0]" in found.message
    assert math.isinf(found["control_region"].total_error)
    assert math.isfinite(found["signal_region"].total_error)


# --- failures ------------------------------------------------------------------------------------


def test_results_of_other_models_are_refused(model: nf.Model, result: nf.FitResult) -> None:
    other = linear_model()
    with pytest.raises(nf.ArgumentError, match=r"result: expected a fit with the parameters of"):
        nf.yields(other, result)
    swapped = replace(result, parameters=result.parameters[::-1])
    with pytest.raises(nf.ArgumentError, match="their order differs"):
        nf.yields(model, swapped)
    with pytest.raises(nf.ArgumentError, match="found 2 numbers, expected 3, one per bin"):
        nf.yields(model, result, data=nf.Data([1.0, 2.0], []))


def test_without_covariance_there_are_no_bands(model: nf.Model, result: nf.FitResult) -> None:
    found = nf.yields(model, replace(result, covariance=None, status="not_converged"))
    assert "not valid" in found.message
    assert "no covariance" in found.message
    assert all(np.all(np.isnan(part)) for part in all_errors(found))
    np.testing.assert_array_equal(found["signal_region"].by_bin, model.expected(result.x)[1:])
    assert "±" not in repr(found)


def test_an_empty_channel(document: dict[str, Any]) -> None:
    empty = {"name": "empty", "samples": [{"name": "background", "data": [0.0], "modifiers": []}]}
    document["channels"].append(empty)
    document["observations"].append({"name": "empty", "data": [0.0]})
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    data = workspace.data(model)
    found = nf.yields(model, nf.fit(model, data), data=data)["empty"]
    assert (found.total, found.total_error, found.observed_total) == (0.0, 0.0, 0.0)
    assert found.ratio is not None
    assert np.isnan(found.ratio).all()
    assert np.isnan(found.ratio_errors).all()
    assert "empty" in repr(found)


def test_where_a_floor_acts_nothing_changes_the_bin() -> None:
    sample = s.Sample("a", [2.0, 5.0], [s.NormFactor("k", "k")])
    negative = s.Sample("b", [-3.0, 1.0], [s.NormFactor("k", "k")])
    channel = s.Channel("c", [sample, negative], yield_floor=0.5)
    constraint = s.GaussianConstraint(1.0, 0.1)
    k = s.Parameter("k", 1.0, 0.0, 10.0, False, constraint)
    found = nf.yields(nf.Model(nf.ModelSpec("floor", [channel], [k]))).channels[0]
    assert found.by_bin.tolist() == [0.5, 6.0]
    np.testing.assert_allclose(found.by_bin_errors, [0.0, 0.6])
    np.testing.assert_allclose(found.by_sample_errors, [[0.2, 0.5], [0.3, 0.1]])
    assert found.total_error == pytest.approx(0.6)


# --- documents and tables ------------------------------------------------------------------------


def test_yields_of_a_saved_fit_are_the_same(
    model: nf.Model,
    data: nf.Data,
    result: nf.FitResult,
    postfit: nf.infer.YieldsResult,
    tmp_path: Path,
) -> None:
    path = tmp_path / "fit.json"
    path.write_text(result.to_json())
    loaded = nf.load_result(path)
    assert isinstance(loaded, nf.FitResult)
    assert nf.yields(model, loaded, data=data, bin_covariance=True) == postfit
    postfit.save(path)
    assert nf.load_result(path) == postfit


def test_csv_has_every_number(postfit: nf.infer.YieldsResult) -> None:
    table = list(csv.DictReader(io.StringIO(postfit.to_csv())))
    assert len(table) == 3 + 2 * 4
    row = next(r for r in table if r["channel"] == "signal_region" and r["sample"] == "total")
    region = postfit["signal_region"]
    assert (row["bin"], float(row["yield"])) == ("0", region.by_bin[0])
    assert float(row["error"]) == region.by_bin_errors[0]
    totals = list(csv.DictReader(io.StringIO(postfit.to_csv(by="channel"))))
    assert len(totals) == 3 + 4
    assert {r["sample"] for r in totals} == {"background", "signal", "total", "data"}
    data = next(r for r in totals if r["channel"] == "signal_region" and r["sample"] == "data")
    assert (float(data["yield"]), data["error"]) == (81.0, "")


def test_text_and_html(postfit: nf.infer.YieldsResult, model: nf.Model) -> None:
    text = repr(postfit)
    assert text.startswith("Post-fit yields of ")
    lines = text.splitlines()
    assert lines[2].split()[0] == "sample"
    assert lines[2].split()[-1] == "signal_region"
    assert [line.split()[0] for line in lines[-3:]] == ["total", "data", "data/total"]
    assert " ± " in lines[-3]
    assert postfit.to_text(by="bin").count("events expected") == 2
    assert ">signal_region</th>" in postfit._repr_html_()
    assert ">total</td>" in postfit["signal_region"]._repr_html_()
    assert "data" not in repr(nf.yields(model))


def test_latex_is_escaped() -> None:
    model = linear_model()
    yields = nf.yields(model, data=nf.Data([30.0, 33.5, 31.0], model.asimov().global_observables))
    latex = yields.to_latex()
    assert latex.splitlines()[2] == r" & SR\_a\&b \\"
    assert r"signal & $14.000$ \\" in latex or r"signal & $14$ \\" in latex
    assert r"\pm" in latex
    assert r"Data & $94.5$ \\" in latex
    assert latex.count(r"\begin{tabular}{lr}") == 1
    by_bin = yields.to_latex(by="bin")
    assert r"SR\_a\&b & [0, 10] & [10, 20] & [20, 50] \\" in by_bin
    assert "\\infty" not in by_bin


def test_latex_of_large_numbers() -> None:
    sample = s.Sample("a", [3.2e8], [s.NormSys("n", "n", 0.9, 1.1)])
    parameter = s.Parameter("n", 0.0, -5.0, 5.0, False, s.GaussianConstraint(0.0, 1.0))
    model = nf.Model(nf.ModelSpec("large", [s.Channel("c", [sample])], [parameter]))
    assert r"a & $3.20 \times 10^{8} \pm 0.32 \times 10^{8}$ \\" in nf.yields(model).to_latex()


def test_unknown_names(postfit: nf.infer.YieldsResult) -> None:
    with pytest.raises(nf.ArgumentError, match="did you mean signal_region"):
        postfit["signal_regio"]
    with pytest.raises(nf.ArgumentError, match='by: expected "bin" or "channel"'):
        postfit.to_csv(by="sample")


def test_templates_are_what_the_model_expects(model: nf.Model) -> None:
    found = nf.templates(model)
    centres = model.initial
    for one in found.variations:
        for side, sign in (("up", 1.0), ("down", -1.0)):
            x = np.array(centres)
            x[model.parameters.index(one.parameter)] += (
                sign * model.prefit()[1][model.parameters.index(one.parameter)]
            )
            channel = nf.yields(_at(model, x))[one.channel]
            expected = channel.by_sample[channel.samples.index(one.sample)]
            np.testing.assert_allclose(getattr(one, side), expected, rtol=1e-12)
    assert nf.infer.TemplatesResult.from_json(found.to_json()) == found
    with pytest.raises(nf.ArgumentError, match="channel: there is no variation of 'SR_x'"):
        nf.templates(model, channel="SR_x")


def _at(model: nf.Model, x: FloatArray) -> nf.Model:
    """The model with other initial values."""
    changed = zip(model.spec.parameters, x.tolist(), strict=True)
    parameters = tuple(parameter.replace(initial=value) for parameter, value in changed)
    return nf.Model(model.spec.replace(parameters=parameters))


def test_signals_are_the_samples_of_the_parameter_of_interest(
    model: nf.Model, postfit: nf.infer.YieldsResult
) -> None:
    assert model.poi == "mu"
    assert postfit.signals == ("signal",)
