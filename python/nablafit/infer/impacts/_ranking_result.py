"""Result of a ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._arrays import FloatArray, index_of
from ..._results.record import Record
from .._parameter_tables import ParameterWarning, signed, table_html, table_text, warning_lines

__all__ = ["VARIATIONS", "RankingResult"]

VARIATIONS = ("postfit_up", "postfit_down", "prefit_up", "prefit_down")
"""The four shifts of every parameter: members of `RankingResult`, keys of its `statuses`."""

_NOT_WANTING = ("linear", "fixed", "no_prefit_width", "undefined")
_HEADER = ("", "parameter", "pull", "constraint")
_COLUMNS = ("post-fit up", "post-fit down", "pre-fit up", "pre-fit down")
_OBSERVABLE_COLUMNS = ("up", "down")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class RankingResult(Record, format="nablafit.RankingResult/1"):
    """Impacts of parameters on parameters of interest; frozen.

    Parameters come in the order of decreasing impact on the first parameter of interest; those
    whose impact is not known come last. An impact is a change of the parameter of interest, in its
    units: (value with the shift) - (value of the fit).
    """

    method: str
    """"refit", "linear", "global_observables" or "global_observables_refit", see `ranking`."""
    pois: tuple[str, ...]
    """The parameters of interest: first axis of the impacts."""
    poi_values: FloatArray
    """Their fitted values, shape (n_pois,)."""
    poi_errors: FloatArray
    """Their standard deviations, shape (n_pois,)."""
    parameters: tuple[str, ...]
    """The ranked parameters: last axis of all other arrays."""
    values: FloatArray
    """Fitted values, shape (n_parameters,)."""
    errors: FloatArray
    """Standard deviations after the fit."""
    prefit_values: FloatArray
    """Centres of the constraint terms, NaN where there is none."""
    prefit_errors: FloatArray
    """Widths of the constraint terms, NaN where there is none."""
    postfit_up: FloatArray
    """Impact of +1 standard deviation after the fit, shape (n_pois, n_parameters); of +1 standard
    deviation of the global observable for the methods of that name. NaN if not known."""
    postfit_down: FloatArray
    """The same for -1 standard deviation."""
    prefit_up: FloatArray
    """Impact of +1 width of the constraint term, NaN without one or if not known."""
    prefit_down: FloatArray
    """The same for -1 width."""
    statuses: dict[str, tuple[str, ...]]
    """For each of "postfit_up", "postfit_down", "prefit_up" and "prefit_down" one word per
    parameter: a status of `FitManyResult` for a refit, "linear" without one, "fixed" (no impact by
    definition), "no_error" (the fit gave no error), "no_prefit_width" (no constraint term),
    "undefined" (global observables have no pre-fit impact)."""
    fit_status: str
    """Status of the fit that the numbers refer to."""
    warnings: tuple[ParameterWarning, ...] = ()
    """Kinds: "failed" (a refit found no minimum), "lower_minimum" (a refit ended below the fit),
    "starts_disagree" (another start ended lower than the first; the lowest was taken),
    "at_bound" (a shift that ends at the parameter's bound)."""
    complete: bool = True
    """False if the call was interrupted: refits that were not done have status "not_fitted"."""

    @property
    def pulls(self) -> FloatArray:
        """(value - prefit value) / prefit error, NaN without a constraint term."""
        return (self.values - self.prefit_values) / self.prefit_errors

    @property
    def constraints(self) -> FloatArray:
        """Error / prefit error, NaN without a constraint term."""
        return self.errors / self.prefit_errors

    @property
    def impacts(self) -> FloatArray:
        """Larger of the sizes of `postfit_up` and `postfit_down`, shape (n_pois, n_parameters)."""
        return np.fmax(np.abs(self.postfit_up), np.abs(self.postfit_down))

    @property
    def valid(self) -> NDArray[np.bool_]:
        """For which parameters nothing failed, shape (n_parameters,)."""
        rows = [[_is_good(status) for status in self.statuses[name]] for name in VARIATIONS]
        valid: NDArray[np.bool_] = np.all(np.array(rows, dtype=bool).reshape(4, -1), axis=0)
        return valid

    def for_poi(self, name: str) -> RankingResult:
        """Return the ranking of one of the parameters of interest, in the order of its impacts."""
        i = index_of(self.pois, name)
        impacts = {key: getattr(self, key)[i : i + 1] for key in VARIATIONS}
        one = replace(
            self,
            pois=(name,),
            poi_values=self.poi_values[i : i + 1],
            poi_errors=self.poi_errors[i : i + 1],
            **impacts,
        )
        return one._take(decreasing(one.impacts[0]))

    def first(self, n: int) -> RankingResult:
        """Return the `n` parameters with the largest impacts."""
        return self._take(np.arange(min(n, len(self.parameters))))

    def _take(self, positions: NDArray[np.intp]) -> RankingResult:
        vectors = ("values", "errors", "prefit_values", "prefit_errors")
        names = tuple(self.parameters[i] for i in positions)
        return replace(
            self,
            parameters=names,
            statuses={k: tuple(row[i] for i in positions) for k, row in self.statuses.items()},
            warnings=tuple(w for w in self.warnings if w.parameter in (*names, *self.pois)),
            **{key: getattr(self, key)[positions] for key in vectors},
            **{key: getattr(self, key)[:, positions] for key in VARIATIONS},
        )

    def __len__(self) -> int:
        return len(self.parameters)

    def __repr__(self) -> str:
        return "\n\n".join(table_text(*self._table(i)) for i in range(len(self.pois)))

    def _repr_html_(self) -> str:
        return "".join(table_html(*self._table(i)) for i in range(len(self.pois)))

    def _table(self, i: int) -> tuple[list[str], Sequence[str], list[Sequence[str]], str]:
        """Return title, header, rows and alignment for one parameter of interest."""
        is_shift = self.method.startswith("global_observables")
        columns = _OBSERVABLE_COLUMNS if is_shift else _COLUMNS
        poi = f"{self.pois[i]} = {self.poi_values[i]:.5g} ± {self.poi_errors[i]:.3g}"
        end = "" if self.complete else "; interrupted"
        title = [f"Impacts on {poi} ({self.method}{end})"]
        title += warning_lines(self.warnings) if i == 0 else []
        align = "rlrr" + "r" * len(columns) + "l"
        return title, (*_HEADER, *columns, ""), self._rows(i, VARIATIONS[: len(columns)]), align

    def _rows(self, i: int, shown: Sequence[str]) -> list[Sequence[str]]:
        pulls, constraints = self.pulls, self.constraints
        rows: list[Sequence[str]] = []
        for j, name in enumerate(self.parameters):
            shrink = constraints[j]
            notes = {self.statuses[key][j] for key in shown}
            rows.append(
                (
                    str(j + 1),
                    name,
                    signed(pulls[j], 2),
                    "" if np.isnan(shrink) else f"{shrink:.2f}",
                    *(signed(getattr(self, key)[i, j]) for key in shown),
                    ", ".join(sorted(note for note in notes if not _is_good(note))),
                )
            )
        return rows


def decreasing(impacts: FloatArray) -> NDArray[np.intp]:
    """Return the order of decreasing numbers, NaN last, equal ones as they were."""
    return np.argsort(-np.nan_to_num(impacts, nan=-1.0), kind="stable")


def _is_good(status: str) -> bool:
    return status.startswith("converged") or status in _NOT_WANTING
