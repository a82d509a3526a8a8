"""Refits around a minimum, in one batch, with a second try for those that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ...batch import STATUSES, FitManyResult, fit_many
from ...data import Data
from ...errors import Interrupted
from .._elsewhere import SAME, Origin, disagreement, fit_elsewhere, has_others

if TYPE_CHECKING:
    from ...model import Model
    from ...result import FitResult

# Numbers in the matrices of one call of `fit_many`: 128 MB. Larger batches are done in parts.
_MOST_NUMBERS = 2**24
# Starts of one refit, about, where there are several.
_STARTS_EACH = 16


@dataclass(frozen=True)
class Outcome:
    """What came out of refits, shape (n_refits, ...); NaN and "not_fitted" where not done."""

    x: FloatArray
    """Values of the kept parameters, NaN unless the refit is valid."""
    errors: FloatArray
    """Their standard deviations."""
    value: FloatArray
    """Minima of -log(L / L_saturated), NaN unless the refit is valid."""
    status: NDArray[np.str_]
    gain: FloatArray
    """By how much another start ended lower in -2 log L, 0 where none did."""
    place: dict[int, str]
    """Where that was."""

    @classmethod
    def empty(cls, n_refits: int, n_kept: int) -> Outcome:
        """Return the outcome before anything is done."""
        shape = (n_refits, n_kept)
        status = np.full(n_refits, "not_fitted", dtype="U24")
        return cls(
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(n_refits, np.nan),
            status,
            np.zeros(n_refits),
            {},
        )

    def store(self, where: NDArray[np.intp], fits: FitManyResult, *, only_valid: bool) -> None:
        """Fill in fits at their positions."""
        valid = fits.valid
        rows = np.flatnonzero(valid | (not only_valid))
        good, where = valid[rows], where[rows]
        self.status[where] = np.array(fits.status, dtype="U24")[rows]
        self.value[where] = np.where(good, fits.value[rows], np.nan)
        self.x[where] = np.where(good[:, None], fits.x[rows], np.nan)
        if fits.errors is not None:
            self.errors[where] = np.where(good[:, None], fits.errors[rows], np.nan)


@dataclass(frozen=True)
class Refit:
    """What to refit. `arrays` makes the arguments of `fit_many` for some positions."""

    model: Model
    result: FitResult
    n_refits: int
    row_length: int
    """Numbers that `arrays` makes for each position."""
    arrays: Callable[[NDArray[np.intp]], dict[str, Any]]
    """Keys: "data", "fixed", and "initial" with the predicted minima."""
    kept: Sequence[str]
    errors: bool = False
    starts: int | None = None
    """Random starts besides those of `fit_elsewhere`; None for no other starts at all."""
    origin: Origin | None = None
    n_threads: int | None = None
    progress: Callable[[int], object] | None = field(default=None)


def run_refits(refit: Refit) -> tuple[Outcome, Interrupted | None]:
    """Do all refits; those that find no minimum are tried again from the minimum of the fit.

    Returns
    -------
    Outcome
        With everything that was done.
    Interrupted or None
        What to raise, after Ctrl-C.
    """
    outcome = Outcome.empty(refit.n_refits, len(refit.kept))
    part = max(1, _MOST_NUMBERS // max(refit.row_length, 1))
    try:
        for first in range(0, refit.n_refits, part):
            where = np.arange(first, min(first + part, refit.n_refits))
            _run(refit, outcome, where, first, again=False)
        failed = np.flatnonzero(np.isnan(outcome.value))
        for first in range(0, len(failed), part):
            _run(refit, outcome, failed[first : first + part], refit.n_refits, again=True)
        if refit.starts is not None and has_others(refit.model, refit.starts):
            part = max(1, part // _STARTS_EACH)
            for first in range(0, refit.n_refits, part):
                where = np.arange(first, min(first + part, refit.n_refits))
                _look_elsewhere(refit, outcome, where, refit.starts)
    except Interrupted as interrupted:
        return outcome, interrupted
    return outcome, None


def _run(
    refit: Refit, outcome: Outcome, where: NDArray[np.intp], n_before: int, *, again: bool
) -> None:
    arrays = refit.arrays(where)
    if again:
        moved = arrays["fixed"] & ~refit.result.fixed
        arrays["initial"] = np.where(moved, arrays["initial"], refit.result.x)
    progress = refit.progress
    try:
        fits = fit_many(
            refit.model,
            bounds=_bounds(refit.model, refit.result),
            parameters=refit.kept,
            errors=refit.errors,
            starts=0,
            n_threads=refit.n_threads,
            progress=None if progress is None or again else lambda n: progress(n_before + n),
            **arrays,
        )
    except Interrupted as interrupted:
        if isinstance(interrupted.result, FitManyResult):
            outcome.store(where, interrupted.result, only_valid=again)
        raise
    outcome.store(where, fits, only_valid=again)


def _look_elsewhere(refit: Refit, outcome: Outcome, where: NDArray[np.intp], starts: int) -> None:
    """Start refits elsewhere, and keep what is lower; errors stay those of the first."""
    model = refit.model
    arrays = refit.arrays(where)
    data = arrays["data"]
    if not isinstance(data, Data):
        data = [Data(row[: model.n_bins], row[model.n_bins :]) for row in data]
    found = fit_elsewhere(
        model,
        data,
        arrays["initial"],
        arrays["fixed"],
        _bounds(model, refit.result),
        starts=starts,
        n_threads=refit.n_threads,
        origin=refit.origin,
    )
    kept = [model.index(name) for name in refit.kept]
    names, errors = refit.result.parameters, np.asarray(refit.result.errors)
    for row, lowest in enumerate(found.lowest(len(where)).tolist()):
        i = int(where[row])
        if lowest < 0 or outcome.value[i] <= found.value[lowest] + SAME:
            continue
        if np.isfinite(outcome.value[i]):
            outcome.gain[i] = 2.0 * (outcome.value[i] - found.value[lowest])
            predicted = arrays["initial"][row]
            outcome.place[i] = disagreement(names, errors, found.x[lowest], predicted)
        outcome.value[i] = found.value[lowest]
        outcome.x[i] = found.x[lowest, kept]
        outcome.status[i] = STATUSES[found.status_codes[lowest]]


def _bounds(model: Model, result: FitResult) -> list[tuple[float, float]] | None:
    """Return the bounds of the fit where they differ from those of the model."""
    bounds = list(zip(result.lower.tolist(), result.upper.tolist(), strict=True))
    return None if tuple(bounds) == model.bounds else bounds
