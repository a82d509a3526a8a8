"""Uncertainty of a parameter of interest, by sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy
from numpy.typing import NDArray

from ..._arrays import FloatArray, index_of
from ..._printable import printable
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.text import Page
from ...errors import Interrupted
from ...spec import HistoSys, Lumi, NormSys, ShapeSys, StatError
from ...surgery import users_of
from .._common import (
    ParameterWarning,
    check_choice,
    choose_pois,
    failure_warnings,
    fit_of,
    warning_lines,
)
from ..predictions.yields import row_bins
from ._refits import Outcome, Refit, run_refits
from ._selection import Patterns, select

if TYPE_CHECKING:
    from ...data import Data
    from ...model import Model
    from ...result import FitResult

_HEADER = ("source", "uncertainty", "share of variance", "parameters", "")
_ALIGN = "lrrrl"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class UncertaintyGroup(Record):
    """What one group of parameters contributes to the uncertainty of the parameter of interest.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> group = nf.breakdown(model, data).groups[0]
    >>> print(group.name, len(group.parameters), f"{group.uncertainty:.2f}")
    uncorrelated shapes 2 0.30
    """

    name: str
    parameters: tuple[str, ...]
    """The free parameters in the group."""
    uncertainty: float
    """Contribution in the units of the parameter of interest; NaN if not known."""
    remaining: float
    """Uncertainty that is left with the group held; NaN for "global_observables"."""
    status: str
    """Status of the refit, or "linear"."""

    def __repr__(self) -> str:
        return f"<UncertaintyGroup {printable(self.name)}: {self.uncertainty:.3g} ({self.status})>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class BreakdownResult(Record, format="nablafit.BreakdownResult/1"):
    """Uncertainty of a parameter of interest, by sources; frozen.

    Uncertainties are in units of the parameter of interest.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.breakdown(model, data)
    >>> print(f"{result.total:.3f}: {result.statistical:.3f} and {result.systematic:.3f}")
    0.556: 0.471 and 0.295
    """

    table_members = ("groups",)

    method: str
    """"refit", "linear" or "global_observables", see `breakdown`."""
    poi: str
    value: float
    """Fitted value."""
    total: float
    """Its standard deviation."""
    statistical: float
    """What the counts contribute, free factors included; see `breakdown`."""
    systematic: float
    """What all constrained parameters contribute together."""
    groups: tuple[UncertaintyGroup, ...]
    """Groups in the order of the request."""
    fit_status: str
    """Status of the fit that the numbers refer to."""
    warnings: tuple[ParameterWarning, ...] = ()
    """Kinds: "failed" (a refit found no minimum)."""
    complete: bool = True
    """False if the call was interrupted."""

    def __getitem__(self, name: str) -> UncertaintyGroup:
        return self.groups[index_of([group.name for group in self.groups], name)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(group.name for group in self.groups)

    @property
    def quadrature_sum(self) -> float:
        """Statistical and groups added in quadrature.

        It equals `total` for "global_observables" if every constrained parameter is in one group
        and only one; groups that are correlated after the fit make it differ for other methods.
        """
        return math.hypot(self.statistical, *(group.uncertainty for group in self.groups))

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self._title(), _HEADER, self._rows(), _ALIGN),)

    def _title(self) -> list[str]:
        end = "" if self.complete else "; interrupted"
        title = [f"Uncertainty of {self.poi} = {self.value:.5g} ± {self.total:.3g}"]
        title[0] += f" ({self.method}{end})"
        return [*title, *warning_lines(self.warnings)]

    def _rows(self) -> list[Sequence[str]]:
        rows = [self._row(g.name, g.uncertainty, str(len(g.parameters)), g) for g in self.groups]
        return [
            self._row("total", self.total),
            self._row("statistical", self.statistical),
            self._row("systematic", self.systematic),
            *rows,
        ]

    def _row(
        self, name: str, value: float, count: str = "", group: UncertaintyGroup | None = None
    ) -> Sequence[str]:
        share = (value / self.total) ** 2 if self.total > 0 else math.nan
        good = group is None or group.status == "linear" or group.status.startswith("converged")
        return (
            name,
            "" if math.isnan(value) else f"{value:.3g}",
            "" if math.isnan(share) else f"{100 * share:.1f} %",
            count,
            "" if good or group is None else group.status,
        )


METHODS = ("linear", "refit", "global_observables")
FREE = "free factors"
_OTHER = "systematics"
# A parameter belongs to the first kind that it has a modifier of.
_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("luminosity", (Lumi,)),
    (_OTHER, (NormSys, HistoSys)),
    ("MC statistics", (StatError,)),
    ("uncorrelated shapes", (ShapeSys,)),
)


@remembers_origin
def breakdown(
    model: Model,
    data: Data,
    *,
    poi: str | None = None,
    groups: Mapping[str, Patterns] | None = None,
    result: FitResult | None = None,
    method: str = "linear",
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> BreakdownResult:
    """Compute what groups of parameters contribute to the uncertainty of the one of interest.

    Parameters
    ----------
    model, data, result, n_threads
        As in `ranking`; `model.asimov({"mu": 1})` are data for expected results.
    poi : str, optional
        Parameter of interest, by default the first of the model.
    groups : mapping, optional
        Parameters of each group by its name, as patterns like those of `pulls`. Groups may overlap.
        Fixed parameters and the one of interest do not count. By default `default_groups`.
    method : str
        "linear" and "refit": a group contributes the quadratic difference between the uncertainty
        and that which is left with the group held at its fitted values; "linear" takes the latter
        from the covariance, "refit" from fits. "global_observables": what the fluctuations of the
        global observables of the group contribute.
    progress : callable, optional
        Called with the number of refits done, one per group and one more.

    Returns
    -------
    BreakdownResult
        A refit that fails leaves NaN, a status and a warning.

    Raises
    ------
    ArgumentError, Interrupted
        As in `ranking`.

    Notes
    -----
    With the covariance C of the fit and a group G, holding G lowers the variance by

        C[poi, G] C[G, G]^-1 C[G, poi].

    Errors come from the Hessian at the minimum, and holding parameters where they are does not move
    it, so "linear" and "refit" agree unless a bound or a kink acts; refits are a check. The
    statistical uncertainty is what is left with all constrained parameters held; the systematic one
    is the quadratic difference. Correlated groups share variance, so the sum of their squares may
    be larger or smaller than the total.

    For "global_observables" (A. Pinto et al., arXiv:2307.04007), a constraint term contributes
    C[poi, j] / w_j as in `ranking`, and terms are independent: squares add up. The statistical
    uncertainty is the response to fluctuations of the counts n, the sum over bins of
    (d lambda / dt)^2 n / lambda^2, where lambda is the expected events and d/dt the derivative
    along C[:, poi]. Both together are the total, exactly where the expected events are linear in
    the parameters or the data are Asimov data.

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> model = workspace.model()
    >>> data = workspace.data(model)
    >>> result = nf.breakdown(model, data, groups={"jets": "jet_*", "simulation": "mc_stat_*"})
    >>> print(f"{result.total:.2f}", [group.name for group in result.groups])
    0.43 ['jets', 'simulation']
    """
    check_choice("method", method, METHODS)
    best = fit_of(model, data, result)
    position = choose_pois(model, poi, best)[0]
    chosen = default_groups(model) if groups is None else groups
    if groups is None and method == "global_observables":
        chosen = {name: names for name, names in chosen.items() if name != FREE}
    names, members = _members(model, best, position, chosen)
    job = _Job(model, data, best, position, names, members)
    if not best.valid:
        return job.nothing(method, "invalid_fit")
    if best.covariance is None or not 0.0 < job.total < math.inf:
        return job.nothing(method, "no_error")
    if method == "global_observables":
        return job.from_observables()
    if method == "linear":
        return job.from_covariance()
    return job.from_refits(n_threads, progress)


def default_groups(model: Model) -> dict[str, tuple[str, ...]]:
    """Group parameters by what they do; groups without parameters are left out.

    "luminosity", "systematics" (normalisation, shape and everything else with a constraint term),
    "MC statistics" (staterror), "uncorrelated shapes" (shapesys), "free factors" (no constraint
    term).

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> list(nf.infer.default_groups(model))
    ['uncorrelated shapes', 'free factors']
    """
    users = users_of(model.spec)
    constrained = set(model.constrained_parameters)
    groups: dict[str, list[str]] = {name: [] for name in (*(k for k, _ in _KINDS), FREE)}
    for name in model.parameters:
        types = {type(modifier) for modifier in users.get(name, ())}
        kind = next((kind for kind, known in _KINDS if types & set(known)), _OTHER)
        groups[kind if name in constrained else FREE].append(name)
    return {kind: tuple(names) for kind, names in groups.items() if names}


def _members(
    model: Model, best: FitResult, poi: int, groups: Mapping[str, Patterns]
) -> tuple[list[str], NDArray[np.bool_]]:
    """Return the names of the groups, and who is in them, shape (n_groups, n_parameters)."""
    flags = np.zeros((len(groups), model.n_parameters), dtype=bool)
    for row, (name, patterns) in zip(flags, groups.items(), strict=True):
        row[select(model.parameters, patterns, f"groups[{name!r}]")] = True
    flags &= ~best.fixed
    flags[:, poi] = False
    return list(groups), flags


@dataclass(frozen=True)
class _Job:
    """One breakdown: what goes through all its steps."""

    model: Model
    data: Data
    best: FitResult
    poi: int
    names: list[str]
    members: NDArray[np.bool_]

    @property
    def constrained(self) -> NDArray[np.bool_]:
        """Free parameters with a constraint term, shape (n_parameters,)."""
        flags = np.zeros(self.model.n_parameters, dtype=bool)
        flags[list(self.model._core.constrained_parameters)] = True
        flags[self.poi] = False
        return flags & ~self.best.fixed

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the fit; zero without one."""
        covariance = self.best.covariance
        return np.zeros((self.best.x.size,) * 2) if covariance is None else covariance

    @property
    def total(self) -> float:
        """Uncertainty of the parameter of interest."""
        return float(self.best.errors[self.poi])

    def nothing(self, method: str, status: str) -> BreakdownResult:
        """Return a result without numbers, and why there are none."""
        unknown = np.full(len(self.names), math.nan)
        return self.result(method, math.nan, unknown, [status] * len(self.names))

    def from_covariance(self) -> BreakdownResult:
        """Hold groups in the Gaussian approximation."""
        rows = (self.constrained, *self.members)
        lost = [_explained(self.covariance, self.poi, row) for row in rows]
        remaining = np.sqrt(np.maximum(self.total**2 - np.array(lost), 0.0))
        statuses = ["linear"] * len(self.names)
        contributions = np.sqrt(np.array(lost[1:]))
        return self.result("linear", remaining[0], contributions, statuses, remaining[1:])

    def from_observables(self) -> BreakdownResult:
        """Let the global observables and the counts fluctuate."""
        method, x = "global_observables", self.best.x
        column = np.where(self.best.fixed, 0.0, self.covariance[:, self.poi])
        _, widths = self.model.fluctuations(self.data, x)
        squares = np.nan_to_num((column / widths) ** 2)
        statistical = _response_to_counts(self.model, self.data, x, column)
        contributions = np.sqrt(self.members @ squares)
        return self.result(
            method,
            statistical,
            contributions,
            ["linear"] * len(self.names),
            systematic=math.sqrt(float(np.sum(squares))),
        )

    def from_refits(
        self, n_threads: int | None, progress: Callable[[int], object] | None
    ) -> BreakdownResult:
        """Hold groups in fits; raise Interrupted with what was done until then."""
        held = np.vstack([self.constrained, self.members])
        flags = held | self.best.fixed
        refit = Refit(
            model=self.model,
            result=self.best,
            n_refits=len(flags),
            row_length=self.model.n_parameters,
            arrays=lambda where: {
                "data": self.data,
                "fixed": flags[where],
                "initial": np.repeat(self.best.x[None, :], len(where), axis=0),
            },
            kept=[self.model.parameters[self.poi]],
            errors=True,
            n_threads=n_threads,
            progress=progress,
        )
        outcome, interrupted = run_refits(refit)
        result = self._refitted(outcome, complete="not_fitted" not in outcome.status)
        if interrupted is not None:
            message = f"interrupted; {np.sum(np.isfinite(outcome.value))} refits are in .result"
            raise Interrupted(message, result) from interrupted
        return result

    def _refitted(self, outcome: Outcome, *, complete: bool) -> BreakdownResult:
        remaining = outcome.errors[:, 0]
        squares = self.total**2 - remaining[1:] ** 2
        labels = ["statistical", *self.names]
        warnings = [
            ParameterWarning(
                kind="failed",
                parameter=self.model.parameters[self.poi],
                value=math.nan,
                message=f"{label}: the refit found no minimum ({status})",
            )
            for label, status, value in zip(labels, outcome.status, outcome.value, strict=True)
            if math.isnan(value) and status != "not_fitted"
        ]
        return self.result(
            "refit",
            float(remaining[0]),
            np.sqrt(np.maximum(squares, 0.0)),
            outcome.status[1:].tolist(),
            remaining[1:],
            warnings=warnings,
            complete=complete,
        )

    def result(
        self,
        method: str,
        statistical: float,
        contributions: FloatArray,
        statuses: list[str],
        remaining: FloatArray | None = None,
        *,
        systematic: float | None = None,
        warnings: list[ParameterWarning] | None = None,
        complete: bool = True,
    ) -> BreakdownResult:
        """Make the result from arrays."""
        parameters = self.model.parameters
        if systematic is None:
            square = self.total**2 - statistical**2
            systematic = math.nan if math.isnan(square) else math.sqrt(max(square, 0.0))
        left = np.full(len(self.names), math.nan) if remaining is None else remaining
        return BreakdownResult(
            method=method,
            poi=parameters[self.poi],
            value=float(self.best.x[self.poi]),
            total=self.total,
            statistical=statistical,
            systematic=systematic,
            groups=tuple(
                UncertaintyGroup(
                    name=name,
                    parameters=tuple(parameters[i] for i in np.flatnonzero(row)),
                    uncertainty=float(contributions[i]),
                    remaining=float(left[i]),
                    status=statuses[i],
                )
                for i, (name, row) in enumerate(zip(self.names, self.members, strict=True))
            ),
            fit_status=self.best.status,
            warnings=(*failure_warnings(self.best, self.poi), *(warnings or ())),
            complete=complete,
        )


