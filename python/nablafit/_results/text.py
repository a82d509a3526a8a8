"""Results as text and as HTML: lines about the outcome, then a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .._printable import printable

__all__ = ["BANDS", "Page", "number", "signed", "with_error"]

BANDS = ("-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma")
"""Names of the entries of every array called `expected...`."""

_MAX_ROWS = 200
_COLOURS = {True: "#e5f5e0", False: "#fee0d2"}


@dataclass(frozen=True)
class Page:
    """What a result shows of itself, at most 200 rows; what does not print becomes an escape."""

    head: Sequence[str]
    """Lines about the outcome."""
    header: Sequence[str]
    """Names of the columns."""
    rows: Sequence[Sequence[str]]
    align: str
    """One "l" or "r" per column."""
    valid: bool | None = None
    """In HTML the head is green if True, red if False, plain if None."""
    rest: str = "more rows are in the members of this object"
    """What is said, after their number, of rows that are left out."""

    def text(self) -> str:
        """Lay out in columns."""
        header, *shown = self._printable_rows()
        columns = list(zip(header, *shown, strict=True))
        widths = [max(map(len, column)) for column in columns]

        def line(cells: Sequence[str]) -> str:
            padded = (
                cell.rjust(width) if side == "r" else cell.ljust(width)
                for cell, width, side in zip(cells, widths, self.align, strict=True)
            )
            return "  ".join(padded)

        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        gap = [""] if self.head else []
        head = map(printable, self.head)
        lines = [*head, *gap, line(header), rule, *map(line, shown), *self._more()]
        return "\n".join(text.rstrip() for text in lines)

    def html(self) -> str:
        """Lay out as a table of HTML; all text is escaped."""
        sides = ["right" if side == "r" else "left" for side in self.align]

        def cells(tag: str, row: Sequence[str]) -> str:
            pairs = zip(row, sides, strict=True)
            return "".join(f'<{tag} style="text-align:{s}">{escape(c)}</{tag}>' for c, s in pairs)

        head = "".join(f"<div>{escape(printable(line.strip()))}</div>" for line in self.head)
        if self.valid is not None:
            style = f"background:{_COLOURS[self.valid]};color:black;padding:0.5em"
            head = f'<div style="{style}">{head}</div>'
        header, *shown = self._printable_rows()
        body = "".join(f"<tr>{cells('td', row)}</tr>" for row in shown)
        return (
            f"{head}<table><thead><tr>{cells('th', header)}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
            + "".join(f"<div>{line}</div>" for line in self._more())
        )

    def _printable_rows(self) -> list[list[str]]:
        """Return the header and the rows that are shown."""
        rows = (self.header, *self.rows[:_MAX_ROWS])
        return [[printable(cell) for cell in row] for row in rows]

    def _more(self) -> list[str]:
        n = len(self.rows) - _MAX_ROWS
        return [f"{n} {self.rest}"] if n > 0 else []


def number(value: float) -> str:
    """Return five significant digits, "-" for NaN."""
    return "-" if math.isnan(value) else f"{value:.5g}"


def with_error(value: float, error: float) -> str:
    """Return a number, with its statistical uncertainty unless that is NaN."""
    return number(value) if math.isnan(error) else f"{number(value)} ± {error:.2g}"


def signed(value: float, digits: int = 3) -> str:
    """Format with a sign, nothing for NaN."""
    return "" if math.isnan(value) else f"{value:+.{digits}g}"
