"""Objectives as functions of NumPy arrays with any leading axes, for JAX and PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .. import _diff, diff
from .._arrays import FloatArray, ParameterValues, thread_count
from ..diff._objective import Objective, make_batch
from ..diff._setup import fit_arrays
from ..errors import ArgumentError, Error, located

if TYPE_CHECKING:
    from ..data import Data
    from ..minimizers.problem import Bounds, Fixed
    from ..model import Model

Scalar: TypeAlias = Callable[..., Any]
"""A function of arrays of a framework."""

DATA = ("counts", "global_observables")


@dataclass(frozen=True)
class HostFunction:
    """A number with its gradient with respect to each argument; batches run in threads.

    Items of a batch that have no value are NaN; a single call raises Error.
    """

    evaluate: Callable[..., Sequence[FloatArray]]
    """From rows or vectors to the value and one gradient per argument."""
    sizes: tuple[int, ...]
    """Lengths of the arguments."""

    def __call__(self, *arrays: FloatArray) -> tuple[FloatArray, ...]:
        """Return the value, shape (...), and gradients, shape (..., size)."""
        shape, rows = batch_rows(arrays)
        value, *gradients = self.evaluate(*rows)
        pairs = zip(gradients, self.sizes, strict=True)
        return np.reshape(value, shape), *(np.reshape(g, (*shape, size)) for g, size in pairs)


@dataclass(frozen=True)
class HostFit:
    """Minima and their cotangents, as functions of inputs, counts, global observables and values.

    The values are those of the parameters in `held`; if it is empty, there is no such argument.
    """

    model: Model
    arrays: dict[str, Any]
    """Problem of the fits, see `fit_arrays`."""
    held: tuple[int, ...]
    """Indices of the parameters whose values are an argument."""
    n_threads: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lengths of the arguments."""
        sizes = input_sizes(self.model)
        return (*sizes, len(self.held)) if self.held else sizes

    def forward(self, *arrays: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return minima, shape (..., n_parameters), and -log L there, shape (...)."""
        shape, (*rows, held) = batch_rows(self._complete(arrays))
        batch = make_batch(self.model, None, *rows)
        starts = np.tile(self.arrays["start"], (batch.n, 1))
        starts[:, self.held] = held
        x, value, messages, exception = _diff.fits(
            self.model._core, batch.n, batch.arrays | self.arrays, starts, self.n_threads
        )
        _raise(exception, messages, batch.is_single)
        return x.reshape(*shape, x.shape[-1]), value.reshape(shape)

    def backward(
        self, x: FloatArray, by_x: FloatArray, by_value: FloatArray, *arrays: FloatArray
    ) -> tuple[FloatArray, ...]:
        """Return cotangents of the arguments, shapes (..., size)."""
        shape, (*rows, _) = batch_rows(self._complete(arrays))
        shape = np.broadcast_shapes(shape, x.shape[:-1], by_x.shape[:-1], by_value.shape)
        batch = make_batch(self.model, None, *rows)
        n = int(np.prod(shape, dtype=int))
        size = x.shape[-1]
        first, by_parameter, messages, exception = _diff.pull_back_fits(
            self.model._core,
            n,
            batch.arrays | self.arrays,
            _spread(x, (*shape, size)),
            _spread(by_x, (*shape, size)),
            np.ascontiguousarray(np.broadcast_to(by_value, shape)).reshape(n),
            self.n_threads,
        )
        _raise(exception, messages, not shape)
        gradients = [g for g in first[1:] if g is not None]
        if self.held:
            gradients.append(by_parameter[:, self.held])
        return tuple(np.reshape(g, (*shape, g.shape[-1])) for g in gradients)

    def _complete(self, arrays: Sequence[FloatArray]) -> Sequence[FloatArray]:
        return arrays if self.held else (*arrays, np.empty(0))


def make_objective(
    name: str,
    model: Model,
    options: dict[str, Any],
    data: Data | None = None,
    *,
    observed: bool = False,
) -> HostFunction:
    """Return one of the objectives of `nablafit.diff` as a function of inputs, or also of data."""
    function = getattr(diff, name)
    given = options if data is None else {**options, "data": data}

    def evaluate(inputs: FloatArray, *arrays: FloatArray) -> Sequence[FloatArray]:
        found: Objective = function(
            model, inputs=inputs, **dict(zip(DATA, arrays, strict=False)), **given
        )
        by_data = [getattr(found, member) for member in DATA] if arrays else []
        return found.value, found.inputs, *by_data

    return HostFunction(evaluate, input_sizes(model)[: 3 if observed else 1])


def input_sizes(model: Model) -> tuple[int, int, int]:
    """Return the lengths of inputs, counts and global observables."""
    return model.inputs.size, model.n_bins, len(model.constrained_parameters)


def batch_rows(arrays: Sequence[FloatArray]) -> tuple[tuple[int, ...], list[FloatArray]]:
    """Return the common leading axes, and the arguments as vectors or rows over all of them."""
    arrays = [np.asarray(array, dtype=np.float64) for array in arrays]
    shape = np.broadcast_shapes(*(array.shape[:-1] for array in arrays))
    rows = []
    for index, array in enumerate(arrays):
        size = array.shape[-1]
        alone = array.size == size and (not shape or index > 0)
        rows.append(array.reshape(size) if alone else _spread(array, (*shape, size)))
    return shape, rows


def _spread(array: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    return np.ascontiguousarray(np.broadcast_to(array, shape)).reshape(-1, shape[-1])


def _raise(exception: BaseException | None, messages: list[str], is_single: bool) -> None:
    if exception is not None:
        raise exception
    if is_single and messages[0]:
        raise Error(messages[0])


@dataclass(frozen=True)
class Bridge:
    """The functions that every framework of automatic differentiation gets.

    Each returns a function of the framework's arrays.
    """

    scalar: Callable[[HostFunction], Scalar]
    """Makes a differentiable function of the framework from a number with its gradient."""
    pair: Callable[[HostFit], Scalar]
    """The same for a fit: parameters at the minimum, and -log L there."""

    def expected_uncertainty(self, model: Model, **options: Any) -> Scalar:
        """Return `nablafit.diff.expected_uncertainty` as a function of the inputs.

        Parameters
        ----------
        model : Model
            Model that defines structure and layout of the inputs.
        **options
            As there: poi, at, fixed, n_threads.
        """
        return self.scalar(make_objective("expected_uncertainty", model, options))

    def expected_significance(self, model: Model, **options: Any) -> Scalar:
        """Return `nablafit.diff.expected_significance` as a function of the inputs.

        Parameters
        ----------
        model, **options
            As there: poi, mu, at, bounds, fixed, n_threads.
        """
        return self.scalar(make_objective("expected_significance", model, options))

    def cls(
        self, model: Model, data: Data | None = None, *, observed: bool = False, **options: Any
    ) -> Scalar:
        """Return `nablafit.diff.cls` as a function of the inputs, or also of data.

        Parameters
        ----------
        model : Model
            Model that defines structure and layout of the inputs.
        data : Data, optional
            Data to keep fixed. Without data the function is the CLs expected without signal.
        observed : bool
            Whether the function takes (inputs, counts, global_observables) instead.
        **options
            As there: poi, mu, statistic, nsigma, initial, bounds, fixed, n_threads.
        """
        return self.scalar(make_objective("cls", model, options, data, observed=observed))

    def upper_limit(
        self, model: Model, data: Data | None = None, *, observed: bool = False, **options: Any
    ) -> Scalar:
        """Return `nablafit.diff.upper_limit` as a function of the inputs, or also of data.

        Parameters
        ----------
        model, data, observed
            As in `cls`.
        **options
            As there: poi, level, statistic, nsigma, initial, bounds, fixed, n_threads.
        """
        return self.scalar(make_objective("upper_limit", model, options, data, observed=observed))

    def test_statistic(self, model: Model, **options: Any) -> Scalar:
        """Return `nablafit.diff.test_statistic` of (inputs, counts, global_observables).

        Parameters
        ----------
        model, **options
            As there: poi, mu, statistic, initial, bounds, fixed, n_threads.
        """
        return self.scalar(make_objective("test_statistic", model, options, observed=True))

    def goodness_of_fit(self, model: Model, **options: Any) -> Scalar:
        """Return `nablafit.diff.goodness_of_fit` of (inputs, counts, global_observables).

        Parameters
        ----------
        model, **options
            As there: initial, bounds, fixed, n_threads.
        """
        return self.scalar(make_objective("goodness_of_fit", model, options, observed=True))

    def nll(self, model: Model, *, n_threads: int | None = None) -> Scalar:
        """Return -log L, the whole likelihood, of (x, inputs, counts, global_observables).

        Parameters
        ----------
        model : Model
            Model that defines structure and layout of the inputs.
        n_threads : int, optional
            Number of threads for a batch.
        """
        threads, problem = thread_count(n_threads), fit_arrays(model)

        def evaluate(x: FloatArray, *rest: FloatArray) -> Sequence[FloatArray]:
            batch = make_batch(model, None, *rest)
            n = max(batch.n, len(x) if x.ndim == 2 else 1)
            points = np.ascontiguousarray(np.atleast_2d(x))
            first, by_x, messages, exception = _diff.full_gradients(
                model._core, n, batch.arrays | problem, points, threads
            )
            _raise(exception, messages, batch.is_single and x.ndim == 1)
            value, *gradients = first
            return value, by_x, *(g for g in gradients if g is not None)

        return self.scalar(HostFunction(evaluate, (model.n_parameters, *input_sizes(model))))

    def fit(
        self,
        model: Model,
        *,
        held: Sequence[str] = (),
        initial: ParameterValues | None = None,
        bounds: Bounds | None = None,
        fixed: Fixed | None = None,
        n_threads: int | None = None,
    ) -> Callable[..., tuple[Any, Any]]:
        """Return the fit as a function of (inputs, counts, global_observables), or also of values.

        It gives the parameters at the minimum, shape (..., n_parameters), and -log L there; its
        derivatives are those of `nablafit.diff.fit`.

        Parameters
        ----------
        model : Model
            Model that defines structure and layout of the inputs.
        held : sequence of str
            Parameters fixed at values that are the fourth argument, shape (n_held,); results are
            differentiable with respect to them.
        initial, bounds, fixed : optional
            As in `nablafit.fit`.
        n_threads : int, optional
            Number of threads for a batch.
        """
        indices = tuple(model.index(name) for name in held)
        if len(set(indices)) < len(indices):
            message = f"expected each parameter once, got {list(held)}"
            raise located(ArgumentError, message, "held")
        arrays = fit_arrays(model, initial, bounds, fixed)
        arrays["fixed"] = arrays["fixed"].copy()
        arrays["fixed"][list(indices)] = True
        return self.pair(HostFit(model, arrays, indices, thread_count(n_threads)))
