"""From fits, Asimov data and toys to the result of a test."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import FloatArray
from ..errors import ArgumentError, located
from ._asymptotics import PValues, expected_p_values, p_values
from ._profile import Fit, Observation, Row, failure_sentence, fit_rows
from ._statistic import statistic_value
from ._toy_p_values import toy_p_values
from ._toy_runs import ToyJob, alternative_seed
from .results import HypotestResult
from .toy_distribution import ToyDistribution

if TYPE_CHECKING:
    from ..data import Data
    from ._hypothesis import Hypothesis

__all__ = ["asymptotic_test", "merge_tests", "test_jobs", "toy_test"]

_SHARED = ("poi", "tested", "alternative", "poi_hat", "bounds", "statistic", "calculator", "q")
_NOTHING = PValues(np.array(math.nan), np.array(math.nan), np.array(math.nan))
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
    seen: Observation, asimov: Data | None = None, *, n_threads: int | None = None
) -> HypotestResult:
    """Return the result with asymptotic p-values.

    Parameters
    ----------
    seen : Observation
        The observed data and the fits to them.
    asimov : Data, optional
        Instead of the Asimov data at the fit to the observed data with the alternative values.
    n_threads : int, optional
        For the fits to Asimov data.
    """
    hypothesis = seen.hypothesis
    points = _observed_points(seen)
    q, qa, failure = observed_statistic(seen), math.nan, seen.failure()
    if asimov is None and seen.alternative.valid:
        asimov = hypothesis.model.asimov(seen.alternative.x)
    if asimov is not None:
        free, tested = fit_asimov(seen, asimov, n_threads=n_threads)
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
        seen, "asymptotic", q, qa, (observed, _NOTHING, expected, _NO_BANDS), points, (), failure
    )


def fit_asimov(seen: Observation, asimov: Data, *, n_threads: int | None) -> tuple[Fit, Fit]:
    """Fit Asimov data freely and at the tested values, from the values that they were made at."""
    hypothesis = seen.hypothesis
    start = seen.alternative.x
    held = start.copy()
    held[hypothesis.indices] = hypothesis.tested
    rows = [Row(asimov, start, None), Row(asimov, held, hypothesis.tested)]
    free, tested = fit_rows(hypothesis, rows, n_threads=n_threads)
    return free, tested


def test_jobs(seen: Observation, n_toys: int, seed: int, start: int) -> list[ToyJob]:
    """Return the toys to make: at the tested and at the alternative values."""
    for name, number, most in (
        ("n_toys", n_toys, 2**63),
        ("seed", seed, 2**64),
        ("start", start, 2**63),
    ):
        if not 0 <= number < most:
            message = f"expected a number from 0 to {most - 1}, got {number}"
            raise located(ArgumentError, message, name)
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
    numbers = _toy_numbers(seen.hypothesis.statistic, q, toys)
    points, failure = _observed_points(seen), seen.failure()
    return _result(seen, "toys", q, math.nan, numbers, points, toys, failure, complete=complete)


def _toy_numbers(
    statistic: str, q: float, toys: Sequence[ToyDistribution]
) -> tuple[PValues, PValues, PValues, PValues]:
    if len(toys) != 2 or any(distribution.n_valid == 0 for distribution in toys):
        return _NOTHING, _NOTHING, _NO_BANDS, _NO_BANDS
    found = toy_p_values(statistic, q, *toys)
    return found.observed, found.observed_errors, found.expected, found.expected_errors


def _observed_points(seen: Observation) -> dict[str, Fit]:
    return {"free": seen.free, "tested": seen.tested, "alternative": seen.alternative}


def _result(
    seen: Observation,
    calculator: str,
    q: float,
    qa: float,
    numbers: tuple[PValues, PValues, PValues, PValues],
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
        status=status,
        message=message,
    )


def _members(numbers: tuple[PValues, PValues, PValues, PValues]) -> dict[str, Any]:
    """Return the p-values by the names of the members of a result."""
    observed, errors, expected, expected_errors = numbers
    members: dict[str, float | FloatArray] = {}
    for name in ("clsb", "clb", "cls"):
        members[name] = float(np.ravel(getattr(observed, name))[0])
        members[f"{name}_error"] = float(np.ravel(getattr(errors, name))[0])
        members[f"expected_{name}"] = np.array(getattr(expected, name), float)
    members["expected_clsb_error"] = np.array(expected_errors.clsb, float)
    members["expected_cls_error"] = np.array(expected_errors.cls, float)
    return members


def _outcome(
    seen: Observation, toys: Sequence[ToyDistribution], failure: str | None, *, complete: bool
) -> tuple[str, str]:
    hypothesis = seen.hypothesis
    names = ", ".join(hypothesis.poi)
    if failure:
        return "fit_failed", failure
    if not hypothesis.has_effect():
        message = f"{names} changes no expected yield: the data say nothing about it."
        return "no_effect", message
    tested = tuple(hypothesis.tested.tolist())
    about = (hypothesis.statistic, hypothesis.poi, tested, seen.poi_hat, hypothesis.ranges)
    sentences = [*_sentences(*about), *_toy_sentences(toys)]
    if not complete:
        sentences.append("Interrupted: the p-values are those of the toys that were done.")
        return "interrupted", " ".join(sentences)
    if toys and any(distribution.n_valid == 0 for distribution in toys):
        return "fit_failed", " ".join(["No toy could be fitted.", *sentences[1:]])
    return "ok", " ".join(sentences)


def _sentences(
    statistic: str,
    poi: tuple[str, ...],
    tested: tuple[float, ...],
    poi_hat: tuple[float, ...],
    bounds: tuple[tuple[float, float], ...],
) -> list[str]:
    """Say what the estimate means for the statistic, and where it is at a bound other than 0."""
    name, hat = poi[0], poi_hat[0]
    first = "All fits converged."
    if statistic in ("q", "qtilde") and hat >= tested[0]:
        first = f"The best fit of {name} is not below the tested value: the statistic is 0."
    elif statistic == "q0" and hat <= 0:
        first = f"The best fit of {name} is not above 0: the data show no excess, q0 is 0."
    elif statistic in ("qtilde", "ttilde") and hat == 0:
        first = f"The best fit of {name} is at its bound 0."
    return [first] + [
        f"The best fit has {name} at its bound {hat:g}: the data prefer a value beyond it; choose "
        "wider `bounds`."
        for name, hat, pair in zip(poi, poi_hat, bounds, strict=True)
        if hat in pair and hat != 0.0
    ]


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


def merge_tests(shards: Sequence[HypotestResult]) -> HypotestResult:
    """Join the toys of several results and count again."""
    if not shards:
        raise located(ArgumentError, "expected at least one result, got none", "shards")
    first = shards[0]
    for i, shard in enumerate(shards):
        if len(shard.toys) != 2:
            raise located(ArgumentError, "has no toys to merge", f"shards[{i}]")
        for name in _SHARED:
            if getattr(shard, name) != getattr(first, name):
                found = f"{getattr(shard, name)} and {getattr(first, name)}"
                raise located(ArgumentError, f"results differ in {name}: {found}", "shards")
    toys = tuple(ToyDistribution.merge([shard.toys[k] for shard in shards]) for k in (0, 1))
    about = (first.statistic, first.poi, first.tested, first.poi_hat, first.bounds)
    return dataclasses.replace(
        first,
        toys=toys,
        **_members(_toy_numbers(first.statistic, first.q, toys)),
        status="ok" if first.status == "interrupted" else first.status,
        message=" ".join([*_sentences(*about), *_toy_sentences(toys)]),
    )
