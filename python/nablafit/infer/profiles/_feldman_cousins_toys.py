"""Likelihood ratios in toys, value by value."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._arrays import FloatArray
from ...batch import FitManyResult, fit_many
from ...toys import Toys, toys
from .._starts import mirrored
from ._grid import ProfileGrid

# Toys of tested value j have the numbers j * _STRIDE + start onwards in the sequence of the seed.
_STRIDE = 2**40
# Toys that are fitted at once: what takes about a second, so that little is lost at Ctrl-C.
_SMALLEST_BLOCK, _LARGEST_BLOCK = 32, 4096
_SECONDS_PER_BLOCK = 1.0
# A toy whose free fit ended this much above its conditional one is fitted again from there.
_MISSED = 1e-7


class ToyFits:
    """Draws toys at the conditional fits of a grid and fits each freely and conditionally.

    Parameters
    ----------
    grid : ProfileGrid
        Conditional fits to the observed data at the tested values.
    seed, start, n_toys : int
        Which toys.
    """

    def __init__(self, grid: ProfileGrid, seed: int, start: int, n_toys: int) -> None:
        self._grid = grid
        self._seed = seed
        self._start = start
        self._block = _SMALLEST_BLOCK
        n = len(grid.points)
        self.ratios: FloatArray = np.full((n, n_toys), np.nan)
        self.n_done = np.zeros(n, dtype=np.int64)

    def run(self, n_threads: int | None, progress: Callable[[int], object] | None) -> None:
        """Do all that is not done, block by block; what was done before an exception stays."""
        known = ~np.isnan(self._grid.value)
        n_toys = self.ratios.shape[1]
        for j in np.flatnonzero(known).tolist():
            while self.n_done[j] < n_toys:
                first = int(self.n_done[j])
                n = min(self._block, n_toys - first)
                self._do_block(j, first, n, n_threads, progress)

    def _do_block(
        self,
        j: int,
        first: int,
        n: int,
        n_threads: int | None,
        progress: Callable[[int], object] | None,
    ) -> None:
        started = time.perf_counter()
        before = int(np.sum(self.n_done))

        def report(n_fits: int) -> None:
            if progress is not None:
                progress(before + n_fits // 2)

        self.ratios[j, first : first + n] = self._fit_block(j, first, n, n_threads, report)
        self.n_done[j] += n
        report(2 * n)
        quick = time.perf_counter() - started < _SECONDS_PER_BLOCK
        size = 2 * self._block if quick else self._block // 2
        self._block = min(max(size, _SMALLEST_BLOCK), _LARGEST_BLOCK)

    def _fit_block(
        self, j: int, first: int, n: int, n_threads: int | None, report: Callable[[int], None]
    ) -> FloatArray:
        """Return the ratios of the toys from `first` on at value j; NaN where a fit fails."""
        reference = self._grid.reference
        names = reference.result.parameters
        model = reference.likelihood.model
        x = self._grid.x[j]
        start = j * _STRIDE + self._start + first
        drawn = toys(model, x, n, self._seed, start, n_threads=n_threads)
        common: dict[str, Any] = {
            "bounds": reference.bounds,
            "errors": False,
            "n_threads": n_threads,
        }
        poi = {names[int(self._grid.held[0])]: float(self._grid.points[j, 0])}
        at: dict[str, float | bool] = {**reference.fixed, **poi}
        held = fit_many(model, drawn, fixed=at, progress=report, **common)
        free = fit_many(
            model,
            drawn,
            fixed=reference.fixed,
            parameters=(),
            progress=lambda n_fits: report(n + n_fits),
            **common,
        )
        lowest = [_values(held), _values(free)]
        other = mirrored(model, x)
        if other is not None:
            for i, fixed in enumerate((at, dict[str, float | bool](reference.fixed))):
                fits = fit_many(model, drawn, initial=other, fixed=fixed, parameters=(), **common)
                lowest[i] = np.fmin(lowest[i], _values(fits))
        ratio = 2.0 * (lowest[0] - lowest[1])
        missed = np.flatnonzero(held.valid & ~(ratio >= -_MISSED))
        if missed.size:
            again = fit_many(
                model,
                _chosen(drawn, missed),
                initial=held.x[missed],
                fixed=reference.fixed,
                parameters=(),
                **common,
            )
            lowest[1][missed] = np.fmin(lowest[1][missed], _values(again))
            ratio = 2.0 * (lowest[0] - lowest[1])
        return np.maximum(ratio, 0.0)


def _values(fits: FitManyResult) -> FloatArray:
    return np.where(fits.valid, fits.value, np.nan)


def _chosen(drawn: Toys, where: np.ndarray[Any, np.dtype[np.intp]]) -> FloatArray:
    """Return some of the data sets as rows of counts and global observables."""
    return np.concatenate([drawn.counts[where], drawn.global_observables[where]], axis=1)
