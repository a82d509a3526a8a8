"""The criterion at tested values, limits from interpolating it, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..._arrays import FloatArray, float_array
from ..._results.text import BANDS
from ...errors import ArgumentError, located
from ..testing._statistic import toy_p_values
from ..testing.toy_distribution import ToyDistribution
from ._search import Criterion


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


_FOUND = ("converged", "interpolated", "below_zero")


_NAMES = ("observed", *BANDS)


_LEFT_OUT = "toys failed and are left out"
_SEVERAL = "have fits with several minima"


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


def outcome(
    name: str,
    criterion: Criterion,
    table: Table,
    limits: Sequence[tuple[float, str]],
    failure: str | None = None,
    *,
    complete: bool = True,
) -> tuple[str, str]:
    """Return status and message of a result; `name` is that of the parameter of interest."""
    kinds = [status for _, status in limits]
    n_found = sum(kind in _FOUND for kind in kinds)
    if "no_effect" in kinds:
        return "no_effect", f"{name} changes no expected yield: no value of it can be excluded."
    if not complete:
        return "interrupted", "Interrupted: the limits are those of the toys that were done."
    if n_found == len(kinds):
        return "ok", "All limits were found."
    missing = [curve for curve, kind in zip(_NAMES, kinds, strict=True) if kind not in _FOUND]
    remedy = failure or _remedy(name, criterion, table, kinds)
    return ("incomplete" if n_found else "failed"), f"Not found: {', '.join(missing)}. {remedy}"


def _remedy(name: str, criterion: Criterion, table: Table, kinds: Sequence[str]) -> str:
    alpha = 1 - criterion.level
    if "outside_grid" in kinds:
        if np.any(table.p[-1] >= alpha):
            return f"Values above {table.values[-1]:g} have to be tested."
        return f"Values below {table.values[0]:g} have to be tested."
    if "not_reached" in kinds:
        return (
            f"{criterion.name} stays above {alpha:.3g} up to {name} = {table.values[-1]:.3g}, the "
            "largest value that could be tested: the data hardly depend on it."
        )
    if "inconsistent" in kinds:
        return (
            f"{criterion.name} jumps there, because fits end in different minima; ask for more "
            "`starts`."
        )
    if "fit_failed" in kinds:
        return "Fits failed near the limit; see `point_status`."
    return "The search did not converge; choose the tested `values`."


def toy_notes(toys: Sequence[ToyDistribution], table: Table) -> tuple[str, ...]:
    """Return notes on toys that failed and on those with several minima, if there are any."""
    n = sum(map(len, toys))
    n_failed = sum(distribution.n_failed for distribution in toys)
    n_several = sum(distribution.n_several for distribution in toys)
    notes = []
    if n_failed:
        notes.append(f"{n_failed} of {n} {_LEFT_OUT}")
    if n_several:
        said = f"{n_several} of {n} toys ({100.0 * n_several / n:.2g} %) {_SEVERAL}"
        notes.append(f"{said}{_largest_effect(toys[::2], table)}")
    return tuple(notes)


def _largest_effect(toys: Sequence[ToyDistribution], table: Table) -> str:
    """Say by how much the lowest minima change the p-value of the signal at most, and where."""
    q = dict(zip(table.values.tolist(), table.q.tolist(), strict=True))
    effects = {mu: signal.effect_of_starts(q[mu]) for signal in toys for mu in signal.tested[:1]}
    known = {mu: effect for mu, effect in effects.items() if np.isfinite(effect)}
    if not known:
        return ""
    mu = max(known, key=lambda value: abs(known[value]))
    return f"; the lowest are used, which changes CLs+b by at most {known[mu]:+.2g} (at {mu:.4g})"


def merged_notes(
    notes: Sequence[str], toys: Sequence[ToyDistribution], table: Table
) -> tuple[str, ...]:
    """Return the notes of a result with other toys."""
    kept = (note for note in notes if _LEFT_OUT not in note and _SEVERAL not in note)
    return (*kept, *toy_notes(toys, table))


def toy_table(
    criterion: Criterion,
    grid: FloatArray,
    q: FloatArray,
    status: tuple[str, ...],
    pairs: dict[float, tuple[ToyDistribution, ToyDistribution]],
) -> Table:
    """Return the criterion at the values of the grid, NaN where there are no toys."""
    name = "cls" if criterion.name == "CLs" else "clsb"
    p, errors = np.full((len(grid), 6), np.nan), np.full((len(grid), 6), np.nan)
    for i, mu in enumerate(grid.tolist()):
        if mu not in pairs or pairs[mu][0].n_valid == 0 or pairs[mu][1].n_valid == 0:
            continue
        found = toy_p_values(criterion.statistic, q[i], *pairs[mu])
        p[i] = [*getattr(found.observed, name), *getattr(found.expected, name)]
        errors[i] = [*getattr(found.observed_errors, name), *getattr(found.expected_errors, name)]
    return Table(grid, p, errors, q, np.full(len(grid), np.nan), status)
