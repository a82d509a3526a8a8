"""A minimum below the one that a profile likelihood was started from."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from .._arrays import FloatArray
from .._record import Record

__all__ = ["LowerMinimum"]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LowerMinimum(Record):
    """A minimum below the best fit, met by constrained fits; frozen.

    `nablafit.fit(model, data, initial=minimum.x)` starts there; its result, passed on as `result`,
    makes it the reference.
    """

    parameters: tuple[str, ...]
    """All parameters of the model."""
    x: FloatArray
    """Where it is, shape (n_parameters,)."""
    twice_delta_nll: float
    """-2 log L minus that of the best fit: negative."""
    differs_in: dict[str, float]
    """The parameters that tell it from the best fit, with their values here: the largest difference
    in units of their errors first."""

    def __repr__(self) -> str:
        values = ", ".join(f"{name} = {value:.4g}" for name, value in self.differs_in.items())
        depth = -self.twice_delta_nll
        where = f" at {values}" if values else ""
        return f"A minimum {depth:.3g} lower in -2 log L than the best fit was met{where}."

    def _repr_html_(self) -> str:
        return f"<div>{escape(repr(self))}</div>"
