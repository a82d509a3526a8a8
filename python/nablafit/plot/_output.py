"""Figures into files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .._results.files import write_file
from ..errors import ArgumentError, located

if TYPE_CHECKING:
    from ._style import StyledFigure

__all__ = ["Save", "save_figure"]

Save: TypeAlias = str | Path | Iterable[str | Path]

_WITHOUT_DATE = {
    ".pdf": {"CreationDate": None},
    ".png": {},
    ".svg": {"Date": None},
    ".eps": {},
}


def save_figure(figure: StyledFigure, save: Save | None) -> None:
    """Write a figure to one or several files; equal figures give equal files.

    Raises
    ------
    ArgumentError
        For a file name that ends in none of .pdf, .png, .svg, .eps.
    """
    if save is None:
        return
    paths = [Path(save)] if isinstance(save, str | Path) else [Path(path) for path in save]
    for path in paths:
        if path.suffix.lower() not in _WITHOUT_DATE:
            message = f"expected a name that ends in {', '.join(_WITHOUT_DATE)}"
            raise located(ArgumentError, message, str(path))
    for path in paths:
        suffix = path.suffix.lower()
        options = {"format": suffix.removeprefix("."), "metadata": _WITHOUT_DATE[suffix]}
        write_file(path, partial(figure.savefig, **options))
