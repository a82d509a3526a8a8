"""Commands that turn workspaces into others: convert, combine, prune, rename."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import surgery
from .._results.files import write_text
from ..errors import ArgumentError, ModelWarning, located
from .common import NamedPath, Source, source_argument

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import WorkspaceError
    from ..spec import ModelSpec, Observations

__all__ = ["combine", "convert", "prune", "rename", "show_graph"]

_input = source_argument("source")
_output = click.argument("output", type=click.Path(path_type=Path))


def _writing_options(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--measurement", metavar="NAME", help="Measurement; the first by default."),
        click.option("--dataset", metavar="NAME", help="Data set; the first by default."),
        click.option(
            "--to",
            "target",
            type=click.Choice(["pyhf", "hs3"]),
            default="pyhf",
            show_default=True,
            help="Format to write.",
        ),
        click.option(
            "--lossy", is_flag=True, help="Warn about what the format cannot hold, and write."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("convert")
@_input
@_output
@_writing_options
def convert(
    source: Source,
    output: Path,
    measurement: str | None,
    dataset: str | None,
    target: str,
    lossy: bool,
) -> None:
    """Write the workspace SOURCE, of any format, as JSON to OUTPUT ("-" for the terminal)."""
    spec, observations = _load(source, measurement, dataset)
    _write(output, spec, observations, target, lossy=lossy)


@click.command("combine")
@click.argument("sources", nargs=-1, required=True, type=NamedPath(path_type=Path))
@_output
@_writing_options
def combine(
    sources: tuple[Path, ...],
    output: Path,
    measurement: str | None,
    dataset: str | None,
    target: str,
    lossy: bool,
) -> None:
    """Combine SOURCES, with different channels, into OUTPUT; parameters are shared by name."""
    loaded = [_load(Source(source), measurement, dataset) for source in sources]
    specs = [spec for spec, _ in loaded]
    spec = surgery.combine(specs)
    data = [observations for _, observations in loaded if observations is not None]
    if 0 < len(data) < len(loaded):
        raise located(ArgumentError, "some have data and some do not", "SOURCES")
    both = surgery.combine_observations(data, specs) if data else None
    _write(output, spec, both, target, lossy=lossy)


@click.command("prune")
@_input
@_output
@click.option("--channel", multiple=True, metavar="NAME", help="May be repeated, may have * or ?.")
@click.option("--sample", multiple=True, metavar="NAME", help="As --channel.")
@click.option("--modifier", multiple=True, metavar="NAME", help="As --channel.")
@click.option("--modifier-type", multiple=True, metavar="TYPE", help='E.g. "staterror".')
@_writing_options
def prune(
    source: Source,
    output: Path,
    channel: tuple[str, ...],
    sample: tuple[str, ...],
    modifier: tuple[str, ...],
    modifier_type: tuple[str, ...],
    measurement: str | None,
    dataset: str | None,
    target: str,
    lossy: bool,
) -> None:
    """Write SOURCE without some channels, samples or modifiers to OUTPUT."""
    spec, observations = _load(source, measurement, dataset)
    pruned = surgery.prune(
        spec, channels=channel, samples=sample, modifiers=modifier, modifier_types=modifier_type
    )
    if observations is not None:
        observations = surgery.matching(observations, pruned, spec)
    _write(output, pruned, observations, target, lossy=lossy)


@click.command("rename")
@_input
@_output
@click.option("--channel", multiple=True, metavar="OLD=NEW", help="May be repeated.")
@click.option("--sample", multiple=True, metavar="OLD=NEW", help="May be repeated.")
@click.option("--modifier", multiple=True, metavar="OLD=NEW", help="May be repeated.")
@click.option("--parameter", multiple=True, metavar="OLD=NEW", help="May be repeated.")
@_writing_options
def rename(
    source: Source,
    output: Path,
    channel: tuple[str, ...],
    sample: tuple[str, ...],
    modifier: tuple[str, ...],
    parameter: tuple[str, ...],
    measurement: str | None,
    dataset: str | None,
    target: str,
    lossy: bool,
) -> None:
    """Write SOURCE with other names to OUTPUT."""
    spec, observations = _load(source, measurement, dataset)
    channels, modifiers, parameters = _pairs(channel), _pairs(modifier), _pairs(parameter)
    renamed = surgery.rename(
        spec,
        channels=channels,
        samples=_pairs(sample),
        modifiers=modifiers,
        parameters=parameters,
    )
    if observations is not None:
        observations = surgery.rename_observations(
            observations, channels=channels, modifiers=modifiers, parameters=parameters
        )
    _write(output, renamed, observations, target, lossy=lossy)


def show_graph(path: Path, error: WorkspaceError, *, as_json: bool) -> bool:
    """Print the nodes of a ROOT file's workspaces that are no HistFactory models, if it is one."""
    with path.open("rb") as file:
        if file.read(4) != b"root":
            return False
    from ..io.rooworkspace import describe

    found = describe(str(path), path)
    if as_json:
        graphs = {"error": str(error), "workspaces": [asdict(graph) for graph in found]}
        click.echo(json.dumps(graphs, indent=1))
        return True
    for graph in found:
        click.echo(str(graph))
    click.echo(f"not a HistFactory model: {error}", err=True)
    return True


def _pairs(items: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in items:
        old, equals, new = item.partition("=")
        if not (old and equals and new):
            raise located(ArgumentError, "expected OLD=NEW", item)
        pairs[old] = new
    return pairs


def _load(
    source: Source, measurement: str | None, dataset: str | None
) -> tuple[ModelSpec, Observations | None]:
    """Read one measurement and one data set; say what else there is."""
    workspace = source.load()
    spec = workspace.spec(measurement)
    if measurement is None and len(workspace.measurements) > 1:
        others = ", ".join(workspace.measurements[1:])
        click.echo(f"warning: {workspace.source}: taking {spec.name}, not {others}", err=True)
    for note in workspace.notes:
        if note not in workspace._document.warnings:
            click.echo(f"note: {workspace.source}: {note}", err=True)
    has_data = dataset is not None or bool(workspace.datasets)
    return spec, workspace.dataset(dataset) if has_data else None


def _write(
    output: Path, spec: ModelSpec, observations: Observations | None, target: str, *, lossy: bool
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ModelWarning)
        if target == "hs3":
            text = spec.to_hs3(() if observations is None else (observations,), lossy=lossy)
        else:
            document = spec.to_pyhf(observations, lossy=lossy)
            text = json.dumps(document, indent=1, allow_nan=False)
    for warning in caught:
        click.echo(f"warning: {warning.message}", err=True)
    if str(output) == "-":
        click.echo(text)
    else:
        write_text(output, text + "\n")
