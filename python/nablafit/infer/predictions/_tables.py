"""Yields as text, HTML, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..._results.display import text_table
from ..._results.rounding import pdg_round
from ...errors import ArgumentError, located

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._yields_result import ChannelYields, YieldsResult

__all__ = ["channel_html", "channel_text", "result_html", "result_text", "to_csv", "to_latex"]

_CSV_HEADER = ("channel", "bin", "low", "high", "sample", "yield", "error")
_MAX_ROWS = 200


@dataclass(frozen=True)
class Column:
    """One channel or bin: what a table says of it, `None` for samples that it lacks."""

    label: str
    samples: dict[str, tuple[float, float]]
    total: tuple[float, float]
    observed: float | None

    @property
    def ratio(self) -> str:
        """Observed / expected; empty without data or expectation."""
        if self.observed is None or not self.total[0] > 0:
            return ""
        return f"{self.observed / self.total[0]:.3f}"


# --- plain text and HTML --------------------------------------------------------------------------


def result_text(result: YieldsResult) -> str:
    """Lay out the totals of all channels."""
    return "\n".join([*_head(result), "", to_text(result, "channel")])


def result_html(result: YieldsResult) -> str:
    """Lay out the same as an HTML table."""
    head = "".join(f"<div>{escape(line)}</div>" for line in _head(result))
    return head + _html_table("channel", _channel_columns(result))


def channel_text(channel: ChannelYields) -> str:
    """Lay out the bins of one channel."""
    total = _pair(channel.total, channel.total_error)
    return f"{channel.name}: {total} events expected\n{_table('bin', _bin_columns(channel))}"


def channel_html(channel: ChannelYields) -> str:
    """Lay out the same as an HTML table."""
    return f"<div>{escape(channel.name)}</div>" + _html_table("bin", _bin_columns(channel))


def to_text(result: YieldsResult, by: str) -> str:
    """Return one table of channels, or one table of bins for each channel."""
    if _check(by) == "channel":
        return _table("channel", _channel_columns(result))
    return "\n\n".join(map(channel_text, result.channels))


def _head(result: YieldsResult) -> list[str]:
    name = {"prefit": "Pre-fit", "postfit": "Post-fit"}.get(result.kind, result.kind)
    lines = [f"{name} yields of {result.model or 'the model'}"]
    return [*lines, result.message] if result.message else lines


def _table(what: str, columns: Sequence[Column]) -> str:
    header, rows = _cells(what, columns)
    lines = text_table(header, rows[:_MAX_ROWS], "l" + "r" * (len(header) - 1))
    if len(rows) > _MAX_ROWS:
        lines.append(f"{len(rows) - _MAX_ROWS} more are in the result")
    return "\n".join(line.rstrip() for line in lines)


def _html_table(what: str, columns: Sequence[Column]) -> str:
    header, rows = _cells(what, columns)
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows[:_MAX_ROWS]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(what: str, columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: one row per channel or bin, one column per sample."""
    samples = _samples(columns)
    observed = any(column.observed is not None for column in columns)
    header = [what, *samples, "total", *(("data", "data/total") if observed else ())]
    rows = []
    for column in columns:
        known = (column.samples.get(sample) for sample in samples)
        row = [column.label, *("" if pair is None else _pair(*pair) for pair in known)]
        row.append(_pair(*column.total))
        if observed:
            row += [_count(column.observed), column.ratio]
        rows.append(row)
    return header, rows


# --- comma-separated values -----------------------------------------------------------------------


def to_csv(result: YieldsResult, by: str) -> str:
    """Return one line per channel, sample and bin, or per channel and sample."""
    _check(by)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_HEADER)
    for channel in result.channels:
        if by == "channel":
            columns = [_channel_column(channel)]
            places = [("", *_borders(channel, 0, channel.n_bins))]
        else:
            columns = _bin_columns(channel)
            places = [(str(i), *_borders(channel, i, i + 1)) for i in range(channel.n_bins)]
        for column, place in zip(columns, places, strict=True):
            writer.writerows((channel.name, *place, *row) for row in _csv_rows(column))
    return text.getvalue()


