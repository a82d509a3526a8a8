"""Feldman-Cousins intervals by pseudo-experiments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..._arrays import FloatArray, float_vector
from ..._results.origin import remembers_origin
from ...errors import ArgumentError, Interrupted, located
from ._best_fit import Reference, make_reference, rise_of_level
from ._crossings import follow_rays
from ._feldman_cousins_result import FeldmanCousinsResult
from ._feldman_cousins_toys import ToyFits
from ._grid import ProfileGrid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..._arrays import ParameterValues
    from ...data import Data
    from ...likelihood import Likelihood
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Model
    from ...result import FitResult

__all__ = ["feldman_cousins"]

_N_VALUES = 21
# Tested range by default, as a multiple of the profile-likelihood interval's half widths.
_REACH = 1.4


@remembers_origin
def feldman_cousins(
    model: Model | Likelihood,
    data: Data | None = None,
    poi: str | None = None,
    values: ArrayLike | None = None,
    *,
    level: float = 0.95,
    n_toys: int = 1000,
    seed: int = 0,
    start: int = 0,
    resume: FeldmanCousinsResult | None = None,
    result: FitResult | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> FeldmanCousinsResult:
    """Find a confidence interval by the method of Feldman and Cousins, from toys.

    A value of the parameter of interest is in the interval if the observed likelihood ratio, -2 log
    of the likelihood at that value over the likelihood of the best fit within the bounds, is not
    among the largest `1 - level` of the ratios in toys drawn at that value (G. Feldman, R. Cousins,
    Phys. Rev. D 57 (1998) 3873, physics/9711021). The ordering gives upper limits and two-sided
    intervals alike, with the stated coverage where bounds and few events spoil asymptotics.

    Other parameters are profiled: toys of a value are drawn at the observed conditional best fit
    there, global observables too, and both likelihoods of the ratio are maximised over them in
    every toy. Coverage is exact for the fitted values of these parameters, near them approximate.

    Parameters
    ----------
    model : Model or Likelihood
        What was fitted.
    data : Data, optional
        What was measured; only with a Model.
    poi : str, optional
        Parameter of interest; by default the model's.
    values : array_like, optional
        Values to test; by default 21 over 1.4 times the profile-likelihood interval of this level,
        within the bounds. Ends of the interval are interpolated linearly between them; their errors
        say how much the spacing leaves open.
    level : float
        Confidence level.
    n_toys : int
        Toys per tested value.
    seed, start : int
        Toys of each value have the numbers `start` to `start + n_toys - 1`: shards with other
        numbers join in `FeldmanCousinsResult.merge`.
    resume : FeldmanCousinsResult, optional
        An interrupted result, or one with fewer toys, of the same data: its toys are not made
        again. It sets `values`, `seed` and `start`.
    result, initial, bounds, fixed
        As in `nablafit.intervals`. The bounds of the parameter are the physical region.
    starts : int
        Random starts of the fits to the observed data, as in `nablafit.scan`. Toys start from the
        values that they are drawn at, and from those with bent parameters mirrored.
    n_threads, progress
        As in `nablafit.fit_many`; progress counts toys of all values.

    Returns
    -------
    FeldmanCousinsResult
        Failed toys are data: see `n_failed`. The same for any number of threads.

    Raises
    ------
    ArgumentError
        For an unknown or fixed parameter, values outside its bounds, and results that do not belong
        to model and data.
    Error
        If there is no best fit.
    Interrupted
        At Ctrl-C: its `result` has the toys that were done; pass it on as `resume`. (Before the
        first toy it is a plain KeyboardInterrupt.)
    """
    _check(level, n_toys, seed, start)
    reference = make_reference(
        model, data, result, initial, bounds, fixed, starts=starts, n_threads=n_threads
    )
    name = _poi(reference, poi if resume is None else resume.poi)
    if resume is not None:
        values, seed, start = resume.values, resume.seed, resume.start
    tested = _values(reference, name, values, level, reference.starts, n_threads)
    grid = ProfileGrid(
        reference, reference.indices([name]), (tested,), n_threads, starts=reference.starts
    )
    try:
        grid.run(None)
    except Interrupted as interrupted:
        raise KeyboardInterrupt from interrupted
    empty = _without_toys(grid, name, level, seed, start)
    fits = ToyFits(grid, seed, start, n_toys)
    if resume is not None:
        _take_over(fits, empty, resume)
    exception: BaseException | None = None
    try:
        fits.run(n_threads, progress)
    except Interrupted as interrupted:
        exception = interrupted
    outcome = empty.with_toys(fits.ratios, fits.n_done, complete=exception is None)
    if exception is not None:
        raise Interrupted.or_original(exception, outcome)
    return outcome


def _check(level: float, n_toys: int, seed: int, start: int) -> None:
    rise_of_level(level, 1)
    if n_toys < 1:
        raise located(ArgumentError, f"expected a positive number, got {n_toys}", "n_toys")
    for name, value, most in (("seed", seed, 2**64), ("start", start, 2**40 - n_toys)):
        if not 0 <= value < most:
            message = f"expected a number from 0 to {most - 1}, got {value}"
            raise located(ArgumentError, message, name)


def _poi(reference: Reference, poi: str | None) -> str:
    name = reference.likelihood.model.poi if poi is None else poi
    if name is None:
        message = "the model has no parameter of interest: name one"
        raise located(ArgumentError, message, "poi")
    return name


def _values(
    reference: Reference,
    name: str,
    values: ArrayLike | None,
    level: float,
    starts: int,
    n_threads: int | None,
) -> FloatArray:
    """Return the values to test, ascending and checked."""
    held = reference.indices([name])
    low, high = float(reference.result.lower[held[0]]), float(reference.result.upper[held[0]])
    if values is None:
        return np.linspace(*_range(reference, held, level, starts, n_threads), _N_VALUES)
    given = np.atleast_1d(np.asarray(values))
    tested: FloatArray = np.unique(float_vector(given, given.size, "values"))
    if tested.size == 0 or not np.all((tested >= low) & (tested <= high)):
        message = f"expected values in the bounds [{low:g}, {high:g}] of {name}, got {tested}"
        raise located(ArgumentError, message, "values")
    return tested


def _range(
    reference: Reference,
    held: NDArray[np.int64],
    level: float,
    starts: int,
    n_threads: int | None,
) -> tuple[float, float]:
    """Widen the profile-likelihood interval, within the bounds."""
    best = reference.result
    parameter = int(held[0])
    crossings = follow_rays(
        reference,
        np.array([held, held]),
        np.array([[-1.0], [1.0]]),
        np.full(2, rise_of_level(level, 1)),
        starts=starts,
        n_threads=n_threads,
        progress=None,
    )
    if crossings.exception is not None:
        raise crossings.exception
    down, up = (_REACH * crossings.found["distance"]).tolist()
    value = float(best.x[parameter])
    low = max(value - down, float(best.lower[parameter]))
    high = min(value + up, float(best.upper[parameter]))
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        message = "the profile likelihood suggests no range to test: give `values`"
        raise located(ArgumentError, message, best.parameters[parameter])
    return low, high


def _without_toys(
    grid: ProfileGrid, name: str, level: float, seed: int, start: int
) -> FeldmanCousinsResult:
    best = grid.reference.result
    parameter = int(grid.held[0])
    n = len(grid.points)
    unknown = np.full(n, np.nan)
    zero = np.zeros(n, dtype=np.int64)
    return FeldmanCousinsResult(
        poi=name,
        level=float(level),
        values=grid.points[:, 0].copy(),
        bounds=(float(best.lower[parameter]), float(best.upper[parameter])),
        best=float(best.x[parameter]),
        twice_delta_nll=grid.rise,
        status=grid.status,
        p_values=unknown,
        p_value_errors=unknown,
        critical_values=unknown,
        critical_value_errors=unknown,
        accepted=np.zeros(n, dtype=bool),
        intervals=(),
        interval_errors=(),
        toys=np.zeros((n, 0)),
        n_done=zero,
        n_failed=zero,
        seed=seed,
        start=start,
        messages=(),
        complete=True,
        notes=(*grid.reference.notes, *grid.notes),
    )


def _take_over(fits: ToyFits, empty: FeldmanCousinsResult, resume: FeldmanCousinsResult) -> None:
    if not resume.continues(empty):
        message = "belongs to other data or another model: its likelihood ratios differ"
        raise located(ArgumentError, message, "resume")
    if resume.n_toys > fits.ratios.shape[1]:
        message = f"has {resume.n_toys} toys per value, more than n_toys = {fits.ratios.shape[1]}"
        raise located(ArgumentError, message, "resume")
    fits.ratios[:, : resume.n_toys] = resume.toys
    fits.n_done[:] = resume.n_done
