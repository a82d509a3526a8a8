"""Reports: what is on the page, that it needs nothing else, and that a browser shows it."""

import functools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

import plot_results as results
from nablafit import plot
from nablafit._results.record import Record
from nablafit.cli import main
from nablafit.report._summary import summarise

HOSTILE = "<script>alert('x')</script> & \"name\""
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
YIELDS_OPTIONS = (
    "--channel SR_high --on-top sample_0 --overlay sample_1=10 --overlay sample_2 "
    "--colour sample_3=#123456 --ratio 0.5 1.5 --prefit OTHER"
)
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Elements of a page in order; complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def report(workspace: nf.Workspace, model: nf.Model, data: nf.Data) -> nf.Report:
    fit = results.fit_result(parameters=("mu", HOSTILE, "b", "c", "d", "e"))
    return nf.Report(
        fit=fit,
        title=HOSTILE,
        inventory=summarise(workspace, model, data),
        pulls=results.pulls_result(),
        ranking=results.ranking_result(),
        breakdown=results.breakdown_result(),
        correlation=results.correlation_result(),
        prefit=results.yields_result("prefit"),
        postfit=results.yields_result(),
        goodness_of_fit=results.gof_result(),
        scan=results.scan_result(),
        significance=results.significance_result(),
        limit=results.limit_result(notes=(HOSTILE,)),
        source="workspace.json",
        digest="0123abcd",
        options={"confidence level": "0.95"},
    )


@pytest.fixture(scope="module")
def html(report: nf.Report) -> str:
    return report.html()


@pytest.mark.slow
def test_page_is_well_formed_and_needs_nothing_else(html: str) -> None:
    page = Page(html)
    assert page.all("script") == []
    assert page.all("link") == []
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:image/svg+xml;base64,"))
    assert not re.search(r"@import|url\(", html)


def test_text_is_escaped(html: str) -> None:
    assert "<script" not in html
    text = " ".join(Page(html).text)
    assert text.count(HOSTILE) >= 3
    assert "CR_<top>" in text


def test_page_can_be_read_by_ear(html: str) -> None:
    page = Page(html)
    assert page.all("html") == [{"lang": "en"}]
    images = page.all("img")
    assert len(images) == 9
    assert all(len(image["alt"] or "") > 15 for image in images)
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)][:2] == ["h1", "h2"]
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    targets = [(link["href"] or "").removeprefix("#") for link in page.all("a")]
    assert set(targets) <= set(names)
    assert len(targets) == 15


def test_numbers_are_on_the_page(html: str) -> None:
    text = " ".join(Page(html).text)
    for expected in (
        "observed 2.5 σ, expected 2 σ",
        "observed 1.664, expected 1.362",
        "mu = 1.3 ± 0.4",
        "0123abcd",
        "256 ± 15",
        "2 channels",
        "The 10 largest correlations",
    ):
        assert expected in text, expected


@pytest.mark.slow
def test_what_is_missing_is_said(report: nf.Report) -> None:
    short = replace(report, limit=None, scan=None, missing={"limit": "There is no signal <here>."})
    text = " ".join(Page(short.html()).text)
    assert "There is no signal <here>." in text
    assert "Profile likelihood" not in text
    assert nf.Report(fit=report.fit).html().count("<section") == 4


def test_fit_that_failed_stands_at_the_top() -> None:
    fit = results.fit_result(status="stalled", message="Try other starts.", covariance=None)
    page = " ".join(Page(nf.Report(fit=fit).html()).text)
    assert "NOT VALID (stalled)" in page
    assert page.index("Try other starts.") < page.index("Outcome of the fit")


def test_report_of_a_model(workspace: nf.Workspace, model: nf.Model, data: nf.Data) -> None:
    steps: list[str] = []
    made = nf.make_report(model, data, workspace=workspace, progress=steps.append)
    assert made.missing == {}
    assert steps[0] == "fit"
    assert made.limit is not None
    assert made.limit == nf.infer.upper_limit(model, data, n_curve=12)
    assert made.ranking is not None
    assert len(made.ranking) == made.fit.n_free - 1
    assert made.postfit is not None
    np.testing.assert_array_equal(made.postfit.x, made.fit.x)


@pytest.mark.slow
def test_report_without_a_parameter_of_interest(workspace: nf.Workspace) -> None:
    model = workspace.model("fixed_lumi")
    made = nf.make_report(model, workspace.data(model), workspace=workspace)
    assert made.limit is None
    assert made.goodness_of_fit is not None
    assert "no parameter of interest" in made.missing["limit"]
    assert "no parameter of interest" in made.html()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nablafit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.process
def test_report_command(document: dict[str, Any], tmp_path: Path) -> None:
    source, output = tmp_path / "workspace.json", tmp_path / "report.html"
    source.write_text(json.dumps(document))
    finished = run("report", source, "-o", output, "--title", "My <fit>", "--experiment", "EXP")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == str(output)
    text = " ".join(Page(output.read_text(encoding="utf-8")).text)
    assert "My <fit>" in text
    assert "SHA-256 of the input" in text


