"""What functions of a fit share: its parameters of interest, its groups, its outcome."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import index_of, nearest
from .._printable import printable
from .._results.record import Record
from ..errors import ArgumentError, located
from ..fit import fit

if TYPE_CHECKING:
    from ..data import Data
    from ..model import Likelihood, Model
    from ..result import FitResult

EXACT = 1e-10
"""Tolerance of fits whose covariance becomes results: to 1e-8 whatever the units of parameters."""


_MAX_WARNINGS = 20


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ParameterWarning(Record):
    """Something about one parameter that a physicist should look at.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> for warning in nf.pulls(result, over_constrained=0.99).warnings:
    ...     print(warning.kind, warning.parameter)
    over_constrained uncorr_bkguncrt[0]
    over_constrained uncorr_bkguncrt[1]
    """

    kind: str
    """What it is, one word for programs; the function that warns lists them."""
    parameter: str
    value: float
    """The number that gave rise to it."""
    message: str
    """A sentence with the parameter, the number and what it may mean."""

    def __repr__(self) -> str:
        return f"<ParameterWarning {self.kind}: {printable(self.message)}>"


def warning_lines(warnings: Sequence[ParameterWarning]) -> list[str]:
    """Return the sentences of the first warnings, and how many more there are."""
    lines = [f"  {warning.message}" for warning in warnings[:_MAX_WARNINGS]]
    more = len(warnings) - _MAX_WARNINGS
    return [*lines, f"  and {more} more in .warnings"] if more > 0 else lines


def check_choice(where: str, found: object, known: Collection[str]) -> None:
    """Raise ArgumentError for a word that is not one of those known."""
    if found not in known:
        hint = nearest(found, tuple(known)) if isinstance(found, str) else ""
        message = f"expected one of {', '.join(known)}, got {found!r}"
        raise located(ArgumentError, message + (hint if "did you mean" in hint else ""), where)


def fit_of(model: Model, data: Data, result: FitResult | None) -> FitResult:
    """Return the fit of a model to data: `result` after checks, or a new one.

    Raises
    ------
    ArgumentError
        If `result` is a fit of something else.
    """
    if result is None:
        return fit(model, data, tolerance=EXACT)
    check_fit(model.likelihood(data), result, 1e-6)
    return result


def check_fit(likelihood: Likelihood, result: FitResult, tolerance: float) -> None:
    """Raise ArgumentError for a fit of something else; `tolerance` is that of its value."""
    if result.parameters != likelihood.parameters:
        message = "belongs to another model: its parameters differ"
        raise located(ArgumentError, message, "result")
    value = likelihood(result.x)
    if value != result.value and not abs(value - result.value) <= tolerance * max(1.0, abs(value)):
        message = (
            f"belongs to other data: its -log L is {result.value + result.constant:.10g}, here it "
            f"is {value + likelihood.constant:.10g} at the same point"
        )
        raise located(ArgumentError, message, "result")


def find_poi(model: Model, poi: str | None = None, *, argument: str = "poi") -> str:
    """Return the parameter of interest, by default the first of the model.

    Raises
    ------
    ArgumentError
        If it is unknown, or there is none: the message says why, and that `argument` chooses one.
    """
    if poi is not None:
        return model.parameters[index_of(model.parameters, poi)]
    if model.poi is not None:
        return model.poi
    named = ", ".join(model.parameters_of_interest)
    if named:
        message = (
            f"the measurement names {named}, but no channel has it: this is a model without "
            f"signal; add a signal sample or choose another parameter with `{argument}`"
        )
    else:
        message = f"the measurement names no parameter of interest; choose one with `{argument}`"
    raise located(ArgumentError, message, argument)


def choose_pois(model: Model, poi: str | Sequence[str] | None, result: FitResult) -> list[int]:
    """Return the positions of the parameters of interest, by default the first of the model.

    Raises
    ------
    ArgumentError
        If there is none, or one is unknown, named twice or fixed.
    """
    names = (find_poi(model, poi),) if poi is None or isinstance(poi, str) else tuple(poi)
    if not names:
        raise located(ArgumentError, "expected a parameter of interest, got none", "poi")
    positions = [index_of(model.parameters, name) for name in names]
    for i, position in enumerate(positions):
        if position in positions[:i]:
            raise located(ArgumentError, f"{names[i]} is named twice", "poi")
        if result.fixed[position]:
            remedy = f"fixed={{{names[i]!r}: False}}, on the command line --release {names[i]}"
            message = f"{names[i]} is fixed, so nothing changes it; release it in the fit: {remedy}"
            raise located(ArgumentError, message, "poi")
    return positions


def failure_warnings(result: FitResult, poi: int) -> tuple[ParameterWarning, ...]:
    """Warn of a fit that is not valid, or gave no error of the parameter of interest."""
    name = result.parameters[poi]
    if not result.valid:
        kind, message = "invalid_fit", f"the fit is not valid: {result.message}"
    elif result.status == "converged_at_zero_yield":
        kind, message = "at_zero_yield", result.message
    elif not (np.isfinite(result.errors[poi]) and result.errors[poi] > 0):
        kind, message = "no_error", f"{name}: the fit gave no error"
        if result.at_bound[poi]:
            message += ", for it is at its bound: fit with wider `bounds`"
    else:
        return ()
    value = result.errors[poi]
    return (ParameterWarning(kind=kind, parameter=name, value=value, message=message),)
