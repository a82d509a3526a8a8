"""What every reader returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..spec import ModelSpec, Observations

__all__ = ["Document"]


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
    """

    format: str
    source: str
    measurements: Mapping[str, ModelSpec]
    datasets: Mapping[str, Observations]
    notes: tuple[str, ...] = ()
