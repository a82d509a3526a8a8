"""Plots look as they did: pictures of results made by hand, compared with those in `baseline`.

After a wanted change, look at the new pictures and replace the old ones:

    pytest tests/python/test_plot_images.py --mpl-generate-path=tests/python/baseline

Pictures depend on the version of matplotlib, so others than that of `baseline/VERSION` skip.
"""

from pathlib import Path

import pytest

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("pytest_mpl")

import plot_results as results
from nablafit import plot

BASELINE = Path(__file__).parent / "baseline"
VERSION = (BASELINE / "VERSION").read_text().strip()

pytestmark = pytest.mark.skipif(
    not matplotlib.__version__.startswith(f"{VERSION}."),
    reason=f"pictures to compare with were made with matplotlib {VERSION}",
)

PLAIN = plot.Label(experiment="ATLAS", status="Internal", energy=13, luminosity=139)
INSIDE = plot.Label(
    experiment="ATLAS", status="Internal", energy=13, luminosity=139, style="ATLAS", text="Region"
)
CMS = plot.Label(experiment="CMS", status="Preliminary", energy=13.6, luminosity=62, style="CMS")

compare = pytest.mark.mpl_image_compare(
    baseline_dir=str(BASELINE), tolerance=6, savefig_kwargs={"dpi": 55}
)


@compare
def test_pulls() -> plot.StyledFigure:
    return plot.pulls(results.fit_result(), label=PLAIN)


@compare
def test_pulls_of_many_parameters() -> plot.StyledFigure:
    return plot.pulls(results.pulls_result(300), n_max=25)


@compare
def test_ranking() -> plot.StyledFigure:
    return plot.ranking(results.ranking_result(), label=PLAIN)


@compare
def test_breakdown() -> plot.StyledFigure:
    return plot.breakdown(results.breakdown_result(), label=PLAIN)


@compare
def test_correlation() -> plot.StyledFigure:
    return plot.correlation(results.correlation_result(), label=PLAIN)


@pytest.mark.slow
@compare
def test_yields() -> plot.StyledFigure:
    return plot.yields(
        results.yields_result(),
        channel="SR_high",
        prefit=results.yields_result("prefit"),
        label=INSIDE,
        unit="GeV",
    )


@pytest.mark.slow
@compare
def test_yields_of_channels() -> plot.StyledFigure:
    return plot.yields(results.yields_result(n_samples=12), label=CMS, y_scale="log")


@pytest.mark.slow
@compare
def test_goodness_of_fit() -> plot.StyledFigure:
    return plot.goodness_of_fit(results.gof_result(500), label=INSIDE)


@compare
def test_scan() -> plot.StyledFigure:
    return plot.scan(results.scan_result(), label=CMS, unit="fb")


@pytest.mark.slow
@compare
def test_scan_of_two_parameters() -> plot.StyledFigure:
    return plot.scan(results.scan_result_2d(), label=PLAIN)


@compare
def test_contour() -> plot.StyledFigure:
    return plot.contour(results.contour_result(), label=INSIDE, points={"SM": (1.0, 0.0)})


@compare
def test_feldman_cousins() -> plot.StyledFigure:
    return plot.feldman_cousins(results.feldman_cousins_result(), label=INSIDE)


@compare
def test_toys() -> plot.StyledFigure:
    return plot.toys(results.hypotest_result(), label=INSIDE)


@compare
def test_limit() -> plot.StyledFigure:
    return plot.limit(results.limit_result(), label=INSIDE)


@compare
def test_limit_on_a_logarithmic_scale() -> plot.StyledFigure:
    return plot.limit(results.limit_result(), label=CMS, y_scale="log")


@pytest.mark.slow
@compare
def test_limit_grid() -> plot.StyledFigure:
    return plot.limit_grid(results.grid_result(), label=INSIDE, unit="GeV")


@compare
def test_limits_over_one_value() -> plot.StyledFigure:
    return plot.limit_grid(results.grid_result(1), label=PLAIN, unit="GeV")


COLUMN = plot.Label(experiment="ATLAS", status="Internal", energy=13, luminosity=139, width=8.6)
in_print = pytest.mark.mpl_image_compare(
    baseline_dir=str(BASELINE), tolerance=6, savefig_kwargs={"dpi": 80}
)


@in_print
def test_yields_in_a_column() -> plot.StyledFigure:
    return plot.yields(
        results.yields_result(n_samples=20),
        channel="SR_high",
        overlay={"sample_3": 5},
        label=COLUMN,
    )


@in_print
def test_ranking_in_two_panels() -> plot.StyledFigure:
    return plot.ranking(
        results.ranking_result(25), page=2, intervals=results.intervals_result(), label=CMS
    )


@in_print
def test_large_correlation_matrix() -> plot.StyledFigure:
    return plot.correlation(results.correlation_result(80), n_max=80, label=COLUMN)


@in_print
def test_intervals() -> plot.StyledFigure:
    return plot.intervals(results.intervals_result(), label=COLUMN)


@in_print
def test_templates() -> plot.StyledFigure:
    return plot.templates(results.templates_result(), parameter=results.NAMES[0], label=COLUMN)


@in_print
def test_pulls_of_toys() -> plot.StyledFigure:
    return plot.toy_pulls(results.toy_fits(), truth=1.0, label=COLUMN)
