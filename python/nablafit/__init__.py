"""Fits of binned HistFactory likelihoods with exact gradients.

>>> import nablafit as nf
>>> workspace = nf.Workspace.load("workspace.json")
>>> model = workspace.model()
>>> result = nf.fit(model, workspace.data(model))
"""

from __future__ import annotations

from pathlib import Path

from . import spec, surgery
from ._core import __version__, build_config
from .data import Data
from .errors import ArgumentError, Error, ModelWarning, SpecError, WorkspaceError
from .fit import FitOptions, fit
from .interop.pyhf import from_pyhf
from .io.patchset import PatchSet
from .likelihood import Likelihood
from .model import Model
from .result import FitResult
from .spec import Interpolation, ModelSpec
from .workspace import Workspace

__all__ = [
    "ArgumentError",
    "Data",
    "Error",
    "FitOptions",
    "FitResult",
    "Interpolation",
    "Likelihood",
    "Model",
    "ModelSpec",
    "ModelWarning",
    "PatchSet",
    "SpecError",
    "Workspace",
    "WorkspaceError",
    "__version__",
    "build_config",
    "cmake_dir",
    "fit",
    "from_pyhf",
    "spec",
    "surgery",
]


def cmake_dir() -> Path:
    """Return the directory with nablafitConfig.cmake, for `find_package(nablafit)` in C++."""
    return Path(__file__).parent / "lib" / "cmake" / "nablafit"
