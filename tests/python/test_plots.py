"""What plots contain: numbers, names, labels; independent of pixels."""

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf

matplotlib = pytest.importorskip("matplotlib")

from matplotlib.axes import Axes
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.stats import chi2, norm

import plot_results as results
from nablafit import plot
from nablafit.plot._colours import SAMPLES
from nablafit.plot._yields import poisson_interval

EVERYTHING: dict[str, Any] = {
    "pulls": lambda **o: plot.pulls(results.fit_result(), **o),
    "many pulls": lambda **o: plot.pulls(results.pulls_result(300), **o),
    "ranking": lambda **o: plot.ranking(results.ranking_result(), **o),
    "intervals": lambda **o: plot.intervals(results.intervals_result(), **o),
    "breakdown": lambda **o: plot.breakdown(results.breakdown_result(), **o),
    "correlation": lambda **o: plot.correlation(results.correlation_result(), **o),
    "yields": lambda **o: plot.yields(results.yields_result(), channel="SR_high", **o),
    "channels": lambda **o: plot.yields(results.yields_result(), **o),
    "templates": lambda **o: plot.templates(
        results.templates_result(), parameter=results.NAMES[0], **o
    ),
    "toy pulls": lambda **o: plot.toy_pulls(results.toy_fits(), truth=1.0, **o),
    "goodness of fit": lambda **o: plot.goodness_of_fit(results.gof_result(100), **o),
    "scan": lambda **o: plot.scan(results.scan_result(), **o),
    "map": lambda **o: plot.scan(results.scan_result_2d(), **o),
    "contour": lambda **o: plot.contour(results.contour_result(), **o),
    "Feldman-Cousins": lambda **o: plot.feldman_cousins(results.feldman_cousins_result(), **o),
    "toys": lambda **o: plot.toys(results.hypotest_result(), **o),
    "limit": lambda **o: plot.limit(results.limit_result(), **o),
    "grid": lambda **o: plot.limit_grid(results.grid_result(), **o),
    "limits": lambda **o: plot.limit_grid(results.grid_result(1), **o),
}


def texts(figure: Figure) -> list[str]:
    """All that is written, as it was given."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def names_of_rows(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]


def points(axes: Axes, label: str | None = None) -> np.ndarray[Any, Any]:
    """Positions of the points with error bars, shape (n, 2)."""
    bars = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    chosen = next(c for c in bars if label is None or c.get_label() == label)
    return chosen.lines[0].get_xydata()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "style"),
    [(name, "plain") for name in EVERYTHING]
    + [(name, style) for name in ("pulls", "yields", "limit") for style in ("ATLAS", "CMS")],
)
def test_labels_are_on_every_plot_and_nothing_is_cut_off(name: str, style: str) -> None:
    if style != "plain":
        pytest.importorskip("mplhep")
    label = plot.Label(experiment="EXP", status="Draft", energy=13, luminosity=139, style=style)
    figure = EVERYTHING[name](label=label)
    assert isinstance(figure, Figure)
    written = texts(figure)
    assert {"EXP", "Draft"} <= set(written)
    assert any("139" in text and "fb" in text for text in written)
    figure.draw_without_rendering()
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text() and is_drawn(text, figure):
            box = text.get_window_extent()
            assert box.x0 >= -2, text
            assert box.y0 >= -2, text
            assert box.x1 <= figure.bbox.x1 + 2, text
            assert box.y1 <= figure.bbox.y1 + 2, text


def is_drawn(text: Text, figure: Figure) -> bool:
    """Labels of ticks outside the range of an axis exist, but are not drawn."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if any(text in (tick.label1, tick.label2) for tick in axis.get_major_ticks()):
                low, high = sorted(axis.get_view_interval())
                position = text.get_position()[0 if axis is axes.xaxis else 1]
                return bool(low <= position <= high)
            if any(text in (tick.label1, tick.label2) for tick in axis.get_minor_ticks()):
                return False
    return True


