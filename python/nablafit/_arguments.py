"""Checks of what users pass to public functions: is every argument of the kind that it says."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import ParamSpec, TypeVar

import numpy as np

from .errors import ArgumentError, located

__all__ = ["check_members", "checked", "kind_sentence"]

P = ParamSpec("P")
T = TypeVar("T")

_CLASSES = ("Model", "Likelihood", "Data", "Toys", "FitResult", "Workspace", "ModelSpec")
_NUMBERS = {"int": "a whole number", "float": "a number", "bool": "True or False"}
_TEXTS = {"str": "text", "Path": "a path"}
_KNOWN = frozenset({*_CLASSES, *_NUMBERS, *_TEXTS, "None"})

# How to get what is expected, from what was given or from the beginning.
_REMEDIES = {
    ("Model", "Workspace"): "workspace.model() makes it",
    ("Model", "ModelSpec"): "nablafit.Model(spec) compiles it",
    ("Model", "Likelihood"): "likelihood.model has it",
    ("Model", "FitResult"): "the model comes first, the result after it",
    ("Model", "a path or text"): "nablafit.Workspace.load(path).model() makes it from a file",
    ("Model", "dict"): "nablafit.Workspace.load(document).model() makes it",
    ("Model", ""): "nablafit.Workspace.load(path).model() makes it",
    ("Data", "Workspace"): "workspace.data(model) makes them",
    ("Data", "Observations"): "model.data(observations) arranges them",
    ("Data", "FitResult"): "name it: result=...",
    ("Data", "a path or text"): "nablafit.Workspace.load(path).data(model) makes them from a file",
    ("Data", ""): "model.data(counts) makes them of counts, workspace.data(model) of a workspace",
    ("FitResult", "Data"): "name them: data=..., after the result of nablafit.fit if there is one",
    ("FitResult", "a path or text"): "nablafit.load_result(path) reads it from a file",
    ("FitResult", ""): "nablafit.fit(model, data) makes it",
    ("Workspace", ""): "nablafit.Workspace.load(path) reads it",
    ("ModelSpec", "Workspace"): "workspace.spec() has it, workspace.model() compiles it",
    ("ModelSpec", "Model"): "model.spec has it",
    ("ModelSpec", ""): "nablafit.Workspace.load(path).spec() makes it",
}


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a public function: arguments of another kind than annotated raise ArgumentError.

    Only annotations that consist of classes of this package, numbers, str, bool and None count;
    anything else is left to the function.
    """
    names = tuple(inspect.signature(function).parameters)
    kinds = {name: _Kinds(alternatives) for name, alternatives in _annotated(function).items()}
    in_order = tuple(kinds.get(name, _ANYTHING) for name in names)

    @functools.wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> T:
        for place, value in zip(in_order, args, strict=False):
            if type(value) not in place.taken and not place.takes(value):
                refuse(args, kwargs)
        for name, value in kwargs.items():
            place = kinds.get(name, _ANYTHING)
            if type(value) not in place.taken and not place.takes(value):
                refuse(args, kwargs)
        return function(*args, **kwargs)

    def refuse(args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        for name, value in given.items():
            place = kinds.get(name, _ANYTHING)
            if not place.takes(value):
                message = _sentence(name, value, place.alternatives, given)
                raise located(ArgumentError, message, name)

    return checking


class _Kinds:
    """The alternatives of one annotation, and the types that are known to be among them."""

    __slots__ = ("alternatives", "taken")

    def __init__(self, alternatives: tuple[str, ...]) -> None:
        self.alternatives = alternatives
        self.taken: set[type] = set()

    def takes(self, value: object) -> bool:
        """Whether a value is of one of them; remember its type, which decides except of arrays."""
        found = not self.alternatives or any(_is(value, kind) for kind in self.alternatives)
        if found and not isinstance(value, np.ndarray):
            self.taken.add(type(value))
        return found


_ANYTHING = _Kinds(())


_members_of: dict[type, tuple[tuple[str, _Kinds], ...]] = {}
"""Of every class of records that was checked."""


def _members(record: object) -> tuple[tuple[str, _Kinds], ...]:
    kind = type(record)
    if kind not in _members_of:
        members = fields(record)  # type: ignore[arg-type]
        _members_of[kind] = tuple((m.name, _Kinds(_kinds_of(m.type))) for m in members)
    return _members_of[kind]


def check_members(record: object) -> None:
    """Raise ArgumentError for a member of a dataclass of another kind than annotated."""
    for name, place in _members(record):
        value = getattr(record, name)
        if type(value) not in place.taken and not place.takes(value):
            raise located(ArgumentError, _sentence(name, value, place.alternatives, {}), name)


def kind_sentence(expected: str, value: object) -> str:
    """Return what is wrong with a value of another class, and how to get the right one."""
    found = _kind(value)
    remedy = _REMEDIES.get((expected, found)) or _REMEDIES[expected, ""]
    return f"expected {_with_article(expected)}, got {_with_article(found)}; {remedy}"


def _annotated(function: Callable[..., object]) -> dict[str, tuple[str, ...]]:
    parameters = inspect.signature(function).parameters
    found = {name: _kinds_of(parameter.annotation) for name, parameter in parameters.items()}
    return {name: kinds for name, kinds in found.items() if kinds}


def _kinds_of(annotation: object) -> tuple[str, ...]:
    """Return the alternatives of an annotation, none if some of them cannot be checked here."""
    kinds = tuple(part.strip() for part in str(annotation).split("|"))
    return kinds if _KNOWN.issuperset(kinds) else ()


def _is(value: object, kind: str) -> bool:
    if kind == "None":
        return value is None
    if kind == "str":
        return isinstance(value, str)
    if kind == "Path":
        return isinstance(value, os.PathLike)
    if kind == "bool":
        return isinstance(value, bool | np.bool_)
    if kind == "int":
        return isinstance(value, Integral)
    if kind == "float":
        is_scalar = isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
        return isinstance(value, Real) or is_scalar
    return any(base.__name__ == kind and _is_ours(base) for base in type(value).__mro__)


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "nablafit"


def _kind(value: object) -> str:
    """Return the class of a value, in the words of `_REMEDIES`."""
    if isinstance(value, str | bytes | os.PathLike):
        return "a path or text"
    names = [base.__name__ for base in type(value).__mro__ if _is_ours(base)]
    known = next((name for name in names if name in _CLASSES), None)
    return known or (names[0] if names else type(value).__name__)


def _with_article(kind: str) -> str:
    if kind == "Data" or kind.startswith("a "):
        return kind
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _sentence(name: str, value: object, kinds: Sequence[str], given: Mapping[str, object]) -> str:
    wanted = [kind for kind in kinds if kind != "None"]
    first, second = (_kind(given.get(each)) for each in ("model", "data"))
    if name in ("model", "data") and first == "Data" and second in ("Model", "Likelihood"):
        return "model and data are swapped: the model comes first"
    if wanted[0] in _CLASSES:
        return kind_sentence(wanted[0], value)
    words = [{**_NUMBERS, **_TEXTS}[kind] for kind in wanted]
    return f"expected {' or '.join(words)}, got {value!r}"
