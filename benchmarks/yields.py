"""Time bands of yields of synthetic models next to one fit.

    python benchmarks/yields.py [--output FILE]

benchmarks/README.md says what each number is.
"""

from __future__ import annotations

import sys
from typing import Any

from common.run import Run, Stopwatch, Task, Timing, argument_parser, print_table, seconds_text
from scaling import Shape, make_likelihood

import nablafit as nf

SHAPES = (Shape(10, 10, 5, 40), Shape(20, 50, 5, 100), Shape(10, 100, 5, 400))


def measure(shape: Shape, stopwatch: Stopwatch) -> dict[str, Any]:
    """Return sizes, seconds, and the ratio to a fit."""
    likelihood = make_likelihood(shape)
    model, data = likelihood.model, likelihood.data
    result = nf.fit(likelihood)
    if not result.valid:
        raise RuntimeError(result.message)
    results = stopwatch.measure(
        {
            "fit": Task(lambda: nf.fit(likelihood)),
            "bands": Task(lambda: nf.yields(model, result, data=data)),
            "prefit": Task(lambda: nf.yields(model, data=data)),
            "jacobian": Task(lambda: model.yield_jacobian(result.x)),
        }
    )
    seconds = {name: t.median for name, t in results.items() if isinstance(t, Timing)}
    return {
        "bins": shape.n_bins,
        "rows": shape.n_bins * shape.samples,
        "parameters": model.n_parameters,
        "seconds": seconds,
        "fits": seconds["bands"] / seconds["fit"],
    }


def main() -> None:
    arguments = argument_parser(__doc__, workspaces="", seconds=0.5).parse_args()
    run = Run(arguments)
    stopwatch = Stopwatch(arguments.seconds, clock=arguments.clock)
    found = [measure(shape, stopwatch) for shape in SHAPES]
    header = ("bins", "rows", "parameters", "fit", "Jacobian", "pre-fit", "bands", "bands / fit")
    rows = []
    for f in found:
        sizes = (str(f["bins"]), str(f["rows"]), str(f["parameters"]))
        names = ("fit", "jacobian", "prefit", "bands")
        times = [seconds_text(f["seconds"][name]) for name in names]
        rows.append((*sizes, *times, f"{f['fits']:.2f}"))
    print_table("Yields with bands", header, rows)
    run.add(models=found)


if __name__ == "__main__":
    sys.exit(main())
