"""Systematic variations that move the expected events to the same side, up and down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...spec import HistoSys, NormSys
from .._parameter_tables import ParameterWarning

if TYPE_CHECKING:
    from ...model import Model

__all__ = ["one_sided_fractions", "one_sided_warnings"]

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
        for channel in model.spec.channels
        for sample in channel.samples
        for modifier in sample.modifiers
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
