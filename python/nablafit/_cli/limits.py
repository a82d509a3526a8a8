"""Commands for tests, limits and significances."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from .._results.record import load_result
from ..errors import ArgumentError, Interrupted, located
from ..infer import LimitGridResult, hypotest, limit_grid, significance, upper_limit
from ..infer.limits._toys import N_VALUES
from ..io.patchset import PatchSet
from .common import (
    COUNT,
    COUNT_OR_NONE,
    Option,
    echo,
    echo_json,
    json_option,
    level_option,
    parse_list,
    say,
    seed_option,
    start_option,
    starts_option,
    threads_option,
    with_options,
)
from .fits import Request, request_options
from .outputs import NamedPath, OutputPath

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["hypotest_command", "limit_command", "show_command", "significance_command"]

_test_options = with_options(
    starts_option(None),
    click.option(
        "--toys", "n_toys", type=COUNT, metavar="N", help="p-values from N toys of each hypothesis."
    ),
    seed_option,
    start_option,
    threads_option,
)


@click.command("limit")
@request_options("LimitResult", "LimitGridResult")
@level_option
@click.option("--statistic", default="qtilde", help='"qtilde" or "q".')
@click.option("--criterion", default="CLs", help='"CLs" or "CLs+b".')
@click.option(
    "--values",
    metavar="LIST",
    help="Interpolate between these values, 0.5,1,2 or LOW:HIGH:N, instead of searching.",
)
@click.option("--interpolation", default="log", help='"log" or "linear".')
@click.option(
    "--curve",
    "n_curve",
    type=COUNT_OR_NONE,
    default=0,
    help="Number of values to test after the search too, for a plot of CLs.",
)
@click.option(
    "--patchset",
    type=NamedPath(),
    help="Find limits for the signals of this pyhf patch set on WORKSPACE.",
)
@click.option(
    "--signal", "signals", multiple=True, metavar="NAME", help="Use only this patch of the set."
)
@click.option("--csv", type=OutputPath("table"), help="Write the table of signals as CSV.")
@_test_options
def limit_command(
    request: Request,
    /,
    values: str | None,
    interpolation: str,
    patchset: Path | None,
    signals: tuple[str, ...],
    csv: Path | None,
    n_curve: int,
    n_toys: int | None,
    seed: int,
    start: int,
    **common: Option,
) -> int:
    """Find the upper limit on the parameter of interest of WORKSPACE, observed and expected."""
    if patchset is not None:
        given = {"values": values, "toys": n_toys, "curve": n_curve or None}
        _refuse("is not for signal grids", **given, **vars(request.choice), **vars(request.fitting))
        common |= {"measurement": request.measurement, "poi": request.poi, "names": signals or None}
        return _grid(request, patchset, common, csv)
    _refuse("needs --patchset", signal=signals, csv=csv)
    model, data = request.open()
    tested = None if values is None else parse_list(values)
    n_values = N_VALUES if tested is None else len(np.unique(tested))
    common |= {"values": tested, "interpolation": interpolation, **request.held(model)}
    common["n_curve"] = n_curve
    with _toys(request, n_values + 1, n_toys=n_toys, seed=seed, start=start) as toys:
        result = upper_limit(model, data, **common, **toys)
    request.finish(result)
    return 0 if result.valid else 1


def _grid(request: Request, patchset: Path, arguments: dict[str, Any], csv: Path | None) -> int:
    patches = PatchSet.load(patchset)
    n = len(arguments["names"] or patches)
    try:
        with request.running(n, "signals") as progress:
            result = limit_grid(request.workspace.load(), patches, progress=progress, **arguments)
    except Interrupted as interruption:
        if csv is not None and isinstance(interruption.result, LimitGridResult):
            interruption.result.to_csv(csv)
        raise
    if csv is not None:
        result.to_csv(csv)
    request.finish(result)
    return 0 if all(status == "ok" for status in result.status) else 1


@click.command("hypotest")
@request_options("HypotestResult")
@click.option(
    "--value",
    "settings",
    multiple=True,
    metavar="[NAME=]VALUE",
    help="Tested value; default: 1, or 0 for q0. Repeat with names for several parameters.",
)
@click.option("--statistic", default="qtilde", help='"qtilde", "q", "t", "ttilde" or "q0".')
@_test_options
def hypotest_command(
    request: Request,
    /,
    settings: tuple[str, ...],
    n_toys: int | None,
    seed: int,
    start: int,
    **options: Option,
) -> int:
    """Test a value of the parameter of interest of WORKSPACE: p-values, CLs."""
    model, data = request.open()
    value = parse_tested(settings, model)
    options |= request.held(model)
    with _toys(request, 2, n_toys=n_toys, seed=seed, start=start) as toys:
        result = hypotest(model, data, value, **options, **toys)
    request.finish(result)
    return 0 if result.valid else 1


@click.command("significance")
@request_options("SignificanceResult")
@click.option(
    "--expected-at", type=float, default=1.0, help="Signal strength of the expected significance."
)
@click.option(
    "--expected-nuisances",
    "asimov_of_expected",
    type=click.Choice(["profiled", "prefit"]),
    default="profiled",
    help="Nuisance parameters of the expected significance: fitted to the data, or initial values.",
)
@_test_options
def significance_command(
    request: Request,
    /,
    asimov_of_expected: str,
    n_toys: int | None,
    seed: int,
    start: int,
    **options: Option,
) -> int:
    """Find the discovery significance of the signal of WORKSPACE, observed and expected."""
    words = [word for word in request.choice.asimov if word in ("profiled", "prefit")]
    if words:
        say(f"warning: --asimov {words[-1]} is deprecated, use --expected-nuisances {words[-1]}")
        request, asimov_of_expected = request.without_asimov(words), words[-1]
    model, data = request.open()
    options["asimov"] = asimov_of_expected
    options |= request.held(model)
    with _toys(request, 2, n_toys=n_toys, seed=seed, start=start) as toys:
        result = significance(model, data, **options, **toys)
    request.finish(result)
    return 0 if result.valid else 1


@click.command("show")
@click.argument("result", type=NamedPath())
@json_option
def show_command(result: Path, as_json: bool) -> None:
    """Print a RESULT that another command saved with --output; nothing is fitted again."""
    found = load_result(result)
    if as_json:
        echo_json(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        echo(repr(found))


def parse_tested(settings: tuple[str, ...], model: Model) -> float | dict[str, float] | None:
    """Read one VALUE, or NAME=VALUE for each tested parameter."""
    if not settings:
        return None
    values: dict[str, float] = {}
    for item in settings:
        name, _, number = item.rpartition("=")
        try:
            values[name] = float(number)
        except ValueError:
            message = f"expected a number, got {number!r}"
            raise located(ArgumentError, message, "--value") from None
        if name:
            model.index(name)
    if "" not in values:
        return values
    if len(settings) > 1:
        message = "expected NAME=VALUE where several values are tested"
        raise located(ArgumentError, message, "--value")
    return values[""]


def _refuse(reason: str, **given: object) -> None:
    """Raise ArgumentError for an option that has no meaning here."""
    for name, value in given.items():
        if value is not None and value != ():
            raise located(ArgumentError, reason, f"--{name}")


@contextmanager
def _toys(
    request: Request, n_samples: int, *, n_toys: int | None, seed: int, start: int
) -> Iterator[dict[str, Any]]:
    """Give the arguments that toys need, with a progress bar; none without toys."""
    if n_toys is None:
        yield {}
        return
    with request.running(n_toys * n_samples, "toys") as progress:
        yield {
            "calculator": "toys",
            "n_toys": n_toys,
            "seed": seed,
            "start": start,
            "progress": progress,
        }
