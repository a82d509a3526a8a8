"""Upper limits: pyhf's p-values at our limits, grids, ranges, failures, toys, coverage."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from scipy import stats

import nablafit as nf
from inference_models import (
    counting,
    opened,
    precise_pyhf,
    pyhf_model,
    pyhf_test,
    spoil_fits,
    with_signal,
)
from locations import SHARED_DATA
from nablafit.infer import LimitResult

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, by pyhf

SBOTTOM_C = SHARED_DATA / "pyhf" / "sbottom_c.json"


def check_with_pyhf(
    document: dict[str, Any],
    limits: LimitResult,
    curves: Sequence[int] = (0,),
    *,
    test_stat: str = "qtilde",
    bounds: tuple[float, float] | None = None,
) -> None:
    """At each limit (0: observed), the p-value that it is the limit of must be 1 - level."""
    assert limits.status == "ok"
    for i in curves:
        found = pyhf_test(document, limits.limits[i], test_stat=test_stat, bounds=bounds)
        assert found[2 + i] == pytest.approx(1 - limits.level, rel=1e-5)


@pytest.mark.slow
def test_p_values_of_pyhf_at_the_limits(
    document: dict[str, Any], model: nf.Model, data: nf.Data
) -> None:
    limits = nf.upper_limit(model, data)
    assert set(limits.curve_status) == {"converged"}
    assert np.all(np.diff(limits.expected) > 0)
    check_with_pyhf(document, limits, range(6))
    check_with_pyhf(document, nf.upper_limit(model, data, level=0.9), (0, 3))


def test_values_for_a_plot_reach_beyond_the_limits(model: nf.Model, data: nf.Data) -> None:
    few, many = nf.upper_limit(model, data), nf.upper_limit(model, data, n_curve=12)
    np.testing.assert_allclose(many.limits, few.limits, rtol=1e-6)
    assert len(few.values) < 12 < len(many.values)
    assert many.values[0] < 0.1 * many.values[-1]
    assert many.values[-1] > max(many.limits)
    assert max(many.cls_observed[-1], many.cls_expected[-1, 2]) < 0.02
    for options in ({"n_curve": -1}, {"n_curve": 3, "values": [1.0, 2.0]}):
        with pytest.raises(nf.ArgumentError, match="n_curve"):
            nf.upper_limit(model, data, **options)


def test_limits_of_an_underfluctuation(document: dict[str, Any]) -> None:
    document["observations"][0]["data"] = [36.0, 17.0]
    model, data = opened(document)
    limits = nf.upper_limit(model, data)
    assert limits.poi_hat == 0.0
    assert limits.observed < limits.expected[1]
    check_with_pyhf(document, limits)
    limits = nf.upper_limit(model, data, statistic="q", bounds={"mu": (-10.0, 10.0)})
    assert limits.poi_hat < -0.5
    check_with_pyhf(document, limits, test_stat="q", bounds=(-10.0, 10.0))


def test_p_values_at_the_tested_points(model: nf.Model, data: nf.Data) -> None:
    limits = nf.upper_limit(model, data)
    assert len(limits.values) == len(set(limits.values.tolist()))
    for i in (0, len(limits.values) // 2, -1):
        test = nf.hypotest(model, data, limits.values[i])
        assert limits.cls_observed[i] == pytest.approx(test.cls, rel=1e-6)
        np.testing.assert_allclose(limits.cls_expected[i], test.expected_cls, rtol=1e-6)
        assert limits.q_asimov[i] == pytest.approx(test.q_asimov, rel=1e-6)
    assert len(limits.values) < 25
    assert nf.upper_limit(model, data, starts=0).n_fits < 60


@pytest.mark.slow
def test_linear_grid_is_that_of_pyhf(
    document: dict[str, Any], model: nf.Model, data: nf.Data
) -> None:
    grid = np.array([0.5, 1.5, 3.5])
    limits = nf.upper_limit(model, data, values=grid[::-1], interpolation="linear")
    with precise_pyhf():
        theirs, observed = pyhf_model(document)
        expected = pyhf.infer.intervals.upper_limits.linear_grid_scan(observed, theirs, grid)
    np.testing.assert_allclose(limits.limits, [float(expected[0]), *expected[1]], rtol=1e-5)
    assert limits.method == "linear"
    assert set(limits.curve_status) == {"interpolated"}


def test_logarithmic_grid_is_close_to_the_search(model: nf.Model, data: nf.Data) -> None:
    grid = nf.upper_limit(model, data, values=np.linspace(0.5, 3.5, 13))
    search = nf.upper_limit(model, data)
    np.testing.assert_allclose(grid.limits, search.limits, rtol=5e-3)


def test_grid_that_is_too_small(model: nf.Model, data: nf.Data) -> None:
    limits = nf.upper_limit(model, data, values=[0.2, 0.5, 1.2])
    assert limits.status == "incomplete"
    assert limits.curve_status[0] == "outside_grid"
    assert math.isnan(limits.observed)
    assert np.isfinite(limits.expected[:2]).all()
    assert "Values above 1.2 have to be tested" in limits.message
    low = nf.upper_limit(model, data, values=[5.0, 6.0])
    assert low.status == "failed"
    assert "Values below 5 have to be tested" in low.message


def test_limits_beyond_the_bounds(document: dict[str, Any]) -> None:
    """A weak signal: the model's range ends at 10, its limits are at about 100."""
    document["channels"][0]["samples"][0]["data"] = [0.03, 0.08]
    weak = nf.upper_limit(*opened(document))
    assert weak.status == "ok"
    assert weak.observed > 50
    assert any("above the upper bound 10 of mu" in note for note in weak.notes)
    document["channels"][0]["samples"][0]["data"] = [3.0, 8.0]
    strong = nf.upper_limit(*opened(document))
    assert weak.observed == pytest.approx(100 * strong.observed, rel=1e-6)
    assert strong.notes == ()


