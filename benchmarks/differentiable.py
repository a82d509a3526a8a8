"""Time gradients of inference with respect to all templates of workspaces, next to one fit.

    python benchmarks/differentiable.py WORKSPACE... [--output FILE]

benchmarks/README.md says what each number is.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    Stopwatch,
    Task,
    argument_parser,
    environment,
    print_environment,
    print_table,
    ratio,
    ratio_text,
    timing_text,
    to_record,
    write_json,
)

import nablafit as nf
from nablafit import diff


def with_signal(path: Path) -> dict[str, Any]:
    """Add a signal to every channel of a background model."""
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    strength = {"name": "mu_SIG", "type": "normfactor", "data": None}
    for channel in document["channels"]:
        total = np.sum([sample["data"] for sample in channel["samples"]], axis=0)
        data = (0.3 * np.sqrt(np.maximum(total, 0.5))).tolist()
        channel["samples"].append({"name": "signal", "data": data, "modifiers": [strength]})
    document["measurements"][0]["config"]["poi"] = "mu_SIG"
    return document


def tasks_of(model: nf.Model, data: nf.Data) -> dict[str, Task]:
    likelihood, x = model.likelihood(data), model.point()
    values = np.array(model.inputs.values)
    fitted = diff.fit(model, data)
    direction = np.ones(model.n_parameters)
    return {
        "fit": Task(lambda: nf.fit(model, data)),
        "exchange": Task(lambda: model.with_inputs(values)),
        "gradient": Task(lambda: likelihood.input_gradient(x)),
        "vjp": Task(lambda: fitted.vjp(x=direction)),
        "uncertainty": Task(lambda: diff.expected_uncertainty(model, inputs=values)),
        "expected CLs": Task(lambda: diff.cls(model, mu=2.0, inputs=values)),
        "observed CLs": Task(lambda: diff.cls(model, data, mu=2.0, inputs=values)),
        "goodness": Task(lambda: diff.goodness_of_fit(model, data, inputs=values)),
    }


def jax_step(model: nf.Model) -> tuple[float, Task]:
    """Return seconds to compile one optimisation step, and the step."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from nablafit.interop import jax as bridge

    step = jax.jit(jax.value_and_grad(bridge.cls(model, mu=2.0)))
    inputs = jax.numpy.asarray(model.inputs.values)
    started = time.perf_counter()
    jax.block_until_ready(step(inputs))
    return time.perf_counter() - started, Task(lambda: jax.block_until_ready(step(inputs)))


def measure(path: Path, stopwatch: Stopwatch, skip: list[str]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nf.ModelWarning)
        workspace = nf.Workspace.load(path)
        model = workspace.model()
        if model.poi is None:
            workspace = nf.Workspace.load(with_signal(path))
            model = workspace.model()
        data = workspace.data(model)
    tasks = tasks_of(model, data)
    compile_seconds = None
    if "jax" not in skip:
        try:
            compile_seconds, tasks["jax"] = jax_step(model)
        except ImportError:
            print("JAX is not installed: left out")
    results = stopwatch.measure(tasks)
    rows = [
        (name, timing_text(result), ratio_text(ratio(result, results["fit"])))
        for name, result in results.items()
    ]
    title = f"{path.stem}: {model.inputs.size} inputs, {model.n_parameters} parameters"
    print_table(title, ("", "time", "fits"), rows)
    return {
        "workspace": path.stem,
        "inputs": model.inputs.size,
        "parameters": model.n_parameters,
        "jax_compile_seconds": compile_seconds,
        "peak_kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "results": {name: to_record(result) for name, result in results.items()},
    }


def main() -> int:
    arguments = argument_parser(__doc__).parse_args()
    record = environment(arguments.clock)
    print_environment(record)
    stopwatch = Stopwatch(arguments.seconds, clock=arguments.clock)
    found = [measure(path, stopwatch, arguments.skip) for path in arguments.workspaces]
    write_json(arguments.output, {"environment": record, "workspaces": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
