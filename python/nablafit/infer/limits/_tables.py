"""Tables of p-values at tested values, and limits from interpolating them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..._arrays import FloatArray, float_array
from ...errors import ArgumentError, located

__all__ = ["Table", "grid_values", "interpolate_limits"]


@dataclass(frozen=True)
class Table:
    """The criterion at tested values: the observed one and five expected ones."""

    values: FloatArray
    """Ascending, shape (n,)."""
    p: FloatArray
    """Shape (n, 6), NaN where a fit failed."""
    errors: FloatArray
    """Statistical uncertainty, shape (n, 6)."""
    q: FloatArray
    q_asimov: FloatArray
    status: tuple[str, ...] = field(default=())


def grid_values(values: ArrayLike) -> FloatArray:
    """Check and sort the values of a grid."""
    grid = np.unique(float_array(values, "values").ravel())
    if len(grid) < 2 or not np.all(np.isfinite(grid)) or grid[0] < 0:
        message = "expected at least two different values, all finite and from 0 on"
        raise located(ArgumentError, message, "values")
    return grid


def interpolate_limits(
    table: Table, alpha: float, interpolation: str
) -> tuple[list[tuple[float, str]], list[float]]:
    """Return limit and status of the six curves, and the statistical uncertainty of the limits."""
    limits: list[tuple[float, str]] = []
    errors: list[float] = []
    for k in range(table.p.shape[1]):
        good = np.isfinite(table.p[:, k])
        values, p, p_errors = table.values[good], table.p[good, k], table.errors[good, k]
        limit, status, error = _interpolate(values, p, p_errors, alpha, interpolation)
        limits.append((limit, status))
        errors.append(error)
    return limits, errors


def _interpolate(
    values: FloatArray, p: FloatArray, errors: FloatArray, alpha: float, interpolation: str
) -> tuple[float, str, float]:
    """Interpolate at the last crossing from above to below `alpha`."""
    if len(values) < 2:
        return math.nan, "fit_failed", math.nan
    crossings = np.flatnonzero((p[:-1] >= alpha) & (p[1:] < alpha))
    if len(crossings) == 0:
        return math.nan, "outside_grid", math.nan
    i = int(crossings[-1])
    low, high = p[i], p[i + 1]
    if interpolation == "log" and high > 0:
        share = math.log(low / alpha) / math.log(low / high)
    else:
        share = (low - alpha) / (low - high)
    width = values[i + 1] - values[i]
    slope = (low - high) / width
    error = math.hypot((1 - share) * errors[i], share * errors[i + 1]) / slope
    return float(values[i] + share * width), "interpolated", float(error)
