"""Upper limits from toys at the values of a grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..._arrays import FloatArray
from ...errors import ArgumentError, finished, located
from ..testing._hypothesis import Hypothesis
from ..testing._profile import Fits, until_settled
from ..testing._toy_runs import ToyJob, alternative_seed, check_toys, run_jobs
from ._asymptotic import Preparation, limit_from, prepare
from ._curves import interpolate_limits, toy_table
from ._search import Criterion, LimitSearch
from .results import make_limit

if TYPE_CHECKING:
    from ...data import Data
    from .results import LimitResult

N_VALUES = 12
"""Number of values of the default grid."""
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
    return finished(result, exception)


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
        message = "no asymptotic limit was found to derive the default values from; give `values`"
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
            starts=ready.fits.toy_search,
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
    table = toy_table(criterion, grid, q, good, pairs)
    limits, errors = interpolate_limits(table, 1 - criterion.level, interpolation)
    return make_limit(
        ready.hypothesis,
        criterion,
        table,
        limits,
        errors,
        ready.fits,
        calculator="toys",
        method=interpolation,
        poi_hat=search.observed.estimate if search.observed.free.valid else math.nan,
        failure=ready.failure,
        toys=tuple(toys for pair in pairs.values() for toys in pair),
        complete=complete,
    )
