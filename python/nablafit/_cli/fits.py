"""Shared by all commands that fit: which data are fitted, how, and what becomes of the result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .._arrays import index_of
from .._results.record import Record, load_result
from ..errors import ArgumentError, FitWarning, Interrupted, ModelWarning, before, located
from ..fit import fit
from ..infer import asimov_data
from ..infer._common import find_poi
from ..infer.impacts._selection import select
from ..result import FitResult
from .common import (
    Source,
    dataset_option,
    echo,
    echo_json,
    json_option,
    model_options,
    print_page,
    progress_bar,
    say,
    starts_option,
    warnings_on_stderr,
    with_options,
)
from .outputs import NamedPath, OutputPath, guarded, is_standard_output

if TYPE_CHECKING:
    from .._results.text import Page
    from ..data import Data
    from ..model import Model
    from ..workspace import Workspace

__all__ = [
    "NO_CHOICE",
    "BestFit",
    "DataChoice",
    "Fitting",
    "OptionalValue",
    "Request",
    "best_fit_options",
    "data_options",
    "fitting_options",
    "join_optional_values",
    "make_model",
    "minimizer_option",
    "parse_values",
    "request_options",
]

ResultT = TypeVar("ResultT")

# What --asimov meant before it chose the data.
_FORMER = {("significance", "profiled"), ("significance", "prefit")}

NUISANCES = ("prefit", "profiled", "postfit")
_WILDCARDS = frozenset("*?[")


class OptionalValue(click.Option):
    """An option that may be followed by NAME=VALUE or a number, and by anything else if not.

    Without a value it is an empty string: `--asimov workspace.json` leaves the workspace alone.
    """

    def takes(self, word: str, command: str | None) -> bool:
        """Whether a word of the command line is a value of this option."""
        is_pair = "=" in word and word[:1] != "-" and not Path(word).exists()
        return is_pair or _is_number(word) or (command, word) in _FORMER


def join_optional_values(command: click.Command, words: Sequence[str]) -> list[str]:
    """Return the words of a command line with each `OptionalValue` and its value in one word."""
    options = {
        name: option
        for option in command.params
        if isinstance(option, OptionalValue)
        for name in option.opts
    }
    joined: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*joined, word, *rest]
        if word in options:
            value = rest.pop(0) if rest and options[word].takes(rest[0], command.name) else ""
            word = f"{word}={value}"
        joined.append(word)
    return joined


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class DataChoice:
    """Which data a command takes: values of --dataset, --asimov and --nuisances."""

    dataset: str | None = None
    asimov: tuple[str, ...] = ()
    nuisances: str | None = None

    def of(self, workspace: Workspace, model: Model, fitting: Fitting) -> Data:
        """Return them; say on stderr where they are not those of the document."""
        if not self.asimov:
            if self.nuisances is not None:
                raise located(ArgumentError, "needs --asimov", "--nuisances")
            return self._observed(workspace, model)
        at = _asimov_values(self.asimov, model)
        if self.nuisances in (None, "prefit"):
            if self.dataset is not None:
                message = "Asimov data before the fit need no data set; leave one out"
                raise located(ArgumentError, message, "--dataset")
            data = model.asimov(at)
        else:
            data = self._fitted(self._observed(workspace, model), model, at, fitting)
        say(f"note: Asimov data at {self._point(model, at)}")
        return data

    def _observed(self, workspace: Workspace, model: Model) -> Data:
        if workspace.datasets or workspace.has_bad_data or self.dataset is not None:
            return workspace.data(model, self.dataset)
        message = "the document holds no data, so Asimov data at the initial values are used"
        say(f"warning: {workspace.source}: {message}")
        return model.asimov()

    def _fitted(
        self, observed: Data, model: Model, at: Mapping[str, float], fitting: Fitting
    ) -> Data:
        how = fitting.arguments(model)
        if self.nuisances == "profiled":
            return asimov_data(model, observed, at=at, **how)
        best = fit(model, observed, **how)
        if not best.valid:
            message = f"the fit that gives the nuisance parameters failed: {best.message}"
            raise located(ArgumentError, message, "--nuisances")
        return asimov_data(model, at=at, fit=best)

    def _point(self, model: Model, at: Mapping[str, float]) -> str:
        named = [f"{name} = {value:g}" for name, value in at.items()]
        if model.poi is not None and model.poi not in at and self.nuisances in (None, "prefit"):
            value = model.initial[model.index(model.poi)]
            named.insert(0, f"{model.poi} = {value:g} (its initial value)")
        others = {
            None: "the initial values",
            "prefit": "the initial values",
            "profiled": "values fitted to the data with these held",
            "postfit": "values fitted to the data",
        }[self.nuisances]
        return f"{', '.join(named)}; other parameters at {others}" if named else others


def _asimov_values(items: Sequence[str], model: Model) -> dict[str, float]:
    """Read [NAME=]VALUE of --asimov; a number alone is the parameter of interest."""
    values: dict[str, float] = {}
    for item in items:
        if _is_number(item):
            values[find_poi(model, argument="--poi")] = _number(item, "--asimov")
        elif item:
            pattern, _, text = item.rpartition("=")
            number = _number(text, f"--asimov {pattern}")
            values.update(dict.fromkeys(_named(model, pattern, "--asimov"), number))
    return values


_data_options = with_options(
    dataset_option,
    click.option(
        "--asimov",
        cls=OptionalValue,
        multiple=True,
        metavar="[[NAME=]VALUE]",
        help="Take Asimov data instead, for expected results: at this value of the parameter of "
        "interest or of another one, else at the initial values; may be repeated.",
    ),
    click.option(
        "--nuisances",
        type=click.Choice(NUISANCES),
        help="Other parameters of the Asimov data: their initial values (prefit, the default), "
        "fitted to the data with the given values held (profiled), or fitted freely (postfit).",
    ),
)


def data_options(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Add the options of a `DataChoice`: the command gets them as `choice`."""

    @wraps(command)
    def run(**arguments: Any) -> ResultT:  # noqa: ANN401
        names = [each.name for each in fields(DataChoice)]
        choice = DataChoice(**{name: arguments.pop(name) for name in names})
        return command(choice=choice, **arguments)

    return _data_options(run)


