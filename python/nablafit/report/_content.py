"""What sections of a report consist of."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Picture", "Section", "Table"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of a row is its heading."""

    caption: str
    header: tuple[str, ...]
    """Empty for a list of names and values."""
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = (0,)
    """Columns of words; the others hold numbers and are aligned to the right."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A plot inside the page."""

    uri: str
    alt: str
    """What the plot shows, for those who do not see it."""
    caption: str
    width: int
    """In CSS pixels."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page with an entry in the table of contents."""

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
