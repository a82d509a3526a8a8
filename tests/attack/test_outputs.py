"""Outputs: nothing is lost, nothing is left over, and nothing but files is renamed over."""

import errno
import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

import nablafit as nf
import root_writer as root
from nablafit._results import files
from nablafit.cli import main
from nablafit.errors import Interrupted

COMMAND = [sys.executable, "-m", "nablafit"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A workspace in a folder of its own."""
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(workspace()))
    return path


def workspace() -> dict[str, Any]:
    background = {"name": "background", "data": [50.0, 60.0]}
    background["modifiers"] = [{"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}]
    signal_sample = {"name": "signal", "data": [5.0, 9.0]}
    signal_sample["modifiers"] = [{"name": "mu", "type": "normfactor", "data": None}]
    return {
        "version": "1.0.0",
        "channels": [{"name": "region", "samples": [signal_sample, background]}],
        "observations": [{"name": "region", "data": [52.0, 71.0]}],
        "measurements": [{"name": "fit", "config": {"poi": "mu", "parameters": []}}],
    }


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Run a command in this process; return its exit code and stderr."""
    code = main([*map(str, arguments)])
    return code, capsys.readouterr().err


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- the writer


def test_links_are_followed_and_modes_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("target")
    files.write_text(link, "new")
    assert link.is_symlink()
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o640)
    dangling = tmp_path / "dangling"
    dangling.symlink_to("later")
    files.write_text(dangling, "new")
    assert dangling.is_symlink()
    assert (tmp_path / "later").read_text() == "new"
    assert names(tmp_path) == {"target", "link", "dangling", "later"}


def test_new_files_have_the_usual_mode_and_nobody_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").touch()
    monkeypatch.setattr(os, "umask", None)
    files.write_text(tmp_path / "new", "text")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_private_files_stay_private_while_they_are_written(tmp_path: Path) -> None:
    target = tmp_path / "private"
    target.touch(mode=0o600)

    def write(file: IO[bytes]) -> None:
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {0o600}
        file.write(b"secret")

    files.write_file(target, write)
    assert target.read_bytes() == b"secret"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_devices_and_pipes_are_written_through(tmp_path: Path) -> None:
    device = tmp_path / "null"
    device.symlink_to(os.devnull)
    before = Path(os.devnull).stat()
    files.write_text(device, "text")
    files.write_text(os.devnull, "text")
    assert device.is_symlink()
    assert os.path.samestat(before, Path(os.devnull).stat())
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    files.write_archive(pipe, "nablafit.Toys/1", {"x": np.arange(3.0)})
    reader.join(timeout=10)
    assert np.load(io.BytesIO(received[0]))["x"].tolist() == [0.0, 1.0, 2.0]
    assert stat.S_ISFIFO(pipe.stat().st_mode)

    read, write = os.pipe()
    files.write_text(f"/dev/fd/{write}", "through")
    os.close(write)
    with os.fdopen(read) as end:
        assert end.read() == "through"


@pytest.mark.process
def test_open_files_are_appended_to(source: Path, tmp_path: Path) -> None:
    """/dev/stdout may be a file that the shell has opened: renaming or truncating loses text."""
    log = tmp_path / "log"
    log.write_text("before\n")
    with log.open("ab") as file:
        arguments = ["fit", source, "--json", "-o", "/dev/stdout"]
        subprocess.run([*COMMAND, *arguments], stdout=file, check=True)
    assert log.read_text().startswith("before\n{")
    assert log.read_text().count('"nablafit.FitResult/1"') == 1
    assert names(tmp_path) == {"workspace.json", "log"}


