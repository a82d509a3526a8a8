"""A referee for small pyhf models: the likelihood in plain NumPy, minima from many random starts.

Nothing here looks at how nablafit evaluates a model. Its fits are used as what takes a random start
to a minimum near by: every point that they return is evaluated here, and the lowest is taken. The
choice of the minimum is the referee's, and so are the asymptotic formulas (arXiv:1007.1727).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

import nablafit as nf
from truth_models import AGAIN, Case, compiled

Array = NDArray[Any]

# Candidates for a minimum that differ by less in -2 log L are one as good as the other.
AS_GOOD = 1e-5
# Powers of alpha in code 4, and their coefficients from value, slope and curvature at -1 and 1.
_POWERS = np.arange(1, 7)
_CODE_4 = np.linalg.inv(
    np.array(
        [
            row
            for sign in (1.0, -1.0)
            for row in (
                sign**_POWERS,
                _POWERS * sign ** (_POWERS - 1),
                _POWERS * (_POWERS - 1) * sign**_POWERS,
            )
        ]
    )
)


# --- the likelihood ------------------------------------------------------------------------------


def normsys_factor(alpha: Array, low: float, high: float) -> Array:
    """Code 4: exponential outside of [-1, 1], a polynomial of degree 6 inside."""
    log_low, log_high = np.log(low), np.log(high)
    ends = [
        high - 1,
        high * log_high,
        high * log_high**2,
        low - 1,
        -low * log_low,
        low * log_low**2,
    ]
    coefficients = _CODE_4 @ np.array(ends)
    inside = 1 + sum(c * alpha**p for c, p in zip(coefficients, _POWERS, strict=True))
    above, below = np.exp(alpha * log_high), np.exp(-alpha * log_low)
    return np.where(alpha.real > 1, above, np.where(alpha.real < -1, below, inside))


def histosys_shift(alpha: Array, down: Array, up: Array) -> Array:
    """Code 4p of the differences to the nominal yields: linear outside of [-1, 1]."""
    a = alpha[..., np.newaxis]
    inside = a * (up - down) / 2 + (up + down) / 16 * a**2 * (15 - 10 * a**2 + 3 * a**4)
    return np.where(a.real > 1, a * up, np.where(a.real < -1, -a * down, inside))


@dataclass
class Parameter:
    """One parameter of a plain model."""

    initial: float
    lower: float
    upper: float
    kind: str = "free"
    """"free", "gaussian" or "poisson"."""
    width: float = 1.0
    """Of a Gaussian term; for a Poisson term tau."""
    fixed: bool = False

    @property
    def nominal_observation(self) -> float:
        return self.width if self.kind == "poisson" else self.initial


class PlainModel:
    """Expected events and -2 log(L / L_saturated) of a pyhf document, as its definitions read.

    Points are arrays of shape (..., n_parameters) in the order of `names`, and may be complex.
    """

    def __init__(self, document: Mapping[str, Any], names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.parameters: dict[str, Parameter] = {}
        self.channels = sorted(document["channels"], key=lambda channel: channel["name"])
        for channel in self.channels:
            self._add_parameters(channel)
        for setting in document["measurements"][0]["config"]["parameters"]:
            parameter = self.parameters[setting["name"]]
            parameter.initial = setting.get("inits", [parameter.initial])[0]
            parameter.lower, parameter.upper = setting.get(
                "bounds", [[parameter.lower, parameter.upper]]
            )[0]
        observed = {entry["name"]: entry["data"] for entry in document["observations"]}
        self.counts = np.concatenate([observed[channel["name"]] for channel in self.channels])
        if set(self.names) != set(self.parameters):
            raise AssertionError(f"{self.names} are not {sorted(self.parameters)}")
        self.constrained = [n for n in self.names if self.parameters[n].kind != "free"]
        self.observations = np.array(
            [self.parameters[n].nominal_observation for n in self.constrained]
        )

    def index(self, name: str) -> int:
        return self.names.index(name)

    def _add_parameters(self, channel: Mapping[str, Any]) -> None:
        for one in channel["samples"]:
            for modifier in one["modifiers"]:
                name, kind = modifier["name"], modifier["type"]
                if kind == "normfactor" and name != AGAIN:
                    self.parameters.setdefault(name, Parameter(1.0, 0.0, 10.0))
                elif kind in ("normsys", "histosys"):
                    self.parameters.setdefault(name, Parameter(0.0, -5.0, 5.0, "gaussian"))
                elif kind == "shapesys":
                    for b, (n, u) in enumerate(zip(one["data"], modifier["data"], strict=True)):
                        tau = (n / u) ** 2 if n > 0 and u > 0 else 1.0
                        fixed = not (n > 0 and u > 0)
                        self._add_gamma(f"{name}[{b}]", "poisson", tau, fixed=fixed)
                elif kind == "staterror":
                    self._add_staterror(channel, name)

    def _add_gamma(self, name: str, kind: str, width: float, *, fixed: bool) -> None:
        self.parameters[name] = Parameter(1.0, 1e-10, 10.0, kind, width, fixed)

    def _add_staterror(self, channel: Mapping[str, Any], name: str) -> None:
        """Add one gamma per bin; names of staterrors are used in one channel only here."""
        carriers = [
            (np.array(one["data"]), np.array(modifier["data"]))
            for one in channel["samples"]
            for modifier in one["modifiers"]
            if modifier["name"] == name
        ]
        nominal = np.sum([n for n, _ in carriers], axis=0)
        variance = np.sum([u**2 for _, u in carriers], axis=0)
        for b, (n, v) in enumerate(zip(nominal, variance, strict=True)):
            width = np.sqrt(v) / n if n > 0 else 0.0
            fixed = width == 0.0
            self._add_gamma(f"{name}[{b}]", "gaussian", 1.0 if fixed else width, fixed=fixed)

    def expected(self, x: Array) -> Array:
        """Return the expected events, shape (..., n_bins)."""
        return np.concatenate([self._channel(channel, x) for channel in self.channels], axis=-1)

    def _channel(self, channel: Mapping[str, Any], x: Array) -> Array:
        return sum((self._sample(one, x) for one in channel["samples"]), np.zeros(()))

    def _sample(self, one: Mapping[str, Any], x: Array) -> Array:
        nominal = np.array(one["data"])
        shifted = nominal + np.zeros((*x.shape[:-1], len(nominal)), x.dtype)
        factor = np.ones_like(shifted)
        for modifier in one["modifiers"]:
            name, kind, values = modifier["name"], modifier["type"], modifier["data"]
            if kind == "histosys":
                down = np.array(values["lo_data"]) - nominal
                up = np.array(values["hi_data"]) - nominal
                shifted = shifted + histosys_shift(x[..., self.index(name)], down, up)
            elif kind == "normsys":
                alpha = x[..., self.index(name)]
                factor = factor * normsys_factor(alpha, values["lo"], values["hi"])[..., np.newaxis]
            elif kind == "normfactor":
                column = self.index("mu" if name == AGAIN else name)
                factor = factor * x[..., column, np.newaxis]
            else:
                columns = [self.index(f"{name}[{b}]") for b in range(len(nominal))]
                factor = factor * x[..., columns]
        return shifted * factor

    def deviance(self, x: Array, counts: Array, observations: Array) -> Array:
        """Return -2 log(L / L_saturated); infinite where there is no likelihood."""
        events = self.expected(x)
        value = _poisson(counts, events).sum(axis=-1)
        for column, name in enumerate(self.constrained):
            parameter = self.parameters[name]
            at, seen = x[..., self.index(name)], observations[..., column]
            if parameter.kind == "gaussian":
                value = value + ((at - seen) / parameter.width) ** 2
            else:
                value = value + _poisson(seen, at * parameter.width)
        bad = np.any(events.real < 0, axis=-1) | np.any((events.real <= 0) & (counts > 0), axis=-1)
        return np.where(bad, np.inf, value)

    def slope(self, x: Array, counts: Array, observations: Array) -> Array:
        """Return the derivatives of the deviance, by steps in the imaginary direction."""
        steps = x + 1e-100j * np.eye(len(self.names))
        return self.deviance(steps, counts, observations).imag / 1e-100

    def asimov(self, x: Array) -> tuple[Array, Array]:
        """Return counts and global observables as a point expects them."""
        pairs = [(x[self.index(name)], self.parameters[name]) for name in self.constrained]
        seen = [at * p.width if p.kind == "poisson" else at for at, p in pairs]
        return self.expected(x), np.array(seen)


def _poisson(n: Array, mean: Array) -> Array:
    """Twice the logarithm of Pois(n | n) / Pois(n | mean)."""
    with np.errstate(all="ignore"):
        logarithm = np.where(n > 0, n * np.log(n / np.where(n > 0, mean, 1.0)), 0.0)
    return 2 * (mean - n + logarithm)


# --- minima --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A fit: data, and parameters that are held at values."""

    counts: Array
    observations: Array
    held: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Minima:
    """Points that fits from many starts ended at, the lowest first."""

    x: Array
    value: Array
    """-2 log(L / L_saturated)."""

    @property
    def lowest(self) -> float:
        return float(self.value[0])

    def as_good(self, tolerance: float = AS_GOOD) -> Array:
        """Return the points that are about as low as the lowest."""
        return self.x[self.value <= self.value[0] + tolerance * max(1.0, abs(self.lowest))]


