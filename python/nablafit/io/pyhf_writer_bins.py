"""Factors of bins (staterror, shapesys, shapefactor) in pyhf's terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..spec import (
    Channel,
    GaussianConstraint,
    HistoSys,
    Parameter,
    PoissonConstraint,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
    Unconstrained,
    UniformConstraint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .._arrays import FloatArray

BinModifier = StatError | ShapeSys | ShapeFactor
AGREEMENT = 1e-13
#: of `fixed` in a measurement, the preferred one first
CHOICES = (None, False, True)


@dataclass(frozen=True)
class Use:
    """One sample that carries a factor."""

    channel: Channel
    sample: Sample
    modifier: BinModifier


@dataclass
class BinFactor:
    """Factors of bins with the same parameters: who carries them, and how to write them."""

    keys: tuple[str, ...]
    uses: list[Use] = field(default_factory=list)
    #: the first use by each sample, by the sample's `id`
    positions: dict[int, int] = field(default_factory=dict)
    name: str = ""
    type: str = ""
    #: uncertainties per use, in events; empty for a shapefactor
    uncertainties: list[FloatArray] = field(default_factory=list)
    #: tau of Poisson terms that get a channel of their own
    auxiliary: FloatArray | None = None
    #: settings `fixed` of a measurement that fix exactly the bins that are fixed; None for none
    allowed: frozenset[bool | None] = frozenset([None])
    #: sigmas or factors of the measurement, where the uncertainties do not give the terms
    stated: FloatArray | None = None
    #: a shapefactor of more bins that begins with these
    longer: BinFactor | None = None
    #: names of pulls by parameter, for a histosys per bin
    pulls: dict[str, str] = field(default_factory=dict)
    #: where the terms of `auxiliary` are
    auxiliary_channel: str = ""

    @property
    def fixed(self) -> bool | None:
        """The setting of the measurement; None where pyhf fixes the right bins by itself."""
        return next(choice for choice in CHOICES if choice in self.allowed)

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels in pyhf's order, that of their names."""
        return tuple(sorted({use.channel.name for use in self.uses}))

    @property
    def samples(self) -> frozenset[str]:
        """The names of the samples."""
        return frozenset(use.sample.name for use in self.uses)


