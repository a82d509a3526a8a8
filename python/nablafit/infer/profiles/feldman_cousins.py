"""Feldman-Cousins intervals by pseudo-experiments."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray, float_vector
from ..._results.origin import remembers_origin
from ..._results.provenance import merged_origin
from ..._results.record import Record
from ..._results.text import Page
from ..._starts import mirrored
from ...batch import FitManyResult, fit_many
from ...errors import ArgumentError, Interrupted, finished, located
from ...toys import Toys, toys
from .._common import find_poi
from ._best_fit import NEW_MINIMUM, Reference, make_reference, rise_of_level
from ._crossings import follow_rays
from ._grid import ProfileGrid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..._arrays import ParameterValues
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Likelihood, Model
    from ...result import FitResult

# Ratios closer than this are equal: data with few outcomes give the same ratio again and again, up
# to the precision of fits.
_TIE = 1e-6


def p_values(toys: FloatArray, observed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the fraction of toys at or above the observed ratio, and its standard deviation.

    Parameters
    ----------
    toys : array, shape (n_values, n_toys)
        Ratios; NaN is left out.
    observed : array, shape (n_values,)
        Observed ratios.

    Returns
    -------
    tuple of array
        Each of shape (n_values,). The deviation is binomial, at (k + 1/2) / (n + 1) so that it is
        not zero for k = 0 or n; both are NaN without toys or observed ratio.
    """
    n = np.sum(np.isfinite(toys), axis=1).astype(float)
    n[(n == 0) | np.isnan(observed)] = np.nan
    above = np.sum(toys >= (observed - _TIE)[:, None], axis=1)
    centre = (above + 0.5) / (n + 1.0)
    return above / n, np.sqrt(centre * (1.0 - centre) / n)


