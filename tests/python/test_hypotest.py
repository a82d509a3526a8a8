"""Tests of hypotheses: pyhf's numbers where it has them, distributions by toys, edge cases."""

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from scipy import stats

import nablafit as nf
from inference_models import (
    change_fits,
    counting,
    opened,
    precise_pyhf,
    pyhf_model,
    pyhf_test,
    spoil_fits,
)
from nablafit.infer import HypotestResult, ToyDistribution, asimov_data
from nablafit.infer.testing import _profile
from nablafit.infer.testing._statistic import (
    expected_p_values,
    log_cls,
    p_values,
    tail_coordinates,
    tail_slopes,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, by pyhf


def observed_and_expected(result: HypotestResult) -> np.ndarray:
    return np.array([result.clsb, result.clb, result.cls, *result.expected_cls])


@pytest.mark.parametrize("value", [0.3, 1.0, 2.7])
def test_qtilde_is_that_of_pyhf(
    document: dict[str, Any], model: nf.Model, data: nf.Data, value: float
) -> None:
    result = nf.hypotest(model, data, value)
    assert result.status == "ok"
    np.testing.assert_allclose(observed_and_expected(result), pyhf_test(document, value), rtol=1e-5)


@pytest.mark.slow
def test_negative_estimates(document: dict[str, Any]) -> None:
    """The two branches of q-tilde, and q with an estimate below 0."""
    document["observations"][0]["data"] = [36.0, 17.0]
    model, data = opened(document)
    result = nf.hypotest(model, data, 1.0)
    assert result.poi_hat == (0.0,)
    assert "at its bound 0" in result.message
    assert result.q > result.q_asimov
    np.testing.assert_allclose(observed_and_expected(result), pyhf_test(document, 1.0), rtol=1e-5)
    result = nf.hypotest(model, data, 1.0, statistic="q", bounds={"mu": (-10, 10)})
    assert result.poi_hat[0] < -0.5
    theirs = pyhf_test(document, 1.0, test_stat="q", bounds=(-10, 10))
    np.testing.assert_allclose(observed_and_expected(result), theirs, rtol=1e-5)
    assert nf.hypotest(model, data, 1.0, statistic="q").q == pytest.approx(result.q, rel=1e-9)


def test_q0_is_that_of_pyhf(document: dict[str, Any], model: nf.Model, data: nf.Data) -> None:
    result = nf.hypotest(model, data, statistic="q0")
    theirs = pyhf_test(document, 0.0, test_stat="q0")
    ours = [result.clsb, result.clb, *result.expected_clsb]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert result.tested == (0.0,)
    assert result.alternative == (1.0,)


@pytest.mark.parametrize(
    "signal",
    [
        {"lo_data": [2.5, 7.0], "hi_data": [3.2, 9.5]},
        {"lo_data": [3.5, 7.0], "hi_data": [3.2, 7.5]},
    ],
)
def test_uncertain_signal_is_that_of_pyhf(
    document: dict[str, Any], signal: dict[str, list[float]]
) -> None:
    """A signal with a shape of its own and the normalisation of a background."""
    modifiers = document["channels"][0]["samples"][0]["modifiers"]
    modifiers.append({"name": "signal_shape", "type": "histosys", "data": signal})
    modifiers.append({"name": "scale", "type": "normsys", "data": {"lo": 1.1, "hi": 0.85}})
    model, data = opened(document)
    result = nf.hypotest(model, data, 1.7)
    np.testing.assert_allclose(observed_and_expected(result), pyhf_test(document, 1.7), rtol=1e-5)


def test_estimate_above_the_tested_value(model: nf.Model, data: nf.Data) -> None:
    result = nf.hypotest(model, data, 0.5)
    assert result.poi_hat[0] > 0.5
    assert result.q == 0.0
    assert "not below the tested value" in result.message
    assert result.clsb == pytest.approx(0.5)


def test_two_sided_statistics(model: nf.Model, data: nf.Data) -> None:
    likelihood = model.likelihood(data)
    t = 2 * (nf.fit(likelihood, fixed={"mu": 2.0}).nll - nf.fit(likelihood).nll)
    result = nf.hypotest(model, data, 2.0, statistic="t")
    assert result.q == pytest.approx(t, rel=1e-7)
    assert result.p_value == pytest.approx(stats.chi2.sf(t, 1), rel=1e-7)
    assert math.isnan(result.cls)
    tilde = nf.hypotest(model, data, 2.0, statistic="ttilde")
    assert tilde.p_value == pytest.approx(result.p_value, rel=1e-7)  # far from the border
    assert tilde.bounds[0][0] == 0.0


def test_several_parameters_of_interest(model: nf.Model, data: nf.Data) -> None:
    values = {"mu": 2.0, "scale": 0.5}
    likelihood = model.likelihood(data)
    t = 2 * (nf.fit(likelihood, fixed=values).nll - nf.fit(likelihood).nll)
    result = nf.hypotest(model, data, values, statistic="t")
    assert result.poi == ("mu", "scale")
    assert result.q == pytest.approx(t, rel=1e-7)
    assert result.p_value == pytest.approx(stats.chi2.sf(t, 2), rel=1e-7)
    assert result.expected_clsb[2] == pytest.approx(
        stats.chi2.sf(stats.ncx2.median(2, result.q_asimov), 2)
    )
    toys = nf.hypotest(model, data, values, statistic="t", calculator="toys", n_toys=2000)
    assert abs(toys.p_value - result.p_value) < 4 * toys.clsb_error


@pytest.mark.parametrize(("statistic", "b"), [("t", 1.3), ("ttilde", 1.3), ("ttilde", 0.4)])
def test_two_sided_distributions(statistic: str, b: float) -> None:
    """Against draws of the estimate in units of its error, at the tested value and at 0."""
    x = np.random.default_rng(1).normal(size=400_000)

    def drawn(estimates: np.ndarray) -> np.ndarray:
        inside = (estimates - b) ** 2
        below = b**2 - 2 * b * estimates if statistic == "ttilde" else inside
        return np.where(estimates < 0, below, inside)

    for t in (0.1, 1.0, 3.0, 7.0):
        expected = float(np.mean(drawn(x + b) >= t))
        found = float(p_values(statistic, np.array(t), np.array(b**2)).clsb)
        assert found == pytest.approx(expected, abs=3e-3)
    quantiles = np.quantile(drawn(x), stats.norm.cdf([2, 1, 0, -1, -2]))
    expected_p = p_values(statistic, quantiles, np.full(5, b**2)).clsb
    found_p = expected_p_values(statistic, np.array(b**2)).clsb
    np.testing.assert_allclose(found_p, expected_p, rtol=0.05, atol=2e-3)


@pytest.mark.parametrize("statistic", ["qtilde", "q", "t", "ttilde", "q0"])
def test_toys_agree_with_asymptotics(model: nf.Model, data: nf.Data, statistic: str) -> None:
    value = 0.0 if statistic == "q0" else 2.0
    asymptotic = nf.hypotest(model, data, value, statistic=statistic)
    toys = nf.hypotest(
        model, data, value, statistic=statistic, calculator="toys", n_toys=3000, seed=7
    )
    assert toys.status == "ok"
    assert toys.q == asymptotic.q
    assert abs(toys.clsb - asymptotic.clsb) < 4 * toys.clsb_error + 0.01
    difference = np.abs(toys.expected_clsb - asymptotic.expected_clsb)
    assert np.all(difference[1:4] < 4 * toys.expected_clsb_error[1:4] + 0.03)
    if statistic in ("q", "qtilde"):
        assert abs(toys.cls - asymptotic.cls) < 4 * toys.cls_error + 0.01


def test_toys_are_those_of_the_definition(model: nf.Model, data: nf.Data) -> None:
    """Toys drawn, fitted and counted one by one give the same distribution."""
    result = nf.hypotest(model, data, 1.5, calculator="toys", n_toys=40, seed=3, start=5)
    signal, background = result.toys
    drawn = nf.toys(model, result.points["tested"], 40, 3, 5)
    for i, toy in enumerate(drawn):
        free, held = nf.fit(model, toy), nf.fit(model, toy, fixed={"mu": 1.5})
        q = 0.0 if free["mu"].value > 1.5 else 2 * (held.nll - free.nll)
        assert signal.values[i] == pytest.approx(q, abs=1e-6)
    assert background.drawn_at == (0.0,)
    assert background.seed == 3 + 2**63
    above = np.sum(signal.values >= result.q - 1e-6)
    assert result.clsb == above / 40


def test_expected_toys_are_those_of_pyhf(
    document: dict[str, Any], model: nf.Model, data: nf.Data
) -> None:
    """Given the same distributions, pyhf's toy calculator finds the same p-values."""
    result = nf.hypotest(model, data, 1.5, calculator="toys", n_toys=300)
    with precise_pyhf():
        theirs, observed = pyhf_model(document)
        calculator = pyhf.infer.calculators.ToyCalculator(observed, theirs)
        distributions = [
            pyhf.infer.calculators.EmpiricalDistribution(toys.values) for toys in result.toys
        ]
        tails = calculator.pvalues(result.q, *distributions)
        # Its expected_pvalues, whose call of numpy.percentile fails with NumPy 2.4.
        samples = distributions[1].samples
        tables = [calculator.pvalues(q, *distributions) for q in samples]
        percentiles = [2.27501319, 15.86552539, 50.0, 84.13447461, 97.72498681]
        clsb, clb, cls = np.percentile(np.array(tables), percentiles, axis=0).T
    np.testing.assert_allclose([result.clsb, result.clb, result.cls], list(map(float, tails)))
    np.testing.assert_allclose(result.expected_clsb, clsb, rtol=1e-6)
    np.testing.assert_allclose(result.expected_clb, clb, rtol=1e-6)
    np.testing.assert_allclose(result.expected_cls, cls, rtol=1e-6)


def test_shards_merge_to_the_same_bits(model: nf.Model, data: nf.Data, tmp_path: Path) -> None:
    def run(n: int, start: int, n_threads: int) -> HypotestResult:
        return nf.hypotest(
            model, data, 2.0, calculator="toys", n_toys=n, start=start, n_threads=n_threads
        )

    whole = run(300, 0, 2)
    shards = [run(200, 100, 1), run(100, 0, 2)]
    assert HypotestResult.merge(shards) == whole
    path = tmp_path / "toys.json"
    shards[0].save(path)
    assert HypotestResult.merge([nf.load_result(path), shards[1]]) == whole  # type: ignore[list-item]
    assert ToyDistribution.merge([s.toys[1] for s in shards]) == whole.toys[1]
    with pytest.raises(nf.ArgumentError, match="starts at toy 100, got 101"):
        HypotestResult.merge([run(100, 0, 1), run(10, 101, 1)])
    with pytest.raises(nf.ArgumentError, match="differ in tested"):
        HypotestResult.merge([whole, nf.hypotest(model, data, 1.0, calculator="toys", n_toys=2)])
    with pytest.raises(nf.ArgumentError, match="has 0 sets of toys"):
        HypotestResult.merge([nf.hypotest(model, data)])


def test_interruption_keeps_toys(model: nf.Model, data: nf.Data) -> None:
    def stop(n_done: int) -> None:
        if n_done > 300:
            raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.hypotest(model, data, 2.0, calculator="toys", n_toys=10**9, progress=stop)
    part = caught.value.result
    assert isinstance(part, HypotestResult)
    assert part.status == "interrupted"
    n = len(part.toys[0])
    assert 100 < n == len(part.toys[1])
    assert 0 < part.cls < 1
    rest = nf.hypotest(model, data, 2.0, calculator="toys", n_toys=50, start=n)
    joined = HypotestResult.merge([part, rest])
    assert joined == nf.hypotest(model, data, 2.0, calculator="toys", n_toys=n + 50)


def test_failed_toys_are_counted() -> None:
    """Toys with events where the tested value expects none cannot be fitted there."""
    document = counting([5.0, 1.0], [50.0, 0.0], [52.0, 0.0])
    model, data = opened(document)
    result = nf.hypotest(model, data, statistic="q0", calculator="toys", n_toys=200)
    with_signal = result.toys[1]
    assert 0 < with_signal.n_failed < 200
    assert sum(with_signal.failures.values()) == with_signal.n_failed
    assert set(with_signal.failures) == {"forbidden_start"}
    assert "toys failed and are left out" in result.message
    assert with_signal.n_valid == np.sum(np.isfinite(with_signal.values))
    assert 0 <= result.clsb <= 1


def test_equal_data_count_as_equal() -> None:
    """Without nuisance parameters the statistic is discrete: toys like the data are not lost."""
    document = counting([4.0], [3.0], [3.0])
    del document["channels"][0]["samples"][1]["modifiers"][0]
    model, data = opened(document)
    result = nf.hypotest(model, data, 1.0, calculator="toys", n_toys=4000)
    assert result.clsb == pytest.approx(stats.poisson.cdf(3, 7), abs=4 * result.clsb_error)
    assert result.clb == pytest.approx(stats.poisson.cdf(3, 3), abs=4 * result.clb_error)


def test_bins_without_expectation_and_events() -> None:
    """CLs is neither NaN nor 0.5 where a bin expects nothing without signal (pyhf agrees)."""
    document = counting([5.0, 3.0], [50.0, 0.0], [52.0, 0.0])
    result = nf.hypotest(*opened(document), 1.0)
    np.testing.assert_allclose(observed_and_expected(result), pyhf_test(document, 1.0), rtol=1e-5)


def test_impossible_background_is_reported() -> None:
    result = nf.hypotest(*opened(counting([5.0, 3.0], [50.0, 0.0], [52.0, 1.0])))
    assert result.status == "fit_failed"
    assert not result.valid
    assert "The fit with mu = 0 failed: the likelihood is zero" in result.message
    assert result.fits["alternative"] == "forbidden_start"
    assert math.isnan(result.cls)
    assert result.q > 0  # what could be found is there


def test_parameter_without_effect() -> None:
    model, data = opened(counting([0.0, 0.0], [50.0, 10.0], [52.0, 9.0]))
    result = nf.hypotest(model, data)
    assert result.status == "no_effect"
    assert result.cls == 1.0
    assert np.all(result.expected_cls == 1.0)
    assert "mu changes no expected yield" in result.message


def test_missing_parameter_of_interest(document: dict[str, Any]) -> None:
    document["measurements"][0]["config"]["poi"] = "mu_SIG"
    with pytest.raises(nf.ArgumentError, match="names mu_SIG, but no channel has it"):
        nf.hypotest(*opened(document))
    document["measurements"][0]["config"]["poi"] = ""
    with pytest.raises(nf.ArgumentError, match="names no parameter of interest"):
        nf.hypotest(*opened(document))
    assert nf.hypotest(*opened(document), poi="mu").status == "ok"


@pytest.mark.parametrize(
    "function",
    [
        nf.breakdown,
        nf.feldman_cousins,
        nf.hypotest,
        nf.ranking,
        nf.scan,
        nf.significance,
        nf.upper_limit,
        lambda model, _: nf.diff.expected_uncertainty(model),
    ],
)
def test_all_say_the_same_of_a_missing_parameter_of_interest(
    document: dict[str, Any], function: Callable[[nf.Model, nf.Data], object]
) -> None:
    document["measurements"][0]["config"]["poi"] = ""
    expected = "the measurement names no parameter of interest; choose one with `(poi|parameters)`"
    with pytest.raises(nf.ArgumentError, match=expected):
        function(*opened(document))


@pytest.mark.parametrize("statistic", ["q", "qtilde"])
@pytest.mark.parametrize(("q", "qa"), [(1.5, 3.0), (5.0, 2.0), (0.0, 2.0), (80.0, 300.0)])
def test_slopes_of_cls_are_derivatives(statistic: str, q: float, qa: float) -> None:
    def at(change: float) -> tuple[np.ndarray, np.ndarray]:
        pair = np.array(q * (1 + change)), np.array(qa * (1 - 2 * change))
        u, v = tail_coordinates(statistic, *pair)
        du, dv = tail_slopes(statistic, pair[0], q, pair[1], -2 * qa)
        return log_cls(u, du, v, dv)

    step = 1e-6
    numeric = (at(step)[0] - at(-step)[0]) / (2 * step)
    assert at(0.0)[1] == pytest.approx(numeric, rel=1e-6)
    p = p_values(statistic, np.array(q), np.array(qa)).cls
    assert np.exp(at(0.0)[0]) == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (1.0, {"statistic": "q1"}, "statistic: expected one of"),
        (1.0, {"calculator": "toy"}, "calculator: expected one of"),
        (1.0, {"poi": "nu"}, "nu"),
        ({"mu": 1.0, "nu": 2.0}, {"statistic": "t"}, "nu"),
        ({}, {}, "at least one parameter"),
        ({"mu": 1.0}, {"poi": "scale"}, "poi: value names mu"),
        ({"mu": 1.0, "scale": 1.0}, {}, "qtilde tests one parameter"),
        (-1.0, {}, "qtilde is defined for values from 0 on"),
        (1.0, {"statistic": "q0"}, "q0 tests the absence of a signal"),
        (math.nan, {}, "value: expected finite numbers"),
        (1.0, {"alternative": 0.5}, "alternative: qtilde is defined against 0"),
        (1.0, {"fixed": {"mu": 1.0}}, "is tested at values, so it cannot be fixed"),
        (1.0, {"fixed": ["nu"]}, "nu"),
        (1.0, {"calculator": "toys", "n_toys": -1}, "n_toys: expected a number"),
        (1.0, {"calculator": "toys", "seed": 2**64}, "seed: expected a number"),
    ],
)
def test_misuse(
    model: nf.Model,
    data: nf.Data,
    value: float | dict[str, float],
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        nf.hypotest(model, data, value, **options)


def test_values_beyond_the_bounds(document: dict[str, Any]) -> None:
    document["observations"][0]["data"] = [90.0, 150.0]
    model, data = opened(document)
    inside = nf.hypotest(model, data, 2.0)
    assert "mu at its bound 10" in inside.message
    beyond = nf.hypotest(model, data, 20.0)
    assert beyond.bounds == ((0.0, math.inf),)
    assert "Fitted without upper bound: mu." in beyond.message
    assert 10 < beyond.poi_hat[0] < 20
    assert beyond.q > 0


def test_held_nuisance_parameters(model: nf.Model, data: nf.Data) -> None:
    held = {"scale": 0.0, "lumi": True}
    result = nf.hypotest(model, data, 2.0, fixed=held)
    free = nf.fit(model, data, fixed=held)
    tested = nf.fit(model, data, fixed={**held, "mu": 2.0})
    assert result.q == pytest.approx(2 * (tested.nll - free.nll), rel=1e-6)
    assert result.q > nf.hypotest(model, data, 2.0).q


def test_fixed_parameter_of_interest_floats(document: dict[str, Any]) -> None:
    free = nf.hypotest(*opened(document), 2.0)
    entry = {"name": "mu", "fixed": True}
    document["measurements"][0]["config"]["parameters"].append(entry)
    assert nf.hypotest(*opened(document), 2.0).cls == pytest.approx(free.cls, rel=1e-9)


def test_free_fits_that_end_too_high_are_repeated(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A free fit above a fit with the parameter held is a wrong minimum."""
    expected = nf.hypotest(model, data, 2.0)
    spoiled: list[float] = []

    def spoil(rows: Sequence[_profile.Row], fits: list[_profile.Fit]) -> None:
        if rows[0].at is None and not spoiled:
            spoiled.append(fits[0].value)
            fits[0] = _profile.Fit(fits[0].x, fits[0].value + 5.0, "converged")

    change_fits(monkeypatch, spoil)
    assert nf.hypotest(model, data, 2.0).q == pytest.approx(expected.q, rel=1e-6)
    assert spoiled


def test_failed_fits_are_reported(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_fits(monkeypatch, lambda mu: mu == 2.0)
    result = nf.hypotest(model, data, 2.0)
    assert result.status == "fit_failed"
    assert "The fit with mu = 2 failed (stalled)" in result.message


def test_failed_fits_are_tried_again(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = nf.hypotest(model, data, 2.0)
    calls: list[int] = []

    def spoil(rows: Sequence[_profile.Row], fits: list[_profile.Fit]) -> None:
        calls.append(len(rows))
        if len(calls) == 1:
            fits[1] = _profile.Fit(fits[1].x, fits[1].value, "stalled")

    change_fits(monkeypatch, spoil)
    assert nf.hypotest(model, data, 2.0).cls == pytest.approx(expected.cls, rel=1e-6)
    assert calls[:2] == [2, 1]


def test_asimov_data(model: nf.Model, data: nf.Data) -> None:
    prefit = asimov_data(model, at=2.0)
    assert prefit == model.asimov({"mu": 2.0})
    result = nf.fit(model, data)
    assert asimov_data(model, fit=result) == model.asimov(result.x)
    postfit = asimov_data(model, fit=result, at={"mu": 0.0})
    assert postfit == model.asimov({**result.values.to_dict(), "mu": 0.0})
    profiled = asimov_data(model, data, at=0.0)
    again = nf.fit(model, profiled)
    assert again["mu"].value == pytest.approx(0.0, abs=1e-9)
    assert again.value == pytest.approx(0.0, abs=1e-12)
    assert nf.fit(model, data, fixed={"mu": 0.0})["scale"].value == pytest.approx(
        again["scale"].value, abs=1e-6
    )
    with pytest.raises(nf.ArgumentError, match="not both"):
        asimov_data(model, data, fit=result)
    with pytest.raises(nf.ArgumentError, match="need the value"):
        asimov_data(model, data)


def test_asimov_data_outside_the_range_of_a_parameter(model: nf.Model, data: nf.Data) -> None:
    nf.asimov_data(model, data, at=12.0)
    nf.asimov_data(model, data, at={"mu": -0.5})


def test_profiled_asimov_data_are_those_of_pyhf(
    document: dict[str, Any], model: nf.Model, data: nf.Data
) -> None:
    with precise_pyhf():
        theirs, observed = pyhf_model(document)
        expected = pyhf.infer.calculators.generate_asimov_data(
            0.0, observed, theirs, None, None, None
        )
    np.testing.assert_allclose(asimov_data(model, data, at=0.0).to_pyhf(), expected, rtol=1e-5)


def test_results_are_readable_and_saved(model: nf.Model, data: nf.Data, tmp_path: Path) -> None:
    for result in (
        nf.hypotest(model, data, 2.0),
        nf.hypotest(model, data, 2.0, statistic="t"),
        nf.hypotest(model, data, 2.0, calculator="toys", n_toys=20),
    ):
        path = tmp_path / "result.json"
        result.save(path)
        assert nf.load_result(path) == result
        assert copy.copy(result) == result
        text = repr(result)
        assert "mu = 2" in text
        assert "observed" in text
        assert ("CLs" in text) == (result.statistic == "qtilde")
        assert "<table>" in result._repr_html_()
    toys = result.toys[0]
    assert "toys 0 to 19 of seed 0, 0 failed" in repr(toys)
    assert "<table>" in toys._repr_html_()


def test_slope_of_cls_far_out() -> None:
    u = np.array([0.5, 30.0, 999.0, 1001.0, 1e12])
    zeros = np.zeros_like(u)
    log_p, slope = log_cls(u, np.ones_like(u), zeros, zeros)
    assert log_p == pytest.approx(stats.norm.logsf(u) - math.log(0.5), rel=1e-12)
    # By the recursion of the continued fraction of Mills' ratio, which converges for u > 1.
    mills = u.copy()
    for k in range(400, 0, -1):
        mills = u + k / mills
    mills[0] = stats.norm.pdf(0.5) / stats.norm.sf(0.5)
    assert -slope == pytest.approx(mills, rel=1e-9)
