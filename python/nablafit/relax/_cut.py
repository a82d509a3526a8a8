"""Cuts that let events pass with a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from .._arrays import FloatArray
from .._results.record import Record
from ..errors import ArgumentError, located
from ._calls import Gradients, Step, copies, exactly, smooth_step, sum_to_shape
from ._histogram import Kernel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Keep: TypeAlias = Literal["above", "below"]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class CutGradients(Gradients):
    """Derivatives of a function of a cut, each in the shape of the argument; frozen.

    Examples
    --------
    >>> from nablafit import relax
    >>> selection = relax.cut([20.0, 30.0, 40.0], threshold=30.0, width=2.0)
    >>> print(selection.vjp([1.0, 1.0, 1.0]).threshold.round(3))
    -0.132
    """

    values: FloatArray
    threshold: FloatArray
    width: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SoftCut(Record, format="nablafit.SoftCut/1"):
    """How far each event passes a cut, and the derivatives of that; frozen.

    Examples
    --------
    >>> from nablafit import relax
    >>> selection = relax.cut([20.0, 30.0, 40.0], threshold=30.0, width=2.0, keep="below")
    >>> print(selection.weights.round(3))
    [0.993 0.5   0.007]
    """

    weights: FloatArray
    """From 0 (fails) to 1 (passes), in the common shape of the arguments."""
    values: FloatArray
    threshold: FloatArray
    width: FloatArray
    """Width of the transition, in units of the values."""
    keep: Keep
    kernel: Kernel
    by_value: FloatArray
    """Derivative of `weights` with respect to the values; minus that for the threshold."""
    by_width: FloatArray
    """Derivative of `weights` with respect to the width."""

    def vjp(self, cotangents: ArrayLike) -> CutGradients:
        """Return the derivatives of sum(cotangents * weights) with respect to all arguments.

        Those with respect to width and threshold are 0 where the width is 0.

        Raises
        ------
        ArgumentError
            If the shape is not that of `weights`.
        """
        weights = exactly(cotangents, self.weights.shape, "cotangents")
        along = weights * self.by_value
        return CutGradients(
            values=sum_to_shape(along, self.values.shape),
            threshold=sum_to_shape(-along, self.threshold.shape),
            width=sum_to_shape(weights * self.by_width, self.width.shape),
        )

    def jvp(
        self, *, values: ArrayLike = 0.0, threshold: ArrayLike = 0.0, width: ArrayLike = 0.0
    ) -> FloatArray:
        """Return the derivative of `weights` along a direction, in the shape of `weights`.

        Raises
        ------
        ArgumentError
            If a direction is neither a number nor of the shape of its argument.
        """
        return change_of_step(self, values, threshold, width)

    def __repr__(self) -> str:
        passed, n = float(self.weights.sum()), self.weights.size
        return f"Cut, {self.kernel} kernel, keeps what is {self.keep}: {passed:.6g} of {n} pass"


def cut(
    values: ArrayLike,
    threshold: ArrayLike,
    width: ArrayLike,
    *,
    keep: Keep = "above",
    kernel: Kernel = "logistic",
    n_threads: int | None = None,
) -> SoftCut:
    """Select events above or below a threshold, smoothly.

    An event at x passes with weight C((x - threshold)/width), C the cumulative distribution of the
    kernel: for the logistic one a sigmoid. With width 0 it passes if x >= threshold; "below" keeps
    the others. Products of the weights of several cuts are a selection; products with event weights
    fill a histogram.

    Parameters
    ----------
    values
        Any shape.
    threshold, width
        Numbers, or arrays that broadcast with `values`; in units of the values; widths are not
        negative.
    keep
        "above" or "below" the threshold.
    kernel
        "logistic" (scale: the width) or "gaussian" (standard deviation: the width).
    n_threads
        Default: NABLAFIT_NUM_THREADS, else all processors. The result does not depend on it.

    Returns
    -------
    SoftCut
        With `weights`, and `vjp` and `jvp` for their derivatives.

    Raises
    ------
    ArgumentError
        If shapes do not fit, numbers are not finite, or a width is negative.

    Examples
    --------
    >>> from nablafit import relax
    >>> selection = relax.cut([20.0, 30.0, 40.0], threshold=30.0, width=2.0)
    >>> print(selection.weights.round(3))
    [0.007 0.5   0.993]
    """
    check_keep(keep)
    places, at, widths = copies(values=values, threshold=threshold, width=width)
    step = step_at(places, at, widths, kernel, n_threads)
    above = keep == "above"
    return SoftCut(
        weights=step.passed if above else 1.0 - step.passed,
        values=places,
        threshold=at,
        width=widths,
        keep=keep,
        kernel=kernel,
        by_value=step.by_distance if above else -step.by_distance,
        by_width=step.by_width if above else -step.by_width,
    )


def check_keep(keep: str) -> None:
    """Raise ArgumentError for anything but "above" and "below"."""
    if keep not in ("above", "below"):
        raise located(ArgumentError, f"expected 'above' or 'below', got {keep!r}", "keep")


def step_at(
    values: FloatArray,
    threshold: FloatArray,
    width: FloatArray,
    kernel: Kernel,
    n_threads: int | None,
) -> Step:
    """Evaluate the smoothed step of `values` at `threshold`, in their common shape."""
    shape = common_shape(values=values, threshold=threshold, width=width)
    for name, array in (("values", values), ("threshold", threshold)):
        if not np.all(np.isfinite(array)):
            raise located(ArgumentError, "expected finite numbers, got NaN or infinity", name)
    distances = np.ascontiguousarray(np.broadcast_to(values - threshold, shape))
    return smooth_step(distances, width, kernel, n_threads)


def change_of_step(
    of: Any,  # noqa: ANN401 - a cut or choice
    values: ArrayLike,
    threshold: ArrayLike,
    width: ArrayLike,
) -> FloatArray:
    """Return the derivative of the step of a cut or choice along a direction."""
    moved = exactly(values, of.values.shape, "values") - exactly(
        threshold, of.threshold.shape, "threshold"
    )
    change: FloatArray = of.by_value * moved + of.by_width * exactly(width, of.width.shape, "width")
    return change


def common_shape(**arrays: FloatArray) -> tuple[int, ...]:
    """Return the shape that arrays broadcast to, or raise ArgumentError with their names."""
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        message = f"expected shapes that broadcast, got {shapes}"
        raise located(ArgumentError, message, next(iter(arrays))) from None
