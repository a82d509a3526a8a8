"""Correlations between parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray, index_of
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.text import Page
from ...errors import ArgumentError, located
from ...result import FitResult
from .._common import check_choice
from ._selection import Patterns, select

ORDERS = ("model", "strength", "cluster", "name")
_WIDEST_TABLE = 12  # parameters whose matrix fits on a screen
_LONGEST_LIST = 20


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class CorrelationResult(Record, format="nablafit.CorrelationResult/1"):
    """Correlation matrix of the parameters that matter; frozen.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> print(nf.correlation(result).matrix.round(2))
    [[ 1.   -0.3  -0.47]
     [-0.3   1.    0.14]
     [-0.47  0.14  1.  ]]
    """

    parameters: tuple[str, ...]
    """Those that were kept, in the order of the matrix."""
    matrix: FloatArray
    """Shape (n_parameters, n_parameters), 1 on the diagonal."""
    threshold: float
    """Parameters with a correlation of at least this size with another one are kept."""
    order: str
    """How they are ordered: "model", "strength", "cluster" or "name"."""
    n_pruned: int
    """How many parameters the threshold left out."""
    fit_status: str
    """Status of the fit; without a covariance there are no parameters here."""

    def __len__(self) -> int:
        return len(self.parameters)

    def _columns(self) -> dict[str, Any]:
        return {
            "parameter": self.parameters,
            **dict(zip(self.parameters, self.matrix, strict=True)),
        }

    def __getitem__(self, names: tuple[str, str]) -> float:
        i, j = (index_of(self.parameters, name) for name in names)
        return float(self.matrix[i, j])

    def pairs(self, n: int | None = None) -> tuple[tuple[str, str, float], ...]:
        """Return the `n` (default: all) strongest correlations as (name, name, correlation)."""
        size = len(self.parameters)
        rows, columns = np.triu_indices(size, k=1)
        values = self.matrix.reshape(size, size)[rows, columns]
        strongest = np.argsort(-np.abs(values), kind="stable")[:n]
        return tuple(
            (self.parameters[rows[k]], self.parameters[columns[k]], float(values[k]))
            for k in strongest
        )

    def __repr__(self) -> str:
        if len(self.parameters) <= _WIDEST_TABLE:
            return super().__repr__()
        pairs = self.pairs(_LONGEST_LIST)
        rows = [(first, second, f"{100 * value:+.1f} %") for first, second, value in pairs]
        title = [*self._title(), f"  the {len(rows)} strongest; all are in .matrix"]
        return Page(title, ("parameter", "parameter", "correlation"), rows, "llr").text()

    def _pages(self) -> tuple[Page, ...]:
        return (Page(self._title(), *self._matrix_table()),)

    def _title(self) -> list[str]:
        n = len(self.parameters)
        title = f"Correlations of {n} parameters in % ({self.fit_status})"
        if not self.n_pruned:
            return [title]
        return [title, f"  {self.n_pruned} others stay below {100 * self.threshold:g} %"]

    def _matrix_table(self) -> tuple[Sequence[str], list[Sequence[str]], str]:
        rows: list[Sequence[str]] = [
            (
                str(i + 1),
                name,
                *(f"{round(100 * value) + 0:d}" for value in self.matrix[i].tolist()),
            )
            for i, name in enumerate(self.parameters)
        ]
        numbers = [str(i + 1) for i in range(len(self.parameters))]
        return ("", "parameter", *numbers), rows, "rl" + "r" * len(numbers)


@remembers_origin
def correlation(
    result: FitResult,
    *,
    parameters: Patterns | None = None,
    exclude: Patterns | None = None,
    threshold: float = 0.0,
    order: str = "model",
) -> CorrelationResult:
    """Return the correlation matrix of a fit, without the parameters that do not matter.

    Parameters
    ----------
    result : FitResult
        A fit with a covariance.
    parameters, exclude : str, re.Pattern or iterable of them, optional
        Parameters to keep and to leave out; patterns as in `pulls`. Fixed parameters, and those
        that the fit does not determine, are always left out.
    threshold : float
        Keep the parameters that have a correlation of at least this size with another one that was
        chosen; 0 keeps all.
    order : str
        "model"; "strength", by decreasing size of the largest correlation; "cluster", related ones
        side by side (optimal leaf order of the average linkage of 1 - |correlation|); or "name".

    Returns
    -------
    CorrelationResult
        Empty if the fit gave no covariance.

    Raises
    ------
    ArgumentError
        For a pattern that matches nothing, an unknown order, or a threshold outside [0, 1].

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> model = workspace.model()
    >>> data = workspace.data(model)
    >>> result = nf.correlation(nf.fit(model, data), threshold=0.5)
    >>> len(result.parameters), result.n_pruned
    (7, 82)
    """
    if not 0.0 <= threshold <= 1.0:
        message = f"expected a number from 0 to 1, got {threshold}"
        raise located(ArgumentError, message, "threshold")
    check_choice("order", order, ORDERS)
    names = result.parameters
    omitted = set() if exclude is None else set(select(names, exclude, "exclude"))
    variances = np.diag(np.zeros((len(names),) * 2) if (c := result.covariance) is None else c)
    determined = (variances > 0) & np.isfinite(variances)
    wanted = select(names, parameters, "parameters")
    chosen = [i for i in wanted if determined[i] and i not in omitted]
    matrix = _matrix(result.covariance, chosen)
    return rearranged(
        CorrelationResult(
            parameters=tuple(names[i] for i in chosen),
            matrix=matrix,
            threshold=0.0,
            order="model",
            n_pruned=0,
            fit_status=result.status,
        ),
        threshold=threshold,
        order=order,
    )


def rearranged(
    result: CorrelationResult,
    *,
    parameters: Patterns | None = None,
    n_max: int | None = None,
    threshold: float = 0.0,
    order: str | None = None,
) -> CorrelationResult:
    """Return the part of a matrix that matters, in an order; arguments as in `correlation`.

    Of what is left, `n_max` parameters with the largest correlations are kept. By default the order
    stays as it is.
    """
    chosen = np.array(select(result.parameters, parameters, "parameters"), dtype=np.intp)
    block = result.matrix[np.ix_(chosen, chosen)]
    strength = np.max(np.abs(np.nan_to_num(block - np.eye(len(block)))), axis=1, initial=0.0)
    kept = np.flatnonzero(strength >= threshold)
    if n_max is not None:
        kept = np.sort(kept[np.argsort(-strength[kept], kind="stable")[:n_max]])
    positions = chosen[kept]
    labels = [result.parameters[i] for i in positions]
    matrix = result.matrix[np.ix_(positions, positions)]
    arranged = _arranged(labels, matrix, order or "model")
    return replace(
        result,
        parameters=tuple(labels[i] for i in arranged),
        matrix=matrix[np.ix_(arranged, arranged)],
        threshold=max(threshold, result.threshold),
        order=order or result.order,
        n_pruned=result.n_pruned + len(chosen) - len(kept),
    )


def _matrix(covariance: FloatArray | None, chosen: Sequence[int]) -> FloatArray:
    if covariance is None or not chosen:
        return np.zeros((0, 0))
    block = covariance[np.ix_(chosen, chosen)]
    sigma = np.sqrt(np.diag(block))
    matrix: FloatArray = np.clip(block / np.outer(sigma, sigma), -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _arranged(names: Sequence[str], matrix: FloatArray, order: str) -> NDArray[np.intp]:
    """Return positions in the order that was asked for."""
    if order == "model" or len(names) < 3:
        return np.arange(len(names))
    if order == "name":
        return np.argsort(np.array(names), kind="stable")
    size = np.abs(matrix)
    if order == "strength":
        return np.argsort(-np.max(size - np.eye(len(names)), axis=1), kind="stable")
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distances = squareform(1.0 - size, checks=False)
    leaves = leaves_list(linkage(distances, "average", optimal_ordering=True))
    return np.asarray(leaves, dtype=np.intp)
