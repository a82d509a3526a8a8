"""What an installation contains, and that a source distribution has all that makes it."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import nablafit
from locations import REPOSITORY
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
    stray = re.compile(r"(Eigen|nlohmann|pybind11|\.o$|(^|/)tests?/)")
    return sorted(n for n in names if not allowed.match(n) or stray.search(n))


def test_installation_is_complete() -> None:
    files = importlib.metadata.files("nablafit") or []
    names = {path.as_posix() for path in files if "__pycache__" not in path.parts}
    assert missing_from(names) == []
    assert foreign_in(names) == []


def test_metadata() -> None:
    metadata = importlib.metadata.metadata("nablafit")
    assert metadata["Name"] == "nablafit"
    assert metadata["License-Expression"] == "BSD-3-Clause"
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
