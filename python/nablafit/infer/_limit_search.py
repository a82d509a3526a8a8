"""Search for upper limits along the profile likelihoods of observed and Asimov data.

The derivative of a profile likelihood along the parameter of interest is the partial derivative of
the likelihood at its minimum, so every fit gives the statistic and its slope, and Newton's method
finds all six limits together in a few rounds of fits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy

from .._arrays import FloatArray
from ..data import Data
from ..likelihood import Likelihood
from ._asymptotics import NSIGMA, tail_coordinates
from ._hypothesis import Hypothesis
from ._profile import Fit, Row, fit_rows, lower_start

__all__ = ["CURVES", "Criterion", "LimitSearch", "Profile"]

CURVES = 6  # the observed one and five expected ones
_MOST_ROUNDS = 60
_LARGEST_FACTOR = 5.0  # from one guess to the next where nothing is known above
_REACH = 1e3  # in standard deviations of the estimate: where the search gives up
_NEGLIGIBLE = 1e-4  # in standard deviations: where a limit is 0
_RETREATS = (0.97, 0.8, 0.5, 0.5)
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@dataclass
class Profile:
    """Minima of -log L of one data set with the parameter of interest held, by its value."""

    data: Data
    likelihood: Likelihood
    free: Fit
    index: int
    """Position of the parameter of interest."""
    held: dict[float, Fit] = field(default_factory=dict)
    slopes: dict[float, float] = field(default_factory=dict)

    @property
    def estimate(self) -> float:
        """Best value of the parameter of interest."""
        return float(self.free.x[self.index])

    def add(self, mu: float, fit: Fit) -> None:
        """Note a fit and the slope of the profile."""
        self.held[mu] = fit
        gradient = self.likelihood.gradient(fit.x) if fit.valid else None
        self.slopes[mu] = math.nan if gradient is None else float(gradient[self.index])

    def statistic(self, mu: float) -> tuple[float, float]:
        """Return q and its slope at a value that was fitted; NaN if that failed."""
        fit = self.held[mu]
        if not (fit.valid and self.free.valid):
            return math.nan, math.nan
        if self.estimate >= mu:
            return 0.0, 0.0
        return max(2.0 * (fit.value - self.free.value), 0.0), 2.0 * self.slopes[mu]

    def start(self, mu: float) -> FloatArray:
        """Return where to start a fit: between the nearest fits, or at the nearest."""
        known = sorted(value for value, fit in self.held.items() if fit.valid)
        below = [value for value in known if value < mu]
        above = [value for value in known if value > mu]
        if below and above:
            low, high = below[-1], above[0]
            share = (mu - low) / (high - low)
            x = (1 - share) * self.held[low].x + share * self.held[high].x
        else:
            near = self.held[below[-1] if below else above[0]] if known else self.free
            x = near.x.copy()
        x[self.index] = mu
        return x


@dataclass(frozen=True)
class Criterion:
    """What falls to 1 - level at the limit."""

    name: str
    """"CLs" or "CLs+b"."""
    statistic: str
    level: float

    @property
    def target(self) -> float:
        """The coordinate z = -Phi^-1(p) of the limit."""
        return float(scipy.special.ndtri(self.level))

    def coordinates(
        self, q: float, dq: float, qa: float, dqa: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return z of the observed and the five expected p-values, less the target, and slopes.

        In z, limits of nearly quadratic likelihoods are roots of nearly linear functions.
        """
        b = math.sqrt(qa) if qa >= 0 else math.nan
        db = dqa / (2 * b) if b > 0 else math.nan
        u, v = (float(c) for c in tail_coordinates(self.statistic, np.array(q), np.array(qa)))
        a = math.sqrt(q) if q >= 0 else math.nan
        if self.statistic == "qtilde" and a > b > 0:
            du = (dq + dqa) / (2 * b) - u * db / b
            dv = (dq - dqa) / (2 * b) - v * db / b
        else:
            du = dq / (2 * a) if a > 0 else 0.0
            dv = du - db
        us, dus = np.array([u, *(NSIGMA + b)]), np.array([du, *[db] * 5])
        if self.name == "CLs+b":
            return us - self.target, dus
        vs, dvs = np.array([v, *NSIGMA]), np.array([dv, *[0.0] * 5])
        return self._cls(us, dus, vs, dvs)

    def _cls(
        self, u: FloatArray, du: FloatArray, v: FloatArray, dv: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        log_u, log_v = scipy.special.log_ndtr(-u), scipy.special.log_ndtr(-v)
        log_cls = np.minimum(log_u - log_v, 0.0)
        slope = -_hazard(u, log_u) * du + _hazard(v, log_v) * dv
        with np.errstate(all="ignore"):
            z = -scipy.special.ndtri_exp(log_cls)
            dz = -slope * np.exp(log_cls + z**2 / 2 + _LOG_SQRT_2PI)
        return z - self.target, dz


def _hazard(u: FloatArray, log_tail: FloatArray) -> FloatArray:
    """Density over tail probability of the normal distribution at u."""
    return np.asarray(np.exp(-(u**2) / 2 - _LOG_SQRT_2PI - log_tail))


@dataclass
class _Root:
    """State of the search for one limit."""

    guess: float
    low: float = 0.0
    high: float = math.inf
    value: float = math.nan
    status: str = ""
    n_failed: int = 0


class LimitSearch:
    """All fits that limits need, and the search for the limits.

    Parameters
    ----------
    hypothesis : Hypothesis
        With one parameter of interest.
    observed, asimov : Profile
        Of the observed data, and of Asimov data without signal.
    criterion : Criterion
        What falls to 1 - level at the limits.
    scale : float
        Standard deviation of the estimate, or a guess of it.
    tolerance : float
        Accepted relative error of the limits, about.
    """

    def __init__(
        self,
        hypothesis: Hypothesis,
        observed: Profile,
        asimov: Profile,
        criterion: Criterion,
        *,
        scale: float,
        tolerance: float = 1e-8,
        n_threads: int | None = None,
    ) -> None:
        self._hypothesis = hypothesis
        self.observed, self.asimov = observed, asimov
        self._criterion = criterion
        self._scale = scale
        self._tolerance = tolerance
        self._n_threads = n_threads
        self.n_fits = 0
        self._coordinates: dict[float, tuple[FloatArray, FloatArray]] = {}

    @property
    def values(self) -> list[float]:
        """Values that were fitted, ascending."""
        return sorted(self.asimov.held)

    def evaluate(self, values: Sequence[float]) -> None:
        """Fit both data sets at new values, in one batch."""
        new = [mu for mu in dict.fromkeys(values) if mu not in self.asimov.held]
        profiles = (self.observed, self.asimov)
        rows = [
            Row(profile.data, profile.start(mu), np.array([mu]))
            for profile in profiles
            for mu in new
        ]
        fits = fit_rows(self._hypothesis, rows, n_threads=self._n_threads)
        self.n_fits += len(rows)
        for i, profile in enumerate(profiles):
            for mu, fit in zip(new, fits[i * len(new) :], strict=False):
                profile.add(mu, fit)
        changed = [self._repair(profile, new) for profile in profiles]
        for mu in self.values if any(changed) else new:
            q, dq = self.observed.statistic(mu)
            qa, dqa = self.asimov.statistic(mu)
            self._coordinates[mu] = self._criterion.coordinates(q, dq, qa, dqa)

    def _repair(self, profile: Profile, new: Sequence[float]) -> bool:
        """Repeat a free fit that ended above one with the parameter held; say whether it fell."""
        start = lower_start(self._hypothesis, profile.free, [profile.held[mu] for mu in new])
        if start is None or not profile.free.valid:
            return False
        self.n_fits += 1
        again = fit_rows(
            self._hypothesis, [Row(profile.data, start, None)], n_threads=self._n_threads
        )[0]
        if not again.valid or again.value >= profile.free.value:
            return False
        profile.free = again
        return True

    def point_status(self, mu: float) -> str:
        """Return "ok", or the status of the fit that failed."""
        for profile in (self.observed, self.asimov):
            if not profile.held[mu].valid:
                return profile.held[mu].status
        return "ok"

    def solve(self) -> list[tuple[float, str]]:
        """Return limit and status of each of the six curves."""
        roots = [_Root(guess) for guess in self._guesses()]
        for _ in range(_MOST_ROUNDS):
            active = [i for i, root in enumerate(roots) if not root.status]
            if not active:
                break
            self.evaluate([roots[i].guess for i in active])
            for i in active:
                self._advance(i, roots[i])
        return [(root.value, root.status or "not_converged") for root in roots]

    def _guesses(self) -> list[float]:
        """Return the limits of a quadratic likelihood with the same estimate and error."""
        alpha = 1 - self._criterion.level
        hat = self.observed.estimate / self._scale if self.observed.free.valid else 0.0
        positions = np.array([hat, *(-NSIGMA)])
        share = scipy.special.ndtr(positions) if self._criterion.name == "CLs" else 1.0
        guesses = positions - scipy.special.ndtri(alpha * share)
        return [self._scale * max(guess, 0.1) for guess in guesses.tolist()]

    def _advance(self, curve: int, root: _Root) -> None:
        """Take what the fits at the guess say, and find the next guess or the limit."""
        mu = root.guess
        z, dz = (float(array[curve]) for array in self._coordinates[mu])
        if math.isnan(z):
            self._step_back(root)
            return
        if z < 0:
            root.low = max(root.low, mu)
        else:
            root.high = min(root.high, mu)
        step = -z / dz if dz > 0 and math.isfinite(z / dz) else math.nan
        # Newton's last step is wrong by about its square.
        if z == 0 or abs(step) <= math.sqrt(self._tolerance) * mu:
            root.value, root.status = (mu if z == 0 else mu + step), "converged"
        elif math.isfinite(root.high) and root.high - root.low <= self._tolerance * root.high:
            root.value, root.status = 0.5 * (root.low + root.high), "converged"
        elif root.low == 0 and mu < _NEGLIGIBLE * self._scale:
            root.value, root.status = 0.0, "below_zero"
        else:
            self._next_guess(root, mu + step)

    def _next_guess(self, root: _Root, newton: float) -> None:
        """Follow Newton's method inside the bracket; bisect or reach further where it leaves it."""
        if math.isinf(root.high):
            furthest = _LARGEST_FACTOR * max(root.guess, self._scale)
            wanted = newton if newton > root.low else 2 * root.guess
            root.guess = min(wanted, furthest)
            if root.guess > _REACH * max(self._scale, self.observed.estimate):
                root.value, root.status = math.inf, "not_reached"
            return
        inside = root.low < newton < root.high
        root.guess = newton if inside else 0.5 * (root.low + root.high)

    def _step_back(self, root: _Root) -> None:
        """Try another value where a fit failed, at first close by."""
        if root.n_failed == len(_RETREATS):
            root.status = "fit_failed"
            return
        root.guess = root.low + _RETREATS[root.n_failed] * (root.guess - root.low)
        root.n_failed += 1