@pytest.mark.process
def test_plot_command_draws_saved_results(tmp_path: Path) -> None:
    results.limit_result().save(tmp_path / "limit.json")
    (tmp_path / "fit.json").write_text(results.fit_result().to_json())
    figure = tmp_path / "figure.svg"
    finished = run("plot", tmp_path / "limit.json", "-o", figure, "--unit", "fb", "--scale", "log")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == str(figure)
    assert "<svg" in figure.read_text()
    png = tmp_path / "figure.png"
    finished = run(
        "plot", tmp_path / "fit.json", "-o", png, "--kind", "correlation", "--n-max", "3",
        "--rename", r"mu=$\mu$", "--size", "5", "4",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("result", "options", "expected"),
    [
        (
            results.yields_result(),
            YIELDS_OPTIONS,
            {
                "samples": ("sample_0",),
                "overlay": {"sample_1": 10.0, "sample_2": 1.0},
                "colours": {"sample_3": "#123456"},
                "ratio_range": (0.5, 1.5),
                "prefit": results.yields_result(),
            },
        ),
        (
            results.scan_result(),
            "--name full --compare stat=OTHER",
            {"name": "full", "others": {"stat": results.scan_result()}},
        ),
        (
            results.ranking_result(),
            "--page 1 --intervals MINOS",
            {"page": 1, "intervals": results.intervals_result()},
        ),
        (
            results.correlation_result(),
            "--threshold 0.2 --order cluster",
            {"threshold": 0.2, "order": "cluster"},
        ),
    ],
    ids=["yields", "scan", "ranking", "correlation"],
)
def test_options_of_the_plot_command_reach_the_plot(
    result: Record, options: str, expected: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    paths = {"OTHER": str(tmp_path / "other.json"), "MINOS": str(tmp_path / "minos.json")}
    result.save(paths["OTHER"])
    results.intervals_result().save(paths["MINOS"])
    (name, function), *_ = plot.plots_of(result).items()
    given: dict[str, Any] = {}

    @functools.wraps(function)
    def draw(found: Any, **arguments: Any) -> None:  # noqa: ANN401
        given.update(arguments)
        function(found, **arguments)

    monkeypatch.setattr("nablafit.plot.plots_of", lambda _: {name: draw})
    for key, path in paths.items():
        options = options.replace(key, path)
    figure = tmp_path / "figure.png"
    code = main(["plot", paths["OTHER"], "-o", str(figure), "--width", "8.6", *options.split()])
    assert code == 0
    assert figure.is_file()
    assert {key: given[key] for key in expected} == expected
    assert given["label"].width == 8.6


@pytest.mark.process
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--page", "2"], "--page: does not apply to the plot 'limit'"),
        (["--compare", "a=b"], "--compare: does not apply to the plot 'limit'"),
        (["--width", "1"], "label.width: expected at least 5 cm, got 1"),
        (["--channel", "SR"], "--channel: does not apply to the plot 'limit'"),
        (["--kind", "pulls"], "--kind: expected one of limit, got 'pulls'"),
        (["--prefit", "FIT"], "--prefit: does not apply to the plot 'limit'"),
        (["--rename", "mu"], "--rename: expected NAME=TEXT, got 'mu'"),
    ],
)
def test_plot_command_refuses_what_does_not_fit(
    options: list[str], message: str, tmp_path: Path
) -> None:
    results.limit_result().save(tmp_path / "limit.json")
    (tmp_path / "fit.json").write_text(results.fit_result().to_json())
    options = [str(tmp_path / "fit.json") if item == "FIT" else item for item in options]
    finished = run("plot", tmp_path / "limit.json", "-o", tmp_path / "a.png", *options)
    assert finished.returncode == 2
    assert message in finished.stderr
    assert not (tmp_path / "a.png").exists()


def browse(*options: str) -> str:
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    finished = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=True, timeout=120
    )
    return finished.stdout


@pytest.mark.process
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [500, 1300])
def test_browser_shows_the_page(html: str, width: int, tmp_path: Path) -> None:
    """A copy of the page measures itself: pictures are there, nothing is wider than the window."""
    probe = (
        "<script>addEventListener('load', () => { document.title = JSON.stringify({"
        "images: [...document.images].map(image => image.naturalWidth),"
        "width: document.documentElement.scrollWidth, window: innerWidth}); });</script>"
    )
    path = tmp_path / "report.html"
    path.write_text(html.replace("</body>", probe + "</body>"), encoding="utf-8")
    shown = browse(f"--window-size={width},900", "--dump-dom", path.as_uri())
    (title,) = re.findall("<title>(.*)</title>", shown)
    measured = json.loads(title.replace("&quot;", '"'))
    assert measured["window"] == width
    assert measured["width"] <= width
    assert len(measured["images"]) == 9
    assert all(size > 100 for size in measured["images"])


@pytest.mark.process
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_browser_draws_the_page(html: str, tmp_path: Path) -> None:
    from matplotlib.image import imread

    path, picture = tmp_path / "report.html", tmp_path / "report.png"
    path.write_text(html, encoding="utf-8")
    browse("--window-size=1200,3000", f"--screenshot={picture}", path.as_uri())
    pixels = imread(picture)[..., :3]
    assert pixels.shape == (3000, 1200, 3)
    by_row = np.ptp(pixels.mean(axis=2), axis=1)
    assert np.mean(by_row > 0.2) > 0.3
