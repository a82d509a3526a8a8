"""What an analysis quotes, from models and fits: every function returns a frozen result."""

from __future__ import annotations

from ._contour_result import Contour, ContourResult
from ._feldman_cousins_result import FeldmanCousinsResult
from ._intervals_result import Interval, IntervalsResult
from ._lower_minimum import LowerMinimum
from ._scan_result import ScanResult
from .contour import contour
from .feldman_cousins import feldman_cousins
from .intervals import intervals
from .scan import scan

__all__ = [
    "Contour",
    "ContourResult",
    "FeldmanCousinsResult",
    "Interval",
    "IntervalsResult",
    "LowerMinimum",
    "ScanResult",
    "contour",
    "feldman_cousins",
    "intervals",
    "scan",
]
