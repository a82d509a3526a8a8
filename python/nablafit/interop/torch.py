"""Objectives of nablafit as functions of PyTorch tensors, with exact derivatives.

Every function here returns a function of tensors that `torch.autograd` differentiates once. Tensors
may have leading axes: a batch, whose items run in threads and are NaN where they have no value. A
single evaluation that fails raises. Tensors are float64 on the CPU; others are refused, never
converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, located
from ._host import Bridge, HostFit, HostFunction, Scalar

try:
    import torch
except ImportError as error:
    message = "nablafit.interop.torch needs PyTorch: pip install 'nablafit[torch]'"
    raise ImportError(message) from error

if TYPE_CHECKING:
    from .._arrays import FloatArray
    from ..inputs import Address
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


def assemble(model: Model, parts: Mapping[Address, torch.Tensor]) -> torch.Tensor:
    """Return the inputs of a model with some parts replaced, differentiable with respect to them.

    Parameters
    ----------
    model : Model
        Model that defines addresses and all other inputs.
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


def _fit(host: HostFit) -> Scalar:
    def function(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _check(tensors, host.sizes)
        x, value = _Fit.apply(host, *tensors)
        return x, value

    return function


_bridge = Bridge(_scalar, _fit)
expected_uncertainty = _bridge.expected_uncertainty
expected_significance = _bridge.expected_significance
cls = _bridge.cls
upper_limit = _bridge.upper_limit
test_statistic = _bridge.test_statistic
goodness_of_fit = _bridge.goodness_of_fit
nll = _bridge.nll
fit = _bridge.fit
