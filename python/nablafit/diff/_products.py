"""Jacobian products of the gradient of the likelihood and of expected events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .. import _diff
from .._arrays import FloatArray, ParameterValues, float_vector
from ..inputs import InputGradient
from ._fit import by_address, by_parameter, direction_of, parameter_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..inputs import InputValues
    from ..model import Likelihood, Model


def gradient_vjp(
    likelihood: Likelihood, x: ParameterValues, v: ArrayLike | Mapping[str, float]
) -> InputGradient:
    """Return the derivatives of v . (gradient of -log L at x) with respect to inputs and data.

    Parameters
    ----------
    likelihood : Likelihood
        The likelihood.
    x : array_like or mapping
        Parameter values, where the likelihood is defined.
    v : array_like, shape (n_parameters,), or mapping
        Weights of the components of the gradient.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> likelihood = model.likelihood(data)
    >>> print(nf.diff.gradient_vjp(likelihood, model.initial, {"mu": 1.0}).counts.round(3))
    [-0.194 -0.175]
    """
    model = likelihood.model
    weights = parameter_vector(model, v, "v")
    return InputGradient(*_diff.mixed_product(likelihood, model.point(x), weights)[1:])


def gradient_jvp(
    likelihood: Likelihood,
    x: ParameterValues,
    *,
    parameters: ArrayLike | Mapping[str, float] | None = None,
    inputs: InputValues | None = None,
    counts: ArrayLike | None = None,
    global_observables: ArrayLike | None = None,
) -> FloatArray:
    """Return the change of the gradient of -log L at x along a direction, shape (n_parameters,).

    Parameters
    ----------
    likelihood, x
        As in `gradient_vjp`.
    parameters, inputs, counts, global_observables : array_like or mapping, optional
        Direction; 0 for what is left out.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> likelihood = model.likelihood(data)
    >>> print(nf.diff.gradient_jvp(likelihood, model.initial, counts=[1.0, 0.0]).round(3))
    [-0.194 -0.806  0.   ]
    """
    model = likelihood.model
    direction = direction_of(model, inputs, counts, global_observables)
    return _diff.gradient_tangent(
        likelihood, model.point(x), by_parameter(model, parameters, "parameters"), *direction
    )


def yields_vjp(
    model: Model, x: ParameterValues, weights: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the derivatives of weights . (expected events) with respect to parameters and inputs.

    Parameters
    ----------
    model : Model
        The model.
    x : array_like or mapping
        Parameter values.
    weights : array_like, shape (n_bins,)
        Weights of the bins.

    Returns
    -------
    parameters : array, shape (n_parameters,)
    inputs : array, shape (n_inputs,)

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> by_parameter, by_input = nf.diff.yields_vjp(model, model.initial, [1.0, 0.0])
    >>> by_parameter, by_input.shape
    (array([12., 50.,  0.]), (6,))
    """
    vector = float_vector(weights, model.n_bins, "weights")
    return _diff.yields_gradient(model._core, model.point(x), np.ascontiguousarray(vector))[:2]


def yields_jvp(
    model: Model,
    x: ParameterValues,
    *,
    parameters: ArrayLike | Mapping[str, float] | None = None,
    inputs: InputValues | None = None,
) -> FloatArray:
    """Return the change of the expected events along a direction, shape (n_bins,).

    Parameters
    ----------
    model, x
        As in `yields_vjp`.
    parameters, inputs : array_like or mapping, optional
        Direction; 0 for what is left out.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> print(nf.diff.yields_jvp(model, model.initial, parameters={"mu": 1.0}))
    [12. 11.]
    """
    return _diff.yields_tangent(
        model._core,
        model.point(x),
        by_parameter(model, parameters, "parameters"),
        by_address(model, inputs),
    )