def test_best_fit_beyond_the_bounds() -> None:
    narrow = counting([5.0, 3.0], [50.0, 20.0], [140.0, 70.0])
    limits = nf.upper_limit(*opened(narrow))
    assert limits.poi_hat > 10
    assert limits.observed > limits.poi_hat
    assert any("not below its upper bound 10" in note for note in limits.notes)
    narrow["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0, 100]]}]
    wide = nf.upper_limit(*opened(narrow))
    np.testing.assert_allclose(limits.limits, wide.limits, rtol=1e-7)
    check_with_pyhf(narrow, wide)


def test_criterion_clsb(model: nf.Model, data: nf.Data) -> None:
    limits = nf.upper_limit(model, data, criterion="CLs+b")
    test = nf.hypotest(model, data, limits.observed)
    assert test.clsb == pytest.approx(0.05, rel=1e-6)
    median = nf.hypotest(model, data, limits.expected[2])
    assert median.expected_clsb[2] == pytest.approx(0.05, rel=1e-6)
    assert limits.curve_status[1] == "below_zero"
    assert limits.expected[0] == 0.0
    assert any("excludes every value" in note for note in limits.notes)


def test_low_levels(model: nf.Model, data: nf.Data) -> None:
    """Limits below the best fit, where CLs is at least one half."""
    limits = nf.upper_limit(model, data, level=0.3)
    assert limits.status == "ok"
    assert limits.observed < limits.poi_hat
    assert nf.hypotest(model, data, limits.observed).cls == pytest.approx(0.7, rel=1e-6)


@pytest.mark.parametrize(
    ("background", "observed"),
    [([50.0, 0.0], [52.0, 0.0]), ([1.0, 2.0], [0.0, 0.0]), ([0.0, 0.0], [0.0, 0.0])],
)
def test_few_events(background: list[float], observed: list[float]) -> None:
    """Bins that expect nothing, and data far from quadratic."""
    document = counting([5.0, 3.0], background, observed)
    if sum(background) == 0:
        del document["channels"][0]["samples"][1]
    limits = nf.upper_limit(*opened(document))
    assert limits.status == "ok"
    test = nf.hypotest(*opened(document), limits.observed)
    assert test.cls == pytest.approx(0.05, rel=1e-6)
    if sum(background) == 0:  # q = q_A = 2 * 8 mu
        z = stats.norm.isf(0.05 / 2)
        assert limits.observed == pytest.approx(z**2 / 16, rel=1e-7)
        assert limits.expected[2] == pytest.approx(z**2 / 16, rel=1e-7)


def test_parameter_without_effect() -> None:
    limits = nf.upper_limit(*opened(counting([0.0, 0.0], [50.0, 10.0], [52.0, 9.0])))
    assert limits.status == "no_effect"
    assert limits.limits == (math.inf,) * 6
    assert "mu changes no expected yield" in limits.message


def test_signal_that_is_bounded() -> None:
    """Events that grow less and less with the parameter exclude nothing."""
    document = counting([5.0], [50.0], [50.0])
    document["channels"][0]["samples"][0]["modifiers"] = []
    tail = {"name": "mu", "type": "normsys", "data": {"lo": 2.0, "hi": 0.5}}
    document["channels"][0]["samples"][0]["modifiers"].append(tail)
    model, data = opened(document)
    unconstrained = nf.spec.Parameter("mu", initial=0.0, lower=-5.0, upper=5.0)
    parameters = [unconstrained if p.name == "mu" else p for p in model.spec.parameters]
    free = nf.Model(model.spec.replace(parameters=parameters))
    limits = nf.upper_limit(free, nf.Data(data.counts, data.global_observables[:1]))
    assert limits.status == "failed"
    assert set(limits.curve_status) == {"not_reached"}
    assert limits.limits == (math.inf,) * 6
    assert "CLs stays above 0.05 up to mu = " in limits.message
    assert limits.values[-1] > 1e10


def test_impossible_background() -> None:
    limits = nf.upper_limit(*opened(counting([5.0, 3.0], [50.0, 0.0], [52.0, 1.0])))
    assert limits.status == "failed"
    assert set(limits.curve_status) == {"fit_failed"}
    assert "The fit with mu = 0 failed" in limits.message
    assert 0 < limits.poi_hat < 1


def test_failed_points_cost_no_others(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = np.linspace(0.5, 3.5, 13)
    expected = nf.upper_limit(model, data, values=grid)
    spoil_fits(monkeypatch, lambda mu: mu == grid[5])
    limits = nf.upper_limit(model, data, values=grid)
    assert limits.status == "ok"
    assert limits.point_status[5] == "stalled"
    assert limits.point_status.count("ok") == 12
    assert "fits failed at 1 of 13 tested values" in limits.notes[0]
    np.testing.assert_allclose(limits.limits, expected.limits, rtol=2e-2)


def test_search_around_failed_points(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = nf.upper_limit(model, data)
    guess = expected.values[-1]
    spoil_fits(monkeypatch, lambda mu: mu == guess)
    limits = nf.upper_limit(model, data)
    assert limits.status == "ok"
    np.testing.assert_allclose(limits.limits, expected.limits, rtol=1e-6)


def test_search_where_everything_fails_beyond(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_fits(monkeypatch, lambda mu: mu > 1.8)
    limits = nf.upper_limit(model, data)
    assert limits.status == "incomplete"
    assert limits.curve_status[:4] == ("fit_failed", *["converged"] * 3)
    assert np.isfinite(limits.expected[:3]).all()
    assert math.isnan(limits.observed)
    assert "see `point_status`" in limits.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.0}, "level: expected a number between 0 and 1"),
        ({"statistic": "t"}, "statistic: expected one of qtilde, q"),
        ({"criterion": "CLb"}, "criterion: expected one of CLs,"),
        ({"calculator": "x"}, "calculator: expected one of asymptotic, toys"),
        ({"interpolation": "cubic"}, "interpolation: expected one of log, linear"),
        ({"tolerance": 0.0}, "tolerance: expected a number between"),
        ({"values": [1.0]}, "values: expected at least two"),
        ({"values": [-1.0, 1.0]}, "values: expected at least two"),
        ({"poi": "nu"}, "nu"),
        ({"calculator": "toys", "n_toys": -1}, "n_toys: expected"),
    ],
)
def test_misuse(model: nf.Model, data: nf.Data, options: dict[str, Any], message: str) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        nf.upper_limit(model, data, **options)


