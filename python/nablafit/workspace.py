"""Workspaces: documents that hold a model, its measurements and data."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from ._arrays import nearest
from ._core import PyhfWorkspace
from .errors import ArgumentError, ModelWarning, WorkspaceError, located
from .io.recognise import READABLE, foreign_format
from .model import Model
from .spec import Interpolation

if TYPE_CHECKING:
    from .data import Data
    from .spec import ModelSpec, Observations

__all__ = ["Workspace"]

Source: TypeAlias = str | os.PathLike[str] | bytes | Mapping[str, Any] | IO[str] | IO[bytes]

_CODES = {
    "normsys": {
        "code1": Interpolation.piecewise_exponential,
        "code4": Interpolation.polynomial_exponential,
    },
    "histosys": {
        "code0": Interpolation.piecewise_linear,
        "code2": Interpolation.quadratic_linear,
        "code4p": Interpolation.polynomial_linear,
    },
}


class Workspace:
    """A parsed and checked workspace; immutable. Made by `Workspace.load`."""

    __slots__ = ("_pyhf", "_source")

    def __init__(self, pyhf: PyhfWorkspace, source: str) -> None:
        self._pyhf = pyhf
        self._source = source

    @classmethod
    def load(cls, source: Source) -> Workspace:
        """Read a workspace; the format is recognised by content.

        Parameters
        ----------
        source : path, mapping, file object, bytes or str
            Where it is: a path, a document already parsed, an open file (text or binary), or the
            JSON text itself as bytes, or as a string that starts with a brace.

        Raises
        ------
        WorkspaceError
            If the document is in a format that cannot be read, or not what its format demands;
            `location` is the name of the source and a JSON pointer.
        OSError
            If the file cannot be read.
        """
        name, content = _read(source)
        found = foreign_format(content)
        if found is not None:
            raise _refusal(name, found)
        return cls(PyhfWorkspace.parse(content, name), name)

    def __repr__(self) -> str:
        return (
            f"<Workspace {self._source!r}: {len(self.channels)} channels, "
            f"measurements {', '.join(self.measurements)}>"
        )

    @property
    def source(self) -> str:
        """Where the workspace came from, as error messages name it."""
        return self._source

    @property
    def format(self) -> str:
        """Name of the format."""
        return "pyhf"

    @property
    def measurements(self) -> tuple[str, ...]:
        """Names of the measurements, in the order of the document."""
        return self._pyhf.measurement_names

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels with observations, in the order of the document."""
        return tuple(channel.channel for channel in self.observations.channels)

    @property
    def observations(self) -> Observations:
        """The observed counts."""
        return self._pyhf.observations

    def poi(self, measurement: str | None = None) -> str | None:
        """Return the parameter of interest of a measurement (default: the first), if it has one."""
        name = self._measurement(measurement)
        return self._pyhf.parameter_of_interest(name) or None

    def spec(
        self,
        measurement: str | None = None,
        poi: str | None = None,
        interpolation: Mapping[str, str | Interpolation] | None = None,
        *,
        clip_sample_data: bool = False,
        clip_bin_data: float | None = None,
    ) -> ModelSpec:
        """Return the specification that `model` compiles; arguments as there."""
        return self._pyhf.model_spec(
            self._measurement(measurement),
            poi,
            clip_sample_data=clip_sample_data,
            clip_bin_data=clip_bin_data,
            **_interpolation_codes(interpolation),
        )

    def model(
        self,
        measurement: str | None = None,
        poi: str | None = None,
        interpolation: Mapping[str, str | Interpolation] | None = None,
        *,
        clip_sample_data: bool = False,
        clip_bin_data: float | None = None,
    ) -> Model:
        """Compile the model of one measurement.

        Parameters
        ----------
        measurement : str, optional
            Its name; the first one by default.
        poi : str, optional
            Parameter of interest instead of the measurement's; an empty string for none.
        interpolation : mapping, optional
            Codes of the modifier types "normsys" (code1, code4) and "histosys" (code0, code2,
            code4p), by pyhf's names or as `Interpolation`; by default code4 and code4p.
        clip_sample_data : bool
            Raise negative interpolated histograms to zero (pyhf's clip_sample_data=0).
        clip_bin_data : float, optional
            Lower limit on the total yield of a bin, in events (pyhf's clip_bin_data).

        Returns
        -------
        Model
            Parameters in pyhf's order. Its `warnings` are also issued as `ModelWarning`.
        """
        model = Model(
            self.spec(
                measurement,
                poi,
                interpolation,
                clip_sample_data=clip_sample_data,
                clip_bin_data=clip_bin_data,
            )
        )
        if poi:
            model.index(poi)
        for message in model.warnings:
            warnings.warn(f"{self._source}: {message}", ModelWarning, stacklevel=2)
        return model

    def data(self, model: Model) -> Data:
        """Return the observed data in the order of `model`."""
        return model.data(self.observations)

    def _measurement(self, name: str | None) -> str:
        if name is None:
            return self.measurements[0]
        if name not in self.measurements:
            message = f"no such measurement in {self._source}"
            hint = nearest(name, self.measurements)
            raise located(ArgumentError, message + hint, name)
        return name


def _read(source: Source) -> tuple[str, bytes]:
    """Return the name of a source and its content as bytes."""
    if isinstance(source, bytes):
        return "workspace", source
    if isinstance(source, Mapping):
        try:
            return "workspace", json.dumps(source).encode()
        except (TypeError, ValueError) as error:
            raise WorkspaceError(f"workspace: not representable as JSON: {error}") from error
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return "workspace", source.encode()
    if isinstance(source, str | os.PathLike):
        return str(source), Path(source).read_bytes()
    if not hasattr(source, "read"):
        message = f"expected a path, mapping, file object or bytes, got {type(source).__name__}"
        raise located(ArgumentError, message, "source")
    content = source.read()
    name = getattr(source, "name", "workspace")
    content = content.encode() if isinstance(content, str) else bytes(content)
    return name if isinstance(name, str) else "workspace", content


def _refusal(name: str, found: str) -> WorkspaceError:
    return located(WorkspaceError, f"this is {found}; what can be read are {READABLE}", name)


def _interpolation_codes(
    choices: Mapping[str, str | Interpolation] | None,
) -> dict[str, Interpolation]:
    codes: dict[str, Interpolation] = {}
    for modifier, code in (choices or {}).items():
        allowed = _CODES.get(modifier)
        if allowed is None:
            message = f"no interpolation to choose; expected {' or '.join(_CODES)}"
            raise located(ArgumentError, message, f"interpolation[{modifier!r}]")
        chosen = allowed.get(code) if isinstance(code, str) else code
        if chosen is None or chosen not in allowed.values():
            message = f"got {code}, expected {' or '.join(allowed)}"
            raise located(ArgumentError, message, f"interpolation[{modifier!r}]")
        codes[modifier] = chosen
    return codes
