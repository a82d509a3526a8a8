"""Malformed workspaces: where the error is, and what it says.

The C++ tests read the whole table as text; here, what a mapping can hold is one.
"""

import io
import json
from pathlib import Path
from typing import Any

import pytest

import nablafit as nf
from locations import REPOSITORY

TABLE = json.loads((REPOSITORY / "tests" / "data" / "malformed_pyhf.json").read_text("utf-8"))
BASE = "\n".join(TABLE["base"])
# Without those that `Workspace.load` hands to another reader.
CASES = [case for case in TABLE["cases"] if "only" not in case]


def malformed_text(case: dict[str, str]) -> str:
    """Return `text`, or the base workspace with its one occurrence of `find` replaced."""
    if "text" in case:
        return case["text"]
    assert BASE.count(case["find"]) == 1
    return BASE.replace(case["find"], case["replace"])


def parsed(case: dict[str, str]) -> dict[str, Any] | None:
    """Return what Python's json module reads of a case, None where that is not the same thing."""
    try:
        document = json.loads(malformed_text(case), parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError, RecursionError):
        return None
    same = isinstance(document, dict) and "more than once" not in case["message"]
    return document if same and "line" not in case["location"] else None


MAPPINGS = [pytest.param(parsed(case), case, id=case["name"]) for case in CASES if parsed(case)]
TEXTS = [pytest.param(case, id=case["name"]) for case in CASES if not parsed(case)]


def test_base_is_valid() -> None:
    workspace = nf.Workspace.load(BASE.encode())
    assert workspace.measurements == ("nominal", "blind")


@pytest.mark.parametrize("case", TEXTS)
def test_text(case: dict[str, str]) -> None:
    with pytest.raises(nf.WorkspaceError) as caught:
        nf.Workspace.load(malformed_text(case).encode())
    assert caught.value.location == case["location"]
    assert case["message"] in str(caught.value)
    assert str(caught.value).startswith(case["location"] + ": ")


@pytest.mark.parametrize(("document", "case"), MAPPINGS)
def test_mapping(document: dict[str, Any], case: dict[str, str]) -> None:
    with pytest.raises(nf.WorkspaceError) as caught:
        nf.Workspace.load(document)
    assert caught.value.location == case["location"]
    assert case["message"] in str(caught.value)


def test_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(BASE.replace('"type": "staterror"', '"type": "staterr"'), encoding="utf-8")
    pointer = "/channels/0/samples/1/modifiers/1/type"
    with pytest.raises(nf.WorkspaceError) as caught:
        nf.Workspace.load(path)
    assert caught.value.location == f"{path}: {pointer}"
    with path.open("rb") as file, pytest.raises(nf.WorkspaceError) as caught:
        nf.Workspace.load(file)
    assert caught.value.location.endswith(pointer)
    with pytest.raises(nf.WorkspaceError) as caught:
        nf.Workspace.load(io.StringIO(path.read_text("utf-8")))
    assert caught.value.location.endswith(pointer)


def test_not_a_number_in_a_mapping() -> None:
    document = json.loads(BASE)
    document["channels"][0]["samples"][0]["data"][1] = float("nan")
    with pytest.raises(nf.WorkspaceError, match="NaN"):
        nf.Workspace.load(document)


def test_workspace_error_is_a_value_error() -> None:
    assert issubclass(nf.WorkspaceError, nf.Error)
    assert issubclass(nf.WorkspaceError, ValueError)
