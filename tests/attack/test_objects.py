"""Objects, arrays and numbers that no one should pass: an exception each, and never a crash."""

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit import _core

DOCUMENT = {
    "version": "1.0.0",
    "channels": [
        {
            "name": "region",
            "samples": [
                {
                    "name": "signal",
                    "data": [5.0, 8.0, 4.0],
                    "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                },
                {
                    "name": "background",
                    "data": [50.0, 40.0, 30.0],
                    "modifiers": [
                        {"name": "alpha", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}},
                        {"name": "stat", "type": "staterror", "data": [5.0, 4.0, 3.0]},
                    ],
                },
            ],
        }
    ],
    "observations": [{"name": "region", "data": [55.0, 49.0, 33.0]}],
    "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
}


@pytest.fixture(scope="module")
def workspace() -> nf.Workspace:
    return nf.Workspace.load(DOCUMENT)


@pytest.fixture(scope="module")
def model(workspace: nf.Workspace) -> nf.Model:
    return workspace.model()


@pytest.fixture(scope="module")
def data(workspace: nf.Workspace, model: nf.Model) -> nf.Data:
    return workspace.data(model)


def child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, which may die."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


# --- objects whose __init__ was not called -------------------------------------------------------

_EVERY_MEMBER = """
import inspect, sys
import nablafit as nf
from nablafit import _core, _diff

model = nf.Workspace.load(DOCUMENT).model()
# What stands for the other arguments: nothing that a function could use without its own checks.
fillers = [(), (1,), ("",), (None,), (1.0, 1.0), ([], [], [])]
n_uses = n_objects = 0
classes = {
    value
    for module in (nf, _core, _diff)
    for value in vars(module).values()
    if isinstance(value, type) and any("pybind11" in base.__name__ for base in value.__mro__)
}
functions = [f for module in (_core, _diff) for f in vars(module).values() if inspect.isroutine(f)]

def use(action):
    global n_uses
    n_uses += 1
    try:
        action()
    except Exception:
        pass

for cls in classes:
    try:
        empty = cls.__new__(cls)
    except TypeError:
        continue
    n_objects += 1
    for name in dir(cls):
        print(cls.__name__, name, file=sys.stderr)
        if name in ("__new__", "__init__", "__class__", "__subclasshook__", "__init_subclass__"):
            continue
        use(lambda: getattr(empty, name))
        member = getattr(cls, name)
        if callable(member) and not isinstance(member, type):
            for filler in fillers:
                use(lambda: member(empty, *filler))
    for action in (repr, hash, len, iter, bool, pickle_of := __import__("pickle").dumps,
                   __import__("copy").deepcopy):
        print(cls.__name__, action, file=sys.stderr)
        use(lambda: action(empty))
    for function in functions:
        print(cls.__name__, function, file=sys.stderr)
        for filler in fillers:
            use(lambda: function(empty, *filler))
            use(lambda: function(*filler, empty))
    for other in classes:
        print(cls.__name__, "into", other.__name__, file=sys.stderr)
        use(lambda: other(empty))
        use(lambda: other(empty, empty, empty))
print(n_objects, n_uses)
"""


@pytest.mark.process
@pytest.mark.slow
def test_objects_without_init_are_refused_everywhere() -> None:
    done = child(f"DOCUMENT = {DOCUMENT!r}\n{_EVERY_MEMBER}")
    assert done.returncode == 0, done.stderr[-300:]
    n_objects, n_uses = map(int, done.stdout.split())
    assert n_objects > 30
    assert n_uses > 10_000


