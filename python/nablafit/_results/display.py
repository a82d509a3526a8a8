"""Text and HTML of results."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from .rounding import pdg_round

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..result import FitResult

_MAX_ROWS = 200
HEADER = ("", "name", "value", "error", "pull", "constraint", "bounds", "")


def result_text(result: FitResult) -> str:
    """Lay out a fit result like iminuit: a box with the outcome, a table of parameters."""
    lines = [*outcome_lines(result), ""]
    rows = parameter_rows(result)
    lines += text_table(HEADER, rows[:_MAX_ROWS], "rlrrrrrl")
    if len(rows) > _MAX_ROWS:
        lines.append(f"{len(rows) - _MAX_ROWS} more parameters are in .values and .errors")
    return "\n".join(line.rstrip() for line in lines)


def result_html(result: FitResult) -> str:
    """Lay out the same as two HTML tables."""
    colour = "#e5f5e0" if result.valid else "#fee0d2"
    outcome = "".join(f"<div>{escape(line.strip())}</div>" for line in outcome_lines(result))
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADER)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in parameter_rows(result)
    )
    return (
        f'<div style="background:{colour};color:black;padding:0.5em">{outcome}</div>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def outcome_lines(result: FitResult) -> list[str]:
    """Say in a few lines how the fit ended."""
    verdict = "valid" if result.valid else f"NOT VALID ({result.status})"
    seconds = result.timings.get("total", math.nan)
    relative = f"-2 log L/L_saturated = {2 * result.value:.6g}"
    calls = f"{result.n_calls} calls, {result.n_gradients} gradients"
    effort = f"{calls}   {_duration(seconds)}"
    return [
        f"Fit with {result.minimizer}: {verdict}",
        f"  {result.message}",
        f"  -2 log L = {result.twice_nll:.6g}   {relative}   EDM = {result.edm:.2g}",
        f"  {result.n_free} of {len(result.parameters)} parameters free   {effort}",
    ]


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"


def parameter_rows(result: FitResult) -> list[tuple[str, ...]]:
    """Return one row of cells per parameter, as in the header of the table."""
    rows: list[tuple[str, ...]] = []
    errors, pulls = list(result.errors), list(result.pulls)
    for i, name in enumerate(result.parameters):
        value, error = pdg_round(float(result.x[i]), errors[i])
        has_pull = math.isfinite(pulls[i]) and not result.fixed[i]
        pull = f"{pulls[i]:+.2f}" if has_pull else ""
        shrink = errors[i] / float(result.prefit_errors[i])
        rows.append(
            (
                str(i),
                name,
                value,
                error,
                pull,
                f"{shrink:.2f}" if has_pull and math.isfinite(shrink) else "",
                f"[{result.lower[i]:.3g}, {result.upper[i]:.3g}]",
                "fixed" if result.fixed[i] else "at bound" if result.at_bound[i] else "",
            )
        )
    return rows


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Align cells in columns: `align` has one "l" or "r" per column."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(cells, widths, align, strict=True)
        )
        return "  ".join(padded)

    return [line(header), "─" * (sum(widths) + 2 * (len(widths) - 1)), *map(line, rows)]
