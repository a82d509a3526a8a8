"""Tests and limits of likelihoods with several minima, and of extreme scales."""

import math
from typing import Any

import numpy as np
import pyhf
import pytest
from scipy import stats

import nablafit as nf
from inference_models import counting, opened, with_signal
from locations import published_workspaces
from nablafit.infer.testing import _profile

Document = dict[str, Any]
SIGNAL = {"name": "mu", "type": "normfactor", "data": None}


def workspace(channels: dict[str, list[Document]], observed: dict[str, list[float]]) -> Document:
    return {
        "version": "1.0.0",
        "channels": [{"name": name, "samples": samples} for name, samples in channels.items()],
        "observations": [{"name": name, "data": data} for name, data in observed.items()],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    }


def histosys(name: str, up: list[float], down: list[float]) -> Document:
    return {"name": name, "type": "histosys", "data": {"hi_data": up, "lo_data": down}}


def normsys(name: str, up: float, down: float) -> Document:
    return {"name": name, "type": "normsys", "data": {"hi": up, "lo": down}}


def sample(name: str, data: list[float], *modifiers: Document) -> Document:
    return {"name": name, "data": data, "modifiers": list(modifiers)}


def one_sided() -> Document:
    """A variation of the background that raises it, up and down."""
    background = sample(
        "background",
        [100.0, 86.0],
        histosys("generator", [117.0, 89.0], [120.0, 107.0]),
        normsys("norm", 1.05, 0.95),
    )
    channels = {"c": [sample("signal", [0.9, 10.7], SIGNAL), background]}
    return workspace(channels, {"c": [131.0, 126.0]})


def shared_norm() -> Document:
    """A large uncertainty that signal and background share, with opposite signs."""
    signal = sample("signal", [4.21, 0.0, 0.0], SIGNAL, normsys("norm", 1.1, 0.9))
    background = sample(
        "background",
        [119.0, 0.29, 97.9],
        normsys("norm", 0.5, 1.6),
        histosys("shape", [136.7, 0.52, 152.0], [112.1, 0.12, 97.7]),
    )
    return workspace({"c": [signal, background]}, {"c": [188.0, 0.0, 132.0]})


def squared(document: Document) -> tuple[nf.Model, nf.Data]:
    """Open a workspace in which `mu_too` stands for another factor mu."""
    model, data = opened(document)
    channels = []
    for channel in model.spec.channels:
        samples = [
            each.replace(
                modifiers=[
                    m.replace(parameter="mu") if m.name == "mu_too" else m for m in each.modifiers
                ]
            )
            for each in channel.samples
        ]
        channels.append(channel.replace(samples=samples))
    parameters = [p for p in model.spec.parameters if p.name != "mu_too"]
    return nf.Model(model.spec.replace(channels=channels, parameters=parameters)), data


def lowest(
    model: nf.Model, data: nf.Data, mu: float | None = None, low: float = 0.0
) -> nf.FitResult:
    """Fit from 25 random starts."""
    poi = model.poi or "mu"
    if mu is None:
        return nf.fit(model, data, starts=25, bounds={poi: (low, 1e3)})
    return nf.fit(model, data, starts=25, bounds={poi: (None, None)}, fixed={poi: mu})


def brute_force_cls(model: nf.Model, data: nf.Data, mu: float, curve: int, statistic: str) -> float:
    """CLs, observed (curve 0) or expected, by fits from many starts."""
    low = 0.0 if statistic == "qtilde" else -1e3

    def ratio(sets: nf.Data) -> float:
        free = lowest(model, sets, None, low)
        held = lowest(model, sets, mu)
        estimate = free.x[model.index(model.poi or "mu")]
        return max(held.twice_nll - free.twice_nll, 0.0) if estimate < mu else 0.0

    b = math.sqrt(ratio(model.asimov(lowest(model, data, 0.0).x)))
    u, v = b, 0.0
    if curve > 0:
        v = (2.0, 1.0, 0.0, -1.0, -2.0)[curve - 1]
        u = b + v
    else:
        a = math.sqrt(ratio(data))
        u, v = a, a - b
        if statistic == "qtilde" and a > b:
            u, v = (a * a + b * b) / (2 * b), (a * a - b * b) / (2 * b)
    return float(stats.norm.sf(u) / stats.norm.sf(v))


