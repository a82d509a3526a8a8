"""Upper limits from asymptotic p-values, searched for or interpolated on a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import FloatArray
from ._asymptotics import expected_p_values, p_values
from ._hypothesis import Hypothesis
from ._limit_report import LimitParts, make_limit
from ._limit_search import Criterion, LimitSearch, Profile
from ._limit_tables import Table, interpolate_limits
from ._profile import Fit, Observation, Row, failure_sentence, fit_rows, observe

if TYPE_CHECKING:
    from ..data import Data
    from .limit_results import LimitResult

__all__ = ["Preparation", "asymptotic_limit", "prepare", "table_of"]


@dataclass(frozen=True)
class Preparation:
    """What precedes the search: fits to the observed data, Asimov data and fits to those."""

    seen: Observation
    search: LimitSearch | None
    """None if there are no Asimov data."""
    n_fits: int
    failure: str | None

    @property
    def hypothesis(self) -> Hypothesis:
        """The hypothesis with the ranges that the fits had."""
        return self.seen.hypothesis


def prepare(
    hypothesis: Hypothesis,
    data: Data,
    criterion: Criterion,
    *,
    tolerance: float = 1e-8,
    n_threads: int | None = None,
    start: FloatArray | None = None,
) -> Preparation:
    """Fit the observed data, and Asimov data without signal.

    `start` are values of all parameters for the first attempts, by default the initial ones. The
    upper bound of the parameter of interest is lifted if the best fit is at it: the limit is above.
    """
    seen = observe(hypothesis, data, n_threads=n_threads, start=start)
    if seen.free.valid and seen.poi_hat[0] >= hypothesis.ranges[0][1]:
        seen = observe(hypothesis.widened(), data, n_threads=n_threads, start=seen.free.x)
    hypothesis = seen.hypothesis
    if not seen.alternative.valid:
        return Preparation(seen, None, seen.n_fits, seen.failure("alternative"))
    x = seen.alternative.x
    asimov = hypothesis.model.asimov(x)
    free = fit_rows(hypothesis, [Row(asimov, x, None)], n_threads=n_threads)[0]
    if not free.valid:
        message = failure_sentence(hypothesis, "free", free, to=" to Asimov data")
        return Preparation(seen, None, seen.n_fits + 1, message)
    index = hypothesis.indices[0]
    model = hypothesis.model
    observed = Profile(data, model.likelihood(data), seen.free, index)
    search = LimitSearch(
        hypothesis,
        observed,
        Profile(asimov, model.likelihood(asimov), free, index),
        criterion,
        scale=_scale(hypothesis, asimov, x, n_threads),
        tolerance=tolerance,
        n_threads=n_threads,
    )
    return Preparation(seen, search, seen.n_fits + 2, seen.failure("free"))


def _scale(hypothesis: Hypothesis, asimov: Data, x: FloatArray, n_threads: int | None) -> float:
    """Return the standard deviation of the estimate without signal, 1 where it has none."""
    unbounded = replace(hypothesis, ranges=((-math.inf, math.inf),))
    fit = fit_rows(unbounded, [Row(asimov, x, None)], errors=True, n_threads=n_threads)[0]
    at_border = fit.status == "converged_at_zero_yield"
    return fit.poi_error if 0 < fit.poi_error < math.inf and not at_border else 1.0


def asymptotic_limit(
    hypothesis: Hypothesis,
    data: Data,
    criterion: Criterion,
    grid: FloatArray | None,
    *,
    interpolation: str = "log",
    tolerance: float = 1e-8,
    n_threads: int | None = None,
    start: FloatArray | None = None,
) -> LimitResult:
    """Return the limits; arguments as in `upper_limit`."""
    ready = prepare(
        hypothesis, data, criterion, tolerance=tolerance, n_threads=n_threads, start=start
    )
    return limit_from(ready, criterion, grid, interpolation)


def limit_from(
    ready: Preparation, criterion: Criterion, grid: FloatArray | None, interpolation: str
) -> LimitResult:
    """Search, or fit the grid, and report."""
    search = ready.search
    method = "root finding" if grid is None else interpolation
    if search is None:
        limits = [(math.nan, "fit_failed")] * 6
        table, n_fits = _empty_table(), ready.n_fits
    elif not ready.hypothesis.has_effect():
        limits = [(math.inf, "no_effect")] * 6
        table, n_fits = _empty_table(), ready.n_fits
    else:
        if grid is None:
            limits = search.solve()
        else:
            search.evaluate(grid.tolist())
        table = table_of(search, criterion)
        if grid is not None:
            limits, _ = interpolate_limits(table, 1 - criterion.level, interpolation)
        n_fits = ready.n_fits + search.n_fits
    return make_limit(
        LimitParts(
            hypothesis=ready.hypothesis,
            criterion=criterion,
            calculator="asymptotic",
            method=method,
            poi_hat=_estimate(ready),
            table=table,
            limits=limits,
            errors=[math.nan] * 6,
            n_fits=n_fits,
            failure=ready.failure,
        )
    )


def _estimate(ready: Preparation) -> float:
    search = ready.search
    fit: Fit = ready.seen.free if search is None else search.observed.free
    return float(fit.x[ready.hypothesis.indices[0]]) if fit.valid else math.nan


def _empty_table() -> Table:
    return Table(np.empty(0), np.empty((0, 6)), np.empty((0, 6)), np.empty(0), np.empty(0))


def table_of(search: LimitSearch, criterion: Criterion) -> Table:
    """Return the criterion at all values that were fitted."""
    values = search.values
    q = np.array([search.observed.statistic(mu)[0] for mu in values])
    qa = np.array([search.asimov.statistic(mu)[0] for mu in values])
    name = "cls" if criterion.name == "CLs" else "clsb"
    observed = getattr(p_values(criterion.statistic, q, qa), name)
    expected = getattr(expected_p_values(criterion.statistic, qa), name)
    p = np.concatenate([observed[:, np.newaxis], expected], axis=1)
    status = tuple(search.point_status(mu) for mu in values)
    return Table(np.array(values), p, np.full(p.shape, np.nan), q, qa, status)
