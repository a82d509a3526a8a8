"""Merging bins of a channel, in a model and in its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arrays import FloatArray, float_array, nearest
from ..errors import ArgumentError, SpecError, located
from ..spec import (
    Axis,
    ChannelCounts,
    FormulaFactor,
    GaussianConstraint,
    HistoSys,
    Observations,
    PoissonConstraint,
    ShapeFactor,
    ShapeSys,
    StatError,
    validate,
)
from ._histograms import EDGE_TOLERANCE
from ._operations import expect_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from ..spec import Channel, ModelSpec, Modifier, Parameter, Sample

__all__ = ["rebin", "rebin_observations"]

WIDTH_AGREEMENT = 1e-6


def rebin(spec: ModelSpec, channel: str, edges: ArrayLike) -> ModelSpec:
    """Merge bins of one channel.

    Yields and variations add up, uncertainties of samples add up in quadrature. A new bin has one
    gamma of each stat error, shapesys and shapefactor, under the first names of the old ones; its
    width follows from the merged uncertainties.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    channel : str
        Name of the channel; it has one axis, or none, whose bins are then counted: edges 0, 1, 2...
    edges : array_like, shape (n_new_bins + 1,)
        New edges, all of them among the old ones; the first and the last stay.

    Returns
    -------
    ModelSpec
        The model with fewer bins; `rebin_observations` does the same to data.

    Raises
    ------
    ArgumentError
        If the channel is unknown, or the edges are not among the old ones.
    SpecError
        If bins cannot be merged: their parameters are used in other channels, a formula has numbers
        per bin, or the width of a constraint does not follow from the uncertainties of the samples.

    Examples
    --------
    >>> builder = nf.build.ModelBuilder("search", poi="mu")
    >>> region = builder.channel("SR", observed=[48, 33], edges=[0, 50, 100])
    >>> _ = region.sample("signal", [1.5, 4.0]).norm_factor("mu", bounds=(0, 20))
    >>> background = region.sample("background", [50.0, 30.0], uncertainties=[2.0, 1.5])
    >>> _ = background.norm_sys("xsec", 0.95, 1.05).histo_sys("jes", [49.0, 31.0], [51.0, 28.0])
    >>> spec = builder.build()
    >>> nf.build.rebin(spec, "SR", [0, 100]).channels[0].samples[1].nominal
    array([80.])
    """
    found = _channel(spec, channel)
    starts = _starts(found, edges)
    merging = _Merging(spec, found, starts)
    samples = [merging.sample(sample) for sample in found.samples]
    axes = found.axes
    if axes:
        old = np.asarray(axes[0].edges)
        axes = (Axis(axes[0].name, [*old[starts], old[-1]]),)
    merged = found.replace(samples=samples, axes=axes)
    channels = [merged if c.name == channel else c for c in spec.channels]
    points = [
        point.replace(values=[v for v in point.values if v.parameter not in merging.gone])
        for point in spec.parameter_points
    ]
    parameters = merging.parameters(merged)
    result = spec.replace(channels=channels, parameters=parameters, parameter_points=points)
    validate(result)
    return result


def rebin_observations(
    observations: Observations, spec: ModelSpec, channel: str, edges: ArrayLike
) -> Observations:
    """Merge the observed events of one channel.

    Parameters
    ----------
    observations : Observations
        The data.
    spec : ModelSpec
        The model before `rebin`.
    channel : str
        Name of the channel.
    edges : array_like, shape (n_new_bins + 1,)
        As for `rebin`.

    Raises
    ------
    ArgumentError
        If the channel is unknown, or the edges are not among the old ones.
    SpecError
        If global observables of bins that merge are stated.

    Examples
    --------
    >>> builder = nf.build.ModelBuilder("search", poi="mu")
    >>> region = builder.channel("SR", observed=[48, 33], edges=[0, 50, 100])
    >>> _ = region.sample("signal", [1.5, 4.0]).norm_factor("mu", bounds=(0, 20))
    >>> background = region.sample("background", [50.0, 30.0], uncertainties=[2.0, 1.5])
    >>> _ = background.norm_sys("xsec", 0.95, 1.05).histo_sys("jes", [49.0, 31.0], [51.0, 28.0])
    >>> spec = builder.build()
    >>> merged = nf.build.rebin_observations(builder.observations(), spec, "SR", [0, 100])
    >>> merged.channels[0].counts
    array([81.])
    """
    if not isinstance(observations, Observations):
        message = f"found {type(observations).__name__}, expected Observations"
        raise located(ArgumentError, message, "observations")
    found = _channel(spec, channel)
    starts = _starts(found, edges)
    gammas = _gammas(found)
    for observed in observations.global_observables:
        if observed.parameter in gammas:
            message = "found a global observable of a bin that merges; leave it out of the data"
            raise located(SpecError, message, observed.parameter)
    counts = tuple(
        ChannelCounts(entry.channel, _summed(entry.counts, starts))
        if entry.channel == channel
        else entry
        for entry in observations.channels
    )
    return observations.replace(channels=counts)


def _channel(spec: ModelSpec, name: str) -> Channel:
    expect_spec(spec)
    channels = {channel.name: channel for channel in spec.channels}
    if str(name) not in channels:
        raise located(ArgumentError, f"no such channel{nearest(str(name), [*channels])}", str(name))
    return channels[name]


def _starts(channel: Channel, edges: ArrayLike) -> NDArray[np.intp]:
    """Return the first old bin of every new one."""
    place = f"channel {channel.name!r}, edges"
    if len(channel.axes) > 1:
        message = f"found {len(channel.axes)} axes, expected one"
        raise located(ArgumentError, message, place)
    old = np.asarray(channel.axes[0].edges) if channel.axes else np.arange(channel.n_bins + 1.0)
    new = float_array(edges, place)
    if new.ndim != 1 or new.size < 2 or not np.all(np.diff(new) > 0.0):
        message = f"found {np.array2string(new, threshold=8)}, expected numbers that ascend"
        raise located(ArgumentError, message, place)
    tolerance = EDGE_TOLERANCE * np.diff(old).min()
    positions = np.abs(old[:, np.newaxis] - new).argmin(axis=0)
    differs = np.abs(old[positions] - new) > tolerance
    if differs.any() or positions[0] != 0 or positions[-1] != old.size - 1:
        wrong = new[differs][0] if differs.any() else new[0 if positions[0] != 0 else -1]
        message = (
            f"found {wrong:g}, expected some of {np.array2string(old, threshold=12)}, with the "
            "first and the last"
        )
        raise located(ArgumentError, message, place)
    return np.asarray(positions[:-1], dtype=np.intp)


def _summed(values: ArrayLike, starts: NDArray[np.intp]) -> FloatArray:
    return np.add.reduceat(np.asarray(values, dtype=np.float64), starts)


def _in_quadrature(values: FloatArray, starts: NDArray[np.intp]) -> FloatArray:
    return np.sqrt(_summed(np.square(values), starts))


def _bin_parameters(sample: Sample) -> list[tuple[str, ...]]:
    return [
        modifier.parameters
        for modifier in sample.modifiers
        if isinstance(modifier, StatError | ShapeSys | ShapeFactor)
    ]


def _gammas(channel: Channel) -> set[str]:
    return {
        name for sample in channel.samples for names in _bin_parameters(sample) for name in names
    }


class _Merging:
    """Merges the bins of one channel of a model."""

    def __init__(self, spec: ModelSpec, channel: Channel, starts: NDArray[np.intp]) -> None:
        self._spec = spec
        self._channel = channel
        self._starts = starts
        self._place = f"channel {channel.name!r}"
        self._old = {parameter.name: parameter for parameter in spec.parameters}
        mine = _gammas(channel)
        shared = {
            name for other in spec.channels if other.name != channel.name for name in _gammas(other)
        } & mine
        if shared:
            message = f"the parameter {min(shared)} of a bin is used in other channels too"
            raise located(SpecError, message, self._place)
        kept = {
            name
            for sample in channel.samples
            for names in _bin_parameters(sample)
            for name in names[: len(starts)]
        }
        self.gone = mine - kept

    def sample(self, sample: Sample) -> Sample:
        """Return a sample with merged bins."""
        return sample.replace(
            nominal=_summed(sample.nominal, self._starts),
            uncertainties=_in_quadrature(sample.uncertainties, self._starts)
            if len(sample.uncertainties)
            else (),
            modifiers=[self._modifier(sample, modifier) for modifier in sample.modifiers],
        )

    def _modifier(self, sample: Sample, modifier: Modifier) -> Modifier:
        starts = self._starts
        if isinstance(modifier, HistoSys):
            low, high = (_summed(side, starts) for side in (modifier.low, modifier.high))
            return modifier.replace(low=low, high=high)
        if isinstance(modifier, FormulaFactor):
            if modifier.variables or len(modifier.weights):
                place = f"{self._place}, sample {sample.name!r}, formula {modifier.name!r}"
                raise located(SpecError, "found numbers per bin, which cannot be merged", place)
            return modifier
        if isinstance(modifier, ShapeFactor):
            return modifier.replace(parameters=modifier.parameters[: len(starts)])
        if isinstance(modifier, StatError | ShapeSys):
            merged = modifier.uncertainties
            if len(merged):
                merged = _in_quadrature(np.asarray(merged), starts)
            names = modifier.parameters[: len(starts)]
            return modifier.replace(parameters=names, uncertainties=merged)
        return modifier

    def parameters(self, merged: Channel) -> list[Parameter]:
        """Return all parameters, those of merged bins with their new widths."""
        before, after = self._widths(self._channel), self._widths(merged)
        ends = [*self._starts[1:].tolist(), self._channel.n_bins]
        made: dict[str, Parameter] = {}
        for sets in before:
            for name, width in zip(sets, before[sets], strict=True):
                self._check(self._old[name], width)
            for b, (start, end) in enumerate(zip(self._starts.tolist(), ends, strict=True)):
                old = [self._old[name] for name in sets[start:end]]
                new = after[sets[: len(self._starts)]][b]
                made[sets[b]] = _with_width(self._old[sets[b]], old, new)
        return [made.get(p.name, p) for p in self._spec.parameters if p.name not in self.gone]

    def _widths(self, channel: Channel) -> dict[tuple[str, ...], Sequence[float]]:
        """Return the relative uncertainties of the bins, by the parameters of a modifier."""
        totals: dict[tuple[str, ...], FloatArray] = {}
        squares: dict[tuple[str, ...], FloatArray] = {}
        for sample in channel.samples:
            for modifier in sample.modifiers:
                if not isinstance(modifier, StatError | ShapeSys):
                    continue
                if not len(modifier.uncertainties):
                    place = f"{self._place}, sample {sample.name!r}, {modifier.name!r}"
                    message = "its uncertainty per bin is not known, so that bins cannot be merged"
                    raise located(SpecError, message, place)
                key = modifier.parameters
                totals[key] = totals.get(key, 0.0) + np.asarray(sample.nominal)
                squares[key] = squares.get(key, 0.0) + np.square(modifier.uncertainties)
        return {
            key: (np.sqrt(squares[key]) / np.where(total > 0.0, total, np.inf)).tolist()
            for key, total in totals.items()
        }

    def _check(self, parameter: Parameter, width: float) -> None:
        """Raise SpecError where a width does not follow from the uncertainties."""
        constraint = parameter.constraint
        stated = width
        if isinstance(constraint, GaussianConstraint):
            stated = constraint.sigma
        elif isinstance(constraint, PoissonConstraint):
            stated = constraint.tau**-0.5
        if width > 0.0 and not np.isclose(stated, width, rtol=WIDTH_AGREEMENT, atol=0.0):
            message = (
                f"found a constraint of the width {stated:g}, expected {width:g} from the "
                "uncertainties of the samples, to know that of merged bins"
            )
            raise located(SpecError, message, parameter.name)


def _with_width(first: Parameter, merged: list[Parameter], width: float) -> Parameter:
    """Return the gamma of a new bin: fixed if all that merge into it are, or without width."""
    is_fixed = all(parameter.fixed for parameter in merged) or width <= 0.0
    used = width if width > 0.0 else 1.0
    free = next((parameter for parameter in merged if not parameter.fixed), first)
    constraint = free.constraint
    if isinstance(constraint, GaussianConstraint):
        constraint = constraint.replace(sigma=used)
    elif isinstance(constraint, PoissonConstraint):
        constraint = PoissonConstraint(used**-2, used**-2)
    return free.replace(name=first.name, fixed=is_fixed, constraint=constraint)
