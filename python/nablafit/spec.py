"""Specification types: what readers produce, `Model` compiles and writers consume.

All are immutable, compare by value, pickle, and have `replace(**changes)`. Sequences are tuples,
vectors of numbers read-only float64 arrays. Yields, counts and uncertainties are in events; factors
and pulls are dimensionless. `validate(spec)` raises `SpecError` at the first contradiction.
"""

from __future__ import annotations

from typing import TypeAlias

from ._core import (
    Axis,
    BinVariable,
    Channel,
    ChannelCounts,
    FormulaFactor,
    GammaConstraint,
    GammaPull,
    GaussianConstraint,
    GlobalObservable,
    HistoSys,
    IdentityPull,
    Interpolation,
    LogNormalConstraint,
    LogNormalPull,
    Lumi,
    ModelSpec,
    NormFactor,
    NormSys,
    Observations,
    Parameter,
    ParameterPoint,
    ParameterValue,
    PoissonConstraint,
    Range,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
    Unconstrained,
    UniformConstraint,
    is_additive,
    validate,
)

Modifier: TypeAlias = (
    NormFactor | Lumi | NormSys | HistoSys | StatError | ShapeSys | ShapeFactor | FormulaFactor
)
Constraint: TypeAlias = (
    Unconstrained
    | GaussianConstraint
    | PoissonConstraint
    | LogNormalConstraint
    | GammaConstraint
    | UniformConstraint
)
Pull: TypeAlias = IdentityPull | GammaPull | LogNormalPull

__all__ = [
    "Axis",
    "BinVariable",
    "Channel",
    "ChannelCounts",
    "Constraint",
    "FormulaFactor",
    "GammaConstraint",
    "GammaPull",
    "GaussianConstraint",
    "GlobalObservable",
    "HistoSys",
    "IdentityPull",
    "Interpolation",
    "LogNormalConstraint",
    "LogNormalPull",
    "Lumi",
    "ModelSpec",
    "Modifier",
    "NormFactor",
    "NormSys",
    "Observations",
    "Parameter",
    "ParameterPoint",
    "ParameterValue",
    "PoissonConstraint",
    "Pull",
    "Range",
    "Sample",
    "ShapeFactor",
    "ShapeSys",
    "StatError",
    "Unconstrained",
    "UniformConstraint",
    "is_additive",
    "validate",
]
