"""Files that version 0.1.0 wrote, before its modules moved to folders, are read as ever.

`results.pickle` has a result of every kind by name, and `results.json` its document; `toys.npz` and
`fits.npz` were written by `save`. They come from one model with two bins and three parameters.
"""

import importlib
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import nablafit as nf
from locations import REPOSITORY
from nablafit._moved import MOVED

FILES = REPOSITORY / "tests" / "data" / "results"


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FILES / "results.json").read_text(encoding="utf-8"))
    return found


def renamed(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a saved document as it is written now."""
    if isinstance(document, list):
        return [renamed(item) for item in document]
    if not isinstance(document, dict):
        return document
    is_fit = document.get("format") == "nablafit.FitResult/1"
    names = {"inputs": "provenance"} if is_fit else {}
    added = {"signals": []} if document.get("format") == "nablafit.YieldsResult/1" else {}
    return {names.get(name, name): renamed(value) for name, value in document.items()} | added


@pytest.fixture(scope="module")
def pickled() -> dict[str, Any]:
    found: dict[str, Any] = pickle.loads((FILES / "results.pickle").read_bytes())
    return found


def test_pickles_of_all_results_are_read(
    pickled: dict[str, Any], documents: dict[str, Any]
) -> None:
    assert len(documents) == 20
    assert set(documents) <= set(pickled)
    for name, document in documents.items():
        assert json.loads(json.dumps(pickled[name].to_dict())) == renamed(document), name
    assert pickled["values"]["mu"] == pickled["estimate"].value
    assert isinstance(pickled["inputs"], nf.Provenance)
    assert isinstance(pickled["options"], nf.FitOptions)
    with pytest.deprecated_call():
        assert pickled["FitResult"].inputs == pickled["FitResult"].provenance
    with pytest.deprecated_call():
        assert nf.Inputs is nf.Provenance
    assert pickled["report"].pulls == pickled["pulls"]
    assert nf.fit(pickled["model"], pickled["data"]).x == pytest.approx(pickled["FitResult"].x)


def test_saved_documents_are_read(documents: dict[str, Any], tmp_path: Path) -> None:
    archived = {"fit_many", "toys"}
    for name in documents.keys() - archived:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(documents[name]), encoding="utf-8")
        assert json.loads(nf.load_result(path).to_json()) == renamed(documents[name]), name


def test_archives_are_read(pickled: dict[str, Any]) -> None:
    assert nf.Toys.load(FILES / "toys.npz") == pickled["toys"]
    assert nf.FitManyResult.load(FILES / "fits.npz") == pickled["fit_many"]


def test_former_paths_lead_to_the_present_ones() -> None:
    assert len(MOVED) > 10
    for former, present in MOVED.items():
        module = importlib.import_module(present)
        name = next(name for name, item in vars(module).items() if inspect.isclass(item))
        assert getattr(importlib.import_module(former), name) is getattr(module, name), former
    assert nf.likelihood.PointStatus is nf.model.PointStatus


def test_former_paths_hide_no_function(pickled: dict[str, Any]) -> None:
    """`nablafit.infer.correlation` was a module under the name of its function."""
    assert isinstance(pickled["correlation"], nf.infer.CorrelationResult)
    assert nf.infer.correlation is nf.correlation
