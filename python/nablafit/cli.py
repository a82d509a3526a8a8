"""The command line.

Exit codes: 0 all is well, 1 a fit is not valid, 2 bad input, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__, cmake_dir, pkgconfig_dir
from . import fit as run_fit
from ._cli.common import (
    COUNT,
    COUNT_OR_NONE,
    SEED,
    Option,
    PrintingConsole,
    RenamedOption,
    Request,
    Source,
    echo,
    echo_json,
    json_option,
    make_console,
    make_model,
    make_table,
    model_options,
    open_workspace,
    parse_values,
    print_page,
    progress_bar,
    request_options,
    say,
    seed_option,
    threads_option,
    warnings_on_stderr,
)
from ._cli.intervals import contour, feldman_cousins_command, intervals, scan
from ._cli.limits import hypotest_command, limit_command, show_command, significance_command
from ._cli.outputs import OutputPath, guarded, is_forced
from ._cli.parameters import breakdown, correlation, impacts, pulls, ranking
from ._cli.plots import plot_command, report_command
from ._cli.toys import ToyRun, parse_shard, run_toys
from ._cli.workspaces import combine, convert, export, prune, rename, show_graph
from ._cli.yields import goodness_of_fit_command, templates_command, yields_command
from ._printable import printable
from .errors import ArgumentError, Error, FitWarning, Interrupted, WorkspaceError, located
from .report._summary import summarise
from .result import result_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.table import Table

    from ._arrays import FloatArray
    from .data import Data
    from .model import Model
    from .workspace import Workspace

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    with _signals_interrupt() as stopped_by:
        try:
            code = _cli.main(args=arguments, prog_name="nablafit", standalone_mode=False)
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            what, number = stopped_by[-1] if stopped_by else ("interrupted", signal.SIGINT)
            say(f"nablafit: {what}")
            return 128 + number
        except click.ClickException as error:
            text = io.StringIO()
            error.show(text)
            click.echo(printable(text.getvalue(), keep="\n"), err=True, nl=False)
            return 2
        except _BrokenPipe:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except OSError as error:
            where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
            say(f"nablafit: {where}{(error.strerror or str(error)).lower()}")
            return 2
        except Error as error:
            say(f"nablafit: {error}")
            return 2
    return int(code or 0)


def _printing_option(name: str, directory: Callable[[], object], text: str) -> Callable[..., Any]:
    """Return an option that prints a directory of the installation and ends the program."""

    def print_and_exit(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(directory())
            context.exit()

    return click.option(
        name, is_flag=True, is_eager=True, expose_value=False, callback=print_and_exit, help=text
    )


class _BrokenPipe(Exception):  # noqa: N818 - not an OSError, which click handles itself
    """Nobody reads what is printed any more: `nablafit ... | head`."""


@contextmanager
def _printing() -> Iterator[None]:
    """Say what failed; versions of click differ in what they do about broken pipes."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        if error.filename is None:
            raise _BrokenPipe from error
        raise located(Error, "broken pipe", os.fsdecode(error.filename)) from error
    except OSError as error:
        if error.filename is None:  # files that are written are named
            error.filename = "standard output"
        raise


