"""Start values, ranges and fixed parameters of fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import ParameterValues
from ..errors import ArgumentError, located
from ..minimizers.problem import box, check_held, hold

if TYPE_CHECKING:
    from ..infer.testing._hypothesis import Hypothesis
    from ..minimizers.problem import Bounds, Fixed
    from ..model import Model


def fit_arrays(
    model: Model,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
) -> dict[str, Any]:
    """Return start values, box and constness as the core takes them."""
    start = model.point(initial)
    lower, upper = box(model.parameters, model.bounds, bounds)
    constant = np.array(model.fixed, dtype=bool)
    check_held(model.parameters, lower, upper, fixed)
    hold(model.parameters, start, constant, fixed)
    if not np.all(np.isfinite(start)):
        worst = model.parameters[int(np.argmin(np.isfinite(start)))]
        raise located(ArgumentError, "expected a finite start value", worst)
    return {
        "start": np.where(constant, start, np.clip(start, lower, upper)),
        "lower": np.ascontiguousarray(lower),
        "upper": np.ascontiguousarray(upper),
        "fixed": constant,
        "direction": None,
        "poi": 0,
        "tested": None,
        "alternative": 0.0,
    }


def hypothesis_arrays(
    hypothesis: Hypothesis, initial: ParameterValues | None = None
) -> dict[str, Any]:
    """Return the same for a test of one parameter of interest."""
    arrays = fit_arrays(hypothesis.model, initial, hypothesis.bounds, hypothesis.free)
    return arrays | {
        "poi": hypothesis.indices[0],
        "tested": np.full((1, 1), hypothesis.tested[0]),
        "alternative": float(hypothesis.alternative[0]),
    }
