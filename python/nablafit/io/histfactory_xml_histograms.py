"""Histograms of ROOT files as arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import uproot

from ..errors import WorkspaceError, located
from .document import Notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._arrays import FloatArray
    from .document import Mounts
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
    (hist2workspace runs in one of them) and from the working directory. What is found nowhere,
    because the export was moved, is looked for by the ends of its path from these folders, then by
    its name alone in the folder of the top-level file and below.

    Parameters
    ----------
    top : Path
        The top-level file.
    mounts : sequence of (path, path)
        Where a folder is, and what the XML calls it.
    """

    def __init__(self, top: Path, mounts: Mounts = ()) -> None:
        self._folder = top.resolve().parent
        above = tuple(self._folder.parents)[:PARENTS_SEARCHED]
        self._bases = (self._folder, *above, Path.cwd())
        self._mounts = [(Path(here), PurePosixPath(inside)) for here, inside in mounts]
        self._found: dict[str, Path] = {}
        self._by_name: dict[str, list[Path]] | None = None
        self._moved = Notes()
        self._directories: dict[Path, Any] = {}
        self._histograms: dict[tuple[Path, str], Histogram] = {}

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        for directory in self._directories.values():
            directory.close()

    def moved(self) -> tuple[str, ...]:
        """Return what was taken from elsewhere than the XML says, one sentence per folder."""
        return self._moved.take()

    def find(self, name: str, location: str) -> Path:
        """Return the file that a path in the XML means."""
        if name not in self._found:
            self._found[name] = self._find(name, location)
        return self._found[name]

    def _find(self, name: str, location: str) -> Path:
        if "\0" not in name:
            stated = self._mounted(name) or next(_files(self._bases, name), None)
            if stated is not None:
                return stated
            parts = PurePosixPath(name.replace("\\", "/")).parts
            moved = self._moved_file(parts, location)
            if moved is not None:
                folder = name[: -len(parts[-1])] or "its place"
                self._moved.add(
                    f"not found in {folder}, taken from {moved.parent}; mounts=[(folder, "
                    f"{folder!r})] or --mount says where that is.",
                    parts[-1],
                )
                return moved
        places = ", ".join(str(base) for base in dict.fromkeys(self._bases))
        message = f"found no file {name!r}; looked in {places}, and for files of the same name in "
        remedy = f"{self._folder} and below; say with mounts or --mount where its folder is"
        raise located(WorkspaceError, message + remedy, location)

    def _mounted(self, name: str) -> Path | None:
        """Return the file in a mounted folder."""
        path = PurePosixPath(name)
        for here, inside in self._mounts:
            if path.is_relative_to(inside) and (here / path.relative_to(inside)).is_file():
                return here / path.relative_to(inside)
        return None

    def _moved_file(self, parts: tuple[str, ...], location: str) -> Path | None:
        """Return the one file with the longest end of the path, from the folders searched."""
        for first in range(1, len(parts) - 1):
            found = list(_files(self._bases, "/".join(parts[first:])))
            if found and ".." not in parts[first:]:
                return _only(found, location)
        if not parts:
            return None
        if self._by_name is None:
            self._by_name = {}
            for path in sorted(self._folder.rglob("*")):
                self._by_name.setdefault(path.name, []).append(path)
        found = [path for path in self._by_name.get(parts[-1], ()) if path.is_file()]
        return _only(found, location) if found else None

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


def _files(bases: Iterable[Path], name: str) -> Iterator[Path]:
    return (base / name for base in bases if (base / name).is_file())


def _only(found: list[Path], location: str) -> Path:
    """Return the one file that these paths name."""
    different = {path.resolve(): path for path in found}
    if len(different) > 1:
        names = ", ".join(map(str, different))
        message = f"the path does not exist, and several files have its name: {names}; say with "
        raise located(WorkspaceError, message + "mounts or --mount which is meant", location)
    return found[0]


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
