"""Small inputs that would take long, or much memory: refused within a second or two.

Each bomb is read in a process of its own, which has 5 s of processor time and 1 GB of memory.
"""

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import nablafit as nf
import root_writer as root
from nablafit._budget import LIMITS, SCALE, SECONDS, XML_BYTES, XML_NODES, Budget
from nablafit.io.patchset import PatchSet, apply_operations
from nablafit.io.rootfile.file import RootFile
from nablafit.io.rootfile.histograms import Histograms

Write = Callable[..., Path]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are those of Linux")
LIMITED = """
import sys
import resource
import nablafit as nf
from nablafit.io import rooworkspace

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 1_000_000_000,) * 2)
seconds = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 6
resource.setrlimit(resource.RLIMIT_CPU, (seconds,) * 2)
try:
    nf.Workspace.load(sys.argv[1])
except nf.Error as error:
    print(error)
else:
    print("read")
"""


def limited(path: Path, **environment: str) -> str:
    """Load a file under limits; return what it is refused with, or "read"."""
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-1000:]
    return finished.stdout


pytestmark = pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")


def doubling(levels: int, class_name: str = "TH1D") -> bytes:
    """Directories of which each has two names for the one below."""
    file = root.RootFile()
    keys = [file.object("deep", class_name, root.histogram(np.ones(2))[1])]
    for _ in range(levels):
        below = file.directory("a", keys)
        keys = [below, below.replace(b"\1a\0", b"\1b\0")]
    return file.finish(keys)


@pytest.mark.process
@LINUX
def test_directories_that_double(histfactory: Write, tmp_path: Path) -> None:
    top = histfactory(doubling(40), path="missing")
    assert "no such object; found a, a/a, a/a/a" in limited(top)
    assert "no RooWorkspace in this ROOT file" in limited(tmp_path / "data.root")


def test_directories_within_themselves() -> None:
    """A key whose object is the directory that lists it."""
    content = bytearray(doubling(2))
    with RootFile(bytes(content), "file", Budget("file")) as file:
        top, inner = (next(file.entries(key)) for key in (None, next(file.entries())))
    content = content.replace(struct.pack(">i", inner.position), struct.pack(">i", top.position))
    with RootFile(bytes(content), "file", Budget("file")) as file:
        assert len(file.names(20)) == 20
        assert file.find("a/" * 1000 + "h") is None


@pytest.mark.process
@LINUX
def test_samples_that_share_a_large_histogram(histfactory: Write) -> None:
    file = root.RootFile()
    kind, body = root.histogram(np.ones(900_000))
    content = file.finish([file.object("h", kind, body, compress=True)])
    assert len(content) < 50_000
    message = limited(histfactory(content, n_samples=200, stat=False))
    assert "bins and entries of data, counted at each use, and 20000000 are allowed" in message
    assert f"set {SCALE}=10 in the environment" in message
    message = limited(histfactory(content, n_samples=200))
    assert "bins with a parameter of their own, and 300000 are allowed" in message


@pytest.mark.process
@LINUX
def test_one_channel_file_many_times(histfactory: Write) -> None:
    content = root.write(h=root.histogram(np.ones(2)))
    top = histfactory(content, inputs=("channel.xml",) * 2000, n_samples=300)
    assert "the name 'c' occurs more than once" in limited(top)


@pytest.mark.process
@LINUX
def test_one_channel_in_many_measurements(histfactory: Write) -> None:
    top = histfactory(root.write(h=root.histogram(np.ones(2))), n_samples=300)
    text = top.read_text()
    start, end = text.index("<Measurement"), text.index("</Combination>")
    many = [text[start:end].replace('Name="m"', f'Name="m{i}"') for i in range(2000)]
    top.write_text(text[:start] + "".join(many) + text[end:])
    assert "samples and modifiers, counted for each measurement" in limited(top)


