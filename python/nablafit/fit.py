"""Fits."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ._arguments import checked
from ._arrays import nearest
from ._core import __version__
from ._results.provenance import Provenance
from .errors import ArgumentError, Error, FitWarning, finished, located
from .minimizers import iminuit, scipy
from .minimizers import newton as _newton
from .minimizers.problem import FitOptions, FitProblem, Minimum, make_problem
from .model import DEFAULT_BACKEND, Likelihood, Model
from .result import FitResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._arrays import FloatArray, ParameterValues
    from ._results.diagnostics import LocalMinimum
    from .data import Data
    from .minimizers.problem import Bounds, Fixed

__all__ = ["FitOptions", "fit"]

_Minimize: TypeAlias = Callable[[FitProblem, FitOptions], Minimum]

# Every minimiser is a function of the problem and the options. Names may carry an argument after
# a colon, which the minimiser reads from the options.
_MINIMIZERS: dict[str, tuple[_Minimize, str]] = {
    "newton": (_newton.minimize, "nablafit"),
    "minuit": (iminuit.minimize, "iminuit"),
    "scipy": (scipy.minimize, "scipy"),
}


@checked
def fit(
    model: Model | Likelihood,
    data: Data | None = None,
    *,
    minimizer: str = "newton",
    backend: str | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    strategy: int | None = None,
    tolerance: float | None = None,
    max_calls: int | None = None,
    check_gradients: bool = False,
    hessian: bool = True,
    starts: int = 0,
    seed: int = 0,
) -> FitResult:
    """Find the parameters that maximise the likelihood.

    Parameters
    ----------
    model : Model or Likelihood
        What to fit.
    data : Data, optional
        What to fit it to, only with a Model: `workspace.data(model)`, or for expected results
        `model.asimov({"mu": 1})` or `nablafit.asimov_data`.
    minimizer : str
        "newton" is the native one: projected Newton with the exact Hessian. "minuit" is MIGRAD and
        HESSE with exact gradients, "scipy:<method>" a method of SciPy, e.g. "scipy:L-BFGS-B".
    backend : str, optional
        How derivatives are obtained, see `Likelihood`; only with a Model. The native minimiser
        takes only the default.
    initial : array_like or mapping, optional
        Start values: all in order, or some by name.
    bounds : mapping or sequence, optional
        Pairs (lower, upper), None for no bound: some by name, or all in order. By default those of
        the model.
    fixed : str, iterable of str or mapping, optional
        Parameters to hold, at their start value or, in a mapping, at the value given. They add to
        those that the model fixes; `{"name": False}` releases one.
    strategy, tolerance, max_calls, check_gradients, hessian, starts, seed
        See `FitOptions`.

    Returns
    -------
    FitResult
        Numerical failure is data, not an exception: look at `valid`, `status` and `message`.

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model.
    Error
        If `check_gradients` finds a wrong derivative.
    Interrupted
        At Ctrl-C, within a second: a KeyboardInterrupt whose `result` is a FitResult at the best
        point so far, with the status "interrupted": not valid, without errors, but a start for
        another fit. During the search from `starts` it has the minima found until then.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> print(f"mu = {result.values['mu']:.2f} +- {result.errors['mu']:.2f}")
    mu = 0.66 +- 0.56
    >>> held = nf.fit(model, data, fixed={"mu": 0.0})
    >>> print(f"{held.twice_nll - result.twice_nll:.3f}")
    1.488
    """
    options = FitOptions(
        minimizer=minimizer,
        strategy=strategy,
        tolerance=tolerance,
        max_calls=max_calls,
        check_gradients=check_gradients,
        hessian=hessian,
        starts=starts,
        seed=seed,
    )
    minimize, package = _minimizer(minimizer)
    started = time.perf_counter()
    problem = make_problem(likelihood_of(model, data, backend), initial, bounds, fixed)
    if check_gradients:
        compare_gradients(problem.likelihood, problem.initial)
    minimum = _minimize(minimize, problem, options)
    minima: tuple[LocalMinimum, ...] = ()
    if options.starts and minimum.interruption is None:
        minimum, minima = _search(minimize, problem, options, minimum)
    timings = {**minimum.timings, "total": time.perf_counter() - started}
    versions = {package: _version(package), "nablafit": __version__, "numpy": np.__version__}
    result = _result(problem, options, minimum, minima, timings, versions)
    return finished(result, minimum.interruption)


def compare_gradients(likelihood: Likelihood, x: FloatArray) -> None:
    """Raise Error unless the gradient at `x` equals that of forward-mode differentiation.

    The largest difference allowed is 1e-8 of the largest component.
    """
    gradient = likelihood.gradient(x)
    reference = Likelihood(likelihood.model, likelihood.data, backend="forward").gradient(x)
    difference = np.abs(gradient - reference)
    if np.all(difference <= 1e-8 * max(1.0, float(np.max(np.abs(reference), initial=0.0)))):
        return
    worst = int(np.argmax(difference))
    message = (
        f"the derivative is {gradient[worst]!r}, but independent differentiation gives "
        f"{reference[worst]!r}; please report this with the workspace"
    )
    raise located(Error, message, likelihood.parameters[worst])


@cache
def _version(package: str) -> str:
    return __version__ if package == "nablafit" else version(package)


def _minimizer(name: str) -> tuple[_Minimize, str]:
    family, colon, method = name.partition(":")
    if family not in _MINIMIZERS or bool(colon and method) != (family == "scipy"):
        hint = nearest(family, tuple(_MINIMIZERS))
        message = f'unknown minimiser {name!r}; expected "newton", "minuit" or "scipy:<method>"'
        message += hint if "did you mean" in hint else ""
        raise located(ArgumentError, message, "minimizer")
    return _MINIMIZERS[family]


def likelihood_of(
    model: Model | Likelihood, data: Data | None, backend: str | None = None
) -> Likelihood:
    """Return the likelihood to fit; raise ArgumentError unless it has data exactly once."""
    if isinstance(model, Likelihood):
        if data is not None:
            message = "a Likelihood has its data already; pass its model with other data"
            raise located(ArgumentError, message, "data")
        if backend is not None and backend != model.backend:
            message = f"a Likelihood has its backend already, {model.backend!r}; pass its model"
            raise located(ArgumentError, message, "backend")
        return model
    if data is None:
        message = "a Model needs data to fit; get them from workspace.data(model)"
        raise located(ArgumentError, message, "data")
    return model.likelihood(data, backend=DEFAULT_BACKEND if backend is None else backend)


def _minimize(minimize: _Minimize, problem: FitProblem, options: FitOptions) -> Minimum:
    """Minimise where there is something to do, from a point where there is a likelihood."""
    n = problem.initial.size
    at_start = problem.likelihood.status(problem.initial)
    if problem.free.size == 0:
        status, message = "converged", "All parameters are fixed: nothing to minimise."
        if not at_start:
            status, message = "forbidden_start", at_start.message
        return Minimum(problem.initial, status, message, np.zeros((n, n)), 0.0, 1, 0)
    if not at_start and minimize is not _newton.minimize:
        start = _newton.feasible_start(problem)
        if start is None:
            message = (
                f"The likelihood is zero at the start, {at_start.message}, and at every point "
                "tried: choose `initial`."
            )
            return Minimum(problem.initial, "forbidden_start", message, None, np.inf, 1, 0)
        problem = replace(problem, initial=start)
    return minimize(problem, options)


def _search(
    minimize: _Minimize, problem: FitProblem, options: FitOptions, default: Minimum
) -> tuple[Minimum, tuple[LocalMinimum, ...]]:
    """Look for lower minima from random starts; return the lowest and all that were found."""
    minima, exception = _newton.find_minima(problem, options)
    if exception is not None:
        return _best_so_far(problem, default, minima, exception), minima
    if not minima or (minima[0].from_default and default.status.startswith("converged")):
        return default, minima
    best = _minimize(minimize, replace(problem, initial=minima[0].x.copy()), options)
    warnings.warn(_lower_minimum(minima), FitWarning, stacklevel=4)
    return best, minima


def _best_so_far(
    problem: FitProblem,
    default: Minimum,
    minima: tuple[LocalMinimum, ...],
    exception: BaseException,
) -> Minimum:
    """Return the lowest point of a search that was interrupted: no one knows what is lower."""
    n_done = sum(minimum.n_starts for minimum in minima if not minimum.from_default)
    message = f"Interrupted: {n_done} of the starts led to minima until then, see `minima`."
    best = replace(default, status="interrupted", message=message, interruption=exception)
    lower = minima and problem.likelihood(minima[0].x) < problem.likelihood(default.x)
    if lower or not default.status.startswith("converged"):
        best = replace(best, covariance=None, edm=np.inf, minuit=None, diagnostics=None)
    return replace(best, x=minima[0].x.copy()) if lower else best


def _lower_minimum(minima: tuple[LocalMinimum, ...]) -> str:
    ours = next((minimum for minimum in minima if minimum.from_default), None)
    if ours is None or not ours.twice_delta_nll > 0:
        return "the default start leads to no minimum; the result is from another start"
    names = ", ".join(f"{name} = {value:.4g}" for name, value in ours.differs_in.items())
    return (
        f"the default start leads to a minimum that is {ours.twice_delta_nll:.3g} higher in -2 log "
        f"L than the one returned, with {names}"
    )


def _held(problem: FitProblem, minimum: Minimum) -> NDArray[np.bool_]:
    """Return which free parameters have no error because a bound holds them."""
    if minimum.covariance is None:
        return np.zeros(problem.fixed.size, dtype=bool)
    held: NDArray[np.bool_] = ~problem.fixed & (minimum.covariance.diagonal() == 0.0)
    return held


def _result(
    problem: FitProblem,
    options: FitOptions,
    minimum: Minimum,
    minima: tuple[LocalMinimum, ...],
    timings: dict[str, float],
    versions: dict[str, str],
) -> FitResult:
    likelihood = problem.likelihood
    center, width = likelihood.prefit
    return FitResult(
        parameters=likelihood.parameters,
        x=minimum.x,
        covariance=minimum.covariance,
        value=likelihood(minimum.x),
        constant=likelihood.constant,
        fixed=problem.fixed,
        lower=problem.lower,
        upper=problem.upper,
        at_bound=problem.at_bound(minimum.x) | _held(problem, minimum),
        prefit_values=center,
        prefit_errors=width,
        status=minimum.status,
        message=minimum.message,
        edm=minimum.edm,
        n_calls=minimum.n_calls,
        n_gradients=minimum.n_gradients,
        minimizer=options.minimizer,
        timings=timings,
        versions=versions,
        minuit=minimum.minuit,
        diagnostics=minimum.diagnostics,
        minima=minima,
        initial=problem.initial,
        options={**vars(options), "backend": likelihood.backend},
        provenance=Provenance(likelihood.model, likelihood.data),
    )
