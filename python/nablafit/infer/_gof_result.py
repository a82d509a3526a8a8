"""Results of `nablafit.goodness_of_fit`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import FloatArray
from .._record import Record
from ..result import FitResult

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ChannelDeviance", "GoodnessOfFitResult"]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ChannelDeviance(Record):
    """What one channel adds to the statistic: twice the sum of the deviances of its bins."""

    name: str
    deviance: float
    by_bin: FloatArray
    """Twice the deviance of each bin, 2 [lambda - n + n log(n / lambda)], shape (n_bins,)."""
    signs: FloatArray
    """+1 where more was observed than expected, -1 where less, 0 where equal, shape (n_bins,)."""

    @property
    def pulls(self) -> FloatArray:
        """Signed roots of `by_bin`: near a standard normal each if the model is right."""
        pulls: FloatArray = self.signs * np.sqrt(self.by_bin)
        return pulls


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class GoodnessOfFitResult(Record, format="nablafit.GoodnessOfFitResult/1"):
    """How well a model describes data: the saturated-model test; frozen."""

    status: str
    """"ok", or why there is no (valid) p-value: "fit_not_valid", "no_degrees_of_freedom"."""
    message: str
    """A sentence about the outcome."""
    statistic: float
    """-2 log(L / L_saturated) at the best fit."""
    dof: int
    """n_bins + n_constraints - n_free."""
    n_bins: int
    n_constraints: int
    """Constraint terms that depend on a free parameter."""
    n_free: int
    """Free parameters that the likelihood determines."""
    p_asymptotic: float
    """Chance of a chi-square with `dof` degrees of freedom to be at least `statistic`."""
    p_toys: float
    """Fraction of valid toys with at least `statistic`; NaN without toys."""
    p_toys_error: float
    """Standard deviation of `p_toys` from the number of toys (binomial); NaN without toys."""
    channels: tuple[ChannelDeviance, ...]
    constraints: float
    """What the constraint terms add to `statistic`; the channels add the rest."""
    fit: FitResult
    toys: FloatArray
    """The statistic of each toy, shape (n_toys,); NaN where the fit failed; empty without toys."""
    toy_x: FloatArray
    """Parameter values that toys are drawn at, shape (n_parameters,)."""
    seed: int
    """Of the toys."""
    start: int
    """Number of the first toy in the sequence of the seed."""
    complete: bool = True
    """False if the call was interrupted before all toys were fitted."""

    @property
    def n_toys(self) -> int:
        """Toys that were drawn."""
        return len(self.toys)

    @property
    def n_failed(self) -> int:
        """Toys whose fit found no minimum; they do not enter `p_toys`."""
        return int(np.sum(np.isnan(self.toys)))
