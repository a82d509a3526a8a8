"""What an analysis quotes, from models and fits: every function returns a frozen result.

>>> import nablafit as nf
>>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
>>> data = model.data([57, 61])
>>> limit = nf.infer.upper_limit(model, data)  # the same as nf.upper_limit
>>> print(f"{limit.observed:.2f}")
1.64
"""

from __future__ import annotations

from ..result import FitResult
from . import _fit_page
from ._common import ParameterWarning
from .impacts._selection import Patterns
from .impacts.breakdown import BreakdownResult, UncertaintyGroup, breakdown, default_groups
from .impacts.correlation import CorrelationResult, correlation
from .impacts.pulls import PullsResult, pulls
from .impacts.ranking import RankingResult, ranking
from .impacts.templates import TemplatesResult, Variation, templates
from .limits.grid import limit_grid
from .limits.results import LimitGridResult, LimitResult
from .limits.upper_limit import upper_limit
from .predictions.asimov import asimov_data
from .predictions.goodness_of_fit import (
    ChannelDeviance,
    GoodnessOfFitResult,
    ToyRange,
    goodness_of_fit,
)
from .predictions.yields import ChannelYields, YieldsResult, yields
from .profiles._best_fit import LowerMinimum
from .profiles.contour import Contour, ContourResult, contour
from .profiles.feldman_cousins import FeldmanCousinsResult, feldman_cousins
from .profiles.intervals import Interval, IntervalsResult, intervals
from .profiles.scan import ScanResult, scan
from .testing.hypotest import hypotest
from .testing.results import HypotestResult, SignificanceResult
from .testing.significance import significance
from .testing.toy_distribution import ToyDistribution

__all__ = [
    "BreakdownResult",
    "ChannelDeviance",
    "ChannelYields",
    "Contour",
    "ContourResult",
    "CorrelationResult",
    "FeldmanCousinsResult",
    "GoodnessOfFitResult",
    "HypotestResult",
    "Interval",
    "IntervalsResult",
    "LimitGridResult",
    "LimitResult",
    "LowerMinimum",
    "ParameterWarning",
    "Patterns",
    "PullsResult",
    "RankingResult",
    "ScanResult",
    "SignificanceResult",
    "TemplatesResult",
    "ToyDistribution",
    "ToyRange",
    "UncertaintyGroup",
    "Variation",
    "YieldsResult",
    "asimov_data",
    "breakdown",
    "contour",
    "correlation",
    "default_groups",
    "feldman_cousins",
    "goodness_of_fit",
    "hypotest",
    "intervals",
    "limit_grid",
    "pulls",
    "ranking",
    "scan",
    "significance",
    "templates",
    "upper_limit",
    "yields",
]

FitResult.describing = _fit_page
