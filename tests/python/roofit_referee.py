"""RooFit itself as referee: yields and likelihoods of a workspace, evaluated by ROOT.

Needs ROOT with its Python bindings; nothing here uses nablafit.
"""

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ROOT

RootObject: TypeAlias = Any

ROOT.gROOT.SetBatch(True)
ROOT.RooMsgService.instance().setGlobalKillBelow(ROOT.RooFit.FATAL)
VERSION = ROOT.gROOT.GetVersion()


class Referee:
    """One model of a workspace and one of its data sets.

    Channels and yields are as nablafit has them: the bins of a channel run with the last of its
    observables (by name) fastest.
    """

    def __init__(
        self, path: str, workspace: str, config: str = "ModelConfig", data: str = "obsData"
    ) -> None:
        self.file = ROOT.TFile.Open(path)
        self.workspace = self.file.Get(workspace)
        self.config = self.workspace.obj(config)
        self.pdf = self.config.GetPdf()
        self.observables = self.config.GetGlobalObservables() or ROOT.RooArgSet()
        self.nll = self.pdf.createNLL(
            self.workspace.data(data),
            ROOT.RooFit.GlobalObservables(self.observables),
            ROOT.RooFit.EvalBackend("cpu"),
            ROOT.RooFit.Offset("none"),
        )
        self.gammas = list(self._gammas())

    def clip_observables(self) -> dict[str, float]:
        """Move global observables into their ranges and return their values by name.

        HistFactory gave nom_beta of Gamma terms the range [0, 10] and values beyond; ROOT raises
        or moves them when it normalises the term.
        """
        for variable in self.observables:
            value = min(max(variable.getVal(), variable.getMin()), variable.getMax())
            self.workspace.var(variable.GetName()).setVal(value)
        return {v.GetName(): v.getVal() for v in self.observables}

    def _gammas(self) -> Iterator[tuple[RootObject, RootObject]]:
        """Yield copies of the Gamma terms, because integrals move global observables."""
        terms = {f.GetName(): f for _, pdf in self.channels() for f in self.factors(pdf)}
        for term in terms.values():
            if term.ClassName() == "RooGamma":
                copy = term.cloneTree()
                yield copy, copy.getObservables(self.observables)

    def set(self, point: Mapping[str, float]) -> None:
        for name, value in point.items():
            variable = self.workspace.var(name)
            assert variable.getMin() <= value <= variable.getMax(), f"{name} = {value}"
            variable.setVal(value)

    def channels(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and pdf of every channel."""
        if self.pdf.ClassName() != "RooSimultaneous":
            yield self.pdf.GetName().removeprefix("model_"), self.pdf
            return
        for state in self.pdf.indexCat():
            channel = self.pdf.getPdf(state.first)
            if channel:
                yield str(state.first), channel

    def factors(self, pdf: RootObject) -> list[RootObject]:
        return list(pdf.pdfList()) if pdf.ClassName() == "RooProdPdf" else [pdf]

    def sum_of(self, pdf: RootObject) -> RootObject:
        return next(f for f in self.factors(pdf) if f.ClassName() == "RooRealSumPdf")

    def yields(self) -> dict[str, list[float]]:
        """Return the expected events of all channels at the current point."""
        return {name: self._yields(self.sum_of(pdf)) for name, pdf in self.channels()}

    def _yields(self, pdf: RootObject) -> list[float]:
        depends = {o.GetName(): o for o in pdf.getObservables(self.config.GetObservables())}
        names = sorted(n for n, o in depends.items() if o.ClassName() == "RooRealVar")
        variables = [self.workspace.var(n) for n in names if n != "weightVar"]
        ranges = [range(v.getBinning().numBins()) for v in variables]
        result = []
        for bins in itertools.product(*ranges):
            width = 1.0
            for variable, i in zip(variables, bins, strict=True):
                variable.setVal(variable.getBinning().binCenter(i))
                width *= variable.getBinning().binWidth(i)
            result.append(width * pdf.getVal())
        return result

    def value(self) -> float:
        """Return RooFit's -log L at the current point, without what it does to Gamma terms.

        RooFit normalises those numerically over the range of their global observable; here they
        are the density of the parameter that HistFactory defines.
        """
        value = float(self.nll.getVal())
        for term, observables in self.gammas:
            for variable in term.getParameters(observables):
                if variable.ClassName() == "RooRealVar":
                    variable.setVal(self.workspace.var(variable.GetName()).getVal())
            value -= math.log(term.getNorm(observables))
        return value

    def differences(self, points: Sequence[Mapping[str, float]]) -> list[float]:
        """Return -log L of every point, minus that of the first."""
        values = []
        for point in points:
            self.set(point)
            values.append(self.value())
        return [value - values[0] for value in values]
