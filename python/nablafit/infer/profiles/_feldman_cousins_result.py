"""What Feldman-Cousins intervals report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ..._results.inputs import merged_origin
from ..._results.record import Record
from ...errors import ArgumentError, located
from .._tables import html_page, text_page
from ._belt import accepted_intervals, critical_values, p_values

__all__ = ["FeldmanCousinsResult"]

# -2 log L below that of the best fit by more than this is another minimum.
_NEW_MINIMUM = 1e-5
_HEADER = ("value", "-2 Δ log L", "critical", "p-value", "toys", "failed", "")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FeldmanCousinsResult(Record, format="nablafit.FeldmanCousinsResult/1"):
    """A Feldman-Cousins interval for one parameter of interest, from toys; frozen.

    Arrays have one entry per tested value.
    """

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

    def __repr__(self) -> str:
        return text_page(self.outcome_lines(), *self.table(), "rrrrrrl")

    def _repr_html_(self) -> str:
        return html_page(self.outcome_lines(), *self.table(), valid=self.valid)

    def outcome_lines(self) -> list[str]:
        """Say in a few lines what was found."""
        parts = [
            f"[{low:.4g} ± {dlow:.2g}, {high:.4g} ± {dhigh:.2g}]".replace(" ± nan", "")
            for (low, high), (dlow, dhigh) in zip(self.intervals, self.interval_errors, strict=True)
        ]
        found = " and ".join(parts) or "empty: no tested value is accepted"
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
    if np.any(result.twice_delta_nll < -_NEW_MINIMUM):
        messages.append("a lower minimum than the best fit was met: see `nablafit.scan`")
    return tuple(messages)
