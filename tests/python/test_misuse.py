"""Wrong kinds of arguments: whatever is passed, the answer is an error of nablafit that helps."""

import contextlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf

FUNCTIONS = [
    name
    for name in nf.__all__
    if inspect.isfunction(getattr(nf, name)) and inspect.signature(getattr(nf, name)).parameters
]
OBJECTS = ("model", "data", "result", "workspace", "fit", "pyhf_model", "patches", "path")


@pytest.fixture(scope="module")
def good(workspace: nf.Workspace, model: nf.Model, data: nf.Data) -> dict[str, Any]:
    """Arguments that are right, by name."""
    patch = [{"op": "replace", "path": "/channels/0/samples/0/data", "value": [1.0, 2.0]}]
    result = nf.fit(model, data)
    found = {"model": model, "data": data, "result": result, "workspace": workspace}
    return {**found, "patches": patch, "fit": result, "parameters": ("mu", "scale")}


def wrong_objects(good: dict[str, Any]) -> list[object]:
    kinds = ("model", "data", "result", "workspace")
    likelihood = good["model"].likelihood(good["data"])
    others = ["x.json", Path("x.json"), [1.0, 2.0], {"a": 1}, 3, np.zeros(3), object(), b"x"]
    return [*(good[kind] for kind in kinds), likelihood, good["model"].spec, nf, *others]


def arguments(function: Callable[..., object], good: dict[str, Any]) -> dict[str, Any]:
    needed = inspect.signature(function).parameters
    names = [name for name, each in needed.items() if each.default is each.empty or name == "data"]
    if function is nf.asimov_data:
        names.remove("data")
    if function is nf.contour:
        names.append("parameters")
    return {name: good.get(name, "nowhere.json") for name in names}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore")
def test_objects_of_another_kind_raise_errors_of_nablafit(name: str, good: dict[str, Any]) -> None:
    function = getattr(nf, name)
    right = arguments(function, good)
    for argument in OBJECTS:
        if argument not in inspect.signature(function).parameters:
            continue
        for wrong in wrong_objects(good):
            if name == "toys" and argument == "parameters":
                continue
            with contextlib.suppress(nf.Error, FileNotFoundError, ImportError):
                function(**{**right, argument: wrong})


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore")
def test_options_of_another_kind_raise_errors_of_nablafit(name: str, good: dict[str, Any]) -> None:
    function = getattr(nf, name)
    right = arguments(function, good)
    for argument, parameter in inspect.signature(function).parameters.items():
        kinds = str(parameter.annotation).split(" | ")
        simple = {"int", "float", "str", "bool"} & set(kinds)
        if argument in OBJECTS or not simple or set(kinds) - simple - {"None"}:
            continue
        for wrong in (object(), [1], {}, *(() if "str" in kinds else ("x",))):
            with pytest.raises(nf.ArgumentError, match=rf"^{argument}: expected"):
                function(**{**right, argument: wrong})


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda g: nf.fit(g["data"], g["model"]), "model and data are swapped"),
        (lambda g: nf.fit(g["workspace"], g["data"]), r"workspace.model\(\) makes it"),
        (lambda g: nf.fit(g["model"], [1, 2]), r"model.data\(counts\) makes them"),
        (lambda g: nf.fit(g["model"], g["workspace"]), r"workspace.data\(model\) makes them"),
        (lambda g: nf.fit(g["result"], g["data"]), "the model comes first"),
        (lambda _: nf.fit("x.json"), r"Workspace.load\(path\).model\(\) makes it"),
        (lambda g: nf.yields(g["model"], g["data"]), "data=..."),
        (lambda g: nf.yields(g["result"]), "the model comes first"),
        (lambda _: nf.pulls("fit.json"), r"load_result\(path\) reads it"),
        (lambda _: nf.Workspace("x.json"), r"Workspace.load\(path\) reads it"),
        (lambda _: nf.Workspace({"channels": []}), r"Workspace.load\(path\) reads it"),
        (lambda g: nf.Model(g["workspace"]), r"workspace.model\(\) compiles it"),
        (lambda _: nf.Model("x.json"), r"Workspace.load\(path\).spec\(\) makes it"),
        (lambda g: nf.Likelihood(g["data"], g["model"]), "swapped"),
        (lambda g: g["model"].likelihood([1.0]), r"model.data\(counts\) makes them"),
        (lambda g: g["workspace"].data(g["data"]), "expected a Model"),
        (lambda g: g["workspace"].model(3), "measurement: expected text"),
        (lambda g: g["model"].prefit(g["result"]), "expected Data"),
        (lambda _: nf.FitOptions(starts="x"), "starts: expected a whole number"),
        (lambda _: nf.load_result("."), "this is a folder"),
        (lambda g: nf.from_pyhf(g["model"]), "expected a pyhf.Model"),
        (lambda _: nf.PatchSet(3), "expected"),
    ],
)
def test_misuse_gets_the_sentence_that_helps(
    call: Callable[[dict[str, Any]], object], sentence: str, good: dict[str, Any]
) -> None:
    with pytest.raises(nf.Error, match=sentence):
        call(good)
