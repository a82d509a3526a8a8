"""What a fit from several start points reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .._arrays import FloatArray

__all__ = ["LocalMinimum"]


@dataclass(frozen=True, eq=False)
class LocalMinimum:
    """One of the distinct minima that a fit with `starts` found."""

    x: FloatArray
    """Parameter values, shape (n_parameters,)."""
    twice_delta_nll: float
    """-2 log L above the lowest minimum found."""
    n_starts: int
    """How many of the starts led here."""
    from_default: bool
    """Whether the start that a plain fit takes leads here."""
    differs_in: dict[str, float]
    """The parameters that tell it from the lowest minimum, with their values here: the largest
    difference in units of their errors first."""

    def __post_init__(self) -> None:
        self.x.setflags(write=False)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.differs_in.items())
        return f"<LocalMinimum {self.twice_delta_nll:.4g} above the lowest: {values or 'lowest'}>"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings."""
        return {**asdict(self), "x": self.x.tolist()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> LocalMinimum:
        """Inverse of `to_dict`."""
        return cls(**{**document, "x": np.array(document["x"], dtype=float)})
