"""Scans of the profile likelihood."""

import numpy as np
import pytest

import nablafit as nf
from locations import SHARED_DATA
from nablafit.infer import ScanResult
from profile_models import counting, published, turning

needs_data = pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="published workspaces are missing")


@pytest.fixture(scope="module")
def result(model: nf.Model, data: nf.Data) -> ScanResult:
    return nf.scan(model, data, "mu", np.linspace(0.0, 5.0, 11))


def test_one_poisson_bin_has_its_deviance() -> None:
    model, data = counting(7.0, 2.0, bounds=(0.0, 50.0))
    scan = nf.scan(model, data, n=15, range=(0.0, 20.0))
    mean = scan.values + 2.0
    np.testing.assert_allclose(
        scan.twice_delta_nll, 2.0 * (mean - 7.0 + 7.0 * np.log(7.0 / mean)), atol=1e-9
    )
    assert scan.best[0] == pytest.approx(5.0)
    assert scan.errors[0] == pytest.approx(np.sqrt(7.0))


def test_points_equal_single_fits(model: nf.Model, data: nf.Data, result: ScanResult) -> None:
    best = nf.fit(model, data)
    assert result.valid
    assert set(result.status) == {"converged"}
    for i, value in enumerate(result.values):
        single = nf.fit(model, data, fixed={"mu": value})
        assert result.twice_delta_nll[i] == pytest.approx(
            single.twice_nll - best.twice_nll, abs=1e-8
        )
        np.testing.assert_allclose(result.fitted[i], single.x, atol=1e-4)
    np.testing.assert_array_equal(result["mu"], result.values)


def test_default_range_is_three_errors_within_the_bounds(model: nf.Model, data: nf.Data) -> None:
    best = nf.fit(model, data)
    scan = nf.scan(model, data)
    assert scan.parameters == ("mu",)
    assert len(scan) == 41
    mu = best["mu"]
    assert scan.values[0] == pytest.approx(max(0.0, mu.value - 3 * mu.error))
    assert scan.values[-1] == pytest.approx(mu.value + 3 * mu.error)


def test_two_dimensions(model: nf.Model, data: nf.Data) -> None:
    scan = nf.scan(model, data, ("mu", "scale"), n=(4, 3), range=((0, 3), (-1, 1)), keep=["lumi"])
    assert scan.twice_delta_nll.shape == (4, 3)
    assert scan["lumi"].shape == (4, 3)
    best = nf.fit(model, data)
    for i, j in ((0, 0), (1, 2), (3, 1)):
        point = {"mu": scan.axes[0][i], "scale": scan.axes[1][j]}
        single = nf.fit(model, data, fixed=point)
        expected = single.twice_nll - best.twice_nll
        assert scan.twice_delta_nll[i, j] == pytest.approx(expected, abs=1e-8)
        assert scan["lumi"][i, j] == pytest.approx(single["lumi"].value, abs=1e-5)
    assert ScanResult.from_json(scan.to_json()) == scan
    assert "Scan of the profile likelihood in mu and scale: 12 points" in repr(scan)


def test_threads_do_not_change_a_bit(model: nf.Model, data: nf.Data, result: ScanResult) -> None:
    for n_threads in (1, 2, 5):
        assert nf.scan(model, data, "mu", result.values, n_threads=n_threads) == result


def test_a_scan_follows_the_lower_branch() -> None:
    """Fits that start from a bad prediction end in the wrong minimum; neighbours repair them."""
    model, data = turning(60.0, (0.0, 10.0))
    values = np.linspace(0.0, 7.0, 29)
    best = nf.fit(model, data, fixed={"mu": 0.5}, starts=20)
    start = nf.fit(model, data, initial={"mu": 0.5, "alpha": best["alpha"].value})
    scan = nf.scan(model, data, "mu", values, result=start)
    for value, height in zip(values, scan.twice_delta_nll, strict=True):
        lowest = min(
            nf.fit(model, data, initial={"alpha": alpha}, fixed={"mu": value}).twice_nll
            for alpha in (-1.0, -0.1, 0.0, 0.5, 1.0)
        )
        assert height == pytest.approx(lowest - start.twice_nll, abs=1e-6), value


