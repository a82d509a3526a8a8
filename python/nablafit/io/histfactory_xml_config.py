"""HistFactory's XML elements as plain data, with the defaults of ROOT's parser.

Source of the defaults and of what is accepted: roofit/histfactory/src/ConfigParser.cxx and
etc/HistFactorySchema.dtd of ROOT.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import WorkspaceError, located

if TYPE_CHECKING:
    from .histfactory_xml_tree import Element

__all__ = [
    "ChannelConfig",
    "Combination",
    "ConstraintTerm",
    "Function",
    "HistogramReference",
    "Measurement",
    "SampleConfig",
    "parse_channel",
    "parse_combination",
]


@dataclass(frozen=True)
class HistogramReference:
    """A histogram in a ROOT file, as the XML names it."""

    file: str
    path: str
    name: str
    location: str


@dataclass(frozen=True)
class Function:
    """A preprocess function: a product of parameters that samples use like a norm factor."""

    name: str
    expression: str
    dependents: str
    location: str


@dataclass(frozen=True)
class ConstraintTerm:
    """What replaces the standard normal constraint of an OverallSys."""

    type: str
    relative: float


@dataclass(frozen=True)
class AsimovSet:
    """Data to be made at the given parameter values."""

    name: str
    values: dict[str, float]


@dataclass
class Measurement:
    """One measurement; the channels are those of the combination."""

    name: str
    location: str
    lumi: float = 1.0
    lumi_relative_error: float = 0.1
    has_bin_limits: bool = False
    pois: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    constraint_terms: dict[str, ConstraintTerm] = field(default_factory=dict)
    asimov_sets: list[AsimovSet] = field(default_factory=list)


@dataclass(frozen=True)
class NormFactorConfig:
    """A norm factor, which may also be the name of a function."""

    name: str
    value: float
    low: float
    high: float
    location: str


@dataclass(frozen=True)
class OverallSysConfig:
    """Factors at -1 and +1."""

    name: str
    low: float
    high: float
    location: str


@dataclass(frozen=True)
class HistoSysConfig:
    """Histograms at -1 and +1."""

    name: str
    low: HistogramReference
    high: HistogramReference
    location: str


@dataclass(frozen=True)
class ShapeSysConfig:
    """Relative uncertainties of one sample, bin by bin."""

    name: str
    histogram: HistogramReference
    constraint: str
    states_constraint: bool
    location: str


@dataclass(frozen=True)
class ShapeFactorConfig:
    """A free factor for each bin."""

    name: str
    initial: HistogramReference | None
    fixed: bool
    location: str


@dataclass(frozen=True)
class StatErrorConfig:
    """Statistical uncertainty of the sample: relative from a histogram, else its own errors."""

    histogram: HistogramReference | None
    location: str


ModifierConfig = (
    NormFactorConfig
    | OverallSysConfig
    | HistoSysConfig
    | ShapeSysConfig
    | ShapeFactorConfig
    | StatErrorConfig
)


@dataclass
class SampleConfig:
    """One sample of a channel."""

    name: str
    histogram: HistogramReference
    normalize_by_theory: bool
    location: str
    modifiers: list[ModifierConfig] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)


@dataclass
class ChannelConfig:
    """One channel; data sets by name, the observed data under an empty name."""

    name: str
    location: str
    data: dict[str, HistogramReference] = field(default_factory=dict)
    stat_threshold: float = 0.05
    stat_constraint: str = "Poisson"
    samples: list[SampleConfig] = field(default_factory=list)


@dataclass
class Combination:
    """The top-level file."""

    inputs: list[tuple[str, str]] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)


# --- attributes ----------------------------------------------------------------------------------


def _fail(element: Element, message: str) -> WorkspaceError:
    return located(WorkspaceError, message, element.location)


def _check(element: Element, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    """Refuse unknown attributes and missing or empty required ones, as ROOT does."""
    for name in element.attributes:
        if name not in required and name not in optional:
            expected = ", ".join((*required, *optional))
            raise _fail(element, f"unknown attribute {name!r}, expected {expected}")
    for name in required:
        if not element.attributes.get(name):
            raise _fail(element, f"attribute {name!r} is missing or empty")


def _number(element: Element, name: str, default: float) -> float:
    text = element.attributes.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _fail(element, f"attribute {name!r}: found {text!r}, expected a number")
    return value


def _flag(element: Element, name: str, default: bool) -> bool:
    text = element.attributes.get(name)
    if text is None:
        return default
    if text not in ("True", "true", "False", "false"):
        raise _fail(element, f"attribute {name!r}: found {text!r}, expected True or False")
    return text in ("True", "true")


def _constraint(element: Element, default: str) -> str:
    text = element.attributes.get("ConstraintType", default)
    types = {"Gaussian": "Gaussian", "Gauss": "Gaussian", "Poisson": "Poisson", "Pois": "Poisson"}
    if text not in types:
        raise _fail(element, f"ConstraintType: found {text!r}, expected Gaussian or Poisson")
    return types[text]


def _reference(
    element: Element, default: HistogramReference, suffix: str = "", file: str = "InputFile"
) -> HistogramReference:
    """Return the histogram that an element names; file and path are inherited."""
    attributes = element.attributes
    reference = HistogramReference(
        attributes.get(file + suffix, default.file),
        attributes.get("HistoPath" + suffix, default.path),
        attributes.get("HistoName" + suffix, ""),
        element.location,
    )
    if not reference.name:
        raise _fail(element, f"attribute 'HistoName{suffix}' is missing or empty")
    if not reference.file:
        raise _fail(element, f"no {file}{suffix}, neither here nor in what it is part of")
    return reference


def _words(element: Element) -> list[str]:
    if not element.text:
        raise _fail(element, "no text, expected one or more names")
    return element.text.split()


# --- top-level file ------------------------------------------------------------------------------


def parse_combination(root: Element) -> Combination:
    """Read the top-level file."""
    if root.name != "Combination":
        raise _fail(root, "found this, expected <Combination>: load the top-level file")
    _check(root, (), ("OutputFilePrefix", "Mode"))
    combination = Combination()
    for child in root.children:
        if child.name == "Input":
            if not child.text:
                raise _fail(child, "no text, expected the path of a channel file")
            combination.inputs.append((child.text, child.location))
        elif child.name == "Function":
            combination.functions.append(_parse_function(child))
        elif child.name == "Measurement":
            combination.measurements.append(_parse_measurement(child))
        else:
            raise _fail(child, "unknown element, expected Function, Input or Measurement")
    if not combination.inputs or not combination.measurements:
        raise _fail(root, "expected at least one <Input> and one <Measurement>")
    counts = Counter(measurement.name for measurement in combination.measurements)
    for measurement in combination.measurements:
        if counts[measurement.name] > 1:
            message = f"the name {measurement.name!r} occurs more than once"
            raise located(WorkspaceError, message, measurement.location)
    return combination


def _parse_function(element: Element) -> Function:
    _check(element, ("Name", "Expression", "Dependents"))
    name, expression, dependents = (
        element.attributes[key] for key in ("Name", "Expression", "Dependents")
    )
    return Function(name, expression, dependents, element.location)


def _parse_measurement(element: Element) -> Measurement:
    optional = ("Lumi", "LumiRelErr", "BinLow", "BinHigh", "Mode", "ExportOnly")
    _check(element, ("Name",), optional)
    measurement = Measurement(
        element.attributes["Name"],
        element.location,
        _number(element, "Lumi", 1.0),
        _number(element, "LumiRelErr", 0.1),
        has_bin_limits="BinLow" in element.attributes or "BinHigh" in element.attributes,
    )
    if measurement.lumi <= 0 or measurement.lumi_relative_error < 0:
        raise _fail(element, "expected Lumi > 0 and LumiRelErr >= 0")
    for child in element.children:
        if child.name == "POI":
            measurement.pois += _words(child)
        elif child.name == "ParamSetting":
            _parse_setting(child, measurement)
        elif child.name == "ConstraintTerm":
            _parse_constraint_term(child, measurement)
        elif child.name == "Asimov":
            measurement.asimov_sets.append(_parse_asimov(child))
        else:
            expected = "POI, ParamSetting, ConstraintTerm or Asimov"
            raise _fail(child, f"unknown element, expected {expected}")
    return measurement


def _parse_setting(element: Element, measurement: Measurement) -> None:
    _check(element, (), ("Const", "Val"))
    if element.attributes.get("Const") == "True":
        measurement.constants += _words(element)
    if "Val" in element.attributes:
        value = _number(element, "Val", 0.0)
        measurement.values.update(dict.fromkeys(_words(element), value))


def _parse_constraint_term(element: Element, measurement: Measurement) -> None:
    _check(element, ("Type",), ("RelativeUncertainty",))
    kind = element.attributes["Type"]
    relative = _number(element, "RelativeUncertainty", 0.0)
    if kind not in ("Gamma", "LogNormal", "Uniform", "NoConstraint"):
        expected = "Gamma, LogNormal, Uniform or NoConstraint"
        raise _fail(element, f"Type: found {kind!r}, expected {expected}")
    if relative < 0:
        raise _fail(element, f"RelativeUncertainty: found {relative}, expected a positive number")
    if kind == "NoConstraint" or relative > 0:
        term = ConstraintTerm(kind, relative)
        measurement.constraint_terms.update(dict.fromkeys(_words(element), term))


def _parse_asimov(element: Element) -> AsimovSet:
    _check(element, ("Name",), ("FixParams",))
    values: dict[str, float] = {}
    for item in element.attributes.get("FixParams", "").replace(",", " ").split():
        name, equals, text = item.partition("=")
        if equals:
            try:
                values[name] = float(text)
            except ValueError:
                message = f"FixParams: found {item!r}, expected name=value"
                raise _fail(element, message) from None
    return AsimovSet(element.attributes["Name"], values)


# --- channel files -------------------------------------------------------------------------------


def parse_channel(root: Element) -> ChannelConfig:
    """Read the file of one channel."""
    if root.name != "Channel":
        raise _fail(root, "found this, expected <Channel>")
    _check(root, ("Name",), ("InputFile", "HistoPath", "HistoName"))
    channel = ChannelConfig(root.attributes["Name"], root.location)
    default = HistogramReference(
        root.attributes.get("InputFile", ""), root.attributes.get("HistoPath", ""), "", ""
    )
    for child in root.children:
        if child.name == "Data":
            _parse_data(child, default, channel)
        elif child.name == "StatErrorConfig":
            _check(child, (), ("RelErrorThreshold", "ConstraintType"))
            channel.stat_threshold = _number(child, "RelErrorThreshold", 0.05)
            channel.stat_constraint = _constraint(child, "Poisson")
        elif child.name == "Sample":
            channel.samples.append(_parse_sample(child, default))
        else:
            raise _fail(child, "unknown element, expected Data, StatErrorConfig or Sample")
    if not channel.samples:
        raise _fail(root, "no <Sample>, expected at least one")
    return channel


def _parse_data(element: Element, default: HistogramReference, channel: ChannelConfig) -> None:
    _check(element, (), ("Name", "InputFile", "HistoName", "HistoPath"))
    name = element.attributes.get("Name", "")
    if not channel.data and name:
        raise _fail(element, "only additional data sets have a Name; give the observed one first")
    if channel.data and (not name or name in channel.data):
        raise _fail(element, "an additional data set needs a Name of its own")
    channel.data[name] = _reference(element, default)


def _parse_sample(element: Element, default: HistogramReference) -> SampleConfig:
    optional = ("InputFile", "HistoPath", "NormalizeByTheory")
    _check(element, ("Name", "HistoName"), optional)
    sample = SampleConfig(
        element.attributes["Name"],
        _reference(element, default),
        _flag(element, "NormalizeByTheory", default=True),
        element.location,
    )
    inherited = replace(sample.histogram, name="")
    for child in element.children:
        if child.name == "HistoFactor":
            sample.unsupported.append(child.location)
            continue
        modifier = _parse_modifier(child, inherited)
        if modifier is not None:
            sample.modifiers.append(modifier)
    return sample


def _parse_modifier(element: Element, default: HistogramReference) -> ModifierConfig | None:
    if element.name == "NormFactor":
        return _parse_norm_factor(element)
    if element.name == "OverallSys":
        _check(element, ("Name", "Low", "High"))
        low, high = _number(element, "Low", 1.0), _number(element, "High", 1.0)
        return OverallSysConfig(element.attributes["Name"], low, high, element.location)
    if element.name == "HistoSys":
        return _parse_histosys(element, default)
    if element.name == "ShapeSys":
        _check(element, ("Name",), ("HistoName", "HistoPath", "InputFile", "ConstraintType"))
        return ShapeSysConfig(
            element.attributes["Name"],
            _reference(element, default),
            _constraint(element, "Poisson"),
            "ConstraintType" in element.attributes,
            element.location,
        )
    if element.name == "ShapeFactor":
        _check(element, ("Name",), ("Const", "HistoName", "HistoPath", "InputFile"))
        initial = _reference(element, default) if element.attributes.get("HistoName") else None
        fixed = _flag(element, "Const", default=False)
        return ShapeFactorConfig(element.attributes["Name"], initial, fixed, element.location)
    if element.name == "StatError":
        _check(element, (), ("Activate", "HistoName", "HistoPath", "InputFile"))
        if not _flag(element, "Activate", default=False):
            return None
        given = _reference(element, default) if element.attributes.get("HistoName") else None
        return StatErrorConfig(given, element.location)
    expected = "NormFactor, OverallSys, HistoSys, ShapeSys, ShapeFactor or StatError"
    raise _fail(element, f"unknown element, expected {expected}")


def _parse_norm_factor(element: Element) -> NormFactorConfig:
    _check(element, ("Name",), ("Val", "Low", "High", "Const"))
    value = _number(element, "Val", 1.0)
    low, high = _number(element, "Low", 0.0), _number(element, "High", 0.0)
    _flag(element, "Const", default=False)
    if not low <= value <= high:
        found = f"Low {low:g}, Val {value:g}, High {high:g}"
        raise _fail(element, f"found {found}, expected Low <= Val <= High")
    return NormFactorConfig(element.attributes["Name"], value, low, high, element.location)


def _parse_histosys(element: Element, default: HistogramReference) -> HistoSysConfig:
    sides = [
        attribute + side
        for side in ("Low", "High")
        for attribute in ("HistoFile", "HistoPath", "HistoName")
    ]
    _check(element, ("Name",), ("InputFile", *sides))
    default = replace(default, file=element.attributes.get("InputFile", default.file))
    return HistoSysConfig(
        element.attributes["Name"],
        _reference(element, default, "Low", "HistoFile"),
        _reference(element, default, "High", "HistoFile"),
        element.location,
    )
