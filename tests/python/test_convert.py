"""Writing pyhf JSON from models of any format, and the commands that do it."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY, SHARED_DATA, published_workspaces
from nablafit import spec as sp
from nablafit.io import to_pyhf

pyhf = pytest.importorskip("pyhf")

HISTFACTORY = REPOSITORY / "tests" / "data" / "histfactory_xml"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nablafit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def one_bin(
    parameters: list[sp.Parameter], *modifiers: sp.Modifier, **changes: object
) -> nf.ModelSpec:
    """A channel of one sample with 10 events in each of two bins."""
    sample = sp.Sample("sample", [10.0, 10.0], modifiers).replace(**changes)
    return nf.ModelSpec("measurement", [sp.Channel("channel", [sample])], parameters, ["mu"])


MU = sp.Parameter("mu", 1.0, 0.0, 10.0)


def alpha(name: str = "a", **changes: object) -> sp.Parameter:
    return sp.Parameter(name, 0.0, -5.0, 5.0, constraint=sp.GaussianConstraint()).replace(**changes)


def gammas(constraint: sp.Constraint, **changes: object) -> list[sp.Parameter]:
    names = ("g_bin_0", "g_bin_1")
    made = [sp.Parameter(name, 1.0, 0.0, 2.0, constraint=constraint) for name in names]
    return [parameter.replace(**changes) for parameter in made]


def same_in_pyhf(
    spec: nf.ModelSpec,
    observations: sp.Observations,
    document: dict[str, Any],
    order: list[str],
    seed: int = 3,
) -> None:
    """pyhf's log-likelihood of the document differs from ours by a constant only."""
    model = nf.Model(spec)
    likelihood = model.likelihood(model.data(observations))
    workspace = pyhf.Workspace(document)
    reference = workspace.model()
    data = np.asarray(workspace.data(reference))
    assert len(order) == reference.config.npars
    generator = np.random.default_rng(seed)
    differences = []
    for _ in range(10):
        values = {}
        for parameter in spec.parameters:
            width = 1.0 if parameter.lower < 0.0 else 0.05
            start = parameter.initial
            moved = np.clip(start + width * generator.normal(), parameter.lower, parameter.upper)
            values[parameter.name] = start if parameter.fixed else float(moved)
        theirs = float(reference.logpdf([values[name] for name in order], data)[0])
        differences.append(likelihood.logpdf(model.point(values)) - theirs)
    np.testing.assert_allclose(differences, differences[0], atol=1e-9)


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_round_trip(workspace: nf.Workspace) -> None:
    for measurement in workspace.measurements:
        document = workspace.to_pyhf(measurement)
        again = nf.Workspace.load(document)
        assert again.spec() == workspace.spec(measurement)
        assert again.observations == workspace.observations
        pyhf.Workspace(document)


@pytest.mark.parametrize("path", published_workspaces(), ids=lambda path: path.stem)
def test_round_trip_of_published_workspaces(path: Path) -> None:
    workspace = nf.Workspace.load(path)
    again = nf.Workspace.load(workspace.to_pyhf())
    assert again.spec() == workspace.spec()
    assert again.observations == workspace.observations


def test_specifications_write_themselves(workspace: nf.Workspace) -> None:
    spec = workspace.spec()
    assert spec.to_pyhf(workspace.observations) == to_pyhf(spec, workspace.observations)
    expected = spec.to_pyhf()["observations"]
    model = workspace.model()
    yields = model.expected_by_channel({})
    assert {entry["name"]: entry["data"] for entry in expected} == {
        name: values.tolist() for name, values in yields.items()
    }


