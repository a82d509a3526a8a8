"""Objectives as functions of JAX arrays, against nablafit.diff and against pyhf on JAX."""

import importlib.util
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyhf
import pytest

import nablafit as nf
from diff_models import (
    direction,
    everything,
    opened,
    published,
    pyhf_model,
    slope,
    with_inputs,
)
from inference_models import counting
from locations import REPOSITORY, SHARED_DATA
from nablafit import diff

jax = pytest.importorskip("jax")
nfj = pytest.importorskip("nablafit.interop.jax")
jnp = jax.numpy


def assert_close(found: np.ndarray, wanted: np.ndarray) -> None:
    """Models with exchanged inputs are packed differently, so that sums round differently."""
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11 * np.nanmax(np.abs(wanted)))


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("name", ["expected_uncertainty", "expected_significance", "cls"])
def test_gradients_are_those_of_diff(name: str) -> None:
    model, _ = opened(everything())
    inputs = jnp.asarray(model.inputs.values)
    function = getattr(nfj, name)(model)
    wanted = getattr(diff, name)(model)
    for transformed in (jax.value_and_grad(function), jax.jit(jax.value_and_grad(function))):
        value, gradient = transformed(inputs)
        assert float(value) == pytest.approx(float(wanted), rel=1e-9)
        assert_close(gradient, wanted.inputs)


def test_functions_of_data() -> None:
    model, data = opened(everything())
    arguments = [
        jnp.asarray(a) for a in (model.inputs.values, data.counts, data.global_observables)
    ]
    for name, options in {"test_statistic": {"mu": 3.0}, "goodness_of_fit": {}}.items():
        function = getattr(nfj, name)(model, **options)
        gradients = jax.grad(function, argnums=(0, 1, 2))(*arguments)
        wanted = getattr(diff, name)(model, data, **options)
        for found, member in zip(
            gradients, ("inputs", "counts", "global_observables"), strict=True
        ):
            assert_close(found, getattr(wanted, member))


def test_vmap_is_one_batch() -> None:
    model, data = opened(everything())
    rows = model.inputs.values + 0.02 * np.array(
        [direction(model.inputs.values, seed) for seed in range(3)]
    )
    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(nfj.cls(model))))(jnp.asarray(rows))
    wanted = diff.cls(model, inputs=rows)
    assert_close(value, wanted.value)
    assert_close(gradient, wanted.inputs)
    rows[1, model.inputs["width", "lumi"]] = -1.0
    assert np.isnan(jax.vmap(nfj.cls(model))(jnp.asarray(rows))).tolist() == [False, True, False]

    def loss(inputs: Any) -> Any:  # noqa: ANN401
        x, value = nfj.fit(model)(
            inputs, jnp.asarray(data.counts), jnp.asarray(data.global_observables)
        )
        return x[0] + value

    rows[1] = model.inputs.values
    found = jax.vmap(jax.grad(loss))(jnp.asarray(rows))
    unit = np.eye(model.n_parameters)[0]
    for row, gradient in zip(rows, found, strict=True):
        back = diff.fit(model.with_inputs(row), data).vjp(x=unit, value=1.0)
        np.testing.assert_allclose(gradient, back.inputs, rtol=1e-7, atol=1e-10)


def test_profiled_parameters_follow_held_ones() -> None:
    model, data = opened(everything())
    observed = [jnp.asarray(a) for a in (model.inputs.values, data.counts, data.global_observables)]
    profile = nfj.fit(model, held=["mu", "lumi"])

    def loss(held: Any) -> Any:  # noqa: ANN401
        x, value = profile(*observed, held)
        return x[model.index("theory")] + value

    scan = jnp.asarray([[0.5, 1.0], [2.0, 1.01]])
    found = jax.jit(jax.vmap(jax.value_and_grad(loss)))(scan)
    for value, gradient, (mu, lumi) in zip(*found, scan, strict=True):
        there = diff.fit(model, data, fixed={"mu": float(mu), "lumi": float(lumi)})
        wanted = there.vjp(x={"theory": 1.0}, value=1.0).fixed
        assert_close(value, there.x[model.index("theory")] + there.value)
        assert_close(gradient, wanted[[model.index("mu"), model.index("lumi")]])
    for bad, message in {"muu": "mu", "mu": "once"}.items():
        with pytest.raises(nf.ArgumentError, match=message):
            nfj.fit(model, held=[bad, "mu"])