def _csv_rows(column: Column) -> Iterator[tuple[str, str, str]]:
    for sample, (value, error) in column.samples.items():
        yield sample, repr(value), repr(error)
    yield "total", repr(column.total[0]), repr(column.total[1])
    if column.observed is not None:
        yield "data", repr(column.observed), ""


def _borders(channel: ChannelYields, first: int, last: int) -> tuple[str, str]:
    if channel.edges is None:
        return "", ""
    return repr(float(channel.edges[first])), repr(float(channel.edges[last]))


# --- LaTeX ----------------------------------------------------------------------------------------


def to_latex(result: YieldsResult, by: str) -> str:
    """Return a tabular with samples as rows: all channels, or one tabular of bins for each."""
    if _check(by) == "channel":
        return _tabular("", _channel_columns(result))
    return "\n".join(_tabular(channel.name, _bin_columns(channel)) for channel in result.channels)


def _tabular(title: str, columns: Sequence[Column]) -> str:
    def line(name: str, cells: Sequence[str]) -> str:
        return " & ".join([_escape_latex(name), *cells]) + r" \\"

    lines = [r"\begin{tabular}{l" + "r" * len(columns) + "}", r"\hline"]
    lines += [line(title, [_escape_latex(column.label) for column in columns]), r"\hline"]
    for sample in _samples(columns):
        pairs = (column.samples.get(sample) for column in columns)
        lines.append(line(sample, ["" if p is None else _latex_pair(*p) for p in pairs]))
    lines += [r"\hline", line("Total", [_latex_pair(*column.total) for column in columns])]
    if any(column.observed is not None for column in columns):
        lines.append(line("Data", [f"${_count(column.observed)}$" for column in columns]))
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def _latex_pair(value: float, error: float) -> str:
    text = _pair(value, error).replace("±", r"\pm").replace("inf", r"\infty")
    return "$" + re.sub(r"e\+?(-?)0*(\d+)", r" \\times 10^{\1\2}", text) + "$"


def _escape_latex(text: str) -> str:
    text = re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", r"\textbackslash "))
    return text.replace("~", r"\textasciitilde ").replace("^", r"\textasciicircum ")


# --- shared ---------------------------------------------------------------------------------------


def _check(by: str) -> str:
    if by not in ("bin", "channel"):
        raise located(ArgumentError, f'expected "bin" or "channel", got {by!r}', "by")
    return by


def _samples(columns: Sequence[Column]) -> list[str]:
    return list(dict.fromkeys(sample for column in columns for sample in column.samples))


def _channel_columns(result: YieldsResult) -> list[Column]:
    return [_channel_column(channel) for channel in result.channels]


def _channel_column(channel: ChannelYields) -> Column:
    pairs = zip(channel.sample_totals.tolist(), channel.sample_total_errors.tolist(), strict=True)
    observed = None if channel.observed is None else channel.observed_total
    samples = dict(zip(channel.samples, pairs, strict=True))
    return Column(channel.name, samples, (channel.total, channel.total_error), observed)


def _bin_columns(channel: ChannelYields) -> list[Column]:
    values, errors = channel.by_sample.tolist(), channel.by_sample_errors.tolist()
    totals = zip(channel.by_bin.tolist(), channel.by_bin_errors.tolist(), strict=True)
    observed = None if channel.observed is None else channel.observed.tolist()
    return [
        Column(
            _bin_label(channel, i),
            {name: (values[s][i], errors[s][i]) for s, name in enumerate(channel.samples)},
            total,
            None if observed is None else observed[i],
        )
        for i, total in enumerate(totals)
    ]


def _bin_label(channel: ChannelYields, i: int) -> str:
    if channel.edges is None:
        return str(i)
    return f"[{channel.edges[i]:g}, {channel.edges[i + 1]:g}]"


def _pair(value: float, error: float) -> str:
    if math.isinf(error):
        return f"{value:.5g} ± inf"
    number, uncertainty = pdg_round(value, error)
    return f"{number} ± {uncertainty}" if uncertainty else number


def _count(observed: float | None) -> str:
    return "" if observed is None else f"{observed:.10g}"
