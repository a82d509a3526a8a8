"""Compare ways to get derivatives, and what fits cost with each.

    python benchmarks/hierarchy.py [WORKSPACE ...] [--sizes 10,100,1000] [--output FILE]

Models are workspaces, and synthetic ones of about the given numbers of parameters. For each way
of getting a gradient: the time of a value, of a gradient, their ratio, and what had to be compiled.
For each minimiser: calls, time, and how far above the lowest minimum of all it ended. With --clad,
--clad-include and --clang, Clad differentiates the exported likelihood as one function.
benchmarks/README.md says more.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    CLOCKS,
    Absent,
    Result,
    Stopwatch,
    Task,
    environment,
    first_line,
    print_environment,
    print_table,
    ratio,
    ratio_text,
    seconds_text,
    timing_text,
    to_record,
    write_json,
)
from iminuit import Minuit
from scaling import Shape, make_likelihood
from scipy.optimize import minimize

import nablafit as nf

FITS_WITHOUT_GRADIENT = ("MINUIT, own differences", "SIMPLEX", "Nelder-Mead")


@dataclass(frozen=True)
class Compiled:
    """Value and gradient of an exported header, and what it took to get them."""

    value: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], float]
    header_bytes: int
    compile_seconds: float


def compile_header(
    likelihood: nf.Likelihood, folder: Path, command: list[str], *, clad: bool
) -> Compiled:
    """Export, compile and load; raises RuntimeError with the compiler's first error."""
    text = likelihood.model.spec.to_cpp(likelihood.data, clad=clad)
    name = "clad" if clad else "plain"
    header, library = folder / f"{name}.hpp", folder / f"{name}.so"
    header.write_text(text, encoding="utf-8")
    gradient = "clad_nll_and_gradient" if clad else "nll_and_gradient"
    source = folder / f"{name}.cpp"
    source.write_text(
        f'#include "{header.name}"\n'
        'extern "C" double value(const double* x) { return model::nll(x); }\n'
        'extern "C" double gradient(const double* x, double* g) '
        f"{{ return model::{gradient}(x, g); }}\n"
    )
    options = ["-std=c++17", "-O2", "-fPIC", "-shared", str(source), "-o", str(library)]
    started = time.perf_counter()
    finished = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if finished.returncode != 0:
        errors = [line for line in finished.stderr.splitlines() if "error" in line]
        raise RuntimeError(errors[0] if errors else finished.stderr[-100:])
    loaded = ctypes.CDLL(str(library))
    loaded.value.restype = loaded.gradient.restype = ctypes.c_double
    buffer = np.empty(likelihood.model.n_parameters)

    def call_gradient(x: np.ndarray) -> float:
        return float(
            loaded.gradient(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(buffer.ctypes.data))
        )

    def call_value(x: np.ndarray) -> float:
        return float(loaded.value(ctypes.c_void_p(x.ctypes.data)))

    return Compiled(call_value, call_gradient, len(text), seconds)


def exports(
    likelihood: nf.Likelihood, folder: Path, options: argparse.Namespace
) -> dict[str, Compiled | Absent]:
    """Compile the exported header, with its own gradient and with Clad's."""
    compilers: dict[str, tuple[list[str] | None, bool, str]] = {
        "exported C++": (options.compiler and [options.compiler], False, "no C++ compiler"),
        "Clad on the exported function": (clad_command(options), True, "Clad is not installed"),
    }
    found: dict[str, Compiled | Absent] = {}
    for name, (command, clad, reason) in compilers.items():
        if not command:
            found[name] = Absent(reason)
            continue
        try:
            found[name] = compile_header(likelihood, folder, command, clad=clad)
        except RuntimeError as error:
            found[name] = Absent(first_line(error))
    return found


def clad_command(options: argparse.Namespace) -> list[str] | None:
    if options.clad is None:
        return None
    plugin = ["-add-plugin", "clad", "-load", str(options.clad)]
    flags = [word for item in plugin for word in ("-Xclang", item)]
    return [options.clang, *flags, f"-I{options.clad_include}"]


