"""Workspaces: documents that hold a model, its measurements and data."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeVar

from ._arguments import checked, kind_sentence
from ._arrays import nearest
from ._printable import printable
from ._results.files import write_text
from .errors import ArgumentError, ModelWarning, WorkspaceError, located
from .io.document import Document
from .io.pyhf_json import PyhfDocument
from .io.recognise import read_document
from .model import Model
from .spec import Interpolation, ModelSpec, Observations, validate

if TYPE_CHECKING:
    from .data import Data
    from .io.document import Mounts
    from .io.patchset import Operations, PatchSet

__all__ = ["Workspace"]

Source: TypeAlias = str | os.PathLike[str] | bytes | Mapping[str, Any] | IO[str] | IO[bytes]

NamedT = TypeVar("NamedT", ModelSpec, Observations)

_WRITTEN = ("pyhf", "hs3")
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
    """A parsed and checked workspace; immutable. Made by `Workspace.load`.

    Examples
    --------
    >>> workspace = nf.Workspace.load("workspace.json")
    >>> workspace.format, workspace.channels
    ('pyhf', ('CR_ttbar', 'CR_wjets', 'SR_2b', 'SR_3b', 'VR'))
    >>> model = workspace.model()
    >>> nf.fit(model, workspace.data(model)).valid
    True
    """

    __slots__ = ("_document",)

    def __init__(self, document: Document) -> None:
        if not isinstance(document, Document | PyhfDocument):
            raise located(ArgumentError, kind_sentence("Workspace", document), "document")
        self._document = document

    @classmethod
    def load(cls, source: Source, *, mounts: Mounts = ()) -> Workspace:
        """Read a workspace; the format is recognised by content.

        Parameters
        ----------
        source : path, mapping, file object, bytes or str
            Where it is: a path (for HistFactory XML the top-level file, or a folder with one such
            file), a JSON document already parsed, an open file (text or binary), or the content
            itself as bytes, or JSON text as a string that starts with a brace.
        mounts : sequence of (path, path)
            For HistFactory XML: where a folder is, and what the XML calls it. Paths that do not
            exist are also looked for by name near the top-level file, with a warning.

        Warns
        -----
        ModelWarning
            Of what in the document was passed over.

        Raises
        ------
        WorkspaceError
            If the document is in a format that cannot be read, or not what its format demands;
            `location` is the name of the source and a JSON pointer.
        OSError
            If the file cannot be read.
        """
        workspace = cls._load_model(source, mounts=mounts)
        if workspace._document.data_problem is not None:
            raise workspace._document.data_problem
        return workspace

    @classmethod
    def _load_model(cls, source: Source, *, mounts: Mounts = ()) -> Workspace:
        """Read a workspace as `load`; what is wrong with its data is raised when they are used."""
        document = read_document(*_read(source), mounts=mounts)
        workspace = cls(document)
        workspace._warn(stacklevel=4)
        return workspace

    def _warn(self, stacklevel: int) -> None:
        for message in self._document.warnings:
            warnings.warn(f"{self.source}: {message}", ModelWarning, stacklevel=stacklevel)

    @classmethod
    def from_spec(
        cls,
        specs: ModelSpec | Iterable[ModelSpec],
        datasets: Observations | Iterable[Observations] = (),
        *,
        source: str | None = None,
    ) -> Workspace:
        """Make a workspace of models and data: those of a builder, or what surgery made of them.

        Parameters
        ----------
        specs : ModelSpec, or iterable of ModelSpec
            The measurements, by their names; at least one.
        datasets : Observations, or iterable of Observations
            The data sets, the default one first.
        source : str, optional
            What messages call it; the name of the first model by default.

        Raises
        ------
        SpecError
            If a model contradicts itself.
        ArgumentError
            If there is no model, two have the same name, or something is of another kind.
        """
        models = _by_name(specs, ModelSpec, "specs")
        if not models:
            raise located(ArgumentError, "expected at least one model", "specs")
        for spec in models.values():
            validate(spec)
        data = _by_name(datasets, Observations, "datasets")
        name = next(iter(models)) if source is None else source
        return cls(Document("ModelSpec", name, models, data))

    def __repr__(self) -> str:
        return (
            f"<Workspace {self.source!r}: {len(self.channels)} channels, "
            f"measurements {printable(', '.join(self.measurements))}>"
        )

    @property
    def source(self) -> str:
        """Where the workspace came from, as error messages name it."""
        return self._document.source

    @property
    def format(self) -> str:
        """Name of the format: "pyhf", "HS3", "HistFactory XML", "RooWorkspace" or "ModelSpec"."""
        return self._document.format

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed while reading, one sentence each."""
        return self._document.notes

    @property
    def measurements(self) -> tuple[str, ...]:
        """Names of the measurements, in the order of the document."""
        return tuple(self._document.measurements)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets, the default one first."""
        return tuple(self._document.datasets)

    @property
    def has_bad_data(self) -> bool:
        """Whether the data in the document are wrong; `dataset` raises the error."""
        return self._document.data_problem is not None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels with observations, in the order of the document.

        Without data, those of the first measurement.
        """
        if not self.datasets:
            return tuple(channel.name for channel in self.spec().channels)
        return tuple(channel.channel for channel in self.observations.channels)

    @property
    def observations(self) -> Observations:
        """The observed counts: the default data set."""
        return self.dataset()

    @checked
    def poi(self, measurement: str | None = None) -> str | None:
        """Return the parameter of interest of a measurement (default: the first), if it has one."""
        name = self._measurement(measurement)
        if isinstance(self._document, PyhfDocument):
            return self._document.workspace.parameter_of_interest(name) or None
        return next(iter(self._document.measurements[name].parameters_of_interest), None)

    @checked
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
        name = self._measurement(measurement)
        if isinstance(self._document, PyhfDocument):
            return self._document.workspace.model_spec(
                name,
                poi,
                clip_sample_data=clip_sample_data,
                clip_bin_data=clip_bin_data,
                **_interpolation_codes(interpolation),
            )
        if interpolation or clip_sample_data or clip_bin_data is not None:
            message = f"{self.format} states interpolation and clipping itself; leave them out"
            raise located(ArgumentError, message, self.source)
        spec = self._document.measurements[name]
        return spec if poi is None else spec.replace(parameters_of_interest=(poi,) if poi else ())

    @checked
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
            Parameter of interest, by default that of the measurement; an empty string for none.
        interpolation : mapping, optional
            Codes of the modifier types "normsys" (code1, code4) and "histosys" (code0, code2,
            code4p), by pyhf's names or as `Interpolation`; by default code4 and code4p. This and
            the following arguments are for pyhf JSON only: the other formats define them.
        clip_sample_data : bool
            Raise negative interpolated histograms to zero (pyhf's clip_sample_data=0).
        clip_bin_data : float, optional
            Lower limit on the total yield of a bin, in events (pyhf's clip_bin_data).

        Returns
        -------
        Model
            Parameters in pyhf's order for pyhf JSON, else in the order of the document. Its
            `warnings` are also issued as `ModelWarning`.
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
            warnings.warn(f"{self.source}: {message}", ModelWarning, stacklevel=2)
        return model

    @checked
    def data(self, model: Model, dataset: str | None = None) -> Data:
        """Return the observed data in the order of `model`.

        Parameters
        ----------
        model : Model
            A model of this workspace.
        dataset : str, optional
            Name of a data set; the first of `datasets` by default.
        """
        return model.data(self.dataset(dataset))

    def patch(
        self,
        patches: PatchSet | Source | Operations,
        key: str | Sequence[float | str] | None = None,
        *,
        verify: bool = True,
    ) -> Workspace:
        """Return this pyhf workspace with a patch applied.

        Parameters
        ----------
        patches : PatchSet, path, mapping, bytes, file object, or sequence of mapping
            A patch set or one JSON patch (a list of operations, as SModelS and spey write them):
            where it is, or the document itself.
        key : str or sequence, optional
            Name of the patch, or its values; needed for a set of more than one patch.
        verify : bool
            Check the digests of a patch set against this workspace.

        Raises
        ------
        WorkspaceError
            If the workspace is not JSON of pyhf, a digest differs or a patch does not fit.
        """
        from .io.patchset import PatchSet, apply_operations

        if not isinstance(self._document, PyhfDocument):
            message = f"only pyhf JSON can be patched, this is {self.format}"
            raise located(WorkspaceError, message, self.source)
        document = json.loads(self._document.content)
        if isinstance(patches, Sequence) and not isinstance(patches, str | bytes):
            return Workspace._from_patched(apply_operations(document, patches), self.source)
        found = patches if isinstance(patches, PatchSet) else PatchSet.load(patches)
        if key is None:
            if len(found) != 1:
                message = f"choose one of {len(found)} patches by name or values"
                raise located(ArgumentError, message, "key")
            key = next(iter(found))
        patched = found.apply(document, key, verify=verify)
        return Workspace._from_patched(patched, f"{self.source} ({found.find(key).name})")

    @classmethod
    def _from_patched(cls, document: Mapping[str, Any], source: str) -> Workspace:
        workspace = cls._from_content(json.dumps(document).encode(), source)
        workspace._warn(stacklevel=4)
        if workspace._document.data_problem is not None:
            raise workspace._document.data_problem
        return workspace

    @classmethod
    def _from_content(cls, content: bytes, source: str) -> Workspace:
        """Read pyhf JSON that has a name of its own in messages."""
        return cls(PyhfDocument(source, content))

    def to_pyhf(
        self, measurement: str | None = None, dataset: str | None = None, *, lossy: bool = False
    ) -> dict[str, Any]:
        """Return one measurement as a pyhf workspace; see `nablafit.io.to_pyhf`."""
        from .io.pyhf_writer import to_pyhf

        observations = self.dataset(dataset) if self.datasets or dataset else None
        return to_pyhf(self.spec(measurement), observations, lossy=lossy)

    def to_hs3(
        self, measurement: str | None = None, dataset: str | None = None, *, lossy: bool = False
    ) -> str:
        """Return one measurement as the text of an HS3 document; see `nablafit.io.hs3.to_hs3`.

        With all data sets, or the one that is named.
        """
        names = self.datasets if dataset is None else (dataset,)
        data = [self.dataset(name) for name in names]
        return self.spec(measurement).to_hs3(data, lossy=lossy)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        format: str = "pyhf",  # noqa: A002
        measurement: str | None = None,
        dataset: str | None = None,
        lossy: bool = False,
    ) -> None:
        """Write one measurement as JSON, at once or not at all.

        Parameters
        ----------
        path : path
            The file.
        format : {"pyhf", "hs3"}
            What to write. pyhf JSON has no bin edges; HS3 keeps them.
        measurement, dataset : str, optional
            Which to write; the first one by default.
        lossy : bool
            Warn of what the format cannot represent, and write the rest.

        Raises
        ------
        SpecError
            If the format cannot represent the model; the message lists what.
        """
        if str(format) not in _WRITTEN:
            message = f"found {format!r}, which cannot be written{nearest(str(format), _WRITTEN)}"
            raise located(ArgumentError, message, "format")
        if format == "hs3":
            text = self.to_hs3(measurement, dataset, lossy=lossy)
        else:
            document = self.to_pyhf(measurement, dataset, lossy=lossy)
            text = json.dumps(document, indent=1, allow_nan=False)
        write_text(Path(path), text.rstrip("\n") + "\n")

    @checked
    def dataset(self, name: str | None = None) -> Observations:
        """Return the observations of a data set, the first of `datasets` by default."""
        datasets = self._document.datasets
        if self._document.data_problem is not None and (name is None or name not in datasets):
            raise self._document.data_problem
        if not datasets:
            message = "the document holds no data; use model.asimov()"
            raise located(WorkspaceError, message, self.source)
        if name is None:
            return next(iter(datasets.values()))
        if name not in datasets:
            message = f"no such data set in {self.source}{nearest(name, self.datasets)}"
            raise located(ArgumentError, message, name)
        return datasets[name]

    def _measurement(self, name: str | None) -> str:
        if name is None:
            return next(iter(self._document.measurements))
        if name not in self._document.measurements:
            message = f"no such measurement in {self.source}"
            hint = nearest(name, self.measurements)
            raise located(ArgumentError, message + hint, name)
        return name


def _by_name(items: object, kind: type[NamedT], where: str) -> dict[str, NamedT]:
    """Return one object of a kind, or several, by name."""
    try:
        several: tuple[Any, ...] = (items,) if isinstance(items, kind) else tuple(items)  # type: ignore[arg-type]
    except TypeError:
        several = (items,)
    found: dict[str, NamedT] = {}
    for item in several:
        if not isinstance(item, kind):
            message = f"found {type(item).__name__}, expected {kind.__name__}"
            raise located(ArgumentError, message, where)
        if item.name in found:
            message = f"found two of the name {item.name!r}, expected different names"
            raise located(ArgumentError, message, where)
        found[item.name] = item
    return found


def _read(source: Source) -> tuple[str, bytes | Path]:
    """Return the name of a source, and its content or where that is."""
    if isinstance(source, bytes):
        return "workspace", source
    if isinstance(source, Mapping):
        try:
            return "workspace", json.dumps(source).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise WorkspaceError(f"workspace: not representable as JSON: {error}") from error
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return "workspace", source.encode()
    if isinstance(source, str) and not source:
        raise located(ArgumentError, "expected a path, got an empty string", "source")
    if isinstance(source, str | os.PathLike):
        return str(source), Path(source)
    if not hasattr(source, "read"):
        message = f"expected a path, mapping, file object or bytes, got {type(source).__name__}"
        raise located(ArgumentError, message, "source")
    content = source.read()
    name = getattr(source, "name", "workspace")
    content = content.encode() if isinstance(content, str) else bytes(content)
    return name if isinstance(name, str) else "workspace", content


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
