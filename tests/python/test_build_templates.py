"""Operations on templates: smoothing, symmetrisation, pruning by size, rebinning."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

import nablafit as nf
from nablafit import spec as sp
from nablafit.build import ModelBuilder

NOMINAL = np.array([20.0, 40.0, 60.0, 50.0, 30.0, 20.0, 10.0, 5.0])
ROUGH = np.array([22.0, 41.0, 66.0, 49.0, 33.0, 18.0, 11.5, 4.0])


def model_of(*variations: tuple[str, Any, Any], nominal: ArrayLike = NOMINAL) -> nf.ModelSpec:
    """A signal and a background with variations: yields, or factors of a norm_sys."""
    builder = ModelBuilder(poi="mu")
    channel = builder.channel("SR", edges=np.arange(np.size(nominal) + 1.0))
    channel.sample("signal", nominal).norm_factor("mu")
    background = channel.sample("background", nominal)
    for name, low, high in variations:
        add = background.norm_sys if np.ndim(low) == 0 else background.histo_sys
        add(name, low, high)
    return builder.build()


def variations_of(spec: nf.ModelSpec) -> dict[tuple[str, str], Any]:
    return {(m.name, m.type): m for m in spec.channels[0].samples[1].modifiers}


# --- smoothing ------------------------------------------------------------------------------------


def test_353qh_twice_has_the_numbers_of_cabinetry() -> None:
    """cabinetry 0.6.0, smooth_353qh_twice of the ratio, times nominal, at the same sum."""
    expected = [
        21.5666817019997,
        43.1333634039994,
        64.7000451059991,
        52.99766952337995,
        30.36490753270185,
        19.042399639152006,
        8.773718237858967,
        3.9212148549090364,
    ]
    spec, changes = nf.build.smooth(model_of(("jes", ROUGH, NOMINAL)))
    smooth = variations_of(spec)["jes", "histosys"]
    np.testing.assert_allclose(smooth.low, expected, rtol=1e-14)
    np.testing.assert_array_equal(smooth.high, NOMINAL)
    assert [change.action for change in changes.changes] == ["smoothed"]
    assert nf.build.smooth(spec, modifiers="jes")[1].n_considered == 1


@pytest.mark.parametrize("method", ["353QH twice", "gaussian"])
def test_smoothing_keeps_sums_and_flat_ratios(method: str) -> None:
    holes = np.where(np.arange(8) == 3, 0.0, NOMINAL)
    filled = np.where(np.arange(8) == 3, 2.0, ROUGH)
    spec, _ = nf.build.smooth(
        model_of(("rough", filled, ROUGH), ("flat", 0.9 * holes, 1.1 * holes), nominal=holes),
        method,
    )
    rough, flat = (variations_of(spec)[name, "histosys"] for name in ("rough", "flat"))
    assert rough.low.sum() == pytest.approx(filled.sum())
    assert rough.low[3] == 2.0
    np.testing.assert_allclose(flat.low, 0.9 * holes, rtol=1e-14)
    rng = np.random.default_rng(2)
    noise = NOMINAL * (1.0 + 0.1 * rng.normal(size=8))
    smooth = variations_of(nf.build.smooth(model_of(("x", noise, noise)), method)[0])[
        "x", "histosys"
    ]
    assert np.std(np.diff(smooth.low / NOMINAL)) < np.std(np.diff(noise / NOMINAL))


def test_two_bins_are_not_smoothed() -> None:
    spec = model_of(("x", [1.0, 3.0], [2.0, 3.0]), nominal=[2.0, 2.0])
    smooth, changes = nf.build.smooth(spec)
    assert smooth == spec
    assert len(changes) == 0


# --- symmetrisation -------------------------------------------------------------------------------

METHODS = {
    "mean": ([8.0, 19.0], [12.0, 21.0]),
    "absolute mean": ([8.0, 17.0], [12.0, 23.0]),
    "maximum": ([7.0, 16.0], [13.0, 24.0]),
}


@pytest.mark.parametrize("method", METHODS)
def test_symmetrised_variations(method: str) -> None:
    spec = model_of(("x", [9.0, 22.0], [13.0, 24.0]), ("n", 0.9, 1.3), nominal=[10.0, 20.0])
    result, changes = nf.build.symmetrise(spec, method)
    found = variations_of(result)
    low, high = METHODS[method]
    np.testing.assert_allclose(found["x", "histosys"].low, low)
    np.testing.assert_allclose(found["x", "histosys"].high, high)
    half = 0.3 if method == "maximum" else 0.2
    assert (found["n", "normsys"].low, found["n", "normsys"].high) == pytest.approx(
        (1.0 - half, 1.0 + half)
    )
    assert len(changes) == 2
    builder = ModelBuilder()
    sample = builder.channel("SR").sample("a", [10.0, 20.0])
    sample.histo_sys("x", [9.0, 22.0], [13.0, 24.0], symmetrise=method)
    np.testing.assert_allclose(builder.build().channels[0].samples[0].modifiers[0].high, high)


def test_bins_keep_their_relative_signs() -> None:
    """Where the sides differ in size, and where both are on the same side of nominal."""
    low, high = [6.0, 24.0, 9.0], [12.0, 18.0, 8.0]
    spec = model_of(("x", low, high), nominal=[10.0, 20.0, 10.0])
    for method, deviation in (("maximum", [4.0, -4.0, -2.0]), ("absolute mean", [3.0, -3.0, -1.5])):
        found = variations_of(nf.build.symmetrise(spec, method)[0])["x", "histosys"]
        np.testing.assert_allclose(found.high, np.array([10.0, 20.0, 10.0]) + deviation)


def test_one_sided_variations_are_mirrored_and_others_stay() -> None:
    nominal = [10.0, 20.0]
    spec = model_of(
        ("up", nominal, [12.0, 21.0]),
        ("down", [9.0, 20.5], nominal),
        ("both", [9.0, 19.0], [12.0, 21.0]),
        ("n", 1.0, 1.2),
        ("large", 1.0, 2.5),
        nominal=nominal,
    )
    result, changes = nf.build.symmetrise(spec, "one-sided")
    found = variations_of(result)
    np.testing.assert_allclose(found["up", "histosys"].low, [8.0, 19.0])
    np.testing.assert_allclose(found["down", "histosys"].high, [11.0, 19.5])
    assert found["both", "histosys"] == variations_of(spec)["both", "histosys"]
    assert found["n", "normsys"].low == pytest.approx(0.8)
    assert found["large", "normsys"].low == 1.0
    assert [change.modifier for change in changes.changes] == ["up", "down", "n"]


# --- pruning --------------------------------------------------------------------------------------


def test_pruning_tells_normalisation_from_shape() -> None:
    nominal = np.array([100.0, 100.0])
    spec = model_of(
        ("tiny", nominal * 0.999, nominal * 1.001),
        ("norm", nominal * 0.9, nominal * 1.1),
        ("shape", [95.0, 105.1], [105.0, 95.1]),
        ("both", [80.0, 110.0], [110.0, 80.0]),
        ("small", 0.999, 1.002),
        ("large", 0.9, 1.1),
        nominal=nominal,
    )
    result, changes = nf.build.prune(spec, normalisation=0.005, shape=0.005)
    found = variations_of(result)
    assert set(found) == {
        ("norm", "normsys"),
        ("shape", "histosys"),
        ("both", "histosys"),
        ("large", "normsys"),
    }
    assert (found["norm", "normsys"].low, found["norm", "normsys"].high) == (0.9, 1.1)
    assert found["shape", "histosys"].low.sum() == pytest.approx(200.0)
    assert {p.name for p in result.parameters} == {"mu", "norm", "shape", "both", "large"}
    actions = {change.modifier: change.action for change in changes.changes}
    assert actions == {
        "tiny": "removed",
        "norm": "shape removed",
        "shape": "normalisation removed",
        "small": "removed",
    }
    assert changes.changes[0].normalisation == pytest.approx(0.001)
    assert changes.n_considered == 6
    assert "prune (normalisation < 0.005, shape < 0.005): 4 of 6" in repr(changes)
    assert nf.build.TemplateChanges.from_json(changes.to_json()) == changes


def test_pruned_shape_of_a_separated_variation_leaves_its_normalisation() -> None:
    builder = ModelBuilder()
    sample = builder.channel("SR").sample("a", [100.0, 50.0])
    sample.histo_sys("x", [90.0, 45.01], [110.0, 55.01], separate_normalisation=True)
    result, _ = nf.build.prune(builder.build(), shape=0.01)
    assert [m.type for m in result.channels[0].samples[0].modifiers] == ["normsys"]
    result, _ = nf.build.prune(builder.build(), normalisation=0.5)
    assert [m.type for m in result.channels[0].samples[0].modifiers] == ["histosys"]


# --- rebinning ------------------------------------------------------------------------------------


def many_bins(group: int) -> nf.ModelSpec:
    """A model of 6 bins, filled with `group` of them in one."""

    def merged(values: ArrayLike) -> NDArray[np.float64]:
        return np.add.reduceat(np.asarray(values, dtype=float), np.arange(0, 6, group))

    def errors(values: ArrayLike) -> NDArray[np.float64]:
        return np.sqrt(merged(np.square(values)))

    builder = ModelBuilder(poi="mu")
    edges = np.arange(0.0, 61.0, 10.0 * group)
    channel = builder.channel("SR", merged([11, 9, 7, 8, 4, 2]), edges=edges)
    signal = channel.sample("signal", merged([1, 2, 3, 3, 2, 1]), uncertainties=errors([0.1] * 6))
    signal.norm_factor("mu")
    top = channel.sample(
        "top", merged([9, 7, 6, 5, 3, 0]), uncertainties=errors([1, 1, 1, 1, 1, 0])
    )
    top.histo_sys("jes", merged([8, 6, 6, 5, 3, 0]), merged([10, 7.5, 6, 5, 4, 0]))
    top.norm_sys("xsec", 0.9, 1.1).shape_sys("fakes", errors([2, 1, 1, 1, 0, 0]))
    channel.sample("Z", merged([1, 1, 1, 1, 1, 1])).shape_factor("free")
    other = builder.channel("CR", [20.0])
    other.sample("top", [21.0], uncertainties=[1.0]).norm_sys("xsec", 0.8, 1.2)
    return builder.build()


def test_a_rebinned_model_is_that_of_rebinned_histograms() -> None:
    rebinned = nf.build.rebin(many_bins(1), "SR", [0, 20, 40, 60])
    expected = many_bins(2)
    assert {p.name for p in rebinned.parameters} == {p.name for p in expected.parameters}
    ours, theirs = nf.Model(rebinned), nf.Model(expected)
    rng = np.random.default_rng(5)
    for _ in range(5):
        x = {p: start + 0.1 * rng.random() for p, start in zip(ours.parameters, ours.initial)}  # noqa: B905
        counts = {"SR": [20, 15, 6], "CR": [20]}
        found = ours.likelihood(ours.data(counts)).logpdf(x)
        assert found == pytest.approx(theirs.likelihood(theirs.data(counts)).logpdf(x), rel=1e-12)
    np.testing.assert_array_equal(rebinned.channels[0].axes[0].edges, [0, 20, 40, 60])


def test_data_are_rebinned_with_the_model() -> None:
    spec = many_bins(1)
    counts = [sp.ChannelCounts("SR", [11, 9, 7, 8, 4, 2]), sp.ChannelCounts("CR", [20])]
    data = sp.Observations("observed", counts)
    rebinned = nf.build.rebin_observations(data, spec, "SR", [0, 30, 60])
    np.testing.assert_array_equal(rebinned.channels[0].counts, [27, 14])
    np.testing.assert_array_equal(rebinned.channels[1].counts, [20])
    stated = data.replace(global_observables=[sp.GlobalObservable("staterror_SR[5]", 1.1)])
    with pytest.raises(nf.SpecError, match="global observable of a bin that merges"):
        nf.build.rebin_observations(stated, spec, "SR", [0, 30, 60])


def test_bins_that_cannot_merge() -> None:
    spec = many_bins(1)
    edges = [0, 30, 60]
    unknown = spec.channels[0].samples[0]
    modifiers = [
        m.replace(uncertainties=()) if m.type == "staterror" else m for m in unknown.modifiers
    ]
    channel = spec.channels[0]
    lost = channel.replace(samples=[unknown.replace(modifiers=modifiers), *channel.samples[1:]])
    wider = [
        p.replace(constraint=sp.GaussianConstraint(1.0, 0.5)) if p.name == "staterror_SR[0]" else p
        for p in spec.parameters
    ]
    for wrong, message in (
        (spec.replace(channels=[lost, spec.channels[1]]), "uncertainty per bin is not known"),
        (spec.replace(parameters=wider), r"staterror_SR\[0\]: found a constraint of the width 0.5"),
    ):
        with pytest.raises(nf.SpecError, match=message):
            nf.build.rebin(wrong, "SR", edges)
    for channel_name, wrong_edges, message in (
        ("SRR", edges, "no such channel; did you mean SR"),
        ("SR", [0, 25, 60], "found 25, expected some of"),
        ("SR", [0, 30], "found 30, expected some of"),
        ("SR", [0, 60, 30], "expected numbers that ascend"),
    ):
        with pytest.raises(nf.ArgumentError, match=message):
            nf.build.rebin(spec, channel_name, wrong_edges)


def test_shared_bins_and_formulas_are_refused() -> None:
    builder = ModelBuilder()
    for name in ("SR", "CR"):
        builder.channel(name).sample("a", [1.0, 2.0]).shape_factor("free")
    with pytest.raises(nf.SpecError, match=r"free\[0\] of a bin is used in other channels"):
        nf.build.rebin(builder.build(), "SR", [0, 2])
    builder = ModelBuilder()
    builder.add_parameter(sp.Parameter("c", 1.0, 0.0, 2.0))
    sample = builder.channel("SR").sample("a", [1.0, 2.0])
    sample.formula(nf.formulas.bin_factor("f", "c * a", ["c"], a=[1.0, 2.0]))
    with pytest.raises(nf.SpecError, match="formula 'f': found numbers per bin"):
        nf.build.rebin(builder.build(), "SR", [0, 2])


# --- what is refused ------------------------------------------------------------------------------


def test_wrong_options_suggest_the_right_ones() -> None:
    spec = model_of(("jes", ROUGH, NOMINAL))
    for call, message in (
        (lambda: nf.build.smooth(spec, "353QH"), "method: found '353QH'.*did you mean 353QH twice"),
        (lambda: nf.build.symmetrise(spec, "men"), "did you mean mean"),
        (
            lambda: nf.build.smooth(spec, modifiers="jer"),
            "jer: no such variation; did you mean jes",
        ),
        (lambda: nf.build.smooth(spec, channels=["S"]), "S: no such channel"),
        (lambda: nf.build.prune(spec), "give normalisation, shape or both"),
        (lambda: nf.build.prune(spec, shape=-1.0), "shape: found -1"),
        (lambda: nf.build.prune(spec, shape="0.1"), "shape: expected a number"),
    ):
        with pytest.raises(nf.ArgumentError, match=message):
            call()
