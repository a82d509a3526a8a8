"""What a fit shows of itself: the outcome, what was measured, and what stands out.

`FitResult` uses this module, see `FitResult.describing`.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .._results.fit_summary import SORTS, TOP, AsymmetricError, FitSummary
from .._results.rounding import rounded_to
from .._results.text import Page, decimals
from ..errors import ArgumentError, Error, located
from ..surgery import users_of
from .impacts._selection import select
from .predictions.goodness_of_fit import statistic_of
from .profiles.intervals import intervals

if TYPE_CHECKING:
    from ..data import Data
    from ..model import Model
    from ..result import FitResult
    from .impacts._selection import Patterns

_GAMMAS = frozenset({"staterror", "shapesys", "shapefactor"})
_MOST_FACTORS = 10  # shapefactors that are shown as free normalisations
_MOST_NAMED = 5
_HEADER = ("parameter", "value", "error", "", "pull", "constraint", "")
_ALIGN = "l....rl"
# MINOS errors are found without being asked for if this is likely to be enough for them: an
# interval takes at most about 20 times as long as the fit, both sides and other starts included.
_MOST_SECONDS = 2.0
_FITS_PER_PARAMETER = 20
# More free normalisations are a spectrum, of which nobody asks.
_MOST_FREE = 10


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Which parameters a page shows, and words that depend on where it is shown."""

    parameters: Patterns | None = None
    """Only these parameters; None for those that are of interest, free, or stand out."""
    top: int | None = TOP
    """At most so many nuisance parameters; None for all parameters."""
    sort: str = "size"
    source: str = ""
    """What was fitted, for example a file."""
    notes: Sequence[str] = ()
    more: str = ".to_text(top=None) shows all"


def page(result: FitResult, **shown: object) -> Page:
    """Lay out a fit result: a verdict, warnings, and a table in sections.

    Keywords are members of `Shown`; raises ArgumentError for an unknown order.
    """
    return _page(result, result.displayed, Shown(**shown))  # type: ignore[arg-type]


def _page(result: FitResult, summary: FitSummary | None, shown: Shown) -> Page:
    if shown.sort not in SORTS:
        message = f"expected one of {', '.join(SORTS)}, got {shown.sort!r}"
        raise located(ArgumentError, message, "sort")
    head = [_verdict(result, summary, shown.source), *_details(result), *_warnings(result, summary)]
    head += [f"  {note}" for note in shown.notes]
    sections = _Sections(result, summary, shown)
    rows = sections.rows()
    columns = [c for c in range(len(_HEADER)) if not c or any(r[c] for r in rows if len(r) > 1)]
    return Page(
        head,
        [_HEADER[c] for c in columns] if rows else [],
        [[row[c] for c in columns] if len(row) > 1 else row for row in rows],
        "".join(_ALIGN[c] for c in columns),
        result.valid,
        f"more rows; {shown.more}",
    )


# --- head ----------------------------------------------------------------------------------------


def _verdict(result: FitResult, summary: FitSummary | None, source: str) -> str:
    """Return the line that says all in short."""
    of = [source, summary.measurement if summary else ""]
    words = [word for word in (*of, result.minimizer) if word]
    verdict = "valid" if result.valid else f"NOT VALID ({result.status})"
    line = f"{', '.join(words) if any(of) else f'Fit with {words[0]}'}: {verdict}"
    if summary is None or math.isnan(summary.statistic):
        return line
    line += f", chi2/dof = {summary.statistic:.4g}/{summary.dof}"
    return line if math.isnan(summary.p_value) else f"{line}, p = {summary.p_value:.3g}"


def _details(result: FitResult) -> list[str]:
    seconds = result.timings.get("total", math.nan)
    time = f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"
    free = f"{result.n_free} of {len(result.parameters)} parameters free"
    numbers = f"-2 log L = {result.twice_nll:.6g}, EDM = {result.edm:.2g}"
    return [f"  {result.message}", f"  {free}, {numbers}, {result.n_calls} calls, {time}"]


