"""Inputs as one vector: layout, exchange, and first derivatives."""

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nablafit as nf
from diff_models import direction, everything, opened, pyhf_model, slope, with_inputs
from nablafit import diff
from pyhf_specs import points, workspaces

Relaxed = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def moved(model: nf.Model, seed: int = 1) -> np.ndarray:
    """Inputs near those of the model, but for widths of other constraints."""
    values = model.inputs.values
    return values + 0.03 * direction(values, seed)


def test_addresses_cover_the_vector() -> None:
    model, _ = opened(everything())
    layout = model.inputs
    covered = np.concatenate([np.arange(layout.size)[layout[a]] for a in layout.addresses])
    np.testing.assert_array_equal(covered, np.arange(layout.size))
    assert len(layout) == layout.size
    parts = layout.to_dict()
    assert parts["SR", "top", "nominal"].tolist() == [50.0, 40.0, 20.0]
    assert parts["SR", "other", "histosys", "jes", "high"].tolist() == [12.0, 7.0, 3.5]
    assert parts["SR", "top", "normsys", "jes", "low"].tolist() == [0.97]
    assert parts["SR", "other", "shapesys", "fake"].tolist() == [1.5, 0.8, 0.9]
    assert parts["width", "lumi"].tolist() == [0.02]
    assert parts["width", "jes"].tolist() == [1.0]
    changed = layout.vector({("SR", "top", "nominal"): [1.0, 2.0, 3.0]})
    assert np.count_nonzero(changed != layout.values) == 3
    np.testing.assert_array_equal(layout.vector(changed), changed)


def test_wrong_inputs_are_refused() -> None:
    model, _ = opened(everything())
    with pytest.raises(nf.ArgumentError, match="no such input"):
        model.inputs["SR", "top", "nothing"]
    with pytest.raises(nf.ArgumentError, match="expected shape"):
        model.with_inputs([1.0])
    with pytest.raises(nf.ArgumentError, match=r"expected shape \(3,\)"):
        model.with_inputs({("SR", "top", "nominal"): [1.0, 2.0]})
    with pytest.raises(nf.SpecError, match="finite"):
        model.with_inputs({("SR", "top", "nominal"): [1.0, 2.0, np.nan]})
    with pytest.raises(nf.SpecError, match="not negative"):
        model.with_inputs({("SR", "top", "normsys", "jes", "low"): -0.1})
    with pytest.raises(nf.SpecError, match="width"):
        model.with_inputs({("width", "lumi"): 0.0})
    with pytest.raises(nf.SpecError, match="width"):
        model.with_inputs({("SR", "other", "shapesys", "fake"): [0.0, 0.8, 0.9]})


def test_exchanged_models_equal_compiled_ones() -> None:
    model, data = opened(everything())
    other = model.with_inputs(moved(model))
    compiled = nf.Model(other.spec)
    assert compiled.spec != model.spec
    assert compiled.digest == other.digest != model.digest
    np.testing.assert_array_equal(other.inputs.values, moved(model))
    x = model.point({"mu": 1.3, "jes": 0.4, "theory": -0.7})
    for function in ("gradient", "hessian", "expected"):
        found = getattr(other.likelihood(data), function)(x)
        wanted = getattr(compiled.likelihood(data), function)(x)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert other.likelihood(data).logpdf(x) == pytest.approx(
        compiled.likelihood(data).logpdf(x), rel=1e-13
    )
    assert nf.fit(other, data).value == pytest.approx(nf.fit(compiled, data).value, abs=1e-9)
    np.testing.assert_array_equal(other.prefit()[1], compiled.prefit()[1])
    assert pickle.loads(pickle.dumps(other)).digest == other.digest
    again = other.with_inputs(model.inputs.values)
    assert again.digest == model.digest


def test_widths_follow_as_in_pyhf() -> None:
    model, _ = opened(everything())
    values = moved(model)
    other = model.with_inputs(values)
    parts = {address: part.tolist() for address, part in model.inputs.to_dict(values).items()}
    document = with_inputs(everything(), {a: part for a, part in parts.items() if a[0] != "width"})
    referee = pyhf_model(document)
    theirs = nf.from_pyhf(referee)
    for name in theirs.parameters:
        width = other.prefit()[1][other.index(name)]
        wanted = theirs.prefit()[1][theirs.index(name)]
        if name not in ("lumi", "theory", "jes"):
            np.testing.assert_allclose(width, wanted, rtol=1e-12, err_msg=name)
    stored = other.asimov()
    np.testing.assert_allclose(stored.counts, theirs.asimov().counts, rtol=1e-12)
    by_name = dict(zip(other.constrained_parameters, stored.global_observables, strict=True))
    auxiliary = dict(
        zip(theirs.constrained_parameters, theirs.asimov().global_observables, strict=True)
    )
    assert by_name["fake[0]"] == pytest.approx(auxiliary["fake[0]"], rel=1e-12)


