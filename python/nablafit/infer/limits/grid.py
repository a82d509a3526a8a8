"""Upper limits of a grid of signals over one background model."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._arguments import checked
from ..._arrays import FloatArray, thread_count
from ..._results.origin import digest_of, origin_of
from ...errors import Error, WorkspaceError, before, finished, located
from ...fit import fit as run_fit
from ...io.patchset import PatchSet
from ...io.pyhf_json import PyhfDocument
from ...model import Model
from ...workspace import Workspace
from ..testing._hypothesis import Hypothesis, make_hypothesis
from ..testing._profile import Fits, until_settled
from ._asymptotic import limit_from, prepare, table_of
from ._search import Criterion
from .results import LimitGridResult
from .upper_limit import check_choices

if TYPE_CHECKING:
    from ...io.patchset import Patch, Source
    from ...minimizers.problem import Bounds, Fixed
    from .results import LimitResult

TESTED = 1.0  # the signals of a patch set are nominal here


@dataclass(frozen=True, kw_only=True)
class GridSettings:
    """What is the same for all signals."""

    measurement: str | None
    poi: str | None
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
        with before("limits"):
            result = run_fit(model, workspace.data(model))
    except Error:
        return {}
    return result.values.to_dict() if result.valid else {}


def signal_point(
    text: bytes, source: str, settings: GridSettings, start: Mapping[str, float]
) -> SignalPoint:
    """Return the limit of one signal; errors become a status.

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
            statistic=settings.criterion.statistic,
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


