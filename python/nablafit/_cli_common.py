"""What the commands share: options, opening a workspace, tables, progress, warnings."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from .errors import ArgumentError, ModelWarning, located
from .workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .data import Data
    from .model import Model

_WIDTH_OF_FILES = 200
_SECONDS_BETWEEN_LINES = 10.0

workspace_argument = click.argument("workspace", type=click.Path(path_type=Path))
measurement_option = click.option(
    "--measurement", metavar="NAME", help="Measurement; the first by default."
)
poi_option = click.option("--poi", metavar="NAME", help="Parameter of interest.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
threads_option = click.option(
    "--threads", type=int, help="Default: NABLAFIT_NUM_THREADS, else all processors."
)
output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the result as JSON."
)


@contextmanager
def progress_bar(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Show progress on stderr: a bar on a terminal, else a line now and then in a long run."""
    if not sys.stderr.isatty():
        yield _progress_lines(total, what)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda n_done: progress.update(task, completed=n_done)


def _progress_lines(total: int, what: str) -> Callable[[int], None]:
    """Return a function that writes a line if the last one is old."""
    last = time.monotonic()

    def report(n_done: int) -> None:
        nonlocal last
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            click.echo(f"{n_done} of {total} {what}", err=True)

    return report


@contextmanager
def warnings_on_stderr(category: type[Warning]) -> Iterator[None]:
    """Print warnings as sentences."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", category)
        yield
    for warning in caught:
        click.echo(f"warning: {warning.message}", err=True)


def open_workspace(
    path: Path, measurement: str | None, poi: str | None
) -> tuple[Workspace, Model, Data]:
    """Load, compile, and report warnings on stderr, one line each."""
    workspace = Workspace.load(path)
    with warnings_on_stderr(ModelWarning):
        model = workspace.model(measurement, poi)
    data = workspace.data(model) if workspace.datasets else model.asimov()
    return workspace, model, data


def parse_fixed(items: tuple[str, ...], model: Model) -> dict[str, float | bool]:
    """Read NAME and NAME=VALUE as the `fixed` of a fit."""
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


def make_console() -> Console:
    """Terminal width and colours on a terminal, wide plain text elsewhere."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False)


def make_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Make a table in the style of all commands; `right` names the columns to align right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table
