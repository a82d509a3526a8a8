"""Contours of the profile likelihood."""

import numpy as np
import pytest
from scipy.stats import chi2

import nablafit as nf
from locations import SHARED_DATA
from nablafit.infer import ContourResult
from profile_models import load, published

needs_data = pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="published workspaces are missing")


def two_bins(
    counts: tuple[float, float], bounds: tuple[float, float] = (-50.0, 500.0)
) -> tuple[nf.Model, nf.Data]:
    """Two channels with means mu and k: independent Poisson numbers."""
    channels = []
    for name, count in zip(("mu", "k"), counts, strict=True):
        modifiers = [{"name": name, "type": "normfactor", "data": None}]
        channels.append(
            (f"SR_{name}", [{"name": "s", "data": [1.0], "modifiers": modifiers}], [count])
        )
    return load(channels, {"mu": bounds, "k": bounds})


def deviance(points: np.ndarray, counts: tuple[float, float]) -> np.ndarray:
    total = np.zeros(len(points))
    for mean, n in zip(points.T, counts, strict=True):
        total += 2.0 * (mean - n + n * np.log(n / mean))
    return total


@pytest.mark.parametrize("counts", [(40.0, 90.0), (3.0, 5.0)])
def test_independent_poisson_numbers(counts: tuple[float, float]) -> None:
    model, data = two_bins(counts, (0.0, 500.0))
    result = nf.contour(model, data, ("mu", "k"), levels=(0.4, 0.68, 0.95))
    assert result.valid
    for contour, level in zip(result.contours, (0.4, 0.68, 0.95), strict=True):
        assert contour.twice_delta_nll == pytest.approx(chi2.ppf(level, 2))
        assert len(contour.points) >= 60
        np.testing.assert_allclose(
            deviance(contour.points, counts), contour.twice_delta_nll, rtol=1e-5
        )
        assert np.all(np.diff(contour.angles) > 0)


def test_points_lie_on_the_contour(model: nf.Model, data: nf.Data) -> None:
    result = nf.contour(model, data, ("mu", "scale"), levels=0.68, n_points=12)
    best = nf.fit(model, data)
    assert result.levels == (0.68,)
    for (mu, scale), status in zip(result[0].points, result[0].status, strict=True):
        single = nf.fit(model, data, fixed={"mu": mu, "scale": scale})
        rise = single.twice_nll - best.twice_nll
        if status == "found":
            assert rise == pytest.approx(result[0].twice_delta_nll, abs=1e-5)
        else:
            assert status == "at_bound"
            assert mu == 0.0
            assert rise < result[0].twice_delta_nll


def compare_with_mncontour(
    model: nf.Model, data: nf.Data, names: tuple[str, str], n_points: int
) -> None:
    """Every point of MINUIT is on our polygon, in units of the errors."""
    ours = nf.contour(model, data, names, levels=0.68, n_points=100)
    minuit = nf.fit(model, data, minimizer="minuit", tolerance=1e-2).minuit
    theirs = minuit.mncontour(*names, cl=0.68, size=n_points)
    scale = np.sqrt(np.diag(ours.covariance))
    polygon = (ours[0].points - ours.best) / scale
    ends = np.roll(polygon, -1, axis=0)
    for point in (theirs - ours.best) / scale:
        along = np.sum((point - polygon) * (ends - polygon), axis=1)
        part = np.clip(along / np.sum((ends - polygon) ** 2, axis=1), 0, 1)
        nearest = polygon + part[:, None] * (ends - polygon)
        assert np.min(np.hypot(*(nearest - point).T)) < 0.01


def test_small_model_agrees_with_mncontour(model: nf.Model, data: nf.Data) -> None:
    compare_with_mncontour(model, data, ("scale", "shape[0]"), 12)


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize(
    ("file", "names", "n_points"),
    [("sbottom_c.json", ("mu_ttbar", "mu_z"), 8), ("stau_combined.json", ("mu_W", "mu_QCD"), 4)],
)
def test_published_models_agree_with_mncontour(
    file: str, names: tuple[str, str], n_points: int
) -> None:
    compare_with_mncontour(*published(file), names, n_points)


