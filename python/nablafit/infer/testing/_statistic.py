"""Test statistics from minima, as defined in arXiv:1007.1727."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray

__all__ = ["is_zero", "likelihood_ratio", "statistic_value"]


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