# --- what pyhf holds -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_shared_poisson_constraints_become_a_channel() -> None:
    """Two samples with the same gammas: pyhf's shapesys is for one sample only."""
    names = ["g_bin_0", "g_bin_1"]
    samples = [
        sp.Sample(
            name, yields, [sp.NormFactor("mu", "mu"), sp.StatError("stat", names, [1.0, 1.0])]
        )
        for name, yields in (("one", [10.0, 20.0]), ("two", [5.0, 0.0]))
    ]
    parameters = [MU, *gammas(sp.PoissonConstraint(25.0, 25.0))]
    spec = nf.ModelSpec("m", [sp.Channel("channel", samples)], parameters, ["mu"])
    counts = sp.Observations("data", [sp.ChannelCounts("channel", [14.0, 22.0])])
    document = spec.to_pyhf(counts)
    assert document["channels"][1] == {
        "name": "stat_constraint",
        "samples": [
            {
                "name": "auxiliary_measurement",
                "data": [25.0, 25.0],
                "modifiers": [{"name": "stat", "type": "shapefactor", "data": None}],
            }
        ],
    }
    same_in_pyhf(spec, counts, document, ["mu", *names])
    moved = counts.replace(global_observables=[sp.GlobalObservable("g_bin_1", 30.0)])
    document = spec.to_pyhf(moved)
    assert document["observations"][1] == {"name": "stat_constraint", "data": [25.0, 30.0]}
    same_in_pyhf(spec, moved, document, ["mu", *names])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("constraint", "kind"),
    [
        (sp.PoissonConstraint(16.0, 16.0), "shapesys"),
        (sp.GaussianConstraint(1.0, 0.2), "staterror"),
        (sp.Unconstrained(), "shapefactor"),
    ],
)
def test_factors_of_bins(constraint: sp.Constraint, kind: str) -> None:
    names = ["g_bin_0", "g_bin_1"]
    modifiers = [sp.NormFactor("mu", "mu"), sp.ShapeSys("g", names, [9.0, 9.0])]
    spec = one_bin([MU, *gammas(constraint)], *modifiers)
    document = spec.to_pyhf()
    written = document["channels"][0]["samples"][0]["modifiers"][1]
    assert (written["name"], written["type"]) == ("g", kind)
    counts = sp.Observations("data", [sp.ChannelCounts("channel", [8.0, 12.0])])
    same_in_pyhf(spec, counts, spec.to_pyhf(counts), ["mu", *names])


def test_single_fixed_bins_have_no_uncertainty() -> None:
    first, second = gammas(sp.GaussianConstraint(1.0, 0.2))
    modifiers = [sp.NormFactor("mu", "mu"), sp.StatError("s", ["g_bin_0", "g_bin_1"], [2.0, 2.0])]
    spec = one_bin([MU, first.replace(fixed=True), second], *modifiers)
    document = spec.to_pyhf()
    assert document["channels"][0]["samples"][0]["modifiers"][1]["data"] == [0.0, 2.0]
    assert nf.Workspace.load(document).model().fixed == (False, True, False)
    whole = one_bin([MU, *gammas(sp.GaussianConstraint(1.0, 0.2), fixed=True)], *modifiers)
    again = nf.Workspace.load(whole.to_pyhf()).spec()
    assert [p.constraint.sigma for p in again.parameters[1:]] == [0.2, 0.2]
    assert all(p.fixed for p in again.parameters[1:])


def shared_by_channels(*others: sp.Modifier) -> tuple[nf.ModelSpec, sp.Observations]:
    """Gammas with Gaussian terms on a sample of each of two channels, as a ShapeSys of XML."""
    names = ["g_bin_0", "g_bin_1"]
    gamma = sp.ShapeSys("g", names, [2.0, 2.0])
    samples = [
        sp.Sample("b", [10.0, 10.0], [sp.NormFactor("mu", "mu"), gamma, *others]),
        sp.Sample("b", [20.0, 10.0], [sp.NormFactor("mu", "mu"), gamma]),
    ]
    channels = [sp.Channel(name, [sample]) for name, sample in zip("AB", samples, strict=True)]
    parameters = [MU, *gammas(sp.GaussianConstraint(1.05, 0.2)), *([alpha()] if others else [])]
    counts = [sp.ChannelCounts(name, [12.0, 9.0]) for name in "AB"]
    return nf.ModelSpec("m", channels, parameters, ["mu"]), sp.Observations("data", counts)


def test_gaussian_gammas_of_several_channels_are_a_histosys_per_bin() -> None:
    spec, data = shared_by_channels()
    written = nf.Workspace.load(spec.to_pyhf(data))
    theirs = written.model()
    assert set(theirs.parameters) == {"mu", "g_bin_0_pull", "g_bin_1_pull"}
    assert theirs.bounds[theirs.index("g_bin_0_pull")] == pytest.approx((-5.0, 5.0))
    ours = nf.Model(spec)
    first, second = ours.likelihood(ours.data(data)), theirs.likelihood(written.data(theirs))
    differences = [
        first.logpdf(ours.point({"mu": 1.2, "g_bin_0": 1.0 + 0.2 * x, "g_bin_1": 1.0 - 0.1 * x}))
        - second.logpdf(theirs.point({"mu": 1.2, "g_bin_0_pull": x, "g_bin_1_pull": -0.5 * x}))
        for x in (0.0, 0.7, -1.9, 3.0)
    ]
    np.testing.assert_allclose(differences, differences[0], atol=1e-12)


