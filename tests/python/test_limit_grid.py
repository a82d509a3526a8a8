"""Limits of signal grids: each signal as if it were alone, ordered, failures as statuses."""

import copy
import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY
from nablafit.infer import LimitGridResult
from nablafit.io.patchset import apply_operations, digest


def without_signal(document: dict[str, Any]) -> dict[str, Any]:
    background = copy.deepcopy(document)
    del background["channels"][0]["samples"][0]
    return background


def entry(document: dict[str, Any], mass: float, scale: float) -> dict[str, Any]:
    signal = copy.deepcopy(document["channels"][0]["samples"][0])
    signal["data"] = [scale * number for number in signal["data"]]
    signal["modifiers"].append(
        {"name": f"theory_{mass}", "type": "normsys", "data": {"lo": 0.9, "hi": 1.2}}
    )
    operations = [
        {"op": "add", "path": "/channels/0/samples/-", "value": signal},
        {"op": "replace", "path": "/measurements/0/name", "value": f"signal_{mass}"},
    ]
    return {"metadata": {"name": f"s_{mass}", "values": [mass, "a"]}, "patch": operations}


@pytest.fixture
def background(document: dict[str, Any]) -> nf.Workspace:
    return nf.Workspace.load(without_signal(document))


@pytest.fixture
def patches(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {
            "digests": {"sha256": digest(without_signal(document))},
            "references": {},
            "description": "",
            "labels": ["mass", "kind"],
        },
        "patches": [
            entry(document, 900, 0.3),
            entry(document, 100, 2.0),
            entry(document, 500, 1.0),
        ],
        "version": "1.0.0",
    }


def test_each_signal_as_if_alone(background: nf.Workspace, patches: dict[str, Any]) -> None:
    calls: list[int] = []
    grid = nf.limit_grid(background, patches, progress=calls.append)
    assert grid.names == ("s_100", "s_500", "s_900")
    assert grid.points == ((100, "a"), (500, "a"), (900, "a"))
    assert grid.status == ("ok",) * 3
    assert grid.poi == "mu"
    assert grid.complete
    assert calls[-1] == 3
    for i, name in enumerate(grid.names):
        patched = background.patch(patches, name)
        model = patched.model()
        limit = nf.upper_limit(model, patched.data(model))
        found = [grid.observed[i], *grid.expected[i]]
        np.testing.assert_allclose(found, limit.limits, rtol=1e-6)
        assert grid.poi_hat[i] == pytest.approx(limit.poi_hat, abs=1e-4)
        test = nf.hypotest(model, patched.data(model))
        assert grid.cls_observed[i] == pytest.approx(test.cls, rel=1e-6)
        np.testing.assert_allclose(grid.cls_expected[i], test.expected_cls, rtol=1e-6)
    assert np.all(np.diff(grid.observed) > 0)


def test_threads_change_nothing(background: nf.Workspace, patches: dict[str, Any]) -> None:
    one, two = (nf.limit_grid(background, patches, n_threads=n) for n in (1, 2))
    assert one == two


def test_choice_of_signals(background: nf.Workspace, patches: dict[str, Any]) -> None:
    grid = nf.limit_grid(background, patches, names=["s_900", "s_100"], criterion="CLs+b")
    assert grid.names == ("s_100", "s_900")
    with pytest.raises(nf.ArgumentError, match="s_90: no such patch"):
        nf.limit_grid(background, patches, names=["s_90"])


def test_failures_are_statuses(
    document: dict[str, Any], background: nf.Workspace, patches: dict[str, Any]
) -> None:
    bad: list[tuple[str, list[dict[str, Any]], str, str]] = [
        ("misfit", [{"op": "remove", "path": "/channels/7"}], "error", "does not fit"),
        ("none", [], "error", "no channel has it"),
        (
            "broken",
            [{"op": "replace", "path": "/channels/0/samples/0/data", "value": "x"}],
            "error",
            "/channels/0/samples/0/data",
        ),
        ("empty", entry(document, 1, 0.0)["patch"], "no_effect", "changes no expected yield"),
    ]
    for i, (name, operations, _, _) in enumerate(bad):
        metadata = {"name": name, "values": [i, "b"]}
        patches["patches"].append({"metadata": metadata, "patch": operations})
    grid = nf.limit_grid(background, patches)
    rows = {row[0]: row for row in grid.rows}
    for name, _, status, message in bad:
        i = grid.names.index(name)
        assert grid.status[i] == status
        assert message in grid.messages[i]
        assert rows[name][-1] == status
    assert math.isnan(grid.observed[grid.names.index("misfit")])
    assert grid.status_counts == {"error": 3, "no_effect": 1, "ok": 3}


