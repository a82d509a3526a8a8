"""Ranking of parameters by their impact on parameters of interest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray, index_of
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.text import Page, decimals, signed
from ..._starts import check_starts
from ...errors import Interrupted
from ...spec import GaussianConstraint, LogNormalConstraint
from .._common import (
    ParameterWarning,
    check_choice,
    choose_pois,
    failure_warnings,
    fit_of,
    warning_lines,
)
from ..profiles._best_fit import NEW_MINIMUM, Reference, lowest_reference
from ._refits import Outcome, Refit, run_refits
from ._selection import Patterns, select

if TYPE_CHECKING:
    from ...data import Data
    from ...model import Model
    from ...result import FitResult


@dataclass(frozen=True)
class Shifts:
    """Four shifts for each of n parameters, in the order of `VARIATIONS`."""

    deltas: FloatArray
    """Size of each shift, shape (4, n); NaN where there is no shift."""
    coefficients: FloatArray
    """Factor of the column of the covariance; NaN where it is not known."""
    reasons: NDArray[np.str_]
    """Why there is no shift, shape (4, n); empty where there is one."""

    def within(self, values: FloatArray, lower: FloatArray, upper: FloatArray) -> Shifts:
        """Return shifts that end at bounds; from `values`, shape (n,)."""
        shifted = values + self.deltas
        ends = np.clip(shifted, lower, upper)
        deltas = np.where(ends == shifted, self.deltas, ends - values)
        with np.errstate(invalid="ignore"):
            coefficients = np.where(ends == shifted, 1.0, deltas / self.deltas) * self.coefficients
        return replace(self, deltas=deltas, coefficients=coefficients)


def parameter_shifts(result: FitResult, chosen: NDArray[np.intp]) -> Shifts:
    """Shift parameters by their standard deviation after and before the fit.

    Parameters
    ----------
    result : FitResult
        A valid fit.
    chosen : array of int, shape (n,)
        Which parameters.
    """
    errors = np.asarray(result.errors)[chosen]
    widths = np.array(result.prefit_errors[chosen])
    reasons = np.full((4, len(chosen)), "", dtype="U24")
    known = np.isfinite(errors) & (errors > 0)
    errors = np.where(known, errors, np.nan)
    reasons[:2, ~known] = "no_error"
    reasons[2:, ~np.isfinite(widths)] = "no_prefit_width"
    reasons[:, result.fixed[chosen]] = "fixed"
    deltas = np.where(reasons == "", np.array([errors, -errors, widths, -widths]), np.nan)
    return Shifts(deltas, deltas / errors**2, reasons)


def observable_shifts(
    model: Model, data: Data, result: FitResult, chosen: NDArray[np.intp]
) -> Shifts:
    """Shift global observables by their standard deviation; see `Model.fluctuations`.

    The response of the minimum is -H^-1 d2(-log L)/(dx da) da with the Hessian H (A. Pinto et al.,
    arXiv:2307.04007).
    """
    deviations, widths = (array[chosen] for array in model.fluctuations(data, result.x))
    reasons = np.full((4, len(chosen)), "undefined", dtype="U24")
    reasons[:2] = np.where(np.isfinite(deviations), "", "no_global_observable")
    reasons[:2, result.fixed[chosen]] = "fixed"
    nothing = np.full(len(chosen), np.nan)
    deltas = np.where(reasons == "", np.array([deviations, -deviations, nothing, nothing]), np.nan)
    signs = np.array([1.0, -1.0, np.nan, np.nan]).reshape(4, 1)
    return Shifts(deltas, np.where(reasons == "", signs / widths, np.nan), reasons)


def observable_range(
    model: Model, data: Data, chosen: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Return the global observables of parameters, and the least that a shift may make of them.

    Counts end at 0. So do observables of a log-normal term, which are positive: where a shift by a
    deviation would take them there, it divides them by kappa.

    Returns
    -------
    tuple of array
        Each of shape (n,); NaN without a constraint term.
    """
    values, lower = np.full((2, len(chosen)), np.nan)
    order = {int(p): i for i, p in enumerate(model._core.constrained_parameters)}
    for k, p in enumerate(chosen.tolist()):
        if p not in order:
            continue
        value = float(data.global_observables[order[p]])
        constraint = model.spec.parameters[p].constraint
        is_gaussian = isinstance(constraint, GaussianConstraint)
        values[k], lower[k] = value, -np.inf if is_gaussian else 0.0
        if isinstance(constraint, LogNormalConstraint) and constraint.kappa >= np.e:
            lower[k] = value / constraint.kappa
    return values, lower


