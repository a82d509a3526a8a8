"""What Feldman-Cousins intervals report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._arrays import FloatArray
from .._record import Record
from ._tables import html_page, text_page

__all__ = ["FeldmanCousinsResult"]

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
    """Standard deviations of the ends from the number of toys; NaN at the border of the range."""
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
        return text_page(self.outcome_lines(), _HEADER, self.rows(), "rrrrrrl")

    def _repr_html_(self) -> str:
        return html_page(self.outcome_lines(), _HEADER, self.rows(), valid=self.valid)

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
        ]
        return lines if self.complete else [*lines, "  interrupted"]

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of the table, one row per tested value."""
        rows = []
        for i, value in enumerate(self.values.tolist()):
            critical = f"{self.critical_values[i]:.4g} ± {self.critical_value_errors[i]:.2g}"
            p_value = f"{self.p_values[i]:.4g} ± {self.p_value_errors[i]:.2g}"
            ratio = f"{self.twice_delta_nll[i]:.4g}"
            counts = (str(self.n_done[i]), str(self.n_failed[i] or ""))
            remark = "accepted" if self.accepted[i] else ""
            rows.append((f"{value:.6g}", ratio, critical, p_value, *counts, remark))
        return rows
