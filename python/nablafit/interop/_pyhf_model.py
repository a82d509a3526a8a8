"""Models of pyhf as models of nablafit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, SpecError, located
from ..model import Model
from ..workspace import Workspace

if TYPE_CHECKING:
    import pyhf

    from ..spec import ModelSpec

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
        If the model uses something that cannot be represented.

    Examples
    --------
    >>> import pyhf
    >>> theirs = pyhf.simplemodels.uncorrelated_background([12], [50], [3])
    >>> model = nf.from_pyhf(theirs)
    >>> model.parameters
    ('mu', 'uncorr_bkguncrt[0]')
    """
    require_pyhf()
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


def require_pyhf() -> None:
    """Raise ImportError, with the remedy, unless pyhf is installed."""
    try:
        import pyhf  # noqa: F401
    except ImportError as error:
        raise ImportError("this needs pyhf: pip install pyhf") from error


def _check_supported(pyhf_model: pyhf.Model) -> None:
    if not (hasattr(pyhf_model, "config") and hasattr(pyhf_model, "main_model")):
        message = f"expected a pyhf.Model, got {type(pyhf_model).__name__}"
        raise located(ArgumentError, message, "pyhf_model")
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