def _warnings(result: FitResult, summary: FitSummary | None) -> list[str]:
    """Return what should be looked at before the numbers are used."""
    found = result.diagnostics
    without_effect = set(found.without_effect) if found is not None else set()
    errors = np.asarray(result.errors)
    free = ~result.fixed
    at_bound = [n for n, at in zip(result.parameters, result.at_bound & free, strict=True) if at]
    unknown = [n for n, e in zip(result.parameters, errors, strict=True) if not np.isfinite(e)]
    undetermined = [n for n in unknown if n not in without_effect]
    lines = []
    if at_bound:
        lines.append(f"at a bound: {_listed(at_bound)}")
    if without_effect:
        lines.append(f"without effect on the likelihood: {_listed(sorted(without_effect))}")
    if result.covariance is None:
        lines.append("there are no errors, because the fit gave no covariance")
    elif undetermined:
        lines.append(f"not determined by the data: {_listed(undetermined)}")
    if len(result.minima) > 1:
        rise = result.minima[1].twice_delta_nll
        lines.append(f"{len(result.minima)} minima, the second is {rise:.3g} higher in -2 log L")
    pois = () if summary is None else summary.parameters_of_interest
    absent = [name for name in pois if name not in result.parameters]
    if absent:
        lines.append(f"the parameter of interest {_listed(absent)} is in no channel")
    lines += () if summary is None else summary.notes
    return [f"  warning: {line}" for line in lines]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


# --- table ---------------------------------------------------------------------------------------


