"""Histograms, cuts and choices that are differentiable with respect to their arguments.

>>> from nablafit import relax
>>> spread = relax.histogram(mass, edges, bandwidth=2.0, weights=weights)
>>> spread.counts, spread.vjp(cotangents).values

Each takes a width; with width 0 it is the ordinary histogram, cut or choice. `relax.jax` and
`relax.torch` are the same as differentiable functions of JAX and PyTorch. The page "Relaxations" of
the documentation says what the width changes, and by how much.
"""

from ._choice import ChoiceGradients, SoftChoice, where
from ._cut import CutGradients, SoftCut, cut
from ._histogram import HistogramGradients, SoftHistogram, histogram

__all__ = [
    "ChoiceGradients",
    "CutGradients",
    "HistogramGradients",
    "SoftChoice",
    "SoftCut",
    "SoftHistogram",
    "cut",
    "histogram",
    "where",
]