def test_gaussian_gammas_of_several_channels_beside_a_histosys_are_refused() -> None:
    spec, data = shared_by_channels(sp.HistoSys("a", "a", [9.0, 9.0], [11.0, 11.0]))
    with pytest.raises(nf.SpecError, match="Gaussian constraints shared by the channels A, B"):
        spec.to_pyhf(data)


def test_shapefactors_of_several_lengths_share_their_first_bins() -> None:
    names = ["g[0]", "g[1]"]
    parameters = gammas(sp.Unconstrained())
    parameters = [p.replace(name=name) for p, name in zip(parameters, names, strict=True)]

    def spec(first: str, second: str) -> nf.ModelSpec:
        long = sp.Sample("b", [10.0, 20.0], [sp.ShapeFactor("g", names)])
        short = sp.Sample("b", [10.0], [sp.ShapeFactor("g", names[:1])])
        channels = [sp.Channel(first, [long]), sp.Channel(second, [short])]
        return nf.ModelSpec("m", channels, parameters)

    assert nf.Workspace.load(spec("A", "B").to_pyhf()).spec().channels == spec("A", "B").channels
    with pytest.raises(nf.SpecError, match=r"g\[0\] \.\.\.: bins shared with another modifier"):
        spec("B", "A").to_pyhf()


def test_bins_of_a_staterror_are_written_in_the_order_of_channels() -> None:
    """Of several channels, with settings that differ from bin to bin."""
    pair = [(["st[0]"], "Z", 1.1), (["st[1]"], "A", 1.2)]
    channels = [
        sp.Channel(name, [sp.Sample("b", [10.0], [sp.StatError("st", keys, [1.0])])])
        for keys, name, _ in pair
    ]
    parameters = [
        sp.Parameter(keys[0], start, 1e-10, 10.0, constraint=sp.GaussianConstraint(1.0, 0.1))
        for keys, _, start in pair
    ]
    again = nf.Workspace.load(nf.ModelSpec("m", channels, parameters).to_pyhf()).spec()
    first = {c.name: c.samples[0].modifiers[0].parameters[0] for c in again.channels}
    starts = {p.name: p.initial for p in again.parameters}
    assert {name: starts[parameter] for name, parameter in first.items()} == {"A": 1.2, "Z": 1.1}


def test_infinite_ranges_are_written_as_root_has_them() -> None:
    spec = one_bin([MU.replace(upper=float("inf"))], sp.NormFactor("mu", "mu"))
    with pytest.warns(nf.ModelWarning, match=r"mu: infinite range \(written as 1e\+30"):
        document = spec.to_pyhf(lossy=True)
    assert nf.Workspace.load(document).model().bounds == ((0.0, 1e30),)


def test_names_of_root_become_names_of_pyhf() -> None:
    spec = one_bin(
        [MU, alpha("alpha_jes"), alpha("alpha_mu"), alpha("own")],
        sp.NormFactor("mu", "mu"),
        sp.NormSys("anything", "alpha_jes", 0.9, 1.1),
        sp.HistoSys("jes_shape", "alpha_jes", [9.0, 9.0], [11.0, 11.0]),
        sp.NormSys("mu", "alpha_mu", 0.9, 1.1),
        sp.NormSys("own", "own", 0.9, 1.1),
    )
    model = nf.Workspace.load(spec.to_pyhf()).model()
    assert set(model.parameters) == {"mu", "jes", "alpha_mu", "own"}


