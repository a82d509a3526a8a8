"""RooFit as a rival: ROOT's wheel, its cpu backend, workspaces through HS3."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nablafit as nf

from .rivals import POI_VALUE, FitOutcome, Point
from .run import Absent, Task


class RooFit:
    """A workspace that ROOT imports from the HS3 document that nablafit writes.

    The negative log-likelihood is evaluated by the cpu backend; the wheel has no Clad, so there is
    no gradient but MINUIT's own differences. Fits run MIGRAD and HESSE at strategy 1, with the
    value at the start subtracted, as `fitTo` does it.
    """

    name = "RooFit"

    def __init__(self, path: Path, poi: str | None, names: Sequence[str]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ROOT
        self._root = ROOT
        ROOT.gROOT.SetBatch(True)
        ROOT.RooMsgService.instance().setGlobalKillBelow(ROOT.RooFit.FATAL)
        self._document = path.with_suffix(".hs3.json")
        source = nf.Workspace.load(path)
        text = source.spec().to_hs3([source.observations], lossy=True)
        # Brackets are not allowed in ROOT's names.
        text = re.sub(r'(\w)\[(\d+)\]"', r'\1_bin_\2"', text)
        self._document.write_text(text, encoding="utf-8")
        self._poi = poi
        self._names = {name: re.sub(r"\[(\d+)\]$", r"_bin_\1", name) for name in names}
        self._workspace, self._config, self._nll = self.load()
        self._pdf = self._config.GetPdf()
        self._data = self._workspace.data(self._data_name(self._workspace))
        self._start = self._parameters().snapshot()

    @staticmethod
    def _data_name(workspace: Any) -> str:  # noqa: ANN401
        names = [data.GetName() for data in workspace.allData()]
        return "obsData" if "obsData" in names else str(names[0])

    def load(self) -> tuple[Any, Any, Any]:
        """Import the document and make the likelihood."""
        workspace = self._root.RooWorkspace("imported")
        if not self._root.RooJSONFactoryWSTool(workspace).importJSON(str(self._document)):
            raise RuntimeError("ROOT cannot import the document")
        configs = [
            item
            for item in workspace.allGenericObjects()
            if item.ClassName() == "RooStats::ModelConfig"
        ]
        nll = self._make_nll(configs[0], workspace.data(self._data_name(workspace)))
        nll.getVal()
        return workspace, configs[0], nll

    def _make_nll(self, config: Any, data: Any) -> Any:  # noqa: ANN401
        fit = self._root.RooFit
        observables = config.GetGlobalObservables() or self._root.RooArgSet()
        return config.GetPdf().createNLL(
            data, fit.GlobalObservables(observables), fit.EvalBackend("cpu"), fit.Offset("initial")
        )

    def _parameters(self) -> Any:  # noqa: ANN401
        return self._pdf.getParameters(self._config.GetObservables())

    def loads(self) -> dict[str, Task]:
        return {self.name: Task(self.load)}

    def values(self, x: Point) -> dict[str, Task]:
        """Alternate between two points in which all parameters differ, against its caches."""
        parameters = self._parameters()
        self._move_to(x)
        points = [parameters.snapshot(), self._start]
        turn = 0

        def evaluate() -> float:
            nonlocal turn
            turn = 1 - turn
            parameters.assign(points[turn])
            return float(self._nll.getVal())

        return {self.name: Task(evaluate)}

    def _move_to(self, x: Point) -> None:
        for name, value in zip(self._names.values(), x.tolist(), strict=True):
            if variable := self._workspace.var(name):
                variable.setVal(value)

    def gradients(self, _x: Point) -> dict[str, Absent]:
        return {self.name: Absent("needs Clad, which the wheel does not have")}

    def fits(self) -> dict[str, Task]:
        return {f"{self.name}+MINUIT": Task(lambda: self._fit(self._nll), self.reset)}

    def reset(self) -> None:
        self._parameters().assign(self._start)

    def _fit(self, nll: Any) -> FitOutcome:  # noqa: ANN401
        minimizer = self._root.RooMinimizer(nll)
        minimizer.setPrintLevel(-1)
        minimizer.setStrategy(1)
        status = minimizer.minimize("Minuit2", "migrad")
        hesse = minimizer.hesse()
        calls = int(minimizer.evalCounter())
        ours = {root: name for name, root in self._names.items()}
        values = {ours[p.GetName()]: p.getVal() for p in self._parameters() if p.GetName() in ours}
        return FitOutcome(values, calls, says_valid=status == 0 and hesse == 0)

    def cls(self) -> float:
        """CLs by the asymptotic calculator, one-sided, q tilde."""
        stats, poi = self._root.RooStats, self._workspace.var(self._poi)
        self.reset()
        tested, alternative = self._config.Clone("tested"), self._config.Clone("alternative")
        for config, at in ((tested, POI_VALUE), (alternative, 0.0)):
            config.SetParametersOfInterest(self._root.RooArgSet(poi))
            poi.setVal(at)
            config.SetSnapshot(self._root.RooArgSet(poi))
        stats.AsymptoticCalculator.SetPrintLevel(-1)
        calculator = stats.AsymptoticCalculator(self._data, alternative, tested)
        calculator.SetOneSided(True)
        result = calculator.GetHypoTest()
        result.SetBackgroundAsAlt(True)
        return float(result.CLs())

    def toys(self, at: Point, n: int) -> int:
        """Draw and fit toys, global observables included; return how many fits are valid."""
        fit = self._root.RooFit
        self._move_to(at)
        best = self._parameters().snapshot()
        observables = self._config.GetGlobalObservables()
        observed = observables.snapshot()
        n_valid = 0
        for _ in range(n):
            self._parameters().assign(best)
            drawn = self._pdf.generateSimGlobal(observables, 1)
            observables.assign(drawn.get(0))
            data = self._pdf.generate(self._data.get(), fit.Extended())
            n_valid += self._fit(self._make_nll(self._config, data)).says_valid
        observables.assign(observed)
        self.reset()
        return n_valid
