"""Names and notes as shown on plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .._printable import printable
from ._style import text_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NAME = 44


def plain(text: str) -> str:
    """Return text that matplotlib shows as it is: a dollar sign does not start a formula."""
    return printable(text).replace("$", "\\$")


def shorten(name: str, length: int = MAX_NAME) -> str:
    """Leave out the middle of a long name, as it prints: both ends identify it."""
    name = printable(name)
    if len(name) <= length:
        return name
    head = (length - 1) * 3 // 5
    return f"{name[:head]}…{name[head + 1 - length :]}"


def display_names(names: Sequence[str], wanted: Mapping[str, str] | None) -> list[str]:
    """Return what to write for each name: the user's text, which may hold formulas, or the name."""
    texts = wanted or {}
    return [texts[name] if name in texts else plain(shorten(name)) for name in names]


def axis_label(name: str, unit: str) -> str:
    """Return "name [unit]"."""
    return f"{name} [{unit}]" if unit else name


def note_below(axes: Axes, text: str) -> None:
    """Write a remark under the axes, in small print."""
    if text:
        axes.figure.supxlabel(text, x=0.01, ha="left", fontsize=text_size(axes, 8), color="#555555")
