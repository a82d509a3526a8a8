"""Contours of the profile likelihood in two parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arrays import FloatArray
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.text import Page
from ...errors import ArgumentError, finished, located
from ._best_fit import (
    MOST_MINIMA,
    LowerMinimum,
    Reference,
    is_positive_definite,
    make_reference,
    rebased,
    rise_of_level,
    warn_of,
)
from ._crossings import follow_rays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..._arrays import ParameterValues
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Likelihood, Model
    from ...result import FitResult

_HEADER = ("level", "-2 Δ log L", "points", "on the border", "missing", "")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Contour(Record):
    """The border of the region of one confidence level.

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> model = workspace.model()
    >>> data = workspace.data(model)
    >>> contour = nf.contour(model, data, ["mu_signal", "mu_ttbar"], n_points=12)[0]
    >>> contour.level, contour.points.shape
    (0.68, (14, 2))
    """

    level: float
    """Asymptotic confidence level: chi-square with two degrees of freedom."""
    twice_delta_nll: float
    """Rise of -2 log L on the contour."""
    points: FloatArray
    """Corners of the polygon in the order of their angle about the best fit, shape (n, 2); the
    first is not repeated at the end."""
    status: tuple[str, ...]
    """Status of each point: "found", or "at_bound" and "at_edge" where a bound of the parameters or
    the end of the likelihood cuts the region off."""
    angles: FloatArray
    """Direction of each point in the frame where the covariance is the unit matrix, in radian."""
    n_missing: int
    """Directions without a point: nothing limits the region there, or fits failed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "points", self.points.reshape(-1, 2))

    @property
    def closed(self) -> bool:
        """True if there is a point in every direction."""
        return self.n_missing == 0

    def __repr__(self) -> str:
        return f"<Contour of {100 * self.level:.4g} %: {len(self.points)} points>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ContourResult(Record, format="nablafit.ContourResult/1"):
    """Contours of the profile likelihood in two parameters; frozen. `result[i]` is one of them.

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> model = workspace.model()
    >>> data = workspace.data(model)
    >>> result = nf.contour(model, data, ["mu_signal", "mu_ttbar"], n_points=12)
    >>> [contour.level for contour in result.contours], bool(result.complete)
    ([0.68, 0.95], True)
    """

    parameters: tuple[str, str]
    best: FloatArray
    """Best-fit values of both, shape (2,)."""
    covariance: FloatArray
    """Covariance of both at the best fit, shape (2, 2), e.g. for ellipses."""
    contours: tuple[Contour, ...]
    """One per level, in the order asked for."""
    twice_nll: float
    """-2 log L at the best fit."""
    messages: tuple[str, ...]
    """What the reader should know, a sentence each."""
    new_minimum: LowerMinimum | None
    """A minimum below the best fit that was met, if any."""
    complete: bool
    """False if the call was interrupted."""
    notes: tuple[str, ...] = ()
    """Where fits from different starts ended in different minima, a sentence each; the lowest was
    taken."""

    @property
    def levels(self) -> tuple[float, ...]:
        """The confidence levels."""
        return tuple(contour.level for contour in self.contours)

    @property
    def valid(self) -> bool:
        """True if all contours are closed and no lower minimum was met."""
        return self.new_minimum is None and all(contour.closed for contour in self.contours)

    def __len__(self) -> int:
        return len(self.contours)

    def _columns(self) -> dict[str, Any]:
        """Return one row per corner of the polygons."""
        points = np.concatenate([np.zeros((0, 2)), *(c.points for c in self.contours)])
        levels = np.repeat(self.levels, [len(contour.points) for contour in self.contours])
        status = [status for contour in self.contours for status in contour.status]
        names = dict(zip(self.parameters, points.T, strict=True))
        return {"level": levels, **names, "status": status}

    def __getitem__(self, i: int) -> Contour:
        return self.contours[i]

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self.outcome_lines(), *self.table(), "rrrrrl", self.valid),)

    def outcome_lines(self) -> list[str]:
        """Summarise the result and its problems in a few lines."""
        errors = np.sqrt(np.diag(self.covariance))
        pairs = zip(self.parameters, self.best, errors, strict=True)
        best = ", ".join(f"{name} = {value:.6g} ± {error:.3g}" for name, value, error in pairs)
        lines = [
            f"Contours of the profile likelihood in {' and '.join(self.parameters)}",
            f"  best fit: {best}, -2 log L = {self.twice_nll:.6g}",
            *(f"  {message}" for message in self.messages),
        ]
        if self.new_minimum is not None:
            lines.append(f"  {self.new_minimum!r}")
        lines += [f"  note: {note}" for note in self.notes]
        return lines if self.complete else [*lines, "  interrupted"]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows of the table."""
        rows: list[tuple[str, ...]] = []
        for contour in self.contours:
            n_border = len(contour.status) - contour.status.count("found")
            level = f"{100 * contour.level:.4g} %"
            counts = (str(len(contour.points)), str(n_border), str(contour.n_missing))
            state = "closed" if contour.closed else "open"
            rows.append((level, f"{contour.twice_delta_nll:.4g}", *counts, state))
        return _HEADER, rows


# Neighbouring points further apart than this multiple of the mean get a direction in between.
_LARGEST_GAP = 1.6
_MAX_ROUNDS = 8
_MISSING = ("unlimited", "failed", "new_minimum", "not_done")


@remembers_origin
def contour(
    model: Model | Likelihood,
    data: Data | None = None,
    parameters: Sequence[str] | None = None,
    *,
    levels: float | Sequence[float] = (0.68, 0.95),
    n_points: int = 60,
    result: FitResult | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> ContourResult:
    """Find contours of the profile likelihood in two parameters.

    On the contour of a level, -2 log L, minimised over all other parameters, is above its minimum
    by the quantile of chi-square with two degrees of freedom: 2.28 for 0.68, 5.99 for 0.95. The
    region holds both parameters at once with this probability, like that of iminuit's `mncontour`.
    (At the level 1 - exp(-1/2) = 0.393 the rise is 1, and the contour's extent in each parameter is
    its one-sigma interval.)

    Parameters
    ----------
    model, data, result, initial, bounds, fixed, starts, n_threads, progress
        As in `nablafit.intervals`, `model.asimov({"mu": 1})` for expected results; progress counts
        directions.
    parameters : pair of str
        Names of the two; by default the first two parameters of interest.
    levels : float or sequence of float
        Confidence levels.
    n_points : int
        Directions per level to begin with, at least 4. Gaps are filled where points are far apart.

    Returns
    -------
    ContourResult
        Directions without a point are counted in `n_missing`; the contour is open there.

    Raises
    ------
    ArgumentError, Error, Interrupted
        As in `nablafit.intervals`; the `result` of Interrupted has the points that were found.

    Notes
    -----
    Points are searched along rays from the best fit, at equal angles in the frame where the
    covariance of the two is the unit matrix. A region that a ray enters twice is drawn up to the
    first border found: scan it in two dimensions. Bounds cut the region off; its corners there are
    points too. Other minima are looked for as in `nablafit.intervals`, at every point.

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> model = workspace.model()
    >>> data = workspace.data(model)
    >>> result = nf.contour(model, data, ["mu_signal", "mu_ttbar"], levels=0.68, n_points=12)
    >>> result[0].points.shape
    (14, 2)
    """
    levels = (levels,) if isinstance(levels, int | float) else tuple(levels)
    rises = [rise_of_level(level, 2) for level in levels]
    if n_points < 4:
        raise located(ArgumentError, f"expected at least 4, got {n_points}", "n_points")
    best = make_reference(
        model, data, result, initial, bounds, fixed, starts=starts, n_threads=n_threads
    )
    names = _pair(best, parameters)
    for n_left in reversed(range(MOST_MINIMA)):
        search = _Search(best, names, rises, progress)
        exception = search.run(n_points)
        if search.minimum is None or best.is_given or exception is not None or not n_left:
            break
        best = rebased(best, search.minimum[1])
    outcome = _result(search, names, levels, complete=exception is None)
    warn_of(best, outcome.new_minimum)
    return finished(outcome, exception)


def _pair(reference: Reference, parameters: Sequence[str] | None) -> tuple[str, str]:
    if parameters is None:
        known = set(reference.result.parameters)
        pois = reference.likelihood.model.parameters_of_interest
        parameters = [name for name in pois if name in known][:2]
    if isinstance(parameters, str) or len(parameters) != 2 or parameters[0] == parameters[1]:
        message = f"expected the names of two parameters, got {parameters!r}"
        raise located(ArgumentError, message, "parameters")
    return parameters[0], parameters[1]


class _Search:
    """Rays from the best fit: more and more of them, until no gap is left."""

    def __init__(
        self,
        reference: Reference,
        names: tuple[str, str],
        rises: Sequence[float],
        progress: Callable[[int], object] | None,
    ) -> None:
        self.reference = reference
        self.rises = rises
        self.held = reference.indices(names)
        self.best = reference.x[self.held]
        self.frame = _frame(reference, self.held)
        self.progress = progress
        self.angles: list[FloatArray] = [np.zeros(0) for _ in rises]
        self.distances: list[FloatArray] = [np.zeros(0) for _ in rises]
        self.status: list[tuple[str, ...]] = [() for _ in rises]
        self.minimum: tuple[float, FloatArray] | None = None
        self.n_done = 0
        self.notes: tuple[str, ...] = ()

    def run(self, n_points: int) -> BaseException | None:
        """Search; return what stopped it."""
        first = np.arange(n_points) * (2 * np.pi / n_points)
        angles = np.unique(np.round(np.concatenate([first, self._axis_angles()]), 12))
        wanted = [angles for _ in self.rises]
        gap = _LARGEST_GAP * 2 * np.pi / n_points
        for _ in range(_MAX_ROUNDS):
            exception = self._follow(wanted)
            if exception is not None or self.minimum is not None:
                return exception
            wanted = [self._gaps(i, gap) for i in range(len(self.rises))]
            if not any(angles.size for angles in wanted):
                break
        return None

    def _axis_angles(self) -> FloatArray:
        """Directions along the axes of both parameters: those of bounds."""
        axes = np.linalg.solve(self.frame, np.eye(2))
        along = np.concatenate([axes, -axes], axis=1)
        angles: FloatArray = np.mod(np.arctan2(along[1], along[0]), 2 * np.pi)
        return angles

    def _directions(self, angles: FloatArray) -> FloatArray:
        """Return changes of the parameters along unit vectors of the frame, shape (n, 2)."""
        unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        directions: FloatArray = unit @ self.frame.T
        scale = np.sqrt(np.sum(self.frame**2, axis=1))
        directions[np.abs(directions) < 1e-10 * scale] = 0.0
        return directions

    def _follow(self, wanted: Sequence[FloatArray]) -> BaseException | None:
        sizes = [len(angles) for angles in wanted]
        directions = self._directions(np.concatenate(wanted))
        crossings = follow_rays(
            self.reference,
            np.tile(self.held, (len(directions), 1)),
            directions,
            np.repeat(self.rises, sizes),
            self._count,
        )
        found = crossings.found
        self.notes = self.notes or crossings.notes
        self.n_done += sum(sizes)
        ends = np.cumsum(sizes)
        for i, end in enumerate(ends.tolist()):
            self._add(i, wanted[i], found, slice(end - sizes[i], end))
        for ray, x in found["lower_minima"].items():
            rise = float(found["rise"][ray])
            if self.minimum is None or rise < self.minimum[0]:
                self.minimum = (rise, x)
        return crossings.exception

    def _count(self, n: int) -> None:
        if self.progress is not None:
            self.progress(self.n_done + n)

    def _add(self, i: int, angles: FloatArray, found: dict[str, Any], part: slice) -> None:
        joined = np.concatenate([self.angles[i], angles])
        order = np.argsort(joined, kind="stable")
        self.angles[i] = joined[order]
        self.distances[i] = np.concatenate([self.distances[i], found["distance"][part]])[order]
        status = (*self.status[i], *found["status"][part])
        self.status[i] = tuple(status[k] for k in order.tolist())

    def present(self, i: int) -> NDArray[np.bool_]:
        """Which directions of level i have a point."""
        return np.array([status not in _MISSING for status in self.status[i]], dtype=bool)

    def _gaps(self, i: int, gap: float) -> FloatArray:
        """Directions halfway between neighbours that are far apart, in units of the radius."""
        present = self.present(i)
        angles, distances = self.angles[i][present], self.distances[i][present]
        if len(angles) < 2:
            return np.zeros(0)
        plane = distances[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        chord = np.sqrt(np.sum((np.roll(plane, -1, axis=0) - plane) ** 2, axis=1))
        width = np.mod(np.roll(angles, -1) - angles, 2 * np.pi)
        far = (chord > gap * np.sqrt(self.rises[i])) & (width > 1e-6) & (width < np.pi)
        halfway: FloatArray = np.mod(angles[far] + 0.5 * width[far], 2 * np.pi)
        return halfway

    def points(self, i: int) -> FloatArray:
        """Points of level i in parameters, within the bounds, shape (n, 2)."""
        present = self.present(i)
        directions = self._directions(self.angles[i][present])
        points = self.best + self.distances[i][present, None] * directions
        best = self.reference.result
        inside: FloatArray = np.clip(points, best.lower[self.held], best.upper[self.held])
        return inside


def _frame(reference: Reference, held: NDArray[np.int64]) -> FloatArray:
    """Return the matrix that turns unit vectors into one-sigma changes of both parameters."""
    block = reference.covariance[np.ix_(held, held)]
    if is_positive_definite(block):
        return np.asarray(np.linalg.cholesky(block), dtype=np.float64)
    best = reference.result
    quarter = (best.upper - best.lower)[held] / 4
    spans = np.where(np.isfinite(quarter), quarter, np.maximum(np.abs(best.x[held]), 1.0))
    errors = np.asarray(best.errors)[held]
    prefit = best.prefit_errors[held]
    widths = np.where(np.isfinite(prefit) & (prefit > 0), prefit, spans)
    return np.diag(np.where(np.isfinite(errors) & (errors > 0), errors, widths))


def _result(
    search: _Search, names: tuple[str, str], levels: tuple[float, ...], *, complete: bool
) -> ContourResult:
    reference = search.reference
    minimum: LowerMinimum | None = None
    if search.minimum is not None:
        minimum = reference.lower_minimum(search.minimum[1], search.minimum[0])
    contours, messages = [], []
    for i, level in enumerate(levels):
        present = search.present(i)
        status = tuple(s for s in search.status[i] if s not in _MISSING)
        contours.append(
            Contour(
                level=float(level),
                twice_delta_nll=search.rises[i],
                points=search.points(i),
                status=status,
                angles=search.angles[i][present],
                n_missing=int(np.sum(~present)),
            )
        )
        messages += _messages(float(level), search.status[i])
    return ContourResult(
        parameters=names,
        best=search.best,
        covariance=reference.covariance[np.ix_(search.held, search.held)],
        contours=tuple(contours),
        twice_nll=reference.result.twice_nll,
        messages=tuple(messages),
        new_minimum=minimum,
        complete=complete,
        notes=(*reference.notes, *search.notes),
    )


_SENTENCES = {
    "at_bound": "the bounds of the parameters cut the region off in {} directions",
    "at_edge": "the likelihood ends or jumps in {} directions",
    "unlimited": "nothing limits the region in {} directions: they have no point",
    "failed": "constrained fits failed in {} directions: they have no point; scan instead",
}


def _messages(level: float, status: tuple[str, ...]) -> list[str]:
    counts = {name: status.count(name) for name in _SENTENCES}
    return [
        f"{100 * level:.4g} %: " + _SENTENCES[name].format(f"{count} of {len(status)}")
        for name, count in counts.items()
        if count
    ]
