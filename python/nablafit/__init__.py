"""Fits of binned HistFactory likelihoods with exact gradients.

>>> import nablafit as nf
>>> workspace = nf.Workspace.load("workspace.json")
>>> model = workspace.model()
>>> result = nf.fit(model, workspace.data(model))
"""

from __future__ import annotations

import warnings
from pathlib import Path

from . import _core, _moved, build, diff, formulas, infer, relax, spec, surgery  # noqa: F401
from ._core import __version__, build_info
from ._results.diagnostics import Diagnostics
from ._results.provenance import Provenance
from ._results.record import load_result
from .batch import FitManyResult, fit_many
from .data import Data
from .errors import (
    ArgumentError,
    Error,
    FitWarning,
    Interrupted,
    ModelWarning,
    SpecError,
    WorkspaceError,
)
from .fit import FitOptions, fit
from .infer import (
    asimov_data,
    breakdown,
    contour,
    correlation,
    feldman_cousins,
    goodness_of_fit,
    hypotest,
    intervals,
    limit_grid,
    pulls,
    ranking,
    scan,
    significance,
    templates,
    upper_limit,
    yields,
)
from .inputs import InputGradient, InputLayout
from .interop.pyhf import from_pyhf
from .io import methods as _methods  # noqa: F401
from .io.patchset import PatchSet
from .model import Likelihood, Model
from .report import Report
from .report.make_report import make_report
from .result import FitResult
from .spec import Interpolation, ModelSpec
from .toys import Toys, toys
from .workspace import Workspace

__all__ = [
    "ArgumentError",
    "Data",
    "Diagnostics",
    "Error",
    "FitManyResult",
    "FitOptions",
    "FitResult",
    "FitWarning",
    "InputGradient",
    "InputLayout",
    "Interpolation",
    "Interrupted",
    "Likelihood",
    "Model",
    "ModelSpec",
    "ModelWarning",
    "PatchSet",
    "Provenance",
    "Report",
    "SpecError",
    "Toys",
    "Workspace",
    "WorkspaceError",
    "__version__",
    "asimov_data",
    "breakdown",
    "build",
    "build_info",
    "cmake_dir",
    "contour",
    "correlation",
    "diff",
    "feldman_cousins",
    "fit",
    "fit_many",
    "formulas",
    "from_pyhf",
    "goodness_of_fit",
    "hypotest",
    "infer",
    "intervals",
    "limit_grid",
    "load_result",
    "make_report",
    "pkgconfig_dir",
    "pulls",
    "ranking",
    "relax",
    "scan",
    "significance",
    "spec",
    "surgery",
    "templates",
    "toys",
    "upper_limit",
    "yields",
]


def cmake_dir() -> Path:
    """Return the directory with nablafitConfig.cmake, for `find_package(nablafit)` in C++.

    Examples
    --------
    >>> nf.cmake_dir().name
    'nablafit'
    """
    return Path(_core.__file__).parent / "lib" / "cmake" / "nablafit"


def pkgconfig_dir() -> Path:
    """Return the directory with nablafit-core.pc and nablafit-io.pc, for PKG_CONFIG_PATH.

    Examples
    --------
    >>> nf.pkgconfig_dir().name
    'pkgconfig'
    """
    return Path(_core.__file__).parent / "lib" / "pkgconfig"


def __getattr__(name: str) -> object:
    if name == "Inputs":
        warnings.warn("use nablafit.Provenance", DeprecationWarning, stacklevel=2)
        return Provenance
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
