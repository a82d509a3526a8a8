"""The report as an object: results in, a page out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._results.record import write_text
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

__all__ = ["Report"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Results for one page; what is None is left out.

    `html()` needs the extra `plot`. The page is self-contained: styles and plots are inside, it
    runs no scripts and loads nothing. All text from results is escaped.
    """

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

    def html(self) -> str:
        """Return the page.

        Raises
        ------
        ImportError
            If matplotlib or Jinja2 is missing.
        """
        try:
            from jinja2 import Environment, StrictUndefined
        except ImportError as error:
            message = "reports need Jinja2: pip install 'nablafit[plot]'"
            raise ImportError(message) from error
        from ._sections import sections

        environment = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        template = environment.from_string(_read("report.html.jinja"))
        return template.render(report=self, sections=sections(self), style=_read("style.css"))

    def save(self, path: str | Path) -> None:
        """Write the page to a file, at once or not at all."""
        write_text(path, self.html())

    def __repr__(self) -> str:
        members = ("pulls", "ranking", "breakdown", "correlation", "postfit", "goodness_of_fit")
        present = [
            name
            for name in (*members, "scan", "significance", "limit")
            if getattr(self, name) is not None
        ]
        return f"<Report {self.title!r}: fit {self.fit.status}, {', '.join(present) or 'alone'}>"


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