def test_where_the_likelihood_is_zero_the_scan_is_infinite() -> None:
    model, data = counting(4.0, 3.0, bounds=(-10.0, 20.0))
    scan = nf.scan(model, data, "mu", [-5.0, -3.0, -2.0, 1.0])
    assert scan.status[:2] == ("forbidden_start", "forbidden_start")
    assert np.isinf(scan.twice_delta_nll[:2]).all()
    assert np.isfinite(scan.twice_delta_nll[2:]).all()
    assert scan.valid
    assert ScanResult.from_json(scan.to_json()) == scan


def test_a_result_brings_bounds_and_fixed_parameters(model: nf.Model, data: nf.Data) -> None:
    best = nf.fit(model, data, bounds={"mu": (0.5, 2.0)}, fixed=["scale"])
    scan = nf.scan(model, data, "mu", result=best)
    assert (scan.values[0], scan.values[-1]) == (0.5, 2.0)
    assert scan == nf.scan(model, data, "mu", bounds={"mu": (0.5, 2.0)}, fixed=["scale"])
    assert np.all(scan["scale"] == best["scale"].value)
    with pytest.raises(nf.ArgumentError, match=r"^scale: is fixed"):
        nf.scan(model, data, "scale", result=best)


@needs_data
def test_the_second_minimum_of_a_published_model_is_met() -> None:
    model, data = published("stau_combined.json")
    name = "TopSystHardCodeSR1"
    best = nf.fit(model, data)
    with pytest.warns(nf.FitWarning, match=name):
        scan = nf.scan(model, data, name, n=31, range=(-2, 2), result=best)
    assert scan.new_minimum is not None
    assert scan.new_minimum.differs_in["TopSystHardCodeSR1"] == pytest.approx(1.175, abs=0.01)
    # The numbers: lowest and best minimum known, reference_pyhf.json.
    assert scan.new_minimum.twice_delta_nll == pytest.approx(216.9929996 - 217.0793191, abs=1e-4)
    assert np.min(scan.twice_delta_nll) < -0.05
    with pytest.warns(nf.FitWarning, match=f"best fit is .* where the first start led at {name}"):
        lower = nf.scan(model, data, name, n=31, range=(-2, 2))
    assert lower.new_minimum is None
    assert np.min(lower.twice_delta_nll) > 0.0
    np.testing.assert_allclose(
        lower.twice_nll + lower.twice_delta_nll, scan.twice_nll + scan.twice_delta_nll, atol=1e-4
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": "nu"}, "nu: unknown parameter"),
        ({"parameters": ("mu", "mu")}, "parameters: expected one name or two"),
        ({"parameters": ("mu", "scale", "lumi")}, "parameters: expected one name or two"),
        ({"values": [-1.0, 2.0]}, "mu: the value -1 is outside"),
        ({"values": [np.nan]}, "mu: the value nan is outside"),
        ({"values": []}, "mu: expected at least one value"),
        ({"values": [1.0], "n": 3}, "values: expected either"),
        ({"n": 0}, "n: expected a number from 1"),
        ({"range": (1, 2, 3)}, "range: expected a pair"),
        ({"parameters": ("mu", "scale"), "range": (1, 2, 3)}, "range: expected a pair"),
        ({"keep": ["nu"]}, "nu: unknown parameter"),
    ],
)
def test_misuse_raises(
    model: nf.Model, data: nf.Data, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(nf.ArgumentError, match=f"^{message}"):
        nf.scan(model, data, **arguments)


def test_interruption_keeps_what_is_done(model: nf.Model, data: nf.Data) -> None:
    def stop(n_done: int) -> None:
        if n_done:
            raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.scan(model, data, "mu", n=20000, n_threads=1, progress=stop)
    result = caught.value.result
    assert isinstance(result, ScanResult)
    assert not result.complete
    assert result.status.count("not_fitted") == np.sum(np.isnan(result.twice_delta_nll))
    assert 0 < result.status.count("converged") < 20000


def test_result_is_readable(result: ScanResult) -> None:
    lines = repr(result).splitlines()
    assert lines[0] == "Scan of the profile likelihood in mu: 11 points"
    assert len(lines) == 4 + 2 + 11
    assert "<table>" in result._repr_html_()
    assert ScanResult.from_json(result.to_json()) == result
    with pytest.raises(ValueError, match="read-only"):
        result.axes[0][0] = 1.0
