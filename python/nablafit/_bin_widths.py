"""Widths of the constraints of bins, made again where surgery took away samples that carried them.

A staterror's width is sqrt(sum of squared uncertainties) / sum of yields over the samples of its
channel; a shapesys has that of its one sample (pyhf's staterror.py and shapesys.py, HistFactory's
HistoToWorkspaceFactoryFast).
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import SpecError, located
from .spec import GaussianConstraint, PoissonConstraint, ShapeSys, StatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .spec import Channel, ModelSpec, Parameter

__all__ = ["with_remade_widths"]

#: relative deviation up to which a width counts as that of the samples' uncertainties
AGREEMENT = 1e-9
#: HistFactory's range of a gamma is [0, 1 + 5 widths]
WIDTHS_ABOVE = 5.0


@dataclass(frozen=True)
class _Carriers:
    """The samples whose uncertainties make one width, in one bin."""

    channel: str
    samples: tuple[str, ...]
    bin: int
    #: relative; 0 without yield or uncertainty, None where a sample's uncertainty is not known
    width: float | None


@dataclass(frozen=True)
class _Others:
    """What the bins that one setting fixes have in common."""

    has_free_empty_bin: bool
    largest_held: float | None
    smallest_free: float | None
    #: whether all bins with a width have HistFactory's range
    are_histfactory: bool

    @classmethod
    def of(cls, bins: Iterable[tuple[Parameter, float | None]]) -> _Others:
        everything = list(bins)
        real = [(p, width) for p, width in everything if width]
        return cls(
            any(width == 0.0 and not p.fixed for p, width in everything),
            max((width for p, width in real if p.fixed), default=None),
            min((width for p, width in real if not p.fixed), default=None),
            all(_is_histfactory(p, width) for p, width in real),
        )


@dataclass(frozen=True)
class _Source:
    """What one sample adds to the bins of one modifier."""

    channel: str
    sample: str
    nominal: Sequence[float]
    uncertainties: Sequence[float]


def _sources(channels: Iterable[Channel]) -> Iterable[tuple[tuple[str, ...], list[_Source]]]:
    """Yield the parameters of bins with the samples whose uncertainties add up."""
    for channel in channels:
        together: dict[tuple[str, ...], list[_Source]] = defaultdict(list)
        for sample in channel.samples:
            for m in sample.modifiers:
                if not isinstance(m, StatError | ShapeSys):
                    continue
                given = m.uncertainties.tolist()
                source = _Source(channel.name, sample.name, sample.nominal.tolist(), given)
                if isinstance(m, StatError):
                    together[m.parameters].append(source)
                else:
                    yield m.parameters, [source]
        yield from together.items()


def _carriers(spec: ModelSpec) -> dict[str, list[_Carriers]]:
    found: dict[str, list[_Carriers]] = defaultdict(list)
    for parameters, sources in _sources(spec.channels):
        samples = tuple(source.sample for source in sources)
        for b, name in enumerate(parameters):
            width = _width(sources, b)
            found[name].append(_Carriers(sources[0].channel, samples, b, width))
    return found


def _width(sources: Sequence[_Source], b: int) -> float | None:
    if not all(source.uncertainties for source in sources):
        return None
    total = sum(source.nominal[b] for source in sources)
    if total <= 0.0:
        return 0.0
    return math.sqrt(sum((source.uncertainties[b] / total) ** 2 for source in sources))


def _stated(parameter: Parameter) -> float | None:
    """Return the width that the constraint has; none without a width."""
    constraint = parameter.constraint
    if isinstance(constraint, GaussianConstraint):
        return constraint.sigma
    return constraint.tau**-0.5 if isinstance(constraint, PoissonConstraint) else None


def _is_empty(parameter: Parameter, width: float | None) -> bool:
    """Whether the parameter is what a bin without yield or uncertainty has: width 1, or no term.

    It is fixed, unless a measurement of pyhf releases it.
    """
    stated = _stated(parameter)
    return width == 0.0 and (stated == 1.0 or (stated is None and parameter.fixed))


def with_remade_widths(before: ModelSpec, after: ModelSpec) -> ModelSpec:
    """Return `after` with the widths of constraints whose samples are no longer those of `before`.

    Widths that do not follow from the uncertainties, such as `sigmas` of a measurement, stay.

    Raises
    ------
    SpecError
        If the uncertainties of the samples are not known, or no rule says what a bin becomes.
    """
    old, new = _carriers(before), _carriers(after)
    changed = {
        parameter.name: parameter
        for parameter in after.parameters
        if new.get(parameter.name) and not _same(old[parameter.name], new[parameter.name])
    }
    if not changed:
        return after
    everything = {parameter.name: parameter for parameter in before.parameters}
    sets: dict[str, list[str]] = defaultdict(list)
    for name in old:
        sets[_set_of(name, old)].append(name)
    rests: dict[str, _Others] = {}
    remade = dict(changed)
    for name, parameter in changed.items():
        first, left = old[name][0].width, new[name][0].width
        if first is None or left is None:
            raise located(SpecError, _unknown(old[name][0], new[name][0]), name)
        if left == first:
            continue
        key = _set_of(name, old)
        if key not in rests:
            rests[key] = _Others.of((everything[other], old[other][0].width) for other in sets[key])
        others = rests[key]
        if _follows(parameter, first):
            remade[name] = _remade(parameter, first, left, others)
        elif 0.0 in (first, left):
            remade[name] = parameter.replace(fixed=_is_held(parameter, first, left, others))
    return after.replace(parameters=tuple(remade.get(p.name, p) for p in after.parameters))


def _set_of(name: str, carriers: Mapping[str, Sequence[_Carriers]]) -> str:
    """Return what tells the bins that one setting fixes: pyhf's name, else the channel."""
    stem, bracket, _ = name.rpartition("[")
    return stem if bracket else f"{carriers[name][0].channel}[]"


