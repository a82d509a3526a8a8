"""The tools that are compared, each as its documentation says it is fastest.

A tool turns a workspace into `Task`s. All see the same model: no parameter of interest, first
measurement, default interpolation. Points are vectors in the order of nablafit's parameters.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import nablafit as nf
from nablafit.minimizers.iminuit import make_minuit

from .run import Absent, Task, first_line

Point = np.ndarray
POI_VALUE = 1.0
"""Tested signal strength."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of other tools."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class FitOutcome:
    """Where a fit ended: values by parameter name, and how hard it was."""

    values: Mapping[str, float]
    n_calls: int | None = None
    n_gradients: int | None = None
    n_iterations: int | None = None
    says_valid: bool = True
    has_errors: bool = True


def off_start(model: nf.Model) -> Point:
    """Return a point off the start, where no interpolation is at its kink."""
    lower, upper = np.transpose(model.bounds)
    start = np.array(model.initial)
    shifted = start + 0.05 * (1 + np.arange(len(start)) % 3)
    return np.where(model.fixed, start, np.clip(shifted, lower, upper))


class Recorder:
    """Keeps what each timed fit returned last."""

    def __init__(self) -> None:
        self.outcomes: dict[str, FitOutcome] = {}

    def watch(self, name: str, task: Task) -> Task:
        """Return a task that also notes the outcome."""

        def fit() -> None:
            self.outcomes[name] = task.call()  # type: ignore[assignment]

        return Task(fit, task.enter)


class Nablafit:
    """What is benchmarked; inference in one thread."""

    name = "nablafit"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.workspace = nf.Workspace.load(path)
        self.model = self.workspace.model()
        self.likelihood = self.model.likelihood(self.workspace.data(self.model))

    def load_and_build(self) -> object:
        """Read the file, compile the model, arrange the data."""
        workspace = nf.Workspace.load(self._path)
        model = workspace.model()
        return model.likelihood(workspace.data(model))

    def loads(self) -> dict[str, Task]:
        return {self.name: Task(self.load_and_build)}

    def values(self, x: Point) -> dict[str, Task]:
        return {self.name: Task(lambda: self.likelihood(x))}

    def gradients(self, x: Point) -> dict[str, Task]:
        return {self.name: Task(lambda: self.likelihood.value_and_gradient(x))}

    def twice_nll(self, values: Mapping[str, float]) -> float:
        """-2 log L at a point that any tool found, so that minima compare."""
        known = set(self.model.parameters)
        return -2.0 * self.likelihood.logpdf({k: v for k, v in values.items() if k in known})

    def fits(self) -> dict[str, Task]:
        """Fits with errors and covariance, by minimiser."""
        return {
            "nablafit newton": Task(lambda: self._fit("newton")),
            "nablafit MINUIT": Task(lambda: self._fit("minuit", hessian=False)),
            "nablafit MINUIT+Hessian": Task(lambda: self._fit("minuit", hessian=True)),
        }

    def _fit(self, minimizer: str, *, hessian: bool = True) -> FitOutcome:
        result = nf.fit(self.likelihood, minimizer=minimizer, hessian=hessian)
        return FitOutcome(
            result.values.to_dict(),
            result.n_calls,
            result.n_gradients,
            result.diagnostics.iterations if result.diagnostics else None,
            result.valid,
            result.covariance is not None,
        )

    def cls(self) -> float:
        found = nf.hypotest(self.model, self.likelihood.data, value=POI_VALUE, n_threads=1)
        return float(found.cls)

    def toys(self, best: Point, n: int) -> int:
        """Draw and fit toys; return how many fits are valid, as for all tools."""
        drawn = nf.toys(self.model, best, n, 1, n_threads=1)
        return int(nf.fit_many(self.model, drawn, n_threads=1).valid.sum())

    def migrad_calls(self, *, hessian: bool) -> int:
        """Count the evaluations of MIGRAD alone: values, gradients, Hessians."""
        minuit = make_minuit(self.likelihood, hessian=hessian)
        minuit.strategy = 0
        minuit.migrad()
        return int(minuit.nfcn + minuit.ngrad + minuit.nhessian)


