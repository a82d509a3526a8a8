"""Statistical inference: results of fits turned into what an analysis quotes."""

from .limit_results import LimitGridResult, LimitResult
from .results import HypotestResult, SignificanceResult
from .toy_distribution import ToyDistribution

__all__ = [
    "HypotestResult",
    "LimitGridResult",
    "LimitResult",
    "SignificanceResult",
    "ToyDistribution",
]
