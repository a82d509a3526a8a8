"""From fits, Asimov data and toys to the result of a test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..._arrays import FloatArray
from ._profile import Fit, Observation, Row, failure_sentence, lower_free_fit
from ._statistic import (
    ToyPValues,
    expected_p_values,
    p_values,
    statistic_value,
)
from ._toy_numbers import NO_BANDS, NOTHING, p_value_members, sentences, toy_numbers
from ._toy_runs import ToyJob, alternative_seed, check_toys
from .results import HypotestResult
from .toy_distribution import ToyDistribution

if TYPE_CHECKING:
    from ...data import Data
    from ._hypothesis import Hypothesis

__all__ = ["asymptotic_test", "test_jobs", "toy_test"]


def observed_statistic(seen: Observation) -> float:
    """Return the test statistic in the observed data, NaN if a fit failed."""
    if not (seen.free.valid and seen.tested.valid):
        return math.nan
    return _statistic(seen.hypothesis, seen.tested, seen.free)


def _statistic(hypothesis: Hypothesis, tested: Fit, free: Fit) -> float:
    return statistic_value(
        hypothesis.statistic,
        float(hypothesis.tested[0]),
        float(free.x[hypothesis.indices[0]]),
        tested.value,
        free.value,
    )


def asymptotic_test(
    seen: Observation, asimov: tuple[Data, FloatArray] | None = None
) -> HypotestResult:
    """Return the result with asymptotic p-values.

    Parameters
    ----------
    seen : Observation
        The observed data and the fits to them.
    asimov : pair of Data and array, optional
        Asimov data and the values of all parameters that they were made at, instead of those of the
        fit to the observed data with the alternative values.
    """
    hypothesis = seen.hypothesis
    points = _observed_points(seen)
    q, qa, failure = observed_statistic(seen), math.nan, seen.failure()
    if asimov is None and seen.alternative.valid:
        asimov = hypothesis.model.asimov(seen.alternative.x), seen.alternative.x
    if asimov is not None:
        free, tested = fit_asimov(seen, *asimov)
        points |= {"free to Asimov": free, "tested to Asimov": tested}
        if free.valid and tested.valid:
            qa = _statistic(hypothesis, tested, free)
        else:
            name, bad = ("free", free) if not free.valid else ("tested", tested)
            sentence = failure_sentence(hypothesis, name, bad, to=" to Asimov data")
            failure = failure or sentence
    n_poi = len(hypothesis.poi)
    observed = p_values(hypothesis.statistic, np.array(q), np.array(qa), n_poi)
    expected = expected_p_values(hypothesis.statistic, np.array(qa), n_poi)
    return _result(
        seen,
        "asymptotic",
        q,
        qa,
        ToyPValues(observed, NOTHING, expected, NO_BANDS),
        points,
        (),
        failure,
    )


def fit_asimov(seen: Observation, asimov: Data, start: FloatArray) -> tuple[Fit, Fit]:
    """Fit Asimov data freely and at the tested values, from the values that they were made at.

    Nothing is below that point, so that the free fit starts there only.
    """
    hypothesis = seen.hypothesis
    held = start.copy()
    held[hypothesis.indices] = hypothesis.tested
    what = f"{hypothesis.describe(hypothesis.tested)} in Asimov data"
    others = (seen.tested.x,) if seen.tested.valid else ()
    row = Row(asimov, held, hypothesis.tested, others, what, deep=True)
    tested = seen.fits.make(hypothesis, [row])[0]
    row = Row(asimov, start, None, what="free, in Asimov data", probe=False)
    free = seen.fits.make(hypothesis, [row])[0]
    return lower_free_fit(hypothesis, row, seen.fits, free, [tested], seen.scale), tested


def test_jobs(seen: Observation, n_toys: int, seed: int, start: int) -> list[ToyJob]:
    """Return the toys to make: at the tested and at the alternative values."""
    check_toys(n_toys, seed, start)
    hypothesis = seen.hypothesis
    places = (
        (hypothesis.tested, seen.tested.x, seed),
        (hypothesis.alternative, seen.alternative.x, alternative_seed(seed)),
    )
    return [
        ToyJob(
            hypothesis=hypothesis,
            tested=[hypothesis.tested],
            drawn_at=values,
            x=x,
            seed=number,
            start=start,
            n=n_toys,
            others=seen.fits.toy_starts(hypothesis, seen.data, x),
        )
        for values, x, number in places
    ]


def toy_test(
    seen: Observation, toys: Sequence[ToyDistribution], *, complete: bool = True
) -> HypotestResult:
    """Return the result with p-values from toys of the tested and the alternative hypothesis."""
    n = min((len(distribution) for distribution in toys), default=0)
    toys = [distribution.first(n) for distribution in toys]
    q = observed_statistic(seen)
    numbers = toy_numbers(seen.hypothesis.statistic, q, toys)
    points, failure = _observed_points(seen), seen.failure()
    return _result(seen, "toys", q, math.nan, numbers, points, toys, failure, complete=complete)


def _observed_points(seen: Observation) -> dict[str, Fit]:
    return {"free": seen.free, "tested": seen.tested, "alternative": seen.alternative}


def _result(
    seen: Observation,
    calculator: str,
    q: float,
    qa: float,
    numbers: ToyPValues,
    points: dict[str, Fit],
    toys: Sequence[ToyDistribution],
    failure: str | None,
    *,
    complete: bool = True,
) -> HypotestResult:
    hypothesis = seen.hypothesis
    status, message = _outcome(seen, toys, failure, complete=complete)
    return HypotestResult(
        poi=hypothesis.poi,
        tested=tuple(hypothesis.tested.tolist()),
        alternative=tuple(hypothesis.alternative.tolist()),
        poi_hat=seen.poi_hat,
        bounds=hypothesis.ranges,
        statistic=hypothesis.statistic,
        calculator=calculator,
        q=q,
        q_asimov=qa,
        **p_value_members(numbers),
        parameters=hypothesis.model.parameters,
        points={name: fit.x for name, fit in points.items()},
        fits={name: fit.status for name, fit in points.items()},
        toys=tuple(toys),
        notes=seen.fits.notes(),
        status=status,
        message=message,
    )


def _outcome(
    seen: Observation, toys: Sequence[ToyDistribution], failure: str | None, *, complete: bool
) -> tuple[str, str]:
    hypothesis = seen.hypothesis
    names = ", ".join(hypothesis.poi)
    if failure:
        return "fit_failed", failure
    if not seen.has_effect():
        message = f"{names} changes no expected yield: the data say nothing about it."
        return "no_effect", message
    tested = tuple(hypothesis.tested.tolist())
    about = (hypothesis.statistic, hypothesis.poi, tested, seen.poi_hat, hypothesis.ranges)
    said = sentences(*about, toys)
    if not complete:
        said.append("Interrupted: the p-values are those of the toys that were done.")
        return "interrupted", " ".join(said)
    if toys and any(distribution.n_valid == 0 for distribution in toys):
        return "fit_failed", " ".join(["No toy could be fitted.", *said[1:]])
    return "ok", " ".join(said)
