"""Toys in files: drawn and fitted block by block, so that an interrupted run continues."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._arrays import FloatArray
from .._results.files import read_archive
from ..batch import FORMAT, FitManyResult, fit_many
from ..errors import ArgumentError, Interrupted, located
from ..toys import Toys, toys

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["ToyRun", "parse_shard", "run_toys"]

ResultT = TypeVar("ResultT", Toys, FitManyResult)

_BLOCK = 512
_SECONDS_BETWEEN_SAVES = 20.0


@dataclass(frozen=True, kw_only=True)
class ToyRun:
    """One job: draw toys number `start` to `start + n - 1` at `x` and fit them."""

    model: Model
    x: FloatArray
    n: int
    seed: int
    start: int
    path: Path
    fit: bool = True
    parameters: tuple[str, ...] | None = None
    n_threads: int | None = None
    held: dict[str, Any] = field(default_factory=dict)
    """Bounds and fixed parameters of the fits."""
    starts: int | None = None
    replace: bool = False
    """Begin anew, whatever the file holds."""

    @property
    def notes(self) -> dict[str, NDArray[Any]]:
        """What a file must contain for this run to continue it."""
        how: dict[str, NDArray[Any]] = {}
        if self.starts or any(self.held.values()):
            text = json.dumps({**self.held, "starts": self.starts}, sort_keys=True)
            how = {"toys_fits": np.array(text, dtype=np.str_)}
        return how | {
            "toys_seed": np.array(self.seed, dtype=np.uint64),
            "toys_start": np.array(self.start, dtype=np.uint64),
            "toys_x": self.x,
            "toys_parameters": np.array(self.model.parameters, dtype=np.str_),
        }

    def draw(self, n_done: int, n: int) -> Toys:
        """Draw the next toys."""
        return toys(self.model, self.x, n, self.seed, self.start + n_done, n_threads=self.n_threads)


def parse_shard(text: str, n: int) -> tuple[int, int]:
    """Return first toy and number of toys of shard "i/k" of n toys, i from 1 to k."""
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise located(ArgumentError, f"expected i/k such as 2/10, got {text!r}", "--shard")
    i, k = map(int, parts)
    if not 1 <= i <= k:
        raise located(ArgumentError, f"expected 1 <= i <= k in i/k, got {text!r}", "--shard")
    first = n * (i - 1) // k
    return first, n * i // k - first


def run_toys(run: ToyRun, progress: Callable[[int], object]) -> FitManyResult | Toys:
    """Do the rest of a run, saving now and then and when interrupted.

    `progress` is called with the number of toys done, those of earlier calls included.
    """
    return _draw_only(run, progress) if not run.fit else _draw_and_fit(run, progress)


def _draw_only(run: ToyRun, progress: Callable[[int], object]) -> Toys:
    done = _resumed(run, _load_toys) or run.draw(0, 0)
    progress(len(done))
    try:
        rest = run.draw(len(done), run.n - len(done))
    except Interrupted as interrupted:
        if isinstance(interrupted.result, Toys):
            Toys.merge([done, interrupted.result]).save(run.path)
        raise
    result = Toys.merge([done, rest])
    result.save(run.path)
    progress(len(result))
    return result


def _draw_and_fit(run: ToyRun, progress: Callable[[int], object]) -> FitManyResult:
    earlier = _resumed(run, _load_fits)
    done = [] if earlier is None else [earlier]
    try:
        _fit_blocks(run, done, progress)
    except KeyboardInterrupt as interruption:
        if isinstance(interruption, Interrupted) and isinstance(interruption.result, FitManyResult):
            done.append(_prefix(interruption.result))
        if done:
            FitManyResult.merge(done).save(run.path, run.notes)
        raise
    result = FitManyResult.merge(done)
    result.save(run.path, run.notes)
    return result


def _fit_blocks(run: ToyRun, done: list[FitManyResult], progress: Callable[[int], object]) -> None:
    """Append the fits that are missing to `done`, and save now and then."""
    saved = time.monotonic()
    n_done = sum(map(len, done))
    progress(n_done)
    while n_done < run.n or not done:
        done.append(_fit_block(run, n_done, progress))
        n_done += len(done[-1])
        progress(n_done)
        if time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
            done[:] = [FitManyResult.merge(done)]
            done[0].save(run.path, run.notes)
            saved = time.monotonic()


def _fit_block(run: ToyRun, n_done: int, progress: Callable[[int], object]) -> FitManyResult:
    return fit_many(
        run.model,
        run.draw(n_done, min(_BLOCK, run.n - n_done)),
        parameters=run.parameters,
        **run.held,
        starts=run.starts,
        n_threads=run.n_threads,
        progress=lambda n: progress(n_done + n),
    )


def _prefix(result: FitManyResult) -> FitManyResult:
    """Keep the fits before the first that was not done."""
    status = result.status
    return result.first(status.index("not_fitted") if "not_fitted" in status else len(status))


def _resumed(run: ToyRun, load: Callable[[ToyRun], ResultT | None]) -> ResultT | None:
    """Return what an earlier call has done, None if that is nothing.

    Raises
    ------
    ArgumentError
        If the file holds anything else.
    """
    if run.replace or not run.path.is_file() or run.path.stat().st_size == 0:
        return None
    found = load(run)
    if found is None:
        message = (
            "this file has toys of another run (workspace, parameter values, seed, shard or number "
            "differ), so it cannot be continued; choose another file, or begin anew with --force"
        )
        raise located(ArgumentError, message, str(run.path))
    return found


def _load_toys(run: ToyRun) -> Toys | None:
    done = Toys.load(run.path)
    same = (done.seed, done.start, done.parameters) == (run.seed, run.start, run.model.parameters)
    return done if same and np.array_equal(done.x, run.x) and len(done) <= run.n else None


def _load_fits(run: ToyRun) -> FitManyResult | None:
    members = read_archive(run.path, FORMAT)
    notes = {name: value for name, value in members.items() if name.startswith("toys_")}
    same = notes.keys() == run.notes.keys() and all(
        np.array_equal(notes[key], value) for key, value in run.notes.items()
    )
    result = FitManyResult.load(run.path)
    kept = run.model.parameters if run.parameters is None else run.parameters
    return result if same and result.parameters == kept and len(result) <= run.n else None
