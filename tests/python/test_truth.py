"""A campaign of random models in which no number may be wrong and say that it is right.

In CI it is short. Environment variables make it as long as wanted, and `.ci/nightly` sets them:

NABLAFIT_TRUTH_MODELS : number of models, 330 by default. From 2000 on every check looks at every
    model, with all statistics; below, checks share the models.
NABLAFIT_TRUTH_SEED : seed of the campaign.
NABLAFIT_TRUTH_SHARD : "i/n" for every n-th model only, from the i-th on: one process per core.
NABLAFIT_TRUTH_REPORT : folder for counts and for the smallest failing models.

A failure prints seed, number and JSON of the smallest failing model.
"""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import nablafit as nf
from truth_checks import CHECKS, Verdict, Verdicts
from truth_invariance import check_padding, check_scale
from truth_models import KINDS, compiled, random_case
from truth_referee import PlainModel

pytestmark = pytest.mark.slow

MODELS = int(os.environ.get("NABLAFIT_TRUTH_MODELS", "330"))
SEED = int(os.environ.get("NABLAFIT_TRUTH_SEED", "1"))
SHARD, N_SHARDS = map(int, os.environ.get("NABLAFIT_TRUTH_SHARD", "0/1").split("/"))
REPORT = os.environ.get("NABLAFIT_TRUTH_REPORT")
FULL = MODELS >= 2000
KEPT = 10
# Of the numbers of a check: more would mean that results are announced away.
MOST_ANNOUNCED = 0.02
ALL: dict[str, Callable[..., Verdicts]] = {
    **CHECKS,
    "scale": check_scale,
    "padding": check_padding,
}
# In a short campaign, and for slow referees in a long one: one model in so many.
EVERY = {"limits": 1, "hypotest": 2, "significance": 2, "intervals": 2, "scan": 2}
EVERY |= {"contour": 4, "ranking": 3, "fit": 30, "scale": 6, "padding": 10}
EVERY_FULL = {"fit": 12, "scale": 4}


def numbers(check: str) -> Iterator[int]:
    """Yield the numbers of the models for a check, every kind among them."""
    every = EVERY_FULL.get(check, 1) if FULL else EVERY[check]
    return (i for i in range(SHARD, MODELS, N_SHARDS) if i // len(KINDS) % every == 0)


def verdicts(check: str) -> Iterator[Verdict]:
    for number in numbers(check):
        case = random_case(SEED, number)
        try:
            yield from ALL[check](case, full=FULL)
        except Exception as error:
            message = f"seed {SEED}, model {number}, {case.kind}: {case.text}"
            raise AssertionError(message) from error


def report(check: str, found: dict[str, list[Verdict]]) -> None:
    """Write how many numbers of each kind came out how, and the smallest models that failed."""
    if REPORT is None:
        return
    folder = Path(REPORT)
    folder.mkdir(parents=True, exist_ok=True)
    counts = {
        outcome: Counter(verdict.case.kind for verdict in listed)
        for outcome, listed in found.items()
    }
    name = f"{check}-{SEED}-{SHARD}"
    (folder / f"{name}.json").write_text(json.dumps(counts, indent=1))
    for kind in {verdict.case.kind for verdict in found["silent"]}:
        silent = [verdict for verdict in found["silent"] if verdict.case.kind == kind]
        for verdict in smallest(silent):
            case = verdict.case
            content = {"seed": case.seed, "number": case.number, "what": verdict.what}
            path = folder / f"{check}-{kind}-{case.seed}-{case.number}.json"
            path.write_text(json.dumps({**content, "workspace": case.document}, indent=1))


def smallest(listed: list[Verdict]) -> list[Verdict]:
    """Return one verdict for each of the smallest models."""
    by_model = {verdict.case.number: verdict for verdict in reversed(listed)}
    return sorted(by_model.values(), key=lambda verdict: len(verdict.case.text))[:KEPT]


@pytest.mark.filterwarnings("ignore::nablafit.FitWarning")
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("check", list(ALL))
def test_no_number_is_silently_wrong(check: str) -> None:
    found: dict[str, list[Verdict]] = {
        outcome: [] for outcome in ("agrees", "silent", "announced", "impossible")
    }
    for verdict in verdicts(check):
        found[verdict.outcome].append(verdict)
    report(check, found)
    n = sum(map(len, found.values()))
    assert n >= len(KINDS)
    if found["silent"]:
        first, *_ = smallest(found["silent"])
        kinds = Counter(verdict.case.kind for verdict in found["silent"])
        pytest.fail(
            f"{len(found['silent'])} of {n} numbers are wrong and say nothing: {dict(kinds)}; "
            f"the smallest model, seed {first.case.seed}, number {first.case.number}:\n"
            f"{first.what}\n{first.case.text}"
        )
    announced = found["announced"]
    shown = "\n".join(f"{verdict.case.number}: {verdict.what}" for verdict in announced[:10])
    assert len(announced) <= MOST_ANNOUNCED * n, shown


def test_referee_and_likelihood_agree() -> None:
    """The plain likelihood of the referee is the one that nablafit evaluates."""
    for number in range(2 * len(KINDS)):
        case = random_case(SEED, number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nf.ModelWarning)
            model, data = compiled(case.document)
        plain = PlainModel(case.document, model.parameters)
        assert plain.constrained == list(model.constrained_parameters)
        assert list(model.fixed) == [plain.parameters[name].fixed for name in model.parameters]
        likelihood = model.likelihood(data)
        shifts = case.generator(0).normal(0, 0.3, (5, model.n_parameters))
        points = model.initial + shifts * np.maximum(np.abs(model.initial), (model.initial == 0))
        right = plain.deviance(points, plain.counts, plain.observations)
        found = np.array([2 * likelihood(x) for x in points])
        np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-11)


def test_referee_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are 1 % off are found out."""
    original = nf.upper_limit

    def spoiled(*args: object, **options: object) -> nf.infer.LimitResult:
        result = original(*args, **options)
        return dataclasses.replace(
            result, observed=1.02 * result.observed, expected=1.02 * result.expected
        )

    case = random_case(1, list(KINDS).index("ordinary"))
    assert {v.outcome for v in CHECKS["limits"](case, full=False)} == {"agrees"}
    monkeypatch.setattr(nf, "upper_limit", spoiled)
    assert {v.outcome for v in CHECKS["limits"](case, full=False)} == {"silent"}
