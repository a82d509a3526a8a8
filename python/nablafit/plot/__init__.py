"""Plots of results, as the field draws them (extra `plot`: matplotlib, mplhep).

Every function takes a result, draws it into a new figure and returns that; nothing is fitted, and
neither pyplot nor the user's settings are touched.

>>> import nablafit as nf
>>> import nablafit.plot as nplot
>>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
>>> data = model.data([57, 61])
>>> label = nplot.Label(experiment="ATLAS", status="Internal", energy=13, luminosity=139)
>>> figure = nplot.pulls(nf.fit(model, data), label=label, save="pulls.pdf")
"""

from __future__ import annotations

try:
    import matplotlib  # noqa: F401
except ImportError as _error:
    _message = "nablafit.plot needs matplotlib: pip install 'nablafit[plot]'"
    raise ImportError(_message) from _error

from ._dispatch import plots_of
from ._distributions import goodness_of_fit, toy_pulls, toys
from ._limits import limit, limit_grid
from ._matrices import breakdown, correlation
from ._parameters import intervals, pulls, ranking
from ._scans import contour, feldman_cousins, scan
from ._style import Label, StyledFigure
from ._templates import templates
from ._yields import yields

__all__ = [
    "Label",
    "StyledFigure",
    "breakdown",
    "contour",
    "correlation",
    "feldman_cousins",
    "goodness_of_fit",
    "intervals",
    "limit",
    "limit_grid",
    "plots_of",
    "pulls",
    "ranking",
    "scan",
    "templates",
    "toy_pulls",
    "toys",
    "yields",
]
