"""What reading one document may take: a budget that all of its readers share."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, BinaryIO

from .errors import ArgumentError, WorkspaceError, located

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LIMITS", "SCALE", "Budget", "open_regular", "read_regular"]

SCALE = "NABLAFIT_READ_LIMITS"
"""Environment variable: the factor by which all limits are multiplied."""

UNPACKED = "bytes of ROOT objects after decompression"
ENTRIES = "entries in ROOT directories"
OBJECTS = "objects in ROOT files"
XML_BYTES = "bytes of XML"
XML_NODES = "XML elements and attributes"
FILES = "files in the folders searched"
BUILT = "samples and modifiers, counted for each measurement"
BINS = "bins and entries of data, counted at each use"
NAMES = "bins with a parameter of their own"
SECONDS = "seconds"

NAME_COST = 4  # memory of the name of a bin's parameter, in bins

LIMITS = {
    UNPACKED: 1 << 28,
    ENTRIES: 1_000_000,
    OBJECTS: 4_000_000,
    XML_BYTES: 1 << 24,
    XML_NODES: 1_000_000,
    FILES: 100_000,
    BUILT: 1_000_000,
    BINS: 20_000_000,
    NAMES: 300_000,
    SECONDS: 60,
}
"""How much of each a document may take, all of its files together."""


class Budget:
    """What is left for one document: amounts of what `LIMITS` names.

    Parameters
    ----------
    source : str
        Name of the document, for messages.

    Raises
    ------
    ArgumentError
        If NABLAFIT_READ_LIMITS is set to anything but a positive number.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._scale = _scale()
        self._left = {kind: int(limit * self._scale) for kind, limit in LIMITS.items()}
        self._end = time.monotonic() + self._left[SECONDS]

    def spend(self, kind: str, amount: int, location: str = "") -> None:
        """Take an amount; WorkspaceError if so much is not left, or if time is up."""
        left = self._left[kind] - amount
        if left < 0:
            raise self._exceeded(kind, location, -left)
        self._left[kind] = left
        if time.monotonic() > self._end:
            raise self._exceeded(SECONDS, location)

    def _exceeded(self, kind: str, location: str, excess: int = 0) -> WorkspaceError:
        limit = int(LIMITS[kind] * self._scale)
        found = f"more than {limit}" if not excess else f"at least {limit + excess}"
        message = (
            f"reading {self._source} takes {found} {kind}, and {limit} are allowed; if you trust "
            f"where it comes from, set {SCALE}=10 in the environment for ten times the limits"
        )
        return located(WorkspaceError, message, location or self._source)


def _scale() -> float:
    text = os.environ.get(SCALE, "1")
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0.0 < scale < 1e9:
        message = f"found {text!r}, expected a positive number, the factor on the limits"
        raise located(ArgumentError, message, SCALE)
    return scale


def open_regular(path: Path) -> tuple[BinaryIO, int]:
    """Open a file that a document names, and return its size in bytes.

    Devices, pipes and sockets are not opened, and what claims to be an empty file is not read:
    reading them may block or never end.

    Raises
    ------
    WorkspaceError
        If it is not a regular file with content, or cannot be opened.
    """
    try:
        is_regular = stat.S_ISREG(path.stat().st_mode)  # before it is opened, which may act
        descriptor = os.open(path, _FLAGS) if is_regular else -1
    except OSError as error:
        message = f"cannot be opened: {error.strerror or error}"
        raise located(WorkspaceError, message, str(path)) from error
    if descriptor < 0:
        message = "this is not a regular file; devices, pipes and folders are not read"
        raise located(WorkspaceError, message, str(path))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        os.close(descriptor)
        raise located(WorkspaceError, "this is an empty or special file", str(path))
    return os.fdopen(descriptor, "rb"), status.st_size


_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_regular(path: Path, budget: Budget, kind: str) -> bytes:
    """Return the content of a file that a document names, paid from the budget."""
    file, size = open_regular(path)
    with file:
        budget.spend(kind, size, str(path))
        return file.read(size)
