"""The saturated model: what counts, both p-values, toys that can be joined."""

import math
from typing import Any

import numpy as np
import pyhf
import pytest

import nablafit as nf
from nablafit import spec as s
from nablafit.infer import GoodnessOfFitResult

# jsonschema warns, called by pyhf.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def simple_model(nominal: list[float], *, free: bool = True) -> nf.Model:
    """One channel, a norm factor, a rate systematic and a gamma per bin."""
    gammas = [f"gamma[{b}]" for b in range(len(nominal))]
    background = s.Sample(
        "background",
        nominal,
        [
            s.StatError("stat", gammas, [0.05 * n for n in nominal]),
            s.NormSys("rate", "rate", 0.9, 1.1),
        ],
    )
    signal = s.Sample("signal", [0.2 * n for n in nominal], [s.NormFactor("mu", "mu")])
    gamma = s.GaussianConstraint(1.0, 0.05)
    parameters = [
        s.Parameter("mu", 1.0, -10.0, 10.0, not free),
        s.Parameter("rate", 0.0, -5.0, 5.0, False, s.GaussianConstraint(0.0, 1.0)),
        *(s.Parameter(name, 1.0, 1e-10, 10.0, False, gamma) for name in gammas),
    ]
    return nf.Model(
        nf.ModelSpec("simple", [s.Channel("SR", [signal, background])], parameters, ["mu"])
    )


def test_the_statistic_is_the_sum_of_its_parts(model: nf.Model, data: nf.Data) -> None:
    found = nf.goodness_of_fit(model, data)
    assert found.status == "ok"
    assert found.statistic == pytest.approx(2.0 * found.fit.value, rel=1e-9)
    parts = sum(channel.deviance for channel in found.channels) + found.constraints
    assert parts == pytest.approx(found.statistic, rel=1e-12)
    expected = model.expected(found.fit.x)
    for channel, bins in zip(found.channels, model.channel_bins.values(), strict=True):
        n, lam = data.counts[bins], expected[bins]
        deviances = 2.0 * (lam - n + n * np.log(n / lam))
        np.testing.assert_allclose(channel.by_bin, deviances, rtol=1e-6)
        np.testing.assert_array_equal(channel.signs, np.sign(n - lam))
        np.testing.assert_allclose(channel.pulls**2, channel.by_bin)
    # 3 bins and 5 terms; free are mu, lumi, scale, two stat and one shape
    assert (found.n_bins, found.n_constraints, found.n_free, found.dof) == (3, 5, 6, 2)


def test_p_value_agrees_with_cabinetry(document: dict[str, Any]) -> None:
    cabinetry = pytest.importorskip("cabinetry")
    workspace = pyhf.Workspace(document)
    pyhf_model = workspace.model()
    theirs = cabinetry.fit.fit(
        pyhf_model, workspace.data(pyhf_model), goodness_of_fit=True, tolerance=1e-4
    )
    ws = nf.Workspace.load(document)
    model = ws.model()
    found = nf.goodness_of_fit(model, ws.data(model))
    assert found.p_asymptotic == pytest.approx(theirs.goodness_of_fit, abs=1e-6)


def test_a_fixed_parameter_gives_a_degree_of_freedom(model: nf.Model, data: nf.Data) -> None:
    free = nf.goodness_of_fit(model, data)
    held = nf.goodness_of_fit(model, data, fixed={"mu": 0.0})
    assert (held.n_free, held.dof) == (free.n_free - 1, free.dof + 1)
    # Its constraint term is a constant then: it counts nowhere.
    off = nf.goodness_of_fit(model, data, fixed={"scale": 2.0})
    assert (off.n_constraints, off.dof) == (free.n_constraints - 1, free.dof)
    assert off.statistic == pytest.approx(2.0 * off.fit.value - 4.0, rel=1e-9)


def test_what_says_nothing_does_not_count(document: dict[str, Any]) -> None:
    """An empty bin, a parameter without effect, and two that only act as a product."""
    channel = document["channels"][0]
    for sample in channel["samples"]:
        sample["data"].append(0.0)
        for modifier in sample["modifiers"]:
            if modifier["type"] == "staterror":
                modifier["data"].append(0.0)
            if modifier["type"] == "histosys":
                for values in modifier["data"].values():
                    values.append(0.0)
    document["observations"][0]["data"].append(0.0)
    idle = {"name": "k_idle", "type": "normfactor", "data": None}
    channel["samples"].append({"name": "idle", "data": [0.0] * 3, "modifiers": [idle]})
    twin = {"name": "twin", "type": "normfactor", "data": None}
    channel["samples"][0]["modifiers"].append(twin)
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    found = nf.goodness_of_fit(model, workspace.data(model))
    assert model.n_bins == 4
    assert found.n_bins == 3
    assert found.dof == 2


def test_no_degrees_of_freedom() -> None:
    model = simple_model([50.0])
    found = nf.goodness_of_fit(model, model.asimov(), n_toys=50)
    assert found.dof == 0
    assert found.status == "no_degrees_of_freedom"
    assert math.isnan(found.p_asymptotic)
    assert found.statistic == pytest.approx(0.0, abs=1e-9)


