"""Patch sets, against pyhf."""

import json
from pathlib import Path
from typing import Any

import pytest

import nablafit as nf
from nablafit.io.patchset import apply_operations, digest

pyhf = pytest.importorskip("pyhf")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def patches(document: dict[str, Any]) -> dict[str, Any]:
    """Two signals for the small workspace."""

    def entry(mass: int, yields: list[float]) -> dict[str, Any]:
        path = "/channels/0/samples/0/data"
        operations = [
            {"op": "test", "path": "/channels/0/samples/0/name", "value": "signal"},
            {"op": "replace", "path": path, "value": yields},
        ]
        return {"metadata": {"name": f"m_{mass}", "values": [mass, 10.5]}, "patch": operations}

    return {
        "metadata": {
            "references": {"hepdata": "ins1234567"},
            "description": "Two signals",
            "digests": {
                "sha256": pyhf.utils.digest(document, "sha256"),
                "md5": digest_md5(document),
            },
            "labels": ["mass", "width"],
        },
        "patches": [entry(100, [1.0, 2.0]), entry(200, [4.0, 3.0])],
        "version": "1.0.0",
    }


def digest_md5(document: dict[str, Any]) -> str:
    return str(pyhf.utils.digest(document, "md5"))


def test_digests_are_those_of_pyhf(document: dict[str, Any]) -> None:
    document["channels"][0]["name"] = "région"
    assert digest(document) == pyhf.utils.digest(document, "sha256")
    assert digest(document, "md5") == pyhf.utils.digest(document, "md5")


def test_patched_workspaces_are_those_of_pyhf(
    document: dict[str, Any], patches: dict[str, Any]
) -> None:
    theirs = pyhf.PatchSet(patches)
    ours = nf.PatchSet.load(patches)
    workspace = nf.Workspace.load(document)
    for key in ("m_100", (200, 10.5)):
        expected = nf.Workspace.load(dict(theirs.apply(pyhf.Workspace(document), key)))
        assert workspace.patch(ours, key).spec() == expected.spec()
    assert workspace.spec() == nf.Workspace.load(document).spec()


def test_patch_sets_are_mappings(patches: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "patches.json"
    path.write_text(json.dumps(patches))
    with path.open("rb") as file:
        sets = [nf.PatchSet.load(source) for source in (path, str(path), path.read_bytes(), file)]
    for patchset in sets:
        assert list(patchset) == ["m_100", "m_200"]
        assert patchset["m_200"].values == (200, 10.5)
        assert patchset.labels == ("mass", "width")
        assert patchset.references == {"hepdata": "ins1234567"}
        assert patchset.description == "Two signals"
    assert sets[0].source == str(path)
    assert repr(sets[0]) == f"<PatchSet '{path}': 2 patches, mass, width>"


def test_workspaces_name_their_patch(document: dict[str, Any], patches: dict[str, Any]) -> None:
    workspace = nf.Workspace.load(document)
    assert workspace.patch(patches, "m_100").source == "workspace (m_100)"
    patches["patches"] = patches["patches"][:1]
    assert workspace.patch(patches).source == "workspace (m_100)"


def test_operations_alone(document: dict[str, Any]) -> None:
    operations = [{"op": "remove", "path": "/channels/0/samples/1/modifiers/2"}]
    patched = nf.Workspace.load(document).patch(operations)
    assert "stat[0]" not in patched.model().parameters


def test_digests_are_verified(document: dict[str, Any], patches: dict[str, Any]) -> None:
    document["observations"][0]["data"][0] += 1.0
    workspace = nf.Workspace.load(document)
    with pytest.raises(nf.WorkspaceError, match=r"the sha256 digest of the workspace is .* this"):
        workspace.patch(patches, "m_100")
    workspace.patch(patches, "m_100", verify=False)
    patches["metadata"]["digests"] = {"crc32": "0"}
    with pytest.raises(nf.WorkspaceError, match="digests: found crc32, expected sha256 or md5"):
        workspace.patch(patches, "m_100")


def test_choices_are_checked(document: dict[str, Any], patches: dict[str, Any]) -> None:
    workspace = nf.Workspace.load(document)
    with pytest.raises(nf.ArgumentError, match=r"m_10: no such patch .* did you mean m_100"):
        workspace.patch(patches, "m_10")
    with pytest.raises(nf.ArgumentError, match=r"no patch with these values .* mass, width"):
        workspace.patch(patches, (1, 2))
    with pytest.raises(nf.ArgumentError, match="choose one of 2 patches"):
        workspace.patch(patches)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "replace", "path": "/nothing/0", "value": 1}, "does not fit the workspace"),
        ({"op": "test", "path": "/version", "value": "2"}, "does not fit the workspace"),
        ({"op": "swap", "path": "/version"}, "does not fit|not an operation"),
        ({"op": "replace", "path": "version", "value": 1}, "does not fit|not an operation"),
        ({"path": "/version"}, "does not fit|not an operation"),
        ({"op": "copy", "path": "/version"}, "not an operation"),
        ("remove", "not an operation"),
        ({"op": "replace", "path": "", "value": []}, "not a JSON object"),
    ],
)
def test_patches_that_do_not_fit(
    document: dict[str, Any], operation: dict[str, Any], message: str
) -> None:
    with pytest.raises(nf.WorkspaceError, match=message):
        apply_operations(document, [operation], "set: name")


@pytest.mark.slow
def test_copies_are_bounded(document: dict[str, Any]) -> None:
    bomb = [{"op": "copy", "from": "/channels", "path": f"/channels/{i % 2}/x"} for i in range(100)]
    with pytest.raises(nf.WorkspaceError, match="copies more than"):
        apply_operations(document, bomb)


@pytest.mark.parametrize(
    ("path", "value", "location"),
    [
        (("metadata",), None, "/metadata"),
        (("patches",), {}, "/patches"),
        (("patches", 0), 3, "/patches/0"),
        (("patches", 0, "patch"), "x", "/patches/0/patch"),
        (("patches", 1, "metadata", "name"), "m_100", "/patches/1/metadata/name"),
        (("patches", 1, "metadata", "values"), [100, 10.5], "/patches/1/metadata/values"),
        (("patches", 1, "metadata", "values"), [100], "/patches/1/metadata/values"),
        (("patches", 1, "metadata", "values"), [100, []], "/patches/1/metadata/values"),
    ],
)
def test_malformed_sets(
    patches: dict[str, Any], path: tuple[Any, ...], value: object, location: str
) -> None:
    parent: Any = patches
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(nf.WorkspaceError) as caught:
        nf.PatchSet.load(patches)
    assert caught.value.location == f"patch set: {location}"


@pytest.mark.parametrize("content", [b"{", b"[1]", b"[" * 100_000, b"\xff\xfe\x00"])
def test_other_content(content: bytes) -> None:
    with pytest.raises(nf.WorkspaceError, match=r"not JSON|expected an object|nested|this is"):
        nf.PatchSet.load(content)


def test_only_pyhf_json_is_patched() -> None:
    from locations import REPOSITORY

    workspace = nf.Workspace.load(REPOSITORY / "tests" / "data" / "histfactory_xml")
    with pytest.raises(nf.WorkspaceError, match="only pyhf JSON can be patched"):
        workspace.patch([])
