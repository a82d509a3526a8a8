"""Histograms of events that are spread over bins."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from .._arrays import FloatArray, float_array, thread_count
from .._results.record import Record
from .._results.text import Page
from ._calls import Gradients, HistogramCall, exactly

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Kernel: TypeAlias = Literal["gaussian", "logistic"]
Outside: TypeAlias = Literal["separate", "fold", "drop"]

_SHOWN_HISTOGRAMS = 6


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class HistogramGradients(Gradients):
    """Derivatives of a function of histograms, each in the shape of the argument; frozen.

    Examples
    --------
    >>> from nablafit import relax
    >>> spread = relax.histogram([0.9, 1.2], [0.0, 1.0, 2.0], bandwidth=0.2)
    >>> gradients = spread.vjp([1.0, 0.0])
    >>> gradients.values.shape, gradients.edges.shape
    ((2,), (3,))
    """

    values: FloatArray
    weights: FloatArray
    edges: FloatArray
    bandwidth: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SoftHistogram(Record, format="nablafit.SoftHistogram/1"):
    """One histogram of spread events, or a batch of them, and its derivatives; frozen.

    Examples
    --------
    >>> from nablafit import relax
    >>> spread = relax.histogram([0.9, 1.2], [0.0, 1.0, 2.0], bandwidth=0.2)
    >>> print(spread.counts.round(3), spread.kernel)
    [0.85 1.15] gaussian
    """

    counts: FloatArray
    """Sums of weights, shape (n_bins,) or (n_histograms, n_bins)."""
    values: FloatArray
    """Where the events are, shape (n_events,) or (n_histograms, n_events)."""
    weights: FloatArray
    """Their weights, shape (n_events,) or (n_histograms, n_events)."""
    edges: FloatArray
    """Edges of the bins, shape (n_edges,), in units of the values."""
    bandwidth: FloatArray
    """Width of the kernel, shape () or (n_events,), in units of the values."""
    kernel: Kernel
    outside: Outside
    n_threads: int
    """Threads to use; 0 for as many as the process may use."""

    def vjp(self, cotangents: ArrayLike) -> HistogramGradients:
        """Return the derivatives of sum(cotangents * counts).

        Parameters
        ----------
        cotangents
            Derivatives of a function with respect to `counts`, in its shape.

        Returns
        -------
        HistogramGradients
            Exact derivatives with respect to values, weights, edges and bandwidth. For events whose
            bandwidth is 0 all but those with respect to weights are 0: their value almost
            everywhere.

        Raises
        ------
        ArgumentError
            If the shape is different.
        """
        rows = exactly(cotangents, self.counts.shape, "cotangents")
        values, weights, edges, bandwidth = self._call().vjp(rows)
        return HistogramGradients(values=values, weights=weights, edges=edges, bandwidth=bandwidth)

    def jvp(
        self,
        *,
        values: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        edges: ArrayLike | None = None,
        bandwidth: ArrayLike | None = None,
    ) -> FloatArray:
        """Return the derivative of `counts` along a direction, in the shape of `counts`.

        Parameters
        ----------
        values, weights, edges, bandwidth
            Change of each, in its shape; a number is the same change of all its entries, and what
            is left out does not change.

        Raises
        ------
        ArgumentError
            If a shape is different.
        """

        def direction(change: ArrayLike | None, name: str) -> FloatArray | None:
            if change is None:
                return None
            return exactly(change, getattr(self, name).shape, name)

        return self._call().jvp(
            direction(values, "values"),
            direction(weights, "weights"),
            direction(edges, "edges"),
            direction(bandwidth, "bandwidth"),
        )

    def _call(self) -> HistogramCall:
        options = (self.kernel, self.outside, self.n_threads)
        return HistogramCall.of(options, self.values, self.weights, self.edges, self.bandwidth)

    def _pages(self) -> tuple[Page, ...]:
        header, rows = self.table()
        return (Page([self._head()], header, rows, "r" * len(header), valid=True),)

    def _head(self) -> str:
        widths = self.bandwidth
        span = f"{widths.min():.6g}" if widths.size else "none"
        if widths.size and widths.max() > widths.min():
            span += f" to {widths.max():.6g}"
        n = self.counts.size // self.counts.shape[-1]
        which = "Histogram" if n == 1 else f"{n} histograms"
        events = f"{self.weights.shape[-1]} events"
        return f"{which} of {events}, {self.kernel} kernel, bandwidth {span}"

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return header and rows: edges of each bin and the counts of up to six histograms."""
        edges = [f"{edge:.6g}" for edge in self.edges.tolist()]
        bins = list(pairwise(edges))
        if self.outside == "separate":
            bins = [("", edges[0]), *bins, (edges[-1], "")]
        shown = self.counts.reshape(-1, len(bins))[:_SHOWN_HISTOGRAMS]
        names = ("counts",) if len(shown) == 1 else tuple(f"counts[{i}]" for i in range(len(shown)))
        rows = [
            (low, high, *(f"{count:.6g}" for count in column))
            for (low, high), column in zip(bins, shown.T.tolist(), strict=True)
        ]
        return ("from", "to", *names), rows


