"""Results of fits."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._arrays import FloatArray, index_of
from ._printable import printable
from ._results.diagnostics import Diagnostics, LocalMinimum
from ._results.files import write_text
from ._results.fit_summary import TOP, FitSummary
from ._results.provenance import Provenance
from ._results.record import document_format
from ._results.rounding import pdg_round
from ._results.tables import Tabular
from ._results.text import Page
from .errors import ArgumentError, located

if TYPE_CHECKING:
    from .data import Data
    from .model import Model

__all__ = ["Estimate", "FitResult", "NamedValues"]

_FORMAT = "nablafit.FitResult/1"
_VECTORS = ("x", "lower", "upper", "prefit_values", "prefit_errors")
_FLAGS = ("fixed", "at_bound")
_PLAIN = ("status", "message", "n_calls", "n_gradients", "minimizer", "timings", "versions")


class NamedValues(Sequence[float]):
    """A read-only vector with names: `v["mu"]`, `v[0]`, `v[2:5]`, `numpy.asarray(v)`, `dict(v)`."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: FloatArray) -> None:
        self._names = names
        self._values = values

    @overload
    def __getitem__(self, key: int | str) -> float: ...
    @overload
    def __getitem__(self, key: slice) -> list[float]: ...
    def __getitem__(self, key: int | str | slice) -> float | list[float]:
        if isinstance(key, str):
            return float(self._values[index_of(self._names, key)])
        if isinstance(key, slice):
            return [float(value) for value in self._values[key]]
        return float(self._values[key])

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[float]:
        return iter(self._values.tolist())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._values, dtype=dtype) if copy else np.asarray(self._values, dtype)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NamedValues):
            return NotImplemented
        return self._names == other._names and np.array_equal(self._values, other._values)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        pairs = ", ".join(f"{name}={value:.6g}" for name, value in self.items())
        return f"NamedValues({printable(pairs)})"

    def keys(self) -> tuple[str, ...]:
        """Names, in order."""
        return self._names

    def items(self) -> list[tuple[str, float]]:
        """Pairs of name and value, in order."""
        return list(zip(self._names, self, strict=True))

    def to_dict(self) -> dict[str, float]:
        """Values by name."""
        return dict(self.items())


@dataclass(frozen=True)
class Estimate:
    """One parameter after a fit."""

    name: str
    value: float
    error: float
    """Standard deviation; 0 if fixed or held by a bound, NaN if the fit gave no covariance."""
    pull: float
    """(value - prefit value) / prefit error; NaN without a constraint term."""
    constraint: float
    """error / prefit error: how much the data constrain it; NaN without a constraint term."""
    lower: float
    upper: float
    fixed: bool
    at_bound: bool

    def __str__(self) -> str:
        value, error = pdg_round(self.value, self.error)
        name = printable(self.name)
        return f"{name} = {value} ± {error}" if error else f"{name} = {value}"


class Describing(Protocol):
    """What knows models: the module `nablafit.infer._fit_page`."""

    def summarise(self, result: FitResult, model: Model, data: Data) -> FitSummary:
        """Return what a result says of its model."""

    def with_asymmetric_errors(
        self, result: FitResult, summary: FitSummary, model: Model, data: Data
    ) -> FitSummary:
        """Add MINOS errors where that is quick."""

    def page(self, result: FitResult, **shown: object) -> Page:
        """Lay out a result."""


