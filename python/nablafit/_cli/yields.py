"""Commands about yields and goodness of fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .._results.record import load_result
from ..errors import ArgumentError, FitWarning, Interrupted, located
from ..fit import fit
from ..infer import GoodnessOfFitResult, goodness_of_fit, yields
from ..result import FitResult
from .common import (
    COUNT_OR_NONE,
    SEED,
    START,
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
    threads_option,
    warnings_on_stderr,
    workspace_argument,
)

if TYPE_CHECKING:
    from ..data import Data
    from ..infer import YieldsResult
    from ..model import Model

__all__ = ["goodness_of_fit_command", "yields_command"]


@click.command("yields")
@workspace_argument
@measurement_option
@poi_option
@fix_options
@click.option(
    "--prefit/--postfit",
    default=False,
    help="Initial values and constraint widths, or values and covariance of a fit (default).",
)
@click.option(
    "--fit",
    "saved",
    type=click.Path(path_type=Path),
    help="Take the fit from this file, written by `nablafit fit -o`, instead of fitting.",
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["text", "csv", "latex"]),
    default="text",
    show_default=True,
)
@click.option(
    "--by",
    type=click.Choice(["channel", "bin"]),
    default="channel",
    show_default=True,
    help="Totals of channels, or single bins.",
)
@json_option
@output_option
def yields_command(
    workspace: Source,
    measurement: str | None,
    poi: str | None,
    fix: Held,
    prefit: bool,
    saved: Path | None,
    layout: str,
    by: str,
    as_json: bool,
    output: Path | None,
) -> int:
    """Print expected events of WORKSPACE with their errors, and what was observed."""
    if prefit and (fix or saved is not None):
        raise located(ArgumentError, "--fix and --fit say how to fit; leave one out", "--prefit")
    _, model, data = open_workspace(workspace, measurement, poi)
    with warnings_on_stderr(FitWarning):
        result = None if prefit else _fit(model, data, fix, saved)
    found = yields(model, result, data=data)
    if output is not None:
        found.save(output)
    click.echo(found.to_json(indent=1) if as_json else _layout(found, layout, by))
    return 0 if result is None or result.valid else 1


def _fit(model: Model, data: Data, fix: Held, saved: Path | None) -> FitResult:
    if saved is None:
        return fit(model, data, fixed=parse_fixed(fix, model))
    if fix:
        message = "the fit is taken from a file, so nothing can be fixed; leave one out"
        raise located(ArgumentError, message, "--fit")
    result = load_result(saved)
    if not isinstance(result, FitResult):
        message = f"expected the result of a fit, got a {type(result).__name__}"
        raise located(ArgumentError, message, str(saved))
    return result


def _layout(found: YieldsResult, layout: str, by: str) -> str:
    if layout == "csv":
        return found.to_csv(by=by).rstrip("\n")
    if layout == "latex":
        return found.to_latex(by=by).rstrip("\n")
    return repr(found) if by == "channel" else found.to_text(by=by)


@click.command("gof")
@workspace_argument
@measurement_option
@poi_option
@fix_options
@click.option(
    "--toys", type=COUNT_OR_NONE, default=0, show_default=True, help="Toys for a second p-value."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the toys.")
@click.option("--start", type=START, default=0, show_default=True, help="Number of the first toy.")
@threads_option
@json_option
@output_option
def goodness_of_fit_command(
    workspace: Source,
    measurement: str | None,
    poi: str | None,
    fix: Held,
    toys: int,
    seed: int,
    start: int,
    threads: int | None,
    as_json: bool,
    output: Path | None,
) -> int:
    """Test how well WORKSPACE describes its data: saturated model, with and without toys.

    Interrupted, it writes what is done to the output.
    """
    _, model, data = open_workspace(workspace, measurement, poi)
    try:
        with warnings_on_stderr(FitWarning), progress_bar(toys, "toys") as progress:
            found = goodness_of_fit(
                model,
                data,
                fixed=parse_fixed(fix, model),
                n_toys=toys,
                seed=seed,
                start=start,
                n_threads=threads,
                progress=progress if toys else None,
            )
    except Interrupted as interrupted:
        if output is not None and isinstance(interrupted.result, GoodnessOfFitResult):
            interrupted.result.save(output)
        raise
    if output is not None:
        found.save(output)
    click.echo(found.to_json(indent=1) if as_json else repr(found))
    return 0 if found.fit.valid else 1
