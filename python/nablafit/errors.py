"""Exceptions and warnings. Everything that nablafit raises derives from `Error`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from ._core import ArgumentError, Error, SpecError, WorkspaceError
from ._printable import printable_message

__all__ = [
    "ArgumentError",
    "Error",
    "FitWarning",
    "Interrupted",
    "ModelWarning",
    "SpecError",
    "WorkspaceError",
    "before",
    "finished",
    "located",
]

ErrorT = TypeVar("ErrorT", bound=Error)


class PartialResult(Protocol):
    """What an interrupted call has done: a result of the type that it returns."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings."""


ResultT = TypeVar("ResultT", bound=PartialResult)


def _message(error: BaseException) -> str:
    """Return the text of an exception or warning, whose names may come from any file."""
    return printable_message(BaseException.__str__(error))


Error.__str__ = _message  # type: ignore[method-assign]


class _Warning(UserWarning):
    def __str__(self) -> str:
        return _message(self)


class ModelWarning(_Warning):
    """A model is well defined but does something that a physicist should know.

    Examples
    --------
    >>> import warnings
    >>> warnings.simplefilter("ignore", nf.ModelWarning)  # once they were read
    """


class FitWarning(_Warning):
    """A fit is valid, but a physicist should look at it.

    Examples
    --------
    >>> import warnings
    >>> warnings.simplefilter("error", nf.FitWarning)  # a script that shall stop then
    """


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a long call; `result` is what was done until then.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> try:
    ...     limit = nf.upper_limit(model, data, calculator="toys", values=[0.5, 1.5], n_toys=100)
    ... except nf.Interrupted as stopped:
    ...     limit = stopped.result  # with the toys until then
    >>> len(limit.toys[0])
    100
    """

    def __init__(self, message: str, result: PartialResult) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Callable[..., Interrupted], tuple[object, ...]]:
        return type(self), (*self.args, self.result)


def finished(result: ResultT, exception: BaseException | None) -> ResultT:
    """Return a result, or raise what stopped it: for a KeyboardInterrupt Interrupted with it."""
    if exception is None:
        return result
    if not isinstance(exception, KeyboardInterrupt):
        raise exception
    message = f"interrupted; what was done is in .result: {result!r}"
    raise Interrupted(message, result) from exception


@contextmanager
def before(what: str) -> Iterator[None]:
    """Turn Interrupted, of a step before there is anything of `what`, to a KeyboardInterrupt.

    The `result` of Interrupted is then always of the type that the interrupted function returns.
    """
    try:
        yield
    except Interrupted as interruption:
        message = f"interrupted before there was anything of the {what}"
        raise KeyboardInterrupt(message) from interruption


def located(error_class: type[ErrorT], message: str, location: str) -> ErrorT:
    """Make an exception whose message starts with `location`, as those of the core do."""
    error = error_class(f"{location}: {message}" if location else message)
    error.location = location
    return error