# --- what it does not hold -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            one_bin([MU], sp.NormFactor("mu", "mu"), sp.FormulaFactor("f", "mu*mu", ["mu"])),
            "channel/sample: formula f = mu[*]mu",
        ),
        (
            one_bin([alpha()], sp.NormSys("a", "a", 0.9, 1.1, sp.Interpolation.piecewise_linear)),
            "channel/sample: normsys a has interpolation code 0, pyhf's default is 5",
        ),
        (
            one_bin(
                [alpha(constraint=sp.GaussianConstraint(0.0, 2.0))], sp.NormSys("a", "a", 0.9, 1.1)
            ),
            "a: constraint of width 2, pyhf's is 1",
        ),
        (
            one_bin(
                [alpha(transformation=sp.LogNormalTransformation(0.3))],
                sp.NormSys("a", "a", 0.9, 1.1),
            ),
            "a: LogNormalTransformation",
        ),
        (
            one_bin([alpha(constraint=sp.Unconstrained())], sp.NormSys("a", "a", 0.9, 1.1)),
            "a: no constraint on a alpha parameter",
        ),
        (
            one_bin([alpha("mu")], sp.NormFactor("mu", "mu")),
            "mu: GaussianConstraint on a normfactor parameter",
        ),
        (
            one_bin(
                [alpha(constraint=sp.GaussianConstraint(0.0, 1.0, sp.Range(-2.0, 2.0)))],
                sp.NormSys("a", "a", 0.9, 1.1),
            ),
            "a: truncated Gaussian constraint",
        ),
        (
            one_bin([alpha()], sp.HistoSys("a", "a", [5.0, 9.0], [15.0, 11.0]), yield_floor=0.0),
            "channel/sample: histogram kept from becoming negative",
        ),
        (
            one_bin([alpha()], sp.NormSys("a", "a", 0.01, 40.0), factor_floor=1e-300),
            "channel/sample: factor a kept from going below zero",
        ),
        (
            one_bin([MU], sp.NormFactor("mu", "mu"), sp.NormFactor("mu", "mu")),
            "channel/sample: normfactor mu is repeated",
        ),
        (
            one_bin([MU.replace(upper=float("inf"))], sp.NormFactor("mu", "mu")),
            "mu: infinite range",
        ),
        (
            one_bin(
                [gammas(sp.Unconstrained())[0], gammas(sp.Unconstrained(), fixed=True)[1]],
                sp.ShapeFactor("g", ["g_bin_0", "g_bin_1"]),
            ),
            "g_bin_1: fixed while other bins of the factor are free",
        ),
    ],
)
def test_what_pyhf_cannot_hold(spec: nf.ModelSpec, message: str) -> None:
    with pytest.raises(nf.SpecError, match=f"cannot hold this[^\n]*\n  - {message}"):
        spec.to_pyhf()
    with pytest.warns(nf.ModelWarning, match=message):
        document = spec.to_pyhf(lossy=True)
    if "infinite" not in message:
        nf.Workspace.load(document)


def test_floors_that_cannot_act_are_no_loss() -> None:
    shape = sp.HistoSys("a", "a", [9.0, 9.0], [11.0, 11.0])
    norm = sp.NormSys("a", "a", 0.9, 1.1)
    wide = sp.GaussianConstraint(0.0, 1.0, sp.Range(-10.0, 10.0))
    plain = one_bin([alpha()], norm).to_pyhf()
    assert (
        one_bin([alpha()], shape, yield_floor=0.0).to_pyhf() == one_bin([alpha()], shape).to_pyhf()
    )
    assert one_bin([alpha()], norm, factor_floor=1e-300).to_pyhf() == plain
    assert one_bin([alpha(constraint=wide)], norm).to_pyhf() == plain


def test_everything_is_listed() -> None:
    workspace = nf.Workspace.load(HISTFACTORY)
    with pytest.raises(nf.SpecError) as caught:
        workspace.to_pyhf("gamma")
    lines = str(caught.value).splitlines()[1:]
    assert any("beta_cross_section: GammaTransformation" in line for line in lines)
    assert any("formula mu_squared" in line for line in lines)
    assert any("gamma_stat_signal_region_bin_0 ...: Poisson constraints shared" in x for x in lines)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("measurement", ["plain", "gamma", "lognormal", "uniform", "dropped"])
