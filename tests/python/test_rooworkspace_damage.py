"""Damaged RooWorkspaces: an error of nablafit within 5 s and 1 GB, or a model.

Bytes are changed in files, where most changes meet checksums of the compression or uproot, and in
decompressed workspaces and class descriptions, where they meet the decoder.
"""

import dataclasses
import random
import sys
from collections.abc import Iterator

import pytest

import nablafit as nf
from damage import TIMES, mutated, outcomes
from locations import REPOSITORY
from nablafit._budget import Budget
from nablafit.io import rooworkspace
from nablafit.io.rootfile.file import Payload
from nablafit.io.rootfile.records import ClassDescriptions
from nablafit.io.rooworkspace import _file

OWN = REPOSITORY / "tests" / "data" / "rooworkspace"
FILES = ("single_channel.root", "every_modifier.root", "two_workspaces.root")


def attempt(content: bytes) -> bool:
    """Read and describe `content`; return whether it gave a model. Other errors pass through."""
    locations = []
    document = None
    try:
        document = rooworkspace.read("damaged", content)
    except nf.Error as error:
        locations.append(error.location)
    try:
        str(rooworkspace.describe("damaged", content))
    except nf.Error as error:
        locations.append(error.location)
    assert all(location.startswith("damaged") for location in locations)
    return document is not None


def check_files(count: int) -> None:
    refused = 0
    for name in FILES:
        refused += outcomes(attempt, mutated((OWN / name).read_bytes(), count, seed=1))[0]
    assert refused > count // 2


def check_payloads(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode changed streams with the class descriptions of the file as it is."""
    refused = read = 0
    for name in FILES:
        (payload, *_), descriptions = _file.workspaces(
            name, (OWN / name).read_bytes(), Budget(name)
        )

        def changed(
            _: str,
            content: bytes,
            __: Budget,
            payload: Payload = payload,
            descriptions: ClassDescriptions = descriptions,
        ) -> tuple[list[Payload], ClassDescriptions]:
            return [dataclasses.replace(payload, data=content)], descriptions

        monkeypatch.setattr(rooworkspace, "workspaces", changed)
        outcome = outcomes(attempt, mutated(payload.data, count, seed=2))
        refused += outcome[0]
        read += outcome[1]
    assert refused > count // 2
    assert read > 0


def changed_descriptions(
    generator: random.Random, descriptions: ClassDescriptions
) -> ClassDescriptions:
    """Change one element of a few class descriptions: its type, base, length or place."""
    changed = dict(descriptions)
    names = [name for name, _ in descriptions]
    for key in generator.sample(sorted(descriptions), 5):
        elements = list(changed[key].elements)
        if not elements:
            continue
        i = generator.randrange(len(elements))
        change = generator.choice(
            (
                {"type": generator.choice((0, 3, 8, 15, 23, 48, 61, 64, 65, 66, 67, 500, 7))},
                {"is_base": True, "name": generator.choice([key[0], *names])},
                {"type": 61, "type_name": generator.choice([key[0], *names])},
                {"type": 500, "type_name": generator.choice((key[0], "vector<" * 70, "map<int"))},
                {"type": 23, "array_length": generator.choice((-1, 2**31, 10**6))},
                {"name": generator.choice(elements).name},
            )
        )
        elements[i] = dataclasses.replace(elements[i], **change)
        generator.shuffle(elements) if generator.random() < 0.1 else None
        changed[key] = dataclasses.replace(changed[key], elements=tuple(elements))
    return changed


def check_descriptions(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode the stream as it is with changed class descriptions."""
    generator = random.Random(3)
    payloads, descriptions = _file.workspaces("file", (OWN / FILES[0]).read_bytes(), Budget("file"))

    def changed(
        *_: object, state: list[ClassDescriptions]
    ) -> tuple[list[Payload], ClassDescriptions]:
        return payloads, state[0]

    def next_one(_: bytes) -> bool:
        state = [changed_descriptions(generator, descriptions)]
        monkeypatch.setattr(
            rooworkspace, "workspaces", lambda *_, state=state: changed(state=state)
        )
        return attempt(b"")

    refused, _ = outcomes(next_one, iter([b""] * count))
    assert refused > 0


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")


@pytest.fixture
def untraced() -> Iterator[None]:
    """Nothing is counted or traced: it takes several times as long, for lines that others reach."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_damaged_files() -> None:
    check_files(50 * TIMES)


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_damaged_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    check_payloads(150 * TIMES, monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_damaged_descriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    check_descriptions(200 * TIMES, monkeypatch)


def test_every_truncation_of_the_end_is_refused() -> None:
    content = (OWN / "every_modifier.root").read_bytes()
    for size in (100, 1000, len(content) // 2, len(content) - 200):
        with pytest.raises(nf.WorkspaceError):
            rooworkspace.read("cut", content[:size])
