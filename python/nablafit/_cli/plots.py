"""Commands that draw: `nablafit plot` and `nablafit report`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .._results.record import load_result
from ..errors import ArgumentError, Error, FitWarning, located
from ..infer._common import check_choice
from .common import (
    COUNT_OR_NONE,
    Option,
    Source,
    choice_option,
    echo,
    level_option,
    model_options,
    say,
    seed_option,
    threads_option,
    warnings_on_stderr,
    with_options,
)
from .fits import (
    NO_CHOICE,
    BestFit,
    DataChoice,
    Fitting,
    Request,
    best_fit_options,
    fitting_options,
)
from .outputs import NamedPath, OutputPath, guarded

if TYPE_CHECKING:
    from ..plot import Label

__all__ = ["plot_command", "report_command"]

_label_options = with_options(
    click.option("--experiment", metavar="TEXT", help='Experiment, e.g. "ATLAS".'),
    click.option("--status", metavar="TEXT", help='Status, e.g. "Internal".'),
    click.option("--energy", type=float, help="Centre-of-mass energy in TeV."),
    click.option("--luminosity", type=float, help="Integrated luminosity in 1/fb."),
    click.option("--text", metavar="TEXT", help="One more line for the label."),
    choice_option("Fonts, and position of the label.", ["plain", "ATLAS", "CMS"], "--style"),
    click.option(
        "--width",
        type=float,
        help="Width in print in cm, e.g. 8.6 for one column; text is made to match.",
    ),
)


def _label(values: dict[str, Any]) -> Label:
    """Take what belongs to the label out of the options."""
    from ..plot import Label

    names = ("experiment", "status", "energy", "luminosity", "text", "style", "width")
    given = {name: values.pop(name, None) for name in names}
    return Label(**{name: value for name, value in given.items() if value is not None})


@click.command("plot")
@guarded
@click.argument("result", type=NamedPath())
@click.option(
    "-o",
    "--output",
    "save",
    type=OutputPath("plot"),
    multiple=True,
    required=True,
    help="File to write: .pdf, .png, .svg or .eps; may be repeated.",
)
@click.option("--kind", metavar="NAME", help="Plot to draw, where a result has several.")
@_label_options
@click.option("--x-label", metavar="TEXT", help="Label of the horizontal axis.")
@click.option("--y-label", metavar="TEXT", help="Label of the vertical axis.")
@click.option("--unit", metavar="TEXT", help="Unit of the horizontal axis.")
@click.option("--size", "figsize", type=float, nargs=2, help="Width and height in inches.")
@click.option("--scale", "y_scale", type=click.Choice(["linear", "log"]), help="Vertical scale.")
@click.option("--channel", metavar="NAME", help="Yields, templates: channel to draw.")
@click.option(
    "--prefit",
    type=NamedPath(),
    help="Yields: those before the fit, for comparison.",
)
@click.option(
    "--on-top",
    "samples",
    multiple=True,
    metavar="NAME",
    help="Yields: sample on top of the stack; may be repeated. Default: the signals.",
)
@click.option(
    "--overlay",
    multiple=True,
    metavar="NAME[=FACTOR]",
    help="Yields: sample to draw as a line too, times a factor; may be repeated.",
)
@click.option(
    "--colour",
    "colours",
    multiple=True,
    metavar="NAME=COLOUR",
    help="Yields: colour of a sample, #rrggbb or a name; may be repeated.",
)
@click.option(
    "--ratio", "ratio_range", type=float, nargs=2, help="Yields: range of the ratio, LOW HIGH."
)
@click.option(
    "--compare",
    "others",
    multiple=True,
    metavar="TEXT=FILE",
    help="Scan: another one, with its text for the legend; may be repeated.",
)
@click.option("--name", metavar="TEXT", help="Scan: text of the first one for the legend.")
@click.option("--sample", metavar="NAME", help="Templates: sample to draw.")
@click.option("--parameter", metavar="NAME", help="Templates, toys: parameter to draw.")
@click.option("--original", type=NamedPath(), help="Templates: those before smoothing.")
@click.option("--truth", type=float, help="Toys: value that they were drawn at.")
@click.option("--poi", metavar="NAME", help="Ranking: the parameter of interest.")
@click.option("--page", type=click.IntRange(min=1), help="Ranking: page, from 1.")
@click.option(
    "--intervals", type=NamedPath(), help="Ranking, pulls: saved intervals, for asymmetric errors."
)
@click.option(
    "--parameters",
    multiple=True,
    metavar="PATTERN",
    help="Draw only these parameters; may be repeated.",
)
@click.option("--n-max", type=click.IntRange(min=1), help="Largest number of parameters to draw.")
@click.option(
    "--threshold", type=float, help="Correlation: least correlation with another parameter."
)
@click.option("--order", help='Correlation: "model", "strength", "cluster" or "name".')
@click.option(
    "--rename", "names", multiple=True, metavar="NAME=TEXT", help="Text to show for a name."
)
def plot_command(result: Path, kind: str | None, **options: Option) -> None:
    """Draw a RESULT that another command has saved; nothing is fitted again.

    Texts may contain formulas between dollar signs.
    """
    _plots()
    found = load_result(result)
    options = {key: value for key, value in options.items() if value not in (None, ())}
    arguments = {"label": _label(options), "save": options.pop("save")}
    function = _function(found, kind)
    known = inspect.signature(function).parameters
    for name in options:
        if name not in known:
            option = _OPTIONS.get(name, name)
            message = f"does not apply to the plot {function.__name__!r}; leave it out"
            raise located(ArgumentError, message, f"--{option.replace('_', '-')}")
    missing = [n for n, p in known.items() if p.default is p.empty and p.kind is p.KEYWORD_ONLY]
    if missing := [name for name in missing if name not in options]:
        message = f"is needed by the plot {function.__name__!r}"
        raise located(ArgumentError, message, f"--{missing[0].replace('_', '-')}")
    options |= _read(found, options)
    function(found, **arguments, **options)
    for path in arguments["save"]:
        echo(path)


_OPTIONS = {
    "figsize": "size",
    "y_scale": "scale",
    "names": "rename",
    "samples": "on-top",
    "colours": "colour",
    "ratio_range": "ratio",
    "others": "compare",
}
"""Options by the arguments of plots, where they differ."""


def _read(found: Any, given: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Return arguments made of what was given as NAME=... or as files."""
    read: dict[str, Any] = {}
    for name, kind in (("names", "TEXT"), ("colours", "COLOUR")):
        if name in given:
            read[name] = dict(_pair(item, kind, f"--{_OPTIONS[name]}") for item in given[name])
    if "overlay" in given:
        read["overlay"] = dict(map(_factor, given["overlay"]))
    if "others" in given:
        pairs = [_pair(item, "FILE", "--compare", "TEXT") for item in given["others"]]
        read["others"] = {text: _load(Path(path), type(found)) for text, path in pairs}
    for name in ("prefit", "original"):
        if name in given:
            read[name] = _load(given[name], type(found))
    if "intervals" in given:
        from ..infer import IntervalsResult

        read["intervals"] = _load(given["intervals"], IntervalsResult)
    return read


