"""MINUIT through iminuit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .covariance import exact_covariance, held_by_bounds
from .problem import BestPoint, FitOptions, FitProblem, Minimum, make_problem

if TYPE_CHECKING:
    from iminuit import Minuit

    from .._arrays import FloatArray, ParameterValues
    from ..model import Likelihood
    from .problem import Bounds, Fixed

__all__ = ["make_minuit", "minimize"]

_MAX_ROUNDS = 3
# Exact EDM over the goal up to which MINUIT's own is believed.
_TOLERATED_EXCESS = 5.0


def make_minuit(
    likelihood: Likelihood,
    *,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    hessian: bool = True,
) -> Minuit:
    """Return a Minuit object with start values, limits, fixed parameters and steps set.

    Arguments as in `nablafit.fit`. The function is called with arrays, which is faster than what
    `Minuit(likelihood, *start)` does, and knows the gradient and, unless told otherwise, the
    Hessian.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit.interop.iminuit import make_minuit
    >>> minuit = make_minuit(model.likelihood(data))
    >>> minuit.migrad().valid
    True
    """
    return _set_up(make_problem(likelihood, initial, bounds, fixed), likelihood, hessian=hessian)


def minimize(problem: FitProblem, options: FitOptions) -> Minimum:
    """Run MIGRAD and HESSE.

    With `options.hessian` first with the Hessian; if that fails, as it may at bounds, where
    MINUIT's variables are singular, or if the exact EDM is far above the goal although MINUIT's own
    EDM is below it, with the gradient alone.
    """
    n_calls = n_gradients = 0
    function = _Function(problem)
    started = time.perf_counter()
    try:
        for hessian in (True, False) if options.hessian else (False,):
            minuit = _set_up(problem, function, hessian=hessian)
            minuit.strategy = 0 if options.strategy is None else options.strategy
            minuit.tol = 0.1 if options.tolerance is None else options.tolerance
            timings = _run(minuit, options.max_calls)
            n_calls += minuit.nfcn
            n_gradients += minuit.ngrad
            if minuit.valid and _is_close(problem, options, np.array(minuit.values)):
                break
        covariance = _covariance(problem, minuit)
    except KeyboardInterrupt as exception:
        timings = {"minimize": time.perf_counter() - started}
        return Minimum.interrupted(function.best, n_gradients, timings, exception)
    status, message = _outcome(minuit)
    return Minimum(
        x=np.array(minuit.values),
        status=status,
        message=message,
        covariance=covariance,
        edm=minuit.fmin.edm,
        n_calls=n_calls,
        n_gradients=n_gradients,
        timings=timings,
        minuit=minuit,
    )


class _Function:
    """The likelihood as MINUIT calls it, and where it was lowest."""

    def __init__(self, problem: FitProblem) -> None:
        self._likelihood = problem.likelihood
        self.errordef = problem.likelihood.errordef
        self.best = BestPoint(problem.initial)

    def __call__(self, x: FloatArray) -> float:
        value = self._likelihood(x)
        self.best.note(value, x)
        return value

    def grad(self, x: FloatArray) -> FloatArray:
        return self._likelihood.gradient(x)


def _is_close(problem: FitProblem, options: FitOptions, x: FloatArray) -> bool:
    """Whether the exact EDM is near the goal; always true at bounds, where it means little."""
    if problem.at_bound(x).any():
        return True
    _, edm = exact_covariance(problem, x)
    return edm <= _TOLERATED_EXCESS * options.edm_goal


def _run(minuit: Minuit, max_calls: int | None) -> dict[str, float]:
    """Alternate MIGRAD and HESSE, whose EDM may turn out larger than MIGRAD's, until it is small.

    Only the first round is at strategy 0.
    """
    timings = {"minimize": 0.0, "covariance": 0.0}
    for _ in range(_MAX_ROUNDS):
        started = time.perf_counter()
        minuit.migrad(ncall=max_calls)
        minimized = time.perf_counter()
        timings["minimize"] += minimized - started
        if minuit.fmin.has_reached_call_limit:
            break
        minuit.hesse()
        timings["covariance"] += time.perf_counter() - minimized
        if minuit.valid or not np.isfinite(minuit.fval):
            break
        minuit.strategy = max(minuit.strategy.strategy, 1)
    return timings


def _set_up(problem: FitProblem, function: Any, *, hessian: bool) -> Minuit:  # noqa: ANN401
    from iminuit import Minuit

    minuit = Minuit(
        function,
        _inside(problem) if hessian else problem.initial,
        grad=function.grad,
        hessian=_DefiniteHessian(problem) if hessian else False,
        name=problem.likelihood.parameters,
    )
    minuit.limits = list(zip(problem.lower, problem.upper, strict=True))
    minuit.errors = problem.step
    minuit.fixed = problem.fixed
    return minuit


def _inside(problem: FitProblem) -> FloatArray:
    """Move start values away from bounds: there, the Hessian in MINUIT's variables is singular."""
    near = np.minimum(0.1 * problem.step, 0.25 * (problem.upper - problem.lower))
    inner = np.clip(problem.initial, problem.lower + near, problem.upper - near)
    return np.where(problem.fixed, problem.initial, inner)


class _DefiniteHessian:
    """The exact Hessian, made positive definite where it is not: MINUIT fails on others.

    Far from the minimum directions of negative curvature are common. There, eigenvalues of the
    matrix scaled to unit diagonal are replaced by their absolute value, or by a small number.
    """

    _SMALLEST = 1e-4

    def __init__(self, problem: FitProblem) -> None:
        self._likelihood = problem.likelihood
        self._prefit = np.diag(problem.step**-2.0)

    def __call__(self, x: FloatArray) -> FloatArray:
        hessian = self._likelihood.hessian(np.ascontiguousarray(x, dtype=float))
        scale = np.sqrt(np.abs(np.diag(hessian)))
        if not np.all(np.isfinite(scale)):
            return self._prefit
        scale[scale == 0.0] = 1.0
        units = np.outer(scale, scale)
        scaled = hessian / units
        try:
            np.linalg.cholesky(scaled - 1e-9 * np.eye(len(scaled)))
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(scaled)
            positive = np.fmax(np.abs(values), self._SMALLEST)
            definite: FloatArray = (vectors * positive) @ vectors.T * units
            return definite
        return hessian


def _covariance(problem: FitProblem, minuit: Minuit) -> FloatArray | None:
    """MINUIT's covariance, zero for parameters that a bound holds as for fixed ones.

    In MINUIT's variables the derivative vanishes at a bound: the error of a parameter there is some
    tiny number, and that of the others is the one with the parameter held.
    """
    if minuit.covariance is None:
        return None
    covariance = np.array(minuit.covariance)
    held = held_by_bounds(problem, np.array(minuit.values))
    covariance[held] = covariance[:, held] = 0.0
    return covariance


def _outcome(minuit: Minuit) -> tuple[str, str]:
    fmin = minuit.fmin
    if fmin.is_valid:
        if fmin.has_accurate_covar and not fmin.has_made_posdef_covar:
            return "converged", "MINUIT found a minimum with an accurate covariance."
        return "converged", (
            "MINUIT found a minimum, but its covariance is not accurate: take errors from MINOS."
        )
    if fmin.has_reached_call_limit:
        return "call_limit", f"MINUIT stopped after {minuit.nfcn} calls: raise max_calls."
    return "not_converged", (
        f"MINUIT stopped with EDM {fmin.edm:.2g}, above {fmin.edm_goal:.2g}: try strategy=1, other "
        "start values, or fix parameters that the data do not determine."
    )
