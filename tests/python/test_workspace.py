"""Loading workspaces, and the models and data they give."""

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nablafit as nf
from nablafit.interop._pyhf_model import _in_order
from nablafit.io.recognise import recognise

pyhf = pytest.importorskip("pyhf")


def test_every_kind_of_source_gives_the_same(document: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(document)
    path = tmp_path / "workspace.json"
    path.write_text(text)
    sources: list[Any] = [path, str(path), text, text.encode(), io.StringIO(text)]
    sources += [io.BytesIO(text.encode()), path.open("rb")]
    expected = nf.Workspace.load(document).spec()
    for source in sources:
        assert nf.Workspace.load(source).spec() == expected
        if hasattr(source, "close"):
            source.close()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"<html></html>", "an XML document"),
        (b"\x1f\x8b\x08", "a gzip archive"),
    ],
)
def test_other_formats_are_named(content: bytes, found: str) -> None:
    with pytest.raises(nf.WorkspaceError, match="what can be read are pyhf JSON, HS3") as e:
        nf.Workspace.load(content)
    assert f"this is {found}" in str(e.value)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"root\x00\x00\xf7", "a ROOT file"),
        (b"<!DOCTYPE Combination SYSTEM 'x.dtd'><Combination/>", "HistFactory XML"),
        (b'\xef\xbb\xbf {"metadata": {"channels": [{"data": 1}]}, "distributions": []}', "HS3"),
        (b'{"data": [], "measurements": []}', "HS3"),
        (b'{"metadata": {"data": 1}, "channels": [], "data": []}', "pyhf"),
        (b'{"a": "}\\"data\\"", "observations": []}', "pyhf"),
        (b'{"a": "' + b'"' * 10_000, "pyhf"),
        (b"", "pyhf"),
    ],
)
def test_formats_are_recognised(content: bytes, found: str) -> None:
    assert recognise(content) == found


def test_data_sets_go_by_name(document: dict[str, Any]) -> None:
    workspace = nf.Workspace.load(document)
    model = workspace.model()
    assert (workspace.format, workspace.datasets, workspace.notes) == ("pyhf", ("observed",), ())
    assert workspace.data(model, "observed") == workspace.data(model)
    with pytest.raises(nf.ArgumentError, match="no such data set"):
        workspace.data(model, "asimov")


def test_errors_say_where(document: dict[str, Any], tmp_path: Path) -> None:
    document["channels"][0]["samples"][0]["data"] = "three"
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))
    with pytest.raises(nf.WorkspaceError) as caught:
        nf.Workspace.load(path)
    assert caught.value.location == f"{path}: /channels/0/samples/0/data"


