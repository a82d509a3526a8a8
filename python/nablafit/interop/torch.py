"""Objectives of nablafit as functions of PyTorch tensors, with exact derivatives.

Every function here returns a function of tensors that `torch.autograd` differentiates once. Tensors
may have leading axes: a batch, whose items run in threads and are NaN where they have no value. A
single evaluation that fails raises. Tensors are float64 on the CPU; others are refused, never
converted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import ArgumentError, located
from ._host import HostFit, HostFunction, make_fit, make_nll, make_objective

try:
    import torch
except ImportError as error:
    message = "nablafit.interop.torch needs PyTorch: pip install 'nablafit[torch]'"
    raise ImportError(message) from error

if TYPE_CHECKING:
    from .._arrays import FloatArray, ParameterValues
    from ..data import Data
    from ..inputs import Address
    from ..minimizers.problem import Bounds, Fixed
    from ..model import Model

__all__ = [
    "assemble",
    "cls",
    "expected_significance",
    "expected_uncertainty",
    "fit",
    "goodness_of_fit",
    "nll",
    "test_statistic",
    "upper_limit",
]

Scalar: TypeAlias = Callable[..., torch.Tensor]


def assemble(model: Model, parts: Mapping[Address, torch.Tensor]) -> torch.Tensor:
    """Return the inputs of a model with some parts replaced, differentiable by these.

    Parameters
    ----------
    model : Model
        Where addresses and all other inputs come from.
    parts : mapping
        Tensors by address, see `nablafit.InputLayout`; a scalar fills its block.

    Returns
    -------
    Tensor, shape (n_inputs,)
    """
    layout = model.inputs
    pieces = {address: torch.tensor(values) for address, values in layout.to_dict().items()}
    for address, values in parts.items():
        where = layout[address]
        _require_exact(values, repr(address))
        pieces[address] = values.expand(where.stop - where.start)
    return torch.cat([pieces[address] for address in layout.addresses])


def expected_uncertainty(model: Model, **options: Any) -> Scalar:
    """Return `nablafit.diff.expected_uncertainty` as a function of the inputs.

    Parameters
    ----------
    model : Model
        Gives structure and layout.
    **options
        As there: poi, at, fixed, n_threads.
    """
    return _objective("expected_uncertainty", model, None, has_data=False, options=options)


def expected_significance(model: Model, **options: Any) -> Scalar:
    """Return `nablafit.diff.expected_significance` as a function of the inputs.

    Parameters
    ----------
    model, **options
        As there: poi, mu, at, bounds, fixed, n_threads.
    """
    return _objective("expected_significance", model, None, has_data=False, options=options)


def cls(
    model: Model, data: Data | None = None, *, observed: bool = False, **options: Any
) -> Scalar:
    """Return `nablafit.diff.cls` as a function of the inputs, or also of data.

    Parameters
    ----------
    model : Model
        Gives structure and layout.
    data : Data, optional
        Held. Without data the function is the CLs expected without signal.
    observed : bool
        Make a function of (inputs, counts, global_observables) instead.
    **options
        As there: poi, mu, statistic, nsigma, initial, bounds, fixed, n_threads.
    """
    return _objective("cls", model, data, has_data=observed, options=options)


def upper_limit(
    model: Model, data: Data | None = None, *, observed: bool = False, **options: Any
) -> Scalar:
    """Return `nablafit.diff.upper_limit` as a function of the inputs, or also of data.

    Parameters
    ----------
    model, data, observed
        As in `cls`.
    **options
        As there: poi, level, statistic, nsigma, initial, bounds, fixed, n_threads.
    """
    return _objective("upper_limit", model, data, has_data=observed, options=options)


def test_statistic(model: Model, **options: Any) -> Scalar:
    """Return `nablafit.diff.test_statistic` of (inputs, counts, global_observables).

    Parameters
    ----------
    model, **options
        As there: poi, mu, statistic, initial, bounds, fixed, n_threads.
    """
    return _objective("test_statistic", model, None, has_data=True, options=options)


def goodness_of_fit(model: Model, **options: Any) -> Scalar:
    """Return `nablafit.diff.goodness_of_fit` of (inputs, counts, global_observables).

    Parameters
    ----------
    model, **options
        As there: initial, bounds, fixed, n_threads.
    """
    return _objective("goodness_of_fit", model, None, has_data=True, options=options)


def nll(model: Model, *, n_threads: int | None = None) -> Scalar:
    """Return -log L, the whole likelihood, of (x, inputs, counts, global_observables).

    Parameters
    ----------
    model : Model
        Gives structure and layout.
    n_threads : int, optional
        Of a batch.
    """
    return _scalar(make_nll(model, n_threads))


def fit(
    model: Model,
    *,
    held: Sequence[str] = (),
    initial: ParameterValues | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    n_threads: int | None = None,
) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Return the fit as a function of (inputs, counts, global_observables), or also of values.

    It gives the parameters at the minimum, shape (..., n_parameters), and -log L there; its
    derivatives are those of `nablafit.diff.fit`.

    Parameters
    ----------
    model : Model
        Gives structure and layout.
    held : sequence of str
        Parameters that are fixed at values which are a fourth argument, shape (n_held,): what is
        profiled at them is differentiable by them.
    initial, bounds, fixed : optional
        As in `nablafit.fit`.
    n_threads : int, optional
        Of a batch.
    """
    host = make_fit(
        model, held=held, initial=initial, bounds=bounds, fixed=fixed, n_threads=n_threads
    )

    def function(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _check(tensors, host.sizes)
        x, value = _Fit.apply(host, *tensors)
        return x, value

    return function


class _Value(torch.autograd.Function):
    """A number whose gradient comes with it."""

    @staticmethod
    def forward(ctx: Any, host: HostFunction, *tensors: torch.Tensor) -> torch.Tensor:
        value, *gradients = host(*(_array(tensor) for tensor in tensors))
        ctx.save_for_backward(*(torch.from_numpy(gradient) for gradient in gradients))
        ctx.shapes = [tensor.shape for tensor in tensors]
        return torch.from_numpy(np.array(value))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: torch.Tensor) -> Any:
        column = cotangent.unsqueeze(-1)
        pairs = zip(ctx.saved_tensors, ctx.shapes, strict=True)
        return None, *((column * gradient).sum_to_size(shape) for gradient, shape in pairs)


