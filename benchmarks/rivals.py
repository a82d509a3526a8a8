"""Compare whole tools: loading, values, gradients, fits with covariance, CLs, toys.

    python benchmarks/rivals.py WORKSPACE... [--output FILE]

nablafit next to pyhf (NumPy, JAX), RooFit, NextStat and, on a model of templates alone, iminuit's
own cost functions. Workspaces without a signal get one. Each tool is used as its documentation
says it is fastest; what a tool cannot do, and what fails, is said. benchmarks/README.md says what
each number is; rivals_report.py makes tables and plots.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from common.rivals import Nablafit, Recorder, off_start, open_tools
from common.roofit import RooFit
from common.run import (
    CLOCKS,
    Absent,
    Result,
    Run,
    Stopwatch,
    Task,
    argument_parser,
    first_line,
    print_table,
    seconds_text,
    to_record,
)
from common.signals import normalisations, with_signal
from common.templates import measure_templates

import nablafit as nf

QUANTITIES = ("load", "value", "gradient", "fit with covariance", "CLs", "toy")
LOAD, VALUE, GRADIENT, FIT, CLS, TOY = QUANTITIES
OURS = "nablafit"
# Fits without errors are not comparable with those with errors.
FITS = {
    "nablafit newton": OURS,
    "pyhf NumPy+MINUIT": "pyhf NumPy",
    "pyhf JAX+MINUIT": "pyhf JAX",
    "NextStat": "NextStat",
    "RooFit+MINUIT": "RooFit",
}
SHORT = {
    "pyhf, not validated": "pyhf NumPy",
    "pyhf NumPy": "pyhf NumPy",
    "pyhf JAX, jitted": "pyhf JAX",
    "NextStat, gradient only": "NextStat",
}


def open_all(path: Path, poi: str, skip: list[str]) -> tuple[dict[str, Any], dict[str, Absent]]:
    """Open a workspace with every tool that is there; ours comes first."""
    tools, absent = open_tools(path, skip)
    found: dict[str, Any] = dict(tools)
    if "RooFit" in skip:
        absent["RooFit"] = Absent("skipped")
        return found, absent
    try:
        ours = found[OURS]
        found["RooFit"] = RooFit(path, poi, ours.model.parameters)
    except Exception as error:  # noqa: BLE001
        absent["RooFit"] = Absent(first_line(error))
    return found, absent


def collect(tools: Mapping[str, Any]) -> tuple[dict[str, dict[str, Task]], dict[str, Any]]:
    """Return the tasks that are timed in turns, by quantity and tool, and what is absent."""
    ours: Nablafit = tools[OURS]
    x = off_start(ours.model)
    tasks: dict[str, dict[str, Task]] = {name: {} for name in QUANTITIES[:4]}
    missing: dict[str, dict[str, Absent]] = {name: {} for name in QUANTITIES}
    for tool in tools.values():
        for quantity, found in (
            (LOAD, tool.loads()),
            (VALUE, tool.values(x)),
            (GRADIENT, tool.gradients(x)),
        ):
            for name, task in found.items():
                if name == "pyhf, validated":
                    continue
                target = missing if isinstance(task, Absent) else tasks
                target[quantity][SHORT.get(name, name)] = task  # type: ignore[index]
        tasks[FIT] |= {FITS[name]: task for name, task in tool.fits().items() if name in FITS}
    return tasks, missing


def inference(
    tools: Mapping[str, Any], n_toys: Mapping[str, int]
) -> dict[str, dict[str, tuple[Callable[[], Any], int]]]:
    """Return CLs and toys of each tool, as calls and numbers of toys."""
    best = nf.fit(tools[OURS].likelihood).x
    numbers = {name: n_toys.get(name, n_toys["others"]) for name in tools}
    return {
        CLS: {name: (tool.cls, 1) for name, tool in tools.items()},
        TOY: {
            name: (lambda t=tool, n=numbers[name]: t.toys(best, n), numbers[name])
            for name, tool in tools.items()
        },
    }


def timed_once(
    call: Callable[[], Any], n: int, now: Callable[[], float]
) -> tuple[dict[str, Any], Any]:
    """Time one call after a short one that warms up; return seconds per item."""
    started = now()
    try:
        value = call()
    except Exception as error:  # noqa: BLE001
        return {"absent": first_line(error)}, None
    return {"median": (now() - started) / n, "items": n}, value


def measure(path: Path, arguments: Any, stopwatch: Stopwatch) -> dict[str, Any]:  # noqa: ANN401
    """Return all numbers of one workspace."""
    document = with_signal(path)
    poi = document["measurements"][0]["config"]["poi"]
    assert poi in normalisations(document)
    now = CLOCKS[arguments.clock]
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / path.name
        own.write_text(json.dumps(document), encoding="utf-8")
        tools, absent = open_all(own, poi, arguments.skip)
        tasks, missing = collect(tools)
        fits = Recorder()
        tasks[FIT] = {name: fits.watch(name, task) for name, task in tasks[FIT].items()}
        results: dict[str, dict[str, Any]] = {}
        for quantity, group in tasks.items():
            timed: dict[str, Result] = {**stopwatch.measure(group), **missing[quantity], **absent}
            results[quantity] = {name: to_record(result) for name, result in timed.items()}
        values: dict[str, float] = {}
        n_toys = {OURS: arguments.toys, "NextStat": arguments.toys, "others": arguments.few_toys}
        for quantity, calls in inference(tools, n_toys).items():
            results[quantity] = {name: to_record(a) for name, a in absent.items()}
            for name, (call, n) in calls.items():
                if quantity == CLS:
                    call()  # compiles what is compiled
                record, value = timed_once(call, n, now)
                results[quantity][name] = record
                if value is not None and quantity == CLS:
                    values[name] = float(value)
                elif value is not None:
                    record["valid"] = int(value) / n
        ours: Nablafit = tools[OURS]
        minima = {name: ours.twice_nll(o.values) for name, o in fits.outcomes.items()}
    for name, outcome in fits.outcomes.items():
        results[FIT][name]["above_lowest"] = minima[name] - min(minima.values())
        results[FIT][name]["says_valid"] = outcome.says_valid
    for name, value in values.items():
        results[CLS][name]["value"] = value
    sizes = {"parameters": ours.model.n_parameters, "bins": ours.model.n_bins}
    return {"sizes": sizes, "results": results}


def cell(result: Mapping[str, Any] | None, ours: Mapping[str, Any]) -> str:
    """Time, in brackets its ratio to ours, and what the tool found."""
    if result is None:
        return ""
    if "absent" in result:
        return f"absent: {result['absent']}"
    text = seconds_text(result["median"])
    if result is not ours and "median" in ours:
        text += f" ({result['median'] / ours['median']:.3g})"
    if "above_lowest" in result:
        text += f"; {max(result['above_lowest'], 0.0):.0e}"
        text += "" if result["says_valid"] else ", NOT valid"
    if "value" in result:
        text += f"; CLs {result['value']:.6f}"
    if "valid" in result:
        text += f"; {result['valid']:.0%} of {result['items']} valid"
    return text


def print_workspace(name: str, found: Mapping[str, Any]) -> None:
    rows = [
        (quantity, tool, cell(result, results[OURS]))
        for quantity, results in found["results"].items()
        for tool, result in results.items()
    ]
    sizes = ", ".join(f"{n} {what}" for what, n in found["sizes"].items())
    print_table(f"{name}: {sizes}; in brackets over nablafit", ("", "tool", "time"), rows)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--toys", type=int, default=200, help="toys of nablafit and NextStat")
    parser.add_argument(
        "--few-toys", type=int, default=3, help="toys of the other tools, which are slow"
    )
    arguments = parser.parse_args()
    run = Run(arguments)
    # Few batches: before each, pyhf's backend changes, which takes 0.1 s with JAX.
    stopwatch = Stopwatch(arguments.seconds, most=15, clock=arguments.clock)
    run.add_each(
        arguments.workspaces, lambda path: measure(path, arguments, stopwatch), print_workspace
    )
    templates = measure_templates(stopwatch)
    title = f"Templates alone: {templates['bins']} bins, {templates['samples']} samples"
    print_table(title, TEMPLATES, template_rows(templates))
    run.add(templates=templates)


TEMPLATES = ("fit with covariance", "time", "above lowest, -2 log L", "says")


def template_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """One row per fit of the templates."""
    return [
        [
            name,
            seconds_text(fit["seconds"]["median"]),
            f"{max(fit['above_lowest'], 0.0):.0e}",
            "valid" if fit["valid"] else "NOT valid",
        ]
        for name, fit in found["fits"].items()
    ]


if __name__ == "__main__":
    sys.exit(main())
