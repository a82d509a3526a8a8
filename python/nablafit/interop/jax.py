"""Objectives of nablafit as functions of JAX arrays, with exact derivatives.

Every function here returns a function that works under `jit`, `grad`, `vjp` and `vmap`. The work is
done by nablafit's core in a callback; `vmap` becomes one call whose items run in threads, in which
items without a value are NaN. A single evaluation that fails raises.

JAX must compute in double precision: `jax.config.update("jax_enable_x64", True)`. Arrays of other
types are refused, never converted. Derivatives are of first order, in reverse mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import ArgumentError, Error, located
from ._host import HostFunction, make_fit, make_nll, make_objective

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    message = "nablafit.interop.jax needs JAX: pip install 'nablafit[jax]'"
    raise ImportError(message) from error

if TYPE_CHECKING:
    from .._arrays import ParameterValues
    from ..data import Data
    from ..inputs import Address
    from ..minimizers.problem import Bounds, Fixed
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

Scalar: TypeAlias = Callable[..., Any]


def assemble(model: Model, parts: Mapping[Address, Any]) -> Any:
    """Return the inputs of a model with some parts replaced, differentiable by these.

    Parameters
    ----------
    model : Model
        Where addresses and all other inputs come from.
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


def expected_uncertainty(model: Model, **options: Any) -> Scalar:
    """Return `nablafit.diff.expected_uncertainty` as a function of the inputs.

    Parameters
    ----------
    model : Model
        Gives structure and layout.
    **options
        As there: poi, at, fixed, n_threads.
    """
    return _objective("expected_uncertainty", model, None, has_data=False, options=options)


def expected_significance(model: Model, **options: Any) -> Scalar:
    """Return `nablafit.diff.expected_significance` as a function of the inputs.

    Parameters
    ----------
    model, **options
        As there: poi, mu, at, bounds, fixed, n_threads.
    """
    return _objective("expected_significance", model, None, has_data=False, options=options)


def cls(
    model: Model, data: Data | None = None, *, observed: bool = False, **options: Any
) -> Scalar:
    """Return `nablafit.diff.cls` as a function of the inputs, or also of data.

    Parameters
    ----------
    model : Model
        Gives structure and layout.
    data : Data, optional
        Held. Without data the function is the CLs expected without signal.
    observed : bool
        Make a function of (inputs, counts, global_observables) instead.
    **options
        As there: poi, mu, statistic, nsigma, initial, bounds, fixed, n_threads.
    """
    return _objective("cls", model, data, has_data=observed, options=options)


def upper_limit(
    model: Model, data: Data | None = None, *, observed: bool = False, **options: Any
) -> Scalar:
    """Return `nablafit.diff.upper_limit` as a function of the inputs, or also of data.

    Parameters
    ----------
    model, data, observed
        As in `cls`.
    **options
        As there: poi, level, statistic, nsigma, initial, bounds, fixed, n_threads.
    """
    return _objective("upper_limit", model, data, has_data=observed, options=options)


def test_statistic(model: Model, **options: Any) -> Scalar:
    """Return `nablafit.diff.test_statistic` of (inputs, counts, global_observables).

    Parameters
    ----------
    model, **options
        As there: poi, mu, statistic, initial, bounds, fixed, n_threads.
    """
    return _objective("test_statistic", model, None, has_data=True, options=options)


def goodness_of_fit(model: Model, **options: Any) -> Scalar:
    """Return `nablafit.diff.goodness_of_fit` of (inputs, counts, global_observables).

    Parameters
    ----------
    model, **options
        As there: initial, bounds, fixed, n_threads.
    """
    return _objective("goodness_of_fit", model, None, has_data=True, options=options)


def nll(model: Model, *, n_threads: int | None = None) -> Scalar:
    """Return -log L, the whole likelihood, of (x, inputs, counts, global_observables).

    Parameters
    ----------
    model : Model
        Gives structure and layout.
    n_threads : int, optional
        Of a batch.
    """
    return _scalar(make_nll(model, n_threads))


def fit(
    model: Model,
    *,
    held: Sequence[str] = (),
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    n_threads: int | None = None,
) -> Callable[..., tuple[Any, Any]]:
    """Return the fit as a function of (inputs, counts, global_observables), or also of values.

    It gives the parameters at the minimum, shape (n_parameters,), and -log L there; its derivatives
    are those of `nablafit.diff.fit`.

    Parameters
    ----------
    model : Model
        Gives structure and layout.
    held : sequence of str
        Parameters that are fixed at values which are a fourth argument, shape (n_held,): what is
        profiled at them is differentiable by them.
    initial, bounds, fixed : optional
        As in `nablafit.fit`.
    n_threads : int, optional
        Of a batch.
    """
    host = make_fit(
        model, held=held, initial=initial, bounds=bounds, fixed=fixed, n_threads=n_threads
    )

    @jax.custom_vjp
    def function(*arrays: Any) -> Any:
        return call(host.forward, (_vector(model.n_parameters), _vector()), *arrays)

    def forward(*arrays: Any) -> Any:
        x, value = function(*arrays)
        return (x, value), (x, arrays)

    def backward(saved: Any, cotangents: Any) -> Any:
        x, arrays = saved
        shapes = tuple(_vector(size) for size in host.sizes)
        return call(host.backward, shapes, x, *cotangents, *arrays)

    function.defvjp(forward, backward)
    return _checked(function, host.sizes)


def _objective(
    name: str, model: Model, data: Data | None, *, has_data: bool, options: dict[str, Any]
) -> Scalar:
    return _scalar(make_objective(name, model, data=data, has_data=has_data, options=options))


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
