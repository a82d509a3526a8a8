"""HS3 documents against ROOT: the workspaces they were exported from, and ROOT's own import."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY, SHARED_DATA
from nablafit.io import hs3

pytestmark = [
    pytest.mark.reference,
    pytest.mark.filterwarnings("ignore::nablafit.errors.ModelWarning"),
]

pytest.importorskip("ROOT", exc_type=ImportError)

from roofit_referee import ROOT, Referee  # noqa: E402

SHARED = SHARED_DATA / "hs3"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared documents are not there")


class ImportedReferee(Referee):
    """The model that ROOT makes of an HS3 document."""

    def __init__(self, path: Path, data: str = "obsData") -> None:
        self.workspace = ROOT.RooWorkspace("imported")
        ROOT.RooJSONFactoryWSTool(self.workspace).importJSON(str(path))
        objects = list(self.workspace.allGenericObjects())
        self.config = next(o for o in objects if o.ClassName() == "RooStats::ModelConfig")
        self.pdf = self.config.GetPdf()
        self.observables = self.config.GetGlobalObservables() or ROOT.RooArgSet()
        self.nll = self.pdf.createNLL(
            self.workspace.data(data), ROOT.RooFit.GlobalObservables(self.observables)
        )
        self.gammas: list[Any] = []


def loaded(path: Path) -> tuple[nf.Workspace, nf.Likelihood]:
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    return workspace, model.likelihood(workspace.data(model))


def random_points(model: nf.Model) -> list[dict[str, float]]:
    rng = np.random.default_rng(3)
    points = [{p.name: p.initial for p in model.spec.parameters}]
    for _ in range(6):
        point = dict(points[0])
        for p in model.spec.parameters:
            if p.fixed:
                continue
            if p.name.startswith("alpha_"):
                point[p.name] = float(np.clip(rng.normal(0.0, 1.3), p.lower, p.upper))
            elif p.name.startswith("gamma_"):
                point[p.name] = rng.uniform(0.8, 1.2)
            elif p.name == "Lumi":
                point[p.name] = rng.normal(1.0, 0.05)
            else:
                point[p.name] = rng.uniform(0.3, 2.5)
        points.append(point)
    return points


def worst_difference(ours: nf.Likelihood, referee: Referee) -> float:
    points = random_points(ours.model)
    values = np.array([ours(ours.model.point(point)) for point in points])
    return float(np.max(np.abs(values - values[0] - referee.differences(points))))


def test_root_imports_the_small_document_as_written(tmp_path: Path) -> None:
    workspace, ours = loaded(REPOSITORY / "tests" / "data" / "hs3_small.json")
    path = tmp_path / "written.json"
    path.write_text(hs3.to_hs3(workspace.spec(), [workspace.observations]))
    assert worst_difference(ours, ImportedReferee(path)) < 1e-9


@needs_shared
@pytest.mark.parametrize(
    ("name", "file", "tolerance"),
    [
        ("small", "small", 1e-9),
        ("sbottom_a", "sbottom_a", 1e-8),
        # ROOT rounds the errors to 7 digits; no snapshot keeps those of Gaussian constraints.
        ("multibjets", "multibjets_combined", 1e-4),
    ],
)
def test_as_the_workspace_it_was_exported_from(name: str, file: str, tolerance: float) -> None:
    _, ours = loaded(SHARED / f"{name}.json")
    path = SHARED_DATA / "rooworkspace" / f"{file}.root"
    assert worst_difference(ours, Referee(str(path), "combined")) < tolerance


@needs_shared
@pytest.mark.parametrize("name", ["small", "sbottom_a"])
def test_as_root_imports_it(name: str) -> None:
    """To the rounding of errors, which ROOT's reader keeps; it misreads multibjets altogether."""
    _, ours = loaded(SHARED / f"{name}.json")
    assert worst_difference(ours, ImportedReferee(SHARED / f"{name}.json")) < 1e-4


@needs_shared
@pytest.mark.parametrize("name", ["small", "sbottom_a", "multibjets"])
def test_root_imports_what_is_written(name: str, tmp_path: Path) -> None:
    workspace, ours = loaded(SHARED / f"{name}.json")
    path = tmp_path / "written.json"
    path.write_text(hs3.to_hs3(workspace.spec(), [workspace.observations]))
    assert worst_difference(ours, ImportedReferee(path)) < 1e-9


