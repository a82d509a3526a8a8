"""Pulls, constraints, and what is warned of."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit.infer.impacts.pulls import one_sided_fractions
from parameter_models import build, document, histosys, normfactor, normsys, sample


@pytest.fixture(scope="module")
def best(model: nf.Model, data: nf.Data) -> nf.FitResult:
    return nf.fit(model, data)


def test_numbers_are_those_of_their_definitions(best: nf.FitResult) -> None:
    found = nf.pulls(best)
    assert found.parameters == ("scale", "lumi", "shape[0]", "stat[0]", "stat[1]")
    # Widths before the fit: 1, the sigma of lumi, 6 / 120, and the relative errors of staterror.
    expected = [1.0, 0.02, 0.05, 0.05, 0.06]
    np.testing.assert_allclose(found.prefit_errors, expected, rtol=1e-12)
    np.testing.assert_allclose(found.prefit_values, [0.0, 1.0, 1.0, 1.0, 1.0], rtol=1e-12)
    for i, name in enumerate(found.parameters):
        estimate = best[name]
        assert found.pulls[i] == pytest.approx(estimate.pull)
        assert found.constraints[i] == pytest.approx(estimate.constraint)
        distance = estimate.value - found.prefit_values[i]
        assert found.pulls[i] == pytest.approx(distance / expected[i])
        if estimate.error < expected[i]:
            spread = np.sqrt(expected[i] ** 2 - estimate.error**2)
            assert found.significances[i] == pytest.approx(distance / spread)
    assert found.fit_status == "converged"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"parameters": "stat[0]"}, ["stat[0]"]),
        ({"parameters": "s*"}, ["scale", "shape[0]", "stat[0]", "stat[1]"]),
        ({"parameters": "s*", "exclude": ["stat*", "scale"]}, ["shape[0]"]),
        ({"parameters": r"re:(stat|shape)\[0\]"}, ["shape[0]", "stat[0]"]),
        ({"parameters": re.compile("a[lp]e?")}, ["scale", "shape[0]"]),
        ({"parameters": ("stat[1]", "scale")}, ["scale", "stat[1]"]),
    ],
)
def test_patterns(best: nf.FitResult, arguments: dict[str, Any], names: list[str]) -> None:
    assert list(nf.pulls(best, **arguments).parameters) == names


@pytest.mark.parametrize("pattern", ["mu", "re:stat", "Scale", "stat[2]"])
def test_patterns_that_match_nothing_are_refused(best: nf.FitResult, pattern: str) -> None:
    with pytest.raises(nf.ArgumentError, match="matches no parameter"):
        nf.pulls(best, parameters=["scale", pattern])


def test_fixed_parameters_have_no_significance(model: nf.Model, data: nf.Data) -> None:
    found = nf.pulls(nf.fit(model, data, fixed={"scale": 3.0}), parameters="scale")
    assert found.fixed.tolist() == [True]
    assert found.pulls.tolist() == [3.0]
    assert np.isnan(found.significances[0])
    assert found.warnings == ()


def test_odd_parameters_are_warned_of() -> None:
    model, data = build(
        document(
            [8600.0, 9900.0],
            sample("signal", [100.0, 0.0], normfactor("mu")),
            sample("background", [8000.0, 10000.0], normsys("rate", 0.5, 1.5)),
            sample("other", [100.0, 1.0], normsys("pulled", 0.99, 3.0)),
            sample("more", [20.0, 20.0], normsys("quiet", 0.9, 1.1)),
        )
    )
    best = nf.fit(model, data, bounds={"pulled": (-5.0, 1.0), "mu": (0.0, 0.5)})
    found = nf.pulls(best, pulled=0.9)
    kinds = {(warning.kind, warning.parameter) for warning in found.warnings}
    assert kinds == {("over_constrained", "rate"), ("pulled", "pulled"), ("at_bound", "pulled")}
    over = next(warning for warning in found.warnings if warning.kind == "over_constrained")
    assert over.value == pytest.approx(best["rate"].constraint)
    assert over.message.startswith("rate: ")
    assert over.message in repr(found)
    assert nf.pulls(best, over_constrained=0.0, pulled=9.0, parameters="rate").warnings == ()


def test_errors_larger_than_before_the_fit_are_warned_of() -> None:
    """Both variations add 9 events; by hand, the second derivative at 0 is 1 - 0.02 30 18 / 16."""
    model, data = build(
        document(
            [102.0, 400.0],
            sample("signal", [0.0, 100.0], normfactor("mu")),
            sample("background", [100.0, 300.0], histosys("bent", [109.0, 300.0], [109.0, 300.0])),
        )
    )
    best = nf.fit(model, data)
    (warning,) = nf.pulls(best).warnings
    assert (warning.kind, warning.parameter) == ("inflated", "bent")
    assert warning.value == pytest.approx(1.0 / np.sqrt(1.0 - 0.02 * 30 * 18 / 16), rel=1e-6)
    assert nf.pulls(best, inflated=10.0).warnings == ()


def test_small_variations_are_not_looked_at() -> None:
    content = one_sided_document()
    content["channels"][0]["samples"][0]["modifiers"].append(
        histosys("small", [100.4, 100.4], [100.4, 100.4])
    )
    model, _ = build(content)
    assert one_sided_fractions(model, ["small", "same"])["small"] == {}


def test_a_failed_fit_gives_values_and_says_so(model: nf.Model, data: nf.Data) -> None:
    found = nf.pulls(nf.fit(model, data, initial={"mu": 9.0}, max_calls=1))
    assert found.fit_status == "call_limit"
    assert np.all(np.isfinite(found.pulls))
    assert np.all(np.isnan(found.constraints))
    assert {warning.kind for warning in found.warnings} == {"no_error"}


def one_sided_document() -> dict[str, Any]:
    return document(
        [100.0, 200.0],
        sample(
            "one",
            [100.0, 100.0],
            normfactor("mu"),
            histosys("two_sided", [99.0, 95.0], [101.0, 105.0]),
            histosys("same", [104.0, 102.0], [104.0, 102.0]),
            histosys("half", [102.0, 100.0], [104.0, 104.0]),
            normsys("rate", 1.05, 1.1),
        ),
        sample(
            "two",
            [0.0, 100.0],
            histosys("same", [0.0, 96.0], [0.0, 96.0]),
            normsys("rate", 0.95, 0.9),
            normsys("nothing", 1.0, 1.0),
        ),
    )


def test_fractions_of_one_sided_variations() -> None:
    """By hand: samples of a bin add up before up and down are compared."""
    model, _ = build(one_sided_document())
    fractions = one_sided_fractions(model, model.parameters)
    assert fractions.pop("nothing") == {}
    found = {name: channels["channel"] for name, channels in fractions.items()}
    # rate: 10, 5 in the first bin; 10 - 10, 5 - 5 in the second. half: 4, 2 and 4, 0.
    assert found == pytest.approx(
        {"two_sided": 0.0, "same": 1.0, "half": 2.0 / 8.0, "rate": 5.0 / 10.0}
    )


def test_factor_and_shape_of_one_parameter_act_together() -> None:
    """(100 - 10) 1.2 = 108 and (100 + 10) 0.95 = 104.5: both above nominal."""
    both = sample(
        "one", [100.0], histosys("both", [110.0], [90.0]), normsys("both", 0.95, 1.2),
        normfactor("mu"),
    )  # fmt: skip
    model, _ = build(document([100.0], both))
    fractions = one_sided_fractions(model, model.parameters)
    assert fractions["both"]["channel"] == pytest.approx(4.5 / 8.0)


def test_one_sided_parameters_are_warned_of() -> None:
    model, data = build(one_sided_document())
    best = nf.fit(model, data)
    assert {w.kind for w in nf.pulls(best).warnings} <= {"pulled", "over_constrained"}
    warned = [w for w in nf.pulls(best, model=model).warnings if w.kind == "one_sided"]
    assert [w.parameter for w in warned] == ["same"]
    assert "channel (100 %)" in warned[0].message
    warned = [w for w in nf.pulls(best, model=model, one_sided=0.2).warnings if "side" in w.message]
    assert {w.parameter for w in warned} == {"same", "half", "rate"}


def test_another_model_is_refused(best: nf.FitResult) -> None:
    with pytest.raises(nf.ArgumentError, match="model: is not the model of this fit"):
        nf.pulls(best, model=build(one_sided_document())[0])


def test_many_warnings_are_counted(best: nf.FitResult) -> None:
    found = nf.pulls(best, over_constrained=1.5)
    (warning,) = [w for w in found.warnings if w.parameter == "lumi"]
    many = nf.infer.PullsResult.from_dict(found.to_dict() | {"warnings": [warning.to_dict()] * 25})
    assert repr(many).count(warning.message) == 20
    assert "and 5 more in .warnings" in repr(many)


def test_round_trip(best: nf.FitResult, model: nf.Model, tmp_path: Path) -> None:
    found = nf.pulls(best, model=model, pulled=0.0)
    assert found.warnings
    found.save(tmp_path / "pulls.json")
    assert nf.load_result(tmp_path / "pulls.json") == found
    assert "<table>" in found._repr_html_()
    with pytest.raises(ValueError, match="read-only"):
        found.pulls[0] = 0.0
