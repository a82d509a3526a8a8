import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self, TypeAlias, TypeVar, dataclass_transform, final

import numpy as np
from numpy.typing import NDArray

__version__: str

_Array: TypeAlias = NDArray[np.float64]
_Indices: TypeAlias = NDArray[np.int64]
_Vector: TypeAlias = Iterable[float]
_Arrays: TypeAlias = tuple[_Array, _Array, _Array, _Array]
_Optionals: TypeAlias = tuple[_Array | None, _Array | None, _Array | None, _Array | None]
_Choices: TypeAlias = tuple[str, str, int]
_T = TypeVar("_T")

class _BoundType(type): ...

@dataclass_transform(frozen_default=True)
class _Struct(metaclass=_BoundType):
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]
    def __reduce__(self) -> tuple[Any, ...]: ...
    def replace(self, **changes: Any) -> Self: ...

def build_info() -> dict[str, str | tuple[str, ...]]: ...

class Error(Exception):
    location: str

class WorkspaceError(Error, ValueError): ...
class SpecError(Error, ValueError): ...
class ArgumentError(Error, ValueError): ...

class Interpolation(enum.IntEnum):
    __pybind11_native_enum__: Any
    piecewise_linear = 0
    piecewise_exponential = 1
    quadratic_linear = 2
    polynomial_linear = 4
    polynomial_exponential = 5
    polynomial_linear_multiplicative = 6

def is_additive(code: Interpolation) -> bool: ...

class EvaluationStatus(enum.Enum):
    __pybind11_native_enum__: Any
    ok = 0
    negative_yield = 1
    not_finite = 2
    outside_support = 3
    invalid_parameter = 4
    overflow = 5

class _Named(_Struct):
    name: str

class _Modifies(_Named):
    @property
    def type(self) -> str: ...

@final
class NormFactor(_Modifies):
    parameter: str

@final
class Lumi(_Modifies):
    parameter: str

@final
class NormSys(_Modifies):
    parameter: str
    low: float
    high: float
    interpolation: Interpolation = ...

@final
class HistoSys(_Modifies):
    parameter: str
    low: _Array
    high: _Array
    interpolation: Interpolation
    def __init__(
        self,
        name: str,
        parameter: str,
        low: _Vector,
        high: _Vector,
        interpolation: Interpolation = ...,
    ) -> None: ...

@final
class StatError(_Modifies):
    parameters: tuple[str, ...]
    uncertainties: _Array
    def __init__(self, name: str, parameters: Iterable[str], uncertainties: _Vector) -> None: ...

@final
class ShapeSys(_Modifies):
    parameters: tuple[str, ...]
    uncertainties: _Array
    def __init__(self, name: str, parameters: Iterable[str], uncertainties: _Vector) -> None: ...

@final
class ShapeFactor(_Modifies):
    parameters: tuple[str, ...]
    def __init__(self, name: str, parameters: Iterable[str]) -> None: ...

@final
class BinVariable(_Named):
    values: _Array
    def __init__(self, name: str, values: _Vector) -> None: ...

@final
class FormulaFactor(_Modifies):
    expression: str
    parameters: tuple[str, ...]
    variables: tuple[BinVariable, ...]
    weights: _Array
    def __init__(
        self,
        name: str,
        expression: str,
        parameters: Iterable[str],
        variables: Iterable[BinVariable] = ...,
        weights: _Vector = ...,
    ) -> None: ...

@final
class Range(_Struct):
    lower: float
    upper: float

@final
class Unconstrained(_Struct): ...

@final
class GaussianConstraint(_Struct):
    observed: float = ...
    sigma: float = ...
    observable_range: Range | None = ...

@final
class PoissonConstraint(_Struct):
    observed: float = ...
    tau: float = ...

@final
class LogNormalConstraint(_Struct):
    observed: float
    kappa: float

@final
class GammaConstraint(_Struct):
    observed: float = ...
    scale: float = ...

