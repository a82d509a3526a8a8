"""Objectives of inference-aware optimisation.

Equation numbers are those of Cowan, Cranmer, Gross, Vitells, arXiv:1007.1727.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .. import _diff
from .._arrays import FloatArray, ParameterValues, thread_count
from ..errors import ArgumentError, located
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

__all__ = [
    "cls",
    "expected_significance",
    "expected_uncertainty",
    "goodness_of_fit",
    "test_statistic",
]

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
    fixed, in data that equal their expectation at `at`: the objective of INFERNO (de Castro and
    Dorigo, arXiv:1806.04743), here with exact third derivatives. Bounds do not matter to it.

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
        Inputs instead of those of the model; a batch is computed in threads.
    n_threads : int, optional
        Of a batch; by default all processors.

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model.
    Error
        If the Hessian is singular; the message names parameters. Items of a batch get NaN and a
        message instead, also in the functions below.
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
        Ranges in fits instead of the model's.
    model, poi, at, fixed, inputs, n_threads
        As in `expected_uncertainty`.
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
        What was measured; without data and counts, Asimov data without signal for `initial`.
    mu : float
        Tested value of the parameter of interest; for q0 it is not used.
    statistic : {"qtilde", "q", "q0"}
        q-tilde wants the estimate from 0 on. Where the estimate is beyond `mu` (for q0: below 0)
        the statistic is 0 and so is the gradient: a kink, in q without a jump of the slope.
    initial : array_like or mapping, optional
        Where fits start.
    counts, global_observables : array_like, shape (..., n_bins), (..., n_constrained), optional
        Instead of `data`, also in batches. Global observables that are not given are those stored
        with the model, and what of them follows widths counts as inputs.
    poi, bounds, fixed, inputs, n_threads
        As in `expected_significance`.
    """
    hypothesis = _hypothesis(model, mu, poi, statistic, bounds, fixed)
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
        What was measured: the Asimov data without signal are those of a fit to them, as in
        `nablafit.hypotest`. Without data and counts, they are expected at `initial` (pre-fit), and
        the result is the expected CLs.
    statistic : {"qtilde", "q"}
        Test statistic.
    nsigma : float, optional
        CLs expected without signal where the estimate fluctuates by -nsigma of its standard
        deviations, Eq. (89): 0 is the median. By default CLs in the data, or the median without
        data.
    poi, mu, initial, bounds, fixed, inputs, counts, global_observables, n_threads
        As in `test_statistic`.

    Notes
    -----
    CLs in the data has kinks where the estimate is at `mu`, and in q-tilde where it is at 0; see
    docs/differentiable.md.
    """
    if statistic == "q0":
        raise located(ArgumentError, 'expected "qtilde" or "q", got "q0"', "statistic")
    hypothesis = _hypothesis(model, mu, poi, statistic, bounds, fixed)
    batch = make_batch(model, data, inputs, counts, global_observables)
    return cls_at(hypothesis, batch, nsigma=nsigma, initial=initial, n_threads=n_threads)


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
    """
    batch = make_batch(model, data, inputs, counts, global_observables)
    if batch.counts is None:
        raise located(ArgumentError, "expected data or counts, got none", "data")
    arrays = fit_arrays(model, initial, bounds, fixed)
    return run(_diff.goodness_of_fits, model, batch, arrays, n_threads)[0]


# --- chains --------------------------------------------------------------------------------------


def cls_at(
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
) -> Hypothesis:
    if statistic not in ("q", "qtilde", "q0"):
        message = f'expected "qtilde", "q" or "q0", got {statistic!r}'
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
