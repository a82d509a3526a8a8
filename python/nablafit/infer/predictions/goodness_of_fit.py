"""Goodness of fit by the saturated model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy

from ..._arrays import FloatArray, ParameterValues
from ..._printable import printable
from ..._results.origin import remembers_origin
from ..._results.provenance import merged_origin
from ..._results.record import Record
from ..._results.text import Page
from ...batch import FitManyResult, fit_many
from ...errors import ArgumentError, Interrupted, located
from ...fit import fit
from ...minimizers.problem import Bounds, Fixed
from ...result import FitResult
from ...toys import toys
from .yields import row_bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...data import Data
    from ...model import Likelihood, Model

# Relative difference of statistics that is rounding: fits on machines of different kinds.
_SAME = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ChannelDeviance(Record):
    """What one channel adds to the statistic: twice the deviances of its bins.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> channel = nf.goodness_of_fit(model, data).channels[0]
    >>> channel.name, channel.by_bin.shape
    ('singlechannel', (2,))
    """

    name: str
    deviance: float
    """Sum over the bins."""
    by_bin: FloatArray
    """2 [lambda - n + n log(n / lambda)] for n events where lambda are expected, (n_bins,)."""
    signs: FloatArray
    """1 where more was observed than expected, -1 where less, 0 where equal, shape (n_bins,)."""

    @property
    def pulls(self) -> FloatArray:
        """Signed roots of `by_bin`: about standard normal if the model is right, or narrower."""
        pulls: FloatArray = self.signs * np.sqrt(self.by_bin)
        return pulls

    def __repr__(self) -> str:
        return f"<{printable(self.name)}: deviance {self.deviance:.5g} of {len(self.by_bin)} bins>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ToyRange(Record):
    """Toys number `start` to `start + n - 1` of the sequence of `seed`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> nf.goodness_of_fit(model, data, n_toys=50, seed=1).toy_ranges
    (<toys 0 to 49 of seed 1>,)
    """

    seed: int
    start: int
    n: int

    def overlaps(self, other: ToyRange) -> bool:
        """Whether some toys are in both."""
        last = max(self.start, other.start)
        return self.seed == other.seed and last < min(self.start + self.n, other.start + other.n)

    def __repr__(self) -> str:
        return f"<toys {self.start} to {self.start + self.n - 1} of seed {self.seed}>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class GoodnessOfFitResult(Record, format="nablafit.GoodnessOfFitResult/1"):
    """How well a model describes data: the test of the saturated model; frozen.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.goodness_of_fit(model, data, n_toys=50, seed=1)
    >>> result.n_toys, result.dof
    (50, 1)
    """

    table_members = ("channels",)

    status: str
    """"ok", "fit_not_valid" or "no_degrees_of_freedom": why there is no p-value."""
    message: str
    """A sentence about the outcome."""
    statistic: float
    """-2 log(L / L_saturated) at the best fit: `constraints` and the deviances of `channels`."""
    dof: int
    """n_bins + n_constraints - n_free."""
    n_bins: int
    """Bins in which events are possible."""
    n_constraints: int
    """Constraint terms of free parameters."""
    n_free: int
    """Free parameters that the likelihood determines."""
    p_asymptotic: float
    """Chance of a chi-square with `dof` degrees of freedom to be at least `statistic`."""
    p_toys: float
    """Fraction of the fitted toys with at least `statistic`; NaN without toys."""
    p_toys_error: float
    """Its standard deviation, binomial; NaN without toys. With k of n toys the fraction in it is
    taken as (k + 1) / (n + 2), so that it is not zero where none or all are above."""
    channels: tuple[ChannelDeviance, ...]
    constraints: float
    """Twice the deviances of the constraint terms of free parameters."""
    fit: FitResult
    """The best fit; toys are drawn at its `x`."""
    toys: FloatArray
    """The statistic of each toy, shape (n_toys,); NaN where the fit failed."""
    toy_ranges: tuple[ToyRange, ...]
    """Which toys these are, in order."""
    complete: bool = True
    """False if the call was interrupted before all toys were fitted."""

    @property
    def n_toys(self) -> int:
        """Toys that were drawn."""
        return len(self.toys)

    @property
    def n_failed(self) -> int:
        """Toys whose fit found no minimum: they do not enter `p_toys`."""
        return int(np.sum(np.isnan(self.toys)))

    def with_p_value(self) -> GoodnessOfFitResult:
        """Return this result with the p-value that its toys give."""
        fitted = self.toys[~np.isnan(self.toys)]
        if fitted.size == 0:
            return replace(self, p_toys=math.nan, p_toys_error=math.nan)
        n_above = int(np.sum(fitted >= self.statistic))
        smoothed = (n_above + 1) / (fitted.size + 2)
        error = math.sqrt(smoothed * (1.0 - smoothed) / fitted.size)
        return replace(self, p_toys=n_above / fitted.size, p_toys_error=error)

    @classmethod
    def merge(cls, results: Sequence[GoodnessOfFitResult]) -> GoodnessOfFitResult:
        """Join the toys of several jobs that fitted the same data.

        Raises
        ------
        ArgumentError
            If there is none, if they fitted different data, or if toys are in two of them.
        """
        if not results:
            raise located(ArgumentError, "expected at least one result, got none", "results")
        first = results[0]
        ranges: list[ToyRange] = []
        for i, other in enumerate(results):
            _check_same(first, other, i)
            for new in other.toy_ranges:
                if any(new.overlaps(old) for old in ranges):
                    message = f"{new!r} are, all or some, in an earlier result too"
                    raise located(ArgumentError, message, f"results[{i}]")
                ranges.append(new)
        joined = replace(
            first,
            toys=np.concatenate([result.toys for result in results]),
            toy_ranges=tuple(ranges),
            origin=merged_origin([result.origin for result in results], "results"),
            complete=all(result.complete for result in results),
        )
        return joined.with_p_value()

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self._lines(), ("", "deviance", "bins"), self._rows(), "lrr"),)

    def _lines(self) -> list[str]:
        sizes = f"{self.n_bins} bins + {self.n_constraints} constraints - {self.n_free} parameters"
        lines = [
            f"Goodness of fit: {self.status}",
            f"  {self.message}",
            f"  -2 log(L / L_saturated) = {self.statistic:.6g}   dof = {self.dof} ({sizes})",
            f"  p = {self.p_asymptotic:.4g} (asymptotic)",
        ]
        if self.n_toys:
            n = self.n_toys - self.n_failed
            failed = f", {self.n_failed} more could not be fitted" if self.n_failed else ""
            end = "" if self.complete else "; interrupted"
            p_value = f"{self.p_toys:.4g} ± {self.p_toys_error:.2g}"
            lines.append(f"  p = {p_value} ({n} toys{failed}{end})")
        return lines

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = [(c.name, f"{c.deviance:.5g}", str(len(c.by_bin))) for c in self.channels]
        return [*rows, ("constraint terms", f"{self.constraints:.5g}", "")]


def _check_same(first: GoodnessOfFitResult, other: GoodnessOfFitResult, i: int) -> None:
    close = abs(first.statistic - other.statistic) <= _SAME * max(1.0, abs(first.statistic))
    same = first.fit.parameters == other.fit.parameters and first.dof == other.dof
    if not close or not same:
        message = "is of other data, of another model or of another fit than the first result"
        raise located(ArgumentError, message, f"results[{i}]")


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
    starts: int = 0,
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
        What was measured, or for expected results `model.asimov({"mu": 1})`.
    n_toys : int
        Number of toys for a p-value that does not assume large counts: drawn at the best fit, main
        counts and global observables of free parameters, and fitted in threads.
    seed, start : int
        The toys are number `start` to `start + n_toys - 1` of the sequence of `seed`: jobs with
        different numbers are joined by `GoodnessOfFitResult.merge`.
    initial, bounds, fixed, starts
        As in `nablafit.fit`; `starts` are those of the fit of every toy too.
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

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.goodness_of_fit(model, data)
    >>> print(f"{result.statistic:.2f} for {result.dof}: p = {result.p_asymptotic:.2f}")
    0.04 for 1: p = 0.84
    """
    if n_toys < 0:
        raise located(ArgumentError, f"expected a number from 0 on, got {n_toys}", "n_toys")
    likelihood = model.likelihood(data)
    best = fit(likelihood, initial=initial, bounds=bounds, fixed=fixed, starts=starts)
    result = _without_toys(likelihood, best)
    if n_toys == 0 or not best.valid:
        return result
    run = _ToyRun(likelihood, best, bounds, fixed, starts, seed, n_threads)
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


def statistic_of(likelihood: Likelihood, best: FitResult) -> tuple[float, int, float]:
    """Return statistic, degrees of freedom and p-value of a fit, as `goodness_of_fit`."""
    found = _without_toys(likelihood, best)
    return found.statistic, found.dof, found.p_asymptotic


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
    """Return in which bins the expectation is not zero, or a parameter changes it."""
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
    starts: int
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
            starts=self.starts or None,
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
            report = None if progress is None else lambda k, m=n_done: progress(m + k)
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


def _add_toys(
    result: GoodnessOfFitResult, statistics: FloatArray, wanted: ToyRange
) -> GoodnessOfFitResult:
    made = ToyRange(seed=wanted.seed, start=wanted.start, n=statistics.size)
    ranges = (made,) if made.n else ()
    complete = statistics.size == wanted.n
    with_toys = replace(result, toys=statistics, toy_ranges=ranges, complete=complete)
    return with_toys.with_p_value()
