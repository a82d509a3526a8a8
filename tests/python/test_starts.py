"""Profiles of likelihoods with several minima, against fits from many starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

import nablafit as nf
from nablafit._starts import bends, further_starts
from profile_models import load

MU = {"name": "mu", "type": "normfactor", "data": None}


def histosys(name: str, high: list[float], low: list[float]) -> dict[str, Any]:
    return {"name": name, "type": "histosys", "data": {"hi_data": high, "lo_data": low}}


def normsys(name: str, high: float, low: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": high, "lo": low}}


def one_sided(factor: float = 1.0) -> tuple[nf.Model, nf.Data]:
    """Two bins with a background whose variations both lie above it."""
    signal = {"name": "s", "data": [0.9 / factor, 10.7 / factor], "modifiers": [MU]}
    shapes = [histosys("gen", [117.0, 89.0], [120.0, 107.0]), normsys("n", 1.05, 0.95)]
    background = {"name": "b", "data": [100.0, 86.0], "modifiers": shapes}
    bounds = {"mu": (0.0, 20.0 * factor)}
    return load([("c", [signal, background], [131.0, 126.0])], bounds)


def shared() -> tuple[nf.Model, nf.Data]:
    """Two bins with a normsys of signal and background that raises the latter on both sides."""
    signal = {"name": "s", "data": [5.94, 5.17], "modifiers": [MU, normsys("n1", 1.1, 0.9)]}
    shapes = histosys("h0", [15.2, 17.0], [16.3, 14.4])
    modifiers = [shapes, normsys("n1", 1.3, 1.2), normsys("n2", 1.05, 0.95)]
    background = {"name": "b", "data": [23.9, 17.8], "modifiers": modifiers}
    return load([("c", [signal, background], [23.0, 23.0])], {"mu": (0.0, 30.0)})


def padded() -> tuple[nf.Model, nf.Data]:
    """Three bins, the last one empty and padded, with two histosys."""
    signal = {"name": "s", "data": [12.0, 13.1, 2.06], "modifiers": [MU]}
    modifiers = [
        histosys("h0", [41.5, 28.0, 1.22e-5], [40.3, 38.7, 1.23e-5]),
        histosys("h1", [39.5, 19.6, 1.17e-5], [23.7, 60.7, 7.16e-6]),
        normsys("n2", 1.05, 0.95),
    ]
    background = {"name": "b", "data": [36.3, 42.7, 1.02e-5], "modifiers": modifiers}
    return load([("c", [signal, background], [47.0, 41.0, 0.0])], {"mu": (0.0, 30.0)})


Maker: TypeAlias = Callable[[], tuple[nf.Model, nf.Data]]
MODELS = [one_sided, shared, padded]


def lowest(model: nf.Model, data: nf.Data, held: dict[str, float]) -> tuple[float, NDArray[Any]]:
    """Return -2 log L / L_saturated and the point, the lowest of fits from 60 random starts."""
    rng = np.random.default_rng(1)
    starts = np.repeat(model.initial[None, :], 60, axis=0)
    starts[1:] += rng.normal(0.0, 1.5, (59, model.n_parameters))
    fits = nf.fit_many(model, data, initial=starts, fixed=dict(held), errors=False)
    best = int(np.nanargmin(np.where(fits.valid, fits.value, np.nan)))
    return 2.0 * float(fits.value[best]), fits.x[best]


@pytest.mark.filterwarnings("ignore:the best fit is:nablafit.FitWarning")
@pytest.mark.parametrize("make", MODELS)
def test_scans_take_the_lowest_minimum(make: Maker) -> None:
    model, data = make()
    scan = nf.scan(model, data, "mu", np.linspace(0.0, 8.0, 31))
    constant = model.likelihood(data).constant
    heights = scan.twice_delta_nll + scan.twice_nll - 2.0 * constant
    expected = [lowest(model, data, {"mu": value})[0] for value in scan.values.tolist()]
    np.testing.assert_allclose(heights, expected, atol=1e-5)
    assert scan == nf.scan(model, data, "mu", np.linspace(0.0, 8.0, 31), n_threads=2)
    assert nf.infer.ScanResult.from_json(scan.to_json()) == scan


@pytest.mark.filterwarnings("ignore:the best fit is:nablafit.FitWarning")
@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_interval_ends_are_on_the_lowest_minimum(make: Maker, sigma: float) -> None:
    model, data = make()
    found = nf.intervals(model, data, sigma=sigma)
    assert found.valid
    base = lowest(model, data, {})[0]
    for name in found.parameters:
        one = found[name]
        for end, status in zip(one.ends, (one.lower_status, one.upper_status), strict=True):
            if status == "found":
                height = lowest(model, data, {name: end})[0] - base
                assert height == pytest.approx(sigma**2, abs=1e-3)


@pytest.mark.filterwarnings("ignore:the best fit is:nablafit.FitWarning")
@pytest.mark.parametrize("make", MODELS)
def test_contours_are_on_the_lowest_minimum(make: Maker) -> None:
    model, data = make()
    other = next(name for name in model.parameters if name != "mu")
    found = nf.contour(model, data, ("mu", other), levels=0.68, n_points=16)
    base = lowest(model, data, {})[0]
    contour = found.contours[0]
    for point, status in zip(contour.points.tolist(), contour.status, strict=True):
        if status == "found":
            height = lowest(model, data, {"mu": point[0], other: point[1]})[0] - base
            assert height == pytest.approx(contour.twice_delta_nll, abs=1e-3)


@pytest.mark.parametrize("make", MODELS)
def test_rankings_take_the_lowest_minimum(make: Maker) -> None:
    model, data = make()
    ranking = nf.ranking(model, data)
    assert {warning.kind for warning in ranking.warnings} <= {"starts_disagree", "at_bound"}
    for i, name in enumerate(ranking.parameters):
        shifts = {"postfit_up": ranking.errors[i], "postfit_down": -ranking.errors[i]}
        shifts |= {"prefit_up": ranking.prefit_errors[i], "prefit_down": -ranking.prefit_errors[i]}
        for key, shift in shifts.items():
            at = float(ranking.values[i] + shift)
            x = lowest(model, data, {name: at})[1]
            impact = getattr(ranking, key)[0, i]
            right = x[model.index("mu")] - ranking.poi_values[0]
            assert impact == pytest.approx(right, abs=1e-3 * ranking.poi_errors[0])


def test_a_disagreement_says_how_much_and_where() -> None:
    model, data = shared()
    for result in (nf.scan(model, data, "mu", n=15), nf.intervals(model, data, "mu")):
        note = result.notes[-1]
        assert note.startswith("starts disagree at")
        assert "lower in -2 log L than those that follow the best fit at h0 = " in note
        assert note.endswith("the lowest is taken")
        assert note in str(result)
        assert type(result).from_json(result.to_json()) == result


def test_a_best_fit_gives_way_to_a_lower_one() -> None:
    model, data = padded()
    first = nf.fit(model, data)
    with pytest.warns(nf.FitWarning, match=r"the best fit is 0\.142 lower .* at h0 = -0\.5934"):
        found = nf.intervals(model, data, "mu")
    assert found.twice_nll == pytest.approx(first.twice_nll - 0.1417, abs=1e-3)
    with pytest.warns(nf.FitWarning, match="Fit again from"):
        kept = nf.scan(model, data, "mu", result=first)
    assert kept.twice_nll == first.twice_nll
    assert kept.new_minimum is not None


def test_a_model_with_one_side_has_the_initial_values_only() -> None:
    modifiers = [normsys("n", 1.1, 0.9)]
    samples = [
        {"name": "s", "data": [10.0], "modifiers": [MU]},
        {"name": "b", "data": [50.0], "modifiers": modifiers},
    ]
    model, data = load([("c", samples, [60.0])])
    assert len(bends(model)) == 0
    held = np.array([name == "mu" for name in model.parameters])
    x = model.point({"mu": 2.0})
    np.testing.assert_array_equal(further_starts(model, data, x, held), [x])
    assert further_starts(model, data, x, held, n=3).shape == (4, 2)
    with pytest.raises(nf.ArgumentError, match="starts: expected a number from 0 on"):
        nf.scan(model, data, starts=-1)


def test_other_sides_are_mirrored_about_the_centre() -> None:
    model, data = one_sided()
    gen, mu = model.index("gen"), model.index("mu")
    held = np.array([name == "mu" for name in model.parameters])
    x = model.point({"mu": 2.0, "gen": 1.5})
    starts = further_starts(model, data, x, held)
    assert {-1.5} == {*starts[1:, gen].tolist()}
    assert np.all(starts[:, mu] == 2.0)
    central = further_starts(model, data, model.point({"gen": 0.1}), held)
    assert {-1.0, 1.0} == {*central[1:, gen].tolist()}


@pytest.mark.parametrize("factor", [1e-12, 1e-6, 1e6, 1e12])
def test_a_scaled_signal_scales_everything_in_mu(factor: float) -> None:
    """The template divided by a factor: every number in units of mu is multiplied by it."""
    numbers = []
    for k in (1.0, factor):
        model, data = scaled(k)
        mu = nf.intervals(model, data, "mu")["mu"]
        scan = nf.scan(model, data, "mu", n=9)
        contour = nf.contour(model, data, ("mu", "gen"), levels=0.68, n_points=8).contours[0]
        ranking = nf.ranking(model, data, poi="mu")
        observables = nf.ranking(model, data, poi="mu", method="global_observables_refit")
        parts = [nf.breakdown(model, data, poi="mu", method=name) for name in METHODS]
        impacts = [*ranking.postfit_up[0], *ranking.postfit_down[0], *observables.postfit_up[0]]
        groups = [(part.statistical, part.systematic, part.total) for part in parts]
        in_mu = [*mu.ends, *scan.values, *contour.points[:, 0], *impacts, *np.ravel(groups)]
        numbers.append((np.array(in_mu) / k, scan.twice_delta_nll))
    (ours, heights), (others, other_heights) = numbers
    np.testing.assert_allclose(others, ours, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(other_heights, heights, rtol=1e-7, atol=1e-9)


METHODS = ("linear", "refit", "global_observables")


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_a_scaled_signal_scales_feldman_cousins_intervals(factor: float) -> None:
    found = []
    for k in (1.0, factor):
        model, data = scaled(k)
        result = nf.feldman_cousins(model, data, level=0.68, n_toys=40)
        found.append(np.array([*result.intervals, *result.interval_errors]) / k)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-7)


def scaled(factor: float) -> tuple[nf.Model, nf.Data]:
    """Return `one_sided` with an initial value of mu in its units."""
    model, data = one_sided(factor)
    spec = model.spec
    parameters = [p.replace(initial=factor) if p.name == "mu" else p for p in spec.parameters]
    return nf.Model(spec.replace(parameters=tuple(parameters))), data
