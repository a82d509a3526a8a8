"""Sections of a report, from its results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import plot
from .._results.rounding import pdg_round
from .._results.text import signed
from ..infer._fit_page import parameter_row
from ._content import Picture, Results, Section, Table, picture

if TYPE_CHECKING:
    from ..infer.impacts.breakdown import BreakdownResult
    from ..infer.impacts.correlation import CorrelationResult
    from ..infer.impacts.pulls import PullsResult
    from ..infer.impacts.ranking import RankingResult
    from ..infer.limits.results import LimitResult
    from ..infer.predictions.goodness_of_fit import GoodnessOfFitResult
    from ..infer.predictions.yields import ChannelYields, YieldsResult
    from ..infer.profiles.scan import ScanResult
    from ..infer.testing.results import SignificanceResult

_BANDS = ("-2σ", "-1σ", "median", "+1σ", "+2σ")
_N_RANKED = 30
_N_PAIRS = 20


def sections(report: Results) -> list[Section]:
    """Return the sections that the report has results for, in the order of the page."""
    return list(_all_sections(report))


def _all_sections(report: Results) -> Iterator[Section]:
    yield _summary(report)
    if report.inventory is not None:
        yield _model(report)
    yield _fit(report)
    yield _parameters(report)
    makers: tuple[tuple[str, str, Callable[[Results, Any], Section]], ...] = (
        ("pulls", "Pulls", _pulls_section),
        ("ranking", "Ranking", _ranking_section),
        ("breakdown", "Breakdown of the uncertainty", _breakdown_section),
        ("correlation", "Correlations", _correlation_section),
        ("postfit", "Yields", _yields_section),
        ("goodness_of_fit", "Goodness of fit", _goodness_of_fit_section),
        ("scan", "Profile likelihood", _scan_section),
        ("significance", "Significance", _significance_section),
        ("limit", "Upper limits", _limit_section),
    )
    for name, title, make in makers:
        result = getattr(report, name)
        if result is not None:
            anchor = "yields" if name == "postfit" else name.replace("_", "-")
            yield replace(make(report, result), anchor=anchor, title=title)
        elif name in report.missing:
            yield Section(anchor=name, title=title, warnings=(report.missing[name],))
    yield _provenance(report)


def _summary(report: Results) -> Section:
    fit = report.fit
    rows = [("fit", "valid" if fit.valid else f"NOT VALID ({fit.status})")]
    inventory = report.inventory or {}
    poi = inventory.get("poi")
    if poi:
        rows.append(("parameter of interest", str(fit[poi])))
    if report.goodness_of_fit is not None:
        found = report.goodness_of_fit
        rows.append(("goodness of fit", f"p = {_number_or_none(found.p_asymptotic)} (asymptotic)"))
    if report.significance is not None:
        found_z = report.significance
        expected = _number_or_none(float(found_z.expected_z[2]))
        text = f"observed {_number_or_none(found_z.z)} σ, expected {expected} σ"
        rows.append((f"significance of {found_z.poi}", text))
    if report.limit is not None:
        limit = report.limit
        expected = _number_or_none(float(limit.expected[2]))
        text = f"observed {_number_or_none(limit.observed)}, expected {expected}"
        rows.append((f"{100 * limit.level:g} % limit on {limit.poi}", text))
    table = Table(caption="Results", header=(), rows=tuple(rows), text_columns=(0, 1))
    warnings = (*inventory.get("warnings", ()), *inventory.get("notes", ()))
    if not fit.valid:
        warnings = (fit.message, *warnings)
    return Section(anchor="summary", title="Summary", warnings=warnings, tables=(table,))


def _model(report: Results) -> Section:
    inventory = report.inventory
    assert inventory is not None  # noqa: S101 - the caller has looked
    sizes = ", ".join(f"{count} {name}" for name, count in inventory["sizes"].items())
    poi = inventory["poi"] or "none"
    about = f"Measurement {inventory['measurement']}, format {inventory['format']}: {sizes}."
    channels = Table(
        caption="Channels (expected events at the initial values)",
        header=("channel", "bins", "observed", "expected", "samples"),
        rows=tuple(
            (
                channel["name"],
                str(channel["bins"]),
                f"{channel['observed']:.6g}",
                f"{channel['expected']:.6g}",
                ", ".join(f"{name} {n:.4g}" for name, n in channel["samples"].items()),
            )
            for channel in inventory["channels"]
        ),
        text_columns=(0, 4),
    )
    modifiers = Table(
        caption="Modifiers",
        header=("type", "uses"),
        rows=tuple((name, str(count)) for name, count in inventory["modifiers"].items()),
    )
    parameters = Table(
        caption="Parameters by the modifiers that they control",
        header=("modifiers", "constraint", "count", "fixed"),
        rows=tuple(
            (group["kind"], group["constraint"], str(group["count"]), str(group["fixed"]))
            for group in inventory["parameters"]
        ),
        text_columns=(0, 1),
    )
    paragraphs = (about, f"Parameter of interest: {poi}.")
    tables = (channels, modifiers, parameters)
    return Section(anchor="model", title="Model", paragraphs=paragraphs, tables=tables)


def _fit(report: Results) -> Section:
    fit = report.fit
    rows = [
        ("status", fit.status),
        ("minimiser", fit.minimizer),
        ("-2 log L", f"{fit.twice_nll:.10g}"),
        ("-2 log(L / L saturated)", f"{2.0 * fit.value:.8g}"),
        ("estimated distance to the minimum", f"{fit.edm:.2g}"),
        ("free parameters", f"{fit.n_free} of {len(fit.parameters)}"),
        ("calls, gradients", f"{fit.n_calls}, {fit.n_gradients}"),
    ]
    warnings: list[str] = [] if fit.valid else [fit.message]
    if fit.diagnostics is not None:
        found = fit.diagnostics
        if math.isfinite(found.condition):
            rows.append(("condition of the scaled Hessian", f"{found.condition:.3g}"))
        warnings += [f"{b.parameter} is at its {b.side} bound." for b in found.active_bounds]
        warnings += [f"{name} changes nothing." for name in found.without_effect]
    table = Table(caption="Outcome of the fit", header=(), rows=tuple(rows), text_columns=(0, 1))
    return Section(
        anchor="fit",
        title="Fit",
        paragraphs=(fit.message,),
        warnings=tuple(warnings),
        tables=(table,),
    )


def _parameters(report: Results) -> Section:
    rows = tuple(parameter_row(report.fit, i) for i in range(len(report.fit.parameters)))
    table = Table(
        caption=f"{len(rows)} parameters after the fit",
        header=("parameter", "value", "error", "pull", "constraint", "bounds", "remark"),
        rows=rows,
        text_columns=(0, 6),
    )
    text = (
        "Pull: (value - centre of the constraint term) / its width. Constraint: error / width. "
        "Both are empty for parameters that are free of constraints, or fixed."
    )
    return Section(anchor="parameters", title="Parameters", paragraphs=(text,), tables=(table,))


def _pulls_section(report: Results, result: PullsResult) -> Section:
    """Plot of pulls, and what to look at."""
    pictures: tuple[Picture, ...] = ()
    finite = np.isfinite(result.pulls) & ~result.fixed
    if finite.any():
        largest = int(np.argmax(np.where(finite, np.abs(result.pulls), -1.0)))
        text = (
            f"Pulls of {int(finite.sum())} constrained parameters; the largest is "
            f"{result.pulls[largest]:+.2f} for {result.parameters[largest]}"
        )
        figure = plot.pulls(result, label=report.label)
        pictures = (picture(figure, text),)
    return Section(
        warnings=tuple(warning.message for warning in result.warnings),
        pictures=pictures,
    )


def _ranking_section(report: Results, result: RankingResult) -> Section:
    """Plot and table of the largest impacts."""
    pictures: tuple[Picture, ...] = ()
    if len(result):
        text = f"Impacts on {result.pois[0]}; the largest is that of {result.parameters[0]}"
        figure = plot.ranking(result, label=report.label)
        pictures = (picture(figure, text),)
    return Section(
        warnings=tuple(warning.message for warning in result.warnings),
        pictures=pictures,
        tables=(_ranking_table(result.first(_N_RANKED), len(result)),),
    )


def _ranking_table(top: RankingResult, n_all: int) -> Table:
    columns = ("postfit_up", "postfit_down", "prefit_up", "prefit_down")
    rows = []
    for i, name in enumerate(top.parameters):
        impacts = [signed(float(getattr(top, column)[0, i])) for column in columns]
        rows.append((name, signed(float(top.pulls[i]), 2), *impacts))
    header = ("parameter", "pull", "+1σ post-fit", "-1σ post-fit", "+1σ pre-fit", "-1σ pre-fit")
    caption = f"Impacts on {top.pois[0]}: {len(top)} of {n_all} parameters"
    return Table(caption=caption, header=header, rows=tuple(rows))


def _breakdown_section(report: Results, result: BreakdownResult) -> Section:
    """Plot and table of the sources of the uncertainty."""
    totals = [("total", result.total), ("statistical", result.statistical)]
    totals.append(("systematic", result.systematic))
    rows = [(name, _number(size), "") for name, size in totals]
    rows += [(g.name, _number(g.uncertainty), str(len(g.parameters))) for g in result.groups]
    text = f"Sources of the uncertainty of {result.poi} = {result.value:.4g} ± {result.total:.2g}"
    figure = plot.breakdown(result, label=report.label)
    table = Table(caption=text, header=("source", "uncertainty", "parameters"), rows=tuple(rows))
    return Section(
        warnings=tuple(warning.message for warning in result.warnings),
        pictures=(picture(figure, text, "numbers in the table"),),
        tables=(table,),
    )


def _correlation_section(report: Results, result: CorrelationResult) -> Section:
    """Plot of the matrix, table of the largest correlations."""
    if not len(result):
        return Section(paragraphs=("There are none to show.",))
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
        pictures=(picture(figure, text, "the largest in the table"),),
        tables=(table,),
    )


def _goodness_of_fit_section(report: Results, result: GoodnessOfFitResult) -> Section:
    """Plot of the distribution, table of channels."""
    pictures: tuple[Picture, ...] = ()
    if result.dof >= 1 or result.n_toys > result.n_failed:
        text = f"Observed {result.statistic:.4g} with {result.dof} degrees of freedom"
        figure = plot.goodness_of_fit(result, label=report.label)
        more = f"asymptotic p-value {_number(result.p_asymptotic)}"
        pictures = (picture(figure, text, more),)
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
        paragraphs=(result.message,),
        pictures=pictures,
        tables=(table,),
    )


def _scan_section(report: Results, result: ScanResult) -> Section:
    """Plot of a scan."""
    text = f"Profile likelihood of {' and '.join(result.parameters)}"
    warnings = () if result.new_minimum is None else (repr(result.new_minimum),)
    figure = plot.scan(result, label=report.label)
    return Section(
        warnings=warnings,
        pictures=(picture(figure, text),),
    )


def _significance_section(_: Results, result: SignificanceResult) -> Section:
    """Table of significances."""
    rows = [("observed", _number(result.p0), _number(result.z))]
    expected = zip(_BANDS, result.expected_p0, result.expected_z, strict=True)
    rows += [(f"expected, {band}", _number(p), _number(z)) for band, p, z in expected]
    caption = f"Against {result.poi} = 0; expected for {result.poi} = {result.expected_at:g}"
    table = Table(caption=caption, header=("", "p-value", "significance"), rows=tuple(rows))
    return Section(
        paragraphs=(result.message,),
        tables=(table,),
    )


def _limit_section(report: Results, result: LimitResult) -> Section:
    """Plot and table of upper limits."""
    pictures: tuple[Picture, ...] = ()
    if len(result.values):
        text = f"{result.criterion} against {result.poi}"
        figure = plot.limit(result, label=report.label)
        pictures = (picture(figure, text, "limits in the table"),)
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
        paragraphs=(result.message,),
        warnings=tuple(result.notes),
        pictures=pictures,
        tables=(table,),
    )


def _yields_section(report: Results, postfit: YieldsResult) -> Section:
    """Show plots of channels and tables of totals."""
    prefit = report.prefit
    several = [c for c in postfit.channels if c.n_bins > 1 or len(postfit.channels) == 1]
    shown = several[: report.n_channels]
    paragraphs = ["Uncertainties come from the covariance of the parameters."]
    if len(shown) < len(several):
        text = f"Plots of channels: the first {len(shown)} of {len(several)} with several bins."
        paragraphs.append(text)
    tables = [_totals(postfit, "After the fit")]
    if prefit is not None:
        tables.append(_totals(prefit, "Before the fit"))
    messages = [r.message for r in (postfit, prefit) if r is not None and r.message]
    return Section(
        paragraphs=tuple(paragraphs),
        warnings=tuple(messages),
        pictures=tuple(_pictures(report, postfit, shown)),
        tables=tuple(tables),
    )


def _pictures(
    report: Results, result: YieldsResult, shown: Sequence[ChannelYields]
) -> Iterator[Picture]:
    if len(result.channels) > 1:
        figure = plot.yields(result, prefit=report.prefit, label=report.label)
        text = f"Observed and expected events of {len(result.channels)} channels after the fit"
        yield picture(figure, text, "numbers in the tables below")
    for channel in shown:
        figure = plot.yields(result, channel=channel.name, prefit=report.prefit, label=report.label)
        text = f"Channel {channel.name} after the fit"
        more = f"{channel.n_bins} bins, {channel.total:.4g} events expected"
        if channel.observed is not None:
            more += f", {channel.observed_total:.4g} observed"
        yield picture(figure, text, more)


def _totals(result: YieldsResult, caption: str) -> Table:
    samples = tuple(dict.fromkeys(name for c in result.channels for name in c.samples))
    rows = []
    for name in samples:
        cells = [_of_sample(channel, name) for channel in result.channels]
        rows.append((name, *cells))
    rows.append(("total", *(_with_error(c.total, c.total_error) for c in result.channels)))
    if all(channel.observed is not None for channel in result.channels):
        rows.append(("observed", *(f"{c.observed_total:.6g}" for c in result.channels)))
    names = (channel.name for channel in result.channels)
    return Table(caption=caption, header=("sample", *names), rows=tuple(rows))


def _of_sample(channel: ChannelYields, name: str) -> str:
    if name not in channel.samples:
        return ""
    i = channel.samples.index(name)
    total, error = float(channel.sample_totals[i]), float(channel.sample_total_errors[i])
    return _with_error(total, error)


def _with_error(value: float, error: float) -> str:
    text, error_text = pdg_round(value, error)
    return f"{text} ± {error_text}" if error_text else text


def _provenance(report: Results) -> Section:
    rows = [("source", report.source), ("SHA-256 of the input", report.digest)]
    rows = [row for row in rows if row[1]]
    rows += [(f"version of {name}", text) for name, text in report.fit.versions.items()]
    rows += [(f"time: {name}", f"{value:.3g} s") for name, value in report.fit.timings.items()]
    rows += list(report.options.items())
    table = Table(
        caption="Input, versions and options",
        header=(),
        rows=tuple(rows),
        text_columns=(0, 1),
    )
    return Section(anchor="provenance", title="How it was made", tables=(table,))


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"


def _number_or_none(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.4g}"