def _load(path: Path, kind: type) -> Any:  # noqa: ANN401
    other = load_result(path)
    if type(other) is not kind:
        message = f"expected a {kind.__name__}, got a {type(other).__name__}"
        raise located(ArgumentError, message, str(path))
    return other


def _pair(item: str, kind: str, option: str, key: str = "NAME") -> tuple[str, str]:
    name, equals, text = item.partition("=")
    if not equals:
        raise located(ArgumentError, f"expected {key}={kind}, got {item!r}", option)
    return name, text


def _factor(item: str) -> tuple[str, float]:
    name, equals, text = item.rpartition("=")
    if not equals:
        return item, 1.0
    try:
        return name, float(text)
    except ValueError:
        message = f"expected NAME or NAME=FACTOR, got {item!r}"
        raise located(ArgumentError, message, "--overlay") from None


def _function(result: Any, kind: str | None) -> Callable[..., Any]:  # noqa: ANN401
    from ..plot import plots_of

    functions = plots_of(result)
    if kind is not None and kind not in functions:
        check_choice("--kind", kind, functions)
    return functions[kind or next(iter(functions))]


def _plots() -> None:
    """Say what to install where the extra is missing."""
    try:
        import jinja2  # noqa: F401

        from .. import plot  # noqa: F401
    except ImportError as error:
        message = f"expected the extra 'plot': pip install 'nablafit[plot]' ({error})"
        raise located(Error, message, "plots") from error


@click.command("report")
@guarded
@model_options
@fitting_options
@best_fit_options
@click.option("--title", metavar="TEXT", help="Title of the page.")
@_label_options
@click.option("--no-ranking", is_flag=True, help="Leave out the ranking.")
@level_option
@click.option(
    "--toys",
    "n_toys",
    type=COUNT_OR_NONE,
    default=0,
    help="Number of toys for the goodness of fit.",
)
@seed_option
@threads_option
@click.option(
    "-o",
    "--output",
    type=OutputPath("report"),
    default=Path("report.html"),
    help="HTML page to write.",
)
def report_command(
    workspace: Source,
    measurement: str | None,
    poi: str | None,
    choice: DataChoice,
    fitting: Fitting,
    first: BestFit,
    no_ranking: bool,
    output: Path,
    **options: Option,
) -> int:
    """Fit WORKSPACE and write all that an analysis quotes to one HTML page."""
    _plots()
    from ..report.make_report import make_report

    request = Request(workspace, measurement, poi, choice, fitting)
    opened, model, data = request.open_all()
    best = request.best_fit(model, data, first) if first != NO_CHOICE or fitting else None
    if choice.asimov and not options["title"]:
        options["title"] = f"Fit of {model.spec.name} to Asimov data"
    with warnings_on_stderr(FitWarning):
        report = make_report(
            model,
            data,
            workspace=opened,
            result=best,
            starts=first.starts or None,
            label=_label(options),
            rank=not no_ranking,
            progress=lambda step: say(f"{step.replace('_', ' ')} ..."),
            **options,
        )
    report.save(output)
    echo(output)
    return 0 if report.fit.valid else 1
