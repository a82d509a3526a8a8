"""Shared by all commands: options, workspaces to read, tables, progress, warnings."""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click
import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .._printable import json_text, printable, printable_message
from .._results.fit_summary import SORTS, TOP
from ..errors import ArgumentError, ModelWarning, located
from ..workspace import Workspace
from .outputs import NamedPath, patch_file, refuse_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._arrays import FloatArray
    from .._results.text import Page

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])

Option: TypeAlias = Any
"""Value of an option whose name is that of an argument, to which the command passes it on."""

COUNT = click.IntRange(1, 2**31 - 1)
COUNT_OR_NONE = click.IntRange(0, 2**31 - 1)
SEED = click.IntRange(0, 2**64 - 1)
START = click.IntRange(0, 2**40)
_SECONDS_BETWEEN_LINES = 10.0


class RenamedOption(click.Option):
    """An option that still has its former name, which the help text does not show."""

    def __init__(self, *names: Any, former: str, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(*names, **settings)
        self.former = former

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:  # noqa: ANN401
        """Make the parser know both names."""
        super().add_to_parser(parser, ctx)
        parser.add_option(obj=self, opts=[self.former], dest=self.former, action="store", nargs=1)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, Any]:
        """Take the value that the former name was given, and say what to write in its place."""
        if self.former in opts:
            message = f"{self.former} is deprecated, use {self.opts[0]}"
            click.echo(f"warning: {message}", err=True)
            opts = {self.name or "": opts[self.former], **opts}
        return super().consume_value(ctx, opts)


