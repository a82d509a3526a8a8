"""The likelihood as a function: arrays in and out, iminuit's protocol, threads."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from iminuit import Minuit
from iminuit.cost import CostSum, NormalConstraint
from iminuit.util import describe

import nablafit as nf
from nablafit.minimizers.iminuit import make_minuit

X = {"mu": 1.3, "scale": 0.4, "stat[1]": 1.02, "lumi": 1.01}


@pytest.fixture
def x(model: nf.Model) -> np.ndarray:
    return model.point(X)


def test_value_is_the_logarithm_up_to_the_constant(
    likelihood: nf.Likelihood, x: np.ndarray
) -> None:
    assert likelihood.logpdf(x) == -(likelihood(x) + likelihood.constant)


def test_derivatives_equal_those_of_the_independent_backend(
    model: nf.Model, data: nf.Data, likelihood: nf.Likelihood, x: np.ndarray
) -> None:
    reference = model.likelihood(data, backend="forward")
    value, gradient = likelihood.value_and_gradient(x)
    assert value == likelihood(x) == pytest.approx(reference(x), rel=1e-12)
    np.testing.assert_allclose(gradient, reference.gradient(x), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(likelihood.hessian(x), reference.hessian(x), rtol=1e-8, atol=1e-8)
    v = np.linspace(-1, 1, x.size)
    np.testing.assert_allclose(likelihood.hvp(x, v), likelihood.hessian(x) @ v, rtol=1e-9)
    np.testing.assert_array_equal(likelihood.expected(x), model.expected(x))


def test_whatever_means_the_same_vector_is_taken(likelihood: nf.Likelihood, x: np.ndarray) -> None:
    value, gradient = likelihood(x), likelihood.gradient(x)
    strided = np.repeat(x, 2)[::2]
    assert not strided.flags.c_contiguous
    for same in (x.tolist(), tuple(x), strided, X, x.astype(object)):
        assert likelihood(same) == value
        np.testing.assert_array_equal(likelihood.gradient(same), gradient)
    assert likelihood(*x) == likelihood(*x.tolist()) == value
    integers = np.ones(x.size, dtype=int)
    assert likelihood(integers) == likelihood(np.ones(x.size))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ones(3), r"expected shape \(6,\), got shape \(3,\)"),
        (np.ones((6, 1)), r"expected shape \(6,\), got shape \(6, 1\)"),
        (1.0, r"expected shape \(6,\), got a single number"),
        (np.ones(6, dtype=complex), "expected real numbers"),
        ("123456", "expected real numbers"),
        ({"nu": 1.0}, "unknown parameter"),
    ],
)
def test_wrong_vectors_are_refused(likelihood: nf.Likelihood, wrong: object, message: str) -> None:
    for function in (likelihood, likelihood.gradient, likelihood.expected, likelihood.hessian):
        with pytest.raises(nf.ArgumentError, match=message):
            function(wrong)


def test_models_of_one_parameter_take_a_number() -> None:
    sample = nf.spec.Sample("s", [100.0], [nf.spec.NormFactor("mu", "mu")])
    parameter = nf.spec.Parameter("mu", 1.0, 0.0, 10.0)
    model = nf.Model(nf.ModelSpec("m", [nf.spec.Channel("c", [sample])], [parameter]))
    likelihood = model.likelihood(nf.Data([150.0], []))
    assert likelihood(2) == likelihood(2.0) == likelihood([2.0]) == likelihood(np.array([2.0]))
    assert Minuit(likelihood, 1.0).migrad().values["mu"] == pytest.approx(1.5, abs=1e-3)


def test_results_do_not_alias(likelihood: nf.Likelihood, x: np.ndarray) -> None:
    first = likelihood.gradient(x)
    kept = first.copy()
    likelihood.gradient(x + 0.1)
    np.testing.assert_array_equal(first, kept)


def test_forbidden_points_have_a_status(model: nf.Model, likelihood: nf.Likelihood) -> None:
    assert likelihood.status(model.initial)
    bad = model.point({"mu": -20.0})
    assert likelihood(bad) == np.inf
    status = likelihood.status(bad)
    assert not status
    assert status.status.name == "negative_yield"
    assert status.where == "signal_region[0]"
    assert np.all(np.isnan(likelihood.hessian(bad)))
    assert likelihood.gradient(bad)[model.index("mu")] < 0
    nowhere = likelihood.status({"scale": np.nan})
    assert (nowhere.status.name, nowhere.where) == ("invalid_parameter", "scale")


def test_iminuit_finds_names_limits_and_gradient(likelihood: nf.Likelihood) -> None:
    assert describe(likelihood) == list(likelihood.parameters)
    assert "stat[0]" in likelihood.parameters
    minuit = Minuit(likelihood, *likelihood.model.initial)
    assert minuit.errordef == Minuit.LIKELIHOOD
    assert minuit.limits["lumi"] == (0.9, 1.1)
    minuit.strategy = 0
    minuit.migrad()
    assert minuit.valid
    assert minuit.ngrad > 0
    assert minuit.ndof == 3 + 5 - 6
    ours = make_minuit(likelihood)
    ours.strategy = 0
    ours.migrad()
    np.testing.assert_allclose(minuit.values, ours.values, atol=2e-3)


def test_iminuit_fixes_what_the_model_fixes(workspace: nf.Workspace) -> None:
    model = workspace.model("fixed_lumi")
    likelihood = model.likelihood(workspace.data(model))
    ours = nf.fit(likelihood)
    mu = model.index("mu")
    for cost in (likelihood, likelihood + NormalConstraint("lumi", 1.0, 0.1)):
        start = dict(zip(model.parameters, model.initial, strict=True)) | {"lumi": 1.05}
        minuit = Minuit(cost, **{name: start[name] for name in describe(cost)})
        assert [name for name in minuit.parameters if minuit.fixed[name]] == ["lumi"]
        assert minuit.values["lumi"] == 1.0
        minuit.migrad()
        assert minuit.values["mu"] == pytest.approx(ours.x[mu], abs=5e-3)
        assert minuit.errors["mu"] == pytest.approx(ours.errors[mu], rel=0.02)


def test_costs_add_up(likelihood: nf.Likelihood, x: np.ndarray) -> None:
    extra = NormalConstraint("mu", 1.0, 0.1)
    i = likelihood.parameters.index("mu")
    for total in (likelihood + extra, extra + likelihood, sum([likelihood, extra])):
        assert isinstance(total, CostSum)
        order = [likelihood.parameters.index(name) for name in describe(total)]
        point = x[order]
        expected = 2 * likelihood(x) + ((x[i] - 1) / 0.1) ** 2
        assert total(*point) == pytest.approx(expected, rel=1e-14)
        gradient = 2 * likelihood.gradient(x)
        gradient[i] += 2 * (x[i] - 1) / 0.1**2
        np.testing.assert_allclose(total.grad(*point), gradient[order], rtol=1e-13)
    minuit = Minuit(likelihood + extra, *likelihood.model.initial)
    minuit.migrad()
    assert minuit.valid
    assert minuit.errors["mu"] < 0.1


def test_threads_share_one_likelihood(likelihood: nf.Likelihood, x: np.ndarray) -> None:
    points = x + np.linspace(0, 0.05, 64)[:, None]
    expected = [likelihood.value_and_gradient(point) for point in points]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(likelihood.value_and_gradient, list(points) * 20))
    finally:
        sys.setswitchinterval(interval)
    for (value, gradient), (same_value, same_gradient) in zip(found, expected * 20, strict=True):
        assert value == same_value
        np.testing.assert_array_equal(gradient, same_gradient)


def test_unknown_backends_are_refused(model: nf.Model, data: nf.Data) -> None:
    with pytest.raises(nf.ArgumentError, match="clad"):
        model.likelihood(data, backend="enzyme")
