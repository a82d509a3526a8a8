"""Objectives of nablafit as functions of JAX arrays, with exact derivatives.

Every function here returns a function that works under `jit`, `grad`, `vjp` and `vmap`. The work is
done by nablafit's core in a callback; `vmap` becomes one call whose items run in threads, in which
items without a value are NaN. A single evaluation that fails raises.

JAX must compute in double precision: `jax.config.update("jax_enable_x64", True)`. Arrays of other
types are refused, never converted. Derivatives are of first order, in reverse mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, Error, located
from ._host import Bridge, HostFit, HostFunction, Scalar

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    message = "nablafit.interop.jax needs JAX: pip install 'nablafit[jax]'"
    raise ImportError(message) from error

if TYPE_CHECKING:
    from ..inputs import Address
    from ..model import Model

__all__ = [
    "assemble",
    "cls",
    "expected_significance",
    "expected_uncertainty",
    "fit",
    "goodness_of_fit",
    "nll",
    "test_statistic",
    "upper_limit",
]


def assemble(model: Model, parts: Mapping[Address, Any]) -> Any:
    """Return the inputs of a model with some parts replaced, differentiable with respect to them.

    Parameters
    ----------
    model : Model
        Model that defines addresses and all other inputs.
    parts : mapping
        Arrays by address, see `nablafit.InputLayout`; a scalar fills its block.

    Returns
    -------
    jax.Array, shape (n_inputs,)
    """
    _require_x64()
    vector = jnp.asarray(model.inputs.values)
    for address, values in parts.items():
        vector = vector.at[model.inputs[address]].set(_exact(values, repr(address)))
    return vector


def _scalar(host: HostFunction) -> Scalar:
    """Make a differentiable function of a host function: gradients come with the value."""
    shapes = (_vector(), *(_vector(size) for size in host.sizes))

    @jax.custom_vjp
    def function(*arrays: Any) -> Any:
        return call(host, shapes, *arrays)[0]

    def forward(*arrays: Any) -> Any:
        value, *gradients = call(host, shapes, *arrays)
        return value, gradients

    def backward(gradients: Any, cotangent: Any) -> Any:
        return tuple(cotangent * gradient for gradient in gradients)

    function.defvjp(forward, backward)
    return _checked(function, host.sizes)


def call(function: Callable[..., Any], shapes: Any, *arrays: Any) -> Any:
    """Call a host function from a traced one; the axes of `vmap` arrive as leading axes."""

    def on_host(*values: Any) -> Any:
        return tuple(function(*(np.asarray(value) for value in values)))

    return jax.pure_callback(on_host, shapes, *arrays, vmap_method="expand_dims")


def _vector(*shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, np.float64)


def _checked(function: Callable[..., Any], sizes: tuple[int, ...]) -> Callable[..., Any]:
    """Refuse what is not in double precision or of the wrong length."""
    _require_x64()

    def checked(*arrays: Any) -> Any:
        _require_x64()
        if len(arrays) != len(sizes):
            raise located(ArgumentError, f"expected {len(sizes)}, got {len(arrays)}", "arguments")
        exact = []
        for number, (array, size) in enumerate(zip(arrays, sizes, strict=True)):
            name = f"argument {number}"
            value = _exact(array, name)
            if value.shape != (size,):
                message = f"expected shape ({size},), got {value.shape}; use jax.vmap for batches"
                raise located(ArgumentError, message, name)
            exact.append(value)
        return function(*exact)

    return checked


def _exact(values: Any, name: str) -> Any:
    array = jnp.asarray(values)
    if array.dtype != jnp.float64:
        message = f"expected float64, got {array.dtype}; convert with .astype(float)"
        raise located(ArgumentError, message, name)
    return array


def _require_x64() -> None:
    if not jax.config.jax_enable_x64:
        message = (
            "likelihoods need double precision, and JAX is set to single; call "
            'jax.config.update("jax_enable_x64", True) before making arrays'
        )
        raise Error(message)


def _fit(host: HostFit) -> Scalar:
    @jax.custom_vjp
    def function(*arrays: Any) -> Any:
        return call(host.forward, (_vector(host.model.n_parameters), _vector()), *arrays)

    def forward(*arrays: Any) -> Any:
        x, value = function(*arrays)
        return (x, value), (x, arrays)

    def backward(saved: Any, cotangents: Any) -> Any:
        x, arrays = saved
        shapes = tuple(_vector(size) for size in host.sizes)
        return call(host.backward, shapes, x, *cotangents, *arrays)

    function.defvjp(forward, backward)
    return _checked(function, host.sizes)


_bridge = Bridge(_scalar, _fit)
expected_uncertainty = _bridge.expected_uncertainty
expected_significance = _bridge.expected_significance
cls = _bridge.cls
upper_limit = _bridge.upper_limit
test_statistic = _bridge.test_statistic
goodness_of_fit = _bridge.goodness_of_fit
nll = _bridge.nll
fit = _bridge.fit
