"""Commands about yields and goodness of fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .._results.files import write_text
from ..errors import ArgumentError, located
from ..infer import goodness_of_fit, templates, yields
from .common import (
    COUNT_OR_NONE,
    Option,
    Source,
    choice_option,
    json_option,
    model_options,
    seed_option,
    start_option,
    starts_option,
    threads_option,
)
from .fits import NO_CHOICE, BestFit, Request, best_fit_options, make_model, request_options
from .outputs import OutputPath, guarded

if TYPE_CHECKING:
    from ..infer import YieldsResult

__all__ = ["goodness_of_fit_command", "templates_command", "yields_command"]


@click.command("yields")
@request_options(
    "YieldsResult", "table", help_of_output="Write the result as JSON, or the table of --format."
)
@click.option(
    "--prefit/--postfit",
    default=False,
    help="Initial values and constraint widths, or values and covariance of a fit.",
)
@best_fit_options
@choice_option("Format of the table.", ["text", "csv", "latex"], "--format", "layout")
@choice_option("Events per channel, or per bin.", ["channel", "bin"], "--by")
def yields_command(
    request: Request,
    /,
    prefit: bool,
    first: BestFit,
    layout: str,
    by: str,
) -> int:
    """Print expected events of WORKSPACE with their errors, and what was observed."""
    if prefit and (request.fitting or first != NO_CHOICE):
        message = "--fix, --release, --range, --fit, --minimizer and --starts say how to fit"
        raise located(ArgumentError, f"{message}; leave one out", "--prefit")
    model, data = request.open()
    result = None if prefit else request.best_fit(model, data, first)
    found = yields(model, result, data=data)
    text = _layout(found, layout, by)
    if layout == "text" or request.output is None:
        request.finish(found, text)
    else:
        mark = f"% nablafit yields, by {by}\n" if layout == "latex" else ""
        write_text(request.output, f"{mark}{text}\n")
        request.show(found, (), text)
    return 0 if result is None or result.valid else 1


def _layout(found: YieldsResult, layout: str, by: str) -> str:
    if layout == "csv":
        return found.to_csv(by=by).rstrip("\n")
    if layout == "latex":
        return found.to_latex(by=by).rstrip("\n")
    return repr(found) if by == "channel" else found.to_text(by=by)


@click.command("templates")
@guarded
@model_options
@json_option
@click.option(
    "-o", "--output", type=OutputPath("TemplatesResult"), help="Write the result as JSON."
)
@click.option("--channel", metavar="NAME", help="Only this channel.")
@click.option("--sample", metavar="NAME", help="Only this sample.")
@click.option(
    "--parameters",
    multiple=True,
    metavar="PATTERN",
    help="Vary these parameters; may be repeated. Default: normalisation and shape systematics.",
)
def templates_command(
    workspace: Source,
    measurement: str | None,
    poi: str | None,
    as_json: bool,
    output: Path | None,
    parameters: tuple[str, ...],
    **options: Option,
) -> int:
    """Show what one standard deviation of parameters does to the samples of WORKSPACE.

    `nablafit plot` draws one of the variations in the file of -o.
    """
    request = Request(workspace, measurement, poi, as_json=as_json, output=output)
    model = make_model(workspace.load(), measurement, poi)
    request.finish(templates(model, parameters=parameters or None, **options))
    return 0


@click.command("gof")
@request_options("GoodnessOfFitResult")
@click.option(
    "--toys", "n_toys", type=COUNT_OR_NONE, default=0, help="Number of toys for a second p-value."
)
@starts_option(0)
@seed_option
@start_option
@threads_option
def goodness_of_fit_command(request: Request, /, n_toys: int, **options: Option) -> int:
    """Test how well WORKSPACE describes its data: saturated model, with and without toys.

    If interrupted, it writes the toys done so far to the output.
    """
    model, data = request.open()
    options |= {"n_toys": n_toys, **request.held(model)}
    with request.running(n_toys, "toys") as progress:
        found = goodness_of_fit(model, data, progress=progress if n_toys else None, **options)
    request.finish(found)
    return 0 if found.fit.valid else 1
