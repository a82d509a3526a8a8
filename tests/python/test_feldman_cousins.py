"""Feldman-Cousins intervals against the published tables and exact sums."""

import numpy as np
import pytest
from scipy.stats import poisson

import nablafit as nf
from nablafit.infer import FeldmanCousinsResult
from nablafit.infer.profiles.feldman_cousins import accepted_intervals
from profile_models import counting

# Feldman and Cousins, Phys. Rev. D 57 (1998) 3873, table IV: 90 % intervals for the signal mean
# with background 3.0 known, for n events observed. (For n = 0 it has 1.08, not the 0.96 of the
# construction itself: the authors lengthened some intervals to let limits fall with background.)
TABLE = {
    1: (0.00, 1.88),
    2: (0.00, 3.04),
    3: (0.00, 4.42),
    4: (0.00, 5.60),
    8: (1.51, 10.99),
}


def exact_p_value(n: int, mu: float, background: float) -> float:
    """Probability of a likelihood ratio at least as bad as that of n events, by summation."""
    counts = np.arange(200)
    best = np.maximum(counts - background, 0.0) + background
    ratio = poisson.logpmf(counts, mu + background) - poisson.logpmf(counts, best)
    worse = ratio <= ratio[n] + 1e-9
    return float(np.sum(poisson.pmf(counts[worse], mu + background)))


@pytest.mark.parametrize("n", [0, 3, 8])
def test_p_values_equal_sums_over_outcomes(n: int) -> None:
    model, data = counting(float(n), 3.0, bounds=(0.0, 50.0))
    values = np.linspace(0.0, 12.0, 7)
    result = nf.feldman_cousins(model, data, values=values, level=0.9, n_toys=2000, seed=n)
    expected = np.array([exact_p_value(n, mu, 3.0) for mu in values])
    deviation = np.sqrt(np.maximum(expected * (1 - expected), 1e-3) / 2000)
    assert np.all(np.abs(result.p_values - expected) < 4.5 * deviation)
    assert result.valid
    assert np.all(result.n_done == 2000)
    assert not np.any(result.n_failed)


@pytest.mark.parametrize("n", sorted(TABLE))
def test_published_table(n: int) -> None:
    model, data = counting(float(n), 3.0, bounds=(0.0, 50.0))
    low, high = TABLE[n]
    step = 0.1
    near = [end + step * np.arange(-4, 5) for end in (low, high)]
    values = np.unique(np.round(np.clip(np.concatenate(near), 0.0, None), 6))
    result = nf.feldman_cousins(model, data, values=values, level=0.9, n_toys=3000, seed=7)
    assert len(result.intervals) >= 1
    found = (result.intervals[0][0], result.intervals[-1][1])
    errors = (result.interval_errors[0][0], result.interval_errors[-1][1])
    for end, expected, error in zip(found, (low, high), errors, strict=True):
        # The ratio has few values, so p jumps: an end is known to a step of the grid.
        tolerance = step + 4.0 * np.nan_to_num(error)
        assert end == pytest.approx(expected, abs=tolerance)


@pytest.fixture(scope="module")
def result(model: nf.Model, data: nf.Data) -> FeldmanCousinsResult:
    return nf.feldman_cousins(model, data, n_toys=200, seed=4)


def test_nuisance_parameters_are_profiled(
    model: nf.Model, data: nf.Data, result: FeldmanCousinsResult
) -> None:
    assert result.poi == "mu"
    assert len(result) == 21
    assert result.valid
    (low, high), *others = result.intervals
    assert not others
    # Far from bounds and with many events the profile-likelihood interval is a good approximation.
    asymptotic = nf.intervals(model, data, "mu", level=0.95)["mu"]
    width = asymptotic.ends[1] - asymptotic.ends[0]
    assert low == pytest.approx(asymptotic.ends[0], abs=0.15 * width)
    assert high == pytest.approx(asymptotic.ends[1], abs=0.15 * width)
    scan = nf.scan(model, data, "mu", result.values)
    np.testing.assert_allclose(result.twice_delta_nll, scan.twice_delta_nll, atol=1e-7)
    np.testing.assert_array_equal(
        result.accepted, result.twice_delta_nll <= result.critical_values + 1e-6
    )


def test_threads_do_not_change_a_bit(
    model: nf.Model, data: nf.Data, result: FeldmanCousinsResult
) -> None:
    assert nf.feldman_cousins(model, data, n_toys=200, seed=4, n_threads=3) == result


def test_shards_merge_and_results_continue(
    model: nf.Model, data: nf.Data, result: FeldmanCousinsResult
) -> None:
    values = result.values
    shards = [
        nf.feldman_cousins(model, data, values=values, n_toys=n, seed=4, start=start)
        for n, start in ((80, 120), (120, 0))
    ]
    assert FeldmanCousinsResult.merge(shards) == result
    assert nf.feldman_cousins(model, data, n_toys=200, resume=shards[1]) == result
    with pytest.raises(nf.ArgumentError, match=r"^shards: expected a shard that starts at toy 120"):
        FeldmanCousinsResult.merge([shards[1], shards[1]])
    with pytest.raises(nf.ArgumentError, match=r"^resume: has 200 toys"):
        nf.feldman_cousins(model, data, n_toys=100, resume=result)
    other = nf.Data(data.counts + 2.0, data.global_observables)
    with pytest.raises(nf.ArgumentError, match=r"^resume: belongs to other data"):
        nf.feldman_cousins(model, other, n_toys=300, resume=result)


