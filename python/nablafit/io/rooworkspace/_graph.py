"""The graph of a workspace: nodes, variables, categories, named sets, data sets, snapshots."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import Error, WorkspaceError, located
from ..rootfile.layouts import CUSTOM, plan
from ..rootfile.records import DecodeError, Record, Reference
from ..rootfile.stream import Stream

if TYPE_CHECKING:
    from ..._budget import Budget
    from ..rootfile.file import Payload
    from ..rootfile.records import ClassDescriptions

__all__ = ["Graph", "ModelConfig", "Variable"]

ResultT = TypeVar("ResultT")

INFINITY = 1e30
"""What RooFit wrote for an infinite bound before it wrote infinity."""

MAX_BINS = 1_000_000
_CONSTANT = "Constant"


@dataclass(frozen=True)
class Variable:
    """A RooRealVar or RooConstVar; bounds of RooConstVar are infinite."""

    name: str
    value: float
    lower: float
    upper: float
    is_constant: bool


@dataclass(frozen=True)
class ModelConfig:
    """What a RooStats::ModelConfig names; empty sets where it names none."""

    name: str
    pdf: str
    parameters_of_interest: tuple[str, ...]
    nuisance_parameters: tuple[str, ...]
    global_observables: tuple[str, ...]
    observables: tuple[str, ...]


class Graph:
    """A decoded workspace. Objects are decoded when they are asked for.

    Parameters
    ----------
    payload : Payload
        The stream of the workspace.
    descriptions : mapping
        Class descriptions of its file.
    source : str
        Name of the file, for messages.
    budget : Budget
        That of the document.
    """

    def __init__(
        self, payload: Payload, descriptions: ClassDescriptions, source: str, budget: Budget
    ) -> None:
        self.name = payload.name
        self.location = f"{source}:{payload.name}"
        self.budget = budget
        self.stream = Stream(payload, descriptions, plan, CUSTOM, source, budget)
        self._top = self.stream.top(payload.class_name)
        self._node_references = tuple(self.guard(self._top.references, "_allOwnedNodes"))
        self._by_name: dict[str, Record] = {}
        self._scan = iter(self._node_references)
        self._uniform: dict[tuple[float, float, int], NDArray[np.float64]] = {}

    # --- errors ----------------------------------------------------------------------------------

    def guard(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Call a function; what it finds wrong with a record becomes a WorkspaceError."""
        try:
            return function(*arguments)
        except DecodeError as error:
            raise located(WorkspaceError, str(error), self.location) from error

    def refuse(self, node: Record, message: str) -> WorkspaceError:
        """Return the error that names a node and its class."""
        return located(WorkspaceError, message, f"{self.location}:{node.class_name} {node.name!r}")

    # --- nodes -----------------------------------------------------------------------------------

    def object(self, reference: Reference) -> Record:
        """Decode the object of a pointer."""
        return self.stream.object(reference)

    def objects(self, record: Record, member: str) -> list[Record]:
        """Decode the objects of a collection."""
        return [self.object(r) for r in self.guard(record.references, member)]

    def argument(self, record: Record, proxy: str) -> Record:
        """Decode what a RooRealProxy or RooCategoryProxy points to."""
        return self.object(self.guard(lambda: record.record(proxy).reference("_arg")))

    def servers(self, record: Record) -> list[Record]:
        """Decode the nodes that a node depends on."""
        return self.objects(record, "_serverList")

    def class_names(self) -> set[str]:
        """Return the classes of all nodes, without decoding them."""
        return {self.stream.class_name(reference) for reference in self._node_references}

    def nodes(self) -> Iterator[tuple[str, Record | Error]]:
        """Yield the class of every node, and the node or the error that decoding it gave."""
        for reference in self._node_references:
            class_name = self.stream.class_name(reference)
            try:
                yield class_name, self.object(reference)
            except Error as error:
                yield class_name, error

    def node(self, name: str) -> Record | None:
        """Return a node by name, None if there is none; reads only as far as needed."""
        while name not in self._by_name:
            reference = next(self._scan, None)
            if reference is None:
                return None
            record = self.object(reference)
            self._by_name.setdefault(record.name, record)
        return self._by_name[name]

    def below(self, top: Record) -> Iterator[Record]:
        """Yield a node and all that it depends on, each once."""
        pending, seen = [top], {id(top)}
        while pending:
            record = pending.pop()
            yield record
            for server in self.servers(record):
                if id(server) not in seen:
                    seen.add(id(server))
                    pending.append(server)

    # --- variables -------------------------------------------------------------------------------

    def is_constant(self, record: Record) -> bool:
        """Return whether a variable is constant in fits."""
        attributes = record.get("_boolAttrib", ())
        return record.class_name == "RooConstVar" or _CONSTANT in attributes

    def variable(self, record: Record) -> Variable:
        """Return value, range and constness of a RooRealVar or RooConstVar."""
        return self.guard(self._variable, record)

    def _variable(self, record: Record) -> Variable:
        if record.class_name == "RooConstVar":
            value = record.number("_value")
            return Variable(record.name, value, -math.inf, math.inf, True)
        if record.class_name != "RooRealVar":
            raise self.refuse(record, "expected a RooRealVar or RooConstVar here")
        binning = self.object(record.reference("_binning"))
        lower, upper = self._range(binning)
        value = record.number("_value")
        return Variable(record.name, value, lower, upper, self.is_constant(record))

    def _range(self, binning: Record) -> tuple[float, float]:
        bounds = [binning.number(key) if key in binning else math.nan for key in ("_xlo", "_xhi")]
        if math.isnan(bounds[0]):
            edges = binning.numbers("_range" if "_range" in binning else "_boundaries")
            bounds = [float(edges[0]), float(edges[-1])] if len(edges) > 1 else bounds
        lower, upper = (math.copysign(math.inf, b) if abs(b) >= INFINITY else b for b in bounds)
        return lower, upper

    def edges(self, record: Record) -> NDArray[np.float64]:
        """Return the bin edges of an observable, shape (n_bins + 1,)."""
        return self.guard(self._edges, record)

    def _edges(self, record: Record) -> NDArray[np.float64]:
        binning = self.object(record.reference("_binning"))
        if binning.class_name == "RooUniformBinning":
            n_bins = int(binning.number("_nbins"))
            lower, upper = binning.number("_xlo"), binning.number("_xhi")
            if not (1 <= n_bins <= MAX_BINS and math.isfinite(upper - lower)):
                message = (
                    f"{n_bins} bins from {lower} to {upper} are not a binning of an observable"
                )
                raise self.refuse(record, message)
            return self._uniform_edges(lower, upper, n_bins)
        if binning.class_name != "RooBinning":
            message = f"its binning is a {binning.class_name}, expected RooUniformBinning or "
            raise self.refuse(record, message + "RooBinning")
        edges = binning.numbers("_boundaries")
        lower, upper = binning.number("_xlo"), binning.number("_xhi")
        edges = edges[(edges >= lower) & (edges <= upper)]
        if len(edges) < 2 or not np.all(np.diff(edges) > 0):
            raise self.refuse(record, "its bin edges do not increase")
        return edges

    def _uniform_edges(self, lower: float, upper: float, n_bins: int) -> NDArray[np.float64]:
        key = (lower, upper, n_bins)
        if key not in self._uniform:
            self._uniform[key] = np.linspace(lower, upper, n_bins + 1)
        return self._uniform[key]

    def states(self, category: Record) -> dict[str, int]:
        """Return label and index of the states of a category."""
        return self.guard(self._states, category)

    def _states(self, category: Record) -> dict[str, int]:
        if "_stateNames" in category:
            return {str(label): int(index) for label, index in category["_stateNames"].items()}
        states = {}
        for reference in category.references("_types"):
            state = self.object(reference)
            states[state_label(state)] = int(state.number("_value"))
        return states

    # --- what the workspace holds beside nodes ---------------------------------------------------

    def named_set(self, name: str) -> tuple[str, ...]:
        """Return the names in a named set, empty if there is none."""
        sets = self._top.get("_namedSets", {})
        record = sets.get(name) if isinstance(sets, dict) else None
        if not isinstance(record, Record):
            return ()
        return tuple(self.object(r).name for r in self.guard(record.references))

    @property
    def named_sets(self) -> tuple[str, ...]:
        """Names of the named sets."""
        sets = self._top.get("_namedSets", {})
        return tuple(sets) if isinstance(sets, dict) else ()

    def datasets(self) -> dict[str, Record]:
        """Return the data sets by name, in the order of the workspace."""
        return {record.name: record for record in self.objects(self._top, "_dataList")}

    def snapshots(self) -> dict[str, dict[str, float]]:
        """Return the values of the real variables in every snapshot."""
        if "_snapshots" not in self._top:
            return {}
        return self.guard(self._snapshots)

    def _snapshots(self) -> dict[str, dict[str, float]]:
        return {
            snapshot.name: {
                record.name: record.number("_value")
                for record in map(self.object, snapshot.references())
                if record.class_name == "RooRealVar"
            }
            for snapshot in self.objects(self._top, "_snapshots")
        }

    def generic_objects(self) -> dict[str, Record]:
        """Return objects that are not nodes (ModelConfig, fit results) by name."""
        if "_genObjects" not in self._top:
            return {}
        found: dict[str, Record] = {}
        for record in self.objects(self._top, "_genObjects"):
            is_wrapper = record.class_name == "RooTObjWrap"
            for held in self.objects(record, "_list") if is_wrapper else (record,):
                found[held.name] = held
        return found

    def model_configs(self) -> list[ModelConfig]:
        """Return the ModelConfigs in the order of the workspace."""
        return [
            self.guard(self._model_config, record)
            for record in self.generic_objects().values()
            if record.class_name == "RooStats::ModelConfig"
        ]

    def _model_config(self, record: Record) -> ModelConfig:
        def named(member: str) -> tuple[str, ...]:
            return self.named_set(record.text(member)) if member in record else ()

        return ModelConfig(
            name=record.name,
            pdf=record.text("fPdfName"),
            parameters_of_interest=named("fPOIName"),
            nuisance_parameters=named("fNuisParamsName"),
            global_observables=named("fGlobalObsName"),
            observables=named("fObservablesName"),
        )


def state_label(state: Record) -> str:
    """Return the label of a RooCatType, a string or an array of characters."""
    label = state.get("_label")
    if isinstance(label, np.ndarray):
        return bytes(label.astype(np.uint8)).split(b"\0")[0].decode("latin-1")
    return state.text("_label")