@pytest.mark.parametrize("cls", [nf.Likelihood, _core.Model, _core.Sample])
def test_the_refusal_says_what_is_wrong(cls: type) -> None:
    empty = cls.__new__(cls)
    with pytest.raises(TypeError, match="not initialised; make it by calling its class"):
        empty.expected([1.0]) if cls is not _core.Sample else empty.name


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_of_the_core_say_that_they_are_not_pickled(model: nf.Model, protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(model._core, protocol=protocol)


# --- copies --------------------------------------------------------------------------------------


def results(workspace: nf.Workspace, model: nf.Model, data: nf.Data) -> dict[str, object]:
    best = nf.fit(model, data)
    toys = nf.toys(model, n=5)
    return {
        "workspace": workspace,
        "patched": workspace.patch([]),
        "model": model,
        "data": data,
        "spec": model.spec,
        "likelihood": model.likelihood(data),
        "fit": best,
        "toys": toys,
        "fits": nf.fit_many(model, toys),
        "scan": nf.scan(model, data, n=3),
        "intervals": nf.intervals(model, data),
        "limit": nf.upper_limit(model, data),
        "hypotest": nf.hypotest(model, data, 1.0),
        "significance": nf.significance(model, data),
        "ranking": nf.ranking(model, data),
        "breakdown": nf.breakdown(model, data),
        "pulls": nf.pulls(best),
        "correlation": nf.correlation(best),
        "yields": nf.yields(model, best, data=data),
        "goodness": nf.goodness_of_fit(model, data),
        "interrupted": nf.Interrupted("stopped", best),
    }


@pytest.mark.slow
def test_everything_public_is_pickled_and_copied(
    workspace: nf.Workspace, model: nf.Model, data: nf.Data
) -> None:
    for name, value in results(workspace, model, data).items():
        shown = repr(value)  # a fit finds asymmetric errors when it is shown, and keeps them
        for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)):
            assert type(again) is type(value), name
            if name != "likelihood":
                assert repr(again) == shown, name


def test_an_interruption_keeps_its_result_in_a_pickle(model: nf.Model, data: nf.Data) -> None:
    error = nf.Interrupted("stopped", nf.fit(model, data))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "stopped"
    np.testing.assert_array_equal(again.result.x, error.result.x)


# --- arrays --------------------------------------------------------------------------------------


def unaligned(values: np.ndarray) -> np.ndarray:
    """Return the same numbers one byte beside where they should be."""
    memory = np.zeros(values.nbytes + 1, dtype=np.uint8)
    target = memory[1:].view(values.dtype).reshape(values.shape)
    target[...] = values
    assert not target.flags.aligned
    return target


def strided(values: np.ndarray) -> np.ndarray:
    wide = np.full((*values.shape[:-1], 2 * values.shape[-1]), np.nan)
    wide[..., ::2] = values
    return wide[..., ::2]


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "unaligned": unaligned,
    "strided": strided,
    "backwards": lambda values: values[..., ::-1].copy()[..., ::-1],
    "columns": np.asfortranarray,
    "swapped": lambda values: values.astype(values.dtype.newbyteorder()),
    "float32": lambda values: values.astype(np.float32),
    "integers": lambda values: values.astype(np.int64),
    "read-only": lambda values: np.frombuffer(values.tobytes()).reshape(values.shape),
}


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_in_any_memory_layout_are_taken(model: nf.Model, data: nf.Data, kind: str) -> None:
    """Numbers are such that float32 and integers have them exactly."""
    change = KINDS[kind]
    x = np.ones(len(model.parameters))
    counts = np.array([55.0, 49.0, 33.0])
    rows = np.array([counts, counts + 1.0])
    starts = np.array([x, x])
    observables = np.round(data.global_observables)
    likelihood = model.likelihood(data)
    calls: list[tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = [
        (likelihood, (x,)),
        (likelihood.gradient, (x,)),
        (likelihood.hessian, (x,)),
        (likelihood.hvp, (x, x)),
        (likelihood.expected, (x,)),
        (likelihood.logpdf, (x,)),
        (model.expected, (x,)),
        (lambda n, a: nf.fit(model, nf.Data(n, a)).x, (counts, observables)),
        (lambda n: nf.fit_many(model, n).x, (rows,)),
        (lambda n, s: nf.fit_many(model, n, initial=s).x, (rows, starts)),
        (lambda s: nf.fit(model, data, initial=s).x, (x,)),
        (lambda s: nf.toys(model, s, n=3).counts, (x,)),
        (lambda v: nf.scan(model, data, "mu", v).twice_delta_nll, (np.array([1.0, 2.0]),)),
        (lambda v: nf.upper_limit(model, data, values=v).observed, (np.array([1.0, 2.0, 3.0]),)),
        (lambda s: model.asimov(s).counts, (x,)),
        (lambda v: nf.feldman_cousins(model, data, values=v, n_toys=5).p_values,
         (np.array([1.0, 2.0]),)),
    ]  # fmt: skip
    for call, arguments in calls:
        expected = call(*arguments)
        np.testing.assert_array_equal(call(*map(change, arguments)), expected)


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k not in ("columns", "backwards", "read-only")]
)
def test_the_core_refuses_arrays_that_it_cannot_read_in_place(model: nf.Model, kind: str) -> None:
    core = model._core
    x = KINDS[kind](np.ones(len(model.parameters)))
    with pytest.raises(nf.ArgumentError, match="expected a C-contiguous"):
        core.expected(x)
    rows = KINDS[kind](np.ones((2, 3)))
    arrays = dict.fromkeys(("global_observables", "starts", "fixed", "lower", "upper"))
    with pytest.raises(nf.ArgumentError, match=r"expected|C-contiguous"):
        _core.fit_many(
            core,
            2,
            arrays={"counts": rows, **arrays},
            options=_core.MinimizeOptions(),
            kept_parameters=[],
            n_random=0,
            seed=0,
            n_retries=0,
            sides=[],
            look_around=False,
            n_threads=1,
            progress=None,
        )


