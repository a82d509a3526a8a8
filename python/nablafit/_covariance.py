"""Covariance and distance to the minimum from the exact Hessian."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._arrays import FloatArray
    from ._problem import FitProblem


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
        In products of the parameters' units; rows of fixed parameters are zero. Parameters at a
        bound take part as long as the Hessian is positive definite with them; otherwise theirs are
        zero too. None if it is not positive definite either way.
    edm : float
        Estimated vertical distance to the minimum, g H^-1 g / 2 of the parameters that are not held
        by a bound; infinite without a covariance.
    """
    likelihood = problem.likelihood
    gradient = likelihood.gradient(x)
    hessian = likelihood.hessian(x)
    inner = np.flatnonzero(~problem.fixed & ~_held(problem, x, gradient))
    inverse = _inverse(hessian[np.ix_(inner, inner)])
    if inverse is None:
        return None, float("inf")
    edm = 0.5 * float(gradient[inner] @ inverse @ gradient[inner])
    full = _inverse(hessian[np.ix_(problem.free, problem.free)])
    chosen, block = (inner, inverse) if full is None else (problem.free, full)
    covariance = np.zeros_like(hessian)
    covariance[np.ix_(chosen, chosen)] = block
    return covariance, edm


def _held(problem: FitProblem, x: FloatArray, gradient: FloatArray) -> NDArray[np.bool_]:
    """Which free parameters a bound keeps from going downhill."""
    near = 1e-6 * problem.step
    at_lower = (x <= problem.lower + near) & (gradient > 0)
    at_upper = (x >= problem.upper - near) & (gradient < 0)
    return ~problem.fixed & (at_lower | at_upper)


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
