"""Variances of many linear functions of the parameters at once: diag(J C J^T)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from ..._arrays import FloatArray

__all__ = ["covariance_matrix", "diagonal_variances", "variances"]

# Numbers of one dense matrix at a time: 32 MB.
_BLOCK = 4_000_000
# Columns with fewer entries than this fraction of the rows are multiplied as sparse ones.
_DENSE = 0.2


def variances(jacobian: csr_array, covariance: FloatArray) -> FloatArray:
    """Return the variance of every row of `jacobian`, with all correlations.

    Parameters
    ----------
    jacobian : csr_array, shape (n_rows, n_parameters)
        Derivatives of the functions.
    covariance : array, shape (n_parameters, n_parameters)
        Symmetric; a variance that is not finite stands for a parameter that nothing determines.

    Returns
    -------
    array, shape (n_rows,)
        J C J^T, diagonal. Infinite exactly for the rows that an undetermined parameter changes.
    """
    undetermined = ~np.isfinite(np.diag(covariance))
    if np.any(undetermined):
        covariance = np.where(undetermined | undetermined[:, np.newaxis], 0.0, covariance)
    step = max(1, _BLOCK // max(1, covariance.shape[0]))
    starts = range(0, jacobian.shape[0], step)
    blocks = [_block_variances(jacobian[i : i + step], covariance) for i in starts]
    return _mark(np.concatenate([np.zeros(0), *blocks]), jacobian, undetermined)


def diagonal_variances(jacobian: csr_array, errors: FloatArray) -> FloatArray:
    """Return the same for uncorrelated parameters with standard deviations `errors`."""
    undetermined = ~np.isfinite(errors)
    squares = np.where(undetermined, 0.0, errors) ** 2
    return _mark(jacobian.power(2) @ squares, jacobian, undetermined)


def covariance_matrix(jacobian: csr_array, covariance: FloatArray) -> FloatArray:
    """Return J C J^T; NaN for pairs with a row that an undetermined parameter changes."""
    undetermined = ~np.isfinite(np.diag(covariance))
    finite = np.where(undetermined | undetermined[:, np.newaxis], 0.0, covariance)
    result: FloatArray = jacobian @ (jacobian @ finite).T
    infinite = _depends_on(jacobian, undetermined)
    result[infinite] = np.nan
    result[:, infinite] = np.nan
    result[infinite, infinite] = np.inf
    return 0.5 * (result + result.T)


def _block_variances(jacobian: csr_array, covariance: FloatArray) -> FloatArray:
    """Split columns into dense ones, for matrix products, and sparse ones, such as gammas."""
    n_rows, n_columns = jacobian.shape
    counts = np.bincount(jacobian.indices, minlength=n_columns)
    dense = np.flatnonzero(counts > _DENSE * n_rows)
    sparse = np.flatnonzero((counts > 0) & (counts <= _DENSE * n_rows))
    thick = jacobian[:, dense].toarray() if dense.size else np.zeros((n_rows, 0))
    product = thick @ covariance[np.ix_(dense, dense)]
    result = np.zeros(n_rows)
    if sparse.size:
        thin = jacobian[:, sparse]
        product += 2.0 * (thin @ covariance[np.ix_(sparse, dense)])
        products = thin.multiply(thin @ covariance[np.ix_(sparse, sparse)])
        result += products @ np.ones(sparse.size)
    result += np.einsum("ij,ij->i", thick, product)
    return result


def _mark(result: FloatArray, jacobian: csr_array, undetermined: NDArray[np.bool_]) -> FloatArray:
    """Clear negative rounding, and make infinite what depends on an undetermined parameter."""
    result = np.maximum(result, 0.0)
    if np.any(undetermined):
        result[_depends_on(jacobian, undetermined)] = np.inf
    return result


def _depends_on(jacobian: csr_array, parameters: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which rows have a derivative that is not zero with respect to any of `parameters`."""
    dependent: NDArray[np.bool_] = abs(jacobian) @ parameters.astype(float) > 0
    return dependent
