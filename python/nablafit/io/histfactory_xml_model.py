"""From HistFactory's XML configuration and its histograms to a specification.

Source: roofit/histfactory/src/HistoToWorkspaceFactoryFast.cxx of ROOT.
"""

from __future__ import annotations

import re
import sys
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ..errors import WorkspaceError, located
from ..spec import (
    Axis,
    Channel,
    FormulaFactor,
    HistoSys,
    Lumi,
    ModelSpec,
    NormFactor,
    NormSys,
    Parameter,
    Sample,
    ShapeFactor,
    ShapeSys,
    StatError,
)
from .histfactory_xml_config import (
    HistoSysConfig,
    NormFactorConfig,
    OverallSysConfig,
    ShapeFactorConfig,
    ShapeSysConfig,
    StatErrorConfig,
)
from .histfactory_xml_parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    from .histfactory_xml_histograms import Files, Histogram

__all__ = ["build", "same_bins"]

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
        self._template = files.histogram(config.samples[0].histogram)
        self._stat_total = np.zeros(self._template.values.size)
        self._stat_squares = np.zeros(self._template.values.size)

    def build(self) -> Channel:
        names = [sample.name for sample in self._config.samples]
        for sample in self._config.samples:
            if names.count(sample.name) > 1:
                message = f"the name {sample.name!r} occurs more than once in this channel"
                raise located(WorkspaceError, message, sample.location)
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
        ranges = (range(n) for n in self._template.values.shape)
        return [f"{prefix}_bin_{'_'.join(map(str, indices))}" for indices in product(*ranges)]

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
        factors = [m.name for m in config.modifiers if isinstance(m, NormFactorConfig)]
        for name in dict.fromkeys(factors):
            if factors.count(name) > 1:
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