class BinFactors:
    """Decides for every set of factors which modifier of pyhf is equivalent."""

    def __init__(self, channels: tuple[Channel, ...], parameters: Mapping[str, Parameter]) -> None:
        self._parameters = parameters
        self.problems: list[str] = []
        self.by_keys: dict[tuple[str, ...], BinFactor] = {}
        for channel in channels:
            for sample in channel.samples:
                for modifier in sample.modifiers:
                    if isinstance(modifier, StatError | ShapeSys | ShapeFactor):
                        factor = self.by_keys.setdefault(
                            modifier.parameters, BinFactor(modifier.parameters)
                        )
                        factor.positions.setdefault(id(sample), len(factor.uses))
                        factor.uses.append(Use(channel, sample, modifier))
        for factor in self.by_keys.values():
            self._decide(factor)
        self._check_sharing()

    def _check_sharing(self) -> None:
        """Find parameters that several sets share, which pyhf supports for shapefactors only."""
        owners: dict[str, BinFactor] = {}
        for factor in sorted(self.by_keys.values(), key=lambda f: -len(f.keys)):
            if len(set(factor.keys)) < len(factor.keys):
                self.problems.append(f"{factor.keys[0]} ...: one parameter in several bins")
            known = {id(owners[key]): owners[key] for key in factor.keys if key in owners}
            for other in known.values():
                is_start = other.keys[: len(factor.keys)] == factor.keys
                is_first = other.channels[0] <= factor.channels[0]
                free = {other.type, factor.type} == {"shapefactor"} and other.fixed == factor.fixed
                if not (is_start and is_first and free and factor.auxiliary is None):
                    self.problems.append(
                        f"{factor.keys[0]} ...: bins shared with another modifier, in channels "
                        f"{', '.join(sorted({*other.channels, *factor.channels}))}, as pyhf "
                        "cannot share them"
                    )
                    break
                factor.longer = other
            for key in factor.keys:
                owners.setdefault(key, factor)

    def _decide(self, factor: BinFactor) -> None:
        parameters = [self._parameters[key] for key in factor.keys]
        free = [p for p in parameters if not p.fixed]
        considered = free or parameters
        kinds = {type(p.constraint) for p in considered}
        if kinds <= {Unconstrained, UniformConstraint}:
            self._as_shape_factor(factor, parameters)
        elif kinds == {PoissonConstraint}:
            self._as_poisson(factor, parameters)
        elif kinds == {GaussianConstraint}:
            self._as_staterror(factor, parameters)
        else:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            self.problems.append(
                f"{factor.keys[0]} ...: bins with different kinds of constraint ({names})"
            )
            self._as_staterror(factor, parameters)

    def _as_shape_factor(self, factor: BinFactor, parameters: list[Parameter]) -> None:
        factor.type = "shapefactor"
        factor.allowed = _all_fixed([parameter.fixed for parameter in parameters])
        if factor.fixed and not any(isinstance(u.modifier, ShapeFactor) for u in factor.uses):
            self._as_staterror(factor, parameters)
        elif any(parameter.fixed for parameter in parameters) and not factor.fixed:
            fixed = ", ".join(p.name for p in parameters if p.fixed)
            self.problems.append(f"{fixed}: fixed while other bins of the factor are free")

    def _as_poisson(self, factor: BinFactor, parameters: list[Parameter]) -> None:
        """Write a shapesys if one sample has it, else a shapefactor and a channel for the terms."""
        is_shapesys = len(factor.uses) == 1 and isinstance(factor.uses[0].modifier, ShapeSys)
        if is_shapesys and self._as_in_pyhf(factor, parameters, "shapesys"):
            return
        taus = _taus(parameters)
        nominal = np.asarray(factor.uses[0].sample.nominal)
        can_scale = np.array([parameter.fixed for parameter in parameters]) | (nominal > 0.0)
        if len(factor.uses) == 1 and can_scale.all():
            factor.type = "shapesys"
            given = _given(factor.uses[0])
            natural = (nominal <= 0.0) | (given <= 0.0)
            free = self._free_bins(factor, parameters, natural)
            derived = np.where(free, nominal / np.sqrt(taus), 0.0)
            agrees = np.abs(given - derived) <= AGREEMENT * derived
            factor.uncertainties = [np.where(agrees, given, derived)]
            return
        if any(parameter.fixed for parameter in parameters):
            self.problems.append(
                f"{factor.keys[0]} ...: Poisson constraints shared by samples, in part fixed "
                "(written as Gaussian staterror)"
            )
            self._as_staterror(factor, parameters)
            return
        factor.type = "shapefactor"
        factor.auxiliary = taus

    def _as_staterror(self, factor: BinFactor, parameters: list[Parameter]) -> None:
        """Uncertainties that give the widths of the terms; 0 where a bin is fixed at 1."""
        if len(factor.channels) > 1:
            self._across_channels(factor, parameters)
            return
        are_staterrors = all(isinstance(use.modifier, StatError) for use in factor.uses)
        if are_staterrors and self._as_in_pyhf(factor, parameters, "staterror"):
            return
        factor.type = "staterror"
        totals = np.sum([np.asarray(use.sample.nominal) for use in factor.uses], axis=0)
        given = _shared_out(factor.uses)
        found = np.sqrt(np.sum([array**2 for array in given], axis=0))
        free = self._free_bins(factor, parameters, (totals <= 0.0) | (found <= 0.0))
        widths = np.where(free, [width_of(parameter) for parameter in parameters], 0.0)
        for parameter, total, width in zip(parameters, totals, widths, strict=True):
            if width > 0.0 and total <= 0.0:
                self.problems.append(f"{parameter.name}: constrained, but its samples are empty")
        wanted = widths * np.maximum(totals, 0.0)
        scale = np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0.0)
        scale[np.abs(scale - 1.0) < AGREEMENT] = 1.0
        factor.uncertainties = [scale * array for array in given]
        is_missing = (found == 0.0) & (wanted > 0.0)
        factor.uncertainties[0] = np.where(is_missing, wanted, factor.uncertainties[0])

    def _as_in_pyhf(self, factor: BinFactor, parameters: list[Parameter], kind: str) -> bool:
        """Keep the stated uncertainties, with what pyhf's measurements can say beside them.

        False if they are not stated, or bins are fixed in another way than one setting can tell.
        """
        kinds = {"staterror": GaussianConstraint, "shapesys": PoissonConstraint}
        if not all(isinstance(p.constraint, kinds[kind]) for p in parameters):
            return False
        given = [_stated(use) for use in factor.uses]
        if not all(array.size for array in given):
            return False
        total = np.sum([np.asarray(use.sample.nominal) for use in factor.uses], axis=0)
        size = np.sqrt(np.sum([array**2 for array in given], axis=0))
        is_empty = (total <= 0.0) | (size <= 0.0)
        relative = np.divide(size, total, out=np.ones_like(total), where=~is_empty)
        fixed = np.array([parameter.fixed for parameter in parameters])
        widths = np.array([width_of(parameter) for parameter in parameters])
        are_right = (np.array_equal(fixed, is_empty), not fixed.any(), fixed.all())
        if not any(are_right):
            return False
        factor.type, factor.uncertainties = kind, given
        factor.allowed = frozenset(c for c, is_so in zip(CHOICES, are_right, strict=True) if is_so)
        if np.any(np.abs(widths - relative) > AGREEMENT * relative):
            factor.stated = widths if kind == "staterror" else _taus(parameters)
        return True

    def _across_channels(self, factor: BinFactor, parameters: list[Parameter]) -> None:
        """Share Gaussian terms between channels, which no modifier of bins does in pyhf.

        A histosys of two symmetric variations in one bin is the same factor, 1 + width * pull,
        unless other variations of the bin are added to it.
        """
        factor.type = "histosys"
        without_width = [p for p in parameters if width_of(p) == 0.0]
        is_alone = all(_is_alone(use) for use in factor.uses)
        if is_alone and all(p.fixed and p.initial == 1.0 for p in without_width):
            factor.pulls = {p.name: f"{p.name}_pull" for p in parameters if width_of(p) > 0.0}
            return
        factor.type = "shapefactor"
        factor.allowed = _all_fixed([parameter.fixed for parameter in parameters])
        if not factor.fixed:
            self.problems.append(
                f"{factor.keys[0]} ...: Gaussian constraints shared by the channels "
                f"{', '.join(factor.channels)} (written without constraints)"
            )

    def _free_bins(
        self, factor: BinFactor, parameters: list[Parameter], natural: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return which bins keep their width; without one, pyhf fixes a bin by itself.

        If the bins that pyhf would not fix are all fixed, they keep it and the set is fixed.
        """
        fixed = np.array([parameter.fixed for parameter in parameters])
        others = ~(fixed & natural)
        factor.allowed = _all_fixed([bool(others.any() and fixed[others].all())])
        return others if factor.fixed else ~fixed


def _all_fixed(fixed: list[bool]) -> frozenset[bool | None]:
    return frozenset([True if all(fixed) else None])


def set_name(factor: BinFactor) -> str:
    """Return pyhf's name in parameters such as `stat[0]`, else that of the modifier."""
    stems = {key.rpartition("[")[0] for key in factor.keys if key.endswith("]")}
    if len(stems) == 1 and all(key.endswith("]") for key in factor.keys) and "" not in stems:
        return stems.pop()
    return factor.uses[0].modifier.name


def are_one_staterror(factors: list[BinFactor]) -> bool:
    """Whether pyhf reads these as one staterror, whose bins follow each other in its channels."""
    channels = [name for factor in factors for name in factor.channels]
    numbered = all(key.endswith("]") for factor in factors for key in factor.keys)
    return len(factors) == 1 or (
        numbered
        and {factor.type for factor in factors} == {"staterror"}
        and len(set(channels)) == len(channels)
        and len({factor.samples for factor in factors}) == 1
        and bool(frozenset.intersection(*(factor.allowed for factor in factors)))
    )


def _given(use: Use) -> FloatArray:
    """Uncertainties that the source states, zeros if it states none."""
    stated = _stated(use)
    return stated if stated.size else np.zeros(len(use.sample.nominal))


def _is_alone(use: Use) -> bool:
    """Whether nothing else varies the histogram of the sample, nor bins across channels."""
    others = [m for m in use.sample.modifiers if m is not use.modifier]
    return not any(isinstance(m, HistoSys | ShapeSys | StatError) for m in others)


def _shared_out(uses: list[Use]) -> list[FloatArray]:
    """Uncertainties of all samples; shares in proportion to the yields if none states any."""
    given = [_given(use) for use in uses]
    if any(array.any() for array in given):
        return given
    return [np.abs(np.asarray(use.sample.nominal)) for use in uses]


def _stated(use: Use) -> FloatArray:
    """Uncertainties that the source states; empty if it states none."""
    modifier = use.modifier
    return np.zeros(0) if isinstance(modifier, ShapeFactor) else np.asarray(modifier.uncertainties)


def _taus(parameters: list[Parameter]) -> FloatArray:
    return np.array([_tau(parameter) for parameter in parameters])


def _tau(parameter: Parameter) -> float:
    constraint = parameter.constraint
    return constraint.tau if isinstance(constraint, PoissonConstraint) else 1.0


def width_of(parameter: Parameter) -> float:
    """Return the relative uncertainty of a constraint term around 1."""
    constraint = parameter.constraint
    if isinstance(constraint, GaussianConstraint):
        return constraint.sigma
    return float(_tau(parameter) ** -0.5) if isinstance(constraint, PoissonConstraint) else 0.0
