"""How the minimum moves when a parameter is held elsewhere, or a global observable is shifted.

Both are the same linear prediction. With the covariance C of the fit, holding parameter j at its
value plus d moves the others by C[:, j] d / C[j, j], and moving the global observable of j by a
standard deviation moves all by C[:, j] / w_j, where 1 / w_j is what that does to the gradient. So a
shift is a column of the covariance times a coefficient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ...spec import GaussianConstraint, LogNormalConstraint

if TYPE_CHECKING:
    from ...data import Data
    from ...model import Model
    from ...result import FitResult

__all__ = ["Shifts", "observable_range", "observable_shifts", "parameter_shifts"]


@dataclass(frozen=True)
class Shifts:
    """Four shifts for each of n parameters, in the order of `VARIATIONS`."""

    deltas: FloatArray
    """What is shifted by how much, shape (4, n); NaN where there is no shift."""
    coefficients: FloatArray
    """What to multiply the column of the covariance with; NaN where that is not known."""
    reasons: NDArray[np.str_]
    """Why there is no shift, shape (4, n); empty where there is one."""

    def within(self, values: FloatArray, lower: FloatArray, upper: FloatArray) -> Shifts:
        """Return shifts that end at bounds; from `values`, shape (n,)."""
        shifted = values + self.deltas
        ends = np.clip(shifted, lower, upper)
        deltas = np.where(ends == shifted, self.deltas, ends - values)
        with np.errstate(invalid="ignore"):
            coefficients = np.where(ends == shifted, 1.0, deltas / self.deltas) * self.coefficients
        return replace(self, deltas=deltas, coefficients=coefficients)


def parameter_shifts(result: FitResult, chosen: NDArray[np.intp]) -> Shifts:
    """Shift parameters by their standard deviation after and before the fit.

    Parameters
    ----------
    result : FitResult
        A valid fit.
    chosen : array of int, shape (n,)
        Which parameters.
    """
    errors = np.asarray(result.errors)[chosen]
    widths = np.array(result.prefit_errors[chosen])
    reasons = np.full((4, len(chosen)), "", dtype="U24")
    known = np.isfinite(errors) & (errors > 0)
    errors = np.where(known, errors, np.nan)
    reasons[:2, ~known] = "no_error"
    reasons[2:, ~np.isfinite(widths)] = "no_prefit_width"
    reasons[:, result.fixed[chosen]] = "fixed"
    deltas = np.where(reasons == "", np.array([errors, -errors, widths, -widths]), np.nan)
    return Shifts(deltas, deltas / errors**2, reasons)


def observable_shifts(
    model: Model, data: Data, result: FitResult, chosen: NDArray[np.intp]
) -> Shifts:
    """Shift global observables by their standard deviation; see `Model.fluctuations`.

    The response of the minimum is -H^-1 d2(-log L)/(dx da) da with the Hessian H (A. Pinto et al.,
    arXiv:2307.04007).
    """
    deviations, widths = (array[chosen] for array in model.fluctuations(data, result.x))
    reasons = np.full((4, len(chosen)), "undefined", dtype="U24")
    reasons[:2] = np.where(np.isfinite(deviations), "", "no_global_observable")
    reasons[:2, result.fixed[chosen]] = "fixed"
    nothing = np.full(len(chosen), np.nan)
    deltas = np.where(reasons == "", np.array([deviations, -deviations, nothing, nothing]), np.nan)
    signs = np.array([1.0, -1.0, np.nan, np.nan]).reshape(4, 1)
    return Shifts(deltas, np.where(reasons == "", signs / widths, np.nan), reasons)


def observable_range(
    model: Model, data: Data, chosen: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Return the global observables of parameters, and the least that a shift may make of them.

    Counts end at 0. So do observables of a log-normal term, which are positive: where a shift by a
    deviation would take them there, it divides them by kappa.

    Returns
    -------
    tuple of array
        Each of shape (n,); NaN without a constraint term.
    """
    values, lower = np.full((2, len(chosen)), np.nan)
    order = {int(p): i for i, p in enumerate(model._core.constrained_parameters)}
    for k, p in enumerate(chosen.tolist()):
        if p not in order:
            continue
        value = float(data.global_observables[order[p]])
        constraint = model.spec.parameters[p].constraint
        is_gaussian = isinstance(constraint, GaussianConstraint)
        values[k], lower[k] = value, -np.inf if is_gaussian else 0.0
        if isinstance(constraint, LogNormalConstraint) and constraint.kappa >= np.e:
            lower[k] = value / constraint.kappa
    return values, lower
