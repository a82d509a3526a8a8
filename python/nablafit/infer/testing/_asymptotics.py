"""Asymptotic distributions of the test statistics.

Equation numbers are those of Cowan, Cranmer, Gross, Vitells, arXiv:1007.1727. Throughout, `q` is
the statistic in the data, `qa` the one in Asimov data of the alternative hypothesis, so that
sqrt(qa) = |mu - mu'| / sigma, Eq. (29). Arrays broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from ..._arrays import FloatArray

__all__ = ["NSIGMA", "PValues", "expected_p_values", "p_values", "tail_coordinates"]

NSIGMA = np.array([2.0, 1.0, 0.0, -1.0, -2.0])
"""Fluctuations of -mu_hat / sigma in the expected results: the lowest limit first."""


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

    q, q-tilde, q0: where the estimate fluctuates by so many of its standard deviations, Eq. (89).
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
