"""pyhf's and cabinetry's own functions on nablafit's core."""

import gc
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pyhf
import pytest

import nablafit as nf
from nablafit._arrays import FloatArray
from nablafit.interop.pyhf import optimizer, replace_minuit
from nablafit.minimizers.problem import FitProblem, Minimum

# jsonschema warns, called by pyhf.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# pyhf returns tensors, numbers or tuples of them.
Outcome: TypeAlias = Any


@pytest.fixture(autouse=True)
def restore_backend() -> Iterator[None]:
    before = pyhf.get_backend()
    yield
    pyhf.set_backend(*before)


@pytest.fixture
def pyhf_workspace(document: dict[str, Any]) -> pyhf.Workspace:
    return pyhf.Workspace(document)


@pytest.fixture
def pyhf_model(pyhf_workspace: pyhf.Workspace) -> pyhf.Model:
    return pyhf_workspace.model()


@pytest.fixture
def values(pyhf_workspace: pyhf.Workspace, pyhf_model: pyhf.Model) -> list[float]:
    return list(pyhf_workspace.data(pyhf_model))


def use_ours(**options: object) -> None:
    pyhf.set_backend("numpy", optimizer(**options))


def use_minuit() -> None:
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-5))


def fit_both(
    *arguments: object, function: Callable[..., Outcome] = pyhf.infer.mle.fit, **options: object
) -> tuple[Outcome, Outcome]:
    use_minuit()
    theirs = function(*arguments, **options)
    use_ours()
    return function(*arguments, **options), theirs


# --- pyhf ----------------------------------------------------------------------------------------


def test_fit_returns_what_pyhf_returns(pyhf_model: pyhf.Model, values: list[float]) -> None:
    flags = {
        "return_uncertainties": True,
        "return_correlations": True,
        "return_fitted_val": True,
        "return_result_obj": True,
    }
    ours, theirs = fit_both(values, pyhf_model, **flags)
    assert len(ours) == len(theirs) == 4
    for mine, reference in zip(ours[:3], theirs[:3], strict=True):
        assert mine.shape == reference.shape
        assert mine.dtype == reference.dtype
    assert ours[2] <= theirs[2] + 1e-9
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-9)
    sigma = theirs[0][:, 1]
    np.testing.assert_allclose(ours[0][:, 0], theirs[0][:, 0], atol=1e-4)
    # MINUIT's sine transform: -0.67 % for alpha in (-5, 5)
    np.testing.assert_allclose(ours[0][:, 1], sigma, rtol=0.02)
    np.testing.assert_allclose(ours[1], theirs[1], atol=0.02)
    assert ours[3].success
    np.testing.assert_array_equal(ours[3].x, ours[0])
    fitted = pyhf.infer.mle.fit(values, pyhf_model)
    np.testing.assert_array_equal(fitted, ours[0][:, 0])


def test_result_object_has_a_minuit(pyhf_model: pyhf.Model, values: list[float]) -> None:
    use_ours()
    _, result = pyhf.infer.mle.fit(values, pyhf_model, return_result_obj=True)
    assert "minuit" not in result
    minuit = result.minuit
    assert minuit is result.minuit
    assert minuit.valid
    assert minuit.parameters == tuple(pyhf_model.config.par_names)
    assert minuit.fval == pytest.approx(float(result.fun), rel=1e-12)
    minuit.minos("mu")
    interval = minuit.merrors["mu"]
    assert interval.is_valid
    assert interval.upper == pytest.approx(result.unc[0], rel=0.3)
    with pytest.raises(AttributeError):
        _ = result.nonsense


