#!/usr/bin/env python3
"""Generate the derivatives of the kernels with Clad, or check that they are current.

``generate_derivatives.py --clad PLUGIN.so --clang clang++`` runs Clad on
``cpp/src/ad/derivative_requests.cpp`` and writes ``cpp/generated/kernel_derivatives.hpp``. The
functions in it are Clad's output, character for character; this script only sorts them into their
namespaces and adds the head of the file.

``generate_derivatives.py --check`` needs neither Clad nor a compiler. It compares two hashes stored
in the head of the generated file: that of the sources it was made from, and that of its own text.

Exit codes: 0 done or current, 1 the generated file is missing, outdated or was edited, 2 a tool
failed or an argument is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE_DIR = REPOSITORY / "cpp" / "src"
GENERATED_FILE = REPOSITORY / "cpp" / "generated" / "kernel_derivatives.hpp"
REQUESTS = "ad/derivative_requests.cpp"
RUNTIME = "ad/clad_runtime.hpp"

REGENERATE = "cpp/tools/generate_derivatives.py --clad PLUGIN.so --clang clang++"
BODY_MARK = "// ---- body ----\n"
# Requested so that Clad finds its rules for exp, log, ...; see derivative_requests.cpp.
DROPPED_PREFIX = "elementary_functions_"
# Clad says this of every using-declaration in a kernel; they are resolved before it sees them.
HARMLESS_WARNING = "declaration kind 'Using' is not supported"


class GenerationError(Exception):
    """A message for the user: what failed and what to do about it."""


@dataclass(frozen=True)
class Function:
    """One top-level declaration or definition of Clad's output.

    Attributes
    ----------
    name : str
        Unqualified name of the function.
    text : str
        Its text, unchanged, with the final newline.
    """

    name: str
    text: str


def strip_comments(text: str) -> str:
    """Return C++ source without comments and with single spaces.

    Comments and layout do not change derivatives, so editing them must not ask for Clad.
    """
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", " ", text)
    return " ".join(text.split())


def included_sources(start: str) -> list[str]:
    """Return `start` and the project headers it includes, transitively, sorted.

    Parameters
    ----------
    start : str
        Path relative to ``cpp/src``.
    """
    found: set[str] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found.add(name)
        includes = re.findall(r'^#include "([^"]+)"', read_source(name), flags=re.MULTILINE)
        pending += [include for include in includes if not include.startswith("clad/")]
    return sorted(found)


def read_source(name: str) -> str:
    """Return the text of a file under ``cpp/src``."""
    path = SOURCE_DIR / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise GenerationError(
            f"cannot read {path}: {error.strerror}. It is needed to make the derivatives: restore "
            "it, or correct the #include that names it."
        ) from error


def digest(text: str) -> str:
    """Return the SHA-256 of a text as hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def source_hash() -> str:
    """Return the hash of the requests, the kernels they include and the run-time header."""
    names = sorted({*included_sources(REQUESTS), RUNTIME})
    return digest("\n".join(f"{name}\n{strip_comments(read_source(name))}" for name in names))


def run_clad(plugin: Path, include_dirs: list[Path], clang: str) -> tuple[str, str]:
    """Run Clad on the requests.

    Parameters
    ----------
    plugin : Path
        Clad's shared library.
    include_dirs : list of Path
        Folders that hold ``clad/Differentiator/Differentiator.h`` and what it includes.
    clang : str
        The clang++ that the plugin was built for.

    Returns
    -------
    version, output : str
        Clad's version line and the functions it wrote.
    """
    clad_options = ["-fgenerate-source-file", "-version"]
    command = [clang, "-std=c++17", "-fsyntax-only", "-DCLAD_NO_NUM_DIFF", f"-I{SOURCE_DIR}"]
    command += [f"-I{folder}" for folder in include_dirs]
    command += ["-Xclang", "-add-plugin", "-Xclang", "clad", "-Xclang", "-load", "-Xclang"]
    command += [str(plugin)]
    for option in clad_options:
        command += ["-Xclang", "-plugin-arg-clad", "-Xclang", option]
    command.append(str(SOURCE_DIR / REQUESTS))
    with tempfile.TemporaryDirectory() as folder:
        messages = run(command, folder)
        output = Path(folder) / "Derivatives.cpp"
        if not output.exists():
            raise GenerationError(
                f"{clang} with {plugin} wrote no derivatives. Its messages:\n{messages}"
            )
        text = output.read_text(encoding="utf-8")
    refuse_warnings(messages)
    return clad_version(messages), text


