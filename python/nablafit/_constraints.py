"""What a constraint term alone says about its parameter: centre and width before the fit."""

from __future__ import annotations

import math

from .spec import (
    Constraint,
    GammaConstraint,
    GaussianConstraint,
    LogNormalConstraint,
    PoissonConstraint,
)


def prefit_estimate(constraint: Constraint, observed: float) -> tuple[float, float]:
    """Maximum and width of a constraint term as a function of its parameter.

    Parameters
    ----------
    constraint : Constraint
        Shape of the term.
    observed : float
        Value of its global observable.

    Returns
    -------
    tuple of float
        Position of the maximum, and 1/sqrt of minus the second derivative of the logarithm there
        (for LogNormal: of the logarithm of the parameter, times the parameter). NaN where there is
        no term, or no width because nothing was observed.
    """
    match constraint:
        case GaussianConstraint(sigma=sigma):
            return observed, sigma
        case PoissonConstraint(tau=tau):
            return observed / tau, math.sqrt(observed) / tau if observed > 0 else math.nan
        case LogNormalConstraint(kappa=kappa):
            return observed, observed * math.log(kappa)
        case GammaConstraint(scale=scale):
            width = math.sqrt(observed) * scale if observed > 0 else math.nan
            return observed * scale, width
    return math.nan, math.nan
