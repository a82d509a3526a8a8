"""Profile likelihoods: fits with parameters of interest free or held, each from several starts.

A likelihood with one-sided or large variations, or with a parameter of interest that enters more
than linearly, has several minima, and a test means the lowest. Which fit finds it depends on where
it starts: so every fit is made from more than one place, and from many as soon as two disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..._arrays import FloatArray
from ..._starts import check_starts, further_starts, random_starts
from ...batch import STATUSES, fit_arrays
from ...data import check_data
from ...minimizers.problem import FitOptions

if TYPE_CHECKING:
    from ...data import Data
    from ...model import Likelihood
    from ._hypothesis import Hypothesis

ResultT = TypeVar("ResultT")

SAME = 1e-7
"""Minima closer than this in -log L are the same."""
# Minima that differ by more than this, relative to -log L where that is large, are different.
_DIFFERENT = 1e-5
# Random starts of every fit where fits disagreed, more in small models.
_THOROUGH = 12
_MOST_THOROUGH = 120
_TOY_STARTS = 4
# Parameters of models in which it takes no time to find the bent ones.
_MOST_DEEP = 300
# As many times more random starts have the fits that make Asimov data, and those next to a limit.
_DEEPER = 2
# Where random starts of free fits have the parameter of interest, in units of its scale.
_POI_OFFSETS = (1.0, -1.0, 3.0, -3.0, 0.3, -0.3, 10.0, -10.0)
# Asimov data are made where these fits end: parameters are needed to 1e-7 of their errors.
_OPTIONS = FitOptions(tolerance=1e-11)
# Fits from elsewhere that take longer are given up; most take less than 15 iterations.
_HURRIED = FitOptions(tolerance=1e-11, max_calls=60)
_VALID = {i for i, name in enumerate(STATUSES) if name.startswith("converged")}
_RISE = 0.5  # of -log L by one scale
_MOST_BITS = 400  # of log2 of a scale, up and down


@dataclass(frozen=True, eq=False)
class Row:
    """A fit to make."""

    data: Data
    start: FloatArray
    """Where it usually starts."""
    at: FloatArray | None
    """Values to hold the parameters of interest at; None for a free fit."""
    others: tuple[FloatArray, ...] = ()
    """Further places that are worth a try."""
    what: str = ""
    """What is fitted, for messages."""
    probe: bool = True
    """Whether to try other starts too."""
    deep: bool = False
    """Whether to try all kinds of them in large models too, where they cost more."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit that was made."""

    x: FloatArray
    value: float
    """-log(L / L_saturated)."""
    status: str
    poi_error: float = math.nan
    """Standard deviation of the first parameter of interest, where it was asked for; at the border
    of zero yields it is that along the border, which is meaningless."""

    @property
    def valid(self) -> bool:
        """True if this is a minimum."""
        return self.status.startswith("converged")


