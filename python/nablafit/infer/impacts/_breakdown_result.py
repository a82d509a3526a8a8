"""Result of `breakdown`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..._arrays import index_of
from ..._results.record import Record
from .._parameter_tables import ParameterWarning, table_html, table_text, warning_lines

__all__ = ["BreakdownResult", "UncertaintyGroup"]

_HEADER = ("source", "uncertainty", "share of variance", "parameters", "")
_ALIGN = "lrrrl"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class UncertaintyGroup(Record):
    """What one group of parameters contributes to the uncertainty of the parameter of interest."""

    name: str
    parameters: tuple[str, ...]
    """The free parameters in the group."""
    uncertainty: float
    """Contribution in the units of the parameter of interest; NaN if not known."""
    remaining: float
    """Uncertainty that is left with the group held; NaN for "global_observables"."""
    status: str
    """Status of the refit, or "linear"."""

    def __repr__(self) -> str:
        return f"<UncertaintyGroup {self.name}: {self.uncertainty:.3g} ({self.status})>"

    def _repr_html_(self) -> str:
        return f"<div>{escape(self.name)}: {self.uncertainty:.3g}</div>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class BreakdownResult(Record, format="nablafit.BreakdownResult/1"):
    """Uncertainty of a parameter of interest, by sources; frozen.

    Uncertainties are in units of the parameter of interest.
    """

    method: str
    """"refit", "linear" or "global_observables", see `breakdown`."""
    poi: str
    value: float
    """Fitted value."""
    total: float
    """Its standard deviation."""
    statistical: float
    """What the counts contribute, free factors included; see `breakdown`."""
    systematic: float
    """What all constrained parameters contribute together."""
    groups: tuple[UncertaintyGroup, ...]
    """In the order in which they were asked for."""
    fit_status: str
    """Status of the fit that the numbers refer to."""
    warnings: tuple[ParameterWarning, ...] = ()
    """Kinds: "failed" (a refit found no minimum)."""
    complete: bool = True
    """False if the call was interrupted."""

    def __getitem__(self, name: str) -> UncertaintyGroup:
        return self.groups[index_of([group.name for group in self.groups], name)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(group.name for group in self.groups)

    @property
    def quadrature_sum(self) -> float:
        """Statistical and groups added in quadrature.

        It equals `total` for "global_observables" if every constrained parameter is in one group
        and only one; groups that are correlated after the fit make it differ for other methods.
        """
        return math.hypot(self.statistical, *(group.uncertainty for group in self.groups))

    def __repr__(self) -> str:
        return table_text(self._title(), _HEADER, self._rows(), _ALIGN)

    def _repr_html_(self) -> str:
        return table_html(self._title(), _HEADER, self._rows(), _ALIGN)

    def _title(self) -> list[str]:
        end = "" if self.complete else "; interrupted"
        title = [f"Uncertainty of {self.poi} = {self.value:.5g} ± {self.total:.3g}"]
        title[0] += f" ({self.method}{end})"
        return [*title, *warning_lines(self.warnings)]

    def _rows(self) -> list[Sequence[str]]:
        rows = [self._row(g.name, g.uncertainty, str(len(g.parameters)), g) for g in self.groups]
        return [
            self._row("total", self.total),
            self._row("statistical", self.statistical),
            self._row("systematic", self.systematic),
            *rows,
        ]

    def _row(
        self, name: str, value: float, count: str = "", group: UncertaintyGroup | None = None
    ) -> Sequence[str]:
        share = (value / self.total) ** 2 if self.total > 0 else math.nan
        good = group is None or group.status == "linear" or group.status.startswith("converged")
        return (
            name,
            "" if math.isnan(value) else f"{value:.3g}",
            "" if math.isnan(share) else f"{100 * share:.1f} %",
            count,
            "" if good or group is None else group.status,
        )
