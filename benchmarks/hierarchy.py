"""Compare ways to get derivatives, and what fits cost with each.

    python benchmarks/hierarchy.py [WORKSPACE ...] [--sizes 10,100,1000] [--output FILE]

Models are pyhf workspaces, and synthetic ones of the given numbers of parameters. For each way of
getting a gradient: the time of a value, of value and gradient, their ratio, and what setting it up
costs. For each fit: calls, time, and how far above the lowest minimum of all it ended. With --clad,
--clad-include and --clang, Clad differentiates the exported likelihood as one function.
benchmarks/README.md says more; hierarchy_report.py makes tables and plots.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common.minimisers import all_fits
from common.rivals import off_start
from common.run import (
    CLOCKS,
    Absent,
    Run,
    Stopwatch,
    Task,
    Timing,
    add_sizes,
    argument_parser,
    print_table,
    seconds_text,
    to_record,
)
from common.synthetic import synthetic_workspace
from common.ways import Way, make_ways

import nablafit as nf


def documents(options: argparse.Namespace) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the name, the kind and the pyhf JSON of each model."""
    for size in options.sizes:
        yield f"synthetic {size}", "synthetic", synthetic_workspace(size)
    for path in options.workspaces:
        yield path.stem, "workspace", json.loads(path.read_text(encoding="utf-8"))


def make_likelihood(document: dict[str, Any]) -> nf.Likelihood:
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    return model.likelihood(workspace.data(model))


def measure_gradients(
    likelihood: nf.Likelihood, ways: Mapping[str, Way | Absent], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Time value and gradient of every way, and compare the gradients with the default's."""
    x = off_start(likelihood.model)
    expected = likelihood.gradient(x)
    tasks: dict[str, Task] = {}
    for name, way in ways.items():
        if isinstance(way, Way):
            tasks[f"value of {name}"] = Task(lambda w=way: w.value(x))
            tasks[f"gradient of {name}"] = Task(lambda w=way: w.gradient(x))
    times = Stopwatch(options.seconds, clock=options.clock).measure(tasks)
    found: dict[str, dict[str, Any]] = {}
    for name, way in ways.items():
        if isinstance(way, Absent):
            found[name] = to_record(way)
            continue
        value, gradient = times[f"value of {name}"], times[f"gradient of {name}"]
        found[name] = {
            "value": to_record(value),
            "gradient": to_record(gradient),
            "setup_seconds": way.setup_seconds,
            "peak_bytes": way.peak_bytes,
            "source_bytes": way.source_bytes,
            "deviation": float(
                np.max(np.abs(way.gradient(x) - expected)) / np.max(np.abs(expected))
            ),
        }
        if isinstance(value, Timing) and isinstance(gradient, Timing):
            found[name]["ratio"] = gradient.median / value.median
    return found


def measure(kind: str, document: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return all numbers of one model."""
    likelihood = make_likelihood(document)
    with tempfile.TemporaryDirectory() as folder:
        ways = dict(make_ways(likelihood, document, Path(folder), options))
        gradients = measure_gradients(likelihood, ways, options)
        now = CLOCKS[options.clock]
        fits = [] if options.no_fits else list(all_fits(likelihood, ways, options.fit_seconds, now))
    lowest = min((fit["value"] for fit in fits if "value" in fit), default=0.0)
    for fit in fits:
        if "value" in fit:
            fit["above_lowest"] = 2.0 * (fit["value"] - lowest)
    sizes = {"parameters": likelihood.model.n_parameters, "bins": likelihood.model.n_bins}
    return {"kind": kind, "sizes": sizes, "gradients": gradients, "fits": fits}


GRADIENTS = (
    *("way", "value", "value and gradient", "ratio", "over clad", "set-up", "memory"),
    "deviation",
)
FITS = ("fit", "time", "over newton", "values", "gradients", "above lowest, -2 log L", "says")


def is_there(result: Mapping[str, Any]) -> bool:
    return "absent" not in result and "ratio" in result


def gradient_rows(found: Mapping[str, dict[str, Any]]) -> Iterator[list[str]]:
    """One row per way; ways that are absent say why."""
    fastest = found["clad"]["gradient"]["median"]
    for way, result in found.items():
        if not is_there(result):
            yield [way, f"absent: {result.get('absent', 'failed')}", *[""] * 6]
            continue
        peak = result["peak_bytes"]
        yield [
            way,
            seconds_text(result["value"]["median"]),
            seconds_text(result["gradient"]["median"]),
            f"{result['ratio']:.3g}",
            f"{result['gradient']['median'] / fastest:.3g}",
            seconds_text(result["setup_seconds"]),
            "" if peak is None else f"{peak / 1e6:.1f} MB",
            f"{result['deviation']:.0e}",
        ]


def fit_rows(fits: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """One row per fit."""
    newton = next(fit["seconds"] for fit in fits if fit["name"] == "newton")
    for fit in fits:
        if "absent" in fit:
            yield [fit["name"], f"absent: {fit['absent']}", *[""] * 5]
            continue
        yield [
            fit["name"],
            seconds_text(fit["seconds"]),
            f"{fit['seconds'] / newton:.3g}",
            str(fit["calls"]),
            str(fit["gradients"]),
            f"{fit['above_lowest']:.1e}" if "above_lowest" in fit else "",
            "stopped" if fit.get("stopped") else "valid" if fit["valid"] else "NOT valid",
        ]


def parse() -> argparse.Namespace:
    parser = argument_parser(__doc__, workspaces="*", seconds=0.2)
    add_sizes(parser, (10, 30, 100, 300, 1000, 2000, 5000))
    parser.add_argument(
        "--fit-seconds", type=float, default=10.0, help="seconds after which a fit is stopped"
    )
    parser.add_argument("--no-fits", action="store_true", help="time only gradients")
    parser.add_argument(
        "--compiler", default=shutil.which("c++"), help="compiler of the exported header"
    )
    parser.add_argument(
        "--compile-seconds", type=float, default=60.0, help="time limit of a compilation"
    )
    parser.add_argument(
        "--largest-export",
        type=float,
        default=2.0,
        metavar="MB",
        help="size limit of exported headers",
    )
    parser.add_argument(
        "--largest-jax", type=int, default=300, help="largest number of parameters with pyhf"
    )
    parser.add_argument("--clad", type=Path, help="Clad's plugin")
    parser.add_argument("--clad-include", type=Path, help="folder of Clad's headers")
    parser.add_argument("--clang", default="clang++", help="the clang that loads the plugin")
    return parser.parse_args()


def main() -> None:
    options = parse()
    run = Run(options)
    models: dict[str, Any] = {}
    run.add(fit_seconds=options.fit_seconds, models=models)
    for name, kind, document in documents(options):
        found = measure(kind, document, options)
        print_table(f"{name}: gradients", GRADIENTS, list(gradient_rows(found["gradients"])))
        if found["fits"]:
            print_table(f"{name}: fits", FITS, list(fit_rows(found["fits"])))
        models[name] = found
        run.add()


if __name__ == "__main__":
    sys.exit(main())
