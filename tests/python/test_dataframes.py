"""Results as pandas DataFrames and as histograms of hist."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

import nablafit as nf
from nablafit.build import ModelBuilder

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def model() -> nf.Model:
    builder = ModelBuilder(poi="mu")
    channel = builder.channel("SR", edges=[0, 10, 30])
    channel.sample("signal", [5.0, 10.0]).norm_factor("mu")
    background = channel.sample("background", [50.0, 30.0], uncertainties=[2.0, 1.0])
    background.norm_sys("xsec", 0.95, 1.05)
    builder.channel("CR").sample("background", [90.0]).norm_sys("xsec", 0.9, 1.1)
    return builder.workspace().model()


@pytest.fixture(scope="module")
def data(model: nf.Model) -> nf.Data:
    return model.data({"SR": [57, 41], "CR": [93]})


def test_fit_result(model: nf.Model, data: nf.Data) -> None:
    result = nf.fit(model, data)
    frame = result.to_dataframe().set_index("parameter")
    assert tuple(frame.index) == model.parameters
    assert frame.loc["mu", "value"] == result.values["mu"]
    assert frame.loc["xsec", "pull"] == result["xsec"].pull
    assert np.isnan(frame.loc["mu", "constraint"])
    assert frame["fixed"].dtype == bool


Make = Callable[[nf.Model, nf.Data], object]

RESULTS: dict[str, tuple[Make, list[str], int]] = {
    "pulls": (
        lambda m, d: nf.pulls(nf.fit(m, d)),
        ["parameter", "value", "error", "prefit_value", "prefit_error", "pull", "constraint"],
        3,
    ),
    "ranking": (
        lambda m, d: nf.ranking(m, d),
        ["parameter", "value", "error", "prefit_value", "prefit_error", "postfit_up"],
        3,
    ),
    "breakdown": (lambda m, d: nf.breakdown(m, d), ["name", "uncertainty", "remaining"], 0),
    "intervals": (
        lambda m, d: nf.intervals(m, d, ["mu", "xsec"]),
        ["parameter", "value", "error", "lower", "upper", "lower_status", "upper_status"],
        2,
    ),
    "scan": (
        lambda m, d: nf.scan(m, d, ["mu", "xsec"], n=(3, 3)),
        ["mu", "xsec", "twice_delta_nll", "status"],
        9,
    ),
    "contour": (
        lambda m, d: nf.contour(m, d, ("mu", "xsec"), n_points=8),
        ["level", "mu", "xsec", "status"],
        0,
    ),
    "limit": (
        lambda m, d: nf.upper_limit(m, d),
        ["value", "cls_observed", "cls_observed_error", "cls_expected_minus2"],
        0,
    ),
    "goodness_of_fit": (lambda m, d: nf.goodness_of_fit(m, d), ["name", "deviance"], 2),
    "correlation": (
        lambda m, d: nf.correlation(nf.fit(m, d)),
        ["parameter"],
        0,
    ),
    "fit_many": (
        lambda m, d: nf.fit_many(m, [d, d]),
        ["mu", "staterror_SR[0]", "staterror_SR[1]", "xsec"],
        2,
    ),
    "template_changes": (
        lambda m, _: nf.build.prune(m.spec, normalisation=0.07)[1],
        ["channel", "sample", "modifier", "type", "action", "normalisation", "shape"],
        1,
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_tables(name: str, model: nf.Model, data: nf.Data) -> None:
    make, first, n_rows = RESULTS[name]
    frame = make(model, data).to_dataframe()  # type: ignore[attr-defined]
    assert list(frame.columns)[: len(first)] == first
    assert len(frame) == n_rows or (n_rows == 0 and len(frame) > 0)


def test_scan_keeps_the_order_of_the_grid(model: nf.Model, data: nf.Data) -> None:
    result = nf.scan(model, data, ["mu", "xsec"], n=(3, 3))
    frame = result.to_dataframe()
    row = frame.iloc[5]
    assert (row["mu"], row["xsec"]) == (result.axes[0][1], result.axes[1][2])
    assert row["twice_delta_nll"] == result.twice_delta_nll[1, 2]


def test_yields_have_the_rows_of_their_csv(model: nf.Model, data: nf.Data) -> None:
    result = nf.yields(model, data=data)
    for by in ("bin", "channel"):
        frame = result.to_dataframe(by=by)
        lines = [line.split(",") for line in result.to_csv(by=by).splitlines()]
        assert list(frame.columns) == lines[0]
        assert len(frame) == len(lines) - 1
    frame = result.to_dataframe()
    signal = frame[(frame["channel"] == "SR") & (frame["sample"] == "signal")]
    assert signal["yield"].tolist() == [5.0, 10.0]
    assert signal["high"].tolist() == [10.0, 30.0]
    assert frame[frame["sample"] == "data"]["yield"].tolist() == [57.0, 41.0, 93.0]


def test_results_without_rows_say_so(model: nf.Model, data: nf.Data) -> None:
    result = nf.significance(model, data)
    with pytest.raises(nf.ArgumentError, match="SignificanceResult: has no rows; to_dict"):
        result.to_dataframe()


def test_histograms(model: nf.Model, data: nf.Data) -> None:
    pytest.importorskip("hist")
    result = nf.yields(model, data=data)
    histograms = result.to_hist()
    assert set(histograms["SR"]) == {"signal", "background", "total", "data"}
    background = histograms["SR"]["background"]
    np.testing.assert_array_equal(background.axes[0].edges, [0.0, 10.0, 30.0])
    np.testing.assert_allclose(background.values(), [50.0, 30.0])
    errors = result["SR"].by_sample_errors[1]
    np.testing.assert_allclose(background.variances(), errors**2)
    np.testing.assert_allclose(histograms["SR"]["data"].variances(), [57.0, 41.0])
    assert histograms["CR"]["total"].axes[0].edges.tolist() == [0.0, 1.0]
    builder = ModelBuilder()
    builder.channel("SR", histograms["SR"]["data"]).sample("all", histograms["SR"]["total"])
    np.testing.assert_array_equal(builder.observations().channels[0].counts, [57.0, 41.0])


@pytest.mark.process
@pytest.mark.parametrize("package", ["pandas", "hist"])
def test_without_the_package_the_message_says_what_to_install(package: str) -> None:
    script = f"""
import sys
sys.modules[{package!r}] = None
import nablafit as nf
model = nf.build.uncorrelated_background([1.0], [10.0], [2.0])
result = nf.yields(model)
try:
    result.to_hist() if {package!r} == "hist" else result.to_dataframe()
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == f"this needs {package}: pip install {package}"