class Referee:
    """Minima of one model from random starts.

    Parameters
    ----------
    case : Case
        The model; random numbers are keyed by it.
    n_starts : int
        Random starts of every fit.
    """

    def __init__(self, case: Case, n_starts: int = 20) -> None:
        self.model, self.data = compiled(case.document)
        self.plain = PlainModel(case.document, self.model.parameters)
        self.generator = case.generator(1)
        self.n_starts = n_starts
        self.observed = Problem(self.plain.counts, self.plain.observations)

    def hold(self, held: Mapping[str, float], data: Problem | None = None) -> Problem:
        """Return the same data with parameters held."""
        data = self.observed if data is None else data
        return Problem(data.counts, data.observations, held)

    def asimov(self, x: Array) -> Problem:
        """Return Asimov data made at a point."""
        return Problem(*self.plain.asimov(x))

    def minima(
        self,
        problems: Sequence[Problem],
        bounds: Mapping[str, tuple[float, float]] | None = None,
        known: Sequence[Sequence[Array]] | None = None,
    ) -> list[Minima]:
        """Fit every problem from all starts.

        Parameters
        ----------
        problems : sequence of Problem
            What to fit.
        bounds : mapping, optional
            Ranges of free parameters other than the model's; of parameters that are held somewhere
            they must have room for those values.
        known : sequence, optional
            For each problem more points at which somebody claims the minimum to be.
        """
        bounds = dict(bounds or {})
        names = self.plain.names
        starts, fixed, rows = [], [], []
        for position, problem in enumerate(problems):
            held = np.array([n in problem.held or self.plain.parameters[n].fixed for n in names])
            points = self._starts(bounds)
            for name, value in problem.held.items():
                points[:, self.plain.index(name)] = value
            starts.append(points)
            fixed += [held] * len(points)
            rows += [position] * len(points)
        ends = self._fit(problems, np.array(rows), np.concatenate(starts), np.array(fixed), bounds)
        found = []
        for position, problem in enumerate(problems):
            points = ends[np.array(rows) == position]
            extra = [] if known is None else [np.asarray(x) for x in known[position]]
            found.append(self._sorted(problem, np.concatenate([points, *(x[None] for x in extra)])))
        return found

    def _starts(self, bounds: Mapping[str, tuple[float, float]]) -> Array:
        """Draw start values; the first are the initial ones."""
        n = self.n_starts
        columns = []
        for name in self.plain.names:
            parameter = self.plain.parameters[name]
            low, high = bounds.get(name, (parameter.lower, parameter.upper))
            if parameter.fixed:
                column = np.full(n, parameter.initial)
            elif parameter.kind == "free":
                column = self._norms(parameter.initial or 1.0, low, n)
            elif name.endswith("]"):
                column = 1 + self.generator.normal(0, 0.3, n)
            else:
                column = self.generator.uniform(-4, 4, n)
            columns.append(np.clip(np.append(parameter.initial, column), low, high))
        return np.array(columns).T

    def _norms(self, unit: float, low: float, n: int) -> Array:
        sizes = unit * np.exp(self.generator.normal(0, 1.5, n))
        signs = np.where(self.generator.random(n) < (0.3 if low < 0 else 0.0), -1.0, 1.0)
        return np.where(self.generator.random(n) < 0.1, 0.0, signs * sizes)

    def _fit(
        self,
        problems: Sequence[Problem],
        rows: Array,
        starts: Array,
        fixed: Array,
        bounds: Mapping[str, tuple[float, float]],
    ) -> Array:
        data = np.array([np.concatenate([p.counts, p.observations]) for p in problems])
        finite = {
            name: (low if np.isfinite(low) else None, high if np.isfinite(high) else None)
            for name, (low, high) in bounds.items()
        }
        return nf.fit_many(
            self.model,
            data[rows],
            initial=starts,
            bounds=finite,
            fixed=fixed,
            errors=False,
            n_threads=1,
        ).x

    def _sorted(self, problem: Problem, points: Array) -> Minima:
        value = self.plain.deviance(points, problem.counts, problem.observations)
        order = np.argsort(np.where(np.isnan(value), np.inf, value), kind="stable")
        return Minima(points[order], value[order])

    def by_scipy(self, problem: Problem, n_starts: int = 4) -> Minima:
        """Minimise with SciPy and derivatives of the plain model alone."""
        plain = self.plain
        fixed = [n in problem.held or plain.parameters[n].fixed for n in plain.names]
        free = np.flatnonzero(~np.array(fixed))
        names = np.array(plain.names)[free]
        ranges = [(plain.parameters[n].lower, plain.parameters[n].upper) for n in names]
        points = []
        for start in self._starts({})[:n_starts]:
            for name, value in problem.held.items():
                start[plain.index(name)] = value
            points.append(self._descend(problem, start, free, ranges))
        return self._sorted(problem, np.array(points))

    def _descend(
        self, problem: Problem, start: Array, free: Array, ranges: Sequence[tuple[float, float]]
    ) -> Array:
        data = (problem.counts, problem.observations)
        point = start.copy()

        def function(values: Array) -> tuple[float, Array]:
            point[free] = values
            value = float(self.plain.deviance(point, *data))
            if not np.isfinite(value):
                return 1e10, np.zeros(len(free))
            return value, self.plain.slope(point, *data)[free]

        if len(free):
            options = {"maxiter": 500, "ftol": 1e-15, "gtol": 1e-9}
            found = scipy.optimize.minimize(
                function, start[free], jac=True, method="L-BFGS-B", bounds=ranges, options=options
            )
            point[free] = found.x
        return point


