"""Pulls and constraints of nuisance parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.rounding import pdg_round
from ..._results.text import Page, decimals
from ...errors import ArgumentError, located
from ...spec import HistoSys, NormSys
from ...surgery import modifiers_of
from .._common import ParameterWarning, warning_lines
from ._selection import Patterns, select

if TYPE_CHECKING:
    from ...model import Model
    from ...result import FitResult

_HEADER = ("parameter", "value", "error", "pull", "constraint", "significance", "")
_ALIGN = "l..rrrl"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class PullsResult(Record, format="nablafit.PullsResult/1"):
    """How far a fit moved the constrained parameters, and how much it constrained them; frozen.

    All arrays have shape (n_parameters,), in the order of the model. Numbers that do
    not exist, such as the error after a failed fit, are NaN.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> pulls = nf.pulls(result)
    >>> print(pulls.parameters, pulls.constraints.round(2))
    ('uncorr_bkguncrt[0]', 'uncorr_bkguncrt[1]') [0.97 0.85]
    """

    table_members = (
        "parameters",
        "values",
        "errors",
        "prefit_values",
        "prefit_errors",
        "pulls",
        "constraints",
        "significances",
        "fixed",
        "at_bound",
    )

    parameters: tuple[str, ...]
    values: FloatArray
    """Fitted values."""
    errors: FloatArray
    """Standard deviations after the fit; 0 if fixed."""
    prefit_values: FloatArray
    """Centres of the constraint terms."""
    prefit_errors: FloatArray
    """Widths of the constraint terms."""
    pulls: FloatArray
    """(value - prefit value) / prefit error."""
    constraints: FloatArray
    """Error / prefit error."""
    significances: FloatArray
    """(value - prefit value) / sqrt(prefit error^2 - error^2): the distance in units of the spread
    that is expected of it. NaN where the fit did not constrain the parameter."""
    fixed: NDArray[np.bool_]
    at_bound: NDArray[np.bool_]
    warnings: tuple[ParameterWarning, ...]
    """Kinds: "over_constrained", "inflated", "pulled", "one_sided", "at_bound", "no_error"."""
    fit_status: str
    """Status of the fit."""

    def __len__(self) -> int:
        return len(self.parameters)

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self._title(), _HEADER, self._rows(), _ALIGN),)

    def _title(self) -> list[str]:
        n = len(self.parameters)
        title = [f"Pulls of {n} constrained parameter{'' if n == 1 else 's'} ({self.fit_status})"]
        return [*title, *warning_lines(self.warnings)]

    def _rows(self) -> list[Sequence[str]]:
        rows: list[Sequence[str]] = []
        for i, name in enumerate(self.parameters):
            value, error = pdg_round(float(self.values[i]), float(self.errors[i]), extra=1)
            shrink = self.constraints[i]
            rows.append(
                (
                    name,
                    value,
                    error,
                    decimals(float(self.pulls[i])),
                    f"{shrink:.2f}" if np.isfinite(shrink) and not self.fixed[i] else "",
                    decimals(float(self.significances[i])),
                    "fixed" if self.fixed[i] else "at bound" if self.at_bound[i] else "",
                )
            )
        return rows


_MOST_CHANNELS = 3  # that are named
_NEGLIGIBLE = 0.005  # of the expected events of a channel: who changes less is not looked at


def one_sided_fractions(model: Model, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return how one-sided interpolated parameters are, by parameter and channel.

    In a channel, u and d are the changes of the expected events of every bin when the parameter
    moves from the centre of its constraint term by plus and minus its width, everything else at its
    initial value. The fraction is

        sum over bins with u d > 0 of min(|u|, |d|)  /  sum over all bins of max(|u|, |d|):

    0 if up and down are on opposite sides everywhere, or one of them is nominal; 1 if they are the
    same. Parameters without interpolation are left out, and channels in which one changes less than
    0.5 % of the events, for there the finite size of simulated samples decides.
    """
    interpolated = {
        modifier.parameter
        for modifier in modifiers_of(model.spec)
        if isinstance(modifier, NormSys | HistoSys)
    }
    centers, widths = model.prefit()
    starts = [bins.start for bins in model.channel_bins.values()]
    negligible = _NEGLIGIBLE * np.add.reduceat(np.abs(model.expected(model.initial)), starts)
    fractions: dict[str, dict[str, float]] = {}
    for name in names:
        if name not in interpolated:
            continue
        p = model.index(name)
        nominal, high, low = (
            model.expected({name: centers[p] + sign * widths[p]}) for sign in (0.0, 1.0, -1.0)
        )
        up, down = high - nominal, low - nominal
        larger, smaller = np.maximum(np.abs(up), np.abs(down)), np.minimum(np.abs(up), np.abs(down))
        sizes = np.add.reduceat(larger, starts)
        overlaps = np.add.reduceat(np.where(up * down > 0.0, smaller, 0.0), starts)
        fractions[name] = {
            channel: float(overlaps[i] / sizes[i])
            for i, channel in enumerate(model.channels)
            if sizes[i] > negligible[i]
        }
    return fractions


def one_sided_warnings(
    model: Model, names: Sequence[str], threshold: float
) -> list[ParameterWarning]:
    """Return one warning for each parameter whose fraction exceeds the threshold somewhere."""
    warnings = []
    for name, fractions in one_sided_fractions(model, names).items():
        found = {channel: value for channel, value in fractions.items() if value > threshold}
        if not found:
            continue
        channels = sorted(found, key=lambda channel: -found[channel])
        more = len(channels) - _MOST_CHANNELS
        where = ", ".join(f"{c} ({100 * found[c]:.0f} %)" for c in channels[:_MOST_CHANNELS])
        where += f" and {more} more" if more > 0 else ""
        message = f"{name}: up and down variations are on the same side of nominal in {where}"
        value = max(found.values())
        warnings.append(
            ParameterWarning(kind="one_sided", parameter=name, value=value, message=message)
        )
    return warnings


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
    """Return how far a fit moved every constrained parameter, and how much it constrained it.

    Parameters
    ----------
    result : FitResult
        A fit.
    model : Model, optional
        What was fitted: with it, one-sided systematic variations are warned of.
    parameters, exclude : str, re.Pattern or iterable of them, optional
        Constrained parameters to show and to leave out; by default all are shown. A
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

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> print(nf.pulls(result).pulls.round(2))
    [-0.04  0.11]
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
    """Return warnings about the free parameters."""
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
            "its error is {:.2f} of its prefit error, the likelihood is not parabolic: see a scan",
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
