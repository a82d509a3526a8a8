"""Section of a report about yields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import plot
from .._results.rounding import pdg_round
from ._content import Picture, Results, Section, Table
from ._figures import picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..infer.predictions.yields import ChannelYields, YieldsResult

__all__ = ["yields_section"]


def yields_section(report: Results) -> Section:
    """Show plots of channels and tables of totals."""
    postfit, prefit = report.postfit, report.prefit
    assert postfit is not None  # noqa: S101 - the caller has looked
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
        anchor="yields",
        title="Yields",
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
        yield picture(figure, alt=f"{text}, numbers in the tables below.", caption=f"{text}.")
    for channel in shown:
        figure = plot.yields(result, channel=channel.name, prefit=report.prefit, label=report.label)
        text = f"Channel {channel.name} after the fit"
        alt = f"{text}: {channel.n_bins} bins, {channel.total:.4g} events expected"
        if channel.observed is not None:
            alt += f", {channel.observed_total:.4g} observed"
        yield picture(figure, alt=f"{alt}.", caption=f"{text}.")


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
