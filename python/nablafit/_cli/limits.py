"""Commands for tests, limits and significances."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np

from .._results.record import Record, load_result
from ..errors import ArgumentError, located
from ..infer import hypotest, limit_grid, significance, upper_limit
from ..infer.limits._toys import N_VALUES
from ..io.patchset import PatchSet
from .common import (
    COUNT,
    Request,
    json_option,
    level_option,
    make_console,
    request_options,
    seed_option,
    start_option,
    starts_option,
    threads_option,
)

if TYPE_CHECKING:
    from .._arrays import FloatArray
    from ..model import Model

__all__ = ["hypotest_command", "limit_command", "show_command", "significance_command"]

ResultT = TypeVar("ResultT", bound=Record)

_toys_option = click.option(
    "--toys", "n_toys", type=COUNT, metavar="N", help="p-values from N toys of each hypothesis."
)


@click.command("limit")
@request_options
@level_option
@click.option("--statistic", default="qtilde", show_default=True, help='"qtilde" or "q".')
@click.option("--criterion", default="CLs", show_default=True, help='"CLs" or "CLs+b".')
@click.option(
    "--values",
    metavar="LIST",
    help="Interpolate between these values, 0.5,1,2 or LOW:HIGH:N, instead of searching.",
)
@click.option("--interpolation", default="log", show_default=True, help='"log" or "linear".')
@starts_option
@_toys_option
@seed_option
@start_option
@click.option(
    "--patchset",
    type=click.Path(path_type=Path),
    help="Limits of the signals of this pyhf patch set over WORKSPACE.",
)
@click.option("--signal", "signals", multiple=True, metavar="NAME", help="Only this patch.")
@click.option("--csv", type=click.Path(path_type=Path), help="Write the table of signals as CSV.")
@threads_option
def limit_command(
    request: Request,
    /,
    level: float,
    statistic: str,
    criterion: str,
    values: str | None,
    interpolation: str,
    starts: int | None,
    n_toys: int | None,
    seed: int,
    start: int,
    patchset: Path | None,
    signals: tuple[str, ...],
    csv: Path | None,
    threads: int | None,
) -> int:
    """Upper limits on the parameter of interest of WORKSPACE, observed and expected."""
    common: dict[str, Any] = {"level": level, "statistic": statistic, "criterion": criterion}
    common |= {"starts": starts, "n_threads": threads}
    if patchset is not None:
        _refuse("is not for signal grids", values=values, fix=request.fix or None, toys=n_toys)
        common |= {"measurement": request.measurement, "poi": request.poi, "names": signals or None}
        return _grid(request, patchset, common, csv)
    _refuse("needs --patchset", signal=signals, csv=csv)
    model, data = request.open()
    tested = None if values is None else parse_values(values)
    n_values = N_VALUES if tested is None else len(np.unique(tested))
    common |= {"values": tested, "interpolation": interpolation, "fixed": request.fixed(model)}
    with _toys(n_toys, n_values + 1, seed, start, request) as run:
        result = run(lambda toys: upper_limit(model, data, **common, **toys))
    request.finish(result)
    return 0 if result.valid else 1


def _grid(request: Request, patchset: Path, arguments: dict[str, Any], csv: Path | None) -> int:
    patches = PatchSet.load(patchset)
    n = len(arguments["names"] or patches)
    with request.running(n, "signals") as progress:
        result = limit_grid(request.workspace.load(), patches, progress=progress, **arguments)
    if csv is not None:
        result.to_csv(csv)
    request.finish(result)
    return 0 if all(status == "ok" for status in result.status) else 1


@click.command("hypotest")
@request_options
@click.option(
    "--value",
    "settings",
    multiple=True,
    metavar="[NAME=]VALUE",
    help="Tested value; 1 by default, 0 for q0. Repeat with names for several parameters.",
)
@click.option(
    "--statistic",
    default="qtilde",
    show_default=True,
    help='"qtilde", "q", "t", "ttilde" or "q0".',
)
@starts_option
@_toys_option
@seed_option
@start_option
@threads_option
def hypotest_command(
    request: Request,
    /,
    settings: tuple[str, ...],
    statistic: str,
    starts: int | None,
    n_toys: int | None,
    seed: int,
    start: int,
    threads: int | None,
) -> int:
    """Test a value of the parameter of interest of WORKSPACE: p-values, CLs."""
    model, data = request.open()
    value = parse_tested(settings, model)
    fixed = request.fixed(model)
    with _toys(n_toys, 2, seed, start, request) as run:
        result = run(
            lambda toys: hypotest(
                model,
                data,
                value,
                statistic=statistic,
                fixed=fixed,
                starts=starts,
                n_threads=threads,
                **toys,
            )
        )
    request.finish(result)
    return 0 if result.valid else 1


@click.command("significance")
@request_options
@click.option(
    "--expected-at",
    type=float,
    default=1.0,
    show_default=True,
    help="Signal strength of the expected significance.",
)
@click.option(
    "--asimov",
    default="profiled",
    show_default=True,
    help='Its nuisance parameters: "profiled" to the data or "prefit".',
)
@starts_option
@_toys_option
@seed_option
@start_option
@threads_option
def significance_command(
    request: Request,
    /,
    expected_at: float,
    asimov: str,
    starts: int | None,
    n_toys: int | None,
    seed: int,
    start: int,
    threads: int | None,
) -> int:
    """Discovery significance of the signal of WORKSPACE, observed and expected."""
    model, data = request.open()
    fixed = request.fixed(model)
    with _toys(n_toys, 2, seed, start, request) as run:
        result = run(
            lambda toys: significance(
                model,
                data,
                expected_at=expected_at,
                asimov=asimov,
                fixed=fixed,
                starts=starts,
                n_threads=threads,
                **toys,
            )
        )
    request.finish(result)
    return 0 if result.valid else 1


@click.command("show")
@click.argument("result", type=click.Path(path_type=Path))
@json_option
def show_command(result: Path, as_json: bool) -> None:
    """Print a RESULT that another command saved with --output; nothing is fitted again."""
    found = load_result(result)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        make_console().print(repr(found), markup=False, soft_wrap=True)


def parse_values(text: str) -> FloatArray:
    """Read 0.5,1,2 or LOW:HIGH:N."""
    try:
        if ":" in text:
            low, high, n = text.split(":")
            return np.linspace(float(low), float(high), int(n))
        return np.array([float(item) for item in text.split(",")])
    except ValueError:
        message = f"expected numbers as 0.5,1,2 or LOW:HIGH:N, got {text!r}"
        raise located(ArgumentError, message, "--values") from None


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
    n_toys: int | None, n_jobs: int, seed: int, start: int, request: Request
) -> Iterator[Callable[[Callable[[dict[str, Any]], ResultT]], ResultT]]:
    """Give a function that calls another one with what toys need, under a progress bar."""
    if n_toys is None:
        yield lambda work: work({})
        return
    arguments = {"calculator": "toys", "n_toys": n_toys, "seed": seed, "start": start}
    with request.running(n_toys * n_jobs, "toys") as progress:
        yield lambda work: work({**arguments, "progress": progress})
