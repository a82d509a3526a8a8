"""Turn the record of quality.py into a page of tables and into plots.

python benchmarks/quality_report.py RECORD.json FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from common.plots import axes, legend_outside, save, style
from common.run import report_main
from quality import AGREEMENT, FITS, agreement_rows, fit_rows
from report import conditions, table

HEAD = """# Numerical quality: all numbers

From one run of `benchmarks/quality.py`. Deviations are relative: of values to the larger of 1 and
the value, of gradients and Hessians to their largest element. `docs/quality.md` says what they
mean.
"""
FLOOR = 1e-17  # where zeros are drawn


def markdown(record: dict[str, Any]) -> str:
    found = record["workspaces"].items()
    agreement = [[name, *row] for name, item in found for row in agreement_rows(item)]
    fits = [[name, *row] for name, item in found for row in fit_rows(item)]
    return "\n".join(
        [
            HEAD,
            conditions(record),
            "## Deviation from the default backend\n",
            table(["workspace", *AGREEMENT], agreement),
            "## MIGRAD at strategy 0 with each gradient, and at strategy 1 with its own\n",
            table(["workspace", "gradient from", *FITS[1:]], fits),
        ]
    )


def plot_steps(name: str, found: dict[str, Any], folder: Path) -> None:
    """Error of central differences against the step; the backends as lines."""
    scan = found["steps"]
    figure, ax = axes(8.2, 4.6)
    for index, (form, errors) in enumerate(scan["errors"].items()):
        known = [(s, e) for s, e in zip(scan["steps"], errors, strict=True) if e is not None]
        label = f"central differences, {form}"
        ax.plot(*zip(*known, strict=True), label=label, markersize=4, **style(index))
    for index, (backend, error) in enumerate(scan["backends"].items()):
        if backend == "forward":
            continue  # what all are compared with
        look = style(index + len(scan["errors"]))
        ax.axhline(max(error, FLOOR), color=look["color"], linewidth=1.2, label=backend)
    ax.set(xscale="log", yscale="log", xlabel="step of each parameter",
           ylabel="largest error / largest derivative", title=name)  # fmt: skip
    legend_outside(ax)
    save(figure, folder / f"quality_steps_{name}.png")


def plot_convergence(workspaces: dict[str, Any], folder: Path) -> None:
    """Distance of MIGRAD's minimum from the lowest, by gradient."""
    figure, ax = axes(8.2, 4.6)
    backends = list(dict.fromkeys(b for found in workspaces.values() for b in found["fits"]))
    for index, backend in enumerate(backends):
        fits = [found["fits"].get(backend) for found in workspaces.values()]
        known = [(i, max(f["above_lowest"], 1e-12)) for i, f in enumerate(fits) if f]
        x = [i + 0.08 * (index - len(backends) / 2) for i, _ in known]
        look = style(index)
        ax.plot(x, [y for _, y in known], linestyle="none", markersize=5, label=backend, **look)
        bad = [k for k, (i, _) in enumerate(known) if not fits[i]["valid"]]
        ax.plot([x[k] for k in bad], [known[k][1] for k in bad], linestyle="none", markersize=9,
                markerfacecolor="none", color="red", marker="o")  # fmt: skip
    ax.set_xticks(range(len(workspaces)), list(workspaces), rotation=25, ha="right", fontsize=8)
    ax.set(yscale="log", ylabel="above the lowest -2 log L")
    legend_outside(ax, "gradient from\n(red ring: not valid)")
    save(figure, folder / "quality_migrad.png")


def plots(record: dict[str, Any], folder: Path) -> None:
    workspaces = record["workspaces"]
    name = next(iter(workspaces))
    plot_steps(name, workspaces[name], folder)
    plot_convergence(workspaces, folder)


if __name__ == "__main__":
    sys.exit(report_main(__doc__, "quality.md", markdown, plots))
