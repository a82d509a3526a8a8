"""From fits, Asimov data and toys to the result of a test."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from ..._arrays import FloatArray
from ..._results.inputs import merged_origin
from ..._results.record import Record
from ...errors import ArgumentError, located
from ._profile import Fit, Observation, Row, failure_sentence, lower_free_fit
from ._statistic import (
    PValues,
    ToyPValues,
    expected_p_values,
    p_values,
    statistic_value,
    toy_p_values,
)
from ._toy_runs import ToyJob, alternative_seed, check_toys
from .results import HypotestResult
from .toy_distribution import ToyDistribution

if TYPE_CHECKING:
    from ...data import Data
    from ._hypothesis import Hypothesis

__all__ = [
    "asymptotic_test",
    "check_same",
    "merge_tests",
    "merge_toys",
    "sentences",
    "test_jobs",
    "toy_numbers",
    "toy_test",
]

ResultT = TypeVar("ResultT", bound=Record)


class HasToys(Protocol):
    """A result with toys."""

    @property
    def toys(self) -> tuple[ToyDistribution, ...]:
        """Its toys."""


_SHARED = ("poi", "tested", "alternative", "poi_hat", "bounds", "statistic", "calculator", "q")
_NOTHING = PValues(np.full(1, np.nan), np.full(1, np.nan), np.full(1, np.nan))
_NO_BANDS = PValues(np.full(5, np.nan), np.full(5, np.nan), np.full(5, np.nan))


def observed_statistic(seen: Observation) -> float:
    """Return the test statistic in the observed data, NaN if a fit failed."""
    if not (seen.free.valid and seen.tested.valid):
        return math.nan
    return _statistic(seen.hypothesis, seen.tested, seen.free)


def _statistic(hypothesis: Hypothesis, tested: Fit, free: Fit) -> float:
    return statistic_value(
        hypothesis.statistic,
        float(hypothesis.tested[0]),
        float(free.x[hypothesis.indices[0]]),
        tested.value,
        free.value,
    )


def asymptotic_test(
    seen: Observation, asimov: tuple[Data, FloatArray] | None = None
) -> HypotestResult:
    """Return the result with asymptotic p-values.

    Parameters
    ----------
    seen : Observation
        The observed data and the fits to them.
    asimov : pair of Data and array, optional
        Asimov data and the values of all parameters that they were made at, instead of those of the
        fit to the observed data with the alternative values.
    """
    hypothesis = seen.hypothesis
    points = _observed_points(seen)
    q, qa, failure = observed_statistic(seen), math.nan, seen.failure()
    if asimov is None and seen.alternative.valid:
        asimov = hypothesis.model.asimov(seen.alternative.x), seen.alternative.x
    if asimov is not None:
        free, tested = fit_asimov(seen, *asimov)
        points |= {"free to Asimov": free, "tested to Asimov": tested}
        if free.valid and tested.valid:
            qa = _statistic(hypothesis, tested, free)
        else:
            name, bad = ("free", free) if not free.valid else ("tested", tested)
            sentence = failure_sentence(hypothesis, name, bad, to=" to Asimov data")
            failure = failure or sentence
    n_poi = len(hypothesis.poi)
    observed = p_values(hypothesis.statistic, np.array(q), np.array(qa), n_poi)
    expected = expected_p_values(hypothesis.statistic, np.array(qa), n_poi)
    return _result(
        seen,
        "asymptotic",
        q,
        qa,
        ToyPValues(observed, _NOTHING, expected, _NO_BANDS),
        points,
        (),
        failure,
    )


def fit_asimov(seen: Observation, asimov: Data, start: FloatArray) -> tuple[Fit, Fit]:
    """Fit Asimov data freely and at the tested values, from the values that they were made at.

    Nothing is below that point, so that the free fit starts there only.
    """
    hypothesis = seen.hypothesis
    held = start.copy()
    held[hypothesis.indices] = hypothesis.tested
    what = f"{hypothesis.describe(hypothesis.tested)} in Asimov data"
    others = (seen.tested.x,) if seen.tested.valid else ()
    row = Row(asimov, held, hypothesis.tested, others, what, deep=True)
    tested = seen.fits.make(hypothesis, [row])[0]
    row = Row(asimov, start, None, what="free, in Asimov data", probe=False)
    free = seen.fits.make(hypothesis, [row])[0]
    return lower_free_fit(hypothesis, row, seen.fits, free, [tested], seen.scale), tested


def test_jobs(seen: Observation, n_toys: int, seed: int, start: int) -> list[ToyJob]:
    """Return the toys to make: at the tested and at the alternative values."""
    check_toys(n_toys, seed, start)
    hypothesis = seen.hypothesis
    places = (
        (hypothesis.tested, seen.tested.x, seed),
        (hypothesis.alternative, seen.alternative.x, alternative_seed(seed)),
    )
    return [
        ToyJob(
            hypothesis=hypothesis,
            tested=[hypothesis.tested],
            drawn_at=values,
            x=x,
            seed=number,
            start=start,
            n=n_toys,
            others=seen.fits.toy_starts(hypothesis, seen.data, x),
        )
        for values, x, number in places
    ]


def toy_test(
    seen: Observation, toys: Sequence[ToyDistribution], *, complete: bool = True
) -> HypotestResult:
    """Return the result with p-values from toys of the tested and the alternative hypothesis."""
    n = min((len(distribution) for distribution in toys), default=0)
    toys = [distribution.first(n) for distribution in toys]
    q = observed_statistic(seen)
    numbers = toy_numbers(seen.hypothesis.statistic, q, toys)
    points, failure = _observed_points(seen), seen.failure()
    return _result(seen, "toys", q, math.nan, numbers, points, toys, failure, complete=complete)


def toy_numbers(statistic: str, q: float, toys: Sequence[ToyDistribution]) -> ToyPValues:
    """Return the p-values from toys of two hypotheses, NaN if there are none."""
    if len(toys) != 2 or any(distribution.n_valid == 0 for distribution in toys):
        return ToyPValues(_NOTHING, _NOTHING, _NO_BANDS, _NO_BANDS)
    return toy_p_values(statistic, q, *toys)


def _observed_points(seen: Observation) -> dict[str, Fit]:
    return {"free": seen.free, "tested": seen.tested, "alternative": seen.alternative}


def _result(
    seen: Observation,
    calculator: str,
    q: float,
    qa: float,
    numbers: ToyPValues,
    points: dict[str, Fit],
    toys: Sequence[ToyDistribution],
    failure: str | None,
    *,
    complete: bool = True,
) -> HypotestResult:
    hypothesis = seen.hypothesis
    status, message = _outcome(seen, toys, failure, complete=complete)
    return HypotestResult(
        poi=hypothesis.poi,
        tested=tuple(hypothesis.tested.tolist()),
        alternative=tuple(hypothesis.alternative.tolist()),
        poi_hat=seen.poi_hat,
        bounds=hypothesis.ranges,
        statistic=hypothesis.statistic,
        calculator=calculator,
        q=q,
        q_asimov=qa,
        **_members(numbers),
        parameters=hypothesis.model.parameters,
        points={name: fit.x for name, fit in points.items()},
        fits={name: fit.status for name, fit in points.items()},
        toys=tuple(toys),
        notes=seen.fits.notes(),
        status=status,
        message=message,
    )


def _members(numbers: ToyPValues) -> dict[str, Any]:
    """Return the p-values by the names of the members of a result."""
    members: dict[str, float | FloatArray] = {}
    for name in ("clsb", "clb", "cls"):
        members[name] = float(np.ravel(getattr(numbers.observed, name))[0])
        members[f"{name}_error"] = float(np.ravel(getattr(numbers.observed_errors, name))[0])
        members[f"expected_{name}"] = np.array(getattr(numbers.expected, name), float)
    members["expected_clsb_error"] = np.array(numbers.expected_errors.clsb, float)
    members["expected_cls_error"] = np.array(numbers.expected_errors.cls, float)
    return members


def _outcome(
    seen: Observation, toys: Sequence[ToyDistribution], failure: str | None, *, complete: bool
) -> tuple[str, str]:
    hypothesis = seen.hypothesis
    names = ", ".join(hypothesis.poi)
    if failure:
        return "fit_failed", failure
    if not seen.has_effect():
        message = f"{names} changes no expected yield: the data say nothing about it."
        return "no_effect", message
    tested = tuple(hypothesis.tested.tolist())
    about = (hypothesis.statistic, hypothesis.poi, tested, seen.poi_hat, hypothesis.ranges)
    said = sentences(*about, toys)
    if not complete:
        said.append("Interrupted: the p-values are those of the toys that were done.")
        return "interrupted", " ".join(said)
    if toys and any(distribution.n_valid == 0 for distribution in toys):
        return "fit_failed", " ".join(["No toy could be fitted.", *said[1:]])
    return "ok", " ".join(said)


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


def merge_tests(shards: Sequence[HypotestResult]) -> HypotestResult:
    """Join the toys of several results and count again."""
    first = check_same(shards, _SHARED)
    toys = merge_toys(shards)
    about = (first.statistic, first.poi, first.tested, first.poi_hat, first.bounds)
    return dataclasses.replace(
        first,
        origin=merged_origin([shard.origin for shard in shards], "shards"),
        toys=toys,
        **_members(toy_numbers(first.statistic, first.q, toys)),
        status="ok" if first.status == "interrupted" else first.status,
        message=" ".join(sentences(*about, toys)),
    )