def test_interruption_keeps_what_is_done(background: nf.Workspace, patches: dict[str, Any]) -> None:
    def stop(n_done: int) -> None:
        if n_done:
            raise KeyboardInterrupt

    many = patches["patches"][0]
    for i in range(60):
        metadata = {"name": f"more_{i}", "values": [1000 + i, "a"]}
        patches["patches"].append({**many, "metadata": metadata})
    with pytest.raises(nf.Interrupted) as caught:
        nf.limit_grid(background, patches, n_threads=1, progress=stop)
    grid = caught.value.result
    assert isinstance(grid, LimitGridResult)
    assert not grid.complete
    assert grid.status_counts["ok"] >= 1
    assert grid.status_counts["not_done"] >= 50
    assert np.all(np.isfinite(grid.observed) == [status == "ok" for status in grid.status])


def test_tables(background: nf.Workspace, patches: dict[str, Any], tmp_path: Path) -> None:
    grid = nf.limit_grid(background, patches)
    path = tmp_path / "grid.csv"
    rows = list(csv.DictReader(io.StringIO(grid.to_csv(path))))
    assert path.read_text("utf-8") == grid.to_csv()
    assert [float(row["mass"]) for row in rows] == [100, 500, 900]
    assert float(rows[1]["limit_observed"]) == grid.observed[1]
    assert float(rows[2]["limit_plus2"]) == grid.expected[2, 4]
    grid.save(tmp_path / "grid.json")
    assert nf.load_result(tmp_path / "grid.json") == grid
    assert "3 signals from patch set" in repr(grid)
    assert "<table>" in grid._repr_html_()


def test_misuse(background: nf.Workspace, patches: dict[str, Any]) -> None:
    with pytest.raises(nf.ArgumentError, match="level"):
        nf.limit_grid(background, patches, level=2.0)
    with pytest.raises(nf.ArgumentError, match="n_threads"):
        nf.limit_grid(background, patches, n_threads=0)
    patches["metadata"]["digests"]["sha256"] = "0"
    with pytest.raises(nf.WorkspaceError, match="digest of the workspace"):
        nf.limit_grid(background, patches)
    assert nf.limit_grid(background, patches, verify=False).complete
    other = nf.Workspace.load(REPOSITORY / "tests" / "data" / "histfactory_xml")
    with pytest.raises(nf.WorkspaceError, match="patch sets are for pyhf JSON"):
        nf.limit_grid(other, patches)


def test_patches_copy_only_what_they_change(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    operations = [
        {"op": "add", "path": "/channels/0/samples/-", "value": {"name": "new", "data": [1.0]}},
        {"op": "replace", "path": "/channels/0/samples/2/data/0", "value": 7.0},
        {"op": "copy", "from": "/channels/1/samples/0", "path": "/channels/0/samples/0"},
        {"op": "replace", "path": "/channels/0/samples/0/data/0", "value": 9.0},
        {"op": "move", "from": "/observations/0", "path": "/observations/1"},
        {"op": "test", "path": "/version", "value": "1.0.0"},
    ]
    values = copy.deepcopy(operations)
    patched = apply_operations(document, operations)
    assert document == before
    assert operations == values
    assert patched["channels"][0]["samples"][0]["data"] == [9.0]
    assert patched["channels"][0]["samples"][3]["data"] == [7.0]
    assert patched["channels"][1]["samples"][0] is document["channels"][1]["samples"][0]
    assert patched["channels"][0]["samples"][2] is document["channels"][0]["samples"][1]
