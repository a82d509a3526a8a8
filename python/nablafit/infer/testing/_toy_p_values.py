"""p-values from toys, observed and expected, with their statistical uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from ..._arrays import FloatArray
from ._asymptotics import NSIGMA, PValues
from .toy_distribution import ToyDistribution

__all__ = ["ToyPValues", "toy_p_values"]

_NONE = np.full(5, np.nan)


@dataclass(frozen=True)
class ToyPValues:
    """Observed and expected p-values with errors."""

    observed: PValues
    observed_errors: PValues
    expected: PValues
    expected_errors: PValues


def toy_p_values(
    statistic: str, q: float, tested: ToyDistribution, alternative: ToyDistribution
) -> ToyPValues:
    """Count toys at or above the observed statistic, and above that of every alternative toy.

    Expected values are quantiles, over the toys of the alternative hypothesis, of the p-value that
    each of them would have as data, as in pyhf.infer.calculators.ToyCalculator.
    """
    clsb, clsb_error = tested.p_values(np.array([q]))
    clb, clb_error = alternative.p_values(np.array([q]))
    cls, cls_error = _ratio(clsb, clb, clsb_error, clb_error)
    observed, errors = PValues(clsb, clb, cls), PValues(clsb_error, clb_error, cls_error)
    expected, expected_errors = _expected(tested, alternative)
    if statistic in ("t", "ttilde"):
        observed, errors = _first(observed), _first(errors)
        expected, expected_errors = _first(expected), _first(expected_errors)
    return ToyPValues(observed, errors, expected, expected_errors)


def _first(values: PValues) -> PValues:
    """Keep CLs+b: a two-sided statistic has no CLs."""
    nothing = np.full(np.shape(values.clsb), np.nan)
    return PValues(values.clsb, nothing, nothing)


def _ratio(
    a: FloatArray, b: FloatArray, a_error: FloatArray, b_error: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return a / b and its error for independent a and b; NaN where b is zero."""
    safe = np.where(b > 0, b, np.nan)
    ratio = a / safe
    return np.minimum(ratio, 1.0), np.hypot(a_error, ratio * b_error) / safe


def _expected(tested: ToyDistribution, alternative: ToyDistribution) -> tuple[PValues, PValues]:
    """Return quantiles of the p-values and their errors.

    The error of a quantile is half the distance of the quantiles one binomial standard deviation
    away, to which CLs+b adds its own error at the quantile.
    """
    values = alternative.values[alternative.valid]
    n = len(values)
    if n == 0 or tested.n_valid == 0:
        return PValues(_NONE, _NONE, _NONE), PValues(_NONE, _NONE, _NONE)
    clsb, clsb_error = tested.p_values(values)
    clb, clb_error = alternative.p_values(values)
    cls, cls_error = _ratio(clsb, clb, clsb_error, 0.0 * clb_error)
    shares = scipy.special.ndtr(-NSIGMA)
    spread = np.sqrt(shares * (1 - shares) / n)
    low, high = np.clip(shares - spread, 0, 1), np.clip(shares + spread, 0, 1)
    found, errors = [], []
    for p, p_error in ((clsb, clsb_error), (clb, 0.0 * clb_error), (cls, cls_error)):
        order = np.argsort(p, kind="stable")
        distance = np.quantile(p, high) - np.quantile(p, low)
        at = order[np.clip(np.rint(shares * (n - 1)).astype(int), 0, n - 1)]
        found.append(np.quantile(p, shares))
        errors.append(np.hypot(distance / 2, p_error[at]))
    return PValues(*found), PValues(*errors)
