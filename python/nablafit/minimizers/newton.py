"""The native minimiser: projected Newton with the exact Hessian, in C++."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from .._results.diagnostics import Diagnostics, LocalMinimum
from ..errors import ArgumentError, located
from ..model import DEFAULT_BACKEND, Likelihood
from .problem import Minimum

if TYPE_CHECKING:
    from .._arrays import FloatArray
    from .problem import FitOptions, FitProblem

__all__ = [
    "feasible_start",
    "find_minima",
    "minimize",
    "minimize_options",
    "require_native",
    "status_name",
]

# Largest number of parameters to name by which two minima differ.
_MOST_NAMES = 10

# What other minimisers call the same outcome.
_STATUS = {"infeasible_start": "forbidden_start", "iteration_limit": "call_limit"}


def minimize(problem: FitProblem, options: FitOptions) -> Minimum:
    """Run the native minimiser; the covariance is the inverse Hessian at the minimum."""
    require_native(problem.likelihood)
    started = time.perf_counter()
    summary, interruption = _core.minimize(
        problem.likelihood,
        start=problem.initial,
        lower=np.ascontiguousarray(problem.lower),
        upper=np.ascontiguousarray(problem.upper),
        fixed=problem.fixed,
        options=minimize_options(options, _core.CovarianceKind.full),
    )
    return Minimum(
        x=np.array(summary.x),
        status=status_name(summary.status),
        message=summary.message,
        covariance=summary.covariance if summary.valid else None,
        edm=summary.edm if summary.valid or math.isfinite(summary.value) else math.inf,
        n_calls=summary.n_gradients,
        n_gradients=summary.n_gradients,
        timings={"minimize": time.perf_counter() - started},
        diagnostics=Diagnostics.from_summary(summary, problem.likelihood.parameters),
        interruption=interruption,
    )


def feasible_start(problem: FitProblem) -> FloatArray | None:
    """Return a point near the start where there is a likelihood, None if none is found."""
    likelihood = problem.likelihood
    summary, interruption = _core.minimize(
        Likelihood(likelihood.model, likelihood.data),
        start=problem.initial,
        lower=np.ascontiguousarray(problem.lower),
        upper=np.ascontiguousarray(problem.upper),
        fixed=problem.fixed,
        options=_core.MinimizeOptions(
            covariance=_core.CovarianceKind.none, diagnostics=False, max_iterations=1
        ),
    )
    if interruption is not None:
        raise interruption
    x = np.array(summary.x)
    return x if likelihood.status(x) else None


def find_minima(
    problem: FitProblem, options: FitOptions
) -> tuple[tuple[LocalMinimum, ...], BaseException | None]:
    """Fit from the given start and from random ones.

    Returns
    -------
    minima : tuple of LocalMinimum
        The distinct ones, lowest first; at Ctrl-C those that were found until then.
    exception : BaseException or None
        What stopped the search.
    """
    require_native(problem.likelihood)
    found, exception = _core.find_minima(
        problem.likelihood,
        start=problem.initial,
        lower=np.ascontiguousarray(problem.lower),
        upper=np.ascontiguousarray(problem.upper),
        fixed=problem.fixed,
        options=minimize_options(options, _core.CovarianceKind.errors, diagnostics=False),
        n_starts=options.starts,
        seed=options.seed,
    )
    names = problem.likelihood.parameters
    minima = tuple(
        LocalMinimum(
            x=np.array(summary.x),
            twice_delta_nll=height,
            n_starts=len(starts),
            from_default=0 in starts,
            differs_in={names[i]: float(summary.x[i]) for i in differing[:_MOST_NAMES]},
        )
        for summary, height, starts, differing in found
    )
    return minima, exception


def minimize_options(
    options: FitOptions, covariance: _core.CovarianceKind, *, diagnostics: bool = True
) -> _core.MinimizeOptions:
    """Translate the options of a fit; the native rules are much tighter than MINUIT's."""
    result = _core.MinimizeOptions(covariance=covariance, diagnostics=diagnostics)
    if options.tolerance is not None:
        result = result.replace(
            edm_tolerance=options.edm_goal, gradient_tolerance=math.sqrt(2.0 * options.edm_goal)
        )
    return result if options.max_calls is None else result.replace(max_iterations=options.max_calls)


def status_name(status: str) -> str:
    """Return the name of an outcome that all minimisers share."""
    return _STATUS.get(status, status)


def require_native(likelihood: Likelihood) -> None:
    """Raise ArgumentError for a likelihood whose derivatives come from another backend."""
    if likelihood.backend != DEFAULT_BACKEND:
        message = (
            f'the native minimiser takes its derivatives from "{DEFAULT_BACKEND}", not '
            f'{likelihood.backend!r}; use minimizer="minuit"'
        )
        raise located(ArgumentError, message, "minimizer")
