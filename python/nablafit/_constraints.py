"""What a constraint term alone says about its parameter: centre and width before the fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._arrays import FloatArray
from .spec import (
    Constraint,
    GammaConstraint,
    GaussianConstraint,
    LogNormalConstraint,
    Parameter,
    PoissonConstraint,
)

IntArray: TypeAlias = NDArray[np.intp]


class PrefitTable:
    """Constraint terms of a model, arranged so that all estimates take microseconds.

    Gaussian and Poisson terms, of which there may be thousands, are arrays; the rest is a list.
    """

    def __init__(self, parameters: Sequence[Parameter], constrained: Sequence[int]) -> None:
        self._size = len(parameters)
        terms = [(i, p, parameters[p].constraint) for i, p in enumerate(constrained)]
        stored = [parameters[p].observed_value for p in constrained]
        self._stored = np.array([math.nan if value is None else value for value in stored])
        gaussians = [(i, p, c.sigma) for i, p, c in terms if isinstance(c, GaussianConstraint)]
        poissons = [(i, p, c.tau) for i, p, c in terms if isinstance(c, PoissonConstraint)]
        self._gaussians = _columns(gaussians)
        self._poissons = _columns(poissons)
        arranged = {i for i, _, _ in gaussians + poissons}
        self._others = [term for term in terms if term[0] not in arranged]

    def estimates(self, observed: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Return centre and width by parameter, NaN where there is no term."""
        values = self._stored if observed is None else observed
        centers, widths = np.full((2, self._size), np.nan)
        position, parameter, sigma = self._gaussians
        centers[parameter], widths[parameter] = values[position], sigma
        position, parameter, tau = self._poissons
        counts = values[position]
        centers[parameter] = counts / tau
        widths[parameter] = np.where(counts > 0, np.sqrt(np.abs(counts)) / tau, np.nan)
        for i, p, constraint in self._others:
            centers[p], widths[p] = prefit_estimate(constraint, float(values[i]))
        return centers, widths

    def fluctuations(self, observed: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Say how far global observables fluctuate, and how that pulls at the parameters.

        Parameters
        ----------
        observed : array, shape (n_constrained,)
            Global observables; their variance is estimated by themselves.
        x : array, shape (n_parameters,)
            Where the likelihood has its minimum.

        Returns
        -------
        deviations : array, shape (n_parameters,)
            Standard deviation of the global observable, in its units: sigma, sqrt(observed) of a
            count, observed log(kappa). NaN where there is no term.
        widths : array, shape (n_parameters,)
            1 / |d2(-log L)/(dx d observed)| / deviation: a shift of the observable by a deviation
            changes the gradient of -log L by -1 / width.
        """
        deviations, widths = np.full((2, self._size), np.nan)
        position, parameter, sigma = self._gaussians
        deviations[parameter] = widths[parameter] = sigma
        position, parameter, _ = self._poissons
        deviations[parameter] = np.sqrt(observed[position])
        with np.errstate(divide="ignore", invalid="ignore"):
            widths[parameter] = x[parameter] / deviations[parameter]
        for i, p, constraint in self._others:
            value = float(observed[i])
            if isinstance(constraint, LogNormalConstraint):
                deviations[p] = value * math.log(constraint.kappa)
                widths[p] = x[p] * math.log(constraint.kappa)
            elif isinstance(constraint, GammaConstraint):
                deviations[p] = math.sqrt(value)
                widths[p] = x[p] / deviations[p] if value > 0 else math.inf
        return deviations, widths


def _columns(terms: Sequence[tuple[int, int, float]]) -> tuple[IntArray, IntArray, FloatArray]:
    table = np.array(terms, dtype=float).reshape(-1, 3).T
    return table[0].astype(np.intp), table[1].astype(np.intp), table[2]


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
