"""Expected events with uncertainty bands, before and after a fit."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..._arrays import FloatArray, nearest
from ..._printable import csv_text, printable
from ..._results.origin import remembers_origin
from ..._results.record import Record
from ..._results.rounding import pdg_round
from ..._results.tables import dataframe, histogram
from ..._results.text import Page
from ...data import check_data
from ...errors import ArgumentError, located
from ...surgery import parameters_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import hist
    import pandas
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from ...data import Data
    from ...model import Model
    from ...result import FitResult

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
    """Return which rows have a derivative that is not zero with respect to any of `parameters`."""
    dependent: NDArray[np.bool_] = abs(jacobian) @ parameters.astype(float) > 0
    return dependent


Place: TypeAlias = tuple[int | None, float | None, float | None]
Row: TypeAlias = tuple[str, int | None, float | None, float | None, str, float, float | None]
_ROW_HEADER = ("channel", "bin", "low", "high", "sample", "yield", "error")


@dataclass(frozen=True)
class Column:
    """One channel or bin: what a table says of it, `None` for samples that it lacks."""

    label: str
    samples: dict[str, tuple[float, float]]
    total: tuple[float, float]
    observed: float | None

    @property
    def ratio(self) -> str:
        """Observed / expected; empty without data or expectation."""
        if self.observed is None or not self.total[0] > 0:
            return ""
        return f"{self.observed / self.total[0]:.3f}"


def _page(head: Sequence[str], columns: Sequence[Column]) -> Page:
    """Return one row per sample, total and data, one column per channel or bin."""
    rows = []
    for sample in _samples(columns):
        pairs = (column.samples.get(sample) for column in columns)
        rows.append([sample, *("" if pair is None else _pair(*pair) for pair in pairs)])
    rows.append(["total", *(_pair(*column.total) for column in columns)])
    if any(column.observed is not None for column in columns):
        rows.append(["data", *(_count(column.observed) for column in columns)])
        rows.append(["data/total", *(column.ratio for column in columns)])
    header = ["sample", *(column.label for column in columns)]
    return Page(head, header, rows, "l" + "r" * len(columns))


# --- rows: CSV and pandas ------------------------------------------------------------------------


def _rows(result: YieldsResult, by: str) -> Iterator[Row]:
    """Yield the columns of `_ROW_HEADER`; None where there is no bin, border or error."""
    _check(by)
    for channel in result.channels:
        if by == "channel":
            columns = [_channel_column(channel)]
            places: list[Place] = [(None, *_borders(channel, 0, channel.n_bins))]
        else:
            columns = _bin_columns(channel)
            places = [(i, *_borders(channel, i, i + 1)) for i in range(channel.n_bins)]
        for column, place in zip(columns, places, strict=True):
            for sample, (value, error) in column.samples.items():
                yield channel.name, *place, sample, value, error
            yield channel.name, *place, "total", *column.total
            if column.observed is not None:
                yield channel.name, *place, "data", column.observed, None


def _borders(channel: ChannelYields, first: int, last: int) -> tuple[float | None, float | None]:
    if channel.edges is None:
        return None, None
    return float(channel.edges[first]), float(channel.edges[last])


# --- LaTeX ----------------------------------------------------------------------------------------


def _tabular(title: str, columns: Sequence[Column]) -> str:
    def line(name: str, cells: Sequence[str]) -> str:
        return " & ".join([_escape_latex(name), *cells]) + r" \\"

    lines = [r"\begin{tabular}{l" + "r" * len(columns) + "}", r"\hline"]
    lines += [line(title, [_escape_latex(column.label) for column in columns]), r"\hline"]
    for sample in _samples(columns):
        pairs = (column.samples.get(sample) for column in columns)
        lines.append(line(sample, ["" if p is None else _latex_pair(*p) for p in pairs]))
    lines += [r"\hline", line("Total", [_latex_pair(*column.total) for column in columns])]
    if any(column.observed is not None for column in columns):
        lines.append(line("Data", [f"${_count(column.observed)}$" for column in columns]))
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def _latex_pair(value: float, error: float) -> str:
    text = _pair(value, error).replace("±", r"\pm").replace("inf", r"\infty")
    return "$" + re.sub(r"e\+?(-?)0*(\d+)", r" \\times 10^{\1\2}", text) + "$"


def _escape_latex(text: str) -> str:
    text = printable(text).replace("\\", r"\textbackslash ")
    text = re.sub(r"([&%$#_{}])", r"\\\1", text)
    return text.replace("~", r"\textasciitilde ").replace("^", r"\textasciicircum ")


# --- shared ---------------------------------------------------------------------------------------


def _check(by: str) -> str:
    if by not in ("bin", "channel"):
        raise located(ArgumentError, f'expected "bin" or "channel", got {by!r}', "by")
    return by


def _samples(columns: Sequence[Column]) -> list[str]:
    return list(dict.fromkeys(sample for column in columns for sample in column.samples))


def _channel_column(channel: ChannelYields) -> Column:
    pairs = zip(channel.sample_totals.tolist(), channel.sample_total_errors.tolist(), strict=True)
    observed = None if channel.observed is None else channel.observed_total
    samples = dict(zip(channel.samples, pairs, strict=True))
    return Column(channel.name, samples, (channel.total, channel.total_error), observed)


def _bin_columns(channel: ChannelYields) -> list[Column]:
    values, errors = channel.by_sample.tolist(), channel.by_sample_errors.tolist()
    totals = zip(channel.by_bin.tolist(), channel.by_bin_errors.tolist(), strict=True)
    observed = None if channel.observed is None else channel.observed.tolist()
    return [
        Column(
            _bin_label(channel, i),
            {name: (values[s][i], errors[s][i]) for s, name in enumerate(channel.samples)},
            total,
            None if observed is None else observed[i],
        )
        for i, total in enumerate(totals)
    ]


def _bin_label(channel: ChannelYields, i: int) -> str:
    if channel.edges is None:
        return str(i)
    return f"[{channel.edges[i]:g}, {channel.edges[i + 1]:g}]"


def _pair(value: float, error: float) -> str:
    if math.isinf(error):
        return f"{value:.5g} ± inf"
    number, uncertainty = pdg_round(value, error)
    return f"{number} ± {uncertainty}" if uncertainty else number


def _count(observed: float | None) -> str:
    if observed is None:
        return ""
    return f"{observed:.10g}" if observed == round(observed) else f"{observed:.5g}"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ChannelYields(Record):
    """Expected and observed events of one channel; frozen. All numbers are in events.

    Errors are standard deviations from the covariance of the parameters, with all correlations:
    those of sums are not sums of squares. They are infinite where the fit leaves a yield
    undetermined, NaN where there is no covariance.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> channel = nf.yields(model, result, data=data).channels[0]
    >>> print(channel.samples, channel.by_bin.round(1), channel.observed)
    ('signal', 'background') [57.8 60.1] [57. 61.]
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

    def to_hist(self) -> dict[str, hist.Hist]:
        """Return histograms by sample; see `YieldsResult.to_hist`."""
        pairs = zip(self.by_sample, self.by_sample_errors, strict=True)
        contents: dict[str, tuple[FloatArray, FloatArray | None]] = {
            **dict(zip(self.samples, pairs, strict=True)),
            "total": (self.by_bin, self.by_bin_errors),
        }
        if self.observed is not None:
            contents["data"] = (self.observed, None)
        return {
            name: histogram(values, errors, self.axis, self.edges)
            for name, (values, errors) in contents.items()
        }

    def _pages(self) -> tuple[Page, ...]:
        total = _pair(self.total, self.total_error)
        return (_page([f"{self.name}: {total} events expected"], _bin_columns(self)),)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class YieldsResult(Record, format="nablafit.YieldsResult/1"):
    """Expected events of a model at a point, with uncertainty bands; frozen.

    `result["SR"]` is the `ChannelYields` of one channel.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> after = nf.yields(model, result, data=data)
    >>> print(after.to_csv().splitlines()[0])
    channel,bin,low,high,sample,yield,error
    """

    kind: str
    """"prefit": initial values, constraint widths; "postfit": values and covariance of a fit."""
    model: str
    """Name of the model."""
    message: str
    """Remarks on the bands, in sentences; empty if there are none."""
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
    signals: tuple[str, ...] = ()
    """Samples that a parameter of interest scales, unless all are; plots draw them on top."""

    def __getitem__(self, channel: str) -> ChannelYields:
        for found in self.channels:
            if found.name == channel:
                return found
        names = [found.name for found in self.channels]
        raise located(ArgumentError, f"unknown channel{nearest(channel, names)}", channel)

    def _pages(self) -> tuple[Page, ...]:
        name = {"prefit": "Pre-fit", "postfit": "Post-fit"}.get(self.kind, self.kind)
        head = [f"{name} yields of {self.model or 'the model'}"]
        head += [self.message] if self.message else []
        return (_page(head, list(map(_channel_column, self.channels))),)

    def to_text(self, *, by: str = "bin") -> str:
        """Return a plain table with a row per sample: `by` "channel" (totals) or "bin"."""
        if _check(by) == "channel":
            return _page([], list(map(_channel_column, self.channels))).text()
        return "\n\n".join(map(repr, self.channels))

    def to_csv(self, *, by: str = "bin") -> str:
        """Return comma-separated values with a header, numbers at full precision.

        One line per channel, sample and bin; the sample "total" is the sum of all samples, "data"
        what was observed. With `by="channel"`, bins of a channel are summed.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_ROW_HEADER)
        for channel, *place, sample, value, error in _rows(self, by):
            writer.writerow((csv_text(channel), *place, csv_text(sample), value, error))
        return text.getvalue()

    def to_dataframe(self, *, by: str = "bin") -> pandas.DataFrame:
        """Return the rows of `to_csv` as a pandas DataFrame; ImportError without pandas."""
        columns = zip(*_rows(self, by), strict=True)
        return dataframe(dict(zip(_ROW_HEADER, map(list, columns), strict=True)))

    def to_hist(self) -> dict[str, dict[str, hist.Hist]]:
        """Return histograms of hist by channel and sample; ImportError without hist.

        Variances are squares of the errors of the yields. "total" is the sum of all samples, "data"
        what was observed, with the counts as variances. Bins without edges are counted from 0.
        """
        return {channel.name: channel.to_hist() for channel in self.channels}

    def to_latex(self, *, by: str = "channel") -> str:
        """Return a LaTeX `tabular` with one column per channel or bin."""
        if _check(by) == "channel":
            return _tabular("", list(map(_channel_column, self.channels)))
        return "\n".join(_tabular(channel.name, _bin_columns(channel)) for channel in self.channels)


def _divide(above: FloatArray, below: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: FloatArray = above / below
    return result


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
        Observed counts to show, or `model.asimov({"mu": 1})`; pre-fit also the global observables
        that Poisson and gamma terms take their widths from, by default those stored with the model.
    bin_covariance : bool
        Keep the covariance of all bins too.

    Returns
    -------
    YieldsResult
        Errors are sqrt(diag(J C J^T)): J are the exact derivatives of the yields at that point,
        C is the covariance of the parameters. This is the usual first-order propagation.

    Raises
    ------
    ArgumentError
        If the result has other parameters than the model, or the data another number of bins.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> after = nf.yields(model, result, data=data)
    >>> print(f"{after.total:.1f} +- {after.total_error:.1f}")
    117.9 +- 10.8
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
        bin_covariance=_bin_covariance(bins, point) if bin_covariance else None,
        signals=_signals(model),
    )


def _signals(model: Model) -> tuple[str, ...]:
    pois = set(model.parameters_of_interest)
    samples = [sample for channel in model.spec.channels for sample in channel.samples]
    scaled = {
        sample.name: True
        for sample in samples
        if any(pois.intersection(parameters_of(modifier)) for modifier in sample.modifiers)
    }
    return tuple(scaled) if len(scaled) < len({sample.name for sample in samples}) else ()


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


def _bin_covariance(jacobian: csr_array, point: _Point) -> FloatArray:
    covariance = np.diag(point.errors**2) if point.covariance is None else point.covariance
    return covariance_matrix(jacobian, covariance)


def _errors(jacobian: csr_array, point: _Point) -> FloatArray:
    if point.covariance is not None:
        return np.sqrt(variances(jacobian, point.covariance))
    if np.any(np.isnan(point.errors)):
        return np.full(jacobian.shape[0], np.nan)
    return np.sqrt(diagonal_variances(jacobian, point.errors))


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
