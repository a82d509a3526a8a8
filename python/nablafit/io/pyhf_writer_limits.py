"""Whether what pyhf does not have would change a likelihood: floors and truncated densities."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..model import Model
from ..spec import (
    Channel,
    FormulaFactor,
    GaussianConstraint,
    HistoSys,
    Interpolation,
    ModelSpec,
    NormSys,
    Parameter,
    Sample,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._arrays import FloatArray

__all__ = ["factor_at_start", "floor_can_act", "normsys_can_vanish", "truncation_matters"]

WIDTHS_CONSIDERED = 5.0
NEGLIGIBLE_MASS = 1e-6
STEPS = 81


def truncation_matters(parameter: Parameter) -> bool:
    """Whether the range of the global observable cuts the density, within 5 sigma of its centre."""
    constraint = parameter.constraint
    if not isinstance(constraint, GaussianConstraint) or constraint.observable_range is None:
        return False
    cut, sigma = constraint.observable_range, constraint.sigma
    reach = WIDTHS_CONSIDERED * sigma
    points = (
        max(parameter.lower, constraint.observed - reach),
        min(parameter.upper, constraint.observed + reach),
    )

    def mass_outside(center: float) -> float:
        below = math.erfc((center - cut.lower) / sigma / math.sqrt(2.0)) / 2.0
        return below + math.erfc((cut.upper - center) / sigma / math.sqrt(2.0)) / 2.0

    return max(map(mass_outside, points)) > NEGLIGIBLE_MASS


def _response(modifier: NormSys | HistoSys, nominal: FloatArray, ends: FloatArray) -> FloatArray:
    """Return the yields of one modifier alone along its parameter, shape (points, bins)."""
    name = "pull"
    sample = Sample("sample", nominal, [modifier.replace(parameter=name)])
    bound = float(np.abs(ends).max()) + 1.0
    parameter = Parameter(name, 0.0, -bound, bound)
    model = Model(ModelSpec("response", [Channel("channel", [sample])], [parameter]))
    return np.array([model.expected([point]) for point in ends])


@lru_cache(maxsize=4096)
def _lowest_factor(low: float, high: float, code: int, lower: float, upper: float) -> float:
    points = np.linspace(max(lower, -1.0), min(upper, 1.0), STEPS)
    modifier = NormSys("factor", "pull", low, high, Interpolation(code))
    return float(_response(modifier, np.ones(1), points).min())


def normsys_can_vanish(modifier: NormSys, parameter: Parameter) -> bool:
    """Whether the factor can reach zero: beyond +-1 it is an exponential, inside a polynomial."""
    code = int(modifier.interpolation)
    lowest = _lowest_factor(
        modifier.low, modifier.high, code, float(parameter.lower), float(parameter.upper)
    )
    return lowest <= 0.0


def floor_can_act(sample: Sample, parameters: Mapping[str, Parameter]) -> bool:
    """Whether some choice of parameters inside their ranges takes the histogram below its floor."""
    if sample.yield_floor is None:
        return False
    nominal = np.asarray(sample.nominal)
    lowest = nominal.copy()
    for modifier in sample.modifiers:
        if isinstance(modifier, HistoSys):
            parameter = parameters[modifier.parameter]
            ends = np.array([parameter.lower, parameter.upper])
            if parameter.fixed:
                ends = np.array([parameter.initial])
            inside = np.linspace(-1.0, 1.0, STEPS)
            inside = inside[(inside > ends.min()) & (inside < ends.max())]
            points = np.concatenate([ends, inside])
            lowest += np.minimum(_response(modifier, nominal, points) - nominal, 0.0).min(axis=0)
    tolerance = 1e-9 * np.abs(nominal).max(initial=0.0)
    return bool((lowest < sample.yield_floor - tolerance).any())


def factor_at_start(
    modifier: FormulaFactor, parameters: Mapping[str, Parameter], n_bins: int
) -> FloatArray:
    """Return the value of a formula at the initial values, shape (n_bins,)."""
    used = [parameters[name] for name in modifier.parameters]
    sample = Sample("sample", np.ones(n_bins), [modifier])
    model = Model(ModelSpec("formula", [Channel("channel", [sample])], used))
    return model.expected(model.initial)
