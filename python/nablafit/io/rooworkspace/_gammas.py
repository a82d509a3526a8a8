"""Factors with one parameter per bin: statistical errors, shape systematics, free shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...spec import (
    Constraint,
    GaussianConstraint,
    PoissonConstraint,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._parameters import Parameters

__all__ = ["BinFactor", "bin_modifiers"]


@dataclass(frozen=True)
class BinFactor:
    """A ParamHistFunc: the parameter of every bin of the channel."""

    name: str
    parameters: tuple[str, ...]


def bin_modifiers(
    channel: str,
    samples: Sequence[Sample],
    factors: Sequence[Sequence[BinFactor]],
    parameters: Parameters,
) -> Mapping[tuple[int, str], StatError | ShapeSys | ShapeFactor]:
    """Return what the ParamHistFuncs of a channel are, by index of the sample and name.

    One with a constraint term is a StatError if several samples share it or HistFactory named it
    so, else a ShapeSys; one without is a ShapeFactor. The uncertainty is that of the bin if one
    sample has the modifier, and none if several have: the workspace keeps only the total.
    """
    users: dict[str, list[int]] = {}
    by_name: dict[str, BinFactor] = {}
    for i, held in enumerate(factors):
        for factor in held:
            users.setdefault(factor.name, []).append(i)
            by_name[factor.name] = factor
    result: dict[tuple[int, str], StatError | ShapeSys | ShapeFactor] = {}
    for name, indices in users.items():
        factor = by_name[name]
        relative = np.array([_relative(parameters.constraint(p)) for p in factor.parameters])
        for i in indices:
            is_shared = len(indices) > 1
            uncertainties = () if is_shared else relative * np.abs(samples[i].nominal)
            result[i, name] = _modifier(channel, factor, uncertainties, relative, is_shared)
    return result


def _relative(constraint: Constraint) -> float:
    """Return the relative uncertainty that the constraint of a gamma stands for; 0 without."""
    if isinstance(constraint, GaussianConstraint):
        return constraint.sigma
    if isinstance(constraint, PoissonConstraint):
        return 1.0 / math.sqrt(constraint.tau) if constraint.tau > 0.0 else 0.0
    return 0.0


def _modifier(
    channel: str,
    factor: BinFactor,
    uncertainties: NDArray[np.float64] | tuple[()],
    relative: NDArray[np.float64],
    is_shared: bool,
) -> StatError | ShapeSys | ShapeFactor:
    plain = factor.name.removeprefix(f"{channel}_")
    if factor.name.startswith("mc_stat_"):
        return StatError(f"staterror_{channel}", factor.parameters, uncertainties)
    if not relative.any():
        return ShapeFactor(plain.removesuffix("_shapeFactor"), factor.parameters)
    plain = plain.removesuffix("_ShapeSys")
    kind = StatError if is_shared else ShapeSys
    return kind(plain, factor.parameters, uncertainties)
