"""Toys of a test statistic, block by block, so that an interruption keeps what is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ...batch import STATUSES, FitManyResult, fit_many
from ...errors import ArgumentError, located
from ...toys import toys
from ._profile import SAME
from ._statistic import is_zero, likelihood_ratio
from .toy_distribution import ToyDistribution

if TYPE_CHECKING:
    from ._hypothesis import Hypothesis

_FIRST_BLOCK = 64
_LARGEST_BLOCK = 4096
_SECONDS_PER_BLOCK = 1.0
# Minima of one fit that are this far apart in -log L, more where that is large, are different.
_DIFFERENT = 1e-5
_CONVERGED = STATUSES.index("converged")


@dataclass(frozen=True, eq=False)
class _Block:
    """What some toys gave; all but the estimates have a row per tested value."""

    statistics: FloatArray
    """Shape (n_tested, n_block)."""
    usual: FloatArray
    """The same from the usual starts alone."""
    apart: FloatArray
    """How far minima of one fit are apart, in -2 log L."""
    codes: NDArray[np.int8]
    estimates: FloatArray
    """Shape (n_block, n_poi)."""

    @classmethod
    def empty(cls, n_tested: int, n: int, n_poi: int) -> _Block:
        """Return a block to be filled."""
        statistics, usual, apart = (np.empty((n_tested, n)) for _ in range(3))
        return cls(statistics, usual, apart, np.empty((n_tested, n), np.int8), np.empty((n, n_poi)))


@dataclass
class ToyJob:
    """Toys drawn at one point, with the statistic for one or several tested values."""

    hypothesis: Hypothesis
    tested: Sequence[FloatArray]
    """Tested values of the parameters of interest; all share toys and free fits."""
    drawn_at: FloatArray
    """Values of the parameters of interest in the toys."""
    x: FloatArray
    """All parameters, where toys are drawn."""
    seed: int
    start: int
    n: int
    others: Sequence[FloatArray] = ()
    """Where all fits start as well, values of all parameters."""
    starts: int | None = None
    """As in `fit_many`."""
    blocks: list[_Block] = field(default_factory=list)

    @property
    def n_done(self) -> int:
        """Number of toys whose fits were made."""
        return sum(len(block.estimates) for block in self.blocks)

    def distributions(self) -> list[ToyDistribution]:
        """Return one distribution per tested value, of the toys that are done."""
        blocks = [_Block.empty(len(self.tested), 0, len(self.hypothesis.poi)), *self.blocks]
        poi_hat = np.concatenate([block.estimates for block in blocks])

        def joined(name: str, i: int) -> NDArray[Any]:
            return np.concatenate([getattr(block, name)[i] for block in blocks])

        return [
            ToyDistribution(
                poi=self.hypothesis.poi,
                statistic=self.hypothesis.statistic,
                tested=tuple(tested.tolist()),
                drawn_at=tuple(self.drawn_at.tolist()),
                bounds=self.hypothesis.ranges,
                parameters=self.hypothesis.model.parameters,
                x=self.x.copy(),
                values=joined("statistics", i),
                poi_hat=poi_hat,
                status_codes=joined("codes", i),
                usual=joined("usual", i),
                apart=joined("apart", i),
                seed=self.seed,
                start=self.start,
            )
            for i, tested in enumerate(self.tested)
        ]


def check_toys(n_toys: int, seed: int, start: int) -> None:
    """Raise ArgumentError for numbers that the core cannot take."""
    for name, number, least, most in (
        ("n_toys", n_toys, 1, 2**63),
        ("seed", seed, 0, 2**64),
        ("start", start, 0, 2**63),
    ):
        if not least <= number < most:
            message = f"expected a number from {least} to {most - 1}, got {number}"
            raise located(ArgumentError, message, name)


def alternative_seed(seed: int) -> int:
    """Return the seed of the toys of the alternative hypothesis: another random stream."""
    return (seed + 2**63) % 2**64


def run_jobs(
    jobs: Sequence[ToyJob],
    *,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> BaseException | None:
    """Do all jobs, a block of each in turn; return the KeyboardInterrupt that stopped them."""
    size = _FIRST_BLOCK
    try:
        while any(job.n_done < job.n for job in jobs):
            started = time.monotonic()
            for job in jobs:
                run_block(job, min(size, job.n - job.n_done), n_threads)
                if progress is not None:
                    progress(sum(other.n_done for other in jobs))
            if time.monotonic() - started < _SECONDS_PER_BLOCK * len(jobs) / 2:
                size = min(2 * size, _LARGEST_BLOCK)
    except KeyboardInterrupt as interruption:
        return interruption
    return None


def run_block(job: ToyJob, n: int, n_threads: int | None) -> None:
    """Draw and fit the next toys of a job.

    Where the estimate alone says that the statistic is zero, the fit at the tested value is not
    made; where that fit is below the free one, the free one is made again from there.
    """
    if n == 0:
        return
    hypothesis = job.hypothesis
    start = job.start + job.n_done
    drawn = toys(hypothesis.model, job.x, n, job.seed, start, n_threads=n_threads)
    data = np.concatenate([drawn.counts, drawn.global_observables], axis=1)
    free = _fit(job, data, np.tile(drawn.x, (n, 1)), None, n_threads)
    held = [_fit_tested(job, data, free, tested, n_threads) for tested in job.tested]
    for at, fits in held:
        below = fits.valid & (fits.value < free.value[at] - SAME)
        low, high = np.transpose(hypothesis.ranges)
        inside = fits.x[:, hypothesis.indices]
        below &= np.all((inside >= low) & (inside <= high), axis=1)
        if np.any(below):
            again = _fit(job, data[at[below]], fits.x[below], None, n_threads)
            free.take_lower(again, at[below])
    block = _Block.empty(len(job.tested), n, len(hypothesis.poi))
    block.estimates[:] = np.where(free.valid[:, None], free.x[:, hypothesis.indices], np.nan)
    for i, (tested, (at, fits)) in enumerate(zip(job.tested, held, strict=True)):
        block.statistics[i] = np.where(free.valid, 0.0, np.nan)
        block.usual[i] = np.where(np.isfinite(free.usual), 0.0, np.nan)
        block.apart[i] = 2.0 * free.apart
        block.codes[i] = np.where(free.valid, _CONVERGED, free.codes)
        zero = is_zero(hypothesis.statistic, block.estimates[at, 0], float(tested[0]))
        ratios = np.where(zero, 0.0, likelihood_ratio(fits.value, free.value[at]))
        block.statistics[i, at] = np.where(fits.valid, ratios, np.nan)
        usual = np.where(zero, 0.0, likelihood_ratio(fits.usual, free.usual[at]))
        block.usual[i, at] = np.where(np.isfinite(fits.usual + free.usual[at]), usual, np.nan)
        block.apart[i, at] = np.maximum(block.apart[i, at], 2.0 * fits.apart)
        block.codes[i, at] = np.where(fits.valid, _CONVERGED, fits.codes)
    job.blocks.append(block)


@dataclass(eq=False)
class _ToyFits:
    """One fit per toy: the lowest so far."""

    x: FloatArray
    value: FloatArray
    codes: NDArray[np.int8]
    usual: FloatArray
    """-log L of the usual start alone; infinite or NaN where that led to no minimum."""
    apart: FloatArray
    """How far minima of the same fit are apart, in -log L."""

    @classmethod
    def of(cls, fits: FitManyResult) -> _ToyFits:
        """Copy what is needed of fits."""
        lowered = np.asarray(fits.lowered, dtype=float)
        with np.errstate(invalid="ignore"):
            usual = fits.value + lowered
        apart = np.nan_to_num(np.asarray(fits.apart, dtype=float))
        return cls(fits.x.copy(), fits.value.copy(), fits.status_codes.copy(), usual, apart)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which fits found a minimum."""
        return np.asarray([STATUSES[code].startswith("converged") for code in self.codes], bool)

    def take_lower(self, other: _ToyFits, at: NDArray[np.intp]) -> None:
        """Replace fits at these positions where the others are lower, or the first to succeed."""
        both = other.valid & self.valid[at]
        gap = np.where(both, np.abs(other.value - self.value[at]), 0.0)
        gap = np.where(gap > _DIFFERENT * (1.0 + 1e-3 * np.abs(other.value)), gap, 0.0)
        self.apart[at] = np.maximum.reduce([self.apart[at], other.apart, gap])
        better = other.valid & ~(self.valid[at] & (self.value[at] <= other.value + SAME))
        to = at[better]
        self.x[to], self.value[to] = other.x[better], other.value[better]
        self.codes[to] = other.codes[better]


