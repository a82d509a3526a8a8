"""Everything that a report shows, in one call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import infer
from .._arguments import checked
from ..errors import ArgumentError, Error, before
from ..fit import fit
from ..infer._common import find_poi
from . import Report
from ._summary import summarise

if TYPE_CHECKING:
    from ..data import Data
    from ..model import Model
    from ..plot import Label
    from ..result import FitResult
    from ..workspace import Workspace


@checked
def make_report(
    model: Model,
    data: Data,
    *,
    workspace: Workspace | None = None,
    result: FitResult | None = None,
    title: str | None = None,
    label: Label | None = None,
    rank: bool = True,
    level: float = 0.95,
    n_toys: int = 0,
    seed: int = 0,
    starts: int | None = None,
    n_threads: int | None = None,
    progress: Callable[[str], object] | None = None,
) -> Report:
    """Compute what an analysis quotes and return it as a report; `.save("report.html")` writes it.

    Parameters
    ----------
    model : Model
        Model to fit.
    data : Data
        Data to fit it to, for expected results `model.asimov({"mu": 1})`.
    workspace : Workspace, optional
        Where both came from: for the inventory, the name and the digest of the source.
    result : FitResult, optional
        The fit of the model to the data, if there is one already. By default `nablafit.fit`. What
        it holds, and ranges other than the model's, hold for everything else in the report.
    title : str, optional
        Title of the page.
    label : Label, optional
        Experiment, energy and luminosity as shown on the plots.
    rank : bool
        Compute the ranking by refits.
    level : float
        Confidence level of the upper limit.
    n_toys, seed : int
        Number of toys for the goodness of fit, and their random seed.
    starts : int, optional
        Random starts of all fits besides those tried by default.
    n_threads : int, optional
        As in `nablafit.fit_many`.
    progress : callable, optional
        Called with the name of each step before it.

    Returns
    -------
    Report
        A result that is not available, such as a limit without a parameter of interest, is replaced
        by the reason.

    Examples
    --------
    >>> model = nf.build.uncorrelated_background([12, 11], [50, 52], [3, 7])
    >>> report = nf.make_report(model, model.data([57, 61]), title="Counting", rank=False)
    >>> _ = report.save("report.html")
    """
    steps = _Steps(progress)
    best = result or steps.must("fit", lambda: fit(model, data, starts=starts or 0))
    shared: dict[str, Any] = {"result": best, "n_threads": n_threads}
    profiled = {**shared, "starts": starts or 0}
    tested = {**_held(model, best), "starts": starts, "n_threads": n_threads}
    steps.run("pulls", lambda: infer.pulls(best, model=model))
    if _has_poi(model, best, steps):
        if rank:
            steps.run("ranking", lambda: infer.ranking(model, data, **profiled))
        steps.run("breakdown", lambda: infer.breakdown(model, data, **shared))
        steps.run("scan", lambda: infer.scan(model, data, **profiled))
        steps.run("significance", lambda: infer.significance(model, data, **tested))
        steps.run(
            "limit", lambda: infer.upper_limit(model, data, level=level, n_curve=12, **tested)
        )
    steps.run("correlation", lambda: infer.correlation(best, order="cluster"))
    steps.run("prefit", lambda: infer.yields(model, data=data))
    steps.run("postfit", lambda: infer.yields(model, best, data=data))
    steps.run(
        "goodness_of_fit",
        lambda: infer.goodness_of_fit(
            model, data, n_toys=n_toys, seed=seed, **{**tested, "starts": starts or 0}
        ),
    )
    return Report(
        fit=best,
        title=title or f"Fit of {model.spec.name}",
        label=label,
        inventory=None if workspace is None else summarise(workspace, model, data),
        missing=steps.missing,
        source="" if workspace is None else workspace.source,
        digest="" if workspace is None else _digest(workspace),
        created=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        options={
            "measurement": model.spec.name,
            "confidence level": f"{level:g}",
            "toys for the goodness of fit": f"{n_toys}, seed {seed}" if n_toys else "none",
        },
        **steps.found,
    )


def _held(model: Model, best: FitResult) -> dict[str, Any]:
    """Return the arguments of fits that repeat what the best fit held, and its ranges."""
    fixed: dict[str, float | bool] = {}
    bounds: dict[str, tuple[float, float]] = {}
    for i, name in enumerate(model.parameters):
        pair = float(best.lower[i]), float(best.upper[i])
        if pair != model.bounds[i]:
            bounds[name] = pair
        if best.fixed[i] != model.fixed[i] or (best.fixed[i] and best.x[i] != model.initial[i]):
            fixed[name] = float(best.x[i]) if best.fixed[i] else False
    return {"bounds": bounds or None, "fixed": fixed or None}


class _Steps:
    """Runs one step after the other; one that fails leaves a sentence and stops no other."""

    def __init__(self, progress: Callable[[str], object] | None) -> None:
        self._progress = progress
        self.found: dict[str, Any] = {}
        self.missing: dict[str, str] = {}

    def must(self, name: str, step: Callable[[], FitResult]) -> FitResult:
        """Run a step without which there is no report."""
        if self._progress is not None:
            self._progress(name)
        with before("report"):
            return step()

    def run(self, name: str, step: Callable[[], Any]) -> None:
        """Run a step and keep its result or the reason why there is none."""
        if self._progress is not None:
            self._progress(name)
        try:
            self.found[name] = step()
        except Error as error:
            self.missing[name] = str(error)


def _has_poi(model: Model, best: FitResult, steps: _Steps) -> bool:
    """Say if there is a parameter of interest that can vary; explain it if not."""
    try:
        poi = find_poi(model)
        if not best.fixed[model.index(poi)]:
            return True
        reason = f"The parameter of interest {poi} is fixed."
    except ArgumentError as error:
        reason = str(error)
    steps.missing |= dict.fromkeys(("ranking", "significance", "limit"), reason)
    return False


def _digest(workspace: Workspace) -> str:
    """Return the SHA-256 of the file, nothing for a source that is not a file."""
    path = Path(workspace.source)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
