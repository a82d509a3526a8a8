"""What a document is, judged by its content."""

from __future__ import annotations

import json
from typing import Any

READABLE = "pyhf JSON workspaces"

_MAGIC = (
    (b"root", "a ROOT file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x89HDF", "an HDF5 file"),
)


def foreign_format(content: bytes) -> str | None:
    """Name the format of `content` from its first bytes, None if it may be JSON."""
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return name
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        is_histfactory = any(tag in content for tag in (b"<Combination", b"<Channel", b"<Measure"))
        return "HistFactory XML" if is_histfactory else "an XML document"
    return None


def foreign_json(content: bytes) -> str | None:
    """Name the kind of a JSON document that is no pyhf workspace, None if it might be one."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, list):
        is_patch = bool(document) and all(isinstance(x, dict) and "op" in x for x in document)
        return "a JSON patch" if is_patch else None
    return _kind_of_object(document) if isinstance(document, dict) else None


def _kind_of_object(document: dict[str, Any]) -> str | None:
    keys = set(document)
    if {"channels", "measurements"} <= keys:
        return None
    if "patches" in keys:
        return "a pyhf patch set"
    metadata = document.get("metadata")
    if (isinstance(metadata, dict) and "hs3_version" in metadata) or "distributions" in keys:
        return "an HS3 document"
    if "channels" in keys and not keys & {"measurements", "observations"}:
        return "the specification of a pyhf model, without measurements and observations"
    return None
