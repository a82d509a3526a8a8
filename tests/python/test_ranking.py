"""Impacts: by refits, from the covariance, of global observables."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest

import nablafit as nf
from locations import published_workspaces
from nablafit.infer.impacts import _refits
from nablafit.infer.impacts.ranking import VARIATIONS
from parameter_models import build, document, histosys, linear_document, normfactor, normsys, sample


@pytest.fixture(scope="module")
def best(model: nf.Model, data: nf.Data) -> nf.FitResult:
    return nf.fit(model, data)


@pytest.fixture(scope="module")
def ranked(model: nf.Model, data: nf.Data) -> nf.infer.RankingResult:
    return nf.ranking(model, data)


# The minimiser stops at an EDM of 1e-10, so two minima differ by up to sqrt(2e-10) errors.
SAME = 2e-5


def test_refits_are_those_of_fit(
    model: nf.Model, data: nf.Data, best: nf.FitResult, ranked: nf.infer.RankingResult
) -> None:
    assert sorted(ranked.parameters) == sorted(set(model.parameters) - {"mu"})
    for j, name in enumerate(ranked.parameters):
        error, width = best.errors[name], best.prefit_errors[model.index(name)]
        for key, shift in zip(VARIATIONS, (error, -error, width, -width), strict=True):
            refit = nf.fit(model, data, fixed={name: best.values[name] + shift})
            assert refit.valid
            expected = refit.values["mu"] - best.values["mu"]
            assert getattr(ranked, key)[0, j] == pytest.approx(expected, abs=SAME), (name, key)
    assert ranked.valid.all()
    assert ranked.warnings == ()
    assert set().union(*map(set, ranked.statuses.values())) == {"converged"}


def test_order_is_that_of_impacts(ranked: nf.infer.RankingResult) -> None:
    impacts = ranked.impacts[0]
    assert np.all(np.diff(impacts) <= 0)
    assert impacts[0] > 10 * impacts[-1]
    assert ranked.first(2).parameters == ranked.parameters[:2]
    assert ranked.first(2).postfit_up.shape == (1, 2)


@pytest.fixture
def backend() -> Iterator[None]:
    """Cabinetry sets pyhf's backend; put it back."""
    before = pyhf.get_backend()
    yield
    pyhf.set_backend(*before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("backend")
def test_impacts_are_those_of_cabinetry(document: dict[str, Any], best: nf.FitResult) -> None:
    cabinetry = pytest.importorskip("cabinetry")
    workspace = pyhf.Workspace(document)
    pyhf_model = workspace.model(measurement_name="nominal")
    assert tuple(pyhf_model.config.par_names) == best.parameters
    fit_results = cabinetry.fit.FitResults(
        best.x, np.asarray(best.errors), list(best.parameters), best.correlation, best.twice_nll
    )
    theirs = cabinetry.fit.ranking(
        pyhf_model, workspace.data(pyhf_model), fit_results=fit_results, tolerance=1e-4
    )
    model, data = build(document)
    ours = nf.ranking(model, data, result=best)
    order = [theirs.labels.index(name) for name in ours.parameters]
    for key in VARIATIONS:
        expected = getattr(theirs, key)[order]
        np.testing.assert_allclose(getattr(ours, key)[0], expected, atol=5e-4 * best.errors["mu"])
    widths = cabinetry.model_utils.prefit_uncertainties(pyhf_model)
    expected = [widths[best.parameters.index(name)] for name in ours.parameters]
    np.testing.assert_allclose(ours.prefit_errors, expected)


def test_linear_impacts_are_those_of_refits_where_the_model_is_linear() -> None:
    model, data = build(linear_document())
    refits = nf.ranking(model, data)
    linear = nf.ranking(model, data, method="linear")
    assert linear.parameters == refits.parameters
    scale = refits.impacts[0, 0]
    for key in VARIATIONS:
        expected = getattr(refits, key)
        np.testing.assert_allclose(getattr(linear, key), expected, rtol=2e-3, atol=1e-3 * scale)
        assert np.all(np.abs(expected).max() > 0.1 * scale)
    assert set(linear.statuses["postfit_up"]) == {"linear"}


def test_impacts_of_global_observables_from_refits_and_covariance_agree() -> None:
    model, data = build(linear_document())
    linear = nf.ranking(model, data, method="global_observables")
    refits = nf.ranking(model, data, method="global_observables_refit")
    assert linear.parameters == refits.parameters
    np.testing.assert_allclose(linear.postfit_up, refits.postfit_up, rtol=2e-3, atol=1e-7)
    np.testing.assert_allclose(linear.postfit_down, refits.postfit_down, rtol=2e-3, atol=1e-7)
    assert np.all(np.isnan(linear.prefit_up))
    assert set(refits.statuses["prefit_up"]) == {"undefined"}
    assert "pre-fit" not in repr(linear)
    assert "pre-fit" not in linear._repr_html_()


def test_shifts_of_every_kind_of_constraint(model: nf.Model, data: nf.Data) -> None:
    """A small shift of each global observable, by differences of fits."""
    found = nf.ranking(model, data, method="global_observables")
    deviations, _ = model.fluctuations(data, nf.fit(model, data).x)
    shape = data.global_observables[model.constrained_parameters.index("shape[0]")]
    assert deviations[model.index("shape[0]")] == pytest.approx(np.sqrt(shape))
    step = 1e-3
    for j, name in enumerate(found.parameters):
        values = []
        for sign in (1, -1):
            observables = np.array(data.global_observables)
            position = model.constrained_parameters.index(name)
            observables[position] += sign * step * deviations[model.index(name)]
            values.append(nf.fit(model, nf.Data(data.counts, observables)).values["mu"])
        slope = (values[0] - values[1]) / (2 * step)
        assert found.postfit_up[0, j] == pytest.approx(slope, rel=1e-4, abs=1e-6), name


def test_several_parameters_of_interest_share_refits(model: nf.Model, data: nf.Data) -> None:
    both = nf.ranking(model, data, poi=["lumi", "mu"])
    assert both.pois == ("lumi", "mu")
    assert "mu" not in both.parameters
    alone = nf.ranking(model, data, poi="mu", exclude="lumi")
    one = both.for_poi("mu")
    assert one.pois == ("mu",)
    assert one.parameters == alone.parameters
    np.testing.assert_array_equal(one.postfit_up, alone.postfit_up)
    assert one.statuses == alone.statuses


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("path", published_workspaces(), ids=lambda path: path.stem)
def test_published_workspaces(path: Path) -> None:
    """Of the first free factor, or the first parameter: refits as by `fit`, every one a minimum."""
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    data = workspace.data(model)
    best = nf.fit(model, data)
    free = [n for n in model.parameters if n not in model.constrained_parameters]
    poi = (free or list(model.parameters))[0]
    found = nf.ranking(model, data, poi=poi, result=best)
    assert {warning.kind for warning in found.warnings} <= {
        "lower_minimum",
        "at_bound",
        "starts_disagree",
    }
    assert found.valid.all()
    assert found == nf.ranking(model, data, poi=poi, result=best, n_threads=1)
    for j, name in enumerate(found.parameters[:3]):
        held = best.values[name] + best.errors[name]
        refit = nf.fit(model, data, initial=best.x, fixed={name: held})
        expected = refit.values[poi] - best.values[poi]
        assert found.postfit_up[0, j] == pytest.approx(expected, abs=SAME * best.errors[poi])


def test_threads_change_no_bit(model: nf.Model, data: nf.Data) -> None:
    one = nf.ranking(model, data, n_threads=1)
    assert one == nf.ranking(model, data, n_threads=3)
    assert one.to_json() == nf.ranking(model, data, n_threads=2).to_json()


def test_parts_of_a_large_batch_change_no_bit(
    model: nf.Model, data: nf.Data, ranked: nf.infer.RankingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_refits, "_MOST_NUMBERS", 40)
    seen: list[int] = []
    assert nf.ranking(model, data, progress=seen.append) == ranked
    assert seen[-1] == 4 * len(ranked)
    assert seen == sorted(seen)


def test_bounds_and_fixed_parameters_of_the_fit_hold_for_refits(
    model: nf.Model, data: nf.Data
) -> None:
    best = nf.fit(model, data, fixed={"scale": 0.5}, bounds={"mu": (0.0, 0.8)})
    assert best.at_bound[model.index("mu")]
    found = nf.ranking(model, data, result=best)
    assert "scale" not in found.parameters
    assert np.nanmax(found.prefit_up) <= 1e-12
    assert found.warnings[0].kind == "no_error"
    assert found.first(1).warnings[0] == found.warnings[0]
    asked = nf.ranking(model, data, result=best, parameters=["scale", "lumi"])
    j = asked.parameters.index("scale")
    assert {row[j] for row in asked.statuses.values()} == {"fixed"}
    assert asked.postfit_up[0, j] == asked.prefit_down[0, j] == 0.0
    linear = nf.ranking(model, data, result=best, method="linear")
    assert np.all(np.isnan(linear.postfit_up))


def test_a_free_factor_has_no_prefit_impact() -> None:
    model, data = build(
        document(
            [55.0, 120.0],
            sample("signal", [10.0, 0.0], normfactor("mu")),
            sample("background", [40.0, 110.0], normfactor("scale"), normsys("rate", 0.9, 1.1)),
            sample("nothing", [0.0, 0.0], normfactor("idle")),
            sample("other", [1.0, 1.0], normsys("no_effect", 1.0, 1.0)),
        )
    )
    found = nf.ranking(model, data)
    at = found.parameters.index
    assert found.statuses["prefit_up"][at("scale")] == "no_prefit_width"
    assert np.isnan(found.prefit_up[0, at("scale")])
    assert abs(found.postfit_up[0, at("scale")]) > 0.1
    assert found.postfit_up[0, at("no_effect")] == pytest.approx(0.0, abs=SAME)
    assert found.statuses["postfit_up"][at("no_effect")] == "converged"
    assert found.statuses["postfit_down"][at("idle")] == "no_error"
    assert found.parameters[-1] == "idle"
    observables = nf.ranking(model, data, method="global_observables")
    assert observables.statuses["postfit_up"][observables.parameters.index("scale")] == (
        "no_global_observable"
    )


def test_a_shift_ends_at_the_bound() -> None:
    """A gamma with a relative uncertainty above 1 would be negative before the fit."""
    model, data = build(
        document(
            [55.0, 1.0],
            sample("signal", [10.0, 1.0], normfactor("mu")),
            sample(
                "background",
                [40.0, 0.5],
                {"name": "sparse", "type": "shapesys", "data": [4.0, 0.6]},
            ),
        )
    )
    best = nf.fit(model, data)
    found = nf.ranking(model, data, result=best)
    j = found.parameters.index("sparse[1]")
    lower = model.bounds[model.index("sparse[1]")][0]
    refit = nf.fit(model, data, initial=best.x, fixed={"sparse[1]": lower})
    expected = refit.values["mu"] - best.values["mu"]
    assert found.prefit_down[0, j] == pytest.approx(expected, abs=SAME)
    assert found.valid.all()
    warning = next(w for w in found.warnings if "prefit_down" in w.message)
    assert (warning.kind, warning.parameter) == ("at_bound", "sparse[1]")
    assert warning.value == best.values["sparse[1]"] - best.prefit_errors[model.index("sparse[1]")]
    assert f"held at its bound {lower:.4g}" in warning.message
    linear = nf.ranking(model, data, result=best, method="linear")
    assert linear.prefit_down[0, j] == -linear.prefit_up[0, j]


def test_a_refit_that_fails_disturbs_no_other() -> None:
    """At -1, before the fit, the second bin has a negative yield."""
    model, data = build(
        document(
            [55.0, 21.0],
            sample("signal", [10.0, 0.0], normfactor("mu")),
            sample(
                "background",
                [40.0, 20.0],
                histosys("wild", [38.0, -1.0], [42.0, 41.0]),
                normsys("rate", 0.9, 1.1),
            ),
        )
    )
    found = nf.ranking(model, data)
    j, other = found.parameters.index("wild"), found.parameters.index("rate")
    assert found.statuses["prefit_down"][j] == "forbidden_start"
    assert np.isnan(found.prefit_down[0, j])
    assert np.isfinite(found.prefit_up[0, j])
    assert np.isfinite(found.postfit_down[0, j])
    assert found.valid[other]
    assert not found.valid[j]
    (warning,) = found.warnings
    assert (warning.kind, warning.parameter) == ("failed", "wild")
    assert "forbidden_start" in repr(found)


def test_a_second_try_starts_from_the_fit(model: nf.Model, data: nf.Data) -> None:
    best = nf.fit(model, data)
    n = model.n_parameters
    bad = np.array(best.x)
    bad[model.index("stat[0]")] = np.nan
    refit = _refits.Refit(
        model=model,
        result=best,
        n_refits=1,
        row_length=n,
        arrays=lambda _: {"data": data, "fixed": np.eye(1, n, 0, dtype=bool), "initial": bad},
        kept=["mu"],
    )
    first = nf.fit_many(model, data, initial=bad)
    assert not first.valid[0]
    outcome, interrupted = _refits.run_refits(refit)
    assert interrupted is None
    assert outcome.status.tolist() == ["converged"]
    assert outcome.x[0, 0] == pytest.approx(best.values["mu"], abs=SAME)


def test_refits_below_the_fit_are_warned_of(model: nf.Model, data: nf.Data) -> None:
    best = nf.fit(model, data)
    x = best.x + 0.5 * np.asarray(best.errors)
    wrong = dataclasses.replace(best, x=x, value=model.likelihood(data)(x))
    found = nf.ranking(model, data, result=wrong, parameters="shape[0]")
    assert {warning.kind for warning in found.warnings} == {"lower_minimum"}
    assert "`starts`" in found.warnings[0].message


def test_an_invalid_fit_gives_no_impacts(model: nf.Model, data: nf.Data) -> None:
    failed = nf.fit(model, data, initial={"mu": 9.0}, max_calls=1)
    assert not failed.valid
    found = nf.ranking(model, data, result=failed)
    assert found.warnings[0].kind == "invalid_fit"
    assert np.all(np.isnan(found.postfit_up))
    assert set(found.statuses["prefit_up"]) == {"invalid_fit"}
    assert not found.valid.any()


def test_interruption_keeps_what_is_done(
    model: nf.Model, data: nf.Data, ranked: nf.infer.RankingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_refits, "_MOST_NUMBERS", 40)

    def stop(n_done: int) -> None:
        if n_done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.ranking(model, data, progress=stop, n_threads=1)
    partial = caught.value.result
    assert isinstance(partial, nf.infer.RankingResult)
    assert not partial.complete
    assert not partial.warnings
    n_done = 0
    for key in VARIATIONS:
        for j, status in enumerate(partial.statuses[key]):
            if status == "not_fitted":
                assert np.isnan(getattr(partial, key)[0, j])
                continue
            n_done += 1
            full = getattr(ranked, key)[0, ranked.parameters.index(partial.parameters[j])]
            assert getattr(partial, key)[0, j] == full
    assert 8 <= n_done < 4 * len(ranked)


def test_round_trip(ranked: nf.infer.RankingResult, tmp_path: Path) -> None:
    path = tmp_path / "ranking.json"
    ranked.save(path)
    loaded = nf.load_result(path)
    assert loaded == ranked
    assert loaded.first(1) == ranked.first(1)
    assert ranked.parameters[0] in repr(ranked)
    assert f'<td style="text-align:left">{ranked.parameters[0]}</td>' in ranked._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "quick"}, "method: expected one of refit, linear"),
        ({"poi": "nu"}, "nu: unknown parameter"),
        ({"poi": ["mu", "mu"]}, "poi: mu is named twice"),
        ({"poi": ()}, "poi: expected a parameter of interest, got none"),
        ({"parameters": "scal"}, r"parameters: 'scal' matches no parameter.*scale"),
        ({"exclude": "re:("}, "not a regular expression"),
        ({"parameters": [3]}, "expected strings or compiled regular expressions, got int"),
    ],
)
def test_misuse_is_named(
    model: nf.Model, data: nf.Data, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        nf.ranking(model, data, **arguments)


def test_fits_of_something_else_are_refused(
    model: nf.Model, data: nf.Data, best: nf.FitResult, document: dict[str, Any]
) -> None:
    other = nf.Data(data.counts + 1.0, data.global_observables)
    with pytest.raises(nf.ArgumentError, match="result: belongs to other data"):
        nf.ranking(model, other, result=best)
    del document["channels"][1]["samples"][0]["modifiers"][1]
    with pytest.raises(nf.ArgumentError, match="result: belongs to another model"):
        nf.ranking(*build(document), result=best)
    fixed = nf.fit(model, data, fixed="mu")
    with pytest.raises(nf.ArgumentError, match="poi: mu is fixed"):
        nf.ranking(model, data, result=fixed)


def test_a_missing_parameter_of_interest_is_named(document: dict[str, Any]) -> None:
    document["measurements"][0]["config"]["poi"] = "mu_absent"
    with pytest.raises(nf.ArgumentError, match="names mu_absent, but no channel has it"):
        nf.ranking(*build(document))


def test_a_shift_of_a_count_ends_at_zero() -> None:
    modifiers = [{"name": "u", "type": "shapesys", "data": [2.6, 3.0]}]
    signal = [{"name": "mu", "type": "normfactor", "data": None}]
    samples = [
        {"name": "s", "data": [5.0, 5.0], "modifiers": signal},
        {"name": "b", "data": [2.0, 10.0], "modifiers": modifiers},
    ]
    document = {
        "version": "1.0.0",
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": [8, 14]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    }
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    data = workspace.data(model)
    found = nf.ranking(model, data, method="global_observables_refit")
    assert np.all(found.valid)
    i = found.parameters.index("u[0]")
    observed = np.array(data.global_observables)
    observed[model.constrained_parameters.index("u[0]")] = 0.0
    shifted = nf.fit(model, nf.Data(data.counts, observed))
    impact = shifted["mu"].value - nf.fit(model, data)["mu"].value
    assert found.postfit_down[0, i] == pytest.approx(impact, abs=1e-6)
    (warning,) = found.warnings
    assert (warning.kind, warning.parameter) == ("at_bound", "u[0]")
    assert "global observable -0.1775" in warning.message
