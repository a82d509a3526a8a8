"""Files that commands write: which they may replace, and that no other command writes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from .._results.files import is_regular, kind_of_file, reserved, write_text
from ..errors import ArgumentError, located

__all__ = [
    "NamedPath",
    "OutputPath",
    "guarded",
    "is_forced",
    "is_standard_output",
    "is_terminal",
    "patch_file",
    "refuse_inputs",
    "write_new",
]

ResultT = TypeVar("ResultT")
PathT = TypeVar("PathT", bound="NamedPath")


class NamedPath(click.Path):
    """A path that is not empty: pathlib takes an empty one for the working directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as in click
        param: click.Parameter | None,
        context: click.Context | None,
    ) -> Any:  # noqa: ANN401
        if value == "":
            self.fail("expected a path, got an empty string", param, context)
        return super().convert(value, param, context)


class OutputPath(NamedPath):
    """A file that a command writes.

    Parameters
    ----------
    *kinds : str
        What it may replace, in words of `kind_of_file`. Without any, the command compares
        contents when it writes, by `write_new`.
    or_terminal : bool
        Whether "-" stands for the terminal.
    """

    def __init__(self, *kinds: str, or_terminal: bool = False) -> None:
        super().__init__()
        self.kinds = kinds
        self.or_terminal = or_terminal

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as in click
        param: click.Parameter | None,
        context: click.Context | None,
    ) -> Any:  # noqa: ANN401
        if str(value) == "-" and not self.or_terminal:
            message = "'-' is not the name of a file; without this option, results are printed"
            self.fail(message, param, context)
        return super().convert(value, param, context)


def guarded(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Add --force, and check every `OutputPath` of a command before it begins.

    It is not one of the files that the command reads, nor given twice, nor a file that another
    command wrote; and no other process writes it until the end.
    """

    @wraps(command)
    def run(*, force: bool, **arguments: Any) -> ResultT:  # noqa: ANN401
        context = click.get_current_context()
        with ExitStack() as stack:
            taken = list(_inputs(context))
            for path, kind in _paths(context, OutputPath):
                if path.is_dir():
                    raise located(ArgumentError, "is a directory, expected a file", str(path))
                if is_terminal(path) or not is_regular(path):
                    continue
                _refuse_taken(path, taken)
                if kind.kinds and not force:
                    _refuse_others(path, kind.kinds)
                stack.enter_context(reserved(path))
                taken.append((path, "this file is given twice as an output; choose another name"))
            return command(**arguments)

    help_text = "Replace a file that this command did not write."
    return click.option("--force", is_flag=True, help=help_text)(run)


def is_forced() -> bool:
    """Whether the command that runs may replace any file."""
    return bool(click.get_current_context().params["force"])


def is_terminal(path: Path) -> bool:
    """Whether a path is the "-" of commands that write text."""
    return str(path) == "-"


def is_standard_output(path: Path) -> bool:
    """Whether what is written to this path comes out where tables are printed."""
    try:
        there, here = path.stat(), os.fstat(sys.__stdout__.fileno())  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return False
    return os.path.samestat(there, here)


def write_new(path: Path, text: str) -> None:
    """Write text to a file that is new, or empty, or has the same text already; else --force."""
    content = text.encode()
    if path.is_file() and not is_forced() and path.read_bytes() not in (b"", content):
        raise located(ArgumentError, f"a file with another content exists; {_REMEDY}", str(path))
    write_text(path, text)


def patch_file(text: str) -> tuple[Path, str | None]:
    """Read FILE or FILE:NAME."""
    file, colon, name = text.rpartition(":")
    return (Path(file), name) if colon and not Path(text).exists() else (Path(text), None)


_IS_READ = "this is a file that the command reads; choose another name to write to"
_REMEDY = "choose another name, or replace it with --force"


def _paths(context: click.Context, kind: type[PathT]) -> Iterator[tuple[Path, PathT]]:
    """Return the paths given to a command whose parameters have exactly this type."""
    for parameter in context.command.params:
        if type(parameter.type) is kind:
            value = context.params.get(str(parameter.name))
            for path in value if isinstance(value, tuple) else (value,):
                if path is not None:
                    yield path, parameter.type


def _inputs(context: click.Context) -> Iterator[tuple[Path, str]]:
    for path, _ in _paths(context, NamedPath):
        yield path, _IS_READ
    for text in context.params.get("patch", ()):
        yield patch_file(text)[0], _IS_READ


def refuse_inputs(files: Iterable[Path]) -> None:
    """Raise ArgumentError if the command is to write one of these files, which it has read."""
    taken = [(file, _IS_READ) for file in files]
    for path, _ in _paths(click.get_current_context(), OutputPath):
        _refuse_taken(path, taken)


def _refuse_taken(path: Path, taken: Iterable[tuple[Path, str]]) -> None:
    """Raise ArgumentError if a path leads to the same file as one of the others."""
    for other, message in taken:
        if _is_same(path, other):
            raise located(ArgumentError, message, str(path))


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return os.path.realpath(path) == os.path.realpath(other)


def _refuse_others(path: Path, kinds: tuple[str, ...]) -> None:
    """Raise ArgumentError if a file exists that is of no such kind, nor empty."""
    if not path.exists():
        return
    found = kind_of_file(path)
    if found not in (*kinds, "empty"):
        what = "is not a file of nablafit" if found is None else f"holds another output ({found})"
        raise located(ArgumentError, f"this file exists and {what}; {_REMEDY}", str(path))