def measure_gradients(
    likelihood: nf.Likelihood, options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Time value and gradient of every way."""
    x = np.array(likelihood.model.initial) + 0.013
    ways: dict[str, tuple[Callable[[], object], Callable[[], object]] | Absent] = {}
    notes: dict[str, dict[str, Any]] = {}
    for backend in ("clad", "codipack", "forward", "finite-difference", "minuit-difference"):
        if backend not in nf.build_info()["backends"]:
            ways[backend] = Absent("not in this build")
            continue
        other = likelihood.model.likelihood(likelihood.data, backend=backend)
        ways[backend] = (lambda o=other: o(x), lambda o=other: o.value_and_gradient(x))
    with tempfile.TemporaryDirectory() as folder:
        for name, compiled in exports(likelihood, Path(folder), options).items():
            if isinstance(compiled, Absent):
                ways[name] = compiled
                continue
            notes[name] = {
                "header_bytes": compiled.header_bytes,
                "compile_seconds": compiled.compile_seconds,
            }
            ways[name] = (lambda c=compiled: c.value(x), lambda c=compiled: c.gradient(x))
        tasks = {
            (name, quantity): Task(call)
            for name, way in ways.items()
            if not isinstance(way, Absent)
            for quantity, call in zip(("value", "gradient"), way, strict=True)
        }
        times = Stopwatch(options.seconds, clock=options.clock).measure(tasks)  # type: ignore[arg-type]
    results: dict[str, dict[str, Any]] = {}
    for name, way in ways.items():
        value = way if isinstance(way, Absent) else times[name, "value"]  # type: ignore[index]
        gradient = way if isinstance(way, Absent) else times[name, "gradient"]  # type: ignore[index]
        results[name] = {"value": value, "gradient": gradient, **notes.get(name, {})}
    return results


def fits(likelihood: nf.Likelihood, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fit in every way that the size of the model allows."""
    model, data = likelihood.model, likelihood.data
    now = CLOCKS[options.clock]
    for minimizer, backend in (
        ("newton", None),
        *(("minuit", str(name)) for name in nf.build_info()["backends"]),
    ):
        name = minimizer if backend is None else f"MINUIT, {backend}"
        if model.n_parameters > options.largest_fit and backend not in (None, "clad"):
            yield {"name": name, "absent": "too slow for this size"}
            continue
        started = now()
        result = nf.fit(model, data, minimizer=minimizer, backend=backend, hessian=backend is None)
        yield {
            "name": name,
            "seconds": now() - started,
            "calls": result.n_calls,
            "gradients": result.n_gradients,
            "value": result.value,
            "valid": result.valid,
        }
    for name in FITS_WITHOUT_GRADIENT:
        if model.n_parameters > options.largest_fit:
            yield {"name": name, "absent": "too slow for this size"}
        else:
            yield fit_without_gradient(likelihood, name, options)


def fit_without_gradient(
    likelihood: nf.Likelihood, name: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Minimise by values alone, of the fastest evaluator, with at most `--calls` of them."""
    model = likelihood.model
    free = [not fixed for fixed in model.fixed]
    now = CLOCKS[options.clock]
    started = now()
    if name == "Nelder-Mead":
        start, inside = np.array(model.initial), np.array(free)

        def value(y: np.ndarray) -> float:
            x = start.copy()
            x[inside] = y
            return likelihood(x)

        bounds = [pair for pair, is_free in zip(model.bounds, free, strict=True) if is_free]
        found = minimize(
            value,
            start[inside],
            method="Nelder-Mead",
            bounds=bounds,
            options={"maxfev": options.calls, "adaptive": True},
        )
        calls, lowest, valid = int(found.nfev), float(found.fun), bool(found.success)
    else:
        minuit = Minuit(lambda x: likelihood(x), model.initial, name=model.parameters)
        minuit.errordef, minuit.limits, minuit.fixed = 0.5, model.bounds, model.fixed
        minuit.strategy = 1
        if name == "SIMPLEX":
            minuit.simplex(ncall=options.calls)
        else:
            minuit.migrad(ncall=options.calls)
        calls, lowest, valid = minuit.nfcn, float(minuit.fval), bool(minuit.fmin.is_valid)
    return {
        "name": name,
        "seconds": now() - started,
        "calls": calls,
        "gradients": 0,
        "value": lowest,
        "valid": valid,
    }


def models(options: argparse.Namespace) -> Iterator[tuple[str, nf.Likelihood]]:
    for path in options.workspaces:
        workspace = nf.Workspace.load(path)
        model = workspace.model()
        data = workspace.data(model) if workspace.datasets else model.asimov()
        yield path.stem, model.likelihood(data)
    for size in options.sizes:
        pulls = max(1, size // 3)
        bins = max(1, size - 1 - pulls)
        channels = max(1, bins // 20)
        shape = Shape(channels, max(1, bins // channels), 3, min(pulls, 100))
        likelihood = make_likelihood(shape)
        yield f"synthetic {likelihood.model.n_parameters}", likelihood


def report_gradients(name: str, found: dict[str, dict[str, Any]]) -> None:
    rows = []
    for way, result in found.items():
        value, gradient = result["value"], result["gradient"]
        seconds = result.get("compile_seconds")
        size = result.get("header_bytes")
        rows.append(
            [
                way,
                timing_text(value),
                timing_text(gradient),
                ratio_text(ratio(gradient, value)),
                "-" if seconds is None else seconds_text(seconds),
                "-" if size is None else f"{size / 1e3:.0f} kB",
            ]
        )
    print_table(
        f"{name}: gradients",
        ("way", "value", "value and gradient", "ratio", "compilation", "source"),
        rows,
    )


def report_fits(name: str, found: list[dict[str, Any]]) -> None:
    lowest = min(fit["value"] for fit in found if "value" in fit)
    rows = []
    for fit in found:
        if "absent" in fit:
            rows.append([fit["name"], "-", "-", "-", "-", fit["absent"]])
            continue
        fit["above_lowest"] = fit["value"] - lowest
        rows.append(
            [
                fit["name"],
                str(fit["calls"]),
                str(fit["gradients"]),
                seconds_text(fit["seconds"]),
                f"{2 * fit['above_lowest']:.2g}",
                "yes" if fit["valid"] else "no",
            ]
        )
    print_table(
        f"{name}: fits",
        ("fit", "values", "gradients", "time", "above lowest, -2 log L", "says valid"),
        rows,
    )


def serialisable(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    def convert(item: object) -> object:
        return to_record(item) if isinstance(item, Result) else item

    return {way: {k: convert(v) for k, v in result.items()} for way, result in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workspaces", nargs="*", type=Path, metavar="WORKSPACE")
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(word) for word in text.split(",") if word],
        default=[10, 100, 1000],
        help="parameters of the synthetic models (default: 10,100,1000)",
    )
    parser.add_argument("--seconds", type=float, default=0.3, help="to spend on each task")
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument("--calls", type=int, default=20000, help="limit of fits without gradient")
    parser.add_argument(
        "--largest-fit", type=int, default=150, help="parameters up to which slow fits are made"
    )
    parser.add_argument("--compiler", default=shutil.which("c++"), help="for the exported header")
    parser.add_argument("--clad", type=Path, help="Clad's plugin")
    parser.add_argument("--clad-include", type=Path, help="folder of Clad's headers")
    parser.add_argument("--clang", default="clang++", help="the clang that loads the plugin")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all numbers as JSON")
    options = parser.parse_args()
    record: dict[str, Any] = environment(options.clock)
    print_environment(record)
    record["models"] = {}
    for name, likelihood in models(options):
        gradients = measure_gradients(likelihood, options)
        report_gradients(name, gradients)
        found = list(fits(likelihood, options))
        report_fits(name, found)
        record["models"][name] = {
            "parameters": likelihood.model.n_parameters,
            "bins": likelihood.model.n_bins,
            "gradients": serialisable(gradients),
            "fits": found,
        }
    write_json(options.output, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
