"""Expected events with uncertainty bands, before and after a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ArgumentError, located
from ._bands import covariance_matrix, diagonal_variances, variances
from ._yields_result import ChannelYields, YieldsResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scipy.sparse import csr_array

    from .._arrays import FloatArray
    from ..data import Data
    from ..model import Model
    from ..result import FitResult
    from ..spec import Channel

__all__ = ["ChannelYields", "YieldsResult", "yields"]

_MOST_NAMES = 5


@dataclass(frozen=True)
class _Point:
    """Where yields are computed, and how far parameters move from there."""

    kind: str
    x: FloatArray
    errors: FloatArray
    covariance: FloatArray | None
    """None: parameters are uncorrelated."""
    message: str


@dataclass(frozen=True)
class _Estimates:
    """Values and errors of the rows and of all their sums."""

    rows: tuple[FloatArray, FloatArray]
    bins: tuple[FloatArray, FloatArray]
    samples: tuple[FloatArray, FloatArray]
    channels: tuple[FloatArray, FloatArray]
    total: tuple[FloatArray, FloatArray]


def yields(
    model: Model,
    result: FitResult | None = None,
    *,
    data: Data | None = None,
    bin_covariance: bool = False,
) -> YieldsResult:
    """Return expected events per channel, sample and bin, and of their sums, with errors.

    Parameters
    ----------
    model : Model
        The model.
    result : FitResult, optional
        Post-fit: values and covariance of this fit, of this model or of one with the same
        parameters, such as a control-region fit carried over. Without it pre-fit: the initial
        values; the errors are the widths of the constraint terms, without correlations, and zero
        for fixed parameters and those without a term.
    data : Data, optional
        Observed counts to show; pre-fit also the global observables that Poisson and gamma terms
        take their widths from, by default those stored with the model.
    bin_covariance : bool
        Keep the covariance of all bins too.

    Returns
    -------
    YieldsResult
        Errors are sqrt(diag(J C J^T)): J are the exact derivatives of the yields at that point,
        C is the covariance of the parameters. To first order in the parameters' errors, as usual.

    Raises
    ------
    ArgumentError
        If the result has other parameters than the model, or the data another number of bins.
    """
    point = _prefit(model, data) if result is None else _postfit(model, result)
    observed = None if data is None else _counts(model, data)
    sums = _Sums(model)
    estimates, bins = sums.estimates(model, point)
    return YieldsResult(
        kind=point.kind,
        model=model.spec.name,
        message=point.message,
        parameters=model.parameters,
        x=point.x,
        errors=point.errors,
        channels=tuple(_channels(model, estimates, observed)),
        total=float(estimates.total[0][0]),
        total_error=float(estimates.total[1][0]),
        bin_covariance=_covariance(bins, point) if bin_covariance else None,
    )


# --- where ---------------------------------------------------------------------------------------


def _prefit(model: Model, data: Data | None) -> _Point:
    _, widths = model.prefit(data)
    constrained = np.zeros(model.n_parameters, dtype=bool)
    constrained[[model.index(name) for name in model.constrained_parameters]] = True
    errors = np.where(np.isnan(widths) & constrained, np.inf, np.nan_to_num(widths, nan=0.0))
    errors = np.where(model.fixed, 0.0, errors)
    names = [model.parameters[i] for i in np.flatnonzero(np.isinf(errors))]
    message = (
        f"The constraint terms of {_listed(names)} have no width, because nothing was observed "
        "there: errors of the yields that they change are infinite."
    )
    return _Point("prefit", np.array(model.initial), errors, None, message if names else "")


def _postfit(model: Model, result: FitResult) -> _Point:
    if result.parameters != model.parameters:
        other = sorted(set(result.parameters) ^ set(model.parameters))
        difference = f"they differ in {_listed(other)}" if other else "their order differs"
        message = f"expected a fit with the parameters of the model, but {difference}"
        raise located(ArgumentError, message, "result")
    errors = np.asarray(result.errors)
    messages = [] if result.valid else [f"The fit is not valid: {result.message}"]
    if result.covariance is None:
        messages.append("The fit gave no covariance, so yields have no errors.")
    names = [model.parameters[i] for i in np.flatnonzero(np.isinf(errors))]
    if names:
        messages.append(
            f"Nothing determines {_listed(names)}: errors of the yields that they change are "
            "infinite. Fix what the data cannot tell."
        )
    return _Point("postfit", np.array(result.x), errors, result.covariance, " ".join(messages))


def _counts(model: Model, data: Data) -> FloatArray:
    if data.counts.size != model.n_bins:
        message = f"expected {model.n_bins} bins, got {data.counts.size}"
        raise located(ArgumentError, message, "data")
    return data.counts


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


# --- sums ----------------------------------------------------------------------------------------


class _Sums:
    """Which rows (channel by channel, sample by sample, bin by bin) go into which sum."""

    def __init__(self, model: Model) -> None:
        channels = model.spec.channels
        bins, samples = [np.zeros(0, dtype=int)], [np.zeros(0, dtype=int)]
        n_samples = 0
        for first, channel in zip(_first_bins(channels), channels, strict=True):
            n = len(channel.samples)
            bins.append(np.tile(np.arange(first, first + channel.n_bins), n))
            samples.append(np.repeat(np.arange(n_samples, n_samples + n), channel.n_bins))
            n_samples += n
        sizes = [channel.n_bins for channel in channels]
        self._to_bins = _sum_matrix(np.concatenate(bins), model.n_bins)
        self._to_samples = _sum_matrix(np.concatenate(samples), n_samples)
        self._to_channels = _sum_matrix(np.repeat(np.arange(len(sizes)), sizes), len(sizes))
        floors = [np.nan if c.yield_floor is None else c.yield_floor for c in channels]
        self._floors = np.repeat(np.array(floors, dtype=float), sizes)

    def estimates(self, model: Model, point: _Point) -> tuple[_Estimates, csr_array]:
        """Return values and errors of everything, and the derivatives of the bins."""
        from scipy.sparse import csr_array, vstack

        values, jacobian = model._core.expected_by_sample(point.x), model.yield_jacobian(point.x)
        bin_values, bins = self._bins(values, jacobian)
        channel_values, channels = self._to_channels @ bin_values, self._to_channels @ bins
        total = csr_array(channels.sum(axis=0).reshape(1, -1))
        stack = [
            (values, jacobian),
            (bin_values, bins),
            (self._to_samples @ values, self._to_samples @ jacobian),
            (channel_values, channels),
            (np.array([channel_values.sum()]), total),
        ]
        errors = _errors(vstack([part for _, part in stack], format="csr"), point)
        ends = np.cumsum([value.size for value, _ in stack])
        parts = np.split(errors, ends[:-1])
        pairs = [(value, part) for (value, _), part in zip(stack, parts, strict=True)]
        return _Estimates(*pairs), bins

    def _bins(self, values: FloatArray, jacobian: csr_array) -> tuple[FloatArray, csr_array]:
        """Add the samples; where the floor of a channel acts, nothing changes the bin."""
        from scipy.sparse import diags_array

        bins, derivatives = self._to_bins @ values, self._to_bins @ jacobian
        floored = bins <= self._floors
        if np.any(floored):
            bins = np.fmax(bins, self._floors)
            derivatives = (diags_array((~floored).astype(float)) @ derivatives).tocsr()
        return bins, derivatives


def _first_bins(channels: Iterable[Channel]) -> list[int]:
    return np.cumsum([0, *(channel.n_bins for channel in channels)])[:-1].tolist()


def _sum_matrix(targets: FloatArray, n_targets: int) -> csr_array:
    """Return the matrix of zeros and ones that adds element i to sum `targets[i]`."""
    from scipy.sparse import csr_array

    n = targets.size
    return csr_array((np.ones(n), (targets, np.arange(n))), shape=(n_targets, n))


def _errors(jacobian: csr_array, point: _Point) -> FloatArray:
    if point.covariance is not None:
        return np.sqrt(variances(jacobian, point.covariance))
    if np.any(np.isnan(point.errors)):
        return np.full(jacobian.shape[0], np.nan)
    return np.sqrt(diagonal_variances(jacobian, point.errors))


def _covariance(jacobian: csr_array, point: _Point) -> FloatArray:
    if point.covariance is not None:
        return covariance_matrix(jacobian, point.covariance)
    return covariance_matrix(jacobian, np.diag(point.errors**2))


def _channels(
    model: Model, estimates: _Estimates, observed: FloatArray | None
) -> Iterable[ChannelYields]:
    first_row = first_sample = 0
    places = zip(model.spec.channels, model.channel_bins.values(), strict=True)
    for c, (channel, bins) in enumerate(places):
        shape = (len(channel.samples), channel.n_bins)
        rows = slice(first_row, first_row + shape[0] * shape[1])
        samples = slice(first_sample, first_sample + shape[0])
        first_row, first_sample = rows.stop, samples.stop
        axis = channel.axes[0] if len(channel.axes) == 1 else None
        yield ChannelYields(
            name=channel.name,
            samples=tuple(sample.name for sample in channel.samples),
            by_sample=estimates.rows[0][rows].reshape(shape),
            by_sample_errors=estimates.rows[1][rows].reshape(shape),
            by_bin=estimates.bins[0][bins],
            by_bin_errors=estimates.bins[1][bins],
            sample_totals=estimates.samples[0][samples],
            sample_total_errors=estimates.samples[1][samples],
            total=float(estimates.channels[0][c]),
            total_error=float(estimates.channels[1][c]),
            observed=None if observed is None else observed[bins],
            axis="" if axis is None else axis.name,
            edges=None if axis is None else np.array(axis.edges),
        )
