"""Differentiable inference: fits and quantities derived from them, with exact derivatives.

Derivatives are with respect to the inputs of a model (`Model.inputs`: nominal yields, variations,
uncertainties, widths), to counts and global observables, and to the values of fixed parameters.

>>> import nablafit as nf
>>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
>>> limit = nf.diff.upper_limit(model)
>>> better = model.with_inputs(model.inputs.values - limit.inputs)
>>> bool(float(nf.diff.upper_limit(better)) < float(limit))
True
"""

from __future__ import annotations

from ._fit import Cotangent, DifferentiableFit, Tangent, fit
from ._information import expected_information, fisher_information, optimal_weights, score
from ._objective import Objective
from ._objectives import (
    cls,
    expected_significance,
    expected_uncertainty,
    goodness_of_fit,
    test_statistic,
    upper_limit,
)
from ._products import gradient_jvp, gradient_vjp, yields_jvp, yields_vjp

__all__ = [
    "Cotangent",
    "DifferentiableFit",
    "Objective",
    "Tangent",
    "cls",
    "expected_information",
    "expected_significance",
    "expected_uncertainty",
    "fisher_information",
    "fit",
    "goodness_of_fit",
    "gradient_jvp",
    "gradient_vjp",
    "optimal_weights",
    "score",
    "test_statistic",
    "upper_limit",
    "yields_jvp",
    "yields_vjp",
]
