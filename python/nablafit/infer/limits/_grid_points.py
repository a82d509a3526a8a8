"""One signal of a grid: patch, compile, limit; without repeating what all signals share."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arrays import FloatArray
from ...errors import Error
from ...fit import fit as run_fit
from ...model import Model
from ...workspace import Workspace
from ..testing._hypothesis import Hypothesis, make_hypothesis
from ..testing._profile import Fits, until_settled
from ._asymptotic import limit_from, prepare, table_of
from ._search import Criterion

if TYPE_CHECKING:
    from ...io.patchset import Patch, PatchSet
    from ...minimizers.problem import Bounds, Fixed
    from .results import LimitResult

__all__ = ["GridSettings", "SharedDocument", "SignalPoint", "background_values", "signal_point"]

TESTED = 1.0  # the signals of a patch set are nominal here


@dataclass(frozen=True, kw_only=True)
class GridSettings:
    """What is the same for all signals."""

    measurement: str | None
    poi: str | None
    statistic: str
    criterion: Criterion
    tolerance: float
    bounds: Bounds | None
    fixed: Fixed | None
    starts: int | None


@dataclass(frozen=True, eq=False)
class SignalPoint:
    """What became of one signal."""

    status: str
    message: str
    limit: LimitResult | None = None
    cls: FloatArray = field(default_factory=lambda: np.full(6, math.nan))
    """The criterion at the nominal signal: observed and five expected values."""


class SharedDocument:
    """The JSON of a background model, with the text of each sample made only once.

    A patch copies no more than the containers that it changes, so the samples that it leaves alone
    are the same objects, whose text is known.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._texts = {
            id(sample): json.dumps(sample)
            for channel in document.get("channels", ())
            for sample in channel.get("samples", ())
        }

    def patched(self, patches: PatchSet, patch: Patch) -> bytes:
        """Return the JSON text of the patched document."""
        return self._encode(patches.apply(self.document, patch.name, verify=False))

    def _encode(self, document: Mapping[str, Any]) -> bytes:
        channels = document.get("channels")
        rest = {key: value for key, value in document.items() if key != "channels"}
        if not isinstance(channels, Sequence) or not all(map(_has_samples, channels)):
            return json.dumps(document).encode()
        texts = ", ".join(self._channel(channel) for channel in channels)
        return _join(rest, f'"channels": [{texts}]').encode()

    def _channel(self, channel: Mapping[str, Any]) -> str:
        rest = {key: value for key, value in channel.items() if key != "samples"}
        texts = (self._texts.get(id(s)) or json.dumps(s) for s in channel["samples"])
        return _join(rest, f'"samples": [{", ".join(texts)}]')


def _has_samples(channel: object) -> bool:
    return isinstance(channel, Mapping) and isinstance(channel.get("samples"), list)


def _join(rest: Mapping[str, Any], member: str) -> str:
    """Return a JSON object with the members of `rest` and one more."""
    text = json.dumps(rest)
    return f"{text[:-1]}, {member}}}" if rest else f"{{{member}}}"


def background_values(workspace: Workspace, settings: GridSettings) -> dict[str, float]:
    """Fit the model without signal: where the fits of all signals start. Empty if that fails."""
    try:
        model = Model(workspace.spec(settings.measurement))
        result = run_fit(model, workspace.data(model))
    except Error:
        return {}
    return result.values.to_dict() if result.valid else {}


def signal_point(
    text: bytes, source: str, settings: GridSettings, start: Mapping[str, float]
) -> SignalPoint:
    """Return the limit of one signal; whatever goes wrong is a status.

    Parameters
    ----------
    text : bytes
        JSON of the patched workspace.
    source : str
        Its name in messages.
    settings : GridSettings
        What to do.
    start : mapping
        Where fits start: values of parameters that exist in the model without signal.
    """
    try:
        workspace = Workspace._from_content(text, source)
        model = Model(workspace.spec(settings.measurement, settings.poi))
        hypothesis = make_hypothesis(
            model,
            TESTED,
            poi=settings.poi,
            statistic=settings.statistic,
            bounds=settings.bounds,
            fixed=settings.fixed,
        )
        return _limit(workspace, hypothesis, settings, start)
    except Error as error:
        return SignalPoint("error", str(error))


def _limit(
    workspace: Workspace,
    hypothesis: Hypothesis,
    settings: GridSettings,
    start: Mapping[str, float],
) -> SignalPoint:
    model = hypothesis.model
    known = set(model.parameters) - set(hypothesis.poi)
    point = model.point({name: value for name, value in start.items() if name in known})
    data, fits = workspace.data(model), Fits(settings.starts, 1)

    def work() -> SignalPoint:
        ready = prepare(
            hypothesis, data, settings.criterion, fits, tolerance=settings.tolerance, start=point
        )
        cls = np.full(6, math.nan)
        if ready.search is not None:
            ready.search.evaluate([TESTED])
            cls = table_of(ready.search, settings.criterion).p[0]
        limit = limit_from(ready, settings.criterion, None, "log")
        return SignalPoint(limit.status, " ".join([limit.message, *limit.notes]), limit, cls)

    return until_settled(fits, work)