def critical_values(toys: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the quantile `level` of the ratios, and half the distance of those one deviation off.

    Shapes as in `p_values`; NaN without toys.
    """
    values = np.full(len(toys), np.nan)
    errors = np.full(len(toys), np.nan)
    for i, row in enumerate(np.sort(toys, axis=1)):
        n = int(np.sum(np.isfinite(row)))
        if n == 0:
            continue
        wanted = level * n
        spread = math.sqrt(n * level * (1.0 - level))
        low, middle, high = (
            row[min(max(math.ceil(k - 1e-9), 1), n) - 1]
            for k in (wanted - spread, wanted, wanted + spread)
        )
        values[i], errors[i] = middle, 0.5 * (high - low)
    return values, errors


def accepted_intervals(
    values: FloatArray, p: FloatArray, p_errors: FloatArray, alpha: float
) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]:
    """Return the intervals where p > alpha, and the standard deviations of their ends.

    Ends lie where the straight line between an accepted and a rejected value crosses alpha. At the
    border of the range, and next to a value without p, the end is the accepted value itself, with
    the deviation NaN. Deviations have two parts: that of p, and half the distance within which the
    lines through the next two values inside and outside would put the end. It is up to half the
    spacing where p jumps, and vanishes where p is straight.
    """
    accepted = p > alpha
    intervals, errors = [], []
    for first, last in _runs(accepted):
        low, low_error = _end(values, p, p_errors, alpha, (first, first - 1))
        high, high_error = _end(values, p, p_errors, alpha, (last, last + 1))
        intervals.append((low, high))
        errors.append((low_error, high_error))
    return tuple(intervals), tuple(errors)


def _runs(accepted: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], accepted, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _end(
    values: FloatArray, p: FloatArray, p_errors: FloatArray, alpha: float, pair: tuple[int, int]
) -> tuple[float, float]:
    inside, outside = pair
    if not 0 <= outside < len(values) or np.isnan(p[outside]):
        return float(values[inside]), math.nan
    drop = p[inside] - p[outside]
    step = values[outside] - values[inside]
    part = (p[inside] - alpha) / drop
    error = np.hypot((1.0 - part) * p_errors[inside], part * p_errors[outside]) / drop
    ends = [_beyond(values, p, alpha, pair), _beyond(values, p, alpha, pair[::-1])]
    spacing = 0.5 * (max(*ends, part) - min(*ends, part))
    return float(values[inside] + part * step), float(abs(step) * np.hypot(error, spacing))


def _beyond(values: FloatArray, p: FloatArray, alpha: float, pair: tuple[int, int]) -> float:
    """Return where the line through a value and its neighbour away from the end crosses alpha.

    As a part of the way from the inner value to the outer one; the far one of them where it does
    not fall, or is not known. The pair is (inner, outer), or the reverse for the outer line.
    """
    near, far = pair
    neighbour = 2 * near - far
    is_inner = p[near] > alpha
    if 0 <= neighbour < len(values) and not np.isnan(p[neighbour]):
        fall = (p[neighbour] - p[near]) / (values[neighbour] - values[near])
        step = values[far] - values[near]
        if fall * step * (p[far] - p[near]) > 0.0:
            part = min((alpha - p[near]) / (fall * step), 1.0)
            return float(part if is_inner else 1.0 - part)
    return 1.0 if is_inner else 0.0


# Toys of tested value j have the numbers j * _STRIDE + start onwards in the sequence of the seed.
_STRIDE = 2**40
# Toys that are fitted at once: what takes about a second, so that little is lost at Ctrl-C.
_SMALLEST_BLOCK, _LARGEST_BLOCK = 32, 4096
_SECONDS_PER_BLOCK = 1.0
# A toy whose free fit ended this much above its conditional one is fitted again from there.
_MISSED = 1e-7


class ToyFits:
    """Draws toys at the conditional fits of a grid and fits each freely and conditionally.

    Parameters
    ----------
    grid : ProfileGrid
        Conditional fits to the observed data at the tested values.
    seed, start, n_toys : int
        Which toys.
    """

    def __init__(self, grid: ProfileGrid, seed: int, start: int, n_toys: int) -> None:
        self._grid = grid
        self._seed = seed
        self._start = start
        self._block = _SMALLEST_BLOCK
        n = len(grid.points)
        self.ratios: FloatArray = np.full((n, n_toys), np.nan)
        self.n_done = np.zeros(n, dtype=np.int64)

    def run(self, progress: Callable[[int], object] | None) -> None:
        """Do all that is not done, block by block; what was done before an exception stays."""
        known = ~np.isnan(self._grid.value)
        n_toys = self.ratios.shape[1]
        for j in np.flatnonzero(known).tolist():
            while self.n_done[j] < n_toys:
                first = int(self.n_done[j])
                n = min(self._block, n_toys - first)
                self._do_block(j, first, n, progress)

    def _do_block(
        self, j: int, first: int, n: int, progress: Callable[[int], object] | None
    ) -> None:
        started = time.perf_counter()
        before = int(np.sum(self.n_done))

        def report(n_fits: int) -> None:
            if progress is not None:
                progress(before + n_fits // 2)

        self.ratios[j, first : first + n] = self._fit_block(j, first, n, report)
        self.n_done[j] += n
        report(2 * n)
        quick = time.perf_counter() - started < _SECONDS_PER_BLOCK
        size = 2 * self._block if quick else self._block // 2
        self._block = min(max(size, _SMALLEST_BLOCK), _LARGEST_BLOCK)

    def _fit_block(self, j: int, first: int, n: int, report: Callable[[int], None]) -> FloatArray:
        """Return the ratios of the toys from `first` on at value j; NaN where a fit fails."""
        reference = self._grid.reference
        names = reference.result.parameters
        model = reference.likelihood.model
        x = self._grid.x[j]
        start = j * _STRIDE + self._start + first
        n_threads = reference.n_threads
        drawn = toys(model, x, n, self._seed, start, n_threads=n_threads)
        common: dict[str, Any] = {"errors": False, "n_threads": n_threads}
        common["bounds"] = reference.bounds
        poi = {names[int(self._grid.held[0])]: float(self._grid.points[j, 0])}
        at: dict[str, float | bool] = {**reference.fixed, **poi}
        held = fit_many(model, drawn, fixed=at, progress=report, **common)
        free = fit_many(
            model,
            drawn,
            fixed=reference.fixed,
            parameters=(),
            progress=lambda n_fits: report(n + n_fits),
            **common,
        )
        lowest = [_minima(held), _minima(free)]
        other = mirrored(model, x)
        if other is not None:
            for i, fixed in enumerate((at, dict[str, float | bool](reference.fixed))):
                fits = fit_many(model, drawn, initial=other, fixed=fixed, parameters=(), **common)
                lowest[i] = np.fmin(lowest[i], _minima(fits))
        ratio = 2.0 * (lowest[0] - lowest[1])
        missed = np.flatnonzero(held.valid & ~(ratio >= -_MISSED))
        if missed.size:
            again = fit_many(
                model,
                _chosen(drawn, missed),
                initial=held.x[missed],
                fixed=reference.fixed,
                parameters=(),
                **common,
            )
            lowest[1][missed] = np.fmin(lowest[1][missed], _minima(again))
            ratio = 2.0 * (lowest[0] - lowest[1])
        return np.maximum(ratio, 0.0)


def _minima(fits: FitManyResult) -> FloatArray:
    return np.where(fits.valid, fits.value, np.nan)


def _chosen(drawn: Toys, where: np.ndarray[Any, np.dtype[np.intp]]) -> FloatArray:
    """Return some of the data sets as rows of counts and global observables."""
    return np.concatenate([drawn.counts[where], drawn.global_observables[where]], axis=1)


_HEADER = ("value", "-2 Δ log L", "critical", "p-value", "toys", "failed", "")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FeldmanCousinsResult(Record, format="nablafit.FeldmanCousinsResult/1"):
    """A Feldman-Cousins interval for one parameter of interest, from toys; frozen.

    Arrays have one entry per tested value.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.feldman_cousins(model, data, "mu", np.linspace(0, 2, 5), n_toys=50, seed=1)
    >>> result.values, int(result.n_done.sum())
    (array([0. , 0.5, 1. , 1.5, 2. ]), 250)
    """

    table_members = (
        "values",
        "twice_delta_nll",
        "p_values",
        "p_value_errors",
        "critical_values",
        "critical_value_errors",
        "accepted",
        "status",
    )

    poi: str
    level: float
    """Confidence level."""
    values: FloatArray
    """Tested values of the parameter, ascending."""
    best: float
    """Best fit to the observed data."""
    twice_delta_nll: FloatArray
    """Observed -2 log likelihood ratio of each tested value to the best fit within the bounds; NaN
    where the fit failed."""
    status: tuple[str, ...]
    """Outcome of the conditional fit to the observed data at each tested value."""
    p_values: FloatArray
    """Fraction of the toys whose ratio is at least the observed one; NaN without toys."""
    p_value_errors: FloatArray
    """Their binomial standard deviations."""
    critical_values: FloatArray
    """Quantile `level` of the ratio in toys: observed ratios up to it are accepted."""
    critical_value_errors: FloatArray
    """Half the distance of the quantiles one binomial standard deviation to both sides."""
    accepted: NDArray[np.bool_]
    """Whether each tested value is in the interval: p-value > 1 - level."""
    intervals: tuple[tuple[float, float], ...]
    """The intervals of accepted values, ascending: none, one or several. Ends are interpolated
    between tested values; an end on the border of the tested range is that border."""
    interval_errors: tuple[tuple[float, float], ...]
    """Standard deviations of the ends from the number of toys and the spacing of the values, which
    is up to half of it where p-values jump; NaN at the border of the range."""
    toys: FloatArray
    """The ratio in each toy, shape (n_values, n_toys): NaN where a fit failed or was not done."""
    n_done: NDArray[np.int64]
    """Toys that were fitted at each tested value."""
    n_failed: NDArray[np.int64]
    """Those of them without a minimum: they are left out of p-values and critical values."""
    seed: int
    start: int
    """Number of the first toy at each tested value."""
    messages: tuple[str, ...]
    """What the reader should know, a sentence each."""
    complete: bool
    """False if the call was interrupted."""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    """The physical region of the parameter."""
    notes: tuple[str, ...] = ()
    """Where fits to the observed data from different starts ended in different minima; the lowest
    was taken."""

    @classmethod
    def merge(cls, shards: Sequence[FeldmanCousinsResult]) -> FeldmanCousinsResult:
        """Join results with different toys, in any order, to what one call would have given.

        Raises
        ------
        ArgumentError
            If they differ in parameter, level, values, data or seed, are not complete, overlap or
            leave a gap.
        """
        if not shards:
            raise located(ArgumentError, "expected at least one shard, got none", "shards")
        ordered = sorted(shards, key=lambda shard: shard.start)
        first, expected = ordered[0], ordered[0].start
        for shard in ordered:
            if not shard.complete:
                message = "has a shard that was interrupted: resume it first"
                raise located(ArgumentError, message, "shards")
            if shard.level != first.level or not shard.continues(first):
                message = "differ in parameter, level, values, data or seed"
                raise located(ArgumentError, message, "shards")
            if shard.start != expected:
                message = f"expected a shard that starts at toy {expected}, got {shard.start}"
                raise located(ArgumentError, message, "shards")
            expected += shard.n_toys
        origin = merged_origin([shard.origin for shard in ordered], "shards")
        return replace(first, origin=origin).with_toys(
            np.concatenate([shard.toys for shard in ordered], axis=1),
            np.sum([shard.n_done for shard in ordered], axis=0),
            complete=True,
        )

    def continues(self, other: FeldmanCousinsResult) -> bool:
        """Whether the toys of both belong together: same question, data and seed."""
        mine = (self.poi, self.seed, self.bounds, self.status)
        return (
            mine == (other.poi, other.seed, other.bounds, other.status)
            and np.array_equal(self.values, other.values)
            and np.allclose(
                self.twice_delta_nll, other.twice_delta_nll, rtol=1e-7, atol=1e-7, equal_nan=True
            )
        )

    def with_toys(
        self, toys: FloatArray, n_done: NDArray[np.int64], *, complete: bool
    ) -> FeldmanCousinsResult:
        """Return the result with other toys: `toys` and `n_done` as the members."""
        alpha = 1.0 - self.level
        p, p_errors = p_values(toys, self.twice_delta_nll)
        critical, critical_errors = critical_values(toys, self.level)
        found, errors = accepted_intervals(self.values, p, p_errors, alpha)
        return replace(
            self,
            p_values=p,
            p_value_errors=p_errors,
            critical_values=critical,
            critical_value_errors=critical_errors,
            accepted=p > alpha,
            intervals=found,
            interval_errors=errors,
            toys=toys,
            n_done=n_done,
            n_failed=n_done - np.sum(np.isfinite(toys), axis=1),
            messages=_messages(self, p, n_done - np.sum(np.isfinite(toys), axis=1)),
            complete=complete,
        )

    @property
    def n_toys(self) -> int:
        """Toys asked for at each tested value."""
        return int(self.toys.shape[1])

    @property
    def valid(self) -> bool:
        """True if every tested value has toys and an observed ratio."""
        return not bool(np.any(np.isnan(self.p_values)))

    def __len__(self) -> int:
        return len(self.values)

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self.outcome_lines(), *self.table(), "rrrrrrl", self.valid),)

    def outcome_lines(self) -> list[str]:
        """Summarise the result in a few lines."""
        parts = [
            f"[{low:.4g} ± {dlow:.2g}, {high:.4g} ± {dhigh:.2g}]".replace(" ± nan", "")
            for (low, high), (dlow, dhigh) in zip(self.intervals, self.interval_errors, strict=True)
        ]
        found = " and ".join(parts)
        if np.any(self.n_done == 0):
            found = f"{found} so far" if found else "not known yet"
        elif not found:
            found = "empty: no tested value is accepted"
        lines = [
            f"Feldman-Cousins interval of {self.poi} at {100 * self.level:.4g} %: {found}",
            f"  best fit {self.best:.6g}; toys from number {self.start} on of seed {self.seed}",
            *(f"  {message}" for message in self.messages),
            *(f"  note: {note}" for note in self.notes),
        ]
        return lines if self.complete else [*lines, "  interrupted"]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows of the table."""
        rows: list[tuple[str, ...]] = []
        for i, value in enumerate(self.values.tolist()):
            critical = f"{self.critical_values[i]:.4g} ± {self.critical_value_errors[i]:.2g}"
            p_value = f"{self.p_values[i]:.4g} ± {self.p_value_errors[i]:.2g}"
            ratio = f"{self.twice_delta_nll[i]:.4g}"
            counts = (str(self.n_done[i]), str(self.n_failed[i] or ""))
            remark = "accepted" if self.accepted[i] else ""
            rows.append((f"{value:.6g}", ratio, critical, p_value, *counts, remark))
        return _HEADER, rows


def _messages(
    result: FeldmanCousinsResult, p: FloatArray, n_failed: NDArray[np.int64]
) -> tuple[str, ...]:
    messages = []
    alpha = 1.0 - result.level
    ends = ((0, result.bounds[0], "lower"), (-1, result.bounds[1], "upper"))
    for i, bound, side in ends:
        if len(p) and p[i] > alpha and result.values[i] != bound:
            messages.append(
                f"the {side} end of the tested range, {result.values[i]:.6g}, is accepted: the "
                "interval goes on, test values beyond"
            )
    n_unknown = int(np.sum(np.isnan(p)))
    if n_unknown:
        messages.append(f"{n_unknown} of {len(p)} tested values have no p-value: they are left out")
    if np.any(n_failed):
        messages.append(f"{int(np.sum(n_failed))} fits of toys failed and are left out")
    if np.any(result.twice_delta_nll < -NEW_MINIMUM):
        messages.append("a lower minimum than the best fit was met: see `nablafit.scan`")
    return tuple(messages)


_N_VALUES = 21
# Tested range by default, as a multiple of the profile-likelihood interval's half widths.
_REACH = 1.4


@remembers_origin
def feldman_cousins(
    model: Model | Likelihood,
    data: Data | None = None,
    poi: str | None = None,
    values: ArrayLike | None = None,
    *,
    level: float = 0.95,
    n_toys: int = 1000,
    seed: int = 0,
    start: int = 0,
    resume: FeldmanCousinsResult | None = None,
    result: FitResult | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> FeldmanCousinsResult:
    """Find a confidence interval by the method of Feldman and Cousins, from toys.

    A value of the parameter of interest is in the interval if the observed likelihood ratio, -2 log
    of the likelihood at that value over the likelihood of the best fit within the bounds, is not
    among the largest `1 - level` of the ratios in toys drawn at that value (G. Feldman, R. Cousins,
    Phys. Rev. D 57 (1998) 3873, physics/9711021). The ordering gives upper limits and two-sided
    intervals alike, with the stated coverage where bounds and few events spoil asymptotics.

    Other parameters are profiled: toys of a value are drawn at the observed conditional best fit
    there, global observables too, and both likelihoods of the ratio are maximised over them in
    every toy. Coverage is exact for the fitted values of these parameters, near them approximate.

    Parameters
    ----------
    model, data, result, initial, bounds, fixed, n_threads, progress
        As in `nablafit.intervals`, `model.asimov({"mu": 1})` for expected results; the bounds of
        the parameter are the physical region, and progress counts toys of all values.
    poi : str, optional
        Parameter of interest, by default that of the model.
    values : array_like, optional
        Values to test; by default 21 over 1.4 times the profile-likelihood interval of this level,
        within the bounds. Ends of the interval are interpolated linearly between them; their errors
        include the spacing.
    level : float
        Confidence level.
    n_toys : int
        Toys per tested value.
    seed, start : int
        Toys of each value have the numbers `start` to `start + n_toys - 1`: shards with other
        numbers are joined by `FeldmanCousinsResult.merge`.
    resume : FeldmanCousinsResult, optional
        An interrupted result of the same data, or one with fewer toys: its toys are not made
        again. It sets `values`, `seed` and `start`.
    starts : int
        Random starts of the fits to the observed data, as in `nablafit.scan`. Toys start from the
        values that they are drawn at, and from those with bent parameters mirrored.

    Returns
    -------
    FeldmanCousinsResult
        Failed toys are counted in `n_failed`. Results are bitwise identical for any number of
        threads.

    Raises
    ------
    ArgumentError, Error
        As in `nablafit.intervals`, and for values outside the bounds.
    Interrupted
        At Ctrl-C: its `result` has the toys that were done; pass it on as `resume`. (Before the
        first toy it is a plain KeyboardInterrupt.)

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.feldman_cousins(model, data, "mu", np.linspace(0, 2, 5), n_toys=50, seed=1)
    >>> result.accepted
    array([ True,  True,  True,  True, False])
    """
    _check(level, n_toys, seed, start)
    reference = make_reference(
        model, data, result, initial, bounds, fixed, starts=starts, n_threads=n_threads
    )
    name = find_poi(reference.likelihood.model, poi if resume is None else resume.poi)
    if resume is not None:
        values, seed, start = resume.values, resume.seed, resume.start
    held = reference.indices([name])
    grid = ProfileGrid(reference, held, (_values(reference, held, values, level),))
    grid.run(None)
    empty = _without_toys(grid, name, level, seed, start)
    fits = ToyFits(grid, seed, start, n_toys)
    if resume is not None:
        _take_over(fits, empty, resume)
    exception: BaseException | None = None
    try:
        fits.run(progress)
    except Interrupted as interrupted:
        exception = interrupted
    outcome = empty.with_toys(fits.ratios, fits.n_done, complete=exception is None)
    return finished(outcome, exception)


def _check(level: float, n_toys: int, seed: int, start: int) -> None:
    rise_of_level(level, 1)
    if n_toys < 1:
        raise located(ArgumentError, f"expected a positive number, got {n_toys}", "n_toys")
    for name, value, most in (("seed", seed, 2**64), ("start", start, 2**40 - n_toys)):
        if not 0 <= value < most:
            message = f"expected a number from 0 to {most - 1}, got {value}"
            raise located(ArgumentError, message, name)


def _values(
    reference: Reference, held: NDArray[np.int64], values: ArrayLike | None, level: float
) -> FloatArray:
    """Return the values to test, ascending and checked."""
    low, high = float(reference.result.lower[held[0]]), float(reference.result.upper[held[0]])
    if values is None:
        return np.linspace(*_range(reference, held, level), _N_VALUES)
    given = np.atleast_1d(np.asarray(values))
    tested: FloatArray = np.unique(float_vector(given, given.size, "values"))
    if tested.size == 0 or not np.all((tested >= low) & (tested <= high)):
        name = reference.result.parameters[held[0]]
        message = f"expected values in the bounds [{low:g}, {high:g}] of {name}, got {tested}"
        raise located(ArgumentError, message, "values")
    return tested


def _range(reference: Reference, held: NDArray[np.int64], level: float) -> tuple[float, float]:
    """Widen the profile-likelihood interval, within the bounds."""
    best = reference.result
    parameter = int(held[0])
    rises = np.full(2, rise_of_level(level, 1))
    directions = np.array([[-1.0], [1.0]])
    crossings = follow_rays(reference, np.array([held, held]), directions, rises)
    if crossings.exception is not None:
        raise crossings.exception
    down, up = (_REACH * crossings.found["distance"]).tolist()
    value = float(best.x[parameter])
    low = max(value - down, float(best.lower[parameter]))
    high = min(value + up, float(best.upper[parameter]))
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        message = "the profile likelihood does not give a range to test: give `values`"
        raise located(ArgumentError, message, best.parameters[parameter])
    return low, high


def _without_toys(
    grid: ProfileGrid, name: str, level: float, seed: int, start: int
) -> FeldmanCousinsResult:
    best = grid.reference.result
    parameter = int(grid.held[0])
    n = len(grid.points)
    unknown = np.full(n, np.nan)
    zero = np.zeros(n, dtype=np.int64)
    return FeldmanCousinsResult(
        poi=name,
        level=float(level),
        values=grid.points[:, 0].copy(),
        bounds=(float(best.lower[parameter]), float(best.upper[parameter])),
        best=float(best.x[parameter]),
        twice_delta_nll=grid.rise,
        status=grid.status,
        p_values=unknown,
        p_value_errors=unknown,
        critical_values=unknown,
        critical_value_errors=unknown,
        accepted=np.zeros(n, dtype=bool),
        intervals=(),
        interval_errors=(),
        toys=np.zeros((n, 0)),
        n_done=zero,
        n_failed=zero,
        seed=seed,
        start=start,
        messages=(),
        complete=True,
        notes=(*grid.reference.notes, *grid.notes),
    )


def _take_over(fits: ToyFits, empty: FeldmanCousinsResult, resume: FeldmanCousinsResult) -> None:
    if not resume.continues(empty):
        message = "belongs to other data or another model: its likelihood ratios differ"
        raise located(ArgumentError, message, "resume")
    if resume.n_toys > fits.ratios.shape[1]:
        message = f"has {resume.n_toys} toys per value, more than n_toys = {fits.ratios.shape[1]}"
        raise located(ArgumentError, message, "resume")
    fits.ratios[:, : resume.n_toys] = resume.toys
    fits.n_done[:] = resume.n_done
