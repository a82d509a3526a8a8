"""How far global observables fluctuate, and how that pulls at the parameters."""

import numpy as np
import pytest

import nablafit as nf
from nablafit.spec import (
    Constraint,
    GammaConstraint,
    GaussianConstraint,
    LogNormalConstraint,
    PoissonConstraint,
)


@pytest.mark.parametrize(
    ("constraint", "x", "deviation"),
    [
        (GaussianConstraint(observed=1.0, sigma=0.2), 1.3, 0.2),
        (PoissonConstraint(observed=50.0, tau=40.0), 1.2, np.sqrt(50.0)),
        (LogNormalConstraint(observed=1.1, kappa=1.2), 1.3, 1.1 * np.log(1.2)),
        (GammaConstraint(observed=30.0, scale=0.03), 0.8, np.sqrt(30.0)),
    ],
)
def test_pulls_are_mixed_derivatives(
    model: nf.Model, data: nf.Data, constraint: Constraint, x: float, deviation: float
) -> None:
    """By differences of the gradient between two values of the global observable."""
    parameters = list(model.spec.parameters)
    p = model.index("lumi")
    parameters[p] = parameters[p].replace(
        constraint=constraint, initial=x, lower=0.01, upper=10.0, fixed=False
    )
    changed = nf.Model(model.spec.replace(parameters=parameters))
    position = changed.constrained_parameters.index("lumi")
    observables = np.array(data.global_observables)
    observables[position] = constraint.observed
    point = changed.point({"lumi": x})
    data = nf.Data(data.counts, observables)
    deviations, widths = changed.fluctuations(data, point)
    assert deviations[p] == pytest.approx(deviation, rel=1e-12)
    step = 1e-5 * deviation
    gradients = []
    for sign in (1.0, -1.0):
        shifted = observables.copy()
        shifted[position] += sign * step
        gradients.append(changed.likelihood(nf.Data(data.counts, shifted)).gradient(point)[p])
    mixed = (gradients[0] - gradients[1]) / (2 * step)
    assert widths[p] == pytest.approx(-1.0 / (mixed * deviation), rel=1e-6)


def test_a_count_of_zero_does_not_fluctuate(model: nf.Model, data: nf.Data) -> None:
    observables = np.array(data.global_observables)
    observables[model.constrained_parameters.index("shape[0]")] = 0.0
    deviations, widths = model.fluctuations(nf.Data(data.counts, observables), model.initial)
    assert deviations[model.index("shape[0]")] == 0.0
    assert np.isinf(widths[model.index("shape[0]")])
    assert np.isnan(deviations[model.index("mu")])
