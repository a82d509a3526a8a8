"""CLs and toys by each of the tools that are compared."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nablafit as nf

POI_VALUE = 1.0

Call = Callable[[], Any]


class NablafitInference:
    """One thread."""

    def __init__(self, path: Path) -> None:
        workspace = nf.Workspace.load(path)
        self._model = workspace.model()
        self._data = workspace.data(self._model)
        self.best = nf.fit(self._model, self._data).x

    def cls(self) -> float:
        found = nf.hypotest(self._model, self._data, value=POI_VALUE, n_threads=1)
        return float(found.cls)

    def toys(self, n: int) -> int:
        drawn = nf.toys(self._model, self.best, n, 1, n_threads=1)
        return int(nf.fit_many(self._model, drawn, n_threads=1).valid.sum())


class PyhfInference:
    """MINUIT with HESSE, on the NumPy or the JAX backend."""

    def __init__(self, path: Path, backend: str) -> None:
        import pyhf

        self._pyhf, self._backend = pyhf, backend
        self.enter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            workspace = pyhf.Workspace(json.loads(path.read_text("utf-8")), validate=False)
            self._model = workspace.model(validate=False)
            self._data = workspace.data(self._model)

    def enter(self) -> None:
        optimizer = self._pyhf.optimize.minuit_optimizer()
        self._pyhf.set_backend(self._backend, optimizer, precision="64b")

    def cls(self) -> float:
        self.enter()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = self._pyhf.infer.hypotest(
                POI_VALUE, self._data, self._model, test_stat="qtilde"
            )
        return float(found)

    def toys(self, best: np.ndarray, n: int) -> int:
        self.enter()
        mle, tensorlib, n_valid = self._pyhf.infer.mle, self._pyhf.tensorlib, 0
        drawn = self._model.make_pdf(tensorlib.astensor(best)).sample((n,))
        for data in drawn:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    mle.fit(data, self._model, return_uncertainties=True)
                except self._pyhf.exceptions.FailedMinimization:
                    continue
            n_valid += 1
        return n_valid


class NextstatInference:
    """Its own functions, in one thread, with the Hessian of every toy."""

    def __init__(self, path: Path) -> None:
        import nextstat

        nextstat.set_threads(1)
        self._nextstat = nextstat
        self._model = nextstat.HistFactoryModel.from_workspace(path.read_text("utf-8"))

    def cls(self) -> float:
        return float(self._nextstat.hypotest(POI_VALUE, self._model))

    def toys(self, n: int) -> int:
        best = self._nextstat.fit(self._model).parameters
        found = self._nextstat.fit_toys(self._model, best, n_toys=n, seed=1, batch=False)
        return sum(bool(result.converged) for result in found)