class _Sections:
    """The parameters by what they are."""

    def __init__(self, result: FitResult, summary: FitSummary | None, shown: Shown) -> None:
        self._result = result
        self._shown = shown
        self._summary = summary
        self._errors = np.asarray(result.errors)
        self._pulls = np.asarray(result.pulls)
        self._shrinks = self._errors / result.prefit_errors
        known = list(range(len(result.parameters)))
        if shown.parameters is not None:
            known = select(result.parameters, shown.parameters, "parameters")
        pois = () if summary is None else summary.parameters_of_interest
        kinds = [""] * len(result.parameters) if summary is None else summary.modifiers
        constrained = np.isfinite(result.prefit_values)
        factors = sum(kinds[i] == "shapefactor" and not result.fixed[i] for i in known)
        gammas = _GAMMAS if factors > _MOST_FACTORS else _GAMMAS - {"shapefactor"}
        self._kinds = kinds
        self._groups: dict[str, list[int]] = {
            name: [] for name in ("poi", "free", "nuisance", "gamma", "fixed")
        }
        for i in known:
            group = "nuisance" if constrained[i] else "free"
            if result.parameters[i] in pois:
                group = "poi"
            elif result.fixed[i]:
                group = "fixed"
            elif kinds[i] and set(kinds[i].split(" + ")) <= gammas:
                group = "gamma"
            self._groups[group].append(i)

    def rows(self) -> list[Sequence[str]]:
        """Return headings and rows of cells."""
        groups, rows = self._groups, list[Sequence[str]]()
        self._add(rows, "parameters of interest", groups["poi"], has_minos=True)
        self._add(rows, self._name_of_free(), groups["free"], has_minos=True)
        everything = self._shown.top is None or self._shown.parameters is not None
        if everything:
            rule = f"by {SORTS[self._shown.sort]}"
            for name, group in (("nuisance parameters", "nuisance"), ("gammas", "gamma")):
                members = groups[group]
                self._add(rows, f"{len(members)} {name}, {rule}", self._sorted(members))
            self._add(rows, "fixed", groups["fixed"])
            return rows
        self._add_top(rows)
        self._add_counts(rows)
        return rows

    def _add(
        self,
        rows: list[Sequence[str]],
        heading: str,
        members: Iterable[int],
        *,
        has_minos: bool = False,
    ) -> None:
        chosen = list(members)
        if chosen:
            note = self._kind_of_errors(chosen) if has_minos else ""
            rows.append((heading + note,))
            rows += [self._row(i) for i in chosen]

    def _kind_of_errors(self, members: Sequence[int]) -> str:
        """Say which errors the free ones of these parameters have."""
        free = [self._result.parameters[i] for i in members if not self._result.fixed[i]]
        found = {} if self._summary is None else self._summary.asymmetric_errors
        missing = [name for name in free if name not in found]
        if not free:
            return ""
        if not missing:
            return " (MINOS errors)"
        reason = "" if self._summary is None else self._summary.symmetric_because
        return f" (symmetric errors{f': {reason}' if reason else ''})"

    def _add_top(self, rows: list[Sequence[str]]) -> None:
        members, top = self._sorted(self._groups["nuisance"]), self._shown.top
        shown = members[:top]
        count = f"{len(shown)} of {len(members)}" if len(shown) < len(members) else "all"
        rule = f"nuisance parameters: {count}, by {SORTS[self._shown.sort]}"
        self._add(rows, rule, shown)

    def _add_counts(self, rows: list[Sequence[str]]) -> None:
        """Count what is not shown."""
        gammas, fixed = self._groups["gamma"], self._groups["fixed"]
        if gammas:
            kinds = Counter(self._kinds[i] for i in gammas)
            counts = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
            pulls = np.abs(np.nan_to_num(self._pulls[gammas]))
            largest = gammas[int(np.argmax(pulls))]
            name = self._result.parameters[largest]
            pull = (
                f"largest pull {decimals(float(self._pulls[largest]))}, {name}"
                if pulls.any()
                else ""
            )
            rows.append((f"gammas: {counts}{f'; {pull}' if pull else ''}",))
        if fixed:
            names = [self._result.parameters[i] for i in fixed]
            rows.append((f"{len(fixed)} fixed: {_listed(names)}",))
        n_nuisance = len(self._groups["nuisance"])
        hidden = n_nuisance - min(n_nuisance, self._shown.top or 0) + len(gammas) + len(fixed)
        if hidden:
            rows.append((f"{hidden} more parameters: {self._shown.more}",))

    def _name_of_free(self) -> str:
        kinds = {self._kinds[i] for i in self._groups["free"]}
        return (
            "free normalisations" if kinds <= {"normfactor", "shapefactor"} else "free parameters"
        )

    def _sorted(self, members: Sequence[int]) -> list[int]:
        pulls = np.abs(np.nan_to_num(self._pulls))
        changes = np.abs(np.nan_to_num(1.0 - self._shrinks, posinf=0.0, neginf=0.0))
        names = self._result.parameters
        keys: dict[str, Callable[[int], float | str]] = {
            "size": lambda i: -float(max(pulls[i], changes[i])),
            "pull": lambda i: -float(pulls[i]),
            "constraint": lambda i: float(np.nan_to_num(self._shrinks[i], nan=math.inf)),
            "name": lambda i: names[i],
            "model": lambda i: i,
        }
        return sorted(members, key=keys[self._shown.sort])

    def _row(self, i: int) -> tuple[str, ...]:
        result = self._result
        name = result.parameters[i]
        found = None if self._summary is None else self._summary.asymmetric_errors.get(name)
        remarks = [text for text in (_remark(result, i),) if text]
        if found is None:
            value, *errors = _symmetric(float(result.x[i]), float(self._errors[i]))
        else:
            value, *errors = _asymmetric(float(result.x[i]), float(self._errors[i]), found)
            sides = (("lower", found.lower_status), ("upper", found.upper_status))
            remarks += [
                f"{side} {status.replace('_', ' ')}" for side, status in sides if status != "found"
            ]
        pull, shrink = _pull(result, i)
        return f"  {name}", value, *errors, pull, shrink, ", ".join(remarks)


def parameter_row(result: FitResult, i: int) -> tuple[str, ...]:
    """Return name, value, error, pull, constraint, bounds and a remark."""
    error = float(result.errors[i])
    value, uncertainty, _ = _symmetric(float(result.x[i]), error)
    bounds = f"[{result.lower[i]:.3g}, {result.upper[i]:.3g}]"
    numbers = (value, uncertainty.removeprefix("±"), *_pull(result, i))
    return result.parameters[i], *numbers, bounds, _remark(result, i)


def _pull(result: FitResult, i: int) -> tuple[str, str]:
    """Return pull and constraint, empty without a constraint term."""
    pull = result.pulls[i]
    if result.fixed[i] or not math.isfinite(pull):
        return "", ""
    shrink = result.errors[i] / float(result.prefit_errors[i])
    return decimals(pull), f"{shrink:.2f}" if math.isfinite(shrink) else ""


