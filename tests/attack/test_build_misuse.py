"""Whatever is passed to the builder and its neighbours, the answer is a model or an `nf.Error`."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit.build import ModelBuilder


class Broken:
    """A histogram whose parts are not what they should be."""

    axes = (1, None)

    def values(self) -> str:
        return "values"


def junk() -> list[object]:
    """Things that nobody should pass, made anew."""
    numbers = [3, -1.5, 0, math.nan, math.inf, 10**400, 1j, True, np.float32(2), np.nan]
    lists = [[], [1], [1, 2], [1, 2, 3], [[1], [2, 3]], [1, None], ["a", "b"], [math.inf, 1]]
    arrays = [np.array([1j, 2]), np.array(["x"]), np.zeros((2, 2)), np.array(5.0), np.zeros(0)]
    others = [None, "x", "", b"x", {"a": 1}, {1, 2}, object(), (1, 2), ([1], [2, 1]), range(2)]
    callables = [len, nf, Broken(), Broken]
    return [*numbers, *lists, *arrays, *others, *callables]


def builder() -> ModelBuilder:
    made = ModelBuilder(poi="mu")
    made.channel("SR", [10, 20]).sample("signal", [5.0, 10.0]).norm_factor("mu")
    return made


def sample_of(made: ModelBuilder) -> Any:  # noqa: ANN401 - whatever is called on it
    return made.channel("CR", [1.0, 2.0]).sample("a", [1.0, 2.0])


Call = Callable[[Any], object]

CALLS: dict[str, Call] = {
    "model name": lambda x: ModelBuilder(x),
    "poi": lambda x: build(builder_with(poi=x)),
    "channel name": lambda x: builder().channel(x),
    "channel observed": lambda x: builder().channel("CR", x),
    "channel edges": lambda x: builder().channel("CR", edges=x),
    "channel observable": lambda x: build(with_observable(x)),
    "stat_constraint": lambda x: builder().channel("CR", stat_constraint=x),
    "stat_threshold": lambda x: builder().channel("CR", stat_threshold=x),
    "yield_floor": lambda x: build(with_floor(x)),
    "sample name": lambda x: builder().channel("CR").sample(x, [1.0]),
    "sample histogram": lambda x: builder().channel("CR").sample("a", x),
    "sample uncertainties": lambda x: builder().channel("CR").sample("a", [1, 2], uncertainties=x),
    "norm_factor name": lambda x: sample_of(builder()).norm_factor(x),
    "norm_factor initial": lambda x: build(changed(lambda s: s.norm_factor("k", initial=x))),
    "norm_factor bounds": lambda x: build(changed(lambda s: s.norm_factor("k", bounds=x))),
    "norm_factor fixed": lambda x: build(changed(lambda s: s.norm_factor("k", fixed=x))),
    "norm_sys low": lambda x: sample_of(builder()).norm_sys("k", x, 1.1),
    "norm_sys interpolation": lambda x: sample_of(builder()).norm_sys("k", 1, 1, interpolation=x),
    "histo_sys low": lambda x: sample_of(builder()).histo_sys("k", x, [1.0, 2.0]),
    "histo_sys smooth": lambda x: sample_of(builder()).histo_sys("k", [1, 2], [1, 2], smooth=x),
    "histo_sys symmetrise": lambda x: sample_of(builder()).histo_sys("k", [1, 2], symmetrise=x),
    "stat_error": lambda x: sample_of(builder()).stat_error(x),
    "stat_error name": lambda x: sample_of(builder()).stat_error([1, 1], name=x),
    "shape_sys": lambda x: sample_of(builder()).shape_sys("k", x),
    "shape_sys constraint": lambda x: sample_of(builder()).shape_sys("k", [1, 1], constraint=x),
    "shape_factor": lambda x: sample_of(builder()).shape_factor(x),
    "formula name": lambda x: sample_of(builder()).formula(x, "mu", ["mu"]),
    "formula expression": lambda x: sample_of(builder()).formula("k", x, ["mu"]),
    "formula parameters": lambda x: build(changed(lambda s: s.formula("k", "mu", x))),
    "luminosity": lambda x: builder().luminosity(x, sigma=0.1),
    "luminosity sigma": lambda x: builder().luminosity(sigma=x),
    "add_parameter": lambda x: builder().add_parameter(x),
    "parameter": lambda x: build(builder().parameter(x, fixed=True)),
    "constraint": lambda x: build(builder().parameter("mu", constraint=x)),
    "from_spec": lambda x: nf.Workspace.from_spec(x),
    "from_spec datasets": lambda x: nf.Workspace.from_spec(builder().build(), x),
    "save format": lambda x: builder().workspace().save("unused", format=x),
    "model.data": lambda x: builder().workspace().model().data(x),
    "model.data of a channel": lambda x: builder().workspace().model().data({"SR": x}),
    "smooth method": lambda x: nf.build.smooth(builder().build(), x),
    "smooth modifiers": lambda x: nf.build.smooth(varied(), modifiers=x),
    "symmetrise method": lambda x: nf.build.symmetrise(varied(), x),
    "prune threshold": lambda x: nf.build.prune(varied(), shape=x),
    "rebin channel": lambda x: nf.build.rebin(varied(), x, [0, 2]),
    "rebin edges": lambda x: nf.build.rebin(varied(), "SR", x),
    "rebin spec": lambda x: nf.build.rebin(x, "SR", [0, 2]),
    "prune spec": lambda x: nf.build.prune(x, shape=0.1),
    "uncorrelated": lambda x: nf.build.uncorrelated_background([1, 2], x, [1, 1]),
    "from_cabinetry": lambda x: nf.build.from_cabinetry(x),
    "histograms": lambda x: nf.build.from_cabinetry(configuration(), histograms=lambda *_: x),
}


def builder_with(**options: Any) -> ModelBuilder:  # noqa: ANN401
    made = ModelBuilder(**options)
    made.channel("SR", [10, 20]).sample("signal", [5.0, 10.0]).norm_factor("mu")
    return made


def with_observable(observable: Any) -> ModelBuilder:  # noqa: ANN401
    made = builder()
    made.channel("CR", edges=[0, 1, 2], observable=observable).sample("a", [1.0, 2.0])
    return made


def with_floor(floor: Any) -> ModelBuilder:  # noqa: ANN401
    made = builder()
    made.channel("CR", yield_floor=floor).sample("a", [1.0, 2.0], factor_floor=floor)
    return made


def changed(change: Call) -> ModelBuilder:
    made = builder()
    change(sample_of(made))
    return made


def build(made: ModelBuilder) -> nf.ModelSpec:
    return made.build()


def varied() -> nf.ModelSpec:
    made = ModelBuilder()
    made.channel("SR").sample("a", [1.0, 2.0]).histo_sys("jes", [0.9, 2.0], [1.1, 2.2])
    return made.build()


def configuration() -> dict[str, Any]:
    return {
        "General": {"Measurement": "m", "InputPath": "x.root"},
        "Regions": [{"Name": "SR"}],
        "Samples": [{"Name": "data", "Data": True}, {"Name": "signal"}],
        "NormFactors": [{"Name": "mu"}],
        "Systematics": [
            {"Name": "jes", "Type": "NormPlusShape", "Up": {}, "Down": {"Symmetrize": True}}
        ],
    }


def from_configuration(config: dict[str, Any]) -> ModelBuilder:
    return nf.build.from_cabinetry(config, histograms=lambda *_: [1.0, 2.0])


def wrong_error(call: Call, value: object) -> str | None:
    """Return what was raised and is neither an error of nablafit nor of the file system."""
    try:
        call(value)
    except (nf.Error, OSError):
        return None
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"{value!r:.60}: {type(error).__name__}: {error!s:.200}"
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_junk_gives_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    problems = [wrong for x in junk() if (wrong := wrong_error(CALLS[name], x)) is not None]
    assert problems == []


@pytest.mark.parametrize("place", ["General", "Regions", "Samples", "NormFactors", "Systematics"])
def test_junk_anywhere_in_a_configuration(place: str) -> None:
    options = configuration()[place]
    items = options if isinstance(options, list) else [options]
    paths = [(i, key) for i, item in enumerate(items) for key in item]
    for i, key in paths:
        for value in junk():
            config = copy.deepcopy(configuration())
            target = config[place] if place == "General" else config[place][i]
            target[key] = value
            assert wrong_error(from_configuration, config) is None, f"{place}[{i}].{key}"
