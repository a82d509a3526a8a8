"""Make the RooWorkspace files of this directory, and the numbers that ROOT gives for them.

    pip install --pre root && python tests/data/rooworkspace/make_fixtures.py

ROOT 6.40.00 wrote what is committed. A TH1 that is given to a Sample, Channel or HistoSys belongs
to that: Python must not delete it (`SetOwnership`).
"""

import json
import os
import random
import sys
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "python"))

from roofit_referee import ROOT, VERSION, Referee  # noqa: E402

RootObject: TypeAlias = Any
Numbers: TypeAlias = Sequence[float]

HF = ROOT.RooStats.HistFactory
LZ4, ZSTD, LZMA, ZLIB, NONE = 404, 505, 207, 101, 0
_histograms = 0


def hist(values: Numbers, edges: Numbers = (), errors: Numbers = ()) -> RootObject:
    """1-D histogram that its owner in C++ deletes."""
    global _histograms
    _histograms += 1
    borders = array("d", edges or range(len(values) + 1))
    result = ROOT.TH1D(f"h{_histograms}", "", len(values), borders)
    return filled(result, values, errors, (len(values),))


def grid(shape: tuple[int, ...], values: Numbers, errors: Numbers = ()) -> RootObject:
    """2-D or 3-D histogram; `values` run with the last axis fastest."""
    global _histograms
    _histograms += 1
    axes = [argument for n in shape for argument in (n, 0.0, float(n))]
    kind = ROOT.TH2D if len(shape) == 2 else ROOT.TH3D
    return filled(kind(f"h{_histograms}", "", *axes), values, errors, shape)


def filled(
    result: RootObject, values: Numbers, errors: Numbers, shape: tuple[int, ...]
) -> RootObject:
    for i, value in enumerate(values):
        cell: list[int] = []
        rest = i
        for n in reversed(shape):
            cell.insert(0, rest % n + 1)
            rest //= n
        result.SetBinContent(*cell, value)
        result.SetBinError(result.GetBin(*cell), errors[i] if errors else 0.0)
    result.SetDirectory(ROOT.nullptr)
    ROOT.SetOwnership(result, False)
    return result


def sample(name: str, histogram: RootObject, is_lumi: bool = True) -> RootObject:
    result = HF.Sample(name)
    result.SetHisto(histogram)
    result.SetNormalizeByTheory(is_lumi)
    return result


def add_histosys(owner: RootObject, name: str, low: RootObject, high: RootObject) -> None:
    variation = HF.HistoSys()
    variation.SetName(name)
    variation.SetHistoLow(low)
    variation.SetHistoHigh(high)
    owner.AddHistoSys(variation)


def add_shapesys(owner: RootObject, name: str, relative: RootObject, kind: RootObject) -> None:
    systematic = HF.ShapeSys()
    systematic.SetName(name)
    systematic.SetConstraintType(kind)
    systematic.SetErrorHist(relative)
    owner.AddShapeSys(systematic)


def channel(
    name: str,
    data: RootObject,
    samples: Sequence[RootObject],
    threshold: float = 0.0,
    kind: str = "Poisson",
) -> RootObject:
    result = HF.Channel(name)
    result.SetData(data)
    result.SetStatErrorConfig(threshold, getattr(HF.Constraint, kind))
    for one in samples:
        result.AddSample(one)
    return result


def measurement(
    name: str, poi: str, channels: Sequence[RootObject], constant: Sequence[str] = ()
) -> RootObject:
    result = HF.Measurement(name, name)
    result.SetLumi(1.0)
    result.SetLumiRelErr(0.02)
    result.SetPOI(poi)
    for parameter in constant:
        result.AddConstantParam(parameter)
    for one in channels:
        result.AddChannel(one)
    return result


