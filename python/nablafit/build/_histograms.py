"""What users pass as a histogram, as numbers: arrays, NumPy's pairs, and any histogram of UHI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._arrays import FloatArray, float_array
from ..errors import ArgumentError, SpecError, located

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "EDGE_TOLERANCE",
    "Binning",
    "Histogram",
    "HistogramLike",
    "not_negative",
    "read_binning",
    "read_histogram",
    "same_binning",
]

HistogramLike: TypeAlias = Any
"""A histogram of UHI (`values()`, `variances()`, `axes`), a pair of contents and edges as
`np.histogram` returns it, or an array of contents."""

EDGE_TOLERANCE = 1e-6
"""Edges agree if they differ by less than this fraction of the narrowest bin."""
USUAL_NAMES = ("xaxis", "yaxis", "zaxis")


@dataclass(frozen=True)
class Binning:
    """Names and edges of the axes; a name is empty where none is known."""

    names: tuple[str, ...]
    edges: tuple[FloatArray, ...]


@dataclass(frozen=True)
class Histogram:
    """Contents in the order of a channel's bins.

    Parameters
    ----------
    values : array, shape (n_bins,)
        Contents, the last axis fastest; without under- and overflow.
    variances : array, shape (n_bins,), optional
        Their statistical variances, if they are known.
    binning : Binning, optional
        The axes; None for bare numbers.
    """

    values: FloatArray
    variances: FloatArray | None
    binning: Binning | None


def read_histogram(source: HistogramLike, where: str) -> Histogram:
    """Return the numbers of a histogram.

    Parameters
    ----------
    source : histogram, pair or array_like
        See `HistogramLike`.
    where : str
        What it is, for messages.

    Raises
    ------
    ArgumentError
        For something else, and for histograms of means.
    SpecError
        If contents are not finite, or do not match the edges.
    """
    if isinstance(source, Histogram):
        return source
    if callable(getattr(source, "values", None)) and hasattr(source, "axes"):
        try:
            return _from_uhi(source, where)
        except (TypeError, AttributeError, LookupError) as error:
            message = (
                f"found {source!r}, which does not follow UHI's protocol of histograms: {error}"
            )
            raise located(ArgumentError, message, where) from error
    if _is_pair(source):
        values, edges = source
        return _checked(float_array(values, where), None, read_binning(edges, where), where)
    return _checked(float_array(source, where), None, None, where)


def read_binning(edges: ArrayLike | Sequence[ArrayLike], where: str, name: str = "") -> Binning:
    """Return the axes of edges: one array, or a sequence of arrays for several axes."""
    items: Any = edges
    is_listed = isinstance(items, Sequence) or (isinstance(items, np.ndarray) and items.ndim > 0)
    axes = items if is_listed and len(items) and np.ndim(items[0]) == 1 else (items,)
    arrays = tuple(_ascending(float_array(axis, where), where) for axis in axes)
    return Binning((name,) * len(arrays), arrays)


def same_binning(found: Binning, expected: Binning) -> bool:
    """Whether two histograms have the same edges; names may differ."""
    if len(found.edges) != len(expected.edges):
        return False
    return all(
        a.shape == b.shape and bool(np.all(np.abs(a - b) <= EDGE_TOLERANCE * np.diff(b).min()))
        for a, b in zip(found.edges, expected.edges, strict=True)
    )


def _is_pair(source: object) -> bool:
    """Whether this is what `np.histogram` returns: contents, and one edge more."""
    if not isinstance(source, tuple) or len(source) != 2:
        return False
    shapes = [np.shape(item) for item in source]
    return all(len(shape) == 1 for shape in shapes) and shapes[1][0] == shapes[0][0] + 1


def _from_uhi(source: Any, where: str) -> Histogram:  # noqa: ANN401 - of any package
    if str(getattr(source, "kind", "COUNT")).rpartition(".")[2].upper() == "MEAN":
        message = "found a histogram of means (a profile), expected one of counts or weights"
        raise located(ArgumentError, message, where)
    variances = source.variances() if callable(getattr(source, "variances", None)) else None
    names = tuple(_axis_name(axis) for axis in source.axes)
    edges = tuple(_ascending(_axis_edges(axis, where), where) for axis in source.axes)
    values = float_array(source.values(), where)
    if variances is not None:
        variances = float_array(variances, f"{where}, variances")
    return _checked(values, variances, Binning(names, edges), where)


def _axis_name(axis: Any) -> str:  # noqa: ANN401 - of any package
    """Return hist's name, or that of ROOT's axis unless it is the usual one."""
    name = getattr(axis, "name", None)
    return name if isinstance(name, str) and name not in USUAL_NAMES else ""


def _axis_edges(axis: Any, where: str) -> FloatArray:  # noqa: ANN401 - of any package
    """Return edges; categories, which have none, are counted from zero."""
    edges = getattr(axis, "edges", None)
    if edges is not None:
        return float_array(edges() if callable(edges) else edges, f"{where}, edges")
    items = [axis[i] for i in range(len(axis))]
    if any(np.shape(item) != (2,) for item in items):
        return np.arange(len(items) + 1, dtype=np.float64)
    return float_array([items[0][0], *(item[1] for item in items)], f"{where}, edges")


def _ascending(edges: FloatArray, where: str) -> FloatArray:
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0.0):
        message = f"found the edges {_shown(edges)}, expected at least two numbers that ascend"
        raise located(SpecError, message, where)
    if not np.isfinite(edges).all():
        message = (
            f"found the edges {_shown(edges)}, expected finite ones; bins without an end belong "
            "to the overflow, which is left out"
        )
        raise located(SpecError, message, where)
    return edges


def _checked(
    values: FloatArray, variances: FloatArray | None, binning: Binning | None, where: str
) -> Histogram:
    if values.ndim == 0:
        values = values.reshape(1)
    if values.size == 0:
        raise located(SpecError, "found no bins, expected at least one", where)
    if binning is not None:
        expected = tuple(edges.size - 1 for edges in binning.edges)
        if values.shape != expected:
            message = f"found contents of shape {values.shape}, expected {expected} from the edges"
            raise located(SpecError, message, where)
    _all_finite(values, where)
    if variances is not None:
        if variances.shape != values.shape:
            message = f"found shape {variances.shape}, expected that of the contents {values.shape}"
            raise located(SpecError, message, f"{where}, variances")
        _all_finite(variances, f"{where}, variances")
        not_negative(variances, f"{where}, variances")
        variances = np.array(variances, dtype=np.float64).ravel()
    return Histogram(np.array(values, dtype=np.float64).ravel(), variances, binning)


def _all_finite(numbers: FloatArray, where: str) -> None:
    is_finite = np.isfinite(numbers).ravel()
    if not is_finite.all():
        index = int(np.argmin(is_finite))
        message = f"found {numbers.ravel()[index]} in bin {index}, expected finite numbers"
        raise located(SpecError, message, where)


def not_negative(numbers: FloatArray, where: str) -> None:
    """Raise SpecError for negative numbers."""
    if (numbers < 0.0).any():
        index = int(np.argmin(numbers))
        message = f"found {numbers.ravel()[index]:g} in bin {index}, expected none below 0"
        raise located(SpecError, message, where)


def _shown(edges: FloatArray) -> str:
    return np.array2string(edges, threshold=8, separator=", ")
