"""Surgery on specifications."""

from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit import spec as sp
from nablafit import surgery


@pytest.fixture
def spec(workspace: nf.Workspace) -> nf.ModelSpec:
    return workspace.spec()


def names(spec: nf.ModelSpec) -> set[str]:
    return {parameter.name for parameter in spec.parameters}


def expected(spec: nf.ModelSpec, **values: float) -> np.ndarray:
    return nf.Model(spec).expected(values)


def test_select_and_mask(spec: nf.ModelSpec, workspace: nf.Workspace) -> None:
    selected = surgery.select_channels(spec, ["signal_*"])
    assert selected == surgery.mask_channels(spec, ["control_region"])
    assert [channel.name for channel in selected.channels] == ["signal_region"]
    assert names(spec) - names(selected) == {"shape[0]"}
    model = nf.Model(selected)
    data = model.data(surgery.matching(workspace.observations, selected))
    np.testing.assert_array_equal(data.counts, [46.0, 35.0])
    np.testing.assert_array_equal(expected(selected, scale=1.0), expected(spec, scale=1.0)[1:])


def test_prune_modifiers(spec: nf.ModelSpec) -> None:
    without = surgery.prune(spec, modifiers=["scale"])
    assert names(spec) - names(without) == {"scale"}
    assert without == surgery.prune(spec, modifier_types=["normsys", "histosys"])
    np.testing.assert_array_equal(expected(without), expected(spec))
    partly = surgery.prune(spec, modifier_types=["histosys"])
    assert names(partly) == names(spec)
    by_parameter = surgery.prune(spec, modifiers=["stat[0]"])
    assert names(spec) - names(by_parameter) == {"stat[0]", "stat[1]"}


