"""Files that are written: at once or not at all, by one writer, and recognised again later."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, located

if sys.platform != "win32":
    import fcntl

__all__ = [
    "is_archive",
    "is_regular",
    "kind_of_file",
    "read_archive",
    "reserved",
    "write_archive",
    "write_file",
    "write_text",
]

_PART_OF_FILE = 65536
"""Bytes at both ends of a file that say what it is."""
_KINDS = (
    (re.compile(rb'\{\s*"format": "nablafit\.(\w+)/\d+"'), ""),
    (re.compile(rb'<!DOCTYPE html>.*?<meta name="generator" content="nablafit ', re.S), "report"),
    (re.compile(rb"// [^\n]* Written by nablafit [^\n]*\n"), "header"),
    (re.compile(rb"%!PS-Adobe.*?\n%%Creator: nablafit\n", re.S), "plot"),
    (re.compile(rb"\x89PNG\r\n.*?Software\0nablafit", re.S), "plot"),
    (re.compile(rb"%PDF-.*/Creator \(nablafit\)", re.S), "plot"),
    (re.compile(rb"<\?xml.*?<svg.*?<dc:title>nablafit</dc:title>", re.S), "plot"),
    (re.compile(rb"channel,bin,low,high,sample,yield,error\r?\n"), "table"),
    (re.compile(rb"name,[^\n]*limit_observed,limit_minus2,[^\n]*,status\r?\n"), "table"),
    (re.compile(rb"% nablafit [^\n]*\n\\begin\{tabular\}"), "table"),
)
"""How files of nablafit begin."""
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self|proc/thread-self)/fd/(\d+)")


def write_file(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write next to the target, then rename: readers see the old file or the new one.

    Symbolic links are followed, and a file that is replaced keeps its mode. Anything else than a
    file, such as a device, a pipe or an open descriptor (/dev/stdout), is written to as it is.

    Raises
    ------
    OSError
        With the name of the target; nothing has changed, and nothing is left beside it.
    """
    name = os.fspath(path)
    try:
        descriptor = _descriptor(name)
        if descriptor is None and is_regular(name):
            _replace(Path(os.path.realpath(name)), write)
            return
        content = io.BytesIO()
        write(content)
        if descriptor == 1:
            sys.stdout.flush()
        with open(name if descriptor is None else os.dup(descriptor), "wb") as file:  # noqa: PTH123
            file.write(content.getbuffer())
    except OSError as error:
        if error.filename is None or str(error.filename).endswith(".part"):
            error.filename, error.filename2 = name, None
        raise


def is_regular(path: str | Path) -> bool:
    """Whether a path is that of a file, or of nothing yet: what may be renamed over."""
    if _descriptor(os.fspath(path)) is not None:
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except FileNotFoundError:
        return True


def _descriptor(name: str) -> int | None:
    """Return the open file that a name such as /dev/stdout or /dev/fd/63 stands for."""
    path = Path(name)
    for _ in range(40):
        if found := _DESCRIPTOR.fullmatch(os.path.normpath(path)):
            return int(found[1])
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _replace(target: Path, write: Callable[[IO[bytes]], object]) -> None:
    old = target.stat() if target.exists() else None
    _check_access(target)
    part = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            if old is not None:
                _keep_access(part, old)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):
        _synchronise(target.parent)


def _check_access(target: Path) -> None:
    """Raise PermissionError for a file that is not to be written, though renaming could do it."""
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))


def _keep_access(part: Path, old: os.stat_result) -> None:
    """Give a new file the mode of the old one, and its owner where that is allowed."""
    if sys.platform != "win32":
        new = part.stat()
        if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
            with contextlib.suppress(OSError):
                os.chown(part, old.st_uid, old.st_gid)
    part.chmod(stat.S_IMODE(old.st_mode))


def _synchronise(folder: Path) -> None:
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def reserved(path: str | Path) -> Iterator[None]:
    """Keep a file for this writer: another process that wants to reserve it is refused.

    What a killed process leaves does no harm. Where the file system has no locks, nothing is kept.

    Raises
    ------
    ArgumentError
        If another process has reserved the file.
    OSError
        If the file, or one beside it, cannot be written.
    """
    target = Path(os.path.realpath(path))
    _check_access(target)
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]
    lock = target.with_name(f".{target.name[:40]}.{digest}.lock")
    try:
        descriptor = _locked(lock)
    except BlockingIOError:
        message = (
            "another process of nablafit is writing this file; wait for it, or choose another name"
        )
        raise located(ArgumentError, message, str(path)) from None
    except OSError as error:
        error.filename = os.fspath(path)
        if isinstance(error, PermissionError):
            error.strerror = f"{error.strerror}: its folder must be writable, too"
        raise
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _locked(lock: Path) -> int:
    """Return the descriptor of a locked file; raise BlockingIOError if somebody else has it."""
    while True:
        descriptor = _opened(lock)
        try:
            if sys.platform != "win32":
                _lock(descriptor)
            # The last owner removes the file: is it still this one?
            found = os.fstat(descriptor)
            if lock.exists() and os.path.samestat(found, lock.stat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(lock: Path) -> int:
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        if not lock.exists():
            raise
        return os.open(lock, os.O_RDONLY)  # left by another user


if sys.platform != "win32":

    def _lock(descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # no locks here
            return


def kind_of_file(path: str | Path) -> str | None:
    """Say what nablafit wrote: the class of a result, "report", "header", "plot" or "table".

    An empty file is "empty"; None stands for files that nablafit did not write.
    """
    with Path(path).open("rb") as file:
        content = file.read(_PART_OF_FILE)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(len(content), size - _PART_OF_FILE))
        content += file.read()
    if not content:
        return "empty"
    if content.startswith(b"PK"):
        found = re.fullmatch(r"nablafit\.(\w+)/\d+", _format_of_archive(path))
        return found[1] if found else None
    for pattern, kind in _KINDS:
        if found_kind := pattern.match(content):
            return kind or found_kind[1].decode()
    return None


def _format_of_archive(path: str | Path) -> str:
    try:
        with np.load(path, allow_pickle=False) as file:
            return str(file["format"])
    except Exception:  # noqa: BLE001 - any file may be here, and NumPy raises what it likes
        return ""


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