def every_modifier() -> RootObject:
    """All modifiers and constraint terms, uneven bins, a yield that would go negative."""
    edges = (0.0, 50.0, 120.0, 300.0)
    signal = sample("signal", hist([3.0, 6.0, 9.0], edges))
    signal.AddNormFactor("mueff", 1, 0, 10)
    signal.AddOverallSys("efficiency", 0.92, 1.1)
    first = sample("first", hist([60.0, 40.0, 12.0], edges, [3.0, 0.4, 1.2]))
    first.ActivateStatError()
    first.AddOverallSys("scale", 0.9, 1.15)
    first.AddOverallSys("gamma_like", 0.85, 1.2)
    first.AddOverallSys("log_normal_like", 0.9, 1.2)
    first.AddOverallSys("flat", 0.95, 1.05)
    add_histosys(first, "scale", hist([55.0, 41.0, 14.0], edges), hist([66.0, 39.0, 9.0], edges))
    add_histosys(first, "steep", hist([80.0, 30.0, 1.0], edges), hist([30.0, 52.0, 25.0], edges))
    second = sample("second", hist([8.0, 0.0, 4.0], edges, [1.0, 0.0, 0.5]), is_lumi=False)
    second.ActivateStatError()
    second.AddNormFactor("norm_second", 1.1, 0, 3)
    add_shapesys(second, "poisson_shape", hist([0.2, 0.1, 0.3], edges), HF.Constraint.Poisson)
    third = sample("third", hist([20.0, 15.0, 5.0], edges), is_lumi=False)
    add_shapesys(third, "gauss_shape", hist([0.1, 0.0, 0.3], edges), HF.Constraint.Gaussian)
    free = sample("free", hist([10.0, 12.0], (0.0, 1.0, 3.0)), is_lumi=False)
    free.AddShapeFactor("free_shape")
    control = sample("first", hist([200.0, 150.0], (0.0, 1.0, 3.0)))
    control.AddOverallSys("scale", 0.95, 1.04)
    region = channel(
        "SR", hist([88.0, 63.0, 35.0], edges), [signal, first, second, third], threshold=0.05
    )
    other = channel("CR", hist([215.0, 158.0], (0.0, 1.0, 3.0)), [control, free])
    result = measurement("every", "mu", [region, other], constant=["alpha_flat"])
    result.AddPreprocessFunction("mueff", "mu*kappa*kappa", "mu[1,0,10],kappa[1,0.2,3]")
    result.AddGammaSyst("gamma_like", 0.2)
    result.AddLogNormSyst("log_normal_like", 0.15)
    result.AddUniformSyst("flat")
    return result


