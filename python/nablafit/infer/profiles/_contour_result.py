"""What contours of the profile likelihood report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._arrays import FloatArray
from ..._results.record import Record
from .._tables import html_page, text_page
from ._lower_minimum import LowerMinimum

__all__ = ["Contour", "ContourResult"]

_HEADER = ("level", "-2 Δ log L", "points", "on the border", "missing", "")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Contour(Record):
    """The border of the region of one confidence level."""

    level: float
    """Asymptotic confidence level: chi-square with two degrees of freedom."""
    twice_delta_nll: float
    """Rise of -2 log L on the contour."""
    points: FloatArray
    """Corners of the polygon in the order of their angle about the best fit, shape (n, 2); the
    first is not repeated at the end."""
    status: tuple[str, ...]
    """Of each point: "found", or "at_bound" and "at_edge" where a bound of the parameters or the
    end of the likelihood cuts the region off."""
    angles: FloatArray
    """Direction of each point in the frame where the covariance is the unit matrix, in radian."""
    n_missing: int
    """Directions without a point: nothing limits the region there, or fits failed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "points", self.points.reshape(-1, 2))

    @property
    def closed(self) -> bool:
        """True if there is a point in every direction."""
        return self.n_missing == 0

    def __repr__(self) -> str:
        return f"<Contour of {100 * self.level:.4g} %: {len(self.points)} points>"

    def _repr_html_(self) -> str:
        return f"<div>Contour of {100 * self.level:.4g} %: {len(self.points)} points</div>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ContourResult(Record, format="nablafit.ContourResult/1"):
    """Contours of the profile likelihood in two parameters; frozen. `result[i]` is one of them."""

    parameters: tuple[str, str]
    best: FloatArray
    """Best-fit values of both, shape (2,)."""
    covariance: FloatArray
    """Of both at the best fit, shape (2, 2): for the ellipses of the Gaussian approximation."""
    contours: tuple[Contour, ...]
    """One per level, in the order asked for."""
    twice_nll: float
    """-2 log L at the best fit."""
    messages: tuple[str, ...]
    """What the reader should know, a sentence each."""
    new_minimum: LowerMinimum | None
    """A minimum below the best fit that was met, if any."""
    complete: bool
    """False if the call was interrupted."""
    notes: tuple[str, ...] = ()
    """Where fits from different starts ended in different minima, a sentence each; the lowest was
    taken."""

    @property
    def levels(self) -> tuple[float, ...]:
        """The confidence levels."""
        return tuple(contour.level for contour in self.contours)

    @property
    def valid(self) -> bool:
        """True if all contours are closed and no lower minimum was met."""
        return self.new_minimum is None and all(contour.closed for contour in self.contours)

    def __len__(self) -> int:
        return len(self.contours)

    def __getitem__(self, i: int) -> Contour:
        return self.contours[i]

    def __repr__(self) -> str:
        return text_page(self.outcome_lines(), *self.table(), "rrrrrl")

    def _repr_html_(self) -> str:
        return html_page(self.outcome_lines(), *self.table(), valid=self.valid)

    def outcome_lines(self) -> list[str]:
        """Say in a few lines what was computed and what went wrong."""
        errors = np.sqrt(np.diag(self.covariance))
        pairs = zip(self.parameters, self.best, errors, strict=True)
        best = ", ".join(f"{name} = {value:.6g} ± {error:.3g}" for name, value, error in pairs)
        lines = [
            f"Contours of the profile likelihood in {' and '.join(self.parameters)}",
            f"  best fit: {best}, -2 log L = {self.twice_nll:.6g}",
            *(f"  {message}" for message in self.messages),
        ]
        if self.new_minimum is not None:
            lines.append(f"  {self.new_minimum!r}")
        lines += [f"  note: {note}" for note in self.notes]
        return lines if self.complete else [*lines, "  interrupted"]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows of the table."""
        rows: list[tuple[str, ...]] = []
        for contour in self.contours:
            n_border = len(contour.status) - contour.status.count("found")
            level = f"{100 * contour.level:.4g} %"
            counts = (str(len(contour.points)), str(n_border), str(contour.n_missing))
            state = "closed" if contour.closed else "open"
            rows.append((level, f"{contour.twice_delta_nll:.4g}", *counts, state))
        return _HEADER, rows
