"""Surgery on random workspaces against pyhf's own prune, rename and combine."""

from __future__ import annotations

import copy
import math
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, reject, settings
from hypothesis import strategies as st

import nablafit as nf
import pyhf_specs
from nablafit import surgery
from pyhf_specs import Document

pyhf = pytest.importorskip("pyhf")

pytestmark = [
    pytest.mark.filterwarnings("ignore::nablafit.ModelWarning", "ignore::DeprecationWarning"),
    pytest.mark.slow,
]

some = settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


def modifiers(spec: nf.ModelSpec) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Parameters of all modifiers by channel, sample and what tells them apart but their names."""
    found: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for channel in spec.channels:
        for sample in channel.samples:
            for m in sample.modifiers:
                key = (channel.name, sample.name, m.type, m.name)
                found.setdefault(key, []).append(surgery.parameters_of(m))
    return found


def names_in(theirs: nf.ModelSpec, ours: nf.ModelSpec) -> dict[str, str]:
    """Our name of each of their parameters, as the modifiers that use them say."""
    mine = modifiers(ours)
    names: dict[str, str] = {}
    for key, listed in modifiers(theirs).items():
        for parameters, counterparts in zip(listed, mine[key], strict=True):
            for name, counterpart in zip(parameters, counterparts, strict=True):
                assert names.setdefault(name, counterpart) == counterpart
    assert len(set(names.values())) == len(names) == len(ours.parameters)
    return names


def pyhf_logpdf(document: Document, points: list[np.ndarray]) -> list[float]:
    parameters = document["measurements"][0]["config"]["parameters"]
    spec = {"channels": document["channels"], "parameters": parameters}
    model = pyhf.Model(spec, poi_name=None, validate=False)
    counts = {item["name"]: item["data"] for item in document["observations"]}
    data = np.concatenate([*(counts[c] for c in model.config.channels), model.config.auxdata])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [float(model.logpdf(x, data)[0]) for x in points]


def assert_same(spec: nf.ModelSpec, observations: nf.spec.Observations, document: Document) -> None:
    """The likelihood is pyhf's of the document: as it is, and written and read again."""
    first = document["measurements"][0]["name"]
    try:
        theirs = nf.Workspace.load(document).spec(first)
    except nf.WorkspaceError:  # e.g. a shapefactor longer than in its first channel: pyhf errs
        reject()
    model = nf.Model(theirs)
    points = list(pyhf_specs.points(model.initial, *np.array(model.bounds).T, 1).values())
    points = [x for x in points if np.all(model.expected(x) > 0.0)]
    expected = pyhf_logpdf(document, points)
    written = nf.Workspace.load(spec.to_pyhf(observations))
    for ours, data in ((spec, observations), (written.spec(), written.observations)):
        names = names_in(theirs, ours)
        mine = nf.Model(ours)
        likelihood = mine.likelihood(mine.data(data))
        bounds = dict(zip(mine.parameters, mine.bounds, strict=True))
        for p, pair in zip(theirs.parameters, model.bounds, strict=True):
            assert bounds[names[p.name]] == tuple(pair)
        for x, value in zip(points, expected, strict=True):
            if not math.isfinite(value):
                continue
            point = {names[p.name]: v for p, v in zip(theirs.parameters, x, strict=True)}
            assert likelihood.logpdf(mine.point(point)) == pytest.approx(value, rel=1e-9, abs=1e-9)


def loaded(document: Document) -> tuple[nf.ModelSpec, nf.spec.Observations]:
    workspace = nf.Workspace.load(document)
    return workspace.spec(document["measurements"][0]["name"]), workspace.observations


def names_of(document: Document, what: str) -> list[str]:
    found = [sample for channel in document["channels"] for sample in channel["samples"]]
    if what == "modifiers":
        found = [modifier for sample in found for modifier in sample["modifiers"]]
    return list(dict.fromkeys(item["name"] for item in found))


def without_sets(document: Document, channels: list[str]) -> Document:
    """The document without settings of sets of bins in these channels, whose size may change."""
    document = copy.deepcopy(document)
    gone = {
        m["name"]
        for channel in document["channels"]
        if channel["name"] in channels
        for sample in channel["samples"]
        for m in sample["modifiers"]
        if m["type"] in ("staterror", "shapefactor")
    }
    for measurement in document["measurements"]:
        config = measurement["config"]
        config["parameters"] = [p for p in config["parameters"] if p["name"] not in gone]
    return document


def pruned(document: Document, **what: list[str]) -> Document:
    try:
        return dict(pyhf.Workspace(document, validate=False).prune(**what))
    except pyhf.exceptions.InvalidWorkspaceOperation:  # pyhf keeps one type of a name
        reject()


