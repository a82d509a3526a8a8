"""Same input, same bits, for any number of threads, in any process; results say what from."""

import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit import spec as s

N_CHANNELS, N_BINS, N_SYSTEMATICS = 40, 60, 30
"""Enough entries for the sweep to be cut into partitions that run in threads."""


def large_spec() -> nf.ModelSpec:
    rng = np.random.default_rng(5)
    gaussian = s.GaussianConstraint()
    mu = s.Parameter(name="mu", initial=1.0, lower=0.0, upper=10.0)
    pulls = [
        s.Parameter(name=f"a{k}", initial=0.0, lower=-5.0, upper=5.0, constraint=gaussian)
        for k in range(N_SYSTEMATICS)
    ]
    channels = []
    for c in range(N_CHANNELS):
        nominal = rng.uniform(50, 100, N_BINS)
        shapes = [
            s.HistoSys(
                name=f"a{k}",
                parameter=f"a{k}",
                low=nominal * rng.uniform(0.95, 1.0, N_BINS),
                high=nominal * rng.uniform(1.0, 1.05, N_BINS),
            )
            for k in range(N_SYSTEMATICS)
        ]
        signal = s.Sample(
            name="signal",
            nominal=rng.uniform(1, 5, N_BINS),
            modifiers=[s.NormFactor(name="mu", parameter="mu")],
        )
        background = s.Sample(name="background", nominal=nominal, modifiers=shapes)
        channels.append(s.Channel(name=f"c{c}", samples=[signal, background]))
    return nf.ModelSpec(name="large", channels=channels, parameters=[mu, *pulls])


@pytest.fixture(scope="module")
def large() -> nf.Likelihood:
    model = nf.Model(large_spec())
    return model.likelihood(nf.toys(model, n=1, seed=3)[0])


def evaluations(likelihood: nf.Likelihood) -> bytes:
    x = likelihood.model.initial + np.linspace(-0.3, 0.4, likelihood.npar)
    value, gradient = likelihood.value_and_gradient(x)
    parts = [np.array(value), gradient, likelihood.hessian(x), likelihood.hvp(x, gradient)]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def fits(likelihood: nf.Likelihood) -> bytes:
    result = nf.fit(likelihood)
    assert result.valid
    return result.x.tobytes() + result.covariance.tobytes()


def batch(likelihood: nf.Likelihood) -> bytes:
    toys = nf.toys(likelihood.model, n=6, seed=11)
    found = nf.fit_many(likelihood.model, toys)
    assert found.valid.all()
    return toys.counts.tobytes() + found.x.tobytes() + found.errors.tobytes()


def starts(likelihood: nf.Likelihood) -> bytes:
    result = nf.fit(likelihood, starts=4, seed=2)
    return result.x.tobytes() + b"".join(minimum.x.tobytes() for minimum in result.minima)


def hypotests(likelihood: nf.Likelihood) -> bytes:
    model, data = likelihood.model, likelihood.data
    toys = nf.hypotest(model, data, 1.5, poi="mu", calculator="toys", n_toys=5, seed=8)
    asymptotic = nf.hypotest(model, data, 1.5, poi="mu")
    numbers = [np.array([r.q, r.cls, *r.expected_cls, *r.poi_hat]) for r in (toys, asymptotic)]
    return b"".join(part.tobytes() for part in numbers + [t.values for t in toys.toys])


def profiles(likelihood: nf.Likelihood) -> bytes:
    interval = nf.intervals(likelihood, parameters="mu")
    impacts = nf.ranking(likelihood.model, likelihood.data, poi="mu", parameters=["a1", "a2"])
    scan = nf.scan(likelihood, parameters="mu", values=[0.5, 1.0])
    documents = [impacts.to_dict(), interval.to_dict(), scan.to_dict()]
    for document in documents:
        document.pop("origin")
        document.pop("result", None)
    return json.dumps(documents).encode()


@pytest.mark.slow
@pytest.mark.parametrize("work", [evaluations, fits, batch, starts, hypotests, profiles])
def test_bits_do_not_depend_on_threads(
    large: nf.Likelihood,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[nf.Likelihood], bytes],
) -> None:
    found = set()
    for n_threads in ("1", "2", "7"):
        monkeypatch.setenv("NABLAFIT_NUM_THREADS", n_threads)
        found.add(work(large))
    assert len(found) == 1


def test_bits_do_not_depend_on_who_else_works(likelihood: nf.Likelihood) -> None:
    """Fits of one likelihood at the same time, and of the same model compiled again."""
    others = [nf.Model(likelihood.model.spec).likelihood(likelihood.data) for _ in range(2)]
    alone = evaluations(likelihood) + fits(likelihood)
    with ThreadPoolExecutor(6) as pool:
        jobs = [likelihood, *others] * 8
        found = set(pool.map(lambda item: evaluations(item) + fits(item), jobs))
    assert found == {alone}


SCRIPT = """
import hashlib, json, sys
import nablafit as nf
workspace = nf.Workspace.load(sys.argv[1])
model = workspace.model()
result = nf.fit(model, workspace.data(model))
many = nf.fit_many(model, nf.toys(model, n=5, seed=1))
numbers = result.x.tobytes() + result.covariance.tobytes() + many.x.tobytes()
print(json.dumps([hashlib.sha256(numbers).hexdigest(), result.provenance.to_dict()]))
"""


@pytest.mark.process
def test_bits_do_not_depend_on_the_process(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    answers = set()
    for n_threads, hash_seed in (("1", "1"), ("3", "2")):
        settings = {"NABLAFIT_NUM_THREADS": n_threads, "PYTHONHASHSEED": hash_seed}
        finished = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path)],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.add(finished.stdout)
    assert len(answers) == 1


