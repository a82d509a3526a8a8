"""Operations on the templates of a model: smooth, symmetrise, prune by size, rebin.

All take a specification, of any format, and return a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .._arrays import name_tuple, nearest, real_number
from .._results.record import Record
from .._results.text import Page
from ..errors import ArgumentError, located
from ..spec import HistoSys, ModelSpec, NormSys
from ..surgery import with_channels
from ._templates import SMOOTHINGS, SYMMETRISATIONS, chosen, smoothed, symmetrised

if TYPE_CHECKING:
    from .._arrays import FloatArray
    from ..spec import Channel, Modifier, Sample

__all__ = ["TemplateChange", "TemplateChanges", "expect_spec", "prune", "smooth", "symmetrise"]

Patterns: TypeAlias = str | Iterable[str]

_HEADER = ("channel", "sample", "modifier", "type", "what was done", "normalisation", "shape")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TemplateChange(Record):
    """What was done to one modifier.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> _, changes = nf.build.symmetrise(spec, "mean")
    >>> change = changes.changes[0]
    >>> change.sample, change.modifier, change.action
    ('diboson', 'lepton_efficiency', 'symmetrised')
    """

    channel: str
    sample: str
    modifier: str
    type: str
    """"normsys" or "histosys", as before."""
    action: str
    normalisation: float
    """Largest relative deviation of the sum of the template from nominal, before."""
    shape: float
    """Largest relative deviation of a bin, at the sum of nominal, before; 0 for a normsys."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TemplateChanges(Record, format="nablafit.TemplateChanges/1"):
    """What an operation did to the templates of a model, modifier by modifier.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> _, changes = nf.build.symmetrise(spec, "mean")
    >>> changes.operation, changes.n_considered
    ('symmetrise (mean)', 184)
    """

    table_members = ("changes",)

    operation: str
    """Its name and options."""
    changes: tuple[TemplateChange, ...]
    n_considered: int
    """Number of modifiers that it looked at."""

    def __len__(self) -> int:
        return len(self.changes)

    def _pages(self) -> tuple[Page, ...]:
        rows = [
            (
                change.channel,
                change.sample,
                change.modifier,
                change.type,
                change.action,
                f"{100.0 * change.normalisation:.2g} %",
                f"{100.0 * change.shape:.2g} %",
            )
            for change in self.changes
        ]
        head = [f"{self.operation}: {len(rows)} of {self.n_considered} variations changed"]
        return (Page(head, _HEADER, rows, "lllllrr"),)


def expect_spec(spec: object) -> None:
    """Raise ArgumentError for anything but a ModelSpec."""
    if not isinstance(spec, ModelSpec):
        message = f"found {type(spec).__name__}, expected a ModelSpec, such as model.spec"
        raise located(ArgumentError, message, "spec")


# --- sizes of variations -------------------------------------------------------------------------


def _sizes(modifier: NormSys | HistoSys, nominal: FloatArray) -> tuple[float, float]:
    """Return the largest relative change of the sum, and of a bin at the sum of nominal."""
    if isinstance(modifier, NormSys):
        return max(abs(modifier.low - 1.0), abs(modifier.high - 1.0)), 0.0
    sizes = [_size(side, nominal) for side in (modifier.low, modifier.high)]
    return max(norm for norm, _ in sizes), max(shape for _, shape in sizes)


def _size(side: FloatArray, nominal: FloatArray) -> tuple[float, float]:
    total, varied = float(nominal.sum()), float(side.sum())
    if total <= 0.0 or varied <= 0.0:
        return (0.0, 0.0) if np.array_equal(side, nominal) else (np.inf, np.inf)
    at_same_sum = side * (total / varied)
    differs = ~np.isclose(at_same_sum, nominal, rtol=1e-12, atol=0.0)
    with np.errstate(divide="ignore"):
        relative = np.abs(at_same_sum - nominal)[differs] / np.abs(nominal[differs])
    return abs(varied / total - 1.0), float(relative.max(initial=0.0))