class _Fit(torch.autograd.Function):
    """A minimum, differentiated implicitly."""

    @staticmethod
    def forward(ctx: Any, host: HostFit, *tensors: torch.Tensor) -> Any:
        x, value = host.forward(*(_array(tensor) for tensor in tensors))
        ctx.host = host
        point = torch.from_numpy(np.array(x))
        ctx.save_for_backward(point, *tensors)
        return point, torch.from_numpy(np.array(value))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_x: torch.Tensor, by_value: torch.Tensor) -> Any:
        x, *tensors = ctx.saved_tensors
        arrays = [_array(tensor) for tensor in (x, by_x, by_value, *tensors)]
        pairs = zip(ctx.host.backward(*arrays), tensors, strict=True)
        return None, *(torch.from_numpy(g).sum_to_size(tensor.shape) for g, tensor in pairs)


def _objective(
    name: str, model: Model, data: Data | None, *, has_data: bool, options: dict[str, Any]
) -> Scalar:
    return _scalar(make_objective(name, model, data=data, has_data=has_data, options=options))


def _scalar(host: HostFunction) -> Scalar:
    def function(*tensors: torch.Tensor) -> torch.Tensor:
        _check(tensors, host.sizes)
        result: torch.Tensor = _Value.apply(host, *tensors)
        return result

    return function


def _array(tensor: torch.Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().numpy()
    return array


def _check(tensors: tuple[torch.Tensor, ...], sizes: tuple[int, ...]) -> None:
    if len(tensors) != len(sizes):
        raise located(ArgumentError, f"expected {len(sizes)}, got {len(tensors)}", "arguments")
    for number, (tensor, size) in enumerate(zip(tensors, sizes, strict=True)):
        _require_exact(tensor, f"argument {number}")
        if tensor.ndim == 0 or tensor.shape[-1] != size:
            message = f"expected shape (..., {size}), got {tuple(tensor.shape)}"
            raise located(ArgumentError, message, f"argument {number}")


def _require_exact(tensor: torch.Tensor, name: str) -> None:
    if not isinstance(tensor, torch.Tensor):
        message = f"expected a tensor, got {type(tensor).__name__}"
        raise located(ArgumentError, message, name)
    if tensor.dtype != torch.float64 or tensor.device.type != "cpu":
        message = f"expected float64 on the CPU, got {tensor.dtype} on {tensor.device}"
        raise located(ArgumentError, f'{message}; convert with .to("cpu", torch.float64)', name)