def full(file: IO[bytes]) -> None:
    """Write as on a full disk."""
    file.write(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted(file: IO[bytes]) -> None:
    file.write(b"half")
    raise KeyboardInterrupt


@pytest.mark.parametrize("write", [full, interrupted])
def test_the_old_file_survives_a_failure(
    tmp_path: Path, write: Callable[[IO[bytes]], None]
) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises((OSError, KeyboardInterrupt)) as caught:
        files.write_file(target, write)
    assert getattr(caught.value, "filename", str(target)) == str(target)
    assert target.read_text() == "old"
    assert names(tmp_path) == {"result.json"}


FULL_DISK = """
import resource, signal, sys
from nablafit.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of resources")
@pytest.mark.parametrize(
    ("command", "output"),
    [
        (["fit"], "old.json"),
        (["toys", "--toys", "20"], "old.npz"),
        (["export"], "old.hpp"),
        (["convert"], "old_workspace.json"),
        (["plot"], "old.pdf"),
        (["yields", "--format", "csv"], "old.csv"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_full_disk_names_the_file_and_loses_nothing(
    source: Path, tmp_path: Path, command: list[str], output: str
) -> None:
    read: Path = source
    if command == ["plot"]:
        pytest.importorskip("matplotlib")
        read = tmp_path / "fit.json"
        model = nf.Workspace.load(source).model()
        nf.fit(model, nf.Workspace.load(source).data(model)).save(read)
    target = tmp_path / output
    target.write_text("old")
    before = names(tmp_path)
    where = [target] if command == ["convert"] else ["-o", target]
    environment = os.environ | {"MPLCONFIGDIR": str(tmp_path.parent)}
    environment.pop("COVERAGE_PROCESS_START", None)  # its file would be too large as well
    finished = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *command, read, *where, "--force"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert finished.returncode == 2, finished.stderr
    assert finished.stderr.splitlines()[-1] == f"nablafit: {target}: file too large"
    assert "Traceback" not in finished.stderr
    assert target.read_text() == "old"
    assert names(tmp_path) == before


# --- which files are replaced

OUTPUTS = {
    "fit": "fit.json",
    "limit": "limit.json",
    "intervals": "intervals.json",
    "ranking": "ranking.json",
    "yields": "yields.json",
    "export": "model.hpp",
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_commands_can_be_repeated_but_replace_nothing_else(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    output = tmp_path / OUTPUTS[command]
    output.touch()
    for _ in range(2):
        assert run(capsys, command, source, "-o", output)[0] == 0
    assert names(tmp_path) == {"workspace.json", output.name}
    output.write_text("my notes")
    code, message = run(capsys, command, source, "-o", output)
    assert code == 2
    assert message.startswith(f"nablafit: {output}: this file exists and is not a file of nablafit")
    assert output.read_text() == "my notes"
    assert run(capsys, command, source, "-o", output, "--force") == (0, "")
    assert output.read_text() != "my notes"


def test_results_of_other_commands_are_kept(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toys = tmp_path / "toys.npz"
    assert run(capsys, "toys", source, "--toys", "3", "-o", toys)[0] == 0
    before = toys.read_bytes()
    code, message = run(capsys, "fit", source, "-o", toys)
    assert code == 2
    assert "holds another output (FitManyResult)" in message
    assert toys.read_bytes() == before


@pytest.mark.parametrize("suffix", ["pdf", "png", "svg", "eps"])
def test_plots_are_recognised(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    pytest.importorskip("matplotlib")
    result, plot = tmp_path / "fit.json", tmp_path / f"pulls.{suffix}"
    assert run(capsys, "fit", source, "-o", result)[0] == 0
    assert run(capsys, "plot", result, "-o", plot) == (0, "")
    assert files.kind_of_file(plot) == "plot"
    assert run(capsys, "plot", result, "-o", plot) == (0, "")
    plot.write_text("%PDF-1.4 of somebody else")
    assert run(capsys, "plot", result, "-o", plot)[0] == 2


@pytest.mark.slow
def test_reports_are_recognised(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jinja2")
    page = tmp_path / "report.html"
    assert run(capsys, "report", source, "--no-ranking", "-o", page)[0] == 0
    assert files.kind_of_file(page) == "report"
    page.write_text("<!DOCTYPE html><html></html>")
    assert run(capsys, "report", source, "--no-ranking", "-o", page)[0] == 2


def test_workspaces_are_replaced_by_the_same_text_only(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "converted.json"
    for target in ("pyhf", "pyhf"):
        assert run(capsys, "convert", source, output, "--to", target) == (0, "")
    code, message = run(capsys, "convert", source, output, "--to", "hs3")
    assert code == 2
    assert "a file with another content exists" in message
    assert run(capsys, "convert", source, output, "--to", "hs3", "--force")[0] == 0


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard"])
@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("command", ["fit", "export", "report", "toys", "convert", "yields"])
def test_inputs_are_never_written_to(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    force: list[str],
    link: str,
) -> None:
    before = source.read_bytes()
    output = tmp_path / "other.json"
    if link == "itself":
        output = tmp_path / "." / ".." / tmp_path.name / source.name
    elif link == "symbolic":
        output.symlink_to(source)
    else:
        os.link(source, output)
    where = [output] if command == "convert" else ["-o", output]
    code, message = run(capsys, command, source, *where, *force)
    assert code == 2
    assert "this is a file that the command reads" in message
    assert source.read_bytes() == before


def test_patches_fits_and_further_outputs_are_inputs_too(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patch, fit = tmp_path / "patch.json", tmp_path / "fit.json"
    patch.write_text("[]")
    assert run(capsys, "fit", source, "-o", fit)[0] == 0
    for arguments in (
        ["fit", source, "--patch", patch, "-o", patch],
        ["pulls", source, "--fit", fit, "-o", fit],
        ["plot", fit, "-o", fit],
    ):
        code, message = run(capsys, *arguments, "--force")
        assert (code, "that the command reads" in message) == (2, True), arguments
    twice = ["plot", fit, "-o", tmp_path / "a.pdf", "-o", tmp_path / "a.pdf"]
    code, message = run(capsys, *twice)
    assert (code, "given twice" in message) == (2, True)


@pytest.mark.parametrize("loaded", ["top.xml", ""], ids=["file", "folder"])
@pytest.mark.parametrize("target", ["top.xml", "channel.xml", "data.root", "link"])
def test_files_that_an_input_names_are_inputs_too(
    histfactory: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    loaded: str,
    target: str,
) -> None:
    content = root.write(h=root.histogram(np.array([10.0, 20.0, 30.0])))
    folder = histfactory(content).parent
    (folder / "link").symlink_to("data.root")
    for command in (["fit", "-o"], ["toys", "--toys", "3", "-o"], ["export", "-o"], ["convert"]):
        name, *rest = command
        code, message = run(capsys, name, folder / loaded, *rest, folder / target, "--force")
        assert (code, "that the command reads" in message) == (2, True), message
    assert (folder / "data.root").read_bytes() == content
    assert names(folder) == {"top.xml", "channel.xml", "data.root", "link"}


def test_results_are_not_written_to_a_file_called_minus(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["fit"], ["toys", "--toys", "3"], ["report"], ["yields", "--format", "csv"]):
        code, message = run(capsys, *command, source, "-o", "-")
        assert (code, "'-' is not the name of a file" in message) == (2, True), message
    assert names(tmp_path) == {"workspace.json"}


@pytest.mark.parametrize("layout", ["csv", "latex"])
def test_yields_writes_the_table_it_prints(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    output = tmp_path / "table"
    for _ in range(2):
        assert main(["yields", str(source), "--format", layout, "-o", str(output)]) == 0
        assert output.read_text().endswith(capsys.readouterr().out)
    assert files.kind_of_file(output) == "table"


def test_a_missing_folder_is_said_before_the_work(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nablafit.cli.run_fit", None)
    output = tmp_path / "missing" / "fit.json"
    code, message = run(capsys, "fit", source, "-o", output)
    assert (code, message) == (2, f"nablafit: {output}: no such file or directory\n")
    code, message = run(capsys, "fit", source, "-o", tmp_path)
    assert (code, message) == (2, f"nablafit: {tmp_path}: is a directory, expected a file\n")


def test_a_file_that_is_protected_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For root, everything may be written."""
    target = tmp_path / "result.json"
    target.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError) as caught:
        files.write_text(target, "new")
    assert caught.value.filename == str(target)
    with pytest.raises(PermissionError), files.reserved(target):
        pass
    assert (target.read_text(), names(tmp_path)) == ("old", {"result.json"})


