"""The numbers that a model is made of, as one vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from . import _diff
from ._arrays import FloatArray, float_array, float_vector
from .errors import ArgumentError, located

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from . import _core

__all__ = ["Address", "InputGradient", "InputLayout", "InputValues"]

Address: TypeAlias = tuple[str, ...]
InputValues: TypeAlias = "ArrayLike | Mapping[Address, ArrayLike]"


@dataclass(frozen=True, eq=False)
class InputGradient:
    """Derivatives of a number with respect to what a likelihood is made of.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> gradient = model.likelihood(data).input_gradient(model.initial)
    >>> gradient.inputs.shape, gradient.counts.shape
    ((6,), (2,))
    """

    inputs: FloatArray
    """Shape (n_inputs,), in the order of `model.inputs`."""
    counts: FloatArray
    """Shape (n_bins,)."""
    global_observables: FloatArray
    """Shape (n_constrained,)."""


class InputLayout:
    """Which number of a model is where in the vector of its inputs; immutable.

    Every input is found by its address, a tuple of strings; bins are consecutive::

        (channel, sample, "nominal")                             events, one per bin
        (channel, sample, "histosys", name, "low" or "high")     events, one per bin
        (channel, sample, "normsys", name, "low" or "high")      one factor
        (channel, sample, "staterror" or "shapesys", name)       events, one per bin
        ("width", parameter)                                     sigma, tau, kappa or scale

    Statistical uncertainties are inputs where the widths of constraints follow from them by
    HistFactory's rule: sqrt(sum of u^2) / (sum of nominal yields) over the samples that share the
    parameter, or 1 / that^2 for a Poisson term. Such widths change with the uncertainties and with
    the nominal yields, as pyhf recomputes them; global observables stored with a Poisson term
    follow its tau. Every other width, for instance that of a bin without uncertainty, is an input
    itself. A modifier that a sample has twice has an index: (..., name, "1", "low").

    Parameters
    ----------
    core : _core.Model
        The compiled model; use `Model.inputs`.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> model.inputs[("singlechannel", "signal", "nominal")]
    slice(0, 2, None)
    >>> model.inputs.values[:2]
    array([12., 11.])
    """

    __slots__ = ("__dict__", "_core", "_slices")

    def __init__(self, core: _core.Model) -> None:
        self._core = _diff.Inputs(core)
        self._slices: dict[Address, slice] = {}
        for kind, channel, sample, name, begin, size in self._core.blocks():
            address = _unused(_address(kind, channel, sample, name), self._slices)
            self._slices[address] = slice(begin, begin + size)

    def __repr__(self) -> str:
        return f"<InputLayout: {self.size} inputs in {len(self._slices)} blocks>"

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, address: Address) -> slice:
        """Return where the inputs of an address are."""
        try:
            return self._slices[address]
        except (KeyError, TypeError):
            message = f"no such input; expected an address such as {next(iter(self._slices), ())}"
            raise located(ArgumentError, message, repr(address)) from None

    @property
    def size(self) -> int:
        """Number of inputs."""
        return int(self.values.size)

    @cached_property
    def values(self) -> FloatArray:
        """Inputs of the model, shape (size,), read-only."""
        return self._core.values

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Addresses in the order of the vector."""
        return tuple(self._slices)

    def to_dict(self, vector: ArrayLike | None = None) -> dict[Address, FloatArray]:
        """Return the parts of a vector of shape (..., size) by address, as views.

        Parameters
        ----------
        vector : array_like, optional
            By default the inputs of the model.
        """
        array = self.values if vector is None else float_array(vector, "vector")
        if array.ndim == 0 or array.shape[-1] != self.size:
            message = f"expected shape (..., {self.size}), got {array.shape}"
            raise located(ArgumentError, message, "vector")
        return {address: array[..., where] for address, where in self._slices.items()}

    def vector(self, changes: InputValues | None = None) -> FloatArray:
        """Return all inputs as a new vector of shape (size,).

        Parameters
        ----------
        changes : array_like or mapping, optional
            All of them, or some by address; the inputs of the model for what is left out.
        """
        if changes is None:
            return np.array(self.values)
        if not isinstance(changes, Mapping):
            return np.array(float_vector(changes, self.size, "inputs"))
        vector = np.array(self.values)
        for address, numbers in changes.items():
            where = self[address]
            size = where.stop - where.start
            array = float_array(numbers, repr(address))
            if array.shape not in ((size,), ()):
                message = f"expected shape ({size},), got {array.shape}"
                raise located(ArgumentError, message, repr(address))
            vector[where] = array
        return vector

    def exchange(self, changes: InputValues) -> _core.Model:
        """Return the compiled model with other inputs; see `Model.with_inputs`."""
        if isinstance(changes, np.ndarray) and _is_exact(changes, self.size):
            return self._core.exchange(changes)
        return self._core.exchange(self.vector(changes))


def _is_exact(array: np.ndarray, size: int) -> bool:
    return array.dtype == np.float64 and array.shape == (size,) and array.flags.c_contiguous


def _address(kind: str, channel: str, sample: str, name: str) -> Address:
    if kind == "width":
        return ("width", name)
    if kind == "nominal":
        return (channel, sample, "nominal")
    modifier, _, side = kind.partition("_")
    return (channel, sample, modifier, name, *((side,) if side else ()))


def _unused(address: Address, known: Mapping[Address, slice]) -> Address:
    """Return the address, numbered if a sample has it more than once."""
    candidate, number = address, 0
    while candidate in known:
        number += 1
        candidate = (*address[:4], str(number), *address[4:])
    return candidate
