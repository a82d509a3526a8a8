"""Expected events with uncertainty bands, before and after a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..._results.origin import remembers_origin
from ...data import check_data
from ...errors import ArgumentError, located
from ._bands import covariance_matrix, diagonal_variances, variances
from ._yield_sums import YieldSums
from ._yields_result import ChannelYields, YieldsResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scipy.sparse import csr_array

    from ..._arrays import FloatArray
    from ...data import Data
    from ...model import Model
    from ...result import FitResult

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


@remembers_origin
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
    if data is not None:
        check_data(model, data)
    point = _prefit(model, data) if result is None else _postfit(model, result)
    observed = None if data is None else data.counts
    estimates, bins = _estimates(model, point)
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


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


# --- what ----------------------------------------------------------------------------------------


def _estimates(model: Model, point: _Point) -> tuple[_Estimates, csr_array]:
    """Return values and errors of everything, and the derivatives of the bins."""
    from scipy.sparse import csr_array, vstack

    sums = YieldSums(model)
    rows = model._core.expected_by_sample(point.x), model.yield_jacobian(point.x)
    bins = sums.bins(*rows)
    channels = sums.to_channels @ bins[0], sums.to_channels @ bins[1]
    samples = sums.to_samples @ rows[0], sums.to_samples @ rows[1]
    total = np.array([channels[0].sum()]), csr_array(channels[1].sum(axis=0).reshape(1, -1))
    parts = (rows, bins, samples, channels, total)
    errors = _errors(vstack([jacobian for _, jacobian in parts], format="csr"), point)
    ends = np.cumsum([values.size for values, _ in parts])
    split = np.split(errors, ends[:-1])
    pairs = [(values, error) for (values, _), error in zip(parts, split, strict=True)]
    return _Estimates(*pairs), bins[1]


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
