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
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__, cmake_dir, pkgconfig_dir
from . import fit as run_fit
from ._arrays import nearest
from ._cli.common import (
    COUNT,
    SEED,
    Option,
    RenamedOption,
    Source,
    dataset_option,
    echo,
    echo_json,
    json_option,
    model_options,
    page_options,
    print_page,
    progress_bar,
    say,
    seed_option,
    speak_of_options,
    starts_option,
    threads_option,
    warnings_on_stderr,
)
from ._cli.fits import (
    DataChoice,
    Fitting,
    Request,
    fitting_options,
    join_optional_values,
    make_model,
    minimizer_option,
    parse_values,
    request_options,
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
from ._results.text import Page
from .errors import ArgumentError, Error, FitWarning, Interrupted, WorkspaceError, located
from .infer._fit_page import with_asymmetric_errors
from .report._summary import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ._arrays import FloatArray
    from .data import Data
    from .model import Model
    from .result import FitResult
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
    """Refuse options that are not text, and speak of options in messages.

    Names of files may be any bytes.
    """

    @wraps(command)
    def run(*positional: Any, **arguments: Any) -> Any:  # noqa: ANN401 - as in click
        try:
            return checking(*positional, **arguments)
        except Error as error:
            known = click.get_current_context().command
            error.args = (speak_of_options(str(error), known), *error.args[1:])
            raise

    def checking(*positional: Any, **arguments: Any) -> Any:  # noqa: ANN401
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and read the options whose value may be left out."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            hint = nearest(args[0], tuple(self.commands))
            message = f"No such command {args[0]!r}{hint}"
            raise click.UsageError(f"{message}; nablafit --help lists them.", ctx)
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, rest if command is None else join_optional_values(command, rest)

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
@minimizer_option
@click.option(
    "--backend", metavar="NAME", help="How derivatives are computed; see nablafit.build_info()."
)
@click.option(
    "--tolerance",
    type=float,
    help="EDM tolerance as in iminuit: EDM < 0.001 x tolerance; default: 0.1, "
    "while newton goes on to an EDM of 1e-10.",
)
@starts_option(0)
@click.option("--seed", type=SEED, default=0, help="Random seed for the random starts.")
@click.option(
    "--minos/--no-minos",
    default=None,
    show_default="if it takes less than two seconds",
    help="Find asymmetric errors of parameters of interest and free normalisations.",
)
@page_options
def _fit(request: Request, /, page: dict[str, Any], minos: bool | None, **options: Option) -> int:
    """Fit the observed data of WORKSPACE.

    Prints the parameters of interest, free normalisations, and the nuisance parameters that are
    pulled or constrained most; JSON has all.
    """
    workspace, model, data = request.open_all()
    try:
        with warnings_on_stderr(FitWarning), request.saved_if_interrupted():
            result = run_fit(model, data, **request.held(model), **options)
    except Interrupted as interrupted:
        click.echo(repr(interrupted.result), err=True)
        raise
    result = _with_errors(result, model, data, minos)
    page |= {
        "source": Path(workspace.source).name,
        "notes": _other_measurements(workspace, model),
    }
    shown = result.describing.page(result, **page)
    if request.output is not None:
        result.save(request.output)
    request.show(result, [shown])
    return 0 if result.valid else 1


def _with_errors(result: FitResult, model: Model, data: Data, minos: bool | None) -> FitResult:
    """Add asymmetric errors, for the page and for the file."""
    summary = result.summary
    if summary is None:
        return result
    how = "--minos finds asymmetric ones"
    recorded = with_asymmetric_errors(result, summary, model, data, wanted=minos, how=how)
    return replace(result, recorded=recorded)


def _other_measurements(workspace: Workspace, model: Model) -> list[str]:
    """Say which measurement was fitted where there are several."""
    names = workspace.measurements
    others = ", ".join(name for name in names if name != model.spec.name)
    which = f"measurement {model.spec.name}, one of {len(names)}"
    return [f"{which}; the others: {others} (--measurement NAME)"] if others else []


@_cli.command("toys")
@guarded
@model_options
@fitting_options
@click.option(
    "--toys",
    "n_toys",
    cls=RenamedOption,
    former="--n",
    type=COUNT,
    default=1000,
    help="Number of toys of all shards together.",
)
@starts_option(0)
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
    choice: DataChoice,
    fitting: Fitting,
    n_toys: int,
    starts: int,
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
    request = Request(workspace, measurement, poi, choice, fitting)
    model, data = request.open()
    first, count = parse_shard(shard, n_toys)
    at = _values_to_set(settings, model)
    held = request.held(model)
    if initial:
        x = model.point({**_numbers(held["fixed"]), **at})
    else:
        x = _best_fit(model, data, at, held, starts)
    run = ToyRun(
        model=model,
        x=x,
        held=held,
        starts=starts or None,
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


def _values_to_set(settings: tuple[str, ...], model: Model) -> dict[str, float]:
    """Read --set."""
    values: dict[str, float] = {}
    for name, value in parse_values(settings, model, "--set").items():
        if isinstance(value, bool):
            raise located(ArgumentError, "expected NAME=VALUE", f"--set {name}")
        values[name] = float(value)
    return values


def _numbers(fixed: dict[str, float | bool]) -> dict[str, float]:
    return {name: value for name, value in fixed.items() if not isinstance(value, bool)}


def _best_fit(
    model: Model, data: Data, at: dict[str, float], held: dict[str, Any], starts: int
) -> FloatArray:
    """Return where to draw toys: the best fit with some values set."""
    how = {**held, "fixed": {**held["fixed"], **at}}
    result = run_fit(model, data, starts=starts, **how)
    if not result.valid:
        message = f"the fit that says where to draw toys failed: {result.message} Or use --initial."
        raise located(Error, message, "toys")
    return result.x


@_cli.command("inspect")
@model_options
@dataset_option
@json_option
def _inspect(
    workspace: Source,
    measurement: str | None,
    poi: str | None,
    dataset: str | None,
    as_json: bool,
) -> int:
    """Show the contents of WORKSPACE; the model is shown even if the data are wrong."""
    try:
        opened = workspace.load(bad_data=True)
        model = make_model(opened, measurement, poi)
    except WorkspaceError as error:
        if not show_graph(workspace.path, error, as_json=as_json):
            raise
        return 0
    data, problem = _observed(opened, model, dataset)
    summary = summarise(opened, model, data, problem)
    if as_json:
        echo_json(json.dumps(summary, indent=1))
    else:
        _print_summary(summary)
    return 2 if problem else 0


def _observed(workspace: Workspace, model: Model, dataset: str | None) -> tuple[Data | None, str]:
    """Return the data, or what is wrong with them; neither if the document holds none."""
    try:
        data = workspace.data(model, dataset)
    except Error as error:
        if dataset is not None and not workspace.has_bad_data:
            raise
        return None, str(error) if workspace.datasets or workspace.has_bad_data else ""
    return data, ""


def _print_summary(summary: dict[str, Any]) -> None:
    sizes = ", ".join(f"{count} {name}" for name, count in summary["sizes"].items())
    lines = [f"{summary['source']} ({summary['format']})", f"  {sizes}"]
    for measurement in summary["measurements"]:
        marker = "*" if measurement["name"] == summary["measurement"] else " "
        poi = measurement["poi"] or "no parameter of interest"
        note = "" if measurement["poi_exists"] or not measurement["poi"] else ", not in any channel"
        lines.append(f"  {marker} measurement {measurement['name']}: {poi}{note}")
    datasets = ", ".join(summary["datasets"]) or "none, so Asimov data"
    problem = summary["data_problem"]
    lines.append(f"  no data: {problem}" if problem else f"  data sets: {datasets}")
    uses = ", ".join(f"{name} {count}" for name, count in summary["modifiers"].items())
    lines += [f"  modifiers: {uses}", *(f"  note: {note}" for note in summary["notes"])]
    pages = (_parameter_page(lines, summary), _channel_page(summary), _sample_page(summary))
    for i, page in enumerate(pages):
        if i:
            echo("")
        print_page(page)


def _parameter_page(lines: list[str], summary: dict[str, Any]) -> Page:
    rows = []
    for group in summary["parameters"]:
        names = ", ".join(group["names"][:3]) + (", ..." if len(group["names"]) > 3 else "")
        counts = (str(group["count"]), str(group["fixed"] or ""))
        rows.append((group["kind"], group["constraint"], *counts, names))
    header = ("parameters of", "constraint", "count", "fixed", "names")
    return Page(lines, header, rows, "llrrl")


def _channel_page(summary: dict[str, Any]) -> Page:
    rows = []
    for channel in summary["channels"]:
        observed = "-" if channel["observed"] is None else f"{channel['observed']:.6g}"
        numbers = (observed, f"{channel['expected']:.6g}", str(len(channel["samples"])))
        rows.append((channel["name"], str(channel["bins"]), *numbers))
    return Page([], ("channel", "bins", "observed", "expected", "samples"), rows, "lr..r")


def _sample_page(summary: dict[str, Any]) -> Page:
    """Return expected events by sample, of all channels together."""
    found: dict[str, list[float]] = {}
    for channel in summary["channels"]:
        for name, events in channel["samples"].items():
            found.setdefault(name, []).append(events)
    rows = [(name, str(len(n)), f"{sum(n):.6g}") for name, n in found.items()]
    return Page([], ("sample", "channels", "expected"), rows, "lr.")