def test_lossy_documents_are_pyhf_workspaces(measurement: str) -> None:
    workspace = nf.Workspace.load(HISTFACTORY)
    document = workspace.to_pyhf(measurement, lossy=True)
    theirs = pyhf.Workspace(document).model()
    assert theirs.config.poi_name == workspace.model(measurement).poi
    assert theirs.config.nmaindata == workspace.model(measurement).n_bins


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_small_root_workspace_in_pyhf() -> None:
    path = SHARED_DATA / "rooworkspace" / "small.root"
    if not path.exists():
        pytest.skip("the published inputs are not here")
    workspace = nf.Workspace.load(path)
    document = workspace.to_pyhf()
    names = {"lumi": ["Lumi"], "mu": ["mu"], "mubkg2": ["mubkg2"]}
    for name in ("jer", "jes", "sigacc", "xs1"):
        names[name] = [f"alpha_{name}"]
    reference = pyhf.Workspace(document).model()
    for name in reference.config.par_order:
        if name not in names:
            size = reference.config.param_set(name).n_parameters
            stem = {"dd_shape": "dd_shape", "shape3": "shape3"}.get(name, "stat_SR")
            names[name] = [f"gamma_{stem}_bin_{i}" for i in range(size)]
    order = [n for name in reference.config.par_order for n in names[name]]
    same_in_pyhf(workspace.spec(), workspace.observations, document, order)


# --- commands ------------------------------------------------------------------------------------


@pytest.fixture
def path(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.process
def test_convert_command(path: Path, workspace: nf.Workspace, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    finished = run("convert", path, output)
    assert finished.returncode == 0
    assert "taking nominal, not fixed_lumi" in finished.stderr
    assert nf.Workspace.load(output).spec() == workspace.spec()
    finished = run("convert", path, "-", "--measurement", "fixed_lumi")
    assert nf.Workspace.load(finished.stdout).spec() == workspace.spec("fixed_lumi")


@pytest.mark.process
def test_convert_command_lists_losses(tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    finished = run("convert", HISTFACTORY, output)
    assert finished.returncode == 2
    assert "  - signal_region/free: formula mu_squared = mu*mu" in finished.stderr
    assert not output.exists()
    finished = run("convert", HISTFACTORY, output, "--lossy")
    assert finished.returncode == 0
    assert "warning: plain: pyhf JSON does not hold:" in finished.stderr
    assert "signal_region" in nf.Workspace.load(output).channels


@pytest.mark.process
def test_prune_rename_and_combine_commands(
    path: Path, workspace: nf.Workspace, tmp_path: Path
) -> None:
    first, second, both = (tmp_path / f"{name}.json" for name in ("a", "b", "both"))
    assert run("prune", path, first, "--channel", "signal*").returncode == 0
    assert run("prune", path, second, "--channel", "control*").returncode == 0
    assert run("combine", first, second, both).returncode == 0
    assert nf.Workspace.load(both).spec() == workspace.spec()
    renamed = tmp_path / "renamed.json"
    arguments = ("--channel", "signal_region=SR", "--parameter", "mu=strength")
    assert run("rename", path, renamed, *arguments, "--modifier", "mu=strength").returncode == 0
    model = nf.Workspace.load(renamed).model()
    assert (model.channels, model.poi) == (("SR", "control_region"), "strength")
    finished = run("rename", path, renamed, "--channel", "signal_region")
    assert (finished.returncode, finished.stderr.strip().split(": ")[-1]) == (2, "expected OLD=NEW")


@pytest.mark.process
def test_inspect_shows_notes(path: Path) -> None:
    finished = run("inspect", HISTFACTORY)
    assert finished.returncode == 0
    assert "(HistFactory XML)" in finished.stdout
    assert "data sets: obsData, half_signal" in finished.stdout
    assert "note: BinLow and BinHigh have no effect" in finished.stdout
    summary = json.loads(run("inspect", path, "--json").stdout)
    assert (summary["datasets"], summary["notes"]) == (["observed"], [])


@pytest.mark.process
def test_inspect_shows_the_graph_of_other_workspaces() -> None:
    path = REPOSITORY / "tests" / "data" / "rooworkspace" / "not_histfactory.root"
    finished = run("inspect", path)
    assert finished.returncode == 0
    assert "RooWorkspace" in finished.stdout
    assert "not a HistFactory model" in finished.stderr
    assert json.loads(run("inspect", path, "--json").stdout)["workspaces"]


def test_no_warning_without_loss(workspace: nf.Workspace) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert workspace.to_pyhf(lossy=True) == workspace.to_pyhf()
