"""Plots of test statistics in toys: hypothesis tests and goodness of fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2, norm

from .._arrays import FloatArray
from ..batch import FitManyResult
from ..errors import ArgumentError, located
from ..infer.testing.results import HypotestResult, SignificanceResult
from ..infer.testing.toy_distribution import ToyDistribution
from ._colours import BLUE, ORANGE, RED
from ._output import Save, documented, save_figure
from ._style import Label, StyledFigure, label_axes, make_room, new_figure
from ._text import display_names, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..infer.predictions.goodness_of_fit import GoodnessOfFitResult

_SYMBOLS = {
    "q": r"$q_{\mu}$",
    "qtilde": r"$\tilde{q}_{\mu}$",
    "t": r"$t_{\mu}$",
    "ttilde": r"$\tilde{t}_{\mu}$",
    "q0": r"$q_{0}$",
}
_COLOURS = (BLUE, ORANGE)


@documented
def toys(
    result: ToyDistribution | HypotestResult | SignificanceResult,
    *,
    n_columns: int = 50,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str = "Fraction of toys",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw the distribution of a test statistic in toys, with the observed value if it is known.

    Parameters
    ----------
    result : ToyDistribution, HypotestResult or SignificanceResult
        What to draw; for a test, both hypotheses.
    n_columns : int
        Number of bins of the histogram.

    Raises
    ------
    ArgumentError
        If the result was made without toys, or none of them is valid.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> result = nf.hypotest(model, data, 1.0, calculator="toys", n_toys=100)
    >>> figure = plot.toys(result)
    """
    members = (result,) if isinstance(result, ToyDistribution) else result.toys
    samples = [member.values[member.valid] for member in members]
    if not samples or not any(map(len, samples)):
        message = "this result has no valid toys; make it with calculator='toys'"
        raise located(ArgumentError, message, "result")
    observed = float("nan")
    if not isinstance(result, ToyDistribution):
        observed = result.q0 if isinstance(result, SignificanceResult) else result.q
    texts = [_hypothesis(member, names) for member in members]
    with new_figure(figsize, (6.4, 5.2), label) as figure:
        axes = figure.subplots()
        edges = _edges(samples, observed, n_columns)
        heights = _draw_histograms(axes, samples, texts, edges)
        line = axes.axvline(observed, color="black", lw=1.8)
        if np.isfinite(observed):
            line.set_label(f"observed: {observed:.3g}")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_yscale("log")
        axes.set_xlabel(x_label or _SYMBOLS.get(members[0].statistic, members[0].statistic))
        axes.set_ylabel(y_label)
        boxes = [axes.legend(loc="upper right"), *label_axes(axes, label)]
        least = 0.5 * min(1.0 / len(sample) for sample in samples if len(sample))
        line.set_ydata([0.0, make_room(axes, boxes, edges, heights, least)])
    return save_figure(figure, save)


