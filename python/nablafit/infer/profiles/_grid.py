"""Constrained fits on a grid of one or two parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ...batch import STATUSES, FitManyResult, fit_many
from ...errors import Interrupted
from .._elsewhere import SAME, Elsewhere, disagreement, has_others
from ._best_fit import NEW_MINIMUM, Reference

if TYPE_CHECKING:
    from ._best_fit import LowerMinimum

# A value this much lower in -log L at a point that a neighbour leads to starts another fit.
_IMPROVEMENT = 1e-7
_MAX_SWEEPS = 20
# Difference between a minimum and what its neighbour predicts that is a jump, in errors.
_JUMP = 0.5
# Points along an axis from which fits start elsewhere too, in one and in two dimensions, and the
# number of other minima there that the points around follow.
_N_KEYS = {1: 9, 2: 5}
_MOST_BRANCHES = 3
_FORBIDDEN = STATUSES.index("forbidden_start")
_NOT_FITTED = STATUSES.index("not_fitted")


class ProfileGrid:
    """Fits at all points, repeated where a neighbour leads lower."""

    def __init__(
        self, reference: Reference, held: NDArray[np.int64], axes: tuple[FloatArray, ...]
    ) -> None:
        self.reference = reference
        self.held = held
        self.points = _points(axes)
        self.shape = tuple(len(axis) for axis in axes)
        self.response = reference.response(held)
        n = len(self.points)
        self.x = np.full((n, len(reference.x)), np.nan)
        self.value = np.full(n, np.nan)
        self.codes = np.full(n, _NOT_FITTED, dtype=np.int8)
        self._neighbours = _neighbours(self.shape)
        self._followed = (self.x, self.value)

    def run(self, progress: Callable[[int], object] | None) -> None:
        """Fit everywhere, then from other starts too; sweep until no neighbour leads lower."""
        everywhere = np.arange(len(self.points))
        origin = np.broadcast_to(self.reference.x, self.x.shape)
        self._fit(everywhere, self._moved(origin, everywhere), progress)
        self._sweep()
        if not has_others(self.reference.likelihood.model, self.reference.starts):
            return
        where, starts = self._jumps()
        if where.size:
            self._fit(where, starts, None)
        self._followed = (np.array(self.x), np.array(self.value))
        self._look_elsewhere()

    def _sweep(self) -> None:
        for _ in range(_MAX_SWEEPS):
            where, starts = self._better_starts()
            if not where.size:
                return
            self._fit(where, starts, None)

    def _look_elsewhere(self) -> None:
        """Start some points afresh, and those around from all the minima that this finds."""
        keys = self._keys()
        best = self.reference
        x = np.where(np.isnan(self.value[keys])[:, None], best.x, self.x[keys])
        elsewhere = best.elsewhere(self._moved(x, keys), self.held)
        where, sources = self._around(keys, elsewhere)
        if not where.size:
            return
        self._fit(where, self._moved(elsewhere.x[sources], where), None)
        self._sweep()
        where, starts = self._jumps()
        if where.size:
            self._fit(where, starts, None)

    def _keys(self) -> NDArray[np.intp]:
        """Return points that are spread evenly; all of them if random starts are asked for."""
        if self.reference.starts:
            return np.arange(len(self.points))
        n = _N_KEYS[len(self.shape)]
        axes = [np.unique(np.linspace(0, size - 1, n).round()) for size in self.shape]
        places = tuple(grid.astype(np.intp) for grid in np.meshgrid(*axes, indexing="ij"))
        return np.ravel_multi_index(places, self.shape).ravel()

    def _around(
        self, keys: NDArray[np.intp], elsewhere: Elsewhere
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return pairs of a point and a fit near it that has another minimum than was followed."""
        n = _N_KEYS[len(self.shape)] - 1
        places = np.stack(np.unravel_index(np.arange(len(self.points)), self.shape), axis=1)
        reach = np.array([1 if self.reference.starts else -(-size // n) for size in self.shape])
        points, sources = [], []
        for i, key in enumerate(keys.tolist()):
            fits = elsewhere.distinct(i)
            is_new = ~(np.abs(elsewhere.value[fits] - self._followed[1][key]) < SAME)
            fits = fits[is_new][:_MOST_BRANCHES]
            near = np.flatnonzero(np.all(np.abs(places - places[key]) <= reach, axis=1))
            points.append(np.tile(near, len(fits)))
            sources.append(np.repeat(fits, len(near)))
        return np.concatenate(points), np.concatenate(sources)

    def _moved(self, x: FloatArray, where: NDArray[np.intp]) -> FloatArray:
        """Move minima, one per point of `where`, to what they predict there."""
        lower, upper = self.reference.result.lower, self.reference.result.upper
        moved = x + (self.points[where] - x[:, self.held]) @ self.response
        free = ~self.reference.result.fixed
        moved[:, free] = np.clip(moved[:, free], lower[free], upper[free])
        moved[:, self.held] = self.points[where]
        return moved

    def _fit(
        self,
        where: NDArray[np.intp],
        starts: FloatArray,
        progress: Callable[[int], object] | None,
    ) -> None:
        try:
            self._store(where, self._fit_many(where, starts, progress))
        except Interrupted as interrupted:
            if isinstance(interrupted.result, FitManyResult):
                self._store(where, interrupted.result)
            raise

    def _fit_many(
        self,
        where: NDArray[np.intp],
        starts: FloatArray,
        progress: Callable[[int], object] | None,
    ) -> FitManyResult:
        best = self.reference.result
        fixed: dict[str, Any] = dict(self.reference.fixed)
        for k, parameter in enumerate(self.held.tolist()):
            fixed[best.parameters[parameter]] = self.points[where, k]
        return fit_many(
            self.reference.likelihood.model,
            self.reference.likelihood.data,
            initial=starts,
            bounds=self.reference.bounds,
            fixed=fixed,
            errors=False,
            starts=0,
            n_threads=self.reference.n_threads,
            progress=progress,
        )

    def _store(self, where: NDArray[np.intp], found: FitManyResult) -> None:
        """Keep what is valid and lower, and any outcome where there is none yet.

        Where a point has several fits, the lowest is written last.
        """
        order = np.argsort(-found.value, kind="stable")
        where = where[order]
        valid, value, codes = found.valid[order], found.value[order], found.status_codes[order]
        better = valid & ~(value >= self.value[where])
        first = np.isnan(self.value[where]) & ~valid & (codes != _NOT_FITTED)
        for new in (first, better):
            self.codes[where[new]] = codes[new]
        self.value[where[better]] = value[better]
        self.x[where[better]] = found.x[order][better]

    def _jumps(self) -> tuple[NDArray[np.intp], FloatArray]:
        """Return points that have another minimum than a neighbour, and what that one predicts."""
        errors = np.asarray(self.reference.result.errors)
        widths = np.where(np.isfinite(errors) & (errors > 0.0), errors, np.inf)
        points, starts = [], []
        for source, target in self._neighbours:
            moved = self._moved(self.x[source], target)
            far = np.max(np.abs(moved - self.x[target]) / widths, axis=1, initial=0.0) > _JUMP
            points.append(target[far])
            starts.append(moved[far])
        return np.concatenate(points), np.concatenate(starts)

    def _better_starts(self) -> tuple[NDArray[np.intp], FloatArray]:
        """Return points whose value a neighbour's minimum undercuts, and the lowest such starts."""
        lowest = np.where(np.isnan(self.value), np.inf, self.value - _IMPROVEMENT)
        starts = np.zeros_like(self.x)
        found = np.zeros(len(self.points), dtype=bool)
        for source, target in self._neighbours:
            known = ~np.isnan(self.value[source])
            where = target[known]
            moved = self._moved(self.x[source[known]], where)
            value = np.array([self.reference.likelihood(x) for x in moved])
            lower = value < lowest[where]
            lowest[where[lower]] = value[lower]
            starts[where[lower]] = moved[lower]
            found[where[lower]] = True
        where = np.flatnonzero(found)
        return where, starts[where]

    @property
    def notes(self) -> tuple[str, ...]:
        """Describe where other starts ended lower than those that follow the best fit."""
        x, value = self._followed
        gain = np.nan_to_num(2.0 * (value - self.value))
        lower = np.flatnonzero(gain > NEW_MINIMUM)
        if not lower.size:
            return ()
        worst = int(np.argmax(gain))
        best = self.reference.result
        pairs = zip(self.held.tolist(), self.points[worst].tolist(), strict=True)
        place = ", ".join(f"{best.parameters[i]} = {at:.6g}" for i, at in pairs)
        where = disagreement(best.parameters, np.asarray(best.errors), self.x[worst], x[worst])
        note = (
            f"starts disagree at {len(lower)} of {len(gain)} points: at {place} another start ends "
            f"{gain[worst]:.3g} lower in -2 log L than those that follow the best fit{where}; the "
            "lowest is taken"
        )
        return (note,)

    @property
    def status(self) -> tuple[str, ...]:
        """Outcome at each point, in C order."""
        return tuple(STATUSES[code] for code in self.codes.tolist())

    @property
    def rise(self) -> FloatArray:
        """-2 log L above the best fit at each point in C order; see `ScanResult`."""
        rise = 2.0 * (self.value - self.reference.result.value)
        rise[self.codes == _FORBIDDEN] = np.inf
        return rise

    def lower_minimum(self) -> LowerMinimum | None:
        """Return the minimum that the lowest point leads to if that is below the best fit."""
        rise = self.rise
        if np.all(np.isnan(rise)) or not np.nanmin(rise) < -NEW_MINIMUM:
            return None
        lowest = int(np.nanargmin(rise))
        return self.reference.released(self.x[lowest], float(rise[lowest]))


def _points(axes: tuple[FloatArray, ...]) -> FloatArray:
    """Return all points of the grid in C order, shape (n_points, n_scanned)."""
    return np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)


def _neighbours(shape: tuple[int, ...]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return pairs (source, target) of flat indices, one per direction along an axis."""
    grid = np.arange(int(np.prod(shape))).reshape(shape)
    pairs = []
    for axis in range(len(shape)):
        first = np.take(grid, np.arange(shape[axis] - 1), axis=axis).ravel()
        second = np.take(grid, np.arange(1, shape[axis]), axis=axis).ravel()
        pairs += [(first, second), (second, first)]
    return pairs