# --- walking through a model ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Selection:
    """Which variations an operation is for."""

    channels: tuple[str, ...]
    samples: tuple[str, ...]
    modifiers: tuple[str, ...]

    @classmethod
    def of(
        cls, spec: ModelSpec, channels: Patterns, samples: Patterns, modifiers: Patterns
    ) -> _Selection:
        """Check that every pattern matches something."""
        expect_spec(spec)
        found = [sample for channel in spec.channels for sample in channel.samples]
        names = {
            "channel": [channel.name for channel in spec.channels],
            "sample": [sample.name for sample in found],
            "variation": [
                modifier.name
                for sample in found
                for modifier in sample.modifiers
                if isinstance(modifier, NormSys | HistoSys)
            ],
        }
        chosen_names = []
        for (kind, known), patterns in zip(
            names.items(), (channels, samples, modifiers), strict=True
        ):
            listed = name_tuple(patterns, f"{kind}s")
            for pattern in listed:
                if pattern != "*" and not any(fnmatchcase(name, pattern) for name in known):
                    hint = nearest(pattern, list(dict.fromkeys(known)))
                    raise located(ArgumentError, f"no such {kind}{hint}", pattern)
            chosen_names.append(listed)
        return cls(*chosen_names)

    def has_channel(self, channel: Channel) -> bool:
        """Whether a channel is meant."""
        return _matches(channel.name, self.channels)

    def has(self, channel: Channel, sample: Sample, modifier: Modifier) -> bool:
        """Whether a variation is meant."""
        is_here = self.has_channel(channel) and _matches(sample.name, self.samples)
        return is_here and _matches(modifier.name, self.modifiers)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


Act: TypeAlias = Callable[["Sample", NormSys | HistoSys], "tuple[Sequence[Modifier], str | None]"]


def _apply(
    spec: ModelSpec, selection: _Selection, operation: str, act: Act
) -> tuple[ModelSpec, TemplateChanges]:
    """Let `act` replace every selected variation; it returns what was done, or None for nothing."""
    changes: list[TemplateChange] = []
    n_considered = 0

    def changed_sample(channel: Channel, sample: Sample) -> Sample:
        nonlocal n_considered
        kept: list[Modifier] = []
        for modifier in sample.modifiers:
            if not (
                isinstance(modifier, NormSys | HistoSys)
                and selection.has(channel, sample, modifier)
            ):
                kept.append(modifier)
                continue
            n_considered += 1
            replacement, action = act(sample, modifier)
            kept += replacement
            if action is not None:
                norm, shape = _sizes(modifier, np.asarray(sample.nominal))
                changes.append(
                    TemplateChange(
                        channel=channel.name,
                        sample=sample.name,
                        modifier=modifier.name,
                        type=modifier.type,
                        action=action,
                        normalisation=norm,
                        shape=shape,
                    )
                )
        return sample.replace(modifiers=kept)

    channels = [
        channel.replace(samples=[changed_sample(channel, sample) for sample in channel.samples])
        for channel in spec.channels
    ]
    found = TemplateChanges(operation=operation, changes=tuple(changes), n_considered=n_considered)
    return (with_channels(spec, channels) if changes else spec), found


# --- operations ----------------------------------------------------------------------------------


