"""Profile-likelihood intervals against closed forms and MINOS."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from iminuit import Minuit
from scipy.optimize import brentq

import nablafit as nf
from locations import SHARED_DATA
from nablafit.infer import IntervalsResult
from profile_models import compile_quietly, counting, load, published, turning
from pyhf_specs import workspaces

needs_data = pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="published workspaces are missing")


def poisson_ends(n: float, rise: float) -> tuple[float, float]:
    """Roots of 2 [m - n + n log(n / m)] = rise in the mean m."""

    def height(m: float) -> float:
        return 2.0 * (m - n + n * np.log(n / m)) - rise

    return brentq(height, 1e-9, n, xtol=1e-13), brentq(height, n, 20 * n + 50, xtol=1e-13)


@pytest.fixture(scope="module")
def result(model: nf.Model, data: nf.Data) -> IntervalsResult:
    return nf.intervals(model, data)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("n", [2.0, 17.0, 4200.0])
def test_one_poisson_bin_has_the_interval_of_its_deviance(n: float, sigma: float) -> None:
    model, data = counting(n, 0.0, bounds=(0.0, 1e5))
    mu = nf.intervals(model, data, "mu", sigma=sigma)["mu"]
    np.testing.assert_allclose(mu.ends, poisson_ends(n, sigma**2), rtol=1e-5)
    assert (mu.lower_status, mu.upper_status) == ("found", "found")


def test_a_level_is_a_quantile_of_chi_square() -> None:
    model, data = counting(9.0, 0.0)
    result = nf.intervals(model, data, level=0.95)
    # The number: quantile 0.95 of chi-square with one degree of freedom, SciPy 1.15.
    np.testing.assert_allclose(result["mu"].ends, poisson_ends(9.0, 3.841458820694124), rtol=1e-5)
    assert result.sigma == pytest.approx(1.959963984540054)
    assert nf.intervals(model, data, sigma=result.sigma).level == pytest.approx(0.95)


def test_a_gaussian_parameter_has_its_width() -> None:
    modifiers = [{"name": "alpha", "type": "normsys", "data": {"lo": 1.0, "hi": 1.0}}]
    samples = [{"name": "background", "data": [10.0], "modifiers": modifiers}]
    model, data = load([("SR", samples, [12.0])])
    alpha = nf.intervals(model, data, "alpha", sigma=2.5)["alpha"]
    assert alpha.ends == pytest.approx((-2.5, 2.5), abs=1e-12)


def test_ends_have_the_right_height(
    model: nf.Model, data: nf.Data, result: IntervalsResult
) -> None:
    assert result.valid
    assert result.messages == {}
    best = nf.fit(model, data)
    for name in result.parameters:
        for end in result[name].ends:
            constrained = nf.fit(model, data, fixed={name: end})
            rise = constrained.twice_nll - best.twice_nll
            assert rise == pytest.approx(1.0, abs=2e-6), name


def compare_with_minos(model: nf.Model, data: nf.Data, names: list[str], tolerance: float) -> None:
    ours = nf.intervals(model, data, names)
    minuit = nf.fit(model, data, minimizer="minuit", tolerance=1e-3).minuit
    minuit.minos(*names)
    for name in names:
        theirs = minuit.merrors[name]
        assert theirs.is_valid, name
        scale = ours[name].error
        assert ours[name].lower == pytest.approx(theirs.lower, abs=tolerance * scale), name
        assert ours[name].upper == pytest.approx(theirs.upper, abs=tolerance * scale), name


def test_small_model_agrees_with_minos(model: nf.Model, data: nf.Data) -> None:
    compare_with_minos(model, data, list(model.parameters), 2e-3)


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("sbottom_c.json", ["mu_ttbar", "mu_Z", "lumi", "JET_JER_EffectiveNP_1"]),
        ("stau_combined.json", ["lumi", "Fake_Factor"]),
    ],
)
def test_published_models_agree_with_minos(file: str, names: list[str]) -> None:
    model, data = published(file)
    names = [name for name in names if name in model.parameters]
    assert names
    compare_with_minos(model, data, names, 5e-3)


def test_threads_do_not_change_a_bit(
    model: nf.Model, data: nf.Data, result: IntervalsResult
) -> None:
    for n_threads in (1, 2, 5):
        assert nf.intervals(model, data, n_threads=n_threads) == result


def test_a_bound_that_comes_first_is_reported() -> None:
    model, data = counting(4.0, 3.0)
    result = nf.intervals(model, data, sigma=2.0)
    mu = result["mu"]
    assert mu.lower_status == "at_bound"
    assert mu.ends[0] == 0.0
    # 2 [3 - 4 + 4 log(4/3)]
    assert "0.301" in result.messages["mu lower"]
    assert mu.ends[1] + 3.0 == pytest.approx(poisson_ends(4.0, 4.0)[1], rel=1e-6)
    assert result.valid


def test_a_best_fit_on_its_bound_has_one_side() -> None:
    model, data = counting(1.0, 3.0)
    mu = nf.intervals(model, data)["mu"]
    assert (mu.value, mu.lower, mu.lower_status) == (0.0, 0.0, "at_bound")

    def height(x: float) -> float:
        return 2.0 * (x - 3.0 - np.log(x / 3.0)) - 1.0

    assert mu.upper == pytest.approx(brentq(height, 3.0, 10.0) - 3.0, rel=1e-6)


def test_no_events_give_half_of_the_rise() -> None:
    model, data = counting(0.0, 0.0)
    # -2 log L = 2 mu
    assert nf.intervals(model, data, sigma=3.0)["mu"].ends == pytest.approx((0.0, 4.5), rel=1e-6)


def test_the_end_of_the_likelihood_is_an_edge() -> None:
    model, data = counting(0.0, 3.0, bounds=(-10.0, 10.0))
    result = nf.intervals(model, data, sigma=1.0)
    mu = result["mu"]
    assert mu.value == pytest.approx(-3.0, abs=1e-5)
    assert mu.lower_status == "at_edge"
    assert mu.lower == pytest.approx(0.0, abs=1e-5)
    assert mu.upper == pytest.approx(0.5, rel=1e-4)
    assert "ends or jumps" in result.messages["mu lower"]


def test_a_parameter_without_effect_is_unlimited() -> None:
    signal = {
        "name": "signal",
        "data": [0.0],
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    background = {"name": "background", "data": [5.0], "modifiers": []}
    model, data = load([("SR", [signal, background], [5.0])])
    result = nf.intervals(model, data, "mu", bounds={"mu": (None, None)})
    assert (result["mu"].lower, result["mu"].upper) == (-np.inf, np.inf)
    assert result["mu"].upper_status == "unlimited"
    assert result.valid
    assert IntervalsResult.from_json(result.to_json()) == result
    bounded = nf.intervals(model, data, "mu")
    assert bounded["mu"].ends == (0.0, 10.0)
    assert bounded["mu"].upper_status == "at_bound"


def test_degenerate_parameters_end_where_their_partner_does() -> None:
    """Only the product of both matters: each may be anything that the other can make up for."""
    factors = [{"name": name, "type": "normfactor", "data": None} for name in ("mu", "k")]
    samples = [{"name": "signal", "data": [5.0], "modifiers": factors}]
    model, data = load([("SR", samples, [6.0])], {"mu": (1e-3, 1e9), "k": (1e-9, 1e9)})
    result = nf.intervals(model, data, ["mu", "k"], bounds={"mu": (None, None), "k": (1e-3, 50.0)})
    low, high = poisson_ends(6.0, 1.0)
    assert result["mu"].ends == pytest.approx((low / (5.0 * 50.0), high / (5.0 * 1e-3)), rel=1e-4)
    assert result["k"].upper_status == "at_bound"
    assert result["k"].ends == pytest.approx((1e-3, 50.0), rel=1e-9)


def test_kinks_do_not_stop_the_search() -> None:
    modifiers = [{"name": "alpha", "type": "normsys", "data": {"lo": 0.7, "hi": 1.1}}]
    samples = [{"name": "background", "data": [100.0], "modifiers": modifiers}]
    spec = load([("SR", samples, [101.0])])[0].spec
    channel = spec.channels[0]
    sample = channel.samples[0]
    modifier = sample.modifiers[0].replace(interpolation=nf.Interpolation.piecewise_linear)
    sample = sample.replace(modifiers=(modifier,))
    model = nf.Model(spec.replace(channels=(channel.replace(samples=(sample,)),)))
    data = nf.Data([101.0], [0.0])
    result = nf.intervals(model, data, "alpha", sigma=2.0)

    def height(alpha: float) -> float:
        mean = 100.0 * (1.0 + alpha * (0.1 if alpha > 0 else 0.3))
        return 2.0 * (mean - 101.0 + 101.0 * np.log(101.0 / mean)) + alpha**2

    best = result["alpha"].value
    for low, high, end in zip((-3.0, best), (best, 3.0), result["alpha"].ends, strict=True):
        expected = brentq(lambda a: height(a) - height(best) - 4.0, low, high, xtol=1e-12)
        assert end == pytest.approx(expected, abs=1e-5)


def test_a_lower_minimum_is_reported_with_its_point() -> None:
    model, data = turning(60.0, (0.0, 2.0))
    best = nf.fit(model, data, starts=30, seed=1)
    heights = [minimum.twice_delta_nll for minimum in best.minima]
    if len(heights) < 2:
        pytest.fail(f"the model has one minimum only: {best.minima}")
    upper = nf.fit(model, data, initial=best.minima[-1].x)
    with pytest.warns(nf.FitWarning, match="lower in -2 log L"):
        result = nf.intervals(model, data, "alpha", result=upper, sigma=6.0)
    assert not result.valid
    assert "new_minimum" in (result.lower_status + result.upper_status)
    assert result.new_minimum is not None
    assert result.new_minimum.twice_delta_nll == pytest.approx(-heights[-1], rel=1e-6)
    np.testing.assert_allclose(result.new_minimum.x, best.x, atol=1e-5)
    again = nf.fit(model, data, initial=result.new_minimum.x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nf.intervals(model, data, "alpha", result=again).valid


@needs_data
def test_the_second_minimum_of_a_published_model_is_met() -> None:
    model, data = published("stau_combined.json")
    name = "TopSystHardCodeSR1"
    with pytest.warns(nf.FitWarning, match=name):
        result = nf.intervals(model, data, name, sigma=3.0, result=nf.fit(model, data))
    reference = json.loads((SHARED_DATA / "reference_pyhf.json").read_text())["stau_combined.json"]
    assert result.new_minimum is not None
    lowest = result.twice_nll + result.new_minimum.twice_delta_nll
    assert lowest == pytest.approx(reference["twice_nll_lowest_known"], abs=1e-4)
    with pytest.warns(nf.FitWarning, match=f"best fit is .* where the first start led at {name}"):
        lower = nf.intervals(model, data, name, sigma=3.0)
    assert lower.valid
    assert lower.new_minimum is None
    assert lower.twice_nll == pytest.approx(lowest, abs=1e-6)
    assert any("the best fit is" in note for note in lower.notes)


def test_a_result_saves_the_fit(model: nf.Model, data: nf.Data, result: IntervalsResult) -> None:
    best = nf.fit(model, data)
    assert nf.intervals(model, data, result=best) == result
    assert nf.intervals(model.likelihood(data), result=best) == result
    loose = nf.fit(model, data, minimizer="minuit")
    assert loose.twice_nll > result.twice_nll
    continued = nf.intervals(model, data, result=loose)
    np.testing.assert_allclose(continued.lower, result.lower, rtol=1e-5)


def test_bounds_and_fixed_parameters_hold(model: nf.Model, data: nf.Data) -> None:
    free = nf.intervals(model, data, "mu")["mu"]
    held = nf.intervals(model, data, "mu", fixed=["scale", "lumi"])["mu"]
    assert held.upper < free.upper
    names = nf.intervals(model, data, fixed=["scale"]).parameters
    assert "scale" not in names
    tight = nf.intervals(model, data, "mu", bounds={"scale": (-0.01, 0.01)})["mu"]
    assert held.upper < tight.upper < free.upper


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": "nu"}, "nu: unknown parameter"),
        ({"parameters": ["mu", "mu"]}, "mu: is named twice"),
        ({"parameters": "mu", "fixed": "mu"}, "mu: is fixed"),
        ({"sigma": 0.0}, "sigma: expected a positive number"),
        ({"level": 1.0}, "level: expected a number between 0 and 1"),
        ({"level": 0.9, "sigma": 2.0}, "level: expected either level or sigma"),
        ({"n_threads": 0}, "n_threads: expected a positive number"),
    ],
)
def test_misuse_raises(
    model: nf.Model, data: nf.Data, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(nf.ArgumentError, match=f"^{message}"):
        nf.intervals(model, data, **arguments)


def test_results_of_others_are_refused(model: nf.Model, data: nf.Data) -> None:
    other_data = nf.Data(data.counts + 1.0, data.global_observables)
    best = nf.fit(model, other_data)
    with pytest.raises(nf.ArgumentError, match=r"^result: belongs to other data"):
        nf.intervals(model, data, result=best)
    other_model, other = counting(3.0, 1.0)
    with pytest.raises(nf.ArgumentError, match=r"^result: belongs to another model"):
        nf.intervals(other_model, other, result=best)
    with pytest.raises(nf.ArgumentError, match=r"^result: a result has start"):
        nf.intervals(model, other_data, result=best, fixed="mu")
    with pytest.raises(nf.Error, match=r"^fit: there is no best fit"):
        nf.intervals(model, data, "scale", bounds={"mu": (-30.0, 10.0)}, fixed={"mu": -20.0})


def test_interruption_keeps_the_sides_that_are_done(model: nf.Model, data: nf.Data) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.intervals(model, data, n_threads=1, progress=stop)
    result = caught.value.result
    assert isinstance(result, IntervalsResult)
    assert not result.complete
    assert len(result) == sum(not fixed for fixed in model.fixed)


def test_result_is_readable_and_survives_json(result: IntervalsResult) -> None:
    text = repr(result)
    assert text.startswith("Profile-likelihood intervals: 1 sigma, 68.27 %")
    assert text.splitlines()[4].split()[0] == result.parameters[0]
    assert "<table>" in result._repr_html_()
    assert IntervalsResult.from_json(result.to_json()) == result
    assert str(result["mu"]).startswith("mu = ")
    with pytest.raises(ValueError, match="read-only"):
        result.lower[0] = 0.0


def test_minuit_knows_the_same_function(model: nf.Model, data: nf.Data) -> None:
    """MINOS on the plain function: no gradient of ours takes part."""
    names = model.parameters
    likelihood = model.likelihood(data)
    minuit = Minuit(lambda x: likelihood(x), np.array(nf.fit(model, data).x), name=names)
    minuit.errordef = 0.5
    minuit.strategy = 2
    minuit.tol = 1e-4
    for name, pair in zip(names, model.bounds, strict=True):
        minuit.limits[name] = pair
    minuit.migrad()
    minuit.minos("mu")
    ours = nf.intervals(model, data, "mu")["mu"]
    theirs = minuit.merrors["mu"]
    assert (ours.lower, ours.upper) == pytest.approx((theirs.lower, theirs.upper), rel=5e-3)


def test_coverage_in_toys(model: nf.Model, data: nf.Data) -> None:
    truth = nf.fit(model, data).x
    toys = nf.toys(model, truth, n=250, seed=11)
    mu = model.index("mu")
    covered = 0
    for toy in toys:
        low, high = nf.intervals(model, toy, "mu", initial=truth, n_threads=1)["mu"].ends
        covered += low <= truth[mu] <= high
    # 68.27 %, with a binomial standard deviation of 2.9 %.
    assert covered / len(toys) == pytest.approx(0.6827, abs=0.1)


def test_a_minimum_that_newton_steps_over_is_found() -> None:
    model, data = turning(110.0, (0.0, 3.0))
    best = nf.fit(model, data)
    values = np.unique(np.append(np.linspace(-4.0, 4.0, 801), best["alpha"].value))
    scan = nf.scan(model, data, "alpha", values, result=best)
    for sigma in (0.5, 1.0, 2.0, 3.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nf.FitWarning)
            alpha = nf.intervals(model, data, "alpha", sigma=sigma, result=best)["alpha"]
        outside = scan.twice_delta_nll >= sigma**2
        above = values[outside & (values > alpha.value)][0]
        below = values[outside & (values < alpha.value)][-1]
        assert alpha.ends == pytest.approx((below, above), abs=0.0101)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(workspaces())
def test_ends_of_random_models_are_not_too_near(document: dict[str, Any]) -> None:
    """No constrained fit finds a lower value at an end than the search did."""
    model, data = compile_quietly(document)
    best = nf.fit(model, data)
    if not best.valid or not best.n_free:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nf.FitWarning)
        result = nf.intervals(model, data, result=best, sigma=1.5)
    sides = [(result.lower, result.lower_status), (result.upper, result.upper_status)]
    ends = [
        {name: result.values[i] + distances[i]}
        for distances, status in sides
        for i, name in enumerate(result.parameters)
        if status[i] == "found"
    ]
    if ends:
        fits = nf.fit_many(model, data, fixed=ends, initial=best.x, errors=False)
        rise = 2.0 * (fits.value[fits.valid] - best.value)
        assert np.all(rise > 1.5**2 - 1e-4)
