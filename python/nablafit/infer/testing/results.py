"""Results of hypothesis tests and of discovery significances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import scipy

from ..._arrays import FloatArray
from ..._results.provenance import merged_origin
from ..._results.record import Record
from ..._results.text import BANDS, Page, number, with_error
from ...errors import ArgumentError, located
from ._statistic import PValues, ToyPValues, toy_p_values
from .toy_distribution import ToyDistribution

ResultT = TypeVar("ResultT", bound=Record)


class HasToys(Protocol):
    """A result with toys."""

    @property
    def toys(self) -> tuple[ToyDistribution, ...]:
        """Its toys."""


NOTHING, NO_BANDS = (PValues(*np.full((3, n), np.nan)) for n in (1, 5))


def toy_numbers(statistic: str, q: float, toys: Sequence[ToyDistribution]) -> ToyPValues:
    """Return the p-values from toys of two hypotheses, NaN if there are none."""
    if len(toys) != 2 or any(distribution.n_valid == 0 for distribution in toys):
        return ToyPValues(NOTHING, NOTHING, NO_BANDS, NO_BANDS)
    return toy_p_values(statistic, q, *toys)


def p_value_members(numbers: ToyPValues) -> dict[str, Any]:
    """Return the p-values by the names of the members of a result."""
    members: dict[str, float | FloatArray] = {}
    for name in ("clsb", "clb", "cls"):
        members[name] = float(np.ravel(getattr(numbers.observed, name))[0])
        members[f"{name}_error"] = float(np.ravel(getattr(numbers.observed_errors, name))[0])
        members[f"expected_{name}"] = np.array(getattr(numbers.expected, name), float)
    members["expected_clsb_error"] = np.array(numbers.expected_errors.clsb, float)
    members["expected_cls_error"] = np.array(numbers.expected_errors.cls, float)
    return members


def sentences(
    statistic: str,
    poi: tuple[str, ...],
    tested: tuple[float, ...],
    poi_hat: tuple[float, ...],
    bounds: tuple[tuple[float, float], ...],
    toys: Sequence[ToyDistribution] = (),
    q: float = math.nan,
) -> list[str]:
    """Describe the meaning of the estimate, bounds other than 0 that it is at, and failed toys."""
    name, hat = poi[0], poi_hat[0]
    first = "All fits converged."
    if statistic in ("q", "qtilde") and hat >= tested[0]:
        first = f"The best fit of {name} is not below the tested value: the statistic is 0."
    elif statistic == "q0" and hat <= 0:
        first = f"The best fit of {name} is not above 0: the data show no excess, q0 is 0."
    elif statistic in ("qtilde", "ttilde") and hat == 0:
        first = f"The best fit of {name} is at its bound 0."
    at_bound = [
        f"The best fit has {name} at its bound {hat:g}: the data prefer a value beyond it; choose "
        "wider `bounds`."
        for name, hat, pair in zip(poi, poi_hat, bounds, strict=True)
        if hat in pair and hat != 0.0
    ]
    unbounded = [name for name, pair in zip(poi, bounds, strict=True) if pair[1] == math.inf]
    if unbounded:
        at_bound.append(f"Fitted without upper bound: {', '.join(unbounded)}.")
    return [first, *at_bound, *_toy_sentences(toys), *_minima_sentences(toys, q)]


def _toy_sentences(toys: Sequence[ToyDistribution]) -> list[str]:
    n, n_failed = sum(map(len, toys)), sum(toy.n_failed for toy in toys)
    if n_failed == 0:
        return []
    kinds: dict[str, int] = {}
    for distribution in toys:
        for kind, count in distribution.failures.items():
            kinds[kind] = kinds.get(kind, 0) + count
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return [f"{n_failed} of {n} toys failed and are left out ({listed})."]


def _minima_sentences(toys: Sequence[ToyDistribution], q: float) -> list[str]:
    """Say how many toys had several minima, and what that does to the p-value of the first set."""
    n, n_several = sum(map(len, toys)), sum(toy.n_several for toy in toys)
    if n_several == 0:
        return []
    said = f"{n_several} of {n} toys ({100.0 * n_several / n:.2g} %) have fits with several minima"
    effect = toys[0].effect_of_starts(q)
    if math.isfinite(effect):
        said += (
            "; the lowest are used, which changes the p-value of the tested hypothesis by "
            f"{effect:+.2g}"
        )
    return [f"{said}."]


def check_same(shards: Sequence[ResultT], names: Sequence[str]) -> ResultT:
    """Return the first result; raise ArgumentError if others differ in these members."""
    if not shards:
        raise located(ArgumentError, "expected at least one result, got none", "shards")
    for shard in shards:
        for name in names:
            mine, theirs = getattr(shards[0], name), getattr(shard, name)
            if not np.array_equal(mine, theirs):
                message = f"results differ in {name}: {theirs} and {mine}"
                raise located(ArgumentError, message, "shards")
    return shards[0]


def merge_toys(shards: Sequence[HasToys]) -> tuple[ToyDistribution, ...]:
    """Join the toys of results, distribution by distribution."""
    n = len(shards[0].toys)
    for i, shard in enumerate(shards):
        if len(shard.toys) != n or n == 0:
            raise located(ArgumentError, f"has {len(shard.toys)} sets of toys", f"shards[{i}]")
    return tuple(ToyDistribution.merge([shard.toys[k] for shard in shards]) for k in range(n))


def significance_members(q0: float, toys: Sequence[ToyDistribution]) -> dict[str, Any]:
    """Return p-values and significances by the names of the members of a result."""
    found = toy_numbers("q0", q0, toys)
    z, z_error = significance_of(found.observed.clsb, found.observed_errors.clsb)
    p0, p0_error = found.expected.clsb[::-1], found.expected_errors.clsb[::-1]
    expected_z, expected_z_error = significance_of(p0, p0_error)
    return {
        "p0": float(found.observed.clsb[0]),
        "p0_error": float(found.observed_errors.clsb[0]),
        "z": float(z[0]),
        "z_error": float(z_error[0]),
        "expected_p0": p0.copy(),
        "expected_z": expected_z,
        "expected_z_error": expected_z_error,
    }


def significance_of(p: FloatArray, error: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Z = -Phi^-1(p) and its error; infinite where no toy is above."""
    z = -scipy.special.ndtri(p)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    with np.errstate(all="ignore"):
        return z, np.where(density > 0, error / density, np.inf)


