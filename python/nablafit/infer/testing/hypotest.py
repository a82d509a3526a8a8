"""Tests of one hypothesis: from fits, Asimov data and toys to the result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..._arrays import FloatArray
from ..._results.origin import remembers_origin
from ...errors import finished
from .._common import check_choice
from ._hypothesis import Hypothesis, Values, make_hypothesis
from ._profile import (
    Fit,
    Fits,
    Observation,
    Row,
    failure_sentence,
    lower_free_fit,
    observe,
    until_settled,
)
from ._statistic import ToyPValues, expected_p_values, p_values, statistic_value
from ._toy_runs import ToyJob, alternative_seed, check_toys, run_jobs
from .results import NO_BANDS, NOTHING, HypotestResult, p_value_members, sentences, toy_numbers
from .toy_distribution import ToyDistribution

if TYPE_CHECKING:
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Model


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
            starts=seen.fits.toy_search,
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
        message = f"{names} changes no expected yield: the data do not constrain it."
        return "no_effect", message
    tested = tuple(hypothesis.tested.tolist())
    about = (hypothesis.statistic, hypothesis.poi, tested, seen.poi_hat, hypothesis.ranges)
    said = sentences(*about, toys, observed_statistic(seen))
    if not complete:
        said.append("Interrupted: the p-values are those of the toys that were done.")
        return "interrupted", " ".join(said)
    if toys and any(distribution.n_valid == 0 for distribution in toys):
        return "fit_failed", " ".join(["No toy could be fitted.", *said[1:]])
    return "ok", " ".join(said)


CALCULATORS = ("asymptotic", "toys")


@remembers_origin
def hypotest(
    model: Model,
    data: Data,
    value: Values | None = None,
    *,
    poi: str | None = None,
    statistic: str = "qtilde",
    calculator: str = "asymptotic",
    alternative: Values | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int | None = None,
    n_toys: int = 2000,
    seed: int = 0,
    start: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> HypotestResult:
    """Test one value of the parameter of interest, or values of several.

    The test statistic is a likelihood ratio with the nuisance parameters fitted, as defined by
    Cowan, Cranmer, Gross and Vitells, arXiv:1007.1727; Asimov data and toys are made at the values
    that the nuisance parameters have in fits to the observed data, as in pyhf.

    Parameters
    ----------
    model : Model
        The model.
    data : Data
        The observed data, or for expected results `model.asimov({"mu": 1})`.
    value : float or mapping, optional
        Tested value, or values by name. The default is 1, and 0 for q0.
    poi : str, optional
        Parameter of interest, by default that of the model. If the model fixes it, it is released.
    statistic : {"qtilde", "q", "t", "ttilde", "q0"}
        q-tilde, Eq. (16), and q, Eq. (14), for upper limits; t, Eq. (8), and t-tilde, Eq. (11),
        two-sided; q0, Eq. (12), for discovery. The tilde means that the estimate is not below 0.
        Several parameters are tested with t.
    calculator : {"asymptotic", "toys"}
        How the distribution of the statistic is found.
    alternative : float or mapping, optional
        For t and q0: value that the expected p-values assume in the data, by default 0 and 1. The
        statistics of upper limits are defined against 0.
    bounds : mapping or sequence, optional
        As in `nablafit.fit`. By default the estimate of the parameter of interest is in the range
        of the model, except for the lower bound: it is 0 with a tilde, and there is none for q and
        t if that of the model is 0 or above, which would turn them into those with a tilde.
    fixed : str, iterable or mapping, optional
        Nuisance parameters to hold, as in `nablafit.fit`.
    starts : int, optional
        Number of additional random starts of every fit; the lowest minimum counts. By default a few
        starts are tried, and many if these end in different minima, in which case `notes` says so.
        With 0 only the usual start is tried.
    n_toys : int
        Number of toys for each of the two hypotheses.
    seed, start : int
        Random seed of the toys, and number of the first toy: results with different `start` are
        joined by `HypotestResult.merge`. Toys of the alternative hypothesis have the seed
        seed + 2^63 modulo 2^64.
    n_threads, progress
        As in `nablafit.fit_many`; `progress` gets the number of toys of both hypotheses.

    Returns
    -------
    HypotestResult
        A failed fit is data, not an exception: look at `valid`, `status` and `message`. Failed toys
        are counted and left out of the p-values.

    Raises
    ------
    ArgumentError
        For a parameter that does not exist and other arguments that do not fit the model.
    Interrupted
        At Ctrl-C while toys run: its `result` is made of the toys that are done.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> print(f"{nf.hypotest(model, data, 1.0).cls:.4f}")
    0.3099
    >>> toys = nf.hypotest(model, data, 1.0, calculator="toys", n_toys=200, seed=1)
    >>> print(f"{toys.cls:.2f} +- {toys.cls_error:.2f}")
    0.26 +- 0.03
    """
    check_choice("calculator", calculator, CALCULATORS)
    hypothesis = make_hypothesis(
        model,
        value,
        poi=poi,
        statistic=statistic,
        alternative=alternative,
        bounds=bounds,
        fixed=fixed,
    )
    fits = Fits(starts, n_threads)
    if calculator == "asymptotic":
        return until_settled(fits, lambda: asymptotic_test(observe(hypothesis, data, fits)))
    seen = observe(hypothesis, data, fits)
    jobs = [] if seen.failure() else test_jobs(seen, n_toys, seed, start)
    exception = run_jobs(jobs, n_threads=n_threads, progress=progress)
    drawn = tuple(toys for job in jobs for toys in job.distributions())
    result = toy_test(seen, drawn, complete=exception is None)
    return finished(result, exception)
