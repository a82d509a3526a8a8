"""Fits and their results."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit._results.rounding import pdg_round
from nablafit.fit import compare_gradients
from nablafit.minimizers.problem import make_problem
from nablafit.minimizers.scipy import METHODS, _FreeFunction, is_supported

BOUNDED = ("newton", "minuit", "scipy:L-BFGS-B", "scipy:SLSQP", "scipy:TNC", "scipy:trust-constr")


@pytest.fixture(scope="module")
def result(likelihood: nf.Likelihood) -> nf.FitResult:
    return nf.fit(likelihood, tolerance=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, by pyhf
def test_minimum_and_errors_equal_those_of_pyhf(
    document: dict[str, Any], result: nf.FitResult
) -> None:
    pyhf = pytest.importorskip("pyhf")
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-6, strategy=2))
    workspace = pyhf.Workspace(document)
    theirs = workspace.model()
    fitted, twice_nll = pyhf.infer.mle.fit(
        workspace.data(theirs), theirs, return_uncertainties=True, return_fitted_val=True
    )
    assert result.valid
    assert result.twice_nll == pytest.approx(float(twice_nll), abs=1e-6)
    np.testing.assert_allclose(result.values, fitted[:, 0], atol=1e-3)
    np.testing.assert_allclose(result.errors, fitted[:, 1], rtol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("minimizer", [f"scipy:{m}" for m in METHODS if is_supported(m)])
def test_every_method_of_scipy_finds_the_minimum(
    likelihood: nf.Likelihood, result: nf.FitResult, minimizer: str
) -> None:
    other = nf.fit(likelihood, minimizer=minimizer)
    assert other.valid, other.message
    assert other.value == pytest.approx(result.value, abs=2e-4)
    assert other.covariance is not None
    np.testing.assert_allclose(other.errors, result.errors, rtol=2e-2)


def test_a_method_that_scipy_does_not_have_yet(
    likelihood: nf.Likelihood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scipy.__version__", "1.13.2")
    assert is_supported("COBYLA")
    with pytest.raises(nf.ArgumentError, match=r"COBYQA .* needs SciPy 1.14 .* found 1.13.2"):
        nf.fit(likelihood, minimizer="scipy:cobyqa")


def test_scaled_function_for_scipy_has_consistent_derivatives(likelihood: nf.Likelihood) -> None:
    problem = make_problem(likelihood, fixed={"scale": 0.3})
    function = _FreeFunction(problem)
    t = (problem.initial / problem.step)[problem.free]
    step = 1e-5
    shifts = step * np.eye(t.size)
    slopes = [(function.value(t + h) - function.value(t - h)) / (2 * step) for h in shifts]
    np.testing.assert_allclose(function.value_and_gradient(t)[1], slopes, rtol=1e-6, atol=1e-6)
    rows = [
        (function.value_and_gradient(t + h)[1] - function.value_and_gradient(t - h)[1]) / (2 * step)
        for h in shifts
    ]
    np.testing.assert_allclose(function.hessian(t), rows, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("minimizer", BOUNDED)
def test_fixed_parameters_and_bounds(likelihood: nf.Likelihood, minimizer: str) -> None:
    result = nf.fit(
        likelihood,
        minimizer=minimizer,
        initial={"scale": -0.2},
        bounds={"mu": (None, 0.1), "stat[0]": (1.2, 1.5)},
        fixed={"lumi": 1.03, "scale": True},
    )
    assert result["lumi"].value == 1.03
    assert result["scale"].value == -0.2
    assert result["lumi"].fixed
    assert result.errors["lumi"] == 0.0
    assert result.n_free == 4
    assert result["mu"].value == pytest.approx(0.1, abs=1e-3)
    assert result["mu"].upper == 0.1
    assert result["stat[0]"].value == pytest.approx(1.2, abs=1e-3)
    assert result.covariance is not None
    assert np.all(result.covariance[result.parameters.index("scale")] == 0)


def test_model_and_likelihood_give_the_same(
    model: nf.Model, data: nf.Data, likelihood: nf.Likelihood
) -> None:
    assert nf.fit(model, data).value == nf.fit(likelihood).value
    with pytest.raises(nf.ArgumentError, match="needs data"):
        nf.fit(model)
    with pytest.raises(nf.ArgumentError, match="has its data already"):
        nf.fit(likelihood, data)


def test_fixing_everything_evaluates(likelihood: nf.Likelihood) -> None:
    result = nf.fit(likelihood, fixed=likelihood.parameters)
    assert result.valid
    assert result.value == likelihood(likelihood.model.initial)


def test_constness_of_the_model_can_be_released(workspace: nf.Workspace) -> None:
    model = workspace.model("fixed_lumi")
    data = workspace.data(model)
    assert nf.fit(model, data).n_free == 5
    assert nf.fit(model, data, fixed={"lumi": False}).n_free == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"minimizer": "minute"}, "unknown minimiser"),
        ({"minimizer": "minuit:fast"}, "unknown minimiser"),
        ({"minimizer": "scipy"}, "unknown minimiser"),
        ({"minimizer": "scipy:BFG"}, "did you mean BFGS"),
        ({"strategy": 3}, "strategy: expected 0, 1 or 2"),
        ({"tolerance": 0.0}, "tolerance: expected a positive number"),
        ({"initial": {"mu": 11.0}}, r"mu: the start value 11 is outside \[0, 10\]"),
        ({"initial": {"mu": np.nan}}, "mu: expected a finite start value"),
        ({"bounds": {"mu": (1, 1)}}, "expected lower < upper"),
        ({"bounds": [(0, 1)]}, "expected one pair per parameter, 6, got 1"),
        ({"fixed": "nu"}, "unknown parameter"),
    ],
)
def test_misuse_raises(likelihood: nf.Likelihood, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        nf.fit(likelihood, **arguments)


@pytest.mark.parametrize("value", [1e9, -0.1, np.nan])
@pytest.mark.parametrize("function", [nf.fit, nf.upper_limit, nf.intervals, nf.diff.cls])
def test_values_outside_the_range_cannot_be_held(
    workspace: nf.Workspace, function: Callable[..., object], value: float
) -> None:
    model = workspace.model(poi="stat[0]")
    with pytest.raises(nf.ArgumentError, match=r"^mu: the value .* is outside \[0, 10\]"):
        function(model, workspace.data(model), fixed={"mu": value})


def test_failure_is_data(likelihood: nf.Likelihood) -> None:
    stopped = nf.fit(likelihood, minimizer="scipy:L-BFGS-B", max_calls=1)
    assert stopped.status == "not_converged"
    assert "raise max_calls" in stopped.message
    far = {"initial": {"mu": -20.0}, "bounds": {"mu": (-30.0, 10.0)}}
    assert nf.fit(likelihood, **far).valid
    assert nf.fit(likelihood, minimizer="minuit", **far).valid
    nowhere = {"initial": {"mu": -20.0}, "bounds": {"mu": (-30.0, -19.0)}}
    forbidden = nf.fit(likelihood, minimizer="minuit", **nowhere)
    assert forbidden.status == "forbidden_start"
    assert "signal_region[" in forbidden.message
    assert forbidden.covariance is None
    assert np.isnan(forbidden.errors["mu"])


def test_methods_without_bounds_do_not_leave_them_unnoticed(likelihood: nf.Likelihood) -> None:
    result = nf.fit(likelihood, minimizer="scipy:BFGS", bounds={"mu": (3.0, 10.0)})
    assert result.status == "out_of_bounds"
    assert "mu" in result.message


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds:RuntimeWarning")  # old SciPy
@pytest.mark.parametrize("minimizer", BOUNDED)
def test_fits_cross_regions_without_likelihood(minimizer: str) -> None:
    """One bin where a step too far down makes the yield negative."""
    sample = nf.spec.Sample("s", [100.0], [nf.spec.NormFactor("mu", "mu")])
    parameter = nf.spec.Parameter("mu", 8.0, -10.0, 10.0)
    model = nf.Model(nf.ModelSpec("m", [nf.spec.Channel("c", [sample])], [parameter]))
    result = nf.fit(model, nf.Data([4.0], []), minimizer=minimizer, tolerance=1e-3)
    assert result.valid, result.message
    assert result["mu"].value == pytest.approx(0.04, abs=1e-3)


def test_wrong_gradients_are_found(
    likelihood: nf.Likelihood, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nf.fit(likelihood, check_gradients=True).valid
    wrong = likelihood.gradient(likelihood.model.initial)
    wrong[2] += 1e-3
    monkeypatch.setattr(likelihood, "gradient", lambda _: wrong, raising=False)
    with pytest.raises(nf.Error, match="independent differentiation") as caught:
        compare_gradients(likelihood, likelihood.model.point())
    assert caught.value.location == likelihood.parameters[2]


def test_result_is_consistent(likelihood: nf.Likelihood, result: nf.FitResult) -> None:
    assert result.twice_nll == -2 * result.logpdf
    assert result.logpdf == pytest.approx(likelihood.logpdf(result.x), rel=1e-15)
    assert result.correlation is not None
    np.testing.assert_allclose(np.diag(result.correlation), 1.0)
    scale = result["scale"]
    assert scale.pull == scale.value
    assert scale.constraint == scale.error
    assert np.isnan(result["mu"].pull)
    assert set(result.timings) == {"minimize", "total"}
    assert result.versions["nablafit"] == nf.__version__
    assert result.minuit is None
    assert result.diagnostics is not None
    assert result.diagnostics.iterations < 10
    with pytest.raises(ValueError, match="read-only"):
        result.x[0] = 1.0
    with pytest.raises(nf.ArgumentError, match="unknown parameter"):
        result["nu"]


def test_values_are_array_and_mapping(result: nf.FitResult) -> None:
    values = result.values
    assert dict(values)["mu"] == values["mu"] == values[result.parameters.index("mu")]
    np.testing.assert_array_equal(values, result.x)
    assert list(values) == values[:] == result.x.tolist()
    assert values.to_dict() == dict(values.items())


@pytest.mark.parametrize("minimizer", ["minuit", "scipy:BFGS"])
def test_result_survives_json(likelihood: nf.Likelihood, minimizer: str) -> None:
    result = nf.fit(likelihood, minimizer=minimizer, bounds={"mu": (None, None)})
    shown = repr(result)  # with asymmetric errors, which the document then has
    copied = nf.FitResult.from_json(result.to_json())
    assert copied == result
    assert copied.lower[result.parameters.index("mu")] == -np.inf
    assert repr(copied) == shown
    assert "NaN" not in json.dumps(result.to_dict())
    with pytest.raises(nf.ArgumentError, match="expected format"):
        nf.FitResult.from_dict({})


def test_text_of_a_result() -> None:
    result = nf.FitResult(
        parameters=("mu", "scale", "lumi"),
        x=np.array([1.2345, -0.517, 1.0]),
        covariance=np.diag([0.21**2, 0.8**2, 0.0]),
        value=1.25,
        constant=10.0,
        fixed=np.array([False, False, True]),
        lower=np.array([0.0, -5.0, 0.9]),
        upper=np.array([10.0, 5.0, 1.1]),
        at_bound=np.array([False, False, False]),
        prefit_values=np.array([np.nan, 0.0, 1.0]),
        prefit_errors=np.array([np.nan, 1.0, 0.02]),
        status="converged",
        message="MINUIT found a minimum with an accurate covariance.",
        edm=1.5e-6,
        n_calls=42,
        n_gradients=7,
        minimizer="minuit",
        timings={"total": 0.0123},
        versions={},
    )
    assert repr(result).splitlines() == [
        "Fit with minuit: valid",
        "  MINUIT found a minimum with an accurate covariance.",
        "  2 of 3 parameters free, -2 log L = 22.5, EDM = 1.5e-06, 42 calls, 12.3 ms",
        "",
        "parameter   value   error   pull  constraint",
        "────────────────────────────────────────────",
        "free parameters (symmetric errors)",
        "  mu        1.234  ±0.210",
        "nuisance parameters: all, by the larger of |pull| and |1 - constraint|",
        "  scale    -0.52   ±0.80   -0.52        0.80",
        "1 fixed: lumi",
        "1 more parameters: .to_text(top=None) shows all",
    ]
    html = result._repr_html_()
    assert re.search("<td[^>]*>1.234</td><td[^>]*>±0.210</td>", html)
    assert str(result["mu"]) == "mu = 1.23 ± 0.21"


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.827, 0.119, ("0.83", "0.12")),
        (0.827, 0.367, ("0.8", "0.4")),
        (0.827, 0.0354, ("0.827", "0.035")),
        (0.827, 0.0355, ("0.83", "0.04")),
        (0.827, 0.95, ("0.8", "0.9")),
        (14.74, 0.96, ("14.7", "1.0")),
        (1234.5, 36.7, ("1234", "37")),
        (-0.001, 0.5, ("0.0", "0.5")),
        (1.5e-9, 2.1e-10, ("1.50e-9", "0.21e-9")),
        (3.14159, 0.0, ("3.1416", "")),
        (3.14159, float("nan"), ("3.1416", "")),
    ],
)
def test_rounding_follows_the_particle_data_group(
    value: float, error: float, expected: tuple[str, str]
) -> None:
    assert pdg_round(value, error) == expected
