"""Profile likelihoods: fits with parameters of interest free or held, in batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import FloatArray
from ..batch import fit_many
from ..data import check_data

if TYPE_CHECKING:
    from ..data import Data
    from ._hypothesis import Hypothesis

__all__ = ["Fit", "Observation", "Row", "fit_rows", "observe"]

# Minima closer than this in -log L are the same.
_SAME = 1e-7
_MOST_REPAIRS = 3


@dataclass(frozen=True)
class Row:
    """A fit to make."""

    data: Data
    start: FloatArray
    at: FloatArray | None
    """Values to hold the parameters of interest at; None for a free fit."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit that was made."""

    x: FloatArray
    value: float
    """-log(L / L_saturated)."""
    status: str
    poi_error: float = math.nan
    """Standard deviation of the first parameter of interest, where it was asked for; at the border
    of zero yields it is that along the border, and says nothing."""

    @property
    def valid(self) -> bool:
        """True if this is a minimum."""
        return self.status.startswith("converged")


def fit_rows(
    hypothesis: Hypothesis,
    rows: Sequence[Row],
    *,
    errors: bool = False,
    n_threads: int | None = None,
) -> list[Fit]:
    """Make fits in threads; those that fail are tried again from the initial values."""
    fits = _fit_once(hypothesis, rows, errors=errors, n_threads=n_threads)
    again = [i for i, fit in enumerate(fits) if not fit.valid]
    if again:
        cold = [Row(rows[i].data, hypothesis.start(rows[i].at), rows[i].at) for i in again]
        second = _fit_once(hypothesis, cold, errors=errors, n_threads=n_threads)
        for i, fit in zip(again, second, strict=True):
            fits[i] = fit if fit.valid else fits[i]
    return fits


def _fit_once(
    hypothesis: Hypothesis, rows: Sequence[Row], *, errors: bool, n_threads: int | None
) -> list[Fit]:
    if not rows:
        return []
    found = fit_many(
        hypothesis.model,
        [row.data for row in rows],
        initial=np.array([row.start for row in rows]),
        bounds=hypothesis.bounds,
        fixed=[hypothesis.free if row.at is None else hypothesis.at(row.at) for row in rows],
        errors=errors,
        n_threads=n_threads,
    )
    poi_errors = [math.nan] * len(rows)
    if found.errors is not None:
        poi_errors = found.errors[:, hypothesis.indices[0]].tolist()
    return [
        Fit(*members)
        for members in zip(found.x, found.value.tolist(), found.status, poi_errors, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class Observation:
    """The fits that every test makes to one data set."""

    hypothesis: Hypothesis
    """As it was or, where a value beyond the upper bound is tested, without that bound."""
    data: Data
    free: Fit
    tested: Fit
    alternative: Fit
    n_fits: int

    @property
    def poi_hat(self) -> tuple[float, ...]:
        """Best values of the parameters of interest; NaN if that fit failed."""
        if not self.free.valid:
            return (math.nan,) * len(self.hypothesis.poi)
        return tuple(self.free.x[self.hypothesis.indices].tolist())

    def failure(self, *names: str) -> str | None:
        """Return a sentence about the first of these fits (default: all) that failed."""
        for name in names or ("free", "tested", "alternative"):
            fit: Fit = getattr(self, name)
            if not fit.valid:
                return failure_sentence(self.hypothesis, name, fit)
        return None


def failure_sentence(hypothesis: Hypothesis, name: str, fit: Fit, to: str = "") -> str:
    """Say which fit failed, how, and what can be done."""
    values = {"tested": hypothesis.tested, "alternative": hypothesis.alternative}.get(name)
    what = f"The free fit{to}"
    if values is not None:
        pairs = zip(hypothesis.poi, values, strict=True)
        what = f"The fit{to} with " + ", ".join(f"{poi} = {value:g}" for poi, value in pairs)
    if fit.status == "forbidden_start":
        return (
            f"{what} failed: the likelihood is zero there, e.g. because events were observed where "
            "none are expected, whatever the nuisance parameters."
        )
    return f"{what} failed ({fit.status}); nablafit.fit(model, data, fixed=...) says why."


def observe(
    hypothesis: Hypothesis,
    data: Data,
    *,
    n_threads: int | None = None,
    start: FloatArray | None = None,
) -> Observation:
    """Fit the observed data freely, at the tested and at the alternative values.

    Fits start at `start`, by default at the initial values of the model.
    A free fit that ends above one of the others is repeated from there. Where a parameter of
    interest is tested beyond its upper bound, the bound is lifted.
    """
    check_data(hypothesis.model, data)
    if np.any(hypothesis.tested > [high for _, high in hypothesis.ranges]):
        hypothesis = hypothesis.widened()
    x = hypothesis.start() if start is None else start
    rows = [Row(data, x, at) for at in (None, hypothesis.tested, hypothesis.alternative)]
    free, tested, alternative = fit_rows(hypothesis, rows, n_threads=n_threads)
    n_fits = 3
    for _ in range(_MOST_REPAIRS):
        lower = lower_start(hypothesis, free, (tested, alternative))
        if lower is None:
            break
        again = fit_rows(hypothesis, [Row(data, lower, None)], n_threads=n_threads)[0]
        n_fits += 1
        if not again.valid or (free.valid and again.value >= free.value):
            break
        free = again
    return Observation(hypothesis, data, free, tested, alternative, n_fits)


def lower_start(hypothesis: Hypothesis, free: Fit, others: Sequence[Fit]) -> FloatArray | None:
    """Return where a fit within the ranges is lower than the free one: that ended elsewhere."""
    low, high = np.transpose(hypothesis.ranges)
    best: Fit | None = None
    for fit in others:
        values = fit.x[hypothesis.indices]
        inside = bool(np.all((values >= low) & (values <= high)))
        if not fit.valid or not inside or (free.valid and fit.value > free.value - _SAME):
            continue
        if best is None or fit.value < best.value:
            best = fit
    return None if best is None else best.x
