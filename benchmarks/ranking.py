"""Time a full ranking by refits, next to cabinetry.

    python benchmarks/ranking.py WORKSPACE... [--parameters N] [--output FILE]

Every parameter is held at plus and minus its error before and after the fit. benchmarks/README.md
says what each number is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common.run import Run, argument_parser, clocked, print_columns, seconds_text
from common.signals import with_signal

import nablafit as nf
from nablafit.infer.impacts.ranking import VARIATIONS

REPEATS = 5


def measure(path: Path, n_rival: int) -> dict[str, Any]:
    """Return seconds of one workspace, everything with the same fit to begin with."""
    document = with_signal(path)
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    data = workspace.data(model)
    best = nf.fit(model, data)
    found: dict[str, Any] = {"valid_fit": best.valid}
    for n_threads in (1, 2):
        ranked, found[f"wall_{n_threads}"], found[f"cpu_{n_threads}"] = clocked(
            lambda n=n_threads: nf.ranking(model, data, result=best, n_threads=n), REPEATS
        )
    _, _, found["linear_cpu"] = clocked(
        lambda: nf.ranking(model, data, result=best, method="linear")
    )
    statuses = [status for row in ranked.statuses.values() for status in row]
    is_refit = [status not in ("no_prefit_width", "no_error", "fixed") for status in statuses]
    found |= {
        "parameters": len(ranked),
        "refits": sum(is_refit),
        "failed": sum(w.kind == "failed" for w in ranked.warnings),
    }
    return found | (measure_cabinetry(document, best, ranked, n_rival) if n_rival else {})


def measure_cabinetry(
    document: dict[str, Any], best: nf.FitResult, ranked: nf.infer.RankingResult, n: int
) -> dict[str, Any]:
    """Let cabinetry rank some parameters, evenly spread over the list."""
    import cabinetry
    import pyhf

    workspace = pyhf.Workspace(document)
    model = workspace.model(measurement_name=document["measurements"][0]["name"])
    data = workspace.data(model)
    constrained = [p for p in ranked.parameters if np.isfinite(best.prefit_errors[_at(best, p)])]
    chosen = constrained[:: max(1, len(constrained) // n)][:n]
    wanted = np.isin(model.config.par_names, chosen)
    widths = np.where(wanted, cabinetry.model_utils.prefit_uncertainties(model), 0.0)
    # It skips shifts of size zero, and so all other parameters.
    cabinetry.model_utils.prefit_uncertainties = lambda _: widths
    start = cabinetry.fit.FitResults(
        best.x, np.where(wanted, best.errors, 0.0), list(best.parameters), best.correlation, 0.0
    )
    assert tuple(model.config.par_names) == best.parameters
    theirs, wall, cpu = clocked(lambda: cabinetry.fit.ranking(model, data, fit_results=start))
    return {
        "cabinetry_parameters": chosen,
        "cabinetry_wall_per_refit": wall / (4 * len(chosen)),
        "cabinetry_cpu_per_refit": cpu / (4 * len(chosen)),
        "largest_difference": difference(theirs, ranked, chosen),
    }


def _at(best: nf.FitResult, name: str) -> int:
    return best.parameters.index(name)


def difference(theirs: Any, ours: nf.infer.RankingResult, names: Sequence[str]) -> float:  # noqa: ANN401
    """Return the largest difference of impacts, in errors of the parameter of interest."""
    largest = 0.0
    for name in names:
        i, j = theirs.labels.index(name), ours.parameters.index(name)
        for key in VARIATIONS:
            distance = abs(getattr(theirs, key)[i] - getattr(ours, key)[0, j])
            largest = max(largest, float(distance / ours.poi_errors[0]))
    return largest


def print_workspaces(found: dict[str, dict[str, Any]]) -> None:
    def rival(text: Callable[[dict[str, Any]], str], skipped: str = "-") -> Any:  # noqa: ANN401
        return lambda f: text(f) if "cabinetry_cpu_per_refit" in f else skipped

    def scaled(f: dict[str, Any]) -> float:
        return float(f["cabinetry_cpu_per_refit"] * f["refits"])

    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "parameters": lambda f: str(f["parameters"]),
        "refits": lambda f: str(f["refits"]),
        "failed": lambda f: str(f["failed"]),
        "1 thread": lambda f: seconds_text(f["wall_1"]),
        "CPU": lambda f: seconds_text(f["cpu_1"]),
        "2 threads": lambda f: seconds_text(f["wall_2"]),
        "linear, CPU": lambda f: seconds_text(f["linear_cpu"]),
        "cabinetry per refit, CPU": rival(
            lambda f: seconds_text(f["cabinetry_cpu_per_refit"]), "skipped"
        ),
        "all, scaled": rival(lambda f: seconds_text(scaled(f))),
        "cabinetry / ours (CPU)": rival(lambda f: f"{scaled(f) / f['cpu_1']:.0f}"),
        "largest difference": rival(lambda f: f"{f['largest_difference']:.1e} errors"),
    }
    print_columns("Rankings by refits", "ranking", found, columns)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--parameters", type=int, default=5, help="parameters to rank with cabinetry (default: 5)"
    )
    arguments = parser.parse_args()
    n_rival = 0 if "cabinetry" in arguments.skip else arguments.parameters
    run = Run(arguments, "wall and cpu")
    print_workspaces(run.add_each(arguments.workspaces, lambda path: measure(path, n_rival)))


if __name__ == "__main__":
    sys.exit(main())