# --- digests -------------------------------------------------------------------------------------


def test_digest_of_data_is_the_documented_one(data: nf.Data) -> None:
    text = b"nablafit.Data/1"
    for vector in (data.counts, data.global_observables):
        text += struct.pack("<Q", vector.size) + vector.astype("<f8").tobytes()
    assert data.digest == "sha256:" + hashlib.sha256(text).hexdigest()


def test_equal_models_have_equal_digests(workspace: nf.Workspace, model: nf.Model) -> None:
    assert nf.Model(workspace.spec()).digest == model.digest
    assert nf.Workspace.load(workspace.to_pyhf()).model().digest == model.digest
    assert pickle.loads(pickle.dumps(model)).digest == model.digest
    changed = model.spec.replace(parameters_of_interest=["scale"])
    assert nf.Model(changed).digest != model.digest


@pytest.mark.parametrize("minimizer", ["newton", "minuit", "scipy:L-BFGS-B"])
def test_fits_say_what_they_were_made_from(model: nf.Model, data: nf.Data, minimizer: str) -> None:
    result = nf.fit(model, data, minimizer=minimizer, initial={"mu": 0.7}, tolerance=0.05)
    assert result.provenance == nf.Provenance(model.digest, data.digest)
    assert result.initial[model.index("mu")] == 0.7
    assert result.options["minimizer"] == minimizer
    assert result.options["tolerance"] == 0.05
    assert result.options["backend"] == "clad"
    assert result.versions["nablafit"] == nf.__version__
    assert str(nf.Provenance(model.digest, data.digest)) == str(result.provenance)


def test_origin_survives_json_and_pickling(model: nf.Model, data: nf.Data) -> None:
    result = nf.fit(model, data)
    document = json.loads(result.to_json())
    assert document["provenance"] == {"model": model.digest, "data": data.digest}
    copied = nf.FitResult.from_dict(document)
    assert copied == result
    assert copied.provenance == result.provenance
    assert hash(copied.provenance) == hash(result.provenance)
    np.testing.assert_array_equal(copied.initial, model.initial)
    unpickled = pickle.loads(pickle.dumps(result))
    assert unpickled.provenance == result.provenance


def test_a_saved_fit_can_be_repeated(model: nf.Model, data: nf.Data) -> None:
    saved = nf.FitResult.from_json(nf.fit(model, data, fixed={"mu": 0.5}).to_json())
    assert saved.provenance == nf.Provenance(model, data)
    again = nf.fit(
        model,
        data,
        initial=saved.initial,
        bounds=list(zip(saved.lower, saved.upper, strict=True)),
        fixed=dict(zip(saved.parameters, map(bool, saved.fixed), strict=True)),
        minimizer=saved.minimizer,
    )
    np.testing.assert_array_equal(again.x, saved.x)


def test_documents_without_origin_are_read(model: nf.Model, data: nf.Data) -> None:
    document = nf.fit(model, data).to_dict()
    for name in ("initial", "options", "provenance"):
        del document[name]
    result = nf.FitResult.from_dict(document)
    assert result.provenance is None
    assert result.initial is None
    assert result.options == {}
    assert nf.FitResult.from_dict(result.to_dict()) == result


# --- batches -------------------------------------------------------------------------------------


def test_batches_say_what_they_were_made_from(model: nf.Model, tmp_path: Path) -> None:
    toys = nf.toys(model, n=4, seed=1)
    result = nf.fit_many(model, toys, max_calls=50)
    assert toys.origin == {"model": model.digest, "versions": {"nablafit": nf.__version__}}
    assert result.origin["model"] == model.digest
    assert result.origin["options"]["max_calls"] == 50
    assert nf.fit_many(model, list(toys)).origin["data"] == result.origin["data"]
    assert nf.fit_many(model, toys.counts).origin["data"] != result.origin["data"]
    for item in (toys, result):
        path = tmp_path / "saved.npz"
        item.save(path)
        assert type(item).load(path).origin == item.origin
        document = json.loads(json.dumps(item.to_dict()))
        assert type(item).from_dict(document).origin == item.origin
        assert pickle.loads(pickle.dumps(item)).origin == item.origin


def test_joined_batches_name_all_their_data(model: nf.Model) -> None:
    shards = [nf.toys(model, n=2, seed=1, start=start) for start in (0, 2)]
    fits = [nf.fit_many(model, shard) for shard in shards]
    joined = nf.FitManyResult.merge(fits)
    assert joined.origin["data"] == [digest for fit in fits for digest in fit.origin["data"]]
    assert joined.origin["options"] == fits[0].origin["options"]
    other = replace(fits[1], origin={**fits[1].origin, "options": {}})
    assert nf.FitManyResult.merge([fits[0], other]).origin["options"] == {}
    unknown = replace(fits[1], origin=None)
    assert nf.FitManyResult.merge([fits[0], unknown]).origin is None


def test_shards_of_different_models_do_not_join(model: nf.Model) -> None:
    changed = nf.Model(model.spec.replace(name="other"))
    shards = [nf.toys(model, n=2, seed=1), nf.toys(changed, n=2, seed=1, start=2)]
    with pytest.raises(nf.ArgumentError, match="of the model sha256"):
        nf.Toys.merge(shards)
    with pytest.raises(nf.ArgumentError, match="of the model sha256"):
        nf.FitManyResult.merge([nf.fit_many(model, shards[0]), nf.fit_many(changed, shards[1])])
