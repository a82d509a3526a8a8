"""The house rules that a program can check."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import nablafit
from locations import REPOSITORY
from source_scan import Function, circles, functions, imports, sources, tracked_files, within

MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 80
MAX_FILES = 25
FOLDERS = ("cpp/", "python/", "benchmarks/", "examples/")
CPP = (".hpp", ".cpp")
INSTALLED = nablafit.cmake_dir().parents[2]
# Folders of cpp/src: each includes those before it only. The last are of the target io.
CPP_LAYERS = (
    "kernels", "util", "formula", "reference", "ad", "spec", "arrow", "compile", "evaluate",
    "relax", "minimize", "batch", "differentiate", "io/json", "io", "io/pyhf", "io/hs3",
)  # fmt: skip


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
    binary = {".root", ".npz", ".png", ".pdf", ".pickle"}
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


def test_folders_are_small() -> None:
    names = [relative(path) for path in tracked_files()]
    counts = Counter(name.rpartition("/")[0] for name in names if name.startswith(FOLDERS))
    assert len(counts) > 10
    assert {name: n for name, n in counts.items() if n > MAX_FILES} == {}


def test_python_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = imports(REPOSITORY / "python" / "nablafit")
    assert len(graph) > 100
    assert circles(graph) == []


def test_python_folders_do_not_import_each_other_in_a_circle() -> None:
    """In each folder, files and whole folders can be sorted so that all imports go down."""
    graph = imports(REPOSITORY / "python" / "nablafit")
    packages = {module.rpartition(".")[0] for module in graph} - {""}
    assert len(packages) > 10
    found = {package: circles(within(graph, package)) for package in packages}
    assert {package: groups for package, groups in found.items() if groups} == {}


def test_scan_sees_circles_of_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "__init__.py": "from .a import f\n",
        "a.py": "def f():\n    from .b import c\n",
        "b/__init__.py": "",
        "b/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..d import x\n",
        "b/e.py": "import p.a\n",
        "d.py": "from . import core\nfrom .b.c import y\n",
        "core.pyi": "",
    }
    for name, text in files.items():
        path = tmp_path / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr("source_scan.tracked_files", lambda: sorted(tmp_path.rglob("*.py*")))
    graph = imports(tmp_path / "p")
    assert graph["p.d"] == {"p.core", "p.b.c"}
    assert circles(graph) == [["p.b.c", "p.d"]]
    assert circles(within(graph, "p")) == [["p.a", "p.b", "p.d"]]


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


def test_cpp_folders_are_layers() -> None:
    source = REPOSITORY / "cpp" / "src"
    upwards, folders = [], set()
    for path in sources(*CPP):
        if not path.is_relative_to(source):
            continue
        folder = path.parent.relative_to(source).as_posix()
        folders.add(folder)
        for included in re.findall(r'^#include "([^"]+)"', path.read_text(encoding="utf-8"), re.M):
            other = Path(included).parent.as_posix()
            if other in CPP_LAYERS and CPP_LAYERS.index(other) > CPP_LAYERS.index(folder):
                upwards.append(f"{relative(path)} includes {included}")
    assert folders == set(CPP_LAYERS)
    assert upwards == []


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


def test_files_are_written_in_one_place() -> None:
    """At once or not at all, and with the mode of any new file."""
    package = [path for path in sources(".py") if "nablafit" in path.parts]
    writing = r"\.write_(text|bytes)\(|savez|mkstemp|umask|open\(\"[wxa]"
    assert {line.partition(":")[0] for line in lines_matching(writing, package)} == {
        "python/nablafit/_results/files.py"
    }


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
