"""SciPy's minimisers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from .._arrays import nearest
from ..errors import ArgumentError, located
from .covariance import exact_covariance
from .problem import BestPoint, FitOptions, FitProblem, Minimum

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

    from .._arrays import FloatArray

__all__ = ["METHODS", "minimize"]

_WITHOUT_GRADIENT = ("Nelder-Mead", "Powell", "COBYLA", "COBYQA")
_WITH_GRADIENT = ("CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP")
_WITH_HESSIAN = (
    "Newton-CG",
    "trust-constr",
    "dogleg",
    "trust-ncg",
    "trust-exact",
    "trust-krylov",
)
_WITH_PRODUCTS = ("Newton-CG", "trust-ncg", "trust-krylov")
# With more free parameters than this, products with the Hessian instead of the matrix.
_LARGE = 500
_WITHOUT_BOUNDS = ("CG", "BFGS", "Newton-CG", "dogleg", "trust-ncg", "trust-exact", "trust-krylov")

# The first SciPy that has them with bounds.
_SINCE = {"COBYLA": (1, 11), "COBYQA": (1, 14)}

METHODS = _WITHOUT_GRADIENT + _WITH_GRADIENT + _WITH_HESSIAN


def is_supported(method: str) -> bool:
    """Whether the installed SciPy has one of METHODS with all that is needed here."""
    version = tuple(int(number) for number in scipy.__version__.split(".")[:2])
    return version >= _SINCE.get(method, version)


class _FreeFunction:
    """The likelihood as a function of the free parameters in units of their typical change.

    SciPy's stopping rules know no units; with this scaling a gradient of 0.01 means an estimated
    distance to the minimum of about 1e-4 for any parameter. Its line searches interpolate and turn
    an infinite value into NaN: where the likelihood is zero they see ten times the worst so far.
    """

    def __init__(self, problem: FitProblem) -> None:
        self._likelihood = problem.likelihood
        self._free = problem.free
        self._scale = problem.step[problem.free]
        self._point = problem.initial.copy()
        self._worst = 0.0
        self.best = BestPoint(problem.initial)
        self.n_gradients = 0

    def full(self, t: FloatArray) -> FloatArray:
        point = self._point.copy()
        point[self._free] = t * self._scale
        return point

    def value(self, t: FloatArray) -> float:
        x = self.full(t)
        value = self._likelihood(x)
        self.best.note(value, x)
        return self._finite(value)

    def value_and_gradient(self, t: FloatArray) -> tuple[float, FloatArray]:
        self.n_gradients += 1
        x = self.full(t)
        value, gradient = self._likelihood.value_and_gradient(x)
        self.best.note(value, x)
        return self._finite(value), gradient[self._free] * self._scale

    def _finite(self, value: float) -> float:
        if not np.isfinite(value):
            return 10.0 * (1.0 + self._worst)
        self._worst = max(self._worst, value)
        return value

    def hessian(self, t: FloatArray) -> FloatArray:
        matrix = self._likelihood.hessian(self.full(t))[np.ix_(self._free, self._free)]
        return matrix * np.outer(self._scale, self._scale)

    def hvp(self, t: FloatArray, v: FloatArray) -> FloatArray:
        direction = np.zeros_like(self._point)
        direction[self._free] = v * self._scale
        product = self._likelihood.hvp(self.full(t), direction)
        return product[self._free] * self._scale


def minimize(problem: FitProblem, options: FitOptions) -> Minimum:
    """Run the method that `options.minimizer` names after "scipy:"."""
    method = _method(options.minimizer.partition(":")[2])
    function = _FreeFunction(problem)
    scale = problem.step[problem.free]
    lower, upper = problem.lower[problem.free] / scale, problem.upper[problem.free] / scale
    has_gradient = method not in _WITHOUT_GRADIENT
    arguments: dict[str, Any] = {"method": method, "options": _method_options(method, options)}
    if has_gradient:
        arguments["jac"] = True
    if method in _WITH_HESSIAN:
        by_products = method in _WITH_PRODUCTS and problem.free.size > _LARGE
        arguments |= {"hessp": function.hvp} if by_products else {"hess": function.hessian}
    if method not in _WITHOUT_BOUNDS:
        arguments["bounds"] = scipy.optimize.Bounds(lower, upper)
    target = function.value_and_gradient if has_gradient else function.value
    started = time.perf_counter()
    try:
        with np.errstate(all="ignore"):
            start = problem.initial[problem.free] / scale
            found = scipy.optimize.minimize(target, start, **arguments)
        minimized = time.perf_counter()
        x = function.full(np.asarray(found.x))
        covariance, edm = exact_covariance(problem, x)
    except KeyboardInterrupt as exception:
        timings = {"minimize": time.perf_counter() - started}
        return Minimum.interrupted(function.best, function.n_gradients, timings, exception)
    status, message = _outcome(problem, options, found, x, edm)
    return Minimum(
        x=x,
        status=status,
        message=message,
        covariance=covariance,
        edm=edm,
        n_calls=function.best.n_calls,
        n_gradients=function.n_gradients,
        timings={"minimize": minimized - started, "covariance": time.perf_counter() - minimized},
    )


def _method(name: str) -> str:
    known = {method.lower(): method for method in METHODS}
    if name.lower() not in known:
        message = f"SciPy has no method {name!r}{nearest(name, METHODS)}"
        raise located(ArgumentError, message, "minimizer")
    method = known[name.lower()]
    if not is_supported(method):
        needed = ".".join(map(str, _SINCE[method]))
        message = (
            f"{method} with bounds needs SciPy {needed} or newer, found {scipy.__version__}; "
            "choose another method, or update SciPy"
        )
        raise located(ArgumentError, message, "minimizer")
    return method


def _method_options(method: str, options: FitOptions) -> dict[str, float]:
    """Choose stopping rules so tight that the EDM decides whether a fit is valid."""
    gradient = 0.1 * np.sqrt(options.edm_goal)
    value = 1e-3 * options.edm_goal
    chosen: dict[str, dict[str, float]] = {
        "Nelder-Mead": {"fatol": value, "xatol": gradient},
        "Powell": {"ftol": 1e-3 * value, "xtol": gradient},
        "COBYLA": {"tol": gradient},
        "COBYQA": {"final_tr_radius": gradient},
        "L-BFGS-B": {"ftol": 0.0, "gtol": gradient},
        "TNC": {"ftol": 0.0, "xtol": 0.0, "gtol": gradient},
        "SLSQP": {"ftol": value},
        "Newton-CG": {"xtol": 1e-3 * gradient},
        "trust-constr": {"gtol": gradient, "xtol": 1e-12},
    }
    result = dict(chosen.get(method, {"gtol": gradient}))
    limit = "maxfun" if method in ("L-BFGS-B", "TNC") else "maxiter"
    if options.max_calls is not None:
        result[limit] = options.max_calls
    elif method not in ("Newton-CG", "TNC"):
        result[limit] = 100_000
    return result


def _outcome(
    problem: FitProblem, options: FitOptions, found: OptimizeResult, x: FloatArray, edm: float
) -> tuple[str, str]:
    """Judge by the EDM, as MINUIT does, not by what the method reports."""
    outside = ~problem.fixed & ((x < problem.lower) | (x > problem.upper))
    if np.any(outside):
        names = [problem.likelihood.parameters[i] for i in np.flatnonzero(outside)]
        return "out_of_bounds", (
            f"The method has no bounds and left those of {', '.join(names)}: "
            'use "minuit" or "scipy:L-BFGS-B".'
        )
    if edm <= options.edm_goal:
        return "converged", "SciPy's method found a minimum; the covariance is exact."
    said = str(found.message).strip().rstrip(".")
    if not np.isfinite(edm):
        return "not_converged", (
            f"The Hessian is not positive definite where the method stopped ({said}): fix "
            "parameters that the data do not determine, or try other start values."
        )
    return "not_converged", (
        f"The method stopped with EDM {edm:.2g}, above {options.edm_goal:.2g} ({said}): try "
        '"minuit", other start values, or raise max_calls.'
    )
