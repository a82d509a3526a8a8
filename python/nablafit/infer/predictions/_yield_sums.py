"""Which rows, one for each sample in each bin, make up bins, samples and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from ..._arrays import FloatArray
    from ...model import Model

__all__ = ["YieldSums", "row_bins"]


def row_bins(model: Model) -> NDArray[np.intp]:
    """Return the bin of every row: channel by channel, sample by sample, bin by bin."""
    channels = zip(model.spec.channels, model.channel_bins.values(), strict=True)
    parts = [np.tile(np.arange(b.start, b.stop), len(channel.samples)) for channel, b in channels]
    return np.concatenate([np.zeros(0, dtype=np.intp), *parts])


class YieldSums:
    """Matrices of zeros and ones that add rows, or bins, up."""

    def __init__(self, model: Model) -> None:
        channels = model.spec.channels
        n_bins = np.array([channel.n_bins for channel in channels], dtype=np.intp)
        n_samples = np.array([len(channel.samples) for channel in channels], dtype=np.intp)
        n_all = int(n_samples.sum())
        sample_of_row = np.repeat(np.arange(n_all), np.repeat(n_bins, n_samples))
        channel_of_bin = np.repeat(np.arange(n_bins.size), n_bins)
        self._to_bins = _sum_matrix(row_bins(model), model.n_bins)
        self.to_samples = _sum_matrix(sample_of_row, n_all)
        """From rows to the samples of all channels."""
        self.to_channels = _sum_matrix(channel_of_bin, n_bins.size)
        """From bins."""
        floors = [np.nan if c.yield_floor is None else c.yield_floor for c in channels]
        self._floors = np.repeat(np.array(floors, dtype=float), n_bins)

    def bins(self, values: FloatArray, jacobian: csr_array) -> tuple[FloatArray, csr_array]:
        """Add the samples; where the floor of a channel acts, nothing changes the bin."""
        bins, derivatives = self._to_bins @ values, self._to_bins @ jacobian
        floored = bins <= self._floors
        if np.any(floored):
            bins = np.fmax(bins, self._floors)
            derivatives = derivatives.multiply(~floored[:, np.newaxis]).tocsr()
        return bins, derivatives


def _sum_matrix(targets: NDArray[np.intp], n_targets: int) -> csr_array:
    """Return the matrix that adds element i to sum `targets[i]`."""
    from scipy.sparse import csr_array

    n = targets.size
    return csr_array((np.ones(n), (targets, np.arange(n))), shape=(n_targets, n))