def test_prune_samples(spec: nf.ModelSpec) -> None:
    without = surgery.prune(spec, samples=["signal"])
    assert "mu" not in names(without)
    assert without.parameters_of_interest == ("mu",)
    assert nf.Model(without).poi is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": ["signl"]}, "signl: no such sample; did you mean signal"),
        ({"modifiers": ["x*"]}, r"x\*: no such modifier"),
        ({"samples": ["background"]}, "no sample would be left"),
        ({"channels": ["*"]}, "no channel would be left"),
        ({"modifier_types": ["lumis"]}, "no such modifier type; did you mean lumi"),
    ],
)
def test_prune_is_checked(spec: nf.ModelSpec, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        surgery.prune(spec, **arguments)


def test_rename(spec: nf.ModelSpec, workspace: nf.Workspace) -> None:
    channels, parameters = {"control_region": "CR"}, {"mu": "mu_new", "scale": "s"}
    renamed = surgery.rename(
        spec,
        channels=channels,
        parameters=parameters,
        samples={"background": "bkg"},
        modifiers={"mu": "strength"},
    )
    assert renamed.channels[0].name == "CR"
    assert renamed.channels[1].samples[0].name == "bkg"
    assert sp.NormFactor("strength", "mu_new") in renamed.channels[1].samples[1].modifiers
    assert nf.Model(renamed).poi == "mu_new"
    observations = surgery.rename_observations(
        workspace.observations, channels=channels, parameters=parameters
    )
    first, second = nf.Model(spec), nf.Model(renamed)
    point = first.initial + 0.05
    a = first.likelihood(first.data(workspace.observations)).logpdf(point)
    b = second.likelihood(second.data(observations)).logpdf(point)
    assert a == b


def test_rename_follows_into_formulas_and_points(spec: nf.ModelSpec) -> None:
    formula = sp.FormulaFactor("f", "mu*exp(mu2)+mu", ["mu", "mu2"])
    sample = spec.channels[0].samples[0]
    changed = spec.replace(
        channels=[spec.channels[0].replace(samples=[sample.replace(modifiers=[formula])])],
        parameters=[sp.Parameter("mu", 1.0, 0.0, 5.0), sp.Parameter("mu2", 1.0, 0.0, 5.0)],
        parameter_points=[sp.ParameterPoint("best", [sp.ParameterValue("mu", 2.0)])],
    )
    renamed = surgery.rename(changed, parameters={"mu": "x"})
    assert renamed.channels[0].samples[0].modifiers[0] == sp.FormulaFactor(
        "f", "x*exp(mu2)+x", ["x", "mu2"]
    )
    assert renamed.parameter_points[0].values[0] == sp.ParameterValue("x", 2.0)


def test_rename_is_checked(spec: nf.ModelSpec) -> None:
    with pytest.raises(nf.ArgumentError, match="no such channel; did you mean signal_region"):
        surgery.rename(spec, channels={"signal_regio": "x"})
    with pytest.raises(nf.SpecError):
        surgery.rename(spec, parameters={"mu": "scale"})


def test_combine(spec: nf.ModelSpec, workspace: nf.Workspace) -> None:
    parts = [surgery.select_channels(spec, [channel.name]) for channel in spec.channels]
    combined = surgery.combine(parts)
    assert combined.channels == spec.channels
    assert names(combined) == names(spec)
    data = [surgery.matching(workspace.observations, part) for part in parts]
    together = surgery.combine_observations(data)
    first, second = nf.Model(spec), nf.Model(combined)
    values = dict(zip(first.parameters, first.initial + 0.05, strict=True))
    a = first.likelihood(first.data(workspace.observations)).logpdf(first.point(values))
    b = second.likelihood(second.data(together)).logpdf(second.point(values))
    assert a == pytest.approx(b, rel=1e-14)


def test_combine_lists_conflicts(spec: nf.ModelSpec) -> None:
    other = surgery.rename(spec, channels={"signal_region": "x"})
    other = surgery.set_ranges(surgery.fix(other, ["mu"]), {"scale": (-4.0, 4.0)})
    with pytest.raises(nf.SpecError) as caught:
        surgery.combine([spec, other])
    message = str(caught.value)
    assert "channel control_region: in more than one model" in message
    assert "parameter mu: fixed is False and True" in message
    assert "parameter scale: lower is -5.0 and -4.0" in message
    assert "signal_region" not in message


def test_combined_observations_agree() -> None:
    one = sp.Observations("a", [], [sp.GlobalObservable("p", 1.0)])
    assert surgery.combine_observations([one, one]).global_observables == one.global_observables
    with pytest.raises(nf.SpecError, match="p: observed with different values"):
        surgery.combine_observations(
            [one, one.replace(global_observables=[sp.GlobalObservable("p", 2.0)])]
        )


def test_fix_release_and_ranges(spec: nf.ModelSpec) -> None:
    fixed = surgery.fix(spec, {"mu": 2.0, "scale": 0.5})
    model = nf.Model(fixed)
    assert model.fixed[model.index("mu")]
    assert model.initial[model.index("scale")] == 0.5
    assert surgery.release(surgery.fix(spec, ["stat*"]), ["stat*"]) == spec
    moved = surgery.set_ranges(spec, {"mu": (2.0, 3.0)})
    assert nf.Model(moved).bounds[model.index("mu")] == (2.0, 3.0)
    assert nf.Model(moved).initial[model.index("mu")] == 2.0
    assert nf.Model(surgery.set_initial(spec, {"mu": 3.0})).initial[model.index("mu")] == 3.0
    with pytest.raises(nf.ArgumentError, match="no such parameter"):
        surgery.fix(spec, ["nu"])


def test_asimov(spec: nf.ModelSpec) -> None:
    data = surgery.asimov(spec, {"mu": 0.5, "scale": 1.0})
    model = nf.Model(spec)
    assert model.data(data) == model.asimov({"mu": 0.5, "scale": 1.0})
    assert nf.fit(model, model.data(data)).values["mu"] == pytest.approx(0.5, abs=1e-4)
