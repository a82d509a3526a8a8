"""Reports: results of an analysis on one HTML page that needs nothing else to be read.

Nothing is fitted here: `nablafit.make_report` runs what an analysis needs and hands it over. Pages
need the extra `plot` (matplotlib, Jinja2).
"""

from __future__ import annotations

from ._report import Report

__all__ = ["Report"]