@final
class UniformConstraint(_Struct): ...

@final
class IdentityTransformation(_Struct): ...

@final
class GammaTransformation(_Struct):
    relative: float

@final
class LogNormalTransformation(_Struct):
    relative: float

IdentityPull = IdentityTransformation
GammaPull = GammaTransformation
LogNormalPull = LogNormalTransformation

@final
class Parameter(_Named):
    initial: float
    lower: float
    upper: float
    fixed: bool = ...
    constraint: _Constraint = ...
    transformation: _Transformation = ...
    global_observable: str = ...
    @property
    def pull(self) -> _Transformation: ...
    @property
    def is_constrained(self) -> bool: ...
    @property
    def observed_value(self) -> float | None: ...

@final
class Sample(_Named):
    nominal: _Array
    modifiers: tuple[_Modifier, ...]
    uncertainties: _Array
    yield_floor: float | None
    factor_floor: float | None
    def __init__(
        self,
        name: str,
        nominal: _Vector,
        modifiers: Iterable[_Modifier] = ...,
        uncertainties: _Vector = ...,
        yield_floor: float | None = ...,
        factor_floor: float | None = ...,
    ) -> None: ...

@final
class Axis(_Named):
    edges: _Array
    def __init__(self, name: str, edges: _Vector) -> None: ...

@final
class Channel(_Named):
    samples: tuple[Sample, ...]
    axes: tuple[Axis, ...]
    yield_floor: float | None
    def __init__(
        self,
        name: str,
        samples: Iterable[Sample],
        axes: Iterable[Axis] = ...,
        yield_floor: float | None = ...,
    ) -> None: ...
    @property
    def n_bins(self) -> int: ...

@final
class ChannelCounts(_Struct):
    channel: str
    counts: _Array
    def __init__(self, channel: str, counts: _Vector) -> None: ...

@final
class GlobalObservable(_Struct):
    parameter: str
    value: float

@final
class Observations(_Named):
    channels: tuple[ChannelCounts, ...]
    global_observables: tuple[GlobalObservable, ...]
    def __init__(
        self,
        name: str,
        channels: Iterable[ChannelCounts],
        global_observables: Iterable[GlobalObservable] = ...,
    ) -> None: ...

@final
class ParameterValue(_Struct):
    parameter: str
    value: float

@final
class ParameterPoint(_Named):
    values: tuple[ParameterValue, ...]
    def __init__(self, name: str, values: Iterable[ParameterValue]) -> None: ...

@final
class ModelSpec(_Named):
    channels: tuple[Channel, ...]
    parameters: tuple[Parameter, ...]
    parameters_of_interest: tuple[str, ...]
    parameter_points: tuple[ParameterPoint, ...]
    def __init__(
        self,
        name: str,
        channels: Iterable[Channel],
        parameters: Iterable[Parameter],
        parameters_of_interest: Iterable[str] = ...,
        parameter_points: Iterable[ParameterPoint] = ...,
    ) -> None: ...
    def to_cpp(self, observations: Any, *, namespace: str = "model", clad: bool = False) -> str: ...
    def to_hs3(self, observations: Iterable[Observations] = (), *, lossy: bool = False) -> str: ...
    def to_pyhf(
        self, observations: Observations | None = None, *, lossy: bool = False
    ) -> dict[str, Any]: ...

_Modifier: TypeAlias = (
    NormFactor | Lumi | NormSys | HistoSys | StatError | ShapeSys | ShapeFactor | FormulaFactor
)
_Constraint: TypeAlias = (
    Unconstrained
    | GaussianConstraint
    | PoissonConstraint
    | LogNormalConstraint
    | GammaConstraint
    | UniformConstraint
)
_Transformation: TypeAlias = IdentityTransformation | GammaTransformation | LogNormalTransformation

def validate(spec: ModelSpec) -> None: ...

