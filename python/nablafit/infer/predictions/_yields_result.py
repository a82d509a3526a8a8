"""Results of `nablafit.yields`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._arrays import FloatArray, nearest
from ..._results.record import Record
from ...errors import ArgumentError, located
from . import _tables as tables

__all__ = ["ChannelYields", "YieldsResult"]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ChannelYields(Record):
    """Expected and observed events of one channel; frozen. All numbers are in events.

    Errors are standard deviations from the covariance of the parameters, with all correlations:
    those of sums are not sums of squares. They are infinite where the fit leaves a yield
    undetermined, NaN where there is no covariance.
    """

    name: str
    samples: tuple[str, ...]
    by_sample: FloatArray
    """Expected events, shape (n_samples, n_bins)."""
    by_sample_errors: FloatArray
    by_bin: FloatArray
    """Expected events of all samples together, shape (n_bins,); at least the channel's floor."""
    by_bin_errors: FloatArray
    sample_totals: FloatArray
    """Expected events of all bins together, shape (n_samples,)."""
    sample_total_errors: FloatArray
    total: float
    """Expected events of the channel."""
    total_error: float
    observed: FloatArray | None
    """Observed events, shape (n_bins,); None if no data were given."""
    axis: str
    """Name of the observable; empty if the model has none, or several, for this channel."""
    edges: FloatArray | None
    """Borders of the bins in units of the observable, shape (n_bins + 1,); None without `axis`."""

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.by_bin)

    @property
    def observed_total(self) -> float:
        """Observed events of the channel; NaN if no data were given."""
        return float("nan") if self.observed is None else float(np.sum(self.observed))

    @property
    def ratio(self) -> FloatArray | None:
        """Observed / expected per bin, shape (n_bins,); NaN for 0 / 0; None without data."""
        return None if self.observed is None else _divide(self.observed, self.by_bin)

    @property
    def ratio_errors(self) -> FloatArray:
        """Relative error of the expectation per bin: the band around 1 in a plot of the ratio."""
        return _divide(self.by_bin_errors, self.by_bin)

    def __repr__(self) -> str:
        return tables.channel_text(self)

    def _repr_html_(self) -> str:
        return tables.channel_html(self)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class YieldsResult(Record, format="nablafit.YieldsResult/1"):
    """Expected events of a model at a point, with uncertainty bands; frozen.

    `result["SR"]` is the `ChannelYields` of one channel.
    """

    kind: str
    """"prefit": initial values, constraint widths; "postfit": values and covariance of a fit."""
    model: str
    """Name of the model."""
    message: str
    """What to know about the bands, in sentences; empty if there is nothing."""
    parameters: tuple[str, ...]
    x: FloatArray
    """Parameter values that the yields belong to, shape (n_parameters,)."""
    errors: FloatArray
    """Standard deviations of the parameters that the bands come from, shape (n_parameters,)."""
    channels: tuple[ChannelYields, ...]
    total: float
    """Expected events of all channels together."""
    total_error: float
    bin_covariance: FloatArray | None = None
    """Covariance of the expected events of all bins, shape (n_bins, n_bins), bins channel by
    channel; None if not asked for."""

    def __getitem__(self, channel: str) -> ChannelYields:
        for found in self.channels:
            if found.name == channel:
                return found
        names = [found.name for found in self.channels]
        raise located(ArgumentError, f"unknown channel{nearest(channel, names)}", channel)

    def __repr__(self) -> str:
        return tables.result_text(self)

    def _repr_html_(self) -> str:
        return tables.result_html(self)

    def to_text(self, *, by: str = "bin") -> str:
        """Return a plain table: `by` "channel" (totals) or "bin"."""
        return tables.to_text(self, by)

    def to_csv(self, *, by: str = "bin") -> str:
        """Return comma-separated values with a header, numbers at full precision.

        One line per channel, sample and bin; the sample "total" is the sum of all samples, "data"
        what was observed. With `by="channel"`, bins of a channel are summed.
        """
        return tables.to_csv(self, by)

    def to_latex(self, *, by: str = "channel") -> str:
        """Return a LaTeX `tabular` with one column per channel or bin."""
        return tables.to_latex(self, by)


def _divide(above: FloatArray, below: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: FloatArray = above / below
    return result
