"""Colours that people with colour-vision deficiencies can tell apart."""

from __future__ import annotations

PETROFF6 = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd")
PETROFF10 = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Sequences of M. Petroff, Accessible Color Sequences for Data Visualization, arXiv:2107.02270."""

SAMPLES = (
    *PETROFF10,
    *("#540c3c", "#e4f090", "#0c5478", "#d8cc90", "#601800"),
    *("#84b4fc", "#783048", "#9cfce4", "#7860a8", "#0c3078"),
)
"""Twenty colours: the second half was chosen one by one, each as far as possible from all others
in OKLab for normal vision, protanopia and deuteranopia (Machado et al., IEEE TVCG 15 (2009) 1291).
"""

BLUE, ORANGE, RED, PURPLE, GREY, VIOLET = PETROFF6

ONE_SIGMA, TWO_SIGMA = "#607641", "#f5bb54"
"""Green and yellow of bands: far apart in lightness too."""

BAND = "#4d4d4d"
"""Hatching of uncertainty bands."""
