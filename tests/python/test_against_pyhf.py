"""Values, yields and parameters against pyhf, on random workspaces and on published ones.

Where pyhf and nablafit differ on purpose:

* Where an expected yield, or the mean of a Poisson constraint, is negative, there is no likelihood:
  -log L is +infinity here, with a status. In pyhf it is NaN, except where nothing was observed:
  `0 log(lambda) - lambda` is then a number, and positive.
* pyhf's code2 leaves out the offset that makes it continuous beyond |alpha| = 1. ROOT and HS3 have
  it, and so has nablafit.
* Two modifiers of one type and name in one sample: pyhf silently keeps the last; refused here.
* A shapefactor with more bins than in the first channel that carries it: pyhf lets the first
  parameter of the model act on the additional bins; refused here.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nablafit as nf
import pyhf_specs
from locations import SHARED_DATA, published_workspaces
from pyhf_specs import Document

pyhf = pytest.importorskip("pyhf")

pytestmark = pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")

LOGPDF_TOLERANCE = 1e-10
YIELD_TOLERANCE = 1e-12
REFERENCE = SHARED_DATA / "reference_pyhf.json"
PUBLISHED = [pytest.param(path, id=path.stem) for path in published_workspaces()]
if not PUBLISHED:
    skip = pytest.mark.skip(reason="the published workspaces are not here")
    PUBLISHED = [pytest.param(Path("missing"), id="missing", marks=skip)]

many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True, scope="module")
def numpy_backend() -> Iterator[None]:
    before = pyhf.get_backend()
    pyhf.set_backend("numpy", "scipy")
    yield
    pyhf.set_backend(*before)


def pyhf_model(document: Document, measurement: int = 0, **options: object) -> pyhf.Model:
    """Make pyhf's model of a measurement, without POI: pyhf refuses one that no channel has."""
    parameters = document["measurements"][measurement]["config"]["parameters"]
    spec = {"channels": document["channels"], "parameters": parameters}
    return pyhf.Model(spec, poi_name=None, validate=False, **options)


def pyhf_data(document: Document, theirs: pyhf.Model) -> np.ndarray:
    counts = {item["name"]: item["data"] for item in document["observations"]}
    ordered = [counts[channel] for channel in theirs.config.channels]
    return np.concatenate([*ordered, theirs.config.auxdata])


def pyhf_logpdf(theirs: pyhf.Model, data: np.ndarray, x: np.ndarray) -> float:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(theirs.logpdf(x, data)[0])


def pyhf_rows(theirs: pyhf.Model, x: np.ndarray) -> np.ndarray:
    """Expected yields by sample and bin, zero where a channel has no such sample."""
    with np.errstate(all="ignore"):
        return np.array(theirs.main_model.expected_data(x, return_by_sample=True))


def size_of_terms(model: nf.Model) -> float:
    """Largest number that enters a yield: rounding errors are relative to it."""
    samples = [sample for channel in model.spec.channels for sample in channel.samples]
    return max(1.0, *(float(np.max(np.abs(sample.nominal))) for sample in samples))


def assert_same_parameters(model: nf.Model, theirs: pyhf.Model) -> None:
    config = theirs.config
    assert list(model.parameters) == config.par_names
    assert list(model.channels) == config.channels
    np.testing.assert_array_equal(model.initial, config.suggested_init())
    np.testing.assert_array_equal(model.bounds, config.suggested_bounds())
    assert list(model.fixed) == list(config.suggested_fixed())


def assert_same_yields(model: nf.Model, theirs: pyhf.Model, x: np.ndarray) -> np.ndarray:
    rows = pyhf_rows(theirs, x)
    scale = max(size_of_terms(model), float(np.max(np.abs(rows))))
    expected = rows.sum(axis=0)
    tolerances = {"rtol": YIELD_TOLERANCE, "atol": YIELD_TOLERANCE * scale}
    np.testing.assert_allclose(model.expected(x), expected, **tolerances)
    by_sample = model.expected_by_sample(x)
    for channel, bins in model.channel_bins.items():
        for sample, yields in by_sample[channel].items():
            theirs_of_sample = rows[theirs.config.samples.index(sample), bins]
            np.testing.assert_allclose(yields, theirs_of_sample, **tolerances)
    return expected


