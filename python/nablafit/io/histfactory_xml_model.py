"""From HistFactory's XML configuration and its histograms to a specification.

Source: roofit/histfactory/src/HistoToWorkspaceFactoryFast.cxx of ROOT.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from .._budget import BINS, NAME_COST, NAMES
from ..errors import WorkspaceError, located
from ..spec import (
    Axis,
    Channel,
    FormulaFactor,
    GammaConstraint,
    GammaTransformation,
    GaussianConstraint,
    HistoSys,
    LogNormalTransformation,
    Lumi,
    ModelSpec,
    NormFactor,
    NormSys,
    Parameter,
    PoissonConstraint,
    Range,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
)
from .document import hold_at_equal_bounds
from .histfactory_xml_config import (
    HistoSysConfig,
    NormFactorConfig,
    OverallSysConfig,
    ShapeFactorConfig,
    ShapeSysConfig,
    StatErrorConfig,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._arrays import FloatArray
    from ..spec import Modifier
    from .document import Notes
    from .histfactory_xml_config import (
        ChannelConfig,
        Combination,
        Function,
        HistogramReference,
        Measurement,
        SampleConfig,
    )
    from .histfactory_xml_histograms import Files
    from .rootfile.histograms import Histogram

__all__ = ["build", "same_bins"]


ALPHA_RANGE = (-5.0, 5.0)
NOMINAL_ALPHA_RANGE = Range(-10.0, 10.0)
NOMINAL_GAMMA_RANGE = Range(0.0, 10.0)
UNIFORM_WIDTH = 100.0
GAMMA_WIDTHS_ABOVE = 5.0
NEGLIGIBLE_LOSS = 1e-6
_DEPENDENT = re.compile(r"\s*([^\s,\[\]]+)\s*(?:\[([^\]]*)\])?\s*(?:,|$)")


class Parameters:
    """The parameters of one measurement, in the order in which they are first used."""

    def __init__(self, measurement: Measurement, notes: Notes) -> None:
        self._measurement = measurement
        self._known: dict[str, Parameter] = {}
        self._shape_widths: dict[str, float] = {}
        self.notes = notes

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def add(self, parameter: Parameter) -> str:
        """Add a parameter unless its name is known, as a workspace does; return the name."""
        self._known.setdefault(parameter.name, parameter)
        return parameter.name

    def lumi(self) -> str:
        """Lumi in [0, 10 L]; a Gaussian normalised over the range of nominalLumi."""
        value = self._measurement.lumi
        sigma = value * self._measurement.lumi_relative_error
        if sigma == 0.0:
            return self.add(Parameter("Lumi", value, 0.0, 10.0 * value, fixed=True))
        seen = Range(0.0, value + 10.0 * sigma)
        constraint = _gaussian(value, sigma, (0.0, 10.0 * value), seen)
        return self.add(
            Parameter(
                "Lumi",
                value,
                0.0,
                10.0 * value,
                constraint=constraint,
                global_observable="nominalLumi",
            )
        )

    def alpha(self, systematic: str, sigma: float = 1.0, relative: float | None = None) -> str:
        """alpha_X in [-5, 5]; with `relative` transformed as by a LogNormal ConstraintTerm."""
        name = f"alpha_{systematic}"
        constraint = _gaussian(0.0, sigma, ALPHA_RANGE, NOMINAL_ALPHA_RANGE)
        parameter = Parameter(
            name, 0.0, *ALPHA_RANGE, constraint=constraint, global_observable=f"nom_{name}"
        )
        if relative is not None:
            parameter = parameter.replace(transformation=LogNormalTransformation(relative))
        return self.add(parameter)

    def overall(self, systematic: str, location: str) -> str | None:
        """Return the parameter of an OverallSys, None if its systematic is dropped."""
        term = self._measurement.constraint_terms.get(systematic)
        if term is None:
            name = self.alpha(systematic)
        elif term.type == "NoConstraint":
            return None
        elif term.type == "Gamma":
            return self._beta(systematic, term.relative)
        elif term.type == "Uniform":
            name = self.alpha(systematic, sigma=UNIFORM_WIDTH)
        else:
            name = self.alpha(systematic, relative=term.relative)
        self._check_transformation(
            name, location, is_lognormal=term is not None and term.type == "LogNormal"
        )
        return name

    def histogram(self, systematic: str, location: str) -> str:
        """Return the parameter of a HistoSys, which ConstraintTerms do not touch."""
        name = self.alpha(systematic)
        self._check_transformation(name, location, is_lognormal=False)
        return name

    def _check_transformation(self, name: str, location: str, *, is_lognormal: bool) -> None:
        if isinstance(self._known[name].transformation, LogNormalTransformation) != is_lognormal:
            message = (
                f"{name} has a LogNormal ConstraintTerm and also steers a HistoSys, which ROOT "
                "leaves untransformed; give one of the two systematics another name"
            )
            raise located(WorkspaceError, message, location)

    def _beta(self, systematic: str, relative: float) -> str:
        """beta_X in [0, 10] with Gamma(beta; y + 1, relative^2), y = 1/relative^2."""
        name = f"beta_{systematic}"
        if name not in self and 1.0 / relative**2 > 10.0:
            self.notes.add(
                "its global observable is above 10; ROOT 6.40 cuts it to 10, the end of the range "
                "it declares, which pulls beta below 1.",
                name,
            )
        return self.add(
            Parameter(
                name,
                1.0,
                0.0,
                10.0,
                constraint=GammaConstraint(1.0 / relative**2, relative**2),
                transformation=GammaTransformation(relative),
                global_observable=f"nom_{name}",
            )
        )

    def gammas(
        self, names: Iterable[str], widths: Iterable[float], constraint: str, threshold: float
    ) -> None:
        """Add constrained factors of bins; `widths` are relative uncertainties.

        Not positive: fixed, without a term. Below `threshold`: fixed, the term stays.
        """
        for name, width in zip(names, widths, strict=True):
            if self._shape_widths.setdefault(name, width) != width:
                self.notes.add("stated with different uncertainties; the first one counts.", name)
            if width <= 0.0:
                self.add(Parameter(name, 1.0, 0.0, 10.0, fixed=True))
                continue
            tau = 1.0 / width**2
            limits = (0.0, 1.0 + GAMMA_WIDTHS_ABOVE * width)
            self.add(
                Parameter(
                    name,
                    1.0,
                    *limits,
                    fixed=width < threshold,
                    constraint=PoissonConstraint(tau, tau)
                    if constraint == "Poisson"
                    else _gaussian(1.0, width, limits, NOMINAL_GAMMA_RANGE),
                    global_observable=f"nom_{name}",
                )
            )

    def dependents(self, function: Function) -> list[str]:
        """Add what a function depends on, written `a[value,low,high], b[low,high], c[value], d`."""
        names: list[str] = []
        position = 0
        while position < len(function.dependents):
            match = _DEPENDENT.match(function.dependents, position)
            if match is None:
                message = f"Dependents: found {function.dependents!r}, expected name[low,high], ..."
                raise located(WorkspaceError, message, function.location)
            position = match.end()
            name, numbers = match.groups()
            names.append(name)
            if numbers is not None:
                self.add(_declared(name, numbers, function))
            elif name not in self:
                message = f"Dependents: {name!r} is not declared; write {name}[value,low,high]"
                raise located(WorkspaceError, message, function.location)
        return names

    def settings(self) -> tuple[Parameter, ...]:
        """Return all parameters with the values and constants of the measurement applied."""
        known = dict(self._known)
        for name, value in self._measurement.values.items():
            if name not in known:
                self.notes.add("set to a value, but no such parameter exists.", name)
                continue
            old = known[name]
            inside = min(max(value, old.lower), old.upper)
            if inside != value:
                self.notes.add(f"set to {value:g}, outside its range; taken {inside:g}.", name)
            known[name] = old.replace(initial=inside)
        for name in self._measurement.constants:
            if name in known:
                known[name] = known[name].replace(fixed=True)
            else:
                self.notes.add("set constant, but no such parameter exists.", name)
        held = {name: hold_at_equal_bounds(parameter) for name, parameter in known.items()}
        for name, parameter in held.items():
            if parameter is not known[name]:
                self.notes.add("its bounds are equal, so that it is constant, as in ROOT.", name)
        return tuple(held.values())


def _gaussian(
    observed: float, sigma: float, limits: tuple[float, float], seen: Range
) -> GaussianConstraint:
    """Return a Gaussian normalised over the range of its global observable, as in RooFit.

    Without the range where that changes nothing, wherever the parameter is inside its limits.
    """
    tails = ((seen.upper - limits[1]) / sigma, (limits[0] - seen.lower) / sigma)
    lost = sum(math.erfc(tail / math.sqrt(2.0)) / 2.0 for tail in tails)
    return GaussianConstraint(observed, sigma, None if lost < NEGLIGIBLE_LOSS else seen)


def _declared(name: str, numbers: str, function: Function) -> Parameter:
    """Return what a workspace factory makes of `name[numbers]`."""
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        return Parameter(name, values[0], -1e30, 1e30, fixed=True)
    if len(values) == 2:
        values.insert(0, (values[0] + values[1]) / 2.0)
    if len(values) != 3 or not values[1] <= values[0] <= values[2]:
        message = f"Dependents: found {name}[{numbers}], expected {name}[value,low,high]"
        raise located(WorkspaceError, message, function.location)
    return Parameter(name, values[0], values[1], values[2])


SMALLEST_FACTOR = sys.float_info.min
_POSITION = re.compile(r"@(\d+)")


def build(
    measurement: Measurement,
    combination: Combination,
    channels: list[ChannelConfig],
    files: Files,
    notes: Notes,
) -> ModelSpec:
    """Return the model of one measurement; add what was assumed on the way to the notes."""
    parameters = Parameters(measurement, notes)
    functions = {function.name: function for function in combination.functions}
    built = tuple(
        _ChannelBuilder(channel, measurement, parameters, functions, files).build()
        for channel in channels
    )
    if measurement.has_bin_limits:
        notes.add("BinLow and BinHigh have no effect, as in ROOT.")
    return ModelSpec(
        measurement.name,
        built,
        parameters.settings(),
        parameters_of_interest=tuple(measurement.pois),
    )


def same_bins(histogram: Histogram, template: Histogram, reference: HistogramReference) -> None:
    """Refuse a histogram whose shape differs from that of the channel."""
    if histogram.values.shape != template.values.shape:
        found, expected = histogram.values.shape, template.values.shape
        message = f"{reference.file}: {reference.name}: found bins {found}, expected {expected}"
        raise located(WorkspaceError, message, reference.location)


class _ChannelBuilder:
    """Builds one channel; adds to the parameters of the measurement."""

    def __init__(
        self,
        config: ChannelConfig,
        measurement: Measurement,
        parameters: Parameters,
        functions: Mapping[str, Function],
        files: Files,
    ) -> None:
        self._config = config
        self._measurement = measurement
        self._parameters = parameters
        self._functions = functions
        self._files = files
        self._budget = files.budget
        self._names: dict[str, list[str]] = {}
        self._template = files.histogram(config.samples[0].histogram)
        self._stat_total = np.zeros(self._template.values.size)
        self._stat_squares = np.zeros(self._template.values.size)

    def build(self) -> Channel:
        names: set[str] = set()
        for sample in self._config.samples:
            if sample.name in names:
                message = f"the name {sample.name!r} occurs more than once in this channel"
                raise located(WorkspaceError, message, sample.location)
            names.add(sample.name)
        samples = tuple(self._sample(sample) for sample in self._config.samples)
        self._constrain_stat_errors()
        axes = tuple(
            Axis(f"obs_{letter}_{self._config.name}", edges)
            for letter, edges in zip("xyz", self._template.edges, strict=False)
        )
        return Channel(self._config.name, samples, axes)

    def _values(self, reference: HistogramReference) -> FloatArray:
        return self._histogram(reference).values.ravel()

    def _histogram(self, reference: HistogramReference) -> Histogram:
        histogram = self._files.histogram(reference)
        same_bins(histogram, self._template, reference)
        return histogram

    def _bin_names(self, prefix: str) -> list[str]:
        """Names of the factors of bins, in the order of the bins: last axis fastest."""
        n_bins = self._template.values.size
        self._budget.spend(BINS, NAME_COST * n_bins, self._config.location)
        if prefix not in self._names:
            self._budget.spend(NAMES, n_bins, self._config.location)
            ranges = (range(n) for n in self._template.values.shape)
            self._names[prefix] = [
                f"{prefix}_bin_{'_'.join(map(str, indices))}" for indices in product(*ranges)
            ]
        return self._names[prefix]

    def _sample(self, config: SampleConfig) -> Sample:
        histogram = self._histogram(config.histogram)
        scale = 1.0 if config.normalize_by_theory else self._measurement.lumi
        nominal = scale * histogram.values.ravel()
        errors = stated = scale * histogram.errors.ravel()
        modifiers: list[Modifier] = []
        for modifier in config.modifiers:
            made = self._modifier(modifier, nominal, scale, stated)
            if made is not None:
                modifiers.append(made)
            if isinstance(made, StatError):
                errors = np.asarray(made.uncertainties)  # those that the likelihood uses
        if config.normalize_by_theory:
            modifiers.append(Lumi("Lumi", self._parameters.lumi()))
        else:
            self._note_theory(config)
        self._note(config)
        types = {modifier.type for modifier in modifiers}
        return Sample(
            config.name,
            nominal,
            modifiers,
            errors,
            yield_floor=0.0 if "histosys" in types else None,
            factor_floor=SMALLEST_FACTOR if "normsys" in types else None,
        )

    def _note_theory(self, config: SampleConfig) -> None:
        self._parameters.notes.add(
            "NormalizeByTheory is False, so Lumi does not scale it; ROOT 6.40 multiplies Lumi into "
            "such samples too.",
            f"{self._config.name}/{config.name}",
        )

    def _note(self, config: SampleConfig) -> None:
        where = f"{self._config.name}/{config.name}"
        notes = self._parameters.notes
        if config.unsupported:
            notes.add("HistoFactor is ignored, as in ROOT.", where)
        factors = Counter(m.name for m in config.modifiers if isinstance(m, NormFactorConfig))
        for name, count in factors.items():
            if count > 1:
                sentence = "is repeated and multiplies as often, as in ROOT 6.40."
                notes.add(f"NormFactor {name} {sentence}", where)
        for modifier in config.modifiers:
            if isinstance(modifier, ShapeSysConfig) and not modifier.states_constraint:
                notes.add(
                    "a ShapeSys states no ConstraintType; Poisson is assumed, as pyhf does, while "
                    "ROOT's parser takes Gaussian: state it.",
                    f"{where}/{modifier.name}",
                )

    def _modifier(
        self, config: object, nominal: FloatArray, scale: float, errors: FloatArray
    ) -> Modifier | None:
        if isinstance(config, NormFactorConfig):
            return self._norm_factor(config)
        if isinstance(config, OverallSysConfig):
            parameter = self._parameters.overall(config.name, config.location)
            if parameter is None:
                return None
            return NormSys(config.name, parameter, config.low, config.high)
        if isinstance(config, HistoSysConfig):
            parameter = self._parameters.histogram(config.name, config.location)
            low, high = (scale * self._values(side) for side in (config.low, config.high))
            return HistoSys(config.name, parameter, low, high)
        if isinstance(config, ShapeSysConfig):
            return self._shapesys(config, nominal)
        if isinstance(config, ShapeFactorConfig):
            return self._shape_factor(config)
        if isinstance(config, StatErrorConfig):
            return self._stat_error(config, nominal, errors)
        return None

    def _norm_factor(self, config: NormFactorConfig) -> Modifier:
        function = self._functions.get(config.name)
        if function is None:
            return NormFactor(
                config.name,
                self._parameters.add(_free(config.name, config.value, config.low, config.high)),
            )
        dependents = self._parameters.dependents(function)

        def name(match: re.Match[str]) -> str:
            index = int(match[1])
            if index >= len(dependents):
                message = f"Expression: found {match[0]}, expected less than @{len(dependents)}"
                raise located(WorkspaceError, message, function.location)
            return dependents[index]

        expression = _POSITION.sub(name, function.expression)
        return FormulaFactor(config.name, expression, tuple(dict.fromkeys(dependents)))

    def _shapesys(self, config: ShapeSysConfig, nominal: FloatArray) -> Modifier:
        relative = self._values(config.histogram)
        names = self._bin_names(f"gamma_{config.name}")
        self._parameters.gammas(names, relative.tolist(), config.constraint, 0.0)
        return ShapeSys(config.name, names, np.abs(relative * nominal))

    def _shape_factor(self, config: ShapeFactorConfig) -> Modifier:
        names = self._bin_names(f"gamma_{config.name}")
        starts = np.ones(len(names)) if config.initial is None else self._values(config.initial)
        for name, start in zip(names, starts.tolist(), strict=True):
            if not 0.0 <= start <= 1000.0:
                message = f"initial shape: found {start:g}, expected 0 to 1000"
                raise located(WorkspaceError, message, config.location)
            self._parameters.add(_free(name, start, 0.0, 1000.0, fixed=config.fixed))
        return ShapeFactor(config.name, names)

    def _stat_error(
        self, config: StatErrorConfig, nominal: FloatArray, errors: FloatArray
    ) -> Modifier:
        if config.histogram is not None:
            errors = np.abs(self._values(config.histogram) * nominal)
        self._stat_total += nominal
        self._stat_squares += errors**2
        names = self._bin_names(f"gamma_stat_{self._config.name}")
        return StatError(f"staterror_{self._config.name}", names, errors)

    def _constrain_stat_errors(self) -> None:
        """Constrain with the samples' uncertainties in quadrature, relative to their sum."""
        is_used = any(
            isinstance(modifier, StatErrorConfig)
            for sample in self._config.samples
            for modifier in sample.modifiers
        )
        if is_used:
            total = self._stat_total
            widths = np.sqrt(self._stat_squares) / np.where(total > 0.0, total, np.inf)
            names = self._bin_names(f"gamma_stat_{self._config.name}")
            config = self._config
            self._parameters.gammas(
                names, widths.tolist(), config.stat_constraint, config.stat_threshold
            )


def _free(name: str, value: float, low: float, high: float, *, fixed: bool = False) -> Parameter:
    return Parameter(name, value, low, high, fixed=fixed)