# --- sizes, threads, settings --------------------------------------------------------------------


@pytest.mark.parametrize("n", [10**11, 10**15, 2**62, 2**63 - 1])
def test_a_number_beyond_the_memory_is_refused(model: nf.Model, data: nf.Data, n: int) -> None:
    calls: list[Callable[[], object]] = [
        lambda: nf.toys(model, n=n),
        lambda: nf.fit(model, data, starts=n),
        lambda: nf.feldman_cousins(model, data, n_toys=n),
        lambda: nf.scan(model, data, n=n),
        lambda: nf.fit_many(model, np.broadcast_to(data.counts, (min(n, 2**55), 3))),
    ]
    for call in calls:
        with pytest.raises((MemoryError, ValueError)):
            call()


def test_the_refusal_of_a_number_says_how_many_there_may_be(model: nf.Model) -> None:
    with pytest.raises(nf.ArgumentError, match=r"^n: .* do not fit into the memory .* \d+ would"):
        nf.toys(model, n=10**15)


_TIGHT = """
import resource, sys
import numpy as np
import nablafit as nf
workspace = nf.Workspace.load(DOCUMENT)
model = workspace.model()
data = workspace.data(model)
many = nf.toys(model, n=2000)
expected = nf.fit_many(model, many, n_threads=1).x
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit, amount = sys.argv[1:]
if limit == "memory":
    resource.setrlimit(resource.RLIMIT_AS, (used + int(amount),) * 2)
else:
    # Only the superuser is above this limit.
    import os
    os.setuid(65534)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    found = nf.fit_many(model, many, n_threads=64).x
    print("same" if np.array_equal(found, expected) else "other")
except (MemoryError, RuntimeError):
    print("exception")
"""


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize(
    ("limit", "amount"), [("memory", 2**21), ("memory", 2**24), ("memory", 2**27), ("threads", 0)]
)
def test_threads_that_cannot_start_are_done_without(limit: str, amount: int) -> None:
    if limit == "threads" and os.getuid() != 0:
        pytest.skip("needs to become another user")
    code = f"import sys; sys.argv = ['', {limit!r}, '{amount}']\nDOCUMENT = {DOCUMENT!r}\n{_TIGHT}"
    done = child(code)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.strip() in ("same", "exception")


@pytest.mark.process
@pytest.mark.slow
def test_an_unknown_instruction_set_is_named_with_the_choices() -> None:
    code = f"import nablafit as nf; nf.Workspace.load({DOCUMENT!r}).model()"
    done = child(code, NABLAFIT_INSTRUCTION_SET="avx9")
    assert done.returncode == 1
    assert "NABLAFIT_INSTRUCTION_SET: found 'avx9', expected one of" in done.stderr
    assert "baseline" in done.stderr
    assert child(code, NABLAFIT_INSTRUCTION_SET="baseline").returncode == 0