@pytest.mark.process
@LINUX
def test_workspaces_of_large_size(tmp_path: Path) -> None:
    """One that fits into the budget, and is nonsense; then several keys of the same one."""
    file = root.RootFile()
    key = file.object("w", "RooWorkspace", b"\x40\0\0\2\0\1" * 20_000_000, compress=True)
    infos = root.descriptions(root.description("A", 1, []))
    path = tmp_path / "bomb.root"
    for n_keys, message in ((1, "damaged"), (3, "bytes of ROOT objects after decompression")):
        keys = [key.replace(b"\1w\0", bytes([1, ord("a") + i, 0])) for i in range(n_keys)]
        path.write_bytes(file.finish(keys, infos))
        assert path.stat().st_size < 1_000_000
        assert message in limited(path)


@pytest.mark.process
@LINUX
@pytest.mark.parametrize("is_member_wise", [False, True])
def test_collections_of_many_objects(tmp_path: Path, is_member_wise: bool) -> None:
    count = 3_000_000
    number = struct.pack(">i", count)
    vector = (
        root.counted(0x4001, struct.pack(">h", 1), number, bytes(4 * count))
        if is_member_wise
        else root.counted(1, number, b"\0\1" * count)
    )
    infos = root.descriptions(
        root.description("RooWorkspace", 1, [("TStreamerSTL", "_allOwnedNodes", 500, "vector<A>")]),
        root.description("A", 1, [(root.NUMBER, "x", 3, "int")] if is_member_wise else []),
    )
    file = root.RootFile()
    key = file.object("w", "RooWorkspace", root.counted(1, vector), compress=True)
    path = tmp_path / "bomb.root"
    path.write_bytes(file.finish([key], infos))
    assert path.stat().st_size < 100_000
    assert "objects in ROOT files, and 4000000 are allowed" in limited(path)


def test_blocks_larger_than_they_state() -> None:
    """16 MiB of zeros in a block that claims a few bytes are never unpacked."""
    file = root.RootFile()
    stored = bytearray(root.blocks(bytes((1 << 24) - 1)))
    stored[6:9] = (500).to_bytes(3, "little")
    content = file.finish([file.key("h", "TH1D", 500, bytes(stored))])
    with pytest.raises(nf.WorkspaceError, match="does not end after the size that it states"):
        read(content)


def read(content: bytes) -> None:
    with RootFile(content, "file", Budget("file")) as file:
        Histograms(file).read("h")


def test_histograms_that_claim_many_bins() -> None:
    kind, body = root.histogram(np.ones(2))
    n_bins = struct.pack(">idd", 2, 0.0, 2.0)
    assert body.count(n_bins) == 1
    for n in (-1, 0, 1 << 30):
        changed = body.replace(n_bins, struct.pack(">idd", n, 0.0, 2.0))
        with pytest.raises(nf.WorkspaceError, match=f"found {n} bins, expected 1 to 1000000"):
            read(root.write(h=(kind, changed)))


