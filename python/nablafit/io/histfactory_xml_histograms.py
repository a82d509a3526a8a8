"""Histograms of ROOT files as arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import uproot

from ..errors import WorkspaceError, located

if TYPE_CHECKING:
    from .._arrays import FloatArray
    from .histfactory_xml_config import HistogramReference

__all__ = ["Files", "Histogram"]

MAX_BINS = 1_000_000
MAX_BYTES = 256 * 1024**2
PARENTS_SEARCHED = 3
NAMES_SHOWN = 20
_HISTOGRAM = re.compile(r"TH[123][CSILFD]")


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


class Files:
    """Finds the files that a top-level file names, and reads histograms, each once.

    Relative paths are tried from the folder of the top-level file, from the folders above it
    (hist2workspace runs in one of them) and from the working directory.
    """

    def __init__(self, top: Path) -> None:
        folder = top.resolve().parent
        above = tuple(folder.parents)[:PARENTS_SEARCHED]
        self._bases = (folder, *above, Path.cwd())
        self._directories: dict[Path, Any] = {}
        self._histograms: dict[tuple[Path, str], Histogram] = {}

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        for directory in self._directories.values():
            directory.close()

    def find(self, name: str, location: str) -> Path:
        """Return the file that a path in the XML means."""
        if "\0" not in name:
            for base in self._bases:
                if (base / name).is_file():
                    return base / name
        places = ", ".join(str(base) for base in self._bases)
        message = f"found no file {name!r}; looked in {places}"
        raise located(WorkspaceError, message, location)

    def histogram(self, reference: HistogramReference) -> Histogram:
        """Return a histogram; every failure is a WorkspaceError with the place in the XML."""
        path = self.find(reference.file, reference.location)
        key = "/".join(part for part in (reference.path.strip("/"), reference.name) if part)
        if (path, key) not in self._histograms:
            try:
                self._histograms[path, key] = self._read(path, key)
            except WorkspaceError as error:
                raise located(WorkspaceError, str(error), reference.location) from error
        return self._histograms[path, key]

    def _read(self, path: Path, key: str) -> Histogram:
        name = f"{path}: {key}"
        try:
            if path not in self._directories:
                self._directories[path] = uproot.open(path)
            stored = _stored(self._directories[path], key, name)
            _check_key(stored, name)
            return _contents(stored.get(), name)
        except WorkspaceError:
            raise
        except Exception as error:  # a broken file can raise anything in uproot
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            message = f"not readable as a ROOT file with this histogram: {reason}"
            raise located(WorkspaceError, message, name) from error


def _stored(directory: Any, key: str, name: str) -> Any:  # noqa: ANN401 - uproot has no types
    """Return the directory entry of an object; say what there is instead."""
    try:
        return directory.key(key)
    except uproot.KeyInFileError:
        names = directory.keys(recursive=True, cycle=False)[:NAMES_SHOWN]
        message = f"no such object; found {', '.join(names)}"
        raise located(WorkspaceError, message, name) from None


def _check_key(stored: Any, name: str) -> None:  # noqa: ANN401 - uproot has no types
    """Decide by the directory entry alone whether an object may be read."""
    class_name = stored.fClassName
    if not _HISTOGRAM.fullmatch(class_name):
        raise located(WorkspaceError, f"found a {class_name}, expected TH1, TH2 or TH3", name)
    if stored.fObjlen > MAX_BYTES:
        message = f"{stored.fObjlen} bytes, expected at most {MAX_BYTES}"
        raise located(WorkspaceError, message, name)


def _contents(histogram: Any, name: str) -> Histogram:  # noqa: ANN401 - uproot has no types
    values = np.array(histogram.values(flow=False), dtype=np.float64)
    if not 0 < values.size <= MAX_BINS:
        message = f"found {values.size} bins, expected 1 to {MAX_BINS}"
        raise located(WorkspaceError, message, name)
    squares = np.abs(values)
    if len(histogram.member("fSumw2")):
        squares = np.abs(np.array(histogram.variances(flow=False), dtype=np.float64))
    edges = tuple(np.array(axis.edges(flow=False), dtype=np.float64) for axis in histogram.axes)
    if not all(np.isfinite(array).all() for array in (values, squares, *edges)):
        raise located(WorkspaceError, "contents are not all finite numbers", name)
    return Histogram(values, np.sqrt(squares), edges)
