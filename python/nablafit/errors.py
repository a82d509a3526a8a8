"""Exceptions and warnings. Everything that nablafit raises derives from `Error`."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from ._core import ArgumentError, Error, SpecError, WorkspaceError

__all__ = [
    "ArgumentError",
    "Error",
    "FitWarning",
    "Interrupted",
    "ModelWarning",
    "SpecError",
    "WorkspaceError",
    "located",
]

ErrorT = TypeVar("ErrorT", bound=Error)


class PartialResult(Protocol):
    """What an interrupted call has done: a result of the type that it returns."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings."""


class ModelWarning(UserWarning):
    """A model is well defined but does something that a physicist should know."""


class FitWarning(UserWarning):
    """A fit is valid, but a physicist should look at it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a long call; `result` is what was done until then."""

    def __init__(self, message: str, result: PartialResult) -> None:
        super().__init__(message)
        self.result = result

    @classmethod
    def or_original(cls, exception: BaseException, result: PartialResult) -> BaseException:
        """Return an Interrupted for a KeyboardInterrupt; any other exception as it is."""
        if not isinstance(exception, KeyboardInterrupt):
            return exception
        interrupted = cls(f"interrupted; what was done is in .result: {result!r}", result)
        interrupted.__cause__ = exception
        return interrupted


def located(error_class: type[ErrorT], message: str, location: str) -> ErrorT:
    """Make an exception whose message starts with `location`, as those of the core do."""
    error = error_class(f"{location}: {message}" if location else message)
    error.location = location
    return error
