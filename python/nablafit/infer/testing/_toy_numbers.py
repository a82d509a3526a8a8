"""What results say of their toys: p-values, significances, sentences; and how toys are joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import scipy

from ..._arrays import FloatArray
from ..._results.record import Record
from ...errors import ArgumentError, located
from ._statistic import PValues, ToyPValues, toy_p_values
from .toy_distribution import ToyDistribution

__all__ = [
    "NOTHING",
    "NO_BANDS",
    "check_same",
    "merge_toys",
    "p_value_members",
    "sentences",
    "significance_members",
    "significance_of",
    "toy_numbers",
]

ResultT = TypeVar("ResultT", bound=Record)


class HasToys(Protocol):
    """A result with toys."""

    @property
    def toys(self) -> tuple[ToyDistribution, ...]:
        """Its toys."""


NOTHING = PValues(np.full(1, np.nan), np.full(1, np.nan), np.full(1, np.nan))


NO_BANDS = PValues(np.full(5, np.nan), np.full(5, np.nan), np.full(5, np.nan))


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
) -> list[str]:
    """Say what the estimate means, where it is at a bound other than 0, and which toys failed."""
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
    return [first, *at_bound, *_toy_sentences(toys)]


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
