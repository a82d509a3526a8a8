"""The plots of the gallery: functions whose source stands below the plot that they return."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np

import nablafit as nf
from nablafit import plot

WORKSPACE = Path(__file__).resolve().parents[2] / "examples" / "multichannel.json"

workspace = nf.Workspace.load(WORKSPACE)
model = workspace.model()
data = workspace.data(model)
result = nf.fit(model, data)
label = plot.Label(experiment="Example", energy=13, luminosity=139)


def yields() -> plot.StyledFigure:
    """Data and post-fit expectation of a region.

    The band has all correlations between bins and samples; the dashed line is the sum before the
    fit.
    """
    after = nf.yields(model, result, data=data)
    before = nf.yields(model, data=data)
    return plot.yields(after, prefit=before, channel="SR_3b", label=label)


def pulls() -> plot.StyledFigure:
    """Pulls and constraints.

    Bins of the simulation are left out by a pattern.
    """
    table = nf.pulls(result, exclude=["mc_stat_*", "fakes_stat_*"])
    return plot.pulls(table, label=label)


def ranking() -> plot.StyledFigure:
    """Ranking of nuisance parameters.

    Impacts before and after the fit are bars, pulls are points.
    """
    ranked = nf.ranking(model, data, result=result)
    return plot.ranking(ranked, n_max=15, label=label)


def breakdown() -> plot.StyledFigure:
    """Uncertainty by source.

    Groups are patterns; by default, what parameters do.
    """
    groups = {"jets": "jet_*", "generator": "ttbar_*", "simulation": "mc_stat_*"}
    return plot.breakdown(nf.breakdown(model, data, groups=groups, result=result), label=label)


def correlation() -> plot.StyledFigure:
    """Correlations above a threshold.

    Related parameters stand side by side.
    """
    matrix = nf.correlation(result, threshold=0.4, order="cluster")
    return plot.correlation(matrix, label=label)


def scan() -> plot.StyledFigure:
    """Profile likelihood, with all uncertainties and with the statistical one alone."""
    held = {
        name: value for name, value in result.values.items() if name in model.constrained_parameters
    }
    full = nf.scan(model, data, "mu_signal", np.linspace(0.0, 2.0, 21), result=result)
    alone = nf.scan(model, data, "mu_signal", np.linspace(0.0, 2.0, 21), fixed=held)
    return plot.scan(full, others={"stat. only": alone}, name="total", label=label)


def contour() -> plot.StyledFigure:
    """Contours in two parameters."""
    found = nf.contour(model, data, ["mu_signal", "mu_ttbar"], n_points=40, result=result)
    return plot.contour(found, label=label)


def limit() -> plot.StyledFigure:
    """CLs against the signal strength, observed and expected."""
    curve = nf.upper_limit(model, data, values=np.linspace(0.0, 3.0, 16))
    return plot.limit(curve, label=label, x_label="Signal strength")


def goodness_of_fit() -> plot.StyledFigure:
    """Goodness of fit, with toys."""
    test = nf.goodness_of_fit(model, data, n_toys=300, seed=1)
    return plot.goodness_of_fit(test, label=label)


PLOTS: tuple[Callable[[], plot.StyledFigure], ...] = (
    yields, pulls, ranking, breakdown, correlation, scan, contour, limit, goodness_of_fit,
)  # fmt: skip


def draw(folder: Path) -> list[tuple[str, str, str, str]]:
    """Draw every plot into a folder, and return (title, file, code, caption) of each.

    Captions are Markdown, files are relative to the folder.
    """
    drawn = []
    for function in PLOTS:
        title, _, caption = inspect.cleandoc(function.__doc__ or "").partition("\n")
        source = inspect.getsource(function).partition('"""')[2].partition('"""\n')[2]
        function().savefig(folder / f"{function.__name__}.png", dpi=150)
        code = textwrap.dedent(source).replace("return plot.", "figure = plot.")
        drawn.append((title.rstrip("."), f"{function.__name__}.png", code, caption.strip()))
    return drawn