@final
class PyhfWorkspace(metaclass=_BoundType):
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    @staticmethod
    def parse(text: bytes, source: str = "workspace") -> PyhfWorkspace: ...
    @property
    def measurement_names(self) -> tuple[str, ...]: ...
    def parameter_of_interest(self, measurement: str) -> str: ...
    def model_spec(
        self,
        measurement: str = "",
        poi: str | None = None,
        *,
        normsys: Interpolation = Interpolation.polynomial_exponential,
        histosys: Interpolation = Interpolation.polynomial_linear,
        clip_sample_data: bool = False,
        clip_bin_data: float | None = None,
    ) -> ModelSpec: ...
    @property
    def observations(self) -> Observations: ...
    @property
    def notes(self) -> tuple[str, ...]: ...

def expression_nodes(
    text: str, parameters: Sequence[str], variables: Sequence[str]
) -> list[tuple[str, float, list[int], bool]]: ...
def factor_constants(low: float, high: float) -> list[float]: ...
def read_hs3(
    text: bytes, source: str = "workspace"
) -> tuple[
    tuple[ModelSpec, ...], tuple[Observations, ...], tuple[str, ...], tuple[str, str] | None
]: ...
def write_hs3(
    spec: ModelSpec, datasets: Sequence[Observations], *, lossy: bool = False
) -> tuple[str, tuple[str, ...], tuple[str, ...]]: ...

@final
class Model(metaclass=_BoundType):
    def __init__(self, spec: ModelSpec) -> None: ...
    @property
    def spec(self) -> ModelSpec: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def n_bins(self) -> int: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def parameter_names(self) -> tuple[str, ...]: ...
    def parameter_index(self, name: str) -> int: ...
    @property
    def initial(self) -> _Array: ...
    @property
    def lower(self) -> _Array: ...
    @property
    def upper(self) -> _Array: ...
    @property
    def fixed(self) -> tuple[bool, ...]: ...
    @property
    def constrained_parameters(self) -> tuple[int, ...]: ...
    @property
    def channel_offsets(self) -> tuple[int, ...]: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...
    def data(self, observations: Observations) -> tuple[_Array, _Array]: ...
    def digest(self) -> str: ...
    def expected(self, x: _Array) -> _Array: ...
    def expected_by_sample(self, x: _Array) -> _Array: ...
    def jacobian_by_sample(self, x: _Array) -> tuple[_Indices, _Indices, _Array]: ...
    def expected_global_observables(self, x: _Array) -> _Array: ...
    def asimov(self, x: _Array) -> tuple[_Array, _Array]: ...

def digest_data(counts: _Array, global_observables: _Array) -> str: ...

class Likelihood(metaclass=_BoundType):
    def __init__(
        self, model: Model, counts: _Array, global_observables: _Array, backend: str = "clad"
    ) -> None: ...
    def __call__(self, *x: Any) -> float: ...
    def gradient(self, x: Any) -> _Array: ...
    def value_and_gradient(self, x: Any) -> tuple[float, _Array]: ...
    def hessian(self, *x: Any) -> _Array: ...
    def hvp(self, x: Any, v: Any) -> _Array: ...
    def logpdf(self, x: Any) -> float: ...
    def expected(self, x: Any) -> _Array: ...
    def deviances(self, x: Any) -> tuple[_Array, _Array]: ...
    @property
    def constant(self) -> float: ...
    def grad(self, *x: Any) -> _Array: ...
    def _value(self, values: Any) -> float: ...
    def _grad(self, values: Any) -> _Array: ...
    def _evaluation(self, x: Any) -> tuple[float, EvaluationStatus, int]: ...
    def _as_vector(self, x: Any) -> _Array: ...

class CovarianceKind(enum.Enum):
    none = 0
    errors = 1
    full = 2

@final
class MinimizeOptions(_Struct):
    max_iterations: int = ...
    edm_tolerance: float = ...
    gradient_tolerance: float = ...
    covariance: CovarianceKind = ...
    diagnostics: bool = ...
    weak_curvature: float = ...

