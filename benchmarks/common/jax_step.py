"""One step of an optimisation, templates -> expected CLs -> gradient, wholly in pyhf and JAX.

After neos (arXiv:2203.05570): the model is built from traced templates, and the profiled minimum is
differentiated implicitly. The minimiser is Newton's method with JAX's Hessian, in the compiled
program: the fastest that JAX has for this, faster than the gradient descent of neos.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyhf
from pyhf.tensor.jax_backend import jax_backend

import nablafit as nf

Address = tuple[str, ...]

MOST_ITERATIONS = 50
ENOUGH = 1e-12
"""Newton's method ends where the expected change of -log L is below this."""
BRANCHES_ON_VALUES = ("staterror", "shapesys")
KEYS = {"histosys": {"low": "lo_data", "high": "hi_data"}, "normsys": {"low": "lo", "high": "hi"}}


class TracingBackend(jax_backend):
    """Builds models in traced programs.

    What is known there is computed at once, as shapes must be, and JAX gets arrays where pyhf
    passes lists.
    """


def _traceable_method(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    takes_many = name in ("concatenate", "stack")
    takes_array = name in ("sum", "product", "tile", "where")

    def method(self: TracingBackend, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        is_known = not any(isinstance(a, jax.core.Tracer) for a in jax.tree.leaves(arguments))
        with jax.ensure_compile_time_eval() if is_known else nullcontext():
            first, *rest = arguments
            if takes_many:
                first = [jnp.asarray(a) for a in first]
            elif takes_array:
                first = jnp.asarray(first)
            result = original(self, first, *rest, **named)
            return np.asarray(result) if is_known and isinstance(result, jax.Array) else result

    return method


for _name, _value in list(vars(jax_backend).items()):
    if callable(_value) and not _name.startswith("_"):
        setattr(TracingBackend, _name, _traceable_method(_name, _value))


def traceable(document: dict[str, Any], model: nf.Model) -> list[Address]:
    """Return addresses of inputs that pyhf can trace; some modifiers branch on yields."""
    held = {
        (channel["name"], sample["name"])
        for channel in document["channels"]
        for sample in channel["samples"]
        if any(m["type"] in BRANCHES_ON_VALUES for m in sample["modifiers"])
    }
    return [
        address
        for address in model.inputs.addresses
        if address[0] != "width"
        and (address[2] in KEYS or (address[2] == "nominal" and address[:2] not in held))
    ]


class Step:
    """The expected CLs at a tested value, in Asimov data without signal, and its gradient."""

    def __init__(self, document: dict[str, Any], model: nf.Model, mu: float) -> None:
        pyhf.set_backend(TracingBackend(precision="64b"), default=True)
        self._document, self._model, self._mu = document, model, mu
        self.traced = traceable(document, model)
        self._order = np.array([model.index(name) for name in self._built(None).config.par_names])
        assert model.poi is not None
        self._poi = model.index(model.poi)
        movable = ~np.array(model.fixed)
        movable[self._poi] = False
        self._movable = np.flatnonzero(movable)
        self.value_and_gradient = jax.jit(jax.value_and_grad(self._cls))

    def _built(self, inputs: Any) -> pyhf.Model:  # noqa: ANN401
        """Build the model, with some numbers from a traced vector of inputs."""
        document = copy.deepcopy(self._document)
        if inputs is not None:
            self._write(document, inputs)
        config = document["measurements"][0]["config"]
        return pyhf.Model(
            {"channels": document["channels"], "parameters": config["parameters"]},
            poi_name=config["poi"],
            validate=False,
        )

    def _write(self, document: dict[str, Any], inputs: Any) -> None:  # noqa: ANN401
        samples = {(c["name"], s["name"]): s for c in document["channels"] for s in c["samples"]}
        for address in self.traced:
            channel, name, kind, *rest = address
            part = inputs[self._model.inputs[address]]
            sample = samples[channel, name]
            if kind == "nominal":
                sample["data"] = part
                continue
            modifier = next(
                m for m in sample["modifiers"] if (m["type"], m["name"]) == (kind, rest[0])
            )
            modifier["data"][KEYS[kind][rest[1]]] = part if kind == "histosys" else part[0]

    def _cls(self, inputs: Any) -> Any:  # noqa: ANN401
        built = self._built(inputs)
        null = jnp.asarray(np.array(self._model.initial)).at[self._poi].set(0.0)
        data = built.expected_data(null[self._order])
        tested = self._profiled(built, null.at[self._poi].set(self._mu), data, inputs)
        q = 2.0 * (self._nll(built, tested, data) - self._nll(built, null, data))
        return 2.0 * jax.scipy.special.ndtr(-jnp.sqrt(q))

    def _nll(self, built: pyhf.Model, x: Any, data: Any) -> Any:  # noqa: ANN401
        return -built.logpdf(x[self._order], data)[0]

    def _profiled(self, built: pyhf.Model, x: Any, data: Any, inputs: Any) -> Any:  # noqa: ANN401
        """Minimise without derivatives; one more Newton step gives those of the minimum."""
        constant, observed = self._built(jax.lax.stop_gradient(inputs)), jax.lax.stop_gradient(data)

        def part(y: Any) -> Any:  # noqa: ANN401
            return self._nll(constant, x.at[self._movable].set(y), observed)

        def advance(state: Any) -> Any:  # noqa: ANN401
            y, _, n = state
            gradient = jax.grad(part)(y)
            step = jnp.linalg.solve(jax.hessian(part)(y), gradient)
            return y - step, jnp.abs(gradient @ step), n + 1

        def goes_on(state: Any) -> Any:  # noqa: ANN401
            return (state[1] > ENOUGH) & (state[2] < MOST_ITERATIONS)

        y, *_ = jax.lax.while_loop(goes_on, advance, (x[self._movable], jnp.inf, 0))
        y = jax.lax.stop_gradient(y)
        hessian = jax.lax.stop_gradient(jax.hessian(part)(y))

        def moving(z: Any) -> Any:  # noqa: ANN401
            return self._nll(built, x.at[self._movable].set(z), data)

        return x.at[self._movable].set(y - jnp.linalg.solve(hessian, jax.grad(moving)(y)))
