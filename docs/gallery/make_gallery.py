"""Draw every kind of plot of an example workspace into a folder, with captions and code.

    python docs/gallery/make_gallery.py FOLDER [--format svg]

The site does the same. Where cabinetry is installed, its plot of the same fit is drawn too.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nablafit as nf
from nablafit import plot

WORKSPACE = Path(__file__).parents[2] / "examples" / "multichannel.json"
SETUP = """\
import nablafit as nf
from nablafit import plot

workspace = nf.Workspace.load("examples/multichannel.json")
model = workspace.model()
data = workspace.data(model)
result = nf.fit(model, data)
label = plot.Label(experiment="Example", status="Simulation", energy=13, luminosity=139)
"""
"""What the code of all plots begins with."""


@dataclass
class Entry:
    """One plot of the gallery; `code` follows `SETUP` and leaves the figure in `figure`."""

    name: str
    title: str
    caption: str
    code: str
    files: list[str] = field(default_factory=list)


ENTRIES = (
    Entry(
        "yields",
        "Data and expectation",
        "Stack of samples in one region after the fit, with the total uncertainty, the total "
        "before the fit (dashed) and the ratio of data to expectation. The signal is on top, and "
        "overlaid ten times as large.",
        """
        before, after = nf.yields(model, data=data), nf.yields(model, result, data=data)
        figure = plot.yields(
            after, channel="SR_3b", prefit=before, overlay={"signal": 10}, label=label
        )
        """,
    ),
    Entry(
        "regions",
        "Summary of regions",
        "One column per region. Samples have the same colours as in the plots of single regions.",
        """
        figure = plot.yields(nf.yields(model, result, data=data), y_scale="log", label=label)
        """,
    ),
    Entry(
        "templates",
        "Templates of a systematic variation",
        "Nominal template of a sample with the statistical uncertainty of the simulation, and its "
        "change by one standard deviation of a parameter.",
        """
        varied = nf.templates(model, channel="SR_2b", sample="ttbar")
        figure = plot.templates(varied, parameter="ttbar_generator", label=label)
        """,
    ),
    Entry(
        "pulls",
        "Pulls and constraints",
        "Constrained parameters in units of their constraint, factors such as gammas of the "
        "simulated statistics relative to their centre, and free parameters in their own unit.",
        """
        figure = plot.pulls(result, n_max=20, label=label)
        """,
    ),
    Entry(
        "ranking",
        "Ranking",
        "Impact on the parameter of interest after (filled) and before (hollow) the fit, on the "
        "upper axis; pulls on the lower axis. The best fit has errors from the profile likelihood.",
        """
        minos = nf.intervals(model, data, ["mu_signal"])
        figure = plot.ranking(nf.ranking(model, data), intervals=minos, label=label)
        """,
    ),
    Entry(
        "ranking_cms",
        "Ranking, second page, in two panels",
        "The next 20 parameters, with pulls and impacts side by side.",
        """
        style = plot.Label(status="Simulation", energy=13, luminosity=139, style="CMS")
        figure = plot.ranking(nf.ranking(model, data), page=2, label=style)
        """,
    ),
    Entry(
        "breakdown",
        "Breakdown of the uncertainty",
        "What groups of parameters contribute to the uncertainty of the parameter of interest.",
        """
        figure = plot.breakdown(nf.breakdown(model, data), label=label)
        """,
    ),
    Entry(
        "correlation",
        "Correlations",
        "Parameters with a correlation of at least 20 % with another one, related ones side by "
        "side.",
        """
        figure = plot.correlation(result, threshold=0.2, order="cluster", label=label)
        """,
    ),
    Entry(
        "intervals",
        "Intervals",
        "Asymmetric errors from the profile likelihood, and symmetric ones from the covariance.",
        """
        found = nf.intervals(model, data, ["mu_signal", "mu_ttbar", "mu_wjets"])
        figure = plot.intervals(found, label=label)
        """,
    ),
    Entry(
        "scan",
        "Profile likelihood",
        "Full model, and without systematic uncertainties: all parameters but one held.",
        """
        full = nf.scan(model, data, "mu_signal", range=(0, 2.2))
        held = {name: value for name, value in result.values.items() if name != "mu_signal"}
        stat = nf.scan(model, data, "mu_signal", range=(0, 2.2), fixed=held)
        figure = plot.scan(full, name="full", others={"stat. only": stat}, label=label)
        """,
    ),
    Entry(
        "scan_2d",
        "Profile likelihood of two parameters",
        "Map with the contours of 68.3 % and 95.4 %.",
        """
        found = nf.scan(model, data, ("mu_signal", "mu_ttbar"), n=(17, 17))
        figure = plot.scan(found, label=label)
        """,
    ),
    Entry(
        "contour",
        "Contours",
        "Contours of two confidence levels, each found point by point, with the best fit.",
        """
        found = nf.contour(model, data, ("mu_signal", "mu_ttbar"), n_points=40)
        figure = plot.contour(found, points={"nominal": (1.0, 1.0)}, label=label)
        """,
    ),
    Entry(
        "limit",
        "Upper limit",
        "CLs against the parameter of interest: tested values (points), expected bands.",
        """
        found = nf.upper_limit(model, data, n_curve=20)
        figure = plot.limit(found, label=label)
        """,
    ),
    Entry(
        "feldman_cousins",
        "Feldman-Cousins interval",
        "Observed likelihood ratio and critical values from toys; below, the p-values between "
        "which the interval is interpolated.",
        """
        found = nf.feldman_cousins(model, data, values=[0.2 * i for i in range(11)], n_toys=100)
        figure = plot.feldman_cousins(found, label=label)
        """,
    ),
    Entry(
        "toys",
        "Distribution of the test statistic",
        "Toys with and without signal, and the observed value.",
        """
        found = nf.hypotest(model, data, 1.0, calculator="toys", n_toys=500)
        figure = plot.toys(found, label=label)
        """,
    ),
    Entry(
        "toy_pulls",
        "Pulls of toys",
        "Fits of toys: an unbiased estimate with right errors follows the Gaussian.",
        """
        fits = nf.fit_many(model, nf.toys(model, result.x, 500), parameters=["mu_ttbar"])
        figure = plot.toy_pulls(fits, truth=result["mu_ttbar"].value, label=label)
        """,
    ),
    Entry(
        "goodness_of_fit",
        "Goodness of fit",
        "Saturated likelihood ratio of the data, of toys, and its asymptotic distribution.",
        """
        figure = plot.goodness_of_fit(nf.goodness_of_fit(model, data, n_toys=200), label=label)
        """,
    ),
)


def gallery(folder: Path, suffix: str = ".png") -> list[Entry]:
    """Draw all plots into a folder, and return what is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    setup = SETUP.replace('"examples/multichannel.json"', repr(str(WORKSPACE)))
    shared: dict[str, Any] = {}
    exec(setup, shared)
    entries = []
    for entry in ENTRIES:
        code = textwrap.dedent(entry.code).strip()
        scope = dict(shared)
        exec(code, scope)
        name = f"{entry.name}{suffix}"
        figure: plot.StyledFigure = scope["figure"]
        figure.savefig(folder / name)
        files = [name, *_of_cabinetry(entry.name, folder, shared["result"])]
        entries.append(Entry(entry.name, entry.title, entry.caption, code, files))
    return entries


def _of_cabinetry(name: str, folder: Path, result: nf.FitResult) -> list[str]:
    """Draw the same fit with cabinetry, if it is installed and has such a plot."""
    try:
        import cabinetry
        import numpy as np
    except ImportError:
        return []
    correlation = result.correlation
    fit = cabinetry.fit.FitResults(
        result.x, np.asarray(result.errors), list(result.parameters), correlation, 2 * result.value
    )
    plots: dict[str, Callable[[], Any]] = {
        "pulls": lambda: cabinetry.visualize.pulls(fit, save_figure=False),
        "correlation": lambda: cabinetry.visualize.correlation_matrix(
            fit, pruning_threshold=0.2, save_figure=False
        ),
    }
    if name not in plots or correlation is None:
        return []
    path = folder / f"{name}_cabinetry.png"
    plots[name]().savefig(path, dpi=120)
    return [path.name]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--format", default="png", choices=["png", "svg", "pdf"])
    arguments = parser.parse_args()
    gallery(arguments.folder, f".{arguments.format}")


if __name__ == "__main__":
    main()
