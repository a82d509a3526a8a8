"""Names and notes as shown on plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._printable import printable
from .._results.rounding import pdg_round
from ._style import text_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NAME = 44
MINUS = "\u2212"


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


def display_names(
    names: Sequence[str], wanted: Mapping[str, str] | None, length: int = MAX_NAME
) -> list[str]:
    """Return what to write for each name: the user's text, which may hold formulas, or the name."""
    texts = wanted or {}
    return [texts[name] if name in texts else plain(shorten(name, length)) for name in names]


def quoted(value: float, down: float, up: float) -> str:
    """Return a value with its errors: "1.3 ± 0.4" or, if they differ, "1.3 +0.5 -0.4".

    Errors are positive; a side that is zero or not finite is not known.
    """
    known = [error for error in (down, up) if np.isfinite(error) and error > 0]
    number, error = pdg_round(value, min(known, default=np.nan))
    decimals = len(error.partition(".")[2])
    if len(known) < 2 or "e" in number:
        sides = [error if side in known else "" for side in (down, up)]
    else:
        sides = [f"{side:.{decimals}f}" for side in (down, up)]
    number = number.replace("-", MINUS)
    if sides[0] == sides[1]:
        return number + (f" ± {sides[0]}" if error else "")
    signed = zip(("+", MINUS), reversed(sides), strict=True)
    return " ".join([number, *(sign + side for sign, side in signed if side)])


def axis_label(name: str, unit: str) -> str:
    """Return "name [unit]"."""
    return f"{name} [{unit}]" if unit else name


def note_below(axes: Axes, text: str) -> None:
    """Write a remark under the axes, in small print."""
    if text:
        axes.figure.supxlabel(text, x=0.01, ha="left", fontsize=text_size(axes, 8), color="#555555")
