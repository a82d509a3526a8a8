"""Ctrl-C at any time: what takes long stops within a second, and what was done is kept."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit import _core
from nablafit.cli import main

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="the system has no timers that raise signals"
)

# In seconds of processor time of all threads: the machine may be busy with other tests.
LONGEST_STOP = 1.5


@contextmanager
def interruption_after(seconds: float) -> Iterator[list[float]]:
    """Raise KeyboardInterrupt from a signal; the list gets the processor time at that moment."""
    at: list[float] = []

    def interrupt(*_: object) -> None:
        at.append(time.process_time())
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield at
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def stopped(call: Callable[[], object], after: float = 0.3) -> KeyboardInterrupt:
    """Call, interrupt, and return the exception after checking that it came in time."""
    with interruption_after(after) as at, pytest.raises(KeyboardInterrupt) as caught:
        call()
    assert time.process_time() - at[0] < LONGEST_STOP
    return caught.value


def document(n_systematics: int, n_bins: int, n_gammas: bool = False) -> dict[str, Any]:
    """One channel of signal and background with many systematics."""
    random = np.random.default_rng(1)
    sizes = 1.0 + 0.05 * random.normal(size=(n_systematics, 2))
    modifiers: list[dict[str, Any]] = [
        {"name": f"alpha{i}", "type": "normsys", "data": {"lo": low, "hi": high}}
        for i, (low, high) in enumerate(sizes.tolist())
    ]
    if n_gammas:
        modifiers.append({"name": "stat", "type": "staterror", "data": [5.0] * n_bins})
    strength = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": [10.0] * n_bins, "modifiers": [strength]},
        {"name": "background", "data": [100.0] * n_bins, "modifiers": modifiers},
    ]
    observed = random.poisson(112.0, n_bins).astype(float).tolist()
    return {
        "version": "1.0.0",
        "channels": [{"name": "region", "samples": samples}],
        "observations": [{"name": "region", "data": observed}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    }


def opened(content: dict[str, Any]) -> tuple[nf.Model, nf.Data]:
    workspace = nf.Workspace.load(content)
    model = workspace.model()
    return model, workspace.data(model)


@pytest.fixture(scope="module")
def large() -> tuple[nf.Model, nf.Data]:
    """A model whose fit takes seconds."""
    return opened(document(3000, 100))


@pytest.fixture(scope="module")
def small() -> tuple[nf.Model, nf.Data]:
    """A model whose fit takes less than a millisecond, fitted very often."""
    return opened(document(5, 4, n_gammas=True))


@pytest.mark.slow
@pytest.mark.parametrize("minimizer", ["newton", "minuit", "scipy:trust-krylov", "scipy:BFGS"])
def test_an_interrupted_fit_has_its_best_point(
    large: tuple[nf.Model, nf.Data], minimizer: str
) -> None:
    model, data = large
    if minimizer == "minuit":
        model, data = opened(document(400, 100))
    caught = stopped(lambda: nf.fit(model, data, minimizer=minimizer))
    assert isinstance(caught, nf.Interrupted)
    result = caught.result
    assert isinstance(result, nf.FitResult)
    assert result.status == "interrupted"
    assert not result.valid
    assert "best one so far" in result.message
    assert "interrupted" in repr(result)
    assert result.value <= model.likelihood(data)(model.initial)
    assert nf.FitResult.from_json(result.to_json()).status == "interrupted"


@pytest.mark.slow
def test_an_interrupted_fit_leaves_nothing_behind() -> None:
    model, data = opened(document(700, 30))
    likelihood = model.likelihood(data)
    alone = nf.fit(likelihood)
    hessian = likelihood.hessian(alone.x)
    for after in (0.005, 0.02, 0.04):
        try:
            with interruption_after(after):
                nf.fit(likelihood)
        except KeyboardInterrupt:
            pass
        try:
            with interruption_after(after):
                likelihood.hessian(alone.x)
        except KeyboardInterrupt:
            pass
    again = nf.fit(likelihood)
    np.testing.assert_array_equal(again.x, alone.x)
    np.testing.assert_array_equal(likelihood.hessian(alone.x), hessian)


@pytest.mark.slow
def test_a_search_from_many_starts_keeps_its_minima(small: tuple[nf.Model, nf.Data]) -> None:
    caught = stopped(lambda: nf.fit(*small, starts=50_000))
    assert isinstance(caught, nf.Interrupted)
    result = caught.result
    assert isinstance(result, nf.FitResult)
    assert result.status == "interrupted"
    assert len(result.minima) == 1
    assert result.minima[0].n_starts > 10
    np.testing.assert_allclose(result.x, nf.fit(*small).x, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("name", [
    "fit_many", "toys", "ranking", "breakdown", "intervals", "contour", "scan", "hypotest",
    "significance", "upper_limit", "goodness_of_fit", "feldman_cousins",
])  # fmt: skip
def test_every_long_call_stops(
    small: tuple[nf.Model, nf.Data], large: tuple[nf.Model, nf.Data], name: str, size: str
) -> None:
    """With toys or many points on a small model; in its first fit on a large one."""
    model, data = small if size == "small" else large
    counts = np.tile(data.counts, (10**5, 1)) if size == "small" else data.counts
    many, toys = 10**5, {"calculator": "toys", "n_toys": 10**5}
    calls: dict[str, Callable[[], object]] = {
        "fit_many": lambda: nf.fit_many(model, counts),
        "toys": lambda: [nf.toys(model, n=1000) for _ in range(many)],
        "ranking": lambda: [nf.ranking(model, data) for _ in range(many)],
        "breakdown": lambda: [nf.breakdown(model, data) for _ in range(many)],
        "intervals": lambda: [nf.intervals(model, data) for _ in range(many)],
        "contour": lambda: [nf.contour(model, data, ["mu", "alpha0"]) for _ in range(many)],
        "scan": lambda: nf.scan(model, data, ["mu"], n=many),
        "hypotest": lambda: nf.hypotest(model, data, 1.0, **toys),
        "significance": lambda: nf.significance(model, data, **toys),
        "upper_limit": lambda: nf.upper_limit(model, data, **toys),
        "goodness_of_fit": lambda: nf.goodness_of_fit(model, data, n_toys=many),
        "feldman_cousins": lambda: nf.feldman_cousins(model, data, n_toys=many),
    }
    caught = stopped(calls[name])
    if isinstance(caught, nf.Interrupted) and name not in ("fit_many", "toys", "upper_limit"):
        assert type(caught.result).__name__.lower().startswith(name.replace("_", "")[:5])


def test_feldman_cousins_does_not_say_what_is_not_known(small: tuple[nf.Model, nf.Data]) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    model, data = small
    with pytest.raises(nf.Interrupted) as caught:
        nf.feldman_cousins(model, data, values=[0.0, 0.5, 1.0], n_toys=100_000, progress=stop)
    assert "empty" not in repr(caught.value.result)
    assert "not known yet" in repr(caught.value.result)


@pytest.mark.slow
def test_derivatives_of_large_models_stop(large: tuple[nf.Model, nf.Data]) -> None:
    model, data = large
    likelihood = model.likelihood(data)
    stopped(lambda: [likelihood.hessian(model.initial) for _ in range(10_000)])
    stopped(lambda: nf.diff.fit(model, data))


@pytest.mark.slow
@pytest.mark.parametrize("step", ["load", "model", "hs3"])
def test_reading_and_compiling_stop(step: str) -> None:
    content = document(8_000, 1)
    content["channels"] = [{**content["channels"][0], "name": f"region{i}"} for i in range(15)]
    content["observations"] = [{"name": f"region{i}", "data": [110.0]} for i in range(15)]
    text = json.dumps(content)
    if step == "load":
        stopped(lambda: [nf.Workspace.load(text) for _ in range(100)], after=0.1)
        return
    workspace = nf.Workspace.load(text)
    if step == "model":
        stopped(lambda: [workspace.model() for _ in range(100)])
    else:
        stopped(lambda: [workspace.model().spec.to_hs3() for _ in range(100)])


@pytest.mark.slow
def test_the_command_line_shows_and_saves_an_interrupted_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = tmp_path / "large.json", tmp_path / "fit.json"
    path.write_text(json.dumps(document(3000, 100)))
    with interruption_after(1.0):
        code = main(["fit", str(path), "-o", str(output)])
    assert code == 130
    assert "NOT VALID (interrupted)" in capsys.readouterr().err
    result = nf.load_result(output)
    assert isinstance(result, nf.FitResult)
    assert result.status == "interrupted"


@pytest.mark.slow
def test_a_grid_of_limits_stops_with_what_is_done() -> None:
    content = document(40, 30)
    patches = [
        {
            "metadata": {"name": f"signal{i}", "values": [i]},
            "patch": [{"op": "replace", "path": "/channels/0/samples/0/data/0", "value": 10.0 + i}],
        }
        for i in range(2000)
    ]
    patch_set = {
        "metadata": {
            "references": {"hepdata": "ins1"},
            "description": "signals",
            "digests": {"sha256": "0" * 64},
            "labels": ["mass"],
        },
        "patches": patches,
        "version": "1.0.0",
    }
    workspace = nf.Workspace.load(content)
    caught = stopped(lambda: nf.limit_grid(workspace, patch_set, verify=False), after=1.0)
    assert isinstance(caught, nf.Interrupted)
    assert not caught.result.complete
    assert "not_done" in caught.result.status


@pytest.mark.process
def test_a_grid_of_limits_never_hangs() -> None:
    """Interruptions at all moments, in a process of its own: what hangs there is killed."""
    code = """
import signal, time
from nablafit.infer.limits import grid

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
stopped = 0
for k in range(40):
    signal.setitimer(signal.ITIMER_REAL, 0.004 + 0.0007 * k)
    try:
        points, error = grid._run(lambda p: (time.sleep(0), p)[1], list(range(2000)), 2, None)
        assert points == list(range(2000)) or error is not None
        stopped += error is not None
    except KeyboardInterrupt:  # before or after the work
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
assert stopped
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_stops_a_thread_is_asked(small: tuple[nf.Model, nf.Data]) -> None:
    """Threads of Python get no signals: those of a grid of limits are stopped by a function."""
    model, data = small
    asked: list[float] = []

    def stop() -> None:
        asked.append(time.monotonic())
        raise KeyboardInterrupt

    rows = np.repeat(data.counts[np.newaxis], 200_000, axis=0)
    with pytest.raises(nf.Interrupted) as caught:
        _core.run_until(stop, lambda: nf.fit_many(model, rows, starts=0, n_threads=1))
    assert len(asked) == 1
    assert not caught.value.result.complete
