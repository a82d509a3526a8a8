"""Files of results: written at once or not at all, with the mode that any new file gets."""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, located

__all__ = ["is_archive", "read_archive", "write_archive", "write_file", "write_text"]


def write_file(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write next to the target and rename: readers never see half a file.

    A file that is replaced keeps its mode; anything else, such as a pipe, is written to directly.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            write(file)
        return
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            write(file)
        if target.exists():
            part.chmod(target.stat().st_mode)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8, at once or not at all."""
    write_file(path, lambda file: file.write(text.encode()))


def write_archive(path: str | Path, format_name: str, members: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as .npz with a format name and without pickles, at once or not at all."""
    arrays: dict[str, Any] = {"format": np.array(format_name), **members}
    write_file(path, lambda file: np.savez_compressed(file, **arrays))


def is_archive(path: str | Path) -> bool:
    """Whether a file begins as .npz files do."""
    with Path(path).open("rb") as file:
        return file.read(2) == b"PK"


def read_archive(path: str | Path, format_name: str | None = None) -> dict[str, NDArray[Any]]:
    """Read all members, that of the format left out unless any will do.

    Raises
    ------
    ArgumentError
        For a file of another format.
    """
    expected = "a result" if format_name is None else f"format {format_name!r}"
    try:
        with np.load(path, allow_pickle=False) as file:
            members = {name: file[name] for name in file.files}
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        message = f"expected a file of {expected}, got none that can be read: {error}"
        raise located(ArgumentError, message, str(path)) from error
    if format_name is None:
        return members
    found = str(members.pop("format", "unknown"))
    if found != format_name:
        raise located(ArgumentError, f"expected {expected}, got {found!r}", str(path))
    return members
