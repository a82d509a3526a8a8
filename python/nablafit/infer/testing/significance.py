"""Discovery significance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from ..._arrays import FloatArray
from ..._results.origin import remembers_origin
from ...errors import ArgumentError, finished, located
from ...result import FitResult
from .._common import check_choice
from ._hypothesis import Hypothesis, make_hypothesis
from ._profile import Fits, observe, until_settled
from ._statistic import NSIGMA
from ._toy_runs import run_jobs
from .hypotest import CALCULATORS, asymptotic_test, test_jobs, toy_test
from .results import HypotestResult, SignificanceResult, significance_members

if TYPE_CHECKING:
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Model


@remembers_origin
def significance(
    model: Model,
    data: Data,
    *,
    poi: str | None = None,
    expected_at: float = 1.0,
    asimov: str | FitResult = "profiled",
    calculator: str = "asymptotic",
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int | None = None,
    n_toys: int = 2000,
    seed: int = 0,
    start: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> SignificanceResult:
    """Compute the discovery significance: how much the data disfavour the absence of a signal.

    The statistic is q0, Eq. (12) of arXiv:1007.1727; asymptotically p0 = 1 - Phi(sqrt(q0)) and
    Z = sqrt(q0), Eqs. (52) and (53). Expected values are those of data with a signal.

    Parameters
    ----------
    model, data, calculator, bounds, fixed, starts
        As in `hypotest`; `model.asimov({"mu": 1})` as data for expected results.
    poi : str, optional
        The signal strength, by default the parameter of interest of the model.
    expected_at : float
        Signal strength of the expected significance.
    asimov : {"profiled", "prefit"} or FitResult
        Nuisance parameters of the expected significance: fitted to the data at `expected_at` as in
        pyhf, the initial values of the model, or those of a fit (post-fit).
    n_toys, seed, start, n_threads, progress
        As in `hypotest`: toys without signal and, for the expected significance, with signal.
        5 standard deviations are one toy in 3.5 million.

    Returns
    -------
    SignificanceResult
        A failed fit is data, not an exception: look at `valid`, `status` and `message`.

    Raises
    ------
    ArgumentError, Interrupted
        As in `hypotest`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.significance(model, data)
    >>> print(f"observed {result.z:.2f}, expected {result.expected_z[2]:.2f}")
    observed 1.22, expected 1.84
    """
    check_choice("calculator", calculator, CALCULATORS)
    if not expected_at > 0:
        message = f"expected a positive signal strength, got {expected_at}"
        raise located(ArgumentError, message, "expected_at")
    hypothesis = make_hypothesis(
        model,
        None,
        poi=poi,
        statistic="q0",
        alternative=expected_at,
        bounds=bounds,
        fixed=fixed,
    )
    name, point = _signal_point(hypothesis, asimov)
    fits = Fits(starts, n_threads)
    if calculator == "asymptotic":
        chosen = None if point is None else (model.asimov(point), point)
        test = until_settled(fits, lambda: asymptotic_test(observe(hypothesis, data, fits), chosen))
        return _result(test, name, _asymptotic_members(test))
    seen = observe(hypothesis, data, fits)
    jobs = [] if seen.failure() else test_jobs(seen, n_toys, seed, start)
    if jobs and point is not None:
        jobs[1].x = point
    exception = run_jobs(jobs, n_threads=n_threads, progress=progress)
    drawn = [toys for job in jobs for toys in job.distributions()]
    test = toy_test(seen, drawn, complete=exception is None)
    result = _result(test, name, significance_members(test.q, test.toys))
    return finished(result, exception)


def _signal_point(hypothesis: Hypothesis, asimov: str | FitResult) -> tuple[str, FloatArray | None]:
    """Return how the nuisance parameters are called, and all parameters unless they are fitted."""
    if isinstance(asimov, FitResult):
        point = hypothesis.model.point(asimov.values.to_dict())
        point[hypothesis.indices] = hypothesis.alternative
        return "postfit", point
    if asimov == "prefit":
        return asimov, hypothesis.start(hypothesis.alternative)
    if asimov == "profiled":
        return asimov, None
    message = f'expected "profiled", "prefit" or a FitResult, got {asimov!r}'
    raise located(ArgumentError, message, "asimov")


def _result(test: HypotestResult, asimov: str, numbers: dict[str, Any]) -> SignificanceResult:
    return SignificanceResult(
        poi=test.poi[0],
        poi_hat=test.poi_hat[0],
        q0=test.q,
        expected_at=test.alternative[0],
        asimov=asimov,
        calculator=test.calculator,
        toys=test.toys,
        notes=test.notes,
        status=test.status,
        message=test.message,
        **numbers,
    )


def _asymptotic_members(test: HypotestResult) -> dict[str, Any]:
    """Return p-values and significances by the names of the members of a result."""
    z_expected = math.sqrt(test.q_asimov) if test.q_asimov >= 0 else math.nan
    z = z_expected - NSIGMA
    return {
        "p0": test.clsb,
        "p0_error": math.nan,
        "z": math.sqrt(test.q) if test.q >= 0 else math.nan,
        "z_error": math.nan,
        "expected_p0": scipy.special.ndtr(-z),
        "expected_z": z,
        "expected_z_error": np.full(5, math.nan),
    }
