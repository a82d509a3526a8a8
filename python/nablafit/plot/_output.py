"""What all plots share: their options, and figures written to files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .._results.files import write_file
from ..errors import ArgumentError, located

if TYPE_CHECKING:
    from ._style import StyledFigure

PlotT = TypeVar("PlotT", bound=Callable[..., Any])
Save: TypeAlias = str | Path | Iterable[str | Path]

_OPTIONS = {
    "intervals": "IntervalsResult, optional\n    Asymmetric errors, for the parameters in it.",
    "names": "mapping, optional\n    Text to show for a name; formulas stand between dollar signs.",
    "label": "Label, optional\n    Experiment, energy, luminosity, style.",
    "x_label": "str, optional\n    Label of the horizontal axis.",
    "y_label": "str, optional\n    Label of the vertical axis.",
    "unit": "str\n    Unit of the horizontal axis.",
    "figsize": "tuple, optional\n    Width and height in inches; by default to fit the content.",
    "save": "path or iterable of paths, optional\n    Files to write: .pdf, .png, .svg or .eps.",
}
"""Options of plots, with their documentation."""

_METADATA = {
    ".pdf": {"Creator": "nablafit", "CreationDate": None},
    ".png": {"Software": "nablafit"},
    ".svg": {"Creator": "nablafit", "Date": None},
    ".eps": {"Creator": "nablafit"},
}
"""By which a plot is recognised (`kind_of_file`), and no date: equal figures give equal files."""


def documented(plot: PlotT) -> PlotT:
    """Add to the docstring the shared options that a plot takes and does not describe itself."""
    text, *examples = (inspect.getdoc(plot) or "").partition("\n\nExamples\n")
    parameters, raises, errors = text.partition("\n\nRaises\n")
    shared = [
        f"\n{name} : {_OPTIONS[name]}"
        for name in inspect.signature(plot).parameters
        if name in _OPTIONS and f"\n{name}" not in text and f", {name} :" not in text
    ]
    returned = "\n\nReturns\n-------\nStyledFigure\n    A matplotlib figure."
    plot.__doc__ = "".join([parameters, *shared, returned, raises, errors, *examples])
    return plot


def save_figure(figure: StyledFigure, save: Save | None) -> StyledFigure:
    """Write a figure to one or several files, and return it; equal figures give equal files.

    Raises
    ------
    ArgumentError
        For a file name that ends in none of .pdf, .png, .svg, .eps.
    """
    paths = [Path(save)] if isinstance(save, str | Path) else [Path(path) for path in save or ()]
    for path in paths:
        if path.suffix.lower() not in _METADATA:
            message = f"expected a name that ends in {', '.join(_METADATA)}"
            raise located(ArgumentError, message, str(path))
    for path in paths:
        suffix = path.suffix.lower()
        options = {"format": suffix.removeprefix("."), "metadata": _METADATA[suffix]}
        write_file(path, partial(figure.savefig, **options))
    return figure
