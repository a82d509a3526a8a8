"""Fits of one problem from further starts, and what to say where they end lower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._arrays import FloatArray
from ..batch import fit_many
from ..data import Data
from ..errors import ArgumentError, located
from ._starts import bends, further_starts

if TYPE_CHECKING:
    from .._problem import Bounds
    from ..model import Model

__all__ = ["Elsewhere", "check_starts", "disagreement", "fit_elsewhere"]

# Minima of -log L whose values are closer are the same.
SAME = 5e-6
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


def check_starts(starts: int) -> None:
    """Raise ArgumentError unless this is a number of starts."""
    if not 0 <= starts < 2**32:
        raise located(ArgumentError, f"expected a number from 0 on, got {starts}", "starts")


def fit_elsewhere(
    model: Model,
    data: Data | Sequence[Data],
    x: FloatArray,
    held: NDArray[np.bool_],
    bounds: Bounds | None,
    *,
    starts: int,
    n_threads: int | None,
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
        Random starts for each problem, besides those that `further_starts` knows.
    n_threads : int, optional
        As in `nablafit.fit_many`.
    """
    n = model.n_parameters
    if not len(x) or not (starts or len(bends(model))):
        empty = np.zeros(0)
        return Elsewhere(empty.astype(np.intp), np.zeros((0, n)), empty, empty.astype(np.int8))
    each = [data] * len(x) if isinstance(data, Data) else data
    triples = zip(each, x, held, strict=True)
    rows = [further_starts(model, *triple, n=starts) for triple in triples]
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    found = fit_many(
        model,
        data if isinstance(data, Data) else [each[i] for i in owners.tolist()],
        initial=np.concatenate(rows),
        bounds=bounds,
        fixed=held[owners],
        errors=False,
        n_threads=n_threads,
    )
    value = np.where(found.valid, found.value, np.inf)
    return Elsewhere(owners, found.x, value, found.status_codes)


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
