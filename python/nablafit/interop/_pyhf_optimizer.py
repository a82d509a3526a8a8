"""pyhf's optimizer interface on nablafit's core; imported only where pyhf is."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import pyhf
from pyhf.infer.mle import twice_nll
from pyhf.optimize.mixins import OptimizerMixin
from scipy.optimize import OptimizeResult

from .._arrays import FloatArray
from .._starts import bends, further_starts
from ..data import Data
from ..errors import Error, FitWarning
from ..infer.testing._profile import SAME
from ..minimizers import newton as _newton
from ..minimizers.problem import FitOptions, FitProblem, Minimum
from ..model import Likelihood, Model
from ._pyhf_model import from_pyhf

if TYPE_CHECKING:
    from iminuit import Minuit

Tensor: TypeAlias = Any

# Fits with a parameter held at its bound, and driven there, end at the same minimum. pyhf divides
# by a difference of such minima: where it is exactly zero and the numerator, another such
# difference, is a rounding error, it gets NaN. So -2 log L is rounded to multiples of this, and
# `optimizer` asks for minima that are closer than that.
_RESOLUTION = 2.0**-33
# Relative difference of nablafit's and pyhf's -2 log L that is rounding, by pyhf's precision.
_ROUNDING = {"64b": 1e-9, "32b": 1e-4}
_KNOWN_OPTIONS = ("maxiter", "tolerance", "strategy")
_RETURNS = ("return_correlations", "return_fitted_val", "return_result_obj")
_FLAGS = (*_RETURNS, "return_uncertainties", "do_grad", "do_stitch")


class _Asked(NamedTuple):
    """What pyhf wants minimised: the arguments of `OptimizerMixin.minimize`."""

    objective: Callable[..., Tensor]
    data: Tensor
    pdf: pyhf.Model
    init_pars: Sequence[float]
    par_bounds: Sequence[tuple[float, float]]
    fixed_vals: Sequence[tuple[int, float]] | None = None


class NablafitOptimizer:
    """An optimizer for `pyhf.set_backend`; see `nablafit.interop.pyhf.optimizer`."""

    name = "nablafit"

    def __init__(
        self,
        *,
        tolerance: float | None = None,
        maxiter: int | None = None,
        fallback: OptimizerMixin | None = None,
    ) -> None:
        self._options = FitOptions(tolerance=tolerance, max_calls=maxiter)
        self._fallback = fallback
        self._models: WeakKeyDictionary[pyhf.Model, Model | str] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"<nablafit's optimizer for pyhf, {len(self._models)} models compiled>"

    def minimize(
        self,
        objective: Callable[..., Tensor],
        data: Tensor,
        pdf: pyhf.Model,
        init_pars: Sequence[float],
        par_bounds: Sequence[tuple[float, float]],
        fixed_vals: Sequence[tuple[int, float]] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Tensor:
        """Do what `pyhf.optimize.mixins.OptimizerMixin.minimize` does, with its arguments.

        `do_grad`, `do_stitch` and `strategy` make no difference: derivatives are always exact, and
        fixed parameters are left out.

        Raises
        ------
        pyhf.exceptions.FailedMinimization
            If no minimum is found.
        pyhf.exceptions.Unsupported
            For options that no optimizer of pyhf has.
        """
        fallback = pyhf.optimize.minuit_optimizer() if self._fallback is None else self._fallback
        asked = _Asked(objective, data, pdf, init_pars, par_bounds, fixed_vals)
        return self.minimize_or_leave(fallback, asked, **options)

    def minimize_or_leave(
        self,
        fallback: OptimizerMixin,
        asked: _Asked,
        **options: Any,  # noqa: ANN401
    ) -> Tensor:
        """Do the same; leave to `fallback`, with a FitWarning, what nablafit cannot do."""
        try:
            problem = _problem(self._likelihood(asked), asked, asked.fixed_vals or ())
        except _NotOurs as reason:
            if str(reason):
                message = f"{reason}; pyhf's own optimizer does this fit"
                warnings.warn(message, FitWarning, stacklevel=5)
            # Not `fallback.minimize`: that may be what replaced_minuit put there.
            return OptimizerMixin.minimize(fallback, *asked, **options)
        flags = {name: options.pop(name, False) for name in _FLAGS}
        result = _result(problem, _lowest(problem, self._with(options)))
        if not result["success"]:
            raise pyhf.exceptions.FailedMinimization(result)
        _to_tensors(result, with_uncertainties=flags["return_uncertainties"])
        returned = [result["x"]]
        values = (result["corr"], result["fun"], result)
        returned += [value for name, value in zip(_RETURNS, values, strict=True) if flags[name]]
        return tuple(returned) if len(returned) > 1 else returned[0]

    def _with(self, kwargs: dict[str, Any]) -> FitOptions:
        """Combine the options of the optimizer with those of this fit."""
        unknown = [name for name in kwargs if name not in _KNOWN_OPTIONS]
        if unknown:
            message = f"Unsupported options were passed in: {unknown}."
            raise pyhf.exceptions.Unsupported(message)
        tolerance, maxiter = kwargs.get("tolerance"), kwargs.get("maxiter")
        return FitOptions(
            tolerance=self._options.tolerance if tolerance is None else tolerance,
            max_calls=self._options.max_calls if maxiter is None else maxiter,
        )

    def _likelihood(self, asked: _Asked) -> Likelihood:
        """Return pyhf's objective as a likelihood of a compiled model, or raise _NotOurs."""
        pdf = asked.pdf
        if asked.objective is not twice_nll:
            raise _NotOurs("the objective is not pyhf.infer.mle.twice_nll")
        if not isinstance(pdf, pyhf.Model):
            raise _NotOurs(f"the model is a {type(pdf).__name__}, not a pyhf.Model")
        model = self._models.get(pdf)
        if isinstance(model, str):
            raise _NotOurs("")  # said before
        try:
            new = from_pyhf(pdf) if model is None else model
            likelihood = new.likelihood(Data.from_pyhf(new, _to_numpy(asked.data)))
            if model is None:
                _check_agreement(likelihood, asked)
        except (Error, _NotOurs) as error:
            if model is None:
                self._models[pdf] = str(error)
            raise _NotOurs(f"nablafit cannot evaluate this model: {error}") from error
        self._models[pdf] = new
        return likelihood


