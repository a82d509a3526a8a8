"""Profile-likelihood intervals, as MINOS defines them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import NDArray

from ..._arrays import FloatArray, index_of
from ..._printable import printable
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.rounding import pdg_round, rounded_to
from ..._results.text import Page
from ...errors import ArgumentError, finished, located
from ._best_fit import (
    MOST_MINIMA,
    LowerMinimum,
    Reference,
    make_reference,
    rebased,
    rise_of_level,
    warn_of,
)
from ._crossings import follow_rays

if TYPE_CHECKING:
    from ..._arrays import ParameterValues
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Likelihood, Model
    from ...result import FitResult

_HEADER = ("name", "value", "error", "lower", "upper", "")
# Sides without a number.
_UNKNOWN = frozenset({"new_minimum", "failed", "not_done"})


@dataclass(frozen=True)
class Interval:
    """The interval of one parameter; members as in `IntervalsResult`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> interval = nf.intervals(model, data, "mu")["mu"]
    >>> print(f"{interval.value:.2f} {interval.upper:+.2f}")
    0.66 +0.57
    """

    name: str
    value: float
    error: float
    lower: float
    upper: float
    lower_status: str
    upper_status: str

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends in the unit of the parameter."""
        return self.value + self.lower, self.value + self.upper

    def __str__(self) -> str:
        return f"{printable(self.name)} = {self.value:.6g} {self.lower:+.4g} {self.upper:+.4g}"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class IntervalsResult(Record, format="nablafit.IntervalsResult/1"):
    """Asymmetric errors from the profile likelihood; frozen. `result["mu"]` is one `Interval`.

    Arrays have one entry per parameter, in the parameter's own unit.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.intervals(model, data, ["mu"])
    >>> print(f"{result.lower[0]:+.2f} {result.upper[0]:+.2f}", result.lower_status)
    -0.55 +0.57 ('found',)
    """

    table_members = (
        "parameters",
        "values",
        "errors",
        "lower",
        "upper",
        "lower_status",
        "upper_status",
    )

    parameters: tuple[str, ...]
    values: FloatArray
    """Best fit."""
    errors: FloatArray
    """Standard deviations from the covariance (always one sigma), for comparison."""
    lower: FloatArray
    """Lower end minus best fit, as MINOS gives it: not positive; -infinity if nothing limits the
    parameter; NaN where `lower_status` is "new_minimum", "failed" or "not_done"."""
    upper: FloatArray
    """Upper end minus best fit, in the same way."""
    lower_status: tuple[str, ...]
    """"found"; "at_bound": the bound of the parameter comes first; "at_edge": the likelihood ends
    first, or jumps; "unlimited": it does not fall enough at any value; "new_minimum": a lower
    minimum was met, see `new_minimum`; "failed": constrained fits found no minimum; "not_done":
    interrupted."""
    upper_status: tuple[str, ...]
    sigma: float
    """Width in standard deviations of a Gaussian: the root of `twice_delta_nll`."""
    level: float
    """Asymptotic confidence level: chi-square with one degree of freedom."""
    twice_delta_nll: float
    """Rise of -2 log L at the ends."""
    twice_nll: float
    """-2 log L at the best fit."""
    n_fits: NDArray[np.int64]
    """Constrained fits for the lower and upper side, shape (n, 2)."""
    messages: dict[str, str]
    """A sentence for each side that is not "found", with the remedy: keys like "mu lower"."""
    new_minimum: LowerMinimum | None
    """The lowest minimum below the best fit that was met, if any."""
    complete: bool
    """False if the call was interrupted."""
    notes: tuple[str, ...] = ()
    """Where fits from different starts ended in different minima, a sentence each; the lowest was
    taken."""

    @property
    def valid(self) -> bool:
        """True if both sides of all parameters are known: as an end, a bound or an infinity."""
        return _UNKNOWN.isdisjoint(self.lower_status) and _UNKNOWN.isdisjoint(self.upper_status)

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Interval:
        i = index_of(self.parameters, name)
        return Interval(
            name=name,
            value=float(self.values[i]),
            error=float(self.errors[i]),
            lower=float(self.lower[i]),
            upper=float(self.upper[i]),
            lower_status=self.lower_status[i],
            upper_status=self.upper_status[i],
        )

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self.outcome_lines(), *self.table(), "l....l", self.valid),)

    def outcome_lines(self) -> list[str]:
        """Summarise the result and its problems in a few lines."""
        size = f"{self.sigma:.4g} sigma, {100 * self.level:.4g} %"
        rise = f"-2 log L rises by {self.twice_delta_nll:.4g}"
        lines = [f"Profile-likelihood intervals: {size}, {rise}"]
        lines += [f"  {key}: {message}" for key, message in self.messages.items()]
        if self.new_minimum is not None:
            lines.append(f"  {self.new_minimum!r}")
        lines += [f"  note: {note}" for note in self.notes]
        if not self.complete:
            lines.append("  interrupted")
        return lines

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows of the table."""
        rows: list[tuple[str, ...]] = []
        for i, name in enumerate(self.parameters):
            value, error = pdg_round(float(self.values[i]), float(self.errors[i]), extra=1)
            sides = (("lower", self.lower_status[i]), ("upper", self.upper_status[i]))
            remarks = [f"{side} {status.replace('_', ' ')}" for side, status in sides]
            remarks = [text for text in remarks if not text.endswith(" found")]
            sizes = (float(self.lower[i]), float(self.upper[i]))
            ends = [_distance(size, float(self.errors[i])) for size in sizes]
            rows.append((name, value, error, *ends, ", ".join(remarks)))
        return _HEADER, rows


def _distance(size: float, error: float) -> str:
    """Format a side to the digits of the error, if there is one."""
    if not (math.isfinite(size) and math.isfinite(error) and error > 0):
        return f"{size:+.4g}"
    (text,) = rounded_to((abs(size),), max(error, abs(size)), extra=1)
    return ("-" if size < 0 else "+") + text


_SIDES = ("lower", "upper")


@remembers_origin
def intervals(
    model: Model | Likelihood,
    data: Data | None = None,
    parameters: str | Sequence[str] | None = None,
    *,
    level: float | None = None,
    sigma: float = 1.0,
    result: FitResult | None = None,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> IntervalsResult:
    r"""Find where the profile likelihood has fallen by a given amount, on both sides.

    The ends of the interval of a parameter are the values at which -2 log L, minimised over all
    other parameters, is `sigma`^2 above its minimum: what MINOS computes (F. James, M. Roos,
    Comput. Phys. Commun. 10 (1975) 343). They need not be symmetric, and follow any change of
    variable.

    Parameters
    ----------
    model : Model or Likelihood
        What was fitted.
    data : Data, optional
        What it is fitted to, only with a Model; for expected results
        `model.asimov({"mu": 1})`.
    parameters : str or sequence of str, optional
        Which parameters, by default all that are free in the fit.
    level : float, optional
        Confidence level, instead of `sigma`: the rise is the quantile of chi-square with one degree
        of freedom.
    sigma : float
        Width in standard deviations: -2 log L rises by its square.
    result : FitResult, optional
        The best fit of the same model and data, if there is one already; its bounds and fixed
        parameters hold. A fit of MINUIT or SciPy is continued with the native minimiser.
    initial, bounds, fixed
        As in `nablafit.fit`, without `result`.
    starts : int
        Random starts of the best fit and at every end, in addition to those that are always tried
        where the model may have several minima, see Notes.
    n_threads, progress
        As in `nablafit.fit_many`; progress counts sides, two per parameter.

    Returns
    -------
    IntervalsResult
        Numerical failure is data: look at `valid`, `lower_status`, `upper_status` and `messages`.

    Raises
    ------
    ArgumentError
        For unknown, repeated or fixed parameters, a level outside (0, 1), and a result that does
        not belong to model and data.
    Error
        If there is no best fit.
    Interrupted
        At Ctrl-C: its `result` has the sides that were done.

    Notes
    -----
    Newton's method on the root of the rise, with the exact slope, starts from the error that the
    covariance gives; each constrained fit starts from the one before. Where values and slopes show
    that the profile may cross the target earlier, or dip below the best fit, fits look there.
    Bounds of all parameters hold, and no transformation of bounded parameters disturbs the ends.

    Where a parameter acts the same way on both sides, such as a histosys with both variations above
    nominal, the best fit and the ends are fitted from the initial values and from the other sides
    too. Where that is lower, the search is repeated from there, with a note in `notes`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> print(f"{nf.intervals(model, data, 'mu')['mu'].upper:+.3f}")
    +0.567
    """
    rise = _rise(level, sigma)
    best = make_reference(
        model, data, result, initial, bounds, fixed, starts=starts, n_threads=n_threads
    )
    names = _names(best, parameters)
    held = np.repeat(best.indices(names), 2).reshape(-1, 1)
    directions = np.tile([-1.0, 1.0], len(names)).reshape(-1, 1)
    rises = np.full(len(held), rise)
    for n_left in reversed(range(MOST_MINIMA)):
        crossings = follow_rays(best, held, directions, rises, progress)
        minimum = lowest_minimum(best, crossings.found)
        if minimum is None or best.is_given or crossings.exception is not None or not n_left:
            break
        best = rebased(best, minimum.x)
    fit, found = best.result, crossings.found
    index = best.indices(names)
    distance, status = found["distance"].reshape(-1, 2), tuple(found["status"])
    outcome = IntervalsResult(
        parameters=names,
        values=fit.x[index],
        errors=np.asarray(fit.errors)[index],
        lower=-distance[:, 0],
        upper=distance[:, 1].copy(),
        lower_status=status[0::2],
        upper_status=status[1::2],
        sigma=math.sqrt(rise),
        level=float(scipy.special.chdtr(1, rise)),
        twice_delta_nll=rise,
        twice_nll=fit.twice_nll,
        n_fits=found["n_fits"].reshape(-1, 2),
        messages=_messages(names, fit.x[index], found),
        new_minimum=minimum,
        complete=crossings.exception is None,
        notes=(*best.notes, *crossings.notes),
    )
    warn_of(best, outcome.new_minimum)
    return finished(outcome, crossings.exception)


def _rise(level: float | None, sigma: float) -> float:
    if level is not None:
        if sigma != 1.0:
            raise located(ArgumentError, "expected either level or sigma, got both", "level")
        return rise_of_level(level, 1)
    if not (math.isfinite(sigma) and sigma > 0):
        raise located(ArgumentError, f"expected a positive number, got {sigma}", "sigma")
    return float(sigma) ** 2


def _names(reference: Reference, parameters: str | Sequence[str] | None) -> tuple[str, ...]:
    if parameters is None:
        pairs = zip(reference.result.parameters, reference.result.fixed.tolist(), strict=True)
        return tuple(name for name, is_fixed in pairs if not is_fixed)
    names = (parameters,) if isinstance(parameters, str) else tuple(parameters)
    for i, name in enumerate(names):
        if name in names[:i]:
            raise located(ArgumentError, "is named twice", name)
    return names


def lowest_minimum(reference: Reference, found: dict[str, Any]) -> LowerMinimum | None:
    """Return the lowest of the minima that rays met, if any."""
    if not found["lower_minima"]:
        return None
    ray = min(found["lower_minima"], key=lambda i: (found["rise"][i], i))
    return reference.lower_minimum(found["lower_minima"][ray], float(found["rise"][ray]))


_SENTENCES = {
    "at_bound": (
        "the bound {end:.6g} comes first, with -2 log L {rise:.3g} above the minimum; choose wider "
        "`bounds` if values beyond make sense"
    ),
    "at_edge": (
        "the likelihood ends or jumps at {end:.6g}, with -2 log L {rise:.3g} above the minimum; a "
        "scan shows how"
    ),
    "unlimited": "-2 log L rises by {rise:.3g} at most: the data do not limit this parameter",
    "new_minimum": (
        "a minimum {drop:.3g} lower in -2 log L was met; fit again from .new_minimum.x"
    ),
    "failed": "constrained fits found no minimum ({fit}); a scan shows where",
    "not_done": "interrupted before its turn",
}


def _messages(names: tuple[str, ...], values: FloatArray, found: dict[str, Any]) -> dict[str, str]:
    messages = {}
    for ray, status in enumerate(found["status"]):
        if status == "found":
            continue
        i, side = divmod(ray, 2)
        end = float(values[i]) + (-1.0, 1.0)[side] * float(found["distance"][ray])
        rise = float(found["rise"][ray])
        numbers = {"end": end, "rise": rise, "drop": -rise, "fit": found["fit_status"][ray]}
        messages[f"{names[i]} {_SIDES[side]}"] = _SENTENCES[status].format(**numbers)
    return messages
