"""Provenance of results: function, options, versions, digests of model and data."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

import numpy as np

from .._arguments import checked
from .._core import __version__
from ..errors import Interrupted
from .provenance import Origin, Provenance
from .record import Record

__all__ = ["digest_of", "origin_of", "remembers_origin"]

P = ParamSpec("P")
RecordT = TypeVar("RecordT", bound=Record)

_NO_OPTIONS = frozenset({"n_threads", "progress"})
"""Arguments that no result depends on."""


@runtime_checkable
class Described(Protocol):
    """A model, data, or both: what a result is made from."""

    def _described(self) -> Mapping[str, object]:
        """Return what has a digest, by "model" and "data"."""


@runtime_checkable
class Fit(Protocol):
    """A `FitResult`: an option, but it stands for its model and data too."""

    minimizer: str
    provenance: Provenance | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""


def remembers_origin(function: Callable[P, RecordT]) -> Callable[P, RecordT]:
    """Decorate a function of a model, data or fits: its result gets an `origin`.

    That is the name of the function, all options that are not None, defaults included, the version
    of nablafit, and digests of the model and the data: those of the arguments, or of a fit that
    stands for them. Fits among the options appear as digests of their JSON without timings. A
    result that is left at Ctrl-C gets it too; one of another type, of a fit that comes first, gives
    way to a plain KeyboardInterrupt, so that a caught result is always of the function.
    """
    signature = inspect.signature(function)
    function = checked(function)

    @functools.wraps(function)
    def remembering(*args: P.args, **kwargs: P.kwargs) -> RecordT:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # which says what is wrong, and names itself
        bound.apply_defaults()
        origin = origin_of(function.__name__, bound.arguments)
        try:
            return dataclasses.replace(function(*args, **kwargs), origin=origin)
        except Interrupted as interruption:
            done = interruption.result
            if type(done).__name__ != signature.return_annotation:
                message = f"interrupted before there was anything of the {function.__name__}"
                raise KeyboardInterrupt(message) from interruption
            if isinstance(done, Record):
                interruption.result = dataclasses.replace(done, origin=origin)
            raise

    return remembering


def digest_of(document: object) -> str:
    """Return the SHA-256 of a document's JSON with sorted keys, as "sha256:" and hexadecimal."""
    text = json.dumps(document, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def origin_of(function: str, arguments: Mapping[str, Any], **inputs: object) -> Origin:
    """Return what `remembers_origin` sets, for a function's name, arguments and further inputs."""
    options: dict[str, Any] = {}
    for name, value in arguments.items():
        if isinstance(value, Described):
            inputs |= value._described()
        elif (
            name not in {*_NO_OPTIONS, *inputs}
            and value is not None
            and not isinstance(value, Record)
        ):
            options[name] = _plain(value)
    for fit in arguments.values():
        if isinstance(fit, Fit) and fit.provenance is not None:
            inputs.setdefault("model", functools.partial(getattr, fit.provenance, "model"))
            inputs.setdefault("data", functools.partial(getattr, fit.provenance, "data"))
    versions = {"nablafit": __version__}
    return Origin(
        function=function,
        **inputs,
        options=functools.partial(_resolved, options),
        versions=versions,
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - options of any kind
    """Return a copy as plain data, but fits as they are: their digests take time."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str | Fit):
        return value
    return value.pattern if isinstance(value, re.Pattern) else repr(value)


def _resolved(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _digest_of_fit(value) if isinstance(value, Fit) else value
        for name, value in options.items()
    }


def _digest_of_fit(fit: Fit) -> str:
    """Return the same digest for the same fit done again."""
    return digest_of({name: value for name, value in fit.to_dict().items() if name != "timings"})