def test_fixed_parameters(pyhf_model: pyhf.Model, values: list[float]) -> None:
    fixed = [False] * pyhf_model.config.npars
    fixed[2] = True
    options = {"fixed_params": fixed, "return_uncertainties": True, "return_correlations": True}
    ours, theirs = fit_both(values, pyhf_model, **options)
    assert (
        ours[0][2].tolist() == theirs[0][2].tolist() == [pyhf_model.config.suggested_init()[2], 0]
    )
    np.testing.assert_array_equal(ours[1][2], theirs[1][2])
    ours, theirs = fit_both(1.7, values, pyhf_model, function=pyhf.infer.mle.fixed_poi_fit)
    assert ours[pyhf_model.config.poi_index] == 1.7
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("test_stat", ["q", "qtilde"])
def test_hypotest(pyhf_model: pyhf.Model, values: list[float], test_stat: str) -> None:
    options = {"test_stat": test_stat, "return_expected_set": True, "return_tail_probs": True}
    options["function"] = pyhf.infer.hypotest
    ours, theirs = fit_both(1.0, values, pyhf_model, **options)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)


def test_discovery(pyhf_model: pyhf.Model, values: list[float]) -> None:
    ours, theirs = fit_both(0.0, values, pyhf_model, test_stat="q0", function=pyhf.infer.hypotest)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_hypotest_with_toys(pyhf_model: pyhf.Model, values: list[float]) -> None:
    use_ours()
    # Not hypotest: its toys need a function that NumPy 2.4 has removed.
    calculator = pyhf.infer.calculators.ToyCalculator(
        values, pyhf_model, ntoys=30, track_progress=False
    )
    signal, background = calculator.distributions(1.0)
    observed = calculator.teststatistic(1.0)
    for distribution in (signal, background):
        assert np.all(np.asarray(distribution.samples) >= 0.0)
        assert 0.0 <= distribution.pvalue(observed) <= 1.0


def test_at_a_bound() -> None:
    """Where fits with and without the parameter of interest end at the same point."""
    use_ours()
    model = pyhf.simplemodels.uncorrelated_background([5.0, 6.0], [50.0, 52.0], [3.0, 7.0])
    for k in range(5):
        data = [51.0 - 2 * k, 48.0 - k, *model.config.auxdata]
        assert pyhf.infer.hypotest(0.0, data, model, test_stat="qtilde") == 1.0


def test_upper_limit() -> None:
    model = pyhf.simplemodels.uncorrelated_background([5.0, 6.0], [50.0, 52.0], [3.0, 7.0])
    data = [51.0, 48.0, *model.config.auxdata]
    use_ours()
    observed, expected = pyhf.infer.intervals.upper_limits.upper_limit(data, model, rtol=1e-8)
    # pyhf 0.7.6, upper_limit(data, model, rtol=1e-8) with minuit_optimizer(tolerance=1e-5)
    assert float(observed) == pytest.approx(2.12407515, rel=2e-6)
    reference = [1.19989333, 1.61981402, 2.26794461, 3.19550376, 4.35219948]
    np.testing.assert_allclose(expected, reference, rtol=3e-6)


def test_a_changed_configuration_counts(pyhf_model: pyhf.Model, values: list[float]) -> None:
    use_ours()
    pyhf.infer.mle.fit(values, pyhf_model)
    name = pyhf_model.config.poi_name
    pyhf_model.config.param_set(name).suggested_bounds = [(0.0, 0.01)]
    pyhf_model.config.param_set(name).suggested_init = [0.005]
    assert pyhf.infer.mle.fit(values, pyhf_model)[pyhf_model.config.poi_index] <= 0.01
    pyhf_model.config.param_set(name).suggested_fixed = [True]
    assert pyhf.infer.mle.fit(values, pyhf_model)[pyhf_model.config.poi_index] == 0.005


