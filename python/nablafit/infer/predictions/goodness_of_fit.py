"""Goodness of fit by the saturated model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy

from ..._arrays import FloatArray, ParameterValues
from ..._results.origin import remembers_origin
from ...batch import FitManyResult, fit_many
from ...errors import ArgumentError, Interrupted, located
from ...fit import fit
from ...minimizers.problem import Bounds, Fixed
from ...toys import toys
from ._gof_result import ChannelDeviance, GoodnessOfFitResult, ToyRange
from ._yield_sums import row_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...data import Data
    from ...likelihood import Likelihood
    from ...model import Model
    from ...result import FitResult

__all__ = ["ChannelDeviance", "GoodnessOfFitResult", "ToyRange", "goodness_of_fit"]

# Toys that are in memory at a time.
_BLOCK = 4096


@remembers_origin
def goodness_of_fit(
    model: Model,
    data: Data,
    *,
    n_toys: int = 0,
    seed: int = 0,
    start: int = 0,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> GoodnessOfFitResult:
    """Compare the best fit with the saturated model, which describes the data perfectly.

    The statistic is -2 log(L / L_saturated) (S. Baker, R. Cousins, Nucl. Instrum. Meth. 221 (1984)
    437, eq. 10 to 13, with the constraint terms as further observations): twice the `value` of the
    fit. For large counts it follows a chi-square with

        dof = n_bins + n_constraints - n_free

    degrees of freedom. A constraint term counts if its parameter is free, a bin if events are
    possible in it, a free parameter if the likelihood depends on it (directions in which it is flat
    do not count). Since a constrained parameter has one term, this is the number of bins minus that
    of the unconstrained free parameters, as in cabinetry, which however counts empty bins and
    parameters without effect too. Terms of fixed parameters are constants: they enter neither
    statistic nor dof.

    Parameters
    ----------
    model : Model
        The model.
    data : Data
        What was measured.
    n_toys : int
        Toys for a p-value that needs no large counts: drawn at the best fit, main counts and global
        observables of free parameters, and fitted in threads.
    seed, start : int
        The toys are number `start` to `start + n_toys - 1` of the sequence of `seed`: jobs with
        different numbers are joined by `GoodnessOfFitResult.merge`.
    initial, bounds, fixed
        As in `nablafit.fit`.
    n_threads : int, optional
        As in `nablafit.fit_many`.
    progress : callable, optional
        Called with the number of toys done.

    Returns
    -------
    GoodnessOfFitResult
        Toys that cannot be fitted are counted and left out. Numerical failure is data: look at
        `status` and `message`.

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model.
    Interrupted
        At Ctrl-C: a KeyboardInterrupt whose `result` has the toys that were done.
    """
    if n_toys < 0:
        raise located(ArgumentError, f"expected a number from 0 on, got {n_toys}", "n_toys")
    likelihood = model.likelihood(data)
    best = fit(likelihood, initial=initial, bounds=bounds, fixed=fixed)
    result = _without_toys(likelihood, best)
    if n_toys == 0 or not best.valid:
        return result
    run = _ToyRun(likelihood, best, bounds, fixed, seed, n_threads)
    return _with_toys(result, run, ToyRange(seed=seed, start=start, n=n_toys), progress)


# --- the observed statistic ----------------------------------------------------------------------


def _without_toys(likelihood: Likelihood, best: FitResult) -> GoodnessOfFitResult:
    model = likelihood.model
    bins, constraints = likelihood.deviances(best.x)
    expected = likelihood.expected(best.x)
    free_terms = ~best.fixed[_constrained(model)]
    of_constraints = 2.0 * float(np.sum(constraints[free_terms]))
    statistic = 2.0 * float(np.sum(bins)) + of_constraints
    counted = int(np.sum(_possible_bins(model, best.x, expected)))
    n_constraints, n_free = int(np.sum(free_terms)), _n_determined(best)
    dof = counted + n_constraints - n_free
    status, message, p_value = _asymptotic(best, statistic, dof)
    signs = np.sign(likelihood.data.counts - expected)
    return GoodnessOfFitResult(
        status=status,
        message=message,
        statistic=statistic,
        dof=dof,
        n_bins=counted,
        n_constraints=n_constraints,
        n_free=n_free,
        p_asymptotic=p_value,
        p_toys=math.nan,
        p_toys_error=math.nan,
        channels=tuple(
            ChannelDeviance(
                name=name,
                deviance=2.0 * float(np.sum(bins[part])),
                by_bin=2.0 * bins[part],
                signs=signs[part],
            )
            for name, part in model.channel_bins.items()
        ),
        constraints=of_constraints,
        fit=best,
        toys=np.zeros(0),
        toy_ranges=(),
    )


def _asymptotic(best: FitResult, statistic: float, dof: int) -> tuple[str, str, float]:
    """Return status, message and p-value of the chi-square."""
    if not best.valid:
        return "fit_not_valid", f"There is no goodness of fit: {best.message}", math.nan
    if dof <= 0:
        message = (
            "There are no degrees of freedom: the model has at least as many free parameters as "
            "there are observations, so any data fit."
        )
        return "no_degrees_of_freedom", message, math.nan
    p_value = float(scipy.special.gammaincc(0.5 * dof, 0.5 * statistic))
    message = (
        f"Data at least this far from the model have a chance of {p_value:.3g} if it is right "
        "(large counts)."
    )
    return "ok", message, p_value


def _possible_bins(model: Model, x: FloatArray, expected: FloatArray) -> NDArray[np.bool_]:
    """Say in which bins the expectation is not zero, or a parameter changes it."""
    of_rows = abs(model.yield_jacobian(x)).sum(axis=1)
    changes = np.bincount(row_bins(model), weights=of_rows, minlength=model.n_bins)
    possible: NDArray[np.bool_] = (expected != 0.0) | (changes != 0.0)
    return possible


def _constrained(model: Model) -> list[int]:
    return [model.index(name) for name in model.constrained_parameters]


def _n_determined(best: FitResult) -> int:
    """Count free parameters less the directions in which the likelihood is flat."""
    if best.diagnostics is None:
        return best.n_free
    flat = sum(d.curvature == 0.0 for d in best.diagnostics.weak_directions)
    return best.n_free - flat - len(best.diagnostics.without_effect)


# --- toys ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ToyRun:
    """Draws toys at the best fit and fits them like the data."""

    likelihood: Likelihood
    best: FitResult
    bounds: Bounds | None
    fixed: Fixed | None
    seed: int
    n_threads: int | None

    def statistics(
        self, start: int, n: int, progress: Callable[[int], object] | None
    ) -> FloatArray:
        """Return the statistic of `n` toys, NaN where the fit failed."""
        model, x = self.likelihood.model, self.best.x
        drawn = toys(model, x, n, self.seed, start, n_threads=self.n_threads)
        observables = np.array(drawn.global_observables)
        held = self.best.fixed[_constrained(model)]
        observables[:, held] = self.likelihood.data.global_observables[held]
        found = fit_many(
            model,
            np.hstack([drawn.counts, observables]),
            initial=x,
            bounds=self.bounds,
            fixed=self.fixed,
            parameters=(),
            errors=False,
            n_threads=self.n_threads,
            progress=progress,
        )
        return self.statistics_of(found)

    def statistics_of(self, found: FitManyResult) -> FloatArray:
        """Leave out the constant terms of fixed parameters, as for the data."""
        _, constraints = self.likelihood.deviances(self.best.x)
        held = self.best.fixed[_constrained(self.likelihood.model)]
        constant = float(np.sum(constraints[held]))
        return np.where(found.valid, 2.0 * (found.value - constant), np.nan)


def _with_toys(
    result: GoodnessOfFitResult,
    run: _ToyRun,
    wanted: ToyRange,
    progress: Callable[[int], object] | None,
) -> GoodnessOfFitResult:
    done: list[FloatArray] = []
    n_done = 0
    try:
        while n_done < wanted.n:
            n = min(_BLOCK, wanted.n - n_done)
            report = None if progress is None else _Offset(progress, n_done)
            done.append(run.statistics(wanted.start + n_done, n, report))
            n_done += n
    except Interrupted as interrupted:
        if isinstance(interrupted.result, FitManyResult):
            status = interrupted.result.status
            first = status.index("not_fitted") if "not_fitted" in status else len(status)
            done.append(run.statistics_of(interrupted.result.first(first)))
        partial = _add_toys(result, np.concatenate([np.zeros(0), *done]), wanted)
        message = f"interrupted; what was done is in .result: {partial.n_toys} toys"
        raise Interrupted(message, partial) from interrupted
    return _add_toys(result, np.concatenate(done), wanted)


@dataclass(frozen=True)
class _Offset:
    """Reports progress of a block as that of the whole."""

    progress: Callable[[int], object]
    n_before: int

    def __call__(self, n_done: int) -> object:
        return self.progress(self.n_before + n_done)


def _add_toys(
    result: GoodnessOfFitResult, statistics: FloatArray, wanted: ToyRange
) -> GoodnessOfFitResult:
    made = ToyRange(seed=wanted.seed, start=wanted.start, n=statistics.size)
    ranges = (made,) if made.n else ()
    complete = statistics.size == wanted.n
    with_toys = replace(result, toys=statistics, toy_ranges=ranges, complete=complete)
    return with_toys.with_p_value()