def _in_unicode(command: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse options that are not text; names of files may be any bytes."""

    @wraps(command)
    def run(*positional: Any, **arguments: Any) -> Any:  # noqa: ANN401 - as in click
        for name, value in click.get_current_context().params.items():
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str) and name not in ("patch", "mount"):
                    try:
                        text.encode()
                    except UnicodeEncodeError:
                        message = f"expected text in UTF-8, got {text!r}"
                        raise located(ArgumentError, message, name) from None
        return command(*positional, **arguments)

    return run


class _Commands(click.Group):
    def add_command(self, command: click.Command, name: str | None = None) -> None:
        """Add a command."""
        if command.callback is not None:
            command.callback = _in_unicode(command.callback)
        super().add_command(command, name)

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:  # noqa: ANN401
        """Read the options; some print."""
        with _printing():
            return super().make_context(*arguments, **settings)

    def invoke(self, context: click.Context) -> Any:  # noqa: ANN401 - as in click
        """Run a command."""
        with _printing():
            return super().invoke(context)


_ENDINGS = {"SIGTERM": "terminated", "SIGHUP": "the terminal was closed"}


@contextmanager
def _signals_interrupt() -> Iterator[list[tuple[str, int]]]:
    """Let what ends a program interrupt it as Ctrl-C does, once; the list says what came."""
    came: list[tuple[str, int]] = []

    def interrupt(number: int, _: object) -> None:
        for known in before:
            signal.signal(known, signal.SIG_IGN)
        came.append((_ENDINGS[signal.Signals(number).name], number))
        raise KeyboardInterrupt

    before: list[int] = []
    if threading.current_thread() is threading.main_thread():
        known = [getattr(signal, name) for name in _ENDINGS if hasattr(signal, name)]
        before += [number for number in known if signal.getsignal(number) is signal.SIG_DFL]
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield came
    finally:
        for number in before:
            signal.signal(number, signal.SIG_DFL)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(__version__, message="nablafit %(version)s")
@_printing_option(
    "--cmake-dir", cmake_dir, "Print the directory of nablafitConfig.cmake, for C++ projects."
)
@_printing_option(
    "--pkgconfig-dir", pkgconfig_dir, "Print the directory of the files for pkg-config."
)
def _cli() -> None:
    """Fit binned HistFactory likelihoods with exact gradients."""


_COMMANDS = (
    *(convert, combine, prune, rename, export),
    *(limit_command, hypotest_command, significance_command),
    *(intervals, scan, contour, feldman_cousins_command),
    *(ranking, impacts, pulls, breakdown, correlation),
    *(yields_command, templates_command, goodness_of_fit_command),
    *(plot_command, report_command, show_command),
)
for _command in _COMMANDS:
    _cli.add_command(_command)


@_cli.command("fit")
@request_options("FitResult")
@click.option("--minimizer", default="newton", help='"newton", "minuit" or "scipy:<method>".')
@click.option(
    "--backend", metavar="NAME", help="How derivatives are computed; see nablafit.build_info()."
)
@click.option(
    "--tolerance",
    type=float,
    help="EDM tolerance as in iminuit: EDM < 0.001 x tolerance; default: 0.1, "
    "while newton goes on to an EDM of 1e-10.",
)
@click.option(
    "--starts", type=COUNT_OR_NONE, default=0, metavar="N", help="Number of random starts."
)
@click.option("--seed", type=SEED, default=0, help="Random seed for the random starts.")
def _fit(request: Request, /, **options: Option) -> int:
    """Fit the observed data of WORKSPACE."""
    model, data = request.open()
    try:
        with warnings_on_stderr(FitWarning), request.saved_if_interrupted():
            result = run_fit(model, data, fixed=request.fixed(model), **options)
    except Interrupted as interrupted:
        click.echo(repr(interrupted.result), err=True)
        raise
    if request.output is not None:
        result.save(request.output)
    if request.as_json:
        echo_json(result.to_json(indent=1))
    else:
        page = result_page(result)
        left = ("name",)
        print_page(page.head, page.header, page.rows, valid=result.valid, left=left, bold=model.poi)
    return 0 if result.valid else 1


@_cli.command("toys")
@guarded
@model_options
@click.option(
    "--toys",
    "n_toys",
    cls=RenamedOption,
    former="--n",
    type=COUNT,
    default=1000,
    help="Number of toys of all shards together.",
)
@seed_option
@click.option("--shard", default="1/1", metavar="I/K", help="Make only part I of K.")
@threads_option
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Draw at this value of a parameter; it is fixed in the fit that gives the others.",
)
@click.option("--initial", is_flag=True, help="Draw at the initial values, not at the best fit.")
@click.option("--keep", multiple=True, metavar="NAME", help="Parameters to keep; default: all.")
@click.option("--no-fit", is_flag=True, help="Write the toys themselves instead of fits to them.")
@click.option(
    "-o",
    "--output",
    type=OutputPath("FitManyResult", "Toys"),
    required=True,
    help="File to write or to continue: .npz.",
)
def _toys(
    workspace: Source,
    measurement: str | None,
    poi: str | None,
    n_toys: int,
    seed: int,
    shard: str,
    n_threads: int | None,
    settings: tuple[str, ...],
    initial: bool,
    keep: tuple[str, ...],
    no_fit: bool,
    output: Path,
) -> int:
    """Draw toys of WORKSPACE and fit them, into a file that nablafit.FitManyResult.load reads.

    If the file exists already, the run continues where it was interrupted. With --force it begins
    anew.
    """
    _, model, data = open_workspace(workspace, measurement, poi)
    first, count = parse_shard(shard, n_toys)
    run = ToyRun(
        model=model,
        x=_toy_point(model, data, parse_values(settings, model, "--set"), initial=initial),
        n=count,
        seed=seed,
        start=first,
        path=output,
        fit=not no_fit,
        parameters=keep or None,
        n_threads=n_threads,
        replace=is_forced(),
    )
    with progress_bar(count, "toys") as progress:
        result = run_toys(run, progress)
    echo(f"{output}: {result!r}")
    return 0


def _toy_point(
    model: Model, data: Data, held: dict[str, float | bool], *, initial: bool
) -> FloatArray:
    """Return where to draw toys: the best fit, or the initial values, with some values set."""
    for name, value in held.items():
        if isinstance(value, bool):
            raise located(ArgumentError, "expected NAME=VALUE", f"--set {name}")
    values = {name: float(value) for name, value in held.items()}
    if initial:
        return model.point(values)
    result = run_fit(model, data, fixed=values)
    if not result.valid:
        message = f"the fit that says where to draw toys failed: {result.message} Or use --initial."
        raise located(Error, message, "toys")
    return result.x


@_cli.command("inspect")
@model_options
@json_option
def _inspect(workspace: Source, measurement: str | None, poi: str | None, as_json: bool) -> int:
    """Show the contents of WORKSPACE; the model is shown even if the data are wrong."""
    try:
        opened = workspace.load(bad_data=True)
        model = make_model(opened, measurement, poi)
    except WorkspaceError as error:
        if not show_graph(workspace.path, error, as_json=as_json):
            raise
        return 0
    data, problem = _observed(opened, model)
    summary = summarise(opened, model, data, problem)
    if as_json:
        echo_json(json.dumps(summary, indent=1))
    else:
        _print_summary(make_console(), summary)
    return 2 if problem else 0


def _observed(workspace: Workspace, model: Model) -> tuple[Data | None, str]:
    """Return the data, or what is wrong with them; neither if the document holds none."""
    try:
        data = workspace.data(model)
    except Error as error:
        return None, str(error) if workspace.datasets or workspace.has_bad_data else ""
    return data, ""


def _print_summary(console: PrintingConsole, summary: dict[str, Any]) -> None:
    sizes = ", ".join(f"{count} {name}" for name, count in summary["sizes"].items())
    console.print_line(f"{summary['source']} ({summary['format']})", style="bold")
    console.print_line(f"  {sizes}")
    for measurement in summary["measurements"]:
        marker = "*" if measurement["name"] == summary["measurement"] else " "
        poi = measurement["poi"] or "no parameter of interest"
        note = "" if measurement["poi_exists"] or not measurement["poi"] else ", not in any channel"
        console.print_line(f" {marker} measurement {measurement['name']}: {poi}{note}")
    datasets = ", ".join(summary["datasets"]) or "none, so Asimov data"
    if summary["data_problem"]:
        console.print_line(f"   no data: {summary['data_problem']}", style="bold red")
    else:
        console.print_line(f"   data sets: {datasets}")
    for note in summary["notes"]:
        console.print_line(f"   note: {note}")
    console.print(_channel_table(summary))
    console.print(_modifier_table(summary))
    console.print(_parameter_table(summary))


def _channel_table(summary: dict[str, Any]) -> Table:
    table = make_table(
        "channel", "bins", "observed", "expected", "samples", right=("bins", "observed", "expected")
    )
    for channel in summary["channels"]:
        samples = ", ".join(f"{name} {n:.4g}" for name, n in channel["samples"].items())
        observed = "-" if channel["observed"] is None else f"{channel['observed']:.6g}"
        numbers = (observed, f"{channel['expected']:.6g}")
        table.add_row(channel["name"], str(channel["bins"]), *numbers, samples)
    return table


def _modifier_table(summary: dict[str, Any]) -> Table:
    table = make_table("modifier", "uses", right=("uses",))
    for name, count in summary["modifiers"].items():
        table.add_row(name, str(count))
    return table


def _parameter_table(summary: dict[str, Any]) -> Table:
    table = make_table(
        "parameters of", "constraint", "count", "fixed", "names", right=("count", "fixed")
    )
    for group in summary["parameters"]:
        names = ", ".join(group["names"][:4]) + (", ..." if len(group["names"]) > 4 else "")
        counts = (str(group["count"]), str(group["fixed"] or ""))
        table.add_row(group["kind"], group["constraint"], *counts, names)
    return table
