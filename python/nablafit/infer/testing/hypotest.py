"""Tests of one hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..._results.origin import remembers_origin
from ...errors import Interrupted
from .._common import check_choice
from ._hypothesis import Values, make_hypothesis
from ._profile import Fits, observe, until_settled
from ._tests import asymptotic_test, test_jobs, toy_test
from ._toy_runs import run_jobs
from .results import HypotestResult

if TYPE_CHECKING:
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Model

__all__ = ["hypotest"]

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
        The observed data.
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
    if exception is not None:
        raise Interrupted.or_original(exception, result)
    return result