def test_a_protected_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written beside the old one, so it is not enough that the file may be written."""
    target = tmp_path / "result.json"
    target.touch()

    def refuse(path: Path, *_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", refuse)
    words = r"its folder must be writable.*result\.json'"
    with pytest.raises(PermissionError, match=words), files.reserved(target):
        pass


# --- several writers, and interruptions


def test_a_second_writer_is_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "toys.npz"
    with files.reserved(output):
        code, message = run(capsys, "toys", source, "--toys", "3", "-o", output)
    assert code == 2
    assert f"{output}: another process of nablafit is writing this file" in message
    assert names(tmp_path) == {"workspace.json"}
    assert run(capsys, "toys", source, "--toys", "3", "-o", output)[0] == 0


def test_what_a_killed_process_left_does_no_harm(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "fit.json"
    with files.reserved(output):
        (lock,) = names(tmp_path) - {"workspace.json"}
    (tmp_path / lock).touch(mode=0o400)
    (tmp_path / ".fit.json.0123456789ab.part").write_text("half")
    assert run(capsys, "fit", source, "-o", output) == (0, "")
    assert names(tmp_path) == {"workspace.json", "fit.json", ".fit.json.0123456789ab.part"}


def test_toys_of_another_seed_are_not_continued(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "toys.npz"
    toys = ["toys", source, "--toys", "4", "-o", output]
    assert run(capsys, *toys, "--seed", "1")[0] == 0
    before = output.read_bytes()
    code, message = run(capsys, *toys, "--seed", "2")
    assert code == 2
    assert "toys of another run" in message
    assert output.read_bytes() == before
    assert run(capsys, *toys, "--seed", "2", "--force")[0] == 0
    assert output.read_bytes() != before


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")]
)
def test_signals_keep_the_toys_that_were_done(
    source: Path, tmp_path: Path, number: signal.Signals, words: str
) -> None:
    output = tmp_path / "toys.npz"
    arguments = ["toys", source, "--toys", "100000000", "--threads", "1", "-o", output]
    process = subprocess.Popen(
        [*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: len(names(tmp_path)) > 1)  # it has reserved its output
    time.sleep(1.0)
    process.send_signal(number)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert message.strip() == f"nablafit: {words}"
    assert names(tmp_path) == {"workspace.json", "toys.npz"}
    assert len(nf.FitManyResult.load(output)) > 0


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("where", ["standard output", "/dev/full"])
def test_a_full_terminal_is_named(source: Path, where: str) -> None:
    arguments = ["fit", source, *(["-o", where] if where == "/dev/full" else [])]
    with Path("/dev/full").open("wb") as full_file:
        finished = subprocess.run(
            [*COMMAND, *arguments],
            stdout=full_file if where == "standard output" else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert finished.returncode == 2
    assert finished.stderr == f"nablafit: {where}: no space left on device\n"


def test_a_grid_that_is_interrupted_leaves_its_table(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patches, table = tmp_path / "patches.json", tmp_path / "table.csv"
    patches.write_text("[]")
    workspace = nf.Workspace.load(source)
    done = nf.limit_grid(workspace, nf.PatchSet.load(patches))

    def interrupt(*_: object, **__: object) -> None:
        raise Interrupted("interrupted", done)

    monkeypatch.setattr("nablafit._cli.limits.limit_grid", interrupt)
    code, _ = run(capsys, "limit", source, "--patchset", patches, "--csv", table)
    assert code == 130
    assert table.read_text() == done.to_csv()
    assert files.kind_of_file(table) == "table"


@pytest.mark.process
@pytest.mark.parametrize("arguments", [["--help"], ["inspect"], ["fit"], ["fit", "--json"]])
def test_a_closed_pipe_is_the_end_without_words(source: Path, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    rest = [] if arguments == ["--help"] else [source]
    with os.fdopen(write, "wb") as closed:
        finished = subprocess.run(
            [*COMMAND, *arguments, *rest], stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert (finished.returncode, finished.stderr) == (0, b"")
