"""What a report is made from, and what its sections consist of."""

from __future__ import annotations

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
    from ..plot import Label


__all__ = ["Picture", "Results", "Section", "Table"]


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

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """What a page shows; what is None is left out."""

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
    """Why a result is missing, by the name of its member: shown in its place."""
    label: Label | None = None
    """What stands on the plots about the experiment."""
    n_channels: int = 12
    """Plot at most so many channels with several bins, the first ones."""
    source: str = ""
    """Where the model came from."""
    digest: str = ""
    """SHA-256 of the input, in hexadecimal digits."""
    created: str = ""
    """When, as text."""
    options: Mapping[str, str] = field(default_factory=dict)
    """How the results were made."""
