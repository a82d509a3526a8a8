"""Covariance and distance to the minimum from the exact Hessian."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._arrays import FloatArray
    from .problem import FitProblem

# Slopes along one parameter, in units of its conditional error, that push nothing against a bound.
_IDLE_SLOPE = 1e-3


def exact_covariance(problem: FitProblem, x: FloatArray) -> tuple[FloatArray | None, float]:
    """Invert the Hessian of the free parameters at `x`.

    Parameters
    ----------
    problem : FitProblem
        What was fitted.
    x : array, shape (n_parameters,)
        The minimum.

    Returns
    -------
    covariance : array, shape (n_parameters, n_parameters), or None
        In products of the parameters' units; rows of fixed parameters and of those that a bound
        holds are zero. None if the Hessian of the others is not positive definite.
    edm : float
        Estimated vertical distance to the minimum, g H^-1 g / 2 of the parameters that are not held
        by a bound; infinite without a covariance.
    """
    likelihood = problem.likelihood
    gradient = likelihood.gradient(x)
    hessian = likelihood.hessian(x)
    inner = np.flatnonzero(~problem.fixed & ~_held(problem, x, gradient, np.diag(hessian)))
    inverse = _inverse(hessian[np.ix_(inner, inner)])
    if inverse is None:
        return None, float("inf")
    edm = 0.5 * float(gradient[inner] @ inverse @ gradient[inner])
    covariance = np.zeros_like(hessian)
    covariance[np.ix_(inner, inner)] = inverse
    return covariance, edm


def held_by_bounds(problem: FitProblem, x: FloatArray) -> NDArray[np.bool_]:
    """Return which free parameters the likelihood pushes against a bound: they have no error."""
    likelihood = problem.likelihood
    return _held(problem, x, likelihood.gradient(x), np.diag(likelihood.hessian(x)))


def _held(
    problem: FitProblem, x: FloatArray, gradient: FloatArray, curvatures: FloatArray
) -> NDArray[np.bool_]:
    """As `held_by_bounds`, with derivatives of -log L along single parameters.

    The minimum along the parameter alone lies clearly beyond the bound, by more than the thousandth
    of an error that minimisers may be away from it: MINUIT never ends on a bound itself.
    """
    curvature = np.maximum(curvatures, 0.0)
    pushes = np.abs(gradient) > _IDLE_SLOPE * np.sqrt(curvature)
    distance = np.where(gradient > 0, x - problem.lower, problem.upper - x)
    beyond = 2.0 * distance * curvature < np.abs(gradient)
    near = distance <= 1e-6 * problem.step
    held: NDArray[np.bool_] = ~problem.fixed & pushes & np.where(curvature > 0, beyond, near)
    return held


def _inverse(matrix: FloatArray) -> FloatArray | None:
    """Inverse of a positive definite matrix, None if it is not one."""
    if not np.all(np.isfinite(matrix)):
        return None
    scale = np.sqrt(np.abs(np.diag(matrix)))
    if not np.all(scale > 0):
        return None
    try:
        factor = scipy.linalg.cho_factor(matrix / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return None
    scaled = scipy.linalg.cho_solve(factor, np.eye(len(matrix)))
    inverse: FloatArray = scaled / np.outer(scale, scale)
    return 0.5 * (inverse + inverse.T)
