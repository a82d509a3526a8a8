"""Results of upper limits, of one signal and of a grid of signals."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..._arrays import FloatArray
from ..._printable import csv_text
from ..._results.files import write_text
from ..._results.provenance import merged_origin
from ..._results.record import Record
from ..._results.tables import BAND_NAMES
from ..._results.text import BANDS, Page, number, with_error
from ..testing._hypothesis import Hypothesis
from ..testing._profile import Fits
from ..testing.results import check_same, merge_toys
from ..testing.toy_distribution import ToyDistribution
from ._curves import Table, interpolate_limits, merged_notes, outcome, toy_notes, toy_table
from ._search import Criterion

_SHARED = ("poi", "level", "statistic", "criterion", "method", "poi_hat", "values", "q")

_CURVES = ("observed", *(f"expected {band}" for band in BANDS))
REASONS_SHOWN = 10


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LimitResult(Record, format="nablafit.LimitResult/1"):
    """Upper limits on one parameter; frozen.

    Arrays named `expected...` have five entries or columns: limits in data without signal that
    fluctuate by -2, -1, 0, +1, +2 standard deviations, the lowest limit first.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.upper_limit(model, data)
    >>> print(f"{result.observed:.3f}", result.expected.round(3), result.status)
    1.642 [0.575 0.777 1.091 1.542 2.108] ok
    """

    table_members = (
        "values",
        "cls_observed",
        "cls_observed_error",
        "cls_expected",
        "cls_expected_error",
        "q",
        "q_asimov",
        "point_status",
    )

    poi: str
    """Parameter of interest."""
    level: float
    """Confidence level: the limit is where CLs (or CLs+b) is 1 - level."""
    statistic: str
    """"q" or "qtilde"."""
    criterion: str
    """"CLs" or "CLs+b": what falls to 1 - level at the limit."""
    calculator: str
    """"asymptotic" or "toys"."""
    method: str
    """"root finding", or the interpolation on a grid: "linear" or "log" in the p-value."""
    observed: float
    """The limit; NaN if there is none, infinite if nothing is excluded: see `curve_status`."""
    expected: FloatArray
    """Expected limits, shape (5,)."""
    observed_error: float
    """Statistical uncertainty from the number of toys; NaN if asymptotic."""
    expected_error: FloatArray
    """The same, shape (5,)."""
    curve_status: tuple[str, ...]
    """Outcome for the observed and the five expected limits: "converged", "interpolated",
    "below_zero" (the limit is 0), "outside_grid", "no_effect", "not_reached", "not_converged",
    "inconsistent" (the p-value jumps there: fits end in different minima) or "fit_failed"."""
    poi_hat: float
    """Best value of the parameter in the observed data, within `bounds`."""
    bounds: tuple[float, float]
    """Range of the parameter in the free fit."""
    values: FloatArray
    """Tested values, ascending, shape (n,)."""
    cls_observed: FloatArray
    """The criterion at these values in the observed data, shape (n,)."""
    cls_expected: FloatArray
    """Expected values of the criterion, shape (n, 5)."""
    cls_observed_error: FloatArray
    """Statistical uncertainty from the number of toys, shape (n,); NaN if asymptotic."""
    cls_expected_error: FloatArray
    """The same, shape (n, 5)."""
    q: FloatArray
    """The test statistic in the observed data, shape (n,)."""
    q_asimov: FloatArray
    """The test statistic in Asimov data without signal, shape (n,); NaN with toys."""
    point_status: tuple[str, ...]
    """Outcome at each tested value: "ok" or the status of the fit that failed."""
    n_fits: int
    """Fits made, toys not counted."""
    toys: tuple[ToyDistribution, ...]
    """Two per tested value, with and without signal; none if asymptotic."""
    notes: tuple[str, ...]
    """What a physicist should know: ranges that were extended, points that failed."""
    status: str
    """"ok" if all six limits were found; "incomplete" if some were; "failed"; "no_effect";
    "interrupted"."""
    message: str
    """A sentence about the outcome."""

    @property
    def valid(self) -> bool:
        """True if all six limits were found."""
        return self.status == "ok"

    @classmethod
    def merge(cls, shards: Sequence[LimitResult]) -> LimitResult:
        """Join limits by toys number `start` on to what one call would have found.

        Raises
        ------
        ArgumentError
            If they differ in anything but their toys, overlap, leave a gap or have none.
        """
        first = check_same(shards, _SHARED)
        toys = merge_toys(shards)
        criterion = Criterion(first.criterion, first.statistic, first.level)
        pairs = {
            signal.tested[0]: (signal, other)
            for signal, other in zip(toys[::2], toys[1::2], strict=True)
        }
        table = toy_table(criterion, first.values, first.q, first.point_status, pairs)
        limits, errors = interpolate_limits(table, 1 - first.level, first.method)
        status, message = outcome(first.poi, criterion, table, limits)
        return replace(
            first,
            toys=toys,
            **_curve_members(table, limits, errors),
            notes=merged_notes(first.notes, toys, table),
            origin=merged_origin([shard.origin for shard in shards], "shards"),
            status=status,
            message=message,
        )

    @property
    def limits(self) -> tuple[float, ...]:
        """The observed limit and the five expected ones."""
        return (self.observed, *self.expected.tolist())

    def _head(self) -> list[str]:
        verdict = "" if self.status == "ok" else f": {self.status.upper()}"
        lines = [
            (
                f"{100 * self.level:g} % {self.criterion} upper limit on {self.poi} "
                f"with {self.statistic}, {self.calculator}{verdict}"
            ),
            f"  {self.message}",
            (
                f"  best fit {self.poi} = {number(self.poi_hat)}   {self.method}, "
                f"{len(self.values)} values tested, {self.n_fits} fits"
            ),
        ]
        if self.disorder:
            lines.append(f"  warning: {self.disorder}")
        return lines + [f"  note: {note}" for note in self.notes]

    @property
    def disorder(self) -> str:
        """Sentence about expected limits that do not grow from -2 to +2 sigma; empty if they do."""
        found = [
            (name, value)
            for name, value in zip(_CURVES[1:], self.expected.tolist(), strict=True)
            if math.isfinite(value)
        ]
        for (lower, low), (upper, high) in pairwise(found):
            if not low <= high:
                numbers = f"{lower} {number(low)} is above {upper} {number(high)}"
                return f"expected limits are out of order, {numbers}: use more toys or values"
        return ""

    def _rows(self) -> list[tuple[str, ...]]:
        errors = (self.observed_error, *self.expected_error.tolist())
        columns = zip(_CURVES, self.limits, errors, self.curve_status, strict=True)
        good = ("converged", "interpolated")
        return [
            (name, with_error(limit, error), "" if status in good else status)
            for name, limit, error, status in columns
        ]

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self._head(), ("", "limit", ""), self._rows(), "lrl", self.valid),)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LimitGridResult(Record, format="nablafit.LimitGridResult/1"):
    """Upper limits of the signals of a patch set, in the order of their values; frozen.

    A signal whose limit could not be found has a status that says why, and NaN. Columns of arrays
    named `expected...` are as in `LimitResult`.

    Examples
    --------
    >>> grid = nf.limit_grid(nf.Workspace.load("background.json"), "patchset.json")
    >>> grid.labels, grid.status
    (('mass',), ('ok', 'ok'))
    >>> _ = grid.to_csv("limits.csv")
    """

    labels: tuple[str, ...]
    """What the values are, e.g. masses."""
    names: tuple[str, ...]
    """Names of the signals, n of them."""
    points: tuple[tuple[float | str, ...], ...]
    """Values of each signal, one per label."""
    poi: str
    """Parameter of interest."""
    level: float
    """Confidence level."""
    statistic: str
    criterion: str
    """"CLs" or "CLs+b"."""
    observed: FloatArray
    """Observed limits, shape (n,). A signal is excluded where its limit is below `tested`."""
    expected: FloatArray
    """Expected limits, shape (n, 5)."""
    tested: float
    """Value of the parameter of interest at which the signals are nominal: usually 1."""
    cls_observed: FloatArray
    """The criterion at `tested`, shape (n,)."""
    cls_expected: FloatArray
    """The same expected, shape (n, 5)."""
    poi_hat: FloatArray
    """Best values of the parameter of interest, shape (n,)."""
    status: tuple[str, ...]
    """Outcome of each signal: a status of `LimitResult`, "error" if its model could not be built,
    or "not_done" after an interruption."""
    messages: tuple[str, ...]
    """A sentence about each."""
    source: str
    """Where the patch set came from."""
    complete: bool
    """False if the run was interrupted."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def status_counts(self) -> dict[str, int]:
        """How many signals ended in each way."""
        return {kind: self.status.count(kind) for kind in dict.fromkeys(self.status)}

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns of `rows`."""
        limits = ("limit_observed", *(f"limit_{band}" for band in BAND_NAMES))
        cls = ("cls_observed", *(f"cls_{band}" for band in BAND_NAMES))
        return ("name", *self.labels, *limits, *cls, "poi_hat", "status")

    @property
    def rows(self) -> list[tuple[str | float, ...]]:
        """One row per signal, for tables and plots."""
        return [
            (
                name,
                *self.points[i],
                float(self.observed[i]),
                *self.expected[i].tolist(),
                float(self.cls_observed[i]),
                *self.cls_expected[i].tolist(),
                float(self.poi_hat[i]),
                self.status[i],
            )
            for i, name in enumerate(self.names)
        ]

    def _columns(self) -> dict[str, Any]:
        rows = self.rows
        return {name: [row[i] for row in rows] for i, name in enumerate(self.header)}

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the table as CSV with all digits; write it to a file too if one is given."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(map(csv_text, self.header))
        for row in self.rows:
            writer.writerow(csv_text(cell) if isinstance(cell, str) else cell for cell in row)
        if path is not None:
            write_text(path, buffer.getvalue())
        return buffer.getvalue()

    def _head(self) -> list[str]:
        counts = ", ".join(f"{count} {kind}" for kind, count in self.status_counts.items())
        end = "" if self.complete else ": INTERRUPTED"
        return [
            (
                f"{100 * self.level:g} % {self.criterion} upper limits on {self.poi} of "
                f"{len(self)} signals from {self.source}{end}"
            ),
            f"  {counts}; {self.criterion} at {self.poi} = {self.tested:g}",
            *self._reasons(),
        ]

    def _reasons(self) -> list[str]:
        """Return every problem once, with the signals that have it."""
        names: dict[str, list[str]] = {}
        for name, status, message in zip(self.names, self.status, self.messages, strict=True):
            if status not in ("ok", "not_done"):
                names.setdefault(message, []).append(name)
        shown = list(names.items())[:REASONS_SHOWN]
        lines = [
            f"  {affected[0]}{f' and {len(affected) - 1} more' if affected[1:] else ''}: {message}"
            for message, affected in shown
        ]
        if len(names) > len(shown):
            lines.append(f"  and {len(names) - len(shown)} other reasons; `messages` has them")
        return lines

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        header = ("signal", *self.labels, "observed", *BANDS, self.criterion, "")
        rows = []
        for i, name in enumerate(self.names):
            numbers = (self.observed[i], *self.expected[i], self.cls_observed[i])
            values = (v if isinstance(v, str) else f"{v:g}" for v in self.points[i])
            state = "" if self.status[i] == "ok" else self.status[i]
            rows.append((name, *values, *map(number, numbers), state))
        return header, rows

    def _pages(self) -> tuple[Page, ...]:
        header, rows = self._table()
        align = "l" + "r" * (len(header) - 2) + "l"
        good = all(status == "ok" for status in self.status)
        return (Page(self._head(), header, rows, align, good),)


def make_limit(
    hypothesis: Hypothesis,
    criterion: Criterion,
    table: Table,
    limits: Sequence[tuple[float, str]],
    errors: Sequence[float],
    fits: Fits,
    *,
    calculator: str,
    method: str,
    poi_hat: float,
    failure: str | None = None,
    toys: tuple[ToyDistribution, ...] = (),
    complete: bool = True,
) -> LimitResult:
    """Return the result; `limits` are limit and status of each of the six curves."""
    name = hypothesis.poi[0]
    status, message = outcome(name, criterion, table, limits, failure, complete=complete)
    notes = _notes(hypothesis, criterion, table, limits, poi_hat)
    return LimitResult(
        poi=name,
        level=criterion.level,
        statistic=hypothesis.statistic,
        criterion=criterion.name,
        calculator=calculator,
        method=method,
        poi_hat=poi_hat,
        bounds=hypothesis.ranges[0],
        values=table.values,
        **_curve_members(table, limits, errors),
        q=table.q,
        q_asimov=table.q_asimov,
        point_status=table.status,
        n_fits=fits.n_fits,
        toys=toys,
        notes=(*notes, *fits.notes(), *toy_notes(toys, table)),
        status=status,
        message=message,
    )


def _curve_members(
    table: Table, limits: Sequence[tuple[float, str]], errors: Sequence[float]
) -> dict[str, Any]:
    """Return what differs between the six curves by the names of the members of a result."""
    values = [value for value, _ in limits]
    return {
        "observed": values[0],
        "expected": np.array(values[1:]),
        "observed_error": errors[0],
        "expected_error": np.array(errors[1:]),
        "curve_status": tuple(status for _, status in limits),
        "cls_observed": table.p[:, 0].copy(),
        "cls_expected": table.p[:, 1:].copy(),
        "cls_observed_error": table.errors[:, 0].copy(),
        "cls_expected_error": table.errors[:, 1:].copy(),
    }


def _notes(
    hypothesis: Hypothesis,
    criterion: Criterion,
    table: Table,
    limits: Sequence[tuple[float, str]],
    poi_hat: float,
) -> list[str]:
    name, notes = hypothesis.poi[0], []
    upper = hypothesis.model.bounds[hypothesis.indices[0]][1]
    found = [value for value, _ in limits if math.isfinite(value)]
    if found and max(found) > upper:
        notes.append(
            f"limits lie above the upper bound {upper:g} of {name} in the model, which was extended"
        )
    if poi_hat >= upper:
        notes.append(
            f"the best fit has {name} = {poi_hat:.4g}, not below its upper bound {upper:g} "
            "in the model, which was extended"
        )
    low = hypothesis.ranges[0][0]
    if poi_hat == low and low != 0:
        notes.append(
            f"the best fit of {name} is at its bound {poi_hat:g}: the data prefer a value beyond it"
        )
    if any(kind == "below_zero" for _, kind in limits):
        notes.append(f"{criterion.name} excludes every value of {name}: such limits are 0")
    failed = sum(status != "ok" for status in table.status)
    if failed:
        notes.append(f"fits failed at {failed} of {len(table.values)} tested values")
    return notes
