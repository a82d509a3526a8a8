"""Specification types: what readers produce, `Model` compiles and writers consume.

All are immutable, compare by value, pickle, and have `replace(**changes)`. Sequences are tuples,
vectors of numbers read-only float64 arrays. Yields, counts and uncertainties are in events; factors
and nuisance parameters are dimensionless. `validate(spec)` raises `SpecError` at the first
contradiction.

>>> import nablafit as nf
>>> from nablafit import spec
>>> sample = spec.Sample("signal", [3.0, 5.0], [spec.NormFactor("mu", "mu")])
>>> mu = spec.Parameter("mu", 1.0, 0.0, 10.0)
>>> model = nf.Model(spec.ModelSpec("model", [spec.Channel("SR", [sample])], [mu], ["mu"]))
>>> model.expected([2.0])
array([ 6., 10.])
"""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

from ._core import (
    Axis,
    BinVariable,
    Channel,
    ChannelCounts,
    FormulaFactor,
    GammaConstraint,
    GammaTransformation,
    GaussianConstraint,
    GlobalObservable,
    HistoSys,
    IdentityTransformation,
    Interpolation,
    LogNormalConstraint,
    LogNormalTransformation,
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
Transformation: TypeAlias = IdentityTransformation | GammaTransformation | LogNormalTransformation

_RENAMED = {
    "GammaPull": "GammaTransformation",
    "IdentityPull": "IdentityTransformation",
    "LogNormalPull": "LogNormalTransformation",
    "Pull": "Transformation",
}

__all__ = [
    "Axis",
    "BinVariable",
    "Channel",
    "ChannelCounts",
    "Constraint",
    "FormulaFactor",
    "GammaConstraint",
    "GammaTransformation",
    "GaussianConstraint",
    "GlobalObservable",
    "HistoSys",
    "IdentityTransformation",
    "Interpolation",
    "LogNormalConstraint",
    "LogNormalTransformation",
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
    "Range",
    "Sample",
    "ShapeFactor",
    "ShapeSys",
    "StatError",
    "Transformation",
    "Unconstrained",
    "UniformConstraint",
    "is_additive",
    "validate",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Return what had another name before, with a DeprecationWarning."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    message = f"nablafit.spec.{name} has a new name: use {_RENAMED[name]}"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return globals()[_RENAMED[name]]
