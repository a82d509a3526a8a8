"""What an installation contains, and that a source distribution is enough to make it."""

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nablafit
from locations import REPOSITORY

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


@pytest.mark.slow
def test_source_distribution_makes_the_wheel(tmp_path: Path) -> None:
    """Build as a user of the source distribution would, without optimisation, which takes long and
    changes nothing here; needs the build requirements online."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a checkout")
    run = [sys.executable, "-m"]
    subprocess.run(
        [*run, "build", "--sdist", "--outdir", str(tmp_path), str(REPOSITORY)], check=True
    )
    (sdist,) = tmp_path.glob("nablafit-*.tar.gz")
    quick = "--config-settings=cmake.define.CMAKE_CXX_FLAGS_RELEASE=-O0"
    subprocess.run(
        [*run, "pip", "wheel", "--no-deps", quick, "--wheel-dir", str(tmp_path), str(sdist)],
        check=True,
    )
    (wheel,) = tmp_path.glob("nablafit-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert missing_from(names) == []
    assert foreign_in(names) == []
