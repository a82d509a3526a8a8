"""Turn the record of hierarchy.py into a page of tables and into plots.

python benchmarks/hierarchy_report.py RECORD.json FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from common.plots import axes, dots, legend_outside, save, style
from common.run import report_main
from hierarchy import FITS, GRADIENTS, fit_rows, gradient_rows, is_there
from report import conditions, table

Model = dict[str, Any]

HEAD = """# Ways to get derivatives: all numbers

From `benchmarks/hierarchy.py`; `benchmarks/README.md` says what each number is, and `docs/gaps.md`
what they mean.
"""


def markdown(record: dict[str, Any]) -> str:
    parts = [HEAD, conditions(record)]
    for name, model in record["models"].items():
        sizes = model["sizes"]
        parts += [
            f"## {name}: {sizes['parameters']} parameters, {sizes['bins']} bins\n",
            table(GRADIENTS, list(gradient_rows(model["gradients"]))),
        ]
        if model["fits"]:
            parts.append(table(FITS, list(fit_rows(model["fits"]))))
    return "\n".join(parts)


# --- plots ---------------------------------------------------------------------------------------


def of_kind(record: dict[str, Any], kind: str) -> dict[str, Model]:
    return {name: m for name, m in record["models"].items() if m["kind"] == kind}


def plot_scaling(models: list[Model], folder: Path) -> None:
    """Time of a gradient, and its ratio to a value, against the number of parameters."""
    ways = list(models[0]["gradients"])
    for quantity, label, name in (
        ("time", "value and gradient (s)", "hierarchy_gradients.png"),
        ("ratio", "value and gradient / value of the same way", "hierarchy_ratios.png"),
    ):
        figure, ax = axes(8.2, 4.6)
        for index, way in enumerate(ways):
            known = [
                (m["sizes"]["parameters"], m["gradients"][way])
                for m in models
                if is_there(m["gradients"][way])
            ]
            if known:
                x = [n for n, _ in known]
                y = [
                    r["gradient"]["median"] if quantity == "time" else r["ratio"] for _, r in known
                ]
                ax.plot(x, y, label=way, markersize=4, linewidth=1.2, **style(index))
        if quantity == "ratio":
            ax.axhline(2.5, color="0.4", linewidth=0.8, linestyle="--")
        ax.set(xscale="log", yscale="log", xlabel="parameters", ylabel=label)
        legend_outside(ax)
        save(figure, folder / name)


def plot_fits(models: list[Model], folder: Path) -> None:
    """Time of a fit against the number of parameters; open where it was stopped or is not valid."""
    figure, ax = axes(8.6, 4.8)
    for index, name in enumerate(fit["name"] for fit in models[0]["fits"]):
        known = []
        for model in models:
            fit = next(f for f in model["fits"] if f["name"] == name)
            if "absent" not in fit:
                known.append((model["sizes"]["parameters"], fit["seconds"], fit["valid"]))
        if not known:
            continue
        look = style(index)
        ax.plot([k[0] for k in known], [k[1] for k in known], label=name, markersize=4,
                linewidth=1.0, **look)  # fmt: skip
        bad = [k for k in known if not k[2]]
        ax.plot([k[0] for k in bad], [k[1] for k in bad], linestyle="none", markersize=6,
                markerfacecolor="white", **look)  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="parameters", ylabel="time of a fit (s)")
    legend_outside(ax)
    save(figure, folder / "hierarchy_fits.png")


def plot_workspaces(models: dict[str, Model], folder: Path) -> None:
    """Gradients over clad's, and fits over the native minimiser's, of published workspaces."""
    first = next(iter(models.values()))
    gradients: dict[str, list[float | None]] = {name: [] for name in models}
    fits: dict[str, list[float | None]] = {name: [] for name in models}
    ways = [
        way
        for way in first["gradients"]
        if any(is_there(m["gradients"][way]) for m in models.values())
    ]
    names = [fit["name"] for fit in first["fits"]]
    for name, model in models.items():
        fastest = model["gradients"]["clad"]["gradient"]["median"]
        for way in ways:
            result = model["gradients"][way]
            there = is_there(result)
            gradients[name].append(result["gradient"]["median"] / fastest if there else None)
        by_name = {fit["name"]: fit for fit in model["fits"]}
        for fit_name in names:
            fit = by_name.get(fit_name, {})
            good = "seconds" in fit and fit["valid"]
            fits[name].append(fit["seconds"] / by_name["newton"]["seconds"] if good else None)
    dots(
        ways,
        gradients,
        "value and gradient, relative to clad",
        folder / "hierarchy_workspaces.png",
        1.0,
    )
    label = "time of a valid fit, relative to the native minimiser"
    dots(names, fits, label, folder / "hierarchy_workspace_fits.png", 1.0)


def by_size(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with its models ordered by the number of parameters."""
    models = sorted(record["models"].items(), key=lambda item: item[1]["sizes"]["parameters"])
    return {**record, "models": dict(models)}


def plots(record: dict[str, Any], folder: Path) -> None:
    synthetic = list(of_kind(record, "synthetic").values())
    workspaces = of_kind(record, "workspace")
    if synthetic:
        plot_scaling(synthetic, folder)
        if with_fits := [model for model in synthetic if model["fits"]]:
            plot_fits(with_fits, folder)
    if workspaces and next(iter(workspaces.values()))["fits"]:
        plot_workspaces(workspaces, folder)


if __name__ == "__main__":
    sys.exit(report_main(__doc__, "hierarchy.md", markdown, plots, prepare=by_size))
