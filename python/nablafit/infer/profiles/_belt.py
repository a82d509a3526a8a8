"""From ratios in toys to p-values, critical values and intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray

# Ratios closer than this are equal: data with few outcomes give the same ratio again and again, up
# to the precision of fits.
_TIE = 1e-6


def p_values(toys: FloatArray, observed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the fraction of toys at or above the observed ratio, and its standard deviation.

    Parameters
    ----------
    toys : array, shape (n_values, n_toys)
        Ratios; NaN is left out.
    observed : array, shape (n_values,)
        Observed ratios.

    Returns
    -------
    tuple of array
        Each of shape (n_values,). The deviation is binomial, at (k + 1/2) / (n + 1) so that it is
        not zero for k = 0 or n; both are NaN without toys or observed ratio.
    """
    n = np.sum(np.isfinite(toys), axis=1).astype(float)
    n[(n == 0) | np.isnan(observed)] = np.nan
    above = np.sum(toys >= (observed - _TIE)[:, None], axis=1)
    centre = (above + 0.5) / (n + 1.0)
    return above / n, np.sqrt(centre * (1.0 - centre) / n)


def critical_values(toys: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the quantile `level` of the ratios, and half the distance of those one deviation off.

    Shapes as in `p_values`; NaN without toys.
    """
    values = np.full(len(toys), np.nan)
    errors = np.full(len(toys), np.nan)
    for i, row in enumerate(np.sort(toys, axis=1)):
        n = int(np.sum(np.isfinite(row)))
        if n == 0:
            continue
        wanted = level * n
        spread = math.sqrt(n * level * (1.0 - level))
        low, middle, high = (
            row[min(max(math.ceil(k - 1e-9), 1), n) - 1]
            for k in (wanted - spread, wanted, wanted + spread)
        )
        values[i], errors[i] = middle, 0.5 * (high - low)
    return values, errors


def accepted_intervals(
    values: FloatArray, p: FloatArray, p_errors: FloatArray, alpha: float
) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]:
    """Return the intervals where p > alpha, and the standard deviations of their ends.

    Ends lie where the straight line between an accepted and a rejected value crosses alpha. At the
    border of the range, and next to a value without p, the end is the accepted value itself, with
    the deviation NaN. Deviations have two parts: that of p, and half the distance within which the
    lines through the next two values inside and outside would put the end. It is up to half the
    spacing where p jumps, and vanishes where p is straight.
    """
    accepted = p > alpha
    intervals, errors = [], []
    for first, last in _runs(accepted):
        low, low_error = _end(values, p, p_errors, alpha, (first, first - 1))
        high, high_error = _end(values, p, p_errors, alpha, (last, last + 1))
        intervals.append((low, high))
        errors.append((low_error, high_error))
    return tuple(intervals), tuple(errors)


def _runs(accepted: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], accepted, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _end(
    values: FloatArray, p: FloatArray, p_errors: FloatArray, alpha: float, pair: tuple[int, int]
) -> tuple[float, float]:
    inside, outside = pair
    if not 0 <= outside < len(values) or np.isnan(p[outside]):
        return float(values[inside]), math.nan
    drop = p[inside] - p[outside]
    step = values[outside] - values[inside]
    part = (p[inside] - alpha) / drop
    error = np.hypot((1.0 - part) * p_errors[inside], part * p_errors[outside]) / drop
    ends = [_beyond(values, p, alpha, pair), _beyond(values, p, alpha, pair[::-1])]
    spacing = 0.5 * (max(*ends, part) - min(*ends, part))
    return float(values[inside] + part * step), float(abs(step) * np.hypot(error, spacing))


def _beyond(values: FloatArray, p: FloatArray, alpha: float, pair: tuple[int, int]) -> float:
    """Return where the line through a value and its neighbour away from the end crosses alpha.

    As a part of the way from the inner value to the outer one; the far one of them where it does
    not fall, or is not known. The pair is (inner, outer), or the reverse for the outer line.
    """
    near, far = pair
    neighbour = 2 * near - far
    is_inner = p[near] > alpha
    if 0 <= neighbour < len(values) and not np.isnan(p[neighbour]):
        fall = (p[neighbour] - p[near]) / (values[neighbour] - values[near])
        step = values[far] - values[near]
        if fall * step * (p[far] - p[near]) > 0.0:
            part = min((alpha - p[near]) / (fall * step), 1.0)
            return float(part if is_inner else 1.0 - part)
    return 1.0 if is_inner else 0.0
