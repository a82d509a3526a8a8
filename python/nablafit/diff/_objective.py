"""A number with its gradient, one or many at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._arrays import FloatArray, float_array
from ..errors import ArgumentError, Error, located

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..data import Data
    from ..model import Model

Rows: TypeAlias = tuple[
    FloatArray, FloatArray, "FloatArray | None", "FloatArray | None", "FloatArray | None"
]
"""Values, and gradients with respect to inputs, counts, global observables and tested value."""


@dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """Value of an objective and its exact gradient; of a batch, one of each per item.

    With a batch of n items all shapes have n in front, numbers of items that have no value are NaN,
    and `messages` says why.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> limit = nf.diff.upper_limit(model)
    >>> print(f"{float(limit):.3f}", limit.inputs.shape)
    1.069 (6,)
    """

    value: FloatArray
    """Shape (): behaves as a number."""
    inputs: FloatArray
    """Derivatives with respect to the inputs, shape (n_inputs,), as `model.inputs`."""
    counts: FloatArray | None
    """With respect to observed counts, shape (n_bins,); None where the data are Asimov data."""
    global_observables: FloatArray | None
    """With respect to global observables, shape (n_constrained,), or None likewise."""
    tested: FloatArray | None = None
    """With respect to the tested value `mu`, shape (); None where none is tested."""
    estimate: FloatArray | None = None
    """Best value of the parameter of interest, where a free fit was made."""
    messages: tuple[str, ...] = ()
    """What is wrong with each item; empty strings where nothing is."""

    def __repr__(self) -> str:
        if self.value.ndim:
            bad = sum(bool(message) for message in self.messages)
            failed = f", {bad} without a value" if bad else ""
            return (
                f"<Objective: {self.value.size} values{failed}, gradients with respect to inputs>"
            )
        data = "" if self.counts is None else " and data"
        names = f"{self.inputs.size} inputs{data}"
        return f"<Objective: {float(self.value):.6g}, gradient with respect to {names}>"

    def __float__(self) -> float:
        return float(self.value)

    def scaled(self, value: FloatArray, slope: FloatArray) -> Objective:
        """Return this as the argument of a function: its value, and its derivative there."""
        slope = np.asarray(slope)
        column = slope[..., np.newaxis]

        def times(factor: FloatArray, gradient: FloatArray | None) -> FloatArray | None:
            return None if gradient is None else _product(factor, gradient)

        return replace(
            self,
            value=np.asarray(value),
            inputs=_product(column, self.inputs),
            counts=times(column, self.counts),
            global_observables=times(column, self.global_observables),
            tested=times(slope, self.tested),
        )

    def plus(self, other: Objective) -> Objective:
        """Return the sum of the gradients, with the value of this one."""

        def add(a: FloatArray | None, b: FloatArray | None) -> FloatArray | None:
            return None if a is None or b is None else a + b

        return replace(
            self,
            inputs=self.inputs + other.inputs,
            counts=add(self.counts, other.counts),
            global_observables=add(self.global_observables, other.global_observables),
            tested=add(self.tested, other.tested),
        )


def _product(factor: FloatArray, gradient: FloatArray) -> FloatArray:
    """Let a vanishing factor win against an infinite derivative: the flat side of a kink."""
    return np.where(factor == 0.0, 0.0, factor) * np.where(factor == 0.0, 0.0, gradient)


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of inputs and data, and whether the caller sees an axis of items."""

    n: int
    is_single: bool
    inputs: FloatArray | None
    counts: FloatArray | None
    global_observables: FloatArray | None

    @property
    def arrays(self) -> dict[str, Any]:
        """What the core takes."""
        return {
            "inputs": self.inputs,
            "counts": self.counts,
            "global_observables": self.global_observables,
        }

    def objective(
        self, rows: Rows, messages: list[str], estimate: FloatArray | None = None
    ) -> Objective:
        """Return what the core computed; raise Error for a single item without a value."""
        if not self.is_single:
            return Objective(*rows, estimate, tuple(messages))
        if messages[0]:
            raise Error(messages[0])

        def only(values: FloatArray | None) -> FloatArray | None:
            return None if values is None else np.asarray(values[0])

        value, inputs, counts, observables, tested = rows
        return Objective(
            np.asarray(value[0]),
            inputs[0],
            only(counts),
            only(observables),
            only(tested),
            only(estimate),
        )


def make_batch(
    model: Model,
    data: Data | None,
    inputs: ArrayLike | None,
    counts: ArrayLike | None = None,
    global_observables: ArrayLike | None = None,
) -> Batch:
    """Bring inputs and data, with or without an axis of items, into rows."""
    if data is not None:
        counts = data.counts if counts is None else counts
        if global_observables is None:
            global_observables = data.global_observables
    sizes = {
        "inputs": (inputs, model.inputs.size),
        "counts": (counts, model.n_bins),
        "global_observables": (global_observables, len(model.constrained_parameters)),
    }
    rows, many = {}, {}
    for name, (values, size) in sizes.items():
        rows[name], many[name] = _rows(values, size, name)
    lengths = {len(array) for name, array in rows.items() if many[name] and array is not None}
    if len(lengths) > 1:
        message = f"expected as many inputs as data, got batches of {sorted(lengths)}"
        raise located(ArgumentError, message, "inputs")
    return Batch(n=lengths.pop() if lengths else 1, is_single=not any(many.values()), **rows)


def _rows(values: ArrayLike | None, size: int, name: str) -> tuple[FloatArray | None, bool]:
    if values is None:
        return None, False
    array = float_array(values, name)
    if array.ndim not in (1, 2) or array.shape[-1] != size:
        message = f"expected shape ({size},) or (n, {size}), got {array.shape}"
        raise located(ArgumentError, message, name)
    return np.ascontiguousarray(np.atleast_2d(array)), array.ndim == 2
