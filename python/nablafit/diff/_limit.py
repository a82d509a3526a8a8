"""Upper limits as differentiable functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import scipy

from .._arrays import FloatArray, ParameterValues
from ..errors import ArgumentError, Error, located
from ..infer.testing._hypothesis import make_hypothesis
from ._objective import Objective, make_batch
from ._objectives import cls_at

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..data import Data
    from ..minimizers.problem import Bounds, Fixed
    from ..model import Model

__all__ = ["upper_limit"]

MOST_STEPS = 60
TOLERANCE = 1e-11
"""Relative size of the last step, which is quadratically larger than the error."""


def upper_limit(
    model: Model,
    data: Data | None = None,
    *,
    poi: str | None = None,
    level: float = 0.95,
    statistic: str = "qtilde",
    nsigma: float | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    inputs: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    global_observables: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Objective:
    """Return the asymptotic CLs upper limit, and its gradient.

    The value `mu` of the parameter of interest where `cls` is 1 - level. By the implicit function
    theorem its gradient is that of CLs over minus the derivative of CLs with respect to `mu`.

    Parameters
    ----------
    level : float
        Confidence level.
    model, data, nsigma
        As in `cls`: without data the median limit expected before a fit.
    poi, statistic, initial, bounds, fixed, inputs, counts, global_observables, n_threads
        As in `cls`. The search may leave the range of the parameter, as that of
        `nablafit.upper_limit`.

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model, and for a level outside of (0, 1).
    Error
        If a fit fails or no limit is found. Items of a batch get NaN and a message instead.
    """
    if not 0.0 < level < 1.0:
        raise located(ArgumentError, f"expected a number between 0 and 1, got {level}", "level")
    if statistic not in ("q", "qtilde"):
        message = f'expected "qtilde" or "q", got {statistic!r}'
        raise located(ArgumentError, message, "statistic")
    hypothesis = make_hypothesis(
        model, 1.0, poi=poi, statistic=statistic, bounds=bounds, fixed=fixed
    ).widened()
    batch = make_batch(model, data, inputs, counts, global_observables)

    def evaluate(mu: FloatArray) -> Objective:
        return cls_at(
            hypothesis,
            batch,
            nsigma=nsigma,
            initial=initial,
            n_threads=n_threads,
            tested=mu,
        )

    start = model.point(initial)[hypothesis.indices[0]]
    return _solve(evaluate, np.full(batch.n, start if start > 0.0 else 1.0), 1.0 - level)


def _solve(
    evaluate: Callable[[FloatArray], Objective], start: FloatArray, p_value: float
) -> Objective:
    """Find where CLs is `p_value` for all items at once.

    Newton's method in z, CLs = 2 (1 - Phi(z)), which is nearly linear in mu; steps that leave the
    known bracket are replaced by bisection, or doubling while there is no upper end.
    """
    target = -scipy.special.ndtri(0.5 * p_value)
    mu, low, high = start, np.zeros_like(start), np.full_like(start, np.inf)
    for _ in range(MOST_STEPS):
        found = evaluate(mu)
        z = -scipy.special.ndtri(0.5 * np.atleast_1d(found.value))
        density = np.exp(-0.5 * np.square(z)) / np.sqrt(2.0 * np.pi)
        slope = np.atleast_1d(cast("FloatArray", found.tested))
        rises = (slope < 0.0) & (density > 0.0)
        by_mu = -0.5 * np.where(rises, slope, -1.0) / np.where(rises, density, 1.0)
        step = np.where(rises, (target - z) / by_mu, np.inf)
        low, high = np.where(z < target, mu, low), np.where(z > target, mu, high)
        converged = np.abs(step) <= TOLERANCE * mu
        if np.all(converged | np.isnan(z)):
            break
        inside = (mu + step > low) & (mu + step < high)
        middle = np.where(np.isinf(high), 2.0 * mu, 0.5 * (low + high))
        mu = np.where(converged | np.isnan(z), mu, np.where(inside, mu + step, middle))
    return _limit(found, np.where(converged, mu + step, np.nan), slope, mu)


def _limit(cls: Objective, limit: FloatArray, slope: FloatArray, last: FloatArray) -> Objective:
    """Turn CLs at the limit into the limit; NaN where there is none."""
    is_there = np.isfinite(limit)
    messages = tuple(
        said if good or said else f"no upper limit found: CLs does not fall to it up to {at:.3g}"
        for said, good, at in zip(cls.messages or ("",), is_there, last, strict=True)
    )
    by_cls = np.where(is_there, -1.0 / np.where(is_there, slope, 1.0), np.nan)
    if cls.value.ndim:
        return replace(cls.scaled(limit, by_cls), tested=None, messages=messages)
    if not is_there[0]:
        raise Error(messages[0])
    return replace(cls.scaled(limit[0], by_cls[0]), tested=None)