def run(command: list[str], folder: str) -> str:
    """Run a compiler in `folder` and return its messages."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise GenerationError(
            f"cannot run {command[0]}: {error.strerror}. Name the clang++ that Clad was built for "
            "with --clang."
        ) from error
    if done.returncode != 0:
        raise GenerationError(
            f"{command[0]} failed with exit code {done.returncode}:\n{done.stderr}"
        )
    return done.stderr


def refuse_warnings(messages: str) -> None:
    """Raise if Clad warned: it treats what it cannot differentiate as constant."""
    warnings = [
        line
        for line in messages.splitlines()
        if "warning:" in line and HARMLESS_WARNING not in line
    ]
    if warnings:
        raise GenerationError(
            "Clad could not differentiate everything (it would use 0 instead):\n"
            + "\n".join(warnings)
            + f"\nIf it names an elementary function, add that to {REQUESTS} and {RUNTIME}."
        )


def clad_version(messages: str) -> str:
    """Return Clad's version, with its commit if it states one, from the compiler's messages.

    The plugin prints ``clad version 2.5.0~dev (<source folder> <commit>) [for <clang>]``.
    """
    line = re.search(r"^clad version (\S+)(.*)$", messages, re.MULTILINE)
    if line is None:
        raise GenerationError(f"the plugin did not state its version. Its messages:\n{messages}")
    commit = re.search(r"\b[0-9a-f]{40}\b", line.group(2))
    clang = re.search(r"clang version \d+(\.\d+)*", line.group(2))
    return (
        f"Clad {line.group(1)}"
        + (f" (commit {commit.group()})" if commit else "")
        + (f" with {clang.group()}" if clang else "")
    )


def split_functions(output: str) -> list[Function]:
    """Split Clad's output into its top-level functions, in order."""
    functions = []
    for text in re.findall(r"^\S[^\n]*;\n|^\S[^\n]*\{\n.*?^\}\n", output, re.MULTILINE | re.DOTALL):
        name = re.search(r"(\w+)\(", text)
        if name is None:
            raise GenerationError(f"cannot find the name of this function of Clad's:\n{text}")
        functions.append(Function(name.group(1), text))
    if "".join(function.text for function in functions) != output:
        raise GenerationError("cannot split Clad's output into functions: its format is unknown")
    return functions


def arrange(output: str) -> str:
    """Return Clad's functions in the namespaces in which its own text refers to them."""
    functions = [f for f in split_functions(output) if not f.name.startswith(DROPPED_PREFIX)]
    rules = set(re.findall(r"clad::custom_derivatives::std::(\w+)\(", output))
    elementary = "".join(f.text for f in functions if f.name in rules)
    kernels = "".join(f.text for f in functions if f.name not in rules)
    headers = [name for name in included_sources(REQUESTS) if name.startswith("kernels/")]
    includes = "".join(f'#include "{name}"\n' for name in [RUNTIME, *headers])
    return (
        "#ifndef NABLAFIT_GENERATED_KERNEL_DERIVATIVES_HPP\n"
        "#define NABLAFIT_GENERATED_KERNEL_DERIVATIVES_HPP\n\n"
        "#pragma GCC system_header\n\n"
        f"{includes}\n"
        "namespace nablafit::clad::custom_derivatives::std {\n\n"
        f"{elementary}\n"
        "}  // namespace nablafit::clad::custom_derivatives::std\n\n"
        "namespace nablafit::kernels {\n\n"
        "using clad::ValueAndPushforward;\n\n"
        f"{kernels}\n"
        "}  // namespace nablafit::kernels\n\n"
        "#endif  // NABLAFIT_GENERATED_KERNEL_DERIVATIVES_HPP\n"
    )


