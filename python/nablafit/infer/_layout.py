"""How results of tests and limits look as text and as HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from .._results.display import text_table

__all__ = ["BANDS", "html_page", "number", "text_page", "with_error"]

BANDS = ("-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma")
"""Names of the entries of every array called `expected...`."""


def number(value: float) -> str:
    """Return five significant digits, "-" for NaN."""
    return "-" if math.isnan(value) else f"{value:.5g}"


def with_error(value: float, error: float) -> str:
    """Return a number, with its statistical uncertainty unless that is NaN."""
    return number(value) if math.isnan(error) else f"{number(value)} ± {error:.2g}"


def text_page(
    head: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]], align: str
) -> str:
    """Return lines, an empty line and a table."""
    lines = [*head, "", *text_table(header, rows, align)]
    return "\n".join(line.rstrip() for line in lines)


def html_page(
    head: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]], *, good: bool
) -> str:
    """Return the same as a box and a table of HTML."""
    colour = "#e5f5e0" if good else "#fee0d2"
    box = "".join(f"<div>{escape(line.strip())}</div>" for line in head)
    top = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div style="background:{colour};color:black;padding:0.5em">{box}</div>'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )
