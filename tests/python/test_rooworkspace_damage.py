"""Damaged RooWorkspaces: an error of nablafit within seconds and bounded memory, or a model.

Bytes are changed in files, where most changes meet checksums of the compression or uproot, and in
decompressed workspaces and class descriptions, where they meet the decoder.
"""

import dataclasses
import os
import random
import resource
import struct
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

import nablafit as nf
from locations import REPOSITORY
from nablafit.io import rooworkspace
from nablafit.io.budget import Budget
from nablafit.io.rootfile.descriptions import ClassDescriptions
from nablafit.io.rootfile.file import Payload
from nablafit.io.rooworkspace import _file

OWN = REPOSITORY / "tests" / "data" / "rooworkspace"
FILES = ("single_channel.root", "every_modifier.root", "two_workspaces.root")
# How many times as many inputs: .ci/nightly sets it, and there are more than 10,000.
TIMES = int(os.environ.get("NABLAFIT_DAMAGE", "1"))
MAX_SECONDS = 5.0
MAX_GROWTH = 400 << 20  # bytes
WORDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x40000000, 0x40000004, 0x3FFFFFFF)

Mutation: TypeAlias = Callable[[random.Random, bytearray], None]


def flip_bits(generator: random.Random, content: bytearray) -> None:
    for _ in range(generator.randint(1, 8)):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)


def change_word(generator: random.Random, content: bytearray) -> None:
    position = generator.randrange(len(content) - 4)
    word = generator.choice((*WORDS, generator.getrandbits(32), generator.randrange(len(content))))
    struct.pack_into(">I", content, position, word)


def truncate(generator: random.Random, content: bytearray) -> None:
    del content[generator.randrange(len(content)) :]


def cut_out(generator: random.Random, content: bytearray) -> None:
    start = generator.randrange(len(content))
    del content[start : start + generator.randint(1, 64)]


def copy_over(generator: random.Random, content: bytearray) -> None:
    """Put a piece of the content elsewhere, so that references point to what they should not."""
    size = generator.randint(1, 200)
    source, target = (generator.randrange(max(1, len(content) - size)) for _ in range(2))
    content[target : target + size] = content[source : source + size]


MUTATIONS: tuple[Mutation, ...] = (flip_bits, change_word, truncate, cut_out, copy_over)


def mutated(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    generator = random.Random(seed)
    for _ in range(count):
        changed = bytearray(content)
        generator.choice(MUTATIONS)(generator, changed)
        yield bytes(changed)


def peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def attempt(content: bytes) -> bool:
    """Read and describe `content`; return whether it gave a model. Other errors pass through."""
    start = time.process_time()
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
    assert time.process_time() - start < MAX_SECONDS
    return document is not None


def check_all(contents: Iterator[bytes]) -> tuple[int, int]:
    """Return how many inputs were refused, and how many gave a model."""
    before = peak_memory()
    outcomes = [attempt(content) for content in contents]
    assert peak_memory() - before < MAX_GROWTH
    return outcomes.count(False), outcomes.count(True)


def check_files(count: int) -> None:
    refused = 0
    for name in FILES:
        refused += check_all(mutated((OWN / name).read_bytes(), count, seed=1))[0]
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
        outcome = check_all(mutated(payload.data, count, seed=2))
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

    refused = 0
    for _ in range(count):
        state = [changed_descriptions(generator, descriptions)]
        monkeypatch.setattr(
            rooworkspace, "workspaces", lambda *_, state=state: changed(state=state)
        )
        refused += not attempt(b"")
    assert refused > 0


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
