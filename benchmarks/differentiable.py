"""Time gradients of inference with respect to all templates of workspaces, next to one fit.

    python benchmarks/differentiable.py WORKSPACE... [--sizes 100,1000] [--output FILE]

With JAX, also one step of an optimisation, templates -> expected CLs -> gradient, through the
bridge and wholly in pyhf and JAX. benchmarks/README.md says what each number is.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from common.memory import growth_since, reset_peak
from common.run import (
    Absent,
    Result,
    Run,
    Stopwatch,
    Task,
    add_sizes,
    argument_parser,
    first_line,
    print_table,
    ratio,
    ratio_text,
    seconds_text,
    timing_text,
    to_record,
)
from common.signals import with_signal
from common.synthetic import synthetic_workspace

import nablafit as nf
from nablafit import diff

BRIDGE, PYHF = "step, nablafit.interop.jax", "step, pyhf and JAX"


def tasks_of(model: nf.Model, data: nf.Data, mu: float) -> dict[str, Task]:
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
        "expected CLs": Task(lambda: diff.cls(model, mu=mu, inputs=values)),
        "observed CLs": Task(lambda: diff.cls(model, data, mu=mu, inputs=values)),
        "expected limit": Task(lambda: diff.upper_limit(model, inputs=values)),
        "goodness": Task(lambda: diff.goodness_of_fit(model, data, inputs=values)),
    }


@dataclass(frozen=True)
class Step:
    """One step of an optimisation, from inputs to the expected CLs and its gradient."""

    task: Task
    setup_seconds: float
    """Tracing and compilation, with the first call."""
    peak_bytes: int | None
    value_deviation: float
    """Relative, from nablafit.diff."""
    gradient_deviation: float
    """Largest, over the largest element."""
    inputs: int
    """How many the gradient is with respect to."""


def bridge_step(model: nf.Model, mu: float) -> Callable[[Any], Any]:
    import jax

    from nablafit.interop import jax as bridge

    return jax.jit(jax.value_and_grad(bridge.cls(model, mu=mu)))


def make_step(
    model: nf.Model, mu: float, make: Callable[[], Callable[[Any], Any]], known: np.ndarray
) -> Step | Absent:
    """Compile a step and compare it with nablafit.diff, in the inputs that are `known`."""
    import jax

    inputs = jax.numpy.asarray(model.inputs.values)
    before, started = reset_peak(), time.perf_counter()
    try:
        compiled = make()
        value, gradient = jax.block_until_ready(compiled(inputs))
    except Exception as error:  # noqa: BLE001
        return Absent(first_line(error))
    seconds, peak = time.perf_counter() - started, growth_since(before)
    wanted = diff.cls(model, mu=mu)
    ours = wanted.inputs[known]
    deviation = np.max(np.abs(np.asarray(gradient)[known] - ours)) / np.max(np.abs(ours))
    return Step(
        Task(lambda: jax.block_until_ready(compiled(inputs))),
        seconds,
        peak,
        abs(float(value) / float(wanted) - 1.0),
        float(deviation),
        int(known.sum()),
    )


def jax_steps(
    document: dict[str, Any], model: nf.Model, mu: float, options: argparse.Namespace
) -> Iterator[tuple[str, Step | Absent]]:
    """Set up a step through nablafit's bridge, and one wholly in pyhf and JAX."""
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
        from common.jax_step import Step as PyhfStep
        from common.jax_step import traceable
    except ImportError as error:
        yield from ((name, Absent(first_line(error))) for name in (BRIDGE, PYHF))
        return
    everything = np.ones(model.inputs.size, dtype=bool)
    yield BRIDGE, make_step(model, mu, lambda: bridge_step(model, mu), everything)
    if model.n_parameters > options.largest_jax:
        yield PYHF, Absent("not tried at this size")
        return
    known = np.zeros(model.inputs.size, dtype=bool)
    for address in traceable(document, model):
        known[model.inputs[address]] = True
    yield (
        PYHF,
        make_step(model, mu, lambda: PyhfStep(document, model, mu).value_and_gradient, known),
    )


def documents(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names and pyhf JSON; background models get a signal."""
    for size in options.sizes:
        yield f"synthetic {size}", synthetic_workspace(size)
    for path in options.workspaces:
        yield path.stem, with_signal(path)


def without_staterrors(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what pyhf cannot build in a traced program."""
    for channel in document["channels"]:
        for sample in channel["samples"]:
            kept = [m for m in sample["modifiers"] if m["type"] != "staterror"]
            sample["modifiers"] = kept
    return document


def measure(
    name: str, document: dict[str, Any], stopwatch: Stopwatch, options: argparse.Namespace
) -> dict[str, Any]:
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    mu = float(diff.upper_limit(model))  # where CLs is 0.05: what an optimisation works on
    before = reset_peak()
    tasks = tasks_of(model, workspace.data(model), mu)
    diff.cls(model, mu=mu)
    peak = growth_since(before)
    steps = {} if "jax" in options.skip else dict(jax_steps(document, model, mu, options))
    tasks |= {way: step.task for way, step in steps.items() if isinstance(step, Step)}
    results = stopwatch.measure(tasks)
    print_steps(name, model, results, steps)
    return {
        "inputs": model.inputs.size,
        "parameters": model.n_parameters,
        "mu": mu,
        "peak_bytes": peak,
        "results": {task: to_record(result) for task, result in results.items()},
        "steps": {
            way: to_record(step)
            if isinstance(step, Absent)
            else {k: v for k, v in vars(step).items() if k != "task"}
            for way, step in steps.items()
        },
    }


def print_steps(
    name: str,
    model: nf.Model,
    results: Mapping[str, Result],
    steps: Mapping[str, Step | Absent],
) -> None:
    rows = [
        (task, timing_text(result), ratio_text(ratio(result, results["fit"])))
        for task, result in results.items()
    ]
    title = f"{name}: {model.inputs.size} inputs, {model.n_parameters} parameters"
    print_table(title, ("", "time", "fits"), rows)
    for way, step in steps.items():
        if isinstance(step, Absent):
            print(f"{way}: absent: {step.reason}")
            continue
        memory = "" if step.peak_bytes is None else f", {step.peak_bytes / 1e6:.0f} MB"
        print(
            f"{way}: {step.inputs} inputs, first call {seconds_text(step.setup_seconds)}{memory}; "
            f"deviation {step.value_deviation:.0e} of the value, {step.gradient_deviation:.0e} of "
            "the gradient"
        )


def parse() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    add_sizes(parser)
    parser.add_argument(
        "--no-staterror",
        action="store_true",
        help="leave out staterrors, which pyhf cannot build in a traced program",
    )
    parser.add_argument(
        "--largest-jax", type=int, default=150, help="largest number of parameters with pyhf"
    )
    return parser.parse_args()


def main() -> None:
    options = parse()
    run = Run(options)
    models: dict[str, Any] = {}
    run.add(staterror=not options.no_staterror, models=models)
    stopwatch = Stopwatch(options.seconds, clock=options.clock)
    for name, document in documents(options):
        if options.no_staterror:
            without_staterrors(document)
        models[name] = measure(name, document, stopwatch, options)
        run.add()


if __name__ == "__main__":
    sys.exit(main())
