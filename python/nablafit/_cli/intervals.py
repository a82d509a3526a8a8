"""Commands for the profile likelihood: intervals, scans, contours, Feldman-Cousins."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ArgumentError, located
from ..infer import FeldmanCousinsResult, feldman_cousins
from ..infer import contour as find_contour
from ..infer import intervals as find_intervals
from ..infer import scan as run_scan
from ..infer._common import find_poi
from .common import (
    COUNT,
    Option,
    RenamedOption,
    level_option,
    parse_list,
    say,
    seed_option,
    start_option,
    starts_option,
    threads_option,
)
from .fits import Request, request_options
from .outputs import is_forced

if TYPE_CHECKING:
    from .._arrays import FloatArray
    from ..infer import ContourResult, IntervalsResult, ScanResult

__all__ = ["contour", "feldman_cousins_command", "intervals", "scan"]

_POINTS = (41, 25)
"""Values of each parameter in a scan of one and of two."""


@click.command("intervals")
@request_options("IntervalsResult")
@click.argument("parameters", nargs=-1)
@click.option("--sigma", type=float, default=1.0, help="Width in standard deviations.")
@click.option("--level", type=float, help="Confidence level instead, e.g. 0.95.")
@starts_option(0)
@threads_option
def intervals(request: Request, /, parameters: tuple[str, ...], **options: Option) -> int:
    """Find profile-likelihood intervals (MINOS errors) of PARAMETERS, by default of all."""
    model, data = request.open()
    options |= request.held(model)
    count = 2 * (len(parameters) or model.fixed.count(False))
    with request.running(count, "sides") as progress:
        result = find_intervals(model, data, parameters or None, progress=progress, **options)
    return _finish(request, result)


@click.command("scan")
@request_options("ScanResult")
@click.argument("parameters", nargs=-1)
@click.option(
    "--points",
    "n",
    cls=RenamedOption,
    former="--n",
    type=COUNT,
    help="Number of values of each parameter; default: 41 for one parameter, 25 for two.",
)
@click.option(
    "--values",
    multiple=True,
    metavar="LIST",
    help="Values of the first parameter, then of the second: LOW:HIGH, LOW:HIGH:N or 0.5,1,2; "
    "default: 3 errors about the best fit.",
)
@click.option(
    "--keep", multiple=True, metavar="NAME", help="Keep the fitted values of this parameter."
)
@starts_option(0)
@threads_option
def scan(
    request: Request,
    /,
    parameters: tuple[str, ...],
    n: int | None,
    values: tuple[str, ...],
    keep: tuple[str, ...],
    **options: Option,
) -> int:
    """Scan the profile likelihood in one or two PARAMETERS, by default the one of interest."""
    request, former = request.split_ranges()
    if former:
        say("warning: --range LOW:HIGH is deprecated, use --values LOW:HIGH")
    model, data = request.open()
    names = parameters or (find_poi(model, argument="PARAMETERS"),)
    if len(names) > 2:
        message = f"expected one or two, got {len(names)}: {', '.join(names)}"
        raise located(ArgumentError, message, "PARAMETERS")
    axes = [_parse_axis(text, n or _POINTS[len(names) - 1]) for text in (*values, *former)]
    if axes and len(axes) != len(names):
        message = f"expected one for each scanned parameter, {len(names)}, got {len(axes)}"
        raise located(ArgumentError, message, "--values")
    if axes and n is not None and not any(":" in text for text in (*values, *former)):
        message = "the values are listed, so that their number is known; leave one out"
        raise located(ArgumentError, message, "--points")
    options |= {"keep": keep or None, **request.held(model)}
    options |= {"values": axes[0] if len(axes) == 1 else axes} if axes else {"n": n}
    total = math.prod(map(len, axes)) if axes else (n or _POINTS[len(names) - 1]) ** len(names)
    with request.running(total, "points") as progress:
        result = run_scan(model, data, names, progress=progress, **options)
    return _finish(request, result)


def _parse_axis(text: str, n: int) -> FloatArray:
    """Read values of `parse_list`, or LOW:HIGH with a number of points."""
    return parse_list(f"{text}:{n}" if text.count(":") == 1 else text)


@click.command("contour")
@request_options("ContourResult")
@click.argument("parameters", nargs=2)
@click.option(
    "--level",
    "levels",
    type=float,
    multiple=True,
    default=(0.68, 0.95),
    help="Confidence level; may be repeated.",
)
@click.option(
    "--points",
    "n_points",
    cls=RenamedOption,
    former="--n",
    type=COUNT,
    default=60,
    help="Number of points on each contour.",
)
@starts_option(0)
@threads_option
def contour(
    request: Request,
    /,
    parameters: tuple[str, str],
    levels: tuple[float, ...],
    n_points: int,
    **options: Option,
) -> int:
    """Find contours of the profile likelihood in two PARAMETERS."""
    model, data = request.open()
    options |= {"levels": levels, "n_points": n_points, **request.held(model)}
    with request.running(n_points * len(levels), "directions") as progress:
        result = find_contour(model, data, parameters, progress=progress, **options)
    return _finish(request, result)


@click.command("feldman-cousins")
@request_options("FeldmanCousinsResult")
@click.option(
    "--values", metavar="LIST", help="Values to test: LOW:HIGH:N or 0.5,1,2; chosen by default."
)
@level_option
@click.option(
    "--toys",
    "n_toys",
    cls=RenamedOption,
    former="--n-toys",
    type=COUNT,
    default=1000,
    help="Number of toys per value.",
)
@starts_option(0)
@seed_option
@start_option
@threads_option
def feldman_cousins_command(
    request: Request, /, values: str | None, n_toys: int, **options: Option
) -> int:
    """Find the Feldman-Cousins interval of the parameter of interest, from toys.

    If the file of -o exists already, its toys are reused: an interrupted run continues. With
    --force it begins anew.
    """
    model, data = request.open()
    resume = _load(request.output)
    tested = None if resume is not None or values is None else parse_list(values)
    if tested is not None and len(tested) < 2:
        raise located(ArgumentError, "expected at least 2 values, got 1", "--values")
    options |= {"n_toys": n_toys, "resume": resume, **request.held(model)}
    total = n_toys * (21 if tested is None else len(tested))
    with request.running(total, "toys") as progress:
        result = feldman_cousins(model, data, request.poi, tested, progress=progress, **options)
    return _finish(request, result)


def _load(output: Path | None) -> FeldmanCousinsResult | None:
    if output is None or is_forced() or not output.is_file() or output.stat().st_size == 0:
        return None
    return FeldmanCousinsResult.from_json(output.read_bytes())


def _finish(
    request: Request, result: IntervalsResult | ScanResult | ContourResult | FeldmanCousinsResult
) -> int:
    """Print and save a result; return the exit code."""
    if request.output is not None:
        result.save(request.output)
    request.show(result, result._pages())
    return 0 if result.valid else 1
