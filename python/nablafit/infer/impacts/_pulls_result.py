"""Result of `pulls`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ..._results.record import Record
from ..._results.rounding import pdg_round
from .._parameter_tables import ParameterWarning, signed, table_html, table_text, warning_lines

__all__ = ["PullsResult"]

_HEADER = ("parameter", "value", "error", "pull", "constraint", "significance", "")
_ALIGN = "lrrrrrl"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class PullsResult(Record, format="nablafit.PullsResult/1"):
    """How far a fit moved the constrained parameters, and how much it constrained them; frozen.

    All arrays have shape (n_parameters,), in the order of the model. Numbers that there are not,
    as the error after a failed fit, are NaN.
    """

    parameters: tuple[str, ...]
    values: FloatArray
    """Fitted values."""
    errors: FloatArray
    """Standard deviations after the fit; 0 if fixed."""
    prefit_values: FloatArray
    """Centres of the constraint terms."""
    prefit_errors: FloatArray
    """Widths of the constraint terms."""
    pulls: FloatArray
    """(value - prefit value) / prefit error."""
    constraints: FloatArray
    """Error / prefit error."""
    significances: FloatArray
    """(value - prefit value) / sqrt(prefit error^2 - error^2): the distance in units of the spread
    that is expected of it. NaN where the fit did not constrain the parameter."""
    fixed: NDArray[np.bool_]
    at_bound: NDArray[np.bool_]
    warnings: tuple[ParameterWarning, ...]
    """Kinds: "over_constrained", "inflated", "pulled", "one_sided", "at_bound", "no_error"."""
    fit_status: str
    """Status of the fit."""

    def __len__(self) -> int:
        return len(self.parameters)

    def __repr__(self) -> str:
        return table_text(self._title(), _HEADER, self._rows(), _ALIGN)

    def _repr_html_(self) -> str:
        return table_html(self._title(), _HEADER, self._rows(), _ALIGN)

    def _title(self) -> list[str]:
        n = len(self.parameters)
        title = [f"Pulls of {n} constrained parameter{'' if n == 1 else 's'} ({self.fit_status})"]
        return [*title, *warning_lines(self.warnings)]

    def _rows(self) -> list[Sequence[str]]:
        rows: list[Sequence[str]] = []
        for i, name in enumerate(self.parameters):
            value, error = pdg_round(float(self.values[i]), float(self.errors[i]))
            shrink = self.constraints[i]
            rows.append(
                (
                    name,
                    value,
                    error,
                    signed(self.pulls[i], 2),
                    f"{shrink:.2f}" if np.isfinite(shrink) and not self.fixed[i] else "",
                    signed(self.significances[i], 2),
                    "fixed" if self.fixed[i] else "at bound" if self.at_bound[i] else "",
                )
            )
        return rows
