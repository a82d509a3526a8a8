"""Upper limits from toys at the values of a grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..._arrays import FloatArray
from ..._results.inputs import merged_origin
from ...errors import ArgumentError, Interrupted, located
from ..testing._hypothesis import Hypothesis
from ..testing._profile import Fits, until_settled
from ..testing._statistic import toy_p_values
from ..testing._tests import check_same, merge_toys
from ..testing._toy_runs import ToyJob, alternative_seed, check_toys, run_jobs
from ..testing.toy_distribution import ToyDistribution
from ._asymptotic import Preparation, limit_from, prepare
from ._report import LimitParts, Table, interpolate_limits, make_limit, merged_notes, outcome
from ._search import Criterion, LimitSearch

if TYPE_CHECKING:
    from ...data import Data
    from .results import LimitResult

__all__ = ["N_VALUES", "ToyPlan", "merge_limits", "toy_limit"]

N_VALUES = 12
"""Number of values of the default grid."""
_SHARED = ("poi", "level", "statistic", "criterion", "method", "poi_hat", "values", "q")
_MARGINS = (0.6, 1.4)  # of the default grid, relative to the asymptotic limits


@dataclass(frozen=True)
class ToyPlan:
    """How many toys, which, and how they are run."""

    n_toys: int
    seed: int
    start: int
    starts: int | None
    n_threads: int | None
    progress: Callable[[int], object] | None

    def __post_init__(self) -> None:
        check_toys(self.n_toys, self.seed, self.start)


def toy_limit(
    hypothesis: Hypothesis,
    data: Data,
    criterion: Criterion,
    grid: FloatArray | None,
    plan: ToyPlan,
    *,
    interpolation: str,
) -> LimitResult:
    """Return the limits; arguments as in `upper_limit`."""
    fits = Fits(plan.starts, plan.n_threads)
    ready, grid = until_settled(fits, lambda: _fit_grid(hypothesis, data, criterion, grid, fits))
    search = ready.search
    if grid is None or search is None:
        return replace(limit_from(ready, criterion, None, interpolation), calculator="toys")
    jobs = _jobs(ready, search, grid, plan)
    exception = run_jobs(jobs, n_threads=plan.n_threads, progress=plan.progress)
    result = _collect(ready, search, criterion, grid, jobs, interpolation, exception is None)
    if exception is not None:
        raise Interrupted.or_original(exception, result)
    return result


def _fit_grid(
    hypothesis: Hypothesis,
    data: Data,
    criterion: Criterion,
    grid: FloatArray | None,
    fits: Fits,
) -> tuple[Preparation, FloatArray | None]:
    """Fit the data at the values of the grid; None for the grid if there is nothing to test."""
    ready = prepare(hypothesis, data, criterion, fits)
    if ready.search is None or not ready.seen.has_effect():
        return ready, None
    if grid is None:
        grid = _default_grid(ready.search)
    if grid[-1] > ready.hypothesis.ranges[0][1]:
        ready = prepare(hypothesis.widened(), data, criterion, fits)
    if ready.search is not None:
        ready.search.evaluate(grid.tolist())
    return ready, grid


def _default_grid(search: LimitSearch) -> FloatArray:
    """Return values about the asymptotic limits."""
    found = [value for value, _ in search.solve() if math.isfinite(value) and value > 0]
    if not found:
        message = "no asymptotic limit was found that says where to look; give values"
        raise located(ArgumentError, message, "values")
    return np.linspace(_MARGINS[0] * min(found), _MARGINS[1] * max(found), N_VALUES)


def _jobs(ready: Preparation, search: LimitSearch, grid: FloatArray, plan: ToyPlan) -> list[ToyJob]:
    """Return one job per value, with signal, and one without signal that serves all values."""
    fitted = [mu for mu in grid.tolist() if search.observed.held[mu].valid]
    places = [(np.array([mu]), search.observed.held[mu].x, plan.seed) for mu in fitted]
    tested = [[values] for values, _, _ in places]
    alternative = ready.seen.alternative.x
    places.append((ready.hypothesis.alternative, alternative, alternative_seed(plan.seed)))
    tested.append([values for values, _, _ in places[:-1]])
    return [
        ToyJob(
            hypothesis=ready.hypothesis,
            tested=values,
            drawn_at=at,
            x=x,
            seed=seed,
            start=plan.start,
            n=plan.n_toys,
            others=ready.fits.toy_starts(ready.hypothesis, ready.seen.data, x),
        )
        for values, (at, x, seed) in zip(tested, places, strict=True)
    ]


def _collect(
    ready: Preparation,
    search: LimitSearch,
    criterion: Criterion,
    grid: FloatArray,
    jobs: Sequence[ToyJob],
    interpolation: str,
    complete: bool,
) -> LimitResult:
    n = min(job.n_done for job in jobs)
    *signal, alternative = [[toys.first(n) for toys in job.distributions()] for job in jobs]
    pairs = {
        toys[0].tested[0]: (toys[0], other) for toys, other in zip(signal, alternative, strict=True)
    }
    values = grid.tolist()
    q = np.array([search.observed.statistic(mu)[0] for mu in values])
    status = [search.observed.held[mu].status for mu in values]
    good = tuple("ok" if state.startswith("converged") else state for state in status)
    table = _table(criterion, grid, q, good, pairs)
    limits, errors = interpolate_limits(table, 1 - criterion.level, interpolation)
    return make_limit(
        LimitParts(
            hypothesis=ready.hypothesis,
            criterion=criterion,
            calculator="toys",
            method=interpolation,
            poi_hat=search.observed.estimate if search.observed.free.valid else math.nan,
            table=table,
            limits=limits,
            errors=errors,
            fits=ready.fits,
            failure=ready.failure,
            toys=tuple(toys for pair in pairs.values() for toys in pair),
            complete=complete,
        )
    )


def _table(
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


def merge_limits(shards: Sequence[LimitResult]) -> LimitResult:
    """Join the toys of several results and interpolate again."""
    first = check_same(shards, _SHARED)
    toys = merge_toys(shards)
    criterion = Criterion(first.criterion, first.statistic, first.level)
    pairs = {
        signal.tested[0]: (signal, other)
        for signal, other in zip(toys[::2], toys[1::2], strict=True)
    }
    table = _table(criterion, first.values, first.q, first.point_status, pairs)
    limits, errors = interpolate_limits(table, 1 - first.level, first.method)
    status, message = outcome(first.poi, criterion, table, limits)
    return replace(
        first,
        toys=toys,
        observed=limits[0][0],
        expected=np.array([limit for limit, _ in limits[1:]]),
        observed_error=errors[0],
        expected_error=np.array(errors[1:]),
        curve_status=tuple(kind for _, kind in limits),
        cls_observed=table.p[:, 0].copy(),
        cls_expected=table.p[:, 1:].copy(),
        cls_observed_error=table.errors[:, 0].copy(),
        cls_expected_error=table.errors[:, 1:].copy(),
        notes=merged_notes(first.notes, toys),
        origin=merged_origin([shard.origin for shard in shards], "shards"),
        status=status,
        message=message,
    )