@pytest.mark.slow
def test_settings_of_the_user_stay_and_do_not_matter(tmp_path: Path) -> None:
    figure = plot.limit(results.limit_result(), save=tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30.0, "axes.facecolor": "red", "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        plot.limit(results.limit_result(), save=tmp_path / "b.png")
        figure.savefig(tmp_path / "c.png", metadata={"Software": "nablafit"})
        assert dict(matplotlib.rcParams) == before
    expected = (tmp_path / "a.png").read_bytes()
    assert (tmp_path / "b.png").read_bytes() == expected
    assert (tmp_path / "c.png").read_bytes() == expected


@pytest.mark.process
def test_pyplot_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys, nablafit.plot, plot_results as r\n"
        "nablafit.plot.pulls(r.fit_result(), save=sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{code}"]
    finished = subprocess.run([*command, str(tmp_path / "pulls.svg")], check=False)
    assert finished.returncode == 0
    assert (tmp_path / "pulls.svg").is_file()


@pytest.mark.process
@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_without_the_extra_the_message_says_what_to_install(missing: str) -> None:
    use = "import nablafit.plot" if missing == "matplotlib" else "nablafit.Report(fit=None).html()"
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import nablafit\n"
        f"try:\n    {use}\n"
        "except ImportError as error:\n    print(error)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'nablafit[plot]'" in finished.stdout


@pytest.mark.slow
def test_files_are_written_and_reproducible(tmp_path: Path) -> None:
    paths = [tmp_path / f"limit.{suffix}" for suffix in ("pdf", "png", "svg", "eps")]
    plot.limit(results.limit_result(), save=paths[:3])
    first = [path.read_bytes() for path in paths[:3]]
    assert first[0].startswith(b"%PDF")
    assert first[1].startswith(b"\x89PNG")
    assert b"<svg" in first[2]
    plot.limit(results.limit_result(), save=paths[:3])
    assert [path.read_bytes() for path in paths[:3]] == first
    with pytest.raises(nf.ArgumentError, match=r"limit\.bmp.*\.pdf"):
        plot.limit(results.limit_result(), save=tmp_path / "limit.bmp")


def test_unknown_style_is_refused() -> None:
    with pytest.raises(nf.ArgumentError, match=r"label\.style.*ATLAS.*'LHCb'"):
        plot.Label(style="LHCb")


def test_pulls_and_constraints() -> None:
    fit = results.fit_result()
    axes, values = plot.pulls(fit, names={"jet_energy_scale": r"$\alpha$"}).axes
    free = [1, 2, 3, 4]
    np.testing.assert_allclose(points(axes)[:, 0], fit.x[free])
    segments = axes.collections[-1].get_segments()
    widths = [segment[1, 0] - segment[0, 0] for segment in segments]
    np.testing.assert_allclose(widths, 2.0 * np.asarray(fit.errors)[free])
    assert names_of_rows(axes) == [r"$\alpha$", "b^tag<eff>", r"Q\$cale", "lumi & pile-up"]
    np.testing.assert_allclose(points(values), [[1.3, 0.0]])
    assert names_of_rows(values) == ["mu"]


def test_many_pulls_are_cut_to_the_largest() -> None:
    found = results.pulls_result(300)
    figure = plot.pulls(found, n_max=25)
    drawn = points(figure.axes[0])[:, 0]
    movable = np.abs(found.pulls[~found.fixed])
    assert len(drawn) == 25
    assert np.min(np.abs(drawn)) >= np.sort(movable)[-25]
    assert "25 of 299 constrained parameters: the largest pulls" in texts(figure)


def test_fit_without_errors_is_drawn_without_bars() -> None:
    fit = results.fit_result(covariance=None)
    axes, values = plot.pulls(fit, label=None).axes
    np.testing.assert_allclose(points(axes)[:, 0], fit.x[1:5])
    np.testing.assert_allclose(points(values)[0], [1.3, 0.0])


def test_parameters_are_chosen_by_pattern() -> None:
    axes = plot.pulls(results.pulls_result(12), parameters=["alpha_1*", "Q$cale"]).axes[0]
    assert names_of_rows(axes) == [r"Q\$cale", "alpha_10"]
    with pytest.raises(nf.ArgumentError, match="'beta_\\*'"):
        plot.pulls(results.pulls_result(), parameters="beta_*")


def test_long_names_keep_both_ends() -> None:
    name = "alpha_" + "very_" * 20 + "long_uncertainty"
    fit = results.fit_result(parameters=("mu", name, "b", "c", "d", "e"))
    (shown, *_) = names_of_rows(plot.pulls(fit).axes[0])
    assert shown.startswith("alpha_very")
    assert shown.endswith("long_uncertainty")
    assert len(shown) <= 44


