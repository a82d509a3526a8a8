"""Readers and writers: bytes to specifications and back."""

from .document import Document
from .patchset import PatchSet
from .pyhf_writer import to_pyhf

__all__ = ["Document", "PatchSet", "to_pyhf"]
