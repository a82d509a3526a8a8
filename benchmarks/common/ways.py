"""Ways to get value and gradient of one likelihood, all with the same two calls."""

from __future__ import annotations

import ctypes
import json
import subprocess
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import nablafit as nf

from .memory import growth_since, reset_peak
from .run import Absent, first_line

BACKENDS = ("clad", "codipack", "forward", "finite-difference", "minuit-difference")
# Parameters beyond which a gradient takes minutes: their cost is that of a value times parameters.
LARGEST = {"forward": 1000, "finite-difference": 300, "minuit-difference": 300}
EXPORTED = "exported C++"
CLAD = "Clad on the exported function"
JAX = "pyhf JAX"
WAYS = (*BACKENDS, EXPORTED, CLAD, JAX)


@dataclass(frozen=True)
class Way:
    """One way to get derivatives, and what it took to set it up.

    Attributes
    ----------
    value, gradient : callable
        Take the parameters. `value` gives -log L up to a constant; `gradient` computes value and
        gradient in one call and gives the gradient.
    setup_seconds : float
        Making the evaluator: compiling C++, or tracing and compiling with JAX, included.
    peak_bytes : int or None
        Growth of the resident set from set-up and one gradient, at its peak; compilers that run
        as processes of their own do not count.
    source_bytes : int or None
        Size of the exported header.
    """

    value: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]
    setup_seconds: float
    peak_bytes: int | None = None
    source_bytes: int | None = None


def make_ways(
    likelihood: nf.Likelihood, document: dict[str, Any], folder: Path, options: Namespace
) -> Iterator[tuple[str, Way | Absent]]:
    """Set up one way after the other; `options` of hierarchy.py say how, and how far to go."""
    x = np.array(likelihood.model.initial)
    for backend in BACKENDS:
        if backend not in nf.build_info()["backends"]:
            yield backend, Absent("not in this build")
        elif backend in options.skip:
            yield backend, Absent("skipped")
        elif x.size > LARGEST.get(backend, x.size):
            yield backend, Absent("not tried at this size")
        else:
            yield backend, _measured(lambda b=backend: _backend(likelihood, b), x)
    header = likelihood.model.spec.to_cpp(likelihood.data)
    if len(header) > 1e6 * options.largest_export:
        reason = f"a header of {len(header) / 1e6:.0f} MB was not compiled"
        yield from ((name, Absent(reason)) for name in (EXPORTED, CLAD))
    else:
        yield EXPORTED, _exported(likelihood, folder, options, x, clad=False)
        yield CLAD, _exported(likelihood, folder, options, x, clad=True)
    if likelihood.model.n_parameters > options.largest_jax:
        yield JAX, Absent("not tried at this size")
    else:
        yield JAX, _attempt(lambda: _measured(lambda: _jax(document, likelihood), x))


def _attempt(make: Callable[[], Way]) -> Way | Absent:
    try:
        return make()
    except Exception as error:  # noqa: BLE001
        return Absent(first_line(error))


def _measured(make: Callable[[], Way], x: np.ndarray) -> Way:
    """Set up and evaluate once, watching time and memory."""
    before = reset_peak()
    started = time.perf_counter()
    way = make()
    seconds = time.perf_counter() - started
    way.gradient(x)
    peak = growth_since(before)
    return Way(way.value, way.gradient, max(seconds, way.setup_seconds), peak, way.source_bytes)


def _backend(likelihood: nf.Likelihood, backend: str) -> Way:
    other = likelihood.model.likelihood(likelihood.data, backend=backend)
    return Way(other, other.gradient, 0.0)


def clad_command(options: Namespace) -> list[str] | None:
    """Return the command of a clang with the Clad plugin."""
    if options.clad is None:
        return None
    plugin = ["-add-plugin", "clad", "-load", str(options.clad)]
    flags = [word for item in plugin for word in ("-Xclang", item)]
    return [options.clang, *flags, f"-I{options.clad_include}"]


