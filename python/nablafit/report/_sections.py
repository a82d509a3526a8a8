"""Sections of a report, from its results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ..result import result_page
from ._content import Results, Section, Table
from ._sections_inference import (
    breakdown_section,
    correlation_section,
    goodness_of_fit_section,
    limit_section,
    pulls_section,
    ranking_section,
    scan_section,
    significance_section,
)
from ._sections_yields import yields_section

__all__ = ["sections"]


def sections(report: Results) -> list[Section]:
    """Return the sections that the report has results for, in the order of the page."""
    return list(_all_sections(report))


def _all_sections(report: Results) -> Iterator[Section]:
    yield _summary(report)
    if report.inventory is not None:
        yield _model(report)
    yield _fit(report)
    yield _parameters(report)
    makers: tuple[tuple[str, str, Callable[[Results], Section]], ...] = (
        ("pulls", "Pulls", pulls_section),
        ("ranking", "Ranking", ranking_section),
        ("breakdown", "Breakdown of the uncertainty", breakdown_section),
        ("correlation", "Correlations", correlation_section),
        ("postfit", "Yields", yields_section),
        ("goodness_of_fit", "Goodness of fit", goodness_of_fit_section),
        ("scan", "Profile likelihood", scan_section),
        ("significance", "Significance", significance_section),
        ("limit", "Upper limits", limit_section),
    )
    for name, title, make in makers:
        if getattr(report, name) is not None:
            yield make(report)
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
        rows.append(("goodness of fit", f"p = {_number(found.p_asymptotic)} (asymptotic)"))
    if report.significance is not None:
        found_z = report.significance
        expected = _number(float(found_z.expected_z[2]))
        text = f"observed {_number(found_z.z)} σ, expected {expected} σ"
        rows.append((f"significance of {found_z.poi}", text))
    if report.limit is not None:
        limit = report.limit
        expected = _number(float(limit.expected[2]))
        text = f"observed {_number(limit.observed)}, expected {expected}"
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
        caption="Parameters by what they steer",
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
    rows = tuple(tuple(row[1:]) for row in result_page(report.fit).rows)
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
    return "none" if math.isnan(value) else f"{value:.4g}"