# --- asymptotic formulas -------------------------------------------------------------------------

FLUCTUATIONS = np.array([2.0, 1.0, 0.0, -1.0, -2.0])
"""In standard deviations towards fewer events: the lowest expected limit first."""


def upper_tails(statistic: str, q: float, qa: float) -> tuple[float, float]:
    """Return CLs+b and CLb of q, Eqs. (57) and (59), or of q-tilde, Eq. (66)."""
    root, root_asimov = np.sqrt(q), np.sqrt(qa)
    u, v = root, root - root_asimov
    if statistic == "qtilde" and q > qa > 0:
        u, v = (q + qa) / (2 * root_asimov), (q - qa) / (2 * root_asimov)
    return float(scipy.stats.norm.sf(u)), float(scipy.stats.norm.sf(v))


def observed_cls(statistic: str, q: float, qa: float) -> float:
    above, below = upper_tails(statistic, q, qa)
    return above / below if below > 0 else 0.0


def expected_cls(qa: float) -> Array:
    """Return CLs where the estimate without signal fluctuates, Eq. (89)."""
    return scipy.stats.norm.sf(np.sqrt(qa) + FLUCTUATIONS) / scipy.stats.norm.sf(FLUCTUATIONS)


@dataclass(frozen=True)
class Statistics:
    """What a test of one value may come to.

    There is more than one possibility where minima on both sides of the tested value are equally
    low, or minima that Asimov data could be made at.
    """

    q: tuple[float, ...]
    qa: tuple[float, ...]

    def pairs(self) -> Iterator[tuple[float, float]]:
        return ((q, qa) for q in self.q for qa in self.qa)