def test_ranking_bars_and_pulls() -> None:
    found = results.ranking_result()
    axes, bars = plot.ranking(found, n_max=5).axes
    containers = [c for c in bars.containers if isinstance(c, BarContainer)]
    widths = [[patch.get_width() for patch in container] for container in containers]
    members = (found.postfit_up, found.prefit_up, found.postfit_down, found.prefit_down)
    for drawn, impacts in zip(widths, members, strict=True):
        np.testing.assert_allclose(drawn, np.nan_to_num(impacts[0, :5]))
    with_pull = [0, 2, 3, 4]
    np.testing.assert_allclose(points(axes)[:, 0], found.pulls[with_pull])
    np.testing.assert_allclose(points(axes)[:, 1], with_pull)
    assert names_of_rows(axes)[1].startswith("b^tag<eff> = 0.1 ± 0.")
    assert [name.split()[-1] for name in names_of_rows(axes)] == list("12345")
    assert "mu = 1.3 ± 0.4" in texts(bars.figure)
    assert axes.get_xlim()[0] == -axes.get_xlim()[1]
    assert bars.get_xlim()[0] == -bars.get_xlim()[1]


@pytest.mark.slow
def test_correlation_matrix_and_its_cut() -> None:
    found = results.correlation_result(30)
    axes = plot.correlation(found, n_max=20).axes[0]
    matrix = axes.images[0].get_array()
    assert matrix.shape == (20, 20)
    np.testing.assert_allclose(np.diag(matrix), 100.0)
    assert len(axes.get_xticklabels()) == 20
    few = plot.correlation(results.correlation_result(8), order="strength").axes[0]
    assert len(few.texts) == 64
    fit = results.fit_result()
    assert fit.correlation is not None
    drawn = plot.correlation(fit).axes[0].images[0].get_array()
    np.testing.assert_allclose(drawn, 100.0 * fit.correlation[:5, :5])
    with pytest.raises(nf.ArgumentError, match="no covariance"):
        plot.correlation(results.fit_result(covariance=None))


def test_correlations_near_zero_have_no_sign_and_large_matrices_no_names() -> None:
    tiny = np.array([[1.0, -0.001, -0.3], [-0.001, 1.0, 0.0], [-0.3, 0.0, 1.0]])
    found = dataclasses.replace(results.correlation_result(3), matrix=tiny)
    written = [text.get_text() for text in plot.correlation(found).axes[0].texts]
    assert written == ["100", "0", "\u221230", "0", "100", "0", "\u221230", "0", "100"]
    pruned = plot.correlation(found, threshold=0.2)
    assert len(pruned.axes[0].get_yticklabels()) == 2
    assert "2 of 6 parameters: those with one of at least 20 %" in texts(pruned)
    large = plot.correlation(results.correlation_result(120), n_max=120).axes[0]
    assert len(large.get_yticklabels()) == 0
    assert large.get_xlabel() == "120 parameters"


def test_ranking_goes_on_on_the_next_page() -> None:
    found = results.ranking_result(25)
    axes = plot.ranking(found, page=2).axes[0]
    assert [name.split()[-1] for name in names_of_rows(axes)] == list(map(str, range(21, 26)))
    np.testing.assert_allclose(points(axes)[:, 0], found.pulls[20:])
    for page in (0, 3):
        with pytest.raises(nf.ArgumentError, match=f"page.*1 to 2, got {page}"):
            plot.ranking(found, page=page)


def test_ranking_of_cms_has_two_panels() -> None:
    pytest.importorskip("mplhep")
    label = plot.Label(style="CMS")
    pulls, impacts = plot.ranking(results.ranking_result(), label=label).axes
    figure = pulls.figure
    figure.draw_without_rendering()
    assert pulls.get_position().x1 <= impacts.get_position().x0
    assert len(pulls.containers) == 1
    assert len(impacts.containers) == 4


