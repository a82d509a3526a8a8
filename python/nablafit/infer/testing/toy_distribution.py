"""The distribution of a test statistic, as found by toys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray
from ..._results.record import Record
from ..._results.text import Page, number
from ...batch import STATUSES
from ...errors import ArgumentError, located

_DESCRIBES = ("poi", "statistic", "tested", "drawn_at", "parameters", "seed", "bounds")
_PER_TOY = ("values", "poi_hat", "status_codes", "usual", "apart")
# Values of the statistic that differ by less are equal: fits end within 1e-10 of their minimum, and
# data sets of equal counts must count as equal.
_TIE = 1e-8


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ToyDistribution(Record, format="nablafit.ToyDistribution/1"):
    """A test statistic in toys number `start` to `start + len(self) - 1` of one seed; frozen.

    Shards made by several jobs join with `merge`, to the bits of a single run.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> toys = nf.hypotest(model, data, 1.0, calculator="toys", n_toys=200, seed=1).toys
    >>> [(len(part), part.statistic) for part in toys]
    [(200, 'qtilde'), (200, 'qtilde')]
    """

    poi: tuple[str, ...]
    """Parameters of interest."""
    statistic: str
    """"q", "qtilde", "t", "ttilde" or "q0"."""
    tested: tuple[float, ...]
    """Tested values of the parameters of interest."""
    drawn_at: tuple[float, ...]
    """Values of the parameters of interest that the toys were drawn at."""
    bounds: tuple[tuple[float, float], ...]
    """Range of each parameter of interest in the free fits."""
    parameters: tuple[str, ...]
    """All parameters of the model."""
    x: FloatArray
    """Where the toys were drawn, shape (n_parameters,)."""
    values: FloatArray
    """The test statistic of each toy, shape (n,); NaN where a fit failed."""
    poi_hat: FloatArray
    """Fitted parameters of interest, shape (n, n_poi); NaN where the free fit failed."""
    status_codes: NDArray[np.int8]
    """Outcome of each toy, shape (n,): positions in `nablafit.batch.STATUSES`, of the fit that
    failed or, where all is well, of the free fit."""
    seed: int
    start: int
    usual: FloatArray | None = None
    """The test statistic as it is if every fit has its usual start alone, shape (n,); NaN where
    that fails. None in results of earlier versions, as the next."""
    apart: FloatArray | None = None
    """How far the minima that a fit of the toy found are apart, in -2 log L, shape (n,): 0 where
    there is one."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Toys with a value, shape (n,)."""
        return np.isfinite(self.values)

    @property
    def n_valid(self) -> int:
        """Number of toys with a value."""
        return int(np.sum(self.valid))

    @property
    def n_failed(self) -> int:
        """Number of toys with a fit that failed."""
        return len(self) - self.n_valid

    @property
    def n_several(self) -> int:
        """Number of toys with a fit that found several minima."""
        return 0 if self.apart is None else int(np.sum(self.apart > 0.0))

    @property
    def fraction_several(self) -> float:
        """Fraction of toys with a fit that found several minima, NaN without toys."""
        return self.n_several / len(self) if len(self) else np.nan

    def effect_of_starts(self, observed: float) -> float:
        """Return by how much the p-value differs from that of the usual starts alone.

        Toys that have no value in one of both are left out there. NaN where that is not known.
        """
        if self.usual is None:
            return np.nan
        alone = replace(self, values=self.usual)
        return self.p_value(observed)[0] - alone.p_value(observed)[0]

    @property
    def failures(self) -> dict[str, int]:
        """How many fits failed in which way."""
        codes: list[int] = self.status_codes[~self.valid].tolist()
        return dict(Counter(STATUSES[code] for code in codes).most_common())

    def first(self, n: int) -> ToyDistribution:
        """Return the first `n` toys."""
        if n >= len(self):
            return self
        parts = {name: getattr(self, name) for name in _PER_TOY}
        known: dict[str, Any] = {
            name: part[:n].copy() for name, part in parts.items() if part is not None
        }
        return replace(self, **known)

    def p_value(self, observed: float) -> tuple[float, float]:
        """Return the fraction of toys at or above a value, and its standard deviation.

        The latter is that of the posterior of a binomial probability with uniform prior: close to
        sqrt(p (1 - p) / n), and not zero where no toy or every toy is above.
        """
        p, error = self.p_values(np.array([observed]))
        return float(p[0]), float(error[0])

    def p_values(self, observed: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the same for several values, two arrays of the same shape."""
        ordered = np.sort(self.values[self.valid])
        n = len(ordered)
        if n == 0:
            nothing = np.full(observed.shape, np.nan)
            return nothing, nothing.copy()
        limit = observed - _TIE * np.maximum(1.0, np.abs(observed))
        above = n - np.searchsorted(ordered, limit, side="left")
        mean = (above + 1.0) / (n + 2.0)
        return np.where(np.isnan(observed), np.nan, above / n), np.sqrt(mean * (1 - mean) / (n + 3))

    @classmethod
    def merge(cls, shards: Sequence[ToyDistribution]) -> ToyDistribution:
        """Join shards, given in any order, to what one call would have made.

        Raises
        ------
        ArgumentError
            If they differ in anything but their toys, overlap, or leave a gap.
        """
        if not shards:
            raise located(ArgumentError, "expected at least one shard, got none", "shards")
        ordered = sorted(shards, key=lambda shard: shard.start)
        first = ordered[0]
        expected = first.start
        for shard in ordered:
            for name in _DESCRIBES:
                if getattr(shard, name) != getattr(first, name):
                    found = f"{getattr(shard, name)} and {getattr(first, name)}"
                    raise located(ArgumentError, f"shards differ in {name}: {found}", "shards")
            if not np.array_equal(shard.x, first.x):
                message = "shards were drawn at different values of the parameters"
                raise located(ArgumentError, message, "shards")
            if shard.start != expected:
                message = f"expected a shard that starts at toy {expected}, got {shard.start}"
                raise located(ArgumentError, message, "shards")
            expected += len(shard)
        joined: dict[str, Any] = {}
        for name in _PER_TOY:
            parts = [getattr(shard, name) for shard in ordered]
            joined[name] = None if any(part is None for part in parts) else np.concatenate(parts)
        return replace(first, **joined)

    def _members(self) -> dict[str, Any]:
        """Leave out what results of version 0.1 have not."""
        members = super()._members()
        return {name: value for name, value in members.items() if value is not None}

    def _head(self) -> list[str]:
        pairs = zip(self.poi, self.tested, self.drawn_at, strict=True)
        what = ", ".join(f"{name} = {value:g} in toys at {at:g}" for name, value, at in pairs)
        last = self.start + len(self) - 1
        failures = ", ".join(f"{count} {status}" for status, count in self.failures.items())
        return [
            f"{self.statistic} of {what}",
            (
                f"  toys {self.start} to {last} of seed {self.seed}, "
                f"{self.n_failed} failed{f' ({failures})' if failures else ''}"
                f"{f', {self.n_several} with several minima' if self.n_several else ''}"
            ),
        ]

    def _rows(self) -> list[tuple[str, str]]:
        values = self.values[self.valid]
        if len(values) == 0:
            return []
        shares = (0.5, 0.8414, 0.9772, 0.9987)
        return [(f"{share:g}", number(float(np.quantile(values, share)))) for share in shares]

    def _pages(self) -> tuple[Page, ...]:
        header = ("quantile", self.statistic)
        return (Page(self._head(), header, self._rows(), "rr", self.n_failed == 0),)