def test_assembled_inputs_and_the_likelihood() -> None:
    model, data = opened(everything())
    address = ("SR", "signal", "nominal")

    def value(x: Any, signal: Any) -> Any:  # noqa: ANN401
        inputs = nfj.assemble(model, {address: signal})
        observed = jnp.asarray(data.counts), jnp.asarray(data.global_observables)
        return nfj.nll(model)(x, inputs, *observed)

    x = jnp.asarray(model.initial)
    by_x, by_signal = jax.jit(jax.grad(value, argnums=(0, 1)))(x, jnp.asarray([3.0, 9.0, 5.0]))
    likelihood = model.likelihood(data)
    np.testing.assert_allclose(by_x, likelihood.gradient(model.initial), rtol=1e-10, atol=1e-12)
    gradient = likelihood.input_gradient(model.initial)
    assert_close(by_signal, gradient.inputs[model.inputs[address]])


def test_differences_through_a_chain() -> None:
    model, _ = opened(everything())
    limit = nfj.cls(model)

    def loss(threshold: Any) -> Any:  # noqa: ANN401
        signal = jnp.exp(-threshold * jnp.arange(3.0)) * 8.0
        return jnp.log(limit(nfj.assemble(model, {("SR", "signal", "nominal"): signal})))

    exact = jax.grad(loss)(0.3)
    assert slope(lambda t: float(loss(0.3 + t)), float(exact)) < 1e-8


def test_single_precision_is_refused() -> None:
    model, _ = opened(everything())
    function = nfj.cls(model)
    with pytest.raises(nf.ArgumentError, match="float64"):
        function(jnp.zeros(model.inputs.size, dtype=jnp.float32))
    with pytest.raises(nf.ArgumentError, match=r"jax\.vmap"):
        function(jnp.zeros((2, model.inputs.size)))
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(nf.Error, match="jax_enable_x64"):
        nfj.cls(model)
    with pytest.raises(nf.Error, match="jax_enable_x64"):
        function(np.zeros(model.inputs.size))


# --- against pyhf on JAX -------------------------------------------------------------------------


@cache
def step_of_the_benchmark() -> ModuleType:
    """Return benchmarks/common/jax_step.py, which lets pyhf build models in traced programs."""
    path = REPOSITORY / "benchmarks" / "common" / "jax_step.py"
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def traced_pyhf() -> Iterator[None]:
    backend = step_of_the_benchmark().TracingBackend(precision="64b")
    pyhf.set_backend(backend, default=True)
    yield
    pyhf.set_backend("numpy", default=True)


def expressible() -> dict[str, Any]:
    """Return a small model that pyhf can trace: its staterror and shapesys branch on values."""
    document = counting([4.0, 9.0], [50.0, 41.0], [57.0, 50.0])
    variation = {"lo_data": [48.0, 39.0], "hi_data": [53.0, 42.5]}
    shape = {"name": "jes", "type": "histosys", "data": variation}
    document["channels"][0]["samples"][1]["modifiers"].append(shape)
    return document


