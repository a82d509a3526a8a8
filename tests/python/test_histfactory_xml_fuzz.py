"""HistFactory inputs that are damaged or make no sense: read or refused, nothing else."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nablafit as nf
from damage import TIMES, mutated, outcomes
from locations import REPOSITORY

FIXTURE = REPOSITORY / "tests" / "data" / "histfactory_xml"
words = re.compile(r"\S+").findall


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the fixture to spoil."""
    for part in ("config", "data"):
        shutil.copytree(FIXTURE / part, tmp_path / part)
    return tmp_path


ELEMENTS = words(
    "Combination Function Input Measurement POI ParamSetting ConstraintTerm Asimov Channel Data "
    "StatErrorConfig Sample StatError HistoSys OverallSys ShapeSys NormFactor ShapeFactor Other"
)
ATTRIBUTES = words(
    "Name Lumi LumiRelErr BinLow Val Const Type RelativeUncertainty InputFile HistoName HistoPath "
    "Low High HistoNameLow HistoNameHigh Activate ConstraintType NormalizeByTheory Expression "
    "Dependents FixParams RelErrorThreshold"
)
VALUES = words(
    "mu signal data background signal/ ./data/histograms.root ./config/signal_region.xml True "
    "False Gamma LogNormal Uniform Gaussian Poisson 0 1 -1 0.3 1e308 nan inf mu[0,1] mu*mu tail"
)

leaves = st.tuples(
    st.sampled_from(ELEMENTS),
    st.dictionaries(st.sampled_from(ATTRIBUTES), st.sampled_from(VALUES), max_size=5),
    st.sampled_from(["", *VALUES]),
)


def written(leaf: tuple[str, dict[str, str], str], inside: str = "") -> str:
    name, attributes, text = leaf
    listing = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{listing}>{text}{inside}</{name}>"


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(leaves, st.lists(leaves, max_size=4)), max_size=5), st.booleans())
def test_any_structure_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, tree: list, is_channel: bool
) -> None:
    text = "".join(written(outer, "".join(map(written, inner))) for outer, inner in tree)
    folder = FIXTURE
    if is_channel:
        folder = tmp_path_factory.mktemp("fuzz")
        shutil.copytree(FIXTURE / "data", folder / "data")
        text = f'<Channel Name="c" InputFile="data/histograms.root" HistoPath="signal">{text}'
        (folder / "channel.xml").write_text(text + "</Channel>")
        text = '<Input>channel.xml</Input><Measurement Name="m"><POI>mu</POI></Measurement>'
    content = f"<Combination>{text}</Combination>".encode()
    if folder == FIXTURE:
        assert outcome(content) is not None
    else:
        (folder / "fuzz.xml").write_bytes(content)
        assert outcome(folder / "fuzz.xml") is not None


def outcome(source: bytes | Path) -> nf.Workspace | str:
    """Return the workspace, or the message that refuses it."""
    try:
        workspace = nf.Workspace.load(source)
    except nf.WorkspaceError as error:
        assert str(error).startswith(error.location)  # noqa: PT017
        return str(error)
    assert workspace.measurements
    return workspace


def check(folder: Path, name: str, count: int) -> None:
    """Damage one file of the folder, and read what the folder holds then, under limits."""
    path = folder / name
    content = path.read_bytes()

    def attempt(changed: bytes) -> bool:
        path.write_bytes(changed)
        return not isinstance(outcome(folder / "config" / "top.xml"), str)

    refused, read = outcomes(attempt, mutated(content, count, seed=len(name)))
    assert refused > 0
    assert read > 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("name", ["config/top.xml", "config/signal_region.xml"])
def test_damaged_xml_is_read_or_refused(folder: Path, name: str) -> None:
    check(folder, name, 170 * TIMES)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["data/more.root", "data/histograms.root"])
def test_damaged_histograms_are_read_or_refused(folder: Path, name: str) -> None:
    check(folder, name, 120 * TIMES)
