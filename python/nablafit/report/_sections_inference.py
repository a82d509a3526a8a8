"""Sections of a report about parameters, goodness of fit, limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .. import plot
from ._content import Picture, Results, Section, Table
from ._figures import picture

if TYPE_CHECKING:
    from ..infer.impacts.ranking import RankingResult

__all__ = [
    "breakdown_section",
    "correlation_section",
    "goodness_of_fit_section",
    "limit_section",
    "pulls_section",
    "ranking_section",
    "scan_section",
    "significance_section",
]

_BANDS = ("-2σ", "-1σ", "median", "+1σ", "+2σ")
_N_RANKED = 30
_N_PAIRS = 20


def pulls_section(report: Results) -> Section:
    """Plot of pulls, and what to look at."""
    result = report.pulls
    assert result is not None  # noqa: S101 - the caller has looked, here and below
    pictures: tuple[Picture, ...] = ()
    finite = np.isfinite(result.pulls) & ~result.fixed
    if finite.any():
        largest = int(np.argmax(np.where(finite, np.abs(result.pulls), -1.0)))
        text = (
            f"Pulls of {int(finite.sum())} constrained parameters; the largest is "
            f"{result.pulls[largest]:+.2f} for {result.parameters[largest]}"
        )
        figure = plot.pulls(result, label=report.label)
        pictures = (picture(figure, alt=f"{text}.", caption=f"{text}."),)
    return Section(
        anchor="pulls",
        title="Pulls",
        warnings=tuple(warning.message for warning in result.warnings),
        pictures=pictures,
    )


def ranking_section(report: Results) -> Section:
    """Plot and table of the largest impacts."""
    result = report.ranking
    assert result is not None  # noqa: S101
    pictures: tuple[Picture, ...] = ()
    if len(result):
        text = f"Impacts on {result.pois[0]}; the largest is that of {result.parameters[0]}"
        figure = plot.ranking(result, label=report.label)
        pictures = (picture(figure, alt=f"{text}.", caption=f"{text}."),)
    return Section(
        anchor="ranking",
        title="Ranking",
        warnings=tuple(warning.message for warning in result.warnings),
        pictures=pictures,
        tables=(_ranking_table(result.first(_N_RANKED), len(result)),),
    )


def _ranking_table(top: RankingResult, n_all: int) -> Table:
    columns = ("postfit_up", "postfit_down", "prefit_up", "prefit_down")
    rows = []
    for i, name in enumerate(top.parameters):
        impacts = [_signed(float(getattr(top, column)[0, i])) for column in columns]
        rows.append((name, _signed(float(top.pulls[i]), 2), *impacts))
    header = ("parameter", "pull", "+1σ post-fit", "-1σ post-fit", "+1σ pre-fit", "-1σ pre-fit")
    caption = f"Impacts on {top.pois[0]}: {len(top)} of {n_all} parameters"
    return Table(caption=caption, header=header, rows=tuple(rows))


def breakdown_section(report: Results) -> Section:
    """Plot and table of the sources of the uncertainty."""
    result = report.breakdown
    assert result is not None  # noqa: S101
    totals = [("total", result.total), ("statistical", result.statistical)]
    totals.append(("systematic", result.systematic))
    rows = [(name, _number(size), "") for name, size in totals]
    rows += [(g.name, _number(g.uncertainty), str(len(g.parameters))) for g in result.groups]
    text = f"Sources of the uncertainty of {result.poi} = {result.value:.4g} ± {result.total:.2g}"
    figure = plot.breakdown(result, label=report.label)
    table = Table(caption=text, header=("source", "uncertainty", "parameters"), rows=tuple(rows))
    return Section(
        anchor="breakdown",
        title="Breakdown of the uncertainty",
        warnings=tuple(warning.message for warning in result.warnings),
        pictures=(picture(figure, alt=f"{text}, numbers in the table.", caption=f"{text}."),),
        tables=(table,),
    )


def correlation_section(report: Results) -> Section:
    """Plot of the matrix, table of the largest correlations."""
    result = report.correlation
    assert result is not None  # noqa: S101
    if not len(result):
        return Section(
            anchor="correlation", title="Correlations", paragraphs=("There are none to show.",)
        )
    pairs = [
        (float(result.matrix[i, j]), result.parameters[i], result.parameters[j])
        for i, j in zip(*np.triu_indices(len(result), k=1), strict=True)
    ]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    rows = tuple((a, b, f"{size:+.3f}") for size, a, b in pairs[:_N_PAIRS])
    table = Table(
        caption=f"The {len(rows)} largest correlations",
        header=("parameter", "parameter", "correlation"),
        rows=rows,
        text_columns=(0, 1),
    )
    text = f"Correlations of {len(result)} parameters"
    figure = plot.correlation(result, label=report.label)
    return Section(
        anchor="correlation",
        title="Correlations",
        pictures=(picture(figure, alt=f"{text}, the largest in the table.", caption=f"{text}."),),
        tables=(table,),
    )


def goodness_of_fit_section(report: Results) -> Section:
    """Plot of the distribution, table of channels."""
    result = report.goodness_of_fit
    assert result is not None  # noqa: S101
    pictures: tuple[Picture, ...] = ()
    if result.dof >= 1 or result.n_toys > result.n_failed:
        text = f"Observed {result.statistic:.4g} with {result.dof} degrees of freedom"
        figure = plot.goodness_of_fit(result, label=report.label)
        alt = f"{text}, asymptotic p-value {_number(result.p_asymptotic)}."
        pictures = (picture(figure, alt=alt, caption=f"{text}."),)
    rows = [
        (c.name, str(len(c.by_bin)), f"{c.deviance:.4g}", f"{np.max(np.abs(c.pulls)):.2f}")
        for c in result.channels
    ]
    rows.append(("constraint terms", str(result.n_constraints), f"{result.constraints:.4g}", ""))
    rows.append(("together", "", f"{result.statistic:.4g}", ""))
    table = Table(
        caption="Contributions to -2 log(L / L saturated)",
        header=("channel", "bins", "contribution", "largest |pull| of a bin"),
        rows=tuple(rows),
    )
    return Section(
        anchor="goodness-of-fit",
        title="Goodness of fit",
        paragraphs=(result.message,),
        pictures=pictures,
        tables=(table,),
    )


def scan_section(report: Results) -> Section:
    """Plot of a scan."""
    result = report.scan
    assert result is not None  # noqa: S101
    text = f"Profile likelihood of {' and '.join(result.parameters)}"
    warnings = () if result.new_minimum is None else (repr(result.new_minimum),)
    figure = plot.scan(result, label=report.label)
    return Section(
        anchor="scan",
        title="Profile likelihood",
        warnings=warnings,
        pictures=(picture(figure, alt=f"{text}.", caption=f"{text}."),),
    )


def significance_section(report: Results) -> Section:
    """Table of significances."""
    result = report.significance
    assert result is not None  # noqa: S101
    rows = [("observed", _number(result.p0), _number(result.z))]
    expected = zip(_BANDS, result.expected_p0, result.expected_z, strict=True)
    rows += [(f"expected, {band}", _number(p), _number(z)) for band, p, z in expected]
    caption = f"Against {result.poi} = 0; expected for {result.poi} = {result.expected_at:g}"
    table = Table(caption=caption, header=("", "p-value", "significance"), rows=tuple(rows))
    return Section(
        anchor="significance",
        title="Significance",
        paragraphs=(result.message,),
        tables=(table,),
    )


def limit_section(report: Results) -> Section:
    """Plot and table of upper limits."""
    result = report.limit
    assert result is not None  # noqa: S101
    pictures: tuple[Picture, ...] = ()
    if len(result.values):
        text = f"{result.criterion} against {result.poi}"
        figure = plot.limit(result, label=report.label)
        pictures = (picture(figure, alt=f"{text}, limits in the table.", caption=f"{text}."),)
    names = ("observed", *(f"expected, {band}" for band in _BANDS))
    limits = (result.observed, *result.expected.tolist())
    rows = tuple(
        (name, _number(limit), status)
        for name, limit, status in zip(names, limits, result.curve_status, strict=True)
    )
    table = Table(
        caption=f"{100 * result.level:g} % upper limits on {result.poi} ({result.criterion})",
        header=("", "limit", "status"),
        rows=rows,
        text_columns=(0, 2),
    )
    return Section(
        anchor="limit",
        title="Upper limits",
        paragraphs=(result.message,),
        warnings=tuple(result.notes),
        pictures=pictures,
        tables=(table,),
    )


def _signed(value: float, digits: int = 3) -> str:
    return "" if math.isnan(value) else f"{value:+.{digits}g}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"
