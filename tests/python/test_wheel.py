"""What an installation contains, and that a source distribution has all that makes it."""

import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import nablafit
from locations import REPOSITORY
from nablafit import _core
from source_scan import tracked_files

HEADERS = sorted(
    path.relative_to(REPOSITORY / "cpp").as_posix()
    for path in (REPOSITORY / "cpp" / "include").rglob("*.hpp")
)
MODULES = sorted(
    path.relative_to(REPOSITORY / "python" / "nablafit").as_posix()
    for path in (REPOSITORY / "python" / "nablafit").rglob("*.py")
)
EXPECTED = [
    "__init__.py",
    "_core.pyi",
    "py.typed",
    "include/nablafit/version.hpp",
    "lib/libnablafit_core.a",
    "lib/libnablafit_io.a",
    "lib/pkgconfig/nablafit-core.pc",
    "lib/pkgconfig/nablafit-io.pc",
    "lib/cmake/nablafit/nablafitConfig.cmake",
    "lib/cmake/nablafit/nablafitConfigVersion.cmake",
    "lib/cmake/nablafit/nablafitTargets.cmake",
    "lib/cmake/nablafit/nablafitTargets-release.cmake",
    *HEADERS,
    *MODULES,
]


def missing_from(names: set[str]) -> list[str]:
    missing = [name for name in EXPECTED if f"nablafit/{name}" not in names]
    if not any(re.fullmatch(r"nablafit/_core\..*(so|pyd)", name) for name in names):
        missing.append("_core extension")
    if not any(re.search(r"nablafit-.*\.dist-info/.*LICENSE", name) for name in names):
        missing.append("LICENSE")
    return missing


def foreign_in(names: set[str]) -> list[str]:
    """Names outside the package: third-party headers, tests, build products."""
    allowed = re.compile(r"nablafit/|nablafit-[^/]*\.dist-info/|(\.\./)+bin/nablafit(\.exe)?$")
    stray = re.compile(r"((Eigen|nlohmann|pybind11)/|\.o$|(^|/)tests?/)")
    return sorted(n for n in names if not allowed.match(n) or stray.search(n))


def test_installation_is_complete() -> None:
    files = importlib.metadata.files("nablafit") or []
    names = {path.as_posix() for path in files if "__pycache__" not in path.parts}
    assert missing_from(names) == []
    assert foreign_in(names) == []


def test_metadata() -> None:
    metadata = importlib.metadata.metadata("nablafit")
    assert metadata["Name"] == "nablafit"
    assert metadata["License-Expression"] == "BSD-3-Clause AND MIT AND MPL-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    assert {"test", "plot", "bench", "dev"} <= set(metadata.get_all("Provides-Extra"))


@pytest.mark.process
def test_cmake_directory_is_printed() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "nablafit", "--cmake-dir"],
        check=True,
        capture_output=True,
        text=True,
    )
    directory = Path(finished.stdout.strip())
    assert directory == nablafit.cmake_dir()
    assert (directory / "nablafitConfig.cmake").is_file()
    assert (nablafit.pkgconfig_dir() / "nablafit-core.pc").is_file()


@pytest.mark.build
def test_source_distribution_is_what_is_tracked(tmp_path: Path) -> None:
    """Hence it makes the wheel that a checkout makes; builds it offline where that is possible."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a checkout")
    offline = ["--no-isolation"] if importlib.util.find_spec("scikit_build_core") else []
    command = [sys.executable, "-m", "build", "--sdist", *offline, "--outdir", str(tmp_path)]
    subprocess.run([*command, str(REPOSITORY)], check=True)
    (sdist,) = tmp_path.glob("nablafit-*.tar.gz")
    with tarfile.open(sdist) as archive:
        found = {
            member.name.partition("/")[2]: archive.extractfile(member).read()
            for member in archive.getmembers()
            if member.isfile()
        }
    assert b"Name: nablafit" in found["PKG-INFO"]
    tracked = {p.relative_to(REPOSITORY).as_posix(): p.read_bytes() for p in tracked_files()}
    assert [name for name, content in tracked.items() if found.get(name) != content] == []


# --- what is compiled in -------------------------------------------------------------------------


def metadata_file(name: str) -> str:
    """Return the content of a file in the metadata of the installation."""
    files = importlib.metadata.files("nablafit") or []
    found = [path for path in files if path.as_posix().endswith(f".dist-info/{name}")]
    assert len(found) == 1, f"{name}: {found}"
    return found[0].read_text(encoding="utf-8")


def components() -> dict[str, dict[str, Any]]:
    listed = json.loads(metadata_file("sboms/nablafit.cdx.json"))
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    assert listed["metadata"]["component"]["version"] == nablafit.__version__
    return {component["name"]: component for component in listed["components"]}


def test_versions_and_licences_of_components_are_stated() -> None:
    found = components()
    assert set(found) == {"eigen", "nlohmann-json", "pybind11"}
    for component in found.values():
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)+", component["version"]), component
        assert component["purl"].endswith(component["version"])
    assert found["pybind11"]["version"].startswith(nablafit.build_info()["pybind11"])
    licences = {c["licenses"][0]["license"]["id"] for c in found.values()}
    expression = importlib.metadata.metadata("nablafit")["License-Expression"]
    assert licences | {"BSD-3-Clause"} == set(expression.split(" AND "))


def test_licence_texts_are_shipped() -> None:
    for name, component in components().items():
        licence = component["licenses"][0]["license"]["id"]
        file = f"{name}-{licence}.txt"
        text = metadata_file(f"licenses/third_party/licenses/{file}")
        assert text == (REPOSITORY / "third_party" / "licenses" / file).read_text(encoding="utf-8")
        words = {"MIT": "Permission is hereby granted", "MPL-2.0": "Mozilla Public License"}
        assert words.get(licence, "Redistribution and use") in text
        assert "Copyright" in text or licence == "MPL-2.0"


def binutils(*command: str) -> str:
    """Run a tool on the extension module; its output."""
    if shutil.which(command[0]) is None or not sys.platform.startswith("linux"):
        pytest.skip(f"needs {command[0]} and ELF")
    return subprocess.run(
        [*command, _core.__file__], check=True, capture_output=True, text=True
    ).stdout


def test_the_extension_exports_its_init_function_only() -> None:
    lines = binutils("nm", "-D", "--defined-only").splitlines()
    assert [line.split()[-1] for line in lines] == ["PyInit__core"]


def test_addresses_are_resolved_on_loading_and_then_read_only() -> None:
    assert "BIND_NOW" in binutils("readelf", "-dW")
    assert "GNU_RELRO" in binutils("readelf", "-lW")