@document_format(_FORMAT)
@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FitResult(Tabular):
    """What a fit found; frozen. `result["mu"]` is the `Estimate` of one parameter.

    Arrays follow `parameters`; parameters and their errors have their own units.

    A parameter that the likelihood pushes against a bound has the error 0, whatever the minimiser,
    and the errors of the others are those with it held; one at a bound without such a push has an
    error like any other. The native minimiser gives infinite errors to what the data do not
    determine. `docs/inference.md` says why.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> result = nf.fit(model, data)
    >>> mu = result["mu"]
    >>> print(f"{mu.value:.2f} +- {mu.error:.2f}, {result.status}")
    0.66 +- 0.56, converged
    """

    parameters: tuple[str, ...]
    x: FloatArray
    """Fitted values as an array, shape (n_parameters,)."""
    covariance: FloatArray | None
    """Shape (n_parameters, n_parameters), zero for fixed parameters and those that a bound holds;
    None if there is none."""
    value: float
    """Minimum of the likelihood object: -log(L / L_saturated)."""
    constant: float
    """-log L_saturated: -log L = value + constant."""
    fixed: NDArray[np.bool_]
    lower: FloatArray
    upper: FloatArray
    at_bound: NDArray[np.bool_]
    prefit_values: FloatArray
    """Centre of every constraint term, NaN where there is none."""
    prefit_errors: FloatArray
    """Width of every constraint term, NaN where there is none."""
    status: str
    """"converged", "call_limit", "not_converged", "out_of_bounds" or "forbidden_start"; from the
    native minimiser also "converged_at_kink", "converged_at_zero_yield", "stalled", "saddle_point"
    and "unbounded"."""
    message: str
    """A sentence about the outcome; with the remedy if the fit is not valid."""
    edm: float
    """Estimated vertical distance to the minimum, in -log L."""
    n_calls: int
    n_gradients: int
    minimizer: str
    timings: dict[str, float]
    """Seconds."""
    versions: dict[str, str]
    minuit: Any = field(default=None)
    """The Minuit object after a fit with MINUIT, for MINOS and contours; not serialised."""
    diagnostics: Diagnostics | None = field(default=None)
    """What the native minimiser found out about the minimum: weak directions, active bounds."""
    minima: tuple[LocalMinimum, ...] = ()
    """The distinct minima of a fit with `starts`, lowest first."""
    initial: FloatArray | None = None
    """Where the fit started, shape (n_parameters,)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The `FitOptions`, and the backend of the derivatives."""
    provenance: Provenance | None = None
    """Digests of model and data. Together with `initial`, `fixed`, bounds, `options` and `versions`
    they are all that the result depends on."""
    recorded: FitSummary | None = None
    """The `summary` of a result from a file."""
    describing: ClassVar[Describing]
    """What makes summaries; set by `nablafit.infer`."""

    def __post_init__(self) -> None:
        arrays = [getattr(self, name) for name in _VECTORS + _FLAGS]
        arrays += [self.covariance, self.initial]
        for array in arrays:
            if array is not None:
                array.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "inputs" in state:  # in older pickles
            state["provenance"] = state.pop("inputs")
        self.__dict__.update(state)

    @property
    def inputs(self) -> Provenance | None:
        """Deprecated name of `provenance`."""
        warnings.warn("use FitResult.provenance", DeprecationWarning, stacklevel=2)
        return self.provenance

    @property
    def valid(self) -> bool:
        """True if this is a minimum."""
        return self.status.startswith("converged")

    @property
    def values(self) -> NamedValues:
        """Fitted values by name or position."""
        return NamedValues(self.parameters, self.x)

    @property
    def errors(self) -> NamedValues:
        """Standard deviations: square roots of the diagonal of the covariance, NaN without one."""
        if self.covariance is None:
            sigma = np.where(self.fixed, 0.0, np.nan)
        else:
            sigma = np.sqrt(np.diag(self.covariance))
        return NamedValues(self.parameters, sigma)

    @property
    def correlation(self) -> FloatArray | None:
        """Shape (n_parameters, n_parameters); 1 on the diagonal, 0 elsewhere for fixed ones."""
        if self.covariance is None:
            return None
        sigma = np.sqrt(np.diag(self.covariance))
        scale = np.where(sigma > 0, sigma, 1.0)
        correlation: FloatArray = self.covariance / np.outer(scale, scale)
        np.fill_diagonal(correlation, 1.0)
        return correlation

    @property
    def nll(self) -> float:
        """-log L at the minimum."""
        return self.value + self.constant

    @property
    def twice_nll(self) -> float:
        """-2 log L at the minimum: what pyhf calls twice_nll."""
        return 2.0 * self.nll

    @property
    def logpdf(self) -> float:
        """Log L at the minimum."""
        return -self.nll

    @property
    def pulls(self) -> NamedValues:
        """(value - prefit value) / prefit error, NaN without a constraint term."""
        return NamedValues(self.parameters, (self.x - self.prefit_values) / self.prefit_errors)

    @property
    def n_free(self) -> int:
        """Number of parameters that the fit varied."""
        return int(np.sum(~self.fixed))

    def __getitem__(self, name: str) -> Estimate:
        i = index_of(self.parameters, name)
        error = self.errors[i]
        return Estimate(
            name=name,
            value=float(self.x[i]),
            error=error,
            pull=self.pulls[i],
            constraint=float(error / self.prefit_errors[i]),
            lower=float(self.lower[i]),
            upper=float(self.upper[i]),
            fixed=bool(self.fixed[i]),
            at_bound=bool(self.at_bound[i]),
        )

    def _columns(self) -> dict[str, Any]:
        return {
            "parameter": self.parameters,
            "value": self.x,
            "error": np.asarray(self.errors),
            "pull": np.asarray(self.pulls),
            "constraint": np.asarray(self.errors) / self.prefit_errors,
            "lower": self.lower,
            "upper": self.upper,
            "fixed": self.fixed,
            "at_bound": self.at_bound,
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FitResult):
            return NotImplemented
        return self._members() == other._members()

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        """Keep what the model knows, which is not in the pickle."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "recorded": self._displayed_or_summary()
        }

    @cached_property
    def summary(self) -> FitSummary | None:
        """Roles of the parameters and goodness of fit; None in files of older versions."""
        described = self._model_and_data()
        return self.recorded if described is None else self.describing.summarise(self, *described)

    @cached_property
    def displayed(self) -> FitSummary | None:
        """The summary with asymmetric errors, if finding them takes less than two seconds."""
        described, summary = self._model_and_data(), self.summary
        if described is None or summary is None:
            return summary
        return self.describing.with_asymmetric_errors(self, summary, *described)

    def _displayed_or_summary(self) -> FitSummary | None:
        """Return the summary, with asymmetric errors if they were found."""
        found: FitSummary | None = self.__dict__.get("displayed")
        return found or self.summary

    def _model_and_data(self) -> tuple[Model, Data] | None:
        """Return model and data unless the summary is known, or they are not."""
        objects = None if self.provenance is None else self.provenance.objects
        return None if self.recorded is not None else objects  # type: ignore[return-value]

    def to_text(
        self,
        *,
        parameters: str | re.Pattern[str] | Iterable[str | re.Pattern[str]] | None = None,
        top: int | None = TOP,
        sort: str = "size",
        width: int | None = None,
    ) -> str:
        """Return what `print` shows, of other parameters or in another order.

        Parameters
        ----------
        parameters : str, re.Pattern or iterable of them, optional
            Show only these parameters, all of them: patterns as in `nablafit.pulls`.
        top : int, optional
            Nuisance parameters to show; None for all parameters.
        sort : str
            Order of nuisance parameters: "size" is the larger of |pull| and |1 - constraint|; or
            "pull", "constraint", "name", "model".
        width : int, optional
            Number of characters in a line; by default that of the terminal.
        """
        page = self.describing.page(self, parameters=parameters, top=top, sort=sort)
        return "\n".join(line for line, _ in page.lines(width, most=None))

    def __repr__(self) -> str:
        return self.describing.page(self).text()

    def _repr_html_(self) -> str:
        return self.describing.page(self).html()

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings; None for numbers that are not finite."""
        summary = self._displayed_or_summary()
        return self._members() | ({} if summary is None else {"summary": summary.to_dict()})

    def _members(self) -> dict[str, Any]:
        document: dict[str, Any] = {"format": _FORMAT, "parameters": list(self.parameters)}
        document |= {name: _to_numbers(getattr(self, name)) for name in _VECTORS}
        document |= {name: getattr(self, name).tolist() for name in _FLAGS}
        covariance = self.covariance
        document["covariance"] = None if covariance is None else [*map(_to_numbers, covariance)]
        document |= {name: _number(getattr(self, name)) for name in ("value", "constant", "edm")}
        document |= {name: getattr(self, name) for name in _PLAIN}
        document["timings"] = dict(self.timings)
        document["versions"] = dict(self.versions)
        document["minima"] = [minimum.to_dict() for minimum in self.minima]
        document["initial"] = None if self.initial is None else self.initial.tolist()
        document["options"] = dict(self.options)
        provenance = self.provenance
        document["provenance"] = None if provenance is None else provenance.to_dict()
        document["diagnostics"] = None if self.diagnostics is None else self.diagnostics.to_dict()
        document |= {"valid": self.valid, "errors": _to_numbers(np.asarray(self.errors))}
        document["twice_nll"] = _number(self.twice_nll)
        return document

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> FitResult:
        """Inverse of `to_dict`; derived entries are ignored."""
        if document.get("format") != _FORMAT:
            message = f"expected format {_FORMAT!r}, got {document.get('format')!r}"
            raise located(ArgumentError, message, "document")
        covariance = document["covariance"]
        diagnostics = document.get("diagnostics")
        provenance = document.get("provenance", document.get("inputs"))  # older files
        initial, summary = document.get("initial"), document.get("summary")
        infinite = {"lower": -math.inf, "upper": math.inf}
        members: dict[str, Any] = {name: document[name] for name in _PLAIN}
        for name in _VECTORS:
            members[name] = _vector(document[name], infinite.get(name, math.nan))
        for name in _FLAGS:
            members[name] = np.array(document[name], dtype=bool)
        return cls(
            parameters=tuple(document["parameters"]),
            covariance=None if covariance is None else _matrix(covariance),
            value=_missing(document["value"], math.inf),
            constant=_missing(document["constant"], math.nan),
            edm=_missing(document["edm"], math.inf),
            minima=tuple(LocalMinimum.from_dict(item) for item in document.get("minima", ())),
            diagnostics=None if diagnostics is None else Diagnostics.from_dict(diagnostics),
            initial=None if initial is None else np.array(initial, dtype=float),
            options=document.get("options", {}),
            provenance=None if provenance is None else Provenance(**provenance),
            recorded=None if summary is None else FitSummary.from_dict(summary),
            **members,
        )

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> FitResult:
        """Inverse of `to_json`."""
        return cls.from_dict(json.loads(text))

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file, at once or not at all; `nablafit.load_result` reads it."""
        write_text(path, self.to_json(indent=1) + "\n")


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _to_numbers(values: FloatArray) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _missing(value: float | None, replacement: float) -> float:
    return replacement if value is None else value


def _vector(values: Sequence[float | None], replacement: float) -> FloatArray:
    return np.array([_missing(value, replacement) for value in values], dtype=float)


def _matrix(rows: Sequence[Sequence[float | None]]) -> FloatArray:
    """Read a covariance: what is not finite stands for a parameter that nothing determines."""
    return np.array([_vector(row, math.inf) for row in rows]).reshape(len(rows), len(rows))
