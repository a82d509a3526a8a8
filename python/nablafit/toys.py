"""Pseudo-experiments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._arguments import checked
from ._arrays import FloatArray, ParameterValues, float_vector, thread_count
from ._core import __version__
from ._results.provenance import Origin, merged_origin, read_origin
from ._results.record import Archive
from .data import Data
from .errors import ArgumentError, finished, located

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Toys", "toys"]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Toys(Archive, format="nablafit.Toys/1"):
    """Data sets number `start` to `start + len(self) - 1` of the sequence of one seed; frozen.

    `nablafit.fit_many(model, toys)` fits all of them, `toys[i]` is the `Data` of one. Equal
    parameters, seed and numbers mean equal toys, however many threads or shards made them.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> toys = nf.toys(model, {"mu": 1.0}, n=3, seed=1)
    >>> len(toys), toys.counts.shape
    (3, (3, 2))
    >>> nf.fit(model, toys[0]).valid
    True
    """

    counts: FloatArray
    """Main counts, shape (n, n_bins)."""
    global_observables: FloatArray
    """Shape (n, n_constrained)."""
    parameters: tuple[str, ...]
    x: FloatArray
    """Parameter values that they were drawn at, shape (n_parameters,)."""
    seed: int
    start: int = 0
    randomized: bool = True
    """Whether global observables were drawn too."""
    origin: Mapping[str, Any] | None = None
    """What they were drawn with, as plain data: "model", the digest of the model, and "versions".
    Not part of equality."""

    def __post_init__(self) -> None:
        for array in (self.counts, self.global_observables, self.x):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, i: int) -> Data:
        return Data(self.counts[i], self.global_observables[i])

    def __iter__(self) -> Iterator[Data]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        last = self.start + len(self) - 1
        kind = "drawn" if self.randomized else "fixed"
        return f"<Toys {self.start} to {last} of seed {self.seed}, global observables {kind}>"

    def _members(self) -> dict[str, NDArray[Any]]:
        return {
            "counts": self.counts,
            "global_observables": self.global_observables,
            "parameters": np.array(self.parameters, dtype=np.str_),
            "x": self.x,
            "seed": np.array(self.seed, dtype=np.uint64),
            "start": np.array(self.start, dtype=np.uint64),
            "randomized": np.array(self.randomized),
        }

    @classmethod
    def _from_members(cls, members: Mapping[str, NDArray[Any]]) -> Toys:
        n = len(members["counts"])
        return cls(
            counts=members["counts"].astype(float).reshape(n, -1),
            global_observables=members["global_observables"].astype(float).reshape(n, -1),
            parameters=tuple(members["parameters"].tolist()),
            x=members["x"].astype(float),
            seed=int(members["seed"]),
            start=int(members["start"]),
            randomized=bool(members["randomized"]),
            origin=read_origin(members),
        )

    @classmethod
    def merge(cls, shards: Sequence[Toys]) -> Toys:
        """Join shards, given in any order, to what one call would have made.

        Raises
        ------
        ArgumentError
            If they have different models, parameters or seeds, overlap, or leave a gap.
        """
        if not shards:
            raise located(ArgumentError, "expected at least one shard, got none", "shards")
        ordered = sorted(shards, key=lambda shard: shard.start)
        first = ordered[0]
        expected = first.start
        for shard in ordered:
            same = (shard.parameters, shard.seed, shard.randomized) == (
                first.parameters,
                first.seed,
                first.randomized,
            )
            if not same or not np.array_equal(shard.x, first.x):
                message = f"{shard!r} differs from {first!r} in seed, parameters or kind"
                raise located(ArgumentError, message, "shards")
            if shard.start != expected:
                message = f"expected a shard that starts at toy {expected}, got {shard!r}"
                raise located(ArgumentError, message, "shards")
            expected += len(shard)
        return cls(
            counts=np.concatenate([shard.counts for shard in ordered]),
            global_observables=np.concatenate([shard.global_observables for shard in ordered]),
            parameters=first.parameters,
            x=first.x,
            seed=first.seed,
            start=first.start,
            randomized=first.randomized,
            origin=merged_origin([shard.origin for shard in ordered], "shards"),
        )


@checked
def toys(
    model: Model,
    parameters: ParameterValues | None = None,
    n: int = 1000,
    seed: int = 0,
    start: int = 0,
    *,
    global_observables: str | ArrayLike = "random",
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Toys:
    """Draw pseudo-experiments.

    Parameters
    ----------
    model : Model
        What to draw from.
    parameters : array_like or mapping, optional
        Parameter values: all in order, or some by name; by default the initial values of the
        model. The `values` of a fit result can be passed.
    n : int
        Number of toys.
    seed : int
        Random seed, from 0 to 2^64 - 1.
    start : int
        Number of the first toy. Toy number i depends on the parameters, the seed and i alone, so
        that jobs can make shards: `Toys.merge` joins them.
    global_observables : {"random", "nominal"} or array_like
        Draw them from their constraint terms at `parameters`, keep those stored with the model, or
        keep the given values, shape (n_constrained,).
    n_threads, progress
        As in `fit_many`.

    Returns
    -------
    Toys
        Counts are exact Poisson numbers. Global observables follow the density of their constraint
        term; those of fixed parameters too.

    Raises
    ------
    ArgumentError
        Where the model is not defined: a yield is negative (with channel and bin), or a parameter
        is outside the support of its constraint term.
    Interrupted
        At Ctrl-C: a KeyboardInterrupt whose `result` has the toys from `start` on that were made.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> toys = nf.toys(model, {"mu": 1.0}, n=1000, seed=1)
    >>> print(toys.counts.mean(axis=0).round(1), model.expected(model.initial))
    [62.  63.6] [62. 63.]
    """
    x = model.point(parameters)
    for name, value, most in (("n", n, 2**63), ("seed", seed, 2**64), ("start", start, 2**63)):
        if not 0 <= value < most:
            message = f"expected a number from 0 to {most - 1}, got {value}"
            raise located(ArgumentError, message, name)
    randomize, values = _observables(model, global_observables)
    counts, observables, exception = _core.generate_toys(
        model._core,
        x,
        n=n,
        seed=seed,
        start=start,
        randomize=randomize,
        global_observables=values,
        n_threads=thread_count(n_threads),
        progress=progress,
    )
    result = Toys(
        counts=counts,
        global_observables=observables,
        parameters=model.parameters,
        x=x,
        seed=seed,
        start=start,
        randomized=randomize,
        origin=Origin(model=model, versions={"nablafit": __version__}),
    )
    return finished(result, exception)


def _observables(model: Model, choice: str | ArrayLike) -> tuple[bool, FloatArray | None]:
    if not isinstance(choice, str):
        size = len(model.constrained_parameters)
        return False, float_vector(choice, size, "global_observables")
    if choice not in ("random", "nominal"):
        message = f'expected "random", "nominal" or values, got {choice!r}'
        raise located(ArgumentError, message, "global_observables")
    return choice == "random", None