@pytest.mark.filterwarnings("ignore::nablafit.FitWarning")
@pytest.mark.parametrize("make", [one_sided, shared_norm])
@pytest.mark.parametrize("statistic", ["qtilde", "q"])
def test_limits_follow_the_lowest_minimum(make: Any, statistic: str) -> None:  # noqa: ANN401
    model, data = opened(make())
    limits = nf.upper_limit(model, data, statistic=statistic)
    assert limits.valid
    for curve, limit in enumerate(limits.limits):
        found = brute_force_cls(model, data, limit, curve, statistic)
        assert found == pytest.approx(0.05, rel=1e-5), curve
    assert any("the likelihood has several minima" in note for note in limits.notes)
    assert "several minima" in repr(limits)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nablafit.FitWarning")
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")  # normsys that turn negative
@pytest.mark.skipif(not published_workspaces(), reason="the published workspaces are not here")
@pytest.mark.parametrize(("name", "several"), [("stau_combined", True), ("sbottom_a", False)])
def test_limits_of_published_models(name: str, several: bool) -> None:
    """The second minimum of stau_combined makes its expected limit weaker by 16 %."""
    path = next(path for path in published_workspaces() if path.stem == name)
    model, data = opened(with_signal(path))
    limits = nf.upper_limit(model, data)
    assert limits.valid
    assert any("several minima" in note for note in limits.notes) == several
    for curve in (0, 3, 5):
        found = brute_force_cls(model, data, limits.limits[curve], curve, "qtilde")
        assert found == pytest.approx(0.05, rel=1e-5), curve
    assert several or limits.n_fits <= 60


def test_fits_to_asimov_data_take_the_lowest_minimum() -> None:
    """2.0512 by brute force; from the fit without signal alone 4.25."""
    model, data = opened(shared_norm())
    test = nf.hypotest(model, data, 12.0)
    assert test.q_asimov == pytest.approx(2.051211, rel=1e-5)
    assert any("the likelihood has several minima" in note for note in test.notes)
    assert "note: the likelihood has several minima" in repr(test)
    single = nf.hypotest(model, data, 12.0, starts=0)
    assert single.q_asimov == pytest.approx(4.25096, rel=1e-4)
    assert single.notes == ()


def test_ordinary_models_have_no_notes(model: nf.Model, data: nf.Data) -> None:
    assert nf.upper_limit(model, data).notes == ()
    assert nf.hypotest(model, data, 1.0).notes == ()
    assert nf.significance(model, data).notes == ()


@pytest.mark.filterwarnings("ignore::nablafit.FitWarning")
def test_significance_of_the_lowest_minimum() -> None:
    """The free fit has a minimum on both sides of 0; the lower one decides."""
    document = one_sided()
    document["observations"][0]["data"] = [119.0, 107.0]
    model, data = opened(document)
    found = nf.significance(model, data)
    null, free = lowest(model, data, 0.0), lowest(model, data, None, 0.0)
    assert found.q0 == pytest.approx(max(null.twice_nll - free.twice_nll, 0.0), abs=1e-7)


def test_starts_are_an_option(model: nf.Model, data: nf.Data) -> None:
    few, many = nf.upper_limit(model, data, starts=0), nf.upper_limit(model, data, starts=30)
    np.testing.assert_allclose(few.limits, many.limits, rtol=1e-8)
    assert many.n_fits > 10 * few.n_fits
    with pytest.raises(nf.ArgumentError, match="starts: expected a number from 0 on, got -1"):
        nf.hypotest(model, data, starts=-1)