@final
class MinimizeSummary(metaclass=_BoundType):
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    @property
    def status(self) -> str: ...
    @property
    def valid(self) -> bool: ...
    @property
    def message(self) -> str: ...
    @property
    def x(self) -> _Array: ...
    @property
    def value(self) -> float: ...
    @property
    def gradient(self) -> _Array: ...
    @property
    def edm(self) -> float: ...
    @property
    def projected_gradient(self) -> float: ...
    @property
    def iterations(self) -> int: ...
    @property
    def n_gradients(self) -> int: ...
    @property
    def n_hessians(self) -> int: ...
    @property
    def condition(self) -> float: ...
    @property
    def errors(self) -> _Array: ...
    @property
    def covariance(self) -> _Array | None: ...
    @property
    def active_bounds(self) -> tuple[tuple[int, str, float], ...]: ...
    @property
    def weak_directions(self) -> tuple[tuple[float, tuple[int, ...], tuple[float, ...]], ...]: ...
    @property
    def at_kink(self) -> tuple[int, ...]: ...
    @property
    def without_effect(self) -> tuple[int, ...]: ...
    @property
    def zero_yield_bins(self) -> tuple[int, ...]: ...
    @property
    def outside_support(self) -> tuple[int, ...]: ...

def minimize(
    likelihood: Likelihood,
    *,
    start: _Array,
    lower: _Array,
    upper: _Array,
    fixed: NDArray[np.bool_],
    options: MinimizeOptions,
) -> tuple[MinimizeSummary, BaseException | None]: ...
def run_until(stop: Callable[[], object], function: Callable[[], _T]) -> _T: ...

FIT_STATUSES: tuple[str, ...]

def fit_many(
    model: Model,
    n_fits: int,
    *,
    arrays: dict[str, NDArray[Any] | None],
    options: MinimizeOptions,
    kept_parameters: list[int],
    n_random: int,
    seed: int,
    n_retries: int,
    sides: list[tuple[int, float, float, list[float]]],
    look_around: bool,
    n_threads: int,
    progress: Callable[[int], object] | None,
) -> tuple[dict[str, Any], BaseException | None]: ...
def generate_toys(
    model: Model,
    x: _Array,
    *,
    n: int,
    seed: int,
    start: int,
    randomize: bool,
    global_observables: _Array | None,
    n_threads: int,
    progress: Callable[[int], object] | None,
) -> tuple[_Array, _Array, BaseException | None]: ...
def find_minima(
    likelihood: Likelihood,
    *,
    start: _Array,
    lower: _Array,
    upper: _Array,
    fixed: NDArray[np.bool_],
    options: MinimizeOptions,
    n_starts: int,
    seed: int,
) -> tuple[
    tuple[tuple[MinimizeSummary, float, tuple[int, ...], tuple[int, ...]], ...],
    BaseException | None,
]: ...
def profile_crossings(
    likelihood: Likelihood,
    *,
    x: _Array,
    covariance: _Array,
    lower: _Array,
    upper: _Array,
    fixed: NDArray[np.bool_],
    parameters: NDArray[np.int64],
    directions: _Array,
    rises: _Array,
    starts: _Array | None,
    start_rays: NDArray[np.int64] | None,
    options: MinimizeOptions,
    n_threads: int,
    progress: Callable[[int], object] | None,
) -> tuple[dict[str, Any], BaseException | None]: ...
def draw_starts(
    model: Model, global_observables: _Array, *, n: int, seed: int, spread: float
) -> _Array: ...
def soft_histogram(arrays: _Arrays, options: _Choices) -> _Array: ...
def soft_histogram_vjp(arrays: _Arrays, cotangents: _Array, options: _Choices) -> _Arrays: ...
def soft_histogram_jvp(arrays: _Arrays, directions: _Optionals, options: _Choices) -> _Array: ...
def smooth_step(
    distances: _Array, widths: _Array, kernel: str, n_threads: int
) -> tuple[_Array, _Array]: ...
