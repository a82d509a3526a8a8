"""HS3 JSON (HEP Statistics Serialization Standard): documents in, documents out.

The core reads and writes; its notes name the dialect of a document and what follows from it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from .._core import read_hs3, write_hs3
from ..errors import ModelWarning, WorkspaceError
from .document import Document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..spec import ModelSpec, Observations

__all__ = ["read", "to_hs3"]


def read(name: str, content: bytes | Path) -> Document:
    """Read the HistFactory models and data of an HS3 document.

    Parameters
    ----------
    name : str
        What error messages call the source.
    content : bytes or Path
        The JSON text in UTF-8, or the file that holds it.

    Returns
    -------
    Document
        Analyses that differ in their data only are one measurement with several data sets. The
        notes state the dialect and every assumption.

    Raises
    ------
    WorkspaceError
        If the document is not HS3, contradicts itself, or holds a distribution, function or
        constraint outside HistFactory; `location` is `name` and a JSON pointer.
    """
    text = content.read_bytes() if isinstance(content, Path) else bytes(content)
    measurements, datasets, notes, problem = read_hs3(text, name)
    return Document(
        format="HS3",
        source=name,
        measurements={spec.name: spec for spec in measurements},
        datasets={observations.name: observations for observations in datasets},
        notes=notes,
        data_problem=None if problem is None else _error(*problem),
    )


def _error(message: str, location: str) -> WorkspaceError:
    error = WorkspaceError(message)
    error.location = location
    return error


def to_hs3(
    spec: ModelSpec, observations: Iterable[Observations] = (), *, lossy: bool = False
) -> str:
    """Write a model and its data sets as an HS3 document.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    observations : iterable of Observations
        Data sets with counts of every channel.
    lossy : bool
        Write what HS3 can hold and issue a `ModelWarning` for the rest, instead of raising.

    Returns
    -------
    str
        JSON text that `Workspace.load` reads back as the same model, and ROOT 6.40 imports.

    Raises
    ------
    WorkspaceError
        If HS3 cannot hold the model; the message lists everything that it cannot hold.
    """
    text, losses, notes = write_hs3(spec, tuple(observations), lossy=lossy)
    for loss in losses:
        warnings.warn(f"HS3 does not hold {loss}", ModelWarning, stacklevel=2)
    for note in notes:
        warnings.warn(note, ModelWarning, stacklevel=2)
    return text
