"""Statistical inference: results of fits turned into what an analysis quotes."""

from .asimov import asimov_data
from .grid import limit_grid
from .hypotest import hypotest
from .limit_results import LimitGridResult, LimitResult
from .limits import upper_limit
from .results import HypotestResult, SignificanceResult
from .significance import significance
from .toy_distribution import ToyDistribution

__all__ = [
    "HypotestResult",
    "LimitGridResult",
    "LimitResult",
    "SignificanceResult",
    "ToyDistribution",
    "asimov_data",
    "hypotest",
    "limit_grid",
    "significance",
    "upper_limit",
]
