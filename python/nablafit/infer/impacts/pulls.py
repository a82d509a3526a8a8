"""Pulls and constraints of nuisance parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..._results.origin import remembers_origin
from ...errors import ArgumentError, located
from .._parameter_tables import ParameterWarning
from ._one_sided import one_sided_warnings
from ._pulls_result import PullsResult
from ._selection import Patterns, select

if TYPE_CHECKING:
    from ...model import Model
    from ...result import FitResult

__all__ = ["PullsResult", "pulls"]


@remembers_origin
def pulls(
    result: FitResult,
    *,
    model: Model | None = None,
    parameters: Patterns | None = None,
    exclude: Patterns | None = None,
    over_constrained: float = 0.7,
    inflated: float = 1.1,
    pulled: float = 2.0,
    one_sided: float = 0.5,
) -> PullsResult:
    """Say how far a fit moved every constrained parameter, and how much it constrained it.

    Parameters
    ----------
    result : FitResult
        A fit.
    model : Model, optional
        What was fitted: with it, one-sided systematic variations are warned of.
    parameters, exclude : str, re.Pattern or iterable of them, optional
        Which of the constrained parameters to show and to leave out; by default all are shown. A
        string is a name, else a wildcard pattern with `*`, `?` and `[...]` as in `fnmatch`, or
        after the prefix "re:" a regular expression for the whole name. A compiled regular
        expression may match anywhere in the name.
    over_constrained : float
        Warn of constraints (error / prefit error) below this.
    inflated : float
        Warn of constraints above this: the likelihood is far from a parabola there.
    pulled : float
        Warn of pulls larger than this.
    one_sided : float
        Warn if up and down variations agree by more than this fraction in a channel, see Notes.

    Returns
    -------
    PullsResult
        `warnings` has the warnings as data.

    Raises
    ------
    ArgumentError
        For a pattern that matches no constrained parameter, or a model that was not fitted here.

    Notes
    -----
    pull = (value - prefit value) / prefit error, constraint = error / prefit error, with the centre
    and width of the constraint term before the fit (for a Poisson term: observed / tau and
    sqrt(observed) / tau). If the pull came from fluctuations alone, its variance would be
    1 - constraint^2, so the significance is (value - prefit value) / sqrt(prefit error^2 -
    error^2).

    The fraction of `one_sided` compares the changes u and d of the expected events of a channel at
    plus and minus one prefit error, all samples together: the sum over bins with u d > 0 of
    min(|u|, |d|), divided by the sum over all bins of max(|u|, |d|). Channels in which the latter
    is less than 0.5 % of the expected events are not looked at.
    """
    if model is not None and model.parameters != result.parameters:
        raise located(ArgumentError, "is not the model of this fit: parameters differ", "model")
    constrained = np.flatnonzero(np.isfinite(result.prefit_values)).tolist()
    names = [result.parameters[i] for i in constrained]
    omitted = set() if exclude is None else set(select(names, exclude, "exclude"))
    chosen = [i for i in select(names, parameters, "parameters") if i not in omitted]
    where = np.array([constrained[i] for i in chosen], dtype=np.intp)
    values, errors = result.x[where], np.asarray(result.errors)[where]
    center, width = result.prefit_values[where], result.prefit_errors[where]
    shift = values - center
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.sqrt(np.where(errors < width, width**2 - errors**2, np.nan))
    fixed = result.fixed[where]
    found = PullsResult(
        parameters=tuple(names[i] for i in chosen),
        values=values,
        errors=errors,
        prefit_values=center,
        prefit_errors=width,
        pulls=shift / width,
        constraints=errors / width,
        significances=np.where(fixed, np.nan, shift / expected),
        fixed=fixed,
        at_bound=result.at_bound[where],
        warnings=(),
        fit_status=result.status,
    )
    for name, threshold in (
        ("over_constrained", over_constrained),
        ("inflated", inflated),
        ("pulled", pulled),
        ("one_sided", one_sided),
    ):
        if not threshold >= 0.0:
            raise located(ArgumentError, f"expected a number from 0 on, got {threshold}", name)
    warnings = _warnings(found, over_constrained, inflated, pulled)
    if model is not None:
        warnings += one_sided_warnings(model, found.parameters, one_sided)
    return replace(found, warnings=tuple(warnings))


def _warnings(
    found: PullsResult, over_constrained: float, inflated: float, pulled: float
) -> list[ParameterWarning]:
    """Look at the free parameters only."""
    kinds = (
        ("no_error", ~np.isfinite(found.errors), found.errors, "the fit gave no error"),
        (
            "over_constrained",
            (found.constraints < over_constrained) & ~found.at_bound,
            found.constraints,
            "the data constrain it to {:.2f} of its prefit error",
        ),
        (
            "inflated",
            np.isfinite(found.constraints) & (found.constraints > inflated),
            found.constraints,
            "its error is {:.2f} of its prefit error, so the likelihood is no parabola: see a scan",
        ),
        ("pulled", np.abs(found.pulls) > pulled, found.pulls, "its pull is {:+.2f}"),
        ("at_bound", found.at_bound, found.values, "it is at its bound {:g}"),
    )
    return [
        ParameterWarning(
            kind=kind,
            parameter=found.parameters[i],
            value=float(numbers[i]),
            message=f"{found.parameters[i]}: {sentence.format(numbers[i])}",
        )
        for kind, flags, numbers, sentence in kinds
        for i in np.flatnonzero(flags & ~found.fixed).tolist()
    ]