def test_wrong_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(nf.ArgumentError, match="expected a path"):
        nf.Workspace.load(3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        nf.Workspace.load(tmp_path / "missing.json")
    with pytest.raises(nf.WorkspaceError, match="not representable as JSON"):
        nf.Workspace.load({"channels": {1, 2}})


def test_measurements_and_channels(workspace: nf.Workspace) -> None:
    assert workspace.measurements == ("nominal", "fixed_lumi")
    assert set(workspace.channels) == {"signal_region", "control_region"}
    assert workspace.poi() == "mu"
    assert workspace.poi("fixed_lumi") is None
    with pytest.raises(nf.ArgumentError, match="did you mean fixed_lumi"):
        workspace.model("fixedlumi")


def test_model_of_a_measurement(workspace: nf.Workspace) -> None:
    model = workspace.model("fixed_lumi")
    assert model.poi is None
    assert model.fixed[model.index("lumi")]
    assert workspace.model("fixed_lumi", poi="scale").poi == "scale"
    assert workspace.model(poi="").poi is None
    with pytest.raises(nf.ArgumentError, match="mu"):
        workspace.model(poi="nu")


def test_interpolation_can_be_chosen(workspace: nf.Workspace) -> None:
    model = workspace.model(interpolation={"normsys": "code1", "histosys": "code0"})
    x = {"scale": 0.4}
    expected = (25.0 - 0.4 * 2.0) * 1.15**0.4
    assert model.expected_by_sample(x)["signal_region"]["background"][1] == pytest.approx(expected)
    with pytest.raises(nf.ArgumentError, match="expected code1 or code4"):
        workspace.model(interpolation={"normsys": "code0"})
    with pytest.raises(nf.ArgumentError, match="no interpolation to choose"):
        workspace.model(interpolation={"shapesys": "code0"})


def test_warnings_of_the_model_are_issued(document: dict[str, Any]) -> None:
    document["channels"][1]["samples"][0]["modifiers"][0]["data"] = {"lo": 0.01, "hi": 40.0}
    workspace = nf.Workspace.load(document)
    with pytest.warns(nf.ModelWarning, match="scale"):
        model = workspace.model()
    assert model.warnings


def test_model_shows_its_structure(model: nf.Model) -> None:
    assert model.channels == ("control_region", "signal_region")
    assert model.channel_bins == {"control_region": slice(0, 1), "signal_region": slice(1, 3)}
    assert model.n_bins == 3
    assert model.bounds[model.index("lumi")] == (0.9, 1.1)
    assert set(model.constrained_parameters) == set(model.parameters) - {"mu"}
    assert repr(model) == "<Model 'nominal': 2 channels, 3 bins, 6 parameters, poi mu>"


def test_parameters_can_be_put_in_another_order(model: nf.Model) -> None:
    names = model.parameters[::-1]
    reordered = nf.Model(_in_order(model.spec, names))
    x = {"mu": 1.7, "scale": -1.3, "lumi": 1.02}
    assert reordered.parameters == names
    np.testing.assert_allclose(reordered.expected(x), model.expected(x), rtol=1e-14)
    with pytest.raises(nf.SpecError, match="disagree about mu"):
        _in_order(model.spec, tuple(name for name in names if name != "mu"))


def test_yields_by_channel_and_sample_add_up(model: nf.Model) -> None:
    x = {"mu": 1.7, "scale": -1.3, "stat[1]": 1.1, "lumi": 1.02}
    yields = model.expected(x)
    for channel, bins in model.channel_bins.items():
        np.testing.assert_allclose(
            sum(model.expected_by_sample(x)[channel].values()), yields[bins], rtol=1e-14
        )
        np.testing.assert_array_equal(model.expected_by_channel(x)[channel], yields[bins])


def test_points_are_checked(model: nf.Model) -> None:
    assert model.point({"mu": 3})[model.index("mu")] == 3.0
    with pytest.raises(nf.ArgumentError, match="did you mean scale"):
        model.point({"scal": 1.0})
    with pytest.raises(nf.ArgumentError, match=r"expected shape \(6,\), got shape \(2,\)"):
        model.point([1.0, 2.0])
    with pytest.raises(nf.ArgumentError, match="expected real numbers"):
        model.point(["a"] * 6)


def test_asimov_data_have_their_minimum_at_the_truth(model: nf.Model) -> None:
    truth = model.point({"mu": 1.4, "scale": 0.3})
    likelihood = model.likelihood(model.asimov(truth))
    assert likelihood(truth) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(likelihood.gradient(truth), 0.0, atol=1e-12)


def test_data_are_immutable_and_checked(model: nf.Model, data: nf.Data) -> None:
    with pytest.raises(ValueError, match="read-only"):
        data.counts[0] = 1.0
    assert nf.Data(data.counts, data.global_observables) == data
    assert nf.Data(data.counts + 1, data.global_observables) != data
    with pytest.raises(nf.ArgumentError, match="counts"):
        model.likelihood(nf.Data([1.0], data.global_observables))


def test_models_and_data_pickle(model: nf.Model, data: nf.Data) -> None:
    copied = pickle.loads(pickle.dumps(model.likelihood(data)))
    assert copied(model.initial) == model.likelihood(data)(model.initial)
    assert copied.data == data


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, by pyhf
def test_pyhf_models_keep_their_order(document: dict[str, Any]) -> None:
    workspace = pyhf.Workspace(document)
    theirs = workspace.model()
    ours = nf.from_pyhf(theirs)
    assert list(ours.parameters) == theirs.config.par_names
    assert ours.poi == theirs.config.poi_name
    flat = workspace.data(theirs)
    data = nf.Data.from_pyhf(ours, flat)
    np.testing.assert_array_equal(data.to_pyhf(), flat)
    x = ours.point({"mu": 1.2, "scale": 0.7, "stat[0]": 0.97, "shape[0]": 1.03, "lumi": 0.99})
    np.testing.assert_allclose(
        ours.likelihood(data).logpdf(x), theirs.logpdf(x.tolist(), flat)[0], rtol=1e-13
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, by pyhf
def test_pyhf_settings_are_kept(document: dict[str, Any]) -> None:
    settings = {"normsys": {"interpcode": "code1"}, "histosys": {"interpcode": "code0"}}
    theirs = pyhf.Workspace(document).model(
        modifier_settings=settings, clip_bin_data=1e-3, poi_name=None
    )
    ours = nf.from_pyhf(theirs)
    assert ours.poi is None
    x = ours.point({"mu": 1.2, "scale": -1.7})
    np.testing.assert_allclose(
        ours.expected(x), theirs.expected_data(x.tolist(), include_auxdata=False), rtol=1e-13
    )
    assert ours.spec.channels[0].yield_floor == 1e-3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jsonschema, by pyhf
def test_pyhf_models_with_batches_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(nf.SpecError, match="without batches"):
        nf.from_pyhf(pyhf.Workspace(document).model(batch_size=2))
