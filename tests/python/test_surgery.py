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


# --- widths and names of bins --------------------------------------------------------------------


def stat_error(*uncertainties: float, name: str = "st") -> dict[str, Any]:
    return {"name": name, "type": "staterror", "data": list(uncertainties)}


def pyhf_document(
    channel: str, samples: dict[str, tuple[list[float], list[dict[str, Any]]]]
) -> dict[str, Any]:
    """One channel, with mu on its first sample."""
    mu = {"name": "mu", "type": "normfactor", "data": None}
    written = [
        {"name": name, "data": data, "modifiers": modifiers + ([] if i else [mu])}
        for i, (name, (data, modifiers)) in enumerate(samples.items())
    ]
    n_bins = len(written[0]["data"])
    return {
        "version": "1.0.0",
        "channels": [{"name": channel, "samples": written}],
        "observations": [{"name": channel, "data": [30.0] * n_bins}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    }


def test_pruned_samples_leave_the_uncertainties_of_the_others() -> None:
    samples = {
        "s": ([5.0, 2.0, 1.0], [stat_error(0.5, 0.2, 0.1)]),
        "b": ([20.0, 30.0, 0.0], [stat_error(2.0, 3.0, 0.0)]),
    }
    pruned = surgery.prune(nf.Workspace.load(pyhf_document("A", samples)).spec(), samples=["s"])
    gammas = pruned.parameters
    assert [p.name for p in gammas] == ["st[0]", "st[1]", "st[2]"]
    assert [p.constraint.sigma for p in gammas] == [0.1, 0.1, 1.0]
    assert [p.fixed for p in gammas] == [False, False, True]
    document = pruned.to_pyhf()
    assert document["channels"][0]["samples"][0]["modifiers"][0]["data"] == [2.0, 3.0, 0.0]


def test_widths_that_a_measurement_states_stay() -> None:
    samples = {"s": ([5.0], [stat_error(0.5)]), "b": ([20.0], [stat_error(1.0)])}
    document = pyhf_document("A", samples)
    settings = {"name": "st", "sigmas": [0.3]}
    document["measurements"][0]["config"]["parameters"] = [settings]
    spec = nf.Workspace.load(document).spec()
    pruned = surgery.prune(spec, samples=["s"])
    assert pruned.parameters[0].constraint.sigma == 0.3
    written = spec.to_pyhf()
    assert written["measurements"][0]["config"]["parameters"] == [settings]
    found = {s["name"]: s["modifiers"][0]["data"] for s in written["channels"][0]["samples"]}
    assert found == {"s": [0.5], "b": [1.0]}


def histfactory_channel(
    widths: list[list[float]], fixed: list[bool], *, is_poisson: bool = True
) -> nf.ModelSpec:
    """Two samples of 100 events per bin; uncertainties by sample, parameters as of XML."""
    names = [f"gamma_stat_A_bin_{b}" for b in range(len(fixed))]
    samples = [
        sp.Sample(name, [100.0] * len(fixed), [sp.StatError("staterror_A", names, uncertainties)])
        for name, uncertainties in zip("sb", widths, strict=True)
    ]
    totals = np.hypot(*np.array(widths)) / 200.0
    parameters = [
        sp.Parameter(
            name,
            1.0,
            0.0,
            1.0 + 5.0 * width,
            fixed=is_fixed,
            constraint=sp.PoissonConstraint(width**-2, width**-2)
            if is_poisson
            else sp.GaussianConstraint(1.0, width),
            global_observable=f"nom_{name}",
        )
        for name, width, is_fixed in zip(names, totals, fixed, strict=True)
    ]
    return nf.ModelSpec("m", [sp.Channel("A", samples)], parameters)


def test_bins_cross_the_threshold_of_histfactory() -> None:
    spec = histfactory_channel([[6.0, 8.0, 1.0], [6.0, 8.0, 9.0]], [True, False, True])
    pruned = surgery.prune(spec, samples=["s"])
    assert [p.fixed for p in pruned.parameters] == [False, False, False]
    taus = [p.constraint.tau for p in pruned.parameters]
    np.testing.assert_allclose(taus, np.array([0.06, 0.08, 0.09]) ** -2.0)
    np.testing.assert_allclose([p.upper for p in pruned.parameters], [1.3, 1.4, 1.45])
    unclear = histfactory_channel([[4.0, 9.0], [5.0, 9.0]], [True, False])
    with pytest.raises(nf.SpecError, match=r"bin_0: its width becomes 0\.05, between"):
        surgery.prune(unclear, samples=["s"])


def test_auxiliary_counts_follow_the_width() -> None:
    spec = histfactory_channel([[9.0], [9.0]], [False])
    pruned = surgery.prune(spec, samples=["s"])
    data = surgery.asimov(spec)
    kept = surgery.matching(data, pruned, spec)
    assert nf.Model(pruned).data(kept).global_observables == pytest.approx([0.09**-2])
    moved = data.replace(global_observables=[sp.GlobalObservable("gamma_stat_A_bin_0", 7.0)])
    with pytest.raises(nf.SpecError, match="found the auxiliary count 7"):
        surgery.matching(moved, pruned, spec)


def test_unknown_uncertainties_are_an_error() -> None:
    spec = histfactory_channel([[9.0], [9.0]], [False])
    (channel,) = spec.channels
    unknown = [
        s.replace(modifiers=[m.replace(uncertainties=[]) for m in s.modifiers])
        for s in channel.samples
    ]
    spec = spec.replace(channels=[channel.replace(samples=unknown)])
    with pytest.raises(nf.SpecError, match="found no uncertainty of every sample"):
        surgery.prune(spec, samples=["s"])
    assert not surgery.prune(spec, samples=["s"], modifiers=["staterror_A"]).parameters


def test_combined_staterrors_of_one_name_are_different_bins() -> None:
    samples = {"b": ([20.0, 30.0], [stat_error(2.0, 4.0)])}
    other = {"b": ([10.0, 30.0], [stat_error(3.0, 6.0)])}
    first, second = (
        nf.Workspace.load(pyhf_document(name, made))
        for name, made in (("B", samples), ("A", other))
    )
    specs = [first.spec(), second.spec()]
    combined = surgery.combine(specs)
    widths = {p.name: p.constraint.sigma for p in combined.parameters if p.name != "mu"}
    assert widths == {
        "st[0]": pytest.approx(0.3),
        "st[1]": pytest.approx(0.2),
        "st[2]": pytest.approx(0.1),
        "st[3]": pytest.approx(4.0 / 30.0),
    }
    data = [surgery.asimov(spec, {"st[0]": 1.0 + i}) for i, spec in enumerate(specs)]
    with pytest.raises(nf.SpecError, match=r"st\[0\]: observed in several data sets; give"):
        surgery.combine_observations(data)
    together = surgery.combine_observations(data, specs)
    observed = {g.parameter: g.value for g in together.global_observables}
    assert (observed["st[0]"], observed["st[2]"]) == (2.0, 1.0)
    with pytest.raises(nf.ArgumentError, match="found 1 models, expected 2"):
        surgery.combine_observations(data, specs[:1])


def test_combined_shapesys_of_one_name_is_an_error() -> None:
    shape = {"name": "q", "type": "shapesys", "data": [2.0]}
    specs = [
        nf.Workspace.load(pyhf_document(name, {"b": ([20.0], [shape])})).spec() for name in "AB"
    ]
    with pytest.raises(nf.SpecError, match="shapesys q: in more than one model"):
        surgery.combine(specs)
    surgery.combine([specs[0], surgery.rename(specs[1], modifiers={"q": "r"})])


def test_parameters_follow_the_modifiers_they_are_named_after() -> None:
    spec = nf.Workspace.load(pyhf_document("A", {"b": ([20.0], [stat_error(2.0)])})).spec()
    renamed = surgery.rename(spec, modifiers={"st": "mc", "mu": "k"})
    assert {p.name for p in renamed.parameters} == {"mc[0]", "k"}
    assert renamed.parameters_of_interest == ("k",)
    data = surgery.rename_observations(surgery.asimov(spec), modifiers={"st": "mc"})
    assert [g.parameter for g in data.global_observables] == ["mc[0]"]
