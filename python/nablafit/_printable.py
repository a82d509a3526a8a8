"""Text that files bring along, as terminals, tables, pages and spreadsheets may get it."""

from __future__ import annotations

__all__ = ["csv_text", "json_text", "printable", "printable_message"]

_FORMULA = tuple("=+-@＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide forms too
"""What spreadsheets take for the beginning of a formula."""


def printable(text: str, keep: str = "") -> str:
    r"""Return text in which what does not print is written as an escape, such as \x1b or \u202e.

    These are control characters, marks that change the direction of text, lone surrogates,
    characters without width or meaning, and spaces other than the usual one; except those in
    `keep`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def printable_message(text: str) -> str:
    """Return `printable` of a sentence that may go on with a list of items."""
    item = "\n  - "
    return item.join(map(printable, text.split(item)))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def json_text(text: str) -> str:
    """Return JSON with the same meaning in which only what prints is not an escape."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def csv_text(name: str) -> str:
    """Return a cell of a table: printable, with an apostrophe before what spreadsheets compute."""
    text = printable(name)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
