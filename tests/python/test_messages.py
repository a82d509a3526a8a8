"""What is wrong with an input is said: where, what was found, what was expected; no traceback."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import nablafit as nf
from nablafit.cli import _cli, main

Capture = pytest.CaptureFixture[str]

OUTPUT = {
    "export": ["-o", "{folder}/x.hpp"],
    "toys": ["-o", "{folder}/t.npz", "--toys", "2"],
    "report": ["-o", "{folder}/r.html", "--no-ranking"],
    "plot": ["-o", "{folder}/p.png"],
}
WRITERS = ("convert", "combine", "prune", "rename")
COMMANDS = sorted(_cli.commands)
OF_A_WORKSPACE = [name for name in COMMANDS if name not in ("show", "plot")]
WRONG_FILES: dict[str, bytes] = {
    "empty": b"",
    "truncated": b'{"channels": [{"name": "SR", "samples": [{"na',
    "junk": bytes(range(256)) * 4,
    "zeros": bytes(64),
    "list": b"[]",
    "number": b"3",
    "root": b"root" + bytes(range(256)) * 4,
    "xml": b"<Combination>",
    "utf16": '{"channels": []}'.encode("utf-16"),
    "card": b"# a card\nimax 1\njmax 1\nkmax *\n",
    "result": b'{"format": "nablafit.FitResult/1"}',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose k is held, its fit, and files that are none."""
    held = {"name": "k", "type": "normfactor", "data": None}
    signal = {"name": "mu", "type": "normfactor", "data": None}
    background = {"name": "unc", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    samples = [
        {"name": "sig", "data": [5.0, 7.0], "modifiers": [signal]},
        {"name": "bkg", "data": [50.0, 40.0], "modifiers": [background, held]},
    ]
    config = {"poi": "mu", "parameters": [{"name": "k", "fixed": True}]}
    document = {
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": [52.0, 44.0]}],
        "measurements": [{"name": "m", "config": config}],
        "version": "1.0.0",
    }
    path: Path = tmp_path_factory.mktemp("messages")
    (path / "w.json").write_text(json.dumps(document))
    for name, content in WRONG_FILES.items():
        (path / name).write_bytes(content)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> nf.Model:
    return nf.Workspace.load(folder / "w.json").model()


@pytest.fixture(scope="module")
def data(folder: Path, model: nf.Model) -> nf.Data:
    return nf.Workspace.load(folder / "w.json").data(model)


def refused(arguments: Sequence[object], capture: Capture) -> str:
    """Run a command that must fail with a message; return it. An exception fails the test."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capture.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(("nablafit: ", "Usage: "))
    return captured.err


def arguments_of(command: str, workspace: object, folder: Path) -> list[object]:
    written = [folder / "out.json"] if command in WRITERS else []
    pair = ["mu", "unc"] if command == "contour" else []
    options = [text.format(folder=folder) for text in OUTPUT.get(command, ())]
    return [command, workspace, *written, *pair, *options]


# --- the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", [*WRONG_FILES, "missing", "", "."])
def test_file_that_is_none(command: str, name: str, folder: Path, capsys: Capture) -> None:
    if name == "result" and command in ("show", "plot"):
        pytest.skip("that is what they take")
    path = folder / name if name not in ("", ".") else name and folder
    message = refused(arguments_of(command, path, folder), capsys)
    assert "Traceback" not in message
    assert "object at 0x" not in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "the text is empty"),
        ("truncated", "truncated or incomplete"),
        ("utf16", "this is text in UTF-16"),
        ("card", "this is a datacard of Combine; what can be read are pyhf JSON"),
        ("result", "this is a saved result of nablafit, which `nablafit show` prints"),
        ("missing", "no such file or directory"),
        ("", "expected a path, got an empty string"),
    ],
)
def test_message_of_a_wrong_file(name: str, message: str, folder: Path, capsys: Capture) -> None:
    assert message in refused(["fit", folder / name if name else ""], capsys)


@pytest.mark.parametrize("command", OF_A_WORKSPACE)
def test_parameters_that_are_too_many(command: str, folder: Path, capsys: Capture) -> None:
    names = ["mu", "unc", "mu", "unc"] if command != "intervals" else ["mu", "mu"]
    complete = arguments_of(command, folder / "w.json", folder)
    if command == "combine":
        names = ["missing.json"]
    message = refused([*complete[:2], *names, *complete[2:]], capsys)
    assert any(
        word in message for word in ("unexpected", "expected one or two", "twice", "no such")
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_no_arguments(command: str, capsys: Capture) -> None:
    assert "Missing argument" in refused([command], capsys)


def _numbers() -> list[tuple[str, str]]:
    """Return command and name of every option that takes a whole number within limits."""
    return [
        (name, parameter.opts[0])
        for name in COMMANDS
        for parameter in _cli.commands[name].params
        if isinstance(parameter, click.Option)
        and isinstance(parameter.type, click.IntRange)
        and parameter.type.max is not None
    ]


def test_whole_numbers_have_ranges() -> None:
    """A count that may be anything would be refused late, or blamed on the fits."""
    for name in COMMANDS:
        for parameter in _cli.commands[name].params:
            assert parameter.type is not click.INT, (name, parameter.name)
    assert len(_numbers()) > 20


@pytest.mark.parametrize(("command", "option"), _numbers())
@pytest.mark.parametrize("value", ["-1", "x", str(10**30)])
def test_whole_number_out_of_range(
    command: str, option: str, value: str, folder: Path, capsys: Capture
) -> None:
    complete = arguments_of(command, folder / "w.json", folder)
    assert f"'{option}'" in refused([*complete, option, value], capsys)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        *((name, "--toys") for name in ("limit", "hypotest", "significance")),
        *(("feldman-cousins", option) for option in ("--toys", "--threads")),
        *(
            ("scan", "--points"),
            ("toys", "--toys"),
            ("gof", "--threads"),
            ("breakdown", "--threads"),
        ),
    ],
)
def test_count_of_zero(command: str, option: str, folder: Path, capsys: Capture) -> None:
    complete = arguments_of(command, folder / "w.json", folder)
    assert f"'{option}': 0 is not in the range" in refused([*complete, option, "0"], capsys)


@pytest.mark.parametrize(
    "command",
    [name for name in COMMANDS if any(p.name == "fix" for p in _cli.commands[name].params)],
)
@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--fix", "nope"], "nope"),
        (["--release", "nope"], "nope"),
        (["--fix", "unc=x"], "--fix unc: expected a number after '=', got 'x'"),
        (["--fix", "unc", "--release", "unc"], "unc: both fixed and released"),
    ],
)
def test_fixed_and_released(
    command: str, option: list[str], message: str, folder: Path, capsys: Capture
) -> None:
    complete = arguments_of(command, folder / "w.json", folder)
    assert message in refused([*complete, *option], capsys)


def test_release(folder: Path, capsys: Capture) -> None:
    path = str(folder / "w.json")
    remedy = "k: is fixed, so it has no profile; release it: --release k"
    assert remedy in refused(["scan", path, "k"], capsys)
    assert main(["scan", path, "k", "--release", "k", "--points", "3"]) == 0
    assert main(["fit", path, "--release", "k", "--json"]) == 0
    printed = capsys.readouterr().out
    assert not nf.FitResult.from_json(printed[printed.index("{") :])["k"].fixed


# --- the Python interface ------------------------------------------------------------------------

Call = Callable[[nf.Model, Any], object]
WITH_DATA: dict[str, Call] = {
    "fit": nf.fit,
    "Likelihood": nf.Likelihood,
    "upper_limit": nf.upper_limit,
    "hypotest": nf.hypotest,
    "significance": nf.significance,
    "scan": nf.scan,
    "intervals": nf.intervals,
    "contour": lambda model, data: nf.contour(model, data, ("mu", "unc")),
    "feldman_cousins": lambda model, data: nf.feldman_cousins(model, data, values=[0, 1], n_toys=2),
    "ranking": nf.ranking,
    "breakdown": nf.breakdown,
    "goodness_of_fit": nf.goodness_of_fit,
    "yields": lambda model, data: nf.yields(model, data=data),
}


@pytest.mark.parametrize("name", WITH_DATA)
@pytest.mark.parametrize("wrong", [[52.0, 44.0], 3, "x", {"SR": [1.0]}, np.ones(3)])
def test_data_of_another_type(name: str, wrong: object, model: nf.Model) -> None:
    with pytest.raises(nf.ArgumentError, match=r"^data: expected Data, got .+; .*model.*"):
        WITH_DATA[name](model, wrong)


@pytest.mark.parametrize("name", WITH_DATA)
@pytest.mark.parametrize(
    ("counts", "observables", "message"),
    [
        ([1.0, 2.0, 3.0], [0.0], r"data\.counts: found 3 numbers, expected 2, one per bin"),
        ([1.0, 2.0], [], r"data\.global_observables: found 0 numbers, expected 1, one per constr"),
    ],
)
def test_data_of_another_length(
    name: str, counts: list[float], observables: list[float], message: str, model: nf.Model
) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        WITH_DATA[name](model, nf.Data(counts, observables))


def test_observations_of_another_type(model: nf.Model) -> None:
    expected = "observations: expected Observations, counts by channel or one array, got Model"
    with pytest.raises(nf.ArgumentError, match=expected):
        model.data(model)  # type: ignore[arg-type]


WITH_RANGES: dict[str, Callable[..., object]] = {
    "fit": nf.fit,
    "upper_limit": nf.upper_limit,
    "hypotest": nf.hypotest,
    "intervals": nf.intervals,
    "fit_many": nf.fit_many,
}


@pytest.mark.parametrize("name", WITH_RANGES)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"unc": 1}, r"^bounds\['unc'\]: expected a pair \(lower, upper\), got 1"),
        ({"unc": (1, 2, 3)}, r"^bounds\['unc'\]: expected a pair"),
        ({"unc": "ab"}, r"^bounds\['unc'\]: expected a pair"),
        ({"unc": ("a", 1)}, r"^bounds\['unc'\]: expected a number, got 'a'"),
        ([(0, 1)], r"^bounds: expected one pair per parameter, 3, got 1"),
        (3, r"^bounds: expected a mapping of names to pairs"),
        ({3: (0, 1)}, r"expected the name of a parameter, got 3"),
    ],
)
def test_bounds(name: str, wrong: object, message: str, model: nf.Model, data: nf.Data) -> None:
    with pytest.raises(nf.ArgumentError, match=message):
        WITH_RANGES[name](model, data, bounds=wrong)


@pytest.mark.parametrize("name", [*WITH_RANGES, "significance", "scan", "goodness_of_fit"])
@pytest.mark.parametrize("wrong", [{"unc": "x"}, {"unc": 1j}, {"unc": [[1]]}, 3, [3], {3: 1.0}])
def test_fixed(name: str, wrong: object, model: nf.Model, data: nf.Data) -> None:
    call = WITH_RANGES.get(name) or getattr(nf, name)
    with pytest.raises(nf.ArgumentError, match="expected"):
        call(model, data, fixed=wrong)


@pytest.mark.parametrize("wrong", [{"mu": "x"}, {"mu": None}, {"mu": [1, 2]}, [1.0], "x", 3])
def test_points(wrong: Any, model: nf.Model, data: nf.Data) -> None:  # noqa: ANN401
    calls: list[Callable[[], object]] = [
        lambda: nf.fit(model, data, initial=wrong),
        lambda: nf.fit_many(model, data, initial=wrong),
        lambda: nf.toys(model, wrong, 2),
        lambda: model.expected(wrong),
        lambda: nf.Likelihood(model, data)(wrong),
    ]
    for call in calls:
        with pytest.raises(nf.ArgumentError, match="expected") as caught:
            call()
        assert "numpy" not in str(caught.value)


@pytest.mark.parametrize("name", ["upper_limit", "hypotest", "significance"])
def test_toys_that_are_none(name: str, model: nf.Model, data: nf.Data) -> None:
    with pytest.raises(nf.ArgumentError, match="n_toys: expected a number from 1 to"):
        getattr(nf, name)(model, data, calculator="toys", n_toys=0)


def test_thresholds_of_pulls(model: nf.Model, data: nf.Data) -> None:
    result = nf.fit(model, data)
    with pytest.raises(nf.ArgumentError, match="pulled: expected a number from 0 on, got nan"):
        nf.pulls(result, pulled=np.nan)
