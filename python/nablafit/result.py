"""Results of fits."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._arrays import FloatArray, index_of
from ._printable import printable
from ._results.diagnostics import Diagnostics, LocalMinimum
from ._results.files import write_text
from ._results.provenance import Provenance
from ._results.record import document_format
from ._results.rounding import pdg_round
from ._results.tables import Tabular
from ._results.text import Page
from .errors import ArgumentError, located

__all__ = ["Estimate", "FitResult", "NamedValues", "result_page"]

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
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return result_page(self).text()

    def _repr_html_(self) -> str:
        return result_page(self).html()

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and strings; None for numbers that are not finite."""
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
        initial = document.get("initial")
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


def result_page(result: FitResult) -> Page:
    """Lay out a fit result like iminuit: the outcome, a table of parameters."""
    rest = "more parameters are in .values and .errors"
    header = ("", "name", "value", "error", "pull", "constraint", "bounds", "")
    head, rows = _outcome_lines(result), _parameter_rows(result)
    return Page(head, header, rows, "rlrrrrrl", result.valid, rest)


def _outcome_lines(result: FitResult) -> list[str]:
    """Summarise the outcome of the fit in a few lines."""
    verdict = "valid" if result.valid else f"NOT VALID ({result.status})"
    seconds = result.timings.get("total", math.nan)
    relative = f"-2 log L/L_saturated = {2 * result.value:.6g}"
    calls = f"{result.n_calls} calls, {result.n_gradients} gradients"
    effort = f"{calls}   {_duration(seconds)}"
    return [
        f"Fit with {result.minimizer}: {verdict}",
        f"  {result.message}",
        f"  -2 log L = {result.twice_nll:.6g}   {relative}   EDM = {result.edm:.2g}",
        f"  {result.n_free} of {len(result.parameters)} parameters free   {effort}",
    ]


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"


def _parameter_rows(result: FitResult) -> list[tuple[str, ...]]:
    """Return one row of cells per parameter, as in the header of the table."""
    rows: list[tuple[str, ...]] = []
    errors, pulls = list(result.errors), list(result.pulls)
    for i, name in enumerate(result.parameters):
        value, error = pdg_round(float(result.x[i]), errors[i])
        has_pull = math.isfinite(pulls[i]) and not result.fixed[i]
        pull = f"{pulls[i]:+.2f}" if has_pull else ""
        shrink = errors[i] / float(result.prefit_errors[i])
        rows.append(
            (
                str(i),
                name,
                value,
                error,
                pull,
                f"{shrink:.2f}" if has_pull and math.isfinite(shrink) else "",
                f"[{result.lower[i]:.3g}, {result.upper[i]:.3g}]",
                "fixed" if result.fixed[i] else "at bound" if result.at_bound[i] else "",
            )
        )
    return rows


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