def histogram(
    values: ArrayLike,
    edges: ArrayLike,
    bandwidth: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    kernel: Kernel = "gaussian",
    outside: Outside = "drop",
    n_threads: int | None = None,
) -> SoftHistogram:
    """Fill histograms with events that a kernel spreads over bins.

    An event at x with weight w adds w [C((b - x)/s) - C((a - x)/s)] to the bin from a to b, where C
    is the cumulative distribution of the kernel and s the bandwidth: the binned form of a kernel
    density estimate. Including underflow and overflow, every event adds exactly its weight. With
    s = 0 this is `numpy.histogram`.

    Parameters
    ----------
    values
        Shape (n_events,), or (n_histograms, n_events) for histograms of different values.
    edges
        Shape (n_edges,), increasing, in units of the values.
    bandwidth
        Width of the kernel, not negative, in units of the values: a number, or one per event of
        shape (n_events,).
    weights
        Shape (n_events,), or (n_histograms, n_events) for as many histograms of the same events,
        which are spread once for all of them. Default: 1.
    kernel
        "gaussian" (standard deviation s), or "logistic" (scale s, standard deviation 1.81 s).
    outside
        What lies beyond the outer edges gets bins of its own ("separate": underflow first, overflow
        last), is added to the first and last bin ("fold"), or is left out ("drop").
    n_threads
        Default: NABLAFIT_NUM_THREADS, else all processors. The result does not depend on it.

    Returns
    -------
    SoftHistogram
        With `counts`, and `vjp` and `jvp` for its derivatives.

    Raises
    ------
    ArgumentError
        If shapes do not fit, numbers are not finite, edges do not increase, or a bandwidth is
        negative.

    Examples
    --------
    >>> from nablafit import relax
    >>> spread = relax.histogram([0.9, 1.2, 2.5], [0.0, 1.0, 2.0, 3.0], bandwidth=0.2)
    >>> print(spread.counts.round(3))
    [0.85  1.156 0.988]
    >>> print(spread.vjp([1.0, 0.0, 0.0]).values.round(3))
    [-1.76 -1.21 -0.  ]
    """
    places = np.array(float_array(values, "values"))
    given = np.ones(places.shape[-1:]) if weights is None else float_array(weights, "weights")
    given, borders = np.array(given), np.array(float_array(edges, "edges"))
    widths = np.array(float_array(bandwidth, "bandwidth"))
    options = (kernel, outside, thread_count(n_threads))
    return SoftHistogram(
        counts=HistogramCall.of(options, places, given, borders, widths).counts(),
        values=places,
        weights=given,
        edges=borders,
        bandwidth=widths,
        kernel=kernel,
        outside=outside,
        n_threads=thread_count(n_threads),
    )
