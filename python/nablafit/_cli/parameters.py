"""Commands about nuisance parameters: ranking, impacts, pulls, breakdown, correlation."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import infer
from ..errors import ArgumentError, located
from ..infer.impacts.breakdown import METHODS as BREAKDOWN_METHODS
from ..infer.impacts.correlation import ORDERS
from ..infer.impacts.ranking import METHODS as RANKING_METHODS
from .common import (
    Request,
    fit_option,
    progress_bar,
    request_options,
    starts_option,
    threads_option,
)

if TYPE_CHECKING:
    pass

__all__ = ["breakdown", "correlation", "impacts", "pulls", "ranking"]

_PATTERN = "NAME, wildcard pattern or re:REGEX; may be repeated."
_parameters_option = click.option(
    "--parameters", multiple=True, metavar="PATTERN", help=f"Only these: {_PATTERN}"
)
_exclude_option = click.option(
    "--exclude", multiple=True, metavar="PATTERN", help=f"Without these: {_PATTERN}"
)
_top_option = click.option(
    "--top", type=click.IntRange(min=1), help="Print so many; JSON has all of them."
)


@click.command()
@request_options
@fit_option
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
    request: Request,
    /,
    fit_path: Path | None,
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
    model, data = request.open()
    best = request.best_fit(model, data, fit_path)
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
    request.finish(result, None if top is None else repr(result.first(top)))
    return 1 if {warning.kind for warning in result.warnings} & {"invalid_fit", "failed"} else 0


@click.command()
@request_options
@fit_option
@_parameters_option
@_exclude_option
@click.option(
    "--global-observables", is_flag=True, help="Shift global observables, not parameters."
)
@_top_option
def impacts(
    request: Request,
    /,
    fit_path: Path | None,
    parameters: tuple[str, ...],
    exclude: tuple[str, ...],
    global_observables: bool,
    top: int | None,
) -> int:
    """Show impacts of the parameters of WORKSPACE from one fit, without refits."""
    model, data = request.open()
    best = request.best_fit(model, data, fit_path)
    result = infer.ranking(
        model,
        data,
        parameters=parameters or None,
        exclude=exclude or None,
        result=best,
        method="global_observables" if global_observables else "linear",
    )
    request.finish(result, None if top is None else repr(result.first(top)))
    return 0 if best.valid else 1


@click.command()
@request_options
@fit_option
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
    request: Request,
    /,
    fit_path: Path | None,
    parameters: tuple[str, ...],
    exclude: tuple[str, ...],
    over_constrained: float,
    pulled: float,
    one_sided: float,
) -> int:
    """Show pulls and constraints of the parameters of WORKSPACE, and what looks odd."""
    model, data = request.open()
    best = request.best_fit(model, data, fit_path)
    result = infer.pulls(
        best,
        model=model,
        parameters=parameters or None,
        exclude=exclude or None,
        over_constrained=over_constrained,
        pulled=pulled,
        one_sided=one_sided,
    )
    request.finish(result)
    return 0 if best.valid else 1


@click.command()
@request_options
@fit_option
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
    request: Request,
    /,
    fit_path: Path | None,
    groups: tuple[str, ...],
    method: str,
    threads: int | None,
) -> int:
    """Split the uncertainty of the parameter of interest of WORKSPACE by sources."""
    wanted = _parse_groups(groups)
    model, data = request.open()
    best = request.best_fit(model, data, fit_path)
    with request.saved_if_interrupted():
        result = infer.breakdown(
            model, data, groups=wanted, result=best, method=method, n_threads=threads
        )
    request.finish(result)
    return 1 if result.warnings else 0


@click.command()
@request_options
@fit_option
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
    request: Request,
    /,
    fit_path: Path | None,
    parameters: tuple[str, ...],
    exclude: tuple[str, ...],
    threshold: float,
    order: str,
) -> int:
    """Show correlations between the parameters of WORKSPACE after a fit."""
    best = request.best_fit(*request.open(), fit_path)
    result = infer.correlation(
        best,
        parameters=parameters or None,
        exclude=exclude or None,
        threshold=threshold,
        order=order,
    )
    request.finish(result)
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