VARIATIONS = ("postfit_up", "postfit_down", "prefit_up", "prefit_down")
"""The four shifts of every parameter: members of `RankingResult`, keys of its `statuses`."""

_NOT_WANTING = ("linear", "fixed", "no_prefit_width", "undefined")
_HEADER = ("", "parameter", "pull", "constr.")
_COLUMNS = ("post-fit up", "down", "pre-fit up", "down")
_OBSERVABLE_COLUMNS = ("up", "down")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class RankingResult(Record, format="nablafit.RankingResult/1"):
    """Impacts of parameters on parameters of interest; frozen.

    Parameters come in the order of decreasing impact on the first parameter of interest; those
    whose impact is not known come last. An impact is a change of the parameter of interest, in its
    units: (value with the shift) - (value of the fit).

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> ranking = nf.ranking(model, data)
    >>> print(ranking.parameters, ranking.postfit_up.round(2))
    ('uncorr_bkguncrt[1]', 'uncorr_bkguncrt[0]') [[-0.25 -0.17]]
    """

    method: str
    """"refit", "linear", "global_observables" or "global_observables_refit", see `ranking`."""
    pois: tuple[str, ...]
    """The parameters of interest: first axis of the impacts."""
    poi_values: FloatArray
    """Their fitted values, shape (n_pois,)."""
    poi_errors: FloatArray
    """Their standard deviations, shape (n_pois,)."""
    parameters: tuple[str, ...]
    """The ranked parameters: last axis of all other arrays."""
    values: FloatArray
    """Fitted values, shape (n_parameters,)."""
    errors: FloatArray
    """Standard deviations after the fit."""
    prefit_values: FloatArray
    """Centres of the constraint terms, NaN where there is none."""
    prefit_errors: FloatArray
    """Widths of the constraint terms, NaN where there is none."""
    postfit_up: FloatArray
    """Impact of +1 standard deviation after the fit, shape (n_pois, n_parameters); of +1 standard
    deviation of the global observable for the methods of that name. NaN if not known."""
    postfit_down: FloatArray
    """The same for -1 standard deviation."""
    prefit_up: FloatArray
    """Impact of +1 width of the constraint term, NaN without one or if not known."""
    prefit_down: FloatArray
    """The same for -1 width."""
    statuses: dict[str, tuple[str, ...]]
    """For each of "postfit_up", "postfit_down", "prefit_up" and "prefit_down" one word per
    parameter: a status of `FitManyResult` for a refit, "linear" without one, "fixed" (no impact by
    definition), "no_error" (the fit gave no error), "no_prefit_width" (no constraint term),
    "undefined" (global observables have no pre-fit impact)."""
    fit_status: str
    """Status of the fit that the numbers refer to."""
    warnings: tuple[ParameterWarning, ...] = ()
    """Kinds: "failed" (a refit found no minimum), "lower_minimum" (a refit ended below the fit),
    "starts_disagree" (another start ended lower than the first; the lowest was taken),
    "at_bound" (a shift that ends at the parameter's bound)."""
    complete: bool = True
    """False if the call was interrupted: refits that were not done have status "not_fitted"."""

    @property
    def pulls(self) -> FloatArray:
        """(value - prefit value) / prefit error, NaN without a constraint term."""
        return (self.values - self.prefit_values) / self.prefit_errors

    @property
    def constraints(self) -> FloatArray:
        """Error / prefit error, NaN without a constraint term."""
        return self.errors / self.prefit_errors

    @property
    def impacts(self) -> FloatArray:
        """Larger of the sizes of `postfit_up` and `postfit_down`, shape (n_pois, n_parameters)."""
        return np.fmax(np.abs(self.postfit_up), np.abs(self.postfit_down))

    @property
    def valid(self) -> NDArray[np.bool_]:
        """For which parameters nothing failed, shape (n_parameters,)."""
        rows = [[_is_good(status) for status in self.statuses[name]] for name in VARIATIONS]
        valid: NDArray[np.bool_] = np.all(np.array(rows, dtype=bool).reshape(4, -1), axis=0)
        return valid

    def _columns(self) -> dict[str, Any]:
        """Return one row per parameter; with several parameters of interest their names follow."""
        columns: dict[str, Any] = {"parameter": self.parameters}
        for name in ("values", "errors", "prefit_values", "prefit_errors"):
            columns[name[:-1]] = getattr(self, name)
        for name in VARIATIONS:
            for poi, row in zip(self.pois, getattr(self, name), strict=True):
                columns[name if len(self.pois) == 1 else f"{name} {poi}"] = row
        return columns

    def for_poi(self, name: str) -> RankingResult:
        """Return the ranking of one of the parameters of interest, in the order of its impacts."""
        i = index_of(self.pois, name)
        impacts = {key: getattr(self, key)[i : i + 1] for key in VARIATIONS}
        one = replace(
            self,
            pois=(name,),
            poi_values=self.poi_values[i : i + 1],
            poi_errors=self.poi_errors[i : i + 1],
            **impacts,
        )
        return one._take(decreasing(one.impacts[0]))

    def first(self, n: int) -> RankingResult:
        """Return the `n` parameters with the largest impacts."""
        return self.slice(0, n)

    def slice(self, start: int, stop: int) -> RankingResult:
        """Return the parameters of these places, counted from 0; `stop` is the first left out."""
        return self._take(np.arange(len(self.parameters))[start:stop])

    def _take(self, positions: NDArray[np.intp]) -> RankingResult:
        vectors = ("values", "errors", "prefit_values", "prefit_errors")
        names = tuple(self.parameters[i] for i in positions)
        return replace(
            self,
            parameters=names,
            statuses={k: tuple(row[i] for i in positions) for k, row in self.statuses.items()},
            warnings=tuple(w for w in self.warnings if w.parameter in (*names, *self.pois)),
            **{key: getattr(self, key)[positions] for key in vectors},
            **{key: getattr(self, key)[:, positions] for key in VARIATIONS},
        )

    def __len__(self) -> int:
        return len(self.parameters)

    def _pages(self) -> tuple[Page, ...]:
        return tuple(self._page(i) for i in range(len(self.pois)))

    def _page(self, i: int) -> Page:
        """Return the page of one parameter of interest."""
        is_shift = self.method.startswith("global_observables")
        columns = _OBSERVABLE_COLUMNS if is_shift else _COLUMNS
        poi = f"{self.pois[i]} = {self.poi_values[i]:.5g} ± {self.poi_errors[i]:.3g}"
        end = "" if self.complete else "; interrupted"
        title = [f"Impacts on {poi} ({self.method}{end})"]
        title += warning_lines(self.warnings) if i == 0 else []
        align = "rlrr" + "r" * len(columns) + "l"
        rows = self._rows(i, VARIATIONS[: len(columns)])
        return Page(title, (*_HEADER, *columns, ""), rows, align)

    def _rows(self, i: int, shown: Sequence[str]) -> list[Sequence[str]]:
        pulls, constraints = self.pulls, self.constraints
        rows: list[Sequence[str]] = []
        for j, name in enumerate(self.parameters):
            shrink = constraints[j]
            notes = {self.statuses[key][j] for key in shown}
            rows.append(
                (
                    str(j + 1),
                    name,
                    decimals(float(pulls[j])),
                    "" if np.isnan(shrink) else f"{shrink:.2f}",
                    *(signed(getattr(self, key)[i, j]) for key in shown),
                    ", ".join(sorted(note for note in notes if not _is_good(note))),
                )
            )
        return rows


