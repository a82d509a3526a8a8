"""Test statistics from minima, as defined in arXiv:1007.1727."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ..._arrays import FloatArray
from .toy_distribution import ToyDistribution

NSIGMA = np.array([2.0, 1.0, 0.0, -1.0, -2.0])
"""Fluctuations of -mu_hat / sigma in the expected results: the lowest limit first."""
LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_FAR_OUT = 1e3  # where two exponents of 5e5 cancel, and u + 1 / u is good to 1e-12


@dataclass(frozen=True)
class PValues:
    """CLs+b, CLb and CLs = CLs+b / CLb."""

    clsb: FloatArray
    clb: FloatArray
    cls: FloatArray


def tail_coordinates(
    statistic: str, q: FloatArray, qa: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return u, v with CLs+b = Phi(-u) and CLb = Phi(-v) of an upper-limit statistic or q0.

    q, Eqs. (57) and (59): u = sqrt(q), v = sqrt(q) - sqrt(qa). q-tilde, Eq. (65): the same up to
    q = qa, above u = (q + qa) / (2 sqrt(qa)), v = (q - qa) / (2 sqrt(qa)). q0: p0 as CLs+b.
    """
    a, b = np.sqrt(q), np.sqrt(qa)
    u, v = a, a - b
    if statistic != "qtilde":
        return u, v
    above = (a > b) & (b > 0)
    safe = np.where(above, b, 1.0)
    return (
        np.where(above, (q + qa) / (2 * safe), u),
        np.where(above, (q - qa) / (2 * safe), v),
    )


def root_slope(root: FloatArray, dq: FloatArray | float) -> FloatArray:
    """Return the derivative of sqrt(q) for that of q; 0 where q is 0: its gradient vanishes too."""
    return np.where(root > 0, dq / (2 * np.where(root > 0, root, 1.0)), 0.0)


def tail_slopes(
    statistic: str,
    q: FloatArray,
    dq: FloatArray | float,
    qa: FloatArray,
    dqa: FloatArray | float,
) -> tuple[FloatArray, FloatArray]:
    """Return the derivatives of u and v of `tail_coordinates` for those of q and qa."""
    a, b = np.sqrt(q), np.sqrt(qa)
    du, db = root_slope(a, dq), root_slope(b, dqa)
    if statistic != "qtilde":
        return du, du - db
    u, v = tail_coordinates(statistic, q, qa)
    above = (a > b) & (b > 0)
    safe = np.where(above, b, 1.0)
    return (
        np.where(above, (dq + dqa) / (2 * safe) - u * db / safe, du),
        np.where(above, (dq - dqa) / (2 * safe) - v * db / safe, du - db),
    )


