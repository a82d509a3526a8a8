"""Diagnostics of a minimum by the native minimiser, and the minima of a fit with `starts`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import FloatArray
from .._printable import printable

if TYPE_CHECKING:
    from .. import _core

__all__ = ["ActiveBound", "Diagnostics", "LocalMinimum", "WeakDirection"]


@dataclass(frozen=True)
class ActiveBound:
    """A parameter that the fit pushed against a bound."""

    parameter: str
    side: str
    """"lower" or "upper"."""
    multiplier: float
    """What moving the bound by one unit of the parameter would gain in -log L."""


@dataclass(frozen=True)
class WeakDirection:
    """A combination of parameters that the data hardly determine."""

    curvature: float
    """Second derivative of -log L along it, with the Hessian scaled to unit diagonal; 0 if it is
    flat within rounding."""
    weights: dict[str, float]
    """Change of each parameter along the direction; the largest part in units of errors first."""


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """Condition of a minimum; everything by name.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> result.diagnostics.iterations, result.diagnostics.active_bounds
    (2, ())
    """

    iterations: int
    n_hessians: int
    condition: float
    """Condition number of the Hessian scaled to unit diagonal; infinite if singular, NaN without a
    minimum."""
    projected_gradient: float
    """Largest |gradient| of a free parameter in units of its conditional standard deviation."""
    active_bounds: tuple[ActiveBound, ...] = ()
    weak_directions: tuple[WeakDirection, ...] = ()
    without_effect: tuple[str, ...] = ()
    """Parameters that change nothing: they stay at their start, with an infinite error."""
    at_kink: tuple[str, ...] = ()
    """Parameters at a kink of a piecewise interpolation."""

    @classmethod
    def from_summary(cls, summary: _core.MinimizeSummary, names: tuple[str, ...]) -> Diagnostics:
        """Replace the indices of the core by names."""
        return cls(
            iterations=summary.iterations,
            n_hessians=summary.n_hessians,
            condition=summary.condition,
            projected_gradient=summary.projected_gradient,
            active_bounds=tuple(
                ActiveBound(names[index], side, multiplier)
                for index, side, multiplier in summary.active_bounds
            ),
            weak_directions=tuple(
                WeakDirection(
                    curvature,
                    {names[i]: weight for i, weight in zip(indices, weights, strict=True)},
                )
                for curvature, indices, weights in summary.weak_directions
            ),
            without_effect=tuple(names[index] for index in summary.without_effect),
            at_kink=tuple(names[index] for index in summary.at_kink),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings; None for numbers that are not finite."""
        members = asdict(self).items()
        return {name: list(item) if isinstance(item, tuple) else item for name, item in members} | {
            "condition": _finite(self.condition),
            "singular": math.isinf(self.condition),
            "projected_gradient": _finite(self.projected_gradient),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Diagnostics:
        """Inverse of `to_dict`."""
        members = dict(document)
        unknown = math.inf if members.pop("singular") else math.nan
        condition, gradient = members["condition"], members["projected_gradient"]
        members["condition"] = unknown if condition is None else condition
        members["projected_gradient"] = math.nan if gradient is None else gradient
        members["active_bounds"] = tuple(ActiveBound(**item) for item in members["active_bounds"])
        members["weak_directions"] = tuple(
            WeakDirection(**item) for item in members["weak_directions"]
        )
        for name in ("without_effect", "at_kink"):
            members[name] = tuple(members[name])
        return cls(**members)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


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
        pairs = ", ".join(f"{name}={value:.4g}" for name, value in self.differs_in.items())
        values = printable(pairs) or "lowest"
        return f"<LocalMinimum {self.twice_delta_nll:.4g} above the lowest: {values}>"

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings."""
        return {**asdict(self), "x": self.x.tolist()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> LocalMinimum:
        """Inverse of `to_dict`."""
        return cls(**{**document, "x": np.array(document["x"], dtype=float)})