class _NotOurs(Exception):  # noqa: N818
    """Why a fit is left to pyhf."""


# --- in ------------------------------------------------------------------------------------------


def _to_numpy(values: Tensor) -> FloatArray:
    tensorlib, _ = pyhf.get_backend()
    return np.asarray(tensorlib.to_numpy(tensorlib.astensor(values)), dtype=float)


def _problem(
    likelihood: Likelihood, asked: _Asked, fixed_vals: Sequence[tuple[int, float]] = ()
) -> FitProblem:
    initial = np.array([float(value) for value in asked.init_pars])
    lower, upper = np.array(asked.par_bounds, dtype=float).reshape(-1, 2).T
    fixed = np.zeros(initial.size, dtype=bool)
    for index, value in fixed_vals:
        initial[index], fixed[index] = float(value), True
    initial = np.where(fixed, initial, np.clip(initial, lower, upper))
    return FitProblem(likelihood, initial, lower, upper, fixed)


def _check_agreement(likelihood: Likelihood, asked: _Asked) -> None:
    """Raise _NotOurs unless pyhf computes the same -2 log L, at the start and next to it."""
    tensorlib, _ = pyhf.get_backend()
    problem = _problem(likelihood, asked)
    shifted = np.clip(problem.initial + 0.3 * problem.step, problem.lower, problem.upper)
    for x in (problem.initial, shifted):
        value = twice_nll(tensorlib.astensor(x), tensorlib.astensor(asked.data), asked.pdf)
        theirs = float(_to_numpy(value).item())
        ours = 2.0 * (likelihood(x) + likelihood.constant)
        if not np.isfinite(theirs) or not np.isfinite(ours):
            continue  # pyhf has NaN where a yield is negative
        if abs(ours - theirs) > _ROUNDING[tensorlib.precision] * max(1.0, abs(theirs)):
            message = f"-2 log L is {theirs!r} in pyhf, but {ours!r} in nablafit"
            raise _NotOurs(message)


def _lowest(problem: FitProblem, options: FitOptions) -> Minimum:
    """Fit from pyhf's start and, in models that may have several minima, from others too."""
    likelihood = problem.likelihood
    best = _finished(_newton.minimize(problem, options))
    if len(bends(likelihood.model)) == 0 or not best.status.startswith("converged"):
        return best
    lowest = likelihood(best.x)
    for start in further_starts(likelihood.model, likelihood.data, best.x, problem.fixed):
        inside = np.clip(start, problem.lower, problem.upper)
        start = np.where(problem.fixed, problem.initial, inside)
        other = _finished(_newton.minimize(replace(problem, initial=start), options))
        value = likelihood(other.x)
        if other.status.startswith("converged") and value < lowest - SAME:
            best, lowest = other, value
    return best


