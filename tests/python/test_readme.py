"""What the README tells users to type works, from the root of the repository."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from locations import REPOSITORY

pytestmark = pytest.mark.process

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
EXAMPLE = "examples/multichannel.json"


def blocks(language: str) -> list[str]:
    """Return the code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Return the lines of all shell blocks without comments, continuation lines joined."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0].strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the examples, where commands leave their files for later ones."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(REPOSITORY / "examples", place / "examples")
    return place


def run(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run one command line of nablafit with the interpreter of this test."""
    words = shlex.split(command)
    assert words[0] == "nablafit"
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_first_command_fits_the_example(place: Path) -> None:
    """Installation is what made this test possible; the rest of the line is run."""
    install, _, fit = commands()[0].partition(" && ")
    assert install == "pip install ."
    assert fit == f"nablafit fit {EXAMPLE}"
    finished = run(fit, place)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    assert "valid" in finished.stdout
    assert re.search(r"\bmu_signal\b", finished.stdout)


def nablafit_commands() -> list[str]:
    return [command for command in commands() if command.startswith("nablafit ")]


def test_command_lines_in_their_order(place: Path) -> None:
    """`workspace.json` stands for a workspace of the user."""
    for command in nablafit_commands():
        finished = run(command.replace(" workspace.json", f" {EXAMPLE}"), place)
        assert finished.returncode == 0, f"{command}: {finished.stderr}"
        assert finished.stdout, command


def test_there_are_commands() -> None:
    assert len(nablafit_commands()) >= 2


def test_python(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(REPOSITORY)
    namespace: dict[str, Any] = {}
    assert blocks("python")
    for index, block in enumerate(blocks("python")):
        exec(compile(block, f"README.md, Python block {index + 1}", "exec"), namespace)
    assert namespace["result"].valid
    assert "mu_signal" in capsys.readouterr().out


def test_cmake_directory() -> None:
    """The path that the CMake command of the README asks for."""
    asked = re.search(r'"\$\(python (-m nablafit [^)]*)\)"', README)
    assert asked
    found = subprocess.run(
        [sys.executable, *shlex.split(asked[1])], check=True, capture_output=True, text=True
    )
    assert found.stdout.strip().endswith("nablafit")


def test_files_that_are_named_exist() -> None:
    folders = r"`((?:docs|benchmarks|examples|tests|third_party)/[\w./-]*)`"
    names = re.findall(folders, README) + re.findall(r"\]\((?!http)([\w./-]+)\)", README)
    assert names
    assert [name for name in names if not (REPOSITORY / name).exists()] == []
