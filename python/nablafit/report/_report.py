"""The report as an object: results in, a page out."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from .._printable import printable
from .._results.files import write_text
from ._content import Results


@dataclass(frozen=True, kw_only=True, eq=False)
class Report(Results):
    """Results for one page; what is None is left out.

    `html()` needs the extra `plot`. The page is self-contained: styles and plots are inside, it
    runs no scripts and loads nothing. All text from results is escaped.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> report = nf.Report(fit=result, limit=nf.upper_limit(model, data))
    >>> _ = report.save("report.html")
    """

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
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_printable,
            trim_blocks=True,
            lstrip_blocks=True,
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


def _printable(value: Any) -> Any:  # noqa: ANN401 - what a template shows
    """Escape what does not print in texts, but not in marked-up parts of the page."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value, keep="\n") if is_text else value


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
