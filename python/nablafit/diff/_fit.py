"""A fit as a differentiable function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import _diff
from .._arrays import FloatArray, ParameterValues, float_array, float_vector, index_of
from ..errors import ArgumentError, located
from ..fit import likelihood_of
from ._setup import fit_arrays

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..data import Data
    from ..inputs import InputValues
    from ..minimizers.problem import Bounds, Fixed
    from ..model import Likelihood, Model


@dataclass(frozen=True, eq=False)
class Cotangent:
    """Derivatives of a number that depends on a fit, with respect to what the fit depends on.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> cotangent = nf.diff.fit(model, data).vjp(x={"mu": 1.0})
    >>> cotangent.inputs.shape, cotangent.counts.shape
    ((6,), (2,))
    """

    inputs: FloatArray
    """Shape (n_inputs,)."""
    counts: FloatArray
    """Shape (n_bins,)."""
    global_observables: FloatArray
    """Shape (n_constrained,)."""
    fixed: FloatArray
    """With respect to the values of fixed parameters, shape (n_parameters,); 0 for others."""


@dataclass(frozen=True, eq=False)
class Tangent:
    """Change of the outcome of a fit along a direction.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> tangent = nf.diff.fit(model, data).jvp(counts=[1.0, 0.0])
    >>> print(tangent.x.round(4))
    [ 0.0557  0.0009 -0.0054]
    """

    x: FloatArray
    """Shape (n_parameters,)."""
    value: float
    """Change of the minimum of -log L."""
    covariance: FloatArray | None
    """Shape (n_parameters, n_parameters); None unless asked for."""
    yields: FloatArray
    """Change of the expected events at the minimum, shape (n_bins,)."""


class DifferentiableFit:
    """The minimum of a likelihood, and its derivatives by the implicit function theorem.

    One solve with the Hessian over the free parameters per product; gammas are eliminated in it by
    Schur complement. Parameters held by a bound stay there. Derivatives of the covariance take
    third derivatives of the likelihood along directions. Use `nablafit.diff.fit`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> fit = nf.diff.fit(model, data)
    >>> print(f"{fit.x[model.index('mu')]:.3f}", fit.yields.round(1))
    0.663 [57.8 60.1]
    """

    def __init__(
        self,
        likelihood: Likelihood,
        *,
        initial: ParameterValues | None = None,
        bounds: Bounds | None = None,
        fixed: Fixed | None = None,
    ) -> None:
        arrays = fit_arrays(likelihood.model, initial, bounds, fixed)
        names = ("start", "lower", "upper", "fixed")
        self._core = _diff.Fit(likelihood, **{name: arrays[name] for name in names})
        self._likelihood = likelihood

    def __repr__(self) -> str:
        return (
            f"<DifferentiableFit of {self._likelihood.model!r}: -log L = {self.value:.10g}, "
            f"{sum(self.free)} free parameters>"
        )

    @property
    def likelihood(self) -> Likelihood:
        """What was minimised."""
        return self._likelihood

    @property
    def x(self) -> FloatArray:
        """Parameters at the minimum, shape (n_parameters,), read-only."""
        return self._core.x

    @property
    def value(self) -> float:
        """Minimum of -log L, the whole likelihood."""
        return self._core.value + self._likelihood.constant

    @property
    def free(self) -> tuple[bool, ...]:
        """Parameters that react: not fixed, not held by a bound, with an effect."""
        return tuple(self._core.free)

    @property
    def covariance(self) -> FloatArray:
        """Inverse Hessian over the free parameters, 0 elsewhere."""
        return self._core.covariance()

    @property
    def yields(self) -> FloatArray:
        """Expected events at the minimum, shape (n_bins,)."""
        return self._likelihood.expected(self.x)

    def vjp(
        self,
        *,
        x: ArrayLike | Mapping[str, float] | None = None,
        value: float = 0.0,
        covariance: ArrayLike | None = None,
        yields: ArrayLike | None = None,
    ) -> Cotangent:
        """Return the gradient of sum of cotangents times outcomes of the fit.

        Parameters
        ----------
        x : array_like, shape (n_parameters,), or mapping, optional
            Cotangent of the parameters; names that a mapping leaves out have 0.
        value : float
            Cotangent of the minimum of -log L.
        covariance : array_like, shape (n_parameters, n_parameters), optional
            Cotangent of the covariance; its symmetric part counts. Costs one third-order sweep per
            rank.
        yields : array_like, shape (n_bins,), optional
            Cotangent of the expected events at the minimum.

        Raises
        ------
        ArgumentError
            For a wrong shape.
        Error
            Where the minimum has no derivative: a singular Hessian, a parameter exactly at a bound
            that does not push it, a kink, vanishing yields. The message names what is to blame.
        """
        model = self._likelihood.model
        matrix = None
        if covariance is not None:
            n = model.n_parameters
            matrix = float_array(covariance, "covariance")
            if matrix.shape != (n, n):
                message = f"expected shape ({n}, {n}), got {matrix.shape}"
                raise located(ArgumentError, message, "covariance")
            matrix = matrix.ravel()
        weights = None if yields is None else float_vector(yields, model.n_bins, "yields")
        parameters = by_parameter(model, x, "x")
        fixed, inputs, counts, observables = self._core.pull_back(
            parameters, float(value), matrix, weights
        )
        return Cotangent(inputs, counts, observables, fixed)

    def jvp(
        self,
        *,
        inputs: InputValues | None = None,
        counts: ArrayLike | None = None,
        global_observables: ArrayLike | None = None,
        fixed: ArrayLike | Mapping[str, float] | None = None,
        covariance: bool = False,
    ) -> Tangent:
        """Return how the outcome of the fit changes along a direction.

        Parameters
        ----------
        inputs : array_like, shape (n_inputs,), or mapping, optional
            Change of the inputs; addresses that a mapping leaves out have 0.
        counts, global_observables : array_like, optional
            Change of the data.
        fixed : array_like, shape (n_parameters,), or mapping, optional
            Change of fixed parameters; entries of other parameters are ignored.
        covariance : bool
            Also compute the change of the covariance: two solves and a third-order sweep per
            free parameter.

        Raises
        ------
        ArgumentError, Error
            As `vjp`.
        """
        model = self._likelihood.model
        direction = direction_of(model, inputs, counts, global_observables)
        x, value, matrix, yields = self._core.push_forward(
            by_parameter(model, fixed, "fixed"), *direction, covariance
        )
        n = model.n_parameters
        return Tangent(x, value, matrix.reshape(n, n) if covariance else None, yields)


def fit(
    model: Model | Likelihood,
    data: Data | None = None,
    *,
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
) -> DifferentiableFit:
    """Fit with the native minimiser, to rounding, and return the minimum with its derivatives.

    Parameters
    ----------
    model : Model or Likelihood
        What to fit.
    data : Data, optional
        What to fit it to; only with a Model.
    initial, bounds, fixed : optional
        As in `nablafit.fit`.

    Raises
    ------
    ArgumentError
        For arguments that do not fit the model.
    Error
        If there is no minimum.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> fit = nf.diff.fit(model, data)
    >>> print(fit.vjp(x={"mu": 1.0}).counts.round(4))  # change of mu per event in each bin
    [0.0557 0.0306]
    """
    likelihood = likelihood_of(model, data)
    return DifferentiableFit(likelihood, initial=initial, bounds=bounds, fixed=fixed)


def by_parameter(
    model: Model, values: ArrayLike | Mapping[str, float] | None, name: str
) -> FloatArray | None:
    """Return a vector over parameters; names that a mapping leaves out have 0."""
    return None if values is None else parameter_vector(model, values, name)


def parameter_vector(
    model: Model, values: ArrayLike | Mapping[str, float], name: str
) -> FloatArray:
    """Return the same for values that must be given."""
    if not isinstance(values, Mapping):
        return float_vector(values, model.n_parameters, name)
    vector = np.zeros(model.n_parameters)
    for parameter, number in values.items():
        vector[index_of(model.parameters, parameter)] = number
    return vector


def direction_of(
    model: Model,
    inputs: InputValues | None,
    counts: ArrayLike | None,
    global_observables: ArrayLike | None,
) -> tuple[FloatArray | None, FloatArray | None, FloatArray | None]:
    """Return a change of inputs and data as vectors; None for what does not change."""
    n_observables = len(model.constrained_parameters)

    def vector(values: ArrayLike | None, size: int, name: str) -> FloatArray | None:
        return None if values is None else float_vector(values, size, name)

    return (
        by_address(model, inputs),
        vector(counts, model.n_bins, "counts"),
        vector(global_observables, n_observables, "global_observables"),
    )


def by_address(model: Model, values: InputValues | None) -> FloatArray | None:
    """Return a vector over inputs; addresses that a mapping leaves out have 0."""
    if values is None:
        return None
    layout = model.inputs
    if not isinstance(values, Mapping):
        return float_vector(values, layout.size, "inputs")
    vector = np.zeros(layout.size)
    for address, numbers in values.items():
        vector[layout[address]] = numbers
    return vector
