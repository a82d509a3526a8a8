"""Search for upper limits along the profile likelihoods of observed and Asimov data.

The derivative of a profile likelihood along the parameter of interest is the partial derivative of
the likelihood at its minimum, so every fit gives the statistic and its slope, and Newton's method
finds all six limits together in a few rounds of fits. A limit is accepted only at a value where
fits from independent starts were made and give the p-value that defines it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy

from ..._arrays import FloatArray
from ...data import Data
from ...model import Likelihood
from ..testing._hypothesis import Hypothesis
from ..testing._profile import SAME, Fit, Fits, Row, lower_free_fit
from ..testing._statistic import (
    LOG_SQRT_2PI,
    NSIGMA,
    log_cls,
    root_slope,
    tail_coordinates,
    tail_slopes,
)

CURVES = 6  # the observed one and five expected ones
_MOST_ROUNDS = 80
_MOST_SWEEPS = 3
_BISECT_EVERY = 8  # rounds, in case the steps of Newton's method lead nowhere
_CLOSE = 0.05  # relative distance within which the slope of a secant is that of the curve
_NEAR = 3e-3  # relative step after which a limit is expected: fits there try other starts too
_STEP = 0.1  # of the square root of the tolerance: Newton's last step, wrong by about its square
_GAIN = 0.1  # error of cubic interpolation in units of that of Newton's method, about
_AGREEMENT = 5e-6  # in z, at the value last tested: 1e-5 in |p / (1 - level) - 1|
_ROUGH_AGREEMENT = 1e-3  # the same where steps have become too small to tell values apart
_JUMP = 5.0  # times steeper than the slopes say: no continuous curve
_FACTOR = 5.0  # from one guess to the next where nothing is known beyond; squared each time
_MOST_FACTOR = 1e15
_FURTHEST = 1e25  # in scales: where the search gives up
_FAR = 1e6  # in scales: where failing fits are taken for that too
_RETREATS = (0.97, 0.8, 0.5, 0.5)


@dataclass(eq=False)
class Profile:
    """Minima of -log L of one data set with the parameter of interest held, by its value."""

    data: Data
    likelihood: Likelihood
    free: Fit
    index: int
    """Position of the parameter of interest."""
    what: str = ""
    """Which data these are, for messages."""
    held: dict[float, Fit] = field(default_factory=dict)
    slopes: dict[float, float] = field(default_factory=dict)
    probed: set[float] = field(default_factory=set)
    """Values where several starts were tried."""

    @property
    def estimate(self) -> float:
        """Best value of the parameter of interest."""
        return float(self.free.x[self.index])

    def add(self, mu: float, fit: Fit) -> bool:
        """Note a fit and the slope of the profile, unless a lower one is known.

        Return whether it is lower than the one that was known.
        """
        old = self.held.get(mu)
        if old is not None and old.valid and not (fit.valid and fit.value < old.value):
            return False
        self.held[mu] = fit
        gradient = self.likelihood.gradient(fit.x) if fit.valid else None
        self.slopes[mu] = math.nan if gradient is None else float(gradient[self.index])
        return old is not None and fit.value < old.value - SAME

    def statistic(self, mu: float) -> tuple[float, float]:
        """Return q and its slope at a value; NaN if it was not fitted, or that failed."""
        fit = self.held.get(mu)
        if fit is None or not (fit.valid and self.free.valid):
            return math.nan, math.nan
        if self.estimate >= mu:
            return 0.0, 0.0
        return max(2.0 * (fit.value - self.free.value), 0.0), 2.0 * self.slopes[mu]

    def starts(self, mu: float) -> list[FloatArray]:
        """Return where to start a fit: between the nearest fits, and at each of them.

        Then where the free fit ended, for its minimum may lead to the lowest elsewhere.
        """
        known = sorted(value for value, fit in self.held.items() if fit.valid and value != mu)
        below = [self.held[value].x for value in known if value < mu][-1:]
        above = [self.held[value].x for value in known if value > mu][:1]
        at = [self.held[mu].x] if mu in self.held and self.held[mu].valid else []
        near = [*at, *below, *above, self.free.x]
        if below and above:
            low = max(value for value in known if value < mu)
            high = min(value for value in known if value > mu)
            share = (mu - low) / (high - low)
            near.insert(len(at), (1 - share) * below[0] + share * above[0])
        starts = [x.copy() for x in near]
        for x in starts:
            x[self.index] = mu
        return starts


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

    def at_zero(self, q: float) -> FloatArray:
        """Return z as `coordinates` where the tested value is 0, of the statistic `q` there.

        CLs is 1 there; CLs+b of data that fluctuate low enough may be below 1 - level.
        """
        if self.name == "CLs":
            return np.full(CURVES, -math.inf)
        return np.array([math.sqrt(q), *NSIGMA]) - self.target

    def coordinates(
        self, q: FloatArray, dq: FloatArray, qa: FloatArray, dqa: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return z of the observed and the five expected p-values, less the target, and slopes.

        Arguments are the statistics in observed and Asimov data and their slopes, shape (n,); the
        results have shape (n, 6). In z, limits of nearly quadratic likelihoods are roots of nearly
        linear functions.
        """
        with np.errstate(all="ignore"):
            b = np.sqrt(qa)
            known = np.where(b > 0, 1.0, np.nan)
            u, v = tail_coordinates(self.statistic, q, qa)
            du, dv = tail_slopes(self.statistic, q, dq, qa, dqa)
            db = root_slope(b, dqa) * known
        expected = np.broadcast_to(db[:, np.newaxis], (len(q), len(NSIGMA)))
        us = np.column_stack([u, NSIGMA + b[:, np.newaxis]])
        dus = np.column_stack([du, expected])
        if self.name == "CLs+b":
            return us - self.target, dus
        vs = np.column_stack([v, np.broadcast_to(NSIGMA, expected.shape)])
        dvs = np.column_stack([dv * known, np.zeros_like(expected)])
        return self._cls(us, dus, vs, dvs)

    def _cls(
        self, u: FloatArray, du: FloatArray, v: FloatArray, dv: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        log_p, slope = log_cls(u, du, v, dv)
        with np.errstate(all="ignore"):
            z = -scipy.special.ndtri_exp(log_p)
            dz = -slope * np.exp(log_p + z**2 / 2 + LOG_SQRT_2PI)
        return z - self.target, dz


@dataclass(frozen=True)
class _Point:
    """A tested value with the coordinate z of one curve and its slope."""

    mu: float
    z: float
    slope: float


@dataclass(frozen=True, eq=False)
class _Job:
    """A data set to fit at a value; from several starts, and from all kinds of them."""

    profile: Profile
    mu: float
    probe: bool = False
    deep: bool = False


@dataclass
class _Root:
    """State of the search for one limit."""

    guess: float
    is_near: bool = False
    """Whether the limit is expected close to the guess: other starts are tried there."""
    was_probed: bool = False
    """Whether they were tried at an earlier guess."""
    value: float = math.nan
    status: str = ""
    n_rounds: int = 0
    n_extended: int = 0
    n_failed: int = 0
    has_jump: bool = False
    """Whether the curve rises too much between two close values."""


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
    fits : Fits
        What makes the fits.
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
        fits: Fits,
        *,
        scale: float,
        tolerance: float = 1e-8,
    ) -> None:
        self._hypothesis = hypothesis
        self.observed, self.asimov = observed, asimov
        self._criterion = criterion
        self._fits = fits
        self._was_thorough = fits.thorough
        self._scale = scale
        self._tolerance = tolerance
        self._coordinates: dict[float, tuple[FloatArray, FloatArray]] = {}

    @property
    def values(self) -> list[float]:
        """Values that both data sets were fitted at, ascending."""
        return [mu for mu in self._tested if mu in self.observed.held]

    @property
    def _tested(self) -> list[float]:
        """Values that Asimov data were fitted at."""
        return sorted(self._coordinates)

    @property
    def is_settled(self) -> bool:
        """False once starts disagree that did not when the search began: begin again."""
        return self._fits.thorough == self._was_thorough

    def evaluate(self, values: Iterable[float]) -> None:
        """Fit both data sets at new values, from several starts."""
        wanted = list(dict.fromkeys(values))
        new = [(p, mu) for p in self._profiles for mu in wanted if mu not in p.probed]
        self._fit([_Job(profile, mu, probe=True) for profile, mu in new])

    def _fit(self, jobs: Sequence[_Job]) -> bool:
        """Fit data sets at values; say whether any minimum is lower than was known."""
        rows = []
        for job in jobs:
            first, *others = job.profile.starts(job.mu)
            what = f"{self._hypothesis.poi[0]} = {job.mu:.4g} in {job.profile.what} data"
            row = Row(job.profile.data, first, np.array([job.mu]), tuple(others), what)
            rows.append(replace(row, probe=job.probe, deep=job.deep))
        fits = self._fits.make(self._hypothesis, rows)
        lower = False
        for job, fit in zip(jobs, fits, strict=True):
            if job.probe:
                job.profile.probed.add(job.mu)
            lower |= job.profile.add(job.mu, fit)
        fell = [self._repair(p, [j.mu for j in jobs if j.profile is p]) for p in self._profiles]
        changed = self._tested if any(fell) else dict.fromkeys(job.mu for job in jobs)
        self._update([mu for mu in changed if mu in self.asimov.held])
        return lower or any(fell)

    def _update(self, values: Sequence[float]) -> None:
        """Compute the coordinates of values at which Asimov data were fitted."""
        rows = [(*self.observed.statistic(mu), *self.asimov.statistic(mu)) for mu in values]
        q, dq, qa, dqa = np.array(rows).reshape(-1, 4).T
        for mu, z, dz in zip(values, *self._criterion.coordinates(q, dq, qa, dqa), strict=True):
            self._coordinates[mu] = (z, dz)

    @property
    def _profiles(self) -> tuple[Profile, Profile]:
        return self.observed, self.asimov

    def _repair(self, profile: Profile, new: Sequence[float]) -> bool:
        """Repeat a free fit that ended above one with the parameter held; say whether it fell."""
        held = [profile.held[mu] for mu in new]
        row = Row(profile.data, profile.free.x, None, what=f"free, in {profile.what} data")
        again = lower_free_fit(self._hypothesis, row, self._fits, profile.free, held, self._scale)
        fell = again is not profile.free
        profile.free = again
        return fell

    def point_status(self, mu: float) -> str:
        """Return "ok", or the status of the fit that failed."""
        for profile in self._profiles:
            if not profile.held[mu].valid:
                return profile.held[mu].status
        return "ok"

    def sweep(self) -> bool:
        """Fit again from the minima of neighbours; say whether any is lower than was known.

        Up and down, one value after the other, so that a minimum is followed as far as it is the
        lowest.
        """
        lower = False
        for values in (self._tested, self._tested[::-1]):
            for mu in values:
                lower |= self._fit([_Job(p, mu) for p in self._profiles if mu in p.held])
        return lower

    def solve(self) -> list[tuple[float, str]]:
        """Return limit and status of each of the six curves."""
        roots = self._solve()
        for _ in range(_MOST_SWEEPS):
            if not self._fits.thorough or not self.is_settled or not self.sweep():
                break
            roots = self._solve()
        return [(root.value, root.status or "not_converged") for root in roots]

    def _solve(self) -> list[_Root]:
        roots = [_Root(guess) for guess in self._guesses()]
        n_sweeps = 0
        for _ in range(_MOST_ROUNDS):
            if all(root.status for root in roots) or not self.is_settled:
                break
            self._fit(self._wanted(roots))
            if any(root.has_jump for root in roots) and n_sweeps < _MOST_SWEEPS:
                self._look_for_lower()
                n_sweeps += 1
            table = [(mu, *self._coordinates[mu]) for mu in self._tested]
            for curve, root in enumerate(roots):
                if not root.status:
                    self._advance(curve, root, table)
        return roots

    def _look_for_lower(self) -> None:
        """Profile likelihoods are continuous: where one jumps, a minimum was missed."""
        if self._fits.thorough or self._fits.starts is not None:
            self.sweep()
        else:
            self._fits.thorough = True

    def _wanted(self, roots: Sequence[_Root]) -> list[_Job]:
        """Return the fits to make: at all guesses, and from several starts next to a limit.

        Expected limits do not depend on the observed data, which are fitted at the first guesses
        only, for the table. The observed limit and the last one see all kinds of starts once.
        """
        wanted: dict[tuple[Profile, float], _Job] = {}
        for curve, root in enumerate(roots):
            outer = {0: self.observed, CURVES - 1: self.asimov}.get(curve)
            for profile in self._profiles:
                if root.status or root.guess in profile.probed:
                    continue
                is_needed = curve == 0 or profile is self.asimov
                probe = root.is_near and is_needed
                deep = probe and profile is outer and not root.was_probed
                known = wanted.get((profile, root.guess), _Job(profile, root.guess))
                job = replace(known, probe=known.probe or probe, deep=known.deep or deep)
                if probe or ((is_needed or root.n_rounds == 0) and root.guess not in profile.held):
                    wanted[profile, root.guess] = job
            root.was_probed |= root.is_near
        return list(wanted.values())

    def _guesses(self) -> list[float]:
        """Return the limits of a quadratic likelihood with the same estimate and error."""
        alpha = 1 - self._criterion.level
        hat = self.observed.estimate / self._scale if self.observed.free.valid else 0.0
        positions = np.array([hat, *(-NSIGMA)])
        share = scipy.special.ndtr(positions) if self._criterion.name == "CLs" else 1.0
        guesses = positions - scipy.special.ndtri(alpha * share)
        return [self._scale * max(guess, 0.1) for guess in guesses.tolist()]

    def _advance(
        self, curve: int, root: _Root, table: Sequence[tuple[float, FloatArray, FloatArray]]
    ) -> None:
        """Find the next guess, or the limit, from the fits.

        The limit is above the last value that is not excluded: where p-values rise again, a lower
        crossing is none.
        """
        points = (_Point(mu, float(z[curve]), float(dz[curve])) for mu, z, dz in table)
        known = [point for point in points if not math.isnan(point.z)]
        root.n_rounds += 1
        if all(point.mu != root.guess for point in known):
            self._step_back(root, known)
            return
        low = next((point for point in reversed(known) if point.z < 0), None)
        high = next((p for p in known if p.z >= 0 and (low is None or p.mu > low.mu)), None)
        if high is None:
            self._extend(root, known[-1])
        elif low is None and self._excludes_zero(curve):
            root.value, root.status = 0.0, "below_zero"
        else:
            probed = self.asimov.probed
            if curve == 0:
                probed = probed & self.observed.probed
            self._close_in(root, low or _Point(0.0, -math.inf, math.nan), high, probed)

    def _excludes_zero(self, curve: int) -> bool:
        """Whether the criterion is below 1 - level even where there is no signal."""
        zero = self.observed.held.get(0.0)
        q = 0.0
        if zero is not None and self.observed.estimate < 0:
            q = max(2.0 * (zero.value - self.observed.free.value), 0.0)
        return bool(self._criterion.at_zero(q)[curve] >= 0)

    def _close_in(self, root: _Root, low: _Point, high: _Point, probed: set[float]) -> None:
        """Accept a limit between two values, or say where to look next."""
        nearest = min(low, high, key=lambda point: abs(point.z))
        target = nearest.mu + _step(nearest, low, high)
        is_inside = low.mu <= target <= high.mu
        step = abs(target - nearest.mu)
        root.has_jump = _jumps(low, high)
        has_converged = is_inside and step <= _STEP * math.sqrt(self._tolerance) * nearest.mu
        if has_converged and nearest.mu in probed and abs(nearest.z) <= _AGREEMENT:
            root.value, root.status = target, "converged"
        elif high.mu - low.mu <= self._tolerance * high.mu and nearest.mu in probed:
            agrees = abs(nearest.z) <= _ROUGH_AGREEMENT
            root.value, root.status = nearest.mu, "converged" if agrees else "inconsistent"
        elif has_converged and nearest.mu not in probed:
            root.guess, root.is_near = nearest.mu, True
        elif is_inside and target not in (low.mu, high.mu) and root.n_rounds % _BISECT_EVERY:
            better = _interpolated(low, high)
            if not math.isnan(better):
                step, target = abs(better - target) * _GAIN, better
            floor = high.mu / _factor(root.n_extended + 1) if low.mu == 0.0 else 0.0
            root.n_extended += target < floor
            root.guess, root.is_near = max(target, floor), step <= _NEAR * target
        else:
            root.n_extended += low.mu == 0.0
            root.guess, root.is_near = _between(low.mu, high.mu, root.n_extended), False

    def _extend(self, root: _Root, last: _Point) -> None:
        """Look further up, by Newton's method or by growing factors."""
        if last.mu > _FURTHEST * max(self._scale, self.observed.estimate):
            root.value, root.status = math.inf, "not_reached"
            return
        root.n_extended += 1
        most = last.mu * _factor(root.n_extended)
        target = last.mu - last.z / last.slope if last.slope > 0 else math.inf
        root.is_near = target - last.mu <= _NEAR * last.mu
        root.guess = target if last.mu < target <= most else most

    def _step_back(self, root: _Root, known: Sequence[_Point]) -> None:
        """Try another value where a fit failed, at first close by."""
        low = max((point.mu for point in known if point.mu < root.guess), default=0.0)
        if root.n_failed < len(_RETREATS):
            root.guess = low + _RETREATS[root.n_failed] * (root.guess - low)
            root.n_failed += 1
        elif low > _FAR * self._scale and known[-1].z < 0:
            root.value, root.status = math.inf, "not_reached"
        else:
            root.status = "fit_failed"