@checked
def limit_grid(
    workspace: Workspace,
    patches: PatchSet | Source,
    *,
    measurement: str | None = None,
    poi: str | None = None,
    level: float = 0.95,
    statistic: str = "qtilde",
    criterion: str = "CLs",
    tolerance: float = 1e-6,
    names: Sequence[str] | None = None,
    verify: bool = True,
    bounds: Bounds | None = None,
    fixed: Fixed | None = None,
    starts: int | None = None,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> LimitGridResult:
    """Find the asymptotic upper limit of every signal of a patch set, in threads.

    The background model is read and fitted once: patches copy only what they change, and all fits
    start at its best fit.

    Parameters
    ----------
    workspace : Workspace
        pyhf JSON of the model without signal.
    patches : PatchSet, path, mapping, bytes or file object
        The signals.
    measurement, poi : str, optional
        As in `Workspace.model`; patches may change the parameter of interest of the measurement.
    level, statistic, criterion, tolerance, bounds, fixed, starts
        As in `upper_limit`.
    names : sequence of str, optional
        Only these signals.
    verify : bool
        Check the digests of the patch set against the workspace.
    n_threads : int, optional
        As in `nablafit.fit_many`. Results do not depend on it.
    progress : callable, optional
        Called with the number of signals that are done.

    Returns
    -------
    LimitGridResult
        Ordered by the values of the patches. A signal that fails has a status of its own and does
        not affect the others.

    Raises
    ------
    WorkspaceError
        If the workspace is not JSON of pyhf or not the one that the patches are for.
    ArgumentError
        For names that do not exist and other arguments out of range.
    Interrupted
        At Ctrl-C: its `result` has the signals that are done.

    Examples
    --------
    >>> grid = nf.limit_grid(nf.Workspace.load("background.json"), "patchset.json")
    >>> for point, observed in zip(grid.points, grid.observed, strict=True):
    ...     print(point, round(float(observed), 2))
    (300.0,) 1.38
    (400.0,) 2.1
    """
    arguments = dict(locals())
    check_choices(statistic, criterion, level, tolerance)
    document = _document(workspace)
    found = patches if isinstance(patches, PatchSet) else PatchSet.load(patches)
    chosen = _ordered([found.find(name) for name in (names if names is not None else found)])
    if verify:
        found.verify(document)
    settings = GridSettings(
        measurement=measurement,
        poi=poi,
        criterion=Criterion(criterion, statistic, level),
        tolerance=tolerance,
        bounds=bounds,
        fixed=fixed,
        starts=starts,
    )
    shared, start = SharedDocument(document), background_values(workspace, settings)

    def work(patch: Patch) -> SignalPoint:
        source = f"{workspace.source} ({patch.name})"
        try:
            text = shared.patched(found, patch)
        except WorkspaceError as error:
            return SignalPoint("error", str(error))
        return signal_point(text, source, settings, start)

    points, interruption = _run(work, chosen, thread_count(n_threads), progress)
    origin = origin_of(
        "limit_grid",
        arguments,
        workspace=partial(digest_of, document),
        patches=partial(digest_of, [[*patch.values, patch.operations] for patch in chosen]),
    )
    result = replace(_collect(found, chosen, points, settings), origin=origin)
    return finished(result, interruption)


def _document(workspace: Workspace) -> Mapping[str, Any]:
    if not isinstance(workspace._document, PyhfDocument):
        message = f"patch sets are for pyhf JSON, this is {workspace.format}"
        raise located(WorkspaceError, message, workspace.source)
    document: dict[str, Any] = json.loads(workspace._document.content)
    return document


def _ordered(patches: Sequence[Patch]) -> list[Patch]:
    """Sort by values, numbers before words, then by name."""

    def key(patch: Patch) -> tuple[Any, ...]:
        values = ((isinstance(v, str), v) for v in patch.values)
        return (*values, (True, patch.name))

    return sorted(patches, key=key)


def _default_threads() -> int:
    """Return what the core takes: NABLAFIT_NUM_THREADS, else the processors of this process."""
    wanted = os.environ.get("NABLAFIT_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run(
    work: Callable[[Patch], SignalPoint],
    patches: Sequence[Patch],
    n_threads: int,
    progress: Callable[[int], object] | None,
) -> tuple[list[SignalPoint | None], BaseException | None]:
    """Return the points in the order of the patches, None where not done, and what stopped it.

    The calling thread waits at a queue in C alone: an interruption within a condition of Python
    leaves its lock taken, and then the threads never end.
    """
    points: list[SignalPoint | None] = [None] * len(patches)
    waiting = deque(range(len(patches)))
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    stop = Event()

    def check() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def work_off() -> None:
        while not stop.is_set():
            try:
                i = waiting.popleft()
            except IndexError:
                return
            try:
                points[i] = _core.run_until(check, partial(work, patches[i]))
            except BaseException as error:  # noqa: BLE001 - is raised in the calling thread
                ended.put(error)
                return
            ended.put(None)

    n = min(n_threads or _default_threads(), len(patches))
    threads = [Thread(target=work_off) for _ in range(n)]
    interruption: BaseException | None = None
    try:
        for thread in threads:
            thread.start()
        for n_done in range(1, len(patches) + 1):
            error = ended.get()
            if error is not None:
                raise error
            if progress is not None:
                progress(n_done)
    except KeyboardInterrupt as error:
        interruption = error
    finally:
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return points, interruption


def _collect(
    patches: PatchSet,
    chosen: Sequence[Patch],
    points: Sequence[SignalPoint | None],
    settings: GridSettings,
) -> LimitGridResult:
    nothing = SignalPoint("not_done", "The run was interrupted before this signal.")
    filled = [nothing if point is None else point for point in points]
    limits = [point.limit for point in filled]
    n = len(filled)
    observed, hats, expected = np.full(n, np.nan), np.full(n, np.nan), np.full((n, 5), np.nan)
    for i, limit in enumerate(limits):
        if limit is not None:
            observed[i], hats[i], expected[i] = limit.observed, limit.poi_hat, limit.expected
    cls = np.array([point.cls for point in filled]).reshape(n, 6)
    poi = next((limit.poi for limit in limits if limit is not None), settings.poi or "")
    return LimitGridResult(
        labels=patches.labels,
        names=tuple(patch.name for patch in chosen),
        points=tuple(
            tuple(v if isinstance(v, str) else float(v) for v in patch.values) for patch in chosen
        ),
        poi=poi,
        level=settings.criterion.level,
        statistic=settings.criterion.statistic,
        criterion=settings.criterion.name,
        observed=observed,
        expected=expected,
        tested=TESTED,
        cls_observed=cls[:, 0].copy(),
        cls_expected=cls[:, 1:].copy(),
        poi_hat=hats,
        status=tuple(point.status for point in filled),
        messages=tuple(point.message for point in filled),
        source=patches.source,
        complete=all(point is not None for point in points),
    )
