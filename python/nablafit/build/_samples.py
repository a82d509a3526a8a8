"""Samples of a builder and the bins that they share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import real_number
from ..errors import ArgumentError, SpecError, located
from ..spec import (
    Axis,
    FormulaFactor,
    HistoSys,
    Interpolation,
    Lumi,
    NormFactor,
    NormSys,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
)
from ._histograms import not_negative, read_histogram, same_binning
from ._parameters import bin_names, free_factor, gamma_of_bin, systematic
from ._templates import SMOOTHINGS, SYMMETRISATIONS, chosen, smoothed, symmetrised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._arrays import FloatArray
    from ..spec import Modifier
    from ._histograms import Binning, Histogram, HistogramLike
    from ._parameters import Parameters

__all__ = ["BIN_CONSTRAINTS", "LUMI", "Bins", "SampleBuilder"]

LUMI = "lumi"
BIN_CONSTRAINTS = ("gaussian", "poisson")
CODES = {
    "code0": Interpolation.piecewise_linear,
    "code1": Interpolation.piecewise_exponential,
    "code2": Interpolation.quadratic_linear,
    "code4": Interpolation.polynomial_exponential,
    "code4p": Interpolation.polynomial_linear,
}


def _interpolation(
    code: str | Interpolation | None, default: Interpolation, place: str
) -> Interpolation:
    if code is None:
        return default
    if isinstance(code, Interpolation):
        return code
    return CODES[chosen(code, tuple(CODES), f"{place}, interpolation")]


class Bins:
    """The bins of a channel, which its first histogram sets, and what all its samples share."""

    def __init__(self, channel: str, parameters: Parameters) -> None:
        self.channel = channel
        self.parameters = parameters
        self.place = f"channel {channel!r}"
        self._size: int | None = None
        self._binning: Binning | None = None
        self._first = ""

    def read(self, source: HistogramLike, place: str) -> Histogram:
        """Return a histogram that has the bins of the channel; the first one sets them."""
        read = read_histogram(source, place)
        if read.binning is not None:
            self.set_binning(read.binning, place)
        if self._size is None:
            self._size, self._first = read.values.size, place
        if read.values.size != self._size:
            message = f"found {read.values.size} bins, expected {self._size} as in {self._first}"
            raise located(SpecError, message, place)
        return read

    def set_binning(self, binning: Binning, place: str) -> None:
        """Take the edges, or refuse those that differ from what is known."""
        if self._binning is not None:
            if not same_binning(binning, self._binning):
                found, expected = (
                    " and ".join(np.array2string(e, threshold=8, separator=", ") for e in b.edges)
                    for b in (binning, self._binning)
                )
                message = f"found the edges {found}, expected {expected} as in {self._first}"
                raise located(SpecError, message, place)
            return
        n_bins = math.prod(edges.size - 1 for edges in binning.edges)
        if self._size is not None and n_bins != self._size:
            message = f"found {n_bins} bins, expected {self._size} as in {self._first}"
            raise located(SpecError, message, place)
        self._binning, self._size, self._first = binning, n_bins, place

    def expect_one_axis(self, place: str) -> None:
        """Raise ArgumentError for several axes."""
        if self._binning is not None and len(self._binning.edges) > 1:
            message = f"found {len(self._binning.edges)} axes, expected one"
            raise located(ArgumentError, message, place)

    def axes(self) -> tuple[Axis, ...]:
        """Return the axes; none if no histogram brought any."""
        if self._binning is None:
            return ()
        letters = "xyzuvw"
        return tuple(
            Axis(name or f"obs_{letters[i] if i < len(letters) else i}_{self.channel}", edges)
            for i, (name, edges) in enumerate(
                zip(self._binning.names, self._binning.edges, strict=True)
            )
        )


class SampleBuilder:
    """One sample of a channel: every method adds a modifier and returns the sample.

    Made by `ChannelBuilder.sample`. Modifiers make the parameters they need, with pyhf's names,
    initial values and bounds; equal names mean the same parameter, in all channels. Variations and
    uncertainties are yields in events, as arrays or as histograms with the channel's edges.

    Raises
    ------
    SpecError
        If numbers do not match the bins, or a name has another meaning already. The message begins
        with channel, sample and modifier.
    ArgumentError
        If something is not of the kind that is expected.

    Examples
    --------
    >>> builder = nf.build.ModelBuilder("search", poi="mu")
    >>> region = builder.channel("SR", observed=[48, 33], edges=[0, 50, 100])
    >>> _ = region.sample("signal", [1.5, 4.0]).norm_factor("mu", bounds=(0, 20))
    >>> background = region.sample("background", [50.0, 30.0], uncertainties=[2.0, 1.5])
    >>> _ = background.norm_sys("xsec", 0.95, 1.05).histo_sys("jes", [49.0, 31.0], [51.0, 28.0])
    >>> background.name, background.nominal
    ('background', array([50., 30.]))
    >>> background.shape_factor("shape").name
    'background'
    """

    def __init__(
        self,
        bins: Bins,
        name: str,
        histogram: Histogram,
        uncertainties: FloatArray | None,
        floors: Mapping[str, float | None],
    ) -> None:
        self._bins = bins
        self._parameters = bins.parameters
        self._name = name
        self._nominal = histogram.values
        self._uncertainties = uncertainties
        self._floors = floors
        self._modifiers: list[Modifier] = []

    def __repr__(self) -> str:
        return f"<SampleBuilder {self._name!r}: {len(self._modifiers)} modifiers>"

    @property
    def name(self) -> str:
        """Name of the sample."""
        return self._name

    @property
    def nominal(self) -> FloatArray:
        """Expected events per bin before modifiers, shape (n_bins,)."""
        return self._nominal.copy()

    @property
    def stat_errors(self) -> tuple[StatError, ...]:
        """Its modifiers of this kind."""
        return tuple(m for m in self._modifiers if isinstance(m, StatError))

    def _place(self, kind: str, name: str) -> str:
        return f"{self._bins.place}, sample {self._name!r}, {kind} {name!r}"

    def _add(self, modifier: Modifier, place: str) -> SampleBuilder:
        if any((m.type, m.name) == (modifier.type, modifier.name) for m in self._modifiers):
            raise located(SpecError, "found twice on one sample, expected once; rename one", place)
        self._modifiers.append(modifier)
        return self

    def _yields(self, source: HistogramLike, place: str) -> FloatArray:
        return self._bins.read(source, place).values

    def norm_factor(
        self,
        name: str,
        *,
        initial: float | None = None,
        bounds: tuple[float, float] | None = None,
        fixed: bool | None = None,
    ) -> SampleBuilder:
        """Multiply the sample by a free parameter.

        Parameters
        ----------
        name : str
            Name of the modifier and of its parameter.
        initial : float, optional
            Initial value; 1 by default.
        bounds : (float, float), optional
            Lower and upper bound; 0 and 10 by default.
        fixed : bool, optional
            Whether it is constant in fits.
        """
        place = self._place("norm_factor", name)
        self._parameters.use(name, "norm_factor", place)
        self._parameters.ask(name, place, initial=initial, bounds=bounds, fixed=fixed)
        return self._add(NormFactor(name, self._parameters.share(free_factor(name))), place)

    def norm_sys(
        self,
        name: str,
        low: float,
        high: float,
        *,
        interpolation: str | Interpolation | None = None,
    ) -> SampleBuilder:
        """Multiply the sample by a factor with a constrained parameter.

        Parameters
        ----------
        name : str
            Name of the modifier and of its parameter, which starts at 0 in [-5, 5] with the
            constraint N(0 | parameter, 1).
        low, high : float
            The factor at -1 and +1 of the parameter, e.g. 0.98 and 1.02; not negative.
        interpolation : str or Interpolation, optional
            "code0", "code1", "code2", "code4" (the default) or "code4p", as pyhf calls them.
        """
        place = self._place("norm_sys", name)
        below = real_number(low, f"{place}, low")
        above = real_number(high, f"{place}, high")
        for key, value in (("low", below), ("high", above)):
            if not (math.isfinite(value) and value >= 0.0):
                message = (
                    f"found {key} = {value:g}, expected a factor of at least 0, such as 0.95 for "
                    "5% less"
                )
                raise located(SpecError, message, place)
        code = _interpolation(interpolation, Interpolation.polynomial_exponential, place)
        self._parameters.use(name, "norm_sys or histo_sys", place)
        parameter = self._parameters.share(systematic(name))
        return self._add(NormSys(name, parameter, below, above, code), place)

    def histo_sys(
        self,
        name: str,
        low: HistogramLike | None = None,
        high: HistogramLike | None = None,
        *,
        smooth: str | None = None,
        symmetrise: str | None = None,
        separate_normalisation: bool = False,
        interpolation: str | Interpolation | None = None,
    ) -> SampleBuilder:
        """Vary the histogram of the sample with a constrained parameter.

        Parameters
        ----------
        name : str
            Name of the modifier and of its parameter, which a norm_sys of the same name shares.
        low, high : histogram or array_like, shape (n_bins,)
            Yields (not differences) at -1 and +1 of the parameter. One of them may be left out with
            symmetrise="one-sided".
        smooth : {"353QH twice", "gaussian"}, optional
            How to smooth the ratio of the variations to nominal; their sums stay. See
            `nablafit.build.smooth`.
        symmetrise : {"one-sided", "mean", "absolute mean", "maximum"}, optional
            How to make both sides deviate alike, after smoothing. See `nablafit.build.symmetrise`.
        separate_normalisation : bool
            Split off the change of the sum as a norm_sys of the same name, which stays positive
            everywhere, and vary the shape alone (TRExFitter and cabinetry do so). A channel of one
            bin has the norm_sys only.
        interpolation : str or Interpolation, optional
            Of the histogram: "code0", "code2" or "code4p" (the default), or one that multiplies,
            "code1" or "code4".
        """
        place = self._place("histo_sys", name)
        sides = self._variations(low, high, smooth, symmetrise, place)
        code = _interpolation(interpolation, Interpolation.polynomial_linear, place)
        if separate_normalisation:
            sides = self._split(name, sides, place)
            if self._nominal.size == 1:
                return self
        self._parameters.use(name, "norm_sys or histo_sys", place)
        return self._add(
            HistoSys(name, self._parameters.share(systematic(name)), *sides, code), place
        )

    def _variations(
        self,
        low: HistogramLike | None,
        high: HistogramLike | None,
        smooth: str | None,
        symmetrise: str | None,
        place: str,
    ) -> tuple[FloatArray, FloatArray]:
        below, above = (
            None if side is None else self._yields(side, f"{place}, {key}")
            for key, side in (("low", low), ("high", high))
        )
        if symmetrise is not None:
            symmetrise = chosen(symmetrise, SYMMETRISATIONS, f"{place}, symmetrise")
        n_given = (below is not None) + (above is not None)
        if n_given == 0 or (n_given == 1) != (symmetrise == "one-sided"):
            message = (
                f"found {n_given} of low and high with symmetrise={symmetrise!r}, expected both, "
                'or one with symmetrise="one-sided"'
            )
            raise located(ArgumentError, message, place)
        if smooth is not None:
            method = chosen(smooth, SMOOTHINGS, f"{place}, smooth")
            self._bins.expect_one_axis(f"{place}, smooth")
            below, above = (
                None if side is None else smoothed(self._nominal, side, method)
                for side in (below, above)
            )
        if symmetrise is None and below is not None and above is not None:
            return below, above
        return symmetrised(self._nominal, below, above, symmetrise or "one-sided")

    def _split(
        self, name: str, sides: tuple[FloatArray, FloatArray], place: str
    ) -> tuple[FloatArray, FloatArray]:
        """Add the norm_sys of two variations; return them with the sum of nominal."""
        total = self._nominal.sum()
        sums = [float(side.sum()) for side in sides]
        if total <= 0.0 or min(sums) <= 0.0:
            message = (
                f"found the sums {total:g} (nominal), {sums[0]:g} (low) and {sums[1]:g} (high), "
                "expected positive ones to separate the normalisation"
            )
            raise located(SpecError, message, place)
        self.norm_sys(name, sums[0] / total, sums[1] / total)
        low, high = (side / (side.sum() / total) for side in sides)
        return low, high

    def stat_error(
        self, uncertainties: HistogramLike | None = None, *, name: str | None = None
    ) -> SampleBuilder:
        """Give the channel one factor per bin for the statistical uncertainty of its samples.

        The samples with this modifier share the factors (Barlow-Beeston in its light version); the
        relative width is sqrt(sum of squared uncertainties) / sum of yields. Bins without
        uncertainty are fixed. Constraint and threshold are those of the channel. Samples made from
        histograms with variances have it already.

        Parameters
        ----------
        uncertainties : array_like, shape (n_bins,), optional
            Absolute, in events; by default those that `ChannelBuilder.sample` was given.
        name : str, optional
            Name of the modifier; "staterror_<channel>" by default. Its parameters are `name[bin]`.
        """
        name = f"staterror_{self._bins.channel}" if name is None else name
        place = self._place("stat_error", name)
        if self.stat_errors:
            message = (
                "the sample has one already, as histograms with variances do unless sample() is "
                "called with stat_error=False"
            )
            raise located(SpecError, message, place)
        if uncertainties is not None:
            self._uncertainties = self._not_negative(uncertainties, place)
        if self._uncertainties is None:
            message = (
                "found no uncertainties; give them here, or a histogram with variances to sample()"
            )
            raise located(ArgumentError, message, place)
        channel = self._bins.channel
        first = self._parameters.use(name, "stat_error", place, channel, self._nominal.size)
        if first.channel != channel:
            message = f"is that of {first.place}, expected another name; bins are not shared"
            raise located(SpecError, message, place)
        gammas = bin_names(name, self._nominal.size)
        for gamma in gammas:
            self._parameters.share(gamma_of_bin(gamma, 1.0, "gaussian"))
        return self._add(StatError(name, gammas, self._uncertainties), place)

    def shape_sys(
        self, name: str, uncertainties: HistogramLike, *, constraint: str = "poisson"
    ) -> SampleBuilder:
        """Multiply every bin of this sample by a factor of its own with an uncertainty.

        Parameters
        ----------
        name : str
            Name of the modifier; its parameters are `name[bin]`.
        uncertainties : array_like, shape (n_bins,)
            Absolute, in events. Bins without uncertainty or yield are fixed.
        constraint : {"poisson", "gaussian"}
            Pois(tau | gamma tau) with tau = (yield / uncertainty)^2, or N(1 | gamma, uncertainty /
            yield).
        """
        place = self._place("shape_sys", name)
        kind = chosen(constraint, BIN_CONSTRAINTS, f"{place}, constraint")
        values = self._not_negative(uncertainties, place)
        first = self._parameters.use(name, "shape_sys", place)
        if first.place != place:
            message = f"is that of {first.place}, expected one sample; rename it, or use stat_error"
            raise located(SpecError, message, place)
        gammas = bin_names(name, self._nominal.size)
        made = self._add(ShapeSys(name, gammas, values), place)
        used = (self._nominal > 0.0) & (values > 0.0)
        widths = np.where(used, values / np.where(used, self._nominal, 1.0), 0.0)
        for gamma, width in zip(gammas, widths.tolist(), strict=True):
            self._parameters.add(gamma_of_bin(gamma, width, kind), place)
        return made

    def shape_factor(
        self,
        name: str,
        *,
        initial: float | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> SampleBuilder:
        """Multiply every bin by a free parameter of its own.

        Parameters
        ----------
        name : str
            Name of the modifier; its parameters are `name[bin]`, which samples and channels with
            the same number of bins share.
        initial : float, optional
            Initial value of all of them; 1 by default.
        bounds : (float, float), optional
            Lower and upper bound; 0 and 10 by default.
        """
        place = self._place("shape_factor", name)
        n_bins = self._nominal.size
        first = self._parameters.use(name, "shape_factor", place, n_bins=n_bins)
        if first.n_bins != n_bins:
            message = f"found {n_bins} bins, expected {first.n_bins} as in {first.place}"
            raise located(SpecError, message, place)
        gammas = bin_names(name, n_bins)
        for gamma in gammas:
            self._parameters.ask(gamma, place, initial=initial, bounds=bounds)
            self._parameters.share(free_factor(gamma))
        return self._add(ShapeFactor(name, gammas), place)

    def lumi(self) -> SampleBuilder:
        """Multiply the sample by the luminosity that `ModelBuilder.luminosity` declares."""
        place = self._place("lumi", LUMI)
        if LUMI not in self._parameters:
            message = "no luminosity is declared; call luminosity(value, sigma) of the model first"
            raise located(SpecError, message, place)
        return self._add(Lumi(LUMI, LUMI), place)

    def formula(
        self,
        name: str | FormulaFactor,
        expression: str | None = None,
        parameters: Iterable[str] = (),
    ) -> SampleBuilder:
        """Multiply the sample by an expression in parameters.

        Parameters
        ----------
        name : str or FormulaFactor
            Name of the modifier; or all of it, as the functions of `nablafit.formulas` make it, for
            numbers that differ from bin to bin.
        expression : str, optional
            Arithmetic in the parameters, see `nablafit.formulas.factor`.
        parameters : iterable of str
            The parameters that it names: those of other modifiers, or of
            `ModelBuilder.add_parameter`.
        """
        if isinstance(name, FormulaFactor):
            factor = name
        else:
            from ..formulas import factor as made_from

            if expression is None:
                message = "found no expression, expected one, such as 'mu * kappa'"
                raise located(ArgumentError, message, self._place("formula", name))
            factor = made_from(name, expression, parameters)
        place = self._place("formula", factor.name)
        self._parameters.use(factor.name, "formula", place)
        self._parameters.need(factor.parameters, place)
        return self._add(factor, place)

    def _not_negative(self, source: HistogramLike, place: str) -> FloatArray:
        where = f"{place}, uncertainties"
        values = self._yields(source, where)
        not_negative(values, where)
        return values

    def made(self) -> Sample:
        """Return the sample as it is now."""
        return Sample(
            self._name,
            self._nominal,
            self._modifiers,
            () if self._uncertainties is None else self._uncertainties,
            **self._floors,
        )
