"""Exceptions and warnings. Everything that nablafit raises derives from `Error`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ._core import ArgumentError, Error, SpecError, WorkspaceError

if TYPE_CHECKING:
    from ._results.record import Record
    from .batch import FitManyResult
    from .toys import Toys

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


class ModelWarning(UserWarning):
    """A model is well defined but does something that a physicist should know."""


class FitWarning(UserWarning):
    """A fit is valid, but a physicist should look at it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a long call; `result` is what was done until then."""

    def __init__(self, message: str, result: FitManyResult | Toys | Record) -> None:
        super().__init__(message)
        self.result = result

    @classmethod
    def or_original(
        cls, exception: BaseException, result: FitManyResult | Toys | Record
    ) -> BaseException:
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