def log_cls(
    u: FloatArray, du: FloatArray, v: FloatArray, dv: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return log CLs = log Phi(-u) - log Phi(-v), at most 0, and its derivative."""
    log_u, log_v = scipy.special.log_ndtr(-u), scipy.special.log_ndtr(-v)
    slope = -_hazard(u, log_u) * du + _hazard(v, log_v) * dv
    return np.minimum(log_u - log_v, 0.0), slope


def _hazard(u: FloatArray, log_tail: FloatArray) -> FloatArray:
    """Density over tail probability of the normal distribution at u; far out, u + 1 / u."""
    far = u > _FAR_OUT
    exponent = np.where(far, 0.0, -(u**2) / 2 - LOG_SQRT_2PI - log_tail)
    return np.where(far, u + 1.0 / np.where(far, u, 1.0), np.exp(exponent))


def p_values(statistic: str, q: FloatArray, qa: FloatArray, n_poi: int = 1) -> PValues:
    """Return the p-values of observed statistics; NaN for CLb and CLs of two-sided ones.

    t: chi-square with `n_poi` degrees of freedom, Eq. (8) and section 3.3; t-tilde: section 3.4.
    """
    q, qa = np.asarray(q, float), np.asarray(qa, float)
    if statistic == "t":
        return _two_sided(scipy.special.chdtrc(n_poi, q))
    if statistic == "ttilde":
        return _two_sided(_ttilde_p_value(q, qa))
    return _one_sided(*tail_coordinates(statistic, q, qa))


def expected_p_values(statistic: str, qa: FloatArray, n_poi: int = 1) -> PValues:
    """Return the p-values in data of the alternative hypothesis, a last axis of NSIGMA.

    q, q-tilde, q0: where the estimate fluctuates by that many standard deviations, Eq. (89).
    Two-sided statistics: at the quantiles of the statistic itself under the alternative hypothesis.
    """
    qa = np.asarray(qa, float)[..., np.newaxis]
    if statistic not in ("t", "ttilde"):
        return _one_sided(NSIGMA + np.sqrt(qa), np.broadcast_to(NSIGMA, (*qa.shape[:-1], 5)))
    share = scipy.special.ndtr(NSIGMA)
    if statistic == "t":
        return _two_sided(scipy.special.chdtrc(n_poi, scipy.special.chndtrix(share, n_poi, qa)))
    shape = np.broadcast_shapes(qa.shape, share.shape)
    pairs = zip(np.broadcast_to(share, shape).flat, np.broadcast_to(qa, shape).flat, strict=True)
    quantiles = np.array([_ttilde_quantile(p, a) for p, a in pairs]).reshape(shape)
    return _two_sided(_ttilde_p_value(quantiles, qa))


def _one_sided(u: FloatArray, v: FloatArray) -> PValues:
    cls = np.exp(np.minimum(scipy.special.log_ndtr(-u) - scipy.special.log_ndtr(-v), 0.0))
    return PValues(scipy.special.ndtr(-u), scipy.special.ndtr(-v), cls)


def _two_sided(p: ArrayLike) -> PValues:
    nothing = np.full(np.shape(p), np.nan)
    return PValues(np.asarray(p, float), nothing, nothing)


def _ttilde_p_value(t: FloatArray, ta: FloatArray) -> FloatArray:
    """1 - F(t|mu) of t-tilde with ta = mu^2 / sigma^2 (section 3.4)."""
    root, b = np.sqrt(t), np.sqrt(ta)
    safe = np.where(b > 0, b, 1.0)
    wall = np.where(b > 0, (t + ta) / (2 * safe), np.inf)
    other = np.where(t > ta, wall, root)
    p: FloatArray = scipy.special.ndtr(-root) + scipy.special.ndtr(-other)
    return p


def _ttilde_quantile(share: float, ta: float) -> float:
    """Return a quantile of t-tilde at mu if mu' = 0.

    With x = mu_hat / sigma normal about 0 and b = mu / sigma, t = (x - b)^2 for x >= 0, else
    b^2 - 2 b x.
    """
    b = float(np.sqrt(ta))
    if b == 0.0:  # t = x^2 for x >= 0 and 0 below
        return float(scipy.special.ndtri(share)) ** 2 if share > 0.5 else 0.0

    def excess(t: float) -> float:
        low = b - np.sqrt(t) if t <= ta else (ta - t) / (2 * b)
        return float(scipy.special.ndtr(b + np.sqrt(t)) - scipy.special.ndtr(low)) - share

    high = 1.0
    while excess(high) < 0:
        high *= 2
    return float(scipy.optimize.brentq(excess, 0.0, high, xtol=1e-14, rtol=1e-13))


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


def is_zero(statistic: str, estimates: FloatArray, tested: float) -> NDArray[np.bool_]:
    """Whether the estimate alone says that the statistic is 0.

    q and q-tilde: above the tested value, Eqs. (14) and (16) of arXiv:1007.1727; q0: below zero,
    Eq. (12); the two-sided ones: nowhere.
    """
    if statistic in ("q", "qtilde"):
        return np.asarray(estimates >= tested)
    if statistic == "q0":
        return np.asarray(estimates <= tested)
    return np.zeros(np.shape(estimates), dtype=bool)


def likelihood_ratio(tested: FloatArray, free: FloatArray) -> FloatArray:
    """-2 log of the likelihood ratio from -log L at both minima; never negative."""
    return np.maximum(2.0 * (np.asarray(tested) - np.asarray(free)), 0.0)


def statistic_value(
    statistic: str, tested: float, estimate: float, held: float, free: float
) -> float:
    """Return a statistic of one data set.

    Parameters
    ----------
    statistic : str
        "q", "qtilde", "t", "ttilde" or "q0".
    tested, estimate : float
        Tested and best value of the (first) parameter of interest.
    held, free : float
        -log L at the minimum with the tested values held, and at the free minimum.
    """
    if bool(is_zero(statistic, np.array(estimate), tested)):
        return 0.0
    return float(likelihood_ratio(np.array(held), np.array(free)))
