"""Extreme numbers: every outcome is defined, none is a silent NaN. Damaged files: tests/fuzz."""

import math
from typing import Any

import numpy as np
import pytest

import nablafit as nf


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
