"""Relaxed histograms, cuts and choices as differentiable functions of PyTorch tensors.

Histograms are filled by nablafit's C++ on the CPU in float64, with first derivatives in reverse and
forward mode. Cuts and choices are operations of PyTorch, differentiable any number of times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

try:
    import torch
except ImportError as error:
    message = "nablafit.relax.torch needs PyTorch: pip install 'nablafit[torch]'"
    raise ImportError(message) from error

from ._bridge import Array, Bridge, Options
from ._calls import HistogramCall

if TYPE_CHECKING:
    from .._arrays import FloatArray

__all__ = ["cut", "histogram", "where"]

_Context: TypeAlias = Any


def _fill(
    options: Options, values: Array, weights: Array, edges: Array, bandwidth: Array
) -> torch.Tensor:
    x = _tensor(values)
    w = x.new_ones(x.shape[-1:]) if weights is None else _tensor(weights)
    counts: torch.Tensor = _Histogram.apply(x, w, _tensor(edges), _tensor(bandwidth), options)
    return counts


def _tensor(values: Array) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def _select(condition: torch.Tensor, first: Array, second: Array) -> torch.Tensor:
    both = (
        torch.as_tensor(values, dtype=torch.float64, device=condition.device)
        for values in (first, second)
    )
    return torch.where(condition, *both)


def _array(tensor: torch.Tensor) -> FloatArray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy()).reshape(tuple(tensor.shape))


class _Histogram(torch.autograd.Function):
    @staticmethod
    def forward(
        x: torch.Tensor,
        w: torch.Tensor,
        e: torch.Tensor,
        s: torch.Tensor,
        options: Options,
    ) -> torch.Tensor:
        call = HistogramCall.of(options, _array(x), _array(w), _array(e), _array(s))
        return torch.from_numpy(call.counts()).to(x.device)

    @staticmethod
    def setup_context(ctx: _Context, inputs: tuple[Array, ...], output: torch.Tensor) -> None:  # noqa: ARG004
        *arrays, ctx.options = inputs
        ctx.save_for_backward(*arrays)
        ctx.save_for_forward(*arrays)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: _Context, cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        arrays = ctx.saved_tensors
        call = HistogramCall.of(ctx.options, *(_array(array) for array in arrays))
        found = call.vjp(_array(cotangents))
        gradients = (
            torch.from_numpy(np.asarray(gradient)).to(array.device)
            for gradient, array in zip(found, arrays, strict=True)
        )
        return (*gradients, None)

    @staticmethod
    def jvp(ctx: _Context, *directions: torch.Tensor | None) -> torch.Tensor:
        arrays = ctx.saved_tensors
        call = HistogramCall.of(ctx.options, *(_array(array) for array in arrays))
        along = [None if d is None else _array(d) for d in directions[:4]]
        return torch.from_numpy(call.jvp(*along)).to(arrays[0].device)


_bridge = Bridge(_fill, _tensor, _select, torch.sigmoid, torch.special.ndtr)
histogram = _bridge.histogram
cut = _bridge.cut
where = _bridge.where
