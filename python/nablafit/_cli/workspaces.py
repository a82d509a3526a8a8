"""Commands that rewrite workspaces: convert, combine, prune, rename, and export as C++."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import surgery
from .._printable import json_text
from .._results.files import write_text
from ..errors import ArgumentError, ModelWarning, located
from ..io.cpp import to_cpp
from .common import (
    Option,
    Source,
    choice_option,
    dataset_option,
    echo,
    echo_json,
    measurement_option,
    model_options,
    say,
    source_argument,
    warnings_on_stderr,
    with_options,
)
from .fits import DataChoice, Request, data_options
from .outputs import NamedPath, OutputPath, guarded, is_terminal, write_new

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import WorkspaceError
    from ..spec import ModelSpec, Observations
    from .common import CommandT

__all__ = ["combine", "convert", "export", "prune", "rename", "show_graph"]

_MOST_LISTED = 10
_input = source_argument("source")
_output = click.argument("output", type=OutputPath(or_terminal=True))


_writing_options = with_options(
    guarded,
    measurement_option,
    dataset_option,
    choice_option("Format to write.", ["pyhf", "hs3"], "--to", "target"),
    click.option(
        "--lossy", is_flag=True, help="Warn about what the format cannot hold, and write."
    ),
)


def _names_options(verb: str, metavar: str, *kinds: str) -> Callable[[CommandT], CommandT]:
    """Return options that name channels, samples, ...; all may be repeated."""
    more = "may be repeated, may have * or ?" if metavar == "NAME" else "may be repeated"
    return with_options(
        *(
            click.option(
                f"--{kind}",
                f"{kind}s",
                multiple=True,
                metavar=metavar,
                help=f"{verb} a {kind}; {more}.",
            )
            for kind in kinds
        )
    )


@dataclass(frozen=True)
class _Writing:
    """Options about input and output that all these commands have."""

    output: Path
    measurement: str | None
    dataset: str | None
    target: str
    lossy: bool

    def load(self, source: Source) -> tuple[ModelSpec, Observations | None]:
        """Read one measurement and one data set; say what else there is."""
        workspace = source.load()
        spec = workspace.spec(self.measurement)
        if self.measurement is None and len(workspace.measurements) > 1:
            others = ", ".join(workspace.measurements[1:])
            say(f"warning: {workspace.source}: taking {spec.name}, not {others}")
        for note in workspace.notes:
            if note not in workspace._document.warnings:
                say(f"note: {workspace.source}: {note}")
        has_data = self.dataset is not None or bool(workspace.datasets)
        return spec, workspace.dataset(self.dataset) if has_data else None

    def say_what(self, did: str, spec: ModelSpec, *, left: Sequence[str] = ()) -> None:
        """Say on stderr what became of the input."""
        sizes = _sizes(spec)
        say(f"{did}: {', '.join(f'{count} {name}' for name, count in sizes.items())}")
        for line in left:
            say(f"  {line}")

    def write(self, spec: ModelSpec, observations: Observations | None) -> None:
        """Write a specification with its data, with warnings on stderr."""
        with warnings_on_stderr(ModelWarning):
            if self.target == "hs3":
                datasets = () if observations is None else (observations,)
                text = spec.to_hs3(datasets, lossy=self.lossy)
            else:
                document = spec.to_pyhf(observations, lossy=self.lossy)
                text = json.dumps(document, indent=1, allow_nan=False)
        text = json_text(text) + "\n"
        if is_terminal(self.output):
            click.echo(text, nl=False)
        else:
            write_new(self.output, text)


@click.command("convert")
@_input
@_output
@_writing_options
def convert(source: Source, **options: Option) -> None:
    """Write the workspace SOURCE, of any format, as JSON to OUTPUT ("-" for the terminal)."""
    writing = _Writing(**options)
    spec, observations = writing.load(source)
    writing.write(spec, observations)


@click.command("combine")
@click.argument("sources", nargs=-1, required=True, type=NamedPath())
@_output
@_writing_options
def combine(sources: tuple[Path, ...], **options: Option) -> None:
    """Combine SOURCES, with different channels, into OUTPUT; parameters are shared by name."""
    writing = _Writing(**options)
    loaded = [writing.load(Source(source)) for source in sources]
    specs = [spec for spec, _ in loaded]
    spec = surgery.combine(specs)
    data = [observations for _, observations in loaded if observations is not None]
    if 0 < len(data) < len(loaded):
        raise located(ArgumentError, "some have data and some do not", "SOURCES")
    both = surgery.combine_observations(data, specs) if data else None
    writing.write(spec, both)
    names = [{parameter.name for parameter in each.parameters} for each in specs]
    shared = [
        parameter.name
        for parameter in spec.parameters
        if sum(parameter.name in each for each in names) > 1
    ]
    about = f"shared: {_listed(shared)}" if shared else "no parameter is shared"
    writing.say_what(f"combined {len(specs)} workspaces", spec, left=[about])


@click.command("prune")
@_input
@_output
@_names_options("Remove", "NAME", "channel", "sample", "modifier")
@click.option(
    "--modifier-type",
    "modifier_types",
    multiple=True,
    metavar="TYPE",
    help='Remove modifiers of this type, e.g. "staterror"; may be repeated.',
)
@_writing_options
def prune(source: Source, **options: Option) -> None:
    """Write SOURCE without some channels, samples or modifiers to OUTPUT."""
    kinds = ("channels", "samples", "modifiers", "modifier_types")
    names = {kind: options.pop(kind) for kind in kinds}
    writing = _Writing(**options)
    spec, observations = writing.load(source)
    pruned = surgery.prune(spec, **names)
    if observations is not None:
        observations = surgery.matching(observations, pruned, spec)
    writing.write(pruned, observations)
    before, after = _names_of(spec), _names_of(pruned)
    gone = {kind: [n for n in before[kind] if n not in set(after[kind])] for kind in before}
    lines = [f"removed {kind}: {_listed(found)}" for kind, found in gone.items() if found]
    uses = len(surgery.modifiers_of(spec)) - len(surgery.modifiers_of(pruned))
    writing.say_what("left", pruned, left=[*lines, f"removed modifiers: {uses} uses"])


@click.command("rename")
@_input
@_output
@_names_options("Rename", "OLD=NEW", "channel", "sample", "modifier", "parameter")
@_writing_options
def rename(source: Source, **options: Option) -> None:
    """Write SOURCE with other names to OUTPUT."""
    samples = _pairs(options.pop("samples"))
    names = {kind: _pairs(options.pop(kind)) for kind in ("channels", "modifiers", "parameters")}
    writing = _Writing(**options)
    spec, observations = writing.load(source)
    if observations is not None:
        observations = surgery.rename_observations(observations, **names)
    writing.write(surgery.rename(spec, samples=samples, **names), observations)


@click.command("export")
@guarded
@model_options
@data_options
@click.option(
    "-o",
    "--output",
    type=OutputPath("header", or_terminal=True),
    required=True,
    help='Header file to write, "-" for the terminal.',
)
@click.option("--namespace", default="model", help="C++ namespace of the functions.")
@click.option("--clad", is_flag=True, help="Prepare nll for differentiation by Clad.")
def export(
    workspace: Source,
    output: Path,
    measurement: str | None,
    poi: str | None,
    choice: DataChoice,
    namespace: str,
    clad: bool,
) -> None:
    """Write the likelihood of WORKSPACE as one self-contained C++17 header.

    It holds nll, its gradient and the expected events as plain functions, and needs no nablafit.
    """
    model, data = Request(workspace, measurement, poi, choice).open()
    text = to_cpp(model.spec, data, namespace=namespace, clad=clad)
    if is_terminal(output):
        click.echo(text, nl=False)
    else:
        write_text(output, text)


def show_graph(path: Path, error: WorkspaceError, *, as_json: bool) -> bool:
    """Print the nodes of a ROOT file's workspaces that are not HistFactory models, if it is one."""
    with path.open("rb") as file:
        if file.read(4) != b"root":
            return False
    from ..io.rooworkspace import describe

    found = describe(str(path), path)
    if as_json:
        graphs = {"error": str(error), "workspaces": [asdict(graph) for graph in found]}
        echo_json(json.dumps(graphs, indent=1))
        return True
    for graph in found:
        echo(str(graph))
    say(f"not a HistFactory model: {error}")
    return True


def _sizes(spec: ModelSpec) -> dict[str, int]:
    return {
        "channels": len(spec.channels),
        "samples": sum(len(channel.samples) for channel in spec.channels),
        "modifiers": len(surgery.modifiers_of(spec)),
        "parameters": len(spec.parameters),
    }


def _names_of(spec: ModelSpec) -> dict[str, tuple[str, ...]]:
    return {
        "channels": tuple(channel.name for channel in spec.channels),
        "samples": tuple(
            f"{sample.name} in {channel.name}"
            for channel in spec.channels
            for sample in channel.samples
        ),
        "parameters": tuple(parameter.name for parameter in spec.parameters),
    }


def _listed(names: Sequence[str]) -> str:
    """Return the number of names and the first of them."""
    more = ", ..." if len(names) > _MOST_LISTED else ""
    return f"{len(names)} ({', '.join(names[:_MOST_LISTED])}{more})"


def _pairs(items: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in items:
        old, equals, new = item.partition("=")
        if not (old and equals and new):
            raise located(ArgumentError, "expected OLD=NEW", item)
        pairs[old] = new
    return pairs
