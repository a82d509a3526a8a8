"""Numbers that must not depend on the unit of the parameter of interest, nor on padded bins."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

import nablafit as nf
from truth_checks import Verdict, Verdicts
from truth_models import Case, Document, Draw, compiled, padded_document, rescaled

TOLERANCE = 1e-8
METHODS = ("linear", "refit", "global_observables")
SCALES = tuple(10.0**power for power in range(-12, 13, 2))


@dataclass(frozen=True)
class Numbers:
    """Numbers of one model in its own unit of the parameter of interest."""

    values: dict[str, float]
    """By what they are."""
    announced: set[str]
    """Which of them are said to be none."""
    total: dict[str, float]
    """What a component is a part of: it is known to a part of that."""


def check_scale(case: Case, *, full: bool) -> Verdicts:
    """Everything that has the unit of mu, with signals k times as large."""
    generator = case.generator(6)
    scales = SCALES if full else generator.choice(SCALES, 2, replace=False).tolist()
    reference = all_numbers(case.document, 1.0)
    for k in scales:
        found = all_numbers(rescaled(case.document, k), k)
        for name, right in reference.values.items():
            value = found.values.get(name, np.nan)
            what = f"{name} is {value!r} with k = {k:g}, {right!r} without"
            if _same(value, right, reference.total.get(name, abs(right))):
                outcome = "agrees"
            else:
                said = {name} & (found.announced | reference.announced)
                outcome = "announced" if said else "silent"
            yield Verdict(case, outcome, what)


def _same(value: float, right: float, size: float) -> bool:
    if not np.isfinite(right) or not np.isfinite(value):
        return bool(np.array_equal(value, right, equal_nan=True))
    return abs(value - right) <= TOLERANCE * size


def all_numbers(document: Document, k: float) -> Numbers:
    """Compute everything; what has the unit of mu is multiplied by k."""
    model, data = compiled(document)
    found = Numbers({}, set(), {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nf.FitWarning)
        for add in (_limits, _tests, _intervals, _components):
            add(model, data, k, found)
    return found


def _limits(model: nf.Model, data: nf.Data, k: float, numbers: Numbers) -> None:
    for statistic in ("qtilde", "q"):
        result = nf.upper_limit(model, data, statistic=statistic)
        pairs = zip(result.limits, result.curve_status, strict=True)
        for i, (limit, status) in enumerate(pairs):
            name = f"limit {i} with {statistic}"
            numbers.values[name] = limit * k
            if status != "converged":
                numbers.announced.add(name)


def _tests(model: nf.Model, data: nf.Data, k: float, numbers: Numbers) -> None:
    test = nf.hypotest(model, data, 2.0 / k)
    discovery = nf.significance(model, data, expected_at=1.0 / k)
    found = {"CLs": test.cls, "median CLs": test.expected_cls[2]}
    significances = {"Z": discovery.z, "median Z": discovery.expected_z[2]}
    # A statistic is a difference of two minima: its root is known to the root of their precision.
    clear = {name: z if abs(z) > 1e-4 else 0.0 for name, z in significances.items()}
    numbers.values.update({name: float(value) for name, value in (found | clear).items()})
    numbers.announced.update(found if test.status != "ok" else ())
    numbers.announced.update(significances if discovery.status != "ok" else ())


def _intervals(model: nf.Model, data: nf.Data, k: float, numbers: Numbers) -> None:
    result = nf.intervals(model, data, "mu")
    one = result["mu"]
    sides = zip(("lower", "upper"), (one.lower, one.upper), strict=True)
    for (side, size), status in zip(sides, (one.lower_status, one.upper_status), strict=True):
        numbers.values[f"{side} end"] = float(one.value + size) * k
        numbers.total[f"{side} end"] = abs(float(size)) * k
        if status in ("failed", "new_minimum"):
            numbers.announced.add(f"{side} end")


def _components(model: nf.Model, data: nf.Data, k: float, numbers: Numbers) -> None:
    for method in METHODS:
        names = [f"{method} breakdown: {part}" for part in ("total", "statistical", "systematic")]
        try:
            result = nf.breakdown(model, data, method=method)
        except nf.Error:
            numbers.announced.update(names)
            numbers.values.update(dict.fromkeys(names, np.nan))
            continue
        parts = (result.total, result.statistical, result.systematic)
        sizes = [float(part) * k for part in parts]
        numbers.values.update(zip(names, sizes, strict=True))
        numbers.total.update(dict.fromkeys(names, sizes[0]))
        if result.warnings:
            numbers.announced.update(names)


PADDINGS = (1e-9, 1e-12, 1e-20, 1e-50, 1e-100, 1e-200, 1e-300)


def check_padding(case: Case, *, full: bool) -> Verdicts:
    """Limits with a tiny background in bins without events are those of empty bins."""
    paddings = PADDINGS if full else case.generator(7).choice(PADDINGS, 2, replace=False).tolist()
    documents = {p: padded_document(Draw(case.generator(8)), p) for p in (0.0, *paddings)}
    for statistic in ("qtilde", "q"):
        limits = {}
        for padding, document in documents.items():
            model, data = compiled(document)
            limits[padding] = nf.upper_limit(model, data, statistic=statistic)
        for padding in paddings:
            one = Case(case.seed, case.number, "padding", documents[padding])
            for i, right in enumerate(limits[0.0].limits):
                value, status = limits[padding].limits[i], limits[padding].curve_status[i]
                what = f"limit {i} with {statistic}: {value!r} with {padding:g}, {right!r} with 0"
                agrees = abs(value - right) <= 1e-6 * right or value == right
                announced = status not in ("converged", "not_reached")
                outcome = "agrees" if agrees else "announced" if announced else "silent"
                yield Verdict(one, outcome, f"{what} ({status})")
