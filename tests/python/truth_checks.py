"""Numbers of nablafit against the referee's, for one random model at a time.

Every check yields verdicts, one per number. "silent" is what must not be: a number that disagrees
with the referee's while its result says that all is well. "announced" is a number that is missing
or wrong and said to be so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy

import nablafit as nf
from truth_models import KINDS, Case
from truth_referee import (
    Array,
    Problem,
    Referee,
    expected_cls,
    observed_cls,
    upper_statistics,
    upper_tails,
)

# Of p-values, and of rises of -2 log L.
TOLERANCE = 0.01
SMALLEST_P = 1e-8
LEVEL = 0.95
THOROUGH = 200
# Statuses of limits that are what they say; below_zero: the limit is 0.
GOOD = ("converged", "below_zero")


@dataclass(frozen=True)
class Verdict:
    """What came out for one number."""

    case: Case
    outcome: str
    """"agrees", "silent", "announced", or "impossible" where there is no such number and the result
    says so."""
    what: str
    """Which number, what it is and what it should be."""


Verdicts: TypeAlias = Iterator[Verdict]


def chosen(case: Case, options: Sequence[str], *, full: bool) -> Sequence[str]:
    """Return all options, or in a quick campaign one that changes from model to model."""
    return options if full else [options[case.number // len(KINDS) % len(options)]]


def referees(case: Case) -> Iterator[Referee]:
    """Yield a quick referee, and one that thinks again before anybody is accused."""
    yield Referee(case)
    yield Referee(case, THOROUGH)


def judge(case: Case, what: str, announced: bool, agrees: Callable[[Referee], str]) -> Verdict:
    """Ask one referee after the other until one finds nothing wrong.

    `agrees` returns what is wrong, an empty string if nothing is.
    """
    complaint = ""
    for referee in referees(case):
        complaint = agrees(referee)
        if not complaint:
            return Verdict(case, "agrees", what)
    return Verdict(case, "announced" if announced else "silent", f"{what}: {complaint}")


def refused(case: Case, what: str, error: nf.Error) -> Verdict:
    return Verdict(case, "announced", f"{what}: {error}")


def failed(case: Case, what: str, poi: str, tested: float, alternative: float) -> Verdict:
    """Judge a test that says that it failed: where a hypothesis has no likelihood, it had to."""
    referee = Referee(case)
    wide = {poi: (min(tested, alternative, 0.0), np.inf)}
    held = [referee.hold({poi: value}) for value in (tested, alternative)]
    fits = referee.minima(held, wide)
    if all(np.isfinite(fit.lowest) for fit in fits):
        fits = referee.minima([referee.hold({poi: tested}, referee.asimov(fits[1].x[0]))], wide)
    possible = all(np.isfinite(fit.lowest) for fit in fits)
    return Verdict(case, "announced" if possible else "impossible", what)


def pois(referee: Referee) -> list[str]:
    return [name for name in ("mu", "mu2") if name in referee.plain.names]


def unit(referee: Referee, poi: str) -> float:
    """Return the size of the parameter at which the signal is about nominal."""
    return referee.plain.parameters[poi].initial or 1.0


def near(value: float, right: float, tolerance: float = TOLERANCE) -> bool:
    """Whether a p-value is right; tiny ones are about as small."""
    return abs(value - right) <= tolerance * max(right, SMALLEST_P)


# --- limits --------------------------------------------------------------------------------------


def check_limits(case: Case, *, full: bool) -> Verdicts:
    """Observed and expected limits against CLs there."""
    referee = Referee(case)
    for poi in pois(referee):
        for statistic in chosen(case, ("qtilde", "q"), full=full):
            what = f"limit on {poi} with {statistic}"
            try:
                result = nf.upper_limit(
                    referee.model, referee.data, poi=poi, statistic=statistic, level=LEVEL
                )
            except nf.Error as error:
                yield refused(case, what, error)
                continue
            if result.status == "failed":
                yield failed(case, f"{what}: {result.message}", poi, 0.0, 0.0)
            else:
                yield from _judge_limits(case, result, what)


def _judge_limits(case: Case, result: nf.infer.LimitResult, what: str) -> Verdicts:
    names = ("observed", *(f"expected[{i}]" for i in range(5)))
    worst: list[str] = []
    for referee in referees(case):
        worst = _wrong_limits(referee, result)
        if not any(worst):
            break
    for name, value, status, complaint in zip(
        names, result.limits, result.curve_status, worst, strict=True
    ):
        label = f"{what}, {name} = {value:.7g} ({status})"
        good = status in GOOD
        if complaint and (good or status == "not_reached"):
            yield Verdict(case, "silent", f"{label}: {complaint}")
        else:
            yield Verdict(case, "agrees" if good else "announced", label)


def _wrong_limits(referee: Referee, result: nf.infer.LimitResult) -> list[str]:
    """Say what is wrong with each of the six limits."""
    tested, wanted = _places(referee, result)
    flat = sorted({value for values in tested for value in values})
    statistics = dict.fromkeys(flat)
    if flat:
        found = upper_statistics(referee, result.poi, flat, result.bounds)
        if not found:
            return ["there is no likelihood without signal" for _ in tested]
        statistics = dict(zip(flat, found, strict=True))
    complaints = []
    for curve, values in enumerate(tested):
        said = []
        for value in values:
            cls = [
                observed_cls(result.statistic, q, qa) if curve == 0 else expected_cls(qa)[curve - 1]
                for q, qa in statistics[value].pairs()
            ]
            if not any(wanted[curve](p) for p in cls):
                shown = " or ".join(f"{p:.6g}" for p in dict.fromkeys(cls))
                said.append(f"CLs({value:.7g}) is {shown}")
        complaints.append("; ".join(said))
    return complaints


def _places(
    referee: Referee, result: nf.infer.LimitResult
) -> tuple[list[list[float]], list[Callable[[float], bool]]]:
    """Return where CLs of each curve is looked at, and what it has to be there."""
    alpha = 1 - result.level
    scale = unit(referee, result.poi)
    tested: list[list[float]] = []
    wanted: list[Callable[[float], bool]] = []
    for value, status in zip(result.limits, result.curve_status, strict=True):
        if status in GOOD and value == 0:
            tested.append([1e-9 * scale])
            wanted.append(lambda p: p <= alpha * (1 + TOLERANCE))
        elif status in GOOD and np.isfinite(value):
            tested.append([value])
            wanted.append(lambda p: near(p, alpha))
        elif status in (*GOOD, "not_reached"):
            # Infinite: nothing is excluded anywhere.
            tested.append([scale * 10.0**power for power in (1, 2, 3, 5)])
            wanted.append(lambda p: p >= alpha * (1 - TOLERANCE))
        else:
            tested.append([])
            wanted.append(lambda _: True)
    return tested, wanted


# --- p-values ------------------------------------------------------------------------------------


def check_hypotest(case: Case, *, full: bool) -> Verdicts:
    """p-values at a random value of each parameter of interest, with every statistic."""
    referee = Referee(case)
    generator = case.generator(2)
    for poi in pois(referee):
        value = unit(referee, poi) * float(np.exp(generator.normal(0.5, 1.0)))
        for statistic in chosen(case, ("qtilde", "q", "t"), full=full):
            what = f"test of {poi} = {value:.6g} with {statistic}"
            try:
                result = nf.hypotest(
                    referee.model, referee.data, value, poi=poi, statistic=statistic
                )
            except nf.Error as error:
                yield refused(case, what, error)
                continue
            if result.status in ("ok", "no_effect"):
                yield judge(case, what, False, lambda r, t=result: _wrong_test(r, t))
            else:
                yield failed(case, f"{what}: {result.message}", poi, value, 0.0)


def _wrong_test(referee: Referee, result: nf.infer.HypotestResult) -> str:
    kind = "both" if result.statistic == "t" else "upper"
    found = upper_statistics(
        referee,
        result.poi[0],
        [result.tested[0]],
        result.bounds[0],
        kind=kind,
        known=result.points,
    )
    if not found:
        return "there is no likelihood without signal"
    expected = np.asarray(result.expected_cls)
    complaints = []
    for q, qa in found[0].pairs():
        if kind == "both":
            right = {"clsb": float(scipy.stats.chi2.sf(q, 1))}
        else:
            above, below = upper_tails(result.statistic, q, qa)
            right = {"clsb": above, "clb": below, "cls": observed_cls(result.statistic, q, qa)}
        complaint = [
            f"{name} {getattr(result, name):.6g} should be {p:.6g}"
            for name, p in right.items()
            if not near(getattr(result, name), p)
        ]
        if kind == "upper":
            complaint += [
                f"expected CLs[{i}] {p:.6g} should be {r:.6g}"
                for i, (p, r) in enumerate(zip(expected, expected_cls(qa), strict=True))
                if not near(p, r)
            ]
        if not complaint:
            return ""
        complaints.append(", ".join(complaint))
    return " or ".join(complaints)


def check_significance(case: Case, *, full: bool) -> Verdicts:  # noqa: ARG001
    """Observed and expected significance."""
    referee = Referee(case)
    for poi in pois(referee):
        at = unit(referee, poi)
        what = f"significance of {poi}"
        try:
            result = nf.significance(referee.model, referee.data, poi=poi, expected_at=at)
        except nf.Error as error:
            yield refused(case, what, error)
            continue
        if result.status in ("ok", "no_effect"):
            yield judge(case, what, False, lambda r, s=result: _wrong_significance(r, s))
        else:
            yield failed(case, f"{what}: {result.message}", poi, 0.0, at)


def _wrong_significance(referee: Referee, result: nf.infer.SignificanceResult) -> str:
    parameter = referee.plain.parameters[result.poi]
    estimates = (min(parameter.lower, 0.0), parameter.upper)
    found = upper_statistics(
        referee,
        result.poi,
        [0.0],
        estimates,
        kind="discovery",
        alternative=result.expected_at,
    )
    if not found:
        return "there is no likelihood with signal"

    def same(z: float, right: float) -> bool:
        return abs(z - right) <= 0.003 + 1e-3 * right

    seen = [float(np.sqrt(q)) for q in found[0].q]
    expected = [float(np.sqrt(qa)) for qa in found[0].qa]
    complaints = []
    if not any(same(result.z, z) for z in seen):
        complaints.append(f"Z {result.z:.6g} should be {seen}")
    if not any(same(result.expected_z[2], z) for z in expected):
        complaints.append(f"expected Z {result.expected_z[2]:.6g} should be {expected}")
    return ", ".join(complaints)


# --- profiles ------------------------------------------------------------------------------------


def rises(referee: Referee, held: Sequence[Mapping[str, float]]) -> Array:
    """Return by how much -2 log L is above its minimum with parameters held."""
    best, *fits = referee.minima([referee.observed, *(referee.hold(values) for values in held)])
    lowest = min([best.lowest, *(fit.lowest for fit in fits)])
    return np.array([fit.lowest - lowest for fit in fits])


def rises_as(right: float, rise: float) -> bool:
    return abs(rise - right) <= TOLERANCE * max(right, 1.0)


def some_parameters(referee: Referee, case: Case, purpose: int) -> list[str]:
    """Return the parameters of interest and up to two others that are free."""
    chosen = pois(referee)
    others = [
        name
        for name in referee.plain.names
        if name not in chosen and not referee.plain.parameters[name].fixed
    ]
    picked = case.generator(purpose).permutation(len(others))[:2]
    return chosen + [others[i] for i in picked]


def check_intervals(case: Case, *, full: bool) -> Verdicts:  # noqa: ARG001
    """Ends of profile-likelihood intervals against the rise there."""
    referee = Referee(case)
    names = some_parameters(referee, case, 3)
    try:
        result = nf.intervals(referee.model, referee.data, names)
    except nf.Error as error:
        yield refused(case, "intervals", error)
        return
    for name in names:
        one = result[name]
        sides = ((one.ends[0], one.lower_status), (one.ends[1], one.upper_status))
        for end, status in sides:
            announced = result.new_minimum is not None or status in ("new_minimum", "failed")
            what = f"end of {name} = {end:.7g} ({status})"
            yield judge(
                case,
                what,
                announced,
                lambda r, n=name, e=end, s=status: _wrong_end(r, n, e, s, result.twice_delta_nll),
            )


def _wrong_end(referee: Referee, name: str, end: float, status: str, right: float) -> str:
    if np.isnan(end):
        return "there is no number"
    if not np.isfinite(end):
        return ""
    (rise,) = rises(referee, [{name: end}])
    if status == "found":
        wrong = not rises_as(right, float(rise))
    else:
        wrong = bool(np.isfinite(rise)) and rise > right * (1 + TOLERANCE)
    return f"-2 log L rises by {rise:.6g}, not {right:.6g}" if wrong else ""


def check_scan(case: Case, *, full: bool) -> Verdicts:  # noqa: ARG001
    """Points of a scan of each parameter of interest."""
    referee = Referee(case)
    for poi in pois(referee):
        parameter = referee.plain.parameters[poi]
        values = np.linspace(max(parameter.lower, -3 * unit(referee, poi)), parameter.upper, 9)
        try:
            result = nf.scan(referee.model, referee.data, poi, values)
        except nf.Error as error:
            yield refused(case, f"scan of {poi}", error)
            continue
        held = [{poi: float(value)} for value in values]
        for one in referees(case):
            right = rises(one, held)
            with np.errstate(invalid="ignore"):
                wrong = ~(
                    np.abs(result.twice_delta_nll - right) <= TOLERANCE * np.maximum(right, 1)
                )
            wrong &= ~(np.isposinf(result.twice_delta_nll) & np.isposinf(right))
            if not np.any(wrong):
                break
        for i, value in enumerate(values):
            what = f"scan at {poi} = {value:.6g}: {result.twice_delta_nll[i]:.6g}, {right[i]:.6g}"
            good = result.status[i].startswith("converged") and result.new_minimum is None
            outcome = "agrees" if not wrong[i] else "silent" if good else "announced"
            yield Verdict(case, outcome, f"{what} is right ({result.status[i]})")


def check_contour(case: Case, *, full: bool) -> Verdicts:  # noqa: ARG001
    """Points of a contour in the parameter of interest and another one."""
    referee = Referee(case)
    names = some_parameters(referee, case, 4)[:2]
    if len(names) < 2:
        return
    try:
        result = nf.contour(referee.model, referee.data, names, levels=0.68, n_points=8)
    except nf.Error as error:
        yield refused(case, "contour", error)
        return
    contour = result[0]
    points = [dict(zip(names, point, strict=True)) for point in contour.points.tolist()]
    if not points:
        yield Verdict(case, "announced", f"no contour: {result.messages}")
        return
    for one in referees(case):
        heights = rises(one, points)
        low = [rises_as(contour.twice_delta_nll, float(rise)) for rise in heights]
        inside = heights <= contour.twice_delta_nll * (1 + TOLERANCE)
        good = np.where(np.array(contour.status) == "found", low, inside | ~np.isfinite(heights))
        if np.all(good):
            break
    for i, point in enumerate(points):
        what = f"contour at {point} ({contour.status[i]}): rise {heights[i]:.6g}"
        announced = result.new_minimum is not None
        yield Verdict(case, "agrees" if good[i] else "announced" if announced else "silent", what)


# --- ranking -------------------------------------------------------------------------------------


def check_ranking(case: Case, *, full: bool) -> Verdicts:  # noqa: ARG001
    """Impacts of refits against fits from many starts with the parameter held where it was."""
    referee = Referee(case)
    poi = "mu"
    others = [name for name in some_parameters(referee, case, 5) if name not in pois(referee)]
    if not others:
        return
    try:
        result = nf.ranking(referee.model, referee.data, poi=poi, parameters=others)
    except nf.Error as error:
        yield refused(case, "ranking", error)
        return
    said = {warning.kind for warning in result.warnings} - {"at_bound", "no_error"}
    for j, name in enumerate(result.parameters):
        parameter = referee.plain.parameters[name]
        sizes = {"postfit": result.errors[j], "prefit": result.prefit_errors[j]}
        for kind, size in sizes.items():
            for sign, side in ((1, "up"), (-1, "down")):
                impact = getattr(result, f"{kind}_{side}")[0, j]
                status = result.statuses[f"{kind}_{side}"][j]
                value = np.clip(result.values[j] + sign * size, parameter.lower, parameter.upper)
                if status in ("no_prefit_width", "fixed"):
                    continue
                what = f"{kind} impact {side} of {name}: {impact:.6g} ({status})"
                announced = bool(said) or not status.startswith("converged")
                yield judge(
                    case,
                    what,
                    announced,
                    lambda r, n=name, v=float(value), i=impact: _wrong_impact(r, result, n, v, i),
                )


def _wrong_impact(
    referee: Referee, result: nf.infer.RankingResult, name: str, value: float, impact: float
) -> str:
    column = referee.plain.index("mu")
    best, held = referee.minima([referee.observed, referee.hold({name: value})])
    tolerance = 1e-3
    centres = best.as_good(tolerance)[:, column]
    ends = held.as_good(tolerance)[:, column]
    right = np.array([end - centre for end in ends for centre in centres])
    allowed = 0.04 * max(np.nan_to_num(result.poi_errors[0]), 1e-3 * unit(referee, "mu"))
    if np.any(np.abs(right - impact) <= allowed) or right.min() <= impact <= right.max():
        return ""
    return f"should be {right[0]:.6g}"


# --- fits ----------------------------------------------------------------------------------------


def check_fit(case: Case, *, full: bool) -> Verdicts:  # noqa: ARG001
    """The fit from 20 starts against the referee's minimum by SciPy."""
    referee = Referee(case)
    result = nf.fit(referee.model, referee.data, starts=20)
    at = np.asarray(result.x)
    what = f"fit at {at.tolist()} ({result.status})"

    def wrong(other: Referee) -> str:
        height = _height(other, other.observed, at)
        lowest = min(
            other.minima([other.observed])[0].lowest, other.by_scipy(other.observed).lowest
        )
        found = 2 * result.value if hasattr(result, "value") else height
        if abs(found - height) > 1e-9 * max(1.0, abs(height)):
            return f"-2 log L is {height}, not {found}"
        return f"{height:.8g} is above {lowest:.8g}" if height > lowest + TOLERANCE else ""

    yield judge(case, what, not result.valid, wrong)


def _height(referee: Referee, problem: Problem, x: Array) -> float:
    return float(referee.plain.deviance(x, problem.counts, problem.observations))


CHECKS: dict[str, Callable[..., Verdicts]] = {
    "limits": check_limits,
    "hypotest": check_hypotest,
    "significance": check_significance,
    "intervals": check_intervals,
    "scan": check_scan,
    "contour": check_contour,
    "ranking": check_ranking,
    "fit": check_fit,
}
"""What is checked, by name: functions of a case and whether to try all statistics."""