def test_errors_of_the_profile_likelihood_replace_those_of_the_covariance() -> None:
    minos = results.intervals_result()
    fit = results.fit_result()
    axes, values = plot.pulls(fit, intervals=minos).axes
    (left, _), (right, _) = values.collections[-1].get_segments()[0]
    np.testing.assert_allclose([left, right], [1.3 - 0.3, 1.3 + 0.5])
    segment = axes.collections[-1].get_segments()[1]
    np.testing.assert_allclose(np.diff(segment[:, 0]), 2.0 * np.asarray(fit.errors)[2])
    written = texts(plot.ranking(results.ranking_result(), intervals=minos))
    assert "mu = 1.30 +0.50 \u22120.30" in written
    two = dataclasses.replace(minos, sigma=2.0)
    with pytest.raises(nf.ArgumentError, match=r"intervals.*one standard deviation, got 2"):
        plot.pulls(fit, intervals=two)


def test_intervals_are_drawn_and_written() -> None:
    axes = plot.intervals(results.intervals_result()).axes[0]
    assert names_of_rows(axes) == ["mu", "jet_energy_scale"]
    assert {"1.30 +0.50 \u22120.30", "0.1 +0.9"} <= {text.get_text() for text in axes.texts}


def test_factors_are_apart_from_pulls() -> None:
    fit = results.fit_result(prefit_values=np.array([np.nan, 0.0, 0.0, 0.0, 1.0, 0.0]))
    pulls, factors, _ = plot.pulls(fit).axes
    assert names_of_rows(factors) == ["lumi & pile-up"]
    np.testing.assert_allclose(points(factors), [[fit.x[4], 0.0]])
    assert "lumi & pile-up" not in names_of_rows(pulls)


def test_poisson_intervals() -> None:
    """Eq. (40.76) of the Review of Particle Physics, by quantiles of chi-square."""
    counts = np.array([0.0, 1.0, 3.0, 10.0, 2.5])
    tail = norm.sf(1.0)
    lower, upper = poisson_interval(counts)
    np.testing.assert_allclose(lower[1:], 0.5 * chi2.ppf(tail, 2.0 * counts[1:]), rtol=1e-5)
    np.testing.assert_allclose(upper, 0.5 * chi2.isf(tail, 2.0 * (counts + 1.0)), rtol=1e-5)
    assert lower[0] == 0.0


def test_stack_band_and_ratio() -> None:
    found = results.yields_result()
    channel = found["SR_high"]
    assert channel.observed is not None
    main, ratio = plot.yields(found, channel="SR_high", y_scale="linear").axes
    np.testing.assert_allclose(points(main)[:, 1], channel.observed)
    np.testing.assert_allclose(points(ratio)[:, 1], channel.observed / channel.by_bin)
    stairs = {
        patch.get_label(): patch.get_data() for patch in main.patches if hasattr(patch, "get_data")
    }
    order = ["sample_0", "sample_1", "sample_2", "sample_3"]
    sums = np.cumsum([channel.by_sample[channel.samples.index(name)] for name in order], axis=0)
    for name, top in zip(order, sums, strict=True):
        np.testing.assert_allclose(stairs[name].values, top)
    band = stairs["Uncertainty"]
    np.testing.assert_allclose(band.values - band.baseline, 2.0 * channel.by_bin_errors)
    assert main.get_ylabel() == "Events / 50"
    assert ratio.get_xlabel() == "mass"


def test_samples_on_top_and_other() -> None:
    found = results.yields_result(n_samples=12)
    figure = plot.yields(found, channel="SR_high", samples=["sample_0"], n_samples=5)
    legend = legend_of(figure.axes[0])
    assert legend == ["Data", "Uncertainty", *legend[2:]]
    assert legend[2] == "sample_0"
    assert "Other (8)" in legend
    signal = dataclasses.replace(found, signals=("sample_3",))
    assert legend_of(plot.yields(signal, channel="SR_high").axes[0])[2] == "sample_3"
    for option in ({"samples": ["signal"]}, {"colours": {"signal": "red"}}):
        with pytest.raises(nf.ArgumentError, match="unknown sample"):
            plot.yields(found, **option)


def legend_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def colours_of(axes: Axes) -> dict[str, Any]:
    return {patch.get_label(): patch.get_facecolor() for patch in axes.patches if patch.get_fill()}


