"""The file layer of ROOT files: header, directories, keys and decompression.

Nothing of a file is executed, and nothing learnt from one file is kept for another. What is claimed
is checked before memory is taken, and paid from the budget of the document.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import cramjam
import xxhash

from ..._budget import ENTRIES, UNPACKED, Budget, open_regular
from ...errors import WorkspaceError, located

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Key", "Payload", "RootFile"]

ResultT = TypeVar("ResultT")

MAX_DEPTH = 64  # of directories in each other
_DIRECTORIES = ("TDirectory", "TDirectoryFile")
_LZMA_MEMORY = 1 << 27  # bytes; ROOT's highest level needs 65 MiB

_HEADER = struct.Struct(">4sii")  # magic, version, first byte
_REST = struct.Struct(">iiiiiBiii")  # end, free list (3), size of the name, ..., StreamerInfo
_REST_64 = struct.Struct(">qqiiiBiqi")
_DIRECTORY = struct.Struct(">hIIiiiii")
_DIRECTORY_64 = struct.Struct(">hIIiiqqq")
_KEY = struct.Struct(">ihiIhhii")
_KEY_64 = struct.Struct(">ihiIhhqq")
_BLOCK = struct.Struct("2sB3s3s")  # algorithm, method, sizes before and after
_ERRORS = (ValueError, LookupError, OverflowError, struct.error)


@dataclass(frozen=True)
class Key:
    """An entry of a directory: `size` bytes of an object, `stored` of which are in the file."""

    name: str
    class_name: str
    cycle: int
    position: int
    header_length: int
    size: int
    stored: int

    @property
    def is_directory(self) -> bool:
        """Whether the object is a directory."""
        return self.class_name in _DIRECTORIES


@dataclass(frozen=True)
class Payload:
    """The decompressed content of one key.

    `name` is the path of the key in the file; `key_length` the length of its header, from which
    tags count.
    """

    name: str
    class_name: str
    key_length: int
    data: bytes


class RootFile:
    """An open ROOT file.

    Parameters
    ----------
    content : bytes or Path
        The file.
    name : str
        Its name, for messages.
    budget : Budget
        That of the document which it is part of.

    Raises
    ------
    WorkspaceError
        By this and by all methods, if the file is damaged or exceeds the budget.
    """

    def __init__(self, content: bytes | Path, name: str, budget: Budget) -> None:
        self.name = name
        self.budget = budget
        self._file: BinaryIO
        if isinstance(content, bytes):
            self._file, self._size = io.BytesIO(content), len(content)
        else:
            self._file, self._size = open_regular(content)
        self._directories: dict[int, dict[str, list[Key]]] = {}
        try:
            self._top, self._info = self._guarded(self._read_header)
        except WorkspaceError:
            self.close()
            raise

    def __enter__(self) -> RootFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- directories -----------------------------------------------------------------------------

    def entries(self, directory: Key | None = None) -> Iterator[Key]:
        """Yield the newest cycle of every key of a directory, the top one by default."""
        for cycles in self._directory(directory).values():
            yield max(cycles, key=lambda key: abs(key.cycle))

    def find(self, path: str) -> Key | None:
        """Return the key of a path; a name may end in a semicolon and its cycle."""
        directory: Key | None = None
        found = None
        parts = [part for part in path.split("/") if part]
        for i, part in enumerate(parts[:MAX_DEPTH]):
            found = _newest(self._directory(directory), part)
            if found is None or i == len(parts) - 1:
                return found
            if not found.is_directory:
                return None
            directory = found
        return None

    def names(self, limit: int) -> list[str]:
        """Return the paths of the first keys, directories followed by what is in them."""
        found: list[str] = []
        rows: list[tuple[str, Iterator[Key]]] = [("", self.entries())]
        while rows and len(found) < limit:
            prefix, keys = rows[-1]
            key = next(keys, None)
            if key is None:
                rows.pop()
                continue
            found.append(prefix + key.name)
            if key.is_directory and len(rows) < MAX_DEPTH:
                rows.append((f"{prefix}{key.name}/", self.entries(key)))
        return found

    def _directory(self, key: Key | None) -> dict[str, list[Key]]:
        position = self._top if key is None else key.position + key.header_length
        if position not in self._directories:
            self._directories[position] = self._guarded(self._read_directory, position)
        return self._directories[position]

    # --- objects ---------------------------------------------------------------------------------

    def payload(self, key: Key, path: str = "") -> Payload:
        """Return the content of a key, decompressed."""
        name = path or key.name
        self.budget.spend(UNPACKED, max(0, key.size), f"{self.name}:{name}")
        data = self._guarded(self._unpacked, key)
        return Payload(name, key.class_name, key.header_length, data)

    def class_descriptions(self) -> Payload | None:
        """Return the list of class descriptions; None if the file has none."""
        if self._info == 0:
            return None
        key, _ = self._guarded(self._read_key, self._read(self._info, 4096), 0)
        return self.payload(key)

    # --- bytes -----------------------------------------------------------------------------------

    def _guarded(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Call a function; what it finds wrong with the bytes becomes a WorkspaceError."""
        try:
            return function(*arguments)
        except WorkspaceError:
            raise
        except (*_ERRORS, lzma.LZMAError, zlib.error, cramjam.DecompressionError) as error:
            message = f"the ROOT file is damaged or not complete: {error}"
            raise located(WorkspaceError, message, self.name) from error

    def _read(self, start: int, length: int, exactly: bool = False) -> bytes:
        if not 0 <= start < self._size or length < 0 or (exactly and start + length > self._size):
            raise ValueError(f"{length} bytes at byte {start}, the file has {self._size}")
        self._file.seek(start)
        return self._file.read(min(length, self._size - start))

    def _read_header(self) -> tuple[int, int]:
        """Return where the top directory and the class descriptions are."""
        header = self._read(0, 100)
        magic, version, begin = _HEADER.unpack_from(header)
        if magic != b"root":
            raise ValueError("it does not start like a ROOT file")
        rest = (_REST_64 if version >= 1_000_000 else _REST).unpack_from(header, _HEADER.size)
        return begin + rest[4], rest[7]

    def _read_directory(self, position: int) -> dict[str, list[Key]]:
        """Return all keys by name."""
        header = self._read(position, _DIRECTORY_64.size)
        version = _DIRECTORY.unpack_from(header)[0]
        layout = _DIRECTORY_64 if version > 1000 else _DIRECTORY
        _, _, _, n_bytes, _, _, _, start = layout.unpack_from(header)
        keys: dict[str, list[Key]] = {}
        if start == 0:
            return keys
        data = self._read(start, n_bytes + 8)
        _, offset = self._read_key(data, 0)
        (count,) = _INT(data, offset)
        offset += 4
        for _ in range(count):
            self.budget.spend(ENTRIES, 1, self.name)
            key, offset = self._read_key(data, offset)
            keys.setdefault(key.name, []).append(key)
        return keys

    def _read_key(self, data: bytes, offset: int) -> tuple[Key, int]:
        """Return a key and the position behind it."""
        layout = _KEY_64 if _KEY.unpack_from(data, offset)[1] > 1000 else _KEY
        n_bytes, _, size, _, length, cycle, position, _ = layout.unpack_from(data, offset)
        offset += layout.size
        class_name, offset = _string(data, offset)
        name, offset = _string(data, offset)
        _, offset = _string(data, offset)
        return Key(name, class_name, cycle, position, length, size, n_bytes - length), offset

    def _unpacked(self, key: Key) -> bytes:
        if key.size <= 0 or key.stored <= 0:
            raise ValueError(f"{key.name} has {key.size} bytes, {key.stored} of them stored")
        data = self._read(key.position + key.header_length, key.stored, exactly=True)
        if key.size == key.stored:
            return data
        blocks: list[bytes] = []
        offset = filled = 0
        while filled < key.size:
            block, offset = _block(data, offset)
            filled += len(block)
            if not block or filled > key.size:
                raise ValueError(f"{key.name} does not have the {key.size} bytes of its key")
            blocks.append(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _newest(directory: dict[str, list[Key]], name: str) -> Key | None:
    item, semicolon, cycle = name.rpartition(";")
    if semicolon and cycle.removeprefix("-").isdecimal():
        return next((key for key in directory.get(item, ()) if key.cycle == int(cycle)), None)
    return max(directory.get(name, ()), key=lambda key: abs(key.cycle), default=None)


def _string(data: bytes, offset: int) -> tuple[str, int]:
    """Read a TString: UTF-8 in practice, Latin-1 otherwise."""
    length = data[offset]
    offset += 1
    if length == 255:
        (length,) = _INT(data, offset)
        offset += 4
    end = offset + length
    if not offset <= end <= len(data):
        raise ValueError(f"a text of {length} characters reaches beyond its record")
    raw = data[offset:end]
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        return raw.decode("latin-1"), end


def _block(data: bytes, offset: int) -> tuple[bytes, int]:
    """Decompress one block; return it and the position behind it."""
    algorithm, _, stored, size = _BLOCK.unpack_from(data, offset)
    start = offset + _BLOCK.size
    end = start + int.from_bytes(stored, "little")
    n_bytes = int.from_bytes(size, "little")
    unpack = _ALGORITHMS.get(algorithm)
    if unpack is None:
        raise ValueError(f"compressed by {algorithm!r}; ZLIB, LZMA, LZ4 and ZSTD can be read")
    if end > len(data) or n_bytes == 0:
        raise ValueError("a compressed block is not complete")
    block = unpack(data[start:end], n_bytes)
    if len(block) != n_bytes:
        raise ValueError(f"a block has {len(block)} bytes after decompression, not {n_bytes}")
    return block, end


# Each takes the memory that the block claims, at most 16 MiB, whatever it holds.


def _zlib(data: bytes, size: int) -> bytes:
    stream = zlib.decompressobj()
    block = stream.decompress(data, size)
    more = b"" if stream.eof else stream.decompress(stream.unconsumed_tail, 1)
    return _whole(block, more, stream.eof)


def _lzma(data: bytes, size: int) -> bytes:
    stream = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    block = stream.decompress(data, size)
    more = b"" if stream.eof or stream.needs_input else stream.decompress(b"", 1)
    return _whole(block, more, stream.eof)


def _whole(block: bytes, more: bytes, is_at_end: bool) -> bytes:
    """Return a block, if it ends where it should: only then was its checksum compared."""
    if more or not is_at_end:
        raise ValueError("a compressed block does not end after the size that it states")
    return block


def _zstd(data: bytes, size: int) -> bytes:
    output = bytearray(size)
    return bytes(output[: cramjam.zstd.decompress_into(data, output)])


def _lz4(data: bytes, size: int) -> bytes:
    if xxhash.xxh64(data[8:]).digest() != data[:8]:
        raise ValueError("the checksum of a compressed block is wrong")
    return bytes(cramjam.lz4.decompress_block(data[8:], output_len=size))


_ALGORITHMS = {b"ZL": _zlib, b"XZ": _lzma, b"ZS": _zstd, b"L4": _lz4}
_INT = struct.Struct(">i").unpack_from