@documented
def toy_pulls(
    result: FitManyResult,
    *,
    truth: float,
    parameter: str | None = None,
    n_columns: int = 30,
    names: Mapping[str, str] | None = None,
    label: Label | None = None,
    x_label: str | None = None,
    y_label: str = "Toys",
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw (fitted value - true value) / error of one parameter in fits of toys, with a Gaussian.

    The Gaussian has mean 0 and width 1; mean and width of the toys are written beside it.

    Parameters
    ----------
    result : FitManyResult
        Fits of toys, with errors; those that are not valid are left out.
    truth : float
        Value of the parameter that the toys were drawn at.
    parameter : str, optional
        Which one; by default the only one in the result.
    n_columns : int
        Number of bins of the histogram, from -5 to 5; the outermost ones have all that is beyond.

    Raises
    ------
    ArgumentError
        If the parameter is not in the result or not given, or fewer than two fits have an error.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> toys = nf.toys(model, model.initial, 100, seed=1)
    >>> from nablafit import plot
    >>> figure = plot.toy_pulls(nf.fit_many(model, toys, parameters=["mu"]), truth=1.0)
    """
    if parameter is None:
        if len(result.parameters) != 1:
            message = f"expected one of {', '.join(result.parameters[:10])}"
            raise located(ArgumentError, message, "parameter")
        parameter = result.parameters[0]
    errors = result.error(parameter)
    good = result.valid & np.isfinite(errors) & (errors > 0)
    if good.sum() < 2:
        message = f"expected at least 2 valid fits with an error of {parameter}, got {good.sum()}"
        raise located(ArgumentError, message, "result")
    pulls = (result[parameter][good] - truth) / errors[good]
    n, mean, width = len(pulls), float(np.mean(pulls)), float(np.std(pulls, ddof=1))
    text = display_names([parameter], names)[0]
    with new_figure(figsize, (6.4, 5.2), label) as figure:
        axes = figure.subplots()
        edges = np.linspace(-5.0, 5.0, n_columns + 1)
        inside = np.clip(pulls, edges[0], np.nextafter(edges[-1], 0.0))
        counts = np.histogram(inside, edges)[0].astype(np.float64)
        left_out = f", {len(good) - n} left out" if n < len(good) else ""
        axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.45, label=f"{n} toys{left_out}")
        x = np.linspace(-5.0, 5.0, 401)
        curve = n * (edges[1] - edges[0]) * norm.pdf(x)
        axes.plot(x, curve, color=RED, label="Gaussian (0, 1)")
        spread = width / np.sqrt(n)
        numbers = [
            f"mean {quoted(mean, spread, spread)}",
            f"width {quoted(width, spread / np.sqrt(2.0), spread / np.sqrt(2.0))}",
        ]
        axes.set_xlim(-5.0, 5.0)
        axes.set_xlabel(x_label or rf"({text} $-$ {truth:g}) / error")
        axes.set_ylabel(y_label)
        boxes = [axes.legend(loc="upper right"), *label_axes(axes, label, numbers)]
        tops = np.maximum(counts, np.interp(0.5 * (edges[1:] + edges[:-1]), x, curve))
        make_room(axes, boxes, edges, tops, 0.0)
    return save_figure(figure, save)


def _hypothesis(member: ToyDistribution, names: Mapping[str, str] | None) -> str:
    pairs = zip(display_names(member.poi, names), member.drawn_at, strict=True)
    return "toys at " + ", ".join(f"{name} = {value:.4g}" for name, value in pairs)


def _edges(samples: Sequence[FloatArray], observed: float, n: int) -> FloatArray:
    """Return edges for nearly all values: long tails go into the last bin."""
    last = max(float(np.quantile(sample, 0.998)) for sample in samples if len(sample))
    if np.isfinite(observed):
        last = max(last, 1.1 * observed)
    return np.linspace(0.0, 1.02 * last or 1.0, n + 1)


def _draw_histograms(
    axes: Axes, samples: Sequence[FloatArray], texts: Sequence[str], edges: FloatArray
) -> FloatArray:
    """Draw fractions per column and return the larger of them."""
    heights = np.zeros(len(edges) - 1)
    for sample, text, colour in zip(samples, texts, _COLOURS, strict=False):
        if not len(sample):
            continue
        inside = np.clip(sample, edges[0], np.nextafter(edges[-1], 0.0))
        counts = np.histogram(inside, edges)[0] / len(sample)
        axes.stairs(counts, edges, fill=True, color=colour, alpha=0.3, lw=0)
        axes.stairs(counts, edges, color=colour, lw=1.6, label=f"{text} ({len(sample)})")
        heights = np.maximum(heights, counts)
    return heights


@documented
def goodness_of_fit(
    result: GoodnessOfFitResult,
    *,
    n_columns: int = 40,
    label: Label | None = None,
    x_label: str = r"$-2\,\ln\,(L / L_{saturated})$",
    y_label: str | None = None,
    figsize: tuple[float, float] | None = None,
    save: Save | None = None,
) -> StyledFigure:
    """Draw the observed goodness of fit with the chi-square distribution and any toys.

    Parameters
    ----------
    result : GoodnessOfFitResult
        What to draw.
    n_columns : int
        Number of bins of the histogram of toys.

    Raises
    ------
    ArgumentError
        If there is neither a chi-square distribution (no degree of freedom) nor a toy.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> from nablafit import plot
    >>> figure = plot.goodness_of_fit(nf.goodness_of_fit(model, data, n_toys=100))
    """
    sample = result.toys[np.isfinite(result.toys)]
    if result.dof < 1 and not len(sample):
        message = f"there is no distribution to draw: {result.message}"
        raise located(ArgumentError, message, "result")
    edges = _gof_edges(result, sample, n_columns)
    width = edges[1] - edges[0]
    with new_figure(figsize, (6.4, 5.2), label) as figure:
        axes = figure.subplots()
        heights = np.zeros(n_columns)
        if len(sample):
            text = f"{len(sample)} toys: p = {result.p_toys:.3g} ± {result.p_toys_error:.1g}"
            heights = np.histogram(sample, edges)[0] / (len(sample) * width)
            axes.stairs(heights, edges, fill=True, color=BLUE, alpha=0.45, label=text)
        if result.dof >= 1:
            x = np.linspace(edges[0], edges[-1], 400)
            density = chi2.pdf(x[1:], result.dof)
            text = rf"$\chi^2$({result.dof}): p = {result.p_asymptotic:.3g}"
            axes.plot(x[1:], density, color=RED, label=text)
            heights = np.maximum(heights, chi2.pdf(0.5 * (edges[1:] + edges[:-1]), result.dof))
        text = f"observed: {result.statistic:.4g}"
        line = axes.axvline(result.statistic, color="black", label=text)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label or "Probability density")
        boxes = [axes.legend(loc="upper right"), *label_axes(axes, label)]
        line.set_ydata([0.0, make_room(axes, boxes, edges, heights, 0.0)])
    return save_figure(figure, save)


def _gof_edges(result: GoodnessOfFitResult, sample: FloatArray, n: int) -> FloatArray:
    ends = [result.statistic] if np.isfinite(result.statistic) else []
    if result.dof >= 1:
        ends += [float(chi2.ppf(share, result.dof)) for share in (1e-4, 1.0 - 1e-4)]
    if len(sample):
        ends += [float(sample.min()), float(sample.max())]
    low, high = min(ends), max(ends)
    pad = 0.06 * (high - low) or 1.0
    return np.linspace(max(0.0, low - pad), high + pad, n + 1)
