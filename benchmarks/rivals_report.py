"""Turn the record of rivals.py into a page of tables and into plots.

python benchmarks/rivals_report.py RECORD.json FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from common.plots import dots
from common.run import report_main
from report import conditions, table
from rivals import TEMPLATES, cell, template_rows

TOOLS = ("nablafit", "pyhf NumPy", "pyhf JAX", "RooFit", "NextStat")

HEAD = """# Rivals: all numbers

From one run of `benchmarks/rivals.py`; `benchmarks/README.md` says what each number covers and how
each tool is used. Times, and in brackets their ratio to nablafit's. Fits: then how far above the
lowest -2 log L of the run they ended, all minima evaluated by one function. Whatever did not work
says why.
"""


def markdown(record: dict[str, Any]) -> str:
    parts = [HEAD, conditions(record)]
    for name, found in record["workspaces"].items():
        sizes, results = found["sizes"], found["results"]
        rows = [
            [quantity, *(cell(by_tool.get(tool), by_tool["nablafit"]) for tool in TOOLS)]
            for quantity, by_tool in results.items()
        ]
        parts += [
            f"## {name}: {sizes['parameters']} parameters, {sizes['bins']} bins\n",
            table(["", *TOOLS], rows),
        ]
    templates = record.get("templates")
    if templates:
        parts += [
            f"## iminuit's costs: {templates['samples']} templates, {templates['bins']} bins\n",
            table(TEMPLATES, template_rows(templates)),
        ]
    return "\n".join(parts)


def plot(record: dict[str, Any], folder: Path) -> None:
    """One row per quantity and workspace, one colour per tool: times over nablafit's."""
    rows: list[str] = []
    series: dict[str, list[float | None]] = {tool: [] for tool in TOOLS[1:]}
    quantities = list(next(iter(record["workspaces"].values()))["results"])
    for quantity in quantities:
        for name, found in record["workspaces"].items():
            by_tool = found["results"][quantity]
            rows.append(f"{quantity}: {name}")
            for tool, values in series.items():
                result = by_tool.get(tool, {})
                is_known = "median" in result and result.get("says_valid", True)
                values.append(
                    result["median"] / by_tool["nablafit"]["median"] if is_known else None
                )
    dots(rows, series, "time relative to nablafit (line)", folder / "rivals.png", 1.0)


if __name__ == "__main__":
    sys.exit(report_main(__doc__, "rivals.md", markdown, plot))