def test_results_do_not_depend_on_threads(model: nf.Model, data: nf.Data) -> None:
    assert nf.upper_limit(model, data, n_threads=1) == nf.upper_limit(model, data, n_threads=2)


def test_results_are_readable_and_saved(model: nf.Model, data: nf.Data, tmp_path: Path) -> None:
    limits = nf.upper_limit(model, data, values=[0.2, 0.5, 1.2])
    limits.save(tmp_path / "limits.json")
    assert nf.load_result(tmp_path / "limits.json") == limits
    text = repr(limits)
    assert "95 % CLs upper limit on mu with qtilde, asymptotic: INCOMPLETE" in text
    assert "outside_grid" in text
    assert "<table>" in limits._repr_html_()


# --- toys ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_toys_agree_with_asymptotics(model: nf.Model, data: nf.Data) -> None:
    toys = nf.upper_limit(model, data, calculator="toys", n_toys=1500)
    asymptotic = nf.upper_limit(model, data)
    assert toys.status == "ok"
    assert abs(toys.observed - asymptotic.observed) < 4 * toys.observed_error + 0.05
    assert np.all(np.abs(toys.expected - asymptotic.expected) < 4 * toys.expected_error + 0.1)
    assert len(toys.toys) == 2 * len(toys.values)
    test = nf.hypotest(model, data, toys.values[3], calculator="toys", n_toys=1500)
    assert toys.cls_observed[3] == pytest.approx(test.cls, abs=2e-3)
    np.testing.assert_allclose(toys.toys[6].values, test.toys[0].values, atol=1e-3)


