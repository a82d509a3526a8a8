"""The check that the committed derivatives belong to the kernels."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from locations import REPOSITORY

pytestmark = pytest.mark.process

GENERATED = "cpp/generated/kernel_derivatives.hpp"
KERNEL = "cpp/src/kernels/interpolation.hpp"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy what the generator reads, so that a test may change it."""
    for folder in ("cpp/generated", "cpp/src/ad", "cpp/src/kernels", "cpp/tools"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    return tmp_path


def run(tree: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(tree / "cpp/tools/generate_derivatives.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_committed_derivatives_are_current() -> None:
    done = run(REPOSITORY, "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_comments_and_layout_of_kernels_may_change(tree: Path) -> None:
    replace(tree / KERNEL, "/// Code 0, piecewise linear", "// Piecewise\n\n/// Code 0, linear")
    assert run(tree, "--check").returncode == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (KERNEL, "return 8.0 * alpha;", "return 9.0 * alpha;", "older than its sources"),
        (
            "cpp/src/ad/derivative_requests.cpp",
            "clad::differentiate<2>(gamma_transformation",
            "clad::differentiate<1>(gamma_transformation",
            "older than its sources",
        ),
        (
            "cpp/src/ad/clad_runtime.hpp",
            "value * d_x",
            "value * d_x * d_x",
            "older than its sources",
        ),
        (GENERATED, "return 8.;", "return 9.;", "was edited"),
        (GENERATED, "// Body hash:", "// Hash:", "no valid head"),
    ],
)
def test_check_refuses(tree: Path, name: str, old: str, new: str, message: str) -> None:
    replace(tree / name, old, new)
    done = run(tree, "--check")
    assert done.returncode == 1
    assert message in done.stderr
    assert "cpp/tools/generate_derivatives.py --clad" in done.stderr


def test_check_refuses_a_missing_file(tree: Path) -> None:
    (tree / GENERATED).unlink()
    done = run(tree, "--check")
    assert done.returncode == 1
    assert f"{GENERATED} is missing" in done.stderr


def test_a_missing_source_is_named(tree: Path) -> None:
    (tree / KERNEL).unlink()
    done = run(tree, "--check")
    assert done.returncode == 1
    assert "interpolation.hpp" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --check or --clad"),
        (["--check", "--clad", "clad.so"], "give either --check or --clad"),
        (["--clad", "nowhere/clad.so"], "nowhere/clad.so is not a file"),
    ],
)
def test_wrong_arguments(tree: Path, arguments: list[str], message: str) -> None:
    done = run(tree, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