def _exported(
    likelihood: nf.Likelihood,
    folder: Path,
    options: Namespace,
    x: np.ndarray,
    *,
    clad: bool,
) -> Way | Absent:
    command = clad_command(options) if clad else options.compiler and [options.compiler]
    if not command:
        return Absent("Clad is not installed" if clad else "no C++ compiler")
    return _attempt(
        lambda: _measured(lambda: _compile(likelihood, folder, command, options, clad=clad), x)
    )


def _compile(
    likelihood: nf.Likelihood,
    folder: Path,
    command: list[str],
    options: Namespace,
    *,
    clad: bool,
) -> Way:
    """Export, compile and load; raises RuntimeError with the compiler's first error."""
    # A namespace of its own: the loader merges symbols of the same name in one process.
    name = f"{'clad' if clad else 'plain'}_{likelihood.model.digest.removeprefix('sha256:')[:16]}"
    text = likelihood.model.spec.to_cpp(likelihood.data, namespace=name, clad=clad)
    library = folder / f"{name}.so"
    (folder / f"{name}.hpp").write_text(text, encoding="utf-8")
    source = folder / f"{name}.cpp"
    gradient = "clad_nll_and_gradient" if clad else "nll_and_gradient"
    source.write_text(
        f'#include "{name}.hpp"\n'
        f'extern "C" double value(const double* x) {{ return {name}::nll(x); }}\n'
        'extern "C" double gradient(const double* x, double* g) '
        f"{{ return {name}::{gradient}(x, g); }}\n"
    )
    flags = ["-std=c++17", "-O2", "-fPIC", "-shared", str(source), "-o", str(library)]
    started = time.perf_counter()
    try:
        finished = subprocess.run(
            [*command, *flags],
            capture_output=True,
            text=True,
            check=False,
            timeout=options.compile_seconds,
        )
    except subprocess.TimeoutExpired:
        message = f"compilation stopped after {options.compile_seconds:.0f} s"
        raise RuntimeError(message) from None
    seconds = time.perf_counter() - started
    if finished.returncode != 0:
        errors = [line for line in finished.stderr.splitlines() if "error" in line]
        raise RuntimeError(errors[0] if errors else finished.stderr[-100:])
    loaded = ctypes.CDLL(str(library))
    loaded.value.restype = loaded.gradient.restype = ctypes.c_double
    n = likelihood.model.n_parameters

    def value(point: np.ndarray) -> float:
        point = np.ascontiguousarray(point, dtype=float)
        return float(loaded.value(ctypes.c_void_p(point.ctypes.data)))

    def gradient_at(point: np.ndarray) -> np.ndarray:
        point, result = np.ascontiguousarray(point, dtype=float), np.empty(n)
        loaded.gradient(ctypes.c_void_p(point.ctypes.data), ctypes.c_void_p(result.ctypes.data))
        return result

    return Way(value, gradient_at, seconds, source_bytes=len(text))


def _jax(document: dict[str, Any], likelihood: nf.Likelihood) -> Way:
    """-log L of pyhf, jitted, at 64 bit and with the data as constants."""
    import jax
    import pyhf

    pyhf.set_backend("jax", precision="64b")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workspace = pyhf.Workspace(json.loads(json.dumps(document)), validate=False)
        model = workspace.model(poi_name=None, validate=False)
        data = pyhf.tensorlib.astensor(workspace.data(model))
    if tuple(model.config.par_names) != likelihood.model.parameters:
        raise RuntimeError("pyhf orders the parameters differently")

    def nll(x: Any) -> Any:  # noqa: ANN401
        return 0.5 * pyhf.infer.mle.twice_nll(x, data, model)[0]

    value, both = jax.jit(nll), jax.jit(jax.value_and_grad(nll))
    constant = likelihood.constant

    def value_at(point: np.ndarray) -> float:
        return float(value(point)) - constant

    def gradient_at(point: np.ndarray) -> np.ndarray:
        return np.asarray(both(point)[1])

    gradient_at(np.array(likelihood.model.initial))  # traces and compiles
    return Way(value_at, gradient_at, 0.0)
