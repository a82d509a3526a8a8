"""Time value, gradient, Hessian and fit of synthetic models against their size.

    python benchmarks/scaling.py [--largest 16000] [--output FILE]

Three series: nuisance parameters with histograms, gammas, and models larger than the caches, whose
templates are compared with a plain read of as many bytes. benchmarks/README.md says what each
number is.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from common.run import (
    CLOCKS,
    Run,
    Stopwatch,
    Task,
    Timing,
    argument_parser,
    print_table,
    seconds_text,
)

import nablafit as nf
from nablafit import spec as s


@dataclass(frozen=True)
class Shape:
    """Size of a synthetic model; each channel has one gamma per bin, shared by its samples."""

    channels: int
    bins: int
    samples: int
    pulls: int

    @property
    def n_bins(self) -> int:
        """Bins of all channels, and gammas."""
        return self.channels * self.bins

    @property
    def template_bytes(self) -> int:
        """Nominal yields, and two numbers per bin of every variation."""
        return 8 * self.n_bins * self.samples * (1 + 2 * self.pulls)


def make_sample(shape: Shape, channel: int, index: int, random: np.random.Generator) -> s.Sample:
    """One sample that every pull changes in shape and in rate."""
    nominal = random.uniform(50.0, 150.0, shape.bins)
    gammas = [f"gamma_{channel}_{b}" for b in range(shape.bins)]
    modifiers: list[s.Modifier] = [s.StatError("stat", gammas, 0.05 * nominal)]
    if index == 0:
        modifiers.append(s.NormFactor("mu", "mu"))
    for k in range(shape.pulls):
        change = nominal * random.normal(0.0, 0.02, shape.bins)
        low, high = nominal - 0.9 * change, nominal + change
        modifiers.append(s.HistoSys(f"pull_{k}", f"pull_{k}", low, high))
        modifiers.append(s.NormSys(f"pull_{k}", f"pull_{k}", 0.98, 1.025))
    return s.Sample(f"sample_{index}", nominal, modifiers)


def make_likelihood(shape: Shape, seed: int = 1) -> nf.Likelihood:
    """Return a model with data drawn at its initial values."""
    random = np.random.default_rng(seed)
    channels = [
        s.Channel(f"channel_{c}", [make_sample(shape, c, i, random) for i in range(shape.samples)])
        for c in range(shape.channels)
    ]
    unit = s.GaussianConstraint(0.0, 1.0)
    gamma = s.GaussianConstraint(1.0, 0.05)
    parameters = [s.Parameter("mu", 1.0, 0.0, 10.0)]
    parameters += [
        s.Parameter(f"pull_{k}", 0.0, -5.0, 5.0, False, unit) for k in range(shape.pulls)
    ]
    parameters += [
        s.Parameter(f"gamma_{c}_{b}", 1.0, 1e-10, 10.0, False, gamma)
        for c in range(shape.channels)
        for b in range(shape.bins)
    ]
    model = nf.Model(nf.ModelSpec("synthetic", channels, parameters))
    return model.likelihood(nf.toys(model, n=1, seed=seed)[0])


def fit_task(likelihood: nf.Likelihood) -> Task:
    """Fit with errors, without the dense covariance of all gammas."""
    model, data = likelihood.model, likelihood.data

    def fit() -> None:
        found = nf.fit_many(model, data, n_threads=1)
        if not found.valid[0]:
            raise RuntimeError(found.status[0])

    return Task(fit)


def measure(shape: Shape, stopwatch: Stopwatch, *, dense: bool) -> dict[str, Any]:
    """Return sizes and seconds per call."""
    likelihood = make_likelihood(shape)
    x = np.array(likelihood.model.initial) + 0.01
    v = np.ones_like(x)
    tasks = {
        "value": Task(lambda: likelihood(x)),
        "gradient": Task(lambda: likelihood.value_and_gradient(x)),
        "hvp": Task(lambda: likelihood.hvp(x, v)),
        "fit": fit_task(likelihood),
    }
    if dense:
        tasks["hessian"] = Task(lambda: likelihood.hessian(x))
    results = stopwatch.measure(tasks)
    seconds = {k: t.median if isinstance(t, Timing) else None for k, t in results.items()}
    return {
        "pulls": shape.pulls,
        "gammas": shape.n_bins,
        "rows": shape.n_bins * shape.samples,
        "template_bytes": shape.template_bytes,
        "seconds": seconds,
    }


def cell(value: float | None) -> str:
    return "-" if value is None else seconds_text(value)


def print_series(title: str, found: list[dict[str, Any]]) -> None:
    header = ("pulls", "gammas", "rows", "value", "gradient", "ratio", "hvp", "Hessian", "fit")
    rows = []
    for f in found:
        t = f["seconds"]
        sizes = (str(f["pulls"]), str(f["gammas"]), str(f["rows"]))
        ratio = f"{t['gradient'] / t['value']:.2f}"
        times = (cell(t["hvp"]), cell(t.get("hessian")), cell(t["fit"]))
        rows.append((*sizes, cell(t["value"]), cell(t["gradient"]), ratio, *times))
    print_table(title, header, rows)


def measure_streaming(shape: Shape, n_rounds: int, clock: str) -> dict[str, Any]:
    """Compare value and gradient with a plain sum over as many bytes, in turns."""
    likelihood = make_likelihood(shape)
    x = np.array(likelihood.model.initial) + 0.01
    block = np.ones(shape.template_bytes // 8)
    now = CLOCKS[clock]
    times: dict[str, list[float]] = {"read": [], "gradient": []}
    for _ in range(n_rounds + 1):
        for name, call in (("read", block.sum), ("gradient", None)):
            started = now()
            _ = call() if call is not None else likelihood.value_and_gradient(x)
            times[name].append(now() - started)
    seconds = {name: float(np.median(values[1:])) for name, values in times.items()}
    return {
        "template_bytes": shape.template_bytes,
        "seconds": seconds,
        "ratio": seconds["gradient"] / seconds["read"],
        "bytes_per_second": shape.template_bytes / seconds["gradient"],
    }


def print_streaming(found: list[dict[str, Any]]) -> None:
    header = ("templates", "plain read", "value and gradient", "ratio", "GB/s")
    rows = [
        (
            f"{f['template_bytes'] / 2**20:.0f} MiB",
            cell(f["seconds"]["read"]),
            cell(f["seconds"]["gradient"]),
            f"{f['ratio']:.2f}",
            f"{f['bytes_per_second'] / 1e9:.1f}",
        )
        for f in found
    ]
    print_table("Models larger than the caches", header, rows)


def series(largest: int) -> dict[str, list[Shape]]:
    gammas = [n for n in (1000, 2000, 4000, 8000, 16000) if n <= largest]
    return {
        "Nuisance parameters": [Shape(10, 10, 5, pulls) for pulls in (10, 20, 40, 80, 160)],
        "Gammas": [Shape(n // 100, 100, 3, 20) for n in gammas],
    }


def main() -> None:
    parser = argument_parser(__doc__, workspaces="", seconds=0.5)
    parser.add_argument("--largest", type=int, default=16000, help="largest number of gammas")
    parser.add_argument(
        "--megabytes", type=int, nargs="*", default=[64, 256], help="sizes of templates"
    )
    arguments = parser.parse_args()
    run = Run(arguments)
    stopwatch = Stopwatch(arguments.seconds, clock=arguments.clock)
    found: dict[str, Any] = {}
    for title, shapes in series(arguments.largest).items():
        started = time.perf_counter()
        found[title] = [measure(x, stopwatch, dense=x.n_bins <= 2000) for x in shapes]
        print_series(f"{title} ({time.perf_counter() - started:.0f} s)", found[title])
    # 100 pulls: 201 numbers per bin and sample.
    megabyte = 2**20 / (8 * 201 * 5 * 500)
    counts = [max(1, round(size * megabyte)) for size in arguments.megabytes]
    sizes = [Shape(n, 500, 5, 100) for n in counts]
    found["Streaming"] = [measure_streaming(x, 10, arguments.clock) for x in sizes]
    print_streaming(found["Streaming"])
    run.add(**found)


if __name__ == "__main__":
    sys.exit(main())
