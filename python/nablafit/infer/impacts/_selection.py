"""Choosing parameters by name, wildcard or regular expression."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from ..._arrays import nearest
from ...errors import ArgumentError, located

Pattern: TypeAlias = "str | re.Pattern[str]"
Patterns: TypeAlias = "Pattern | Iterable[Pattern]"

_REGEX_PREFIX = "re:"


def select(names: Sequence[str], patterns: Patterns | None, where: str) -> list[int]:
    """Return the positions of the names that any of the patterns matches, in their order.

    Parameters
    ----------
    names : sequence of str
        What to choose from.
    patterns : str, re.Pattern, iterable of them, or None
        A string is a name, else a wildcard pattern with `*`, `?` and `[...]` (as in `fnmatch`, case
        matters), or after the prefix "re:" a regular expression that must match the whole name. A
        compiled regular expression may match anywhere in it. None matches all.
    where : str
        Name of the argument, for messages.

    Raises
    ------
    ArgumentError
        If a pattern matches no name, or is not a pattern.
    """
    if patterns is None:
        return list(range(len(names)))
    chosen: set[int] = set()
    for pattern in as_patterns(patterns, where):
        found = matching(names, pattern)
        if not found:
            text = pattern if isinstance(pattern, str) else pattern.pattern
            hint = nearest(text, names)
            raise located(ArgumentError, f"{text!r} matches no parameter{hint}", where)
        chosen.update(found)
    return sorted(chosen)


def as_patterns(patterns: Patterns, where: str) -> list[Pattern]:
    """Return a list of patterns, checked."""
    if isinstance(patterns, str | re.Pattern):
        patterns = [patterns]
    result: list[Pattern] = []
    for pattern in patterns:
        if not isinstance(pattern, str | re.Pattern):
            kind = type(pattern).__name__
            message = f"expected strings or compiled regular expressions, got {kind}"
            raise located(ArgumentError, message, where)
        if isinstance(pattern, str) and pattern.startswith(_REGEX_PREFIX):
            try:
                re.compile(pattern.removeprefix(_REGEX_PREFIX))
            except re.error as error:
                message = f"{pattern!r} is not a regular expression: {error}"
                raise located(ArgumentError, message, where) from error
        result.append(pattern)
    return result


def matching(names: Sequence[str], pattern: Pattern) -> list[int]:
    """Return the positions of the names that one pattern matches; an equal name comes first."""
    if isinstance(pattern, re.Pattern):
        return [i for i, name in enumerate(names) if pattern.search(name)]
    if pattern in names:
        return [names.index(pattern)]
    if pattern.startswith(_REGEX_PREFIX):
        regex = re.compile(pattern.removeprefix(_REGEX_PREFIX))
        return [i for i, name in enumerate(names) if regex.fullmatch(name)]
    return [i for i, name in enumerate(names) if fnmatchcase(name, pattern)]
