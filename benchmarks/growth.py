"""Time everything but fits against the size of a document, and flag what is not linear.

    python benchmarks/growth.py [--axes samples channels ...] [--doublings 3] [--scale 1]

Every axis is doubled alone. The exponent is that between the last two doublings: 1 is linear, 2
quadratic. What exceeds 1.3 is flagged. benchmarks/README.md says what each axis is.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from common.run import CLOCKS, Run, argument_parser, first_line, no_garbage_collection, print_table

import nablafit as nf
from nablafit import spec as s
from nablafit import surgery
from nablafit.cli import main as nablafit_command

FLAGGED = 1.3
SHORTEST = 2e-2  # seconds; what takes less says nothing about growth
LONGEST = 20.0  # seconds; what takes more is not measured at larger sizes
Json = dict[str, Any]
Call = Callable[[], object]


# --- documents -----------------------------------------------------------------------------------


def normsys(name: str, high: float = 1.1) -> Json:
    return {"name": name, "type": "normsys", "data": {"lo": 0.9, "hi": high}}


def histosys(name: str, data: list[float]) -> Json:
    shapes = {"lo_data": [0.9 * x for x in data], "hi_data": [1.1 * x for x in data]}
    return {"name": name, "type": "histosys", "data": shapes}


def normfactor(name: str) -> Json:
    return {"name": name, "type": "normfactor", "data": None}


def sample(name: str, modifiers: list[Json], data: list[float] | None = None) -> Json:
    return {"name": name, "data": data or [10.0, 20.0], "modifiers": modifiers}


SIGNAL = sample("signal", [normfactor("mu")], [1.0, 2.0])


def document(channels: Mapping[str, list[Json]], **config: Any) -> Json:  # noqa: ANN401
    """Return a workspace whose data are the sum of its samples."""
    measurement = {"name": "main", "config": {"poi": "mu", "parameters": [], **config}}
    return {
        "version": "1.0.0",
        "channels": [{"name": name, "samples": samples} for name, samples in channels.items()],
        "observations": [
            {"name": name, "data": np.sum([x["data"] for x in samples], axis=0).tolist()}
            for name, samples in channels.items()
        ],
        "measurements": [measurement],
    }


def samples_with_normsys(n: int) -> Json:
    return document({"c": [SIGNAL, *(sample(f"s{i}", [normsys(f"a{i}")]) for i in range(n))]})


def samples_with_histosys(n: int) -> Json:
    data = [10.0, 20.0]
    samples = [sample(f"s{i}", [histosys(f"a{i}", data)], data) for i in range(n)]
    return document({"c": [SIGNAL, *samples]})


def samples_with_one_normsys(n: int) -> Json:
    return document({"c": [SIGNAL, *(sample(f"s{i}", [normsys("a")]) for i in range(n))]})


def channels(n: int) -> Json:
    samples = {f"c{i}": [SIGNAL, sample("b", [normsys("a")])] for i in range(n)}
    return document(samples)


def channels_with_everything(n: int) -> Json:
    data = [10.0, 20.0]

    def modifiers(i: int) -> list[Json]:
        return [
            normsys(f"n{i}"),
            histosys(f"h{i}", data),
            {"name": f"stat{i}", "type": "staterror", "data": [1.0, 2.0]},
            {"name": f"shape{i}", "type": "shapesys", "data": [1.0, 2.0]},
            {"name": f"free{i}", "type": "shapefactor", "data": None},
        ]

    return document({f"c{i}": [SIGNAL, sample("b", modifiers(i), data)] for i in range(n)})


def normsys_of_one_sample(n: int) -> Json:
    return document({"c": [SIGNAL, sample("b", [normsys(f"a{i}") for i in range(n)])]})


def extreme_normsys(n: int) -> Json:
    """Factors that become negative, of which a model warns."""
    modifiers = [normsys(f"a{i}", 100.0) for i in range(n)]
    return document({"c": [SIGNAL, sample("b", modifiers)]})


def histosys_of_one_sample(n: int) -> Json:
    data = [10.0, 20.0]
    return document({"c": [SIGNAL, sample("b", [histosys(f"a{i}", data) for i in range(n)])]})


def one_parameter_in_one_sample(n: int) -> s.ModelSpec:
    """Many normsys that one parameter drives, which pyhf cannot say."""
    made = nf.Workspace.load(samples_with_one_normsys(1)).spec()
    channel = made.channels[0]
    many = tuple(s.NormSys(f"m{i}", "a", 0.999, 1.001) for i in range(n))
    samples = (channel.samples[0], channel.samples[1].replace(modifiers=many))
    return made.replace(channels=(channel.replace(samples=samples),))


def normfactors_of_one_sample(n: int) -> Json:
    return document({"c": [SIGNAL, sample("b", [normfactor(f"k{i}") for i in range(n)])]})


def parameter_settings(n: int) -> Json:
    modifiers = [normsys(f"a{i}") for i in range(n)]
    settings = [{"name": f"a{i}", "inits": [0.1], "bounds": [[-4.0, 4.0]]} for i in range(n)]
    return document({"c": [SIGNAL, sample("b", modifiers)]}, parameters=settings)


def bins(kind: str) -> Callable[[int], Json]:
    def make(n: int) -> Json:
        data = np.linspace(10.0, 20.0, n).tolist()
        values = None if kind == "shapefactor" else [1.0] * n
        modifier = {"name": kind, "type": kind, "data": values}
        return document({"c": [sample("signal", [normfactor("mu")], data),
                               sample("b", [modifier, normsys("a")], data)]})  # fmt: skip

    return make


def measurements(n: int) -> Json:
    made = samples_with_one_normsys(1)
    made["measurements"] = [dict(made["measurements"][0], name=f"m{i}") for i in range(n)]
    return made


def axes(n: int) -> s.ModelSpec:
    """One channel with one bin and n axes, which only HS3 can say."""
    made = nf.Workspace.load(samples_with_one_normsys(1)).spec()
    channel = made.channels[0]
    samples = tuple(
        x.replace(nominal=x.nominal[:1], modifiers=x.modifiers) for x in channel.samples
    )
    edges = tuple(s.Axis(f"x{i}", (0.0, 1.0)) for i in range(n))
    return made.replace(channels=(channel.replace(samples=samples, axes=edges),))


class Subject:
    """One size of one axis, and what earlier stages make of it."""

    def __init__(self, source: Json | s.ModelSpec) -> None:
        self.source = source

    @cached_property
    def content(self) -> bytes:
        if isinstance(self.source, s.ModelSpec):
            return self.hs3
        return json.dumps(self.source).encode()

    @cached_property
    def workspace(self) -> nf.Workspace:
        return nf.Workspace.load(self.content)

    @cached_property
    def spec(self) -> s.ModelSpec:
        return self.source if isinstance(self.source, s.ModelSpec) else self.workspace.spec()

    @cached_property
    def observations(self) -> s.Observations:
        return self.workspace.observations

    @cached_property
    def model(self) -> nf.Model:
        return nf.Model(self.spec)

    @cached_property
    def data(self) -> nf.Data:
        return self.model.data(self.observations)

    @cached_property
    def likelihood(self) -> nf.Likelihood:
        return self.model.likelihood(self.data)

    @cached_property
    def hs3(self) -> bytes:
        return self.spec.to_hs3([surgery.asimov(self.spec)]).encode()

    @cached_property
    def point(self) -> dict[str, float]:
        return dict(zip(self.model.parameters, self.model.initial.tolist(), strict=True))

    @cached_property
    def folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="growth-"))

    @cached_property
    def file(self) -> Path:
        path = self.folder / "workspace.json"
        path.write_bytes(self.content)
        return path

    @property
    def x(self) -> np.ndarray:
        return self.model.initial + 0.01


# --- operations ----------------------------------------------------------------------------------


def command(subject: Subject, *arguments: str) -> Call:
    """Run a command of the program on the workspace, in this process."""
    path = subject.file

    def call() -> None:
        parts = [
            str(path) if x == "FILE" else x.replace("DIR", str(path.parent)) for x in arguments
        ]
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            if nablafit_command(parts) != 0:
                raise RuntimeError(output.getvalue())

    return call


def halves(subject: Subject) -> Call:
    """Combine the model with itself under other names."""
    spec = subject.spec
    channels = {channel.name: f"other {channel.name}" for channel in spec.channels}
    other = surgery.rename(spec, channels=channels)
    return lambda: surgery.combine([spec, other])


def renaming(kind: str) -> Callable[[Subject], Call]:
    def prepare(subject: Subject) -> Call:
        spec = subject.spec
        if kind == "channels":
            names = [x.name for x in spec.channels]
        elif kind == "samples":
            names = [x.name for c in spec.channels for x in c.samples]
        elif kind == "modifiers":
            every = [m for c in spec.channels for x in c.samples for m in x.modifiers]
            names = [m.name for m in every if m.type != "shapesys"]
        else:
            names = [x.name for x in spec.parameters]
        new = {name: f"new_{name}" for name in names}
        return lambda: surgery.rename(spec, **{kind: new})

    return prepare


def by_names(function: Callable[..., object], value: object) -> Callable[[Subject], Call]:
    def prepare(subject: Subject) -> Call:
        names = [x.name for x in subject.spec.parameters]
        given = names if value is None else dict.fromkeys(names, value)
        return lambda: function(subject.spec, given)

    return prepare


def pruning(subject: Subject) -> Call:
    """Remove every second modifier by its name."""
    every = [m.name for c in subject.spec.channels for x in c.samples for m in x.modifiers]
    names = [x for x in dict.fromkeys(every) if x != "mu"][::2]
    return lambda: surgery.prune(subject.spec, modifiers=names)


def selecting(subject: Subject) -> Call:
    names = [x.name for x in subject.spec.channels][::2]
    return lambda: surgery.select_channels(subject.spec, names)


def matching(subject: Subject) -> Call:
    spec = surgery.select_channels(subject.spec, [x.name for x in subject.spec.channels][::2])
    return lambda: surgery.matching(subject.observations, spec, subject.spec)


def inputs(subject: Subject) -> Call:
    model = nf.Model(subject.spec)
    return lambda: model.with_inputs(np.array(model.inputs.values))


OPERATIONS: dict[str, Callable[[Subject], Call]] = {
    "load": lambda x: lambda: nf.Workspace.load(x.content),
    "measurements, repr": lambda x: lambda: (repr(x.workspace), x.workspace.poi()),
    "specification": lambda x: lambda: x.workspace.spec(),
    "compile": lambda x: lambda: nf.Model(x.spec),
    "data": lambda x: lambda: x.workspace.data(x.model),
    "likelihood": lambda x: lambda: x.model.likelihood(x.data),
    "gradient": lambda x: lambda: x.likelihood.value_and_gradient(x.x),
    "Hessian-vector product": lambda x: lambda: x.likelihood.hvp(x.x, np.ones(x.x.size)),
    "yields of samples": lambda x: lambda: x.model.expected_by_sample(x.x),
    "Jacobian of yields": lambda x: lambda: x.model.yield_jacobian(x.x),
    "pre-fit bands": lambda x: lambda: nf.yields(x.model, data=x.data),
    "table of yields": lambda x: (r := nf.yields(x.model, data=x.data)) and (lambda: str(r)),
    "saved yields": lambda x: (r := nf.yields(x.model, data=x.data)) and r.to_dict,
    "toy": lambda x: lambda: nf.toys(x.model, n=1, seed=1),
    "point by names": lambda x: lambda: x.model.point(x.point),
    "inputs exchanged": inputs,
    "digest": lambda x: lambda: (nf.Model(x.spec).digest, x.data.digest),
    "pickle": lambda x: lambda: pickle.loads(pickle.dumps(x.model)),
    "equality": lambda x: (y := copy.deepcopy(x.spec)) and (lambda: x.spec == y),
    "pyhf written": lambda x: lambda: x.spec.to_pyhf(x.observations),
    "HS3 written": lambda x: lambda: x.spec.to_hs3([x.observations]),
    "HS3 read": lambda x: lambda: nf.Workspace.load(x.hs3).spec(),
    "C++ written": lambda x: lambda: x.spec.to_cpp(x.observations),
    "select channels": selecting,
    "prune modifiers": pruning,
    "matching data": matching,
    "rename channels": renaming("channels"),
    "rename samples": renaming("samples"),
    "rename modifiers": renaming("modifiers"),
    "rename parameters": renaming("parameters"),
    "combine": halves,
    "fix": by_names(surgery.fix, None),
    "set initial": by_names(surgery.set_initial, 1.0),
    "set ranges": by_names(surgery.set_ranges, (0.0, 5.0)),
    "Asimov data": lambda x: lambda: surgery.asimov(x.spec),
    "inspect": lambda x: command(x, "inspect", "FILE"),
    "inspect --json": lambda x: command(x, "inspect", "FILE", "--json"),
    "yields --by bin": lambda x: command(x, "yields", "FILE", "--prefit", "--by", "bin"),
}


# --- documents of other kinds --------------------------------------------------------------------


def patch_set(n: int) -> dict[str, Call]:
    """Read a set of n patches, and apply one found by name and one by values."""
    base = samples_with_one_normsys(1)
    operation = {"op": "replace", "path": "/channels/0/samples/0/data/0", "value": 3.0}
    metadata = {
        "name": "set",
        "description": "signals",
        "digests": {"sha256": "0" * 64},
        "labels": ["mass"],
        "references": {"hepdata": "ins1"},
    }
    patches = [
        {"metadata": {"name": f"p{i}", "values": [i]}, "patch": [operation]} for i in range(n)
    ]
    content = json.dumps({"metadata": metadata, "patches": patches, "version": "1.0.0"}).encode()
    found, workspace = nf.PatchSet.load(content), nf.Workspace.load(base)

    def apply(key: str | tuple[float]) -> object:
        return workspace.patch(found, key, verify=False)

    return {
        "load": lambda: nf.PatchSet.load(content),
        "apply one": lambda: (apply(f"p{n - 1}"), apply((n - 1,))),
        "find each": lambda: [found.find((i,)) for i in range(n)],
    }


def operations(n: int) -> dict[str, Call]:
    """Apply a patch of n operations."""
    base = samples_with_one_normsys(1)
    added = [
        {"op": "add", "path": "/channels/0/samples/-", "value": sample(f"x{i}", [normsys("a")])}
        for i in range(n)
    ]
    workspace = nf.Workspace.load(base)
    return {"apply": lambda: workspace.patch(added)}


def toys(n: int) -> dict[str, Call]:
    """Draw, fit, save, read and merge n toys."""
    model = nf.Workspace.load(samples_with_one_normsys(1)).model()
    drawn = nf.toys(model, n=n, seed=1)
    fits = nf.fit_many(model, drawn, n_threads=1)
    folder = Path(tempfile.mkdtemp(prefix="growth-"))
    drawn.save(folder / "toys.npz")
    return {
        "draw": lambda: nf.toys(model, n=n, seed=2),
        "fit": lambda: nf.fit_many(model, drawn, n_threads=1),
        "save": lambda: drawn.save(folder / "toys.npz"),
        "load": lambda: nf.Toys.load(folder / "toys.npz"),
        "fits as a dictionary": fits.to_dict,
        "fits as text": lambda: str(fits),
        "one by one": lambda: [drawn[i] for i in range(n)],
    }


def xml_document(folder: Path, channels: int, samples: int, systematics: int) -> Path:
    """Write a HistFactory document whose histograms are all the same one."""
    uproot = __import__("uproot")
    with uproot.recreate(folder / "data.root") as file:
        file["h"] = (np.array([10.0, 20.0]), np.array([0.0, 1.0, 2.0]))
    overall = "".join(f'<OverallSys Name="a{i}" Low="0.9" High="1.1"/>' for i in range(systematics))
    at = 'InputFile="data.root" HistoName="h"'
    names = [f"c{i}" for i in range(channels)]
    for name in names:
        body = "".join(f'<Sample Name="s{i}" {at}>{overall}</Sample>' for i in range(samples))
        signal = (
            f'<Sample Name="signal" {at}><NormFactor Name="mu" Val="1" Low="0" High="9"/></Sample>'
        )
        content = f"<Data {at}/>{signal}{body}"
        text = f'<!DOCTYPE Channel SYSTEM "x.dtd"><Channel Name="{name}">{content}</Channel>'
        (folder / f"{name}.xml").write_text(text)
    inputs = "".join(f"<Input>{folder}/{name}.xml</Input>" for name in names)
    measurement = (
        '<Measurement Name="main" Lumi="1" LumiRelErr="0.1"><POI>mu</POI>'
        '<ParamSetting Const="True">Lumi</ParamSetting></Measurement>'
    )
    top = folder / "top.xml"
    top.write_text(
        '<!DOCTYPE Combination SYSTEM "x.dtd">'
        f'<Combination OutputFilePrefix="r">{inputs}{measurement}</Combination>'
    )
    return top


def xml(axis: str) -> Callable[[int], dict[str, Call]]:
    def make(n: int) -> dict[str, Call]:
        sizes = {"channels": 1, "samples": 1, "systematics": 1} | {axis: n}
        top = xml_document(Path(tempfile.mkdtemp(prefix="growth-")), **sizes)
        return {"load": lambda: nf.Workspace.load(top)}

    return make


def root_objects(n: int) -> dict[str, Call]:
    """Read one histogram each for n samples from one ROOT file."""
    uproot = __import__("uproot")
    folder = Path(tempfile.mkdtemp(prefix="growth-"))
    top = xml_document(folder, 1, n, 0)
    channel = folder / "c0.xml"
    text = channel.read_text()
    with uproot.recreate(folder / "data.root") as file:
        for i in range(n):
            file[f"h{i}"] = (np.array([10.0, 20.0]), np.array([0.0, 1.0, 2.0]))
    for i in range(n):
        text = text.replace('HistoName="h">', f'HistoName="h{i}">', 1)
    channel.write_text(text.replace('HistoName="h"', 'HistoName="h0"'))
    return {"load": lambda: nf.Workspace.load(top)}


AXES: dict[str, tuple[int, Callable[[int], Json | s.ModelSpec]]] = {
    "samples": (4000, samples_with_normsys),
    "samples with histosys": (4000, samples_with_histosys),
    "samples with one normsys": (4000, samples_with_one_normsys),
    "channels": (4000, channels),
    "channels with every modifier": (1000, channels_with_everything),
    "normsys of one sample": (4000, normsys_of_one_sample),
    "histosys of one sample": (4000, histosys_of_one_sample),
    "normsys of one parameter": (4000, one_parameter_in_one_sample),
    "extreme normsys": (2000, extreme_normsys),
    "normfactors of one sample": (4000, normfactors_of_one_sample),
    "parameter settings": (4000, parameter_settings),
    "bins with staterror": (4000, bins("staterror")),
    "bins with shapesys": (4000, bins("shapesys")),
    "bins with shapefactor": (4000, bins("shapefactor")),
    "measurements": (4000, measurements),
    "axes": (4000, axes),
}
OTHERS: dict[str, tuple[int, Callable[[int], dict[str, Call]]]] = {
    "patches": (4000, patch_set),
    "operations of a patch": (500, operations),
    "toys": (4000, toys),
    "XML channels": (50, xml("channels")),
    "XML samples": (500, xml("samples")),
    "XML systematics": (2000, xml("systematics")),
    "ROOT histograms": (200, root_objects),
}


# --- measurement ---------------------------------------------------------------------------------


def seconds(call: Call, now: Callable[[], float]) -> float:
    """Return the least of up to three calls after the first."""
    found = []
    with no_garbage_collection():
        while len(found) < 3 and sum(found) < 1.0:
            started = now()
            call()
            found.append(now() - started)
    return min(found)


def calls(axis: str, n: int, wanted: list[str]) -> Iterator[tuple[str, Callable[[], Call]]]:
    """Yield the operations of one axis at one size, prepared when they are asked for."""
    if axis in AXES:
        subject = Subject(AXES[axis][1](n))
        for name, prepare in OPERATIONS.items():
            if not wanted or name in wanted:
                yield name, lambda prepare=prepare: prepare(subject)
    else:
        for name, call in OTHERS[axis][1](n).items():
            if not wanted or name in wanted:
                yield name, lambda call=call: call


def measure(
    axis: str, sizes: list[int], wanted: list[str], now: Callable[[], float]
) -> dict[str, list[float]]:
    """Return the seconds of each operation, NaN where it is not measured."""
    found: dict[str, list[float]] = {}
    for k, n in enumerate(sizes):
        for name, prepare in calls(axis, n, wanted):
            times = found.setdefault(name, [])
            if times and not times[-1] <= LONGEST:
                times.append(math.nan)
                continue
            try:
                times.append(seconds(prepare(), now))
            except Exception as error:  # noqa: BLE001
                if k == 0:
                    print(f"{axis}, {name}: {first_line(error)}")
                times.append(math.nan)
    return found


def exponents(sizes: list[int], times: list[float]) -> list[float]:
    """Return the slope of log time against log size between neighbours."""
    return [
        math.log(b / a) / math.log(m / n)
        for (n, a), (m, b) in zip(
            zip(sizes, times, strict=True), zip(sizes[1:], times[1:], strict=True), strict=False
        )
    ]


def is_flagged(times: list[float], slopes: list[float]) -> bool:
    """Whether the last two doublings together grow too fast, where the time is long enough."""
    known = [x for x in slopes if math.isfinite(x)][-2:]
    largest = max((t for t in times if math.isfinite(t)), default=0.0)
    return bool(known) and largest > SHORTEST and sum(known) / len(known) > FLAGGED


def show(axis: str, sizes: list[int], found: dict[str, list[float]]) -> list[str]:
    rows, flagged = [], []
    for name, times in found.items():
        slopes = exponents(sizes, times)
        mark = "  <--" if is_flagged(times, slopes) else ""
        if mark:
            flagged.append(f"{axis}: {name}")
        cells = [f"{1e3 * t:.2f}" if math.isfinite(t) else "-" for t in times]
        slope_cells = [f"{x:.2f}" if math.isfinite(x) else "-" for x in slopes]
        rows.append((name, *cells, *slope_cells[-2:], mark))
    header = ("milliseconds", *map(str, sizes), "exponent", "exponent", "")
    print_table(axis, header, rows)
    return flagged


def main() -> int:
    parser = argument_parser(__doc__, workspaces="")
    parser.set_defaults(clock="cpu")
    parser.add_argument("--axes", nargs="*", default=[*AXES, *OTHERS])
    parser.add_argument("--operations", nargs="*", default=[])
    parser.add_argument("--doublings", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all sizes")
    arguments = parser.parse_args()
    run = Run(arguments)
    flagged: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        tempfile.tempdir = scratch  # all files of the documents are in it
        for axis in arguments.axes:
            start = round(arguments.scale * (AXES | OTHERS)[axis][0])
            sizes = [max(1, start) << k for k in range(arguments.doublings + 1)]
            found = measure(axis, sizes, arguments.operations, CLOCKS[arguments.clock])
            flagged += show(axis, sizes, found)
            run.add(**{axis: {"sizes": sizes, "seconds": found}})
    print("\n".join(["Faster than linear growth:", *flagged]) if flagged else "All linear.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
