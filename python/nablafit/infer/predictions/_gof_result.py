"""Results of `nablafit.goodness_of_fit`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from ..._arrays import FloatArray
from ..._results.display import text_table
from ..._results.inputs import merged_origin
from ..._results.record import Record
from ...errors import ArgumentError, located
from ...result import FitResult

__all__ = ["ChannelDeviance", "GoodnessOfFitResult", "ToyRange"]

_MAX_ROWS = 200
# Relative difference of statistics that is rounding: fits on machines of different kinds.
_SAME = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ChannelDeviance(Record):
    """What one channel adds to the statistic: twice the deviances of its bins."""

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
        return f"<{self.name}: deviance {self.deviance:.5g} of {len(self.by_bin)} bins>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ToyRange(Record):
    """Toys number `start` to `start + n - 1` of the sequence of `seed`."""

    seed: int
    start: int
    n: int

    def overlaps(self, other: ToyRange) -> bool:
        """Say whether some toys are in both."""
        last = max(self.start, other.start)
        return self.seed == other.seed and last < min(self.start + self.n, other.start + other.n)

    def __repr__(self) -> str:
        return f"<toys {self.start} to {self.start + self.n - 1} of seed {self.seed}>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class GoodnessOfFitResult(Record, format="nablafit.GoodnessOfFitResult/1"):
    """How well a model describes data: the test of the saturated model; frozen."""

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

    def __repr__(self) -> str:
        rows = self._rows()
        lines = [*self._lines(), "", *text_table(("", "deviance", "bins"), rows[:_MAX_ROWS], "lrr")]
        if len(rows) > _MAX_ROWS:
            lines.append(f"{len(rows) - _MAX_ROWS} more are in .channels")
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<div>{escape(line.strip())}</div>" for line in self._lines())
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()[:_MAX_ROWS]
        )
        names = "<tr><th></th><th>deviance</th><th>bins</th></tr>"
        return f"{head}<table><thead>{names}</thead><tbody>{body}</tbody></table>"

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
