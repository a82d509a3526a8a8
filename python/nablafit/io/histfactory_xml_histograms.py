"""The files that HistFactory XML names, and the histograms in them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .._budget import BINS, FILES, Budget
from ..errors import WorkspaceError, located
from .document import Notes
from .rootfile.file import RootFile
from .rootfile.histograms import Histogram, Histograms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .document import Mounts
    from .histfactory_xml_config import HistogramReference

__all__ = ["Files", "below"]

PARENTS_SEARCHED = 3


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
    budget : Budget
        That of the document; files looked at and bins are paid from it.
    """

    def __init__(self, top: Path, mounts: Mounts, budget: Budget) -> None:
        self.budget = budget
        self._folder = top.resolve().parent
        above = tuple(self._folder.parents)[:PARENTS_SEARCHED]
        self._bases = (self._folder, *above, Path.cwd())
        self._mounts = [(Path(here), PurePosixPath(inside)) for here, inside in mounts]
        self._found: dict[str, Path] = {}
        self._by_name: dict[str, list[Path]] | None = None
        self._moved = Notes()
        self._opened: dict[Path, Histograms] = {}
        self._histograms: dict[tuple[Path, str], Histogram] = {}

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        for histograms in self._opened.values():
            histograms.close()

    def moved(self) -> tuple[str, ...]:
        """Return what was taken from elsewhere than the XML says, one sentence per folder."""
        return self._moved.take()

    def found(self) -> tuple[Path, ...]:
        """Return the files found so far."""
        return tuple(self._found.values())

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
            for path in sorted(below(self._folder, "*", self.budget)):
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
        histogram = self._histograms[path, key]
        self.budget.spend(BINS, histogram.values.size, reference.location)
        return histogram

    def _read(self, path: Path, key: str) -> Histogram:
        if path not in self._opened:
            self._opened[path] = Histograms(RootFile(path, str(path), self.budget))
        return self._opened[path].read(key)


def below(folder: Path, pattern: str, budget: Budget) -> Iterator[Path]:
    """Yield what is in a folder and below, paid from the budget."""
    for path in folder.rglob(pattern):
        budget.spend(FILES, 1, str(folder))
        yield path


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