def _remark(result: FitResult, i: int) -> str:
    """Return what is special about a parameter, if anything."""
    if result.fixed[i]:
        return "fixed"
    if not result.at_bound[i]:
        return ""
    x, lower, upper = float(result.x[i]), float(result.lower[i]), float(result.upper[i])
    return f"at bound {lower if abs(x - lower) <= abs(upper - x) else upper:.4g}"


def _symmetric(value: float, error: float) -> tuple[str, str, str]:
    if not math.isfinite(error) or error <= 0 or not math.isfinite(value):
        return f"{value:.5g}", "" if error == 0 or math.isnan(error) else f"±{error:g}", ""
    number, uncertainty = rounded_to((value, error), error, extra=1)
    return number, f"±{uncertainty}", ""


def _asymmetric(value: float, error: float, found: AsymmetricError) -> tuple[str, str, str]:
    """Round to the symmetric error, or to the smaller of the others where there is none."""
    ends = (found.lower, found.upper)
    sizes = [abs(end) for end in ends if math.isfinite(end) and end != 0]
    scale = error if math.isfinite(error) and error > 0 else min(sizes, default=math.nan)
    if not math.isfinite(scale):
        lower, upper = (_signed(end, f"{abs(end):.3g}") for end in ends)
        return f"{value:.5g}", lower, upper
    known = [end for end in ends if math.isfinite(end)]
    number, *texts = rounded_to((value, *map(abs, known)), scale, extra=1)
    by_end = dict(zip(known, texts, strict=True))
    lower, upper = (_signed(end, by_end.get(end, "inf")) for end in ends)
    return number, lower, upper


def _signed(end: float, text: str) -> str:
    if math.isnan(end):
        return "?"
    return ("+" if end > 0 else "-") + text


# --- what the model knows ------------------------------------------------------------------------


def summarise(result: FitResult, model: Model, data: Data) -> FitSummary:
    """Return what a result says of its model, without further fits."""
    users = users_of(model.spec)
    kinds = [{m.type for m in users.get(name, ())} for name in model.parameters]
    statistic, dof, p_value = np.nan, 0, np.nan
    if result.valid:
        statistic, dof, p_value = statistic_of(model.likelihood(data), result)
    return FitSummary(
        measurement=model.spec.name,
        parameters_of_interest=model.parameters_of_interest,
        modifiers=tuple(" + ".join(sorted(kind)) for kind in kinds),
        statistic=statistic,
        dof=dof,
        p_value=p_value,
    )


def with_asymmetric_errors(
    result: FitResult,
    summary: FitSummary,
    model: Model,
    data: Data,
    *,
    wanted: bool | None = None,
    how: str = "nablafit.intervals finds asymmetric ones",
) -> FitSummary:
    """Add MINOS errors of the parameters of interest and of free normalisations.

    By default only where that is quick; `how` says what else finds them.
    """
    names = [name for name in result.parameters if _has_asymmetric_error(result, summary, name)]
    pois = [name for name in names if name in summary.parameters_of_interest]
    if len(names) - len(pois) > _MOST_FREE:
        names = pois
    if not result.valid or not names:
        return summary
    seconds = result.timings.get("total", np.inf)
    if wanted is None and len(names) * _FITS_PER_PARAMETER * seconds > _MOST_SECONDS:
        return replace(summary, symmetric_because=f"a fit takes {seconds:.2g} s; {how}")
    if wanted is False:
        return replace(summary, symmetric_because=how)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is noted below
            found = intervals(model, data, names, result=result)
    except Error as error:
        return replace(summary, symmetric_because=str(error))
    members = ("lower", "upper", "lower_status", "upper_status")
    errors = {
        name: AsymmetricError(**{member: getattr(found[name], member) for member in members})
        for name in names
    }
    lower = found.new_minimum
    notes = found.notes if lower is None else (*found.notes, repr(lower))
    return replace(summary, asymmetric_errors=errors, notes=notes)


def _has_asymmetric_error(result: FitResult, summary: FitSummary, name: str) -> bool:
    """Whether the first page has a MINOS error for a parameter."""
    i = result.parameters.index(name)
    is_free = not result.fixed[i] and not np.isinf(result.errors[i])
    is_poi = name in summary.parameters_of_interest
    return bool(is_free and (is_poi or np.isnan(result.prefit_values[i])))
