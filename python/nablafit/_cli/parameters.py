"""Commands about nuisance parameters: ranking, impacts, pulls, breakdown, correlation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import infer
from .._results.record import Record, load_result
from ..errors import ArgumentError, FitWarning, Interrupted, located
from ..fit import fit
from ..infer.impacts.breakdown import METHODS as BREAKDOWN_METHODS
from ..infer.impacts.correlation import ORDERS
from ..infer.impacts.ranking import METHODS as RANKING_METHODS
from ..result import FitResult
from .common import (
    Held,
    Source,
    fix_options,
    json_option,
    measurement_option,
    open_workspace,
    output_option,
    parse_fixed,
    poi_option,
    progress_bar,
    starts_option,
    threads_option,
    warnings_on_stderr,
    workspace_argument,
)

if TYPE_CHECKING:
    from ..data import Data
    from ..model import Model

__all__ = ["breakdown", "correlation", "impacts", "pulls", "ranking"]

_PATTERN = "NAME, wildcard pattern or re:REGEX; may be repeated."
_fit_option = click.option(
    "--fit",
    "fit_path",
    type=click.Path(path_type=Path),
    help="Result of `nablafit fit -o`, in place of a fit.",
)
_parameters_option = click.option(
    "--parameters", multiple=True, metavar="PATTERN", help=f"Only these: {_PATTERN}"
)
_exclude_option = click.option(
    "--exclude", multiple=True, metavar="PATTERN", help=f"Without these: {_PATTERN}"
)
_top_option = click.option(
    "--top", type=click.IntRange(min=1), help="Print so many; JSON has all of them."
)


@dataclass(frozen=True)
class _Request:
    """What the arguments that all commands here have ask for."""

    workspace: Source
    measurement: str | None
    poi: str | None
    fix: Held
    fit_path: Path | None
    as_json: bool
    output: Path | None

    def open(self) -> tuple[Model, Data, FitResult]:
        """Return the model, its data and their fit, from a file if there is one."""
        _, model, data = open_workspace(self.workspace, self.measurement, self.poi)
        if self.fit_path is None:
            with warnings_on_stderr(FitWarning):
                return model, data, fit(model, data, fixed=parse_fixed(self.fix, model))
        if self.fix:
            message = "the fit is taken from a file, so nothing can be fixed; leave one out"
            raise located(ArgumentError, message, "--fit")
        best = load_result(self.fit_path)
        if not isinstance(best, FitResult):
            message = f"expected the result of a fit, got {type(best).__name__}"
            raise located(ArgumentError, message, str(self.fit_path))
        return model, data, best

    @contextmanager
    def saved_if_interrupted(self) -> Iterator[None]:
        """Write what was done until Ctrl-C."""
        try:
            yield
        except Interrupted as interrupted:
            if self.output is not None and isinstance(interrupted.result, Record):
                interrupted.result.save(self.output)
            raise

    def show(self, result: Record, shown: Record | None = None) -> None:
        """Write the result to a file, and print it or its most important part."""
        if self.output is not None:
            result.save(self.output)
        text = repr(result if shown is None else shown)
        click.echo(result.to_json(indent=1) if self.as_json else text)


def _common(command: Callable[..., int]) -> Callable[..., int]:
    """Add the arguments that all commands here have: the command gets them as one request."""

    @wraps(command)
    def run(**arguments: object) -> int:
        common: dict[str, Any] = {key.name: arguments.pop(key.name) for key in fields(_Request)}
        return command(_Request(**common), **arguments)

    options = (workspace_argument, measurement_option, poi_option, fix_options, _fit_option)
    decorated: Callable[..., int] = run
    for option in reversed((*options, json_option, output_option)):
        decorated = option(decorated)
    return decorated


@click.command()
@_common
@_parameters_option
@_exclude_option
@click.option(
    "--method", type=click.Choice(RANKING_METHODS), default="refit", show_default=True,
    help="How to get impacts.",
)  # fmt: skip
@_top_option
@starts_option
@threads_option
def ranking(
    request: _Request,
    /,
    parameters: tuple[str, ...],
    exclude: tuple[str, ...],
    method: str,
    top: int | None,
    starts: int | None,
    threads: int | None,
) -> int:
    """Rank the parameters of WORKSPACE by their impact on the parameter of interest.

    Every parameter is held at plus and minus its error after and before the fit, and all others are
    fitted again; other methods are impacts from the covariance, and impacts of shifted global
    observables.
    """
    model, data, best = request.open()
    rank = partial(
        infer.ranking,
        model,
        data,
        parameters=parameters or None,
        exclude=exclude or None,
        result=best,
        starts=starts or 0,
    )
    quick = rank(method="global_observables" if method.startswith("global") else "linear")
    total = sum(status == "linear" for row in quick.statuses.values() for status in row)
    bar = progress_bar(total, "refits") if method.endswith("refit") else nullcontext()
    with request.saved_if_interrupted(), bar as progress:
        result = rank(method=method, n_threads=threads, progress=progress)
    request.show(result, result if top is None else result.first(top))
    return 1 if {warning.kind for warning in result.warnings} & {"invalid_fit", "failed"} else 0


@click.command()
@_common
@_parameters_option
@_exclude_option
@click.option(
    "--global-observables", is_flag=True, help="Shift global observables, not parameters."
)
@_top_option
def impacts(
    request: _Request,
    /,
    parameters: tuple[str, ...],
    exclude: tuple[str, ...],
    global_observables: bool,
    top: int | None,
) -> int:
    """Show impacts of the parameters of WORKSPACE from one fit, without refits."""
    model, data, best = request.open()
    result = infer.ranking(
        model,
        data,
        parameters=parameters or None,
        exclude=exclude or None,
        result=best,
        method="global_observables" if global_observables else "linear",
    )
    request.show(result, result if top is None else result.first(top))
    return 0 if best.valid else 1


@click.command()
@_common
@_parameters_option
@_exclude_option
@click.option(
    "--over-constrained", type=float, default=0.7, show_default=True,
    help="Warn of constraints below.",
)  # fmt: skip
@click.option("--pulled", type=float, default=2.0, show_default=True, help="Warn of pulls above.")
@click.option(
    "--one-sided", type=float, default=0.5, show_default=True,
    help="Warn if up and down variations agree by more.",
)  # fmt: skip
def pulls(
    request: _Request,
    /,
    parameters: tuple[str, ...],
    exclude: tuple[str, ...],
    over_constrained: float,
    pulled: float,
    one_sided: float,
) -> int:
    """Show pulls and constraints of the parameters of WORKSPACE, and what looks odd."""
    model, _, best = request.open()
    result = infer.pulls(
        best,
        model=model,
        parameters=parameters or None,
        exclude=exclude or None,
        over_constrained=over_constrained,
        pulled=pulled,
        one_sided=one_sided,
    )
    request.show(result)
    return 0 if best.valid else 1


@click.command()
@_common
@click.option(
    "--group", "groups", multiple=True, metavar="NAME=PATTERN[,...]",
    help="Parameters that make a group; may be repeated. Default: by kind of modifier.",
)  # fmt: skip
@click.option(
    "--method", type=click.Choice(BREAKDOWN_METHODS), default="linear", show_default=True,
    help="How to get contributions.",
)  # fmt: skip
@threads_option
def breakdown(
    request: _Request,
    /,
    groups: tuple[str, ...],
    method: str,
    threads: int | None,
) -> int:
    """Split the uncertainty of the parameter of interest of WORKSPACE by sources."""
    wanted = _parse_groups(groups)
    model, data, best = request.open()
    with request.saved_if_interrupted():
        result = infer.breakdown(
            model, data, groups=wanted, result=best, method=method, n_threads=threads
        )
    request.show(result)
    return 1 if result.warnings else 0


@click.command()
@_common
@_parameters_option
@_exclude_option
@click.option(
    "--threshold", type=float, default=0.2, show_default=True,
    help="Leave out parameters whose correlations are all smaller.",
)  # fmt: skip
@click.option(
    "--order", type=click.Choice(ORDERS), default="model", show_default=True,
    help="Of the parameters.",
)  # fmt: skip
def correlation(
    request: _Request,
    /,
    parameters: tuple[str, ...],
    exclude: tuple[str, ...],
    threshold: float,
    order: str,
) -> int:
    """Show correlations between the parameters of WORKSPACE after a fit."""
    _, _, best = request.open()
    result = infer.correlation(
        best,
        parameters=parameters or None,
        exclude=exclude or None,
        threshold=threshold,
        order=order,
    )
    request.show(result)
    return 0 if best.valid else 1


def _parse_groups(items: tuple[str, ...]) -> dict[str, infer.Patterns] | None:
    """Read NAME=PATTERN,PATTERN; a name that comes again adds to its group."""
    groups: dict[str, list[str]] = {}
    for item in items:
        name, equals, patterns = item.partition("=")
        if not (name and equals and patterns):
            raise located(ArgumentError, f"expected NAME=PATTERN, got {item!r}", "--group")
        groups.setdefault(name, []).extend(patterns.split(","))
    return {name: list(patterns) for name, patterns in groups.items()} or None
