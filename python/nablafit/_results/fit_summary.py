"""What is worth saying of a fit that only its model knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .record import Record

__all__ = ["SORTS", "TOP", "AsymmetricError", "FitSummary"]

TOP = 15
"""Nuisance parameters that the page of a fit shows if nobody asks for more."""
SORTS: Mapping[str, str] = {
    "size": "the larger of |pull| and |1 - constraint|",
    "pull": "|pull|",
    "constraint": "the smallest constraint",
    "name": "name",
    "model": "their order in the model",
}
"""How nuisance parameters may be sorted, and what the page says of it."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class AsymmetricError(Record):
    """Ends of the profile-likelihood interval of one sigma, as in `IntervalsResult`."""

    lower: float
    upper: float
    lower_status: str
    upper_status: str


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FitSummary(Record):
    """What is worth saying of a fit that only its model knows; frozen."""

    measurement: str
    parameters_of_interest: tuple[str, ...]
    """Those that the source names, existing in the model or not."""
    modifiers: tuple[str, ...]
    """Types of the modifiers that use each parameter, joined by " + "; empty if none does."""
    statistic: float
    """-2 log(L / L_saturated) without the constants of fixed parameters, see `goodness_of_fit`;
    NaN for a fit that is not valid."""
    dof: int
    p_value: float
    """Asymptotic; NaN without degrees of freedom."""
    asymmetric_errors: dict[str, AsymmetricError] = field(default_factory=dict)
    """MINOS errors that were found with the fit, by parameter."""
    symmetric_because: str = ""
    """Why some are missing; empty if none is."""
    notes: tuple[str, ...] = ()
    """What was noticed while they were found, above all a lower minimum."""
