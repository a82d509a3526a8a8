"""Histograms filled from columns of events in ROOT files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Error, WorkspaceError, located
from ._expressions import columns_of, evaluate
from ._histograms import Binning, Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._arrays import FloatArray

__all__ = ["Ntuples", "find_files"]

NAMES_SHOWN = 20
OLDEST_UPROOT = (5, 7, 5)
"""Earlier versions run code that a file brings."""


def find_files(folders: Sequence[Path], name: str, place: str) -> list[Path]:
    """Return the file of a path, or those that match it, in the first folder that has any."""
    for folder in () if "\0" in name else folders:
        pattern = folder / name
        if any(character in name for character in "*?["):
            found = sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
        else:
            found = [pattern] if pattern.is_file() else []
        if found:
            return found
    places = ", ".join(map(str, folders))
    raise located(WorkspaceError, f"found no file {name!r}; looked in {places}", place)


class Ntuples:
    """Trees of ROOT files with one number per event and column; each column is read once.

    Parameters
    ----------
    folders : sequence of Path
        Where relative paths are tried, in this order.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._files: dict[Path, Any] = {}
        self._trees: dict[tuple[Path, str], dict[str, Any]] = {}
        self._columns: dict[tuple[Path, str, str], Any] = {}

    def __enter__(self) -> Ntuples:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def fill(
        self,
        paths: Sequence[str],
        tree: str,
        variable: str,
        binning: Binning,
        weight: str | None,
        selection: str | None,
        place: str,
    ) -> Histogram:
        """Return a histogram of the events of all files that pass a selection.

        Parameters
        ----------
        paths : sequence of str
            The files; may have `*` and `?`.
        tree : str
            Name of the tree in all of them.
        variable, weight, selection : str
            Expressions in the columns (see `_expressions`); without weight events count once.
        binning : Binning
            One axis. A bin has its lower edge and not its upper one; events outside are left out.
        place : str
            For messages.
        """
        values, weights = [], []
        for path in (found for name in paths for found in find_files(self._folders, name, place)):
            columns = self._branches(path, tree, place)
            expressions = {"Variable": variable, "Weight": weight, "Filter": selection}
            given = {key: text for key, text in expressions.items() if text is not None}
            named = {
                name
                for key, text in given.items()
                for name in columns_of(text, columns, f"{place}, {key}")
            }
            read = {name: self._column(path, tree, name, place) for name in named}
            n_events = next(iter(read.values())).shape[0] if read else 0
            numbers = {
                key: np.broadcast_to(evaluate(text, read, f"{place}, {key}"), n_events)
                for key, text in given.items()
            }
            passed = np.ones(n_events, dtype=bool)
            if selection is not None:
                passed = np.asarray(numbers["Filter"], dtype=bool)
            values.append(np.asarray(numbers["Variable"], dtype=np.float64)[passed])
            ones = np.ones(n_events)
            weights.append(np.asarray(numbers.get("Weight", ones), dtype=np.float64)[passed])
        return _filled(np.concatenate(values), np.concatenate(weights), binning)

    def _branches(self, path: Path, tree: str, place: str) -> dict[str, Any]:
        """Return the branches of a tree by name."""
        import uproot

        if (path, tree) in self._trees:
            return self._trees[path, tree]
        where = f"{place}: {path}"
        version = tuple(map(int, re.findall(r"\d+", uproot.__version__)[:3]))
        if version < OLDEST_UPROOT:
            message = f"uproot {uproot.__version__} can run code that a file brings; install 5.7.5"
            raise located(Error, message + " or later to read ntuples", where)
        try:
            if path not in self._files:
                self._files[path] = uproot.open(path)
            file = self._files[path]
            names = [key.rpartition(";")[0] for key in file.keys()]  # noqa: SIM118 - no mapping
            if tree not in names:
                listing = ", ".join(dict.fromkeys(names[:NAMES_SHOWN]))
                message = f"no such tree {tree!r}; found {listing}"
                raise located(WorkspaceError, message, where)
            stored = file[tree]
            if not hasattr(stored, "num_entries"):
                message = f"{tree}: found a {type(stored).__name__}, expected a tree"
                raise located(WorkspaceError, message, where)
            self._trees[path, tree] = {name: stored[name] for name in stored.keys()}  # noqa: SIM118
        except WorkspaceError:
            raise
        except Exception as error:  # a broken file can raise anything in uproot
            raise _unreadable(error, where) from error
        return self._trees[path, tree]

    def _column(self, path: Path, tree: str, name: str, place: str) -> Any:  # noqa: ANN401 - any dtype
        key = (path, tree, name)
        if key not in self._columns:
            where = f"{place}: {path}: {tree}/{name}"
            try:
                column = self._trees[path, tree][name].array(library="np")
            except Exception as error:  # a broken file can raise anything in uproot
                raise _unreadable(error, where) from error
            if column.ndim != 1 or column.dtype.kind not in "biuf":
                message = (
                    f"found entries of type {column.dtype} and shape {column.shape[1:]}, expected "
                    "one number per event"
                )
                raise located(WorkspaceError, message, where)
            self._columns[key] = column
        return self._columns[key]


def _unreadable(error: Exception, where: str) -> WorkspaceError:
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    return located(WorkspaceError, f"not readable as a ROOT file with this tree: {reason}", where)


def _filled(values: FloatArray, weights: FloatArray, binning: Binning) -> Histogram:
    edges = binning.edges[0]
    n_bins = edges.size - 1
    bins = np.searchsorted(edges, values, side="right") - 1
    inside = (bins >= 0) & (bins < n_bins)
    bins, used = bins[inside], weights[inside]
    contents, variances = (
        np.asarray(np.bincount(bins, summed, minlength=n_bins), dtype=np.float64)
        for summed in (used, used * used)
    )
    return Histogram(contents, variances, binning)
