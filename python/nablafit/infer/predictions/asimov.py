"""Asimov data: data that equal their expectation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..._arguments import checked
from ...errors import ArgumentError, Error, before, located
from ...fit import fit as run_fit
from ...minimizers.problem import bounds_by_name, fixed_items
from .._common import find_poi

if TYPE_CHECKING:
    from ...data import Data
    from ...minimizers.problem import Bounds, Fixed
    from ...model import Model
    from ...result import FitResult


@checked
def asimov_data(
    model: Model,
    data: Data | None = None,
    *,
    at: float | Mapping[str, float] | None = None,
    poi: str | None = None,
    fit: FitResult | None = None,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
) -> Data:
    """Return Asimov data, main counts and global observables, for chosen parameters.

    Parameters
    ----------
    model : Model
        What to expect.
    data : Data, optional
        Observed data: the nuisance parameters are those of a fit to them with `at` held, the
        convention of asymptotic limits (pyhf.infer.calculators.generate_asimov_data).
    at : float or mapping, optional
        Value of the parameter of interest, or values of several by name.
    poi : str, optional
        Parameter of interest, by default that of the model.
    fit : FitResult, optional
        Post-fit: the parameters are those of this result, apart from `at`. Without `data` and `fit`
        they are the initial values of the model (pre-fit), apart from `at`.
    bounds, fixed : optional
        As in `nablafit.fit`, for the fit to `data`.

    Raises
    ------
    ArgumentError
        For arguments that contradict each other, or a parameter of interest that does not exist.
    Error
        If the fit to `data` fails.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> data = model.data([57, 61])
    >>> expected = nf.asimov_data(model, data, at=0.0)  # nuisance parameters fitted to the data
    >>> print(expected.counts.round(1))
    [51.1 56.4]
    >>> print(nf.asimov_data(model, at=1.0).counts)  # before any fit
    [62. 63.]
    """
    if data is not None and fit is not None:
        message = "give data (profiled) or fit (post-fit), not both"
        raise located(ArgumentError, message, "fit")
    held = _values(model, at, poi)
    if fit is not None:
        return model.asimov({**fit.values.to_dict(), **held})
    if data is None:
        return model.asimov(held)
    if not held:
        message = "profiled Asimov data need the value of the parameter of interest"
        raise located(ArgumentError, message, "at")
    everything: dict[str, float | bool] = {**dict(fixed_items(fixed)), **held}
    ranges = {**dict.fromkeys(held, (None, None)), **bounds_by_name(model.parameters, bounds)}
    with before("Asimov data"):
        result = run_fit(model, data, bounds=ranges, fixed=everything)
    if not result.valid:
        message = f"the fit that gives the nuisance parameters failed: {result.message}"
        raise located(Error, message, "asimov_data")
    return model.asimov(result.x)


def _values(
    model: Model, at: float | Mapping[str, float] | None, poi: str | None
) -> dict[str, float]:
    if at is None:
        return {}
    if isinstance(at, Mapping):
        for name in at:
            model.index(name)
        return {name: float(value) for name, value in at.items()}
    return {find_poi(model, poi): float(at)}