def test_samples_keep_their_colours_and_twenty_differ() -> None:
    found = results.yields_result(n_samples=20)
    turned = [
        dataclasses.replace(channel, by_sample=channel.by_sample[::-1])
        for channel in found.channels
    ]
    after = dataclasses.replace(found, channels=tuple(turned))
    first, second, summary = (
        colours_of(plot.yields(result, channel=channel).axes[0])
        for result, channel in ((found, "SR_high"), (after, "CR_<top>"), (found, None))
    )
    assert first == second == summary
    samples = [first[f"sample_{i}"] for i in range(20)]
    assert len(set(samples)) == 20
    chosen = plot.yields(found, channel="SR_high", colours={"sample_4": "#123456"}).axes[0]
    assert matplotlib.colors.to_hex(colours_of(chosen)["sample_4"]) == "#123456"


def test_colours_of_samples_differ_for_all_eyes() -> None:
    """Distances in OKLab, with protanopia and deuteranopia as Machado et al. simulate them."""
    rgb = np.array([matplotlib.colors.to_rgb(colour) for colour in SAMPLES])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
              [-0.003882, -0.048116, 1.051998]]  # fmt: skip
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
              [-0.011820, 0.042940, 0.968881]]  # fmt: skip
    to_cones = [[0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    to_lab = [[0.2104542553, 0.7936177850, -0.0040720468],
              [1.9779984951, -2.4285922050, 0.4505937099],
              [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
    for vision in (np.eye(3), np.array(protan), np.array(deutan)):
        seen = np.clip(linear @ vision.T, 0.0, 1.0)
        lab = np.cbrt(seen @ np.transpose(to_cones)) @ np.transpose(to_lab)
        distances = np.linalg.norm(lab[:, None] - lab, axis=-1)
        assert np.min(distances[np.triu_indices(20, k=1)]) > 0.06


def test_samples_are_overlaid_as_lines() -> None:
    found = results.yields_result()
    axes = plot.yields(found, channel="SR_high", overlay={"sample_1": 10.0}).axes[0]
    (line,) = [patch for patch in axes.patches if "times" in patch.get_label()]
    np.testing.assert_allclose(line.get_data().values, 10.0 * found["SR_high"].by_sample[1])
    assert r"sample_1 $\times$ 10" in legend_of(axes)
    assert "sample_1" in legend_of(axes)


def test_range_of_the_ratio_follows_its_content() -> None:
    channel = results.yields_result()["SR_high"]

    def limits(factors: Any) -> tuple[float, float]:  # noqa: ANN401
        counts = 1e6 * channel.by_bin
        changed = dataclasses.replace(
            channel, by_bin=counts, by_bin_errors=1e-3 * counts, observed=factors * counts
        )
        result = dataclasses.replace(results.yields_result(), channels=(changed,))
        return plot.yields(result).axes[1].get_ylim()

    for factor, expected in ((1.01, (0.95, 1.05)), (1.25, (0.7, 1.3)), (1.8, (0.0, 2.0)),
                             (2.9, (0.0, 4.0))):  # fmt: skip
        np.testing.assert_allclose(limits(np.array([factor, *[1.0] * 5])), expected)


def test_plots_in_the_width_of_a_column_are_legible() -> None:
    label = plot.Label(experiment="EXP", status="Draft", energy=13, luminosity=139, width=8.6)
    for draw in EVERYTHING.values():
        figure = draw(label=label)
        assert figure.get_figwidth() == pytest.approx(8.6 / 2.54)
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
        assert min(sizes) >= 6.0
        assert max(sizes) < 10.0
    with pytest.raises(nf.ArgumentError, match=r"label\.width.*at least 5 cm"):
        plot.Label(width=0.86)


@pytest.mark.slow
def test_histogram_stays_below_label_and_legend() -> None:
    label = plot.Label(experiment="EXP", status="Draft", style="plain", text="one\ntwo\nthree")
    for scale in ("linear", "log"):
        figure = plot.yields(
            results.yields_result(n_samples=9), channel="SR_high", y_scale=scale, label=label
        )
        axes = figure.axes[0]
        figure.draw_without_rendering()
        box = axes.get_legend().get_window_extent().transformed(axes.transData.inverted())
        x, top = points(axes)[:, 0], results.yields_result()["SR_high"].by_bin
        assert np.all(top[(x > box.x0) & (x < box.x1)] < box.y0)


def test_points_outside_the_ratio_become_arrows() -> None:
    ratio = plot.yields(results.yields_result(), ratio_range=(0.99, 1.01), channel="SR_high").axes[
        1
    ]
    arrows = {line.get_marker(): line.get_xydata() for line in ratio.lines}
    assert len(arrows["^"]) > 0
    assert len(arrows["v"]) > 0


def test_scan_levels_and_best_fit() -> None:
    found = results.scan_result()
    axes = plot.scan(found, unit="fb").axes[0]
    (curve,) = [line for line in axes.lines if len(line.get_xdata()) > 2]
    x, y = curve.get_xydata().T
    np.testing.assert_allclose(np.interp(found.values, x, y), found.twice_delta_nll, atol=1e-12)
    np.testing.assert_allclose(y, ((x - 1.3) / 0.4) ** 2, atol=0.02)
    levels = [line.get_ydata()[0] for line in axes.lines if line is not curve]
    assert levels == [1.0, 4.0, 9.0]
    assert axes.get_ylim()[1] > 9.0
    assert max(axes.get_yticks()) <= 9.0
    assert axes.get_xlabel() == "mu [fb]"
    assert axes.get_legend().get_texts()[0].get_text() == "mu = 1.3 ± 0.4 fb"


def test_scans_quote_asymmetric_errors_and_end_at_the_frame() -> None:
    found = results.scan_result()
    x = found.values
    skewed = dataclasses.replace(
        found, twice_delta_nll=np.where(x < 1.3, ((x - 1.3) / 0.3) ** 2, ((x - 1.3) / 0.5) ** 2)
    )
    narrow = dataclasses.replace(
        found, axes=(x[3:15],), twice_delta_nll=found.twice_delta_nll[3:15]
    )
    axes = plot.scan(skewed, others={"narrow": narrow}, name="full").axes[0]
    assert legend_of(axes)[0] == "full: mu = 1.30 +0.50 \u22120.30"
    ends = [narrow.twice_delta_nll[0], narrow.twice_delta_nll[-1]]
    assert axes.lines[-1].get_ydata()[0] == pytest.approx(min(9.0, *ends))


def test_feldman_cousins_interval_is_where_p_values_cross() -> None:
    found = results.feldman_cousins_result()
    axes, below = plot.feldman_cousins(found).axes
    curve = next(line for line in below.lines if len(line.get_xdata()) > 100)
    np.testing.assert_allclose(
        np.interp(found.values, *curve.get_xydata().T), found.p_values, rtol=1e-9
    )
    assert legend_of(axes)[0] == "68 % CL: [0.9, 1.7]"
    top = axes.lines[-1].get_ydata()[0]
    shaded = axes.collections[-1].get_paths()[0].get_extents()
    np.testing.assert_allclose([shaded.x0, shaded.x1, shaded.y1], [0.9, 1.7, top])


def test_templates_and_their_changes() -> None:
    found = results.templates_result()
    name = results.NAMES[0]
    axes, ratio = plot.templates(found, parameter=name, original=found).axes
    stairs = [patch.get_data().values for patch in ratio.patches]
    variation = found.variations[0]
    for drawn, varied in zip(stairs[1::2], (variation.up, variation.down), strict=True):
        np.testing.assert_allclose(drawn, 100.0 * (varied / variation.nominal - 1.0))
    assert "+1$\\sigma$: 0.0 %".replace(" 0", " +0") in legend_of(axes)
    assert {"SR_high", "top", name} <= set(texts(axes.figure))
    with pytest.raises(nf.ArgumentError, match="expected one variation, got 2"):
        plot.templates(found)
    with pytest.raises(nf.ArgumentError, match="parameter: there is no variation of 'jes'"):
        plot.templates(found, parameter="jes")


def test_pulls_of_toys() -> None:
    fits = results.toy_fits()
    axes = plot.toy_pulls(fits, truth=1.0).axes[0]
    pulls = (fits["mu"][:-1] - 1.0) / 0.4
    (histogram,) = [patch for patch in axes.patches if hasattr(patch, "get_data")]
    assert histogram.get_data().values.sum() == len(pulls)
    assert legend_of(axes) == ["399 toys, 1 left out", "Gaussian (0, 1)"]
    assert any(text.startswith("mean ") for text in texts(axes.figure))
    with pytest.raises(nf.ArgumentError, match="at least 2 valid fits"):
        plot.toy_pulls(fits.first(1), truth=1.0)


def test_map_has_the_contours_of_two_parameters() -> None:
    axes = plot.scan(results.scan_result_2d()).axes[0]
    levels = [c.levels[0] for c in axes.collections if hasattr(c, "levels")]
    np.testing.assert_allclose(levels, [2.2957, 6.1800], rtol=1e-3)


def test_contours_are_closed_only_if_they_are() -> None:
    found = results.contour_result()
    ring = plot.contour(found).axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(ring[0], ring[-1])
    np.testing.assert_allclose(ring[:-1], found.contours[0].points)


def test_limit_curves_pass_through_the_tested_values() -> None:
    found = results.limit_result()
    figure = plot.limit(found)
    axes = figure.axes[0]
    curves = {line.get_label(): line.get_xydata() for line in axes.lines}
    for label, values in (
        ("observed: 1.66", found.cls_observed),
        ("expected", found.cls_expected[:, 2]),
    ):
        x, y = curves[label].T
        np.testing.assert_allclose(np.interp(found.values, x, y), values, rtol=1e-9)
    assert {"95 % CL", "observed: 1.66", "expected: 1.36"} <= set(texts(figure))
    assert any(line.get_ydata()[0] == pytest.approx(0.05) for line in axes.lines)


def test_limit_that_failed_says_so() -> None:
    found = results.limit_result(
        observed=np.nan, cls_observed=np.full(13, np.nan), status="incomplete", message="No limit."
    )
    written = texts(plot.limit(found))
    assert {"observed: none", "No limit."} <= set(written)


def test_exclusion_is_where_the_limit_is_one() -> None:
    """The logarithm of these limits is linear in both masses, so interpolation is exact."""
    axes = plot.limit_grid(results.grid_result()).axes[0]
    lines = [c for c in axes.collections if hasattr(c, "levels") and not c.filled]
    for line, factor in zip(lines, (1.0, 1.2), strict=True):
        x, y = line.get_paths()[0].vertices.T
        limit = factor * 0.1 * np.exp((x - 300.0) / 200.0 + y / 400.0)
        np.testing.assert_allclose(limit, 1.0, rtol=2e-3)


def test_grid_without_numbers_is_refused() -> None:
    with pytest.raises(nf.ArgumentError, match="m_3"):
        plot.limit_grid(results.grid_result(), x="m_3")


def test_toys_are_fractions_and_failures_are_left_out() -> None:
    axes = plot.toys(results.hypotest_result()).axes[0]
    filled = [patch.get_data().values for patch in axes.patches]
    np.testing.assert_allclose([values.sum() for values in filled], 1.0)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["toys at mu = 1 (1499)", "toys at mu = 0 (1499)", "observed: 2.4"]
    with pytest.raises(nf.ArgumentError, match="toys"):
        plot.toys(results.hypotest_result(toys=()))


def test_goodness_of_fit_shows_both_p_values() -> None:
    written = texts(plot.goodness_of_fit(results.gof_result(200)))
    assert "200 toys: p = 0.44 ± 0.02" in written
    assert r"$\chi^2$(9): p = 0.437" in written


def test_every_kind_of_result_has_a_plot() -> None:
    assert list(plot.plots_of(results.fit_result())) == ["pulls", "correlation"]
    assert list(plot.plots_of(results.significance_result())) == ["toys"]
    with pytest.raises(nf.ArgumentError, match="no plot of UncertaintyGroup"):
        plot.plots_of(results.breakdown_result().groups[0])


@pytest.mark.parametrize("name", sorted({n for n in plot.__all__ if n.islower()} - {"plots_of"}))
def test_help_describes_every_option(name: str) -> None:
    function = getattr(plot, name)
    lines = re.findall(r"^([a-z_]+(?:, [a-z_]+)*) : ", inspect.getdoc(function) or "", re.MULTILINE)
    described = [word for line in lines for word in line.split(", ")]
    assert set(inspect.signature(function).parameters) == set(described)
    assert len(described) == len(set(described))
