"""Histograms, cuts and choices that are differentiable with respect to their arguments.

>>> from nablafit import relax
>>> spread = relax.histogram([88.0, 93.0], [80.0, 90.0, 100.0], bandwidth=2.0)
>>> print(spread.counts.round(3), spread.vjp([1.0, 0.0]).values.round(3))
[0.908 1.092] [-0.121 -0.065]

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
