"""Templates of samples, nominal and varied by the constrained parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arrays import FloatArray, nearest
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.text import Page
from ...errors import ArgumentError, located
from ...spec import HistoSys, NormSys, StatError
from ...surgery import parameters_of
from ._selection import Patterns, select

if TYPE_CHECKING:
    from ...model import Model
    from ...spec import Channel, Sample


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Variation(Record):
    """Expected events of one sample in one channel, nominal and with one parameter varied.

    Arrays have shape (n_bins,), in events per bin.

    Examples
    --------
    >>> model = nf.build.correlated_background([12, 11], [50, 52], low=[45, 57], high=[55, 47])
    >>> variation = nf.templates(model).variations[0]
    >>> print(variation.nominal, variation.up, variation.down)
    [50. 52.] [55. 47.] [45. 57.]
    """

    channel: str
    sample: str
    parameter: str
    nominal: FloatArray
    nominal_errors: FloatArray
    """Statistical uncertainties of the simulation, from staterror; 0 where there is none."""
    up: FloatArray
    """With the parameter one width of its constraint term above its centre."""
    down: FloatArray
    """The same below."""
    axis: str
    """Observable; empty if the bins have no edges."""
    edges: FloatArray | None
    """Shape (n_bins + 1,), None if the bins have no edges."""

    @property
    def effects(self) -> tuple[float, float]:
        """Relative changes of the sum of all bins, up and down."""
        total = float(np.sum(self.nominal))
        up, down = (float(np.sum(varied)) / total - 1.0 for varied in (self.up, self.down))
        return up, down


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class TemplatesResult(Record, format="nablafit.TemplatesResult/1"):
    """Templates of samples and their systematic variations; frozen.

    Examples
    --------
    >>> model = nf.build.correlated_background([12, 11], [50, 52], low=[45, 57], high=[55, 47])
    >>> templates = nf.templates(model)
    >>> print(len(templates), templates.select(sample="background")[0].parameter)
    1 correlated_bkg_uncertainty
    """

    model: str
    """Name of the model."""
    variations: tuple[Variation, ...]
    """Channel by channel, sample by sample, in the order of the model."""

    def __len__(self) -> int:
        return len(self.variations)

    def select(
        self, channel: str | None = None, sample: str | None = None, parameter: str | None = None
    ) -> tuple[Variation, ...]:
        """Return the variations of a channel, a sample, a parameter; None stands for all.

        Raises
        ------
        ArgumentError
            If there is none; the message suggests a name.
        """
        found = self.variations
        for key, wanted in (("channel", channel), ("sample", sample), ("parameter", parameter)):
            if wanted is not None:
                names = list(dict.fromkeys(getattr(one, key) for one in found))
                found = tuple(one for one in found if getattr(one, key) == wanted)
                if not found:
                    message = f"there is no variation of {wanted!r}{nearest(wanted, names)}"
                    raise located(ArgumentError, message, key)
        return found

    def _columns(self) -> dict[str, Any]:
        columns: dict[str, Any] = {
            key: [getattr(one, key) for one in self.variations]
            for key in ("channel", "sample", "parameter")
        }
        effects = np.array([one.effects for one in self.variations]).reshape(-1, 2)
        return {**columns, "up": effects[:, 0], "down": effects[:, 1]}

    def _pages(self) -> tuple[Page, ...]:
        rows = [
            (one.channel, one.sample, one.parameter, *(f"{100 * e:+.2f} %" for e in one.effects))
            for one in self.variations
        ]
        title = [f"Variations of {self.model or 'the model'}: change of the yield"]
        return (Page(title, ("channel", "sample", "parameter", "up", "down"), rows, "lllrr"),)


@remembers_origin
def templates(
    model: Model,
    *,
    parameters: Patterns | None = None,
    channel: str | None = None,
    sample: str | None = None,
) -> TemplatesResult:
    """Return templates of samples, nominal and with constrained parameters varied by their width.

    Everything that a parameter does to a sample is in it: shape, normalisation and formulas. The
    other parameters have their initial values.

    Parameters
    ----------
    model : Model
        The model.
    parameters : str, re.Pattern or iterable of them, optional
        Constrained parameters to vary; patterns as in `pulls`. By default those of normalisation
        and shape systematics.
    channel, sample : str, optional
        Only these; all by default.

    Returns
    -------
    TemplatesResult
        One variation for every channel, sample and parameter that changes it.

    Raises
    ------
    ArgumentError
        For an unknown channel or sample, or a pattern that matches no constrained parameter.

    Examples
    --------
    >>> model = nf.build.correlated_background([12, 11], [50, 52], low=[45, 57], high=[55, 47])
    >>> for variation in nf.templates(model).variations:
    ...     print(variation.sample, variation.parameter, variation.up)
    background correlated_bkg_uncertainty [55. 47.]
    """
    chosen = None
    if parameters is not None:
        known = model.constrained_parameters
        chosen = {known[i] for i in select(known, parameters, "parameters")}
    result = TemplatesResult(
        model=model.spec.name,
        variations=tuple(_variations(model, chosen, channel, sample)),
    )
    if channel is not None or sample is not None:
        result.select(channel, sample)
    return result


def _variations(
    model: Model, chosen: set[str] | None, channel: str | None, sample: str | None
) -> Iterator[Variation]:
    centres, widths = model.prefit()
    x = np.where(np.isfinite(centres), centres, model.initial)
    nominal = model._core.expected_by_sample(x)
    varied: dict[str, tuple[FloatArray, FloatArray]] = {}
    for place, where, what in _rows(model):
        if channel not in (None, where.name) or sample not in (None, what.name):
            continue
        for name in _parameters(model, what, chosen):
            if name not in varied:
                i = model.parameters.index(name)
                step = np.zeros_like(x)
                step[i] = widths[i]
                up, down = (model._core.expected_by_sample(x + s * step) for s in (1.0, -1.0))
                varied[name] = up, down
            axis = where.axes[0] if len(where.axes) == 1 else None
            yield Variation(
                channel=where.name,
                sample=what.name,
                parameter=name,
                nominal=nominal[place],
                nominal_errors=_statistical(what),
                up=varied[name][0][place],
                down=varied[name][1][place],
                axis="" if axis is None else axis.name,
                edges=None if axis is None else np.array(axis.edges),
            )


def _rows(model: Model) -> Iterator[tuple[slice, Channel, Sample]]:
    """Yield every sample of every channel, and where its bins are in `expected_by_sample`."""
    first = 0
    for channel in model.spec.channels:
        for sample in channel.samples:
            yield slice(first, first + channel.n_bins), channel, sample
            first += channel.n_bins


def _parameters(model: Model, sample: Sample, chosen: set[str] | None) -> list[str]:
    """Return the parameters to vary that a sample has, without repetition."""
    names = [
        name
        for modifier in sample.modifiers
        if chosen is not None or isinstance(modifier, HistoSys | NormSys)
        for name in parameters_of(modifier)
    ]
    wanted = set(model.constrained_parameters) if chosen is None else chosen
    return [name for name in dict.fromkeys(names) if name in wanted]


def _statistical(sample: Sample) -> FloatArray:
    for modifier in sample.modifiers:
        if isinstance(modifier, StatError):
            return np.array(modifier.uncertainties, dtype=np.float64)
    return np.zeros(len(sample.nominal))
