"""Time likelihoods whose yields are expressions: value, gradient, Hessian.

    python benchmarks/formulas.py [--bins N] [--against PYTHON] [--output FILE]

`--against` is the interpreter of another environment, with another version of nablafit; the two
work in turns. benchmarks/README.md says what each number is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from common.run import Run, Stopwatch, Task, Timing, argument_parser, print_table, seconds_text

import nablafit as nf
from nablafit import formulas
from nablafit import spec as s

POLYNOMIAL = "1 + c1*a + c1**2*b + c2*a*b + c1*c2*a + c3*b"
DENSITY = "n * exp(-k*x) + c*x"
ROUNDS = 3


def model_of(modifier: s.Modifier, n_bins: int) -> nf.Model:
    """Return one sample of 100 events per bin, times the modifier, on a flat background."""
    signal = s.Sample("signal", np.full(n_bins, 100.0), [modifier])
    background = s.Sample("background", np.full(n_bins, 50.0))
    names = modifier.parameters if isinstance(modifier, s.FormulaFactor) else [modifier.parameter]
    parameters = [s.Parameter(name, 0.3, -5.0, 5.0) for name in names]
    channel = s.Channel("c", [signal, background])
    return nf.Model(s.ModelSpec("formulas", [channel], parameters))


def models(n_bins: int) -> dict[str, nf.Model]:
    """Return the models that are compared."""
    edges = np.linspace(0.0, 5.0, n_bins + 1)
    a, b = np.linspace(0.1, 1.1, n_bins), np.linspace(0.2, 0.5, n_bins)
    polynomial = formulas.bin_factor("eft", POLYNOMIAL, ["c1", "c2", "c3"], a=a, b=b)
    density = formulas.bin_integral("density", DENSITY, ["n", "k", "c"], edges=edges)
    return {
        "norm factor": model_of(s.NormFactor("mu", "mu"), n_bins),
        "bin_factor, 3 parameters": model_of(polynomial, n_bins),
        "bin_integral, 3 parameters, 10 nodes": model_of(density, n_bins),
    }


def numpy_nll(n_bins: int) -> Task:
    """Return -log L of the polynomial as one would write it with NumPy."""
    a, b = np.linspace(0.1, 1.1, n_bins), np.linspace(0.2, 0.5, n_bins)
    counts = np.full(n_bins, 150.0)

    def value() -> float:
        c1 = c2 = c3 = 0.3
        yields = 100.0 * (1 + c1 * a + c1**2 * b + c2 * a * b + c1 * c2 * a + c3 * b) + 50.0
        return float(np.sum(yields - counts * np.log(yields)))

    return Task(value)


def tasks(n_bins: int) -> dict[str, Task]:
    """Return what is timed, as "model: quantity"."""
    result = {}
    for name, model in models(n_bins).items():
        likelihood = model.likelihood(model.asimov())
        x = np.array(model.initial) + 0.1
        result[f"{name}: value"] = Task(lambda f=likelihood, x=x: f(x))
        result[f"{name}: gradient"] = Task(lambda f=likelihood, x=x: f.value_and_gradient(x))
        result[f"{name}: Hessian"] = Task(lambda f=likelihood, x=x: f.hessian(x))
    return result | {"bin_factor, 3 parameters: value, NumPy": numpy_nll(n_bins)}


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Return seconds per call, the median over batches."""
    stopwatch = Stopwatch(arguments.seconds, clock=arguments.clock)
    found = stopwatch.measure(tasks(arguments.bins))
    return {name: timing.median for name, timing in found.items() if isinstance(timing, Timing)}


def measure_other(arguments: argparse.Namespace) -> dict[str, float]:
    """Do the same in the other environment."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "other.json"
        command = [arguments.against, __file__, "--bins", arguments.bins, "--output", output]
        command += ["--seconds", arguments.seconds, "--clock", arguments.clock]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        return dict(json.loads(output.read_text(encoding="utf-8"))["seconds"])


def combined(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(found[name] for found in rounds) for name in rounds[0]}


def parsed() -> argparse.Namespace:
    parser = argument_parser(__doc__, workspaces="", seconds=0.3)
    parser.add_argument("--bins", type=int, default=1000)
    parser.add_argument("--against", type=Path, metavar="PYTHON")
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    run = Run(arguments)
    ours, others = [], []
    for _ in range(ROUNDS if arguments.against else 1):
        ours.append(measure(arguments))
        if arguments.against:
            others.append(measure_other(arguments))
    found = {"seconds": combined(ours)}
    header, rows = (
        ["", "time per call"],
        [[k, seconds_text(t)] for k, t in found["seconds"].items()],
    )
    if others:
        found["seconds_against"] = combined(others)
        header += ["against", "ratio"]
        for row, (name, seconds) in zip(rows, found["seconds"].items(), strict=True):
            other = found["seconds_against"][name]
            row += [seconds_text(other), f"{other / seconds:.3g}"]
    print_table(f"{arguments.bins} bins", header, rows)
    run.add(bins=arguments.bins, **found)


if __name__ == "__main__":
    sys.exit(main())
