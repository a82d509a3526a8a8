"""Methods of `ModelSpec` that write it in the formats of this folder.

Importing this module gives the class its methods.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..spec import ModelSpec, Observations

if TYPE_CHECKING:
    from ..data import Data


def _to_pyhf(
    self: ModelSpec, observations: Observations | None = None, *, lossy: bool = False
) -> dict[str, Any]:
    """Return this model as a pyhf workspace; see `nablafit.io.to_pyhf`."""
    from .pyhf_writer import to_pyhf

    return to_pyhf(self, observations, lossy=lossy)


def _to_hs3(
    self: ModelSpec, observations: Iterable[Observations] = (), *, lossy: bool = False
) -> str:
    """Return this model as the text of an HS3 document; see `nablafit.io.hs3.to_hs3`."""
    from .hs3 import to_hs3

    return to_hs3(self, observations, lossy=lossy)


def _to_cpp(
    self: ModelSpec,
    observations: Observations | Data,
    *,
    namespace: str = "model",
    clad: bool = False,
) -> str:
    """Return the likelihood as a C++ header; see `nablafit.io.cpp.to_cpp`."""
    from .cpp import to_cpp

    return to_cpp(self, observations, namespace=namespace, clad=clad)


ModelSpec.to_cpp = _to_cpp  # type: ignore[method-assign]
ModelSpec.to_hs3 = _to_hs3  # type: ignore[method-assign]
ModelSpec.to_pyhf = _to_pyhf  # type: ignore[method-assign]