@dataclass
class Fits:
    """Makes fits, each the lowest from several starts, and remembers where starts disagreed."""

    starts: int | None = None
    """Random starts of every fit; None: some, and more once starts disagree; 0: the usual start
    alone."""
    n_threads: int | None = None
    n_fits: int = 0
    thorough: bool = False
    """Whether all fits are made from all starts, as is asked for or found to be necessary."""
    apart: dict[str, float] = field(default_factory=dict)
    """By how much minima of the same fit differed, in -2 log L."""
    _n_rows: int = 0

    def __post_init__(self) -> None:
        if self.starts is not None:
            check_starts(self.starts)
            self.thorough = self.starts > 0

    def make(
        self,
        hypothesis: Hypothesis,
        rows: Sequence[Row],
        *,
        errors: bool = False,
        scale: float = 1.0,
    ) -> list[Fit]:
        """Make fits; where all starts of one fail, it is tried with patience.

        If starts disagree, these and all further fits are thorough.

        Parameters
        ----------
        hypothesis : Hypothesis
            What floats where.
        rows : sequence of Row
            The fits.
        errors : bool
            Ask for `Fit.poi_error`.
        scale : float
            By how much random starts of free fits move the parameter of interest.
        """
        many = [self._starts(hypothesis, row, scale) for row in rows]
        is_single = all(len(some) == 1 for some in many)
        fits, differ = self._lowest(hypothesis, rows, many, errors=errors, patient=is_single)
        if any(differ) and not self.thorough and self.starts is None:
            self.thorough = True
            return self.make(hypothesis, rows, errors=errors, scale=scale)
        failed = [i for i, fit in enumerate(fits) if not fit.valid]
        if failed:
            cold = [[rows[i].start, hypothesis.start(rows[i].at)] for i in failed]
            rest = [rows[i] for i in failed]
            again, _ = self._lowest(hypothesis, rest, cold, errors=errors, patient=True)
            for i, fit in zip(failed, again, strict=True):
                fits[i] = fit if fit.valid else fits[i]
        return fits

    def _starts(self, hypothesis: Hypothesis, row: Row, scale: float) -> list[FloatArray]:
        starts = [row.start]
        if self.starts == 0:
            return starts
        if self.thorough or row.at is None:
            starts += row.others
        if row.probe:
            starts += self._elsewhere(hypothesis, row, scale)
        return list({start.tobytes(): start for start in starts}.values())

    def _elsewhere(self, hypothesis: Hypothesis, row: Row, scale: float) -> list[FloatArray]:
        """Return starts that know nothing of other fits."""
        model = hypothesis.model
        n = random_starts(model.n_parameters)
        deep = row.deep and model.n_parameters <= _MOST_DEEP
        sides = self.thorough or n > 1 or deep
        if row.deep:
            n *= _DEEPER
        if row.at is None or row.deep:
            n = max(n, 1)
        if self.thorough:
            n = self.starts or max(_THOROUGH, _MOST_THOROUGH // model.n_parameters)
        held = hypothesis.held(row.at)
        self._n_rows += 1
        seed = self._n_rows  # others for every fit: minima that one finds are starts of the next
        starts = further_starts(model, row.data, row.start, held, n=n, seed=seed, sides=sides)
        if row.at is None:
            self._spread(hypothesis, starts[len(starts) - n :], row.start, scale)
        return list(starts)

    @property
    def toy_search(self) -> int | None:
        """What `fit_many` is told about starts of toys: nothing, or not to try any others."""
        return 0 if self.starts == 0 else None

    def toy_starts(
        self, hypothesis: Hypothesis, data: Data, x: FloatArray
    ) -> tuple[FloatArray, ...]:
        """Return where fits of toys drawn at `x` start as well, if starts ever disagreed."""
        if not self.thorough:
            return ()
        n = _TOY_STARTS if self.starts is None else self.starts
        held = hypothesis.held(None)
        return tuple(further_starts(hypothesis.model, data, x, held, n=n))

    @staticmethod
    def _spread(hypothesis: Hypothesis, starts: FloatArray, x: FloatArray, scale: float) -> None:
        """Put the parameters of interest of random starts around where they are."""
        unit = scale if math.isfinite(scale) else 1.0
        offsets = np.resize(_POI_OFFSETS, len(starts)) * unit
        for index, (low, high) in zip(hypothesis.indices, hypothesis.ranges, strict=True):
            starts[:, index] = np.clip(x[index] + offsets, low, high)

    def _lowest(
        self,
        hypothesis: Hypothesis,
        rows: Sequence[Row],
        starts: Sequence[Sequence[FloatArray]],
        *,
        errors: bool,
        patient: bool,
    ) -> tuple[list[Fit], list[bool]]:
        """Return the lowest fit of each row, and whether valid fits of it differ."""
        owners = [i for i, some in enumerate(starts) for _ in some]
        if not owners:
            return [], []
        self.n_fits += len(owners)
        initial = np.array([start for some in starts for start in some])
        flags = np.empty(initial.shape, dtype=bool)
        first = 0
        for row, some in zip(rows, starts, strict=True):
            block = slice(first, first + len(some))
            hypothesis.put_held(initial[block], row.at)
            flags[block] = hypothesis.held(row.at)
            first += len(some)
        lower, upper = hypothesis.box
        arrays = {
            "counts": np.array([rows[i].data.counts for i in owners]),
            "global_observables": np.array([rows[i].data.global_observables for i in owners]),
            "starts": initial,
            "fixed": flags,
            "lower": lower,
            "upper": upper,
        }
        kept = range(hypothesis.model.n_parameters)
        found, exception = fit_arrays(
            hypothesis.model,
            arrays,
            len(owners),
            kept,
            _OPTIONS if patient else _HURRIED,
            errors=errors,
            n_threads=self.n_threads,
        )
        if exception is not None:
            raise exception
        x, values, codes = found["x"], found["value"].tolist(), found["status"].tolist()
        best: list[Fit] = []
        differ: list[bool] = []
        first = 0
        for row, some in zip(rows, starts, strict=True):
            choice, spread = _choose(values, codes, range(first, first + len(some)))
            first += len(some)
            error = float(found["errors"][choice, hypothesis.indices[0]]) if errors else math.nan
            best.append(Fit(x[choice], values[choice], STATUSES[codes[choice]], error))
            differ.append(spread > 0.0)
            if spread > 0.0 and spread > self.apart.get(row.what, 0.0):
                self.apart[row.what] = spread
        return best, differ

    def notes(self) -> tuple[str, ...]:
        """Describe where starts disagreed."""
        if not self.apart:
            return ()
        what, most = max(self.apart.items(), key=lambda item: item[1])
        note = (
            "the likelihood has several minima: fits from different starts differ by up to "
            f"{most:.3g} in -2 log L ({what}); the lowest minima found are used"
        )
        return (note,)


def _choose(values: Sequence[float], codes: Sequence[int], positions: range) -> tuple[int, float]:
    """Return the lowest of some fits, the first of equals, and how far valid ones are apart."""
    good = [i for i in positions if codes[i] in _VALID]
    if not good:
        return positions[0], 0.0
    heights = [values[i] for i in good]
    lowest = min(heights)
    apart = max(heights) - lowest
    choice = next(i for i in good if values[i] <= lowest + SAME)
    return choice, 2.0 * apart if apart > _DIFFERENT * (1.0 + 1e-3 * abs(lowest)) else 0.0


@dataclass(frozen=True, eq=False)
class Observation:
    """The fits that every test makes to one data set."""

    hypothesis: Hypothesis
    """As given or, where a value beyond the upper bound is tested, without that bound."""
    data: Data
    free: Fit
    tested: Fit
    alternative: Fit
    fits: Fits
    """What made them, and makes the fits that follow."""
    scale: float
    """Scale of the parameter of interest, see `poi_scale`."""

    @property
    def poi_hat(self) -> tuple[float, ...]:
        """Best values of the parameters of interest; NaN if that fit failed."""
        if not self.free.valid:
            return (math.nan,) * len(self.hypothesis.poi)
        return tuple(self.free.x[self.hypothesis.indices].tolist())

    def has_effect(self) -> bool:
        """Whether the parameters of interest change the expected events where the fits ended."""
        points = [fit.x for fit in (self.free, self.tested, self.alternative) if fit.valid]
        return self.hypothesis.has_effect(points, self.scale)

    def failure(self, *names: str) -> str | None:
        """Return a sentence about the first of these fits (default: all) that failed."""
        for name in names or ("free", "tested", "alternative"):
            fit: Fit = getattr(self, name)
            if not fit.valid:
                return failure_sentence(self.hypothesis, name, fit)
        return None


def until_settled(fits: Fits, work: Callable[[], ResultT]) -> ResultT:
    """Return what `work` returns; it is done again if on its way starts were found to disagree."""
    before = fits.thorough
    result = work()
    return work() if fits.thorough and not before else result


def failure_sentence(hypothesis: Hypothesis, name: str, fit: Fit, to: str = "") -> str:
    """Describe which fit failed, how, and what can be done."""
    values = {"tested": hypothesis.tested, "alternative": hypothesis.alternative}.get(name)
    what = f"The free fit{to}"
    if values is not None:
        pairs = zip(hypothesis.poi, values, strict=True)
        what = f"The fit{to} with " + ", ".join(f"{poi} = {value:g}" for poi, value in pairs)
    if fit.status == "forbidden_start":
        return (
            f"{what} failed: the likelihood is zero there, e.g. because events were observed where "
            "none are expected, whatever the nuisance parameters."
        )
    return f"{what} failed ({fit.status}); see the message of nablafit.fit(model, data, fixed=...)."


def observe(
    hypothesis: Hypothesis,
    data: Data,
    fits: Fits,
    *,
    start: FloatArray | None = None,
    test: bool = True,
) -> Observation:
    """Fit the observed data freely, at the tested and at the alternative values.

    Fits start at `start`, by default at the initial values of the model, and elsewhere as `fits`
    decides. The free fit starts where the others ended too, so that it is not above them. Where a
    parameter of interest is held beyond its upper bound, the bound is lifted. Without `test`
    nothing is tested yet: the alternative values stand for the tested ones.
    """
    check_data(hypothesis.model, data)
    places = [hypothesis.alternative, hypothesis.tested][: 2 if test else 1]
    if np.any(np.max(places, axis=0) > [high for _, high in hypothesis.ranges]):
        hypothesis = hypothesis.widened()
    x = hypothesis.start() if start is None else start
    rows = [
        Row(data, x, at, what=f"{hypothesis.describe(at)} in observed data", deep=True)
        for at in places
    ]
    alternative, *rest = fits.make(hypothesis, rows)
    tested = rest[0] if test else alternative
    scale = poi_scale(hypothesis, hypothesis.model.likelihood(data), alternative.x)
    others = tuple(fit.x for fit in (alternative, *rest) if fit.valid)
    row = Row(data, x, None, others, "free, in observed data", deep=test)
    free = fits.make(hypothesis, [row], scale=scale)[0]
    free = lower_free_fit(hypothesis, row, fits, free, (alternative, *rest), scale)
    return Observation(hypothesis, data, free, tested, alternative, fits, scale)


def lower_free_fit(
    hypothesis: Hypothesis, row: Row, fits: Fits, free: Fit, held: Sequence[Fit], scale: float
) -> Fit:
    """Return `free`, or a lower fit if one with the parameters of interest held in range is."""
    below = [fit for fit in held if fit.valid]
    if free.valid:
        below = [fit for fit in below if fit.value < free.value - SAME]
    inside = [fit for fit in below if hypothesis.in_range(fit.x)]
    if not inside:
        return free
    lowest = min(inside, key=lambda fit: fit.value)
    again = fits.make(hypothesis, [replace(row, start=lowest.x, probe=False)], scale=scale)[0]
    return again if again.valid and not (free.valid and again.value >= free.value) else free


def poi_scale(hypothesis: Hypothesis, likelihood: Likelihood, x: FloatArray) -> float:
    """Return about how far the parameter of interest changes the likelihood, NaN if nowhere.

    The distance above its value in `x`, everything else held there, at which -log L rises by a
    half: within a factor of 2, whatever the unit of the parameter. It is smaller than the standard
    deviation where other parameters absorb the change. For several parameters it is 1.
    """
    if len(hypothesis.poi) > 1:
        return 1.0
    index = hypothesis.indices[0]
    base = likelihood(x)

    def rises(distance: float) -> bool:
        point = x.copy()
        point[index] += distance
        with np.errstate(all="ignore"):
            return not likelihood(point) - base < _RISE

    low, high = -_MOST_BITS, _MOST_BITS  # of log2 of the distance
    if not math.isfinite(base) or not rises(2.0**high):
        return math.nan
    step = 4
    at = 0
    if rises(1.0):
        high = 0
        while at > low and rises(2.0 ** (at - step)):
            high = at = at - step
            step *= 2
        low = max(at - step, low)
    else:
        low = 0
        while at < high and not rises(2.0 ** (at + step)):
            low = at = at + step
            step *= 2
        high = min(at + step, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if rises(2.0**middle) else (middle, high)
    return 2.0**high
