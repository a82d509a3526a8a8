"""Time toys: generation, and fits to them in one and two threads, next to pyhf.

    python benchmarks/toys.py WORKSPACE... [--toys N] [--output FILE]

Toys are drawn at the best fit of the observed data. benchmarks/README.md says what each number is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common.rivals import Nablafit, Pyhf
from common.run import Run, argument_parser, clocked, print_columns, seconds_text

import nablafit as nf

WARM_UP = 10  # fits before the clock runs


def measure(path: Path, n: int, n_pyhf: int) -> dict[str, Any]:
    """Return seconds per toy of one workspace."""
    ours = Nablafit(path)
    model = ours.model
    best = nf.fit(ours.likelihood).x
    toys, wall, _ = clocked(lambda: nf.toys(model, best, n, 1, n_threads=1))
    nf.fit_many(model, nf.toys(model, best, WARM_UP, 1), n_threads=1)
    found: dict[str, Any] = {"toys": n, "generate": wall / n}
    rounds: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(3):
        for n_threads, times in rounds.items():
            fits, *both = clocked(lambda k=n_threads: nf.fit_many(model, toys, n_threads=k))
            times.append((both[0] / n, both[1] / n))
    for n_threads, times in rounds.items():
        wall_times, cpu_times = zip(*times, strict=True)
        found[f"wall_{n_threads}"] = float(np.median(wall_times))
        found[f"cpu_{n_threads}"] = float(np.median(cpu_times))
    found["speedup"] = found["wall_1"] / found["wall_2"]
    found["iterations"] = float(fits.iterations.mean())
    found["valid"] = float(fits.valid.mean())
    found |= measure_pyhf(path, toys, fits, n_pyhf)
    return found


def measure_pyhf(path: Path, toys: nf.Toys, ours: nf.FitManyResult, n: int) -> dict[str, Any]:
    """Fit the first toys with pyhf: NumPy and MINUIT with HESSE, its usual configuration."""
    if n == 0:
        return {"pyhf_wall": None, "pyhf_cpu": None, "pyhf_above": None}
    theirs = Pyhf(path, "numpy")
    theirs.enter(theirs.minuit())
    (above, n_good), wall, cpu = clocked(lambda: fit_with_pyhf(theirs, toys, ours, n))
    return {"pyhf_wall": wall / n, "pyhf_cpu": cpu / n, "pyhf_above": above, "pyhf_valid": n_good}


def fit_with_pyhf(
    theirs: Pyhf, toys: nf.Toys, ours: nf.FitManyResult, n: int
) -> tuple[float, float]:
    """Return how far above our minimum pyhf's is at most, and the fraction of its good fits."""
    above, n_good = 0.0, 0
    for i in range(n):
        data = np.concatenate([toys.counts[i], toys.global_observables[i]])
        value = theirs.fit_data(data)
        if value is not None:
            n_good += 1
            above = max(above, value - ours.twice_nll[i])
    return above, n_good / n


def print_workspaces(found: dict[str, dict[str, Any]]) -> None:
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "generate": lambda f: seconds_text(f["generate"]),
        "fit, 1 thread": lambda f: seconds_text(f["wall_1"]),
        "CPU": lambda f: seconds_text(f["cpu_1"]),
        "fit, 2 threads": lambda f: seconds_text(f["wall_2"]),
        "speed-up": lambda f: f"{f['speedup']:.2f}",
        "iterations": lambda f: f"{f['iterations']:.1f}",
        "valid": lambda f: f"{100 * f['valid']:.1f} %",
        "pyhf": lambda f: "-" if f["pyhf_cpu"] is None else seconds_text(f["pyhf_wall"]),
        "pyhf / ours (CPU)": lambda f: (
            "-" if f["pyhf_cpu"] is None else f"{f['pyhf_cpu'] / f['cpu_1']:.0f}"
        ),
    }
    print_columns("Toys", "per toy", found, columns)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--toys", type=int, default=1000, help="toys to fit (default: 1000)")
    parser.add_argument(
        "--pyhf-toys", type=int, default=3, help="toys to fit with pyhf (default: 3)"
    )
    arguments = parser.parse_args()
    n_pyhf = 0 if "pyhf" in arguments.skip else arguments.pyhf_toys
    run = Run(arguments, "wall and cpu")
    print_workspaces(
        run.add_each(arguments.workspaces, lambda path: measure(path, arguments.toys, n_pyhf))
    )


if __name__ == "__main__":
    sys.exit(main())