@pytest.mark.parametrize("of", ["nll", "deviance"])
def test_gradient_by_inputs_and_data(of: str) -> None:
    model, data = opened(everything())
    x = model.point({"mu": 1.3, "jes": 0.4, "theory": -1.7, "lumi": 1.03, "fake[1]": 0.9})
    gradient = model.likelihood(data).input_gradient(x, of=of)

    def value(inputs: np.ndarray, counts: np.ndarray, observables: np.ndarray) -> float:
        likelihood = model.with_inputs(inputs).likelihood(nf.Data(counts, observables))
        return likelihood(x) if of == "deviance" else -likelihood.logpdf(x)

    parts = (model.inputs.values, data.counts, data.global_observables)
    gradients = (gradient.inputs, gradient.counts, gradient.global_observables)
    for number, (part, by_part) in enumerate(zip(parts, gradients, strict=True)):
        for seed in range(4):
            d = direction(part, seed, 0.3)
            steps = [d if i == number else np.zeros_like(p) for i, p in enumerate(parts)]

            def along(t: float, steps: list[np.ndarray] = steps) -> float:
                return value(*(p + t * step for p, step in zip(parts, steps, strict=True)))

            assert slope(along, by_part @ d, largest=1e-3) < 1e-6


@pytest.mark.slow
@Relaxed
@given(document=workspaces(), seed=st.integers(0, 2**32 - 1))
def test_gradients_of_random_workspaces(document: dict, seed: int) -> None:
    model, data = opened(document)
    where = points(model.initial, *np.transpose(model.bounds), seed)
    likelihood = model.likelihood(data)
    d = direction(model.inputs.values, seed, 0.5)
    c = direction(data.counts, seed + 1)
    v = np.random.default_rng(seed).normal(size=model.n_parameters)

    def shifted(t: float) -> nf.Likelihood:
        other = model.with_inputs(model.inputs.values + t * d)
        return other.likelihood(nf.Data(data.counts + t * c, data.global_observables))

    for name in ("initial", "near", "kinks"):
        x = where[name]
        if not likelihood.status(x):
            continue
        try:
            steps = [shifted(t).status(x) for t in (-1e-4, 1e-4)]
        except nf.SpecError:
            continue
        if not all(steps):
            continue
        gradient = likelihood.input_gradient(x)
        exact = gradient.inputs @ d + gradient.counts @ c
        assert slope(lambda t, x=x: -shifted(t).logpdf(x), exact, largest=1e-4) < 1e-5
        mixed = diff.gradient_vjp(likelihood, x, v)
        jvp = diff.gradient_jvp(likelihood, x, inputs=d, counts=c)
        assert slope(lambda t, x=x: shifted(t).gradient(x), jvp, largest=1e-4) < 1e-5
        scale = np.abs(v) @ np.abs(jvp) + 1e-9
        assert mixed.inputs @ d + mixed.counts @ c == pytest.approx(v @ jvp, abs=1e-10 * scale)


def test_yields_products() -> None:
    model, _ = opened(everything())
    x = model.point({"mu": 1.3, "jes": 0.4})
    d, p = direction(model.inputs.values, 3), direction(x, 4)
    w = np.random.default_rng(5).normal(size=model.n_bins)
    jvp = diff.yields_jvp(model, x, parameters=p, inputs=d)
    by_x, by_inputs = diff.yields_vjp(model, x, w)
    assert by_x @ p + by_inputs @ d == pytest.approx(w @ jvp, rel=1e-12)

    def yields(t: float) -> np.ndarray:
        return model.with_inputs(model.inputs.values + t * d).expected(x + t * p)

    assert slope(yields, jvp, largest=1e-3) < 1e-8


def test_bins_without_events_and_yields() -> None:
    document = everything()
    for sample in document["channels"][0]["samples"]:
        sample["data"][2] = 0.0
        for modifier in sample["modifiers"]:
            if modifier["type"] == "histosys":
                modifier["data"]["lo_data"][2] = modifier["data"]["hi_data"][2] = 0.0
            if modifier["type"] in ("staterror", "shapesys"):
                modifier["data"][2] = 0.0
    document["observations"][0]["data"][2] = 0.0
    model, data = opened(document)
    gradient = model.likelihood(data).input_gradient(model.initial)
    assert gradient.counts[model.channel_bins["SR"].stop - 1] == 0.0
    assert np.all(np.isfinite(gradient.inputs))
    assert np.all(np.isfinite(diff.expected_uncertainty(model).inputs))
