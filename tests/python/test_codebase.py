"""The house rules that a program can check."""

import re
import subprocess
from pathlib import Path

import pytest

import nablafit
from locations import REPOSITORY
from source_scan import Function, functions, sources, tracked_files

MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 80
CPP = (".hpp", ".cpp")
INSTALLED = nablafit.cmake_dir().parents[2]


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def lines_matching(pattern: str, paths: list[Path]) -> list[str]:
    """`file:line: text` of every match."""
    regex = re.compile(pattern)
    return [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if regex.search(line)
    ]


def text_files() -> list[Path]:
    binary = {".root", ".npz", ".png", ".pdf"}
    seeds = REPOSITORY / "tests" / "fuzz" / "seeds" / "model"
    paths = [path for path in tracked_files() if path.suffix not in binary]
    return [path for path in paths if path.parent != seeds]


def symbols(*options: str) -> list[str]:
    """Run nm on the installed core; its lines, demangled."""
    library = INSTALLED / "lib" / "libnablafit_core.a"
    command = ["nm", "-C", *options, str(library)]
    try:
        finished = subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("nm is not installed")
    return finished.stdout.splitlines()


def test_files_are_short() -> None:
    lengths = {
        relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*CPP, ".py", ".pyi")
    }
    assert lengths
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


@pytest.mark.slow
def test_functions_are_short() -> None:
    found = [function for path in sources(*CPP, ".py") for function in functions(path)]
    assert len(found) > 100
    too_long = [f for f in found if f.lines > MAX_FUNCTION_LINES]
    assert [f"{relative(f.path)}:{f.line}: {f.name} has {f.lines} lines" for f in too_long] == []


def test_scan_sees_the_functions_of_a_cpp_file(tmp_path: Path) -> None:
    path = tmp_path / "example.cpp"
    path.write_text(
        "namespace a {\n"
        "constexpr int table[] = {\n 1,\n 2};\n"
        "template <class T>\n"
        "struct B {\n"
        "  B() : x_(1) {\n    // }\n  }\n"
        "  int x_;\n"
        "};\n"
        "template <class T>\n"
        "int f(const T& t) {\n"
        '  auto g = [](int x) { return "}"[x]; };\n'
        "  if (t) {\n    return g(1'000);\n  }\n"
        "  return 0;\n"
        "}\n"
        "}  // namespace a\n"
    )
    expected = [
        Function(path, "B() : x_(1)", 7, 3),
        Function(path, "template <class T> int f(const T& t)", 12, 8),
    ]
    assert list(functions(path)) == expected


def test_core_knows_no_python() -> None:
    lines = symbols()
    assert any("nablafit::Model" in line for line in lines)
    assert [line for line in lines if "Py_" in line or "_Py" in line] == []


def test_sweeps_share_no_code_with_the_rest() -> None:
    """A function compiled with AVX and visible to the linker could replace the portable copy."""
    member = ""
    checked = 0
    shared = []
    for line in symbols("--defined-only"):
        if line.endswith(":"):
            member = line
        match = re.match(r"[0-9a-f]+ ([A-Za-z]) (.*)", line)
        if match is None or not member.startswith("sweep.cpp"):
            continue
        checked += 1
        kind, name = match.groups()
        if (kind.isupper() or kind in "uvw") and not re.search(r"\bsweep_\w+::", name):
            shared.append(f"{member} {line}")
    assert checked
    assert shared == []


def test_public_headers_stand_alone() -> None:
    headers = [p for p in sources(".hpp") if relative(p).startswith("cpp/include/")]
    assert headers
    assert lines_matching(r"#include\s*<(Eigen|nlohmann|pybind11|clad|codi)", headers) == []
    assert lines_matching(r"#include\s*[<\"]Python\.h", headers) == []


def test_core_knows_no_json() -> None:
    core = [
        path
        for path in sources(*CPP)
        if relative(path).startswith("cpp/src/") and "/io/" not in relative(path)
    ]
    assert core
    assert lines_matching(r"nlohmann", core) == []


def test_tools_of_differentiation_stay_in_their_directory() -> None:
    rest = [
        path
        for path in sources(*CPP)
        if relative(path).startswith("cpp/") and not relative(path).startswith("cpp/src/ad/")
    ]
    assert lines_matching(r"#include\s*<(codi|clad)", rest) == []


def test_sources_are_listed() -> None:
    lists = [p for p in tracked_files() if p.name == "CMakeLists.txt" or p.suffix == ".cmake"]
    assert lines_matching(r"file\(\s*GLOB", lists) == []


def test_nothing_is_left_open() -> None:
    words = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X"))
    assert lines_matching(rf"\b({words})\b", sources(*CPP, ".py", ".pyi", ".md")) == []


def test_no_paths_of_one_machine() -> None:
    places = "|".join(("root", "work", "home/[a-z]+", "Users/[A-Za-z]+"))
    assert lines_matching(rf"(?<![\w.])/({places})/", text_files()) == []


def test_no_package_index_is_named() -> None:
    options = "|".join(("index" + "-url", "find" + "-links", "trusted" + "-host", r"/simple\b/?$"))
    assert lines_matching(rf"({options})", text_files()) == []


def test_version_is_the_same_everywhere() -> None:
    def stated(name: str, pattern: str) -> str:
        match = re.search(pattern, (REPOSITORY / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert match, f"{name} states no version"
        return match.group(1)

    version = stated("pyproject.toml", r'^version = "(.*)"$')
    assert stated("CITATION.cff", r"^version: (.*)$") == version
    assert nablafit.__version__ == version
    header = (INSTALLED / "include" / "nablafit" / "version.hpp").read_text(encoding="utf-8")
    assert f'#define NABLAFIT_VERSION "{version}"' in header
