"""Specification types: what readers produce, `Model` compiles and writers consume.

All are immutable, compare by value, pickle, and have `replace(**changes)`. Sequences are tuples,
vectors of numbers read-only float64 arrays. Yields, counts and uncertainties are in events; factors
and nuisance parameters are dimensionless. `validate(spec)` raises `SpecError` at the first
contradiction.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

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

if TYPE_CHECKING:
    from .data import Data


def _to_pyhf(
    self: ModelSpec, observations: Observations | None = None, *, lossy: bool = False
) -> dict[str, Any]:
    """Return this model as a pyhf workspace; see `nablafit.io.to_pyhf`."""
    from .io.pyhf_writer import to_pyhf

    return to_pyhf(self, observations, lossy=lossy)


def _to_hs3(
    self: ModelSpec, observations: Iterable[Observations] = (), *, lossy: bool = False
) -> str:
    """Return this model as the text of an HS3 document; see `nablafit.io.hs3.to_hs3`."""
    from .io.hs3 import to_hs3

    return to_hs3(self, observations, lossy=lossy)


def _to_cpp(
    self: ModelSpec,
    observations: Observations | Data,
    *,
    namespace: str = "model",
    clad: bool = False,
) -> str:
    """Return the likelihood as a C++ header; see `nablafit.io.cpp.to_cpp`."""
    from .io.cpp import to_cpp

    return to_cpp(self, observations, namespace=namespace, clad=clad)


ModelSpec.to_cpp = _to_cpp  # type: ignore[method-assign]
ModelSpec.to_hs3 = _to_hs3  # type: ignore[method-assign]
ModelSpec.to_pyhf = _to_pyhf  # type: ignore[method-assign]

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
