"""What a result was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._core import __version__
from ..errors import ArgumentError, located

__all__ = ["Provenance"]


class HasDigest(Protocol):
    """A model or data."""

    @property
    def digest(self) -> str:
        """Fingerprint of the numbers."""


class Provenance:
    """Digests of the model and the data of a result; immutable, compared by value.

    They are computed when somebody asks (a fit takes less time than a digest), from the objects
    themselves, which live as long as the result.

    Parameters
    ----------
    model : Model or str
        The model, or its digest.
    data : Data or str
        The data, or their digest.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> result.provenance.data == data.digest
    True
    """

    __slots__ = ("_data", "_model")

    def __init__(self, model: HasDigest | str, data: HasDigest | str) -> None:
        self._model = model
        self._data = data

    @property
    def model(self) -> str:
        """Digest of the model, see `Model.digest`."""
        return self._model if isinstance(self._model, str) else self._model.digest

    @property
    def data(self) -> str:
        """Digest of the data, see `Data.digest`."""
        return self._data if isinstance(self._data, str) else self._data.digest

    @property
    def objects(self) -> tuple[HasDigest, HasDigest] | None:
        """The model and the data themselves; None in a saved result, which has the digests."""
        if isinstance(self._model, str) or isinstance(self._data, str):
            return None
        return self._model, self._data

    def to_dict(self) -> dict[str, str]:
        """Return the digests by name."""
        return {"model": self.model, "data": self.data}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Provenance):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.model, self.data))

    def __repr__(self) -> str:
        return f"Provenance(model={self.model!r}, data={self.data!r})"

    def __reduce__(self) -> tuple[type[Provenance], tuple[str, str]]:
        return Provenance, (self.model, self.data)


Inputs = Provenance  # the name in older pickles


class Origin(Mapping[str, Any]):
    """What a batch or another result was made from: plain data that compare as a dict does.

    Digests are computed when somebody asks: what they describe may take less time.

    Parameters
    ----------
    **members
        Plain data; models and data sets, which stand for their digests; and functions without
        arguments, which stand for what they return.
    """

    __slots__ = ("_members",)

    def __init__(self, **members: object) -> None:
        self._members: dict[str, Any] = members

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - plain data of any kind
        value = self._members[name]
        if hasattr(value, "digest"):
            value = value.digest
        elif callable(value):
            value = value()
        self._members[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def batch_origin(
    model: HasDigest, data: Iterable[NDArray[Any] | None], options: Mapping[str, Any]
) -> Origin:
    """Return what a batch is made from: digests of the model and of all its data, options, version.

    The data are hashed at once, at about a microsecond per data set, rather than kept alive.
    """
    digest = hashlib.sha256()
    for matrix in data:
        if matrix is not None:
            digest.update(np.array(matrix.shape, dtype="<u8").tobytes())
            digest.update(np.ascontiguousarray(matrix, dtype="<f8").data)
    versions = {"nablafit": __version__}
    found = [f"sha256:{digest.hexdigest()}"]
    return Origin(model=model, data=found, options=dict(options), versions=versions)


def merged_origin(origins: Sequence[Mapping[str, Any] | None], what: str) -> dict[str, Any] | None:
    """Return the origin of joined results, None if that of one is not known.

    Options and versions are those that all have.

    Raises
    ------
    ArgumentError
        If they are of different models.
    """
    known = [origin for origin in origins if origin is not None]
    for i, origin in enumerate(known):
        if origin.get("model") != known[0].get("model"):
            message = f"is of the model {origin.get('model')}, the first of {known[0].get('model')}"
            raise located(ArgumentError, message, f"{what}[{i}]")
    if len(known) < len(origins):
        return None
    merged = dict(known[0])
    for member in ("options", "versions"):
        if member in merged:
            merged[member] = {
                name: value
                for name, value in merged[member].items()
                if all(origin.get(member, {}).get(name, ...) == value for origin in known)
            }
    if "data" in merged and not isinstance(merged["data"], str):
        merged["data"] = list(dict.fromkeys(d for origin in known for d in origin["data"]))
    return merged


def origin_array(origin: Mapping[str, Any] | None) -> dict[str, NDArray[np.str_]]:
    """Return the member of an archive that holds an origin; none if it is not known."""
    return {} if origin is None else {"origin": np.array(json.dumps(dict(origin), sort_keys=True))}


def read_origin(members: Mapping[str, NDArray[Any]]) -> dict[str, Any] | None:
    """Inverse of `origin_array`."""
    return json.loads(str(members["origin"])) if "origin" in members else None
