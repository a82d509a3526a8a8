"""Yields and likelihoods of workspaces against ROOT itself, at random points."""

from pathlib import Path

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY, SHARED_DATA
from nablafit.io.document import Document

pytestmark = pytest.mark.reference

pytest.importorskip("ROOT", exc_type=ImportError)
rooworkspace = pytest.importorskip("nablafit.io.rooworkspace")

from roofit_referee import Referee  # noqa: E402

OWN = REPOSITORY / "tests" / "data" / "rooworkspace"
MODELS = [
    (OWN / "every_modifier.root", "combined"),
    (OWN / "two_dimensional.root", "combined"),
    (OWN / "three_dimensional.root", "combined"),
    (OWN / "single_channel.root", "only"),
    (OWN / "two_workspaces.root", "rich"),
    (OWN / "two_workspaces.root", "plain"),
]
MODELS += [
    (path, "channel1" if "_channel1_" in path.name else "combined")
    for path in sorted((SHARED_DATA / "rooworkspace").glob("*.root"))
]
ROUNDED = {"example_combined_LogNormExample_model.root": 1e-6}
"""Relative differences allowed where XML was rounded to six digits: kappa = 1.3, tau = 3.333333."""


def random_points(model: nf.Model, n_points: int) -> list[dict[str, float]]:
    """Return the initial point and points around it, for all parameters, fixed ones included."""
    generator = np.random.default_rng(20250102)
    points = [dict(zip(model.parameters, model.initial.tolist(), strict=True))]
    for _ in range(n_points):
        point = {}
        for parameter in model.spec.parameters:
            if parameter.name.startswith("alpha_"):
                value = float(np.clip(generator.normal(0.0, 1.3), -3.5, 3.5))
            elif parameter.name.startswith(("gamma_", "beta_", "Lumi")):
                value = parameter.initial * generator.uniform(0.8, 1.2)
            else:
                value = generator.uniform(0.3, 2.5)
            point[parameter.name] = float(np.clip(value, parameter.lower, parameter.upper))
        points.append(point)
    return points


def measured(path: Path, workspace: str) -> tuple[Document, nf.Model, nf.Likelihood]:
    document = rooworkspace.read(path.name, path)
    several = "ModelConfig" not in document.measurements
    prefix = f"{workspace}/" if several else ""
    model = nf.Model(document.measurements[f"{prefix}ModelConfig"])
    data = model.data(document.datasets[f"{prefix}obsData"])
    return document, model, model.likelihood(data)


def with_observables(
    model: nf.Model, data: nf.Data, observables: dict[str, float]
) -> nf.Likelihood:
    """Return the likelihood with global observables as ROOT uses them."""
    parameters = [p for p in model.spec.parameters if p.name in model.constrained_parameters]
    stored = data.global_observables.tolist()
    values = [
        observables.get(parameter.global_observable, value)
        for parameter, value in zip(parameters, stored, strict=True)
    ]
    return model.likelihood(nf.Data(data.counts, values))


@pytest.mark.parametrize(
    ("path", "workspace"), MODELS, ids=lambda value: getattr(value, "stem", value)
)
def test_yields_are_those_of_root(path: Path, workspace: str) -> None:
    _, model, _ = measured(path, workspace)
    referee = Referee(str(path), workspace)
    tolerance = ROUNDED.get(path.name, 1e-12)
    for point in random_points(model, 10):
        referee.set(point)
        expected = referee.yields()
        actual = model.expected_by_channel(point)
        assert set(actual) == set(expected)
        for channel, yields in expected.items():
            np.testing.assert_allclose(actual[channel], yields, rtol=tolerance, atol=1e-300)


@pytest.mark.parametrize(
    ("path", "workspace"), MODELS, ids=lambda value: getattr(value, "stem", value)
)
def test_likelihood_differences_are_those_of_root(path: Path, workspace: str) -> None:
    """Fixed parameters stay: RooFit leaves out constant terms of some old files."""
    _, model, likelihood = measured(path, workspace)
    fixed = {n for n, is_fixed in zip(model.parameters, model.fixed, strict=True) if is_fixed}
    points = [
        {name: value for name, value in point.items() if name not in fixed}
        for point in random_points(model, 20)
    ]
    referee = Referee(str(path), workspace)
    likelihood = with_observables(model, likelihood.data, referee.clip_observables())
    expected = referee.differences(points)
    values = [float(likelihood(model.point(point))) for point in points]
    actual = np.array(values) - values[0]
    tolerance = ROUNDED.get(path.name, 1e-12)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=1e-9)


@pytest.mark.parametrize(
    ("path", "workspace"), MODELS, ids=lambda value: getattr(value, "stem", value)
)
def test_variables_are_those_of_root(path: Path, workspace: str) -> None:
    _, model, _ = measured(path, workspace)
    referee = Referee(str(path), workspace)
    for parameter in model.spec.parameters:
        variable = referee.workspace.var(parameter.name)
        assert parameter.initial == variable.getVal()
        bounds = [parameter.lower, parameter.upper]
        assert np.clip(bounds, -1e30, 1e30).tolist() == [
            max(variable.getMin(), -1e30),
            min(variable.getMax(), 1e30),
        ]
        assert parameter.fixed == variable.isConstant()
        if parameter.global_observable:
            observable = referee.workspace.var(parameter.global_observable)
            assert parameter.observed_value == observable.getVal()
