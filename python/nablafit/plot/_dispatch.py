"""Which plot belongs to which result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .._results.record import Archive, Record
from ..errors import ArgumentError, located
from ..result import FitResult
from ._distributions import goodness_of_fit, toy_pulls, toys
from ._limits import limit, limit_grid
from ._matrices import breakdown, correlation
from ._parameters import intervals, pulls, ranking
from ._scans import contour, feldman_cousins, scan
from ._templates import templates
from ._yields import yields

PlotFunction: TypeAlias = Callable[..., Any]

_PLOTS: dict[str, tuple[PlotFunction, ...]] = {
    "BreakdownResult": (breakdown,),
    "ContourResult": (contour,),
    "CorrelationResult": (correlation,),
    "FeldmanCousinsResult": (feldman_cousins,),
    "FitManyResult": (toy_pulls,),
    "FitResult": (pulls, correlation),
    "GoodnessOfFitResult": (goodness_of_fit,),
    "HypotestResult": (toys,),
    "IntervalsResult": (intervals,),
    "LimitGridResult": (limit_grid,),
    "LimitResult": (limit,),
    "PullsResult": (pulls,),
    "RankingResult": (ranking,),
    "ScanResult": (scan,),
    "SignificanceResult": (toys,),
    "TemplatesResult": (templates,),
    "ToyDistribution": (toys,),
    "YieldsResult": (yields,),
}


def plots_of(result: Record | Archive | FitResult) -> dict[str, PlotFunction]:
    """Return the functions of this package that draw a result, by name; the default one first.

    Raises
    ------
    ArgumentError
        If there is no plot of this kind of result.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> from nablafit import plot
    >>> list(plot.plots_of(result))
    ['pulls', 'correlation']
    """
    kind = type(result).__name__
    if kind not in _PLOTS:
        message = f"expected one of {', '.join(_PLOTS)}: there is no plot of {kind}"
        raise located(ArgumentError, message, "result")
    return {function.__name__: function for function in _PLOTS[kind]}
