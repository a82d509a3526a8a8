"""What profile-likelihood intervals report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray, index_of
from ..._results.record import Record
from ..._results.rounding import pdg_round
from .._tables import html_page, text_page
from ._lower_minimum import LowerMinimum

__all__ = ["Interval", "IntervalsResult"]

_HEADER = ("name", "value", "error", "lower", "upper", "")
# Sides without a number.
_UNKNOWN = frozenset({"new_minimum", "failed", "not_done"})


@dataclass(frozen=True)
class Interval:
    """The interval of one parameter; members as in `IntervalsResult`."""

    name: str
    value: float
    error: float
    lower: float
    upper: float
    lower_status: str
    upper_status: str

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends in the unit of the parameter."""
        return self.value + self.lower, self.value + self.upper

    def __str__(self) -> str:
        return f"{self.name} = {self.value:.6g} {self.lower:+.4g} {self.upper:+.4g}"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class IntervalsResult(Record, format="nablafit.IntervalsResult/1"):
    """Asymmetric errors from the profile likelihood; frozen. `result["mu"]` is one `Interval`.

    Arrays have one entry per parameter, in the parameter's own unit.
    """

    parameters: tuple[str, ...]
    values: FloatArray
    """Best fit."""
    errors: FloatArray
    """Standard deviations from the covariance (always one sigma), for comparison."""
    lower: FloatArray
    """Lower end minus best fit, as MINOS gives it: not positive; -infinity if nothing limits the
    parameter; NaN where `lower_status` is "new_minimum", "failed" or "not_done"."""
    upper: FloatArray
    """Upper end minus best fit, in the same way."""
    lower_status: tuple[str, ...]
    """"found"; "at_bound": the bound of the parameter comes first; "at_edge": the likelihood ends
    first, or jumps; "unlimited": it does not fall enough at any value; "new_minimum": a lower
    minimum was met, see `new_minimum`; "failed": constrained fits found no minimum; "not_done":
    interrupted."""
    upper_status: tuple[str, ...]
    sigma: float
    """Size in standard deviations of a Gaussian: the root of `twice_delta_nll`."""
    level: float
    """Asymptotic confidence level: chi-square with one degree of freedom."""
    twice_delta_nll: float
    """Rise of -2 log L at the ends."""
    twice_nll: float
    """-2 log L at the best fit."""
    n_fits: NDArray[np.int64]
    """Constrained fits for the lower and upper side, shape (n, 2)."""
    messages: dict[str, str]
    """A sentence for each side that is not "found", with the remedy: keys like "mu lower"."""
    new_minimum: LowerMinimum | None
    """The lowest minimum below the best fit that was met, if any."""
    complete: bool
    """False if the call was interrupted."""
    notes: tuple[str, ...] = ()
    """Where fits from different starts ended in different minima, a sentence each; the lowest was
    taken."""

    @property
    def valid(self) -> bool:
        """True if both sides of all parameters are known: as an end, a bound or an infinity."""
        return _UNKNOWN.isdisjoint(self.lower_status) and _UNKNOWN.isdisjoint(self.upper_status)

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Interval:
        i = index_of(self.parameters, name)
        return Interval(
            name=name,
            value=float(self.values[i]),
            error=float(self.errors[i]),
            lower=float(self.lower[i]),
            upper=float(self.upper[i]),
            lower_status=self.lower_status[i],
            upper_status=self.upper_status[i],
        )

    def __repr__(self) -> str:
        return text_page(self.outcome_lines(), *self.table(), "lrrrrl")

    def _repr_html_(self) -> str:
        return html_page(self.outcome_lines(), *self.table(), valid=self.valid)

    def outcome_lines(self) -> list[str]:
        """Say in a few lines what was computed and what went wrong."""
        size = f"{self.sigma:.4g} sigma, {100 * self.level:.4g} %"
        rise = f"-2 log L rises by {self.twice_delta_nll:.4g}"
        lines = [f"Profile-likelihood intervals: {size}, {rise}"]
        lines += [f"  {key}: {message}" for key, message in self.messages.items()]
        if self.new_minimum is not None:
            lines.append(f"  {self.new_minimum!r}")
        lines += [f"  note: {note}" for note in self.notes]
        if not self.complete:
            lines.append("  interrupted")
        return lines

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows of the table."""
        rows: list[tuple[str, ...]] = []
        for i, name in enumerate(self.parameters):
            value, error = pdg_round(float(self.values[i]), float(self.errors[i]))
            sides = (("lower", self.lower_status[i]), ("upper", self.upper_status[i]))
            remarks = [f"{side} {status.replace('_', ' ')}" for side, status in sides]
            remarks = [text for text in remarks if not text.endswith(" found")]
            ends = (f"{self.lower[i]:+.4g}", f"{self.upper[i]:+.4g}")
            rows.append((name, value, error, *ends, ", ".join(remarks)))
        return _HEADER, rows
