"""Correlation matrices, pruned and ordered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf


@pytest.fixture(scope="module")
def best(model: nf.Model, data: nf.Data) -> nf.FitResult:
    return nf.fit(model, data, fixed="lumi")


def test_matrix_is_that_of_the_free_parameters(best: nf.FitResult) -> None:
    found = nf.correlation(best)
    assert found.parameters == tuple(n for n in best.parameters if n != "lumi")
    positions = [best.parameters.index(name) for name in found.parameters]
    full = best.correlation
    assert full is not None
    np.testing.assert_allclose(found.matrix, full[np.ix_(positions, positions)], atol=1e-14)
    i, j = (best.parameters.index(name) for name in ("mu", "scale"))
    assert found["mu", "scale"] == found["scale", "mu"] == pytest.approx(full[i, j], abs=1e-12)
    assert abs(full[i, j]) > 0.1
    assert found.n_pruned == 0


def test_threshold_keeps_what_is_correlated_with_anything(best: nf.FitResult) -> None:
    full = nf.correlation(best)
    found = nf.correlation(best, threshold=0.2)
    off_diagonal = np.abs(full.matrix - np.eye(len(full)))
    kept = [n for n, row in zip(full.parameters, off_diagonal, strict=True) if row.max() >= 0.2]
    assert list(found.parameters) == kept
    assert 2 <= len(kept) < len(full)
    assert found.n_pruned == len(full) - len(kept)
    assert len(nf.correlation(best, threshold=1.0)) == 0


def test_pairs_come_in_the_order_of_their_strength(best: nf.FitResult) -> None:
    found = nf.correlation(best)
    sizes = [abs(value) for _, _, value in found.pairs()]
    assert len(sizes) == 10
    assert sizes == sorted(sizes, reverse=True)
    first, second, value = found.pairs(1)[0]
    assert found[first, second] == value


@pytest.mark.parametrize("order", ["model", "strength", "cluster", "name"])
def test_orders_are_permutations(best: nf.FitResult, order: str) -> None:
    full, found = nf.correlation(best), nf.correlation(best, order=order)
    assert sorted(found.parameters) == sorted(full.parameters)
    for first in found.parameters:
        for second in found.parameters:
            assert found[first, second] == full[first, second]
    if order == "name":
        assert list(found.parameters) == sorted(full.parameters)
    if order == "strength":
        first, second, _ = full.pairs(1)[0]
        assert {first, second} == set(found.parameters[:2])
    if order == "cluster":
        neighbours = set(zip(found.parameters, found.parameters[1:], strict=False))
        first, second, _ = full.pairs(1)[0]
        assert {(first, second), (second, first)} & neighbours


def test_a_fit_without_covariance_has_no_correlations(model: nf.Model, data: nf.Data) -> None:
    failed = nf.fit(model, data, initial={"mu": 9.0}, max_calls=1)
    found = nf.correlation(failed)
    assert len(found) == 0
    assert found.fit_status == "call_limit"
    assert found.pairs() == ()
    assert "call_limit" in repr(found)


def test_round_trip(best: nf.FitResult, tmp_path: Path) -> None:
    for threshold in (0.0, 1.0):
        found = nf.correlation(best, threshold=threshold, exclude="stat*")
        found.save(tmp_path / "correlation.json")
        loaded = nf.load_result(tmp_path / "correlation.json")
        assert loaded == found
        assert loaded.pairs() == found.pairs()
        assert "<table>" in found._repr_html_()
        assert "stat" not in repr(found)


def test_long_matrices_are_printed_as_pairs() -> None:
    names = tuple(f"p{i:02}" for i in range(30))
    matrix = np.full((30, 30), 0.1) + 0.9 * np.eye(30)
    found = nf.infer.CorrelationResult(
        parameters=names, matrix=matrix, threshold=0.0, order="model", n_pruned=0,
        fit_status="converged",
    )  # fmt: skip
    assert repr(found).count("+10.0 %") == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 1.5}, "threshold: expected a number from 0 to 1, got 1.5"),
        ({"order": "random"}, "order: expected one of model, strength"),
        ({"parameters": "nothing"}, "parameters: 'nothing' matches no parameter"),
    ],
)
def test_misuse_is_named(best: nf.FitResult, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        nf.correlation(best, **arguments)