@dataclass(frozen=True)
class Fitting:
    """What floats where: values of --fix, --release and --range; false if all are empty."""

    fix: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fix or self.release or self.ranges)

    def arguments(self, model: Model) -> dict[str, Any]:
        """Return `bounds` and `fixed` of a fit."""
        return {"bounds": self.bounds(model), "fixed": self.fixed(model)}

    def fixed(self, model: Model) -> dict[str, float | bool]:
        """Return the `fixed` of a fit; a name counts more than a pattern."""
        held = [_assignment(item, model, "--fix") for item in self.fix]
        freed = [(item, False) for item in self.release]
        by_pattern: dict[str, float | bool] = {}
        by_name: dict[str, float | bool] = {}
        for option, items in (("--fix", held), ("--release", freed)):
            for pattern, value in items:
                chosen = by_name if _is_name(model, pattern) else by_pattern
                for name in _named(model, pattern, option):
                    if value is False and chosen.get(name, False) is not False:
                        message = "both fixed and released; leave one out"
                        raise located(ArgumentError, message, name)
                    chosen[name] = value
        return {**by_pattern, **by_name}

    def bounds(self, model: Model) -> dict[str, tuple[float, float]] | None:
        """Return the `bounds` of a fit."""
        found: dict[str, tuple[float, float]] = {}
        for item in sorted(self.ranges, key=lambda item: _is_name(model, item.rpartition("=")[0])):
            pattern, equals, text = item.rpartition("=")
            low, colon, high = text.partition(":")
            if not (pattern and equals and colon):
                message = f"expected NAME=LOW:HIGH, got {item!r}"
                raise located(ArgumentError, message, "--range")
            where = f"--range {pattern}"
            pair = _end(low, -math.inf, where), _end(high, math.inf, where)
            if not pair[0] < pair[1]:
                message = f"expected LOW < HIGH, got {text!r}; to hold a parameter use --fix"
                raise located(ArgumentError, message, where)
            found.update(dict.fromkeys(_named(model, pattern, "--range"), pair))
        return found or None


def _assignment(item: str, model: Model, option: str) -> tuple[str, float | bool]:
    """Read NAME and NAME=VALUE; True for a name alone."""
    name, equals, value = item.rpartition("=")
    if not equals or item in model.parameters:
        return item, True
    return name, _number(value, f"{option} {name}")


def parse_values(items: Iterable[str], model: Model, option: str) -> dict[str, float | bool]:
    """Read NAME and NAME=VALUE of an option, patterns too; True for a name alone."""
    found: dict[str, float | bool] = {}
    for item in items:
        pattern, value = _assignment(item, model, option)
        found.update(dict.fromkeys(_named(model, pattern, option), value))
    return found


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        message = f"expected a number after '=', got {text!r}"
        raise located(ArgumentError, message, where) from None


def _end(text: str, default: float, where: str) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        message = f"expected LOW:HIGH, two numbers, got {text!r}"
        raise located(ArgumentError, message, where) from None


def _is_name(model: Model, pattern: str) -> bool:
    is_pattern = pattern.startswith("re:") or not _WILDCARDS.isdisjoint(pattern)
    return not is_pattern or pattern in model.parameters


def _named(model: Model, pattern: str, option: str) -> list[str]:
    """Return the parameters that a name or a pattern stands for."""
    if _is_name(model, pattern):
        return [model.parameters[index_of(model.parameters, pattern)]]
    return [model.parameters[i] for i in select(model.parameters, pattern, option)]