def test_models_are_compiled_once_and_not_kept(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nablafit.interop import _pyhf_optimizer

    compiled: list[int] = []

    def count(model: pyhf.Model) -> nf.Model:
        compiled.append(id(model))
        return nf.from_pyhf(model)

    monkeypatch.setattr(_pyhf_optimizer, "from_pyhf", count)
    ours = optimizer()
    pyhf.set_backend("numpy", ours)
    workspace = pyhf.Workspace(document)
    model = workspace.model()
    for _ in range(3):
        pyhf.infer.mle.fit(workspace.data(model), model)
    assert len(compiled) == 1
    assert "1 models" in repr(ours)
    del model
    gc.collect()
    assert "0 models" in repr(ours)


# --- what is left to pyhf ------------------------------------------------------------------------


def test_other_objectives(pyhf_model: pyhf.Model, values: list[float]) -> None:
    def penalised(pars: FloatArray, data: FloatArray, pdf: pyhf.Model) -> FloatArray:
        return pyhf.infer.mle.twice_nll(pars, data, pdf) + (pars[0] - 1.0) ** 2

    config = pyhf_model.config
    arguments = (values, pyhf_model, config.suggested_init(), config.suggested_bounds())
    with pytest.warns(nf.FitWarning, match=r"objective is not pyhf.infer.mle.twice_nll"):
        ours = optimizer().minimize(penalised, *arguments, return_fitted_val=True)
    theirs = pyhf.optimize.minuit_optimizer().minimize(
        penalised, *arguments, return_fitted_val=True
    )
    np.testing.assert_array_equal(ours[0], theirs[0])


def test_models_that_cannot_be_compiled(
    pyhf_model: pyhf.Model, values: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nablafit.interop import _pyhf_optimizer

    def refuse(model: pyhf.Model) -> nf.Model:
        raise nf.SpecError(f"{model.config.poi_name}: no such thing")

    monkeypatch.setattr(_pyhf_optimizer, "from_pyhf", refuse)
    use_ours(fallback=pyhf.optimize.scipy_optimizer())
    with pytest.warns(nf.FitWarning, match="no such thing; pyhf's own optimizer"):
        fitted = pyhf.infer.mle.fit(values, pyhf_model)
    assert fitted.shape == (pyhf_model.config.npars,)
    pyhf.infer.mle.fit(values, pyhf_model)  # says so once


def test_a_model_that_differs_is_found_out(pyhf_model: pyhf.Model, values: list[float]) -> None:
    """Templates changed behind pyhf's back: pyhf computes with the old ones."""
    pyhf_model.spec["channels"][0]["samples"][0]["data"][0] *= 1.01
    use_ours()
    with pytest.warns(nf.FitWarning, match=r"-2 log L is .* in pyhf, but"):
        pyhf.infer.mle.fit(values, pyhf_model)


def test_data_of_another_length_is_pyhfs_error(pyhf_model: pyhf.Model, values: list[float]) -> None:
    use_ours()
    pyhf.infer.mle.fit(values, pyhf_model)
    with (
        pytest.warns(nf.FitWarning, match="expected shape"),
        pytest.raises(pyhf.exceptions.InvalidPdfData),
    ):
        pyhf.infer.mle.fit(values[:-1], pyhf_model)
    pyhf.infer.mle.fit(values, pyhf_model)  # without a warning: the model is all right


def test_failures_are_pyhfs(pyhf_model: pyhf.Model, values: list[float]) -> None:
    use_ours(maxiter=1)
    with pytest.raises(pyhf.exceptions.FailedMinimization, match="iteration"):
        pyhf.infer.mle.fit(values, pyhf_model)
    use_ours()
    with pytest.raises(pyhf.exceptions.Unsupported, match="nonsense"):
        pyhf.infer.mle.fit(values, pyhf_model, nonsense=1)
    pyhf.infer.mle.fit(values, pyhf_model, tolerance=None, strategy=1, maxiter=None, do_grad=False)


# --- cabinetry -----------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record which fits nablafit does."""
    from nablafit.interop import _pyhf_optimizer

    done: list[str] = []
    original = _pyhf_optimizer._newton.minimize

    def minimize(problem: FitProblem, options: nf.FitOptions) -> Minimum:
        done.append("fit")
        return original(problem, options)

    monkeypatch.setattr(_pyhf_optimizer._newton, "minimize", minimize)
    return done


def test_cabinetry_fit(pyhf_model: pyhf.Model, values: list[float], calls: list[str]) -> None:
    cabinetry = pytest.importorskip("cabinetry")
    theirs = cabinetry.fit.fit(pyhf_model, values, minos="mu", goodness_of_fit=True)
    assert not calls
    with replace_minuit():
        ours = cabinetry.fit.fit(pyhf_model, values, minos="mu", goodness_of_fit=True)
    assert len(calls) == 1
    assert ours.best_twice_nll <= theirs.best_twice_nll + 1e-9
    np.testing.assert_allclose(ours.bestfit, theirs.bestfit, atol=1e-2)
    np.testing.assert_allclose(ours.uncertainty, theirs.uncertainty, rtol=0.02)
    assert ours.goodness_of_fit == pytest.approx(theirs.goodness_of_fit, abs=1e-3)
    np.testing.assert_allclose(
        ours.minos_uncertainty["mu"], theirs.minos_uncertainty["mu"], rtol=5e-3
    )


def test_cabinetry_ranking_scan_and_limit(calls: list[str]) -> None:
    cabinetry = pytest.importorskip("cabinetry")
    model = pyhf.simplemodels.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
    data = [58.0, 57.0, *model.config.auxdata]

    def run() -> tuple[Any, Any]:
        ranking = cabinetry.fit.ranking(model, data)
        return ranking, cabinetry.fit.scan(model, data, "mu", par_range=(0.5, 2.0), n_steps=3)

    theirs = run()
    assert not calls
    with replace_minuit():
        ours = run()
        limit = cabinetry.fit.limit(model, data)
        significance = cabinetry.fit.significance(model, data)
    assert len(calls) > 30
    np.testing.assert_allclose(ours[0].postfit_up, theirs[0].postfit_up, atol=1e-2)
    np.testing.assert_allclose(ours[1].delta_nlls, theirs[1].delta_nlls, atol=1e-3)
    # cabinetry 0.6.0, with pyhf 0.7.6 and its MINUIT
    assert limit.observed_limit == pytest.approx(1.56547426, rel=1e-4)
    assert significance.observed_significance == pytest.approx(1.10716958, rel=1e-4)


def test_minuit_is_given_back(
    pyhf_model: pyhf.Model, values: list[float], calls: list[str]
) -> None:
    use_minuit()
    with replace_minuit():
        with replace_minuit():
            pyhf.infer.mle.fit(values, pyhf_model)
        pyhf.infer.mle.fit(values, pyhf_model)
        with pytest.raises(pyhf.exceptions.Unsupported), replace_minuit():
            pyhf.infer.mle.fit(values, pyhf_model, nonsense=1)
    assert len(calls) == 2
    assert "minimize" not in vars(pyhf.optimize.minuit_optimizer)
    pyhf.infer.mle.fit(values, pyhf_model)
    assert len(calls) == 2


def test_minuit_is_replaced_without_a_context_too(
    pyhf_model: pyhf.Model, values: list[float], calls: list[str]
) -> None:
    use_minuit()
    replaced = replace_minuit()
    try:
        pyhf.infer.mle.fit(values, pyhf_model)
        assert len(calls) == 1
    finally:
        replaced.restore()
    assert "minimize" not in vars(pyhf.optimize.minuit_optimizer)
    replaced.restore()
    pyhf.infer.mle.fit(values, pyhf_model)
    assert len(calls) == 1


def test_replaced_minuit_falls_back_to_itself(
    pyhf_model: pyhf.Model, values: list[float], calls: list[str]
) -> None:
    config = pyhf_model.config
    with replace_minuit(), pytest.warns(nf.FitWarning, match="objective is not"):
        pyhf.optimize.minuit_optimizer().minimize(
            lambda pars, data, pdf: pyhf.infer.mle.twice_nll(pars, data, pdf),
            values,
            pyhf_model,
            config.suggested_init(),
            config.suggested_bounds(),
        )
    assert not calls
