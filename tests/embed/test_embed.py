"""C++ programs built against an installed nablafit give the same numbers as Python.

The installed wheel is tested or, if NABLAFIT_PREFIXES lists installations made by `cmake --install`
in the format of PATH, those. Every compiler that is found is used.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY

WORKSPACE = REPOSITORY / "examples" / "multichannel.json"
EXAMPLES = REPOSITORY / "examples" / "cpp"
COMPILERS = {
    "gcc": ("g++",),
    "clang": ("clang++", *(f"clang++-{version}" for version in range(24, 13, -1))),
}
PREFIXES = [Path(p) for p in os.environ.get("NABLAFIT_PREFIXES", "").split(os.pathsep) if p]

pytestmark = [pytest.mark.build, pytest.mark.xdist_group("embed")]


@dataclass(frozen=True)
class Package:
    """An installed nablafit."""

    cmake_dir: Path
    pkgconfig_dir: Path

    @property
    def libraries(self) -> Path:
        return self.pkgconfig_dir.parent


def output_of(*command: str | Path, **options: object) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr}"
    return finished.stdout


def compiler(name: str) -> str:
    found = next(filter(None, map(shutil.which, COMPILERS[name])), None)
    if found is None or shutil.which("cmake") is None:
        pytest.skip(f"needs CMake and {name}")
    return found


@pytest.fixture(scope="module", params=list(map(str, PREFIXES)) or ["wheel"])
def package(request: pytest.FixtureRequest) -> Package:
    if request.param == "wheel":
        python = (sys.executable, "-m", "nablafit")
        directories = (
            output_of(*python, f"--{name}-dir").strip() for name in ("cmake", "pkgconfig")
        )
        return Package(*map(Path, directories))
    (config,) = Path(request.param).glob("**/nablafitConfig.cmake")
    (description,) = Path(request.param).glob("**/nablafit-core.pc")
    return Package(config.parent, description.parent)


@pytest.fixture(scope="module", params=list(COMPILERS))
def programs(
    request: pytest.FixtureRequest, package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    cxx = compiler(request.param)
    build = tmp_path_factory.mktemp("embed")
    source = Path(__file__).parent
    options = [f"-Dnablafit_DIR={package.cmake_dir}", f"-DCMAKE_CXX_COMPILER={cxx}"]
    # Without optimisation: the library is what is tested, and compilation takes half the time.
    output_of("cmake", "-S", source, "-B", build, *options, "-DCMAKE_BUILD_TYPE=Debug")
    output_of("cmake", "--build", build, "--parallel", "2")
    return build


@pytest.fixture(scope="module")
def fit() -> nf.FitResult:
    workspace = nf.Workspace.load(WORKSPACE)
    model = workspace.model()
    return nf.fit(model, workspace.data(model))


def numbers(output: str) -> dict[str, list[float]]:
    """Read lines with a name and numbers, with or without words in between."""
    lines = [re.sub(r"=|\+-|after|iterations", " ", line).split() for line in output.splitlines()]
    return {name: [float(word) for word in words] for name, *words in lines}


def test_value_and_gradient_equal_those_of_python(programs: Path) -> None:
    found = numbers(output_of(programs / "evaluate", WORKSPACE))
    workspace = nf.Workspace.load(WORKSPACE)
    model = workspace.model()
    likelihood = model.likelihood(workspace.data(model))
    value, gradient = likelihood.value_and_gradient(model.initial)
    assert list(found) == ["value", *model.parameters]
    np.testing.assert_array_equal([number for (number,) in found.values()], [value, *gradient])


def test_unreadable_workspace_is_an_error_message(programs: Path, tmp_path: Path) -> None:
    path = tmp_path / "truncated.json"
    path.write_text('{"channels": [')
    for program in ("evaluate", "examples/fit_workspace"):
        finished = subprocess.run(
            [programs / program, path], capture_output=True, text=True, check=False
        )
        assert finished.returncode in (1, 2)
        assert "truncated.json" in finished.stderr


def test_example_fits_a_workspace(programs: Path, fit: nf.FitResult) -> None:
    lines = output_of(programs / "examples" / "fit_workspace", WORKSPACE).splitlines()
    found = numbers("\n".join(line for line in lines if " +- " in line))
    assert list(found) == list(fit.parameters)
    expected = np.column_stack([fit.x, fit.errors])
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-8, atol=1e-8)


def test_own_minimizer_finds_the_minimum(programs: Path, fit: nf.FitResult) -> None:
    found = numbers(output_of(programs / "examples" / "own_minimizer", WORKSPACE))
    assert found["newton"][0] == pytest.approx(fit.value, abs=1e-8)
    assert found["bfgs"][0] == pytest.approx(fit.value, abs=1e-6)
    for name, error in fit.errors.items():
        bfgs, newton = found[name]
        assert bfgs == pytest.approx(newton, abs=2e-3 * error), name


def test_own_function_fits_as_the_same_expression(programs: Path) -> None:
    found = numbers(output_of(programs / "examples" / "own_function"))
    x = np.array([0.5, 1.5, 2.5, 3.5])
    factor = nf.formulas.bin_factor("falling", "exp(-slope*x)", ["slope"], x=x)
    norms = [nf.spec.NormFactor(name, name) for name in ("norm", "mu")]
    background = nf.spec.Sample("background", np.full(4, 200.0), [norms[0], factor])
    signal = nf.spec.Sample("signal", [0.0, 5.0, 10.0, 5.0], [norms[1]])
    parameters = [
        nf.spec.Parameter(name, start, 0.0, upper)
        for name, start, upper in (("slope", 0.5, 5.0), ("norm", 1.0, 10.0), ("mu", 1.0, 10.0))
    ]
    channel = nf.spec.Channel("mass", [background, signal])
    model = nf.Model(nf.ModelSpec("m", [channel], parameters))
    fit = nf.fit(model, nf.Data([180.0, 133.0, 111.0, 75.0], np.empty(0)))
    expected = np.column_stack([fit.x, fit.errors]).ravel()
    for name in ("forward", "pullback"):
        np.testing.assert_allclose(found[name], expected, rtol=1e-5)


def test_signal_service_answers_the_same_from_any_number_of_threads(programs: Path) -> None:
    workspace = nf.Workspace.load(WORKSPACE)
    model = workspace.model()
    shape = np.linspace(0.5, 1.5, model.n_bins)
    signals = [f"point{i} " + " ".join(f"{y:.17g}" for y in (i + 1) * shape) for i in range(24)]
    program = programs / "examples" / "signal_service"
    answers = [
        sorted(output_of(program, WORKSPACE, n, input="\n".join(signals)).splitlines())
        for n in ("1", "4")
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) == len(signals)
    strength, error, q = numbers("\n".join(answers[0]))["point2"]
    spec = with_signal(workspace.spec(), 3 * shape)
    model = nf.Model(spec)
    data = workspace.data(model)
    best = nf.fit(model, data)
    at_one = nf.fit(model, data, fixed={"s": 1.0})
    assert strength == pytest.approx(best.values["s"], rel=1e-6)
    assert error == pytest.approx(best.errors["s"], rel=1e-6)
    assert q == pytest.approx(at_one.twice_nll - best.twice_nll, abs=1e-6)


def with_signal(spec: nf.ModelSpec, yields: np.ndarray) -> nf.ModelSpec:
    channels = []
    start = 0
    for channel in spec.channels:
        n_bins = len(channel.samples[0].nominal)
        modifier = nf.spec.NormFactor(name="s", parameter="s")
        nominal = yields[start : start + n_bins]
        sample = nf.spec.Sample(name="new", nominal=nominal, modifiers=[modifier])
        channels.append(channel.replace(samples=[*channel.samples, sample]))
        start += n_bins
    strength = nf.spec.Parameter(name="s", initial=1.0, lower=0.0, upper=20.0)
    return spec.replace(channels=channels, parameters=[*spec.parameters, strength])


def test_bad_request_does_not_end_the_service(programs: Path) -> None:
    program = programs / "examples" / "signal_service"
    output = output_of(program, WORKSPACE, "1", input="short 1.0 2.0\n")
    assert output.startswith("short error: short: found 2 yields")


def background(
    name: str, data: list[float], modifiers: list[dict[str, object]]
) -> dict[str, object]:
    norm = {"name": "background_norm", "type": "normfactor", "data": None}
    return {"name": name, "data": data, "modifiers": [norm, *modifiers]}


SIGNAL = {
    "name": "signal",
    "data": [6.0, 12.0],
    "modifiers": [
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": "acceptance", "type": "normsys", "data": {"lo": 0.97, "hi": 1.03}},
    ],
}
SHAPE = {"lo_data": [57.0, 42.0], "hi_data": [64.0, 38.5]}
HISTOSYS = {"name": "energy_scale", "type": "histosys", "data": SHAPE}
STATERROR = {"name": "stat", "type": "staterror", "data": [2.5, 2.0]}
NORMSYS = {"name": "energy_scale", "type": "normsys", "data": {"lo": 0.98, "hi": 1.02}}
BUILT = {
    "version": "1.0.0",
    "channels": [
        {
            "name": "signal_region",
            "samples": [SIGNAL, background("background", [60.0, 40.0], [HISTOSYS, STATERROR])],
        },
        {"name": "control_region", "samples": [background("background", [500.0], [NORMSYS])]},
    ],
    "observations": [
        {"name": "signal_region", "data": [71.0, 55.0]},
        {"name": "control_region", "data": [523.0]},
    ],
    "measurements": [
        {"name": "m", "config": {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[0, 20]]}]}}
    ],
}
"""What examples/cpp/build_model.cpp builds."""


def test_model_built_in_code(programs: Path) -> None:
    lines = output_of(programs / "examples" / "build_model").splitlines()
    assert re.fullmatch(r"model sha256:[0-9a-f]{64}", lines[0])
    toys = lines[-1].split()
    assert 900 < int(toys[1]) < 1000  # toys with mu at its bound have no pull
    assert abs(float(toys[3])) < 0.2
    found = numbers("\n".join(lines[1:-1]))
    assert found["expected"] == [66.0, 52.0, 500.0]
    workspace = nf.Workspace.load(BUILT)
    model = workspace.model()
    likelihood = model.likelihood(workspace.data(model))
    mu = model.index("mu")
    value, gradient = likelihood.value_and_gradient(model.initial)
    hessian = likelihood.hessian(model.initial)
    fit = nf.fit(likelihood)
    expected = {
        "value": [value],
        "d/dmu": [gradient[mu]],
        "d2/dmu2": [hessian[mu, mu]],
        "hessian_times_gradient[mu]": [hessian[mu] @ gradient],
        "mu": [fit.values["mu"], fit.errors["mu"]],
    }
    for name, numbers_expected in expected.items():
        np.testing.assert_allclose(found[name], numbers_expected, rtol=1e-8, err_msg=name)


def test_make_and_pkg_config_build_a_program(package: Package, tmp_path: Path) -> None:
    if shutil.which("make") is None or shutil.which("pkg-config") is None:
        pytest.skip("needs make and pkg-config")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(package.pkgconfig_dir), "CXXFLAGS": "-O0"}
    environment["CXX"] = compiler("gcc")
    environment["LD_LIBRARY_PATH"] = str(package.libraries)
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    output_of("make", "-C", tmp_path, "fit_workspace", env=environment)
    assert "mu" in output_of(tmp_path / "fit_workspace", WORKSPACE, env=environment)


def test_shared_libraries_show_nablafit_only(package: Package) -> None:
    shared = sorted(package.libraries.glob("libnablafit_*.so"))
    if not shared or shutil.which("nm") is None:
        pytest.skip("needs shared libraries and nm")
    for library in shared:
        lines = output_of("nm", "-DC", "--defined-only", library).splitlines()
        names = [line.split(" ", 2)[2] for line in lines]
        assert any("nablafit::" in name for name in names)
        own = re.compile(r"(vtable for |typeinfo (name )?for )?nablafit::(?!detail::)")
        assert [name for name in names if not own.match(name)] == []
        assert [name for name in names if "Py_" in name] == []
        if shutil.which("readelf") is not None:
            assert "BIND_NOW" in output_of("readelf", "-dW", library)
            assert "GNU_RELRO" in output_of("readelf", "-lW", library)
