"""What is the same for JAX and PyTorch: histograms, cuts and choices of their arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._arrays import thread_count
from ..errors import ArgumentError, located
from ._cut import Keep, check_keep
from ._histogram import Kernel, Outside

Array: TypeAlias = Any
"""An array of a framework, or what it makes one of."""
Options: TypeAlias = tuple[str, str, int]
"""Kernel, treatment of what is outside, number of threads."""


@dataclass(frozen=True)
class Bridge:
    """Functions of the arrays of one framework of automatic differentiation."""

    fill: Callable[[Options, Array, Array, Array, Array], Array]
    """Fills histograms with values and weights, given edges and bandwidth."""
    array: Callable[[Array], Array]
    select: Callable[[Array, Array, Array], Array]
    sigmoid: Callable[[Array], Array]
    normal_cdf: Callable[[Array], Array]

    def histogram(
        self,
        values: Array,
        edges: Array,
        bandwidth: Array,
        *,
        weights: Array = None,
        kernel: Kernel = "gaussian",
        outside: Outside = "drop",
        n_threads: int | None = None,
    ) -> Array:
        """Fill histograms with spread events; arguments as for `nablafit.relax.histogram`.

        Returns
        -------
        array of the framework
            Counts in float64, shape (n_bins,) or (n_histograms, n_bins), differentiable with
            respect to values, weights, edges and bandwidth.

        Raises
        ------
        ArgumentError
            If shapes do not fit, numbers are not finite, edges do not increase, or a bandwidth is
            negative; with JAX also if float64 is not enabled. JAX checks numbers when the call
            runs: under `jit` it raises an error of its own with that message in it.
        """
        options = (kernel, outside, thread_count(n_threads))
        return self.fill(options, values, weights, edges, bandwidth)

    def cut(
        self,
        values: Array,
        threshold: Array,
        width: Array,
        *,
        keep: Keep = "above",
        kernel: Kernel = "logistic",
    ) -> Array:
        """Return the weights with which events pass; arguments as for `nablafit.relax.cut`.

        Raises
        ------
        ArgumentError
            If `keep` or `kernel` has another value than those.
        """
        check_keep(keep)
        if kernel not in ("gaussian", "logistic"):
            message = f"expected 'gaussian' or 'logistic', got {kernel!r}"
            raise located(ArgumentError, message, "kernel")
        distance = self.array(values) - self.array(threshold)
        scale = self.array(width)
        soft = scale > 0
        z = distance / self.select(soft, scale, 1.0)
        step = self.sigmoid(z) if kernel == "logistic" else self.normal_cdf(z)
        passed = self.select(soft, step, self.select(distance >= 0, 1.0, 0.0))
        return passed if keep == "above" else 1.0 - passed

    def where(
        self,
        values: Array,
        threshold: Array,
        width: Array,
        above: Array,
        below: Array,
        *,
        kernel: Kernel = "logistic",
    ) -> Array:
        """Mix two results by how far a value passes; arguments as for `nablafit.relax.where`."""
        share = self.cut(values, threshold, width, kernel=kernel)
        return share * self.array(above) + (1.0 - share) * self.array(below)
