"""What a result was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .data import Data
    from .model import Model

__all__ = ["Inputs"]


class Inputs:
    """Digests of the model and the data of a result; immutable, compared by value.

    They are computed when somebody asks (a fit takes less time than a digest), from the objects
    themselves, which live until then.

    Parameters
    ----------
    model : Model or str
        The model, or its digest.
    data : Data or str
        The data, or their digest.
    """

    __slots__ = ("_data", "_model")

    def __init__(self, model: Model | str, data: Data | str) -> None:
        self._model = model
        self._data = data

    @property
    def model(self) -> str:
        """Digest of the model, see `Model.digest`."""
        if not isinstance(self._model, str):
            self._model = self._model.digest
        return self._model

    @property
    def data(self) -> str:
        """Digest of the data, see `Data.digest`."""
        if not isinstance(self._data, str):
            self._data = self._data.digest
        return self._data

    def to_dict(self) -> dict[str, str]:
        """Return the digests by name."""
        return {"model": self.model, "data": self.data}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Inputs):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.model, self.data))

    def __repr__(self) -> str:
        return f"Inputs(model={self.model!r}, data={self.data!r})"

    def __reduce__(self) -> tuple[type[Inputs], tuple[str, str]]:
        return Inputs, (self.model, self.data)