_SHARED = ("poi", "tested", "alternative", "poi_hat", "bounds", "statistic", "calculator", "q")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class HypotestResult(Record, format="nablafit.HypotestResult/1"):
    """p-values of one hypothesis; frozen.

    Arrays `expected_...` have five entries, in data that fluctuate by -2, -1, 0, +1, +2 standard
    deviations under the alternative hypothesis, the smallest p-value first. Numbers that do not
    exist are NaN: CLb and CLs of the two-sided statistics, errors of asymptotic p-values.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.hypotest(model, data, 1.0)
    >>> print(f"{result.clsb:.4f} / {result.clb:.4f} = {result.cls:.4f}")
    0.2744 / 0.8854 = 0.3099
    >>> print(result.expected_cls.round(3))
    [0.003 0.016 0.072 0.251 0.592]
    """

    poi: tuple[str, ...]
    """Parameters of interest."""
    tested: tuple[float, ...]
    """Their tested values."""
    alternative: tuple[float, ...]
    """Their values in the alternative hypothesis: 0, for q0 1, unless chosen otherwise."""
    poi_hat: tuple[float, ...]
    """Their best values in the observed data, within `bounds`."""
    bounds: tuple[tuple[float, float], ...]
    """Their ranges in the free fit."""
    statistic: str
    """"q", "qtilde", "t", "ttilde" or "q0"."""
    calculator: str
    """"asymptotic" or "toys"."""
    q: float
    """The test statistic in the observed data."""
    q_asimov: float
    """The test statistic in the Asimov data of the alternative hypothesis; NaN with toys."""
    clsb: float
    """p-value of the tested hypothesis: CLs+b, for q0 the discovery p-value p0."""
    clb: float
    """Probability of the same under the alternative hypothesis."""
    cls: float
    """CLs = CLs+b / CLb."""
    clsb_error: float
    """Statistical uncertainty from the number of toys, as for the next two."""
    clb_error: float
    cls_error: float
    expected_clsb: FloatArray
    expected_clb: FloatArray
    expected_cls: FloatArray
    expected_clsb_error: FloatArray
    """Statistical uncertainty from the number of toys, as `clsb_error`."""
    expected_cls_error: FloatArray
    parameters: tuple[str, ...]
    """All parameters of the model."""
    points: dict[str, FloatArray]
    """Where the fits ended, values of all parameters: "free" and "tested" in the observed data,
    "alternative", and "free to Asimov" and "tested to Asimov" where there are Asimov data."""
    fits: dict[str, str]
    """How each of these fits ended: a status of `FitResult`."""
    toys: tuple[ToyDistribution, ...]
    """Those of the tested and of the alternative hypothesis; none for asymptotic p-values."""
    notes: tuple[str, ...] = ()
    """What a physicist should know, e.g. that fits from different starts disagreed."""
    status: str
    """"ok"; "no_effect" if the parameter of interest changes nothing; "fit_failed"; "interrupted"
    if some toys are missing."""
    message: str
    """Sentences about the outcome, with the remedy where there is something to do."""

    @property
    def valid(self) -> bool:
        """True if the p-values can be used, possibly with fewer toys than requested."""
        return self.status in ("ok", "no_effect", "interrupted")

    @property
    def p_value(self) -> float:
        """p-value of the tested hypothesis, the same as `clsb`."""
        return self.clsb

    @classmethod
    def merge(cls, shards: Sequence[HypotestResult]) -> HypotestResult:
        """Join results of toys number `start` on to what one call would have found.

        Raises
        ------
        ArgumentError
            If they differ in anything but their toys, overlap, leave a gap or have none.
        """
        first = check_same(shards, _SHARED)
        toys = merge_toys(shards)
        about = (first.statistic, first.poi, first.tested, first.poi_hat, first.bounds)
        return replace(
            first,
            origin=merged_origin([shard.origin for shard in shards], "shards"),
            toys=toys,
            **p_value_members(toy_numbers(first.statistic, first.q, toys)),
            status="ok" if first.status == "interrupted" else first.status,
            message=" ".join(sentences(*about, toys, first.q)),
        )

    def _head(self) -> list[str]:
        pairs = list(zip(self.poi, self.tested, self.poi_hat, strict=True))
        tested = ", ".join(f"{name} = {value:g}" for name, value, _ in pairs)
        best = ", ".join(f"{name} = {number(hat)}" for name, _, hat in pairs)
        verdict = "" if self.status == "ok" else f": {self.status.upper()}"
        asimov = "" if self.calculator == "toys" else f"   in Asimov data {number(self.q_asimov)}"
        lines = [
            f"Test of {tested} with {self.statistic}, {self.calculator}{verdict}",
            f"  {self.message}",
            f"  best fit {best}   {self.statistic} = {number(self.q)}{asimov}",
        ]
        for toys in self.toys:
            at = ", ".join(f"{value:g}" for value in toys.drawn_at)
            lines.append(f"  {len(toys)} toys at {at}, {toys.n_failed} failed")
        return lines + [f"  note: {note}" for note in self.notes]

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        header = ("", "CLs+b", "CLb", "CLs")
        observed = (
            with_error(self.clsb, self.clsb_error),
            with_error(self.clb, self.clb_error),
            with_error(self.cls, self.cls_error),
        )
        rows: list[tuple[str, ...]] = [("observed", *observed)]
        for i, band in enumerate(BANDS):
            clsb = with_error(self.expected_clsb[i], self.expected_clsb_error[i])
            cls = with_error(self.expected_cls[i], self.expected_cls_error[i])
            rows.append((f"expected {band}", clsb, number(self.expected_clb[i]), cls))
        if self.statistic in ("q", "qtilde"):
            return header, rows
        return ("", "p-value"), [row[:2] for row in rows]

    def _pages(self) -> tuple[Page, ...]:
        header, rows = self._table()
        align = "l" + "r" * (len(header) - 1)
        return (Page(self._head(), header, rows, align, self.status == "ok"),)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SignificanceResult(Record, format="nablafit.SignificanceResult/1"):
    """How significantly the data exclude the absence of a signal; frozen.

    Arrays `expected_...` have five entries, in data with the signal `expected_at` that fluctuate by
    -2, -1, 0, +1, +2 standard deviations: the smallest significance first.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.significance(model, data)
    >>> print(f"Z = {result.z:.2f}, p0 = {result.p0:.3f}")
    Z = 1.22, p0 = 0.111
    """

    poi: str
    """Parameter of interest: the signal strength."""
    poi_hat: float
    """Its best value in the observed data."""
    q0: float
    """The test statistic q0 in the observed data."""
    p0: float
    """Probability of data at least as signal-like without a signal."""
    z: float
    """Significance in standard deviations, one-sided."""
    p0_error: float
    """Statistical uncertainty from the number of toys; NaN if asymptotic."""
    z_error: float
    """Statistical uncertainty of z."""
    expected_at: float
    """Signal strength of the expected significance."""
    asimov: str
    """Nuisance parameters of the expected significance: "profiled" to the observed data at
    `expected_at`, "prefit", or "postfit" if they are those of a given fit."""
    expected_p0: FloatArray
    expected_z: FloatArray
    expected_z_error: FloatArray
    """Statistical uncertainty from the number of toys; NaN if asymptotic."""
    calculator: str
    """"asymptotic" or "toys"."""
    toys: tuple[ToyDistribution, ...]
    """Without and with signal; none if asymptotic."""
    notes: tuple[str, ...] = ()
    """As in `HypotestResult`."""
    status: str
    """As in `HypotestResult`."""
    message: str

    @property
    def valid(self) -> bool:
        """True if the numbers can be used, possibly with fewer toys than requested."""
        return self.status in ("ok", "no_effect", "interrupted")

    @classmethod
    def merge(cls, shards: Sequence[SignificanceResult]) -> SignificanceResult:
        """Join results of toys number `start` on, as `HypotestResult.merge` does."""
        first = check_same(shards, ("poi", "poi_hat", "q0", "expected_at", "asimov"))
        toys = merge_toys(shards)
        return replace(
            first,
            origin=merged_origin([shard.origin for shard in shards], "shards"),
            toys=toys,
            status="ok" if first.status == "interrupted" else first.status,
            message=" ".join(
                sentences(
                    "q0", (first.poi,), (0.0,), (first.poi_hat,), toys[0].bounds, toys, first.q0
                )
            ),
            **significance_members(first.q0, toys),
        )

    def _head(self) -> list[str]:
        verdict = "" if self.status == "ok" else f": {self.status.upper()}"
        lines = [
            f"Significance of {self.poi} > 0, {self.calculator}{verdict}",
            f"  {self.message}",
            f"  best fit {self.poi} = {number(self.poi_hat)}   q0 = {number(self.q0)}",
            f"  expected for {self.poi} = {self.expected_at:g}, nuisance parameters {self.asimov}",
        ]
        lines += [
            f"  {len(toys)} toys at {toys.drawn_at[0]:g}, {toys.n_failed} failed"
            for toys in self.toys
        ]
        if self.p0 == 0.0 and math.isfinite(self.z_beyond_toys):
            lines.append(
                f"  warning: no toy is as signal-like, so that {number(self.z_beyond_toys)} is a "
                "lower bound on the significance: use more toys"
            )
        return lines + [f"  note: {note}" for note in self.notes]

    @property
    def z_beyond_toys(self) -> float:
        """Significance of one toy of all: a lower bound where `z` is infinite; NaN without toys."""
        if not self.toys or self.toys[0].n_valid < 2:
            return math.nan
        return float(-scipy.special.ndtri(1.0 / self.toys[0].n_valid))

    def _cells(self, p0: float, z: float, z_error: float, shown: str) -> tuple[str, str]:
        """Return p0 and Z as text; bounds where no toy, or every toy, is more signal-like."""
        bound = self.z_beyond_toys
        if math.isnan(bound) or 0.0 < p0 < 1.0 or math.isnan(p0):
            return shown, with_error(z, z_error)
        edge = 1.0 / self.toys[0].n_valid
        if p0 == 0.0:
            return f"< {number(edge)}", f"> {number(bound)}"
        return f"> {number(1.0 - edge)}", f"< {number(-bound)}"

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        observed = with_error(self.p0, self.p0_error)
        rows = [("observed", *self._cells(self.p0, self.z, self.z_error, observed))]
        for i, band in enumerate(BANDS):
            p0, z = float(self.expected_p0[i]), float(self.expected_z[i])
            error = float(self.expected_z_error[i])
            rows.append((f"expected {band}", *self._cells(p0, z, error, number(p0))))
        return ("", "p0", "Z"), [tuple(row) for row in rows]

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self._head(), *self._table(), "lrr", self.status == "ok"),)
