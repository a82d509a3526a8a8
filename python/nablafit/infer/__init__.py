"""What an analysis quotes, from models and fits: every function returns a frozen result."""

from __future__ import annotations

from ._parameter_tables import ParameterWarning
from ._selection import Patterns
from .breakdown import BreakdownResult, UncertaintyGroup, breakdown, default_groups
from .correlation import CorrelationResult, correlation
from .pulls import PullsResult, pulls
from .ranking import RankingResult, ranking

__all__ = [
    "BreakdownResult",
    "CorrelationResult",
    "ParameterWarning",
    "Patterns",
    "PullsResult",
    "RankingResult",
    "UncertaintyGroup",
    "breakdown",
    "correlation",
    "default_groups",
    "pulls",
    "ranking",
]
