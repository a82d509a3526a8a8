"""What an analysis quotes, from models and fits: every function returns a frozen result."""

from __future__ import annotations

from .goodness_of_fit import ChannelDeviance, GoodnessOfFitResult, ToyRange, goodness_of_fit
from .yields import ChannelYields, YieldsResult, yields

__all__ = [
    "ChannelDeviance",
    "ChannelYields",
    "GoodnessOfFitResult",
    "ToyRange",
    "YieldsResult",
    "goodness_of_fit",
    "yields",
]