def forbidden(model: nf.Model, expected: np.ndarray, data: nf.Data, x: np.ndarray) -> set[str]:
    """Return the statuses with which the likelihood may say that it is zero; empty if it is not."""
    statuses = set()
    if np.any(expected < 0) or np.any((expected == 0) & (data.counts > 0)):
        statuses.add("negative_yield")
    for name, observed in zip(model.constrained_parameters, data.global_observables, strict=True):
        index = model.index(name)
        is_poisson = isinstance(model.spec.parameters[index].constraint, nf.spec.PoissonConstraint)
        if is_poisson and (x[index] < 0 or (x[index] == 0 and observed > 0)):
            statuses.add("outside_support")
    return statuses


def rounding_of_pyhf(data: np.ndarray) -> float:
    """Return what n log(lambda) - lambda - lgamma(n + 1) loses where n is in the millions."""
    n = data[data > 0]
    return 1e-15 * float(np.sum(n * (1 + np.abs(np.log(n)))))


def assert_same_likelihood(
    likelihood: nf.Likelihood, theirs: pyhf.Model, data: np.ndarray, x: np.ndarray
) -> None:
    """Compare at one point, unless the sign of a yield is an accident of rounding."""
    expected = assert_same_yields(likelihood.model, theirs, x)
    rounding = 1e-9 * size_of_terms(likelihood.model)
    if np.any((np.abs(expected) < rounding) & (expected != 0)):
        return
    value = pyhf_logpdf(theirs, data, x)
    status = likelihood.status(x).status.name
    allowed = forbidden(likelihood.model, expected, likelihood.data, x)
    if allowed:
        assert status in allowed
        assert likelihood(x) == np.inf
    else:
        assert status == "ok"
        allowance = 1e-10 + rounding_of_pyhf(data)
        assert likelihood.logpdf(x) == pytest.approx(value, rel=LOGPDF_TOLERANCE, abs=allowance)


def all_points(model: nf.Model, seed: int) -> dict[str, np.ndarray]:
    lower, upper = np.transpose(model.bounds)
    return pyhf_specs.points(np.array(model.initial), lower, upper, seed)


# --- random workspaces ---------------------------------------------------------------------------


@pytest.mark.slow
@many
@given(document=pyhf_specs.workspaces(), seed=st.integers(0, 2**32 - 1))
def test_random_workspaces(document: Document, seed: int) -> None:
    workspace = nf.Workspace.load(document)
    for index, measurement in enumerate(workspace.measurements):
        model = workspace.model(measurement)
        theirs = pyhf_model(document, index)
        assert_same_parameters(model, theirs)
        data = pyhf_data(document, theirs)
        np.testing.assert_array_equal(workspace.data(model).to_pyhf(), data)
        likelihood = model.likelihood(workspace.data(model))
        for x in all_points(model, seed).values():
            assert_same_likelihood(likelihood, theirs, data, x)


