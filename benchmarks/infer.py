"""Time upper limits and toy-based CLs next to pyhf.

    python benchmarks/infer.py WORKSPACE... [--toys N] [--pyhf-toys N] [--output FILE]

Workspaces without a signal get one. Times are processor times of all threads, ratios those of one
run. benchmarks/README.md says what each number is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common.run import Run, argument_parser, clocked, first_line, print_columns, seconds_text
from common.signals import with_signal

import nablafit as nf

ROUNDS = 5


class Rival:
    """pyhf with NumPy and MINUIT in their usual configuration."""

    def __init__(self, document: dict[str, Any]) -> None:
        import pyhf

        self._pyhf = pyhf
        pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer())
        workspace = pyhf.Workspace(document, validate=False)
        self._model = workspace.model(validate=False)
        self._data = workspace.data(self._model)

    def limits(self) -> list[float]:
        """Search for the six limits with the default tolerance."""
        found = self._pyhf.infer.intervals.upper_limits.upper_limit(self._data, self._model)
        return [float(found[0]), *map(float, found[1])]

    def toys(self, n: int) -> list[float]:
        """Draw and fit n toys with and n without signal; return the values of the statistic."""
        calculator = self._pyhf.infer.calculators.ToyCalculator(
            self._data, self._model, ntoys=n, track_progress=False
        )
        distributions = calculator.distributions(1.0)
        return [float(value) for d in distributions for value in d.samples]


def measure(path: Path, n_toys: int, n_pyhf_toys: int, skip: list[str]) -> dict[str, Any]:
    """Return times and limits of one workspace."""
    document = with_signal(path)
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    data = workspace.data(model)
    nf.upper_limit(model, data, n_threads=1)  # the first call does not count
    limit, _, seconds = clocked(lambda: nf.upper_limit(model, data, n_threads=1), ROUNDS)
    found: dict[str, Any] = {
        "sizes": {"parameters": model.n_parameters, "bins": model.n_bins},
        "limits": list(limit.limits),
        "status": limit.status,
        "fits": limit.n_fits,
        "limit": seconds,
    }
    test, _, seconds = clocked(
        lambda: nf.hypotest(model, data, calculator="toys", n_toys=n_toys, n_threads=1)
    )
    found |= {"toys": n_toys, "toy": seconds / (2 * n_toys), "cls": test.cls}
    found |= {"cls_error": test.cls_error, "failed_toys": sum(t.n_failed for t in test.toys)}
    if "pyhf" not in skip:
        found |= measure_pyhf(document, found, n_pyhf_toys)
    return found


def measure_pyhf(document: dict[str, Any], ours: Mapping[str, Any], n_toys: int) -> dict[str, Any]:
    rival = Rival(document)
    found: dict[str, Any] = {}
    try:
        limits, _, found["pyhf_limit"] = clocked(rival.limits)
    except Exception as error:  # noqa: BLE001
        found["pyhf_limit_failed"] = first_line(error)
    else:
        found["limit_ratio"] = found["pyhf_limit"] / ours["limit"]
        differences = np.abs(np.array(limits) / np.array(ours["limits"]) - 1)
        found["largest_difference"] = float(np.max(differences))
    if n_toys:
        *_, seconds = clocked(lambda: rival.toys(n_toys))
        found["pyhf_toy"] = seconds / (2 * n_toys)
        found["toy_ratio"] = found["pyhf_toy"] / ours["toy"]
    return found


def optional(key: str, text: Callable[[Any], str]) -> Callable[[dict[str, Any]], str]:
    return lambda f: text(f[key]) if key in f else "-"


def print_workspaces(found: Mapping[str, dict[str, Any]]) -> None:
    limits: dict[str, Callable[[dict[str, Any]], str]] = {
        "fits": lambda f: str(f["fits"]),
        "nablafit": lambda f: seconds_text(f["limit"]),
        "pyhf": lambda f: f.get("pyhf_limit_failed") or optional("pyhf_limit", seconds_text)(f),
        "pyhf / ours": optional("limit_ratio", "{:.0f}".format),
        "largest difference": optional("largest_difference", "{:.1e}".format),
    }
    print_columns("Observed and expected upper limits", "limits", found, limits)
    toys: dict[str, Callable[[dict[str, Any]], str]] = {
        "toys": lambda f: f"2 x {f['toys']}",
        "per toy": lambda f: seconds_text(f["toy"]),
        "pyhf per toy": optional("pyhf_toy", seconds_text),
        "pyhf / ours": optional("toy_ratio", "{:.0f}".format),
        "CLs": lambda f: f"{f['cls']:.4f} ± {f['cls_error']:.4f}",
        "failed": lambda f: str(f["failed_toys"]),
    }
    print_columns("CLs at 1 by toys", "toys", found, toys)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--toys", type=int, default=10_000, help="toys of each hypothesis (default: 10000)"
    )
    parser.add_argument(
        "--pyhf-toys", type=int, default=3, help="toys of each hypothesis with pyhf (default: 3)"
    )
    arguments = parser.parse_args()
    counts = (arguments.toys, arguments.pyhf_toys)
    run = Run(arguments, "cpu")
    print_workspaces(
        run.add_each(arguments.workspaces, lambda path: measure(path, *counts, arguments.skip))
    )


if __name__ == "__main__":
    sys.exit(main())
