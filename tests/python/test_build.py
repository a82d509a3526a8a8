"""Models built in Python: against pyhf, from histograms of all kinds, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit import spec as sp
from nablafit.build import ModelBuilder, SampleBuilder

Call = Callable[[Any], object]

SEEDS = range(12)
PYHF = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""pyhf's schemas use a class that jsonschema deprecates."""


# --- random models against pyhf ------------------------------------------------------------------


class RandomModel:
    """A random model, told to a builder and written by hand as a pyhf workspace."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.builder = ModelBuilder("measurement", poi="mu").luminosity(1.0, sigma=0.02)
        self.document: dict[str, Any] = {
            "channels": [],
            "observations": [],
            "measurements": [
                {
                    "name": "measurement",
                    "config": {
                        "poi": "mu",
                        "parameters": [
                            {
                                "name": "lumi",
                                "auxdata": [1.0],
                                "sigmas": [0.02],
                                "bounds": [[0.0, 10.0]],
                                "inits": [1.0],
                            },
                            {"name": "mu", "inits": [0.5], "bounds": [[-1.0, 5.0]]},
                        ],
                    },
                }
            ],
            "version": "1.0.0",
        }
        for c in range(self.rng.integers(1, 4)):
            self.add_channel(f"channel_{c}")

    def some(self) -> bool:
        return bool(self.rng.random() < 0.6)

    def add_channel(self, name: str) -> None:
        n_bins = int(self.rng.integers(1, 5))
        samples = []
        counts = self.rng.poisson(60.0, n_bins).astype(float)
        channel = self.builder.channel(name, observed=counts)
        for s in range(self.rng.integers(1, 4)):
            nominal = self.rng.uniform(5.0, 40.0, n_bins)
            errors = self.rng.uniform(0.0, 3.0, n_bins) if self.some() else None
            sample = channel.sample(f"sample_{s}", nominal, uncertainties=errors)
            modifiers = []
            if errors is not None:
                modifiers.append(modifier(f"staterror_{name}", "staterror", errors.tolist()))
            modifiers += self.add_modifiers(sample, f"{name}_{s}", nominal, is_first=s == 0)
            samples.append({"name": sample.name, "data": nominal.tolist(), "modifiers": modifiers})
        self.document["channels"].append({"name": name, "samples": samples})
        self.document["observations"].append({"name": name, "data": counts.tolist()})

    def add_modifiers(
        self, sample: SampleBuilder, own: str, nominal: np.ndarray, *, is_first: bool
    ) -> list[dict[str, Any]]:
        found = []
        if is_first:
            sample.norm_factor("mu", initial=0.5, bounds=(-1.0, 5.0)).lumi()
            found += [modifier("mu", "normfactor"), modifier("lumi", "lumi")]
        if self.some():
            low, high = self.rng.uniform(0.8, 1.0), self.rng.uniform(1.0, 1.2)
            sample.norm_sys("theory", low, high)
            found.append(modifier("theory", "normsys", {"lo": low, "hi": high}))
        for name in ("theory", "jes"):
            if self.some():
                low, high = (nominal * self.rng.uniform(0.9, 1.1, nominal.size) for _ in "lh")
                sample.histo_sys(name, low, high)
                data = {"lo_data": low.tolist(), "hi_data": high.tolist()}
                found.append(modifier(name, "histosys", data))
        if self.some():
            errors = self.rng.uniform(1.0, 4.0, nominal.size)
            sample.shape_sys(f"shape_{own}", errors)
            found.append(modifier(f"shape_{own}", "shapesys", errors.tolist()))
        if not is_first and self.some():
            sample.shape_factor(f"free_{own}")
            found.append(modifier(f"free_{own}", "shapefactor"))
        return found


def modifier(name: str, kind: str, data: object = None) -> dict[str, Any]:
    return {"name": name, "type": kind, "data": data}


@PYHF
@pytest.mark.parametrize("seed", SEEDS)
def test_random_models_are_those_of_pyhf(seed: int) -> None:
    """Parameters, log-likelihood at random points, and the document itself."""
    pyhf = pytest.importorskip("pyhf")
    random = RandomModel(seed)
    workspace = random.builder.workspace()
    model = workspace.model()
    likelihood = model.likelihood(workspace.data(model))
    reference = pyhf.Workspace(random.document)
    theirs = reference.model()
    data = reference.data(theirs)
    assert set(model.parameters) == set(theirs.config.par_names)
    bounds = dict(
        zip(theirs.config.par_names, map(tuple, theirs.config.suggested_bounds()), strict=True)
    )
    fixed = dict(zip(theirs.config.par_names, theirs.config.suggested_fixed(), strict=True))
    assert dict(zip(model.parameters, model.bounds, strict=True)) == bounds
    assert dict(zip(model.parameters, model.fixed, strict=True)) == fixed
    for _ in range(5):
        values = {
            name: start + (0.4 if model.bounds[i][0] < 0.0 else 0.1) * random.rng.uniform(-1, 1)
            for i, (name, start) in enumerate(
                zip(theirs.config.par_names, theirs.config.suggested_init(), strict=True)
            )
        }
        expected = float(theirs.logpdf(list(values.values()), data)[0])
        assert likelihood.logpdf(values) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_models_fit_as_from_a_file(seed: int) -> None:
    random = RandomModel(seed)
    workspace = random.builder.workspace()
    loaded = nf.Workspace.load(random.document)
    results = []
    for source in (workspace, loaded):
        model = source.model()
        result = nf.fit(model, source.data(model))
        results.append((result.value, dict(zip(model.parameters, result.x, strict=True))))
    (value, x), (expected, y) = results
    assert value == pytest.approx(expected, abs=1e-8)
    assert x["mu"] == pytest.approx(y["mu"], abs=1e-5)
    assert nf.Workspace.load(workspace.to_pyhf()).spec() == loaded.spec()


@PYHF
def test_fit_is_that_of_pyhf() -> None:
    pyhf = pytest.importorskip("pyhf")
    random = RandomModel(3)
    workspace = random.builder.workspace()
    model = workspace.model()
    result = nf.fit(model, workspace.data(model))
    reference = pyhf.Workspace(random.document)
    theirs = reference.model()
    best, twice_nll = pyhf.infer.mle.fit(reference.data(theirs), theirs, return_fitted_val=True)
    likelihood = model.likelihood(workspace.data(model))
    ours = -2.0 * likelihood.logpdf(result.x)
    assert ours == pytest.approx(float(twice_nll), abs=1e-3)
    assert ours <= float(twice_nll) + 1e-9
    assert best.size == len(model.parameters)


@PYHF
@pytest.mark.parametrize("kind", ["uncorrelated", "correlated"])
def test_simple_models_are_those_of_pyhf(kind: str) -> None:
    pyhf = pytest.importorskip("pyhf")
    signal, background, errors = [12.0, 11.0, 3.0], [50.0, 52.0, 20.0], [3.0, 7.0, 0.0]
    if kind == "uncorrelated":
        ours = nf.build.uncorrelated_background(signal, background, errors)
        theirs = pyhf.simplemodels.uncorrelated_background(signal, background, errors)
    else:
        high, low = [53.0, 59.0, 21.0], [48.0, 46.0, 20.0]
        ours = nf.build.correlated_background(signal, background, low=low, high=high)
        theirs = pyhf.simplemodels.correlated_background(signal, background, high, low)
    assert ours.poi == theirs.config.poi_name
    assert ours.channels == tuple(theirs.config.channels)
    assert list(ours.parameters) == theirs.config.par_names
    counts = [51.0, 48.0, 17.0]
    likelihood = ours.likelihood(ours.data(counts))
    rng = np.random.default_rng(1)
    for _ in range(20):
        x = np.array(theirs.config.suggested_init()) + rng.uniform(-0.1, 0.3, ours.n_parameters)
        expected = float(theirs.logpdf(x, counts + theirs.config.auxdata)[0])
        assert likelihood.logpdf(x) == pytest.approx(expected, rel=1e-10)


# --- histograms ----------------------------------------------------------------------------------


class PlainAxis(list[tuple[float, float]]):
    """The least that the protocol of UHI asks of an axis."""


class PlainHistogram:
    """The least that the protocol of UHI asks of a histogram."""

    kind = "COUNT"

    def __init__(self, values: object, variances: object, *axes: object) -> None:
        self.axes = tuple(axes)
        self._values, self._variances = np.asarray(values), variances

    def values(self) -> np.ndarray:
        return self._values

    def variances(self) -> object:
        return self._variances


PAIRS = PlainAxis([(0.0, 1.0), (1.0, 3.0)])


def test_variances_become_statistical_uncertainties() -> None:
    builder = ModelBuilder()
    channel = builder.channel("SR")
    channel.sample("a", PlainHistogram([10.0, 20.0], np.array([4.0, 9.0]), PAIRS))
    channel.sample("b", PlainHistogram([30.0, 20.0], np.array([12.0, 16.0]), PAIRS))
    channel.sample("c", PlainHistogram([1.0, 1.0], None, PAIRS))
    spec = builder.build()
    a, _, c = spec.channels[0].samples
    assert [m.type for m in a.modifiers] == ["staterror"]
    assert c.modifiers == ()
    np.testing.assert_allclose(a.uncertainties, [2.0, 3.0])
    widths = [p.constraint.sigma for p in spec.parameters]
    np.testing.assert_allclose(widths, [4.0 / 40.0, 5.0 / 40.0])
    np.testing.assert_array_equal(spec.channels[0].axes[0].edges, [0.0, 1.0, 3.0])


def test_stat_error_false_keeps_uncertainties_out_of_the_likelihood() -> None:
    builder = ModelBuilder()
    histogram = PlainHistogram([10.0, 20.0], np.array([4.0, 9.0]), PAIRS)
    builder.channel("SR").sample("a", histogram, stat_error=False)
    spec = builder.build()
    assert spec.parameters == ()
    np.testing.assert_allclose(spec.channels[0].samples[0].uncertainties, [2.0, 3.0])


def test_numpy_pair_and_categories() -> None:
    builder = ModelBuilder()
    values, edges = np.histogram([0.5, 1.5, 1.7], bins=[0.0, 1.0, 2.0])
    builder.channel("SR", observed=(values, edges)).sample("a", [1.0, 2.0])
    histogram = PlainHistogram([1.0, 2.0, 3.0], None, ["e", "mu", "tau"])
    builder.channel("flavours").sample("a", histogram)
    first, second = builder.build().channels
    assert first.axes == (sp.Axis("obs_x_SR", [0.0, 1.0, 2.0]),)
    assert second.axes == (sp.Axis("obs_x_flavours", [0.0, 1.0, 2.0, 3.0]),)


def test_two_axes_run_with_the_last_one_fastest() -> None:
    three = PlainAxis([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)])
    histogram = PlainHistogram([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], None, PAIRS, three)
    builder = ModelBuilder()
    sample = builder.channel("SR").sample("a", histogram)
    np.testing.assert_array_equal(sample.nominal, [1, 2, 3, 4, 5, 6])
    assert [axis.edges.size for axis in builder.build().channels[0].axes] == [3, 4]
    with pytest.raises(nf.ArgumentError, match="found 2 axes, expected one"):
        sample.histo_sys("jes", sample.nominal, sample.nominal, smooth="353QH twice")


def test_histograms_of_hist() -> None:
    hist = pytest.importorskip("hist")
    weighted = hist.Hist.new.Var([0, 10, 50], name="pt", label="pT [GeV]").Weight()
    weighted.fill([5.0, 20.0, 30.0, 90.0], weight=[1.0, 2.0, 3.0, 100.0])
    data = hist.Hist.new.Var([0, 10, 50], name="pt").Double().fill([1.0, 2.0, 20.0])
    builder = ModelBuilder()
    channel = builder.channel("SR", observed=data)
    sample = channel.sample("background", weighted)
    workspace = builder.workspace()
    spec = workspace.spec()
    np.testing.assert_array_equal(sample.nominal, [1.0, 5.0])
    np.testing.assert_allclose(spec.channels[0].samples[0].uncertainties, [1.0, np.sqrt(13.0)])
    assert spec.channels[0].axes == (sp.Axis("pt", [0.0, 10.0, 50.0]),)
    np.testing.assert_array_equal(workspace.observations.channels[0].counts, [2.0, 1.0])
    profile = hist.Hist.new.Reg(2, 0, 1).Mean()
    with pytest.raises(nf.ArgumentError, match="histogram of means"):
        channel.sample("profile", profile)


# --- parameters and options ----------------------------------------------------------------------


def two_bins() -> tuple[ModelBuilder, SampleBuilder]:
    builder = ModelBuilder(poi="mu")
    channel = builder.channel("SR", observed=[10, 20])
    return builder, channel.sample("signal", [5.0, 10.0]).norm_factor("mu")


def by_name(spec: nf.ModelSpec) -> dict[str, sp.Parameter]:
    return {parameter.name: parameter for parameter in spec.parameters}


def test_settings_of_parameters() -> None:
    builder, sample = two_bins()
    sample.norm_sys("theory", 0.9, 1.1, interpolation="code1")
    builder.parameter("mu", bounds=(0, 3), fixed=True)
    builder.parameter("theory", constraint=sp.Unconstrained(), initial=0.5)
    spec = builder.build()
    assert by_name(spec)["mu"] == sp.Parameter("mu", 1.0, 0.0, 3.0, fixed=True)
    assert by_name(spec)["theory"] == sp.Parameter("theory", 0.5, -5.0, 5.0)
    code = spec.channels[0].samples[0].modifiers[1].interpolation
    assert code is nf.Interpolation.piecewise_exponential


def test_constraints_and_threshold_of_statistical_uncertainties() -> None:
    builder = ModelBuilder()
    channel = builder.channel("SR", stat_constraint="poisson", stat_threshold=0.05)
    channel.sample("a", [100.0, 100.0, 0.0], uncertainties=[10.0, 1.0, 0.0])
    first, second, third = builder.build().parameters
    assert first.constraint.tau == pytest.approx(100.0)
    assert [p.fixed for p in (first, second, third)] == [False, True, True]
    assert second.constraint.tau == pytest.approx(1e4)


def test_gaussian_shapesys() -> None:
    builder, sample = two_bins()
    sample.shape_sys("fakes", [1.0, 0.0], constraint="gaussian")
    gammas = by_name(builder.build())
    assert gammas["fakes[0]"].constraint == sp.GaussianConstraint(1.0, 0.2)
    assert gammas["fakes[1]"].fixed


def test_formulas_use_parameters_of_modifiers_and_declared_ones() -> None:
    builder, sample = two_bins()
    builder.add_parameter(sp.Parameter("kappa", 1.0, 0.0, 2.0))
    sample.formula("rate", "mu * kappa", ["mu", "kappa"])
    edges = [0.0, 1.0, 2.0]
    sample.formula(nf.formulas.bin_factor("slope", "1 + kappa * x", ["kappa"], edges=edges))
    model = builder.workspace().model()
    expected = np.array([5.0, 10.0]) * 2.0 * 2.0 * 0.5 * (1.0 + 0.5 * np.array([0.5, 1.5]))
    np.testing.assert_allclose(model.expected({"mu": 2.0, "kappa": 0.5}), expected)


def test_separated_normalisation_keeps_the_ends() -> None:
    """At +-1 the yields are those of the variation; the shape alone has the sum of nominal."""
    builder, sample = two_bins()
    low, high = np.array([4.0, 8.0]), np.array([7.0, 11.0])
    sample.histo_sys("jes", low, high, separate_normalisation=True)
    model = builder.workspace().model()
    np.testing.assert_allclose(model.expected({"jes": -1.0}), low)
    np.testing.assert_allclose(model.expected({"jes": 1.0}), high)
    norm, shape = model.spec.channels[0].samples[0].modifiers[1:]
    assert (norm.low, norm.high) == pytest.approx((12.0 / 15.0, 18.0 / 15.0))
    assert shape.low.sum() == pytest.approx(15.0)


def test_several_channels_share_parameters_and_not_bins() -> None:
    builder = ModelBuilder()
    for name in ("SR", "CR"):
        channel = builder.channel(name)
        sample = channel.sample("top", [10.0, 20.0], uncertainties=[1.0, 1.0])
        sample.norm_factor("k_top").norm_sys("theory", 0.9, 1.1).shape_factor("free")
    assert [p.name for p in builder.build().parameters] == [
        "staterror_SR[0]",
        "staterror_SR[1]",
        "k_top",
        "theory",
        "free[0]",
        "free[1]",
        "staterror_CR[0]",
        "staterror_CR[1]",
    ]


def test_the_builder_can_go_on() -> None:
    builder, sample = two_bins()
    before = builder.build()
    sample.norm_sys("theory", 0.9, 1.1)
    assert len(before.channels[0].samples[0].modifiers) == 1
    assert len(builder.build().channels[0].samples[0].modifiers) == 2


# --- workspaces, files and data ------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:ROOT clips:nablafit.ModelWarning")
def test_workspace_is_saved_in_every_format(tmp_path: Path) -> None:
    builder, sample = two_bins()
    sample.norm_sys("theory", 0.9, 1.1)
    workspace = builder.workspace()
    model = workspace.model()
    expected = model.likelihood(workspace.data(model)).logpdf({"mu": 1.3, "theory": 0.4})
    assert workspace.format == "ModelSpec"
    assert workspace.poi() == "mu"
    for format_ in ("pyhf", "hs3"):
        path = tmp_path / f"{format_}.json"
        workspace.save(path, format=format_)
        loaded = nf.Workspace.load(path)
        again = loaded.model()
        found = again.likelihood(loaded.data(again)).logpdf({"mu": 1.3, "theory": 0.4})
        assert found == pytest.approx(expected, rel=1e-12)
    with pytest.raises(nf.ArgumentError, match="did you mean hs3"):
        workspace.save(tmp_path / "x", format="hs33")


def test_bin_edges_go_into_hs3() -> None:
    builder = ModelBuilder(poi="mu")
    channel = builder.channel("SR", observed=[1, 2], edges=[0, 10, 50], observable="pt")
    channel.sample("signal", [5.0, 10.0]).norm_factor("mu")
    document = json.loads(builder.workspace().to_hs3())
    assert [0, 10, 50] in [
        axis.get("edges") for entry in document["distributions"] for axis in entry.get("axes", [])
    ]


def test_workspace_from_models_and_data() -> None:
    builder, _ = two_bins()
    spec = nf.surgery.fix(builder.build(), ["mu"])
    workspace = nf.Workspace.from_spec(spec, builder.observations())
    assert workspace.model().fixed == (True,)
    assert workspace.datasets == ("observed",)
    assert nf.Workspace.from_spec([spec]).datasets == ()
    with pytest.raises(nf.ArgumentError, match="two of the name 'model'"):
        nf.Workspace.from_spec([spec, spec])
    with pytest.raises(nf.ArgumentError, match="found Model, expected ModelSpec"):
        nf.Workspace.from_spec(workspace.model())
    with pytest.raises(nf.ArgumentError, match="at least one model"):
        nf.Workspace.from_spec([])


def test_workspace_without_data() -> None:
    builder = ModelBuilder()
    builder.channel("SR").sample("a", [1.0, 2.0])
    workspace = builder.workspace()
    assert workspace.channels == ("SR",)
    assert repr(workspace) == "<Workspace 'model': 1 channels, measurements model>"
    with pytest.raises(nf.WorkspaceError, match=r"holds no data; use model\.asimov"):
        workspace.data(workspace.model())
    assert workspace.to_pyhf()["observations"] == [{"name": "SR", "data": [1.0, 2.0]}]


def test_data_from_counts() -> None:
    builder = ModelBuilder()
    builder.channel("SR", observed=[3, 4]).sample("a", [3.0, 4.0], uncertainties=[1.0, 1.0])
    builder.channel("CR", observed=[9]).sample("a", [9.0]).norm_sys("theory", 0.9, 1.1)
    workspace = builder.workspace()
    model = workspace.model()
    expected = workspace.data(model)
    assert model.data([3, 4, 9]) == expected
    assert model.data({"CR": 9, "SR": [3, 4]}) == expected
    for wrong, message in (
        ({"CR": [9], "SRR": [3, 4]}, "SRR: no such channel; did you mean SR"),
        ({"SR": [3, 4]}, "no counts for CR"),
        ({"SR": [3, 4, 5], "CR": [9]}, r"observations, SR: expected shape \(2,\)"),
        ([3, 4], r"expected shape \(3,\), got shape \(2,\)"),
        ("SR", "or one array, got str"),
        (expected, "found Data"),
    ):
        with pytest.raises(nf.ArgumentError, match=message):
            model.data(wrong)  # type: ignore[arg-type]


# --- what is refused -----------------------------------------------------------------------------

SIGNAL = "channel 'SR', sample 'signal'"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.norm_sys("x", -0.1, 1.1), f"{SIGNAL}, norm_sys 'x': found low = -0.1"),
        (lambda s: s.norm_sys("x", "a", 1.1), f"{SIGNAL}, norm_sys 'x', low: expected a number"),
        (lambda s: s.norm_sys("mu", 0.9, 1.1), "norm_sys 'mu': the name is that of a norm_factor"),
        (lambda s: s.norm_factor("mu"), "norm_factor 'mu': found twice on one sample"),
        (lambda s: s.norm_factor(""), "found the name '', expected some text"),
        (lambda s: s.norm_factor("k", bounds=(3, 1)), r"found the bounds \(3, 1\)"),
        (lambda s: s.norm_sys("x", 1, 1, interpolation="code5"), "did you mean code4"),
        (lambda s: s.histo_sys("x", [1, 2]), "found 1 of low and high with symmetrise=None"),
        (lambda s: s.histo_sys("x"), "found 0 of low and high"),
        (lambda s: s.histo_sys("x", [1, 2], [1, 2, 3]), "histo_sys 'x', high: found 3 bins"),
        (lambda s: s.histo_sys("x", [1, np.nan], [1, 2]), "low: found nan in bin 1"),
        (
            lambda s: s.histo_sys("x", [1, 2], [1, 2], symmetrise="maximun"),
            "found 'maximun', which does not exist; did you mean maximum",
        ),
        (
            lambda s: s.histo_sys("x", [1, 2], [0, 0], separate_normalisation=True),
            "expected positive ones to separate the normalisation",
        ),
        (lambda s: s.stat_error(), "found no uncertainties; give them here"),
        (
            lambda s: s.stat_error([1, -1]),
            "uncertainties: found -1 in bin 1, expected none below 0",
        ),
        (lambda s: s.stat_error([1, 1]).stat_error([1, 1]), "the sample has one already"),
        (lambda s: s.shape_sys("x", [1, 1], constraint="poison"), "did you mean poisson"),
        (lambda s: s.lumi(), "no luminosity is declared"),
        (lambda s: s.formula("x"), "found no expression"),
        (lambda s: s.formula("x", "mu +", ["mu"]), "expression of 'x'"),
    ],
)
def test_a_wrong_call_names_its_place(call: Call, message: str) -> None:
    _, sample = two_bins()
    with pytest.raises(nf.Error, match=message):
        call(sample)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.parameter("mu_", fixed=True), "parameter 'mu_': no parameter 'mu_'; did you"),
        (lambda b: b.parameter("mu", initial=20.0), "initial value 20 outside of the bounds"),
        (lambda b: b.channel("empty"), "channel 'empty': found no sample"),
        (
            lambda b: b.channel("CR").sample("a", [1]).formula("f", "kappa", ["kappa"]),
            "formula 'f': no parameter 'kappa'",
        ),
        (
            lambda b: b.parameter("mu", constraint=sp.GaussianConstraint(0.0, -1.0)),
            "parameter 'mu', constraint.sigma",
        ),
    ],
)
def test_what_only_the_whole_model_shows(change: Call, message: str) -> None:
    builder, _ = two_bins()
    change(builder)
    with pytest.raises(nf.SpecError, match=message):
        builder.build()


def test_wrong_channels_and_models() -> None:
    builder, sample = two_bins()
    with pytest.raises(nf.SpecError, match="second channel of this name"):
        builder.channel("SR")
    channel = builder.channel("CR", edges=[0, 1, 2])
    wrong = PlainHistogram([1.0, 2.0], None, PlainAxis([(0.0, 1.0), (1.0, 2.5)]))
    for call, message in (
        (lambda: channel.sample("a", wrong), "found the edges .*2.5.*as in channel 'CR', edges"),
        (lambda: channel.sample("a", {"a": 1}), "expected real numbers"),
        (lambda: channel.sample("a", []), "found no bins"),
        (lambda: channel.observed([1, -2]), "channel 'CR', observed: found -2 in bin 1"),
        (lambda: builder.channel("X", edges=[0, 2, 1]), "numbers that ascend"),
        (lambda: builder.channel("X", stat_threshold=-1.0), "at least 0"),
        (lambda: builder.add_parameter("x"), "expected a nablafit.spec.Parameter"),
        (lambda: builder.luminosity(1.0, sigma=0.0), "expected positive numbers"),
        (lambda: builder.parameter("mu", constraint="gaussian"), "expected one of nablafit.spec"),
        (lambda: builder.observations(), "channels 'CR': no observed events"),
        (lambda: ModelBuilder(poi="mu").build(), "found no channel"),
    ):
        with pytest.raises(nf.Error, match=message):
            call()
    sample.shape_sys("s", [1, 1])
    with pytest.raises(nf.SpecError, match="expected one sample; rename it"):
        channel.sample("a", [1, 2]).shape_sys("s", [1, 1])
    sample.norm_factor("k", bounds=(0, 5))
    with pytest.raises(nf.SpecError, match=r"found bounds = .*expected \(0.0, 5.0\) as in channel"):
        channel.sample("b", [1, 2]).norm_factor("k", bounds=(0, 6))
    sample.shape_factor("f")
    with pytest.raises(nf.SpecError, match="found 1 bins, expected 2"):
        builder.channel("one").sample("b", [1]).shape_factor("f")
    sample.stat_error([1, 1], name="stat")
    with pytest.raises(nf.SpecError, match="expected another name; bins are not shared"):
        channel.sample("c", [1, 2]).stat_error([1, 1], name="stat")


def test_a_refused_call_can_be_made_again() -> None:
    """As in a notebook, where the cell is corrected and run once more."""
    builder, sample = two_bins()
    for call in (
        lambda bounds: sample.norm_factor("k", bounds=bounds),
        lambda bounds: sample.shape_factor("f", bounds=bounds),
        lambda bounds: builder.luminosity(sigma=0.1, bounds=bounds),
    ):
        with pytest.raises(nf.SpecError, match="found the bounds"):
            call((2.0, 1.0))
        call((0.0, 2.0))
    with pytest.raises(nf.SpecError, match="channel 'late', observed: found -1"):
        builder.channel("late", [-1.0])
    builder.channel("late", [1.0]).sample("a", [1.0])
    assert by_name(builder.workspace().spec())["k"].upper == 2.0


def test_poi_must_exist() -> None:
    builder = ModelBuilder(poi="mu_sig")
    builder.channel("SR").sample("a", [1.0]).norm_factor("mu_signal")
    with pytest.raises(nf.SpecError, match="poi: no parameter 'mu_sig'; did you mean mu_signal"):
        builder.build()