def with_options(*options: Callable[[CommandT], CommandT]) -> Callable[[CommandT], CommandT]:
    """Return the decorator that adds several options, in the order of the help text."""

    def add(command: CommandT) -> CommandT:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def none_if_empty(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> Any:  # noqa: ANN401
    """Turn an option that was not given into None."""
    return value or None


measurement_option = click.option(
    "--measurement", metavar="NAME", help="Measurement; the first by default."
)
dataset_option = click.option("--dataset", metavar="NAME", help="Data set; the first by default.")
poi_option = click.option("--poi", metavar="NAME", help="Parameter of interest.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
threads_option = click.option(
    "--threads",
    "n_threads",
    type=COUNT,
    help="Number of threads; default: NABLAFIT_NUM_THREADS, else all processors.",
)
seed_option = click.option("--seed", type=SEED, default=0, help="Random seed for the toys.")
start_option = click.option("--start", type=START, default=0, help="Number of the first toy.")
level_option = click.option("--level", type=float, default=0.95, help="Confidence level.")


def choice_option(text: str, among: Sequence[str], *names: str) -> Callable[[CommandT], CommandT]:
    """Return an option for one of some words, by default the first; `text` is its help."""
    return click.option(*names, type=click.Choice(among), default=among[0], help=text)


def starts_option(default: int | None) -> Callable[[CommandT], CommandT]:
    """Return the option for random starts."""
    return click.option(
        "--starts",
        type=COUNT_OR_NONE,
        default=default,
        metavar="N",
        help="Number of random starts of every fit, besides those tried by default.",
    )


@dataclass(frozen=True)
class Source:
    """The workspace that a command reads, with its patches and folders.

    `patches` are FILE or FILE:NAME, `mounts` are HERE:INSIDE.
    """

    path: Path
    patches: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()

    def load(self, *, bad_data: bool = False) -> Workspace:
        """Read and patch it, with warnings on stderr; `bad_data` raise when they are used."""
        load = Workspace._load_model if bad_data else Workspace.load
        with warnings_on_stderr(ModelWarning):
            workspace = load(self.path, mounts=[_pair(text) for text in self.mounts])
            refuse_inputs(workspace._document.files)
            for text in self.patches:
                file, name = patch_file(text)
                workspace = workspace.patch(file, name)
        return workspace


def _pair(text: str) -> tuple[str, str]:
    here, colon, inside = text.partition(":")
    if not (colon and here and inside):
        message = f"expected HERE:INSIDE, a folder and what the XML calls it, got {text!r}"
        raise located(ArgumentError, message, "--mount")
    return here, inside


def source_argument(name: str) -> Callable[[Callable[..., ResultT]], Callable[..., ResultT]]:
    """Return the decorator that adds an argument for a workspace: the command gets a Source."""

    def add(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
        @wraps(command)
        def run(patch: tuple[str, ...], mount: tuple[str, ...], **arguments: Any) -> ResultT:  # noqa: ANN401
            arguments[name] = Source(arguments[name], patch, mount)
            return command(**arguments)

        argument = click.argument(name, type=NamedPath())
        return with_options(argument, _mount_option, _patch_option)(run)

    return add


_patch_option = click.option(
    "--patch",
    multiple=True,
    metavar="FILE[:NAME]",
    help="JSON patch to apply to pyhf JSON first, or the patch NAME of a set; may be repeated.",
)
_mount_option = click.option(
    "--mount",
    multiple=True,
    metavar="HERE:INSIDE",
    help="Folder HERE to use where HistFactory XML says INSIDE; may be repeated.",
)
workspace_argument = source_argument("workspace")
model_options = with_options(workspace_argument, measurement_option, poi_option)


def page_options(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Add options for what the page of a fit shows: the command gets them as one `page`."""

    @wraps(command)
    def run(
        *request: Any,  # noqa: ANN401
        everything: bool,
        top: int,
        parameters: tuple[str, ...],
        sort: str,
        **arguments: Any,  # noqa: ANN401
    ) -> ResultT:
        more = "--all shows all, --parameters PATTERN some"
        page = {"top": None if everything else top, "parameters": parameters or None, "sort": sort}
        return command(*request, page={**page, "more": more}, **arguments)

    return with_options(
        click.option("--all", "everything", is_flag=True, help="Print all parameters."),
        click.option(
            "--top", type=COUNT, default=TOP, metavar="N", help="Print N nuisance parameters."
        ),
        click.option(
            "--parameters",
            multiple=True,
            metavar="PATTERN",
            help="Print these: NAME, wildcard pattern or re:REGEX; may be repeated.",
        ),
        choice_option(
            "Order of nuisance parameters; size is the larger of |pull| and |1 - constraint|.",
            tuple(SORTS),
            "--sort",
        ),
    )(run)


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
            say(f"{n_done} of {total} {what}")

    return report


@contextmanager
def warnings_on_stderr(category: type[Warning]) -> Iterator[None]:
    """Print warnings as sentences."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", category)
        yield
    for warning in caught:
        say(f"warning: {warning.message}")


def parse_list(text: str) -> FloatArray:
    """Read the numbers of --values: 0.5,1,2 or LOW:HIGH:N."""
    try:
        if ":" in text:
            low, high, n = text.split(":")
            if int(n) < 1:
                raise ValueError
            return np.linspace(float(low), float(high), int(n))
        return np.array([float(item) for item in text.split(",")])
    except ValueError:
        message = f"expected numbers as 0.5,1,2 or LOW:HIGH:N, got {text!r}"
        raise located(ArgumentError, message, "--values") from None


# Arguments of functions whose options have another name than they.
_ARGUMENTS = {
    "fixed": "--fix",
    "bounds": "--range",
    "result": "--fit",
    "value": "--value",
    "at": "--asimov",
    "key": "--patch",
}
_AT_START = re.compile(r"(\w+)(?:\[['\"](.+?)['\"]\])?: ")
_QUOTED = re.compile(r"`(\w+)`")
_ASSIGNED = re.compile(r'\b(\w+)="([\w:-]+)"')
_RELEASE = re.compile(r"fixed=\{.*?: False\}, on the command line ")


def speak_of_options(message: str, command: click.Command) -> str:
    """Return a message with the options of a command in place of arguments in Python."""
    offered = {name for each in command.params for name in each.opts}
    options = {name: option for name, option in _ARGUMENTS.items() if option in offered}
    for each in command.params:
        if each.name is not None:
            is_option = isinstance(each, click.Option)
            options.setdefault(each.name, each.opts[-1] if is_option else each.name.upper())

    def lead(match: re.Match[str]) -> str:
        option = options.get(match[1])
        return match[0] if option is None else " ".join(filter(None, (option, match[2]))) + ": "

    def quoted(match: re.Match[str]) -> str:
        return options.get(match[1], match[0])

    def assigned(match: re.Match[str]) -> str:
        return f"{options[match[1]]} {match[2]}" if match[1] in options else match[0]

    found = _AT_START.match(message)
    if found is not None:
        message = lead(found) + message[found.end() :]
    message = _RELEASE.sub("", message).replace("use model.asimov()", "use --asimov")
    return _ASSIGNED.sub(assigned, _QUOTED.sub(quoted, message))


def echo(text: object) -> None:
    """Print lines of text, names of any file included."""
    click.echo(printable(str(text), keep="\n"))


def say(text: object) -> None:
    """Print a sentence on stderr, names of any file included."""
    click.echo(printable_message(str(text)), err=True)


def echo_json(text: str) -> None:
    """Print JSON, in which names stay what they are: what does not print is an escape there."""
    click.echo(json_text(text))


class PrintingConsole(Console):
    """Where commands print."""

    def print_line(self, text: str, style: str = "") -> None:
        """Print a line that is not wrapped, names of any file included; no markup."""
        self.print(Text(printable(text), style=style), soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Leave it to the program."""
        raise BrokenPipeError


def make_console() -> PrintingConsole:
    """Colours on a terminal, plain text elsewhere."""
    return PrintingConsole(highlight=False)


_STYLES = {"heading": "bold"}


def print_page(page: Page) -> None:
    """Print all rows of a page, with colours on a terminal."""
    console = make_console()
    verdict = "bold" if page.valid is None else "bold green" if page.valid else "bold red"
    for line, kind in page.lines(most=None):
        console.print_line(line, style=verdict if kind == "verdict" else _STYLES.get(kind, ""))