def _fit_tested(
    job: ToyJob, data: FloatArray, free: _ToyFits, tested: FloatArray, n_threads: int | None
) -> tuple[NDArray[np.intp], _ToyFits]:
    """Return the toys that a tested value needs a fit for, and the fits."""
    estimates = free.x[:, job.hypothesis.indices[0]]
    zero = is_zero(job.hypothesis.statistic, estimates, float(tested[0]))
    todo = np.flatnonzero(free.valid & ~zero)
    return todo, _fit(job, data[todo], free.x[todo], tested, n_threads)


def _fit(
    job: ToyJob,
    data: FloatArray,
    starts: FloatArray,
    tested: FloatArray | None,
    n_threads: int | None,
) -> _ToyFits:
    """Fit toys from one start each, and from those that the job has for all."""
    hypothesis = job.hypothesis
    found: _ToyFits | None = None
    for initial in (starts, *job.others):
        if len(data) == 0:
            break
        initial = np.array(initial)
        hypothesis.put_held(initial, tested)
        fits = fit_many(
            hypothesis.model,
            data,
            initial=initial,
            bounds=hypothesis.bounds,
            fixed=hypothesis.held(tested),
            errors=False,
            starts=job.starts,
            n_threads=n_threads,
        )
        more = _ToyFits.of(fits)
        if found is None:
            found = more
        else:
            found.take_lower(more, np.arange(len(data)))
    nothing = np.empty(0)
    return found or _ToyFits(
        np.empty_like(starts), nothing, np.empty(0, np.int8), nothing.copy(), nothing.copy()
    )
