"""A C++ program built against the installed wheel gives the numbers that Python gives."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY

WORKSPACE = REPOSITORY / "examples" / "multichannel.json"


def output_of(*command: str | Path) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr}"
    return finished.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cmake") is None or not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("needs CMake and a C++ compiler")
    build = tmp_path_factory.mktemp("embed")
    package = output_of(sys.executable, "-m", "nablafit", "--cmake-dir").strip()
    source = Path(__file__).parent
    output_of("cmake", "-S", source, "-B", build, f"-Dnablafit_DIR={package}")
    output_of("cmake", "--build", build)
    return build / "evaluate"


def test_value_and_gradient_equal_those_of_python(program: Path) -> None:
    lines = [line.rsplit(" ", 1) for line in output_of(program, WORKSPACE).splitlines()]
    workspace = nf.Workspace.load(WORKSPACE)
    model = workspace.model()
    likelihood = model.likelihood(workspace.data(model))
    value, gradient = likelihood.value_and_gradient(model.initial)
    assert [name for name, _ in lines] == ["value", *model.parameters]
    np.testing.assert_array_equal([float(number) for _, number in lines], [value, *gradient])


def test_unreadable_workspace_is_an_error_message(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "truncated.json"
    path.write_text('{"channels": [')
    finished = subprocess.run([program, path], capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert "truncated.json" in finished.stderr
