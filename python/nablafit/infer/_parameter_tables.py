"""What results about nuisance parameters share: warnings as data, and tables as text and HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .._results.display import text_table
from .._results.record import Record

__all__ = ["ParameterWarning", "signed", "table_html", "table_text", "warning_lines"]

_MAX_ROWS = 200
_MAX_WARNINGS = 20


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ParameterWarning(Record):
    """Something about one parameter that a physicist should look at."""

    kind: str
    """What it is, one word for programs; the function that warns lists them."""
    parameter: str
    value: float
    """The number that gave rise to it."""
    message: str
    """A sentence with the parameter, the number and what it may mean."""

    def __repr__(self) -> str:
        return f"<ParameterWarning {self.kind}: {self.message}>"

    def _repr_html_(self) -> str:
        return f"<div>{escape(self.message)}</div>"


def signed(value: float, digits: int = 3) -> str:
    """Format with a sign, nothing for NaN."""
    return "" if math.isnan(value) else f"{value:+.{digits}g}"


def warning_lines(warnings: Sequence[ParameterWarning]) -> list[str]:
    """Return the sentences of the first warnings, and how many more there are."""
    lines = [f"  {warning.message}" for warning in warnings[:_MAX_WARNINGS]]
    more = len(warnings) - _MAX_WARNINGS
    return [*lines, f"  and {more} more in .warnings"] if more > 0 else lines


def table_text(
    title: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]], align: str
) -> str:
    """Lay out lines and a table of at most 200 rows."""
    lines = [*title, *text_table(header, rows[:_MAX_ROWS], align)]
    if len(rows) > _MAX_ROWS:
        lines.append(f"{len(rows) - _MAX_ROWS} more rows are in the members of this object")
    return "\n".join(line.rstrip() for line in lines)


def table_html(
    title: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]], align: str
) -> str:
    """Lay out the same as HTML, with all rows."""
    sides = ["right" if side == "r" else "left" for side in align]

    def cells(tag: str, row: Sequence[str]) -> str:
        pairs = zip(row, sides, strict=True)
        return "".join(f'<{tag} style="text-align:{s}">{escape(c)}</{tag}>' for c, s in pairs)

    head = "".join(f"<div>{escape(line.strip())}</div>" for line in title)
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f"{head}<table><thead><tr>{cells('th', header)}</tr></thead><tbody>{body}</tbody></table>"
    )