def test_toys_beyond_the_bounds(document: dict[str, Any]) -> None:
    """Estimates of toys must not stop at the model's bound where values beyond are tested."""
    document["channels"][0]["samples"][0]["data"] = [0.3, 0.8]
    grid = np.array([10.0, 20.0, 27.0, 34.0])
    model, data = opened(document)
    toys = nf.upper_limit(model, data, calculator="toys", n_toys=600, values=grid)
    assert toys.bounds[1] == math.inf
    assert np.nanmax(toys.toys[-2].poi_hat) > 34
    asymptotic = nf.upper_limit(model, data)
    assert abs(toys.observed - asymptotic.observed) < 4 * toys.observed_error + 0.5


def test_shards_merge_to_the_same_bits(model: nf.Model, data: nf.Data) -> None:
    def run(n: int, start: int) -> LimitResult:
        grid = [0.5, 1.5, 2.5, 3.5]
        return nf.upper_limit(model, data, calculator="toys", n_toys=n, start=start, values=grid)

    assert LimitResult.merge([run(70, 30), run(30, 0)]) == run(100, 0)
    with pytest.raises(nf.ArgumentError, match="starts at toy 30, got 40"):
        LimitResult.merge([run(30, 0), run(10, 40)])
    with pytest.raises(nf.ArgumentError, match="has 0 sets of toys"):
        LimitResult.merge([nf.upper_limit(model, data)])


def test_interrupted_toys_give_limits(model: nf.Model, data: nf.Data) -> None:
    def stop(n_done: int) -> None:
        if n_done > 2000:
            raise KeyboardInterrupt

    grid = np.linspace(0.5, 3.5, 4)
    with pytest.raises(nf.Interrupted) as caught:
        nf.upper_limit(model, data, calculator="toys", n_toys=10**9, values=grid, progress=stop)
    limits = caught.value.result
    assert isinstance(limits, LimitResult)
    assert limits.status == "interrupted"
    assert np.isfinite(limits.observed)
    assert len({len(toys) for toys in limits.toys}) == 1


@pytest.mark.slow
def test_limits_cover(document: dict[str, Any]) -> None:
    """CLs limits cover at least as often as their level says, in data with a signal."""
    model, _ = opened(document)
    truth = {**dict(zip(model.parameters, model.initial, strict=True)), "mu": 2.5}
    drawn = nf.toys(model, truth, 100, seed=11)
    limits = [nf.upper_limit(model, toy, n_threads=1) for toy in drawn]
    assert all(limit.status == "ok" for limit in limits)
    covered = sum(limit.observed > 2.5 for limit in limits)
    assert stats.binom.cdf(covered, 100, 0.95) > 1e-3


# --- a published model ---------------------------------------------------------------------------


@pytest.mark.skipif(not SBOTTOM_C.exists(), reason="needs the published workspaces")
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            1.0,
            [
                *(0.4515333582899244, 0.780278642556472, 0.5786821959018891),
                *(0.08335153924660967, 0.18310966377845356, 0.37082831873284494),
                *(0.6440198243737832, 0.8855840690700267),
            ],
        ),
        (
            3.0,
            [
                *(0.055352631325923364, 0.7784619607372881, 0.07110512024697829),
                *(0.0002831964020279793, 0.0024382685489783692, 0.01817466498359086),
                *(0.10292163771371846, 0.36701048398500313),
            ],
        ),
    ],
)
def test_published_model(value: float, expected: list[float]) -> None:
    """CLs+b, CLb, CLs and expected CLs of pyhf 0.7.6 with iminuit 2.33.0, tolerance 1e-6."""
    model, data = opened(with_signal(SBOTTOM_C))
    test = nf.hypotest(model, data, value)
    ours = [test.clsb, test.clb, test.cls, *test.expected_cls]
    np.testing.assert_allclose(ours, expected, rtol=2e-6)
    limits = nf.upper_limit(model, data)
    assert limits.status == "ok"
    assert nf.hypotest(model, data, limits.observed).cls == pytest.approx(0.05, rel=1e-6)
    median = nf.hypotest(model, data, limits.expected[2])
    assert median.expected_cls[2] == pytest.approx(0.05, rel=1e-6)