def upper_statistics(
    referee: Referee,
    poi: str,
    tested: Sequence[float],
    estimate_range: tuple[float, float],
    *,
    kind: str = "upper",
    alternative: float = 0.0,
    known: Mapping[str, Array] | None = None,
) -> list[Statistics]:
    """Return the statistics of tests of values of one parameter.

    Parameters
    ----------
    referee : Referee
        The model.
    poi : str
        The tested parameter.
    tested : sequence of float
        Its values.
    estimate_range : pair
        Its range in the free fit.
    kind : str
        "upper": 0 where the estimate is above the tested value; "discovery": 0 where it is not
        above; "both": never.
    alternative : float
        Value for Asimov data.
    known : mapping, optional
        Points that somebody says are minima, by the names of `HypotestResult.points`; of one tested
        value.
    """
    low, high = estimate_range
    wide = {poi: (min(low, alternative, *tested), max(high, alternative, *tested))}
    known = dict(known or {})

    def claimed(name: str) -> list[Array]:
        return [known[name]] if name in known and np.all(np.isfinite(known[name])) else []

    (free,) = referee.minima(
        [referee.observed], {poi: estimate_range}, [[*claimed("free"), *claimed("tested")]]
    )
    points = [claimed("alternative"), *(claimed("tested") for _ in tested)]
    held = [referee.hold({poi: value}) for value in (alternative, *tested)]
    base, *conditional = referee.minima(held, wide, points)
    if not np.isfinite(base.lowest):
        return []
    inside = [m for m, v in zip(conditional, tested, strict=True) if low <= v <= high]
    minimum = min([free.lowest, *(m.lowest for m in inside)])
    column = referee.plain.index(poi)
    estimates = free.as_good()[:, column]
    asimovs = [referee.asimov(x) for x in _distinct(referee, base)]
    rows = [referee.hold({poi: v}, data) for data in asimovs for v in tested]
    claims = [claimed("tested to Asimov")] * len(rows)
    heights = [m.lowest for m in referee.minima(rows, wide, claims)]
    found = []
    for i, (value, fit) in enumerate(zip(tested, conditional, strict=True)):
        rise = max(fit.lowest - minimum, 0.0)
        vanishes = {
            "upper": estimates >= value,
            "discovery": estimates <= value,
            "both": np.zeros(len(estimates), bool),
        }[kind]
        qs = [0.0] * bool(np.any(vanishes)) + [rise] * (not np.all(vanishes))
        found.append(Statistics(tuple(qs), tuple(heights[i :: len(tested)])))
    return found


def _distinct(referee: Referee, minima: Minima) -> list[Array]:
    """Return minima that are equally low and expect different data, three at most."""
    chosen: list[Array] = []
    for x in minima.as_good():
        data = np.concatenate(referee.plain.asimov(x))
        others = (np.concatenate(referee.plain.asimov(other)) for other in chosen)
        if not any(np.allclose(data, other, rtol=1e-2, atol=1e-6) for other in others):
            chosen.append(x)
    return chosen[:3]
