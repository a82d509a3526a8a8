"""Time loading, values, gradients and MIGRAD fits of workspaces, next to pyhf and NextStat.

    python benchmarks/evaluate.py WORKSPACE... [--output FILE]

Everything is measured in one run and in turns; only ratios mean something on another machine.
benchmarks/README.md says what each number is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.rivals import Nablafit, Point, Tool, off_start, open_tools
from common.run import (
    Absent,
    Result,
    Stopwatch,
    Task,
    compare,
    print_table,
    ratio,
    ratio_text,
    timing_text,
    to_record,
)

QUANTITIES = ("load and build", "value", "value and gradient", "fit: MIGRAD and HESSE")
# Ratio, numerator (quantity, tool), denominator (quantity, tool).
LOAD, VALUE, GRADIENT, FIT = QUANTITIES
RATIOS = (
    ("gradient / value", (GRADIENT, "nablafit"), (VALUE, "nablafit")),
    ("pyhf JAX gradient / ours", (GRADIENT, "pyhf JAX, jitted"), (GRADIENT, "nablafit")),
    ("pyhf NumPy value / our gradient", (VALUE, "pyhf NumPy"), (GRADIENT, "nablafit")),
    ("NextStat gradient / ours", (GRADIENT, "NextStat, gradient only"), (GRADIENT, "nablafit")),
    ("pyhf NumPy MIGRAD / ours", (FIT, "pyhf NumPy+MINUIT"), (FIT, "nablafit MINUIT")),
    ("pyhf load, validated / ours", (LOAD, "pyhf, validated"), (LOAD, "nablafit")),
    ("NextStat load / ours", (LOAD, "NextStat"), (LOAD, "nablafit")),
)


def tasks_of(tools: dict[str, Tool], x: Point) -> dict[str, dict[str, Task]]:
    """Return what is timed, by quantity and tool."""
    tasks: dict[str, dict[str, Task]] = {name: {} for name in QUANTITIES}
    for tool in tools.values():
        tasks[LOAD] |= tool.loads()
        tasks[VALUE] |= tool.values(x)
        tasks[GRADIENT] |= tool.gradients(x)
        migrad = {name: task for name, task in tool.fits().items() if name.endswith("MINUIT")}
        tasks[FIT] |= migrad
    return tasks


def measure(path: Path, stopwatch: Stopwatch, skip: list[str]) -> dict[str, Any]:
    """Return all results for one workspace."""
    tools, absent = open_tools(path, skip)
    ours = tools["nablafit"]
    assert isinstance(ours, Nablafit)
    tasks = tasks_of(tools, off_start(ours.model))
    results: dict[str, dict[str, Result]] = {
        quantity: {**stopwatch.measure(group), **absent} for quantity, group in tasks.items()
    }
    ratios = {name: find_ratio(results, *pair) for name, *pair in RATIOS}
    sizes = {"parameters": ours.model.n_parameters, "bins": ours.model.n_bins}
    return {"sizes": sizes, "results": results, "ratios": ratios}


def find_ratio(
    results: dict[str, dict[str, Result]], slow: tuple[str, str], fast: tuple[str, str]
) -> float | None:
    """Return a ratio of two results, None where one of them is missing."""
    missing = Absent("not measured")
    return ratio(
        results[slow[0]].get(slow[1], missing),
        results[fast[0]].get(fast[1], missing),
    )


def print_workspace(name: str, found: dict[str, Any]) -> None:
    sizes = ", ".join(f"{n} {name}" for name, n in found["sizes"].items())
    rows = []
    for quantity, results in found["results"].items():
        for tool, result in results.items():
            rows.append((quantity, tool, timing_text(result)))
            quantity = ""
    print_table(f"{name}: {sizes}; median (minimum)", ("", "tool", "time per call"), rows)


def print_ratios(found: dict[str, dict[str, Any]]) -> None:
    rows = [
        (name, *(ratio_text(result["ratios"][ratio_name]) for ratio_name, *_ in RATIOS))
        for name, result in found.items()
    ]
    header = ("workspace", *(name for name, *_ in RATIOS))
    print_table("Ratios of medians; above 1 the other tool is slower", header, rows)


def to_document(found: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of one workspace for JSON."""
    results = {
        quantity: {tool: to_record(timing) for tool, timing in group.items()}
        for quantity, group in found["results"].items()
    }
    return {**found, "results": results}


if __name__ == "__main__":
    compare(__doc__, measure, print_workspace, print_ratios, to_document)
