"""Rays of the profile likelihood that follow its lowest minimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ...errors import Interrupted
from .._elsewhere import Elsewhere, disagreement, has_others
from ._best_fit import NEW_MINIMUM, Reference

# Part of the rise by which a minimum is lower that another start finds at the end of a ray.
_LOWER = 1e-4
# Distance beyond an edge, relatively, at which other minima are looked for.
_BEYOND = 1e-5
_MOST_ROUNDS = 4
# Other minima that a ray follows.
_MOST_BRANCHES = 3


@dataclass(frozen=True, eq=False)
class Crossings:
    """Ends of rays."""

    found: dict[str, Any]
    """As `Reference.crossings` gives it."""
    exception: BaseException | None
    """What stopped the search."""
    notes: tuple[str, ...]
    """Where starts disagreed."""


def follow_rays(
    reference: Reference,
    held: NDArray[np.int64],
    directions: FloatArray,
    rises: FloatArray,
    progress: Callable[[int], object] | None = None,
) -> Crossings:
    """Follow rays from the best fit, and again where other starts end lower.

    At the end of every ray fits start elsewhere, see `fit_elsewhere`. Where one is lower, the ray
    is followed again, with that minimum as a start at every distance.

    Parameters
    ----------
    reference : Reference
        The best fit.
    held : array of int, shape (n_rays, n_held)
        Parameters along a ray.
    directions : array, shape (n_rays, n_held)
        Their changes per unit of distance.
    rises : array, shape (n_rays,)
        Of -2 log L at the ends.
    progress : callable, optional
        Called with the number of rays done in the first search.
    """
    if not has_others(reference.likelihood.model, reference.starts):
        return Crossings(*reference.crossings(held, directions, rises, progress), ())
    return _Search(reference, held, directions, rises).run(progress)


@dataclass(eq=False)
class _Search:
    reference: Reference
    held: NDArray[np.int64]
    directions: FloatArray
    rises: FloatArray
    branches: list[FloatArray] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    gains: dict[int, tuple[float, str]] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    def run(self, progress: Callable[[int], object] | None) -> Crossings:
        everything = np.arange(len(self.held))
        self.found, exception = self._follow(everything, progress)
        self.found["status"] = list(self.found["status"])
        self.found["fit_status"] = list(self.found["fit_status"])
        again = everything
        for _ in range(_MOST_ROUNDS):
            if exception is not None or not again.size:
                break
            try:
                again = self._disputed(again)
            except Interrupted as interrupted:
                exception = interrupted
                break
            if again.size:
                found, exception = self._follow(again, None)
                self._take(again, found)
        return Crossings(self.found, exception, self._notes())

    def _follow(
        self, rays: NDArray[np.intp], progress: Callable[[int], object] | None
    ) -> tuple[dict[str, Any], BaseException | None]:
        starts = None
        if self.owners:
            place = {ray: i for i, ray in enumerate(rays.tolist())}
            rows = [i for i, owner in enumerate(self.owners) if owner in place]
            owners = np.array([place[self.owners[i]] for i in rows], dtype=np.int64)
            starts = (np.array([self.branches[i] for i in rows]), owners)
        lines = (self.held[rays], self.directions[rays], self.rises[rays])
        return self.reference.crossings(*lines, progress, starts)

    def _take(self, rays: NDArray[np.intp], found: dict[str, Any]) -> None:
        """Put what a later search found in its place."""
        for i, ray in enumerate(rays.tolist()):
            if found["status"][i] == "not_done":
                continue
            for key in ("status", "fit_status", "distance", "rise"):
                self.found[key][ray] = found[key][i]
            for key in ("n_fits", "n_gradients"):
                self.found[key][ray] += found[key][i]
            if i in found["lower_minima"]:
                self.found["lower_minima"][ray] = found["lower_minima"][i]

    @cached_property
    def slopes(self) -> FloatArray:
        """Return the change of all parameters per unit of distance, shape (n_rays, n)."""
        responses: dict[tuple[int, ...], FloatArray] = {}
        slopes = np.zeros((len(self.held), len(self.reference.x)))
        for ray, held in enumerate(map(tuple, self.held.tolist())):
            if held not in responses:
                responses[held] = self.reference.response(np.array(held))
            slopes[ray] = self.directions[ray] @ responses[held]
        return slopes

    def _disputed(self, rays: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return rays at whose end another start is lower, after taking note of its minimum."""
        distance = np.array(self.found["distance"][rays])
        status = np.array([self.found["status"][ray] for ray in rays.tolist()], dtype=np.str_)
        distance[status == "at_edge"] *= 1.0 + _BEYOND
        open_ = np.isfinite(distance)
        rays, distance, status = rays[open_], distance[open_], status[open_]
        x = self._predicted(rays, distance)
        elsewhere = self.reference.elsewhere(x, self.held[rays], self.reference.origin)
        disputed = []
        for i, lowest in enumerate(elsewhere.lowest(len(rays)).tolist()):
            if lowest < 0:
                continue
            ray = int(rays[i])
            rise = 2.0 * (elsewhere.value[lowest] - self.reference.result.value)
            if rise < -NEW_MINIMUM:
                self._meet(ray, elsewhere.x[lowest], float(rise))
            elif rise < (1.0 - _LOWER) * self.rises[ray] and status[i] != "at_bound":
                self._dispute(ray, elsewhere, i, float(self.rises[ray] - rise))
                disputed.append(ray)
        return np.array(disputed, dtype=np.intp)

    def _predicted(self, rays: NDArray[np.intp], distance: FloatArray) -> FloatArray:
        best = self.reference.result
        x = best.x + distance[:, None] * self.slopes[rays]
        x[:, ~best.fixed] = np.clip(x, best.lower, best.upper)[:, ~best.fixed]
        return x

    def _dispute(self, ray: int, elsewhere: Elsewhere, problem: int, gain: float) -> None:
        fits = elsewhere.distinct(problem)[:_MOST_BRANCHES]
        self.branches += list(elsewhere.x[fits])
        self.owners += [ray] * len(fits)
        if gain > self.gains.get(ray, (0.0, ""))[0]:
            best = self.reference.result
            x = elsewhere.x[fits[0]]
            end = self._predicted(np.array([ray]), self.found["distance"][[ray]])[0]
            names = [best.parameters[i] for i in self.held[ray].tolist()]
            values = x[self.held[ray]].tolist()
            place = ", ".join(f"{name} = {at:.6g}" for name, at in zip(names, values, strict=True))
            where = disagreement(best.parameters, np.asarray(best.errors), x, end)
            sentence = (
                f"at {place} another start ends {gain:.3g} lower in -2 log L than those that "
                f"follow the best fit{where}"
            )
            self.gains[ray] = (gain, sentence)

    def _meet(self, ray: int, x: FloatArray, rise: float) -> None:
        """Take note of a minimum below the best fit."""
        minimum = self.reference.released(x, rise)
        self.found["status"][ray] = "new_minimum"
        self.found["distance"][ray] = np.nan
        self.found["rise"][ray] = minimum.twice_delta_nll
        self.found["lower_minima"][ray] = minimum.x

    def _notes(self) -> tuple[str, ...]:
        if not self.gains:
            return ()
        _, sentence = max(self.gains.values(), key=lambda pair: pair[0])
        head = f"starts disagree at {len(self.gains)} of {len(self.held)} ends"
        return (f"{head}: {sentence}; the lowest is taken",)
