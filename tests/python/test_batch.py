"""Many fits at once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit.batch import STATUSES


@pytest.fixture(scope="module")
def toys(model: nf.Model) -> nf.Toys:
    return nf.toys(model, n=200, seed=3)


@pytest.fixture(scope="module")
def result(model: nf.Model, toys: nf.Toys) -> nf.FitManyResult:
    return nf.fit_many(model, toys)


def test_fits_equal_single_fits(model: nf.Model, toys: nf.Toys, result: nf.FitManyResult) -> None:
    assert len(result) == 200
    assert result.complete
    assert result.status_counts == {"converged": 200}
    for i in (0, 17, 199):
        single = nf.fit(model, toys[i])
        np.testing.assert_array_equal(result.x[i], single.x)
        np.testing.assert_allclose(result.errors[i], single.errors, rtol=1e-12)
        assert result.twice_nll[i] == pytest.approx(single.twice_nll, rel=1e-14)
    np.testing.assert_array_equal(result["mu"], result.x[:, model.index("mu")])
    assert np.all(result.error("scale") > 0)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_results_do_not_depend_on_threads(
    model: nf.Model, toys: nf.Toys, result: nf.FitManyResult, n_threads: int
) -> None:
    assert nf.fit_many(model, toys, n_threads=n_threads) == result
    assert nf.fit_many(model, toys, n_threads=1) == result


def test_data_come_in_many_shapes(
    model: nf.Model, data: nf.Data, toys: nf.Toys, result: nf.FitManyResult
) -> None:
    start = {"initial": toys.x}
    assert nf.fit_many(model, list(toys), **start) == result
    joined = np.hstack([toys.counts, toys.global_observables])
    assert nf.fit_many(model, joined, **start) == result
    counts_only = nf.fit_many(model, toys.counts[:3])
    nominal = model.asimov().global_observables
    for i in range(3):
        assert counts_only.value[i] == nf.fit(model, nf.Data(toys.counts[i], nominal)).value
    assert len(nf.fit_many(model, data)) == 1


def test_one_bad_toy_does_not_lose_the_others(
    model: nf.Model, toys: nf.Toys, result: nf.FitManyResult
) -> None:
    counts = np.array(toys.counts)
    counts[5, 1] = np.nan
    counts[9, 0] = -3.0
    joined = np.hstack([counts, toys.global_observables])
    mixed = nf.fit_many(model, joined, initial=toys.x)
    assert mixed.status_counts == {"converged": 198, "invalid_input": 2}
    assert np.flatnonzero(~mixed.valid).tolist() == [5, 9]
    assert np.isnan(mixed["mu"][5])
    good = mixed.valid
    np.testing.assert_array_equal(mixed.x[good], result.x[good])


def test_scans_fix_one_value_per_fit(model: nf.Model, data: nf.Data) -> None:
    points = np.linspace(0.0, 3.0, 7)
    scan = nf.fit_many(model, data, fixed={"mu": points, "lumi": True})
    np.testing.assert_array_equal(scan["mu"], points)
    np.testing.assert_array_equal(scan.error("mu"), 0.0)
    single = nf.fit(model, data, fixed={"mu": 1.5, "lumi": True})
    assert scan.value[3] == pytest.approx(single.value, rel=1e-13)
    np.testing.assert_allclose(scan.x[3], single.x, rtol=1e-9, atol=1e-12)


def test_ranking_fixes_other_parameters_in_every_fit(model: nf.Model, data: nf.Data) -> None:
    fits = [None, {"scale": 1.0}, {"scale": -1.0, "lumi": 1.02}, {"stat[0]": True}]
    ranked = nf.fit_many(model, data, fixed=fits)
    for i, fixed in enumerate(fits):
        single = nf.fit(model, data, fixed=fixed)
        assert ranked.value[i] == pytest.approx(single.value, rel=1e-12)
        np.testing.assert_allclose(ranked.x[i], single.x, rtol=1e-8, atol=1e-10)


def test_a_matrix_says_what_is_held(model: nf.Model, data: nf.Data) -> None:
    starts = np.array([model.point({"mu": 1.5}), model.point({"lumi": 1.01})])
    held = np.zeros((2, model.n_parameters), dtype=bool)
    held[0, model.index("mu")] = held[1, model.index("lumi")] = True
    found = nf.fit_many(model, data, initial=starts, fixed=held)
    listed = nf.fit_many(model, data, fixed=[{"mu": 1.5}, {"lumi": 1.01}])
    np.testing.assert_allclose(found.x, listed.x, atol=1e-4 * listed.errors[1].max())
    assert found["mu"][0] == 1.5
    assert found["lumi"][1] == 1.01
    one = nf.fit_many(model, data, initial=starts, fixed=held[0])
    np.testing.assert_array_equal(one["mu"], starts[:, model.index("mu")])


def test_bounds_and_starts(model: nf.Model, data: nf.Data) -> None:
    box = {"bounds": {"mu": (1.5, 2.0)}}
    starts = np.repeat(model.point().reshape(1, -1), 3, axis=0)
    starts[:, model.index("scale")] = [-4.0, 0.0, 9.0]
    found = nf.fit_many(model, data, initial=starts, **box)
    assert np.all(found.valid)
    np.testing.assert_allclose(found.value, nf.fit(model, data, **box).value, rtol=1e-9)


def test_only_some_parameters_are_kept(
    model: nf.Model, toys: nf.Toys, result: nf.FitManyResult
) -> None:
    few = nf.fit_many(model, toys, parameters=["scale", "mu"], errors=False)
    assert few.parameters == ("scale", "mu")
    assert few.errors is None
    np.testing.assert_array_equal(few["mu"], result["mu"])
    with pytest.raises(nf.ArgumentError, match="errors=False"):
        few.error("mu")
    with pytest.raises(nf.ArgumentError, match="unknown parameter"):
        few["lumi"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": np.zeros((2, 7, 3))}, "data: expected 3 columns"),
        ({"data": np.zeros((2, 4))}, "or 8 .counts and global observables."),
        ({"data": "counts"}, "expected real numbers"),
        ({"data": []}, "data"),
        ({"initial": np.zeros((2, 2))}, "initial: expected shape"),
        ({"initial": np.ones((3, 7)), "fixed": {"mu": [1.0, 2.0]}}, "one per fit"),
        ({"fixed": {"nu": 1.0}}, "unknown parameter"),
        ({"fixed": np.zeros(7, dtype=bool)}, r"fixed: expected shape \(6,\) or \(n_fits, 6\)"),
        ({"fixed": [{"mu": 1.0}, 3]}, r"fixed\[1\]: expected a mapping"),
        ({"parameters": ["nu"]}, "nu"),
        ({"n_threads": 0}, "n_threads"),
        ({"tolerance": -1.0}, "tolerance"),
    ],
)
def test_misuse_raises(model: nf.Model, arguments: dict[str, Any], message: str) -> None:
    call = {"data": np.ones((2, 3)), **arguments}
    if np.shape(call.get("initial")) == (3, 7):
        call["initial"] = np.ones((3, model.n_parameters))
    with pytest.raises(nf.ArgumentError, match=message):
        nf.fit_many(model, **call)


def test_rows_that_do_not_fit_together_are_refused(model: nf.Model) -> None:
    with pytest.raises(nf.ArgumentError, match="3 of counts, 2 of starts"):
        nf.fit_many(model, np.ones((3, 3)), fixed={"mu": [0.0, 1.0]})
    other = nf.Model(model.spec.replace(channels=model.spec.channels[:1]))
    with pytest.raises(nf.ArgumentError, match="another model"):
        nf.fit_many(other, nf.toys(model, n=2))


def test_results_round_trip(result: nf.FitManyResult, tmp_path: Path) -> None:
    result.save(tmp_path / "fits.npz")
    assert nf.FitManyResult.load(tmp_path / "fits.npz") == result
    assert list(tmp_path.iterdir()) == [tmp_path / "fits.npz"]
    assert nf.FitManyResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert "200 converged" in repr(result)
    with pytest.raises(ValueError, match="read-only"):
        result.x[0, 0] = 1.0


def test_results_merge(model: nf.Model, toys: nf.Toys, result: nf.FitManyResult) -> None:
    parts = [nf.fit_many(model, list(toys)[a:b], initial=toys.x) for a, b in ((0, 50), (50, 200))]
    assert nf.FitManyResult.merge(parts) == result
    assert nf.FitManyResult.merge([result.first(50), parts[1]]) == result
    few = nf.fit_many(model, toys, parameters=["mu"])
    with pytest.raises(nf.ArgumentError, match=r"results\[1\]: has other parameters"):
        nf.FitManyResult.merge([result, few])
    with pytest.raises(nf.ArgumentError, match="at least one"):
        nf.FitManyResult.merge([])


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_other_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.npz"
    if content is None:
        np.savez(path, x=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(nf.ArgumentError, match=r"other.npz: expected"):
        nf.FitManyResult.load(path)


def test_statuses_have_the_names_of_single_fits() -> None:
    assert len(STATUSES) == 10
    assert {"converged", "call_limit", "forbidden_start", "invalid_input"} < set(STATUSES)


def test_progress_is_reported_and_may_raise(model: nf.Model, toys: nf.Toys) -> None:
    seen: list[int] = []
    nf.fit_many(model, toys, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == len(toys)

    def fail(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        nf.fit_many(model, toys, progress=fail)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_interruption_keeps_what_is_done(
    model: nf.Model, toys: nf.Toys, result: nf.FitManyResult, n_threads: int
) -> None:
    many = np.hstack([np.tile(toys.counts, (500, 1)), np.tile(toys.global_observables, (500, 1))])
    sent: list[float] = []

    def interrupt(n_done: int) -> None:
        if n_done > 100 and not sent:
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(nf.Interrupted) as caught:
        nf.fit_many(model, many, initial=toys.x, progress=interrupt, n_threads=n_threads)
    assert time.monotonic() - sent[0] < 1.0
    assert isinstance(caught.value, KeyboardInterrupt)
    partial = caught.value.result
    assert isinstance(partial, nf.FitManyResult)
    assert not partial.complete
    n_done = partial.status_counts["converged"]
    assert 100 < n_done < len(many)
    assert partial.status_counts["not_fitted"] == len(many) - n_done
    np.testing.assert_array_equal(partial.x[:100], result.x[:100])


def run_python(code: str, **environment: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


MODEL = """
import nablafit as nf
sample = nf.spec.Sample("s", [50.0, 60.0], [nf.spec.NormFactor("mu", "mu")])
parameter = nf.spec.Parameter("mu", 1.0, 0.0, 10.0)
model = nf.Model(nf.ModelSpec("m", [nf.spec.Channel("c", [sample])], [parameter]))
"""


@pytest.mark.process
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
@pytest.mark.parametrize(("setting", "n_extra"), [("1", 0), ("3", 2), ("4", 3)])
def test_the_environment_limits_threads(setting: str, n_extra: int) -> None:
    code = (
        MODEL
        + """
