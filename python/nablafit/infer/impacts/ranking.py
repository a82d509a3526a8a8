"""Ranking of parameters by their impact on parameters of interest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ..._results.origin import remembers_origin
from ...errors import ArgumentError, Interrupted, located
from .._common import choose_pois, failure_warnings, fit_of
from .._elsewhere import check_starts
from .._parameter_tables import ParameterWarning
from ..profiles._best_fit import NEW_MINIMUM, Reference, lowest_reference
from ._ranking_result import VARIATIONS, RankingResult, decreasing
from ._refits import Outcome, Refit, run_refits
from ._selection import Patterns, select
from ._shifts import Shifts, observable_range, observable_shifts, parameter_shifts

if TYPE_CHECKING:
    from ...data import Data
    from ...model import Model
    from ...result import FitResult

__all__ = ["RankingResult", "ranking"]

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
        What it was fitted to.
    poi : str or sequence of str, optional
        Parameters of interest, by default the model's first. Several share the refits.
    parameters, exclude : str, re.Pattern or iterable of them, optional
        Which parameters to rank and to leave out; patterns as in `pulls`. By default all that the
        fit varied, except those of interest.
    result : FitResult, optional
        The fit of the model to the data, if there is one already: its fixed parameters and bounds
        hold for the refits. By default `nablafit.fit` with the model's.
    method : str
        "refit": each parameter is held at its fitted value plus and minus its error ("post-fit")
        and plus and minus the width of its constraint term ("pre-fit"), everything else is fitted
        again, and the impact is the change of the parameter of interest. "linear": the same from
        the covariance, without refits. "global_observables": the change when the global observable
        of a parameter moves by plus and minus one standard deviation, from the covariance;
        "global_observables_refit": the same with refits.
    starts : int
        Random starts of every refit, besides those that always are tried where the model may have
        several minima: the initial values, and other sides of parameters that act alike on both.
    n_threads : int, optional
        As in `nablafit.fit_many`; results do not depend on it.
    progress : callable, optional
        Called with the number of refits done; there are at most 4 per parameter.

    Returns
    -------
    RankingResult
        A refit that fails leaves NaN, a status and a warning, and disturbs no other.

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
    observable that is a count, and a warning says so: beyond it there may be no likelihood, e.g.
    for a negative gamma. Refits start from the linear
    prediction; those that find no minimum start once more from the fit. Where other starts end
    lower, the lowest counts, and a warning says so.
    """
    check_starts(starts)
    if method not in METHODS:
        message = f"expected one of {', '.join(METHODS)}, got {method!r}"
        raise located(ArgumentError, message, "method")
    reference = Reference(model.likelihood(data), fit_of(model, data, result), result is not None)
    if reference.result.valid and method.endswith("refit"):
        reference = lowest_reference(reference, starts, n_threads)
    best = reference.result
    pois = choose_pois(model, poi, best)
    chosen = _chosen(model, best, pois, parameters, exclude)
    job = _Job(model, data, best, np.array(pois, dtype=np.intp), chosen, method, reference)
    if not best.valid:
        statuses = np.full((4, len(chosen)), "invalid_fit", dtype="U24")
        return job.result(np.full((len(pois), 4, len(chosen)), np.nan), statuses)
    if not method.endswith("refit"):
        return job.result(*job.linear())
    return job.refitted(n_threads, progress)


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

    def refitted(
        self, n_threads: int | None, progress: Callable[[int], object] | None
    ) -> RankingResult:
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
            n_threads=n_threads,
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
                message += f"it cannot be; it ends at {end:.4g}"
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
        """Give names to arrays, largest impacts first."""
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
