"""One value or another, smoothly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import FloatArray
from .._results.record import Record
from ._calls import Gradients, copies, exactly, sum_to_shape
from ._cut import change_of_step, common_shape, step_at
from ._histogram import Kernel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ChoiceGradients(Gradients):
    """Derivatives of a function of a choice, each in the shape of the argument; frozen.

    Examples
    --------
    >>> from nablafit import relax
    >>> choice = relax.where([20.0, 30.0], 30.0, 2.0, above=1.0, below=0.0)
    >>> print(choice.vjp([1.0, 1.0]).values.round(3))
    [0.003 0.125]
    """

    values: FloatArray
    threshold: FloatArray
    width: FloatArray
    above: FloatArray
    below: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SoftChoice(Record, format="nablafit.SoftChoice/1"):
    """The mixture of two values, and its derivatives; frozen.

    Examples
    --------
    >>> from nablafit import relax
    >>> choice = relax.where([20.0, 30.0], 30.0, 2.0, above=1.0, below=0.0)
    >>> print(choice.share.round(3))
    [0.007 0.5  ]
    """

    result: FloatArray
    """share * above + (1 - share) * below, in the common shape of the arguments."""
    share: FloatArray
    """Share of `above`, from 0 to 1."""
    values: FloatArray
    threshold: FloatArray
    width: FloatArray
    above: FloatArray
    below: FloatArray
    kernel: Kernel
    by_value: FloatArray
    """Derivative of `share` with respect to the values; minus that for the threshold."""
    by_width: FloatArray
    """Derivative of `share` with respect to the width."""

    def vjp(self, cotangents: ArrayLike) -> ChoiceGradients:
        """Return the derivatives of sum(cotangents * result) with respect to all arguments.

        Those with respect to values, threshold and width are 0 where the width is 0.

        Raises
        ------
        ArgumentError
            If the shape is not that of `result`.
        """
        weights = exactly(cotangents, self.result.shape, "cotangents")
        gap = weights * (self.above - self.below)
        return ChoiceGradients(
            values=sum_to_shape(gap * self.by_value, self.values.shape),
            threshold=sum_to_shape(-gap * self.by_value, self.threshold.shape),
            width=sum_to_shape(gap * self.by_width, self.width.shape),
            above=sum_to_shape(weights * self.share, self.above.shape),
            below=sum_to_shape(weights * (1.0 - self.share), self.below.shape),
        )

    def jvp(
        self,
        *,
        values: ArrayLike = 0.0,
        threshold: ArrayLike = 0.0,
        width: ArrayLike = 0.0,
        above: ArrayLike = 0.0,
        below: ArrayLike = 0.0,
    ) -> FloatArray:
        """Return the derivative of `result` along a direction, in the shape of `result`.

        Raises
        ------
        ArgumentError
            If a direction is neither a number nor of the shape of its argument.
        """
        share = change_of_step(self, values, threshold, width)
        upper = exactly(above, self.above.shape, "above")
        lower = exactly(below, self.below.shape, "below")
        change: FloatArray = (
            share * (self.above - self.below) + self.share * upper + (1.0 - self.share) * lower
        )
        return change

    def __repr__(self) -> str:
        mean = float(self.share.mean()) if self.share.size else 0.0
        return f"Choice, {self.kernel} kernel: {self.share.size} results, {mean:.6g} from above"


def where(
    values: ArrayLike,
    threshold: ArrayLike,
    width: ArrayLike,
    above: ArrayLike,
    below: ArrayLike,
    *,
    kernel: Kernel = "logistic",
    n_threads: int | None = None,
) -> SoftChoice:
    """Mix `above` and `below` by how far a value passes a threshold: a smooth if-then-else.

    The share of `above` is that of `nablafit.relax.cut`. With width 0 this is
    `numpy.where(values >= threshold, above, below)` for finite `above` and `below`.

    Parameters
    ----------
    values, threshold, width
        As for `nablafit.relax.cut`.
    above, below
        Results on the two sides; finite, in any shape that broadcasts with the others.
    kernel, n_threads
        As for `nablafit.relax.cut`.

    Returns
    -------
    SoftChoice
        With `result`, and `vjp` and `jvp` for its derivatives.

    Raises
    ------
    ArgumentError
        If shapes do not fit, values, threshold or width are not finite, or a width is negative.

    Examples
    --------
    >>> from nablafit import relax
    >>> choice = relax.where([20.0, 30.0, 40.0], 30.0, 2.0, above=1.0, below=0.0)
    >>> print(choice.result.round(3))
    [0.007 0.5   0.993]
    """
    places, at, widths = copies(values=values, threshold=threshold, width=width)
    upper, lower = copies(above=above, below=below)
    shape = common_shape(values=places, threshold=at, width=widths, above=upper, below=lower)
    step = step_at(places, at, widths, kernel, n_threads)
    share = np.array(np.broadcast_to(step.passed, shape))
    return SoftChoice(
        result=share * upper + (1.0 - share) * lower,
        share=share,
        values=places,
        threshold=at,
        width=widths,
        above=upper,
        below=lower,
        kernel=kernel,
        by_value=step.by_distance,
        by_width=step.by_width,
    )
