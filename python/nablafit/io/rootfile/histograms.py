"""Histograms of ROOT files as arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import WorkspaceError, located
from .descriptions import HISTOGRAMS, file_descriptions
from .layouts import CUSTOM, plan
from .records import DecodeError
from .stream import Stream

if TYPE_CHECKING:
    from ..._arrays import FloatArray
    from .file import Key, RootFile
    from .records import ClassDescriptions, Record

__all__ = ["Histogram", "Histograms"]

MAX_BINS = 1_000_000
NAMES_SHOWN = 20
_NOTHING = "nothing; perhaps the file was not closed when it was written"
_HISTOGRAM = re.compile(r"TH([123])[CSILFD]")


@dataclass(frozen=True)
class Histogram:
    """Contents of a histogram of 1 to 3 axes, without under- and overflow.

    Parameters
    ----------
    values, errors : array, shape (bins of each axis)
        Contents and their statistical uncertainties, in events.
    edges : tuple of array
        Bin edges of each axis.
    """

    values: FloatArray
    errors: FloatArray
    edges: tuple[FloatArray, ...]


class Histograms:
    """The histograms of one ROOT file, decoded by what the file says of its classes.

    Parameters
    ----------
    file : RootFile
        The open file.
    """

    def __init__(self, file: RootFile) -> None:
        self._file = file
        self._descriptions: ClassDescriptions | None = None

    def read(self, path: str) -> Histogram:
        """Return the histogram at a path.

        Raises
        ------
        WorkspaceError
            If there is none, it is damaged, of another class, or has more than a million bins.
        """
        where = f"{self._file.name}: {path}"
        key = self._file.find(path)
        if key is None:
            names = ", ".join(self._file.names(NAMES_SHOWN)) or _NOTHING
            raise located(WorkspaceError, f"no such object; found {names}", where)
        match = _HISTOGRAM.fullmatch(key.class_name)
        if match is None:
            message = f"found a {key.class_name}, expected TH1, TH2 or TH3"
            raise located(WorkspaceError, message, where)
        try:
            return _contents(self._record(key, path), int(match[1]))
        except WorkspaceError:
            raise
        except (DecodeError, LookupError, TypeError, ValueError) as error:
            message = f"the histogram cannot be read: {error}"
            raise located(WorkspaceError, message, where) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _record(self, key: Key, path: str) -> Record:
        if self._descriptions is None:
            self._descriptions = file_descriptions(self._file) | HISTOGRAMS
        file = self._file
        payload = file.payload(key, path)
        stream = Stream(payload, self._descriptions, plan, CUSTOM, file.name, file.budget)
        return stream.top(key.class_name)


def _contents(record: Record, n_axes: int) -> Histogram:
    axes = [record.record(f"f{axis}axis") for axis in "XYZ"[:n_axes]]
    shape = tuple(int(axis.number("fNbins")) for axis in axes)
    n_bins = int(np.prod(shape, dtype=object))
    if min(shape) < 1 or n_bins > MAX_BINS:
        raise DecodeError(f"found {n_bins} bins, expected 1 to {MAX_BINS}")
    sizes = tuple(n + 2 for n in reversed(shape))
    buffer = record.get("fBuffer", ())
    if len(buffer) and buffer[0] > 0:  # the first number counts the entries that follow
        message = f"{buffer[0]:g} entries are in its buffer and in no bin yet; call BufferEmpty()"
        raise DecodeError(f"{message} in ROOT before it is written")
    values = _inner(record, sizes)
    squares = record.record("fSumw2")
    variances = _inner(squares, sizes) if len(squares["values"]) else np.abs(values)
    edges = tuple(_edges(axis, n) for axis, n in zip(axes, shape, strict=True))
    if not all(np.isfinite(array).all() for array in (values, variances, *edges)):
        raise DecodeError("contents are not all finite numbers")
    return Histogram(values, np.sqrt(np.maximum(variances, 0.0)), edges)


def _inner(array: Record, sizes: tuple[int, ...]) -> FloatArray:
    """Return the bins within the axes of a TArray; the first axis is the fastest in it."""
    expected = int(np.prod(sizes, dtype=object))
    if len(array["values"]) != expected:
        raise DecodeError(f"found {len(array['values'])} cells, expected {expected} for the axes")
    cells = array.numbers("values").reshape(sizes)
    return np.array(cells[(slice(1, -1),) * len(sizes)].T, order="C")


def _edges(axis: Record, n_bins: int) -> FloatArray:
    edges = axis.record("fXbins")
    if len(edges["values"]) == n_bins + 1:
        return edges.numbers("values")
    return np.linspace(axis.number("fXmin"), axis.number("fXmax"), n_bins + 1)
