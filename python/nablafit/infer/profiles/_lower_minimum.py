"""A minimum below the one that a profile likelihood was started from."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from ..._arrays import FloatArray
from ..._results.record import Record

__all__ = ["LowerMinimum"]

# Parameters that the text names at most.
_MOST_NAMES = 3


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
        pairs = list(self.differs_in.items())[:_MOST_NAMES]
        where = ", ".join(f"{name} = {value:.4g}" for name, value in pairs)
        depth = f"{-self.twice_delta_nll:.3g} lower in -2 log L than the best fit"
        return f"A minimum {depth} was met{' at ' if where else ''}{where}."

    def _repr_html_(self) -> str:
        return f"<div>{escape(repr(self))}</div>"
