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

from .._arrays import thread_count
from ..errors import ArgumentError, located
from ._calls import HistogramCall

if TYPE_CHECKING:
    from .._arrays import FloatArray
    from ._cut import Keep
    from ._histogram import Kernel, Outside

__all__ = ["cut", "histogram", "where"]

_Numbers: TypeAlias = Any
"""Whatever PyTorch makes a tensor of."""
_Context: TypeAlias = Any


def histogram(
    values: _Numbers,
    edges: _Numbers,
    bandwidth: _Numbers,
    *,
    weights: _Numbers = None,
    kernel: Kernel = "gaussian",
    outside: Outside = "drop",
    n_threads: int | None = None,
) -> torch.Tensor:
    """Fill histograms with spread events; arguments as for `nablafit.relax.histogram`.

    Returns
    -------
    torch.Tensor
        Counts in float64, shape (n_bins,) or (n_histograms, n_bins), differentiable in values,
        weights, edges and bandwidth.

    Raises
    ------
    ArgumentError
        If shapes do not fit, numbers are not finite, edges do not increase, or a bandwidth is
        negative.
    """
    x = _tensor(values)
    w = x.new_ones(x.shape[-1:]) if weights is None else _tensor(weights)
    options = (kernel, outside, thread_count(n_threads))
    counts: torch.Tensor = _Histogram.apply(x, w, _tensor(edges), _tensor(bandwidth), options)
    return counts


def cut(
    values: _Numbers,
    threshold: _Numbers,
    width: _Numbers,
    *,
    keep: Keep = "above",
    kernel: Kernel = "logistic",
) -> torch.Tensor:
    """Return the weights with which events pass; arguments as for `nablafit.relax.cut`.

    Raises
    ------
    ArgumentError
        If `keep` or `kernel` has another value than those.
    """
    if keep not in ("above", "below"):
        raise located(ArgumentError, f"expected 'above' or 'below', got {keep!r}", "keep")
    if kernel not in ("gaussian", "logistic"):
        raise located(ArgumentError, f"expected 'gaussian' or 'logistic', got {kernel!r}", "kernel")
    distance = _tensor(values) - _tensor(threshold)
    scale = _tensor(width)
    soft = scale > 0
    z = distance / torch.where(soft, scale, torch.ones_like(scale))
    step = torch.sigmoid(z) if kernel == "logistic" else torch.special.ndtr(z)
    passed = torch.where(soft, step, (distance >= 0).to(torch.float64))
    return passed if keep == "above" else 1.0 - passed


def where(
    values: _Numbers,
    threshold: _Numbers,
    width: _Numbers,
    above: _Numbers,
    below: _Numbers,
    *,
    kernel: Kernel = "logistic",
) -> torch.Tensor:
    """Mix two results by how far a value passes; arguments as for `nablafit.relax.where`."""
    share = cut(values, threshold, width, kernel=kernel)
    return share * _tensor(above) + (1.0 - share) * _tensor(below)


def _tensor(values: _Numbers) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def _array(tensor: torch.Tensor) -> FloatArray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy()).reshape(tuple(tensor.shape))


class _Histogram(torch.autograd.Function):
    @staticmethod
    def forward(
        x: torch.Tensor,
        w: torch.Tensor,
        e: torch.Tensor,
        s: torch.Tensor,
        options: tuple[str, str, int],
    ) -> torch.Tensor:
        call = HistogramCall.of(options, _array(x), _array(w), _array(e), _array(s))
        return torch.from_numpy(call.counts()).to(x.device)

    @staticmethod
    def setup_context(ctx: _Context, inputs: tuple[_Numbers, ...], output: torch.Tensor) -> None:  # noqa: ARG004
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