def _step(nearest: _Point, low: _Point, high: _Point) -> float:
    """Return Newton's step, or that of a secant where the slope is not that of the curve.

    Slopes are wrong where a minimum lies on a border that moves with the parameter of interest, as
    that of zero yields does.
    """
    secant = (high.z - low.z) / (high.mu - low.mu)
    is_close = high.mu - low.mu <= _CLOSE * high.mu
    slope = nearest.slope
    if not slope > 0 or (is_close and abs(slope - secant) > 0.1 * secant):
        slope = secant
    step = -nearest.z / slope if slope > 0 else math.nan
    return step if math.isfinite(step) else math.nan


def _jumps(low: _Point, high: _Point) -> bool:
    """Whether two close points are too far apart for a continuous curve of their slopes."""
    if not high.mu - low.mu <= _CLOSE * high.mu:
        return False
    steepest = max(low.slope, high.slope, 1.0 / high.mu)
    return high.z - low.z > _JUMP * steepest * (high.mu - low.mu) + _ROUGH_AGREEMENT


def _interpolated(low: _Point, high: _Point) -> float:
    """Return the root of the cubic polynomial mu(z) with the values and slopes of two points.

    NaN where there are no two slopes, or it leaves the bracket.
    """
    if not (low.slope > 0 and high.slope > 0 and math.isfinite(low.z)):
        return math.nan
    width = high.z - low.z
    t = -low.z / width
    start, end = width / low.slope, width / high.slope
    rise = high.mu - low.mu
    mu = low.mu + t * (start + t * (3 * rise - 2 * start - end + t * (start + end - 2 * rise)))
    return mu if low.mu < mu < high.mu else math.nan


def _between(low: float, high: float, n_extended: int) -> float:
    """Return a value between two that may be many orders of magnitude apart."""
    if low == 0.0:
        return high / _factor(n_extended)
    return math.sqrt(low * high) if high > 4.0 * low else 0.5 * (low + high)


def _factor(n: int) -> float:
    """Return by how much the n-th step beyond what is known may go."""
    return float(min(_FACTOR ** (2 ** min(n - 1, 5)), _MOST_FACTOR))
