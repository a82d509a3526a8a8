"""The plots of the gallery."""

from __future__ import annotations

from pathlib import Path


def draw(folder: Path) -> list[tuple[str, str, str, str]]:
    """Draw every plot into a folder, and return (title, file, code, caption) of each."""
    return []
