"""The compiled model, and with data its likelihood: the function that is minimised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _core, _diff
from ._arguments import checked
from ._arrays import (
    FloatArray,
    ParameterValues,
    Positions,
    float_vector,
    index_of,
    nearest,
    real_number,
)
from ._core import EvaluationStatus
from ._printable import printable
from .data import Data, check_data
from .errors import ArgumentError, Error, located
from .inputs import InputGradient, InputLayout
from .spec import (
    Constraint,
    GammaConstraint,
    GaussianConstraint,
    LogNormalConstraint,
    Parameter,
    PoissonConstraint,
)

if TYPE_CHECKING:
    from iminuit.cost import Cost, CostSum
    from numpy.typing import ArrayLike
    from scipy.sparse import csr_array

    from .inputs import InputValues
    from .spec import ModelSpec, Observations

__all__ = ["DEFAULT_BACKEND", "Likelihood", "Model", "PointStatus"]


IntArray: TypeAlias = NDArray[np.intp]


class PrefitTable:
    """Constraint terms of a model, arranged so that all estimates take microseconds.

    Gaussian and Poisson terms, of which there may be thousands, are arrays; the rest is a list.
    """

    def __init__(self, parameters: Sequence[Parameter], constrained: Sequence[int]) -> None:
        self._size = len(parameters)
        terms = [(i, p, parameters[p].constraint) for i, p in enumerate(constrained)]
        stored = [parameters[p].observed_value for p in constrained]
        self._stored = np.array([math.nan if value is None else value for value in stored])
        gaussians = [(i, p, c.sigma) for i, p, c in terms if isinstance(c, GaussianConstraint)]
        poissons = [(i, p, c.tau) for i, p, c in terms if isinstance(c, PoissonConstraint)]
        self._gaussians = _columns(gaussians)
        self._poissons = _columns(poissons)
        arranged = {i for i, _, _ in gaussians + poissons}
        self._others = [term for term in terms if term[0] not in arranged]

    def estimates(self, observed: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Return centre and width by parameter, NaN where there is no term."""
        values = self._stored if observed is None else observed
        centers, widths = np.full((2, self._size), np.nan)
        position, parameter, sigma = self._gaussians
        centers[parameter], widths[parameter] = values[position], sigma
        position, parameter, tau = self._poissons
        counts = values[position]
        centers[parameter] = counts / tau
        widths[parameter] = np.where(counts > 0, np.sqrt(np.abs(counts)) / tau, np.nan)
        for i, p, constraint in self._others:
            centers[p], widths[p] = prefit_estimate(constraint, float(values[i]))
        return centers, widths

    def fluctuations(self, observed: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how far global observables fluctuate, and how that pulls at the parameters.

        Parameters
        ----------
        observed : array, shape (n_constrained,)
            Global observables; their variance is estimated by themselves.
        x : array, shape (n_parameters,)
            Where the likelihood has its minimum.

        Returns
        -------
        deviations : array, shape (n_parameters,)
            Standard deviation of the global observable, in its units: sigma, sqrt(observed) of a
            count, observed log(kappa). NaN where there is no term.
        widths : array, shape (n_parameters,)
            1 / |d2(-log L)/(dx d observed)| / deviation: a shift of the observable by a deviation
            changes the gradient of -log L by -1 / width.
        """
        deviations, widths = np.full((2, self._size), np.nan)
        position, parameter, sigma = self._gaussians
        deviations[parameter] = widths[parameter] = sigma
        position, parameter, _ = self._poissons
        deviations[parameter] = np.sqrt(observed[position])
        with np.errstate(divide="ignore", invalid="ignore"):
            widths[parameter] = x[parameter] / deviations[parameter]
        for i, p, constraint in self._others:
            value = float(observed[i])
            if isinstance(constraint, LogNormalConstraint):
                deviations[p] = value * math.log(constraint.kappa)
                widths[p] = x[p] * math.log(constraint.kappa)
            elif isinstance(constraint, GammaConstraint):
                deviations[p] = math.sqrt(value)
                widths[p] = x[p] / deviations[p] if value > 0 else math.inf
        return deviations, widths


def _columns(terms: Sequence[tuple[int, int, float]]) -> tuple[IntArray, IntArray, FloatArray]:
    table = np.array(terms, dtype=float).reshape(-1, 3).T
    return table[0].astype(np.intp), table[1].astype(np.intp), table[2]


def prefit_estimate(constraint: Constraint, observed: float) -> tuple[float, float]:
    """Maximum and width of a constraint term as a function of its parameter.

    Parameters
    ----------
    constraint : Constraint
        Shape of the term.
    observed : float
        Value of its global observable.

    Returns
    -------
    tuple of float
        Position of the maximum, and 1/sqrt of minus the second derivative of the logarithm there
        (for LogNormal: of the logarithm of the parameter, times the parameter). NaN where there is
        no term, or no width because nothing was observed.
    """
    match constraint:
        case GaussianConstraint(sigma=sigma):
            return observed, sigma
        case PoissonConstraint(tau=tau):
            return observed / tau, math.sqrt(observed) / tau if observed > 0 else math.nan
        case LogNormalConstraint(kappa=kappa):
            return observed, observed * math.log(kappa)
        case GammaConstraint(scale=scale):
            width = math.sqrt(observed) * scale if observed > 0 else math.nan
            return observed * scale, width
    return math.nan, math.nan


DEFAULT_BACKEND = str(_core.build_info()["backends"][0])
"""How derivatives are obtained unless something else is asked for: "clad" in usual builds."""

_OF_BINS = {EvaluationStatus.negative_yield, EvaluationStatus.not_finite}
_MESSAGES = {
    EvaluationStatus.negative_yield: (
        "the expected yield is negative, or zero where events were observed"
    ),
    EvaluationStatus.not_finite: "the expected yield is infinite or undefined",
    EvaluationStatus.outside_support: "the constraint term has no density at this value",
    EvaluationStatus.invalid_parameter: "not a finite number",
}


@dataclass(frozen=True)
class PointStatus:
    """Whether the likelihood is defined at a point, and if not, why and where."""

    status: EvaluationStatus
    where: str
    """Channel and bin, or parameter; empty where all is well."""
    message: str

    def __bool__(self) -> bool:
        return self.status is EvaluationStatus.ok


class Likelihood(_core.Likelihood):
    """Minus the logarithm of the likelihood, in deviance form, and its derivatives.

    `likelihood(x)` is -log[L(x) / L_saturated], which is small near the minimum and keeps its
    digits there; -log L(x) = likelihood(x) + constant. Twice its value is the goodness-of-fit
    statistic of the saturated model. Where an expected yield is negative, or a constraint term has
    no density, it is +infinity and `status(x)` says why. Only `hessian` and `hvp` can be NaN:
    they are filled with it where they do not exist.

    Parameters
    ----------
    model : Model
        The model.
    data : Data
        What was measured.
    backend : str
        How derivatives are obtained. "clad": one sweep over kernels that Clad differentiated, the
        default and the fastest. The others differentiate a plain reference evaluator: "codipack"
        in reverse mode over a tape (only where `build_info()["backends"]` lists it), "forward" in
        forward mode, both exact; "finite-difference" by central differences and
        "minuit-difference" as MINUIT does by itself.

    Notes
    -----
    `x` is an array of shape (n_parameters,), fastest as C-contiguous float64; sequences and
    mappings by name are converted. `likelihood`, `grad` and `hessian` also take one number per
    parameter, `likelihood(*x)`: that is iminuit's cost protocol, so `Minuit(likelihood, *start)`
    finds names, limits, gradient and errordef by itself, and `likelihood + NormalConstraint(...)`
    is a cost function. Parameters that the model fixes have limits that are both their initial
    value, at which Minuit fixes them. Minuit is not told of the Hessian: it fails where one that it
    was given is not positive definite; `interop.iminuit.make_minuit` gives it one that is.

    An object may be used from any number of threads at once. Each running call borrows an evaluator
    with its own scratch memory; the GIL is released while it works.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> likelihood = model.likelihood(data)
    >>> print(f"{likelihood(model.initial):.4f}")
    0.2393
    >>> value, gradient = likelihood.value_and_gradient(model.initial)
    >>> print(gradient.round(3))
    [1.317 4.032 1.651]
    """

    errordef = 0.5
    has_grad = True
    has_hessian = False
    verbose = 0

    @checked
    def __init__(self, model: Model, data: Data, *, backend: str = DEFAULT_BACKEND) -> None:
        try:
            super().__init__(model._core, data.counts, data.global_observables, backend)
        except (Error, AttributeError):
            check_data(model, data)
            raise
        self._model = model
        self._data = data
        self._backend = backend
        self._parameters = _limits(model)

    def __reduce__(self) -> tuple[object, tuple[Model, Data, str]]:
        return _restore, (self._model, self._data, self._backend)

    def __repr__(self) -> str:
        return f"<Likelihood of {self._model!r}>"

    def _described(self) -> dict[str, object]:
        return {"model": self._model, "data": self._data}

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def data(self) -> Data:
        """What was measured."""
        return self._data

    @property
    def backend(self) -> str:
        """How derivatives are obtained."""
        return self._backend

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return self._model.parameters

    @property
    def npar(self) -> int:
        """Number of parameters, for iminuit."""
        return self._model.n_parameters

    @property
    def ndata(self) -> int:
        """Number of bins and constraint terms: iminuit's reduced chi-square uses it."""
        return self._data.counts.size + self._data.global_observables.size

    @cached_property
    def prefit(self) -> tuple[FloatArray, FloatArray]:
        """Centre and width of every constraint term, see `Model.prefit`."""
        return self._model.prefit(self._data)

    def status(self, x: ParameterValues) -> PointStatus:
        """Return whether the likelihood is defined at `x`, and if not, why and where."""
        _, status, index = self._evaluation(x)
        if status is EvaluationStatus.ok:
            return PointStatus(status, "", "The likelihood is defined here.")
        if status is EvaluationStatus.overflow:
            return PointStatus(status, "", "The value is beyond the range of a double here.")
        where = self._bin_name(index) if status in _OF_BINS else self.parameters[index]
        return PointStatus(status, where, f"{where}: {_MESSAGES[status]}")

    def input_gradient(self, x: ParameterValues, *, of: str = "nll") -> InputGradient:
        """Return the derivatives at `x` with respect to inputs of the model and to data.

        Parameters
        ----------
        x : array_like or mapping
            Parameter values.
        of : {"nll", "deviance"}
            Whether to differentiate -log L, with the terms that depend on data and widths alone, or
            the value of this function, -log(L / L_saturated), whose derivative with respect to a
            count is -infinity at a count of zero.

        Returns
        -------
        InputGradient
            Exact derivatives, whatever the backend; see `Model.inputs` for their order. A bin
            whose yield and count are both zero has derivative 0 with respect to its count.

        Raises
        ------
        ArgumentError
            If the likelihood is not defined at `x`, see `status`.
        """
        if of not in ("nll", "deviance"):
            raise located(ArgumentError, f'expected "nll" or "deviance", got {of!r}', "of")
        point = self._model.point(x)
        return InputGradient(*_diff.full_gradient(self, point, of == "deviance")[1:])

    def _bin_name(self, index: int) -> str:
        for name, bins in self._model.channel_bins.items():
            if index < bins.stop:
                return f"{name}[{index - bins.start}]"
        return f"bin {index}"

    def _as_vector(self, x: ParameterValues) -> FloatArray:
        """Convert what the core does not take as it is; called by it."""
        if isinstance(x, Mapping):
            return self._model.point(x)
        return float_vector(x, self._model.n_parameters, "x")

    def __add__(self, other: Cost | float) -> CostSum:
        """Add another cost function, e.g. a constraint of `iminuit.cost`."""
        from iminuit.cost import CostSum

        return CostSum(self, other)

    def __radd__(self, other: Cost | float) -> CostSum:
        from iminuit.cost import CostSum

        return CostSum(other, self)


def _limits(model: Model) -> dict[str, tuple[float, float]]:
    """Return what iminuit reads off a cost function: equal limits make it fix a parameter."""
    rows = zip(model.parameters, model.bounds, model.fixed, model.initial.tolist(), strict=True)
    return {name: (x, x) if fixed else bounds for name, bounds, fixed, x in rows}


def _is_array_like(values: object) -> bool:
    return isinstance(values, Sequence | int | float) or hasattr(values, "__array__")


def _restore(model: Model, data: Data, backend: str) -> Likelihood:
    return Likelihood(model, data, backend=backend)


class Model:
    """A `ModelSpec` compiled for evaluation; immutable, shared freely between threads.

    Parameters
    ----------
    spec : ModelSpec
        What to compile.

    Raises
    ------
    SpecError
        If the specification contradicts itself or asks for something undefined.

    Notes
    -----
    Parameter vectors follow `parameters`; bins run channel by channel as in `channels`. Wherever a
    method takes a parameter vector, a mapping of names to values does too: the parameters that it
    leaves out keep their initial value.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> model.parameters
    ('mu', 'uncorr_bkguncrt[0]', 'uncorr_bkguncrt[1]')
    >>> model.expected(model.point({"mu": 0.0}))
    array([50., 52.])
    """

    __slots__ = (
        "_bends",
        "_bounds",
        "_channels",
        "_core",
        "_digest",
        "_fixed",
        "_inputs",
        "_parameters",
        "_prefit",
    )

    @checked
    def __init__(self, spec: ModelSpec) -> None:
        self._core = _core.Model(spec)
        self._parameters = self._core.parameter_names
        self._fixed = self._core.fixed
        lower, upper = self._core.lower.tolist(), self._core.upper.tolist()
        self._bounds = tuple(zip(lower, upper, strict=True))
        self._channels = tuple(channel.name for channel in self.spec.channels)
        self._forget_inputs()

    def _forget_inputs(self) -> None:
        """Start without what is made from the inputs when somebody asks."""
        self._bends: object = None
        self._prefit: PrefitTable | None = None
        self._digest: str | None = None
        self._inputs: InputLayout | None = None

    def _described(self) -> dict[str, object]:
        return {"model": self}

    def __reduce__(self) -> tuple[type[Model], tuple[ModelSpec]]:
        return Model, (self.spec,)

    def __repr__(self) -> str:
        return (
            f"<Model {self.spec.name!r}: {len(self.channels)} channels, {self.n_bins} bins, "
            f"{self.n_parameters} parameters, poi {printable(str(self.poi))}>"
        )

    @property
    def spec(self) -> ModelSpec:
        """What was compiled."""
        return self._core.spec

    @property
    def digest(self) -> str:
        """Fingerprint of all that the specification says, "sha256:" and 64 digits.

        Equal specifications have equal digests, whatever file or platform they come from; the
        canonical form is described in the C++ header nablafit/digest.hpp.
        """
        if self._digest is None:
            self._digest = self._core.digest()
        return self._digest

    @property
    def n_parameters(self) -> int:
        """Length of parameter vectors."""
        return len(self._parameters)

    @property
    def n_bins(self) -> int:
        """Bins of all channels together."""
        return self._core.n_bins

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters: the order of all vectors."""
        return self._parameters

    @property
    def initial(self) -> FloatArray:
        """Initial values, shape (n_parameters,), read-only."""
        return self._core.initial

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Lower and upper bound of every parameter; may be infinite."""
        return self._bounds

    @property
    def fixed(self) -> tuple[bool, ...]:
        """Whether each parameter is constant in fits."""
        return self._fixed

    @property
    def constrained_parameters(self) -> tuple[str, ...]:
        """Parameters with a constraint term: the order of global observables."""
        return tuple(self._parameters[i] for i in self._core.constrained_parameters)

    @property
    def parameters_of_interest(self) -> tuple[str, ...]:
        """Parameters of interest that the source names, existing in this model or not."""
        return self.spec.parameters_of_interest

    @property
    def poi(self) -> str | None:
        """First parameter of interest that exists in this model."""
        known = set(self._parameters)
        return next((name for name in self.parameters_of_interest if name in known), None)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels: the order of bins."""
        return self._channels

    @property
    def channel_bins(self) -> dict[str, slice]:
        """Where the bins of each channel are in vectors of length `n_bins`."""
        offsets = self._core.channel_offsets
        pairs = pairwise(offsets)
        return {name: slice(*pair) for name, pair in zip(self._channels, pairs, strict=True)}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a physicist should know about this model, one sentence each."""
        return self._core.warnings

    @property
    def inputs(self) -> InputLayout:
        """The numbers that this model is made of, as one vector."""
        if self._inputs is None:
            self._inputs = InputLayout(self._core)
        return self._inputs

    def with_inputs(self, inputs: InputValues) -> Model:
        """Return a model with the same structure and other inputs, without compiling it.

        Parameters
        ----------
        inputs : array_like or mapping
            All inputs in the order of `self.inputs`, or some by address.

        Raises
        ------
        ArgumentError
            For another length or an unknown address.
        SpecError
            For values that no model may have: not finite, negative factors of a normsys, widths of
            constraints that are not positive.

        Notes
        -----
        The first call compiles once, in a form in which nothing depends on values; those that
        follow copy arrays. `spec` and `digest` of the new model are put together when asked for.
        """
        model = Model.__new__(Model)
        model._core = self.inputs.exchange(inputs)
        model._parameters = self._parameters
        model._fixed = self._fixed
        model._bounds = self._bounds
        model._channels = self._channels
        model._forget_inputs()
        return model

    def index(self, name: str) -> int:
        """Return the position of a parameter; raise ArgumentError for an unknown name."""
        if not isinstance(name, str):
            raise located(ArgumentError, f"expected the name of a parameter, got {name!r}", "")
        if not name.isprintable() and name not in self._parameters:
            return index_of(self._parameters, name)  # C++ takes no lone surrogates
        return self._core.parameter_index(name)

    def point(self, values: ParameterValues | None = None) -> FloatArray:
        """Return a new parameter vector, shape (n_parameters,).

        Parameters
        ----------
        values : array_like or mapping, optional
            All values in order, or values by name; the initial values for what is left out.
        """
        if values is None:
            return np.array(self.initial)
        if not isinstance(values, Mapping):
            return np.array(float_vector(values, self.n_parameters, "x"))
        point = np.array(self.initial)
        positions = Positions(self._parameters)
        for name, value in values.items():
            point[positions[name]] = real_number(value, name)
        return point

    def expected(self, x: ParameterValues) -> FloatArray:
        """Return the expected events per bin at `x`, shape (n_bins,)."""
        return self._core.expected(self.point(x))

    def expected_by_channel(self, x: ParameterValues) -> dict[str, FloatArray]:
        """Return the expected events at `x`, one array of shape (bins of the channel,) each."""
        yields = self.expected(x)
        return {name: yields[bins] for name, bins in self.channel_bins.items()}

    def expected_by_sample(self, x: ParameterValues) -> dict[str, dict[str, FloatArray]]:
        """Return the expected events at `x` by channel and sample.

        Samples of a channel add up to `expected` unless the channel has a floor that acts.
        """
        rows = self._core.expected_by_sample(self.point(x))
        result: dict[str, dict[str, FloatArray]] = {}
        start = 0
        for channel in self.spec.channels:
            samples = result.setdefault(channel.name, {})
            for sample in channel.samples:
                samples[sample.name] = rows[start : start + channel.n_bins]
                start += channel.n_bins
        return result

    def yield_jacobian(self, x: ParameterValues) -> csr_array:
        """Return the exact derivatives of expected events with respect to the parameters at `x`.

        Parameters
        ----------
        x : array_like or mapping
            Parameter values.

        Returns
        -------
        scipy.sparse.csr_array, shape (n_rows, n_parameters)
            In events per unit of the parameter; rows as in `expected_by_sample`: channel by
            channel, sample by sample, bin by bin. Floors of channels are not applied.
        """
        from scipy.sparse import csr_array

        offsets, parameters, values = self._core.jacobian_by_sample(self.point(x))
        shape = (offsets.size - 1, self.n_parameters)
        return csr_array((values, parameters, offsets), shape=shape)

    def asimov(self, x: ParameterValues | None = None) -> Data:
        """Return the data that equal their expectation at `x` (default: the initial values).

        Where less than 1e-140 events are expected, which counts as none, there are none.
        """
        return Data(*self._core.asimov(self.point(x)))

    def data(self, observations: Observations | Mapping[str, ArrayLike] | ArrayLike) -> Data:
        """Arrange observations in the order of this model.

        Parameters
        ----------
        observations : Observations, mapping or array_like
            A data set of a workspace; or counts alone, in events: a mapping of every channel to an
            array of shape (bins of the channel,), or one array of shape (n_bins,) in the order of
            `channels`. With counts alone, global observables are those stored with the model.

        Raises
        ------
        ArgumentError
            If a channel is unknown or missing, or the number of bins is another one.
        """
        if not isinstance(observations, _core.Observations):
            observations = _core.Observations("counts", self._channel_counts(observations))
        return Data(*self._core.data(observations))

    def _channel_counts(
        self, counts: Mapping[str, ArrayLike] | ArrayLike
    ) -> list[_core.ChannelCounts]:
        """Return counts by channel."""
        if isinstance(counts, Data):
            message = "found Data, which is arranged already; use it as it is"
            raise located(ArgumentError, message, "observations")
        bins = self.channel_bins
        if not isinstance(counts, Mapping):
            if isinstance(counts, str | bytes) or not _is_array_like(counts):
                kind = type(counts).__name__
                message = f"expected Observations, counts by channel or one array, got {kind}"
                raise located(ArgumentError, message, "observations")
            flat = float_vector(counts, self.n_bins, "observations")
            return [_core.ChannelCounts(name, flat[where]) for name, where in bins.items()]
        for name in counts:
            if name not in bins:
                hint = nearest(str(name), self.channels)
                raise located(ArgumentError, f"no such channel{hint}", str(name))
        missing = [name for name in bins if name not in counts]
        if missing:
            message = f"found no counts for {', '.join(missing)}, expected them for every channel"
            raise located(ArgumentError, message, "observations")
        return [
            _core.ChannelCounts(
                name, float_vector(counts[name], where.stop - where.start, f"observations, {name}")
            )
            for name, where in bins.items()
        ]

    def likelihood(self, data: Data, *, backend: str = DEFAULT_BACKEND) -> Likelihood:
        """Return the likelihood of this model for `data`.

        Parameters
        ----------
        data : Data
            What was measured.
        backend : str
            How derivatives are obtained, see `Likelihood`; those other than the default are slower
            and serve to check and to compare.
        """
        return Likelihood(self, data, backend=backend)

    @checked
    def prefit(self, data: Data | None = None) -> tuple[FloatArray, FloatArray]:
        """Return centre and width of every constraint term, each of shape (n_parameters,).

        Parameters
        ----------
        data : Data, optional
            Where the global observables come from; by default those stored with the model.

        Returns
        -------
        tuple of array
            In the units of the parameters; NaN where a parameter has no constraint term.
        """
        return self._prefit_table().estimates(None if data is None else data.global_observables)

    @checked
    def fluctuations(self, data: Data, x: ParameterValues) -> tuple[FloatArray, FloatArray]:
        """Return by how much global observables fluctuate, and 1 / their pull at parameters.

        Parameters
        ----------
        data : Data
            Where the global observables come from; counts among them have a variance equal to
            themselves.
        x : array_like or mapping
            Where the likelihood has its minimum.

        Returns
        -------
        deviations : array, shape (n_parameters,)
            Standard deviation of the global observable of every parameter, in its own units; NaN
            without a constraint term.
        widths : array, shape (n_parameters,)
            In the units of the parameter: a shift of the global observable by one deviation changes
            the derivative of -log L by -1 / width.
        """
        return self._prefit_table().fluctuations(data.global_observables, self.point(x))

    def _prefit_table(self) -> PrefitTable:
        if self._prefit is None:
            self._prefit = PrefitTable(self.spec.parameters, self._core.constrained_parameters)
        return self._prefit
