"""Derivatives of fits and objectives against central differences of refits."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import nablafit as nf
from diff_models import direction, everything, opened, published, slope
from inference_models import counting
from locations import SHARED_DATA
from nablafit import diff
from nablafit.interop._host import Bridge
from pyhf_specs import workspaces

Relaxed = settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
PUBLISHED = [
    pytest.param(SHARED_DATA / "pyhf" / f"{name}.json", id=name)
    for name in ("sbottom_a", "sbottom_c", "stau_combined")
]


def at_bound() -> tuple[nf.Model, nf.Data]:
    """A downward fluctuation: the signal strength is held at its lower bound."""
    document = everything()
    document["observations"][0]["data"] = [52.0, 33.0, 18.0]
    return opened(document)


def shifted(model: nf.Model, data: nf.Data, seed: int, t: float) -> tuple[nf.Model, nf.Data]:
    d, c, g = directions(model, data, seed)
    return model.with_inputs(model.inputs.values + t * d), nf.Data(
        data.counts + t * c, data.global_observables + t * g
    )


def directions(model: nf.Model, data: nf.Data, seed: int) -> tuple[np.ndarray, ...]:
    parts = (model.inputs.values, data.counts, data.global_observables)
    d, c, g = (direction(part, seed + i, 0.5) for i, part in enumerate(parts))
    return d, c, g + 0.1 * (parts[2] == 0)


def check_fit(
    model: nf.Model,
    data: nf.Data,
    seed: int,
    *,
    fixed: dict[str, float] | None = None,
    bounds: dict[str, tuple[float, float]] | None = None,
    size: float = 1.0,
    floor: float = 1e-12,
) -> diff.DifferentiableFit:
    """Compare all products of one fit, along one random direction, with refits.

    Parameters and their covariance are compared in units of the errors.
    """
    fit = diff.fit(model, data, fixed=fixed, bounds=bounds)
    d, c, g = (size * part for part in directions(model, data, seed))
    tangent = fit.jvp(inputs=d, counts=c, global_observables=g, covariance=True)

    def refit(t: float) -> diff.DifferentiableFit:
        changed = shifted(model, data, seed, size * t)
        return diff.fit(*changed, fixed=fixed, bounds=bounds, initial=fit.x)

    scale = np.sqrt(np.maximum(np.diag(fit.covariance), 0)) + 1e-9
    outer = np.outer(scale, scale)
    assert tangent.covariance is not None
    pairs: list[tuple[Callable[[float], Any], Any]] = [
        (lambda t: refit(t).x / scale, tangent.x / scale),
        (lambda t: refit(t).value, tangent.value),
        (lambda t: refit(t).yields, tangent.yields),
        (lambda t: refit(t).covariance / outer, tangent.covariance / outer),
    ]
    for function, derivative in pairs:
        assert slope(function, derivative, floor=floor) < 1e-6

    random = np.random.default_rng(seed)
    w, y = random.normal(size=model.n_parameters) / scale, random.normal(size=model.n_bins)
    w[scale < 1e-8] = 0.0
    matrix = random.normal(size=outer.shape) / outer
    matrix[outer < 1e-8 * outer.max()] = 0.0
    back = fit.vjp(x=w, value=0.7, covariance=matrix, yields=y)
    found = back.inputs @ d + back.counts @ c + back.global_observables @ g
    terms = [
        w * tangent.x,
        [0.7 * tangent.value],
        (matrix * tangent.covariance).ravel(),
        y * tangent.yields,
    ]
    assert found == pytest.approx(
        sum(np.sum(term) for term in terms), abs=1e-9 * sum(np.sum(np.abs(t)) for t in terms)
    )
    return fit


@pytest.mark.parametrize("seed", range(3))
def test_products_of_a_fit(seed: int) -> None:
    check_fit(*opened(everything()), seed)


@pytest.mark.parametrize("seed", range(2))
def test_products_with_an_active_bound(seed: int) -> None:
    model, data = at_bound()
    fit = check_fit(model, data, seed)
    assert fit.x[model.index("mu")] == 0.0
    assert not fit.free[model.index("mu")]


def test_products_of_profiled_parameters() -> None:
    model, data = opened(everything())
    fixed = {"mu": 2.0, "theory": 0.3}
    fit = check_fit(model, data, 5, fixed=fixed)
    tangent = fit.jvp(fixed={"mu": 1.0, "theory": -0.5}, covariance=True)

    def refit(t: float) -> diff.DifferentiableFit:
        return diff.fit(model, data, fixed={"mu": 2.0 + t, "theory": 0.3 - 0.5 * t})

    for name in ("x", "value", "yields", "covariance"):
        exact = getattr(tangent, name)
        assert slope(lambda t, name=name: getattr(refit(t), name), exact, largest=0.1) < 1e-6
    w = np.random.default_rng(1).normal(size=model.n_parameters)
    back = fit.vjp(x=w, value=2.0)
    wanted = w @ tangent.x + 2.0 * tangent.value
    assert back.fixed[model.index("mu")] - 0.5 * back.fixed[model.index("theory")] == (
        pytest.approx(wanted, rel=1e-10)
    )
    assert np.count_nonzero(back.fixed) == 2


def test_singular_directions_are_named() -> None:
    document = counting([5.0], [50.0], [57.0])
    document["channels"][0]["samples"][0]["modifiers"].append(
        {"name": "k", "type": "normfactor", "data": None}
    )
    model, data = opened(document)
    fit = diff.fit(model, data)
    with pytest.raises(nf.Error, match=r"singular.*mu.*fix or constrain") as caught:
        fit.vjp(x=np.ones(model.n_parameters))
    assert "k" in str(caught.value)
    assert np.all(np.isfinite(fit.vjp(value=1.0).inputs))  # the minimum itself has a derivative


def test_degenerate_bounds_are_refused() -> None:
    model, _ = opened(everything())
    fit = diff.fit(model, model.asimov({"mu": 0.0}))
    with pytest.raises(nf.Error, match="exactly at a bound of mu"):
        fit.vjp(x={"theory": 1.0})
    held = diff.fit(model, model.asimov({"mu": 0.0}), fixed={"mu": 0.0})
    assert np.all(np.isfinite(held.vjp(x={"theory": 1.0}).inputs))


def test_kinks_are_refused() -> None:
    model, _ = opened(everything())
    spec = nf.Workspace.load(everything()).spec(interpolation={"normsys": "code1"})
    model = nf.Model(spec)
    fit = diff.fit(model, model.asimov())
    with pytest.raises(nf.Error, match=r"kink|exactly at"):
        fit.vjp(x={"mu": 1.0})


# --- objectives ----------------------------------------------------------------------------------

Compute = Callable[..., diff.Objective]


def check_objective(
    compute: Compute, model: nf.Model, data: nf.Data | None, seed: int, tolerance: float = 1e-6
) -> None:
    """Compare the gradient along one random direction with differences of the value."""
    values = model.inputs.values
    d = direction(values, seed, 0.5)
    if data is None:
        found = compute(model)
        assert found.counts is None
        assert found.global_observables is None
        exact = found.inputs @ d
        change = slope(lambda t: float(compute(model, inputs=values + t * d)), exact, largest=3e-3)
    else:
        _, c, g = directions(model, data, seed)
        found = compute(model, data)
        assert found.counts is not None
        assert found.global_observables is not None
        exact = found.inputs @ d + found.counts @ c + found.global_observables @ g
        change = slope(
            lambda t: float(compute(*shifted(model, data, seed, t))), exact, largest=3e-3
        )
    assert change < tolerance, exact


ASIMOV: list[Compute] = [
    diff.expected_uncertainty,
    diff.expected_significance,
    diff.cls,
    lambda model, **options: diff.cls(model, nsigma=1.0, mu=2.0, **options),
    lambda model, **options: diff.cls(model, statistic="q", **options),
    lambda model, **options: diff.expected_uncertainty(model, poi="k_top", **options),
    lambda model, **options: diff.expected_information(model, "jes", **options),
    diff.upper_limit,
    lambda model, **options: diff.cls(model, mu=3.0, bounds={"mu": (0.5, 10.0)}, **options),
]
OBSERVED: list[Compute] = [
    lambda model, data, **options: diff.test_statistic(model, data, mu=3.0, **options),
    lambda model, data, **options: diff.test_statistic(model, data, statistic="q0", **options),
    lambda model, data, **options: diff.cls(model, data, mu=3.0, **options),
    lambda model, data, **options: diff.cls(model, data, mu=3.0, statistic="q", **options),
    lambda model, data, **options: diff.cls(model, data, mu=2.0, nsigma=-1.0, **options),
    diff.goodness_of_fit,
    diff.upper_limit,
    lambda model, data, **options: diff.upper_limit(model, data, nsigma=1.0, **options),
    # The Asimov data are made outside of the range of the free fit.
    lambda model, data, **options: diff.cls(
        model, data, mu=3.0, bounds={"mu": (0.5, 10.0)}, **options
    ),
]


@pytest.mark.parametrize("number", range(len(ASIMOV)))
def test_objectives_of_asimov_data(number: int) -> None:
    model, _ = opened(everything())
    for seed in range(2):
        check_objective(ASIMOV[number], model, None, seed)


@pytest.mark.parametrize("number", range(len(OBSERVED)))
def test_objectives_of_data(number: int) -> None:
    model, data = opened(everything())
    for seed in range(2):
        check_objective(OBSERVED[number], model, data, seed)


@pytest.mark.parametrize("number", [0, 2, 3, 5, 6])
def test_objectives_with_an_active_bound(number: int) -> None:
    check_objective(OBSERVED[number], *at_bound(), 2)


def test_values_are_those_of_inference() -> None:
    model, data = opened(everything())
    result = nf.hypotest(model, data, 3.0)
    assert float(diff.cls(model, data, mu=3.0)) == pytest.approx(result.cls, rel=1e-6)
    bands = [float(diff.cls(model, data, mu=3.0, nsigma=n)) for n in (2, 1, 0, -1, -2)]
    np.testing.assert_allclose(bands, result.expected_cls, rtol=1e-5)
    error = nf.fit(model, model.asimov()).errors["mu"]
    assert float(diff.expected_uncertainty(model)) == pytest.approx(error, rel=1e-9)
    fit = nf.fit(model, data)
    assert float(diff.goodness_of_fit(model, data)) == pytest.approx(2 * fit.value, rel=1e-9)
    asimov = nf.significance(model, model.asimov({"mu": 1.0}))
    assert float(diff.expected_significance(model)) == pytest.approx(asimov.z, rel=1e-6)


def test_upper_limits() -> None:
    model, data = opened(everything())
    for statistic in ("qtilde", "q"):
        result = nf.upper_limit(model, data, statistic=statistic, level=0.9)
        limit = diff.upper_limit(model, data, statistic=statistic, level=0.9)
        assert float(limit) == pytest.approx(result.observed, rel=1e-6)
        median = diff.upper_limit(model, data, statistic=statistic, level=0.9, nsigma=0.0)
        assert float(median) == pytest.approx(result.expected[2], rel=1e-6)
    asimov = diff.upper_limit(model)
    expected = nf.upper_limit(model, model.asimov({"mu": 0.0})).expected[2]
    assert float(asimov) == pytest.approx(expected, rel=1e-6)
    there = diff.cls(model, mu=float(asimov))
    assert float(there) == pytest.approx(0.05, rel=1e-9)
    assert there.tested is not None
    assert asimov.tested is None
    np.testing.assert_allclose(asimov.inputs, -there.inputs / there.tested, rtol=1e-8, atol=1e-12)


def test_bridges_share_their_functions() -> None:
    """What JAX and PyTorch wrap, without either: functions of arrays with their gradients."""
    bridge = Bridge(scalar=lambda host: host, pair=lambda host: host)
    model, data = opened(counting([5.0, 4.0], [50.0, 10.0], [52.0, 9.0]))
    arrays = (model.inputs.values, data.counts, data.global_observables)
    for name, options in (("cls", {"observed": True}), ("test_statistic", {"mu": 2.0})):
        value, *gradients = getattr(bridge, name)(model, **options)(*arrays)
        options.pop("observed", None)
        expected = getattr(diff, name)(model, data, **options)
        assert value == expected.value
        assert np.array_equal(gradients[0], expected.inputs)
        assert np.array_equal(gradients[1], expected.counts)
    value, gradient = bridge.expected_uncertainty(model)(model.inputs.values)
    assert value == diff.expected_uncertainty(model).value
    assert bridge.fit(model, held=["mu"]).sizes[-1] == 1
    assert gradient.shape == (model.inputs.size,)


@pytest.mark.parametrize("mu", [0.5, 3.0])
def test_derivatives_by_the_tested_value(mu: float) -> None:
    model, data = opened(everything())
    computes: list[Compute] = [diff.cls, diff.test_statistic]
    for compute in computes:
        for arguments in ((model,), (model, data)):
            found = compute(*arguments, mu=mu)
            assert found.tested is not None
            change = slope(
                lambda t, f=compute, a=arguments: float(f(*a, mu=mu + t)), float(found.tested)
            )
            assert change < 1e-7 or not found.tested.any()


def test_limits_that_are_not_there() -> None:
    model, data = opened(everything())
    layout = model.inputs
    nothing = {
        address: 0.0 for address in layout.addresses if address[1:3] == ("signal", "nominal")
    }
    without = layout.vector(nothing)
    with pytest.raises(nf.Error, match="no upper limit found"):
        diff.upper_limit(model, inputs=without)
    rows = np.array([layout.values, without, 1.01 * layout.values])
    many = diff.upper_limit(model, inputs=rows)
    assert np.isnan(many.value).tolist() == [False, True, False]
    assert np.isnan(many.inputs[1]).all()
    assert "no upper limit" in many.messages[1]
    assert many.messages[0] == many.messages[2] == ""
    assert many.value[0] == pytest.approx(float(diff.upper_limit(model)), rel=1e-9)
    with pytest.raises(nf.ArgumentError, match="between 0 and 1"):
        diff.upper_limit(model, data, level=95.0)
    with pytest.raises(nf.ArgumentError, match="qtilde"):
        diff.upper_limit(model, data, statistic="q0")


def test_flat_sides() -> None:
    model, data = opened(everything())
    flat = diff.test_statistic(model, data, mu=0.1)
    assert float(flat) == 0.0
    assert not np.any(flat.inputs)
    assert flat.counts is not None
    assert not np.any(flat.counts)


def test_batches_equal_single_calls() -> None:
    model, data = opened(everything())
    rows = model.inputs.values + 0.02 * np.array(
        [direction(model.inputs.values, seed) for seed in range(4)]
    )
    for compute in (diff.expected_uncertainty, diff.cls):
        many = compute(model, inputs=rows, n_threads=2)
        for row, value, gradient in zip(rows, many.value, many.inputs, strict=True):
            one = compute(model, inputs=row)
            assert float(one) == value
            np.testing.assert_array_equal(one.inputs, gradient)
    counts = data.counts + np.arange(3.0)[:, np.newaxis]
    many = diff.cls(model, data, mu=3.0, counts=counts)
    assert many.value.shape == (3,)
    assert many.counts is not None
    assert many.counts.shape == (3, model.n_bins)
    rows[1, model.inputs["width", "lumi"]] = -1.0
    partly = diff.expected_uncertainty(model, inputs=rows)
    assert np.isnan(partly.value).tolist() == [False, True, False, False]
    assert "width" in partly.messages[1]
    with pytest.raises(nf.Error, match="width"):
        diff.expected_uncertainty(model, inputs=rows[1])


def test_score_and_information() -> None:
    model, data = opened(everything())
    x = model.point({"mu": 1.2, "jes": 0.3})
    information = diff.fisher_information(model, x)
    weights, yields = diff.optimal_weights(model, x), model.expected(x)
    counts_only = weights.T @ (yields[:, np.newaxis] * weights)
    mu, k = model.index("mu"), model.index("k_top")
    assert information[mu, k] == pytest.approx(counts_only[mu, k], rel=1e-10)
    assert float(diff.expected_information(model, "mu", at=x)) == pytest.approx(
        information[mu, mu], rel=1e-12
    )
    excess = model.likelihood(nf.Data(yields, data.global_observables))
    change = data.counts - yields
    difference = diff.score(model, data, x) + excess.gradient(x)
    np.testing.assert_allclose(difference, change @ weights, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@Relaxed
@given(document=workspaces(), seed=st.integers(0, 1000))
def test_random_workspaces(document: dict[str, Any], seed: int) -> None:
    model, _ = opened(document)
    data = model.asimov()
    assume(np.all(data.counts > 0.1))
    poi = model.parameters[seed % model.n_parameters]
    assume(not model.fixed[model.index(poi)])
    try:
        uncertainty = diff.expected_uncertainty(model, poi=poi)
    except nf.Error:
        assume(False)
    d = 1e-2 * direction(model.inputs.values, seed, 0.5)
    try:
        change = slope(
            lambda t: float(
                diff.expected_uncertainty(model, poi=poi, inputs=model.inputs.values + t * d)
            ),
            uncertainty.inputs @ d,
            floor=1e-7 * float(uncertainty),
        )
    except nf.Error:  # a direction that leads to yields or widths that no model has
        assume(False)
    assert change < 1e-5


@pytest.mark.slow
@Relaxed
@given(document=workspaces(), seed=st.integers(0, 1000))
def test_random_fits_with_an_active_bound(document: dict[str, Any], seed: int) -> None:
    model, _ = opened(document)
    random, asimov = np.random.default_rng(seed), model.asimov()
    assume(np.all(asimov.counts > 0.5))
    data = nf.Data(random.poisson(asimov.counts) + 0.5, asimov.global_observables)
    unconstrained = ("shape_", "k_")  # together they often leave directions that nothing determines
    names = [name for name in model.parameters if name.startswith(unconstrained)]
    fixed = {name: model.initial[model.index(name)] for name in names}
    try:
        fit = diff.fit(model, data, fixed=fixed)
        sigma = np.sqrt(np.diag(fit.covariance))
        free = np.flatnonzero(fit.free)
        assume(free.size > 1)
        p = int(random.choice(free))
        lower, _ = model.bounds[p]
        end = fit.x[p] - 0.7 * sigma[p]
        assume(1e-6 < sigma[p] < 10.0 and lower < end)
        bounds = {model.parameters[p]: (lower, end)}
        held = check_fit(model, data, seed, fixed=fixed, bounds=bounds, size=0.01, floor=1e-5)
    except nf.Error:  # no minimum, or a direction that leads to where there is none
        assume(False)
    assert held.x[p] == end
    assert not held.free[p]


@pytest.mark.slow
@pytest.mark.parametrize("path", PUBLISHED)
def test_published_workspaces(path: Path) -> None:
    if not path.exists():
        pytest.skip("the published workspace is not here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nf.ModelWarning)
        model, data = opened(published(path))
    d = 0.05 * direction(model.inputs.values, 3, 0.3)
    fit = diff.fit(model, data)
    tangent = fit.jvp(inputs=d)
    scale = np.sqrt(np.diag(fit.covariance)) + 1e-12

    def refit(t: float) -> np.ndarray:
        other = model.with_inputs(model.inputs.values + t * d)
        return diff.fit(other, data, initial=fit.x).x / scale

    assert slope(refit, tangent.x / scale) < 1e-6
    w = np.random.default_rng(1).normal(size=scale.shape) / scale * (scale > 1e-9)
    assert fit.vjp(x=w).inputs @ d == pytest.approx(w @ tangent.x, rel=1e-8)
    computes: list[Compute] = [
        diff.expected_uncertainty,
        lambda model, **options: diff.cls(model, mu=2.0, **options),
        lambda model, **options: diff.cls(model, data, mu=2.0, **options),
        diff.upper_limit,
    ]
    values = model.inputs.values
    for compute in computes:
        exact = compute(model).inputs @ d
        change = slope(lambda t, f=compute: float(f(model, inputs=values + t * d)), exact)
        assert change < 1e-6
