"""HS3: channels whose yields are integrals of an expression, `bincounts_density_dist`."""

import copy
import json
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit import formulas
from nablafit import spec as s
from nablafit.io import hs3

AXIS = {"name": "m", "min": 0.0, "max": 4.0, "nbins": 8}
EDGES = np.linspace(0.0, 4.0, 9)
COUNTS = [60.0, 40.0, 31.0, 22.0, 25.0, 19.0, 24.0, 22.0]
DOCUMENT: dict[str, Any] = {
    "metadata": {"hs3_version": "0.2"},
    "distributions": [
        {
            "name": "SR",
            "type": "bincounts_density_dist",
            "x": "m",
            "density": "rate",
            "axes": [AXIS],
        }
    ],
    "functions": [
        {
            "name": "rate",
            "type": "generic_function",
            "expression": "n*k*exp(-k*m) + c/(2*PI)*(1 + m^2)",
        }
    ],
    "data": [{"name": "observed", "type": "binned", "contents": COUNTS, "axes": [AXIS]}],
    "likelihoods": [{"name": "main", "distributions": ["SR"], "data": ["observed"]}],
    "parameter_points": [
        {
            "name": "default_values",
            "parameters": [
                {"name": "n", "value": 150.0},
                {"name": "k", "value": 1.1},
                {"name": "c", "value": 30.0},
            ],
        }
    ],
}


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENT)


def read(document: dict[str, Any]) -> nf.Workspace:
    return nf.Workspace.load(document)


def expected(n: float, k: float, c: float) -> np.ndarray:
    exponential = -n * np.diff(np.exp(-k * EDGES))
    return exponential + c / (2 * np.pi) * np.diff(EDGES + EDGES**3 / 3)


def test_yields_are_the_integrals_over_bins(document: dict[str, Any]) -> None:
    workspace = read(document)
    model = workspace.model()
    assert model.parameters == ("n", "k", "c")
    for point in ([150.0, 1.1, 30.0], [80.0, 0.3, 12.0]):
        np.testing.assert_allclose(model.expected(point), expected(*point), rtol=1e-12)
    np.testing.assert_array_equal(workspace.data(model).counts, COUNTS)
    result = nf.fit(model, workspace.data(model))
    assert result.valid
    assert any("10 nodes" in note for note in workspace.notes)


def test_edges_give_bins_of_any_width(document: dict[str, Any]) -> None:
    edges = [0.0, 0.5, 3.0, 4.0]
    document["distributions"][0]["axes"] = [{"name": "m", "min": 0, "max": 4, "edges": edges}]
    document["data"][0] |= {"axes": [{"name": "m", "edges": edges}], "contents": [9, 9, 9]}
    model = read(document).model()
    cumulative = -150.0 * np.exp(-1.1 * np.array(edges))
    cumulative += 30.0 / (2 * np.pi) * (np.array(edges) + np.array(edges) ** 3 / 3)
    np.testing.assert_allclose(model.expected(model.initial), np.diff(cumulative), rtol=1e-12)


@pytest.mark.parametrize("n_nodes", [10, 4])
def test_round_trip(n_nodes: int) -> None:
    rate = formulas.bin_integral(
        "rate", "n*exp(-k*m)", ["n", "k"], edges=EDGES, variable="m", n_nodes=n_nodes
    )
    template = s.Sample("ttbar", np.full(2, 3.0), [s.NormFactor("mu", "mu")])
    channels = [
        s.Channel("SR", [s.Sample("falling", np.ones(8), [rate])], [s.Axis("m", EDGES)]),
        s.Channel("CR", [template], [s.Axis("x", [0.0, 1.0, 2.0])]),
    ]
    parameters = [s.Parameter(name, 1.0, 0.0, 10.0) for name in ("n", "k", "mu")]
    spec = s.ModelSpec("model", channels, parameters)
    with pytest.warns(nf.ModelWarning, match="ROOT"):
        text = spec.to_hs3()
    distribution = json.loads(text)["distributions"][0]
    assert distribution["type"] == "bincounts_density_dist"
    assert distribution["density"] == "rate"
    (again,) = hs3.read("again", text.encode()).measurements.values()
    sample = again.channels[0].samples[0]
    assert (sample.name, again.channels[0].axes) == ("falling", spec.channels[0].axes)
    found = sample.modifiers[0]
    assert (found.name, found.expression) == ("rate", rate.expression)
    assert found.parameters == ("n", "k")
    np.testing.assert_allclose(found.weights, rate.weights, rtol=1e-12)
    np.testing.assert_allclose(found.variables[0].values, rate.variables[0].values, rtol=1e-12)
    one, other = nf.Model(spec), nf.Model(again)
    x = [2.0, 0.7, 1.4]
    np.testing.assert_allclose(other.expected(x), one.expected(x), rtol=1e-12)


def test_what_is_not_such_an_integral_stays_refused() -> None:
    rate = formulas.bin_integral("rate", "exp(-k*m)", ["k"], edges=EDGES, variable="m")
    parameters = [s.Parameter(name, 1.0, 0.0, 10.0) for name in ("k", "mu")]
    for axis, modifiers in (
        (s.Axis("x", EDGES), [rate]),
        (s.Axis("m", EDGES + 1.0), [rate]),
        (s.Axis("m", EDGES), [rate, s.NormFactor("mu", "mu")]),
    ):
        channel = s.Channel("SR", [s.Sample("sample", np.ones(8), modifiers)], [axis])
        with pytest.raises(nf.WorkspaceError, match="'rate', which differs from bin to bin"):
            s.ModelSpec("model", [channel], parameters).to_hs3()


@pytest.mark.parametrize("kind", ["generic_dist", "bincounts_extended_dist", "mixture_dist"])
def test_normalised_distributions_are_refused_with_the_reason(
    kind: str, document: dict[str, Any]
) -> None:
    document["distributions"][0] = {"name": "SR", "type": kind, "expression": "exp(-k*m)"}
    with pytest.raises(nf.WorkspaceError, match="normalised by an integral") as error:
        read(document)
    assert "/distributions/0/type" in str(error.value)
    assert "'bincounts_density_dist'" in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density": "other"}, "/distributions/0/density.*'other'"),
        ({"x": "y"}, r"/distributions/0/x: found the variable 'y', expected 'm'"),
        ({"axes": []}, "/distributions/0/axes"),
        ({"axes": [AXIS, AXIS | {"name": "y"}]}, "found 2 axes of a density, expected one"),
        ({"axes": [{"name": "m", "min": 0, "max": 1}]}, "found no 'edges' and no 'nbins'"),
        ({"axes": [AXIS | {"nbins": 1e12}]}, "/distributions/0/axes/0/nbins.*1 to 1000000"),
        ({"rate": 3}, "'rate'"),
    ],
)
def test_malformed_densities(
    change: dict[str, Any], message: str, document: dict[str, Any]
) -> None:
    document["distributions"][0] |= change
    with pytest.raises(nf.WorkspaceError, match=message):
        read(document)
