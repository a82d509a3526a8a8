"""Components of uncertainty, and correlations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from parameter_models import build, linear_document

GROUPS = {"gammas": ["stat*", "shape*"], "scale": "scale", "rest": "re:lumi"}


@pytest.fixture(scope="module")
def best(model: nf.Model, data: nf.Data) -> nf.FitResult:
    return nf.fit(model, data)


@pytest.mark.parametrize("method", ["linear", "refit"])
def test_groups_are_quadratic_differences_of_fits(
    model: nf.Model, data: nf.Data, best: nf.FitResult, method: str
) -> None:
    found = nf.breakdown(model, data, groups=GROUPS, method=method)
    total = best.errors["mu"]
    held = {"gammas": ["stat[0]", "stat[1]", "shape[0]"], "scale": ["scale"], "rest": ["lumi"]}
    assert found.total == pytest.approx(total, rel=1e-9)
    for name, names in held.items():
        fit = nf.fit(model, data, fixed={n: best.values[n] for n in names})
        assert found[name].remaining == pytest.approx(fit.errors["mu"], rel=1e-5)
        difference = np.sqrt(total**2 - fit.errors["mu"] ** 2)
        assert found[name].uncertainty == pytest.approx(difference, rel=1e-3)
        assert sorted(found[name].parameters) == sorted(names)
    fit = nf.fit(model, data, fixed={n: best.values[n] for n in model.constrained_parameters})
    assert found.statistical == pytest.approx(fit.errors["mu"], rel=1e-5)
    assert np.hypot(found.statistical, found.systematic) == pytest.approx(total, rel=1e-9)
    status = "linear" if method == "linear" else "converged"
    assert {group.status for group in found.groups} == {status}


def test_components_of_global_observables_add_up_on_asimov_data(model: nf.Model) -> None:
    """Every kind of constraint term, products of factors: exact on data of the model."""
    found = nf.breakdown(
        model, model.asimov({"mu": 1.3, "scale": 0.4}), method="global_observables"
    )
    assert found.quadrature_sum == pytest.approx(found.total, rel=1e-8)
    assert np.hypot(found.statistical, found.systematic) == pytest.approx(found.total, rel=1e-8)
    assert found.systematic > 0.1 * found.total


def test_components_of_global_observables_add_up_where_the_model_is_linear() -> None:
    """Exact for any data if events are linear in the parameters and terms are Gaussian."""
    content = linear_document()
    del content["channels"][0]["samples"][1]["modifiers"][2]  # multiplies the other two
    model, data = build(content)
    rng = np.random.default_rng(5)
    data = nf.Data(rng.poisson(data.counts).astype(float), rng.normal(size=2))
    found = nf.breakdown(model, data, method="global_observables")
    assert found.quadrature_sum == pytest.approx(found.total, rel=1e-8)
    impacts = nf.ranking(model, data, method="global_observables")
    components = np.append(impacts.postfit_up[0], found.statistical)
    assert np.linalg.norm(components) == pytest.approx(found.total, rel=1e-8)


def test_statistical_component_is_the_response_to_counts(model: nf.Model, data: nf.Data) -> None:
    """By differences of fits to counts that are shifted by a small part of their errors."""
    found = nf.breakdown(model, data, method="global_observables")
    step = 1e-3
    shifts = np.diag(step * np.sqrt(data.counts))
    counts = np.vstack([data.counts + shifts, data.counts - shifts])
    observables = np.tile(data.global_observables, (6, 1))
    fits = nf.fit_many(model, np.hstack([counts, observables]), errors=False)
    slopes = (fits["mu"][:3] - fits["mu"][3:]) / (2 * step)
    assert found.statistical == pytest.approx(np.linalg.norm(slopes), rel=1e-3)


def test_default_groups_are_kinds_of_modifiers(model: nf.Model, data: nf.Data) -> None:
    expected = {
        "luminosity": ("lumi",),
        "systematics": ("scale",),
        "MC statistics": ("stat[0]", "stat[1]"),
        "uncorrelated shapes": ("shape[0]",),
        "free factors": ("mu",),
    }
    assert nf.infer.default_groups(model) == expected
    found = nf.breakdown(model, data)
    assert found.names == tuple(expected)
    assert found["free factors"].parameters == ()
    assert found["free factors"].uncertainty == 0.0
    assert "free factors" not in nf.breakdown(model, data, method="global_observables").names


def test_fixed_parameters_do_not_count(model: nf.Model, data: nf.Data) -> None:
    fixed = nf.fit(model, data, fixed="scale")
    for method in ("linear", "refit", "global_observables"):
        found = nf.breakdown(model, data, result=fixed, groups=GROUPS, method=method)
        assert found["scale"].parameters == ()
        assert found["scale"].uncertainty == pytest.approx(0.0, abs=1e-6)
        assert found["gammas"].uncertainty > 0.1 * found.total


def test_an_invalid_fit_and_one_without_error_give_no_components(
    model: nf.Model, data: nf.Data
) -> None:
    failed = nf.fit(model, data, initial={"mu": 9.0}, max_calls=1)
    found = nf.breakdown(model, data, result=failed)
    assert found.warnings[0].kind == "invalid_fit"
    assert np.isnan(found.statistical)
    assert {group.status for group in found.groups} == {"invalid_fit"}
    at_bound = nf.fit(model, data, bounds={"mu": (0.0, 0.5)})
    for method in ("linear", "refit", "global_observables"):
        found = nf.breakdown(model, data, result=at_bound, method=method)
        assert "at its bound: fit with wider `bounds`" in found.warnings[0].message
        assert np.isnan([found.statistical, found.systematic, found.quadrature_sum]).all()
        assert {group.status for group in found.groups} == {"no_error"}


def test_threads_change_no_bit(model: nf.Model, data: nf.Data) -> None:
    seen: list[int] = []
    one = nf.breakdown(model, data, method="refit", n_threads=1, progress=seen.append)
    assert one == nf.breakdown(model, data, method="refit", n_threads=3)
    assert seen[-1] == 6


def test_interruption(model: nf.Model, data: nf.Data) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.breakdown(model, data, method="refit", progress=stop)
    assert isinstance(caught.value.result, nf.infer.BreakdownResult)


def test_round_trip(model: nf.Model, data: nf.Data, tmp_path: Path) -> None:
    found = nf.breakdown(model, data, groups=GROUPS)
    found.save(tmp_path / "breakdown.json")
    assert nf.load_result(tmp_path / "breakdown.json") == found
    assert "gammas" in repr(found)
    assert "gammas" in found._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "quick"}, "method: expected one of linear, refit"),
        ({"groups": {"a": "nothing*"}}, r"groups\['a'\]: 'nothing\*' matches no parameter"),
        ({"poi": "nu"}, "nu: unknown parameter"),
    ],
)
def test_misuse_is_named(
    model: nf.Model, data: nf.Data, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        nf.breakdown(model, data, **arguments)