def decreasing(impacts: FloatArray) -> NDArray[np.intp]:
    """Return the order of decreasing numbers, NaN last, equal ones as they were."""
    return np.argsort(-np.nan_to_num(impacts, nan=-1.0), kind="stable")


def _is_good(status: str) -> bool:
    return status.startswith("converged") or status in _NOT_WANTING


METHODS = ("refit", "linear", "global_observables", "global_observables_refit")
_LOWER = 1e-3  # in -log L: a refit that ends so far below the fit is warned of


@remembers_origin
def ranking(
    model: Model,
    data: Data,
    *,
    poi: str | Sequence[str] | None = None,
    parameters: Patterns | None = None,
    exclude: Patterns | None = None,
    result: FitResult | None = None,
    method: str = "refit",
    starts: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> RankingResult:
    """Rank parameters by their impact on the parameter of interest.

    Parameters
    ----------
    model : Model
        What was fitted.
    data : Data
        What it was fitted to, for expected results `model.asimov({"mu": 1})`.
    poi : str or sequence of str, optional
        Parameters of interest, by default the first of the model. Several share the refits.
    parameters, exclude : str, re.Pattern or iterable of them, optional
        Parameters to rank and to leave out; patterns as in `pulls`. By default all that the fit
        varied, except those of interest.
    result : FitResult, optional
        The fit of the model to the data, if there is one already: its fixed parameters and bounds
        hold for the refits. By default it is made by `nablafit.fit`.
    method : str
        "refit": each parameter is held at its fitted value plus and minus its error ("post-fit")
        and plus and minus the width of its constraint term ("pre-fit"), everything else is fitted
        again, and the impact is the change of the parameter of interest. "linear": the same from
        the covariance, without refits. "global_observables": the change when the global observable
        of a parameter moves by plus and minus one standard deviation, from the covariance;
        "global_observables_refit": the same with refits.
    starts : int
        Random starts of every refit, in addition to those that are always tried where the model may
        have several minima: the initial values, and the other sides of parameters that act the same
        way on both.
    n_threads : int, optional
        As in `nablafit.fit_many`; results do not depend on it.
    progress : callable, optional
        Called with the number of refits done; there are at most 4 per parameter.

    Returns
    -------
    RankingResult
        A refit that fails leaves NaN, a status and a warning, and does not affect the others.

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model, no parameter of interest, or one that is fixed.
    Interrupted
        At Ctrl-C; its `result` is a RankingResult with the refits that were done.

    Notes
    -----
    The impacts of "refit" are those of TRExFitter and cabinetry: both shift from the fitted value,
    also by the pre-fit width. To first order they are

        C[poi, j] / sqrt(C[j, j])  after the fit,  C[poi, j] w_j / C[j, j]  before,

    with the covariance C and the width w_j: this is "linear". Such impacts are not components of
    the uncertainty: parameters that are correlated after the fit share theirs.

    Impacts of global observables (A. Pinto et al., arXiv:2307.04007) are C[poi, j] / w_j, with w_j
    from `Model.fluctuations`: the width of a Gaussian term; the value over sqrt(observed) of a
    Poisson term. With the statistical component (see `breakdown`) they add up in quadrature to the
    uncertainty, exactly where the expected events are linear in the parameters.

    A shift by refit ends at the bound of the parameter, as in RooFit, or at 0 for a global
    observable that is a count, with a warning: beyond it there may be no likelihood, e.g. for a
    negative gamma. Refits start from the linear prediction; those that find no minimum start once
    more from the fit. Where other starts end lower, the lowest minimum counts, with a warning.

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> model = workspace.model()
    >>> data = workspace.data(model)
    >>> ranking = nf.ranking(model, data, exclude="mc_stat_*")
    >>> ranking.parameters[:3]
    ('ttbar_extrapolation', 'b_tagging', 'mu_ttbar')
    """
    check_starts(starts)
    check_choice("method", method, METHODS)
    best = fit_of(model, data, result)
    reference = Reference(
        model.likelihood(data), best, result is not None, starts=starts, n_threads=n_threads
    )
    if reference.result.valid and method.endswith("refit"):
        reference = lowest_reference(reference)
    best = reference.result
    pois = choose_pois(model, poi, best)
    chosen = _chosen(model, best, pois, parameters, exclude)
    job = _Job(model, data, best, np.array(pois, dtype=np.intp), chosen, method, reference)
    if not best.valid:
        statuses = np.full((4, len(chosen)), "invalid_fit", dtype="U24")
        return job.result(np.full((len(pois), 4, len(chosen)), np.nan), statuses)
    if not method.endswith("refit"):
        return job.result(*job.linear())
    return job.refitted(progress)


def _chosen(
    model: Model,
    best: FitResult,
    pois: Sequence[int],
    parameters: Patterns | None,
    exclude: Patterns | None,
) -> NDArray[np.intp]:
    """Return which parameters to rank: free ones, or what was asked for; none of interest."""
    names = model.parameters
    omitted = set(pois)
    if exclude is not None:
        omitted |= set(select(names, exclude, "exclude"))
    if parameters is None:
        omitted |= set(np.flatnonzero(best.fixed).tolist())
    wanted = select(names, parameters, "parameters")
    return np.array([i for i in wanted if i not in omitted], dtype=np.intp)


@dataclass(frozen=True)
class _Job:
    """One ranking: what goes through all its steps. Impacts have shape (n_pois, 4, n)."""

    model: Model
    data: Data
    best: FitResult
    pois: NDArray[np.intp]
    chosen: NDArray[np.intp]
    method: str
    reference: Reference

    def shifts(self) -> Shifts:
        if self.method.startswith("global_observables"):
            return observable_shifts(self.model, self.data, self.best, self.chosen)
        return parameter_shifts(self.best, self.chosen)

    def columns(self, positions: NDArray[np.intp]) -> FloatArray:
        """Return columns of the covariance, shape (n_parameters, n), zero without one."""
        covariance = self.best.covariance
        if covariance is None:
            return np.zeros((self.best.x.size, len(positions)))
        return np.asarray(covariance[:, positions])

    def linear(self) -> tuple[FloatArray, NDArray[np.str_]]:
        """Return impacts from the covariance, and a status for each shift."""
        shifts = self.shifts()
        known = np.isfinite(shifts.coefficients)
        variances = np.diag(self.columns(self.pois)[self.pois])
        rows = self.columns(self.chosen)[self.pois]
        rows = np.where((variances > 0)[:, None], rows, np.nan)
        with np.errstate(invalid="ignore"):
            impacts = rows[:, None, :] * shifts.coefficients
        statuses = np.where(known, "linear", "no_error")
        statuses = np.where(shifts.reasons == "", statuses, shifts.reasons)
        return np.where(statuses == "fixed", 0.0, impacts), statuses

    def refitted(self, progress: Callable[[int], object] | None) -> RankingResult:
        """Return the result of refits; raise Interrupted with what was done until then."""
        shifts = self.shifts()
        wanted = shifts.deltas
        if self.method == "refit":
            values = self.best.x[self.chosen]
            lower, upper = (bound[self.chosen] for bound in (self.best.lower, self.best.upper))
        else:
            values, lower = observable_range(self.model, self.data, self.chosen)
            upper = np.full(len(values), np.inf)
        shifts = shifts.within(values, lower, upper)
        todo = np.argwhere(shifts.reasons == "")
        sizes = (self.best.x, self.data.counts, self.data.global_observables)
        refit = Refit(
            model=self.model,
            result=self.best,
            n_refits=len(todo),
            row_length=sum(map(len, sizes)),
            arrays=lambda where: self._arrays(shifts, todo[where]),
            kept=[self.model.parameters[i] for i in self.pois],
            starts=self.reference.starts,
            origin=None if self.method != "refit" else self.reference.origin,
            n_threads=self.reference.n_threads,
            progress=progress,
        )
        outcome, interrupted = run_refits(refit)
        statuses = shifts.reasons.copy()
        statuses[tuple(todo.T)] = outcome.status
        impacts = np.full((len(self.pois), *statuses.shape), np.nan)
        impacts[(slice(None), *todo.T)] = (outcome.x - self.best.x[self.pois]).T
        impacts[:, statuses == "fixed"] = 0.0
        warnings = [
            *self._bound_warnings(values, wanted, shifts.deltas),
            *self._warnings(shifts.deltas, todo, outcome),
        ]
        complete = "not_fitted" not in outcome.status
        result = self.result(impacts, statuses, warnings, complete=complete)
        if interrupted is not None:
            message = f"interrupted; {np.sum(np.isfinite(outcome.value))} refits are in .result"
            raise Interrupted(message, result) from interrupted
        return result

    def _arrays(self, shifts: Shifts, shifted: NDArray[np.intp]) -> dict[str, Any]:
        """Return the arguments of `fit_many` for some pairs of (variation, parameter)."""
        variation, column = shifted.T
        positions = self.chosen[column]
        deltas = shifts.deltas[variation, column]
        with np.errstate(invalid="ignore"):
            moves = (self.columns(positions) * shifts.coefficients[variation, column]).T
        starts = self.best.x + np.where(np.isfinite(moves), moves, 0.0)
        fixed = np.repeat(self.best.fixed[None, :], len(shifted), axis=0)
        starts = np.where(fixed, self.best.x, starts)
        rows = np.arange(len(shifted))
        if self.method == "global_observables_refit":
            observables = np.repeat(self.data.global_observables[None, :], len(rows), axis=0)
            order = np.full(self.model.n_parameters, -1)
            constrained = list(self.model._core.constrained_parameters)
            order[constrained] = np.arange(len(constrained))
            observables[rows, order[positions]] += deltas
            counts = np.repeat(self.data.counts[None, :], len(rows), axis=0)
            data: Data | FloatArray = np.hstack([counts, observables])
        else:
            data = self.data
            fixed[rows, positions] = True
            starts[rows, positions] = self.best.x[positions] + deltas
        return {"data": data, "fixed": fixed, "initial": starts}

    def _bound_warnings(
        self, values: FloatArray, wanted: FloatArray, deltas: FloatArray
    ) -> list[ParameterWarning]:
        """Warn of shifts that bounds cut short."""
        warnings = []
        cut = np.isfinite(wanted) & (wanted != deltas)
        for variation, column in np.argwhere(cut).tolist():
            name, shift = self.model.parameters[self.chosen[column]], VARIATIONS[variation]
            value = float(values[column] + wanted[variation, column])
            end = values[column] + deltas[variation, column]
            message = f"{name}: {shift} would be {value:.4g}; held at its bound {end:.4g}"
            if self.method != "refit":
                message = f"{name}: {shift} would make its global observable {value:.4g}, which "
                message += f"is impossible; it ends at {end:.4g}"
            warnings.append(
                ParameterWarning(kind="at_bound", parameter=name, value=value, message=message)
            )
        return warnings

    def _warnings(
        self, deltas: FloatArray, todo: NDArray[np.intp], outcome: Outcome
    ) -> list[ParameterWarning]:
        """Warn of refits that failed, and of those that found something lower than the fit."""
        is_held = self.method == "refit"
        below = self.best.value - outcome.value
        failed = np.isnan(outcome.value) & (outcome.status != "not_fitted")
        warnings = []
        disagree = outcome.gain > NEW_MINIMUM
        for k in np.flatnonzero(failed | (is_held & (below > _LOWER)) | disagree).tolist():
            variation, column = todo[k]
            position = self.chosen[column]
            name, shift = self.model.parameters[position], VARIATIONS[variation]
            if failed[k]:
                kind, message = "failed", f"found no minimum ({outcome.status[k]})"
                if is_held:
                    held_at = self.best.x[position] + deltas[variation, column]
                    message += f" with it held at {held_at:.4g}"
            elif is_held and below[k] > _LOWER:
                kind = "lower_minimum"
                message = f"ended {2 * below[k]:.3g} below the fit in -2 log L: fit with `starts`"
            else:
                kind = "starts_disagree"
                message = f"ended {outcome.gain[k]:.3g} lower in -2 log L from another start"
                message += f"{outcome.place[k]}; the lowest is taken"
            message = f"{name}: the refit {shift} {message}"
            value = float(outcome.gain[k] if kind == "starts_disagree" else below[k])
            warnings.append(
                ParameterWarning(kind=kind, parameter=name, value=value, message=message)
            )
        return warnings

    def result(
        self,
        impacts: FloatArray,
        statuses: NDArray[np.str_],
        warnings: Sequence[ParameterWarning] = (),
        *,
        complete: bool = True,
    ) -> RankingResult:
        """Make the result from arrays, largest impacts first."""
        best, names = self.best, self.model.parameters
        after = np.fmax(np.abs(impacts[0, 0]), np.abs(impacts[0, 1]))
        order = decreasing(after)
        sorted_ = self.chosen[order]
        general = [
            ParameterWarning(
                kind="starts_disagree", parameter=names[self.pois[0]], value=np.nan, message=note
            )
            for note in self.reference.notes
        ]
        general += [w for position in self.pois for w in failure_warnings(best, position)]
        return RankingResult(
            method=self.method,
            pois=tuple(names[i] for i in self.pois),
            poi_values=best.x[self.pois],
            poi_errors=np.asarray(best.errors)[self.pois],
            parameters=tuple(names[i] for i in sorted_),
            values=best.x[sorted_],
            errors=np.asarray(best.errors)[sorted_],
            prefit_values=best.prefit_values[sorted_],
            prefit_errors=best.prefit_errors[sorted_],
            statuses={
                name: tuple(row[order].tolist())
                for name, row in zip(VARIATIONS, statuses, strict=True)
            },
            fit_status=best.status,
            warnings=(*general, *warnings),
            complete=complete,
            origin=None,
            **{name: impacts[:, i, order] for i, name in enumerate(VARIATIONS)},
        )
