"""Models of pyhf, and pyhf's inference on nablafit's core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError, located
from ..model import Model
from ..workspace import Workspace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pyhf
    from pyhf.optimize.mixins import OptimizerMixin

    from ..spec import ModelSpec
    from ._pyhf_optimizer import NablafitOptimizer

__all__ = ["from_pyhf", "optimizer", "replace_minuit"]

# What pyhf takes where `modifier_settings` are given and leave a kind of modifiers out.
_UNSET_CODES = {"normsys": "code1", "histosys": "code0"}


def from_pyhf(pyhf_model: pyhf.Model) -> Model:
    """Compile a pyhf model; parameters, bins and auxiliary data keep pyhf's order.

    Parameters
    ----------
    pyhf_model : pyhf.Model
        A model without batches, of modifiers that nablafit knows.

    Returns
    -------
    Model
        With pyhf's interpolation codes and clipping. `Data.from_pyhf(model, values)` takes pyhf's
        data for it.

    Raises
    ------
    ImportError
        If pyhf is not installed.
    SpecError
        If the model asks for something that cannot be represented.
    """
    _require_pyhf()
    _check_supported(pyhf_model)
    settings = pyhf_model.config.modifier_settings
    main = pyhf_model.main_model
    workspace = Workspace.load(_document(pyhf_model))
    spec = workspace.spec(
        poi=pyhf_model.config.poi_name or "",
        interpolation={
            modifier: settings.get(modifier, {}).get("interpcode", default)
            for modifier, default in _UNSET_CODES.items()
        },
        clip_sample_data=main.clip_sample_data is not None,
        clip_bin_data=main.clip_bin_data,
    )
    return Model(_in_order(spec, tuple(pyhf_model.config.par_names)))


def optimizer(
    *,
    tolerance: float = 1e-11,
    maxiter: int | None = None,
    fallback: OptimizerMixin | None = None,
) -> NablafitOptimizer:
    """Return an optimizer with which pyhf's own functions run on nablafit's core.

    `pyhf.set_backend("numpy", nablafit.interop.pyhf.optimizer())`, and `pyhf.infer` fits with exact
    derivatives; the code that calls it stays as it is. For code that chooses pyhf's MINUIT by
    itself, as cabinetry does for every fit, there is `replace_minuit`.

    Parameters
    ----------
    tolerance : float
        As in `nablafit.fit`. The default makes minima equal to rounding, which pyhf needs where the
        best fit is at a bound: it divides by differences of them.
    maxiter : int, optional
        Largest number of Newton iterations. Options of a single fit come before both.
    fallback : pyhf optimizer, optional
        What does the fits that nablafit cannot; by default pyhf's MINUIT.

    Returns
    -------
    NablafitOptimizer
        It compiles each pyhf model at its first fit, checks that -2 log L agrees with pyhf's there,
        and keeps it as long as the pyhf model lives. Values, bounds, constness and data are those
        that pyhf passes, so a change of the model's configuration counts at once; templates count
        as they were when the pyhf model was made.

    Raises
    ------
    ImportError
        If pyhf is not installed.

    Notes
    -----
    A model that cannot be compiled, or an objective other than `pyhf.infer.mle.twice_nll`, is left
    to the fallback with a FitWarning. Uncertainties are those of the exact Hessian: for parameters
    with bounds they differ from MINUIT's by up to a percent, which come from its sine transform.
    Models with variations that may lead to several minima, one-sided ones for instance, are fitted
    from several starts, and the lowest minimum counts.
    """
    _require_pyhf()
    from ._pyhf_optimizer import NablafitOptimizer

    return NablafitOptimizer(tolerance=tolerance, maxiter=maxiter, fallback=fallback)


def replace_minuit(
    *, tolerance: float = 1e-11, maxiter: int | None = None
) -> AbstractContextManager[None]:
    """Return a context in which pyhf's `minuit_optimizer` runs on nablafit's core.

    cabinetry chooses pyhf's MINUIT for every fit, whatever was set before:

    >>> with nablafit.interop.pyhf.replace_minuit():
    ...     cabinetry.fit.ranking(model, data)

    Arguments, cache and fallback are those of `optimizer`. Inside the context all of the process is
    affected, other threads included.
    """
    ours = optimizer(tolerance=tolerance, maxiter=maxiter)
    from ._pyhf_optimizer import replaced_minuit

    return replaced_minuit(ours)


def _require_pyhf() -> None:
    try:
        import pyhf  # noqa: F401
    except ImportError as error:
        raise ImportError("this needs pyhf: pip install pyhf") from error


def _check_supported(pyhf_model: pyhf.Model) -> None:
    if pyhf_model.batch_size is not None:
        raise located(SpecError, "expected a model without batches, got a batch size", "batch_size")
    if pyhf_model.main_model.clip_sample_data not in (None, 0.0):
        message = f"expected 0 or None, got {pyhf_model.main_model.clip_sample_data}"
        raise located(SpecError, message, "clip_sample_data")


def _document(pyhf_model: pyhf.Model) -> dict[str, Any]:
    """Wrap the specification of a model into a workspace without events."""
    spec = pyhf_model.spec
    config = pyhf_model.config
    observations = [
        {"name": name, "data": np.zeros(config.channel_nbins[name]).tolist()}
        for name in config.channels
    ]
    measurement = {
        "name": "model",
        "config": {"poi": config.poi_name or "", "parameters": spec.get("parameters", [])},
    }
    return {
        "version": "1.0.0",
        "channels": spec["channels"],
        "observations": observations,
        "measurements": [measurement],
    }


def _in_order(spec: ModelSpec, names: tuple[str, ...]) -> ModelSpec:
    """Sort the parameters of a specification like `names`."""
    by_name = {parameter.name: parameter for parameter in spec.parameters}
    if set(by_name) != set(names):
        different = ", ".join(sorted(set(by_name) ^ set(names)))
        raise located(SpecError, f"pyhf and nablafit disagree about {different}", "parameters")
    return spec.replace(parameters=[by_name[name] for name in names])
