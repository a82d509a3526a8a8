"""What profile likelihoods share: the best fit that they start from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import NDArray

from ... import _core
from ..._arrays import FloatArray, index_of, thread_count
from ..._printable import printable
from ..._results.record import Record
from ..._starts import check_starts, random_starts
from ...errors import ArgumentError, Error, FitWarning, located
from ...fit import fit, likelihood_of
from ...minimizers.newton import minimize_options, require_native
from ...minimizers.problem import FitOptions
from .._common import EXACT, check_fit
from .._elsewhere import SAME, Elsewhere, Origin, disagreement, fit_elsewhere

if TYPE_CHECKING:
    from ..._arrays import ParameterValues
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Likelihood, Model
    from ...result import FitResult

# Parameters that the text of a LowerMinimum names at most.
_NAMES_SHOWN = 3
# Other minima of the best fit that its profiles follow.
_MOST_MINIMA = 3
# Times that a best fit gives way to a lower one that its profile met.
MOST_MINIMA = 3
# -2 log L below that of the best fit by more than this is another minimum.
NEW_MINIMUM = 1e-5
# Parameters by which two minima differ that are named at most.
_MOST_NAMES = 10
# Differences in units of the error that tell two minima apart.
_TELLING = 0.1


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LowerMinimum(Record):
    """A minimum below the best fit, met by constrained fits; frozen.

    `nablafit.fit(model, data, initial=minimum.x)` starts there; its result, passed on as `result`,
    makes it the reference.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> nf.intervals(model, data, ["mu"]).new_minimum is None  # a LowerMinimum if one was met
    True
    """

    parameters: tuple[str, ...]
    """All parameters of the model."""
    x: FloatArray
    """Where it is, shape (n_parameters,)."""
    twice_delta_nll: float
    """-2 log L minus that of the best fit: negative."""
    differs_in: dict[str, float]
    """The parameters that tell it from the best fit, with their values here: the largest difference
    in units of their errors first."""

    def __repr__(self) -> str:
        pairs = list(self.differs_in.items())[:_NAMES_SHOWN]
        where = ", ".join(f"{name} = {value:.4g}" for name, value in pairs)
        depth = f"{-self.twice_delta_nll:.3g} lower in -2 log L than the best fit"
        return f"A minimum {depth} was met{' at ' if where else ''}{printable(where)}."


@dataclass(frozen=True)
class Reference:
    """The minimum that a profile likelihood refers to, from the native minimiser."""

    likelihood: Likelihood
    result: FitResult
    is_given: bool = False
    """Whether the caller chose this minimum: it is kept even if there is a lower one."""
    notes: tuple[str, ...] = ()
    """What to say about how it was found."""
    minima: FloatArray | None = None
    """Other minima that were met, shape (n, n_parameters)."""
    starts: int = 0
    """Random starts of the fits that follow: as asked for, some where other minima were met."""
    n_threads: int | None = None
    """As in `nablafit.fit_many`, of the fits that follow."""

    @property
    def origin(self) -> Origin:
        """What fits from elsewhere may know of this one."""
        minima = np.zeros((0, len(self.x))) if self.minima is None else self.minima
        return Origin(self.likelihood.model.expected(self.x), minima)

    @property
    def x(self) -> FloatArray:
        """Best-fit values, shape (n_parameters,)."""
        return self.result.x

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Bounds of the fit by name, without those that are a single value."""
        best = self.result
        rows = zip(best.parameters, best.lower.tolist(), best.upper.tolist(), strict=True)
        return {name: (low, high) for name, low, high in rows if low < high}

    @property
    def fixed(self) -> dict[str, bool]:
        """Whether the fit held each parameter."""
        return dict(zip(self.result.parameters, self.result.fixed.tolist(), strict=True))

    @property
    def covariance(self) -> FloatArray:
        """Shape (n_parameters, n_parameters); a valid native fit always has one."""
        assert self.result.covariance is not None  # noqa: S101
        return self.result.covariance

    def indices(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return positions of free parameters; raise ArgumentError for others."""
        for name in names:
            if self.result.fixed[index_of(self.result.parameters, name)]:
                remedy = f"fixed={{{name!r}: False}}, on the command line --release {name}"
                message = f"is fixed, so it has no profile; release it: {remedy}"
                raise located(ArgumentError, message, name)
        return np.array([self.result.parameters.index(name) for name in names], dtype=np.int64)

    def response(self, held: NDArray[np.int64]) -> FloatArray:
        """Return dx/d(held) of the conditional minimum to first order, shape (n_held, n).

        It is (C_kk)^-1 C_kx, with k the held parameters; zero where the covariance does not say.
        """
        n = len(self.x)
        block = self.covariance[np.ix_(held, held)]
        rows = np.zeros((len(held), n))
        if is_positive_definite(block):
            shared = self.covariance[held]
            rows[:] = np.linalg.solve(block, np.where(np.isfinite(shared), shared, 0.0))
        rows[:, held] = np.eye(len(held))
        return rows

    def lower_minimum(self, x: FloatArray, twice_delta_nll: float) -> LowerMinimum:
        """Describe a minimum below this one."""
        names = self.result.parameters
        errors = np.asarray(self.result.errors)
        usable = np.isfinite(errors) & (errors > 0)
        shift = np.abs(x - self.x) / np.where(usable, errors, 1.0)
        order = [i for i in np.argsort(-shift, kind="stable").tolist() if shift[i] > _TELLING]
        return LowerMinimum(
            parameters=names,
            x=np.array(x),
            twice_delta_nll=twice_delta_nll,
            differs_in={names[i]: float(x[i]) for i in order[:_MOST_NAMES]},
        )

    def fit_from(self, x: FloatArray, tolerance: float | None = EXACT) -> FitResult:
        """Fit again from another start, with the same bounds and fixed parameters."""
        return fit(
            self.likelihood, initial=x, bounds=self.bounds, fixed=self.fixed, tolerance=tolerance
        )

    def released(self, x: FloatArray, twice_delta_nll: float) -> LowerMinimum:
        """Describe the minimum that a conditional one leads to when nothing is held."""
        free = self.fit_from(x, tolerance=None)
        height = 2.0 * (free.value - self.result.value)
        if not free.valid or height > twice_delta_nll:
            return self.lower_minimum(x, twice_delta_nll)
        return self.lower_minimum(free.x, height)

    def elsewhere(
        self, x: FloatArray, held: NDArray[np.int64] | None = None, origin: Origin | None = None
    ) -> Elsewhere:
        """Fit from further starts than the rows of `x`, in which `held` parameters stay."""
        flags = np.repeat(self.result.fixed[None, :], len(x), axis=0)
        if held is not None:
            flags[np.arange(len(x))[:, None], held] = True
        return fit_elsewhere(
            self.likelihood.model,
            self.likelihood.data,
            x,
            flags,
            self.bounds,
            starts=self.starts,
            n_threads=self.n_threads,
            origin=origin,
        )

    def crossings(
        self,
        held: NDArray[np.int64],
        directions: FloatArray,
        rises: FloatArray,
        progress: Callable[[int], object] | None,
        starts: tuple[FloatArray, NDArray[np.int64]] | None = None,
    ) -> tuple[dict[str, Any], BaseException | None]:
        """Follow rays, see `profile.hpp`; held and directions have shape (n_rays, n_held).

        `starts` are points of shape (n_starts, n_parameters), and the ray of each.
        """
        points, owners = (None, None) if starts is None else starts
        return _core.profile_crossings(
            self.likelihood,
            x=np.array(self.x),
            covariance=np.ascontiguousarray(self.covariance),
            lower=np.ascontiguousarray(self.result.lower),
            upper=np.ascontiguousarray(self.result.upper),
            fixed=np.ascontiguousarray(self.result.fixed),
            parameters=np.ascontiguousarray(held, dtype=np.int64),
            directions=np.ascontiguousarray(directions, dtype=np.float64),
            rises=np.ascontiguousarray(rises, dtype=np.float64),
            starts=None if points is None else np.ascontiguousarray(points),
            start_rays=None if owners is None else owners.reshape(-1, 1),
            options=minimize_options(FitOptions(), _core.CovarianceKind.none, diagnostics=False),
            n_threads=thread_count(self.n_threads),
            progress=progress,
        )


def warn_of(reference: Reference, minimum: LowerMinimum | None) -> None:
    """Warn the caller of a public function of a minimum below the one that was first found."""
    for note in reference.notes:
        warnings.warn(note, FitWarning, stacklevel=3)
    if minimum is not None:
        warnings.warn(f"{minimum!r} Fit again from .new_minimum.x", FitWarning, stacklevel=3)


def make_reference(
    model: Model | Likelihood,
    data: Data | None,
    result: FitResult | None,
    initial: ParameterValues | None,
    bounds: Bounds | None,
    fixed: Fixed | None,
    *,
    starts: int = 0,
    n_threads: int | None = None,
) -> Reference:
    """Find the best fit, or take over the one given.

    A fit is made from further starts too, see `fit_elsewhere`. A result of another minimiser is the
    start of a native fit, since MINUIT stops further from the minimum than profiles can bear.

    Raises
    ------
    ArgumentError
        If `result` belongs to another model or other data, or comes with bounds, fixed or initial.
    Error
        If there is no minimum.
    """
    check_starts(starts)
    is_given = result is not None
    likelihood = likelihood_of(model, data)
    require_native(likelihood)
    if result is None:
        result = fit(likelihood, initial=initial, bounds=bounds, fixed=fixed, tolerance=EXACT)
    elif initial is not None or bounds is not None or fixed is not None:
        message = "a result has start, bounds and fixed parameters of its own: pass either"
        raise located(ArgumentError, message, "result")
    check_fit(likelihood, result, 1e-8)
    reference = Reference(likelihood, result, is_given, starts=starts, n_threads=n_threads)
    if result.minimizer != "newton" or result.covariance is None:
        reference = replace(reference, result=reference.fit_from(result.x))
    if not reference.result.valid:
        message = f"there is no best fit to start from: {reference.result.message}"
        raise located(Error, message, "fit")
    return lowest_reference(reference)


def lowest_reference(reference: Reference) -> Reference:
    """Return the lowest minimum that further starts find, or the given one with what they met.

    In small models some of the starts are random, whatever `reference.starts` says.
    """
    result = reference.result
    n_random = max(reference.starts, random_starts(len(result.x)))
    thorough = replace(reference, starts=n_random)
    elsewhere = thorough.elsewhere(result.x[None, :])
    minima = elsewhere.distinct(0)
    minima = minima[np.abs(elsewhere.value[minima] - result.value) > SAME]
    if not minima.size:
        return reference
    met = replace(thorough, minima=elsewhere.x[minima[:_MOST_MINIMA]])
    is_lower = 2.0 * (elsewhere.value[minima[0]] - result.value) < -NEW_MINIMUM
    return rebased(met, elsewhere.x[minima[0]]) if is_lower and not met.is_given else met


def rebased(reference: Reference, x: FloatArray) -> Reference:
    """Return the best fit that a lower point leads to, with a note about it."""
    old = reference.result
    new = reference.fit_from(x)
    gain = 2.0 * (old.value - new.value)
    if not new.valid or not gain > NEW_MINIMUM:
        return reference
    where = disagreement(old.parameters, np.asarray(old.errors), new.x, old.x)
    note = f"the best fit is {gain:.3g} lower in -2 log L than where the first start led{where}"
    minima = old.x[None, :] if reference.minima is None else [*reference.minima, old.x]
    return replace(reference, result=new, notes=(*reference.notes, note), minima=np.array(minima))


def is_positive_definite(matrix: FloatArray) -> bool:
    """Whether a small covariance can be inverted."""
    if not np.all(np.isfinite(matrix)) or not np.all(np.diag(matrix) > 0):
        return False
    scale = np.sqrt(np.diag(matrix))
    return bool(np.linalg.eigvalsh(matrix / np.outer(scale, scale))[0] > 1e-12)


def rise_of_level(level: float, n_parameters: int) -> float:
    """Return the rise of -2 log L at a confidence level, by Wilks' theorem (chi-square)."""
    if not 0.0 < level < 1.0:
        raise located(ArgumentError, f"expected a number between 0 and 1, got {level}", "level")
    return float(scipy.special.chdtri(n_parameters, 1.0 - level))