def area(points: np.ndarray) -> float:
    x, y = points.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


@pytest.mark.parametrize("bound", [9.0, 9.9, 10.0])
def test_bounds_cut_the_region_off(bound: float) -> None:
    counts = (10.0, 12.0)
    model, data = two_bins(counts, (0.0, 500.0))
    bounds = {"mu": (bound, 500.0), "k": (0.0, 500.0)}
    result = nf.contour(model, data, ("mu", "k"), levels=0.68, bounds=bounds)
    contour = result[0]
    assert contour.closed
    assert "at_bound" in contour.status
    assert "cut the region off" in result.messages[0]
    assert np.all(contour.points[:, 0] >= bound)
    mu, k = np.meshgrid(np.linspace(bound, 25, 1000), np.linspace(1, 30, 1000), indexing="ij")
    inside = deviance(np.stack([mu.ravel(), k.ravel()], axis=1), counts) <= contour.twice_delta_nll
    cell = (25 - bound) * 29 / 1000**2
    assert area(contour.points) == pytest.approx(np.sum(inside) * cell, rel=0.01)


def test_a_best_fit_in_the_corner() -> None:
    model, data = two_bins((1.0, 1.0), (3.0, 50.0))
    contour = nf.contour(model, data, ("mu", "k"), levels=0.95)[0]
    assert contour.closed
    assert np.all(contour.points >= 3.0)
    found = np.array([status == "found" for status in contour.status])
    heights = deviance(contour.points, (1.0, 1.0)) - 4.0 * (3.0 - 1.0 + np.log(1.0 / 3.0))
    np.testing.assert_allclose(heights[found], contour.twice_delta_nll, rtol=1e-5)


def test_directions_without_limit_are_counted() -> None:
    factors = [{"name": name, "type": "normfactor", "data": None} for name in ("mu", "k")]
    samples = [{"name": "signal", "data": [5.0], "modifiers": factors[:1]}]
    free = [{"name": "nothing", "data": [0.0], "modifiers": factors[1:]}]
    model, data = load([("SR", samples + free, [6.0])], {"mu": (0.0, 20.0), "k": (0.0, 1e9)})
    result = nf.contour(model, data, ("mu", "k"), levels=0.68, bounds={"k": (None, None)})
    assert not result.valid
    assert not result[0].closed
    assert result[0].n_missing > 0
    assert "nothing limits the region" in " ".join(result.messages)


def test_threads_do_not_change_a_bit(model: nf.Model, data: nf.Data) -> None:
    one = nf.contour(model, data, ("mu", "scale"), n_points=20, n_threads=1)
    assert nf.contour(model, data, ("mu", "scale"), n_points=20, n_threads=3) == one
    assert ContourResult.from_json(one.to_json()) == one
    assert "95 %" in repr(one)
    assert "<table>" in one._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parameters": ("mu", "nu")}, "nu: unknown parameter"),
        ({"parameters": ("mu", "mu")}, "parameters: expected the names of two"),
        ({"parameters": "mu"}, "parameters: expected the names of two"),
        ({"parameters": None}, "parameters: expected the names of two"),
        ({"parameters": ("mu", "scale"), "fixed": "mu"}, "mu: is fixed"),
        ({"parameters": ("mu", "scale"), "levels": (0.5, 1.5)}, "level: expected a number between"),
        ({"parameters": ("mu", "scale"), "n_points": 3}, "n_points: expected at least 4"),
    ],
)
def test_misuse_raises(
    model: nf.Model, data: nf.Data, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(nf.ArgumentError, match=f"^{message}"):
        nf.contour(model, data, **arguments)


def test_interruption_keeps_what_is_done(model: nf.Model, data: nf.Data) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.contour(model, data, ("mu", "scale"), n_points=5000, n_threads=1, progress=stop)
    result = caught.value.result
    assert isinstance(result, ContourResult)
    assert not result.complete
    assert result[1].n_missing > 0
