"""What an analyst wants to know about a workspace before fitting it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..spec import Parameter, Unconstrained, UniformConstraint
from ..surgery import modifiers_of, users_of

if TYPE_CHECKING:
    from ..data import Data
    from ..model import Model
    from ..workspace import Workspace


def summarise(
    workspace: Workspace, model: Model, data: Data | None, data_problem: str = ""
) -> dict[str, Any]:
    """Return plain lists, numbers and strings; expected events are those at the initial values.

    Without data, `data_problem` says what is wrong with them; empty if there are none.
    """
    spec = model.spec
    counts = Counter(modifier.type for modifier in modifiers_of(spec))
    return {
        "source": workspace.source,
        "format": workspace.format,
        "measurement": spec.name,
        "measurements": _measurements(workspace, model),
        "datasets": list(workspace.datasets),
        "data_problem": data_problem or None,
        "poi": model.poi,
        "parameters_of_interest": list(model.parameters_of_interest),
        "sizes": _sizes(model),
        "channels": _channels(model, data),
        "modifiers": dict(counts.most_common()),
        "parameters": _parameter_groups(model),
        "notes": list(workspace.notes),
        "warnings": list(model.warnings),
    }


def _measurements(workspace: Workspace, model: Model) -> list[dict[str, Any]]:
    pairs = [(name, workspace.poi(name)) for name in workspace.measurements]
    known = set(model.parameters)
    return [{"name": name, "poi": poi, "poi_exists": poi in known} for name, poi in pairs]


def _sizes(model: Model) -> dict[str, int]:
    return {
        "channels": len(model.channels),
        "bins": model.n_bins,
        "samples": sum(len(channel.samples) for channel in model.spec.channels),
        "parameters": model.n_parameters,
        "free parameters": model.n_parameters - sum(model.fixed),
        "constraint terms": len(model.constrained_parameters),
    }


def _channels(model: Model, data: Data | None) -> list[dict[str, Any]]:
    yields = model.expected_by_channel(model.initial)
    samples = model.expected_by_sample(model.initial)
    return [
        {
            "name": name,
            "bins": bins.stop - bins.start,
            "observed": None if data is None else float(data.counts[bins].sum()),
            "expected": float(yields[name].sum()),
            "samples": {sample: float(rows.sum()) for sample, rows in samples[name].items()},
        }
        for name, bins in model.channel_bins.items()
    ]


def _parameter_groups(model: Model) -> list[dict[str, Any]]:
    """Group parameters by the modifiers that they steer and by their constraint."""
    users = users_of(model.spec)
    groups: dict[tuple[str, str], list[Parameter]] = {}
    for parameter in model.spec.parameters:
        types = {modifier.type for modifier in users.get(parameter.name, ())} or {"unused"}
        kind = " + ".join(sorted(types))
        groups.setdefault((kind, _constraint_name(parameter)), []).append(parameter)
    return [
        {
            "kind": kind,
            "constraint": constraint,
            "count": len(members),
            "fixed": sum(parameter.fixed for parameter in members),
            "names": [parameter.name for parameter in members],
        }
        for (kind, constraint), members in groups.items()
    ]


def _constraint_name(parameter: Parameter) -> str:
    if isinstance(parameter.constraint, Unconstrained):
        return "none"
    if isinstance(parameter.constraint, UniformConstraint):
        return "uniform"
    return type(parameter.constraint).__name__.removesuffix("Constraint")