def smooth(
    spec: ModelSpec,
    method: str = "353QH twice",
    *,
    channels: Patterns = "*",
    samples: Patterns = "*",
    modifiers: Patterns = "*",
) -> tuple[ModelSpec, TemplateChanges]:
    """Smooth the ratio of histosys variations to nominal; the sum of every variation stays.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    method : {"353QH twice", "gaussian"}
        "353QH twice": running medians of 3, 5 and 3 bins, parabolas over flat tops, running means
        (1/4, 1/2, 1/4), and once more for the residuals (J. Friedman, Proceedings of the 1974 CERN
        School of Computing, CERN 74-23), as TH1::Smooth of ROOT has it. "gaussian": the mean over
        all bins, weighted by nominal yield and a Gaussian of the distance whose sigma is one bin.
    channels, samples, modifiers : str or iterable of str
        Which variations; patterns with `*` and `?`.

    Returns
    -------
    ModelSpec, TemplateChanges
        Bins without nominal yield, and channels with fewer than three others, stay as they are.

    Raises
    ------
    ArgumentError
        For an unknown method, a pattern that matches nothing, or a channel with several axes.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> smoothed, changes = nf.build.smooth(spec, "353QH twice", modifiers="jet_*")
    >>> changes.changes[0].modifier
    'jet_energy_scale'
    """
    chosen(method, SMOOTHINGS, "method")
    selection = _Selection.of(spec, channels, samples, modifiers)
    for channel in spec.channels:
        if len(channel.axes) > 1 and selection.has_channel(channel):
            message = f"found {len(channel.axes)} axes, expected one; leave the channel out"
            raise located(ArgumentError, message, f"channel {channel.name!r}")

    def act(sample: Sample, modifier: NormSys | HistoSys) -> tuple[Sequence[Modifier], str | None]:
        if isinstance(modifier, NormSys):
            return [modifier], None
        sides = [smoothed(sample.nominal, side, method) for side in (modifier.low, modifier.high)]
        made = modifier.replace(low=sides[0], high=sides[1])
        return [made], None if made == modifier else "smoothed"

    return _apply(spec, selection, f"smooth ({method})", act)


def symmetrise(
    spec: ModelSpec,
    method: str,
    *,
    channels: Patterns = "*",
    samples: Patterns = "*",
    modifiers: Patterns = "*",
) -> tuple[ModelSpec, TemplateChanges]:
    """Make variations deviate from nominal alike on both sides.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    method : {"one-sided", "mean", "absolute mean", "maximum"}
        How the deviation d of nominal - d and nominal + d comes from u = high - nominal and l =
        nominal - low, bin by bin. "one-sided": where one side equals nominal everywhere, the other
        one is mirrored, and two-sided variations stay; "mean": d = (u + l) / 2; "absolute mean":
        d = (abs(u) + abs(l)) / 2 and "maximum": d = max(abs(u), abs(l)), both with the sign of u,
        so that bins keep their relative signs. Factors of a normsys are one bin with nominal 1.
    channels, samples, modifiers : str or iterable of str
        Which variations; patterns with `*` and `?`.

    Returns
    -------
    ModelSpec, TemplateChanges
        A normsys whose mirrored side would be negative stays as it is; yields are not clipped.

    Notes
    -----
    TRExFitter calls them ONESIDED, TWOSIDED, ABSMEAN and MAXIMUM. There, yields are clipped at 0,
    d of ABSMEAN is always positive, and that of MAXIMUM has the sign of the larger variation.

    Raises
    ------
    ArgumentError
        For an unknown method or a pattern that matches nothing.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> symmetric, changes = nf.build.symmetrise(spec, "mean", modifiers="jet_*")
    >>> len(changes.changes)
    92
    """
    chosen(method, SYMMETRISATIONS, "method")
    selection = _Selection.of(spec, channels, samples, modifiers)

    def act(sample: Sample, modifier: NormSys | HistoSys) -> tuple[Sequence[Modifier], str | None]:
        is_factor = isinstance(modifier, NormSys)
        nominal = np.ones(1) if is_factor else np.asarray(sample.nominal)
        sides = [np.atleast_1d(side) for side in (modifier.low, modifier.high)]
        given: list[FloatArray | None] = list(sides)
        if method == "one-sided":
            given = [None if np.array_equal(side, nominal) else side for side in sides]
            if (given[0] is None) == (given[1] is None):
                return [modifier], None
        low, high = symmetrised(nominal, given[0], given[1], method)
        if isinstance(modifier, NormSys):
            if low[0] < 0.0 or high[0] < 0.0:
                return [modifier], None
            made: NormSys | HistoSys = modifier.replace(low=float(low[0]), high=float(high[0]))
        else:
            made = modifier.replace(low=low, high=high)
        return [made], None if made == modifier else "symmetrised"

    return _apply(spec, selection, f"symmetrise ({method})", act)