class Referee:
    """Objectives wholly in pyhf and JAX; minima follow by one Newton step with a constant Hessian,
    whose derivative is that of the minimum.
    """

    def __init__(self, document: dict[str, Any], model: nf.Model, data: nf.Data) -> None:
        self.document, self.model = document, model
        self.known = step_of_the_benchmark().traceable(document, model)
        self.order = np.array([model.index(name) for name in pyhf_model(document).config.par_names])
        self.data = jnp.asarray(data.to_pyhf())
        assert model.poi is not None
        self.poi = model.index(model.poi)
        self.movable = np.flatnonzero(~np.array(model.fixed))

    def built(self, inputs: Any) -> pyhf.Model:  # noqa: ANN401
        traced = {address: inputs[self.model.inputs[address]] for address in self.known}
        return pyhf_model(with_inputs(self.document, traced))

    def nll(self, built: pyhf.Model, x: Any, data: Any) -> Any:  # noqa: ANN401
        return -built.logpdf(x[self.order], data)[0]

    def followed(self, built: pyhf.Model, x: Any, data: Any, index: Any) -> Any:  # noqa: ANN401
        def part(moved: Any) -> Any:  # noqa: ANN401
            return self.nll(built, jnp.asarray(x).at[index].set(moved), data)

        start = jnp.asarray(x)[index]
        hessian = jax.lax.stop_gradient(jax.hessian(part)(start))
        step = jnp.linalg.solve(hessian, jax.grad(part)(start))
        return jnp.asarray(x).at[index].set(start - step)

    def expected_data(self, built: pyhf.Model, x: Any) -> Any:  # noqa: ANN401
        return built.expected_data(x[self.order])

    def at_a_point(self, inputs: Any) -> Any:  # noqa: ANN401
        """Return -log L off the start."""
        return self.nll(self.built(inputs), self.point, self.data)

    @property
    def point(self) -> Any:  # noqa: ANN401
        x = np.array(self.model.initial)
        x[self.movable] += 0.1
        return jnp.asarray(x)

    def uncertainty(self, inputs: Any) -> Any:  # noqa: ANN401
        built, x = self.built(inputs), jnp.asarray(self.model.initial)
        data = self.expected_data(built, x)

        def part(moved: Any) -> Any:  # noqa: ANN401
            return self.nll(built, x.at[self.movable].set(moved), data)

        inverse = jnp.linalg.inv(jax.hessian(part)(x[self.movable]))
        at = int(np.flatnonzero(self.movable == self.poi)[0])
        return jnp.sqrt(inverse[at, at])

    def median_cls(self, inputs: Any, mu: float) -> Any:  # noqa: ANN401
        """Return CLs without signal, in Asimov data for the fit of the data without signal."""
        built, poi = self.built(inputs), self.model.poi
        index = self.movable[self.movable != self.poi]
        there = diff.fit(self.model, _split(self.model, self.data), fixed={poi: 0.0}).x
        null = self.followed(built, there, self.data, index)
        asimov = self.expected_data(built, null)
        held = diff.fit(self.model, self.model.asimov(there), fixed={poi: mu}).x
        tested = self.followed(built, held, asimov, index)
        qa = 2 * (self.nll(built, tested, asimov) - self.nll(built, null, asimov))
        return 2 * jax.scipy.special.ndtr(-jnp.sqrt(qa))


def _split(model: nf.Model, data: Any) -> nf.Data:  # noqa: ANN401
    values = np.asarray(data, dtype=float)
    return nf.Data(values[: model.n_bins], values[model.n_bins :])


PUBLISHED = [
    pytest.param(SHARED_DATA / "pyhf" / f"{name}.json", id=name)
    for name in ("displaced_lepton", "multibin_simplified")  # the others have staterrors
]


@pytest.mark.slow
@pytest.mark.usefixtures("traced_pyhf")
@pytest.mark.parametrize("path", [None, *PUBLISHED])
def test_objectives_agree_with_pyhf_on_jax(path: Path | None) -> None:
    if path is not None and not path.exists():
        pytest.skip("the published workspace is not here")
    document = expressible() if path is None else published(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nf.ModelWarning)
        model, data = opened(document)
    referee = Referee(document, model, data)
    inputs = jnp.asarray(model.inputs.values)
    x = np.array(referee.point)
    pairs = {
        "nll": (
            jax.jit(jax.grad(referee.at_a_point))(inputs),
            model.likelihood(data).input_gradient(x).inputs,
        ),
        "uncertainty": (
            jax.jit(jax.grad(referee.uncertainty))(inputs),
            diff.expected_uncertainty(model).inputs,
        ),
        "CLs": (
            jax.jit(jax.grad(lambda v: referee.median_cls(v, 3.0)))(inputs),
            diff.cls(model, data, mu=3.0, nsigma=0.0).inputs,
        ),
    }
    mask = np.zeros(model.inputs.size, dtype=bool)
    for address in referee.known:
        mask[model.inputs[address]] = True
    assert mask.any()
    for name, (theirs, ours) in pairs.items():
        scale = np.max(np.abs(ours[mask]))
        np.testing.assert_allclose(
            ours[mask], np.asarray(theirs)[mask], atol=1e-8 * scale, rtol=0, err_msg=name
        )
