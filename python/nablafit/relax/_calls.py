"""Calls of the core: shapes in and out, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from .._arrays import FloatArray, float_array, thread_count
from .._results.record import Record
from ..errors import ArgumentError, located

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_Shape = tuple[int, ...]


def copies(**arguments: ArrayLike) -> list[FloatArray]:
    """Return copies of arguments as arrays, or raise ArgumentError with their names."""
    return [np.array(float_array(values, name)) for name, values in arguments.items()]


def sum_to_shape(array: FloatArray, shape: _Shape) -> FloatArray:
    """Sum over what broadcasting repeated: the transpose of `np.broadcast_to`."""
    extra = array.ndim - len(shape)
    axes = tuple(range(extra))
    repeated = tuple(
        extra + i for i, n in enumerate(shape) if n == 1 and array.shape[extra + i] != 1
    )
    summed: FloatArray = array.sum(axis=axes + repeated, keepdims=True)
    return summed.reshape(shape)


def exactly(values: ArrayLike, shape: _Shape, name: str) -> FloatArray:
    """Convert to an array of this shape; a number stands for all of its entries."""
    array = float_array(values, name)
    if array.ndim == 0:
        return np.full(shape, float(array))
    if array.shape != shape:
        raise located(ArgumentError, f"expected shape {shape}, got {array.shape}", name)
    return array


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Gradients(Record):
    """Derivatives of a function, each in the shape of the argument."""

    def __repr__(self) -> str:
        names = (field.name for field in fields(self) if field.name != "origin")
        shapes = ", ".join(f"{name} {getattr(self, name).shape}" for name in names)
        return f"{type(self).__name__} of shapes {shapes}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """The smoothed step at distances and widths of one shape."""

    passed: FloatArray
    by_distance: FloatArray
    by_width: FloatArray


def smooth_step(
    distances: FloatArray, widths: FloatArray, kernel: str, n_threads: int | None
) -> Step:
    """Evaluate the step; `widths` broadcasts to the shape of `distances`."""
    if widths.size != 1:
        widths = np.ascontiguousarray(np.broadcast_to(widths, distances.shape))
    passed, slope = _core.smooth_step(
        distances.ravel(), widths.ravel(), kernel, thread_count(n_threads)
    )
    slope = slope.reshape(distances.shape)
    scaled = np.divide(distances, widths, out=np.zeros_like(distances), where=widths > 0)
    return Step(passed=passed.reshape(distances.shape), by_distance=slope, by_width=-slope * scaled)


def histogram_axes(values: _Shape, weights: _Shape, edges: _Shape, bandwidth: _Shape) -> _Shape:
    """Return the common shape of values and weights; raise ArgumentError for what does not fit."""
    for name, shape, axes in (
        ("values", values, (1, 2)),
        ("weights", weights, (1, 2)),
        ("edges", edges, (1,)),
        ("bandwidth", bandwidth, (0, 1)),
    ):
        if len(shape) not in axes:
            wanted = " or ".join(str(n) for n in axes)
            raise located(ArgumentError, f"expected {wanted} axes, got shape {shape}", name)
    several = len(values) == len(weights) == 2
    if values[-1] != weights[-1] or (several and values[0] != weights[0]):
        message = f"expected one per value of shape {values}, got shape {weights}"
        raise located(ArgumentError, message, "weights")
    return np.broadcast_shapes(values, weights)


@dataclass(frozen=True)
class HistogramCall:
    """Arguments of the core, and the way back to the shapes of the caller."""

    arrays: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    options: tuple[str, str, int]
    shapes: tuple[_Shape, _Shape, _Shape, _Shape]
    """Of values, weights, edges and bandwidth, as the caller has them."""
    batch: _Shape
    """Leading axes of the result: none, or one with the number of histograms."""

    @classmethod
    def of(
        cls,
        options: tuple[str, str, int],
        values: FloatArray,
        weights: FloatArray,
        edges: FloatArray,
        bandwidth: FloatArray,
    ) -> HistogramCall:
        """Check shapes; the core checks the numbers."""
        shapes = (values.shape, weights.shape, edges.shape, bandwidth.shape)
        full = histogram_axes(*shapes)
        rows = values.reshape(-1, full[-1]) if full[-1] else np.zeros((1, 0))
        every = np.ascontiguousarray(np.broadcast_to(weights, full))
        n_rows = full[0] if full[:-1] else 1
        arrays = (rows, every.reshape(n_rows, full[-1]), edges, bandwidth.reshape(-1))
        return cls(arrays, options, shapes, full[:-1])

    def counts(self) -> FloatArray:
        """Return the histograms, shape (*batch, n_bins)."""
        return self._bins(_core.soft_histogram(self.arrays, self.options))

    def vjp(self, cotangents: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return derivatives with respect to values, weights, edges, bandwidth, in their shapes."""
        rows = cotangents.reshape(self.arrays[1].shape[0], -1)
        values, weights, edges, bandwidth = _core.soft_histogram_vjp(
            self.arrays, rows, self.options
        )
        weights = sum_to_shape(weights.reshape(*self.batch, -1), self.shapes[1])
        return values.reshape(self.shapes[0]), weights, edges, bandwidth.reshape(self.shapes[3])

    def jvp(
        self,
        values: FloatArray | None,
        weights: FloatArray | None,
        edges: FloatArray | None,
        bandwidth: FloatArray | None,
    ) -> FloatArray:
        """Return the change of the histograms along directions in the shapes of the arguments."""
        if values is not None:
            values = values.reshape(self.arrays[0].shape)
        if weights is not None:
            full = (*self.batch, self.arrays[1].shape[1])
            weights = np.ascontiguousarray(np.broadcast_to(weights, full))
            weights = weights.reshape(self.arrays[1].shape)
        if bandwidth is not None:
            bandwidth = bandwidth.reshape(-1)
        directions = (values, weights, edges, bandwidth)
        return self._bins(_core.soft_histogram_jvp(self.arrays, directions, self.options))

    def _bins(self, rows: FloatArray) -> FloatArray:
        return rows.reshape(*self.batch, -1)
