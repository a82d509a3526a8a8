"""Results as text and as HTML: lines about the outcome, then a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .._results.display import text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_ROWS = 200


def text_page(
    head: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]], align: str
) -> str:
    """Lay out lines and a table; `align` has one "l" or "r" per column."""
    lines = [*head, "", *text_table(header, rows[:_MAX_ROWS], align)]
    if len(rows) > _MAX_ROWS:
        lines.append(f"and {len(rows) - _MAX_ROWS} more rows")
    return "\n".join(line.rstrip() for line in lines)


def html_page(
    head: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]], *, valid: bool
) -> str:
    """Lay out the same as HTML, green if valid, red otherwise."""
    colour = "#e5f5e0" if valid else "#fee0d2"
    lines = "".join(f"<div>{escape(line.strip())}</div>" for line in head)
    names = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows[:_MAX_ROWS]
    )
    return (
        f'<div style="background:{colour};color:black;padding:0.5em">{lines}</div>'
        f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    )
