"""The command line.

Exit codes: 0 all is well, 1 a fit is not valid, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import __version__, _display, cmake_dir
from . import fit as run_fit
from ._cli_workspaces import combine, convert, prune, rename, show_graph
from ._summary import summarise
from .errors import ArgumentError, Error, ModelWarning, WorkspaceError, located
from .workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .data import Data
    from .model import Model
    from .result import FitResult

__all__ = ["main"]

_WIDTH_OF_FILES = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        code = _cli.main(args=arguments, prog_name="nablafit", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        click.echo("nablafit: interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"nablafit: {where}{(error.strerror or str(error)).lower()}", err=True)
        return 2
    except Error as error:
        click.echo(f"nablafit: {error}", err=True)
        return 2
    return int(code or 0)


def _print_cmake_dir(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(cmake_dir())
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="nablafit %(version)s")
@click.option(
    "--cmake-dir",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_cmake_dir,
    help="Print the directory of nablafitConfig.cmake, for C++ projects.",
)
def _cli() -> None:
    """Fit binned HistFactory likelihoods with exact gradients."""


for _command in (convert, combine, prune, rename):
    _cli.add_command(_command)

_workspace_argument = click.argument("workspace", type=click.Path(path_type=Path))
_measurement_option = click.option(
    "--measurement", metavar="NAME", help="Measurement; the first by default."
)
_poi_option = click.option("--poi", metavar="NAME", help="Parameter of interest.")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


@_cli.command("fit")
@_workspace_argument
@_measurement_option
@_poi_option
@click.option(
    "--minimizer",
    default="newton",
    show_default=True,
    help='"newton", "minuit" or "scipy:<method>".',
)
@click.option(
    "--fix", multiple=True, metavar="NAME[=VALUE]", help="Hold a parameter; may be repeated."
)
@click.option("--tolerance", type=float, help="Accepted EDM in units of 0.001; 0.1 by default.")
@_json_option
@click.option("--output", type=click.Path(path_type=Path), help="Write the result as JSON.")
def _fit(
    workspace: Path,
    measurement: str | None,
    poi: str | None,
    minimizer: str,
    fix: tuple[str, ...],
    tolerance: float | None,
    as_json: bool,
    output: Path | None,
) -> int:
    """Fit the observed data of WORKSPACE."""
    _, model, data = _open(workspace, measurement, poi)
    result = run_fit(
        model, data, minimizer=minimizer, fixed=_fixed(fix, model), tolerance=tolerance
    )
    if output is not None:
        output.write_text(result.to_json(indent=1) + "\n", encoding="utf-8")
    if as_json:
        click.echo(result.to_json(indent=1))
    else:
        _print_result(_console(), result, model.poi)
    return 0 if result.valid else 1


@_cli.command("inspect")
@_workspace_argument
@_measurement_option
@_poi_option
@_json_option
def _inspect(workspace: Path, measurement: str | None, poi: str | None, as_json: bool) -> None:
    """Show what is in WORKSPACE."""
    try:
        summary = summarise(*_open(workspace, measurement, poi))
    except WorkspaceError as error:
        if not show_graph(workspace, error, as_json=as_json):
            raise
        return
    if as_json:
        click.echo(json.dumps(summary, indent=1))
    else:
        _print_summary(_console(), summary)


def _open(path: Path, measurement: str | None, poi: str | None) -> tuple[Workspace, Model, Data]:
    """Load, compile, and report warnings on stderr, one line each."""
    workspace = Workspace.load(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ModelWarning)
        model = workspace.model(measurement, poi)
    for warning in caught:
        click.echo(f"warning: {warning.message}", err=True)
    data = workspace.data(model) if workspace.datasets else model.asimov()
    return workspace, model, data


def _fixed(items: tuple[str, ...], model: Model) -> dict[str, float | bool]:
    fixed: dict[str, float | bool] = {}
    for item in items:
        name, equals, value = item.rpartition("=")
        if not equals or item in model.parameters:
            fixed[item] = True
            continue
        try:
            fixed[name] = float(value)
        except ValueError:
            message = f"expected a number after '=', got {value!r}"
            raise located(ArgumentError, message, f"--fix {name}") from None
    return fixed


def _console() -> Console:
    """Terminal width and colours on a terminal, wide plain text elsewhere."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False)


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def _print_result(console: Console, result: FitResult, poi: str | None) -> None:
    verdict, *details = _display.outcome_lines(result)
    console.print(Text(verdict, style="bold green" if result.valid else "bold red"))
    for line in details:
        console.print(Text(line))
    table = _table(*_display.HEADER, right=("", "value", "error", "pull", "constraint", "bounds"))
    for row in _display.parameter_rows(result):
        table.add_row(*map(Text, row), style="bold" if row[1] == poi else None)
    console.print(table)


def _print_summary(console: Console, summary: dict[str, Any]) -> None:
    sizes = ", ".join(f"{count} {name}" for name, count in summary["sizes"].items())
    console.print(Text(f"{summary['source']} ({summary['format']})", style="bold"))
    console.print(Text(f"  {sizes}"))
    for measurement in summary["measurements"]:
        marker = "*" if measurement["name"] == summary["measurement"] else " "
        poi = measurement["poi"] or "no parameter of interest"
        note = "" if measurement["poi_exists"] or not measurement["poi"] else ", not in any channel"
        console.print(Text(f" {marker} measurement {measurement['name']}: {poi}{note}"))
    console.print(Text(f"   data sets: {', '.join(summary['datasets']) or 'none, so Asimov data'}"))
    for note in summary["notes"]:
        console.print(Text(f"   note: {note}"))
    console.print(_channel_table(summary))
    console.print(_modifier_table(summary))
    console.print(_parameter_table(summary))


def _channel_table(summary: dict[str, Any]) -> Table:
    table = _table(
        "channel", "bins", "observed", "expected", "samples", right=("bins", "observed", "expected")
    )
    for channel in summary["channels"]:
        samples = ", ".join(f"{name} {n:.4g}" for name, n in channel["samples"].items())
        numbers = (f"{channel['observed']:.6g}", f"{channel['expected']:.6g}")
        table.add_row(Text(channel["name"]), str(channel["bins"]), *numbers, Text(samples))
    return table


def _modifier_table(summary: dict[str, Any]) -> Table:
    table = _table("modifier", "uses", right=("uses",))
    for name, count in summary["modifiers"].items():
        table.add_row(name, str(count))
    return table


def _parameter_table(summary: dict[str, Any]) -> Table:
    table = _table(
        "parameters of", "constraint", "count", "fixed", "names", right=("count", "fixed")
    )
    for group in summary["parameters"]:
        names = ", ".join(group["names"][:4]) + (", ..." if len(group["names"]) > 4 else "")
        counts = (str(group["count"]), str(group["fixed"] or ""))
        table.add_row(group["kind"], group["constraint"], *counts, Text(names))
    return table