@some
@given(pyhf_specs.workspaces(), st.data())
def test_prune_samples(document: Document, data: st.DataObject) -> None:
    names = names_of(document, "samples")
    gone = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    left = [{s["name"] for s in c["samples"]} - set(gone) for c in document["channels"]]
    assume(all(left))
    reference = pruned(document, samples=gone)
    assume(names_of(reference, "modifiers"))
    spec, observations = loaded(document)
    result = surgery.prune(spec, samples=gone)
    assert_same(result, surgery.matching(observations, result, spec), reference)


@some
@given(pyhf_specs.workspaces(), st.data())
def test_prune_channels_and_modifiers(document: Document, data: st.DataObject) -> None:
    channels = [channel["name"] for channel in document["channels"]]
    gone = data.draw(st.lists(st.sampled_from(channels), max_size=len(channels) - 1, unique=True))
    document = without_sets(document, gone)
    types = data.draw(st.sampled_from([[], ["histosys"], ["staterror"], ["normsys", "shapesys"]]))
    known = {m["type"] for c in document["channels"] for s in c["samples"] for m in s["modifiers"]}
    assume(set(types) <= known)
    named = data.draw(st.lists(st.sampled_from(names_of(document, "modifiers")), max_size=2))
    reference = pruned(document, channels=gone, modifier_types=types, modifiers=list(set(named)))
    assume(names_of(reference, "modifiers"))
    spec, observations = loaded(document)
    result = surgery.prune(spec, channels=gone, modifier_types=types, modifiers=named)
    matching = surgery.matching(observations, result, spec)
    assert_same(result, matching, reference)
    if gone and not types and not named:
        rest = [name for name in channels if name not in gone]
        assert surgery.select_channels(spec, rest) == result


@some
@given(pyhf_specs.workspaces(), st.data())
def test_rename(document: Document, data: st.DataObject) -> None:
    channels = [channel["name"] for channel in document["channels"]]
    kinds = {
        "channels": dict(
            zip(channels, data.draw(st.permutations(["A1", "Z9", "M5"])), strict=False)
        ),
        "samples": {"top": "zz_top", "Z": "a_Z"},
        "modifiers": {"stat_all": "a_stat", "mu": "zmu", "jes": "a_jes", "shape_a": "z_shape"},
    }
    known = {"channels": channels} | {k: names_of(document, k) for k in ("samples", "modifiers")}
    mapping = {
        kind: {
            old: new
            for old, new in pairs.items()
            if old in known[kind] and data.draw(st.booleans())
        }
        for kind, pairs in kinds.items()
    }
    if mapping["channels"]:
        document = without_sets(document, channels)
    reference = dict(pyhf.Workspace(document, validate=False).rename(**mapping))
    spec, observations = loaded(document)
    result = surgery.rename(spec, **mapping)
    moved = surgery.rename_observations(
        observations, channels=mapping["channels"], modifiers=mapping["modifiers"]
    )
    assert_same(result, moved, reference)


def lumi_only(document: Document, name: str, prefix: str) -> Document:
    """The document with other channels, and no settings but the luminosity's."""
    document = copy.deepcopy(document)
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]]}
    config = {"poi": "", "parameters": [lumi | {"inits": [1.0]}]}
    document["measurements"] = [{"name": name, "config": config}]
    for item in [*document["channels"], *document["observations"]]:
        item["name"] = prefix + item["name"]
    return document


def has_shapesys_of_one_name(first: Document, second: Document) -> bool:
    def names(document: Document) -> set[str]:
        samples = [sample for channel in document["channels"] for sample in channel["samples"]]
        found = [m for sample in samples for m in sample["modifiers"]]
        return {m["name"] for m in found if m["type"] == "shapesys"}

    return bool(names(first) & names(second))


@some
@given(pyhf_specs.workspaces(), pyhf_specs.workspaces(), st.booleans())
def test_combine(first: Document, second: Document, swapped: bool) -> None:
    first = lumi_only(first, "m", "b_" if swapped else "a_")
    second = lumi_only(second, "other", "a_" if swapped else "b_")
    workspaces = [pyhf.Workspace(d, validate=False) for d in (first, second)]
    reference = dict(pyhf.Workspace.combine(*workspaces, join="none"))
    (a, a_data), (b, b_data) = loaded(first), loaded(second)
    if has_shapesys_of_one_name(first, second):
        with pytest.raises(nf.SpecError, match=r"shapesys .* in more than one model"):
            surgery.combine([a, b])
        return
    result = surgery.combine([a, b])
    together = surgery.combine_observations([a_data, b_data], [a, b])
    assert_same(result, together, reference)
