"""Damaged inputs, and a process in which reading them can do no harm."""

import contextlib
import os
import random
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

# How many times as many inputs: .ci/nightly sets it, and there are more than 10,000.
TIMES = int(os.environ.get("NABLAFIT_DAMAGE", "1"))
SECONDS = 5.0  # of processor time for one input
MEMORY = 1_000_000_000  # bytes for all inputs, on top of what the interpreter has
WORDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x40000000, 0x40000004, 0x3FFFFFFF)

Mutation: TypeAlias = Callable[[random.Random, bytearray], None]


def flip_bits(generator: random.Random, content: bytearray) -> None:
    for _ in range(generator.randint(1, 8)):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)


def change_word(generator: random.Random, content: bytearray) -> None:
    """Overwrite four bytes, which may be a size, a count or a position."""
    position = generator.randrange(max(1, len(content) - 4))
    word = generator.choice((*WORDS, generator.getrandbits(32), generator.randrange(len(content))))
    content[position : position + 4] = struct.pack(">I", word)


def truncate(generator: random.Random, content: bytearray) -> None:
    del content[generator.randrange(len(content)) :]


def cut_out(generator: random.Random, content: bytearray) -> None:
    start = generator.randrange(len(content))
    del content[start : start + generator.choice((1, 4, generator.randint(1, 100)))]


def copy_over(generator: random.Random, content: bytearray) -> None:
    """Put a piece of the content elsewhere, so that references point to what they should not."""
    size = generator.randint(1, 200)
    source, target = (generator.randrange(max(1, len(content) - size)) for _ in range(2))
    content[target : target + size] = content[source : source + size]


def splice(generator: random.Random, content: bytearray) -> None:
    """Insert a piece of the content elsewhere."""
    size = generator.choice((1, 16, 200))
    source, target = (generator.randrange(len(content)) for _ in range(2))
    content[target:target] = content[source : source + size]


MUTATIONS: tuple[Mutation, ...] = (flip_bits, change_word, truncate, cut_out, copy_over, splice)


def mutated(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    generator = random.Random(seed)
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(generator.choice((1, 1, 2, 8))):
            generator.choice(MUTATIONS)(generator, changed)
            changed = changed or bytearray(b"<")
        yield bytes(changed)


def outcomes(attempt: Callable[[bytes], bool], contents: Iterator[bytes]) -> tuple[int, int]:
    """Return how many inputs were refused, and how many gave a model.

    They are read in a process of their own, which ends at the first one that takes more than
    `SECONDS`, or raises anything but what `attempt` catches, and has no more than `MEMORY`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            os.close(reading)
            _attempt_all(attempt, contents, writing)
            status = 0
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as results:
        found = results.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    end = f"input {len(found)}: exit status {code}, see above for what was raised"
    assert code == 0, f"input {len(found)}: more than {SECONDS} s" if code < 0 else end
    return found.count(b"0"), found.count(b"1")


def _attempt_all(attempt: Callable[[bytes], bool], contents: Iterator[bytes], pipe: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    used = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for content in contents:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            found = attempt(content)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
            raise
        os.write(pipe, b"1" if found else b"0")
    signal.setitimer(signal.ITIMER_PROF, 0.0)