_PATTERN = "name, wildcard pattern or re:REGEX; may be repeated"


def fitting_options(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Add the options of a `DataChoice` and a `Fitting`, which the command gets as `fitting`."""

    @wraps(command)
    def run(
        fix: tuple[str, ...],
        release: tuple[str, ...],
        ranges: tuple[str, ...],
        **arguments: Any,  # noqa: ANN401
    ) -> ResultT:
        return command(fitting=Fitting(fix, release, ranges), **arguments)

    return with_options(
        data_options,
        click.option(
            "--fix",
            multiple=True,
            metavar="NAME[=VALUE]",
            help=f"Fix parameters: {_PATTERN}.",
        ),
        click.option(
            "--release",
            multiple=True,
            metavar="NAME",
            help=f"Let parameters float that the workspace fixes: {_PATTERN}.",
        ),
        click.option(
            "--range",
            "ranges",
            multiple=True,
            metavar="NAME=LOW:HIGH",
            help=f"Range of parameters, without LOW or HIGH open: {_PATTERN}.",
        ),
    )(run)


@dataclass(frozen=True)
class BestFit:
    """The fit that a command begins with: values of --fit, --minimizer and --starts."""

    path: Path | None
    minimizer: str
    starts: int


NO_CHOICE = BestFit(None, "newton", 0)


def best_fit_options(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Add the options of a `BestFit`: the command gets them as `first`."""

    @wraps(command)
    def run(
        *request: Any,  # noqa: ANN401
        fit_path: Path | None,
        minimizer: str,
        starts: int,
        **arguments: Any,  # noqa: ANN401
    ) -> ResultT:
        first = BestFit(fit_path, minimizer, starts)
        return command(*request, first=first, **arguments)

    path_option = click.option(
        "--fit",
        "fit_path",
        type=NamedPath(),
        help="Result of `nablafit fit -o` to use instead of a new fit.",
    )
    return with_options(path_option, minimizer_option, starts_option(0))(run)


minimizer_option = click.option(
    "--minimizer", default="newton", help='"newton", "minuit" or "scipy:<method>".'
)


def make_model(workspace: Workspace, measurement: str | None, poi: str | None) -> Model:
    """Compile, and report warnings on stderr."""
    with warnings_on_stderr(ModelWarning):
        return workspace.model(measurement, poi)


@dataclass(frozen=True)
class Request:
    """Options that all commands with a result have."""

    workspace: Source
    measurement: str | None
    poi: str | None
    choice: DataChoice = field(default_factory=DataChoice)
    fitting: Fitting = field(default_factory=Fitting)
    as_json: bool = False
    output: Path | None = None

    def open_all(self) -> tuple[Workspace, Model, Data]:
        """Load, compile, and report warnings on stderr, one line each."""
        workspace = self.workspace.load()
        model = make_model(workspace, self.measurement, self.poi)
        return workspace, model, self.choice.of(workspace, model, self.fitting)

    def open(self) -> tuple[Model, Data]:
        """Return the model and its data."""
        return self.open_all()[1:]

    def without_asimov(self, words: Sequence[str]) -> Request:
        """Return this request without some values of --asimov."""
        rest = tuple(word for word in self.choice.asimov if word not in words)
        return replace(self, choice=replace(self.choice, asimov=rest))

    def split_ranges(self) -> tuple[Request, tuple[str, ...]]:
        """Return this request without values of --range that name no parameter, and those."""
        former = tuple(item for item in self.fitting.ranges if "=" not in item)
        ranges = tuple(item for item in self.fitting.ranges if "=" in item)
        return replace(self, fitting=replace(self.fitting, ranges=ranges)), former

    def held(self, model: Model) -> dict[str, Any]:
        """Return the arguments of fits that say what floats where."""
        return self.fitting.arguments(model)

    def best_fit(self, model: Model, data: Data, first: BestFit) -> FitResult:
        """Return the fit of the model, from a file if there is one."""
        if first.path is None:
            how: dict[str, Any] = {"minimizer": first.minimizer, "starts": first.starts}
            with warnings_on_stderr(FitWarning), before("result"):
                return fit(model, data, **self.held(model), **how)
        if self.fitting or first.minimizer != "newton":
            message = (
                "the fit is taken from a file, so --fix, --release, --range and --minimizer have "
                "no effect; leave one out"
            )
            raise located(ArgumentError, message, "--fit")
        best = load_result(first.path)
        if not isinstance(best, FitResult):
            message = f"expected the result of a fit, got a {type(best).__name__}"
            raise located(ArgumentError, message, str(first.path))
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

        return with_options(model_options, fitting_options, json_option, output, guarded)(run)

    return add
