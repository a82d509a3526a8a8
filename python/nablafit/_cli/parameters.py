"""Commands about nuisance parameters: ranking, impacts, pulls, breakdown, correlation."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import click

from .. import infer
from ..errors import ArgumentError, located
from ..infer.impacts.breakdown import METHODS as BREAKDOWN_METHODS
from ..infer.impacts.correlation import ORDERS
from ..infer.impacts.ranking import METHODS as RANKING_METHODS
from .common import (
    Option,
    choice_option,
    none_if_empty,
    progress_bar,
    threads_option,
    with_options,
)
from .fits import BestFit, Request, best_fit_options, request_options

__all__ = ["breakdown", "correlation", "impacts", "pulls", "ranking"]

_selection_options = with_options(
    best_fit_options,
    *(
        click.option(
            f"--{name}",
            multiple=True,
            callback=none_if_empty,
            metavar="PATTERN",
            help=f"{which} these parameters: NAME, wildcard pattern or re:REGEX; may be repeated.",
        )
        for name, which in (("parameters", "Only"), ("exclude", "All but"))
    ),
)
_top_option = click.option(
    "--top", type=click.IntRange(min=1), metavar="N", help="Print only the top N; JSON has all."
)


@click.command()
@request_options("RankingResult")
@_selection_options
@choice_option("How impacts are computed.", RANKING_METHODS, "--method")
@_top_option
@threads_option
def ranking(
    request: Request,
    /,
    first: BestFit,
    method: str,
    top: int | None,
    n_threads: int | None,
    **options: Option,
) -> int:
    """Rank the parameters of WORKSPACE by their impact on the parameter of interest.

    Every parameter is fixed at plus and minus its error after and before the fit, and all others
    are fitted again; other methods are impacts from the covariance, and impacts of shifted global
    observables.
    """
    model, data = request.open()
    best = request.best_fit(model, data, first)
    rank = partial(infer.ranking, model, data, result=best, starts=first.starts, **options)
    quick = rank(method="global_observables" if method.startswith("global") else "linear")
    total = sum(status == "linear" for row in quick.statuses.values() for status in row)
    bar = progress_bar(total, "refits") if method.endswith("refit") else nullcontext()
    with request.saved_if_interrupted(), bar as progress:
        result = rank(method=method, n_threads=n_threads, progress=progress)
    request.finish(result, None if top is None else repr(result.first(top)))
    return 1 if {warning.kind for warning in result.warnings} & {"invalid_fit", "failed"} else 0


@click.command()
@request_options("RankingResult")
@_selection_options
@click.option(
    "--global-observables", is_flag=True, help="Shift global observables, not parameters."
)
@_top_option
def impacts(
    request: Request,
    /,
    first: BestFit,
    global_observables: bool,
    top: int | None,
    **options: Option,
) -> int:
    """Show impacts of the parameters of WORKSPACE from one fit, without refits."""
    model, data = request.open()
    best = request.best_fit(model, data, first)
    method = "global_observables" if global_observables else "linear"
    result = infer.ranking(model, data, result=best, method=method, **options)
    request.finish(result, None if top is None else repr(result.first(top)))
    return 0 if best.valid else 1


@click.command()
@request_options("PullsResult")
@_selection_options
@click.option(
    "--over-constrained",
    default=0.7,
    help="Warn of constraints (error / width) below this value.",
)
@click.option("--pulled", type=float, default=2.0, help="Warn of pulls above this value.")
@click.option(
    "--one-sided",
    default=0.5,
    help="Warn if the one-sided fraction of the up and down variations exceeds this value.",
)
def pulls(request: Request, /, first: BestFit, **options: Option) -> int:
    """Show pulls and constraints of the parameters of WORKSPACE, and what looks odd."""
    model, data = request.open()
    best = request.best_fit(model, data, first)
    request.finish(infer.pulls(best, model=model, **options))
    return 0 if best.valid else 1


@click.command()
@request_options("BreakdownResult")
@best_fit_options
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=PATTERN[,...]",
    help="Parameters that form a group; may be repeated. Default: groups by type of modifier.",
)
@choice_option("How contributions are computed.", BREAKDOWN_METHODS, "--method")
@threads_option
def breakdown(
    request: Request, /, first: BestFit, groups: tuple[str, ...], **options: Option
) -> int:
    """Split the uncertainty of the parameter of interest of WORKSPACE by sources."""
    wanted = _parse_groups(groups)
    model, data = request.open()
    best = request.best_fit(model, data, first)
    with request.saved_if_interrupted():
        result = infer.breakdown(model, data, groups=wanted, result=best, **options)
    request.finish(result)
    return 1 if result.warnings else 0


@click.command()
@request_options("CorrelationResult")
@_selection_options
@click.option(
    "--threshold", default=0.2, help="Leave out parameters whose correlations are all smaller."
)
@choice_option("Order of the parameters.", ORDERS, "--order")
def correlation(request: Request, /, first: BestFit, **options: Option) -> int:
    """Show correlations between the parameters of WORKSPACE after a fit."""
    best = request.best_fit(*request.open(), first)
    request.finish(infer.correlation(best, **options))
    return 0 if best.valid else 1


def _parse_groups(items: tuple[str, ...]) -> dict[str, infer.Patterns] | None:
    """Read NAME=PATTERN,PATTERN; a repeated name adds to its group."""
    groups: dict[str, list[str]] = {}
    for item in items:
        name, equals, patterns = item.partition("=")
        if not (name and equals and patterns):
            raise located(ArgumentError, f"expected NAME=PATTERN, got {item!r}", "--group")
        groups.setdefault(name, []).extend(patterns.split(","))
    return {name: list(patterns) for name, patterns in groups.items()} or None
