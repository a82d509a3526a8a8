"""What the plots of benchmark results share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt

# Paul Tol's "bright" and "muted", which readers with colour blindness tell apart.
COLOURS = (
    "#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#000000", "#882255",
    "#DDCC77", "#117733", "#999933", "#332288", "#AA4499",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "p", "*", "d")


def axes(width: float = 7.0, height: float = 4.6) -> tuple[Any, Any]:
    """Return a figure with one set of axes and a light grid."""
    figure, ax = plt.subplots(figsize=(width, height), layout="constrained")
    ax.grid(visible=True, which="major", linewidth=0.4, color="0.85")
    ax.set_axisbelow(True)
    return figure, ax


def style(index: int) -> dict[str, Any]:
    """Return colour and marker of one series."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def save(figure: Any, path: Path) -> None:  # noqa: ANN401
    """Write a PNG without a date in it, and close."""
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def legend_outside(ax: Any, title: str | None = None) -> None:  # noqa: ANN401
    """Put the legend to the right of the axes."""
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False, title=title)


def dots(
    rows: Sequence[str],
    series: dict[str, Sequence[float | None]],
    xlabel: str,
    path: Path,
    reference: float | None = None,
) -> None:
    """Draw one row of dots per name on a logarithmic axis, one series per colour."""
    figure, ax = axes(8.2, 0.9 + 0.3 * len(rows))
    places = range(len(rows))
    for index, (name, values) in enumerate(series.items()):
        known = [(v, p) for v, p in zip(values, places, strict=True) if v is not None]
        if known:
            x, y = zip(*known, strict=True)
            ax.plot(x, y, linestyle="none", markersize=5, label=name, alpha=0.9, **style(index))
    if reference is not None:
        ax.axvline(reference, color="0.4", linewidth=0.8)
    ax.set_xscale("log")
    ax.set_yticks(list(places), rows, fontsize=8)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel(xlabel)
    legend_outside(ax)
    save(figure, path)
