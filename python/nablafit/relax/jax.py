"""Relaxed histograms, cuts and choices as differentiable functions of JAX arrays.

Histograms are filled by nablafit's C++ through a callback: `jit`, `grad`, `vjp` and `vmap` work,
derivatives are first ones of reverse mode. Each element of a `vmap` is one call of the core; many
weights of the same events are faster as weights of two axes. Cuts and choices are operations of
JAX, differentiable any number of times in any mode.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    message = "nablafit.relax.jax needs JAX: pip install 'nablafit[jax]'"
    raise ImportError(message) from error

from ..errors import ArgumentError, located
from ._bridge import Array, Bridge, Options
from ._calls import HistogramCall, histogram_axes

if TYPE_CHECKING:
    from .._arrays import FloatArray

__all__ = ["cut", "histogram", "where"]


def _fill(
    options: Options, values: Array, weights: Array, edges: Array, bandwidth: Array
) -> jax.Array:
    _require_float64()
    x = jnp.asarray(values, dtype=jnp.float64)
    w = jnp.ones(x.shape[-1:]) if weights is None else jnp.asarray(weights, dtype=jnp.float64)
    e = jnp.asarray(edges, dtype=jnp.float64)
    s = jnp.asarray(bandwidth, dtype=jnp.float64)
    histogram_axes(x.shape, w.shape, e.shape, s.shape)
    counts: jax.Array = _histogram(options, x, w, e, s)
    return counts


def _require_float64() -> None:
    if not jax.config.jax_enable_x64:
        message = (
            "expected float64 to be enabled, JAX would round to float32; call "
            'jax.config.update("jax_enable_x64", True) before anything else'
        )
        raise located(ArgumentError, message, "jax_enable_x64")


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _histogram(
    options: Options, x: jax.Array, w: jax.Array, e: jax.Array, s: jax.Array
) -> jax.Array:
    n_bins = e.shape[-1] + (1 if options[1] == "separate" else -1)
    batch = np.broadcast_shapes(x.shape, w.shape)[:-1]
    result = jax.ShapeDtypeStruct((*batch, n_bins), jnp.float64)

    def counts(*arrays: Array) -> FloatArray:
        return HistogramCall.of(options, *map(_exact, arrays)).counts()

    found: jax.Array = jax.pure_callback(counts, result, x, w, e, s, vmap_method="sequential")
    return found


def _forward(
    options: Options, x: jax.Array, w: jax.Array, e: jax.Array, s: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    return _histogram(options, x, w, e, s), (x, w, e, s)


def _backward(
    options: Options, arrays: tuple[jax.Array, ...], cotangents: jax.Array
) -> tuple[jax.Array, ...]:
    result = tuple(jax.ShapeDtypeStruct(array.shape, jnp.float64) for array in arrays)

    def products(*numbers: Array) -> tuple[FloatArray, ...]:
        *inputs, along = map(_exact, numbers)
        return HistogramCall.of(options, *inputs).vjp(along)

    found = jax.pure_callback(products, result, *arrays, cotangents, vmap_method="sequential")
    return tuple(found)


_histogram.defvjp(_forward, _backward)


def _exact(array: Array) -> FloatArray:
    return np.asarray(array, dtype=np.float64, order="C")


_bridge = Bridge(_fill, jnp.asarray, jnp.where, jax.nn.sigmoid, jax.scipy.stats.norm.cdf)
histogram = _bridge.histogram
cut = _bridge.cut
where = _bridge.where
