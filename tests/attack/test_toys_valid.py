"""Fits of toys end at minima: on floors of yields, at the border of zero yields, and the lowest."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nablafit as nf


def sample(name: str, data: list[float], *modifiers: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "data": data, "modifiers": list(modifiers)}


def normfactor(name: str) -> dict[str, Any]:
    return {"name": name, "type": "normfactor", "data": None}


def histosys(name: str, low: list[float], high: list[float]) -> dict[str, Any]:
    return {"name": name, "type": "histosys", "data": {"lo_data": low, "hi_data": high}}


def opened(
    samples: list[dict[str, Any]], observed: list[float], floor: float | None = None
) -> tuple[nf.Model, nf.Data]:
    """Return model and data of one channel, with a least value of the yields of all samples."""
    document = {
        "version": "1.0.0",
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": observed}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    }
    workspace = nf.Workspace.load(document)
    spec = workspace.spec()
    channels = [
        channel.replace(samples=tuple(one.replace(yield_floor=floor) for one in channel.samples))
        for channel in spec.channels
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nf.ModelWarning)
        model = nf.Model(spec.replace(channels=tuple(channels)))
    return model, model.data(workspace.observations)


def floored() -> tuple[nf.Model, nf.Data]:
    """A background that two histosys lower below its floor of zero in one bin."""
    background = sample(
        "background",
        [6.0, 60.0],
        histosys("a", [9.0, 58.0], [2.0, 63.0]),
        histosys("b", [9.5, 61.0], [3.0, 59.0]),
    )
    samples = [sample("signal", [20.0, 3.0], normfactor("mu")), background]
    return opened(samples, [4.0, 62.0], floor=0.0)


def folded() -> tuple[nf.Model, nf.Data]:
    """A histosys that raises the background up and down: minima on both sides."""
    background = sample("background", [50.0, 40.0], histosys("shape", [62.0, 47.0], [61.0, 49.0]))
    samples = [sample("signal", [5.0, 10.0], normfactor("mu")), background]
    return opened(samples, [60.0, 52.0])


def clipped() -> tuple[nf.Model, nf.Data]:
    """A small background that is on its floor, or not, where there are more events."""
    small = sample(
        "small",
        [1.0, 3.0],
        histosys("a", [3.0, 3.2], [-1.5, 2.8]),
        histosys("b", [2.5, 3.1], [-0.5, 2.9]),
    )
    large = sample("large", [6.0, 40.0], histosys("a", [4.5, 41.0], [7.5, 39.0]))
    signal = sample("signal", [1.0, 12.0], normfactor("mu"))
    return opened([signal, small, large], [7.0, 52.0], floor=0.0)


def growing() -> tuple[nf.Model, nf.Data]:
    """A negligible sample with four factors of five, beside a free one."""
    factors = [
        {"name": f"k{i}", "type": "normsys", "data": {"lo": 0.2, "hi": 5.0}} for i in range(4)
    ]
    samples = [
        sample("free", [20.0, 20.0], normfactor("mu")),
        sample("small", [0.05, 0.02], *factors),
        sample(
            "other", [5.0, 5.0], {"name": "z", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}
        ),
    ]
    return opened(samples, [38.0, 24.0])


def one_sided() -> tuple[nf.Model, nf.Data]:
    """A histosys that changes nothing upwards: minima inside and outside of its polynomial."""
    shape = histosys("shape", [118.0, 60.0, 30.0], [113.0, 75.0, 44.0])
    samples = [
        sample("signal", [5.0, 3.0, 8.0], normfactor("mu")),
        sample("background", [118.0, 60.0, 30.0], shape),
    ]
    return opened(samples, [120.0, 62.0, 33.0])


def bordering() -> tuple[nf.Model, nf.Data]:
    """Signals that take events away, down to nothing in an empty bin."""
    shape = histosys("shape", [4.0, 11.0, 1.0], [2.0, 14.0, 4.0])
    samples = [
        sample("signal", [-4.0, 9.0, 2.0], normfactor("mu")),
        sample("other", [3.0, 1.0, -2.0], normfactor("nu")),
        sample("background", [3.0, 12.0, 2.0], shape),
    ]
    return opened(samples, [0.0, 30.0, 1.0])


def lowest_of_many(model: nf.Model, data: nf.Data, n: int) -> float:
    """Return the lowest value of fits from random starts, whatever they say of themselves."""
    rng = np.random.default_rng(1)
    lower, upper = np.transpose(model.bounds)
    starts = np.clip(rng.uniform(-3.0, 3.0, (n, model.n_parameters)), lower, upper)
    found = nf.fit_many(model, data, initial=starts, errors=False, starts=0)
    return float(np.nanmin(found.value))


def test_minima_where_a_yield_reaches_its_floor() -> None:
    model, data = floored()
    toys = nf.toys(model, nf.fit(model, data).x, 200, seed=4)
    found = nf.fit_many(model, toys, starts=0)
    at_kink = np.flatnonzero(np.array(found.status) == "converged_at_kink")
    assert len(at_kink) > 2
    assert np.all(found.valid)
    assert np.all(found.edm < 1e-9)
    for i in at_kink:
        assert found.value[i] < lowest_of_many(model, toys[i], 50) + 1e-8
        assert np.all(np.isfinite(found.errors[i]))
    single = nf.fit(model, toys[int(at_kink[0])], initial=toys.x)
    assert "least value" in single.message


def test_toys_take_the_lower_of_two_sides() -> None:
    model, data = folded()
    toys = nf.toys(model, nf.fit(model, data).x, 300, seed=2)
    usual = nf.fit_many(model, toys, starts=0, errors=False)
    found = nf.fit_many(model, toys, errors=False)
    assert found.n_lowered > 10
    assert found.n_several >= found.n_lowered
    assert f"{found.n_lowered} lower from another start" in repr(found)
    np.testing.assert_allclose(found.value + found.lowered, usual.value, atol=1e-9)
    same = found.lowered == 0.0
    np.testing.assert_array_equal(found.x[same], usual.x[same])
    many = nf.fit_many(model, toys, starts=8, errors=False)
    assert np.all(found.value < many.value + 5e-4)
    assert np.all(usual.n_starts == 1)
    assert np.all(many.n_starts >= 9)


@pytest.mark.parametrize(("made", "fewest"), [(clipped, 15), (growing, 2), (one_sided, 3)])
def test_toys_take_the_lowest_of_hidden_minima(
    made: Callable[[], tuple[nf.Model, nf.Data]], fewest: int
) -> None:
    """Beyond floors of yields, where a sample explains the events, on both sides of a bend."""
    model, data = made()
    toys = nf.toys(model, nf.fit(model, data).x, 300, seed=3)
    usual = nf.fit_many(model, toys, starts=0, errors=False)
    many = nf.fit_many(model, toys, starts=12, errors=False)
    found = nf.fit_many(model, toys, errors=False)
    lowest = np.fmin(many.value, found.value)
    assert np.sum(usual.value > lowest + 5e-4) >= fewest
    assert np.sum(found.value > lowest + 5e-4) == 0
    assert np.mean(found.n_starts) < 2.0


def test_further_starts_depend_on_the_data_alone() -> None:
    model, data = folded()
    toys = nf.toys(model, nf.fit(model, data).x, 40, seed=2)
    whole = nf.fit_many(model, toys, starts=2, n_threads=2)
    rows = np.concatenate([toys.counts, toys.global_observables], axis=1)
    halves = [
        nf.fit_many(model, rows[half], initial=toys.x, starts=2, n_threads=1)
        for half in (slice(0, 17), slice(17, None))
    ]
    assert nf.FitManyResult.merge(halves) == whole
    assert nf.FitManyResult.from_dict(whole.to_dict()) == whole


def test_fits_that_fail_are_tried_from_elsewhere() -> None:
    model, _ = folded()
    toys = nf.toys(model, n=30, seed=1)
    hurried = {"initial": np.full(model.n_parameters, 4.9), "max_calls": 3}
    usual = nf.fit_many(model, toys, starts=0, **hurried)
    found = nf.fit_many(model, toys, **hurried)
    assert not np.all(usual.valid)
    assert np.all(found.valid)
    assert found.n_rescued == np.sum(~usual.valid)
    assert np.all(np.isinf(found.lowered[~usual.valid]))
    assert "valid from another start only" in repr(found)


@pytest.mark.parametrize("starts", [-1, 2**31])
def test_impossible_numbers_of_starts(starts: int) -> None:
    model, data = folded()
    with pytest.raises(nf.ArgumentError, match="starts: expected a number from 0"):
        nf.fit_many(model, data, starts=starts)
    with pytest.raises(nf.ArgumentError, match="seed: expected a number from 0"):
        nf.fit_many(model, data, seed=-1)


def test_toys_that_start_at_the_border_of_zero_yields() -> None:
    """Bins in which the data have no events, and their fit expects none, have some in toys."""
    model, data = bordering()
    best = nf.fit(model, data)
    assert best.status == "converged_at_zero_yield"
    toys = nf.toys(model, best.x, 200, seed=1)
    counts = np.array(toys.counts)
    counts[:, 0] = np.arange(200) % 3
    rows = np.concatenate([counts, toys.global_observables], axis=1)
    found = nf.fit_many(model, rows, initial=best.x, errors=False, starts=0)
    assert np.all(found.valid)
    assert np.max(found.n_gradients) < 500


def test_fits_leave_a_forbidden_start() -> None:
    """The feasible part of the range of mu is 1 % of it, and everything there is at a border."""
    samples = [
        sample("signal", [-30.0], normfactor("mu")),
        sample("background", [4.4], histosys("shape", [4.9], [4.3])),
    ]
    model, data = opened(samples, [0.0])
    assert not model.likelihood(data).status(model.initial)
    for minimizer in ("newton", "minuit", "scipy:L-BFGS-B"):
        found = nf.fit(model, data, minimizer=minimizer)
        assert found.status != "forbidden_start", minimizer
        assert found.value < 0.1
    assert nf.fit(model, data).status == "converged_at_zero_yield"
    assert nf.fit_many(model, data, starts=0).valid[0]


def test_forbidden_everywhere_says_in_which_bins() -> None:
    samples = [
        sample("signal", [1.0, 0.0, 0.0], normfactor("mu")),
        sample("background", [5.0, 0.0, 0.0]),
    ]
    model, data = opened(samples, [5.0, 2.0, 3.0])
    found = nf.fit(model, data)
    assert found.status == "forbidden_start"
    assert "bin 1 of channel c, bin 2 of channel c" in found.message


def test_p_values_say_what_several_minima_do() -> None:
    model, data = folded()
    result = nf.hypotest(model, data, 1.0, calculator="toys", n_toys=300)
    toys = result.toys[0]
    assert 0.0 < toys.fraction_several == toys.n_several / 300
    assert "have fits with several minima" in result.message
    assert "changes the p-value of the tested hypothesis by" in result.message
    alone = nf.hypotest(model, data, 1.0, calculator="toys", n_toys=300, starts=0)
    assert alone.toys[0].n_several < toys.n_several
    effect = toys.effect_of_starts(result.q)
    usual = np.asarray(toys.usual)
    assert effect == pytest.approx(result.clsb - np.mean(usual >= result.q - 1e-8), abs=1e-12)
    halves = [
        nf.hypotest(model, data, 1.0, calculator="toys", n_toys=150, start=start)
        for start in (0, 150)
    ]
    assert type(result).merge(halves) == result
    assert type(result).from_json(result.to_json()) == result


def test_limits_from_toys_say_what_several_minima_do() -> None:
    model, data = folded()
    values = [0.5, 2.0, 5.0]
    whole = nf.upper_limit(model, data, calculator="toys", values=values, n_toys=200)
    n_several = sum(toys.n_several for toys in whole.toys)
    assert n_several > 0
    note = next(note for note in whole.notes if "fits with several minima" in note)
    assert f"{n_several} of 1200 toys" in note
    assert "changes CLs+b by at most" in note
    halves = [
        nf.upper_limit(model, data, calculator="toys", values=values, n_toys=100, start=start)
        for start in (0, 100)
    ]
    assert type(whole).merge(halves).notes == whole.notes