def _response_to_counts(model: Model, data: Data, x: FloatArray, column: FloatArray) -> float:
    """Return the root of sum over bins (d lambda / dt)^2 n / lambda^2 along a column."""
    expected = model.expected(x)
    rows = (model._core.expected_by_sample(x), model.yield_jacobian(x) @ column)
    bins = row_bins(model)
    total, change = (np.bincount(bins, weights=row, minlength=model.n_bins) for row in rows)
    change[expected > total + 1e-9 * np.abs(total)] = 0.0  # the floor of a channel holds them
    seen = data.counts > 0.0
    ratio = change[seen] / expected[seen]
    return float(np.sqrt(np.sum(ratio**2 * data.counts[seen])))


def _explained(covariance: FloatArray, poi: int, group: NDArray[np.bool_]) -> float:
    """Return C[poi, G] C[G, G]^-1 C[G, poi]; parameters that nothing determines do not count."""
    variances = np.diag(covariance)
    inside = np.flatnonzero(group & (variances > 0) & np.isfinite(variances))
    if inside.size == 0:
        return 0.0
    sigma = np.sqrt(variances[inside])
    row = covariance[poi, inside] / sigma
    block = covariance[np.ix_(inside, inside)] / np.outer(sigma, sigma)
    try:
        solved = scipy.linalg.cho_solve(scipy.linalg.cho_factor(block), row)
    except np.linalg.LinAlgError:
        solved = np.linalg.lstsq(block, row, rcond=None)[0]
    return max(float(row @ solved), 0.0)
