"""Fits that end at bounds and borders, and what their errors say of what the data determine."""

import numpy as np
import pytest

import nablafit as nf
from locations import SHARED_DATA
from nablafit import spec as s

STANDARD = s.GaussianConstraint(0.0, 1.0)


def nuisance(name: str) -> s.Parameter:
    return s.Parameter(name, 0.0, -5.0, 5.0, False, STANDARD)


def factor(name: str, lower: float = 0.0, upper: float = 10.0) -> s.Parameter:
    return s.Parameter(name, 1.0, lower, upper)


def one_channel(samples: list[s.Sample], parameters: list[s.Parameter]) -> nf.Model:
    return nf.Model(nf.ModelSpec("m", [s.Channel("c", samples)], parameters, ["mu"]))


def signal_and_background(
    signal: list[float],
    background: list[float],
    *factors: str,
    lower: float = 0.0,
    upper: float = 10.0,
) -> nf.Model:
    factors = factors or ("mu",)
    samples = [
        s.Sample("signal", signal, [s.NormFactor(name, name) for name in factors]),
        s.Sample("background", background, [s.NormSys("rate", "rate", 0.9, 1.1)]),
    ]
    free = [factor(name, lower, upper) for name in factors]
    return one_channel(samples, [*free, nuisance("rate")])


# --- bounds and borders --------------------------------------------------------------------------


@pytest.mark.parametrize("mu", [0.5, 0.7, 1.0, 1.4, 1.7, 2.0])
def test_a_soft_direction_that_ends_on_a_bound(mu: float) -> None:
    """Long correlated steps leave the box together; which bounds hold must not go in circles."""
    path = SHARED_DATA / "cases" / "pyhf_fit_stalls_near_bound.json"
    if not path.exists():
        pytest.skip("the case is not here")
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    likelihood = model.likelihood(workspace.data(model))
    found = nf.fit(likelihood, fixed={"mu_XS_ttZ": mu})
    assert found.valid, found.message
    assert found.n_gradients < 30
    held = [
        nf.fit(likelihood, fixed={"mu_XS_ttZ": mu, "mu_ZZ": bound}).twice_nll
        for bound in (-5.0, 5.0)
    ]
    assert found.twice_nll == pytest.approx(min(held), abs=1e-6)


@pytest.mark.parametrize("init", [0.0, 1.0])
def test_a_factor_of_a_negative_yield_stays_at_its_bound(init: float) -> None:
    """Without background only mu = 0 has a likelihood; the rest is fitted there."""
    model = signal_and_background([5.0, -1.0], [50.0, 0.0])
    data = nf.Data([70.0, 0.0], [0.0])
    found = nf.fit(model, data, initial={"mu": init})
    assert found.status == "converged_at_zero_yield"
    assert "bin 1 of channel c" in found.message
    assert "mu" in found.message
    assert found.values["mu"] == 0.0
    assert found.at_bound[model.index("mu")]
    assert found.errors["mu"] == 0.0
    held = nf.fit(model, data, fixed={"mu": 0.0})
    assert found.values["rate"] == pytest.approx(held.values["rate"], abs=1e-6)
    assert found.value == pytest.approx(held.value, abs=1e-9)


def test_a_start_without_likelihood_is_left_for_another() -> None:
    """Where the slope of a negative yield is zero, nothing shows the way out."""
    samples = [
        s.Sample("signal", [8.0], [s.NormFactor("mu", "mu"), s.NormFactor("k", "k")]),
        s.Sample("background", [-10.0], []),
    ]
    parameters = [s.Parameter(name, 0.0, -10.0, 10.0) for name in ("mu", "k")]
    found = nf.fit(one_channel(samples, parameters), nf.Data([6.0], []))
    assert found.valid, found.message
    assert found.value == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", ["zero_yields_a.json", "zero_yields_b.json"])