def generate(plugin: Path, include_dirs: list[Path], clang: str) -> None:
    """Write the generated file, after checking that it compiles."""
    if not plugin.is_file():
        raise GenerationError(f"--clad: {plugin} is not a file; expected Clad's plugin, clad.so")
    folders = [folder.resolve() for folder in include_dirs] or default_include_dirs(plugin)
    version, output = run_clad(plugin.resolve(), folders, clang)
    body = arrange(output)
    head = (
        "// Derivatives of the kernels in cpp/src/kernels. DO NOT EDIT.\n"
        f"// Generated by {version}\n"
        f"// from cpp/src/{REQUESTS}.\n"
        f"// To renew: {REGENERATE}\n"
        f"// Source hash: {source_hash()}\n"
        f"// Body hash: {digest(body)}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial.cpp"
        trial.write_text(body, encoding="utf-8")
        run([clang, "-std=c++17", "-fsyntax-only", "-w", f"-I{SOURCE_DIR}", str(trial)], folder)
    GENERATED_FILE.parent.mkdir(parents=True, exist_ok=True)
    GENERATED_FILE.write_text(head + BODY_MARK + body, encoding="utf-8")


def default_include_dirs(plugin: Path) -> list[Path]:
    """Return the include folder of the installation that `plugin` belongs to."""
    folder = plugin.resolve().parent.parent / "include"
    if not (folder / "clad" / "Differentiator" / "Differentiator.h").is_file():
        raise GenerationError(
            f"Clad's headers are not in {folder}. Name their folder with --clad-include "
            "(once more for the build folder's include if Clad is not installed)."
        )
    return [folder]


def check() -> None:
    """Raise if the generated file is missing, edited or older than its sources."""
    relative = GENERATED_FILE.relative_to(REPOSITORY)
    if not GENERATED_FILE.is_file():
        raise GenerationError(f"{relative} is missing. Make it with: {REGENERATE}")
    head, mark, body = GENERATED_FILE.read_text(encoding="utf-8").partition(BODY_MARK)
    stored = dict(re.findall(r"^// (Source|Body) hash: ([0-9a-f]{64})$", head, re.MULTILINE))
    if not mark or set(stored) != {"Source", "Body"}:
        raise GenerationError(f"{relative} has no valid head. Renew it with: {REGENERATE}")
    if stored["Body"] != digest(body):
        raise GenerationError(
            f"{relative} was edited after it was generated. Change the kernels instead, and renew "
            f"it with: {REGENERATE}"
        )
    if stored["Source"] != source_hash():
        names = ", ".join(sorted({*included_sources(REQUESTS), RUNTIME}))
        raise GenerationError(
            f"{relative} is older than its sources (under cpp/src: {names}). Renew it with: "
            f"{REGENERATE}"
        )


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description="Generate the derivatives of the kernels.")
    parser.add_argument("--check", action="store_true", help="only check that they are current")
    parser.add_argument("--clad", type=Path, metavar="PLUGIN", help="Clad's plugin, clad.so")
    parser.add_argument(
        "--clad-include",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of Clad's headers (default: ../include of the plugin's folder)",
    )
    parser.add_argument("--clang", default="clang++", help="clang++ that Clad was built for")
    options = parser.parse_args(arguments)
    if options.check == (options.clad is not None):
        parser.error("give either --check or --clad PLUGIN")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = parse_arguments(arguments)
    try:
        if options.check:
            check()
        else:
            generate(options.clad, options.clad_include, options.clang)
    except GenerationError as error:
        print(f"generate_derivatives: {error}", file=sys.stderr)
        return 1 if options.check else 2
    relative = GENERATED_FILE.relative_to(REPOSITORY)
    print(f"{relative} is current" if options.check else f"wrote {relative}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
