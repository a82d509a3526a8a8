"""Fits of one likelihood by every combination of minimiser and derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from iminuit import Minuit
from scipy.optimize import minimize

import nablafit as nf
from nablafit.minimizers.iminuit import make_minuit

from .run import Absent, first_line
from .ways import Way

WITHOUT_GRADIENT = ("MIGRAD, own differences", "SIMPLEX", "Nelder-Mead")


class OutOfTimeError(Exception):
    """Raised inside a minimiser that takes too long."""


class Counter:
    """Counts calls and ends them after a time."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self.calls = self.gradients = 0
        self.lowest = np.inf
        self._now, self._end = now, now() + seconds

    def value(self, f: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
        def call(x: np.ndarray) -> float:
            self._check()
            self.calls += 1
            found = float(f(np.asarray(x)))
            self.lowest = min(self.lowest, found)
            return found

        return call

    def gradient(self, f: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        def call(x: np.ndarray) -> np.ndarray:
            self._check()
            self.gradients += 1
            return f(np.asarray(x))

        return call

    def _check(self) -> None:
        if self._now() > self._end:
            raise OutOfTimeError


def all_fits(
    likelihood: nf.Likelihood,
    ways: Mapping[str, Way | Absent],
    seconds: float,
    now: Callable[[], float],
) -> Iterator[dict[str, Any]]:
    """Fit in every way; each fit ends after `seconds`."""
    yield _run("newton", lambda _: _newton(likelihood), likelihood, seconds, now)
    yield _run(
        "MIGRAD, clad with Hessian", lambda _: _hessian(likelihood), likelihood, seconds, now
    )
    for name, way in ways.items():
        full_name = f"MIGRAD, {name}"
        if isinstance(way, Absent):
            yield {"name": full_name, "absent": way.reason}
        else:
            call = lambda counter, w=way: _migrad(likelihood, counter, w.value, w.gradient)  # noqa: E731
            yield _run(full_name, call, likelihood, seconds, now)
    for name, fit in zip(WITHOUT_GRADIENT, (_migrad, _simplex, _nelder_mead), strict=True):
        call = lambda counter, f=fit: f(likelihood, counter, likelihood)  # noqa: E731
        yield _run(name, call, likelihood, seconds, now)


def _run(
    name: str,
    fit: Callable[[Counter], dict[str, Any]],
    likelihood: nf.Likelihood,
    seconds: float,
    now: Callable[[], float],
) -> dict[str, Any]:
    """Clock one fit; what it found is evaluated by the default backend, so that minima compare."""
    counter = Counter(seconds, now)
    started = now()
    try:
        found = fit(counter)
    except OutOfTimeError:
        found = {"stopped": True, "valid": False}
        if np.isfinite(counter.lowest):
            found["value"] = counter.lowest
    except Exception as error:  # noqa: BLE001
        return {"name": name, "absent": first_line(error)}
    found = {"calls": counter.calls, "gradients": counter.gradients, **found}
    x = found.pop("x", None)
    if x is not None:
        found["value"] = float(likelihood(np.asarray(x)))
    return {"name": name, "seconds": now() - started, **found}


def _newton(likelihood: nf.Likelihood) -> dict[str, Any]:
    found = nf.fit_many(likelihood.model, likelihood.data, n_threads=1)
    n_gradients, iterations = int(found.n_gradients[0]), int(found.iterations[0])
    counts = {"calls": 0, "gradients": n_gradients, "hessians": iterations}
    return {"x": found.x[0], "valid": bool(found.valid[0]), **counts}


def _hessian(likelihood: nf.Likelihood) -> dict[str, Any]:
    minuit = make_minuit(likelihood, hessian=True)
    minuit.strategy = 0
    minuit.migrad()
    counts = {"calls": minuit.nfcn, "gradients": minuit.ngrad, "hessians": minuit.nhessian}
    return {"x": np.array(minuit.values), "valid": bool(minuit.valid), **counts}


def _minuit(
    likelihood: nf.Likelihood,
    value: Callable[[np.ndarray], float],
    gradient: Callable[[np.ndarray], np.ndarray] | None,
) -> Minuit:
    model = likelihood.model
    minuit = Minuit(value, model.initial, grad=gradient, name=model.parameters)
    minuit.errordef, minuit.limits, minuit.fixed = 0.5, model.bounds, model.fixed
    minuit.errors = make_minuit(likelihood).errors  # first steps
    minuit.strategy = 1 if gradient is None else 0
    return minuit


def _migrad(
    likelihood: nf.Likelihood,
    counter: Counter,
    value: Callable[[np.ndarray], float],
    gradient: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, Any]:
    wrapped = None if gradient is None else counter.gradient(gradient)
    minuit = _minuit(likelihood, counter.value(value), wrapped)
    minuit.migrad(ncall=10**7)
    return {"x": np.array(minuit.values), "valid": bool(minuit.valid)}


def _simplex(
    likelihood: nf.Likelihood, counter: Counter, value: Callable[[np.ndarray], float]
) -> dict[str, Any]:
    minuit = _minuit(likelihood, counter.value(value), None)
    minuit.simplex(ncall=10**7)
    return {"x": np.array(minuit.values), "valid": bool(minuit.valid)}


def _nelder_mead(
    likelihood: nf.Likelihood, counter: Counter, value: Callable[[np.ndarray], float]
) -> dict[str, Any]:
    """SciPy's, with dimension-dependent coefficients."""
    model = likelihood.model
    start, free = np.array(model.initial), ~np.array(model.fixed)
    counted = counter.value(value)

    def restricted(y: np.ndarray) -> float:
        x = start.copy()
        x[free] = y
        return counted(x)

    bounds = [pair for pair, is_free in zip(model.bounds, free, strict=True) if is_free]
    options = {"maxfev": 10**7, "maxiter": 10**7, "adaptive": True}
    found = minimize(restricted, start[free], method="Nelder-Mead", bounds=bounds, options=options)
    x = start.copy()
    x[free] = found.x
    return {"x": x, "valid": bool(found.success)}
