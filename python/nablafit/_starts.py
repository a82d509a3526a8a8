"""Where else a fit with some parameters held may start, to find another minimum than its own."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import FloatArray
from .errors import ArgumentError, located
from .spec import FormulaFactor, HistoSys, Lumi, NormFactor, NormSys
from .surgery import modifiers_of, parameters_of

if TYPE_CHECKING:
    from .data import Data
    from .model import Model

# Squared size, in Poisson standard deviations added up over bins, of an even change of the expected
# events that can make another minimum: where both variations lie on one side, and elsewhere.
_ONE_SIDED = 1e-3
_CURVED = 0.1
# Parameters of which all combinations of sides are tried; of more, all at once and some alone.
_MOST_COMBINED = 3
_MOST_SINGLE = 2
# Displacements in units of the width below which both sides are tried.
_CENTRAL = 0.3
_SPREAD = 2.0  # of random starts, in widths of constraint terms
# Random starts where nobody asks for a number.
_PARAMETERS_PER_START = 30
_MOST_RANDOM = 8
# Where an even change by a width, times the residual that pulls at it, is less than this in -log L,
# the constraint term outweighs it: there is one minimum.
_PULL = 0.2


@dataclass(frozen=True, eq=False)
class Bends:
    """Parameters that change the expected events alike on both sides of a centre, in part.

    Fits may have a minimum on either side. Arrays have one entry each, the largest effect first.
    """

    parameters: NDArray[np.intp]
    """Positions in the model."""
    centers: FloatArray
    widths: FloatArray
    """A typical change."""
    effects: FloatArray
    """Even part of the change by a width, in Poisson standard deviations."""
    even: FloatArray
    """Even part of the change by a width in events, shape (n, n_bins)."""
    change: FloatArray
    """Size of the larger change by a width in events, shape (n, n_bins)."""

    def __len__(self) -> int:
        return len(self.parameters)


def bends(model: Model) -> Bends:
    """Return the bent parameters of a model, found once.

    A parameter is moved from its centre by plus and minus its width, everything else at its initial
    value (factors that start at 0: at 1). With the changes u and d of the expected events lambda,
    the sum over bins of ((u + d) / 2)^2 / lambda counts, separately where u d > 0.
    """
    if not isinstance(model._bends, Bends):
        model._bends = found = _find_bends(model)
        return found
    return model._bends


def further_starts(
    model: Model,
    data: Data,
    x: FloatArray,
    held: NDArray[np.bool_],
    *,
    n: int = 0,
    seed: int = 0,
    sides: bool = True,
) -> FloatArray:
    """Return starts that may lead to other minima than `x` does.

    Parameters
    ----------
    model : Model
        What is fitted.
    data : Data
        What it is fitted to: its global observables are the centres of random starts.
    x : array, shape (n_parameters,)
        A start or a minimum, with the held parameters at their values.
    held : array of bool, shape (n_parameters,)
        Parameters that the fit does not vary: all starts have them as `x` has.
    n, seed : int
        How many random ones, and which.
    sides : bool
        Try the other sides of bent parameters.

    Returns
    -------
    array, shape (k, n_parameters)
        The initial values of the model; `x` with bent parameters on their other sides, see `bends`;
        `n` random points. They may lie outside the bounds.
    """
    rows = [np.array(model.initial)[None, :]]
    if sides:
        rows.append(_other_sides(_active(model, data, x, held), x))
    if n > 0:
        observables = np.ascontiguousarray(data.global_observables)
        rows.append(_core.draw_starts(model._core, observables, n=n, seed=seed, spread=_SPREAD))
    starts = np.concatenate(rows)
    starts[:, held] = x[held]
    return starts


def random_starts(n_parameters: int) -> int:
    """Return a number of random starts that costs little: small models have the rarer minima."""
    return min(_PARAMETERS_PER_START // n_parameters, _MOST_RANDOM)


def check_starts(starts: int) -> None:
    """Raise ArgumentError unless this is a number of random starts."""
    if not 0 <= starts < 2**31:
        raise located(ArgumentError, f"expected a number from 0 on, got {starts}", "starts")


def mirrored(model: Model, x: FloatArray) -> FloatArray | None:
    """Return `x` with all bent parameters on their other sides; None if the model has none."""
    bent = bends(model)
    return _other_sides(bent, x)[0] if len(bent) else None


def _active(model: Model, data: Data, x: FloatArray, held: NDArray[np.bool_]) -> Bends:
    """Return the bent parameters that data and fit may see differently on their other sides.

    The likelihood has a second minimum along a parameter only where the even part of its change,
    times the residual (n - lambda) / lambda, outweighs the constraint term. Of the residual only
    the size at `x` is looked at, and what the parameter's own displacement may hide of it.
    """
    bent = bends(model)
    keep = ~held[bent.parameters]
    if np.any(keep):
        away = np.abs(x[bent.parameters] - bent.centers) / bent.widths
        with np.errstate(all="ignore"):
            expected = model.expected(x)
            residuals = np.abs(data.counts - expected) + away[:, None] * bent.change
            even = np.abs(bent.even)
            pulls = np.sum(residuals * even / np.maximum(np.abs(expected), even), axis=1)
        keep &= ~(pulls < _PULL)
    members = (getattr(bent, field.name)[keep] for field in fields(bent))
    return Bends(*members)


def _other_sides(bent: Bends, x: FloatArray) -> FloatArray:
    """Return `x` with bent parameters mirrored, at least a width away from their centres."""
    positions, centers = bent.parameters, bent.centers
    away = (x[positions] - centers) / bent.widths
    order = np.argsort(-np.abs(away) * bent.effects, kind="stable")
    reach = np.maximum(np.abs(away), 1.0) * bent.widths
    sides = np.where(away > 0.0, -1.0, 1.0)
    flipped = centers + sides * reach
    others = centers - sides * reach
    is_central = np.abs(away) < _CENTRAL
    rows: list[FloatArray] = []
    if 0 < len(bent) <= _MOST_COMBINED:
        kept = np.where(is_central, others, x[positions])
        pairs = zip(flipped.tolist(), kept.tolist(), strict=True)
        rows = [np.array(values) for values in product(*pairs)]
        if not np.any(is_central):
            rows.pop()
    elif len(bent):
        rows.append(flipped)
        for i in order[:_MOST_SINGLE].tolist():
            for value in (flipped[i], others[i])[: 1 + int(is_central[i])]:
                rows.append(np.array(x[positions]))
                rows[-1][i] = value
    starts = np.repeat(x[None, :], len(rows), axis=0)
    if rows:
        starts[:, positions] = rows
    return starts


def _find_bends(model: Model) -> Bends:
    base = np.array(model.initial)
    kinds = _kinds(model)
    factors = [position for position, is_factor in kinds.items() if is_factor]
    base[factors] = np.where(base[factors] == 0.0, 1.0, base[factors])
    centers, widths = model.prefit()
    found = []
    for position in kinds:
        center, width = float(centers[position]), float(widths[position])
        if not np.isfinite(center) or not width > 0.0:
            center = float(base[position])
            width = abs(center)
        bent = _bend(model, base, position, center, width)
        if bent is not None:
            found.append((position, *bent))
    found.sort(key=lambda row: (-row[3], row[0]))
    head = np.array([row[:4] for row in found], dtype=float).reshape(-1, 4).T
    shape = (len(found), model.n_bins)
    even, change = (np.array([row[i] for row in found]).reshape(shape) for i in (4, 5))
    return Bends(head[0].astype(np.intp), head[1], head[2], head[3], even, change)


def _kinds(model: Model) -> dict[int, bool]:
    """Return the parameters that may be bent, all but those of bins, and which are norm factors."""
    names: dict[str, bool] = {}
    for modifier in modifiers_of(model.spec):
        if isinstance(modifier, NormFactor):
            names[modifier.parameter] = True
        elif isinstance(modifier, NormSys | HistoSys | Lumi | FormulaFactor):
            for name in parameters_of(modifier):
                names.setdefault(name, False)
    return {model.index(name): is_factor for name, is_factor in names.items()}


def _bend(
    model: Model, base: FloatArray, position: int, center: float, width: float
) -> tuple[float, float, float, FloatArray, FloatArray] | None:
    """Return what `Bends` has of a parameter, or None if it is nearly linear."""
    points = np.repeat(base[None, :], 3, axis=0)
    points[:, position] = center, center + width, center - width
    with np.errstate(all="ignore"):
        nominal, high, low = (model.expected(point) for point in points)
        up, down = high - nominal, low - nominal
        size = np.maximum(np.abs(up), np.abs(down))
        even = 0.5 * (up + down)
        squares = even**2 / np.maximum(np.abs(nominal), size)
    squares[~np.isfinite(squares)] = 0.0
    one_sided = float(np.sum(squares[up * down > 0.0]))
    total = float(np.sum(squares))
    if not (one_sided > _ONE_SIDED or total > _CURVED):
        return None
    return center, width, float(np.sqrt(total)), even, size
