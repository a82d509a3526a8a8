"""The code of documents runs, in its order."""

import ast
import doctest
import hashlib
import importlib
import inspect
import json
import re
import runpy
import shlex
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY
from nablafit.cli import main

DOCS = REPOSITORY / "docs"
EXAMPLE = REPOSITORY / "examples" / "multichannel.json"
BLOCK = re.compile(r"^```(python|sh|\{code-cell\})\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What documents need beyond the dependencies of the package.
NEEDS = {
    "building.md": ("hist", "pandas"),
    "howto/limit.md": ("matplotlib", "mplhep"),
    "migration/cabinetry.md": ("cabinetry",),
    "migration/pyhf.md": ("pyhf",),
    "howto/ranking.md": ("matplotlib", "mplhep"),
    "tutorial/first_hour.md": ("matplotlib", "mplhep", "jinja2"),
}
FOLDERS = ("howto", "migration", "reference")
PAGES = [
    "building.md",
    *(
        f"{folder}/{path.name}"
        for folder in FOLDERS
        for path in sorted((DOCS / folder).glob("*.md"))
    ),
]
PAGES_WITH_CODE = [page for page in PAGES if BLOCK.search((DOCS / page).read_text("utf-8"))]
MODULES = (
    "nablafit", "nablafit.build", "nablafit.diff", "nablafit.formulas", "nablafit.infer",
    "nablafit.interop.iminuit", "nablafit.interop.pyhf", "nablafit.io", "nablafit.plot",
    "nablafit.relax", "nablafit.spec", "nablafit.surgery",
)  # fmt: skip


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
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("name", PAGES_WITH_CODE)
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


def public_names() -> list[tuple[str, str]]:
    """Every public name of the package once, with the module that it is looked for in first."""
    pytest.importorskip("matplotlib")
    found: dict[int, tuple[str, str]] = {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            found.setdefault(id(getattr(module, name)), (module.__name__, name))
    return list(found.values())


def examples_of(thing: object) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "")


def write_patch_set(place: Path) -> None:
    """Write a background and two signals, of which examples find the limits."""
    xsec = {"name": "xsec", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}
    sample = {"name": "background", "data": [50.0, 30.0], "modifiers": [xsec]}
    document = {
        "channels": [{"name": "SR", "samples": [sample]}],
        "observations": [{"name": "SR", "data": [52.0, 29.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    (place / "background.json").write_text(json.dumps(document))
    mu = {"name": "mu", "type": "normfactor", "data": None}
    patches = []
    for mass, data in ((300, [6.0, 9.0]), (400, [2.0, 6.0])):
        signal = {"name": "signal", "data": data, "modifiers": [mu]}
        operation = {"op": "add", "path": "/channels/0/samples/0", "value": signal}
        metadata = {"name": f"mass_{mass}", "values": [mass]}
        patches.append({"metadata": metadata, "patch": [operation]})
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    digests = {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    metadata = {"references": {}, "description": "", "digests": digests, "labels": ["mass"]}
    patch_set = {"metadata": metadata, "version": "1.0.0", "patches": patches}
    (place / "patchset.json").write_text(json.dumps(patch_set))


def run_examples(thing: object, name: str) -> None:
    names = {"nf": nf, "np": np}
    test = doctest.DocTest(examples_of(thing), names, name, None, None, None)
    runner = doctest.DebugRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    try:
        runner.run(test)
    except doctest.DocTestFailure as failure:
        pytest.fail(f"{failure.example.source}expected {failure.example.want}got {failure.got}")


def test_every_public_name_has_an_example() -> None:
    """In its docstring, or in the code of a page of the reference."""
    code = "\n".join(
        block
        for page in PAGES
        if page.startswith("reference/")
        for _, block in BLOCK.findall((DOCS / page).read_text("utf-8"))
    )
    missing = [
        f"{module}.{name}"
        for module, name in public_names()
        if not examples_of(getattr(importlib.import_module(module), name))
        and not re.search(rf"\b(nf|spec|infer)\.{name}\b", code)
    ]
    assert missing == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("module", MODULES)
def test_examples_of_docstrings(module: str, place: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("pyhf")
    write_patch_set(place)
    names = [name for found, name in public_names() if found == module]
    things = {name: getattr(importlib.import_module(module), name) for name in names}
    run_examples(importlib.import_module(module), module)
    for name, thing in things.items():
        if not isinstance(thing, ModuleType):
            run_examples(thing, f"{module}.{name}")


def test_reference_has_every_public_name() -> None:
    pages = "\n".join((DOCS / page).read_text("utf-8") for page in PAGES)
    whole = set(re.findall(r"automodule:: ([\w.]+)", pages))
    missing = [
        f"{module}.{name}"
        for module, name in public_names()
        if module not in whole
        and not re.search(rf"nablafit\.(\w+\.)*{name}\b", pages)
        and not re.search(rf"nf\.{name}\b", pages)
    ]
    assert missing == []


def test_the_reference_of_the_command_line_is_current() -> None:
    generator = runpy.run_path(str(REPOSITORY / "docs" / "generate_cli.py"))
    assert generator["main"](["--check"]) == 0
