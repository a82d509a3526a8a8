"""The Python code of documents that say that it runs, runs."""

import re
import runpy

import pytest

from locations import REPOSITORY


@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize(("name", "needs"), [("building.md", ("hist", "pandas"))])
def test_code_blocks_run_in_their_order(name: str, needs: tuple[str, ...]) -> None:
    for package in needs:
        pytest.importorskip(package)
    text = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    variables: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, name, "exec"), variables)


def test_the_reference_of_the_command_line_is_current() -> None:
    generator = runpy.run_path(str(REPOSITORY / "docs" / "generate_cli.py"))
    assert generator["main"](["--check"]) == 0
