"""The likelihood as a `Minuit` object, for whoever works with iminuit itself."""

from __future__ import annotations

from ..minimizers.iminuit import make_minuit

__all__ = ["make_minuit"]
