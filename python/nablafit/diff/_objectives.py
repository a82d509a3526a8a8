"""Objectives of inference-aware optimisation.

Equation numbers are those of Cowan, Cranmer, Gross, Vitells, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import scipy

from .. import _diff
from .._arrays import FloatArray, ParameterValues, thread_count
from ..errors import ArgumentError, Error, located
from ..infer._common import find_poi
from ..infer.testing._hypothesis import make_hypothesis
from ..infer.testing._statistic import log_cls, root_slope, tail_coordinates, tail_slopes
from ._objective import Objective, make_batch
from ._setup import fit_arrays, hypothesis_arrays

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..data import Data
    from ..infer.testing._hypothesis import Hypothesis
    from ..minimizers.problem import Bounds, Fixed
    from ..model import Model
    from ._objective import Batch, Rows

_FOR_LIMITS = ("qtilde", "q")
_MOST_STEPS = 60
_TOLERANCE = 1e-11
"""Relative size of the last step, which is quadratically larger than the error."""

_Computed: TypeAlias = "tuple[Rows, Rows | None, FloatArray, list[str], BaseException | None]"


def expected_uncertainty(
    model: Model,
    *,
    poi: str | None = None,
    at: ParameterValues | None = None,
    fixed: Fixed | None = None,
    inputs: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Objective:
    """Return the uncertainty of a parameter expected from Asimov data, and its gradient.

    The square root of the diagonal element of the inverse Hessian over all parameters that are not
    fixed, in data equal to their expectation at `at`: the objective of INFERNO (de Castro and
    Dorigo, arXiv:1806.04743), here with exact third derivatives. It does not depend on bounds.

    Parameters
    ----------
    model : Model
        The model.
    poi : str, optional
        The parameter, by default the model's parameter of interest.
    at : array_like or mapping, optional
        Parameter values; the initial ones for what is left out.
    fixed : str, iterable of str or mapping, optional
        Parameters to hold, as in `nablafit.fit`.
    inputs : array_like, shape (n_inputs,) or (n, n_inputs), optional
        Inputs to use instead of those of the model; a batch is computed in threads.
    n_threads : int, optional
        Number of threads for a batch; default: all processors.

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model.
    Error
        If the Hessian is singular; the message names parameters. Items of a batch get NaN and a
        message instead, also in the functions below.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> uncertainty = nf.diff.expected_uncertainty(model)
    >>> signal = model.inputs[("singlechannel", "signal", "nominal")]
    >>> print(f"{float(uncertainty):.3f}", uncertainty.inputs[signal].round(4))
    0.567 [-0.0282 -0.017 ]
    """
    batch = make_batch(model, None, inputs)
    arrays = fit_arrays(model, at, None, fixed)
    arrays["poi"] = model.index(find_poi(model, poi))
    variance = run(_diff.expected_variances, model, batch, arrays, n_threads)[0]
    error = np.sqrt(variance.value)
    return variance.scaled(error, 0.5 / error)


def expected_significance(
    model: Model,
    *,
    poi: str | None = None,
    mu: float = 1.0,
    at: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    inputs: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Objective:
    """Return the median significance of discovery in standard deviations, and its gradient.

    sqrt(q0), Eq. (12), in Asimov data for a signal of strength `mu`, other parameters as in `at`.

    Parameters
    ----------
    mu : float
        Value of the parameter of interest in the Asimov data.
    bounds : mapping or sequence, optional
        Ranges in fits, instead of those of the model.
    model, poi, at, fixed, inputs, n_threads
        As in `expected_uncertainty`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> print(f"{float(nf.diff.expected_significance(model)):.3f}")
    1.824
    """
    hypothesis = make_hypothesis(
        model, 0.0, poi=poi, statistic="q0", alternative=mu, bounds=bounds, fixed=fixed
    )
    batch = make_batch(model, None, inputs)
    arrays = hypothesis_arrays(hypothesis, at)
    arrays["start"][arrays["poi"]] = mu
    q0 = run(_diff.likelihood_ratios, model, batch, arrays, n_threads)[0]
    root = np.sqrt(np.maximum(q0.value, 0.0))
    return replace(q0.scaled(root, root_slope(root, 1.0)), tested=None)


def test_statistic(
    model: Model,
    data: Data | None = None,
    *,
    poi: str | None = None,
    mu: float = 1.0,
    statistic: str = "qtilde",
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    inputs: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    global_observables: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Objective:
    """Return q, q-tilde or q0 in the data, Eqs. (12), (14), (16), and its gradient.

    Parameters
    ----------
    model : Model
        The model.
    data : Data, optional
        Observed data; without data and counts, Asimov data without signal at `initial`.
    mu : float
        Tested value of the parameter of interest; not used for q0.
    statistic : {"qtilde", "q", "q0"}
        q-tilde restricts the estimate to values from 0 on. Where the estimate is above `mu` (for
        q0: below 0) the statistic and its gradient are 0: a kink, in q without a jump of the slope.
    initial : array_like or mapping, optional
        Start values of the fits.
    counts, global_observables : array_like, shape (..., n_bins), (..., n_constrained), optional
        Used instead of `data`, also in batches. Global observables that are not given are those
        stored with the model; where they follow from widths, they depend on the inputs.
    poi, bounds, fixed, inputs, n_threads
        As in `expected_significance`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> print(f"{float(nf.diff.test_statistic(model, data, mu=1.0)):.3f}")
    0.359
    """
    hypothesis = _hypothesis(model, mu, poi, statistic, bounds, fixed, (*_FOR_LIMITS, "q0"))
    batch = make_batch(model, data, inputs, counts, global_observables)
    found = _ratios(hypothesis, initial, batch, n_threads)[0]
    return replace(found, tested=None) if statistic == "q0" else found


def cls(
    model: Model,
    data: Data | None = None,
    *,
    poi: str | None = None,
    mu: float = 1.0,
    statistic: str = "qtilde",
    nsigma: float | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    inputs: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    global_observables: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Objective:
    """Return asymptotic CLs, and its gradient.

    Parameters
    ----------
    model : Model
        The model.
    data : Data, optional
        Observed data: the Asimov data without signal come from a fit to them, as in
        `nablafit.hypotest`. Without data and counts, they come from `initial` (pre-fit), and the
        result is the expected CLs.
    statistic : {"qtilde", "q"}
        Test statistic.
    nsigma : float, optional
        CLs expected without signal for an estimate that fluctuates by -nsigma standard deviations,
        Eq. (89): 0 is the median. Default: CLs in the data or, without data, the median.
    poi, mu, initial, bounds, fixed, inputs, counts, global_observables, n_threads
        As in `test_statistic`.

    Notes
    -----
    CLs in the data has kinks where the estimate is at `mu`, and in q-tilde where it is at 0; see
    docs/differentiable.md.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> cls = nf.diff.cls(model, mu=1.0)
    >>> print(f"{float(cls):.4f}")
    0.0660
    >>> signal = model.inputs[("singlechannel", "signal", "nominal")]
    >>> print(cls.inputs[signal].round(4))
    [-0.0139 -0.0086]
    """
    hypothesis = _hypothesis(model, mu, poi, statistic, bounds, fixed, _FOR_LIMITS)
    batch = make_batch(model, data, inputs, counts, global_observables)
    return _cls_at(hypothesis, batch, nsigma=nsigma, initial=initial, n_threads=n_threads)


def goodness_of_fit(
    model: Model,
    data: Data | None = None,
    *,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    inputs: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    global_observables: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Objective:
    """Return the saturated goodness of fit, 2 min -log(L / L_saturated), and its gradient.

    The derivative with respect to a count of zero is -infinity. Parameters as in `test_statistic`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> print(f"{float(nf.diff.goodness_of_fit(model, data)):.3f}")
    0.040
    """
    batch = make_batch(model, data, inputs, counts, global_observables)
    if batch.counts is None:
        raise located(ArgumentError, "expected data or counts, got none", "data")
    arrays = fit_arrays(model, initial, bounds, fixed)
    return run(_diff.goodness_of_fits, model, batch, arrays, n_threads)[0]


def upper_limit(
    model: Model,
    data: Data | None = None,
    *,
    poi: str | None = None,
    level: float = 0.95,
    statistic: str = "qtilde",
    nsigma: float | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    inputs: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    global_observables: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Objective:
    """Return the asymptotic CLs upper limit, and its gradient.

    The value `mu` of the parameter of interest where `cls` is 1 - level. By the implicit function
    theorem its gradient is that of CLs over minus the derivative of CLs with respect to `mu`.

    Parameters
    ----------
    level : float
        Confidence level.
    model, data, nsigma
        As in `cls`: without data the median limit expected before a fit.
    poi, statistic, initial, bounds, fixed, inputs, counts, global_observables, n_threads
        As in `cls`. The search may leave the range of the parameter, as that of
        `nablafit.upper_limit`.

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model, and for a level outside of (0, 1).
    Error
        If a fit fails or no limit is found. Items of a batch get NaN and a message instead.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> limit = nf.diff.upper_limit(model)  # expected: from Asimov data without signal
    >>> print(f"{float(limit):.3f}")
    1.069
    """
    if not 0.0 < level < 1.0:
        raise located(ArgumentError, f"expected a number between 0 and 1, got {level}", "level")
    hypothesis = _hypothesis(model, 1.0, poi, statistic, bounds, fixed, _FOR_LIMITS).widened()
    batch = make_batch(model, data, inputs, counts, global_observables)

    def evaluate(mu: FloatArray) -> Objective:
        return _cls_at(
            hypothesis, batch, nsigma=nsigma, initial=initial, n_threads=n_threads, tested=mu
        )

    start = model.point(initial)[hypothesis.indices[0]]
    return _solve(evaluate, np.full(batch.n, start if start > 0.0 else 1.0), 1.0 - level)


# --- chains --------------------------------------------------------------------------------------


def _cls_at(
    hypothesis: Hypothesis,
    batch: Batch,
    *,
    nsigma: float | None,
    initial: ParameterValues | None,
    n_threads: int | None,
    tested: FloatArray | None = None,
) -> Objective:
    """Return CLs at the value of the hypothesis, or at those in `tested`, shape (n,)."""
    q, qa = _ratios(hypothesis, initial, batch, n_threads, tested)
    if qa is None:
        return _expected_cls(q, 0.0 if nsigma is None else nsigma)
    if nsigma is not None:
        return _expected_cls(qa, nsigma)
    return _observed_cls(hypothesis.statistic, q, qa)


def _hypothesis(
    model: Model,
    mu: float,
    poi: str | None,
    statistic: str,
    bounds: Bounds | None,
    fixed: Fixed | None,
    known: tuple[str, ...],
) -> Hypothesis:
    if statistic not in known:
        *first, last = (f'"{name}"' for name in known)
        message = f"expected {', '.join(first)} or {last}, got {statistic!r}"
        raise located(ArgumentError, message, "statistic")
    tested = 0.0 if statistic == "q0" else mu
    return make_hypothesis(model, tested, poi=poi, statistic=statistic, bounds=bounds, fixed=fixed)


def _ratios(
    hypothesis: Hypothesis,
    initial: ParameterValues | None,
    batch: Batch,
    n_threads: int | None,
    tested: FloatArray | None = None,
) -> tuple[Objective, Objective | None]:
    """Return the statistic in the data and in Asimov data, 0 on the side where it is 0."""
    arrays = hypothesis_arrays(hypothesis, initial)
    if tested is not None:
        arrays["tested"] = tested[:, np.newaxis]
    if batch.counts is None:
        arrays["start"][arrays["poi"]] = arrays["alternative"]
    model = hypothesis.model
    first, second = run(_diff.likelihood_ratios, model, batch, arrays, n_threads)
    estimate = np.asarray(first.estimate)
    at = np.reshape(arrays["tested"], -1) if estimate.ndim else arrays["tested"][0, 0]
    flat = estimate < at if hypothesis.statistic == "q0" else estimate > at
    return _non_negative(first, flat), None if second is None else _non_negative(second)


def _non_negative(q: Objective, flat: ArrayLike = False) -> Objective:
    inactive = np.asarray(flat) | (q.value <= 0.0)
    return q.scaled(np.where(inactive, 0.0, q.value), np.where(inactive, 0.0, 1.0))


def _expected_cls(qa: Objective, nsigma: float) -> Objective:
    root = np.sqrt(qa.value)
    at = np.full_like(root, nsigma)
    log_p, slope = log_cls(at + root, root_slope(root, 1.0), at, np.zeros_like(root))
    value = np.exp(log_p)
    return qa.scaled(value, value * slope)


def _observed_cls(statistic: str, q: Objective, qa: Objective) -> Objective:
    u, v = tail_coordinates(statistic, q.value, qa.value)

    def along(dq: float, dqa: float) -> tuple[FloatArray, FloatArray]:
        du, dv = tail_slopes(statistic, q.value, dq, qa.value, dqa)
        return log_cls(u, du, v, dv)

    (log_p, by_q), (_, by_qa) = along(1.0, 0.0), along(0.0, 1.0)
    value = np.exp(log_p)
    return q.scaled(value, value * by_q).plus(qa.scaled(value, value * by_qa))


def run(
    function: Callable[..., _Computed],
    model: Model,
    batch: Batch,
    arrays: dict[str, Any],
    n_threads: int | None,
) -> tuple[Objective, Objective | None]:
    """Let the core compute a batch, and raise what stopped it."""
    first, second, estimate, messages, exception = function(
        model._core, batch.n, batch.arrays | arrays, thread_count(n_threads)
    )
    if exception is not None:
        raise exception
    found = estimate if estimate.size else None
    both = batch.objective(first, messages, found)
    return both, None if second is None else batch.objective(second, messages, found)


# --- limits ---------------------------------------------------------------------------------------


def _solve(
    evaluate: Callable[[FloatArray], Objective], start: FloatArray, p_value: float
) -> Objective:
    """Find where CLs is `p_value` for all items at once.

    Newton's method in z, CLs = 2 (1 - Phi(z)), which is nearly linear in mu; steps that leave the
    known bracket are replaced by bisection, or doubling while there is no upper end.
    """
    target = -scipy.special.ndtri(0.5 * p_value)
    mu, low, high = start, np.zeros_like(start), np.full_like(start, np.inf)
    for _ in range(_MOST_STEPS):
        found = evaluate(mu)
        z = -scipy.special.ndtri(0.5 * np.atleast_1d(found.value))
        density = np.exp(-0.5 * np.square(z)) / np.sqrt(2.0 * np.pi)
        slope = np.atleast_1d(cast("FloatArray", found.tested))
        rises = (slope < 0.0) & (density > 0.0)
        by_mu = -0.5 * np.where(rises, slope, -1.0) / np.where(rises, density, 1.0)
        step = np.where(rises, (target - z) / by_mu, np.inf)
        low, high = np.where(z < target, mu, low), np.where(z > target, mu, high)
        converged = np.abs(step) <= _TOLERANCE * mu
        if np.all(converged | np.isnan(z)):
            break
        inside = (mu + step > low) & (mu + step < high)
        middle = np.where(np.isinf(high), 2.0 * mu, 0.5 * (low + high))
        mu = np.where(converged | np.isnan(z), mu, np.where(inside, mu + step, middle))
    return _limit(found, np.where(converged, mu + step, np.nan), slope, mu)


def _limit(cls: Objective, limit: FloatArray, slope: FloatArray, last: FloatArray) -> Objective:
    """Turn CLs at the limit into the limit; NaN where there is none."""
    is_there = np.isfinite(limit)
    messages = tuple(
        said if good or said else f"no upper limit found: CLs does not fall to it up to {at:.3g}"
        for said, good, at in zip(cls.messages or ("",), is_there, last, strict=True)
    )
    by_cls = np.where(is_there, -1.0 / np.where(is_there, slope, 1.0), np.nan)
    if cls.value.ndim:
        return replace(cls.scaled(limit, by_cls), tested=None, messages=messages)
    if not is_there[0]:
        raise Error(messages[0])
    return replace(cls.scaled(limit[0], by_cls[0]), tested=None)
