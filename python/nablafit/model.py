"""The compiled model."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from . import _core
from ._arrays import FloatArray, ParameterValues, float_vector, index_of, real_number
from ._constraints import PrefitTable
from .data import Data
from .errors import ArgumentError, located
from .inputs import InputLayout
from .likelihood import DEFAULT_BACKEND, Likelihood

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from .infer._starts import Bends
    from .inputs import InputValues
    from .spec import ModelSpec, Observations

__all__ = ["Model"]


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
        self._bends: Bends | None = None
        self._prefit: PrefitTable | None = None
        self._digest: str | None = None
        self._inputs: InputLayout | None = None

    def __reduce__(self) -> tuple[type[Model], tuple[ModelSpec]]:
        return Model, (self.spec,)

    def __repr__(self) -> str:
        return (
            f"<Model {self.spec.name!r}: {len(self.channels)} channels, {self.n_bins} bins, "
            f"{self.n_parameters} parameters, poi {self.poi}>"
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
        for name, value in values.items():
            point[index_of(self._parameters, name)] = real_number(value, name)
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

    def data(self, observations: Observations) -> Data:
        """Arrange observations in the order of this model."""
        if not isinstance(observations, _core.Observations):
            message = (
                f"expected Observations, got {type(observations).__name__}; Data(counts, "
                "global_observables) takes arrays"
            )
            raise located(ArgumentError, message, "observations")
        return Data(*self._core.data(observations))

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
