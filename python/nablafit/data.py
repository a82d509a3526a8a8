"""Data of one model: main counts and global observables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from . import _core
from ._arguments import kind_sentence
from ._arrays import FloatArray, float_vector, frozen_vector
from .errors import ArgumentError, located

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


__all__ = ["Data", "check_data"]


class Sizes(Protocol):
    """Sizes of the data of a model; every `Model` has them."""

    @property
    def n_bins(self) -> int:
        """Number of counts."""

    @property
    def constrained_parameters(self) -> tuple[str, ...]:
        """Parameters with a constraint term each."""


@dataclass(frozen=True, eq=False)
class Data:
    """What was measured, flat, in the order of one model; immutable.

    Parameters
    ----------
    counts : array_like, shape (n_bins,)
        Observed events per bin, channel by channel as in `model.channels`; not necessarily integer.
    global_observables : array_like, shape (n_constrained,)
        Observed values of the constraint terms, as in `model.constrained_parameters`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> data.counts, data.digest[:7]
    (array([57., 61.]), 'sha256:')
    """

    counts: FloatArray
    global_observables: FloatArray

    def __post_init__(self) -> None:
        for name in ("counts", "global_observables"):
            object.__setattr__(self, name, frozen_vector(getattr(self, name), name))

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the numbers, "sha256:" and 64 digits; see `Model.digest`."""
        return _core.digest_data(self.counts, self.global_observables)

    def _described(self) -> dict[str, object]:
        return {"data": self}

    @classmethod
    def from_pyhf(cls, model: Sizes, values: ArrayLike) -> Data:
        """Split pyhf's flat data (main counts, then auxiliary data) for a model in pyhf's order.

        Parameters
        ----------
        model : Model
            A model read from pyhf JSON or made by `from_pyhf`.
        values : array_like, shape (n_bins + n_constrained,)
            What pyhf calls data, e.g. `workspace.data(pyhf_model)`.
        """
        size = model.n_bins + len(model.constrained_parameters)
        flat = float_vector(values, size, "values")
        return cls(flat[: model.n_bins], flat[model.n_bins :])

    def to_pyhf(self) -> FloatArray:
        """Join counts and global observables: pyhf's flat data if the model came from pyhf."""
        return np.concatenate([self.counts, self.global_observables])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Data):
            return NotImplemented
        return np.array_equal(self.counts, other.counts) and np.array_equal(
            self.global_observables, other.global_observables
        )

    __hash__ = None  # type: ignore[assignment]


def check_data(model: Sizes, data: object) -> None:
    """Raise ArgumentError unless `data` is Data with the numbers that a model needs."""
    if not isinstance(data, Data):
        raise located(ArgumentError, kind_sentence("Data", data), "data")
    for name, expected, what in (
        ("counts", model.n_bins, "bin"),
        ("global_observables", len(model.constrained_parameters), "constraint term"),
    ):
        found = getattr(data, name).size
        if found != expected:
            message = f"found {found} numbers, expected {expected}, one per {what} of the model"
            raise located(ArgumentError, message, f"data.{name}")
