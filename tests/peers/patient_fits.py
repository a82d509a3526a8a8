"""pytest plugin for pyhf's tests: SciPy's Nelder-Mead does the fits, again and again.

The referee between nablafit and stored numbers: pyhf's own -2 log L, no derivatives,
a new simplex at the minimum until nothing is gained. Slow, but good to 1e-12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyhf
import pytest
import scipy

# pyhf has no types.
PyhfObject: TypeAlias = Any

_NEGLIGIBLE = 1e-13


def pytest_configure() -> None:
    pyhf.optimize.scipy_optimizer.minimize = minimize


def minimize(
    _optimizer: PyhfObject,
    objective: PyhfObject,
    data: PyhfObject,
    pdf: PyhfObject,
    init_pars: PyhfObject,
    par_bounds: PyhfObject,
    fixed_vals: PyhfObject = None,
    return_fitted_val: bool = False,
    return_result_obj: bool = False,
    **_options: object,
) -> PyhfObject:
    """Do what pyhf's optimizers do."""
    x = np.array(init_pars, dtype=float)
    held = dict(fixed_vals or [])
    for index, value in held.items():
        x[index] = value
    free = [i for i in range(len(x)) if i not in held]

    def function(values: np.ndarray) -> float:
        x[free] = values
        with np.errstate(all="ignore"):
            value = float(np.ravel(objective(x, data, pdf))[0])
        return value if np.isfinite(value) else 1e10

    value = function(x[free])
    if free:
        x[free], value = _patiently(function, x[free], np.array(par_bounds)[free])
    returned = [x]
    if return_fitted_val:
        returned.append(np.array(value))
    if return_result_obj:
        returned.append(scipy.optimize.OptimizeResult(x=x, fun=value, success=True))
    return tuple(returned) if len(returned) > 1 else x


def _patiently(
    function: Callable[[np.ndarray], float], x: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    best = function(x)
    for _ in range(30):
        found = scipy.optimize.minimize(
            function,
            x,
            method="Nelder-Mead",
            bounds=bounds,
            options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000, "adaptive": len(x) > 4},
        )
        gained = best - found.fun
        if found.fun <= best:
            x, best = found.x, found.fun
        if gained < _NEGLIGIBLE:
            break
    return x, best


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out tests with thousands of fits."""
    for item in items:
        if "toys" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="too many fits"))