def two_dimensional() -> RootObject:
    """A 2-D channel with Gaussian statistical errors beside a 1-D one."""
    signal = sample("signal", grid((2, 3), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    signal.AddNormFactor("mu", 1, 0, 5)
    nominal = [9.0, 8.0, 14.0, 20.0, 11.0, 7.0]
    background = sample("background", grid((2, 3), nominal, [1.0, 0.9, 2.0, 3.0, 1.5, 1.2]))
    background.ActivateStatError()
    low, high = [0.9 * n for n in nominal], [1.05 * n + 0.3 for n in nominal]
    add_histosys(background, "shape", grid((2, 3), low), grid((2, 3), high))
    plane = channel(
        "plane",
        grid((2, 3), [11.0, 12.0, 15.0, 22.0, 18.0, 12.0]),
        [signal, background],
        kind="Gaussian",
    )
    side = sample("background", hist([50.0]))
    side.AddOverallSys("shape", 0.97, 1.05)
    line = channel("line", hist([52.0]), [side])
    return measurement("plane", "mu", [plane, line])


def three_dimensional() -> RootObject:
    """A 3-D channel with Poisson statistical errors."""
    nominal = [5.0 + 1.5 * ((7 * i) % 12) for i in range(12)]
    errors = [0.1 * n + 0.05 * i for i, n in enumerate(nominal)]
    background = sample("background", grid((2, 3, 2), nominal, errors))
    background.ActivateStatError()
    signal = sample("signal", grid((2, 3, 2), [0.5 * i for i in range(12)]))
    signal.AddNormFactor("mu", 1, 0, 5)
    data = grid((2, 3, 2), [float(round(n + 0.4 * i)) for i, n in enumerate(nominal)])
    return measurement("volume", "mu", [channel("volume", data, [signal, background])])


def simple(name: str, poi: str) -> RootObject:
    signal = sample("signal", hist([2.0, 4.0]))
    signal.AddNormFactor(poi, 1, 0, 5)
    background = sample("background", hist([20.0, 15.0], (), [2.0, 1.5]))
    background.ActivateStatError()
    background.AddOverallSys("scale", 0.9, 1.1)
    return measurement(
        name, poi, [channel(name, hist([23.0, 18.0]), [signal, background], kind="Gaussian")]
    )


def combined(model: RootObject) -> RootObject:
    result = HF.MakeModelAndMeasurementFast(model)
    ROOT.SetOwnership(result, False)
    return result


def single(model: RootObject) -> RootObject:
    """The workspace of one channel, which has no category and no RooSimultaneous."""
    factory = HF.HistoToWorkspaceFactoryFast(model)
    return factory.MakeSingleChannelModel(model, model.GetChannels()[0])


def with_more(workspace: RootObject) -> None:
    """Add a second ModelConfig, a RooDataHist, a composite data set and a snapshot."""
    config = workspace.obj("ModelConfig")
    config.GetParametersOfInterest().first().setVal(2.0)
    workspace.saveSnapshot("shifted", ROOT.RooArgSet(workspace.allVars()))
    config.GetParametersOfInterest().first().setVal(1.0)
    other = ROOT.RooStats.ModelConfig("Second", workspace)
    other.SetPdf(config.GetPdf())
    other.SetObservables(config.GetObservables())
    other.SetGlobalObservables(config.GetGlobalObservables())
    other.SetParametersOfInterest(ROOT.RooArgSet(workspace.var("alpha_scale")))
    getattr(workspace, "import")(other)
    data = workspace.data("obsData")
    binned = ROOT.RooDataHist("binned", "", config.GetObservables(), data)
    getattr(workspace, "import")(binned)
    category = workspace.cat("channelCat")
    observables = ROOT.RooArgSet(config.GetObservables())
    observables.remove(category)
    parts = {str(s.first): data.reduce(f"channelCat=={s.second}") for s in category}
    weight = ROOT.RooRealVar("weightVar", "", 1.0)
    linked = ROOT.RooDataSet(
        "composite", "", ROOT.RooArgSet(observables, weight), ROOT.RooFit.Index(category),
        ROOT.RooFit.Link(parts), ROOT.RooFit.WeightVar(weight),
    )  # fmt: skip
    getattr(workspace, "import")(linked)


def not_histfactory() -> RootObject:
    """An unbinned model: an exponential background and a peak."""
    workspace = ROOT.RooWorkspace("unbinned")
    workspace.factory("SUM::model(n[10,0,100]*Gaussian::peak(x[0,10],m[5,4,6],1),"
                      "b[90,0,200]*Exponential::tail(x,slope[-0.3,-2,0]))")  # fmt: skip
    config = ROOT.RooStats.ModelConfig("ModelConfig", workspace)
    config.SetPdf("model")
    config.SetParametersOfInterest("n")
    config.SetObservables("x")
    getattr(workspace, "import")(config)
    return workspace


def write(name: str, compression: int, *workspaces: RootObject) -> None:
    """Write workspaces under their names, and nothing else, to one file."""
    file = ROOT.TFile(str(HERE / name), "RECREATE", "", compression)
    for workspace in workspaces:
        workspace.Write()
    file.Close()


def random_points(config: RootObject, n_points: int = 6) -> list[dict[str, float]]:
    """Points within 3.5 standard deviations, the stored one first."""
    floating = [
        v
        for values in (config.GetParametersOfInterest(), config.GetNuisanceParameters())
        for v in (values or [])
    ]
    points = [{v.GetName(): v.getVal() for v in floating}]
    for _ in range(n_points):
        point = {}
        for v in floating:
            name = v.GetName()
            if name.startswith("alpha_"):
                value = max(-3.5, min(3.5, random.gauss(0.0, 1.3)))
            else:
                value = v.getVal() * random.uniform(0.8, 1.2)
            point[name] = min(max(value, v.getMin()), v.getMax())
        points.append(point)
    return points


def reference(name: str, workspace: str) -> dict[str, Any]:
    referee = Referee(str(HERE / name), workspace)
    points = random_points(referee.config)
    yields = []
    for point in points:
        referee.set(point)
        yields.append(referee.yields())
    return {
        "file": name,
        "workspace": workspace,
        "points": points,
        "yields": yields,
        "nll_differences": referee.differences(points),
    }


def main() -> None:
    random.seed(20250101)
    os.chdir(tempfile.mkdtemp())  # HistFactory writes files of its own where it runs
    write("every_modifier.root", ZSTD, combined(every_modifier()))
    write("two_dimensional.root", LZMA, combined(two_dimensional()))
    write("three_dimensional.root", ZLIB, combined(three_dimensional()))
    write("single_channel.root", NONE, single(simple("only", "mu")))
    rich = combined(simple("first", "mu"))
    rich.SetName("rich")
    with_more(rich)
    plain = combined(simple("second", "mu_second"))
    plain.SetName("plain")
    write("two_workspaces.root", LZMA, rich, plain)
    write("not_histfactory.root", LZ4, not_histfactory())
    numbers = [
        reference("every_modifier.root", "combined"),
        reference("two_dimensional.root", "combined"),
        reference("three_dimensional.root", "combined"),
        reference("single_channel.root", "only"),
        reference("two_workspaces.root", "rich"),
        reference("two_workspaces.root", "plain"),
    ]
    content = {"made_by": f"ROOT {VERSION}, make_fixtures.py", "models": numbers}
    (HERE / "reference.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
