"""Derivatives with respect to inputs; a module of the compiled core beside `_core`."""

from typing import Any

from . import _core
from ._arrays import FloatArray

class Inputs(metaclass=_core._BoundType):
    def __init__(self, model: _core.Model) -> None: ...
    @property
    def values(self) -> FloatArray: ...
    def blocks(self) -> list[tuple[str, str, str, str, int, int]]: ...
    def exchange(self, values: FloatArray) -> _core.Model: ...

class Fit(metaclass=_core._BoundType):
    def __init__(
        self,
        likelihood: _core.Likelihood,
        *,
        start: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        fixed: Any,
    ) -> None: ...
    @property
    def x(self) -> FloatArray: ...
    @property
    def value(self) -> float: ...
    @property
    def free(self) -> list[bool]: ...
    def covariance(self) -> FloatArray: ...
    def pull_back(
        self,
        parameters: FloatArray | None,
        value: float,
        covariance: FloatArray | None,
        yields: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]: ...
    def push_forward(
        self,
        parameters: FloatArray | None,
        inputs: FloatArray | None,
        counts: FloatArray | None,
        global_observables: FloatArray | None,
        with_covariance: bool,
    ) -> tuple[FloatArray, float, FloatArray, FloatArray]: ...

_Batch = tuple[FloatArray, FloatArray, FloatArray | None, FloatArray | None, FloatArray | None]
_Objective = tuple[_Batch, _Batch | None, FloatArray, list[str], BaseException | None]

def full_gradient(
    likelihood: _core.Likelihood, x: FloatArray, deviance: bool
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]: ...
def mixed_product(
    likelihood: _core.Likelihood, x: FloatArray, v: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]: ...
def gradient_tangent(
    likelihood: _core.Likelihood,
    x: FloatArray,
    parameters: FloatArray | None,
    inputs: FloatArray | None,
    counts: FloatArray | None,
    global_observables: FloatArray | None,
) -> FloatArray: ...
def yields_gradient(
    model: _core.Model, x: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]: ...
def yields_tangent(
    model: _core.Model, x: FloatArray, parameters: FloatArray | None, inputs: FloatArray | None
) -> FloatArray: ...
def expected_variances(
    model: _core.Model, n: int, arrays: dict[str, Any], n_threads: int
) -> _Objective: ...
def expected_informations(
    model: _core.Model, n: int, arrays: dict[str, Any], n_threads: int
) -> _Objective: ...
def likelihood_ratios(
    model: _core.Model, n: int, arrays: dict[str, Any], n_threads: int
) -> _Objective: ...
def goodness_of_fits(
    model: _core.Model, n: int, arrays: dict[str, Any], n_threads: int
) -> _Objective: ...
def fits(
    model: _core.Model,
    n: int,
    arrays: dict[str, Any],
    starts: FloatArray | None,
    n_threads: int,
) -> tuple[FloatArray, FloatArray, list[str], BaseException | None]: ...
def full_gradients(
    model: _core.Model, n: int, arrays: dict[str, Any], x: FloatArray, n_threads: int
) -> tuple[_Batch, FloatArray, list[str], BaseException | None]: ...
def pull_back_fits(
    model: _core.Model,
    n: int,
    arrays: dict[str, Any],
    x: FloatArray,
    parameters: FloatArray,
    values: FloatArray,
    n_threads: int,
) -> tuple[_Batch, FloatArray, list[str], BaseException | None]: ...
