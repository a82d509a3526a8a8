"""Results of inference say what they were made from, whoever made them and after any trip."""

import inspect
import json
import pickle
import typing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import nablafit as nf
import nablafit.infer
from nablafit._results.record import Record


class Made(NamedTuple):
    """What results are made from."""

    model: nf.Model
    data: nf.Data
    fit: nf.FitResult


CALLS: dict[str, Callable[[Made], Record]] = {
    "breakdown": lambda made: nf.breakdown(made.model, made.data, groups={"stat": ["stat*"]}),
    "contour": lambda made: nf.contour(made.model, made.data, ("mu", "scale"), n_points=8),
    "correlation": lambda made: nf.correlation(made.fit),
    "feldman_cousins": lambda made: nf.feldman_cousins(
        made.model, made.data, values=[0.5, 1.5], n_toys=5, seed=4
    ),
    "goodness_of_fit": lambda made: nf.goodness_of_fit(made.model, made.data, n_toys=5, seed=4),
    "hypotest": lambda made: nf.hypotest(
        made.model, made.data, 1.2, calculator="toys", n_toys=5, seed=4
    ),
    "intervals": lambda made: nf.intervals(made.model.likelihood(made.data), parameters="mu"),
    "pulls": lambda made: nf.pulls(made.fit),
    "ranking": lambda made: nf.ranking(made.model, made.data, exclude=["stat*"]),
    "scan": lambda made: nf.scan(made.model, made.data, "mu", np.linspace(0.0, 1.0, 3)),
    "significance": lambda made: nf.significance(made.model, made.data, asimov=made.fit),
    "templates": lambda made: nf.templates(made.model, parameters="scale"),
    "upper_limit": lambda made: nf.upper_limit(made.model, made.data, level=0.9),
    "yields": lambda made: nf.yields(made.model, made.fit),
}
"""Calls of every function that returns a result, but `limit_grid`."""


@pytest.fixture(scope="module")
def fitted(model: nf.Model, data: nf.Data) -> nf.FitResult:
    return nf.fit(model, data)


def result_functions() -> set[str]:
    found = set()
    for name in nablafit.infer.__all__:
        item = getattr(nablafit.infer, name)
        if not inspect.isfunction(item):
            continue
        returned = str(inspect.signature(item).return_annotation)
        if isinstance(getattr(nablafit.infer, returned, None), type):
            found.add(name)
    return found


def test_every_function_is_called_here() -> None:
    assert {*CALLS, "limit_grid"} == result_functions()


@pytest.mark.parametrize("name", CALLS)
def test_results_say_what_they_were_made_from(
    name: str, model: nf.Model, data: nf.Data, fitted: nf.FitResult, tmp_path: Path
) -> None:
    result = CALLS[name](Made(model, data, fitted))
    origin = result.origin
    assert origin is not None
    assert origin["function"] == name
    assert origin["model"] == model.digest
    assert origin.get("data") == (None if name == "templates" else data.digest)
    assert origin["versions"] == {"nablafit": nf.__version__}
    assert not {"model", "data", "n_threads", "progress"} & origin["options"].keys()
    loaded = roundtrip(result, tmp_path / "result.json")
    assert loaded.origin == origin
    assert loaded == result
    assert pickle.loads(pickle.dumps(result)).origin == origin
    assert replace(result, origin=None) == result, "equality is that of the outcome"
    assert "origin" not in replace(result, origin=None).to_dict()


def roundtrip(result: Record, path: Path) -> Record:
    result.save(path)
    loaded = nf.load_result(path)
    assert isinstance(loaded, Record)
    return loaded


def test_options_are_those_of_the_call_and_its_defaults(model: nf.Model, data: nf.Data) -> None:
    bounds = {"scale": (-3.0, np.float64(np.inf))}
    result = nf.upper_limit(model, data, level=0.9, bounds=bounds, fixed=["lumi"], n_threads=1)
    bounds.clear()
    options = typing.cast(Any, result.origin)["options"]
    assert options["level"] == 0.9
    assert options["bounds"] == {"scale": [-3.0, "inf"]}
    assert options["fixed"] == ["lumi"]
    assert options["statistic"] == "qtilde"
    assert "poi" not in options
    json.dumps(dict(typing.cast(Any, result.origin)), allow_nan=False)


def test_fits_among_the_options_are_told_apart(
    model: nf.Model, data: nf.Data, fitted: nf.FitResult
) -> None:
    other = nf.fit(model, data, fixed={"lumi": 1.01})
    found = [nf.yields(model, fit).origin for fit in (fitted, fitted, other)]
    digests = [typing.cast(Any, origin)["options"]["result"] for origin in found]
    assert digests[0] == digests[1] != digests[2]
    assert digests[0].startswith("sha256:")


def test_yields_without_data_or_fit_have_none(model: nf.Model) -> None:
    origin = typing.cast(Any, nf.yields(model).origin)
    assert origin["model"] == model.digest
    assert "data" not in origin


def test_merged_toys_keep_what_is_common(model: nf.Model, data: nf.Data) -> None:
    shards = [
        nf.hypotest(model, data, 1.0, calculator="toys", n_toys=4, seed=2, start=start)
        for start in (0, 4)
    ]
    merged = typing.cast(Any, nablafit.infer.HypotestResult.merge(shards).origin)
    assert merged["model"] == model.digest
    assert merged["data"] == data.digest
    assert merged["options"]["seed"] == 2
    assert "start" not in merged["options"]
    forgotten = [shards[0], replace(shards[1], origin=None)]
    assert nablafit.infer.HypotestResult.merge(forgotten).origin is None


def test_what_ctrl_c_leaves_has_an_origin(model: nf.Model, data: nf.Data) -> None:
    def stop(n_done: int) -> None:
        if n_done > 0:
            raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.goodness_of_fit(model, data, n_toys=5000, seed=4, n_threads=1, progress=stop)
    result = caught.value.result
    assert isinstance(result, nablafit.infer.GoodnessOfFitResult)
    assert result.origin is not None
    assert result.origin["options"]["n_toys"] == 5000
    assert result.origin["data"] == data.digest


def test_wrong_arguments_are_reported_by_the_function(model: nf.Model) -> None:
    with pytest.raises(TypeError, match=r"hypotest\(\) missing .* 'data'"):
        nf.hypotest(model)  # type: ignore[call-arg]


def test_a_grid_names_workspace_and_patches(document: dict[str, Any]) -> None:
    def patches(*values: float) -> dict[str, Any]:
        return {
            "metadata": {"name": "grid", "description": "", "labels": ["x"], "references": {}},
            "patches": [
                {
                    "metadata": {"name": f"p{value}", "values": [value]},
                    "patch": [
                        {
                            "op": "replace",
                            "path": "/channels/0/samples/0/data",
                            "value": [value, 2 * value],
                        }
                    ],
                }
                for value in values
            ],
            "version": "1.0.0",
        }

    workspace = nf.Workspace.load(document)
    results = [
        nf.limit_grid(workspace, patches(*values), verify=False) for values in ((2.0,), (3.0,))
    ]
    origins = [typing.cast(Any, result.origin) for result in results]
    assert origins[0]["workspace"] == origins[1]["workspace"]
    assert origins[0]["patches"] != origins[1]["patches"]
    assert origins[0]["function"] == "limit_grid"
    assert origins[0]["options"]["level"] == 0.95
    assert not {"workspace", "patches"} & origins[0]["options"].keys()
    assert nablafit.infer.LimitGridResult.from_dict(results[0].to_dict()).origin == origins[0]
