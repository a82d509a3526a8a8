"""Configurations of cabinetry as models.

Meaning and numbers are those of cabinetry 0.6 (templates.builder, templates.collector,
templates.postprocessor and workspace of its sources).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from .._arrays import nearest
from .._budget import Budget
from ..errors import ArgumentError, ModelWarning, WorkspaceError, located
from ..io.histfactory_xml_config import HistogramReference
from ._builders import ModelBuilder
from ._histograms import Binning, Histogram, HistogramLike, read_binning, read_histogram
from ._ntuples import Ntuples, find_files
from ._templates import smoothed

if TYPE_CHECKING:
    from .._arrays import FloatArray
    from ..io.histfactory_xml_histograms import Files
    from ._samples import SampleBuilder

__all__ = ["from_cabinetry"]

Options: TypeAlias = Mapping[str, Any]
Template: TypeAlias = Literal["Up", "Down"]
Provider: TypeAlias = Callable[[str, str, str, str], "HistogramLike | None"]

MAX_BYTES = 16 * 1024**2

# --- what a configuration may say -----------------------------------------------------------------

_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "text": ("text", lambda value: isinstance(value, str)),
    "number": ("a number", lambda value: _is_number(value)),
    "flag": ("True or False", lambda value: isinstance(value, bool)),
    "names": ("text or a list of texts", lambda value: _is_names(value)),
    "numbers": (
        "a list of at least two numbers",
        lambda value: isinstance(value, list) and len(value) > 1 and all(map(_is_number, value)),
    ),
    "mapping": ("a mapping", lambda value: isinstance(value, Mapping)),
    "list": ("a list", lambda value: isinstance(value, list)),
}
_ALLOWED: dict[str, dict[str, str]] = {
    "configuration": {
        "General": "mapping",
        "Regions": "list",
        "Samples": "list",
        "NormFactors": "list",
        "Systematics": "list",
    },
    "General": {
        "Measurement": "text",
        "POI": "text",
        "InputPath": "text",
        "HistogramFolder": "text",
        "Fixed": "list",
        "VariationPath": "text",
    },
    "Fixed": {"Name": "text", "Value": "number"},
    "Regions": {
        "Name": "text",
        "Variable": "text",
        "Binning": "numbers",
        "Filter": "text",
        "RegionPath": "text",
    },
    "Samples": {
        "Name": "text",
        "Tree": "text",
        "Filter": "text",
        "Weight": "text",
        "SamplePath": "names",
        "Data": "flag",
        "DisableStaterror": "flag",
        "Regions": "names",
    },
    "NormFactors": {
        "Name": "text",
        "Regions": "names",
        "Samples": "names",
        "Nominal": "number",
        "Bounds": "numbers",
    },
    "Systematics": {
        "Name": "text",
        "Type": "text",
        "Up": "mapping",
        "Down": "mapping",
        "Regions": "names",
        "Samples": "names",
        "Smoothing": "mapping",
        "ModifierName": "text",
    },
    "Template": {
        "Tree": "text",
        "Weight": "text",
        "Variable": "text",
        "Filter": "text",
        "RegionPath": "text",
        "SamplePath": "names",
        "Normalization": "number",
        "Symmetrize": "flag",
        "VariationPath": "text",
    },
    "Smoothing": {"Algorithm": "text", "Regions": "names", "Samples": "names"},
}
_REQUIRED = {
    "configuration": ("General", "Regions", "Samples", "NormFactors"),
    "General": ("Measurement", "InputPath"),
    "Fixed": ("Name", "Value"),
    "Regions": ("Name",),
    "Samples": ("Name",),
    "NormFactors": ("Name",),
    "Systematics": ("Name", "Type", "Up", "Down"),
    "Smoothing": ("Algorithm",),
}
_TYPES = ("Normalization", "NormPlusShape")
_SMOOTHINGS = {"353QH, twice": "353QH twice"}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_names(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def _check(options: object, kind: str, place: str) -> None:
    """Raise WorkspaceError for what cabinetry does not know, or of another type."""
    if not isinstance(options, Mapping):
        message = f"found {type(options).__name__}, expected a mapping"
        raise located(WorkspaceError, message, place)
    allowed = _ALLOWED[kind]
    for key, value in options.items():
        if key not in allowed:
            hint = nearest(str(key), tuple(allowed))
            raise located(WorkspaceError, f"no such option {key!r}{hint}", place)
        what, fits = _KINDS[allowed[key]]
        if not fits(value):
            raise located(WorkspaceError, f"found {value!r}, expected {what}", f"{place}, {key}")
    for key in _REQUIRED.get(kind, ()):
        if key not in options:
            raise located(WorkspaceError, f"found no {key}, expected one", place)


def _check_list(items: Sequence[Any], kind: str, place: str) -> None:
    names: set[str] = set()
    for i, item in enumerate(items):
        _check(item, kind, f"{place}: {kind}[{i}]")
        if item["Name"] in names:
            message = f"found two of the name {item['Name']!r}, expected different names"
            raise located(WorkspaceError, message, f"{place}: {kind}")
        names.add(item["Name"])


def _check_configuration(config: Options, place: str) -> None:
    """Check all options, before anything is read."""
    _check(config, "configuration", place)
    _check(config["General"], "General", f"{place}: General")
    _check_list(config["General"].get("Fixed", ()), "Fixed", f"{place}: General")
    for kind in ("Regions", "Samples", "NormFactors", "Systematics"):
        _check_list(config.get(kind, ()), kind, place)
    for kind in ("Regions", "Samples", "NormFactors"):
        if not config[kind]:
            raise located(WorkspaceError, "found none, expected at least one", f"{place}: {kind}")
    n_data = sum(bool(sample.get("Data")) for sample in config["Samples"])
    if n_data != 1:
        message = f"found {n_data} with Data: True, expected one"
        raise located(WorkspaceError, message, f"{place}: Samples")
    for item in config.get("Systematics", ()):
        _check_systematic(item, f"{place}: systematic {item['Name']!r}")
    known = {key: [item["Name"] for item in config[key]] for key in ("Regions", "Samples")}
    for kind in ("Samples", "NormFactors", "Systematics"):
        for item in config.get(kind, ()):
            for options in (item, item.get("Smoothing", {})):
                _check_names(options, known, f"{place}: {kind} {item['Name']!r}")


def _check_systematic(item: Options, place: str) -> None:
    if item["Type"] not in _TYPES:
        hint = nearest(item["Type"], _TYPES)
        raise located(WorkspaceError, f"Type: found {item['Type']!r}{hint}", place)
    for side in ("Up", "Down"):
        _check(item[side], "Template", f"{place}, {side}")
        if item["Type"] == "Normalization" and "Normalization" not in item[side]:
            message = "found no Normalization, expected one, such as 0.05"
            raise located(WorkspaceError, message, f"{place}, {side}")
    if item["Up"].get("Symmetrize") and item["Down"].get("Symmetrize"):
        message = "found Symmetrize in Up and in Down, expected one variation that is given"
        raise located(WorkspaceError, message, place)
    if "Smoothing" in item:
        _check(item["Smoothing"], "Smoothing", f"{place}, Smoothing")
        algorithm = item["Smoothing"]["Algorithm"]
        if algorithm not in _SMOOTHINGS:
            hint = nearest(algorithm, tuple(_SMOOTHINGS))
            message = f"Algorithm: found {algorithm!r}{hint}"
            raise located(WorkspaceError, message, f"{place}, Smoothing")


def _check_names(options: Options, known: Mapping[str, list[str]], place: str) -> None:
    for key in ("Regions", "Samples"):
        for name in _as_list(options.get(key, [])):
            if name not in known[key]:
                hint = nearest(name, known[key])
                raise located(WorkspaceError, f"no such name {name!r}{hint}", f"{place}, {key}")


def _as_list(setting: str | list[str]) -> list[str]:
    return [setting] if isinstance(setting, str) else setting


def _acts_on(options: Options, *, region: Options, sample: Options | None = None) -> bool:
    """Whether a sample or modifier is not excluded by its Regions and Samples."""
    regions, samples = (_as_list(options.get(key, [])) for key in ("Regions", "Samples"))
    is_in_region = not regions or region["Name"] in regions
    return is_in_region and (sample is None or not samples or sample["Name"] in samples)


# --- reading --------------------------------------------------------------------------------------


def from_cabinetry(
    config: str | os.PathLike[str] | Mapping[str, Any], *, histograms: Provider | None = None
) -> ModelBuilder:
    """Build the model of a cabinetry configuration, with its data.

    Parameters
    ----------
    config : path or mapping
        The YAML file (needs PyYAML), or what it says.
    histograms : callable, optional
        Called with the names of region, sample and systematic and with "Up" or "Down" (the latter
        two are empty for nominal templates); returns a histogram as `ChannelBuilder.sample` takes
        it, or None for what is to be read from files. It replaces the template builders of
        cabinetry.

    Returns
    -------
    ModelBuilder
        `workspace()` has the channels, data, parameters and numbers of `cabinetry.workspace.build`.

    Warns
    -----
    ModelWarning
        Of settings that cabinetry passes over: Fixed with a value other than Nominal.

    Raises
    ------
    WorkspaceError
        If an option is unknown or wrong, or a file, tree or histogram cannot be read; the message
        begins with the place in the configuration.
    ArgumentError
        If an expression is not arithmetic in columns.
    ImportError
        If PyYAML is needed and missing.

    Notes
    -----
    If all samples name a Tree, events are read from ntuples, else histograms from the path
    "file:name" that InputPath makes. Relative paths are tried from the folder of the configuration,
    then from the working directory. Files in HistogramFolder are not used. Variable, Weight and
    Filter are arithmetic in the columns of a tree, in Python's syntax with NumPy's functions; they
    are parsed, and nothing in a configuration is executed.

    Examples
    --------
    >>> config = {
    ...     "General": {"Measurement": "m", "POI": "mu", "InputPath": "", "HistogramFolder": "h"},
    ...     "Regions": [{"Name": "SR", "Variable": "mT", "Binning": [0, 50, 100]}],
    ...     "Samples": [
    ...         {"Name": "Data", "Tree": "", "Data": True},
    ...         {"Name": "signal", "Tree": "", "DisableStaterror": True},
    ...     ],
    ...     "NormFactors": [{"Name": "mu", "Samples": "signal", "Nominal": 1, "Bounds": [0, 9]}],
    ... }
    >>> def histograms(region, sample, systematic, side):
    ...     return np.array([3.0, 5.0]), np.array([0.0, 50.0, 100.0])
    >>> builder = nf.build.from_cabinetry(config, histograms=histograms)
    >>> builder.workspace().channels
    ('SR',)
    """
    from ..io.histfactory_xml_histograms import Files

    options, name, folder = _load(config)
    _check_configuration(options, name)
    if histograms is not None and not callable(histograms):
        message = f"found {type(histograms).__name__}, expected a function"
        raise located(ArgumentError, message, "histograms")
    with ExitStack() as stack:
        folders = list(dict.fromkeys((folder, Path.cwd())))
        templates = _Templates(
            options,
            name,
            folders,
            stack.enter_context(Ntuples(folders)),
            stack.enter_context(Files(folder / "configuration", (), Budget(name))),
            histograms,
        )
        return _Building(options, name, templates).run()


def _load(config: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[Options, str, Path]:
    if isinstance(config, Mapping):
        return config, "configuration", Path.cwd()
    if not isinstance(config, str | os.PathLike):
        message = f"found {type(config).__name__}, expected a path or a mapping"
        raise located(ArgumentError, message, "config")
    path = Path(config)
    try:
        import yaml
    except ImportError as error:
        message = "reading a configuration needs PyYAML: pip install 'nablafit[cabinetry]'"
        raise ImportError(message) from error
    size = path.stat().st_size
    if size > MAX_BYTES:
        message = f"found {size} bytes, expected at most {MAX_BYTES}"
        raise located(WorkspaceError, message, str(path))
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise located(WorkspaceError, f"not readable as YAML: {reason}", str(path)) from error
    return options, str(path), path.resolve().parent


@dataclass(frozen=True)
class _Templates:
    """Finds the histogram of a region, sample, systematic and side."""

    config: Options
    name: str
    folders: Sequence[Path]
    ntuples: Ntuples
    files: Files
    provider: Provider | None

    def find(
        self,
        region: Options,
        sample: Options,
        systematic: Options | None = None,
        side: Template | None = None,
    ) -> Histogram:
        """Return a histogram, the nominal one without systematic."""
        place = f"{self.name}: region {region['Name']!r}, sample {sample['Name']!r}"
        label = ""
        overrides: Options = {}
        if systematic is not None and side is not None:
            label = systematic["Name"]
            place += f", systematic {label!r}, {side}"
            overrides = systematic[side]
        if self.provider is not None:
            given = self.provider(region["Name"], sample["Name"], label, side or "")
            if given is not None:
                return read_histogram(given, place)
        if all("Tree" in item for item in self.config["Samples"]):
            return self._from_ntuples(region, sample, overrides, place)
        return self._from_histogram(region, sample, overrides, place)

    def _from_ntuples(
        self, region: Options, sample: Options, overrides: Options, place: str
    ) -> Histogram:
        for key in ("Variable", "Binning"):
            if key not in region:
                message = f"found no {key} of the region, expected one to fill a histogram"
                raise located(WorkspaceError, message, place)
        parts = {
            "RegionPath": overrides.get("RegionPath", region.get("RegionPath")),
            "SamplePath": overrides.get("SamplePath", sample.get("SamplePath")),
        }
        variable = overrides.get("Variable", region["Variable"])
        binning = read_binning(region["Binning"], f"{place}, Binning", region["Variable"])
        return self.ntuples.fill(
            self._paths(parts, place),
            overrides.get("Tree", sample["Tree"]),
            variable,
            binning,
            overrides.get("Weight", sample.get("Weight")),
            overrides.get("Filter", sample.get("Filter", region.get("Filter"))),
            place,
        )

    def _from_histogram(
        self, region: Options, sample: Options, overrides: Options, place: str
    ) -> Histogram:
        default = self.config["General"].get("VariationPath", "")
        parts = {
            "RegionPath": region.get("RegionPath"),
            "SamplePath": overrides.get("SamplePath", sample.get("SamplePath")),
            "VariationPath": overrides.get("VariationPath", default),
        }
        paths = self._paths(parts, place)
        file, colon, name = paths[0].rpartition(":")
        if len(paths) != 1 or not colon:
            message = f"found {', '.join(paths)}, expected one path of the form file.root:histogram"
            raise located(WorkspaceError, message, place)
        found = find_files(self.folders, file, place)
        if len(found) != 1:
            message = f"found {len(found)} files {file!r}, expected one"
            raise located(WorkspaceError, message, place)
        stored = self.files.histogram(HistogramReference(str(found[0]), "", name.strip("/"), place))
        names = ("",) * len(stored.edges)
        variances = np.square(stored.errors).ravel()
        return Histogram(stored.values.ravel(), variances, Binning(names, stored.edges))

    def _paths(self, parts: Mapping[str, Any], place: str) -> list[str]:
        """Return InputPath with its placeholders replaced; several for a list."""
        paths = [self.config["General"]["InputPath"]]
        for key, setting in parts.items():
            placeholder = f"{{{key}}}"
            if placeholder not in paths[0]:
                continue
            if setting is None:
                message = f"found no {key}, expected one for {placeholder} in InputPath"
                raise located(WorkspaceError, message, place)
            paths = [
                path.replace(placeholder, part) for path in paths for part in _as_list(setting)
            ]
        return paths


# --- building -------------------------------------------------------------------------------------


class _Building:
    """Builds the model of one configuration."""

    def __init__(self, config: Options, name: str, templates: _Templates) -> None:
        self._config = config
        self._name = name
        self._templates = templates
        general = config["General"]
        self._builder = ModelBuilder(general["Measurement"], poi=general.get("POI") or None)

    def run(self) -> ModelBuilder:
        """Return the builder with all regions and settings."""
        data = next(sample for sample in self._config["Samples"] if sample.get("Data"))
        for region in self._config["Regions"]:
            observed = self._templates.find(region, data)
            channel = self._builder.channel(region["Name"], observed)
            for sample in self._config["Samples"]:
                if sample.get("Data") or not _acts_on(sample, region=region):
                    continue
                nominal = self._templates.find(region, sample)
                made = channel.sample(sample["Name"], nominal, stat_error=False)
                if not sample.get("DisableStaterror") and nominal.variances is not None:
                    made.stat_error(name=f"staterror_{region['Name'].replace(' ', '-')}")
                self._add_modifiers(made, region, sample, nominal.values)
        self._set_parameters()
        return self._builder

    def _add_modifiers(
        self, made: SampleBuilder, region: Options, sample: Options, nominal: FloatArray
    ) -> None:
        for factor in self._config["NormFactors"]:
            if _acts_on(factor, region=region, sample=sample):
                made.norm_factor(factor["Name"])
        for systematic in self._config.get("Systematics", ()):
            if not _acts_on(systematic, region=region, sample=sample):
                continue
            name = systematic.get("ModifierName", systematic["Name"])
            if systematic["Type"] == "Normalization":
                low, high = (1 + systematic[side]["Normalization"] for side in ("Down", "Up"))
                made.norm_sys(name, low, high)
            else:
                self._add_shape(made, name, region, sample, systematic, nominal)

    def _add_shape(
        self,
        made: SampleBuilder,
        name: str,
        region: Options,
        sample: Options,
        systematic: Options,
        nominal: FloatArray,
    ) -> None:
        """Add normalisation and shape apart; what is symmetrised is so after that."""
        total = nominal.sum()
        parts: dict[str, tuple[float, FloatArray]] = {}
        binning: Binning | None = None
        for side in ("Up", "Down"):
            if systematic[side].get("Symmetrize"):
                continue
            found = self._templates.find(region, sample, systematic, side)
            place = f"{self._name}: systematic {systematic['Name']!r}, {side}"
            if found.values.size != nominal.size:
                message = f"found {found.values.size} bins, expected {nominal.size} as in nominal"
                raise located(WorkspaceError, message, place)
            values, binning = found.values, found.binning
            smoothing = systematic.get("Smoothing")
            if smoothing is not None and _acts_on(smoothing, region=region, sample=sample):
                values = smoothed(nominal, values, _SMOOTHINGS[smoothing["Algorithm"]])
            if total <= 0.0 or values.sum() <= 0.0:
                message = (
                    f"found the sums {values.sum():g} and {total:g} (nominal), expected positive "
                    "ones to separate the normalisation"
                )
                raise located(WorkspaceError, message, place)
            factor = float(values.sum() / total)
            parts[side] = factor, values / factor
        for side, other in (("Up", "Down"), ("Down", "Up")):
            if side not in parts:
                factor, shape = parts[other]
                parts[side] = 2.0 - factor, 2.0 * nominal - shape
        (high, above), (low, below) = parts["Up"], parts["Down"]
        made.norm_sys(name, low, high)
        if nominal.size > 1:
            sides = (Histogram(side, None, binning) for side in (below, above))
            made.histo_sys(name, *sides)

    def _set_parameters(self) -> None:
        fixed = {item["Name"]: item["Value"] for item in self._config["General"].get("Fixed", ())}
        factors = {item["Name"]: item for item in self._config["NormFactors"]}
        systematics = {
            item["Name"]: item.get("ModifierName", item["Name"])
            for item in self._config.get("Systematics", ())
        }
        for name in fixed:
            if name not in factors and name not in systematics:
                hint = nearest(name, [*factors, *systematics])
                message = f"no such NormFactor or systematic {name!r}{hint}"
                raise located(WorkspaceError, message, f"{self._name}: General, Fixed")
        for name, factor in factors.items():
            value = factor.get("Nominal", fixed.get(name))
            if name in fixed and fixed[name] != value:
                message = (
                    f"{self._name}: Fixed, {name}: the value {fixed[name]:g} is passed over, and "
                    f"Nominal, {value:g}, is taken, as in cabinetry"
                )
                warnings.warn(message, ModelWarning, stacklevel=4)
            bounds = factor.get("Bounds")
            self._builder.parameter(
                name, initial=value, bounds=bounds, fixed=True if name in fixed else None
            )
        for name, modifier in systematics.items():
            if name in fixed:
                self._builder.parameter(modifier, initial=fixed[name], fixed=True)