import pathlib
def count(_):
    seen.append(len(list(pathlib.Path("/proc/self/task").iterdir())))
seen = []
before = len(list(pathlib.Path("/proc/self/task").iterdir()))
nf.fit_many(model, nf.toys(model, n=40000), progress=count)
after = len(list(pathlib.Path("/proc/self/task").iterdir()))
assert before == after, (before, after)
print(max(seen) - before)
"""
    )
    assert int(run_python(code, NABLAFIT_NUM_THREADS=setting)) == n_extra


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_processes_fit_too() -> None:
    code = (
        MODEL
        + """
import os
toys = nf.toys(model, n=2000)
expected = nf.fit_many(model, toys, n_threads=2)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if nf.fit_many(model, toys, n_threads=2) == expected else 3)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""
    )
    assert run_python(code).strip() == "[0, 0, 0]"


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_flat() -> None:
    """100,000 toys in blocks: the resident memory after them is what it was after the first."""
    code = (
        MODEL
        + """
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
def block(start):
    nf.fit_many(model, nf.toys(model, n=2000, seed=1, start=start))
for start in range(5):
    block(start)
before = resident()
for start in range(0, 100000, 2000):
    block(start)
print((resident() - before) / 2**20)
"""
    )
    assert float(run_python(code)) < 4.0
