"""Fit toys of workspaces and compare each fit with the best from three other starts.

    python benchmarks/toy_minima.py DIRECTORY [--toys 300] [--seed 1] [--match TEXT]

Takes all workspaces below the directory: JSON, XML, ROOT files. Toys are drawn at the fit to the
data; the other starts are the initial values and two random ones. Fails if any fit is not valid, or
if more than 0.1 % end above the best of the others by more than 1e-3 in -2 log L. The ratio is the
processor time of the default starts to that of the usual start alone, once each: noisy where toys
take microseconds.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

import nablafit as nf
from nablafit import _core

SUFFIXES = (".json", ".xml", ".root")
# -2 log L by which a fit is above another; the largest fraction of such fits.
ABOVE = 1e-3
MOST_ABOVE = 1e-3
# Processor time in seconds for the toys of one workspace, with all their starts.
LONGEST = 60.0
FEWEST_TOYS = 20
PILOT = 10
HEADER = ("toys", "invalid", "above", "several", "lowered", "rescued", "ms", "ratio")


@dataclass
class Row:
    """Counts of one workspace; milliseconds per toy, and their ratio to the usual start alone."""

    n: int
    invalid: int
    above: int
    several: int
    lowered: int
    rescued: int
    milliseconds: float
    ratio: float

    @property
    def text(self) -> str:
        *counts, milliseconds, ratio = astuple(self)
        cells = [f"{count:8d}" for count in counts]
        return "".join([*cells, f"{milliseconds:9.3f}", f"{ratio:7.2f}"])


def workspaces(directory: Path, match: str) -> Iterator[tuple[str, nf.Model, nf.Data]]:
    """Yield what can be loaded and has data, by name."""
    for path in sorted(p for p in directory.rglob("*") if p.suffix in SUFFIXES):
        name = str(path.relative_to(directory))
        if match not in name:
            continue
        try:
            workspace = nf.Workspace.load(path)
            model = workspace.model()
            data = workspace.data(model)
        except nf.Error:  # channels of XML, inputs of other tools
            continue
        yield name, model, data


def other_starts(model: nf.Model, toys: nf.Toys, k: int) -> np.ndarray:
    """Return start `k` of every toy: the initial values, then random ones."""
    if k == 0:
        return np.asarray(model.initial)
    rows = [
        _core.draw_starts(
            model._core, np.ascontiguousarray(observables), n=1, seed=1000 * k + i, spread=1.0
        )
        for i, observables in enumerate(toys.global_observables)
    ]
    return np.concatenate(rows)


def check(model: nf.Model, data: nf.Data, n: int, seed: int) -> Row:
    """Fit toys of one workspace, fewer if they take long."""
    point = nf.fit(model, data).x
    started = time.process_time()
    nf.fit_many(model, nf.toys(model, point, PILOT, seed), errors=False, n_threads=1)
    each = (time.process_time() - started) / PILOT
    n = min(n, max(FEWEST_TOYS, int(LONGEST / 5 / each)))
    toys = nf.toys(model, point, n, seed)
    times = []
    for starts in (0, None):
        started = time.process_time()
        found = nf.fit_many(model, toys, errors=False, starts=starts, n_threads=1)
        times.append(time.process_time() - started)
    best = np.full(n, np.inf)
    rows = np.concatenate([toys.counts, toys.global_observables], axis=1)
    for k in range(3):
        initial = other_starts(model, toys, k)
        other = nf.fit_many(model, rows, initial=initial, errors=False, starts=0)
        best = np.fmin(best, np.where(other.valid, other.value, np.inf))
    above = int(np.sum(found.valid & (2.0 * (found.value - best) > ABOVE)))
    invalid = int(np.sum(~found.valid))
    counts = (found.n_several, found.n_lowered, found.n_rescued)
    return Row(n, invalid, above, *counts, 1e3 * times[1] / n, times[1] / times[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--toys", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--match", default="")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'workspace':60}" + "".join(f"{name:>8}" for name in HEADER))
    found = []
    for name, model, data in workspaces(arguments.directory, arguments.match):
        try:
            found.append(check(model, data, arguments.toys, arguments.seed))
        except nf.ArgumentError as error:  # no toys can be drawn
            print(f"{name:60} {error}", flush=True)
            continue
        print(f"{name[-60:]:60}{found[-1].text}", flush=True)
    n, invalid, above = (
        sum(getattr(row, name) for row in found) for name in ("n", "invalid", "above")
    )
    print(f"{n} toys of {len(found)} workspaces: {invalid} not valid, {above} above the best start")
    return int(n == 0 or invalid > 0 or above > MOST_ABOVE * n)


if __name__ == "__main__":
    sys.exit(main())