def prune(
    spec: ModelSpec,
    *,
    normalisation: float | None = None,
    shape: float | None = None,
    channels: Patterns = "*",
    samples: Patterns = "*",
    modifiers: Patterns = "*",
) -> tuple[ModelSpec, TemplateChanges]:
    """Remove variations that are small, normalisation and shape apart, and unused parameters.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    normalisation : float, optional
        Relative change of the sum below which it goes, on both sides, e.g. 0.005.
    shape : float, optional
        Relative change below which the shape goes, on both sides: in every bin, after scaling the
        variation to the sum of nominal.
    channels, samples, modifiers : str or iterable of str
        Which variations; patterns with `*` and `?`.

    Returns
    -------
    ModelSpec, TemplateChanges
        A normsys has a normalisation only. A histosys loses the part that is small: what is left is
        its shape at the sum of nominal, or a normsys of the same parameter; where both are small,
        it is removed. TRExFitter's SystPruningNorm and SystPruningShape do the same.

    Raises
    ------
    ArgumentError
        Without a threshold, for a negative one, or a pattern that matches nothing.

    Examples
    --------
    >>> spec = nf.Workspace.load("workspace.json").spec()
    >>> pruned, changes = nf.build.prune(spec, normalisation=0.01, shape=0.01)
    >>> print(f"{len(changes.changes)} of {changes.n_considered} variations changed")
    80 of 184 variations changed
    """
    thresholds = {"normalisation": normalisation, "shape": shape}
    given = {key: value for key, value in thresholds.items() if value is not None}
    if not given:
        raise located(ArgumentError, "give normalisation, shape or both", "prune")
    for key, value in given.items():
        if not real_number(value, key) >= 0.0:
            message = f"found {value}, expected a relative change of at least 0"
            raise located(ArgumentError, message, key)
    selection = _Selection.of(spec, channels, samples, modifiers)

    def act(sample: Sample, modifier: NormSys | HistoSys) -> tuple[Sequence[Modifier], str | None]:
        norm_size, shape_size = _sizes(modifier, np.asarray(sample.nominal))
        is_small_norm = normalisation is not None and norm_size < normalisation
        is_small_shape = shape is not None and shape_size < shape
        if isinstance(modifier, NormSys):
            return ([], "removed") if is_small_norm else ([modifier], None)
        if is_small_norm and is_small_shape:
            return [], "removed"
        if is_small_norm and norm_size > 0.0:
            total = sample.nominal.sum()
            low, high = (side * (total / side.sum()) for side in (modifier.low, modifier.high))
            return [modifier.replace(low=low, high=high)], "normalisation removed"
        if is_small_shape:
            return _without_shape(sample, modifier)
        return [modifier], None

    options = ", ".join(f"{key} < {value:g}" for key, value in given.items())
    return _apply(spec, selection, f"prune ({options})", act)


def _without_shape(sample: Sample, modifier: HistoSys) -> tuple[Sequence[Modifier], str | None]:
    """Return the normsys that is left; a second one of the same name is not possible."""
    total = float(sample.nominal.sum())
    low, high = (float(side.sum()) / total for side in (modifier.low, modifier.high))
    if low == high == 1.0:
        return [], "removed"
    if any(isinstance(m, NormSys) and m.name == modifier.name for m in sample.modifiers):
        if max(abs(low - 1.0), abs(high - 1.0)) < 1e-12:
            return [], "removed"
        shape_free = [np.asarray(sample.nominal) * factor for factor in (low, high)]
        return [modifier.replace(low=shape_free[0], high=shape_free[1])], "shape removed"
    return [NormSys(modifier.name, modifier.parameter, low, high)], "shape removed"
