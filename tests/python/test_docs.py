"""The code of documents runs, in its order."""

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest

from locations import REPOSITORY
from nablafit.cli import main

DOCS = REPOSITORY / "docs"
EXAMPLE = REPOSITORY / "examples" / "multichannel.json"
BLOCK = re.compile(r"^```(python|sh|\{code-cell\})\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What documents need beyond the dependencies of the package.
NEEDS = {
    "building.md": ("hist", "pandas"),
    "howto/limit.md": ("matplotlib", "mplhep"),
    "howto/ranking.md": ("matplotlib", "mplhep"),
    "tutorial/first_hour.md": ("matplotlib", "mplhep", "jinja2"),
}
PAGES = ["building.md", *sorted(f"howto/{path.name}" for path in (DOCS / "howto").glob("*.md"))]


def run_command(line: str) -> None:
    words = shlex.split(line, comments=True)
    assert words[0] == "nablafit", line
    assert main(words[1:]) == 0, line


def run_blocks(name: str) -> dict[str, object]:
    """Run Python and shell; `pip` is what made the test possible. Returns the variables."""
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    variables: dict[str, object] = {}
    for language, block in BLOCK.findall((DOCS / name).read_text(encoding="utf-8")):
        if language == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                if line and not line.startswith(("#", "pip ")):
                    run_command(line)
        else:
            exec(compile(ast.parse(block), name, "exec"), variables)
    return variables


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(EXAMPLE, tmp_path / "workspace.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("name", PAGES)
def test_code_blocks_run_in_their_order(name: str) -> None:
    run_blocks(name)


@pytest.mark.slow
def test_tutorial(place: Path) -> None:
    """From histograms to the limit plot, the ranking and a page of all results."""
    variables = run_blocks("tutorial/first_hour.md")
    assert variables["result"].valid
    assert 0.9 < variables["limit"].observed < 1.2
    assert (place / "limit.pdf").stat().st_size > 5000
    assert "wjets_xsec" in (place / "report.html").read_text(encoding="utf-8")
