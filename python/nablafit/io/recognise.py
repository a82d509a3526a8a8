"""The format of a workspace, judged by its content."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .._printable import printable
from ..errors import ArgumentError, WorkspaceError, located

if TYPE_CHECKING:
    from .document import Document, Mounts

__all__ = ["READABLE", "describe", "read_document", "recognise"]

READABLE = "pyhf JSON, HS3 JSON, HistFactory XML and ROOT files with a RooWorkspace"

_ROOT = b"root"
_MAGIC = (
    (_ROOT, "a ROOT file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
)
_ARCHIVE = "an archive of arrays (.npz), in which toys and fits to them are saved"
_NAME_IN_ZIP = 128
_BLANKS = b"\xef\xbb\xbf \t\r\n"

_HS3_KEYS = frozenset(
    (
        b'"analyses"',
        b'"data"',
        b'"distributions"',
        b'"domains"',
        b'"functions"',
        b'"likelihoods"',
        b'"parameter_points"',
    )
)
_PYHF_KEYS = frozenset((b'"channels"', b'"measurements"', b'"observations"', b'"patches"'))
_DATACARD_START = 4096
_DATACARD = re.compile(rb"(?:\s|#[^\n]*\n|-{3,}[^\n]*\n)*imax\s")
_RESULT = re.compile(rb'\s*\{\s*"format"\s*:\s*"nablafit')
_PATCH = re.compile(rb'\s*\[\s*\{\s*"(?:op|path|value|from)"\s*:')
_JSON_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)|[{}\[\]]', re.DOTALL)


def recognise(content: bytes) -> str:
    """Name the format of `content`: "pyhf" for JSON of no other format, else what it is."""
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return _ARCHIVE if b".npy" in content[:_NAME_IN_ZIP] else name
    if content[:64].lstrip(_BLANKS).startswith(b"<"):
        is_histfactory = any(tag in content for tag in (b"<Combination", b"<Channel", b"<Measure"))
        return "HistFactory XML" if is_histfactory else "an XML document"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "text in UTF-16, where JSON and XML are expected in UTF-8"
    if _DATACARD.match(content[:_DATACARD_START]):
        return "a datacard of Combine"
    if _PATCH.match(content):
        return "a JSON patch, which --patch applies to a workspace (Workspace.patch in Python)"
    if _RESULT.match(content):
        return "a saved result of nablafit, which `nablafit show` prints"
    return "HS3" if _is_hs3(content) else "pyhf"


def describe(content: bytes) -> str:
    """Say what `content` is, whatever it is, in a word or two for messages."""
    found = recognise(content)
    start = content.lstrip(_BLANKS)[:1]
    if found not in ("pyhf", "HS3"):
        return found
    if not start:
        return "an empty file"
    if start != b"{":
        if start == b"[":
            return "a JSON array"
        return "a binary file" if b"\0" in content[:_DATACARD_START] else "text that is not JSON"
    if found == "HS3":
        return "an HS3 workspace"
    keys = set(_top_keys(content))
    if b'"patches"' in keys:
        return "a pyhf patch set, for `--patch` and `limit --patchset`"
    return "a pyhf workspace" if keys & _PYHF_KEYS else "JSON of another kind"


def read_document(name: str, content: bytes | Path, *, mounts: Mounts = ()) -> Document:
    """Read a workspace in any format.

    Parameters
    ----------
    name : str
        What error messages call the source.
    content : bytes or Path
        The document, or the file (for HistFactory also the folder) that holds it.
    mounts : sequence of (path, path)
        For HistFactory XML: where a folder is, and what the XML calls it.

    Returns
    -------
    Document
        Where only the data are wrong, with a `data_problem`.
    """
    name = printable(name)
    path = content if isinstance(content, Path) else None
    if path is not None and path.is_dir():
        from .histfactory_xml import read

        return read(name, path, mounts)
    content = _load(path) if path is not None else content
    if isinstance(content, Path) or content.startswith(_ROOT):
        from .rooworkspace import read as read_root

        return read_root(name, content)
    found = recognise(content)
    if found == "HistFactory XML":
        from .histfactory_xml import read as read_xml

        return read_xml(name, content if path is None else path, mounts)
    if mounts:
        raise located(ArgumentError, f"only for HistFactory XML; {name} is {found}", "mounts")
    return _read_json(name, content, found)


def _read_json(name: str, content: bytes, found: str) -> Document:
    if found == "pyhf":
        from .pyhf_json import read as read_pyhf

        return read_pyhf(name, content)
    if found == "HS3":
        from .hs3 import read as read_hs3

        return read_hs3(name, content)
    raise located(WorkspaceError, f"this is {found}; what can be read are {READABLE}", name)


def _load(path: Path) -> bytes | Path:
    """Return the content of a file, or its path if it is a ROOT file, which is read in pieces."""
    with path.open("rb") as file:
        return path if file.peek(len(_ROOT)).startswith(_ROOT) else file.read()


def _is_hs3(content: bytes) -> bool:
    """Decide by the first key of the top level that only one of the formats has."""
    known = (token for token in _top_keys(content) if token in _HS3_KEYS or token in _PYHF_KEYS)
    return next(known, b"") in _HS3_KEYS


def _top_keys(content: bytes) -> Iterator[bytes]:
    """Return the strings of the top level of a JSON object: its keys and some of its values."""
    depth = 0
    for match in _JSON_TOKEN.finditer(content):
        token = match.group()
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth == 1:
            yield token