def _finished(minimum: Minimum) -> Minimum:
    if minimum.interruption is not None:
        raise minimum.interruption
    return minimum


# --- out -----------------------------------------------------------------------------------------


class _Result(OptimizeResult):
    """What pyhf returns with `return_result_obj`; `minuit` is made on first access."""

    def __missing__(self, key: str) -> Any:  # noqa: ANN401
        if key != "minuit":
            raise KeyError(key)
        self["minuit"] = _make_minuit(self["problem"], self["minimum"])
        return self["minuit"]


def _result(problem: FitProblem, minimum: Minimum) -> _Result:
    likelihood = problem.likelihood
    n = problem.initial.size
    covariance = np.full((n, n), np.nan) if minimum.covariance is None else minimum.covariance
    sigma = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        # As in iminuit: 1 on the diagonal, 0 for fixed parameters.
        correlation = np.nan_to_num(covariance / np.outer(sigma, sigma), nan=0.0)
    members = {
        "x": minimum.x,
        "unc": np.where(problem.fixed, 0.0, sigma),
        "corr": correlation,
        "success": minimum.status.startswith("converged"),
        "fun": 2.0 * likelihood.constant + _rounded(2.0 * likelihood(minimum.x)),
        "hess_inv": minimum.covariance,
        "message": minimum.message,
        "nfev": minimum.n_calls,
        "njev": minimum.n_gradients,
        "problem": problem,
        "minimum": minimum,
    }
    result = _Result()
    result.update(members)
    return result


def _rounded(value: float) -> float:
    return round(value / _RESOLUTION) * _RESOLUTION if np.isfinite(value) else value


def _to_tensors(result: _Result, *, with_uncertainties: bool) -> None:
    tensorlib, _ = pyhf.get_backend()
    for name in ("x", "unc", "corr", "fun"):
        result[name] = tensorlib.astensor(result[name])
    if with_uncertainties:
        result["x"] = tensorlib.stack([result["x"], result["unc"]], axis=1)


class _TwiceNll:
    """-2 log L as MINUIT wants it."""

    def __init__(self, likelihood: Likelihood) -> None:
        self._likelihood = likelihood

    def __call__(self, x: FloatArray) -> float:
        return 2.0 * (self._likelihood(x) + self._likelihood.constant)

    def grad(self, x: FloatArray) -> FloatArray:
        return 2.0 * self._likelihood.gradient(x)


def _make_minuit(problem: FitProblem, minimum: Minimum) -> Minuit:
    """Return a Minuit object at the minimum, for MINOS and contours: it has run MIGRAD there."""
    from iminuit import Minuit

    function = _TwiceNll(problem.likelihood)
    names = problem.likelihood.parameters
    minuit = Minuit(function, minimum.x, grad=function.grad, name=names)
    minuit.errordef = 1.0
    minuit.limits = list(zip(problem.lower, problem.upper, strict=True))
    minuit.errors = problem.step
    minuit.fixed = problem.fixed
    minuit.strategy = 0
    minuit.print_level = 0  # others, such as cabinetry's, raise it for all objects
    minuit.migrad()
    return minuit


# --- MINUIT of pyhf ------------------------------------------------------------------------------


class ReplacedMinuit:
    """pyhf's `minuit_optimizer` objects run on `ours` until `restore`, or the end of a context."""

    def __init__(self, ours: NablafitOptimizer) -> None:
        self._kind = pyhf.optimize.minuit_optimizer
        self._before = vars(self._kind).get("minimize")

        def minimize(self: OptimizerMixin, *arguments: Any, **options: Any) -> Tensor:  # noqa: ANN401
            named = {name: options.pop(name) for name in _Asked._fields if name in options}
            return ours.minimize_or_leave(self, _Asked(*arguments, **named), **options)

        self._kind.minimize = self._minimize = minimize

    def __enter__(self) -> ReplacedMinuit:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def __repr__(self) -> str:
        state = "runs on nablafit" if self._is_current else "was restored"
        return f"<minuit_optimizer of pyhf {state}>"

    @property
    def _is_current(self) -> bool:
        return vars(self._kind).get("minimize") is self._minimize

    def restore(self) -> None:
        """Give pyhf back what was there before; nothing happens the second time."""
        if not self._is_current:
            return
        if self._before is None:
            del self._kind.minimize
        else:
            self._kind.minimize = self._before
