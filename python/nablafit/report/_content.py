"""What a report is made from, and what its sections consist of."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..result import FitResult

if TYPE_CHECKING:
    from ..infer.impacts.breakdown import BreakdownResult
    from ..infer.impacts.correlation import CorrelationResult
    from ..infer.impacts.pulls import PullsResult
    from ..infer.impacts.ranking import RankingResult
    from ..infer.limits.results import LimitResult
    from ..infer.predictions.goodness_of_fit import GoodnessOfFitResult
    from ..infer.predictions.yields import YieldsResult
    from ..infer.profiles.scan import ScanResult
    from ..infer.testing.results import SignificanceResult
    from ..plot import Label, StyledFigure

_PIXELS_PER_INCH = 76
"""Small enough for two plots side by side on a wide page."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of a row is its heading."""

    caption: str
    header: tuple[str, ...]
    """Empty for a list of names and values."""
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = (0,)
    """Columns of words; the others hold numbers and are aligned to the right."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A plot inside the page."""

    uri: str
    alt: str
    """What the plot shows, for those who do not see it."""
    caption: str
    width: int
    """In CSS pixels."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page with an entry in the table of contents."""

    anchor: str = ""
    title: str = ""
    paragraphs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """Contents of a page; results that are None are left out."""

    fit: FitResult
    title: str = "Fit report"
    inventory: Mapping[str, Any] | None = None
    """What `nablafit inspect --json` prints: channels, modifiers, parameters."""
    pulls: PullsResult | None = None
    ranking: RankingResult | None = None
    breakdown: BreakdownResult | None = None
    correlation: CorrelationResult | None = None
    prefit: YieldsResult | None = None
    postfit: YieldsResult | None = None
    goodness_of_fit: GoodnessOfFitResult | None = None
    scan: ScanResult | None = None
    significance: SignificanceResult | None = None
    limit: LimitResult | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why a result is missing, by the name of its member; shown instead of it."""
    label: Label | None = None
    """Experiment, energy and luminosity as shown on the plots."""
    n_channels: int = 12
    """Largest number of channels with several bins to plot: the first ones."""
    source: str = ""
    """Where the model came from."""
    digest: str = ""
    """SHA-256 of the input, in hexadecimal digits."""
    created: str = ""
    """Date and time, as text."""
    options: Mapping[str, str] = field(default_factory=dict)
    """How the results were made."""


def picture(figure: StyledFigure, caption: str, more: str = "") -> Picture:
    """Return a figure as SVG in a data URI; equal figures give equal text.

    Those who do not see it read `more` after the caption.
    """
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    encoded = base64.b64encode(target.getvalue()).decode("ascii")
    return Picture(
        uri=f"data:image/svg+xml;base64,{encoded}",
        alt=f"{caption}, {more}." if more else f"{caption}.",
        caption=f"{caption}.",
        width=round(figure.get_figwidth() * _PIXELS_PER_INCH),
    )