def without_losses(path: Path) -> tuple[nf.ModelSpec, nf.spec.Observations] | None:
    """The model and its data; none if HS3 cannot hold the model."""
    workspace = nf.Workspace.load(path)
    spec, observations = workspace.spec(), workspace.observations
    try:
        hs3.to_hs3(spec, [observations])
    except nf.WorkspaceError:
        return None
    return spec, observations


def as_root_clips(spec: nf.ModelSpec) -> nf.ModelSpec:
    """With the lower limits that ROOT's reader of HS3 sets."""

    def clipped(sample: nf.spec.Sample) -> nf.spec.Sample:
        kinds = {modifier.type for modifier in sample.modifiers}
        return sample.replace(
            yield_floor=0.0 if "histosys" in kinds else None,
            factor_floor=sys.float_info.min if "normsys" in kinds else None,
        )

    return spec.replace(
        channels=[c.replace(samples=[clipped(s) for s in c.samples]) for c in spec.channels]
    )


def near_points(model: nf.Model) -> list[dict[str, float]]:
    """Points within the ranges, by the widths of constraints where there are any."""
    rng = np.random.default_rng(5)
    points = []
    for _ in range(5):
        point = {}
        for p in model.spec.parameters:
            width = getattr(p.constraint, "sigma", 0.15)
            moved = p.initial + 0.7 * width * rng.normal()
            point[p.name] = p.initial if p.fixed else float(np.clip(moved, p.lower, p.upper))
        points.append(point)
    return points


INPUTS = [
    *sorted((SHARED_DATA / "pyhf").glob("*.json")),
    REPOSITORY / "examples" / "multichannel.json",
    *sorted(
        path
        for path in (SHARED_DATA / "histfactory_xml").glob("**/*.xml")
        if "<Combination" in path.read_text()
    ),
    *sorted((SHARED_DATA / "rooworkspace").glob("*.root")),
    *sorted((SHARED_DATA / "cases").glob("pyhf_[lsf]*.json")),
]


@pytest.mark.parametrize("source", INPUTS, ids=lambda path: path.stem)
def test_root_imports_models_of_every_format(source: Path, tmp_path: Path) -> None:
    found = without_losses(source)
    if found is None:
        pytest.skip("HS3 cannot hold the model")
    spec, observations = found
    path = tmp_path / "written.json"
    path.write_text(hs3.to_hs3(spec, [observations]))
    names = json.loads(path.read_text())["misc"]["nablafit"].get("names", {})
    valid = {original: name for name, original in names.get("parameters", {}).items()}
    data = {original: name for name, original in names.get("datasets", {}).items()}
    model = nf.Model(as_root_clips(spec))
    ours = model.likelihood(model.data(observations))
    referee = ImportedReferee(path, data.get(observations.name, observations.name))
    points = near_points(model)
    values = np.array([ours(model.point(point)) for point in points])
    renamed = [{valid.get(k, k): v for k, v in point.items()} for point in points]
    differences = values - values[0] - referee.differences(renamed)
    assert np.max(np.abs(differences)) < 1e-6


@pytest.mark.parametrize("name", ["every_modifier", "two_dimensional"])
def test_root_imports_workspaces_written_as_hs3(name: str, tmp_path: Path) -> None:
    source = REPOSITORY / "tests" / "data" / "rooworkspace" / f"{name}.root"
    workspace, ours = loaded(source)
    path = tmp_path / "written.json"
    try:
        path.write_text(hs3.to_hs3(workspace.spec(), [workspace.observations]))
    except nf.WorkspaceError as error:
        pytest.skip(str(error))
    _, again = loaded(path)
    points = random_points(ours.model)
    values = np.array([[each(each.model.point(p)) for p in points] for each in (ours, again)])
    np.testing.assert_allclose(values[0] - values[0][0], values[1] - values[1][0], atol=1e-9)
    assert worst_difference(ours, ImportedReferee(path)) < 1e-9
