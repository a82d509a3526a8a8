"""Factors of bins (staterror, shapesys, shapefactor) in pyhf's terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..spec import (
    Channel,
    GaussianConstraint,
    Parameter,
    PoissonConstraint,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
    Unconstrained,
    UniformConstraint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .._arrays import FloatArray

__all__ = ["BinFactor", "BinFactors", "Use"]

BinModifier = StatError | ShapeSys | ShapeFactor
AGREEMENT = 1e-13


@dataclass(frozen=True)
class Use:
    """One sample that carries a factor."""

    channel: Channel
    sample: Sample
    modifier: BinModifier


@dataclass
class BinFactor:
    """The factors of the bins of one channel: which samples carry them, and how to write them."""

    keys: tuple[str, ...]
    uses: list[Use] = field(default_factory=list)
    name: str = ""
    type: str = ""
    #: uncertainties per use, in events; empty for a shapefactor
    uncertainties: list[FloatArray] = field(default_factory=list)
    #: tau of Poisson terms that get a channel of their own
    auxiliary: FloatArray | None = None
    #: all bins are fixed that pyhf would not fix by itself
    fixed: bool = False


class BinFactors:
    """Decides for every set of factors which modifier of pyhf says the same."""

    def __init__(self, channels: tuple[Channel, ...], parameters: Mapping[str, Parameter]) -> None:
        self._parameters = parameters
        self.problems: list[str] = []
        self.by_keys: dict[tuple[str, ...], BinFactor] = {}
        for channel in channels:
            for sample in channel.samples:
                for modifier in sample.modifiers:
                    if isinstance(modifier, StatError | ShapeSys | ShapeFactor):
                        factor = self.by_keys.setdefault(
                            modifier.parameters, BinFactor(modifier.parameters)
                        )
                        factor.uses.append(Use(channel, sample, modifier))
        for factor in self.by_keys.values():
            self._decide(factor)

    def _decide(self, factor: BinFactor) -> None:
        parameters = [self._parameters[key] for key in factor.keys]
        free = [p for p in parameters if not p.fixed]
        considered = free or parameters
        kinds = {type(p.constraint) for p in considered}
        if kinds <= {Unconstrained, UniformConstraint}:
            self._as_shape_factor(factor, parameters)
        elif kinds == {PoissonConstraint}:
            self._as_poisson(factor, parameters)
        elif kinds == {GaussianConstraint}:
            self._as_staterror(factor, parameters)
        else:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            self.problems.append(
                f"{factor.keys[0]} ...: bins with different kinds of constraint ({names})"
            )
            self._as_staterror(factor, parameters)

    def _as_shape_factor(self, factor: BinFactor, parameters: list[Parameter]) -> None:
        factor.type = "shapefactor"
        factor.fixed = all(parameter.fixed for parameter in parameters)
        if factor.fixed and not any(isinstance(u.modifier, ShapeFactor) for u in factor.uses):
            self._as_staterror(factor, parameters)
        elif any(parameter.fixed for parameter in parameters) and not factor.fixed:
            fixed = ", ".join(p.name for p in parameters if p.fixed)
            self.problems.append(f"{fixed}: fixed while other bins of the factor are free")

    def _as_poisson(self, factor: BinFactor, parameters: list[Parameter]) -> None:
        """Write a shapesys if one sample has it, else a shapefactor and a channel for the terms."""
        taus = np.array([_tau(parameter) for parameter in parameters])
        nominal = np.asarray(factor.uses[0].sample.nominal)
        can_scale = np.array([parameter.fixed for parameter in parameters]) | (nominal > 0.0)
        if len(factor.uses) == 1 and can_scale.all():
            factor.type = "shapesys"
            given = _given(factor.uses[0])
            natural = (nominal <= 0.0) | (given <= 0.0)
            free = self._free_bins(factor, parameters, natural)
            derived = np.where(free, nominal / np.sqrt(taus), 0.0)
            agrees = np.abs(given - derived) <= AGREEMENT * derived
            factor.uncertainties = [np.where(agrees, given, derived)]
            return
        if any(parameter.fixed for parameter in parameters):
            self.problems.append(
                f"{factor.keys[0]} ...: Poisson constraints shared by samples, in part fixed "
                "(written as Gaussian staterror)"
            )
            self._as_staterror(factor, parameters)
            return
        factor.type = "shapefactor"
        factor.auxiliary = taus

    def _as_staterror(self, factor: BinFactor, parameters: list[Parameter]) -> None:
        """Uncertainties that give the widths of the terms; 0 where a bin is fixed at 1."""
        factor.type = "staterror"
        totals = np.sum([np.asarray(use.sample.nominal) for use in factor.uses], axis=0)
        given = [_given(use) for use in factor.uses]
        found = np.sqrt(np.sum([array**2 for array in given], axis=0))
        free = self._free_bins(factor, parameters, (totals <= 0.0) | (found <= 0.0))
        widths = np.where(free, [_width(parameter) for parameter in parameters], 0.0)
        for parameter, total, width in zip(parameters, totals, widths, strict=True):
            if width > 0.0 and total <= 0.0:
                self.problems.append(f"{parameter.name}: constrained, but its samples are empty")
        wanted = widths * np.maximum(totals, 0.0)
        scale = np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0.0)
        scale[np.abs(scale - 1.0) < AGREEMENT] = 1.0
        factor.uncertainties = [scale * array for array in given]
        is_missing = (found == 0.0) & (wanted > 0.0)
        factor.uncertainties[0] = np.where(is_missing, wanted, factor.uncertainties[0])

    def _free_bins(
        self, factor: BinFactor, parameters: list[Parameter], natural: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return which bins keep their width; without one, pyhf fixes a bin by itself.

        If the bins that pyhf would not fix are all fixed, they keep it and the set is fixed.
        """
        fixed = np.array([parameter.fixed for parameter in parameters])
        others = ~(fixed & natural)
        factor.fixed = bool(others.any() and fixed[others].all())
        return others if factor.fixed else ~fixed


def _given(use: Use) -> FloatArray:
    """Uncertainties that the source states, zeros if it states none."""
    size = len(use.sample.nominal)
    if isinstance(use.modifier, ShapeFactor) or len(use.modifier.uncertainties) != size:
        return np.zeros(size)
    return np.asarray(use.modifier.uncertainties)


def _tau(parameter: Parameter) -> float:
    constraint = parameter.constraint
    return constraint.tau if isinstance(constraint, PoissonConstraint) else 1.0


def _width(parameter: Parameter) -> float:
    """Relative uncertainty of a constraint term around 1."""
    constraint = parameter.constraint
    if isinstance(constraint, GaussianConstraint):
        return constraint.sigma
    return float(_tau(parameter) ** -0.5) if isinstance(constraint, PoissonConstraint) else 0.0