def test_a_fit_that_is_not_valid(model: nf.Model, data: nf.Data) -> None:
    found = nf.goodness_of_fit(
        model, data, bounds={"mu": (-30.0, 10.0)}, fixed={"mu": -20.0}, n_toys=10
    )
    assert found.status == "fit_not_valid"
    assert "likelihood" in found.message
    assert found.n_toys == 0
    assert math.isnan(found.p_toys)
    assert GoodnessOfFitResult.from_json(found.to_json()) == found


# --- toys ----------------------------------------------------------------------------------------


def test_toys_follow_the_chi_square() -> None:
    model = simple_model([400.0, 500.0, 300.0, 600.0, 450.0, 350.0])
    counts = model.expected(model.initial) * [1.05, 0.93, 1.08, 0.98, 0.95, 1.06]
    data = nf.Data(np.round(counts), model.asimov().global_observables)
    found = nf.goodness_of_fit(model, data, n_toys=4000, seed=5)
    assert found.dof == 5
    assert found.n_failed == 0
    assert 0.02 < found.p_asymptotic < 0.9
    assert abs(found.p_toys - found.p_asymptotic) < 4.0 * found.p_toys_error
    assert np.mean(found.toys) == pytest.approx(5.0, abs=4.0 * np.sqrt(10.0 / 4000))
    assert found.p_toys == np.mean(found.toys >= found.statistic)


def test_toys_leave_terms_of_fixed_parameters_alone() -> None:
    """A fixed parameter far from its centre must not shift toys against the data."""
    model = simple_model([400.0, 500.0, 300.0])
    data = model.asimov({"rate": 1.5})
    found = nf.goodness_of_fit(model, data, fixed={"rate": 1.5}, n_toys=2000, seed=1)
    assert found.dof == 2
    assert np.mean(found.toys) == pytest.approx(2.0, abs=4.0 * np.sqrt(4.0 / 2000))


def test_shards_are_the_whole(model: nf.Model, data: nf.Data) -> None:
    whole = nf.goodness_of_fit(model, data, n_toys=60, seed=2)
    shards = [
        nf.goodness_of_fit(model, data, n_toys=n, seed=2, start=k) for k, n in [(0, 25), (25, 35)]
    ]
    merged = GoodnessOfFitResult.merge(shards)
    np.testing.assert_array_equal(merged.toys, whole.toys)
    assert merged.p_toys == whole.p_toys
    assert [r.n for r in merged.toy_ranges] == [25, 35]
    assert nf.load_result is not None
    assert GoodnessOfFitResult.from_json(merged.to_json()) == merged
    with pytest.raises(nf.ArgumentError, match=r"results\[1\].*toys 25 to 59 of seed 2"):
        GoodnessOfFitResult.merge([whole, shards[1]])
    other = nf.goodness_of_fit(model, model.asimov(), n_toys=5)
    with pytest.raises(nf.ArgumentError, match=r"results\[1\]: is of other data"):
        GoodnessOfFitResult.merge([whole, other])
    with pytest.raises(nf.ArgumentError, match="at least one"):
        GoodnessOfFitResult.merge([])


def test_many_blocks_are_one_sequence(
    model: nf.Model, data: nf.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import import_module

    whole = nf.goodness_of_fit(model, data, n_toys=20)
    monkeypatch.setattr(import_module("nablafit.infer.predictions.goodness_of_fit"), "_BLOCK", 7)
    seen: list[int] = []
    blocks = nf.goodness_of_fit(model, data, n_toys=20, progress=seen.append)
    np.testing.assert_array_equal(blocks.toys, whole.toys)
    assert seen == sorted(seen)
    assert seen[-1] == 20


def test_failed_toys_are_counted(model: nf.Model, data: nf.Data) -> None:
    found = nf.goodness_of_fit(model, data, n_toys=4)
    toys = np.array(found.toys)
    toys[1] = np.nan
    from dataclasses import replace

    damaged = replace(found, toys=toys).with_p_value()
    assert damaged.n_failed == 1
    assert damaged.p_toys == np.mean(found.toys[[0, 2, 3]] >= found.statistic)
    assert "3 toys, 1 more could not be fitted" in repr(damaged)


def test_interruption_keeps_what_is_done(model: nf.Model, data: nf.Data) -> None:
    def stop(n_done: int) -> None:
        if n_done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.goodness_of_fit(model, data, n_toys=2_000_000, progress=stop, n_threads=1)
    result = caught.value.result
    assert isinstance(result, GoodnessOfFitResult)
    assert not result.complete
    assert 10 <= result.n_toys < 2_000_000
    whole = nf.goodness_of_fit(model, data, n_toys=result.n_toys)
    np.testing.assert_array_equal(result.toys, whole.toys)
    assert "interrupted" in repr(result)


def test_bad_arguments(model: nf.Model, data: nf.Data) -> None:
    with pytest.raises(nf.ArgumentError, match="n_toys"):
        nf.goodness_of_fit(model, data, n_toys=-1)
    with pytest.raises(nf.ArgumentError, match="nu"):
        nf.goodness_of_fit(model, data, fixed="nu")


def test_display(model: nf.Model, data: nf.Data) -> None:
    found = nf.goodness_of_fit(model, data, n_toys=10)
    text = repr(found)
    assert "dof = 2 (3 bins + 5 constraints - 6 parameters)" in text
    assert "(asymptotic)" in text
    assert "(10 toys)" in text
    assert text.splitlines()[-1].startswith("constraint terms")
    assert ">constraint terms</td>" in found._repr_html_()
