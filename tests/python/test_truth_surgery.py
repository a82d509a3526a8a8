"""Surgery and conversion of random workspaces against what pyhf makes of the same operation.

The likelihood must be pyhf's, or nablafit must refuse. NABLAFIT_TRUTH_MODELS and
NABLAFIT_TRUTH_SEED, see test_truth.py, say how many workspaces are drawn.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import nablafit as nf
import pyhf_specs
from nablafit import spec as sp
from nablafit import surgery
from pyhf_specs import Document

pyhf = pytest.importorskip("pyhf")
logging.getLogger("pyhf.workspace").setLevel(logging.ERROR)  # every combination is "unsafe"

pytestmark = [
    pytest.mark.filterwarnings("ignore::nablafit.ModelWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # jsonschema, called by pyhf
    pytest.mark.slow,
]

MODELS = int(os.environ.get("NABLAFIT_TRUTH_MODELS", "330"))
SEED = int(os.environ.get("NABLAFIT_TRUTH_SEED", "1"))
TOLERANCE = 1e-9
# Of the operations that pyhf does.
MOST_REFUSED = 0.5

# pyhf has no types.
PyhfObject: TypeAlias = Any
Parts: TypeAlias = tuple[nf.ModelSpec, sp.Observations]
outcomes: Counter[str] = Counter()

# Making a failing workspace small takes minutes: only in long campaigns.
PHASES = [Phase.explicit, Phase.generate] + [Phase.shrink] * (MODELS >= 2000)
many = settings(
    max_examples=max(MODELS // 15, 10),
    phases=PHASES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def campaign(function: Callable[..., None]) -> Callable[..., None]:
    return seed(SEED)(many(function))


def theirs_of(document: Document) -> PyhfObject:
    """Make pyhf's model of the first measurement, without a parameter of interest."""
    spec = {
        "channels": document["channels"],
        "parameters": document["measurements"][0]["config"]["parameters"],
    }
    model = pyhf.Model(spec, poi_name=None, validate=False)
    for channel in document["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                if modifier["type"] == "shapefactor":
                    part = model.config.par_slice(modifier["name"])
                    if part.stop - part.start < len(sample["data"]):
                        # pyhf counts the bins of one channel, and goes on to other parameters.
                        raise ValueError(modifier)
    return model


def data_of(document: Document, model: PyhfObject) -> np.ndarray:
    counts = {item["name"]: item["data"] for item in document["observations"]}
    ordered = [counts[channel] for channel in model.config.channels]
    return np.concatenate([*ordered, model.config.auxdata])


def logpdf(model: PyhfObject, data: np.ndarray, x: np.ndarray) -> float:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(model.logpdf(x, data)[0])


def opened(document: Document) -> Parts:
    workspace = nf.Workspace.load(document)
    spec = workspace.spec(document["measurements"][0]["name"])
    return spec, workspace.observations


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names such as stat[10] by number, whichever numbers are left."""

    def key(name: str) -> tuple[str, int]:
        found = re.fullmatch(r"(.*)\[(\d+)\]", name)
        return (found[1], int(found[2])) if found else (name, -1)

    return sorted(names, key=key)


def base(name: str) -> str:
    return re.sub(r"\[\d+\]$", "", name)


def compare(document: Document, parts: Parts) -> None:
    """Compare the likelihood with pyhf's, apart from a constant, where parameters may be.

    The gamma of a bin without a width is fixed and may have another name.
    """
    spec, observations = parts
    theirs = theirs_of(document)
    data = data_of(document, theirs)
    model = nf.Model(spec)
    ours = model.likelihood(model.data(observations))
    mine, reference = in_order(model.parameters), in_order(theirs.config.par_names)
    columns = [theirs.config.par_names.index(name) for name in reference]
    places = [model.parameters.index(name) for name in mine]
    fixed = np.array(theirs.config.suggested_fixed())
    np.testing.assert_array_equal(np.array(model.fixed)[places], fixed[columns])
    for name, wanted, is_fixed in zip(mine, reference, fixed[columns], strict=True):
        assert is_fixed or base(name) == base(wanted)
    pairs = []
    for x in points(theirs, fixed):
        at = np.empty(len(x))
        at[places] = x[columns]
        pairs.append((ours.logpdf(at), logpdf(theirs, data, x)))
    found, right = np.array(pairs).reshape(-1, 2).T
    if len(found):
        atol = TOLERANCE * np.max(np.abs(right))
        np.testing.assert_allclose(found - found[0], right - right[0], rtol=TOLERANCE, atol=atol)


def points(model: PyhfObject, fixed: np.ndarray) -> list[np.ndarray]:
    """Draw points where the parameters may be and every yield is positive."""
    random = np.random.default_rng(SEED)
    low, high = np.transpose(model.config.suggested_bounds())
    initial = np.array(model.config.suggested_init())
    found = []
    for size in (0.0, 0.1, 0.1, 0.3, 0.3, 1.0):
        step = random.normal(0, size, len(initial)) if size else 0.0
        x = np.where(fixed, initial, np.clip(initial + step, low, high))
        with np.errstate(all="ignore"):
            if np.all(model.main_model.expected_data(x) > 0):
                found.append(x)
    return found


def check(
    operation: str,
    in_pyhf: Callable[[], Document],
    in_nablafit: Callable[[], Parts],
) -> None:
    """Do both; where pyhf fails there is nothing to compare with, and nablafit may refuse."""
    try:
        document = json.loads(json.dumps(in_pyhf()))
        theirs_of(document)
    except Exception:  # noqa: BLE001 - whatever pyhf raises
        outcomes[f"{operation}: pyhf fails"] += 1
        return
    try:
        parts = in_nablafit()
        nf.Model(parts[0])
    except nf.Error as error:
        outcomes[f"{operation}: refused"] += 1
        outcomes[f"{operation}: {re.sub(r'[0-9.]+', '#', str(error))[:90]}"] += 1
        return
    compare(document, parts)
    outcomes[f"{operation}: the same"] += 1


def pick(draw: st.DrawFn, names: Iterable[str]) -> list[str]:
    found = sorted(set(names))
    return draw(st.lists(st.sampled_from(found), min_size=1, max_size=2, unique=True))


def modifiers_of(document: Document) -> list[str]:
    return [
        modifier["name"]
        for channel in document["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    ]


def samples_of(document: Document) -> list[str]:
    return [sample["name"] for channel in document["channels"] for sample in channel["samples"]]


def channels_of(document: Document) -> list[str]:
    return [channel["name"] for channel in document["channels"]]


def workspace_of(document: Document) -> PyhfObject:
    return pyhf.Workspace(document, validate=False)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Document, str, list[str]]:
    document = draw(pyhf_specs.workspaces())
    what = draw(st.sampled_from(["samples", "channels", "modifiers", "modifier_types"]))
    types = {
        modifier["type"]
        for channel in document["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    }
    names = {
        "samples": samples_of(document),
        "channels": channels_of(document),
        "modifiers": modifiers_of(document),
        "modifier_types": types,
    }[what]
    return document, what, pick(draw, names)


@campaign
@given(cuts())
def test_prune(cut: tuple[Document, str, list[str]]) -> None:
    document, what, names = cut
    for parameter in document["measurements"][0]["config"]["parameters"]:
        if parameter["name"].startswith(("stat_", "unc_")):
            # A model does not tell this from what fixes the gammas of empty bins.
            parameter.pop("fixed", None)

    def ours() -> Parts:
        spec, observations = opened(document)
        pruned = surgery.prune(spec, **{what: names})
        return pruned, surgery.matching(observations, pruned)

    check(f"prune {what}", lambda: dict(workspace_of(document).prune(**{what: names})), ours)


@campaign
@given(pyhf_specs.workspaces(), st.data())
def test_select(document: Document, data: st.DataObject) -> None:
    kept = pick(data.draw, channels_of(document))
    others = [name for name in channels_of(document) if name not in kept]

    def ours() -> Parts:
        spec, observations = opened(document)
        selected = surgery.select_channels(spec, kept)
        return selected, surgery.matching(observations, selected)

    check("select", lambda: dict(workspace_of(document).prune(channels=others)), ours)


@campaign
@given(pyhf_specs.workspaces(), st.data())
def test_rename(document: Document, data: st.DataObject) -> None:
    """New names sort like the old ones, by which pyhf numbers gammas."""
    what = data.draw(st.sampled_from(["samples", "channels", "modifiers"]))
    sources = {"samples": samples_of, "channels": channels_of, "modifiers": modifiers_of}
    names = {name: f"{name}_new" for name in sources[what](document)}

    def ours() -> Parts:
        spec, observations = opened(document)
        parameters = {}
        if what == "modifiers":
            for parameter in spec.parameters:
                tail = parameter.name[len(base(parameter.name)) :]
                parameters[parameter.name] = f"{names[base(parameter.name)]}{tail}"
        renamed = surgery.rename(spec, **{what: names}, parameters=parameters)
        changed = surgery.rename_observations(
            observations, channels=names if what == "channels" else {}, parameters=parameters
        )
        return renamed, changed

    check(f"rename {what}", lambda: dict(workspace_of(document).rename(**{what: names})), ours)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Document, Document]:
    """Draw two workspaces whose channels sort one after the other, with one measurement."""
    first, second = draw(pyhf_specs.workspaces()), draw(pyhf_specs.workspaces())
    for channel in second["channels"] + second["observations"]:
        channel["name"] = f"z_{channel['name']}"
    # A lumi needs its settings; all other settings would contradict each other, mostly.
    lumi = {"auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]], "inits": [1.0]}
    common = {name for name in modifiers_of(first) if name.startswith("shape_")}
    for channel in second["channels"]:
        for sample in channel["samples"]:  # pyhf's shapefactors have the bins of the first channel
            kept = [one for one in sample["modifiers"] if one["name"] not in common]
            sample["modifiers"] = kept
    for document in (first, second):
        parameters = [{"name": "lumi", **lumi}] if "lumi" in modifiers_of(document) else []
        config = {"poi": "", "parameters": parameters}
        document["measurements"] = [{"name": "m", "config": config}]
    return first, second


@campaign
@given(pairs())
def test_combine(pair: tuple[Document, Document]) -> None:
    first, second = pair

    def theirs() -> Document:
        left, right = workspace_of(first), workspace_of(second)
        return dict(pyhf.Workspace.combine(left, right, join="left outer"))

    def ours() -> Parts:
        parts = [opened(first), opened(second)]
        spec = surgery.combine([spec for spec, _ in parts])
        return spec, surgery.combine_observations([data for _, data in parts])

    check("combine", theirs, ours)


@campaign
@given(pyhf_specs.workspaces(), st.booleans())
def test_conversion(document: Document, through_hs3: bool) -> None:
    """What is written as pyhf JSON, straight or by way of HS3, is the same in pyhf."""

    def ours() -> Parts:
        spec, observations = opened(document)
        if through_hs3:
            again = nf.Workspace.load(json.loads(spec.to_hs3((observations,))))
            spec, observations = again.spec(), again.observations
        return opened(spec.to_pyhf(observations))

    check("by way of HS3" if through_hs3 else "as pyhf", lambda: document, ours)


@pytest.fixture(scope="module", autouse=True)
def refusals_are_rare() -> Iterator[None]:
    """Count what nablafit refused of what pyhf does."""
    outcomes.clear()
    yield
    done = sum(n for name, n in outcomes.items() if name.endswith(": the same"))
    refused = sum(n for name, n in outcomes.items() if name.endswith(": refused"))
    assert refused <= MOST_REFUSED * (done + refused), outcomes