class Pyhf:
    """pyhf with one backend; models of different backends may be used in turns."""

    def __init__(self, path: Path, backend: str) -> None:
        import pyhf

        self._pyhf = pyhf
        self._path = path
        self._backend = backend
        self.name = {"numpy": "pyhf NumPy", "jax": "pyhf JAX"}[backend]
        self.enter()
        # A model without POI is also defined where no channel has the measurement's.
        self.model = self._build(validate=False)
        observations = {o["name"]: o["data"] for o in self._document()["observations"]}
        counts = [observations[channel] for channel in self.model.config.channels]
        data = [*(n for channel in counts for n in channel), *self.model.config.auxdata]
        self.data = pyhf.tensorlib.astensor(data)

    def _document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
        return found

    def _build(self, *, validate: bool) -> Any:  # noqa: ANN401
        with quiet():  # jsonschema.RefResolver is deprecated
            return self._workspace(validate=validate).model(poi_name=None, validate=validate)

    def _workspace(self, *, validate: bool) -> Any:  # noqa: ANN401
        return self._pyhf.Workspace(self._document(), validate=validate)

    def enter(self, optimizer: object = "scipy") -> None:
        """Make pyhf's global backend ours."""
        self._pyhf.set_backend(self._backend, optimizer, precision="64b")

    def loads(self) -> dict[str, Task]:
        """Return loading once: it does not depend on the backend, and NumPy is the fastest."""
        if self._backend != "numpy":
            return {}
        return {
            "pyhf, validated": Task(lambda: self._build(validate=True), self.enter),
            "pyhf, not validated": Task(lambda: self._build(validate=False), self.enter),
        }

    def _twice_nll(self, x: Any) -> Any:  # noqa: ANN401
        return self._pyhf.infer.mle.twice_nll(x, self.data, self.model)[0]

    def values(self, x: Point) -> dict[str, Task]:
        if self._backend == "numpy":
            return {self.name: Task(lambda: self._twice_nll(x), self.enter)}
        return {f"{self.name}, jitted": self._jitted(lambda jax: jax.jit(self._twice_nll), x)}

    def gradients(self, x: Point) -> dict[str, Task]:
        if self._backend == "numpy":
            return {}
        make = lambda jax: jax.jit(jax.value_and_grad(self._twice_nll))  # noqa: E731
        return {f"{self.name}, jitted": self._jitted(make, x)}

    def _jitted(self, make: Callable[[Any], Any], x: Point) -> Task:
        """Call a compiled function with an array that is where JAX wants it, and wait for it."""
        import jax

        self.enter()
        function = make(jax)
        argument = jax.numpy.asarray(x)
        return Task(lambda: jax.block_until_ready(function(argument)), self.enter)

    def fits(self) -> dict[str, Task]:
        """MINUIT with HESSE; for JAX also SLSQP, which gives no errors."""
        optimize = self._pyhf.optimize
        tasks = {f"{self.name}+MINUIT": self._fit_task(optimize.minuit_optimizer())}
        if self._backend == "jax":
            slsqp = self._fit_task(optimize.scipy_optimizer(), do_stitch=True, has_errors=False)
            tasks[f"{self.name}+SLSQP"] = slsqp
        return tasks

    def minuit(self) -> object:
        """Return the optimiser that gives errors."""
        return self._pyhf.optimize.minuit_optimizer()

    def fit_data(self, data: Point) -> float | None:
        """Fit other data from the model's start; return -2 log L, or None if the fit fails."""
        with quiet():
            try:
                found = self._pyhf.infer.mle.fit(
                    self._pyhf.tensorlib.astensor(data),
                    self.model,
                    return_uncertainties=True,
                    return_fitted_val=True,
                )
            except self._pyhf.exceptions.FailedMinimization:
                return None
        return float(found[1])

    def cls(self) -> float:
        """Test with a model that has the parameter of interest."""
        self.enter(self.minuit())
        with quiet():
            found = self._pyhf.infer.hypotest(POI_VALUE, *self._tested, test_stat="qtilde")
        return float(found)

    @cached_property
    def _tested(self) -> tuple[Any, Any]:
        workspace = self._workspace(validate=False)
        model = workspace.model(validate=False)
        return workspace.data(model), model

    def toys(self, best: Point, n: int) -> int:
        self.enter(self.minuit())
        drawn = self.model.make_pdf(self._pyhf.tensorlib.astensor(best)).sample((n,))
        return sum(self.fit_data(data) is not None for data in drawn)

    def _fit_task(self, optimizer: object, *, has_errors: bool = True, **options: bool) -> Task:
        def fit() -> FitOutcome:
            with quiet():
                found = self._pyhf.infer.mle.fit(
                    self.data, self.model, return_result_obj=True, **options
                )
            x, result = np.asarray(found[0]), found[1]
            values = dict(zip(self.model.config.par_names, x.tolist(), strict=True))
            return FitOutcome(
                values,
                int(result.nfev),
                getattr(result, "njev", None),
                getattr(result, "nit", None),
                bool(result.success),
                has_errors,
            )

        return Task(fit, lambda: self.enter(optimizer))