def test_interruption_loses_no_block(
    model: nf.Model, data: nf.Data, result: FeldmanCousinsResult
) -> None:
    def stop(n_done: int) -> None:
        if n_done > 500:
            raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.feldman_cousins(model, data, n_toys=200, seed=4, progress=stop)
    partial = caught.value.result
    assert isinstance(partial, FeldmanCousinsResult)
    assert not partial.complete
    assert 0 < np.sum(partial.n_done) < 200 * 21
    assert not partial.valid
    assert FeldmanCousinsResult.from_json(partial.to_json()) == partial
    assert nf.feldman_cousins(model, data, n_toys=200, resume=partial) == result
    with pytest.raises(nf.ArgumentError, match=r"^shards: has a shard that was interrupted"):
        FeldmanCousinsResult.merge([partial])


def test_failed_toys_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from nablafit.infer.profiles import feldman_cousins as module

    fit_many = module.fit_many

    def failing(*arguments: object, **options: object) -> nf.FitManyResult:
        return fit_many(*arguments, **options, max_calls=1, tolerance=1e-9)

    monkeypatch.setattr(module, "fit_many", failing)
    model, data = counting(6.0, 3.0)
    result = nf.feldman_cousins(model, data, values=[1.0, 3.0], n_toys=100)
    assert np.all(result.n_done == 100)
    assert np.all(result.n_failed > 0)
    finite = np.sum(np.isfinite(result.toys), axis=1)
    np.testing.assert_array_equal(finite, 100 - result.n_failed)
    assert "fits of toys failed" in " ".join(result.messages)


def test_ends_outside_the_tested_range_are_said_to_be() -> None:
    model, data = counting(9.0, 3.0)
    result = nf.feldman_cousins(model, data, values=[5.0, 6.0, 7.0], n_toys=100)
    assert result.intervals == ((5.0, 7.0),)
    assert np.isnan(result.interval_errors[0]).all()
    assert len(result.messages) == 2
    assert "the interval goes on" in result.messages[0]
    empty = nf.feldman_cousins(model, data, values=[40.0, 50.0], n_toys=100)
    assert empty.intervals == ()
    assert "empty" in repr(empty)


def test_the_physical_region_is_what_the_bounds_say() -> None:
    """Without a bound at zero, a low count gives a best fit below zero, and another ratio."""
    model, data = counting(1.0, 3.0, bounds=(0.0, 50.0))
    bounded = nf.feldman_cousins(model, data, values=[0.0], n_toys=200)
    wide = nf.feldman_cousins(model, data, values=[0.0], n_toys=200, bounds={"mu": (-3.0, 50.0)})
    assert bounded.twice_delta_nll[0] == pytest.approx(0.0, abs=1e-9)
    assert bounded.p_values[0] == 1.0
    assert wide.twice_delta_nll[0] == pytest.approx(2.0 * (3.0 - 1.0 + np.log(1 / 3)))
    assert wide.p_values[0] < 0.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"poi": "nu"}, "nu: unknown parameter"),
        ({"fixed": "mu"}, "mu: is fixed"),
        ({"level": 0.0}, "level: expected a number between"),
        ({"n_toys": 0}, "n_toys: expected a positive number"),
        ({"values": [-1.0]}, "values: expected values in the bounds"),
        ({"values": []}, "values: expected values in the bounds"),
        ({"seed": -1}, "seed: expected a number from 0"),
        ({"start": -1}, "start: expected a number from 0"),
    ],
)
def test_misuse_raises(
    model: nf.Model, data: nf.Data, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(nf.ArgumentError, match=f"^{message}"):
        nf.feldman_cousins(model, data, **arguments)


def test_result_is_readable(result: FeldmanCousinsResult) -> None:
    assert repr(result).startswith("Feldman-Cousins interval of mu at 95 %: [")
    assert "<table>" in result._repr_html_()
    assert FeldmanCousinsResult.from_json(result.to_json()) == result


def test_errors_of_ends_include_the_spacing_where_p_jumps() -> None:
    """Background 3, nothing observed, 90 %: the exact set ends at 0.9531, where p jumps."""
    model, data = counting(0.0, 3.0, bounds=(0.0, 50.0))
    values = np.linspace(0.0, 2.0, 22)
    found = nf.feldman_cousins(model, data, values=values, level=0.9, n_toys=2000)
    end, error = found.intervals[-1][1], found.interval_errors[-1][1]
    assert abs(end - 0.9531) <= 2.0 * error
    assert error <= 0.6 * (values[1] - values[0])


def test_the_spacing_does_not_matter_where_p_is_straight() -> None:
    values = np.linspace(0.0, 1.0, 11)
    p = 0.5 - 0.45 * values
    no_error = np.zeros(11)
    (interval,), (errors,) = accepted_intervals(values, p, no_error, 0.11)
    assert interval[1] == pytest.approx((0.5 - 0.11) / 0.45)
    assert errors[1] == pytest.approx(0.0, abs=1e-12)
