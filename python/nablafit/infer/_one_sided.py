"""Systematic variations whose up and down templates lie on the same side of the nominal one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .._arrays import FloatArray
from ..spec import HistoSys, NormSys
from ._parameter_tables import ParameterWarning

if TYPE_CHECKING:
    from ..spec import Channel, ModelSpec, Sample

__all__ = ["one_sided_fractions", "one_sided_warnings"]

Variations: TypeAlias = tuple[FloatArray, FloatArray]

_MOST_CHANNELS = 3  # that are named


def one_sided_fractions(spec: ModelSpec) -> dict[str, dict[str, float]]:
    """Return how one-sided every interpolated parameter is, by parameter and channel.

    In a channel, u and d are the changes of the expected events of every bin, all samples together,
    at +1 and -1 with everything else nominal. The fraction is

        sum over bins with u d > 0 of min(|u|, |d|)  /  sum over all bins of max(|u|, |d|):

    0 if up and down are on opposite sides everywhere, or one of them is nominal; 1 if they are the
    same. Channels in which the parameter changes nothing are left out.

    Notes
    -----
    Norm factors, gammas and formulas are not applied: they scale up and down alike.
    """
    fractions: dict[str, dict[str, float]] = {}
    for channel in spec.channels:
        for name, (up, down) in _variations(channel).items():
            size = float(np.sum(np.maximum(np.abs(up), np.abs(down))))
            if size > 0.0:
                overlap = np.where(up * down > 0.0, np.minimum(np.abs(up), np.abs(down)), 0.0)
                fractions.setdefault(name, {})[channel.name] = float(np.sum(overlap)) / size
    return fractions


def one_sided_warnings(
    spec: ModelSpec, parameters: Sequence[str], threshold: float
) -> list[ParameterWarning]:
    """Return one warning for each parameter whose fraction exceeds the threshold somewhere."""
    fractions = one_sided_fractions(spec)
    warnings = []
    for name in parameters:
        found = {c: f for c, f in fractions.get(name, {}).items() if f > threshold}
        if not found:
            continue
        names = sorted(found, key=lambda channel: -found[channel])
        more = f" and {len(names) - _MOST_CHANNELS} more" if len(names) > _MOST_CHANNELS else ""
        where = ", ".join(f"{c} ({100 * found[c]:.0f} %)" for c in names[:_MOST_CHANNELS]) + more
        message = f"{name}: up and down variations are on the same side of nominal in {where}"
        value = max(found.values())
        warnings.append(
            ParameterWarning(kind="one_sided", parameter=name, value=value, message=message)
        )
    return warnings


def _variations(channel: Channel) -> dict[str, Variations]:
    """Return the changes at +1 and -1 of every interpolated parameter of a channel."""
    total: dict[str, Variations] = {}
    for sample in channel.samples:
        for name, (up, down) in _sample_variations(sample).items():
            before = total.get(name, (0.0, 0.0))
            total[name] = (before[0] + up, before[1] + down)
    return total


def _sample_variations(sample: Sample) -> dict[str, Variations]:
    nominal = sample.nominal
    added: dict[str, Variations] = {}
    factors: dict[str, tuple[float, float]] = {}
    for modifier in sample.modifiers:
        if isinstance(modifier, NormSys):
            high, low = factors.get(modifier.parameter, (1.0, 1.0))
            factors[modifier.parameter] = (high * modifier.high, low * modifier.low)
        elif isinstance(modifier, HistoSys):
            zero = np.zeros_like(nominal)
            up, down = added.get(modifier.parameter, (zero, zero))
            added[modifier.parameter] = (
                up + (modifier.high - nominal),
                down + (modifier.low - nominal),
            )
    result: dict[str, Variations] = {}
    for name in dict.fromkeys([*factors, *added]):
        high, low = factors.get(name, (1.0, 1.0))
        up, down = added.get(name, (np.zeros_like(nominal),) * 2)
        result[name] = ((nominal + up) * high - nominal, (nominal + down) * low - nominal)
    return result