def _same(old: Sequence[_Carriers], new: Sequence[_Carriers]) -> bool:
    """Whether the same samples decide on the width, the first channel's if several do."""
    first, left = old[0], new[0]
    return (first.channel, first.samples, first.bin) == (left.channel, left.samples, left.bin)


def _unknown(old: _Carriers, new: _Carriers) -> str:
    gone = ", ".join(name for name in old.samples if name not in new.samples) or old.channel
    return (
        f"its width in channel {new.channel} is that of the sum with {gone}; found no uncertainty "
        "of every sample, expected them to tell the width without it; remove the staterror as well"
    )


def _follows(parameter: Parameter, width: float) -> bool:
    stated = _stated(parameter)
    if _is_empty(parameter, width):
        return True
    return stated is not None and math.isclose(stated, width, rel_tol=AGREEMENT)


def _remade(parameter: Parameter, old: float, new: float, others: _Others) -> Parameter:
    if new == 0.0:
        held = _is_held(parameter, old, new, others)
        return _with_width(parameter, old, 1.0).replace(fixed=held)
    if _stated(parameter) is None:
        message = (
            f"has no constraint, and a width of {new:.6g} without the samples that go; no term "
            "says of which kind it would be; remove the staterror as well"
        )
        raise located(SpecError, message, parameter.name)
    return _with_width(parameter, old, new).replace(fixed=_is_held(parameter, old, new, others))


def _is_held(parameter: Parameter, old: float, new: float, others: _Others) -> bool:
    """Whether the bin is fixed: as before, except by empty bins or a threshold of widths."""
    if new == 0.0:
        return parameter.fixed or not others.has_free_empty_bin
    held, free = others.largest_held, others.smallest_free
    if old == 0.0:
        return parameter.fixed and held is not None and free is None
    if held is None or free is None or held >= free or not others.are_histfactory:
        return parameter.fixed
    if held < new < free:
        message = (
            f"its width becomes {new:.6g}, between the largest one of a constant bin and the "
            f"smallest of a free one, {held:.6g} and {free:.6g}; cannot tell whether "
            "that is above the threshold (RelErrorThreshold); remove the staterror as well"
        )
        raise located(SpecError, message, parameter.name)
    return new <= held


def _is_histfactory(parameter: Parameter, width: float) -> bool:
    upper = 1.0 + WIDTHS_ABOVE * width
    return parameter.lower == 0.0 and math.isclose(parameter.upper, upper, rel_tol=AGREEMENT)


def _with_width(parameter: Parameter, old: float, new: float) -> Parameter:
    """Return the parameter with another width of its constraint and of HistFactory's range."""
    constraint = parameter.constraint
    changes: dict[str, object] = {}
    if isinstance(constraint, GaussianConstraint):
        changes["constraint"] = constraint.replace(sigma=new)
    if isinstance(constraint, PoissonConstraint):
        if constraint.observed != constraint.tau:
            message = (
                f"found the auxiliary measurement {constraint.observed:g} of a constraint with tau "
                f"{constraint.tau:g}, expected tau itself, so that it can follow the samples; set "
                "it after the surgery"
            )
            raise located(SpecError, message, parameter.name)
        changes["constraint"] = PoissonConstraint(new**-2, new**-2)
    if _is_histfactory(parameter, old) and old > 0.0:
        upper = 1.0 + WIDTHS_ABOVE * new
        changes.update(upper=upper, initial=min(parameter.initial, upper))
    return parameter.replace(**changes)
