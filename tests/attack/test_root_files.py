"""ROOT files from anyone: nothing in them is executed, and none changes what another one means."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import nablafit as nf
import root_writer as root
from locations import REPOSITORY, SHARED_DATA
from nablafit._budget import Budget
from nablafit.io.rootfile.file import Key, RootFile
from nablafit.io.rootfile.histograms import Histogram, Histograms

Write = Callable[..., Path]
COUNTS = np.array([10.0, 20.0, 30.0])
SQUARES = np.array([4.0, 9.0, 16.0])
CONTOUR = np.array([0.0, 1.0, 1.0, 1.0, 0.0])


def described(elements: list[root.Element], version: int = 7) -> bytes:
    """Descriptions of a file with histograms whose base has these members."""
    return root.descriptions(
        root.description("TH1", version, elements),
        root.description("TH1D", 3, root.members("TH1 TArrayD")),
        root.description("TAxis", 10, root.members(root.AXIS)),
    )


def read(content: bytes, path: str = "h") -> Histogram:
    with RootFile(content, "file", Budget("file")) as file:
        return Histograms(file).read(path)


def first_counts(path: Path) -> list[float]:
    workspace = nf.Workspace.load(path)
    return workspace.data(workspace.model()).counts.tolist()


executed: list[list[str]] = []


def note(event: str, arguments: tuple[object, ...]) -> None:
    if executed and event in ("exec", "compile", "import", "subprocess.Popen", "os.system"):
        executed[-1].append(f"{event} {arguments[0]!r}")


sys.addaudithook(note)


@contextmanager
def nothing_executed() -> Iterator[None]:
    """See that the interpreter compiles, executes and imports nothing."""
    executed.append([])
    try:
        yield
        assert executed[-1] == []
    finally:
        executed.pop()


# uproot puts the name of a type between quotes into the source of a class.
PAYLOAD = """x')
    open({flag!r}, 'w').close()
    def g(cls, members, original):
        y = ('"""


def with_payload(flag: Path) -> list[root.Element]:
    payload = PAYLOAD.format(flag=str(flag))
    return [
        (*element[:3], payload) if element[1] == "fBuffer" else element
        for element in root.members(root.TH1)
    ]


@pytest.mark.parametrize("path", ["", "evil"])
def test_nothing_of_a_file_is_executed(histfactory: Write, tmp_path: Path, path: str) -> None:
    """The second path goes through an object that is not a directory."""
    flag = tmp_path / "executed"
    infos = described(with_payload(flag))
    counts = root.histogram(COUNTS, SQUARES, version=7)
    top = histfactory(root.write(infos, h=counts, evil=counts), path=path)
    nf.Workspace.load(REPOSITORY / "tests" / "data" / "histfactory_xml" / "config" / "top.xml")
    with nothing_executed():
        if path:
            with pytest.raises(nf.WorkspaceError, match="no such object; found h, evil"):
                nf.Workspace.load(top)
        else:
            assert first_counts(top) == COUNTS.tolist()
    assert not flag.exists()


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the shared inputs are missing")
def test_nothing_of_published_files_is_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    uproot = pytest.importorskip("uproot")

    def refuse(*_: object) -> None:
        raise AssertionError("uproot makes a class")

    monkeypatch.setattr(uproot.deserialization, "compile_class", refuse)
    monkeypatch.setattr(uproot.streamers.Model_TStreamerInfo, "new_class", refuse)
    paths = sorted(SHARED_DATA.rglob("*.root"))
    nf.Workspace.load(SHARED_DATA / "rooworkspace" / "small.root")
    n_workspaces = n_histograms = 0
    with nothing_executed():
        for path in paths:
            n_histograms += len(all_histograms(path))
            try:
                nf.Workspace.load(path)
                n_workspaces += 1
            except nf.Error:
                pass
    assert n_workspaces > 10
    assert n_histograms > 300


def all_histograms(path: Path) -> list[Histogram]:
    with RootFile(path, path.name, Budget(path.name)) as file:
        histograms = Histograms(file)
        found = [outcome(histograms, name) for name in file.names(100)]
    return [histogram for histogram in found if histogram is not None]


def outcome(histograms: Histograms, name: str) -> Histogram | None:
    try:
        return histograms.read(name)
    except nf.WorkspaceError as error:
        if "expected TH1" not in str(error) and "not all finite" not in str(error):
            raise
    return None


# --- what one file says is not used for another ---------------------------------------------------


def swapped() -> bytes:
    """A file that says, and does, that fSumw2 comes before fContour."""
    elements = root.members(root.TH1)
    names = [name for _, name, *_ in elements]
    i = names.index("fContour")
    elements[i], elements[i + 1] = elements[i + 1], elements[i]
    stored = root.histogram(COUNTS, SQUARES, version=7, contour=CONTOUR, swap=True)
    return root.write(described(elements), h=stored)


def honest() -> bytes:
    stored = root.histogram(COUNTS, SQUARES, version=7, contour=CONTOUR)
    return root.write(described(root.members(root.TH1)), h=stored)


@pytest.mark.parametrize("order", [(swapped, honest), (honest, swapped), (swapped, swapped)])
def test_files_do_not_change_the_meaning_of_others(
    histfactory: Write, order: tuple[Callable[[], bytes], ...]
) -> None:
    for content in order:
        workspace = nf.Workspace.load(histfactory(content()))
        sample = workspace.model().spec.channels[0].samples[0]
        assert list(sample.uncertainties) == [2.0, 3.0, 4.0]


def test_a_file_cannot_redefine_the_histograms_of_today() -> None:
    elements = list(reversed(root.members(root.TH1)))
    content = root.write(described(elements, version=8), h=root.histogram(COUNTS, SQUARES))
    assert read(content).errors.tolist() == [2.0, 3.0, 4.0]


# --- histograms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", "CSILFD")
@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_histograms_are_those_written(kind: str, n_axes: int, is_weighted: bool) -> None:
    shape = (3, 2, 4)[:n_axes]
    contents = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    squares = contents + 0.5 if is_weighted else None
    bounds = [(0.0, 1.0, 3.0, 9.0)]
    stored = root.histogram(contents, squares, kind=kind, edges=bounds)
    version = 3 if n_axes == 1 else 4
    members = root.members(f"TH{n_axes} TArrayL64")
    infos = root.descriptions(root.description(f"TH{n_axes}L", version, members))
    found = read(root.write(infos, h=stored))
    assert found.values.tolist() == contents.tolist()
    expected = np.sqrt(contents if squares is None else squares)
    assert found.errors.tolist() == expected.tolist()
    assert found.edges[0].tolist() == [0.0, 1.0, 3.0, 9.0]
    assert [edges.tolist() for edges in found.edges[1:]] == [
        [float(i) for i in range(n + 1)] for n in shape[1:]
    ]


def test_histograms_of_uproot_are_read(tmp_path: Path) -> None:
    uproot = pytest.importorskip("uproot")
    contents = np.tile([5.0, 6.0, 7.0, 8.0], 500)
    for compression in (uproot.ZLIB(1), uproot.LZMA(1), uproot.LZ4(1), uproot.ZSTD(1)):
        path = tmp_path / f"{compression.name}.root"
        with uproot.recreate(path, compression=compression) as file:
            file["folder/h"] = contents, np.linspace(0.0, 1.0, 2001)
        assert read(path.read_bytes(), "folder/h").values.tolist() == contents.tolist()


def test_cycles_are_told_apart() -> None:
    file = root.RootFile()
    old = file.object("h", *root.histogram(COUNTS))
    new = file.object("h", *root.histogram(2 * COUNTS))
    position = 26 - 10  # of the cycle in a key
    new = new[:position] + b"\0\2" + new[position + 2 :]
    content = file.finish([old, new])
    assert read(content).values.tolist() == (2 * COUNTS).tolist()
    assert read(content, "h;1").values.tolist() == COUNTS.tolist()
    with pytest.raises(nf.WorkspaceError, match="no such object"):
        read(content, "h;3")


def test_entries_that_are_in_no_bin_yet_are_not_lost() -> None:
    """ROOT fills them in when it reads; the number is negative where they are in bins, too."""
    full, filled, odd = [2.0, 1.0, 0.5, 1.0, 0.7], [-1.0, 1.0, 0.5], [np.inf]
    for buffer, words in ((full, "2 entries are in its buffer"), (odd, "inf entries")):
        with pytest.raises(nf.WorkspaceError, match=words):
            read(root.write(h=root.histogram(COUNTS, buffer=buffer)))
    for buffer in (filled, [0.0] * 5):
        found = read(root.write(h=root.histogram(COUNTS, buffer=buffer)))
        assert found.values.tolist() == COUNTS.tolist()


def test_a_file_that_was_not_closed_is_not_just_empty() -> None:
    with pytest.raises(nf.WorkspaceError, match="found nothing; perhaps the file was not closed"):
        read(root.RootFile().finish([]))


def test_profiles_and_unknown_versions_are_refused() -> None:
    _, body = root.histogram(COUNTS)
    with pytest.raises(nf.WorkspaceError, match="found a TProfile, expected TH1, TH2 or TH3"):
        read(root.write(h=("TProfile", body)))
    with pytest.raises(nf.WorkspaceError, match=r"file: h: the histogram cannot be read.*fXaxis"):
        read(root.write(h=root.histogram(COUNTS, version=7)))


def test_blocks_that_state_a_wrong_size_are_refused() -> None:
    kind, body = root.histogram(COUNTS)
    for claimed in (len(body) - 1, len(body) + 1):
        file = root.RootFile()
        stored = bytearray(root.blocks(body))
        stored[6:9] = claimed.to_bytes(3, "little")
        content = file.finish([file.key("h", kind, claimed, bytes(stored))])
        with pytest.raises(nf.WorkspaceError, match=r"damaged or not complete: a .*block"):
            read(content)


def test_keys_outside_of_the_file_are_refused() -> None:
    content = root.write(h=root.histogram(COUNTS))
    with RootFile(content, "file", Budget("file")) as file:
        for position in (-100, len(content), 1 << 40):
            key = Key("h", "TH1D", 1, position, 40, 700, 700)
            with pytest.raises(nf.WorkspaceError, match="the file has"):
                file.payload(key)