class Nextstat:
    """NextStat; its gradient comes without the value."""

    name = "NextStat"

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        import nextstat

        nextstat.set_threads(1)
        self._nextstat = nextstat
        self._path = path
        self._model = self._build()
        self._point_names = names
        self._names = list(self._model.parameter_names())

    def _build(self) -> Any:  # noqa: ANN401
        return self._nextstat.HistFactoryModel.from_workspace(self._path.read_text("utf-8"))

    def _point(self, x: Point) -> list[float]:
        """Reorder a point; a POI that no channel has stays where NextStat puts it."""
        by_name = dict(zip(self._point_names, x.tolist(), strict=True))
        initial = self._model.suggested_init()
        return [by_name.get(name, x0) for name, x0 in zip(self._names, initial, strict=True)]

    def loads(self) -> dict[str, Task]:
        return {self.name: Task(self._build)}

    def values(self, x: Point) -> dict[str, Task]:
        point = self._point(x)
        return {self.name: Task(lambda: self._model.nll(point))}

    def gradients(self, x: Point) -> dict[str, Task]:
        point = self._point(x)
        return {f"{self.name}, gradient only": Task(lambda: self._model.grad_nll(point))}

    def fits(self) -> dict[str, Task]:
        return {self.name: Task(self._fit)}

    def _fit(self) -> FitOutcome:
        result = self._nextstat.fit(self._model)
        values = dict(zip(self._names, result.parameters, strict=True))
        return FitOutcome(values, result.n_fev, result.n_gev, result.n_iter, result.converged)

    def cls(self) -> float:
        return float(self._nextstat.hypotest(POI_VALUE, self._model))

    def toys(self, _best: Point, n: int) -> int:
        """Draw at its own best fit."""
        best = self._nextstat.fit(self._model).parameters
        found = self._nextstat.fit_toys(self._model, best, n_toys=n, seed=1, batch=False)
        return sum(bool(result.converged) for result in found)


Tool = Nablafit | Pyhf | Nextstat


def open_tools(path: Path, skip: Sequence[str]) -> tuple[dict[str, Tool], dict[str, Absent]]:
    """Load a workspace with every tool that is there and can read it; nablafit comes first."""
    ours = Nablafit(path)
    makers: dict[str, Callable[[], Tool]] = {
        "pyhf NumPy": lambda: Pyhf(path, "numpy"),
        "pyhf JAX": lambda: Pyhf(path, "jax"),
        "NextStat": lambda: Nextstat(path, ours.model.parameters),
    }
    tools: dict[str, Tool] = {ours.name: ours}
    absent: dict[str, Absent] = {}
    for name, make in makers.items():
        if name in skip:
            absent[name] = Absent("skipped")
            continue
        try:
            tools[name] = make()
        except Exception as error:  # noqa: BLE001
            absent[name] = Absent(first_line(error))
    return tools, absent
