"""How good derivatives are: backends against each other, steps of differences, MIGRAD with each.

    python benchmarks/quality.py WORKSPACE... [--output FILE]

For each workspace and backend: the largest deviation of value, gradient and Hessian from the
default's over several points; for one workspace the error of central differences against their
step, next to that of the exact backends; and MIGRAD with each gradient. Only accuracy is measured
here, no time. quality_report.py makes a table and plots.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common.run import Run, argument_parser, print_table
from iminuit import Minuit

import nablafit as nf
from nablafit.minimizers.iminuit import make_minuit

LARGEST_HESSIAN = 200  # parameters up to which backends without structure give a dense Hessian
STEPS = np.logspace(-11, 0, 34)


def points(model: nf.Model) -> Iterator[np.ndarray]:
    """Yield the start, and points off it by up to half a pull or a tenth of a factor."""
    random = np.random.default_rng(4)
    start, free = np.array(model.initial), ~np.array(model.fixed)
    lower, upper = np.transpose(model.bounds)
    yield start
    for _ in range(3):
        width = np.where(start == 0.0, 0.5, 0.1)
        yield np.clip(start + free * width * random.uniform(-1.0, 1.0, start.size), lower, upper)


def largest(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest deviation relative to the largest component."""
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


def agreement(likelihood: nf.Likelihood, backend: str) -> dict[str, float | None]:
    """Largest relative deviations of one backend from the default over all points."""
    model = likelihood.model
    other = model.likelihood(likelihood.data, backend=backend)
    worst: dict[str, float | None] = {"value": 0.0, "gradient": 0.0, "hessian": None}
    n_points = 0
    for x in points(model):
        value, gradient = likelihood.value_and_gradient(x)
        if not np.isfinite(value):
            continue
        n_points += 1
        same_value, same_gradient = other.value_and_gradient(x)
        scale = max(1.0, abs(value))
        worst["value"] = max(worst["value"] or 0.0, abs(same_value - value) / scale)
        worst["gradient"] = max(worst["gradient"] or 0.0, largest(same_gradient, gradient))
        if n_points == 2 and model.n_parameters <= LARGEST_HESSIAN:
            worst["hessian"] = largest(other.hessian(x), likelihood.hessian(x))
    return {**worst, "points": float(n_points)}


def step_scan(likelihood: nf.Likelihood) -> dict[str, Any]:
    """Return errors of central differences of the value by step, in three forms of the value."""
    model = likelihood.model
    x = list(points(model))[1]
    expected = model.likelihood(likelihood.data, backend="forward").gradient(x)
    scale = np.max(np.abs(expected))
    free = np.flatnonzero(~np.array(model.fixed))
    errors = {"deviance form": [], "plain sum": []}  # type: dict[str, list[float]]
    values = {"deviance form": likelihood, "plain sum": lambda y: -likelihood.logpdf(y)}
    for step in STEPS:
        for name, f in values.items():
            deviations = []
            for i in free:
                right, left = x.copy(), x.copy()
                right[i] += step
                left[i] -= step
                slope = (f(right) - f(left)) / (right[i] - left[i])
                if np.isfinite(slope):
                    deviations.append(abs(slope - expected[i]) / scale)
            errors[name].append(float(np.max(deviations)) if deviations else float("nan"))
    exact = {
        backend: largest(model.likelihood(likelihood.data, backend=backend).gradient(x), expected)
        for backend in nf.build_info()["backends"]
    }
    clean = {name: [e if np.isfinite(e) else None for e in found] for name, found in errors.items()}
    return {"steps": STEPS.tolist(), "errors": clean, "backends": exact}


def migrad(likelihood: nf.Likelihood, backend: str, lowest: float) -> dict[str, Any]:
    """Run MIGRAD at strategy 0 with the gradient of one backend."""
    other = likelihood.model.likelihood(likelihood.data, backend=backend)
    minuit = make_minuit(other, hessian=False)
    minuit.strategy = 0
    minuit.migrad()
    x = np.array(minuit.values)
    return {
        "calls": minuit.nfcn,
        "gradients": minuit.ngrad,
        "valid": bool(minuit.valid),
        "above_lowest": 2.0 * (likelihood(x) - lowest),
        "edm": float(minuit.fmin.edm),
    }


def own_migrad(likelihood: nf.Likelihood, lowest: float) -> dict[str, Any]:
    """Run MIGRAD at strategy 1 with its own differences, in its own coordinates."""
    model = likelihood.model
    minuit = Minuit(lambda x: likelihood(x), model.initial, name=model.parameters)
    minuit.errordef, minuit.limits, minuit.fixed = 0.5, model.bounds, model.fixed
    minuit.strategy = 1
    minuit.migrad()
    return {
        "calls": minuit.nfcn,
        "gradients": 0,
        "valid": bool(minuit.valid),
        "above_lowest": 2.0 * (likelihood(np.array(minuit.values)) - lowest),
        "edm": float(minuit.fmin.edm),
    }


def measure(path: Path) -> dict[str, Any]:
    """Return all numbers of one workspace."""
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    likelihood = model.likelihood(workspace.data(model))
    best = nf.fit(likelihood)
    backends = [str(name) for name in nf.build_info()["backends"]]
    fits: dict[str, Any] = {}
    for backend in backends:
        if model.n_parameters <= LARGEST_HESSIAN or backend in ("clad", "codipack"):
            fits[backend] = migrad(likelihood, backend, best.value)
    fits["MIGRAD's own"] = own_migrad(likelihood, best.value)
    return {
        "sizes": {"parameters": model.n_parameters, "bins": model.n_bins},
        "agreement": {backend: agreement(likelihood, backend) for backend in backends[1:]},
        "steps": step_scan(likelihood),
        "fits": fits,
    }


AGREEMENT = ("backend", "value", "gradient", "Hessian")
FITS = ("MIGRAD", "values", "gradients", "above lowest, -2 log L", "says")


def agreement_rows(found: dict[str, Any]) -> list[list[str]]:
    """One row per backend: its deviations."""
    quantities = ("value", "gradient", "hessian")
    return [
        [backend, *("" if worst[k] is None else f"{worst[k]:.0e}" for k in quantities)]
        for backend, worst in found["agreement"].items()
    ]


def fit_rows(found: dict[str, Any]) -> list[list[str]]:
    """One row per source of the gradient."""
    return [
        [
            backend,
            str(fit["calls"]),
            str(fit["gradients"]),
            f"{fit['above_lowest']:.0e}",
            "valid" if fit["valid"] else "NOT valid",
        ]
        for backend, fit in found["fits"].items()
    ]


def print_workspace(name: str, found: dict[str, Any]) -> None:
    print_table(f"{name}: deviation from the default", AGREEMENT, agreement_rows(found))
    print_table(f"{name}: fits", FITS, fit_rows(found))


def main() -> None:
    arguments = argument_parser(__doc__).parse_args()
    Run(arguments).add_each(arguments.workspaces, measure, print_workspace)


if __name__ == "__main__":
    sys.exit(main())
