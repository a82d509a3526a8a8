"""What every reader returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from ..errors import WorkspaceError
    from ..spec import ModelSpec, Observations, Parameter

__all__ = ["Document", "Mounts", "Notes", "hold_at_equal_bounds"]

Mounts: TypeAlias = "Sequence[tuple[str | os.PathLike[str], str | os.PathLike[str]]]"
"""Where a folder is, and what the XML calls it."""


PLACES_NAMED = 3


@dataclass(frozen=True)
class Document:
    """The models and data of one file, in the terms of `nablafit.spec`; immutable.

    Parameters
    ----------
    format : str
        Name of the format: "pyhf", "HistFactory XML", "RooWorkspace" or "HS3".
    source : str
        Where it came from, as error messages name it.
    measurements : mapping of str to ModelSpec
        Models by name, in the order of the file; at least one. May be made on demand.
    datasets : mapping of str to Observations
        Data sets by name, the default one first; empty if the file holds none.
    notes : tuple of str
        What was assumed while reading, one sentence each.
    warnings : tuple of str
        Those of the notes that `Workspace.load` also warns of: what in the file was passed over.
    data_problem : WorkspaceError, optional
        What is wrong with the data, where the models can be read; `datasets` lacks them.
    files : tuple of Path
        What was read where one file names others, or a folder is read.

    Examples
    --------
    >>> from nablafit.io import Document
    >>> spec = nf.build.uncorrelated_background([12], [50], [3]).spec
    >>> document = Document("example", "by hand", {"m": spec}, {"asimov": nf.surgery.asimov(spec)})
    >>> list(document.measurements), list(document.datasets)
    (['m'], ['asimov'])
    """

    format: str
    source: str
    measurements: Mapping[str, ModelSpec]
    datasets: Mapping[str, Observations]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    data_problem: WorkspaceError | None = None
    files: tuple[Path, ...] = ()


class Notes:
    """What was assumed while reading: sentences, each once, with the places where they hold."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, None]] = {}

    def add(self, sentence: str, place: str = "") -> None:
        """Add a sentence; where it is known already, one more place."""
        self._places.setdefault(sentence, {})[place] = None

    def take(self) -> tuple[str, ...]:
        """Return the sentences in the order in which they were first added."""
        return tuple(_sentence(text, list(places)) for text, places in self._places.items())


def _sentence(text: str, places: list[str]) -> str:
    named = ", ".join(place for place in places[:PLACES_NAMED] if place)
    more = len(places) - PLACES_NAMED
    return f"{named}{f' and {more} more' if more > 0 else ''}: {text}" if named else text


def hold_at_equal_bounds(parameter: Parameter) -> Parameter:
    """Return a parameter that is constant where its bounds are equal, as RooFit has it."""
    if parameter.fixed or parameter.lower != parameter.upper:
        return parameter
    return parameter.replace(initial=parameter.lower, fixed=True)
