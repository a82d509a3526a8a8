"""Arrays in .npz files, with a format name and without pickles."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, located


def write_archive(path: str | Path, format_name: str, members: Mapping[str, NDArray[Any]]) -> None:
    """Write next to the target and rename: readers never see half a file."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            arrays: dict[str, Any] = {"format": np.array(format_name), **members}
            np.savez_compressed(file, **arrays)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise


def read_archive(path: str | Path, format_name: str) -> dict[str, NDArray[Any]]:
    """Read all members; raise ArgumentError for a file of another format."""
    try:
        with np.load(path, allow_pickle=False) as file:
            members = {name: file[name] for name in file.files}
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        message = f"expected a file of format {format_name!r}, got none that can be read: {error}"
        raise located(ArgumentError, message, str(path)) from error
    found = str(members.pop("format", "unknown"))
    if found != format_name:
        message = f"expected format {format_name!r}, got {found!r}"
        raise located(ArgumentError, message, str(path))
    return members