def test_borders_of_zero_yields_cost_few_gradients(name: str) -> None:
    path = SHARED_DATA / "cases" / name
    if not path.exists():
        pytest.skip("the case is not here")
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    found = nf.fit(model, workspace.data(model))
    assert found.status == "converged_at_zero_yield"
    assert found.n_gradients < 200
    best = {"zero_yields_a.json": 184.163582, "zero_yields_b.json": 191.267279}
    assert found.twice_nll == pytest.approx(best[name], abs=1e-6)


# --- what the data determine ---------------------------------------------------------------------


def test_two_factors_of_one_sample_have_no_errors() -> None:
    """Only their product is determined, wherever in the valley the fit ends."""
    product = signal_and_background([5.0, 7.0, 3.0], [20.0, 10.0, 30.0], "mu", "k")
    single = signal_and_background([5.0, 7.0, 3.0], [20.0, 10.0, 30.0])
    random = np.random.default_rng(1)
    n_checked = 0
    for _ in range(40):
        data = nf.Data(random.poisson([25.0, 17.0, 33.0]).astype(float), [0.0])
        if nf.fit(single, data).values["mu"] == 0.0:
            continue
        n_checked += 1
        found = nf.fit(product, data)
        assert np.isinf(found.errors["mu"])
        assert np.isinf(found.errors["k"])
        assert np.isfinite(found.errors["rate"])
        assert "mu" in found.message
        assert "Weakly determined" in found.message
        dof = nf.goodness_of_fit(product, data).dof
        assert dof == nf.goodness_of_fit(single, data).dof == 2
    assert n_checked > 30


@pytest.mark.parametrize("n", [1e6, 1e8, 1e10, 1e12, 1e14])
def test_a_constraint_term_determines_at_any_number_of_events(n: float) -> None:
    mods = [s.NormFactor("mu", "mu"), s.NormSys("rate", "rate", 0.9, 1.1)]
    model = one_channel([s.Sample("b", [n], mods)], [factor("mu"), nuisance("rate")])
    found = nf.fit(model, nf.Data([n], [0.0]))
    assert found.errors["mu"] == pytest.approx(0.1001, rel=1e-3)
    assert found.errors["rate"] == pytest.approx(1.0, rel=1e-3)
    assert "Weakly" not in found.message


@pytest.mark.parametrize("counts", [[45.0, 33.0, 28.0], [50.0, 40.0, 30.0], [70.0, 60.0, 35.0]])
def test_errors_at_bounds_are_those_of_every_minimiser(counts: list[float]) -> None:
    """Zero where the likelihood pushes against the bound; as anywhere where it does not."""
    model = signal_and_background([5.0, 7.0, 3.0], [50.0, 40.0, 30.0])
    data = nf.Data(counts, [0.0])
    native = nf.fit(model, data)
    pushed = counts[0] < 50.0
    assert (native.errors["mu"] == 0.0) == pushed
    for minimizer in ("minuit", "scipy:L-BFGS-B", "scipy:SLSQP"):
        other = nf.fit(model, data, minimizer=minimizer)
        np.testing.assert_allclose(other.errors, native.errors, rtol=0.01, err_msg=minimizer)
        assert other.at_bound[0] == pushed or not pushed


@pytest.mark.parametrize("counts", [[60.0, 55.0, 8.0], [45.0, 30.0, 1.0]])
@pytest.mark.parametrize("lower", [0.0, -1e15])
def test_results_scale_with_the_template(counts: list[float], lower: float) -> None:
    data = nf.Data(counts, [0.0])
    reference = None
    for k in (1.0, 1e-12, 1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e12):
        signal = [5.0 * k, 7.0 * k, 3.0 * k]
        model = signal_and_background(signal, [50.0, 40.0, 3.0], lower=lower, upper=1e15)
        found = nf.fit(model, data, tolerance=1e-10)
        ends = nf.intervals(model, data, parameters=["mu"], result=found)
        numbers = np.array([found.values["mu"], found.errors["mu"], ends.lower[0], ends.upper[0]])
        scaled = np.array([*(k * numbers), found.values["rate"], found.errors["rate"]])
        reference = scaled if reference is None else reference
        np.testing.assert_allclose(scaled, reference, rtol=1e-8, atol=1e-8, err_msg=f"{k:g}")
