"""Samples: what the terms of a RooRealSumPdf are in HistFactory's terms.

The density of a channel is sum_i coefficient_i * function_i per unit of the observable, so the
expected events of a bin are its width times that, taken at the centre of the bin. Every factor of
a term is a leaf of nested RooProducts; its class says what it is.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._budget import BINS, NAME_COST
from ...spec import (
    Channel,
    Constraint,
    FormulaFactor,
    GaussianConstraint,
    HistoSys,
    Interpolation,
    Lumi,
    Modifier,
    NormFactor,
    NormSys,
    PoissonConstraint,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
    is_additive,
)
from ._functions import flattened, formula

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..rootfile.records import Record
    from ._channels import ChannelPdf
    from ._graph import Graph
    from ._parameters import Parameters

__all__ = ["ChannelReader"]


@dataclass(frozen=True)
class BinFactor:
    """A ParamHistFunc: the parameter of every bin of the channel."""

    name: str
    parameters: tuple[str, ...]


def bin_modifiers(
    channel: str,
    samples: Sequence[Sample],
    factors: Sequence[Sequence[BinFactor]],
    parameters: Parameters,
) -> Mapping[tuple[int, str], StatError | ShapeSys | ShapeFactor]:
    """Return what the ParamHistFuncs of a channel are, by index of the sample and name.

    One with a constraint term is a StatError if several samples share it or HistFactory named it
    so, else a ShapeSys; one without is a ShapeFactor. The uncertainty is that of the bin if one
    sample has the modifier, and none if several have: the workspace keeps only the total.
    """
    users: dict[str, list[int]] = {}
    by_name: dict[str, BinFactor] = {}
    for i, held in enumerate(factors):
        for factor in held:
            users.setdefault(factor.name, []).append(i)
            by_name[factor.name] = factor
    result: dict[tuple[int, str], StatError | ShapeSys | ShapeFactor] = {}
    for name, indices in users.items():
        factor = by_name[name]
        relative = np.array([_relative(parameters.constraint(p)) for p in factor.parameters])
        for i in indices:
            is_shared = len(indices) > 1
            uncertainties = () if is_shared else relative * np.abs(samples[i].nominal)
            result[i, name] = _modifier(channel, factor, uncertainties, relative, is_shared)
    return result


def _relative(constraint: Constraint) -> float:
    """Return the relative uncertainty that the constraint of a gamma stands for; 0 without."""
    if isinstance(constraint, GaussianConstraint):
        return constraint.sigma
    if isinstance(constraint, PoissonConstraint):
        return 1.0 / math.sqrt(constraint.tau) if constraint.tau > 0.0 else 0.0
    return 0.0


def _modifier(
    channel: str,
    factor: BinFactor,
    uncertainties: NDArray[np.float64] | tuple[()],
    relative: NDArray[np.float64],
    is_shared: bool,
) -> StatError | ShapeSys | ShapeFactor:
    plain = factor.name.removeprefix(f"{channel}_")
    if factor.name.startswith("mc_stat_"):
        return StatError(f"staterror_{channel}", factor.parameters, uncertainties)
    if not relative.any():
        return ShapeFactor(plain.removesuffix("_shapeFactor"), factor.parameters)
    plain = plain.removesuffix("_ShapeSys")
    kind = StatError if is_shared else ShapeSys
    return kind(plain, factor.parameters, uncertainties)


FLOOR = sys.float_info.min
"""FlexibleInterpVar raises its value to this (TMath::Limits<double>::Min())."""


@dataclass
class _Variation:
    parameter: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    interpolation: Interpolation


@dataclass
class _Draft:
    """A sample while its factors are read."""

    name: str
    scale: NDArray[np.float64]  # per bin: width, inverse width, constants, further histograms
    nominal: NDArray[np.float64] | None = None
    variations: list[_Variation] = field(default_factory=list)
    modifiers: list[Modifier | BinFactor | _Variation] = field(default_factory=list)
    is_clipped: bool = False
    has_interpolation: bool = False
    factor_floor: float | None = None


class ChannelReader:
    """Reads the samples of one channel."""

    def __init__(self, graph: Graph, channel: ChannelPdf, parameters: Parameters) -> None:
        self._graph = graph
        self._channel = channel
        self._parameters = parameters
        self._widths = channel.widths()
        self._drafts: list[_Draft] = []

    def read(self) -> None:
        """Read all samples; `channel` completes them once the constraint terms are known."""
        graph, pdf = self._graph, self._channel.sum
        functions, coefficients = graph.objects(pdf, "_funcList"), graph.objects(pdf, "_coefList")
        if len(functions) != len(coefficients):
            message = f"{len(functions)} functions with {len(coefficients)} coefficients; expected "
            raise graph.refuse(pdf, message + "as many of both")
        for function, coefficient in zip(functions, coefficients, strict=True):
            factors = flattened(graph, function, coefficient)
            name = self._name(function.name, coefficient.name, {f.name for f in factors})
            draft = _Draft(name, self._widths.copy())
            for factor in factors:
                self._add(draft, factor)
            self._drafts.append(draft)

    def channel(self) -> Channel:
        """Return the channel."""
        samples = [self._sample(draft) for draft in self._drafts]
        factors = [
            [m for m in draft.modifiers if isinstance(m, BinFactor)] for draft in self._drafts
        ]
        by_factor = bin_modifiers(self._channel.name, samples, factors, self._parameters)
        complete = []
        for i, (sample, draft) in enumerate(zip(samples, self._drafts, strict=True)):
            modifiers = [
                by_factor[i, m.name]
                if isinstance(m, BinFactor)
                else self._histosys(draft, m)
                if isinstance(m, _Variation)
                else m
                for m in draft.modifiers
            ]
            complete.append(sample.replace(modifiers=modifiers))
        return Channel(self._channel.name, complete, self._channel.axes)

    # --- result ----------------------------------------------------------------------------------

    def _sample(self, draft: _Draft) -> Sample:
        return Sample(
            draft.name,
            draft.scale if draft.nominal is None else draft.nominal * draft.scale,
            yield_floor=0.0 if draft.is_clipped else None,
            factor_floor=draft.factor_floor,
        )

    def _histosys(self, draft: _Draft, variation: _Variation) -> HistoSys:
        return HistoSys(
            variation.parameter.removeprefix("alpha_"),
            variation.parameter,
            variation.low * draft.scale,
            variation.high * draft.scale,
            variation.interpolation,
        )

    def _name(self, function: str, coefficient: str, factors: set[str]) -> str:
        """Return the name that the sample had before it was put into the names of its nodes.

        ROOT's importer of HS3 calls a sum <pdf>_<sample>_shapes and its histogram or interpolation
        hist_<pdf>_<sample> or histoSys_<pdf>_<sample>. HistFactory has <sample>_<channel>_ first.
        """
        pdf = self._channel.pdf
        imported = re.fullmatch(rf"{re.escape(pdf)}_(.+)_shapes", function)
        if imported and factors & {f"{kind}_{pdf}_{imported[1]}" for kind in ("hist", "histoSys")}:
            return self._unique(imported[1])
        channel = re.escape(self._channel.name)
        endings = "shapes|scaleFactors|overallSyst|Hist|nominal|epsilon"
        name = function
        for pattern, text in (
            (rf"(?:L_x_)?(.+?)_{channel}_(?:{endings})", function),
            (rf"(?:L_x_)?(.+?)_{channel}_", coefficient),
        ):
            match = re.match(pattern, text)
            if match:
                name = match.group(1)
                break
        return self._unique(name)

    def _unique(self, name: str) -> str:
        taken = {draft.name for draft in self._drafts}
        unique, n = name, 1
        while unique in taken:
            n += 1
            unique = f"{name}_{n}"
        return unique

    # --- factors ---------------------------------------------------------------------------------

    def _add(self, draft: _Draft, factor: Record) -> None:
        reader = _FACTORS.get(factor.class_name)
        if reader is None:
            message = (
                f"channel {self._channel.name!r}, sample {draft.name!r}: a factor of class "
                f"{factor.class_name} cannot be read; expected {', '.join(_FACTORS)}"
            )
            raise self._graph.refuse(factor, message)
        self._graph.guard(reader, self, draft, factor)

    def constant(self, draft: _Draft, factor: Record) -> None:
        """RooConstVar."""
        draft.scale *= self._graph.variable(factor).value

    def variable(self, draft: _Draft, factor: Record) -> None:
        """RooRealVar: norm factor, luminosity, or the inverse bin width of files before 6.26."""
        if factor.name.startswith("binWidth_") and self._graph.is_constant(factor):
            self.constant(draft, factor)
            return
        name = self._parameters.use(factor)
        draft.modifiers.append(Lumi(name, name) if name == "Lumi" else NormFactor(name, name))

    def bin_width(self, draft: _Draft, factor: Record) -> None:
        """RooBinWidthFunction: the width of the bins of a histogram, or its inverse."""
        function = self._graph.argument(factor, "_histFunc")
        volumes = self._histogram(function, "_binv")
        draft.scale *= 1.0 / volumes if factor.number("_divideByBinWidth") else volumes

    def histogram(self, draft: _Draft, factor: Record) -> None:
        """RooHistFunc: the nominal histogram; more than one multiply."""
        contents = self._histogram(factor, "_wgt")
        if draft.nominal is None:
            draft.nominal = contents
        else:
            draft.scale *= contents

    def formula(self, draft: _Draft, factor: Record) -> None:
        """RooFormulaVar: a preprocess function of HistFactory."""
        expression = formula(self._graph, factor)
        names = [self._parameters.use(parameter) for parameter in expression.parameters]
        draft.modifiers.append(FormulaFactor(factor.name, expression.text, names))

    def flexible(self, draft: _Draft, factor: Record) -> None:
        """FlexibleInterpVar: normsys factors; its code 4 is what others call 5."""
        graph = self._graph
        nominal = factor.number("_nominal")
        lows, highs = factor.numbers("_low"), factor.numbers("_high")
        arguments = graph.objects(factor, "_paramList")
        codes = self._codes(factor, len(arguments))
        is_standard = factor.get("_interpBoundary", 1.0) == 1.0 and nominal > 0.0
        if not is_standard or not len(lows) == len(highs) == len(arguments):
            message = f"nominal {nominal}, boundary {factor.get('_interpBoundary', 1.0)}, "
            sizes = f"{len(lows)} low and {len(highs)} high values for {len(arguments)} parameters"
            raise graph.refuse(factor, message + sizes + "; this cannot be read")
        if draft.factor_floor is not None:
            raise graph.refuse(factor, f"sample {draft.name!r} has a second FlexibleInterpVar")
        polynomial = Interpolation.polynomial_exponential
        codes = [polynomial if c == Interpolation.polynomial_linear else c for c in codes]
        self._check_order(factor, codes)
        for argument, low, high, code in zip(arguments, lows, highs, codes, strict=True):
            name = self._parameters.use_transformed(argument)
            plain = name.removeprefix("alpha_")
            draft.modifiers.append(NormSys(plain, name, low / nominal, high / nominal, code))
        draft.scale *= nominal
        draft.factor_floor = FLOOR / nominal

    def piecewise(self, draft: _Draft, factor: Record) -> None:
        """PiecewiseInterpolation: nominal histogram and histosys variations."""
        graph = self._graph
        arguments = graph.objects(factor, "_paramSet")
        lows, highs = graph.objects(factor, "_lowSet"), graph.objects(factor, "_highSet")
        codes = self._codes(factor, len(arguments))
        if draft.has_interpolation or not len(lows) == len(highs) == len(arguments):
            message = f"{len(lows)} low and {len(highs)} high histograms for {len(arguments)} "
            detail = "parameters, or a second PiecewiseInterpolation of the sample"
            raise graph.refuse(factor, message + detail)
        self._check_order(factor, codes)
        nominal = self._histogram(graph.argument(factor, "_nominal"), "_wgt")
        if draft.nominal is not None:
            draft.scale *= draft.nominal
        draft.nominal = nominal
        draft.has_interpolation = True
        draft.is_clipped = bool(factor.number("_positiveDefinite"))
        for argument, low, high, code in zip(arguments, lows, highs, codes, strict=True):
            name = self._parameters.use_transformed(argument)
            values = (self._histogram(low, "_wgt"), self._histogram(high, "_wgt"))
            draft.modifiers.append(_Variation(name, *values, code))

    def bin_factor(self, draft: _Draft, factor: Record) -> None:
        """ParamHistFunc: one parameter per bin."""
        graph = self._graph
        gammas = [self._parameters.use(p) for p in graph.objects(factor, "_paramSet")]
        names = [o.name for o in graph.objects(factor, "_dataVars")]
        variables = graph.objects(factor.record("_dataSet"), "_vars")
        index = self._mapping(factor, names, variables, len(gammas), is_first_fastest=True)
        graph.budget.spend(BINS, NAME_COST * len(index), graph.location)
        draft.modifiers.append(BinFactor(factor.name, tuple(gammas[i] for i in index)))

    # --- histograms ------------------------------------------------------------------------------

    def _histogram(self, function: Record, member: str) -> NDArray[np.float64]:
        """Return a number per bin of the channel from the histogram of a RooHistFunc."""
        graph = self._graph
        if function.class_name != "RooHistFunc" or function.get("_intOrder", 0):
            message = "expected a RooHistFunc without interpolation between bins"
            raise graph.refuse(function, message)
        histogram = graph.object(function.reference("_dataHist"))
        contents = histogram.numbers(member)
        names = [o.name for o in graph.objects(function, "_depList")]
        variables = graph.objects(histogram, "_vars")
        index = self._mapping(function, names, variables, len(contents), is_first_fastest=False)
        graph.budget.spend(BINS, len(index), graph.location)
        return contents[index]

    def _mapping(
        self,
        node: Record,
        names: list[str],
        variables: list[Record],
        n_values: int,
        *,
        is_first_fastest: bool,
    ) -> NDArray[np.intp]:
        known = [axis.name for axis in self._channel.axes]
        if len(names) != len(variables) or not set(names) <= set(known):
            message = f"it depends on {', '.join(names)}, channel {self._channel.name!r} on "
            raise self._graph.refuse(node, message + ", ".join(known))
        edges = [self._graph.edges(variable) for variable in variables]
        n_bins = int(np.prod([float(len(e) - 1) for e in edges]))
        if n_bins != n_values:
            raise self._graph.refuse(node, f"{n_values} values in {n_bins} bins")
        return self._channel.bins_of(names, edges, is_first_fastest=is_first_fastest)

    # --- interpolation ---------------------------------------------------------------------------

    def _codes(self, factor: Record, count: int) -> list[Interpolation]:
        stored = factor.numbers("_interpCode") if len(factor.get("_interpCode", ())) else None
        codes = [0.0] * count if stored is None else list(stored)
        if len(codes) != count or not all(code in _CODES for code in codes):
            message = f"interpolation codes {[int(c) for c in codes[:20]]} for {count} parameters; "
            raise self._graph.refuse(factor, message + "expected 0, 1, 2, 4, 5 or 6 for each")
        return [Interpolation(int(code)) for code in codes]

    def _check_order(self, factor: Record, codes: list[Interpolation]) -> None:
        """Refuse an additive variation behind a multiplicative one, which would not be scaled."""
        kinds = [is_additive(code) for code in codes]
        if kinds != sorted(kinds, reverse=True):
            message = "additive interpolation codes behind multiplicative ones cannot be read"
            raise self._graph.refuse(factor, message)


_CODES = frozenset(int(code) for code in Interpolation)

_FACTORS: dict[str, Callable[[ChannelReader, _Draft, Record], None]] = {
    "RooConstVar": ChannelReader.constant,
    "RooRealVar": ChannelReader.variable,
    "RooBinWidthFunction": ChannelReader.bin_width,
    "RooHistFunc": ChannelReader.histogram,
    "RooFormulaVar": ChannelReader.formula,
    "RooStats::HistFactory::FlexibleInterpVar": ChannelReader.flexible,
    "PiecewiseInterpolation": ChannelReader.piecewise,
    "ParamHistFunc": ChannelReader.bin_factor,
}
