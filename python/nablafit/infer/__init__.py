"""What an analysis quotes: from models, data and fits to frozen results."""

from __future__ import annotations

from ._breakdown_result import BreakdownResult, UncertaintyGroup
from ._parameter_tables import ParameterWarning
from ._pulls_result import PullsResult
from ._ranking_result import RankingResult
from .correlation import CorrelationResult, correlation

__all__ = [
    "BreakdownResult",
    "CorrelationResult",
    "ParameterWarning",
    "PullsResult",
    "RankingResult",
    "UncertaintyGroup",
    "correlation",
]
