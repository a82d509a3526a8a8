"""What the house rules are checked on: the repository's files and the functions in them."""

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from locations import REPOSITORY

_NOT_SOURCES = re.compile(r"build|dist|__pycache__|\.(venv|hypothesis|\w+_cache)|.*\.egg-info")
_COMMENTS_AND_LITERALS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<delimiter>\w*)\(.*?\)(?P=delimiter)"|"""
    r""""(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""",
    re.DOTALL,
)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
_TEMPLATE_HEAD = re.compile(r"template\s*<[^{}]*?>(?=\s*(?:\w|\[))")


@dataclass(frozen=True)
class Function:
    """One function: `lines` counts from its declaration to its end, docstring excluded."""

    path: Path
    name: str
    line: int
    lines: int


def tracked_files() -> list[Path]:
    """Return the files under version control, or all files of an unpacked source distribution."""
    if (REPOSITORY / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True
        ).stdout
        paths = [REPOSITORY / name for name in listing.split("\0") if name]
    else:
        paths = [
            path
            for path in REPOSITORY.rglob("*")
            if not any(map(_NOT_SOURCES.fullmatch, path.relative_to(REPOSITORY).parts))
        ]
    return sorted(path for path in paths if path.is_file())


def sources(*suffixes: str) -> list[Path]:
    """Return tracked files with one of these suffixes, generated code excluded."""
    generated = REPOSITORY / "cpp" / "generated"
    return [p for p in tracked_files() if p.suffix in suffixes and generated not in p.parents]


def functions(path: Path) -> Iterator[Function]:
    """Yield the functions of a Python or C++ file."""
    text = path.read_text(encoding="utf-8")
    return _python_functions(path, text) if path.suffix == ".py" else _cpp_functions(path, text)


def _python_functions(path: Path, text: str) -> Iterator[Function]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = node.end_lineno - node.lineno + 1
        if ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines -= docstring.end_lineno - docstring.lineno + 1
        yield Function(path, node.name, node.lineno, lines)


def _blanked(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def _cpp_functions(path: Path, text: str) -> Iterator[Function]:
    """Yield every braced block outside functions that is no scope and no initialiser."""
    code = _PREPROCESSOR.sub(_blanked, _COMMENTS_AND_LITERALS.sub(_blanked, text))
    open_blocks: list[tuple[bool, str, int]] = []
    header_start = 0
    for match in re.finditer(r"[{};]", code):
        position = match.start()
        if match.group() == "{":
            header = code[header_start:position]
            inside = any(is_function for is_function, _, _ in open_blocks)
            is_scope = _SCOPE.search(_TEMPLATE_HEAD.sub("", header)) is not None
            is_function = not inside and not is_scope and not header.rstrip().endswith("=")
            start = header_start + len(header) - len(header.lstrip())
            open_blocks.append((is_function, " ".join(header.split()), start))
        elif match.group() == "}" and open_blocks:
            is_function, name, start = open_blocks.pop()
            if is_function:
                first = code.count("\n", 0, start) + 1
                yield Function(path, name, first, code.count("\n", 0, position) + 2 - first)
        header_start = position + 1


def imports(root: Path) -> dict[str, set[str]]:
    """Return the modules of a package, and those of them that each imports.

    Imports for type checking and inside functions count. The package that holds a module, which
    Python imports before it, does not.
    """
    modules = {}
    for path in (path for path in sources(".py", ".pyi") if root in path.parents):
        parts = path.relative_to(root.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {
        name: {
            target
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for target in _targets(node, name, path.stem == "__init__", modules.keys())
        }
        - {name}
        for name, path in modules.items()
    }


def _targets(node: ast.AST, name: str, is_package: bool, known: Set[str]) -> Iterator[str]:
    """Return the known modules that a statement imports."""
    if isinstance(node, ast.Import):
        yield from {alias.name for alias in node.names} & known
    if not isinstance(node, ast.ImportFrom):
        return
    base = node.module or ""
    if node.level:
        above = name.split(".")[: None if node.level == is_package else is_package - node.level]
        base = ".".join([*above, *([node.module] if node.module else [])])
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        if inner in known or base in known:
            yield inner if inner in known else base


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return groups of nodes that lead to each other, sorted."""
    reached = {node: _reachable(graph, node) for node in graph}
    groups = {
        tuple(sorted(other for other in reached[node] if node in reached.get(other, ())))
        for node in graph
    }
    return [list(group) for group in sorted(groups) if group]


def _reachable(graph: Mapping[str, set[str]], node: str) -> set[str]:
    """Return what is reached by one step or more."""
    found: set[str] = set()
    waiting = list(graph[node])
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += graph.get(place, ())
    return found


def within(graph: Mapping[str, set[str]], package: str) -> dict[str, set[str]]:
    """Return the imports among the files and folders of one package, each folder as one node."""
    prefix = f"{package}."
    depth = package.count(".") + 2

    def place(module: str) -> str | None:
        return ".".join(module.split(".")[:depth]) if module.startswith(prefix) else None

    found: dict[str, set[str]] = {}
    for module, targets in graph.items():
        here = place(module)
        if here is not None:
            places = {there for target in targets if (there := place(target)) is not None}
            found.setdefault(here, set()).update(places - {here})
    return found