@pytest.mark.parametrize(
    "text", ["<a/>" * 10, "<a " + " ".join(f'b{i}=""' for i in range(10)) + "/>"]
)
def test_xml_of_many_elements(
    histfactory: Write, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    top = histfactory(b"", inputs=())
    top.write_text(f"<Combination>{text}</Combination>")
    monkeypatch.setitem(LIMITS, XML_NODES, 10)
    with pytest.raises(nf.WorkspaceError, match="XML elements and attributes, and 10 are allowed"):
        nf.Workspace.load(top)


def test_xml_of_many_bytes(histfactory: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on all files together."""
    top = histfactory(root.write(h=root.histogram(np.ones(2))))
    size = top.stat().st_size + (top.parent / "channel.xml").stat().st_size
    monkeypatch.setitem(LIMITS, XML_BYTES, size - 1)
    with pytest.raises(nf.WorkspaceError, match=f"at least {size} bytes of XML, and {size - 1}"):
        nf.Workspace.load(top)
    monkeypatch.setenv(SCALE, "1.5")
    assert nf.Workspace.load(top).measurements


def test_time_is_limited(histfactory: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    top = histfactory(root.write(h=root.histogram(np.ones(2))))
    monkeypatch.setitem(LIMITS, SECONDS, 0)
    with pytest.raises(nf.WorkspaceError, match="more than 0 seconds, and 0 are allowed"):
        nf.Workspace.load(top)


def test_the_option_is_checked(histfactory: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    top = histfactory(root.write(h=root.histogram(np.ones(2))))
    for text in ("many", "0", "-1", "nan", "inf"):
        monkeypatch.setenv(SCALE, text)
        with pytest.raises(nf.ArgumentError, match=f"{SCALE}: found '{text}', expected a positive"):
            nf.Workspace.load(top)


# --- patches --------------------------------------------------------------------------------------


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [101, 900, 100_000])
def test_patches_nested_deep(depth: int) -> None:
    text = '[{"op": "add", "path": "/x", "value": ' + "[" * depth + "]" * depth + "}]"
    with pytest.raises(nf.WorkspaceError, match="nested at most 100 deep"):
        PatchSet.load(text.encode())
    operations = [{"op": "add", "path": "/x", "value": nested(depth)}]
    with pytest.raises(nf.WorkspaceError, match=r"operation 0: .*nested at most 100 deep"):
        apply_operations({}, operations)


def test_patches_that_nest_step_by_step() -> None:
    adds = [{"op": "add", "path": "/x" * n, "value": {}} for n in range(1, 200)]
    with pytest.raises(nf.WorkspaceError, match=r"operation 99: .*nested at most 100 deep"):
        apply_operations({}, adds)
    deeper = {"op": "copy", "from": "/x", "path": "/x" * 60}
    with pytest.raises(nf.WorkspaceError, match=r"operation 60: .*nested at most 100 deep"):
        apply_operations({}, [*adds[:60], deeper])


def test_documents_nested_deep() -> None:
    document = {"x": nested(50_000)}
    with pytest.raises(nf.WorkspaceError, match="representable"):
        nf.Workspace.load(document)
    patches = PatchSet.load(
        {
            "metadata": {"digests": {"md5": "0"}},
            "patches": [{"metadata": {"name": "p"}, "patch": []}],
        }
    )
    with pytest.raises(nf.WorkspaceError, match="nested at most 100 deep"):
        patches.apply(document, "p")


# --- special files --------------------------------------------------------------------------------


@pytest.fixture
def alarm() -> Iterator[None]:
    """Interrupt what waits for more than 5 s."""

    def stop(*_: object) -> None:
        raise TimeoutError("a special file is read")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@LINUX
@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize(
    "special", ["/proc/kmsg", "/dev/zero", "/dev/tty", "fifo", "/proc/self/mem"]
)
@pytest.mark.parametrize("role", ["input", "histograms", "link"])
def test_special_files_are_not_read(histfactory: Write, special: str, role: str) -> None:
    path = histfactory(root.write(h=root.histogram(np.ones(2))))
    if special == "fifo":
        special = str(path.parent / "fifo")
        os.mkfifo(special)
    if role == "input":
        histfactory(b"", inputs=(special,))
    elif role == "histograms":
        histfactory(b"", file=special)
    else:
        path.with_name("channel.xml").unlink()
        path.with_name("channel.xml").symlink_to(special)
        path = path.parent  # whose XML files are looked into
    with pytest.raises(nf.WorkspaceError, match=r"found no file|empty or special file"):
        nf.Workspace.load(path)


def test_files_that_are_honest_are_read(histfactory: Write, tmp_path: Path) -> None:
    top = histfactory(root.write(h=root.histogram(np.ones(2))))
    assert nf.Workspace.load(tmp_path).measurements
    (tmp_path / "channel.xml").rename(tmp_path / "elsewhere.xml")
    (tmp_path / "channel.xml").symlink_to("elsewhere.xml")
    assert nf.Workspace.load(top).measurements
    assert json.dumps(list(nf.Workspace.load(top).measurements)) == '["m"]'
