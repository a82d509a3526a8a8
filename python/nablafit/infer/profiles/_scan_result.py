"""What scans of the profile likelihood report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..._arrays import FloatArray, index_of
from ..._results.record import Record
from .._tables import html_page, text_page
from ._lower_minimum import LowerMinimum

__all__ = ["ScanResult"]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ScanResult(Record, format="nablafit.ScanResult/1"):
    """The profile likelihood at values of one parameter, or on a grid of two; frozen.

    Grids have the shape of `twice_delta_nll`: (n,), or (n_first, n_second) for two parameters.
    `result["name"]` is the grid of the fitted values of one parameter.
    """

    parameters: tuple[str, ...]
    """What was scanned: one or two names."""
    axes: tuple[FloatArray, ...]
    """The values of each scanned parameter."""
    best: FloatArray
    """Best-fit values of the scanned parameters, shape (n_scanned,)."""
    errors: FloatArray
    """Their standard deviations from the covariance, shape (n_scanned,)."""
    twice_delta_nll: FloatArray
    """-2 log L, minimised over all other parameters, minus that of the best fit. Infinite where the
    likelihood is zero, NaN where a fit failed or was not done; negative only if the best fit is not
    the lowest minimum: see `new_minimum`."""
    status: tuple[str, ...]
    """Outcome of the fit at each point, in C order: a status of `FitManyResult`."""
    fitted_parameters: tuple[str, ...]
    """Parameters whose fitted values were kept."""
    fitted: FloatArray
    """Their values at each point, shape (*grid, n_fitted)."""
    twice_nll: float
    """-2 log L at the best fit."""
    new_minimum: LowerMinimum | None
    """A minimum below the best fit that the scan met, if any."""
    complete: bool
    """False if the call was interrupted."""
    notes: tuple[str, ...] = ()
    """Where fits from different starts ended in different minima, a sentence each; the lowest was
    taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for axis in self.axes:
            axis.setflags(write=False)

    @property
    def values(self) -> FloatArray:
        """The values of the first scanned parameter, shape (n,)."""
        return self.axes[0]

    @property
    def valid(self) -> bool:
        """True if the profile likelihood is known at every point."""
        return not bool(np.any(np.isnan(self.twice_delta_nll)))

    def __len__(self) -> int:
        return self.twice_delta_nll.size

    def __getitem__(self, name: str) -> FloatArray:
        column: FloatArray = self.fitted[..., index_of(self.fitted_parameters, name)]
        return column

    def __repr__(self) -> str:
        header, rows = self.table()
        return text_page(self.outcome_lines(), header, rows, "r" * (len(header) - 1) + "l")

    def _repr_html_(self) -> str:
        return html_page(self.outcome_lines(), *self.table(), valid=self.valid)

    def outcome_lines(self) -> list[str]:
        """Say in a few lines what was scanned and how it went."""
        names = " and ".join(self.parameters)
        counts = Counter(self.status).most_common()
        pairs = zip(self.parameters, self.best, self.errors, strict=True)
        best = ", ".join(f"{name} = {value:.6g} ± {error:.3g}" for name, value, error in pairs)
        lines = [
            f"Scan of the profile likelihood in {names}: {len(self)} points",
            f"  best fit: {best}, -2 log L = {self.twice_nll:.6g}",
            "  " + ", ".join(f"{count} {name}" for name, count in counts),
        ]
        if self.new_minimum is not None:
            lines.append(f"  {self.new_minimum!r}")
        lines += [f"  note: {note}" for note in self.notes]
        return lines if self.complete else [*lines, "  interrupted"]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows: scanned values, -2 Δ log L, remarks."""
        grids = np.meshgrid(*self.axes, indexing="ij")
        columns = [
            *(grid.ravel().tolist() for grid in grids),
            self.twice_delta_nll.ravel().tolist(),
        ]
        rows = []
        for *values, height, status in zip(*columns, self.status, strict=True):
            remark = "" if status == "converged" else status.replace("_", " ")
            rows.append((*(f"{value:.6g}" for value in values), f"{height:.6g}", remark))
        return (*self.parameters, "-2 Δ log L", ""), rows
