"""From limits and tables to the result that users get, with notes on what they should know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..testing._hypothesis import Hypothesis
from ..testing._profile import Fits
from ..testing.toy_distribution import ToyDistribution
from ._curves import Table, outcome, toy_notes
from ._search import Criterion
from .results import LimitResult

__all__ = ["LimitParts", "make_limit"]


@dataclass(frozen=True, kw_only=True)
class LimitParts:
    """What a result is made of."""

    hypothesis: Hypothesis
    criterion: Criterion
    calculator: str
    method: str
    poi_hat: float
    table: Table
    limits: Sequence[tuple[float, str]]
    """Limit and status of each of the six curves."""
    errors: Sequence[float]
    fits: Fits
    failure: str | None = None
    toys: tuple[ToyDistribution, ...] = ()
    complete: bool = True


def make_limit(parts: LimitParts) -> LimitResult:
    """Return the result."""
    hypothesis, table = parts.hypothesis, parts.table
    values = [value for value, _ in parts.limits]
    status, message = outcome(
        hypothesis.poi[0],
        parts.criterion,
        table,
        parts.limits,
        parts.failure,
        complete=parts.complete,
    )
    return LimitResult(
        poi=hypothesis.poi[0],
        level=parts.criterion.level,
        statistic=hypothesis.statistic,
        criterion=parts.criterion.name,
        calculator=parts.calculator,
        method=parts.method,
        observed=values[0],
        expected=np.array(values[1:]),
        observed_error=parts.errors[0],
        expected_error=np.array(parts.errors[1:]),
        curve_status=tuple(status for _, status in parts.limits),
        poi_hat=parts.poi_hat,
        bounds=hypothesis.ranges[0],
        values=table.values,
        cls_observed=table.p[:, 0].copy(),
        cls_expected=table.p[:, 1:].copy(),
        cls_observed_error=table.errors[:, 0].copy(),
        cls_expected_error=table.errors[:, 1:].copy(),
        q=table.q,
        q_asimov=table.q_asimov,
        point_status=table.status,
        n_fits=parts.fits.n_fits,
        toys=parts.toys,
        notes=_notes(parts),
        status=status,
        message=message,
    )


def _notes(parts: LimitParts) -> tuple[str, ...]:
    hypothesis, table = parts.hypothesis, parts.table
    name, notes = hypothesis.poi[0], []
    upper = hypothesis.model.bounds[hypothesis.indices[0]][1]
    found = [value for value, _ in parts.limits if math.isfinite(value)]
    if found and max(found) > upper:
        notes.append(
            f"limits lie above the upper bound {upper:g} of {name} in the model, which was extended"
        )
    if parts.poi_hat >= upper:
        notes.append(
            f"the best fit has {name} = {parts.poi_hat:.4g}, not below its upper bound {upper:g} "
            "in the model, which was extended"
        )
    low = hypothesis.ranges[0][0]
    if parts.poi_hat == low and low != 0:
        notes.append(
            f"the best fit of {name} is at its bound {parts.poi_hat:g}: the data prefer a value "
            "beyond it"
        )
    if any(kind == "below_zero" for _, kind in parts.limits):
        notes.append(f"{parts.criterion.name} excludes every value of {name}: such limits are 0")
    failed = sum(status != "ok" for status in table.status)
    if failed:
        notes.append(f"fits failed at {failed} of {len(table.values)} tested values")
    return (*notes, *parts.fits.notes(), *toy_notes(parts.toys))
