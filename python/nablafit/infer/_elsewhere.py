"""Fits of one problem from further starts, and what to say where they end lower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._arrays import FloatArray
from .._starts import bends, further_starts, random_starts
from ..batch import fit_many
from ..data import Data

if TYPE_CHECKING:
    from ..minimizers.problem import Bounds
    from ..model import Model

# Minima of -log L whose values are closer are the same.
SAME = 5e-6
# Change of the expected events, in Poisson standard deviations added up over bins and squared, from
# a fit that was made from many starts: where it is less, only the minima that it met are tried.
_SMALL_CHANGE = 0.1
# Parameters that a sentence names at most.
_MOST_NAMES = 3


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Minima that further starts led to: one entry per fit."""

    owners: NDArray[np.intp]
    """Which problem each fit belongs to."""
    x: FloatArray
    """Shape (n_fits, n_parameters)."""
    value: FloatArray
    """-log(L / L_saturated), infinite where a fit found no minimum."""
    status_codes: NDArray[np.int8]

    def lowest(self, n: int) -> NDArray[np.intp]:
        """Return for each of `n` problems its lowest fit, or -1."""
        best = np.full(n, -1, dtype=np.intp)
        for fit in np.lexsort((np.arange(len(self.value)), self.value))[::-1].tolist():
            if np.isfinite(self.value[fit]):
                best[self.owners[fit]] = fit
        return best

    def distinct(self, problem: int) -> NDArray[np.intp]:
        """Return fits of a problem with different minima, the lowest first."""
        own = np.flatnonzero((self.owners == problem) & np.isfinite(self.value))
        own = own[np.argsort(self.value[own], kind="stable")]
        new = np.diff(self.value[own], prepend=-np.inf) > SAME
        return own[new]


@dataclass(frozen=True, eq=False)
class Origin:
    """A fit that was made from many starts."""

    expected: FloatArray
    """Events at its minimum, shape (n_bins,)."""
    minima: FloatArray
    """Other minima than its own, shape (n, n_parameters)."""

    def is_near(self, model: Model, x: FloatArray) -> bool:
        """Whether a point expects about the same events."""
        with np.errstate(all="ignore"):
            change = model.expected(x) - self.expected
            return bool(np.sum(change**2 / np.abs(self.expected)) < _SMALL_CHANGE)


def has_others(model: Model, starts: int) -> bool:
    """Whether fits are made from further starts: there are several sides, or they are asked for."""
    return starts > 0 or len(bends(model)) > 0


def fit_elsewhere(
    model: Model,
    data: Data | Sequence[Data],
    x: FloatArray,
    held: NDArray[np.bool_],
    bounds: Bounds | None,
    *,
    starts: int,
    n_threads: int | None,
    origin: Origin | None = None,
) -> Elsewhere:
    """Fit problems from further starts; nowhere if the model has one minimum and `starts` is 0.

    Parameters
    ----------
    model : Model
        What is fitted.
    data : Data or sequence of Data
        What it is fitted to, or each problem.
    x : array, shape (n, n_parameters)
        For each problem a start or a minimum, with held parameters at their values.
    held : array of bool, shape (n, n_parameters)
        Parameters that a problem does not vary.
    bounds : mapping or sequence, optional
        As in `nablafit.fit`.
    starts : int
        Random starts for each problem, at least as many as `random_starts` says.
    n_threads : int, optional
        As in `nablafit.fit_many`.
    origin : Origin, optional
        A fit that was made from many starts: its minima are starts of all problems. Problems that
        expect about the same events have no others, unless `starts` asks for them.
    """
    n = model.n_parameters
    if not len(x) or not has_others(model, starts):
        return _nothing(n)
    each = [data] * len(x) if isinstance(data, Data) else data
    n_random = max(starts, random_starts(n))
    rows = [np.zeros((0, n)) if origin is None else np.array(origin.minima) for _ in x]
    for i, triple in enumerate(zip(each, x, held, strict=True)):
        rows[i][:, held[i]] = x[i, held[i]]
        if starts or origin is None or not origin.is_near(model, x[i]):
            further = further_starts(model, *triple, n=n_random, seed=i)
            rows[i] = np.concatenate([further, rows[i]])
    if not any(len(row) for row in rows):
        return _nothing(n)
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    found = fit_many(
        model,
        data if isinstance(data, Data) else [each[i] for i in owners.tolist()],
        initial=np.concatenate(rows),
        bounds=bounds,
        fixed=held[owners],
        errors=False,
        starts=0,
        n_threads=n_threads,
    )
    value = np.where(found.valid, found.value, np.inf)
    return Elsewhere(owners, found.x, value, found.status_codes)


def _nothing(n_parameters: int) -> Elsewhere:
    empty = np.zeros(0)
    no_points = np.zeros((0, n_parameters))
    return Elsewhere(empty.astype(np.intp), no_points, empty, empty.astype(np.int8))


def disagreement(
    parameters: tuple[str, ...], widths: FloatArray, lower: FloatArray, upper: FloatArray
) -> str:
    """Return where two minima differ: the largest difference in units of `widths` first."""
    usable = np.isfinite(widths) & (widths > 0.0)
    shift = np.abs(lower - upper) / np.where(usable, widths, 1.0)
    order = np.argsort(-shift, kind="stable")[:_MOST_NAMES].tolist()
    pairs = [
        f"{parameters[i]} = {lower[i]:.4g} (not {upper[i]:.4g})" for i in order if shift[i] > 0.1
    ]
    return f" at {', '.join(pairs)}" if pairs else ""
