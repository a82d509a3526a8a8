"""What an analysis quotes, from models and fits: every function returns a frozen result."""

from __future__ import annotations

from ._contour_result import Contour, ContourResult
from ._feldman_cousins_result import FeldmanCousinsResult
from ._intervals_result import Interval, IntervalsResult
from ._lower_minimum import LowerMinimum
from ._parameter_tables import ParameterWarning
from ._scan_result import ScanResult
from ._selection import Patterns
from .breakdown import BreakdownResult, UncertaintyGroup, breakdown, default_groups
from .contour import contour
from .correlation import CorrelationResult, correlation
from .feldman_cousins import feldman_cousins
from .intervals import intervals
from .pulls import PullsResult, pulls
from .ranking import RankingResult, ranking
from .scan import scan

__all__ = [
    "BreakdownResult",
    "Contour",
    "ContourResult",
    "CorrelationResult",
    "FeldmanCousinsResult",
    "Interval",
    "IntervalsResult",
    "LowerMinimum",
    "ParameterWarning",
    "Patterns",
    "PullsResult",
    "RankingResult",
    "ScanResult",
    "UncertaintyGroup",
    "breakdown",
    "contour",
    "correlation",
    "default_groups",
    "feldman_cousins",
    "intervals",
    "pulls",
    "ranking",
    "scan",
]
