"""Four times the document takes about four times as long: lookups by name are not searches.

Times are of the processor, the least of several; a quadratic step makes the ratio 16.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

import nablafit as nf
from nablafit import spec as sp
from nablafit import surgery

MOST = 10.0
Call = Callable[[], object]
Json = dict[str, Any]


def seconds(call: Call, repeats: int) -> float:
    gc.collect()
    gc.disable()
    try:
        found = []
        for _ in range(repeats):
            started = time.process_time()
            call()
            found.append(time.process_time() - started)
    finally:
        gc.enable()
    return min(found)


def normsys(name: str, high: float = 1.1) -> sp.NormSys:
    return sp.NormSys(name, name, 0.9, high)


def spec(channels: list[sp.Channel], names: list[str]) -> nf.ModelSpec:
    term = sp.GaussianConstraint(0.0, 1.0)
    pulls = [sp.Parameter(name, 0.0, -5.0, 5.0, constraint=term) for name in names]
    return nf.ModelSpec("m", channels, [sp.Parameter("mu", 1.0, 0.0, 10.0), *pulls])


def many_samples(n: int) -> nf.ModelSpec:
    names = [f"a{i}" for i in range(n)]
    samples = [sp.Sample(f"s{i}", [9.0], [normsys(name)]) for i, name in enumerate(names)]
    signal = sp.Sample("signal", [1.0], [sp.NormFactor("mu", "mu")])
    return spec([sp.Channel("c", [signal, *samples])], names)


def many_shapes(n: int) -> nf.ModelSpec:
    names = [f"a{i}" for i in range(n)]
    samples = [
        sp.Sample(f"s{i}", [9.0], [sp.HistoSys(name, name, [8.0], [10.0])])
        for i, name in enumerate(names)
    ]
    return spec([sp.Channel("c", samples)], names)


def many_modifiers(n: int, high: float = 1.1) -> nf.ModelSpec:
    names = [f"a{i}" for i in range(n)]
    sample = sp.Sample("s", [9.0], [normsys(name, high) for name in names])
    return spec([sp.Channel("c", [sample])], names)


def many_channels(n: int) -> nf.ModelSpec:
    sample = sp.Sample("s", [9.0], [sp.NormFactor("mu", "mu")])
    return spec([sp.Channel(f"c{i}", [sample]) for i in range(n)], [])


def many_axes(n: int) -> nf.ModelSpec:
    axes = [sp.Axis(f"x{i}", [0.0, 1.0]) for i in range(n)]
    sample = sp.Sample("s", [9.0], [sp.NormFactor("mu", "mu")])
    return spec([sp.Channel("c", [sample], axes=axes)], [])


def many_staterrors(n: int) -> nf.ModelSpec:
    """Every sample of a channel with a staterror of its own."""
    term = sp.GaussianConstraint(1.0, 0.1)
    gammas = [sp.Parameter(f"g{i}", 1.0, 0.0, 5.0, constraint=term) for i in range(n)]
    samples = [
        sp.Sample(f"s{i}", [9.0], [sp.StatError(f"t{i}", [f"g{i}"], [0.9])]) for i in range(n)
    ]
    return nf.ModelSpec("m", [sp.Channel("c", samples)], gammas)


def observed(model: nf.ModelSpec) -> sp.Observations:
    return surgery.asimov(model)


def hs3(model: nf.ModelSpec) -> bytes:
    return model.to_hs3([observed(model)]).encode()


def without_likelihoods(model: nf.ModelSpec) -> bytes:
    """HS3 whose channels and data are told by their axes alone."""
    document: Json = json.loads(hs3(model))
    for key in ("likelihoods", "analyses", "misc"):
        del document[key]
    for i, data in enumerate(document["data"]):
        data["name"] = f"d{i}"
    return json.dumps(document).encode()


def arranged(n: int) -> Call:
    spec = many_channels(n)
    model, data = nf.Model(spec), observed(spec)
    return lambda: [model.data(data) for _ in range(20)]


def read(content: bytes) -> Call:
    return lambda: nf.Workspace.load(content)


def analyses(n: int) -> Call:
    """Analyses that begin at points of their own: as many measurements."""
    document: Json = json.loads(hs3(many_channels(1)))
    (analysis,), points = document["analyses"], document["parameter_points"]
    initial = points[0]
    document["analyses"] = [{**analysis, "name": f"a{i}", "init": f"p{i}"} for i in range(n)]
    document["parameter_points"] = [
        {**initial, "name": f"p{i}", "parameters": [{"name": "mu", "value": 1.0 + i / n}]}
        for i in range(n)
    ]
    return read(json.dumps(document).encode())


def indexed_names(n: int) -> Call:
    """Scalars called like bins of a set, beyond its last."""
    wide = {"name": "g", "type": "shapefactor", "data": None}
    scalars = [{"name": f"g[{n + i}]", "type": "normfactor", "data": None} for i in range(n)]
    samples = [
        {"name": "a", "data": [1.0] * n, "modifiers": [wide]},
        {"name": "b", "data": [1.0] * n, "modifiers": scalars},
    ]
    measurement = {"name": "m", "config": {"poi": "", "parameters": []}}
    document = {
        "version": "1.0.0",
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": [2.0] * n}],
        "measurements": [measurement],
    }
    return read(json.dumps(document).encode())


def interests(n: int) -> Call:
    """Parameters of interest of all measurements."""
    modifier = {"name": "mu", "type": "normfactor", "data": None}
    sample = {"name": "s", "data": [9.0], "modifiers": [modifier]}
    config = {"poi": "mu", "parameters": []}
    document = {
        "version": "1.0.0",
        "channels": [{"name": "c", "samples": [sample]}],
        "observations": [{"name": "c", "data": [9.0]}],
        "measurements": [{"name": f"m{i}", "config": config} for i in range(n)],
    }
    workspace = nf.Workspace.load(document)
    return lambda: [workspace.poi(name) for name in workspace.measurements]


def misspelt(n: int) -> Call:
    """A name of n characters that is nearly that of the only parameter."""
    sample = sp.Sample("s", [9.0], [sp.NormFactor("m", "x" * n + "y")])
    bad = nf.ModelSpec("m", [sp.Channel("c", [sample])], [sp.Parameter("x" * n, 1.0, 0.0, 2.0)])

    def call() -> None:
        with pytest.raises(nf.SpecError):
            nf.Model(bad)

    return call


def by_names(n: int) -> Call:
    model = nf.Model(many_modifiers(n))
    point = dict.fromkeys(model.parameters, 0.5)
    return lambda: model.point(point)


def fixed(n: int) -> Call:
    spec = many_modifiers(n)
    names = [parameter.name for parameter in spec.parameters]
    return lambda: surgery.fix(spec, names)


def renamed(n: int) -> Call:
    spec = many_modifiers(n)
    new = {f"a{i}": f"b{i}" for i in range(n)}
    return lambda: surgery.rename(spec, modifiers=new)


def pruned(n: int) -> Call:
    """Half of the samples of a staterror of n bins: every width is made anew."""
    bins = [1.0] * n
    gammas = [f"g[{i}]" for i in range(n)]
    samples = [sp.Sample(name, bins, [sp.StatError("g", gammas, bins)]) for name in ("a", "b")]
    term = sp.GaussianConstraint(1.0, 0.5**0.5)
    parameters = [sp.Parameter(name, 1.0, 0.0, 5.0, constraint=term) for name in gammas]
    spec = nf.ModelSpec("m", [sp.Channel("c", samples)], parameters)
    return lambda: surgery.prune(spec, samples=["b"])


def combined(n: int) -> Call:
    specs = []
    for i in range(n):
        term = sp.GaussianConstraint(1.0, 0.1)
        sample = sp.Sample("s", [9.0], [sp.StatError("g", [f"g{i}[0]"], [0.9])])
        gamma = sp.Parameter(f"g{i}[0]", 1.0, 0.0, 5.0, constraint=term)
        specs.append(nf.ModelSpec("m", [sp.Channel(f"c{i}", [sample])], [gamma]))
    return lambda: surgery.combine(specs)


def written_as_pyhf(n: int) -> Call:
    spec = many_modifiers(n)
    data = observed(spec)
    return lambda: spec.to_pyhf(data)


def shared_staterror(n: int) -> Call:
    term = sp.GaussianConstraint(1.0, (n * 0.9**2) ** 0.5 / (9.0 * n))
    gamma = sp.Parameter("g[0]", 1.0, 0.0, 5.0, constraint=term)
    samples = [sp.Sample(f"s{i}", [9.0], [sp.StatError("g", ["g[0]"], [0.9])]) for i in range(n)]
    spec = nf.ModelSpec("m", [sp.Channel("c", samples)], [gamma])
    return lambda: spec.to_pyhf()


def written_as_hs3(make: Callable[[int], nf.ModelSpec]) -> Callable[[int], Call]:
    def prepare(n: int) -> Call:
        spec = make(n)
        data = [observed(spec)]
        return lambda: spec.to_hs3(data, lossy=True)

    return prepare


def bands(n: int) -> Call:
    model = nf.Model(many_samples(n))
    return lambda: nf.yields(model)


def compiled(make: Callable[[int], nf.ModelSpec]) -> Callable[[int], Call]:
    def prepare(n: int) -> Call:
        spec = make(n)
        return lambda: nf.Model(spec)

    return prepare


CASES: dict[str, tuple[int, Callable[[int], Call]]] = {
    "compile samples": (8000, compiled(many_samples)),
    "compile histograms": (4000, compiled(many_shapes)),
    "compile normsys of a sample": (8000, compiled(many_modifiers)),
    "compile with warnings": (8000, compiled(lambda n: many_modifiers(n, high=100.0))),
    "data of channels": (2000, arranged),
    "HS3 axes": (8000, lambda n: read(hs3(many_axes(n)))),
    "HS3 channels": (2000, lambda n: read(hs3(many_channels(n)))),
    "HS3 staterrors": (1500, lambda n: read(hs3(many_staterrors(n)))),
    "HS3 by axes": (1500, lambda n: read(without_likelihoods(many_channels(n)))),
    "HS3 written, channels": (2000, written_as_hs3(many_channels)),
    "HS3 written, staterrors": (1500, written_as_hs3(many_staterrors)),
    "pyhf names with an index": (4000, indexed_names),
    "pyhf written, modifiers": (1500, written_as_pyhf),
    "pyhf written, staterror": (1500, shared_staterror),
    "pyhf measurements": (2500, interests),
    "a name with one letter more": (20000, misspelt),
    "point by names": (4000, by_names),
    "fix": (2500, fixed),
    "rename": (1500, renamed),
    "prune": (1000, pruned),
    "combine": (400, combined),
    "bands of yields": (2500, bands),
}


@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("name", CASES)
def test_time_is_linear(name: str) -> None:
    n, prepare = CASES[name]
    small, large = prepare(n), prepare(4 * n)
    ratios = []
    for repeats in (1, 3, 6):  # again where something disturbed the first
        ratios.append(seconds(large, repeats) / seconds(small, 2 * repeats))
        if ratios[-1] < MOST:
            return
    pytest.fail(f"{name}: four times the size takes {min(ratios):.1f} times as long")
