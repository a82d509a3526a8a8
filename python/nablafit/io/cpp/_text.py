"""C++ text: identifiers, numbers, tables, and the formulas that a text uses."""

from __future__ import annotations

import math
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ..._printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..._arrays import FloatArray

WIDTH = 100

_RESERVED = (
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t "
    "char32_t class co_await co_return co_yield compl concept const const_cast consteval constexpr "
    "constinit continue decltype default delete do double dynamic_cast else enum explicit export "
    "extern false float for friend goto if inline int long mutable namespace new noexcept not "
    "not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires "
    "return short signed sizeof static static_assert static_cast struct switch template this "
    "thread_local throw true try typedef typeid typename union unsigned using virtual void "
    "volatile wchar_t while xor xor_eq std "
    # macros of the C library and of compilers in GNU mode, which no namespace keeps away
    "NULL EOF NAN INFINITY HUGE HUGE_VAL HUGE_VALF HUGE_VALL DOMAIN SING OVERFLOW UNDERFLOW PLOSS "
    "TLOSS M_PI M_E BUFSIZ stdin stdout stderr errno assert signbit isnan isinf isfinite isnormal "
    "fpclassify linux unix i386 min max"
)
_KEYWORDS = frozenset(_RESERVED.split())


class Identifiers:
    """Different C++ identifiers for different names, in one scope."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._known: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, name: str) -> str:
        if name not in self._known:
            identifier = identifier_of(self._prefix + name)
            unique, n = identifier, 1
            while unique in self._taken:
                n += 1
                unique = f"{identifier}_v{n}"
            self._taken.add(unique)
            self._known[name] = unique
        return self._known[name]


def identifier_of(name: str) -> str:
    """Turn any text into an identifier that is not a keyword, macro or reserved name."""
    identifier = re.sub(r"\W+|_+", "_", name, flags=re.ASCII).strip("_")
    if not identifier or identifier[0].isdigit():
        identifier = f"n{identifier}"
    return f"{identifier}_" if identifier in _KEYWORDS else identifier


def number(value: float) -> str:
    """Return the shortest literal that is exactly `value`."""
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return repr(float(value))


def string(text: str) -> str:
    """Return a string literal of the printable form of a text."""
    letters = (
        c if 32 <= ord(c) < 127 and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode())
        for c in printable(text)
    )
    return '"' + "".join(letters) + '"'


def comment(text: str) -> str:
    """Return text that stays inside a // comment: one line without backslash at its end."""
    return printable(text).rstrip("\\ ")


def documented(text: str) -> list[str]:
    """Return documentation comments, wrapped."""
    return wrapped(comment(text).split(" "), "/// ", "/// ", separator=" ")


def wrapped(
    items: Iterable[str], first: str, rest: str, *, end: str = "", separator: str = ", "
) -> list[str]:
    """Arrange items in lines of at most WIDTH characters, as far as single items allow."""
    lines: list[str] = []
    line, empty = first, True
    glue = separator.rstrip()
    for item in items:
        if empty:
            line += item
        elif len(line) + len(separator) + len(item) + max(len(end), 1) > WIDTH:
            lines.append(line + glue)
            line = rest + item
        else:
            line += separator + item
        empty = False
    return [*lines, line + end]


def array(declaration: str, items: Iterable[str]) -> list[str]:
    """Return the definition of a constant array."""
    return wrapped(items, f"inline constexpr {declaration} = {{", "    ", end="};")


def table(declaration: str, rows: Sequence[tuple[str, FloatArray]]) -> list[str]:
    """Return the definition of a constant array of rows, each under a comment with its name."""
    lines = [f"inline constexpr {declaration} = {{"]
    for name, values in rows:
        lines.append(f"    // {comment(name)}")
        lines += wrapped(_elements(values), "    {", "     ", end="},")
    return [*lines, "};"]


def _elements(values: FloatArray) -> list[str]:
    if values.ndim == 1:
        return [number(value) for value in values.tolist()]
    return ["{" + ", ".join(map(number, row)) + "}" for row in values.tolist()]


def function(
    what: str, result: str, name: str, arguments: Sequence[str], body: Sequence[str]
) -> list[str]:
    """Return the definition of an inline function; arguments that it does not use have no name."""
    text = "\n".join(body)
    declared = []
    for argument in arguments:
        declaration, _, variable = argument.rpartition(" ")
        is_used = re.search(rf"\b{variable}\b", text) is not None
        declared.append(argument if is_used else f"{declaration} /*{variable}*/")
    head = f"inline {result} {name}({', '.join(declared)}) {{"
    return [*documented(what), head, *body, "}", ""]


@cache
def _formulas() -> dict[str, str]:
    """Return the blocks of formulas.hpp by the name that they define, in order."""
    text = files(__package__).joinpath("formulas.hpp").read_text(encoding="utf-8")
    blocks: dict[str, str] = {}
    for block in re.findall(r"^///.*?(?=^$)", text, flags=re.MULTILINE | re.DOTALL):
        definition = re.search(r"^inline (?:constexpr )?\w+ (\w+)", block, flags=re.MULTILINE)
        if definition is not None:
            blocks[definition[1]] = block
    return blocks


def formulas_for(text: str) -> list[str]:
    """Return the definitions of the formulas that `text` uses, directly or not, in order."""
    blocks = _formulas()
    used: set[str] = set()
    waiting = [text]
    while waiting:
        new = (set(re.findall(r"\w+", waiting.pop())) & blocks.keys()) - used
        used |= new
        waiting += [blocks[name].partition("\ninline")[2] for name in new]
    return [block.rstrip("\n") for name, block in blocks.items() if name in used]
