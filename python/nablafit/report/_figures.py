"""Plots inside a page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from ._content import Picture

if TYPE_CHECKING:
    from ..plot import StyledFigure

__all__ = ["picture"]

_PIXELS_PER_INCH = 76
"""Small enough for two plots side by side on a wide page."""


def picture(figure: StyledFigure, *, alt: str, caption: str) -> Picture:
    """Return a figure as SVG in a data URI; equal figures give equal text."""
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    encoded = base64.b64encode(target.getvalue()).decode("ascii")
    return Picture(
        uri=f"data:image/svg+xml;base64,{encoded}",
        alt=alt,
        caption=caption,
        width=round(figure.get_figwidth() * _PIXELS_PER_INCH),
    )
