"""Extreme numbers and damaged files: every outcome is defined, and none is a silent NaN."""

import json
import math
import random
import time
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY

TABLE = json.loads((REPOSITORY / "tests" / "data" / "malformed_pyhf.json").read_text("utf-8"))
EVERY_MODIFIER = json.loads("\n".join(TABLE["base"]))
HS3 = json.loads((REPOSITORY / "tests" / "data" / "hs3_small.json").read_text("utf-8"))

EXTREMES = (0, -1, 1, 1e-300, 5e-324, 1e300, -1e300, 1e-12, 1e15, 0.5, 1e10, 2**63, "", "mu", None)


def one_bin(
    nominal: float, modifiers: list[Any], parameters: list[nf.spec.Parameter]
) -> nf.ModelSpec:
    sample = nf.spec.Sample("sample", [nominal], modifiers)
    return nf.ModelSpec("model", [nf.spec.Channel("channel", [sample])], parameters)


def free(name: str) -> nf.spec.Parameter:
    return nf.spec.Parameter(name, 1.0, -math.inf, math.inf)


def check_defined(likelihood: nf.Likelihood, x: np.ndarray) -> nf.likelihood.PointStatus:
    """Value and gradient are never NaN; the Hessian is finite or NaN all over."""
    value, gradient = likelihood.value_and_gradient(x)
    status = likelihood.status(x)
    assert value == likelihood(x) or status
    assert math.isfinite(likelihood(x)) == bool(status)
    assert math.isfinite(value) or value == math.inf
    assert np.all(np.isfinite(gradient))
    hessian = likelihood.hessian(x)
    assert np.all(np.isfinite(hessian)) or np.all(np.isnan(hessian))
    return status


@pytest.mark.parametrize(
    ("x", "status", "where"),
    [
        ([1.0, 1.0], "ok", ""),
        ([1.0, 1e160], "overflow", ""),
        ([1e300, 1.0], "ok", ""),
        ([1e308, 1.0], "not_finite", "channel[0]"),
        ([-1.0, 1.0], "negative_yield", "channel[0]"),
        ([math.inf, 1.0], "invalid_parameter", "mu"),
    ],
)
def test_status(x: list[float], status: str, where: str) -> None:
    gamma = nf.spec.Parameter(
        "gamma", 1.0, 0.0, 10.0, constraint=nf.spec.GaussianConstraint(1.0, 1e-12)
    )
    model = nf.Model(one_bin(1e6, [nf.spec.NormFactor("mu", "mu")], [free("mu"), gamma]))
    found = check_defined(model.likelihood(nf.Data([1e6], [1.0])), np.array(x))
    assert (found.status.name, found.where) == (status, where)
    assert found.message


@pytest.mark.parametrize("count", [0.0, 1.0, 1e15])
@pytest.mark.parametrize("nominal", [0.0, 1e-300, 1.0, 1e15, 1e300])
def test_yields_and_counts(nominal: float, count: float) -> None:
    model = nf.Model(one_bin(nominal, [nf.spec.NormFactor("mu", "mu")], [free("mu")]))
    likelihood = model.likelihood(nf.Data([count], []))
    for mu in (0.0, 1.0, -1.0, 1e-10, 1e10, 1e300):
        check_defined(likelihood, np.array([mu]))
    assert math.isfinite(likelihood.constant)


def test_a_bin_that_is_empty_and_expected_so_is_no_obstacle() -> None:
    # ROOT 6.40 gives NaN for such Asimov data.
    model = nf.Model(one_bin(0.0, [nf.spec.NormFactor("mu", "mu")], [free("mu")]))
    likelihood = model.likelihood(nf.Data([0.0], []))
    assert likelihood([1.0]) == 0.0
    assert likelihood.gradient([1.0]).tolist() == [0.0]


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
def test_pyhf_gives_nan_where_we_give_infinity() -> None:
    pyhf = pytest.importorskip("pyhf")  # 0.7.6
    document = {
        "channels": [
            {
                "name": "channel",
                "samples": [
                    {
                        "name": "sample",
                        "data": [10.0],
                        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                    }
                ],
            }
        ],
        "observations": [{"name": "channel", "data": [10.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    with np.errstate(invalid="ignore"):
        theirs = pyhf.Workspace(document).model().logpdf([-1.0], [10.0])
    assert np.isnan(theirs)
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    likelihood = model.likelihood(workspace.data(model))
    assert likelihood([-1.0]) == math.inf
    assert likelihood.gradient([-1.0])[0] < 0.0  # out of there


# --- damaged files -------------------------------------------------------------------------------


def places(value: object) -> list[tuple[Any, Any]]:
    """List (container, key or index) of everything in a document."""
    found = []
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            found += [(value, key), *places(child)]
    return found


def mutated(document: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the document with one to four values replaced, removed or doubled."""
    generator = random.Random(seed)
    document = json.loads(json.dumps(document))
    for _ in range(generator.randint(1, 4)):
        container, key = generator.choice(places(document))
        match generator.randrange(4):
            case 0:
                del container[key]
            case 1 if isinstance(container, list):
                container.append(container[key])
            case 2:
                other, other_key = generator.choice(places(document))
                container[key] = json.loads(json.dumps(other[other_key]))
            case _:
                container[key] = generator.choice(EXTREMES)
        if not places(document):
            break
    return document


@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("document", [EVERY_MODIFIER, HS3], ids=["pyhf", "hs3"])
def test_mutated_documents_are_refused_or_evaluated(document: dict[str, Any]) -> None:
    n_accepted = 0
    for seed in range(150):
        text = json.dumps(mutated(document, seed)).encode()
        start = time.process_time()
        try:
            workspace = nf.Workspace.load(text)
            for name in workspace.measurements:
                model = workspace.model(name)
                check_defined(model.likelihood(workspace.data(model)), model.initial)
                n_accepted += 1
        except nf.Error as error:
            assert str(error)  # noqa: PT017
        assert time.process_time() - start < 2.0
    assert n_accepted > 10
