"""HistFactory XML with ROOT histograms, read without ROOT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._budget import BUILT, XML_BYTES, Budget, read_regular
from ..data import Data
from ..errors import ArgumentError, Error, WorkspaceError, located
from ..model import Model
from ..spec import ChannelCounts, Observations, validate
from .document import Document, Notes
from .histfactory_xml_config import parse_channel, parse_combination
from .histfactory_xml_histograms import Files, below
from .histfactory_xml_model import build, same_bins
from .histfactory_xml_tree import Element, parse

if TYPE_CHECKING:
    from ..spec import ModelSpec
    from .document import Mounts
    from .histfactory_xml_config import ChannelConfig, Combination

__all__ = ["read"]

FORMAT = "HistFactory XML"
OBSERVED, ASIMOV = "obsData", "asimovData"


def read(name: str, content: bytes | Path, mounts: Mounts = ()) -> Document:
    """Read a top-level file, its channel files and their histograms.

    Parameters
    ----------
    name : str
        What error messages call the source.
    content : Path or bytes
        The top-level file, or a folder in which (or in whose subfolders) there is exactly one.
        Bytes do not say where the other files are: they are looked for from the working directory.
    mounts : sequence of (path, path)
        Where a folder is, and what the XML calls it.

    Raises
    ------
    WorkspaceError
        With the file, line and element at fault.
    """
    budget = Budget(name)
    if isinstance(content, bytes):
        budget.spend(XML_BYTES, len(content), name)
        root, top = parse(name, content, budget), Path.cwd() / "top.xml"
    else:
        top = _top_level_file(content, budget) if content.is_dir() else content
        name = str(top)
        root = _parse_file(top, budget)
    combination = parse_combination(root)
    with Files(top, mounts, budget) as files:
        channels = _channels(combination, files)
        document = _document(name, combination, channels, files)
        return replace(document, files=(top, *files.found()))


def _parse_file(path: Path, budget: Budget) -> Element:
    return parse(str(path), read_regular(path, budget, XML_BYTES), budget)


def _top_level_file(folder: Path, budget: Budget) -> Path:
    found = [
        path
        for path in sorted(below(folder, "*.xml", budget))
        if path.is_file() and b"<Combination" in read_regular(path, budget, XML_BYTES)
    ]
    if len(found) != 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in found) or "none"
        message = f"expected one XML file with <Combination>, found {names}; name the file to load"
        raise located(WorkspaceError, message, str(folder))
    return found[0]


def _channels(combination: Combination, files: Files) -> list[ChannelConfig]:
    channels: dict[str, ChannelConfig] = {}
    for path, location in combination.inputs:
        channel = parse_channel(_parse_file(files.find(path, location), files.budget))
        if channel.name in channels:
            message = f"the name {channel.name!r} occurs more than once"
            raise located(WorkspaceError, message, channel.location)
        channels[channel.name] = channel
    return list(channels.values())


def _document(
    name: str, combination: Combination, channels: list[ChannelConfig], files: Files
) -> Document:
    measurements: dict[str, ModelSpec] = {}
    notes = Notes()
    samples = [sample for channel in channels for sample in channel.samples]
    n_parts = len(samples) + sum(len(sample.modifiers) for sample in samples)
    files.budget.spend(BUILT, n_parts * len(combination.measurements), name)
    for measurement in combination.measurements:
        spec = build(measurement, combination, channels, files, notes)
        _check(spec, name)
        measurements[measurement.name] = spec
    datasets: dict[str, Observations] = {}
    problem = None
    try:
        datasets = _observed(channels, next(iter(measurements.values())), files, notes)
    except WorkspaceError as error:
        problem = error
    for measurement in combination.measurements:
        for asimov in measurement.asimov_sets:
            spec = measurements[measurement.name]
            key = asimov.name if asimov.name not in datasets else f"{spec.name}_{asimov.name}"
            try:
                datasets[key] = _asimov(spec, key, asimov.values)
            except ArgumentError as error:
                raise located(WorkspaceError, f"FixParams: {error}", measurement.location) from None
    moved = files.moved()
    return Document(FORMAT, name, measurements, datasets, moved + notes.take(), moved, problem)


def _check(spec: ModelSpec, name: str) -> None:
    """Find what only the whole model shows, and say in which file and measurement."""
    try:
        validate(spec)
    except Error as error:
        where = f"{name}: measurement {spec.name}"
        raise located(WorkspaceError, str(error), where) from error


def _asimov(spec: ModelSpec, name: str, values: dict[str, float]) -> Observations:
    """Return the expected counts at the initial values, some of them replaced."""
    model = Model(spec)
    return _observations(name, model, model.asimov(values))


def _observations(name: str, model: Model, data: Data) -> Observations:
    bins = model.channel_bins
    counts = tuple(ChannelCounts(channel, data.counts[bins[channel]]) for channel in bins)
    return Observations(name, counts)


def _observed(
    channels: list[ChannelConfig], spec: ModelSpec, files: Files, notes: Notes
) -> dict[str, Observations]:
    """Return the data sets of the channels; expected events where a channel has none."""
    sets = dict.fromkeys(key for channel in channels for key in channel.data)
    missing = [channel.name for channel in channels if "" not in channel.data]
    expected = _asimov(spec, ASIMOV, {}) if missing else None
    made = {counts.channel: counts for counts in expected.channels} if expected else {}
    datasets: dict[str, Observations] = {}
    for key in sets:
        if key and any(key not in channel.data for channel in channels):
            notes.add("not in every channel, so it is left out.", f"Data {key}")
            continue
        counts = [
            _counts(channel, key, files) if key in channel.data else made[channel.name]
            for channel in channels
        ]
        datasets[key or OBSERVED] = Observations(key or OBSERVED, counts)
    if missing:
        notes.add(
            f"No Data for {', '.join(missing)}: expected events at the initial values are used."
        )
    if OBSERVED not in datasets and expected is not None:
        datasets = {ASIMOV: expected, **datasets}
    return datasets


def _counts(channel: ChannelConfig, key: str, files: Files) -> ChannelCounts:
    reference = channel.data[key]
    histogram = files.histogram(reference)
    same_bins(histogram, files.histogram(channel.samples[0].histogram), reference)
    if histogram.values.min() < 0.0:
        message = f"{reference.file}: {reference.name}: found {histogram.values.min():g} events"
        raise located(WorkspaceError, f"{message}, expected none below 0", reference.location)
    return ChannelCounts(channel.name, histogram.values.ravel())