@pytest.mark.slow
@many
@given(
    document=pyhf_specs.workspaces(),
    normsys=st.sampled_from(["code1", "code4"]),
    histosys=st.sampled_from(["code0", "code2", "code4p"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_interpolation_codes(document: Document, normsys: str, histosys: str, seed: int) -> None:
    codes = {"normsys": normsys, "histosys": histosys}
    workspace = nf.Workspace.load(document)
    model = workspace.model(interpolation=codes)
    modifier_settings = {name: {"interpcode": code} for name, code in codes.items()}
    theirs = pyhf_model(document, modifier_settings=modifier_settings)
    likelihood = model.likelihood(workspace.data(model))
    data = pyhf_data(document, theirs)
    is_alpha = np.transpose(model.bounds)[0] < 0
    for x in all_points(model, seed).values():
        if histosys == "code2":  # beyond lies the missing offset
            x[is_alpha] = np.clip(x[is_alpha], -1.0, 1.0)
        assert_same_likelihood(likelihood, theirs, data, x)


@pytest.mark.slow
@many
@given(
    document=pyhf_specs.workspaces(),
    clip_samples=st.booleans(),
    clip_bins=st.sampled_from([None, 0.0, 1e-3, 20.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_clipping(
    document: Document, clip_samples: bool, clip_bins: float | None, seed: int
) -> None:
    workspace = nf.Workspace.load(document)
    model = workspace.model(clip_sample_data=clip_samples, clip_bin_data=clip_bins)
    clip = 0.0 if clip_samples else None
    theirs = pyhf_model(document, clip_sample_data=clip, clip_bin_data=clip_bins)
    scale = YIELD_TOLERANCE * size_of_terms(model)
    points = all_points(model, seed)
    del points["outside"]  # there factors are negative, and a floor acts before them here
    for x in points.values():
        expected = theirs.main_model.expected_data(x)
        np.testing.assert_allclose(model.expected(x), expected, rtol=YIELD_TOLERANCE, atol=scale)


@pytest.mark.slow
@many
@given(document=pyhf_specs.workspaces(), seed=st.integers(0, 2**32 - 1))
def test_models_made_from_pyhf_models(document: Document, seed: int) -> None:
    theirs = pyhf_model(document)
    model = nf.from_pyhf(theirs)
    assert_same_parameters(model, theirs)
    data = pyhf_data(document, theirs)
    likelihood = model.likelihood(nf.Data.from_pyhf(model, data))
    for x in all_points(model, seed).values():
        assert_same_likelihood(likelihood, theirs, data, x)


def test_code2_is_continuous_here(document: Document) -> None:
    """At alpha = 2: a + b + (b + 2a)(alpha - 1), where pyhf has no a + b."""
    codes = {"normsys": "code4", "histosys": "code2"}
    model = nf.Workspace.load(document).model(interpolation=codes)
    background = model.expected_by_sample({"scale": 2.0})["signal_region"]["background"]
    factor = 1.15**2
    a, b = 0.5 * (41.0 + 38.0) - 40.0, 0.5 * (41.0 - 38.0)
    assert background[0] == pytest.approx(factor * (40.0 + (a + b) + (b + 2 * a)), rel=1e-14)


MODIFIER_DATA: dict[str, Any] = {
    "normfactor": None,
    "normsys": {"lo": 0.9, "hi": 1.1},
    "histosys": {"lo_data": [3.0, 4.0], "hi_data": [5.0, 6.0]},
    "staterror": [0.5, 0.5],
    "shapesys": [0.4, 0.6],
    "shapefactor": None,
}


@pytest.mark.parametrize(("first", "second"), list(combinations(MODIFIER_DATA, 2)))
def test_names_shared_across_types(document: Document, first: str, second: str) -> None:
    """Only normsys and histosys may share a name; pyhf and nablafit refuse the rest alike."""
    samples = document["channels"][0]["samples"]
    for sample, kind in zip(samples, (first, second), strict=True):
        sample["modifiers"] = [{"name": "same", "type": kind, "data": MODIFIER_DATA[kind]}]
    if {first, second} == {"normsys", "histosys"}:
        model, theirs = nf.Workspace.load(document).model(), pyhf_model(document)
        assert_same_parameters(model, theirs)
        assert model.parameters.count("same") == 1
        return
    with pytest.raises(nf.WorkspaceError, match="'same'"):
        nf.Workspace.load(document).model()
    with pytest.raises(pyhf.exceptions.InvalidNameReuse):
        pyhf_model(document)


def test_differences_that_are_refused(document: Document) -> None:
    sample = document["channels"][0]["samples"][1]
    sample["modifiers"].append({"name": "scale", "type": "normsys", "data": {"lo": 0.5, "hi": 2}})
    with pytest.raises(nf.WorkspaceError, match="twice in one sample"):
        nf.Workspace.load(document)
    assert "scale" in pyhf_model(document).config.par_names
    sample["modifiers"].pop()
    for channel in document["channels"]:  # the control region has one bin and comes first
        shape = {"name": "shape_factor", "type": "shapefactor", "data": None}
        channel["samples"][-1]["modifiers"].append(shape)
    with pytest.raises(nf.WorkspaceError, match="on 2 bins, expected at most 1"):
        nf.Workspace.load(document)
    assert pyhf_model(document).config.par_names.count("shape_factor[0]") == 1


# --- published workspaces ------------------------------------------------------------------------


@cache
def reference() -> dict[str, Any]:
    """What pyhf 0.7.6 gave, by file."""
    found: dict[str, Any] = json.loads(REFERENCE.read_text("utf-8"))
    return found


@cache
def published_likelihood(path: Path) -> nf.Likelihood:
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    return model.likelihood(workspace.data(model))


@cache
def published_pyhf(path: Path) -> tuple[Any, np.ndarray]:
    document = json.loads(path.read_text("utf-8"))
    theirs = pyhf_model(document)
    return theirs, pyhf_data(document, theirs)


@pytest.mark.parametrize("path", PUBLISHED)
def test_reference_values(path: Path) -> None:
    likelihood = published_likelihood(path)
    expected = reference()[path.name]
    assert list(likelihood.parameters) == expected["parameters"]
    np.testing.assert_array_equal(likelihood.model.initial, expected["init"])
    for point in ("init", "shifted"):
        twice_nll = -2 * likelihood.logpdf(expected[point])
        assert twice_nll == pytest.approx(expected[f"twice_nll_{point}"], rel=LOGPDF_TOLERANCE)
    yields = likelihood.expected(expected["shifted"])
    np.testing.assert_allclose(yields, expected["expected_shifted"], rtol=YIELD_TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("path", PUBLISHED)
def test_published_workspaces(path: Path) -> None:
    likelihood = published_likelihood(path)
    theirs, data = published_pyhf(path)
    assert_same_parameters(likelihood.model, theirs)
    np.testing.assert_array_equal(likelihood.data.to_pyhf(), data)
    for seed in range(5):
        for x in all_points(likelihood.model, seed).values():
            assert_same_likelihood(likelihood, theirs, data, x)


@pytest.mark.slow
@pytest.mark.parametrize("path", PUBLISHED)
@pytest.mark.parametrize(
    ("minimizer", "tolerance", "allowed"),
    [("newton", None, 1e-6), ("minuit", None, 5e-4), ("minuit", 1e-3, 1e-5)],
)
def test_published_fits(
    path: Path, minimizer: str, tolerance: float | None, allowed: float
) -> None:
    result = nf.fit(published_likelihood(path), minimizer=minimizer, tolerance=tolerance)
    assert result.valid, result.message
    assert result.twice_nll <= reference()[path.name]["twice_nll_best_known"] + allowed


@pytest.mark.parametrize("path", PUBLISHED)
@pytest.mark.parametrize("method", ["L-BFGS-B", "SLSQP", "TNC", "trust-constr"])
def test_published_fits_with_scipy(path: Path, method: str) -> None:
    result = nf.fit(published_likelihood(path), minimizer=f"scipy:{method}")
    assert result.valid, result.message
    assert result.twice_nll <= reference()[path.name]["twice_nll_best_known"] + 5e-4


# --- derivatives ---------------------------------------------------------------------------------


def assert_same_gradient(
    likelihood: nf.Likelihood, derivative: Callable[[np.ndarray], Any], x: np.ndarray
) -> None:
    expected = np.asarray(derivative(x))
    largest = float(np.max(np.abs(expected)))
    np.testing.assert_allclose(likelihood.gradient(x), expected, rtol=0, atol=1e-9 * largest)


@pytest.mark.parametrize("path", PUBLISHED)
def test_gradient_is_that_of_the_plain_formula(path: Path) -> None:
    """Against forward differentiation of the unoptimised likelihood, forbidden points included."""
    likelihood = published_likelihood(path)
    independent = likelihood.model.likelihood(likelihood.data, backend="forward")
    for seed in range(3):
        for x in all_points(likelihood.model, seed).values():
            assert likelihood.status(x) == independent.status(x)
            assert_same_gradient(likelihood, independent.gradient, x)


@pytest.mark.reference
@pytest.mark.parametrize("path", PUBLISHED)
def test_gradient_is_that_of_jax(path: Path) -> None:
    """Against reverse differentiation of pyhf itself, where it has no kink and no NaN."""
    jax = pytest.importorskip("jax")
    likelihood = published_likelihood(path)
    theirs, data = published_pyhf(path)
    pyhf.set_backend("jax", precision="64b")
    try:
        gradient = jax.jit(jax.grad(lambda x: -theirs.logpdf(x, data)[0]))
        for seed in range(3):
            x = all_points(likelihood.model, seed)["near"]
            if likelihood.status(x):
                assert_same_gradient(likelihood, gradient, x)
    finally:
        pyhf.set_backend("numpy", "scipy")
