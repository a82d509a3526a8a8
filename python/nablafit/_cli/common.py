"""Shared by all commands: options, opening a workspace, tables, progress, warnings."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click
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
from .._results.record import Record, load_result
from ..errors import ArgumentError, FitWarning, Interrupted, ModelWarning, before, located
from ..fit import fit
from ..result import FitResult
from ..workspace import Workspace
from .outputs import (
    NamedPath,
    OutputPath,
    guarded,
    is_standard_output,
    patch_file,
    refuse_inputs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._results.text import Page
    from ..data import Data
    from ..model import Model

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
fit_option = click.option(
    "--fit",
    "fit_path",
    type=NamedPath(),
    help="Result of `nablafit fit -o` to use instead of a new fit.",
)


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


@dataclass(frozen=True)
class Held:
    """Values of --fix and --release; false if both are empty."""

    fix: tuple[str, ...] = ()
    release: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fix or self.release)


def fix_options(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Add --fix and --release: the command gets both as one `fix`."""

    @wraps(command)
    def run(fix: tuple[str, ...], release: tuple[str, ...], **arguments: Any) -> ResultT:  # noqa: ANN401
        return command(fix=Held(fix, release), **arguments)

    return with_options(_fix_option, _release_option)(run)


_fix_option = click.option(
    "--fix", multiple=True, metavar="NAME[=VALUE]", help="Fix a parameter; may be repeated."
)
_release_option = click.option(
    "--release",
    multiple=True,
    metavar="NAME",
    help="Let a parameter float that the workspace fixes; may be repeated.",
)


def page_options(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Add options for what the page of a fit shows: the command gets them as one `page`."""

    @wraps(command)
    def run(
        *request: Request,
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


def open_workspace(
    source: Source, measurement: str | None, poi: str | None
) -> tuple[Workspace, Model, Data]:
    """Load, compile, and report warnings on stderr, one line each."""
    workspace = source.load()
    model = make_model(workspace, measurement, poi)
    if workspace.datasets:
        return workspace, model, workspace.data(model)
    message = "the document holds no data, so Asimov data at the initial values are used"
    say(f"warning: {workspace.source}: {message}")
    return workspace, model, model.asimov()


def make_model(workspace: Workspace, measurement: str | None, poi: str | None) -> Model:
    """Compile, and report warnings on stderr."""
    with warnings_on_stderr(ModelWarning):
        return workspace.model(measurement, poi)


def parse_fixed(held: Held, model: Model) -> dict[str, float | bool]:
    """Read --fix and --release as the `fixed` of a fit."""
    fixed = parse_values(held.fix, model, "--fix")
    for name in held.release:
        if name in fixed:
            raise located(ArgumentError, "both fixed and released; leave one out", name)
        fixed[name] = False
    return fixed


def parse_values(items: tuple[str, ...], model: Model, option: str) -> dict[str, float | bool]:
    """Read NAME and NAME=VALUE; True for a name alone."""
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
            raise located(ArgumentError, message, f"{option} {name}") from None
    return fixed


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


@dataclass(frozen=True)
class Request:
    """Options that all commands with a result have."""

    workspace: Source
    measurement: str | None
    poi: str | None
    fix: Held
    as_json: bool
    output: Path | None

    def open(self) -> tuple[Model, Data]:
        """Return the model and its data."""
        return self.open_all()[1:]

    def open_all(self) -> tuple[Workspace, Model, Data]:
        """Return the workspace too."""
        return open_workspace(self.workspace, self.measurement, self.poi)

    def fixed(self, model: Model) -> dict[str, float | bool]:
        """Return the `fixed` of fits."""
        return parse_fixed(self.fix, model)

    def best_fit(self, model: Model, data: Data, path: Path | None) -> FitResult:
        """Return the fit of the model, from a file if there is one."""
        if path is None:
            with warnings_on_stderr(FitWarning), before("result"):
                return fit(model, data, fixed=self.fixed(model))
        if self.fix:
            message = "the fit is taken from a file, so nothing can be fixed; leave one out"
            raise located(ArgumentError, message, "--fit")
        best = load_result(path)
        if not isinstance(best, FitResult):
            message = f"expected the result of a fit, got a {type(best).__name__}"
            raise located(ArgumentError, message, str(path))
        return best

    @contextmanager
    def saved_if_interrupted(self) -> Iterator[None]:
        """Write the results so far on Ctrl-C."""
        try:
            yield
        except Interrupted as interrupted:
            if self.output is not None and isinstance(interrupted.result, FitResult | Record):
                interrupted.result.save(self.output)
                say(f"{self.output}: what was done until the interruption")
            raise

    @contextmanager
    def running(self, total: int, what: str) -> Iterator[Callable[[int], None]]:
        """Show progress of a long call and its warnings; write the results so far on Ctrl-C."""
        with (
            self.saved_if_interrupted(),
            warnings_on_stderr(FitWarning),
            progress_bar(total, what) as progress,
        ):
            yield progress

    def finish(self, result: Record, text: str | None = None) -> None:
        """Write the result to a file, and print it, or `text` in its place."""
        if self.output is not None:
            result.save(self.output)
        self.show(result, () if text is not None else result._pages(), text)

    def show(
        self, result: Record | FitResult, pages: Sequence[Page], text: str | None = None
    ) -> None:
        """Print a result as JSON, as pages or as `text`; nothing if its file is the output."""
        if self.output is not None and is_standard_output(self.output):
            return
        if self.as_json:
            echo_json(result.to_json(indent=1))
        elif not pages:
            echo(repr(result) if text is None else text)
        for page in () if self.as_json else pages:
            print_page(page)


def request_options(
    *kinds: str, help_of_output: str = "Write the result as JSON."
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return the decorator that adds the options of a `Request`: the command gets them as one.

    `kinds` are the files that its output may replace, see `OutputPath`.
    """
    output = click.option("-o", "--output", type=OutputPath(*kinds), help=help_of_output)

    def add(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def run(**arguments: object) -> int:
            common: dict[str, Any] = {key.name: arguments.pop(key.name) for key in fields(Request)}
            return command(Request(**common), **arguments)

        return with_options(model_options, fix_options, json_option, output, guarded)(run)

    return add
