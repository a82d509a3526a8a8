"""Results as tables of other packages: pandas and hist, each imported only when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import ArgumentError, located

if TYPE_CHECKING:
    import hist
    import pandas

    from .._arrays import FloatArray

__all__ = ["BAND_NAMES", "Tabular", "dataframe", "histogram"]

BAND_NAMES = ("minus2", "minus1", "median", "plus1", "plus2")
"""Endings of columns that have the five entries of an expected limit."""


class Tabular:
    """Base of results that are tables, or have one.

    A subclass says which members are columns, or makes them in `_columns`.
    """

    table_members: ClassVar[tuple[str, ...]] = ()

    def _columns(self) -> Mapping[str, Any]:
        """Return the columns by name, all of one length."""
        if not self.table_members:
            message = "has no rows; to_dict() has its members"
            raise located(ArgumentError, message, type(self).__name__)
        columns: dict[str, Any] = {}
        for name in self.table_members:
            columns |= _of_member(name, getattr(self, name))
        return columns

    def to_dataframe(self) -> pandas.DataFrame:
        """Return the table of this result as a pandas DataFrame.

        Columns are called like the members, in the singular; those of expected values end in
        minus2, minus1, median, plus1 and plus2. Numbers have all digits, NaN where there is none.

        Raises
        ------
        ImportError
            If pandas is not installed.
        ArgumentError
            If the result has no rows.
        """
        return dataframe(self._columns())


def dataframe(columns: Mapping[str, Any]) -> pandas.DataFrame:
    """Return columns as a DataFrame; raise ImportError with the remedy without pandas."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("this needs pandas: pip install pandas") from error
    return pandas.DataFrame(dict(columns))


def _of_member(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - members of any type
    """Return the columns of one member: numbers, words, bands, or records."""
    if isinstance(value, Sequence) and value and all(map(is_dataclass, value)):
        return _of_records(value)
    if isinstance(value, np.ndarray) and value.ndim == 2:
        bands = zip(BAND_NAMES, value.T, strict=True)
        return {f"{name}_{band}": column for band, column in bands}
    is_plural = name.endswith("s") and not name.endswith("us")
    return {name[:-1] if is_plural else name: value}


def _of_records(records: Sequence[Any]) -> dict[str, Any]:
    """Return those members of records that are words, numbers or flags."""
    names = [
        field.name
        for field in fields(records[0])
        if all(isinstance(getattr(r, field.name), str | int | float) for r in records)
    ]
    return {name: [getattr(record, name) for record in records] for name in names}


def histogram(
    values: FloatArray, errors: FloatArray | None, axis: str, edges: FloatArray | None
) -> hist.Hist:
    """Return yields with their variances as a histogram of hist.

    Parameters
    ----------
    values : array, shape (n_bins,)
        Contents.
    errors : array, shape (n_bins,), optional
        Standard deviations; without them variances are the contents, as of counts.
    axis : str
        Name of the axis.
    edges : array, shape (n_bins + 1,), optional
        Edges of the bins; without them bins are counted from 0.
    """
    try:
        import hist
    except ImportError as error:
        raise ImportError("this needs hist: pip install hist") from error
    flow = {"underflow": False, "overflow": False, "label": axis}
    if edges is None:
        made = hist.Hist(hist.axis.Integer(0, len(values), **flow), storage="weight")
    else:
        made = hist.Hist(hist.axis.Variable(edges.tolist(), **flow), storage="weight")
    view = made.view()
    view.value = values
    view.variance = values if errors is None else np.square(errors)
    return made
