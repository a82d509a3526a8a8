"""Time full fits with covariance: the native minimiser, MINUIT, pyhf and NextStat.

    python benchmarks/fit.py WORKSPACE... [--output FILE]

Everything is measured in one run and in turns. Minima are compared through nablafit's -2 log L at
the values that each tool found. benchmarks/README.md says what each number is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.rivals import Nablafit, Recorder, open_tools
from common.run import (
    Absent,
    Result,
    Stopwatch,
    compare,
    print_table,
    ratio,
    ratio_text,
    timing_text,
    to_record,
)

OURS = "nablafit newton"
RIVALS = (
    "nablafit MINUIT",
    "nablafit MINUIT+Hessian",
    "pyhf NumPy+MINUIT",
    "pyhf JAX+MINUIT",
    "pyhf JAX+SLSQP",
    "NextStat",
)


def measure(path: Path, stopwatch: Stopwatch, skip: list[str]) -> dict[str, Any]:
    """Return timings, outcomes and ratios of one workspace."""
    tools, absent = open_tools(path, skip)
    ours = tools["nablafit"]
    assert isinstance(ours, Nablafit)
    recorder = Recorder()
    fits = {name: task for tool in tools.values() for name, task in tool.fits().items()}
    tasks = {name: recorder.watch(name, task) for name, task in fits.items()}
    results: dict[str, Result] = {**stopwatch.measure(tasks), **absent}
    minima = {k: ours.twice_nll(outcome.values) for k, outcome in recorder.outcomes.items()}
    return {
        "sizes": {"parameters": ours.model.n_parameters, "bins": ours.model.n_bins},
        "results": results,
        "outcomes": recorder.outcomes,
        "above_lowest": {k: value - min(minima.values()) for k, value in minima.items()},
        "ratios": ratios(results, ours),
    }


def ratios(results: dict[str, Result], ours: Nablafit) -> dict[str, float | None]:
    """Return the times of the others over ours, and what the Hessian saves MIGRAD."""
    missing = Absent("not measured")
    newton = results.get(OURS, missing)
    found = {f"{name} / newton": ratio(results.get(name, missing), newton) for name in RIVALS}
    minuit = results.get("nablafit MINUIT", missing)
    pyhf_minuit = results.get("pyhf NumPy+MINUIT", missing)
    found["pyhf NumPy+MINUIT / nablafit MINUIT"] = ratio(pyhf_minuit, minuit)
    calls = ours.migrad_calls(hessian=True) / ours.migrad_calls(hessian=False)
    return {**found, "MIGRAD calls with Hessian / without": calls}


def print_workspace(name: str, found: dict[str, Any]) -> None:
    sizes = ", ".join(f"{n} {name}" for name, n in found["sizes"].items())
    rows = []
    for tool, result in found["results"].items():
        outcome = found["outcomes"].get(tool)
        if isinstance(result, Absent) or outcome is None:
            rows.append((tool, timing_text(result), *[""] * 5))
            continue
        counts = (outcome.n_iterations, outcome.n_calls, outcome.n_gradients)
        rows.append(
            (
                tool,
                timing_text(result),
                *("" if count is None else str(count) for count in counts),
                f"{found['above_lowest'][tool]:.1e}",
                ("valid" if outcome.says_valid else "NOT valid")
                + ("" if outcome.has_errors else ", no errors"),
            )
        )
    header = ("tool", "median (minimum)", "iterations", "calls", "gradients", "above", "says")
    print_table(f"{name}: {sizes}; above: the lowest -2 log L in this run", header, rows)


def print_ratios(found: dict[str, dict[str, Any]]) -> None:
    names = list(next(iter(found.values()))["ratios"])
    rows = [(name, *(ratio_text(f["ratios"][name]) for f in found.values())) for name in names]
    print_table("Ratios of medians", ("", *found), rows)


def to_document(found: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of one workspace for JSON."""
    fits = {}
    for tool, result in found["results"].items():
        fits[tool] = to_record(result)
        outcome = found["outcomes"].get(tool)
        if outcome is not None:
            counts = ("n_calls", "n_gradients", "n_iterations", "says_valid", "has_errors")
            fits[tool] |= {name: getattr(outcome, name) for name in counts}
            fits[tool]["above_lowest"] = found["above_lowest"][tool]
    return {"sizes": found["sizes"], "fits": fits, "ratios": found["ratios"]}


if __name__ == "__main__":
    compare(__doc__, measure, print_workspace, print_ratios, to_document)
