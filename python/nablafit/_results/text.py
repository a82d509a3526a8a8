"""Results as text and as HTML: lines about the outcome, then a table."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from .._printable import printable

__all__ = [
    "BANDS",
    "Page",
    "decimals",
    "known_width",
    "number",
    "shortened",
    "signed",
    "with_error",
]

BANDS = ("-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma")
"""Names of the entries of every array called `expected...`."""

_MAX_ROWS = 200
_GAP = 2
_LEAST_NAME = 16
_LEAST_WORDS = 12
_LONGEST_TITLE = 20
_NARROWEST = 40
_WIDTH_OF_FILES = 120
_COLOURS = {True: "#e5f5e0", False: "#fee0d2"}


@dataclass(frozen=True)
class Page:
    """What a result shows of itself, at most 200 rows; what does not print becomes an escape."""

    head: Sequence[str]
    """Lines about the outcome."""
    header: Sequence[str]
    """Names of the columns."""
    rows: Sequence[Sequence[str]]
    """One cell per column, or a heading: one cell alone."""
    align: str
    """Per column "l", "r", or "." for numbers with their decimal points below each other."""
    valid: bool | None = None
    """In HTML the head is green if True, red if False, plain if None."""
    rest: str = "more rows are in the members of this object"
    """What is said, after their number, of rows that are left out."""

    def text(self, width: int | None = None) -> str:
        """Lay out in columns.

        Without `width`, it is that of COLUMNS or of the terminal. Where the table is wider, names
        are shortened in the middle, other words are wrapped, and columns that still do not fit
        follow below, in blocks. If nobody knows the width, only blocks are made, of 120 columns.
        """
        return "\n".join(line for line, _ in self.lines(width))

    def lines(
        self, width: int | None = None, *, most: int | None = _MAX_ROWS
    ) -> list[tuple[str, str]]:
        """Return the lines of `text` and what they are: "head", "heading" or "row".

        The first is the "verdict". At most `most` rows are laid out.
        """
        width = known_width() if width is None else width
        lines = [
            (line, "head" if i else "verdict")
            for i, text in enumerate(self.head)
            for line in _wrapped(printable(text), width)
        ]
        header, *shown = self._printable_rows(most)
        if not header:
            return lines
        if width is not None:
            header = [shortened(title, _LONGEST_TITLE) for title in header]
        for block in _blocks(header, [row for row in shown if len(row) > 1], self.align, width):
            lines += [("", "head")] if lines else []
            lines += block.lines(header, shown, width)
        lines += [(line, "head") for line in self._more(most)]
        return [(line.rstrip(), kind) for line, kind in lines]

    def html(self) -> str:
        """Lay out as a table of HTML; all text is escaped."""
        sides = ["left" if side == "l" else "right" for side in self.align]

        def cells(tag: str, row: Sequence[str]) -> str:
            if len(row) == 1 < len(sides):
                return f'<th colspan="{len(sides)}" style="text-align:left">{escape(row[0])}</th>'
            pairs = zip(row, sides, strict=True)
            return "".join(f'<{tag} style="text-align:{s}">{escape(c)}</{tag}>' for c, s in pairs)

        head = "".join(f"<div>{escape(printable(line.strip()))}</div>" for line in self.head)
        if self.valid is not None:
            style = f"background:{_COLOURS[self.valid]};color:black;padding:0.5em"
            head = f'<div style="{style}">{head}</div>'
        header, *shown = self._printable_rows(_MAX_ROWS)
        body = "".join(f"<tr>{cells('td', row)}</tr>" for row in shown)
        return (
            f"{head}<table><thead><tr>{cells('th', header)}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
            + "".join(f"<div>{line}</div>" for line in self._more(_MAX_ROWS))
        )

    def _printable_rows(self, most: int | None) -> list[list[str]]:
        """Return the header and the rows that are shown."""
        rows = (self.header, *self.rows[:most])
        return [[printable(cell) for cell in row] for row in rows]

    def _more(self, most: int | None) -> list[str]:
        n = 0 if most is None else len(self.rows) - most
        return [f"{n} {self.rest}"] if n > 0 else []


def known_width() -> int | None:
    """Return the width that COLUMNS or the terminal on standard output has; None without either."""
    columns = shutil.get_terminal_size((0, 0)).columns
    return max(columns, _NARROWEST) if columns > 0 else None


def shortened(text: str, width: int) -> str:
    """Return text of at most `width` characters, without its middle if it is longer."""
    if len(text) <= width:
        return text
    n_tail = (width - 1) // 2
    return f"{text[: width - 1 - n_tail]}…{text[len(text) - n_tail :]}"


def _wrapped(text: str, width: int | None, *, hang: int = 2) -> list[str]:
    """Return the lines of a sentence, those that follow indented by `hang` more."""
    if width is None or len(text) <= width:
        return [text]
    indent = " " * (len(text) - len(text.lstrip()))
    after = indent + " " * hang
    glued = text.lstrip().replace(" = ", "\0=\0")  # no line ends there
    lines = textwrap.wrap(glued, width, initial_indent=indent, subsequent_indent=after)
    return [line.replace("\0", " ") for line in lines]


@dataclass(frozen=True)
class _Block:
    """Columns of a table that are beside each other."""

    columns: Sequence[int]
    widths: Sequence[int]
    align: str
    points: Sequence[int]
    """Characters after the decimal point of the column, with the point."""
    wraps_names: bool
    """Whether names that are too long are wrapped: without their middle, some would be the same."""

    def lines(
        self, header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None
    ) -> list[tuple[str, str]]:
        """Lay out the header, a rule, and all rows."""
        total = sum(self.widths) + _GAP * (len(self.widths) - 1)
        titles = [
            [header[c].rjust(w) if s != "l" else header[c].ljust(w)] for c, w, s in self._all()
        ]
        lines = [(line, "heading") for line in self._joined(titles)] + [("─" * total, "head")]
        for row in rows:
            if len(row) == 1 < len(header):
                lines += [(line, "heading") for line in _wrapped(row[0], width)]
            else:
                cells = [self._cell(row[c], k) for k, c in enumerate(self.columns)]
                lines += [(line, "row") for line in self._joined(cells)]
        return lines

    def _all(self) -> Iterator[tuple[int, int, str]]:
        """Return number, width and side of each column."""
        return zip(self.columns, self.widths, self.align, strict=True)

    def _joined(self, cells: Sequence[Sequence[str]]) -> list[str]:
        """Put cells of one or more lines beside each other."""
        height = max(map(len, cells))
        return [
            (" " * _GAP).join(
                cell[i] if i < len(cell) else " " * width
                for cell, width in zip(cells, self.widths, strict=True)
            )
            for i in range(height)
        ]

    def _cell(self, text: str, k: int) -> list[str]:
        width, side = self.widths[k], self.align[k]
        if side == "l" and "l" not in self.align[:k]:
            lines = _wrapped(text, width) if self.wraps_names else [shortened(text, width)]
            return [line.ljust(width) for line in lines]
        if side == "l":
            lines = textwrap.wrap(text, width) if text else [""]
            return [line.ljust(width) for line in lines]
        if side == "." and _is_number(text):
            text += " " * (self.points[k] - _after_point(text))
        return [text.rjust(width)]


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell[1:2].isdigit()


def _after_point(cell: str) -> int:
    """Count the characters from the decimal point on; a whole number has none."""
    return len(cell) - cell.index(".") if _is_number(cell) and "." in cell else 0


def _blocks(
    header: Sequence[str], rows: Sequence[Sequence[str]], align: str, width: int | None
) -> list[_Block]:
    """Divide columns such that each part is at most as wide as the page; the first is in all."""
    points = [
        max((_after_point(row[c]) for row in rows), default=0) if side == "." else 0
        for c, side in enumerate(align)
    ]
    widths = [
        max(
            [len(header[c])]
            + [
                len(row[c]) + (points[c] - _after_point(row[c]) if _is_number(row[c]) else 0)
                if points[c]
                else len(row[c])
                for row in rows
            ]
        )
        for c in range(len(header))
    ]
    narrow = [
        min(full, max(least, len(title)))
        for full, title, least in zip(widths, header, _least_widths(align), strict=True)
    ]
    limit = _WIDTH_OF_FILES if width is None else width
    n_leading = align.find("l") + 1 if "l" in align[:2] else 1
    used = [c for c in range(len(header)) if header[c] or widths[c]]
    parts = _divided(narrow, used, n_leading, limit)
    found = []
    for part in parts:
        needed = sum(widths[c] for c in part) + _GAP * (len(part) - 1)
        chosen = {c: widths[c] for c in part}
        if width is not None:
            _shrink(chosen, narrow, needed - limit)
        sides = "".join(align[c] for c in part)
        sizes = list(chosen.values())
        c = max(align.find("l"), 0)
        names = {row[c] for row in rows}
        clash = len({shortened(name, chosen.get(c, widths[c])) for name in names}) < len(names)
        found.append(_Block(part, sizes, sides, [points[c] for c in part], clash))
    return found


def _least_widths(align: str) -> list[int]:
    """Return how narrow columns may become: names more than other words, numbers not at all."""
    names = align.find("l")
    least = {"l": _LEAST_WORDS}
    return [_LEAST_NAME if c == names else least.get(s, sys.maxsize) for c, s in enumerate(align)]


def _divided(
    widths: Sequence[int], used: Sequence[int], n_leading: int, limit: int
) -> list[list[int]]:
    """Return columns for each block: those up to the names, and as many others as fit."""
    leading = [c for c in used if c < n_leading]
    start = sum(widths[c] for c in leading) + _GAP * (len(leading) - 1)
    parts, total = [list(leading)], start
    for c in used[len(leading) :]:
        if len(parts[-1]) > len(leading) and total + _GAP + widths[c] > limit:
            parts.append(list(leading))
            total = start
        parts[-1].append(c)
        total += _GAP + widths[c]
    return parts


def _shrink(widths: dict[int, int], least: Sequence[int], excess: int) -> None:
    """Take what is too much from the widest column of words, again and again, last from names."""
    for _ in range(excess):
        flexible = [c for c in widths if widths[c] > least[c]]
        if not flexible:
            return
        widths[max(flexible, key=lambda c: (c > 1, widths[c]))] -= 1


def number(value: float) -> str:
    """Return five significant digits, "-" for NaN."""
    return "-" if math.isnan(value) else f"{value:.5g}"


def with_error(value: float, error: float) -> str:
    """Return a number, with its statistical uncertainty unless that is NaN."""
    return number(value) if math.isnan(error) else f"{number(value)} ± {error:.2g}"


def decimals(value: float, digits: int = 2) -> str:
    """Format with a sign and a number of decimals, nothing for NaN; zero has no minus sign."""
    return "" if math.isnan(value) else f"{round(value, digits) + 0.0:+.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """Format with a sign, nothing for NaN."""
    return "" if math.isnan(value) else f"{value:+.{digits}g}"
