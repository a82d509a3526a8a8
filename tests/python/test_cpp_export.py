"""Exported headers compile without warnings and give the numbers of their likelihood."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY, published_workspaces
from nablafit import spec as s
from nablafit.cli import main
from nablafit.formulas import bin_factor, bin_integral
from nablafit.io.cpp import to_cpp

COMPILERS = [c for c in ("g++", "clang++", "clang++-19") if shutil.which(c)]
FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-Werror")
EXAMPLE = REPOSITORY / "examples" / "multichannel.json"
C = s.Interpolation

# CLAD_ROOT holds lib/clad.so and include, CLAD_CLANGXX is its clang.
CLAD = Path(os.environ.get("CLAD_ROOT", "")) / "lib" / "clad.so"
CLAD_COMPILER = os.environ.get("CLAD_CLANGXX", "clang++-19")
HAS_CLAD = "CLAD_ROOT" in os.environ and CLAD.is_file() and shutil.which(CLAD_COMPILER) is not None
CLAD_FLAGS = [
    *(word for item in ("-add-plugin", "clad", "-load", str(CLAD)) for word in ("-Xclang", item)),
    *("-isystem", str(CLAD.parents[1] / "include")),
]

WRAPPER = """\
#include "NAME.hpp"
extern "C" double NAME_nll(const double* x) { return NAME::nll(x); }
extern "C" double NAME_gradient(const double* x, double* g) { return NAME::nll_and_gradient(x, g); }
extern "C" void NAME_expected(const double* x, double* yields) { NAME::expected(x, yields); }
"""

pytestmark = [pytest.mark.skipif(not COMPILERS, reason="needs g++ or clang++"), pytest.mark.build]


def alpha(name: str, **changes: object) -> s.Parameter:
    return s.Parameter(name, 0.0, -5.0, 5.0, constraint=s.GaussianConstraint()).replace(**changes)


def positive(name: str, **changes: object) -> s.Parameter:
    return s.Parameter(name, 1.0, 0.0, 10.0).replace(**changes)


def interpolations() -> s.ModelSpec:
    """Every interpolation code, of factors and of histograms; bins without nominal yield."""
    modifiers: list[s.Modifier] = [s.NormFactor("mu", "mu")]
    parameters = [positive("mu")]
    for code in C:
        name = f"alpha_{int(code)}"
        parameters.append(alpha(name))
        modifiers.append(s.NormSys(name, name, 0.8, 1.3, code))
        modifiers.append(s.HistoSys(name, name, [9.0, 0.0, 21.0], [12.0, 0.5, 18.0], code))
    samples = [
        s.Sample("all codes", [10.0, 0.0, 20.0], modifiers),
        s.Sample("int", [1.0, 2.0, 3.0]),
        s.Sample("zero factor", [4.0, 4.0, 4.0], [s.NormSys("z", "alpha_1", 0.0, 1.1, C(1))]),
    ]
    return s.ModelSpec("codes", [s.Channel("SR", samples)], parameters)


def constraints() -> s.ModelSpec:
    """Every constraint, transformation and modifier per bin; names that C++ cannot have."""
    parameters = [
        positive("2 lumi", constraint=s.GaussianConstraint(1.0, 0.02)),
        positive("stat[0]", constraint=s.GaussianConstraint(1.0, 0.1)),
        positive("stat_0", constraint=s.PoissonConstraint(25.0, 25.0)),
        positive("free?", initial=1.2),
        positive('class "\\', constraint=s.LogNormalConstraint(1.1, 1.2)),
        positive(
            "beta",
            constraint=s.GammaConstraint(25.0, 0.04),
            transformation=s.GammaTransformation(0.2),
        ),
        alpha("log", transformation=s.LogNormalTransformation(0.3)),
        alpha("uniform", constraint=s.UniformConstraint()),
        alpha("inside", constraint=s.GaussianConstraint(0.2, 0.5, s.Range(-1.0, 1.5))),
        positive("fixed", fixed=True, constraint=s.PoissonConstraint(0.0, 1.0)),
        positive("unused", lower=-np.inf, upper=np.inf),
    ]
    gammas = ["stat[0]", "stat_0"]
    background = [
        s.Lumi("lumi", "2 lumi"),
        s.StatError("stat", gammas, [1.0, 1.0]),
        s.ShapeSys("sys", ['class "\\', "fixed"], [1.0, 1.0]),
        s.NormSys("beta", "beta", 0.9, 1.2),
        s.HistoSys("log", "log", [35.0, 28.0], [44.0, 33.0]),
        s.NormSys("log", "log", 0.95, 1.02, C.polynomial_linear),
    ]
    signal = [
        s.ShapeFactor("free", ["free?", "free?"]),
        s.NormSys("uniform", "uniform", 0.9, 1.2),
        s.HistoSys("inside", "inside", [4.0, 6.0], [8.0, 9.0]),
    ]
    samples = [s.Sample("bkg", [40.0, 30.0], background), s.Sample("sig", [6.0, 7.0], signal)]
    return s.ModelSpec("constraints", [s.Channel("a-b", samples)], parameters)


def floors() -> s.ModelSpec:
    """All floors; the histogram of the first bin is exactly at its floor."""
    shape = s.HistoSys("shape", "shape", [1.0, 4.0], [-1.0, 8.0])
    norm = s.NormSys("norm", "norm", 0.2, 1.5, C.piecewise_linear)
    samples = [
        s.Sample("at floor", [0.0, 6.0], [shape, norm], yield_floor=0.0, factor_floor=1e-3),
        s.Sample("constant", [-3.0, 2.0], [], yield_floor=0.5, factor_floor=2.0),
        s.Sample("mixed", [5.0, 5.0], [norm.replace(interpolation=C(5)), norm], factor_floor=1.0),
    ]
    channels = [
        s.Channel("floored", samples, yield_floor=1.0),
        s.Channel("constant", [s.Sample("only", [3.0])]),
        s.Channel("raised", [s.Sample("x", [0.5], [s.NormFactor("m", "m")])], yield_floor=2.0),
    ]
    return s.ModelSpec("floors", channels, [alpha("shape"), alpha("norm"), positive("m")])


def formulas() -> s.ModelSpec:
    """Every operation of the expressions."""
    texts = [
        "1 + c*a + c^2*b - a/(2 + b)",
        "exp(-a) * log(2 + b) + log10(3 + a) / sqrt(1 + c)",
        "abs(a - 2) + abs(b) + min(a, b) + max(c, a) + min(2, c)",
        "sin(a) + cos(b*c) + tan(a/3) + -(b)^3 + a^-1.5 + c^0",
        "(1 + a)^b * pow(b, 2) + pow(c + 1, a)",
        "2^3 - 7.5",
        "a * 0 + 1 + exp(2) * 0.1",
    ]
    eft = bin_factor("eft", "1 + c*t1 + c**2*b*u", ["b", "c"], t1=[0.1, 0.3], u=[0.2, 0.4])
    integral = bin_integral("area", "a * exp(-b*x)", ["a", "b"], edges=[0.0, 1.0, 3.0], n_nodes=3)
    number = bin_factor("number", "2*u - 0*t", [], u=[1.5, 2.5], t=[0.0, 0.0])
    modifiers = [s.FormulaFactor(f"f{i}", text, ["a", "b", "c"]) for i, text in enumerate(texts)]
    samples = [
        s.Sample("all", [0.3, 0.2], modifiers),
        s.Sample("again", [2.0, 3.0], [modifiers[0], modifiers[5]]),
        s.Sample("number", [2.0, 3.0], [modifiers[5]]),
        s.Sample("bins", [1.0, 1.0], [eft, integral, number, s.ShapeFactor("d", ["a", "b"])]),
        s.Sample("nodes", [1.0, 1.0], [number]),
    ]
    parameters = [
        positive(name, initial=value) for name, value in zip("abc", (0.7, 0.9, 1.1), strict=True)
    ]
    return s.ModelSpec("formulas", [s.Channel("SR", samples)], parameters)


def likelihood_of(spec: s.ModelSpec) -> nf.Likelihood:
    model = nf.Model(spec)
    asimov = model.asimov()
    counts = np.round(1.1 * asimov.counts)
    counts[0] = 0.0
    return model.likelihood(nf.Data(counts, asimov.global_observables))


def likelihoods() -> dict[str, nf.Likelihood]:
    found = {
        f.__name__: likelihood_of(f()) for f in (interpolations, constraints, floors, formulas)
    }
    workspace = nf.Workspace.load(EXAMPLE)
    model = workspace.model()
    return {**found, "example": model.likelihood(workspace.data(model))}


class Library:
    """Exported headers compiled together into one shared library."""

    def __init__(
        self, compiler: str, folder: Path, texts: dict[str, str], *, clad: bool = False
    ) -> None:
        source, library = folder / "all.cpp", folder / "all.so"
        lines = []
        for name, text in texts.items():
            (folder / f"{name}.hpp").write_text(text, encoding="utf-8")
            gradient = "clad_nll_and_gradient" if clad else "nll_and_gradient"
            wrapper = WRAPPER.replace("nll_and_gradient", gradient)
            lines.append(wrapper.replace("NAME", name))
        source.write_text("".join(lines))
        # Clad's own code has warnings, which clang reports at the functions it was made for.
        flags = (FLAGS[0], *CLAD_FLAGS) if clad else FLAGS
        options = (*flags, "-O0", "-fPIC", "-shared", "-o", library)
        run(compiler, *options, source)
        self._library = ctypes.CDLL(str(library))

    def call(self, function: str, x: np.ndarray, size: int = 0) -> tuple[float, np.ndarray]:
        pointer = ctypes.POINTER(ctypes.c_double)
        found = self._library[function]
        found.restype = ctypes.c_double
        x, result = np.array(x, dtype=float), np.full(size, np.nan)
        arguments = [x, result] if size else [x]
        return found(*(array.ctypes.data_as(pointer) for array in arguments)), result


def run(*command: object) -> str:
    finished = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr}"
    return finished.stdout


LIKELIHOODS = likelihoods()


@pytest.fixture(scope="module", params=COMPILERS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    texts = {
        name: to_cpp(known.model.spec, known.data, namespace=name)
        for name, known in LIKELIHOODS.items()
    }
    return Library(request.param, tmp_path_factory.mktemp("export"), texts)


def points(likelihood: nf.Likelihood) -> Iterator[np.ndarray]:
    """Yield the initial values, points around them, and the kinks of the interpolations."""
    rng = np.random.default_rng(7)
    initial = np.array(likelihood.model.initial)
    yield initial
    for width in (0.05, 0.3, 0.8):
        yield np.abs(initial) + width * rng.uniform(-1.0, 1.0, initial.size)
    for shift in (-2.5, -1.0, 1.0, 2.5):
        yield np.where(initial == 0.0, shift, initial)


def check(library: Library, name: str, likelihood: nf.Likelihood, *, clad: bool = False) -> None:
    n_finite = 0
    for x in points(likelihood):
        value, gradient = likelihood.value_and_gradient(x)
        same, _ = library.call(f"{name}_nll", x)
        again, found = library.call(f"{name}_gradient", x, x.size)
        assert again == pytest.approx(same, rel=1e-15)
        if not np.isfinite(value):
            assert same == np.inf
            if not clad:  # it differentiates the branch taken
                np.testing.assert_array_equal(found, 0.0)
            continue
        n_finite += 1
        assert same == pytest.approx(value, rel=1e-12, abs=1e-12)
        np.testing.assert_allclose(found, gradient, rtol=1e-11, atol=1e-12 * abs(gradient).max())
        _, yields = library.call(f"{name}_expected", x, likelihood.model.n_bins)
        np.testing.assert_allclose(yields, likelihood.expected(x), rtol=1e-12)
    assert n_finite >= 4


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_header_gives_the_numbers_of_the_likelihood(library: Library, name: str) -> None:
    check(library, name, LIKELIHOODS[name])


def test_no_likelihood_is_infinity(library: Library) -> None:
    x = np.array(LIKELIHOODS["example"].model.initial)
    x[LIKELIHOODS["example"].model.index("mu_ttbar")] = -100.0
    assert library.call("example_nll", x)[0] == np.inf
    x[0] = np.nan
    assert library.call("example_nll", x)[0] == np.inf


def test_command_writes_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, program = tmp_path / "model.hpp", tmp_path / "program"
    assert main(["export", str(EXAMPLE), "-o", str(header)]) == 0
    run(COMPILERS[0], *FLAGS, "-DNABLAFIT_EXAMPLE", "-x", "c++", header, "-o", program)
    first, *rows = run(program).splitlines()
    likelihood = LIKELIHOODS["example"]
    assert float(first.split()[1]) == pytest.approx(likelihood(likelihood.model.initial), rel=1e-12)
    assert [row.split()[0] for row in rows] == list(likelihood.parameters)
    assert main(["export", str(EXAMPLE), "-o", str(header), "--namespace", "a b"]) == 2
    assert "namespace" in capsys.readouterr().err


def test_size_is_linear_in_the_model() -> None:
    def size(n: int) -> int:
        channels = [
            s.Channel(f"c{i}", [s.Sample("x", [5.0], [s.NormSys("a", "a", 0.9, 1.1)])])
            for i in range(n)
        ]
        model = nf.Model(s.ModelSpec("m", channels, [alpha("a")]))
        return len(to_cpp(model.spec, model.asimov()))

    assert size(160) - size(80) == pytest.approx(2 * (size(80) - size(40)), rel=0.02)


def test_clad_is_asked_only_where_wanted() -> None:
    likelihood = LIKELIHOODS["formulas"]
    plain = to_cpp(likelihood.model.spec, likelihood.data)
    marked = to_cpp(likelihood.model.spec, likelihood.data, clad=True)
    assert "clad" not in plain.lower()
    assert "clad::gradient(nll)" in marked


def test_text_is_the_same_every_time() -> None:
    likelihood = LIKELIHOODS["constraints"]
    texts = {to_cpp(likelihood.model.spec, likelihood.data) for _ in range(2)}
    assert len(texts) == 1


@pytest.mark.skipif(not HAS_CLAD, reason="needs Clad at CLAD_ROOT")
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_clad_differentiates_the_header(name: str, tmp_path: Path) -> None:
    likelihood = LIKELIHOODS[name]
    text = to_cpp(likelihood.model.spec, likelihood.data, namespace=name, clad=True)
    library = Library(CLAD_COMPILER, tmp_path, {name: text}, clad=True)
    check(library, name, likelihood, clad=True)


@pytest.mark.slow
@pytest.mark.parametrize("clad", [False, True], ids=["own gradient", "Clad's gradient"])
def test_published_workspace(tmp_path: Path, *, clad: bool) -> None:
    if clad and not HAS_CLAD:
        pytest.skip("needs Clad at CLAD_ROOT")
    path = next((p for p in published_workspaces() if p.stem.startswith("sbottom_c")), None)
    if path is None:
        pytest.skip("needs the published workspaces")
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    likelihood = model.likelihood(workspace.data(model))
    text = to_cpp(model.spec, likelihood.data, namespace="sbottom", clad=clad)
    for compiler in [CLAD_COMPILER] if clad else COMPILERS:
        library = Library(compiler, tmp_path, {"sbottom": text}, clad=clad)
        check(library, "sbottom", likelihood, clad=clad)
