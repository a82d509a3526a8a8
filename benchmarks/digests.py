"""Print a digest of value, gradient, Hessian and fit of each workspace.

    python benchmarks/digests.py WORKSPACE...

Two versions of nablafit that compute the same bits print the same lines, on one machine.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from pathlib import Path

import numpy as np

import nablafit as nf

N_POINTS = 3


def digest(*arrays: object) -> str:
    """Return the hash of arrays of doubles."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return hashed.hexdigest()[:16]


def lines(path: Path) -> list[str]:
    """Return one line per quantity; points are drawn around the initial values, seed 1."""
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    data = workspace.data(model)
    likelihood = model.likelihood(data)
    random = np.random.default_rng(1)
    initial = np.asarray(model.initial)
    points = [initial + 0.1 * random.standard_normal(initial.size) for _ in range(N_POINTS)]
    points = [np.clip(x, *np.transpose(model.bounds)) for x in points]
    fit = nf.fit(model, data)
    direction = random.standard_normal(initial.size)
    quantities = {
        "value": [likelihood(x) for x in points],
        "gradient": [likelihood.gradient(x) for x in points],
        "Hessian": [likelihood.hessian(x) for x in points],
        "Hessian-vector product": [likelihood.hvp(x, direction) for x in points],
        "fit": [fit.values, fit.errors, [fit.nll]],
    }
    return [f"{path.name:34} {name:24} {digest(*arrays)}" for name, arrays in quantities.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspaces", nargs="+", type=Path)
    warnings.simplefilter("ignore")
    for path in parser.parse_args().workspaces:
        print("\n".join(lines(path)))


if __name__ == "__main__":
    main()
