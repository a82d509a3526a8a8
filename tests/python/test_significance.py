"""Discovery significance, observed and expected."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import nablafit as nf
from inference_models import counting, opened, pyhf_test
from nablafit.infer import SignificanceResult, asimov_data

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, by pyhf


def test_significance_is_that_of_pyhf(
    document: dict[str, Any], model: nf.Model, data: nf.Data
) -> None:
    result = nf.significance(model, data)
    theirs = pyhf_test(document, 0.0, test_stat="q0")
    assert result.p0 == pytest.approx(theirs[0], rel=1e-5)
    assert result.z == pytest.approx(stats.norm.isf(theirs[0]), rel=1e-5)
    np.testing.assert_allclose(result.expected_p0[::-1], theirs[-5:], rtol=1e-5)
    np.testing.assert_allclose(np.diff(result.expected_z), 1.0)
    assert result.asimov == "profiled"


def test_expected_significance_of_several_asimov_data(model: nf.Model, data: nf.Data) -> None:
    fit = nf.fit(model, data)
    chosen = {"prefit": asimov_data(model, at=1.5), "postfit": asimov_data(model, fit=fit, at=1.5)}
    arguments: dict[str, Any] = {"prefit": "prefit", "postfit": fit}
    for name, asimov in chosen.items():
        result = nf.significance(model, data, expected_at=1.5, asimov=arguments[name])
        assert result.asimov == name
        q0 = 2 * (nf.fit(model, asimov, fixed={"mu": 0.0}).nll - nf.fit(model, asimov).nll)
        assert result.expected_z[2] == pytest.approx(math.sqrt(q0), rel=1e-6)
        assert result.z == pytest.approx(nf.significance(model, data).z)


def test_counting_experiment() -> None:
    """Z of n = 25 on b = 10 without uncertainty: sqrt(2 (n log(n / b) - n + b)), Eq. (97)."""
    document = counting([10.0], [10.0], [25.0])
    del document["channels"][0]["samples"][1]["modifiers"][0]
    model, data = opened(document)
    result = nf.significance(model, data)
    assert result.z == pytest.approx(math.sqrt(2 * (25 * math.log(2.5) - 15)), rel=1e-8)
    assert result.expected_z[2] == pytest.approx(math.sqrt(2 * (20 * math.log(2) - 10)), rel=1e-8)
    toys = nf.significance(model, data, calculator="toys", n_toys=20_000)
    assert toys.p0 == pytest.approx(stats.poisson.sf(24, 10), abs=4 * toys.p0_error)
    assert toys.z == pytest.approx(stats.norm.isf(toys.p0), rel=1e-9)
    # Counts that signal and background make together have their quartiles in steps.
    medians = stats.norm.isf(stats.poisson.sf(np.array([18, 19, 20, 21]), 10))
    assert np.min(np.abs(toys.expected_z[2] - medians)) < 0.15


def test_no_excess() -> None:
    model, data = opened(counting([5.0, 3.0], [50.0, 20.0], [40.0, 12.0]))
    result = nf.significance(model, data)
    assert (result.q0, result.z, result.p0) == (0.0, 0.0, 0.5)
    assert "no excess" in result.message
    assert result.expected_z[2] > 0


def test_toys_agree_with_asymptotics(model: nf.Model, data: nf.Data) -> None:
    asymptotic = nf.significance(model, data)
    toys = nf.significance(model, data, calculator="toys", n_toys=4000, asimov="prefit")
    assert toys.q0 == asymptotic.q0
    assert abs(toys.p0 - asymptotic.p0) < 4 * toys.p0_error + 5e-3
    assert abs(toys.expected_z[2] - asymptotic.expected_z[2]) < 4 * toys.expected_z_error[2] + 0.1
    np.testing.assert_array_equal(toys.toys[1].x, model.point({"mu": 1.0}))


def test_no_toy_above() -> None:
    document = counting([10.0], [10.0], [80.0])
    result = nf.significance(*opened(document), calculator="toys", n_toys=200)
    assert result.p0 == 0.0
    assert result.p0_error > 0
    assert math.isinf(result.z)
    assert math.isinf(result.z_error)


def test_shards_merge_to_the_same_bits(model: nf.Model, data: nf.Data) -> None:
    def run(n: int, start: int) -> SignificanceResult:
        return nf.significance(model, data, calculator="toys", n_toys=n, start=start)

    assert SignificanceResult.merge([run(70, 30), run(30, 0)]) == run(100, 0)


def test_interruption_keeps_toys(model: nf.Model, data: nf.Data) -> None:
    def stop(n_done: int) -> None:
        if n_done > 300:
            raise KeyboardInterrupt

    with pytest.raises(nf.Interrupted) as caught:
        nf.significance(model, data, calculator="toys", n_toys=10**9, progress=stop)
    part = caught.value.result
    assert isinstance(part, SignificanceResult)
    assert part.status == "interrupted"
    assert 0 < part.p0 < 0.5


def test_impossible_background() -> None:
    result = nf.significance(*opened(counting([5.0, 3.0], [50.0, 0.0], [52.0, 1.0])))
    assert result.status == "fit_failed"
    assert math.isnan(result.z)
    assert "The fit with mu = 0 failed" in result.message
    toys = nf.significance(
        *opened(counting([5.0, 3.0], [50.0, 0.0], [52.0, 1.0])), calculator="toys"
    )
    assert toys.status == "fit_failed"
    assert toys.toys == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expected_at": 0.0}, "expected_at: expected a positive"),
        ({"asimov": "best"}, "asimov: expected"),
        ({"calculator": "toy"}, "calculator: expected one of"),
        ({"poi": "nu"}, "nu"),
    ],
)
def test_misuse(model: nf.Model, data: nf.Data, options: dict[str, Any], message: str) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        nf.significance(model, data, **options)


def test_results_are_readable_and_saved(model: nf.Model, data: nf.Data, tmp_path: Path) -> None:
    for options in ({}, {"calculator": "toys", "n_toys": 20}):
        result = nf.significance(model, data, **options)
        result.save(tmp_path / "significance.json")
        assert nf.load_result(tmp_path / "significance.json") == result
        assert "Significance of mu > 0" in repr(result)
        assert "<table>" in result._repr_html_()
