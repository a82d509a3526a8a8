"""Where modules went that saved pickles, or programs, name by their former paths."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

__all__ = ["MOVED"]

MOVED = {
    "nablafit._inputs": "nablafit._results.provenance",
    "nablafit._results.inputs": "nablafit._results.provenance",
    "nablafit._problem": "nablafit.minimizers.problem",
    "nablafit.diagnostics": "nablafit._results.diagnostics",
    "nablafit.infer._breakdown_result": "nablafit.infer.impacts.breakdown",
    "nablafit.infer._contour_result": "nablafit.infer.profiles.contour",
    "nablafit.infer._feldman_cousins_result": "nablafit.infer.profiles.feldman_cousins",
    "nablafit.infer._gof_result": "nablafit.infer.predictions.goodness_of_fit",
    "nablafit.infer._intervals_result": "nablafit.infer.profiles.intervals",
    "nablafit.infer._lower_minimum": "nablafit.infer.profiles._best_fit",
    "nablafit.infer._parameter_tables": "nablafit.infer._common",
    "nablafit.infer._pulls_result": "nablafit.infer.impacts.pulls",
    "nablafit.infer._ranking_result": "nablafit.infer.impacts.ranking",
    "nablafit.infer._scan_result": "nablafit.infer.profiles.scan",
    "nablafit.infer._yields_result": "nablafit.infer.predictions.yields",
    "nablafit.infer.correlation": "nablafit.infer.impacts.correlation",
    "nablafit.infer.limit_results": "nablafit.infer.limits.results",
    "nablafit.infer.results": "nablafit.infer.testing.results",
    "nablafit.infer.toy_distribution": "nablafit.infer.testing.toy_distribution",
    "nablafit.interop.scipy": "nablafit.minimizers.scipy",
    "nablafit.likelihood": "nablafit.model",
    "nablafit.minima": "nablafit._results.diagnostics",
}
"""Former paths of modules and the present ones."""


class _FormerModule(ModuleType):
    """Has what the module at the present path has; that is imported when first asked."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(import_module(MOVED[self.__name__]), name)


for _former in MOVED:
    _package, _, _name = _former.rpartition(".")
    sys.modules[_former] = _FormerModule(_former)
    if not hasattr(import_module(_package), _name):  # a function may have the name
        setattr(sys.modules[_package], _name, sys.modules[_former])
