"""Exceptions and warnings. Everything that nablafit raises derives from `Error`."""

from __future__ import annotations

from typing import TypeVar

from ._core import ArgumentError, Error, SpecError, WorkspaceError

__all__ = ["ArgumentError", "Error", "ModelWarning", "SpecError", "WorkspaceError", "located"]

ErrorT = TypeVar("ErrorT", bound=Error)


class ModelWarning(UserWarning):
    """A model is well defined but does something that a physicist should know."""


def located(error_class: type[ErrorT], message: str, location: str) -> ErrorT:
    """Make an exception whose message starts with `location`, as those of the core do."""
    error = error_class(f"{location}: {message}" if location else message)
    error.location = location
    return error
