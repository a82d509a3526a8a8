"""Score and Fisher information: what a measurement can know about parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .. import _diff
from .._arrays import FloatArray, ParameterValues
from ..infer.predictions.yields import row_bins
from ._fit import parameter_vector
from ._objective import make_batch
from ._objectives import run
from ._setup import fit_arrays

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..data import Data
    from ..model import Model
    from ._objective import Objective


def score(model: Model, data: Data, at: ParameterValues | None = None) -> FloatArray:
    """Return the derivatives of log L with respect to the parameters, shape (n_parameters,).

    Parameters
    ----------
    model : Model
        The model.
    data : Data
        Observed data. `gradient_vjp` differentiates the score with respect to them and inputs.
    at : array_like or mapping, optional
        Parameter values; the initial ones for what is left out.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> print(nf.diff.score(model, data).round(3))
    [-1.317 -4.032 -1.651]
    """
    return -model.likelihood(data).gradient(model.point(at))


def optimal_weights(model: Model, at: ParameterValues | None = None) -> FloatArray:
    """Return d log(expected events) / d parameter, shape (n_bins, n_parameters).

    The sum of a column over observed events is, up to a constant, the locally optimal observable
    for its parameter: no other is more sensitive to a small change of it (Atwood, Soni,
    Phys. Rev. D 45 (1992) 2405). 0 in bins without expected events.

    Parameters
    ----------
    model, at
        As in `score`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> print(nf.diff.optimal_weights(model)[:, model.index("mu")].round(3))
    [0.194 0.175]
    """
    x = model.point(at)
    jacobian = np.zeros((model.n_bins, model.n_parameters))
    np.add.at(jacobian, row_bins(model), model.yield_jacobian(x).toarray())
    yields = model.expected(x)[:, np.newaxis]
    return np.where(yields > 0, jacobian / np.where(yields > 0, yields, 1.0), 0.0)


def fisher_information(model: Model, at: ParameterValues | None = None) -> FloatArray:
    """Return the Fisher information of counts and global observables about all parameters.

    The Hessian of -log L in Asimov data, shape (n_parameters, n_parameters).

    Parameters
    ----------
    model, at
        As in `score`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> nf.diff.fisher_information(model).shape
    (3, 3)
    """
    x = model.point(at)
    return np.array(model.likelihood(model.asimov(x)).hessian(x))


def expected_information(
    model: Model,
    direction: str | ArrayLike | Mapping[str, float],
    *,
    at: ParameterValues | None = None,
    inputs: ArrayLike | None = None,
    n_threads: int | None = None,
) -> Objective:
    """Return d^T I d with the Fisher information I, and its gradient with respect to inputs.

    Parameters
    ----------
    direction : str, array_like of shape (n_parameters,), or mapping
        d; a name stands for the direction of that parameter. Parameters only move along d; for the
        information that is left when others float, see `expected_uncertainty`.
    model, at, inputs, n_threads
        As in `expected_uncertainty`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> information = nf.diff.expected_information(model, "mu")
    >>> print(f"{float(information):.2f}")
    4.24
    """
    arrays = fit_arrays(model, at)
    named = {direction: 1.0} if isinstance(direction, str) else direction
    arrays["direction"] = parameter_vector(model, named, "direction")
    batch = make_batch(model, None, inputs)
    return run(_diff.expected_informations, model, batch, arrays, n_threads)[0]