@pytest.mark.slow
def test_toys_take_the_lowest_minimum() -> None:
    """More starts never raise a minimum: statistics of toys are those of many starts."""
    model, data = opened(shared_norm())
    usual = nf.hypotest(model, data, 12.0, calculator="toys", n_toys=200)
    many = nf.hypotest(model, data, 12.0, calculator="toys", n_toys=200, starts=25)
    for ours, right in zip(usual.toys, many.toys, strict=True):
        wrong = ~np.isclose(ours.values, right.values, atol=1e-5)
        assert np.count_nonzero(wrong) <= 2


def test_free_fits_of_toys_are_not_above_conditional_ones(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nablafit.infer.testing import _toy_runs

    right = nf.hypotest(model, data, 2.0, calculator="toys", n_toys=50)
    original = _toy_runs._fit
    spoiled: list[int] = []

    def spoil(job: _toy_runs.ToyJob, sets: Any, starts: Any, tested: Any, n: Any) -> Any:  # noqa: ANN401
        fits = original(job, sets, starts, tested, n)
        if tested is None and not spoiled:
            fits.value[3] += 5.0
            spoiled.append(3)
        return fits

    monkeypatch.setattr(_toy_runs, "_fit", spoil)
    found = nf.hypotest(model, data, 2.0, calculator="toys", n_toys=50)
    assert spoiled
    for ours, theirs in zip(found.toys, right.toys, strict=True):
        np.testing.assert_allclose(ours.values, theirs.values, atol=1e-6)


def test_case_of_the_validation_set_of_pyhf() -> None:
    """CLs is 0.1140 by brute force over the one nuisance parameter.

    pyhf 0.7.6 finds 0.278 with SLSQP and with MINUIT, and has 0.080 stored.
    """
    signal = sample("signal", [30.0, 35.0], SIGNAL)
    first = sample("first", [100.0, 100.0], histosys("c", [110.0, 110.0], [90.0, 90.0]))
    second = sample("second", [50.0, 120.0], histosys("c", [55.0, 55.0], [45.0, 45.0]))
    control = sample("first", [105.0, 100.0], histosys("c", [110.0, 115.0], [95.0, 90.0]))
    document = workspace(
        {"signal": [signal, first, second], "control": [control]},
        {"signal": [170.0, 220.0], "control": [110.0, 105.0]},
    )
    model, data = opened(document)
    test = nf.hypotest(model, data, 1.0, statistic="q", bounds={"mu": (0.0, 10.0)})
    assert test.cls == pytest.approx(0.11404, abs=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # jsonschema warns, called by pyhf
@pytest.mark.parametrize("given", [{"normsys": "code4"}, {"histosys": "code4p"}, {}])
def test_codes_that_settings_of_pyhf_leave_out(given: dict[str, str]) -> None:
    """Settings of one kind of modifiers make pyhf take codes 1 and 0 for the others."""
    theirs = pyhf.Workspace(one_sided()).model(
        modifier_settings={name: {"interpcode": code} for name, code in given.items()}
    )
    model = nf.from_pyhf(theirs)
    x = np.array(theirs.config.suggested_init())
    x[theirs.config.par_order.index("generator")] = 0.6
    x[theirs.config.par_order.index("norm")] = -0.6
    right = np.asarray(theirs.main_model.expected_data(x))
    np.testing.assert_allclose(model.expected(x), right, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # jsonschema warns, called by pyhf
@pytest.mark.filterwarnings("ignore::nablafit.FitWarning")
def test_pyhf_gets_the_lowest_minimum() -> None:
    """The start that pyhf gives leads to a minimum that is 1.3 higher."""
    background = sample(
        "background",
        [11.1, 2.16, 103.0],
        histosys("shape", [13.93, 2.275, 126.7], [11.98, 2.731, 122.0]),
        normsys("norm", 1.1906, 0.845),
        histosys("other", [12.71, 2.495, 112.0], [9.561, 1.854, 92.57]),
    )
    channels = {"c": [sample("signal", [5.65, 1.06, 13.5], SIGNAL), background]}
    document = workspace(channels, {"c": [20.0, 10.0, 160.0]})
    right = lowest(*opened(document), 1.0).twice_nll
    before = pyhf.get_backend()
    pyhf.set_backend("numpy", nf.interop.pyhf.optimizer())
    try:
        theirs = pyhf.Workspace(document).model()
        values = pyhf.Workspace(document).data(theirs)
        _, found = pyhf.infer.mle.fixed_poi_fit(1.0, values, theirs, return_fitted_val=True)
    finally:
        pyhf.set_backend(*before)
    assert found == pytest.approx(right, abs=1e-6)


# --- scales --------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [1e-300, 1e-150, 1e-12, 1e-9, 1e-7, 1e-6])
def test_padded_bins_are_empty_ones(padding: float) -> None:
    right = nf.upper_limit(*opened(counting([1.2, 0.9, 0.4], [25.0, 8.0, 0.0], [24, 9, 0])))
    found = nf.upper_limit(*opened(counting([1.2, 0.9, 0.4], [25.0, 8.0, padding], [24, 9, 0])))
    assert found.valid
    np.testing.assert_allclose(found.limits, right.limits, rtol=max(1e-7, 40 * padding))


def test_one_bin_with_hardly_any_background() -> None:
    """With nothing observed CLs = 2 (1 - Phi(sqrt(2 mu s))), whatever the background."""
    right = stats.norm.isf(0.025) ** 2 / 2
    for padding in (0.0, 1e-12, 1e-6):
        limits = nf.upper_limit(*opened(counting([1.0], [padding], [0.0])))
        assert limits.observed == pytest.approx(right, rel=1e-5)


def test_limits_far_above_the_others() -> None:
    """Four events with an uncertainty of 100 % over 0.1 events: +2 sigma is at 245."""
    gammas = {"name": "signal_size", "type": "shapesys", "data": [4.1]}
    channels = {
        "c": [
            sample("signal", [4.1], SIGNAL, gammas),
            sample("background", [0.11], normsys("norm", 2.0, 0.001)),
        ]
    }
    model, data = opened(workspace(channels, {"c": [0.0]}))
    limits = nf.upper_limit(model, data)
    assert limits.valid
    assert limits.expected[4] == pytest.approx(244.9845, rel=1e-5)
    assert nf.hypotest(model, data, limits.expected[4]).expected_cls[4] == pytest.approx(0.05)


@pytest.mark.parametrize("k", [1e-12, 1e-5, 1e3, 1e12])
def test_limits_follow_the_unit_of_the_signal(k: float) -> None:
    signal = np.array([5.0, 3.0])
    reference = nf.upper_limit(*opened(counting(signal.tolist(), [50.0, 0.0], [52, 1])))
    scaled = nf.upper_limit(*opened(counting((k * signal).tolist(), [50.0, 0.0], [52, 1])))
    assert reference.status == scaled.status
    reference = nf.upper_limit(*opened(counting(signal.tolist(), [50.0, 2.0], [52, 1])))
    model, data = opened(counting((k * signal).tolist(), [50.0, 2.0], [52, 1]))
    scaled = nf.upper_limit(model, data)
    np.testing.assert_allclose(k * np.array(scaled.limits), reference.limits, rtol=1e-8)
    found = nf.significance(model, data, expected_at=2.0 / k)
    right = nf.significance(
        *opened(counting(signal.tolist(), [50.0, 2.0], [52, 1])), expected_at=2.0
    )
    np.testing.assert_allclose(
        [found.z, *found.expected_z], [right.z, *right.expected_z], rtol=1e-8
    )


def test_effect_is_judged_where_fits_end() -> None:
    """A factor that starts at 0 hides the signal at the initial values only."""
    channels = {
        "a": [
            sample("signal", [5.0], SIGNAL, {"name": "k", "type": "normfactor", "data": None}),
            sample("background", [50.0]),
        ],
        "b": [sample("control", [30.0], {"name": "k", "type": "normfactor", "data": None})],
    }
    document = workspace(channels, {"a": [53.0], "b": [31.0]})
    document["measurements"][0]["config"]["parameters"] = [
        {"name": "k", "inits": [0.0], "bounds": [[0.0, 10.0]]}
    ]
    limits = nf.upper_limit(*opened(document))
    assert limits.valid
    document["measurements"][0]["config"]["parameters"][0]["inits"] = [1.0]
    np.testing.assert_allclose(limits.limits, nf.upper_limit(*opened(document)).limits, rtol=1e-8)
    assert nf.hypotest(*opened(document), 1.0).status == "ok"


def test_limits_of_events_quadratic_in_the_parameter() -> None:
    """5 mu^2 events over 20: the curvature without signal, which is 0, says nothing."""
    signal = sample("signal", [5.0], SIGNAL, {**SIGNAL, "name": "mu_too"})
    model, data = squared(workspace({"c": [signal, sample("background", [20.0])]}, {"c": [20.0]}))
    limits = nf.upper_limit(model, data)
    linear = nf.upper_limit(*opened(counting([5.0], [20.0], [20.0])), fixed=["scale"])
    assert limits.valid
    np.testing.assert_allclose(np.array(limits.limits) ** 2, linear.limits, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::nablafit.FitWarning")
def test_significance_where_the_lower_minimum_is_negative() -> None:
    """An excess of mu^2 events is best described by a negative mu, so that q0 is 0.

    From the initial value mu = 1 a fit ends in the other minimum.
    """
    channels = {
        "a": [
            sample("square", [10.0], SIGNAL, {**SIGNAL, "name": "mu_too"}),
            sample("background", [50.0]),
        ],
        "b": [sample("interference", [-5.0], SIGNAL), sample("background", [100.0])],
    }
    document = workspace(channels, {"a": [90.0], "b": [110.0]})
    document["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[-10, 10]]}]
    model, data = squared(document)
    assert nf.significance(model, data, starts=0).q0 > 10
    found = nf.significance(model, data)
    assert found.poi_hat == pytest.approx(lowest(model, data, None, -10.0)["mu"].value, abs=1e-4)
    assert (found.q0, found.z) == (0.0, 0.0)


def test_results_of_earlier_versions_are_read(model: nf.Model, data: nf.Data) -> None:
    test, found = nf.hypotest(model, data, 1.0), nf.significance(model, data)
    for result in (test, found):
        document = result.to_dict()
        del document["notes"]
        assert type(result).from_dict(document) == result


def test_asimov_counts_too_small_to_be_used_are_zero() -> None:
    model, _ = opened(counting([1.0, 1.0], [5.0, 1e-200], [5.0, 0.0]))
    assert model.asimov({"mu": 0.0}).counts.tolist() == [5.0, 0.0]
    assert model.asimov({"mu": 1e-139}).counts.tolist() == [5.0, 1e-139]


def test_fits_that_fail_from_one_start_are_no_matter(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a start that ends in a higher minimum: the lowest counts, and the result says so."""
    right = nf.upper_limit(model, data)
    original = _profile._choose

    def higher(values: list[float], codes: list[int], positions: range) -> tuple[int, float]:
        first = list(values)
        if len(positions) > 1:
            first[positions[0]] += 3.0
        return original(first, codes, positions)

    monkeypatch.setattr(_profile, "_choose", higher)
    limits = nf.upper_limit(model, data)
    np.testing.assert_allclose(limits.limits, right.limits, rtol=1e-8)
    assert any("differ by up to 6 in -2 log L" in note for note in limits.notes)
