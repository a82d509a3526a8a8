"""What an analysis quotes, from models and fits: every function returns a frozen result."""

from __future__ import annotations

from ._contour_result import Contour, ContourResult
from ._feldman_cousins_result import FeldmanCousinsResult
from ._intervals_result import Interval, IntervalsResult
from ._lower_minimum import LowerMinimum
from ._parameter_tables import ParameterWarning
from ._scan_result import ScanResult
from ._selection import Patterns
from .asimov import asimov_data
from .breakdown import BreakdownResult, UncertaintyGroup, breakdown, default_groups
from .contour import contour
from .correlation import CorrelationResult, correlation
from .feldman_cousins import feldman_cousins
from .goodness_of_fit import ChannelDeviance, GoodnessOfFitResult, ToyRange, goodness_of_fit
from .grid import limit_grid
from .hypotest import hypotest
from .intervals import intervals
from .limit_results import LimitGridResult, LimitResult
from .limits import upper_limit
from .pulls import PullsResult, pulls
from .ranking import RankingResult, ranking
from .results import HypotestResult, SignificanceResult
from .scan import scan
from .significance import significance
from .toy_distribution import ToyDistribution
from .yields import ChannelYields, YieldsResult, yields

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
    "ToyDistribution",
    "ToyRange",
    "UncertaintyGroup",
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
    "upper_limit",
    "yields",
]
