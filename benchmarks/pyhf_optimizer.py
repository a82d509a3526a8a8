"""Time pyhf's own hypotest and fit with its MINUIT and on nablafit's core.

    python benchmarks/pyhf_optimizer.py WORKSPACE... [--output FILE]

Workspaces without a signal get one. benchmarks/README.md says what each number is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyhf
from common.run import Run, argument_parser, clocked, print_table, seconds_text
from common.signals import with_signal

from nablafit.interop.pyhf import optimizer

Outcome: TypeAlias = Any  # what pyhf returns


def load(path: Path) -> tuple[pyhf.Model, list[float]]:
    """Return model and data of a workspace, with a signal if it has none."""
    workspace = pyhf.Workspace(with_signal(path))
    model = workspace.model()
    return model, workspace.data(model)


def measure(path: Path, clock: str) -> dict[str, Any]:
    """Time both optimizers on one workspace, and compare what they return."""
    model, data = load(path)
    options: dict[str, Any] = {"test_stat": "qtilde", "return_expected_set": True}
    tasks: dict[str, Callable[[], Any]] = {
        "hypotest": lambda: pyhf.infer.hypotest(1.0, data, model, **options),
        "fit": lambda: pyhf.infer.mle.fit(
            data, model, return_fitted_val=True, return_uncertainties=True
        ),
    }
    ours, which = optimizer(), ("wall", "cpu").index(clock)
    found: dict[str, Any] = {"parameters": model.config.npars}
    pyhf.set_backend("numpy", ours)
    started = time.perf_counter()
    tasks["fit"]()
    found["first fit"] = time.perf_counter() - started
    for name, task in tasks.items():
        pyhf.set_backend("numpy", ours)
        value, *seconds = clocked(task, 5)
        pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer())
        try:
            reference, *theirs = clocked(task)
        except pyhf.exceptions.FailedMinimization as error:
            found[name] = {"ours": seconds[which], "pyhf": None, "reason": str(error)}
            continue
        both = {"ours": seconds[which], "pyhf": theirs[which]}
        found[name] = (
            both | {"ratio": both["pyhf"] / both["ours"]} | compare(name, value, reference)
        )
    return found


def compare(name: str, ours: Outcome, theirs: Outcome) -> dict[str, Any]:
    """Return CLs of both, or how much higher pyhf's minimum is."""
    if name == "fit":
        return {"pyhf above, -2 log L": float(theirs[1]) - float(ours[1])}
    expected = np.abs(np.array(ours[1]) - np.array(theirs[1]))
    return {
        "CLs": [float(ours[0]), float(theirs[0])],
        "difference": float(max(abs(ours[0] - theirs[0]), expected.max())),
    }


def print_workspaces(found: dict[str, dict[str, Any]]) -> None:
    header = ("", "parameters", "call", "nablafit", "pyhf MINUIT", "ratio", "agreement")
    rows = []
    for workspace, f in found.items():
        for name in ("hypotest", "fit"):
            t = f[name]
            if t["pyhf"] is None:
                rows.append((workspace, "", name, seconds_text(t["ours"]), "-", "-", t["reason"]))
                continue
            what = (
                f"CLs within {t['difference']:.1e}"
                if name == "hypotest"
                else f"pyhf above by {t['pyhf above, -2 log L']:.1e}"
            )
            times = (seconds_text(t["ours"]), seconds_text(t["pyhf"]))
            parameters = str(f["parameters"])
            rows.append((workspace, parameters, name, *times, f"{t['ratio']:.0f}", what))
    print_table("pyhf's functions", header, rows)


def main() -> None:
    arguments = argument_parser(__doc__).parse_args()
    run = Run(arguments)
    print_workspaces(
        run.add_each(arguments.workspaces, lambda path: measure(path, arguments.clock))
    )


if __name__ == "__main__":
    sys.exit(main())
