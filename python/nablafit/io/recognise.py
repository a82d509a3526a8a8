"""What a document that is no JSON is, judged by its first bytes."""

from __future__ import annotations

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
