"""Upper limits from asymptotic p-values, searched for or interpolated on a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..._arrays import FloatArray
from ..testing._hypothesis import Hypothesis
from ..testing._profile import (
    Fit,
    Fits,
    Observation,
    Row,
    failure_sentence,
    observe,
    poi_scale,
)
from ..testing._statistic import expected_p_values, p_values
from ._curves import Table, interpolate_limits
from ._search import Criterion, LimitSearch, Profile
from .results import make_limit

if TYPE_CHECKING:
    from ...data import Data
    from .results import LimitResult

# How many times wider than with all other parameters held the first guesses may be.
_MOST_ABSORBED = 100.0


@dataclass(frozen=True)
class Preparation:
    """What precedes the search: fits to the observed data, Asimov data and fits to those."""

    seen: Observation
    search: LimitSearch | None
    """None if there are no Asimov data."""
    failure: str | None

    @property
    def hypothesis(self) -> Hypothesis:
        """The hypothesis with the ranges that the fits had."""
        return self.seen.hypothesis

    @property
    def fits(self) -> Fits:
        """What made the fits."""
        return self.seen.fits


def prepare(
    hypothesis: Hypothesis,
    data: Data,
    criterion: Criterion,
    fits: Fits,
    *,
    tolerance: float = 1e-8,
    start: FloatArray | None = None,
) -> Preparation:
    """Fit the observed data, and Asimov data without signal.

    `start` are values of all parameters for the first attempts, by default the initial ones. The
    upper bound of the parameter of interest is lifted if the best fit is at it: the limit is above.
    """
    seen = observe(hypothesis, data, fits, start=start, test=False)
    if seen.free.valid and seen.poi_hat[0] >= hypothesis.ranges[0][1]:
        seen = observe(hypothesis.widened(), data, fits, start=seen.free.x, test=False)
    hypothesis = seen.hypothesis
    if not seen.alternative.valid:
        return Preparation(seen, None, seen.failure("alternative"))
    x = seen.alternative.x
    asimov = hypothesis.model.asimov(x)
    row = Row(asimov, x, None, what="free, in Asimov data", probe=False)
    free = fits.make(hypothesis, [row])[0]
    if not free.valid:
        message = failure_sentence(hypothesis, "free", free, to=" to Asimov data")
        return Preparation(seen, None, message)
    index = hypothesis.indices[0]
    model = hypothesis.model
    observed = Profile(data, model.likelihood(data), seen.free, index, "observed")
    expected = Profile(asimov, model.likelihood(asimov), free, index, "Asimov")
    if seen.alternative.x[index] == 0.0:
        observed.add(0.0, seen.alternative)
        expected.add(0.0, free)
    search = LimitSearch(
        hypothesis,
        observed,
        expected,
        criterion,
        fits,
        scale=_scale(hypothesis, expected, x, fits),
        tolerance=tolerance,
    )
    return Preparation(seen, search, seen.failure("free"))


def _scale(hypothesis: Hypothesis, asimov: Profile, x: FloatArray, fits: Fits) -> float:
    """Return about the standard deviation of the estimate without signal.

    That of the curvature without signal is meaningless where hardly any background is expected, or
    the parameter of interest enters quadratically: then the scale is that of the likelihood with
    all other parameters held.
    """
    alone = poi_scale(hypothesis, asimov.likelihood, x)
    unbounded = replace(hypothesis, ranges=((-math.inf, math.inf),))
    row = Row(asimov.data, x, None, probe=False)
    fit = fits.make(unbounded, [row], errors=True)[0]
    at_border = fit.status == "converged_at_zero_yield"
    error = fit.poi_error if 0 < fit.poi_error < math.inf and not at_border else math.nan
    if not math.isfinite(alone):
        return error if math.isfinite(error) else 1.0
    return alone if math.isnan(error) else min(max(error, alone), _MOST_ABSORBED * alone)


def limit_from(
    ready: Preparation,
    criterion: Criterion,
    grid: FloatArray | None,
    interpolation: str,
    n_curve: int = 0,
) -> LimitResult:
    """Search, or fit the grid, and report; after a search, test `n_curve` more values for plots."""
    search = ready.search
    method = "root finding" if grid is None else interpolation
    if search is None:
        limits, table = [(math.nan, "fit_failed")] * 6, _empty_table()
    elif not ready.seen.has_effect():
        limits, table = [(math.inf, "no_effect")] * 6, _empty_table()
    else:
        if grid is None:
            limits = search.solve()
            if n_curve:
                free = search.observed.free, search.asimov.free
                _fill(search, criterion, [limit for limit, _ in limits], n_curve)
                if search.observed.free is not free[0] or search.asimov.free is not free[1]:
                    limits = search.solve()
        else:
            search.evaluate(grid.tolist())
        table = table_of(search, criterion)
        if grid is not None:
            limits, _ = interpolate_limits(table, 1 - criterion.level, interpolation)
    return make_limit(
        ready.hypothesis,
        criterion,
        table,
        limits,
        [math.nan] * 6,
        ready.fits,
        calculator="asymptotic",
        method=method,
        poi_hat=_estimate(ready),
        failure=ready.failure,
    )


def _fill(search: LimitSearch, criterion: Criterion, limits: Sequence[float], n: int) -> None:
    """Test `n` equidistant values up to the limits, and more until the curves have fallen."""
    finite = [limit for limit in limits if math.isfinite(limit) and limit > 0.0]
    if not finite:
        return
    top = 1.05 * max(finite)
    search.evaluate((top * np.arange(1, n + 1) / n).tolist())
    for _ in range(_MOST_EXTENSIONS):
        observed, median = table_of(search, criterion).p[-1][[0, 3]]
        if not max(observed, median) > _FALLEN * (1.0 - criterion.level):
            break
        top *= 1.2
        search.evaluate([top])


# A curve has fallen enough where the criterion is this part of its value at the limit.
_FALLEN = 0.35
_MOST_EXTENSIONS = 8


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
