"""Shared by all benchmarks: interleaved timing, tables, and a record of versions and machine."""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

# Matrices are small here: BLAS in threads makes SciPy's SLSQP ten times slower. NumPy, imported
# after this module, sees it.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

PACKAGES = (
    "nablafit", "pyhf", "jax", "jaxlib", "root", "nextstat", "cabinetry", "numpy", "scipy",
    "iminuit",
)  # fmt: skip
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
BATCH_SECONDS = 2e-3
SLOW_SECONDS = 5.0  # one call that takes longer is not repeated


@dataclass(frozen=True)
class Task:
    """Something to time. `enter` runs before each batch of calls, outside the clock."""

    call: Callable[[], object]
    enter: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Absent:
    """Why there is no number."""

    reason: str


@dataclass
class Timing:
    """Seconds per call: one entry per batch of `calls` calls."""

    calls: int
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def minimum(self) -> float:
        return min(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        return {
            "median": self.median,
            "minimum": self.minimum,
            "batches": len(self.seconds),
            "calls_per_batch": self.calls,
        }


Result = Timing | Absent


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect before, not during, what is timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Stopwatch:
    """Times tasks in turns, so that disturbances affect all of them alike.

    Parameters
    ----------
    budget : float
        Seconds to spend on each task.
    least, most : int
        Number of batches per task, whatever the budget; one is enough of what takes seconds.
    clock : str
        "wall", or "cpu" for the time of this process on a machine that others use.
    """

    def __init__(
        self, budget: float, *, least: int = 3, most: int = 200, clock: str = "wall"
    ) -> None:
        self._budget, self._least, self._most = budget, least, most
        self._now = CLOCKS[clock]

    def measure(self, tasks: Mapping[str, Task]) -> dict[str, Result]:
        """Time every task; one that raises in its first call is absent, with its message."""
        results: dict[str, Result] = {}
        for name, task in tasks.items():
            task.enter()
            try:
                task.call()  # compiles, fills caches
            except Exception as error:  # noqa: BLE001
                results[name] = Absent(first_line(error))
                continue
            results[name] = self._calibrate(task)
        with no_garbage_collection():
            self._take_turns(tasks, {k: t for k, t in results.items() if isinstance(t, Timing)})
        return results

    def _calibrate(self, task: Task) -> Timing:
        """Choose the calls per batch; where it is one, the calibration is the first batch."""
        with no_garbage_collection():
            started = self._now()
            task.call()
            seconds = self._now() - started
        calls = max(1, round(BATCH_SECONDS / max(seconds, 1e-7)))
        return Timing(calls, [seconds] if calls == 1 else [])

    def _take_turns(self, tasks: Mapping[str, Task], timings: Mapping[str, Timing]) -> None:
        waiting = [name for name, timing in timings.items() if not self._is_done(timing)]
        while waiting:
            for name in waiting:
                timing, task = timings[name], tasks[name]
                task.enter()
                started = self._now()
                for _ in range(timing.calls):
                    task.call()
                timing.seconds.append((self._now() - started) / timing.calls)
            waiting = [name for name in waiting if not self._is_done(timings[name])]
            waiting = waiting[1:] + waiting[:1]

    def _is_done(self, timing: Timing) -> bool:
        n, spent = len(timing.seconds), sum(timing.seconds) * timing.calls
        if n == 0 or n >= self._most:
            return n > 0
        least = 1 if max(timing.seconds) > SLOW_SECONDS else self._least
        return n >= least and spent >= self._budget


def clocked(call: Callable[[], Any], repeats: int = 1) -> tuple[Any, float, float]:
    """Return what the last call returns, and medians of wall time and processor time of calls."""
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        value = call()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls, cpus = zip(*times, strict=True)
    return value, statistics.median(walls), statistics.median(cpus)


def first_line(error: BaseException) -> str:
    """Name an exception in one line of at most 120 characters."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:120]


def ratio(slow: Result, fast: Result) -> float | None:
    """Ratio of medians; None where one is absent."""
    if isinstance(slow, Absent) or isinstance(fast, Absent):
        return None
    return slow.median / fast.median


def to_record(result: Result) -> dict[str, Any]:
    return {"absent": result.reason} if isinstance(result, Absent) else result.to_dict()


# --- text ----------------------------------------------------------------------------------------


def seconds_text(seconds: float) -> str:
    """Three digits with a fitting unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def timing_text(result: Result) -> str:
    """Median, and the minimum in brackets; the reason where there is none."""
    if isinstance(result, Absent):
        return f"absent: {result.reason}"
    return f"{seconds_text(result.median)} ({seconds_text(result.minimum)})"


def ratio_text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first column is left, the others right."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if os.isatty(1) else 200, highlight=False).print(table)


def print_columns(
    title: str,
    name: str,
    found: Mapping[str, dict[str, Any]],
    columns: Mapping[str, Callable[[dict[str, Any]], str]],
) -> None:
    """Print a table with a row per item of `found`, and a column per function of the item."""
    rows = [(key, *(text(item) for text in columns.values())) for key, item in found.items()]
    print_table(title, (name, *columns), rows)


# --- the record ----------------------------------------------------------------------------------


def environment(clock: str) -> dict[str, Any]:
    """Versions, kind of machine and date, without which a number means nothing."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "clock": clock,
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "build": build_configuration(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": list(os.getloadavg()),
    }


def package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def build_configuration() -> dict[str, Any]:
    import nablafit

    return dict(nablafit.build_info())


def processor() -> str:
    """Model of the processor as the system names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def print_environment(record: Mapping[str, Any]) -> None:
    versions = ", ".join(f"{k} {v or 'absent'}" for k, v in record["packages"].items())
    print(f"{record['date']}, {record['clock']} clock, load {record['load'][0]:.1f}")
    print(f"{record['processor']}, {record['processors']} processors; Python {record['python']}")
    print(versions)


def argument_parser(
    description: str | None, *, workspaces: str = "+", seconds: float = 1.0
) -> argparse.ArgumentParser:
    """Options that every benchmark has; `workspaces` says how many, "" for none."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all numbers as JSON")
    parser.add_argument(
        "--clock", choices=sorted(CLOCKS), default="wall", help="clock to use (default: wall)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=seconds,
        help=f"seconds to spend on each task (default: {seconds:g})",
    )
    if workspaces:
        parser.add_argument("workspaces", nargs=workspaces, type=Path, metavar="WORKSPACE")
        parser.add_argument(
            "--skip",
            action="append",
            default=[],
            metavar="TOOL",
            help="tool to omit; may be repeated",
        )
    return parser


def add_sizes(parser: argparse.ArgumentParser, default: Sequence[int] = ()) -> None:
    """Add the option for synthetic models."""
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(word) for word in text.split(",") if word],
        default=list(default),
        help="numbers of parameters of the synthetic models, e.g. 100,1000 (default: "
        f"{', '.join(map(str, default)) or 'none'})",
    )


def compare(
    description: str | None,
    measure: Callable[[Path, Stopwatch, list[str]], dict[str, Any]],
    print_workspace: Callable[[str, dict[str, Any]], object],
    print_ratios: Callable[[dict[str, dict[str, Any]]], object],
    to_document: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Run a benchmark that compares tools on the workspaces of the command line."""
    arguments = argument_parser(description).parse_args()
    run = Run(arguments)
    stopwatch = Stopwatch(arguments.seconds, clock=arguments.clock)
    found = run.add_each(
        arguments.workspaces,
        lambda path: measure(path, stopwatch, arguments.skip),
        print_workspace,
        to_document,
    )
    print_ratios(found)


class Run:
    """One run of a benchmark: says at the start where it runs, and keeps the numbers.

    `record` is written to --output whenever something is added: it is kept if a later part fails.
    Warnings of models and tools are not shown; they are seen when these are used for physics.
    """

    def __init__(self, arguments: argparse.Namespace, clock: str | None = None) -> None:
        warnings.simplefilter("ignore")
        self._output: Path | None = arguments.output
        self.record = environment(clock or arguments.clock)
        print_environment(self.record)

    def add(self, **numbers: Any) -> None:  # noqa: ANN401
        """Add to the record and write it."""
        self.record |= numbers
        if self._output is not None:
            text = json.dumps(self.record, indent=1, allow_nan=False) + "\n"
            self._output.write_text(text, encoding="utf-8")

    def add_each(
        self,
        paths: Iterable[Path],
        measure: Callable[[Path], dict[str, Any]],
        show: Callable[[str, dict[str, Any]], object] | None = None,
        to_document: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> dict[str, dict[str, Any]]:
        """Measure workspaces one by one; return what was found by their names."""
        found: dict[str, dict[str, Any]] = {}
        for path in paths:
            found[path.stem] = measure(path)
            if show is not None:
                show(path.name, found[path.stem])
            self.add(workspaces={name: to_document(item) for name, item in found.items()})
        return found


def report_main(
    usage: str | None,
    name: str,
    markdown: Callable[[dict[str, Any]], str],
    plots: Callable[[dict[str, Any], Path], None],
    prepare: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> int:
    """Make a page and plots of a record: arguments are its file and the folder to write to."""
    if len(sys.argv) != 3:
        print(usage, file=sys.stderr)
        return 2
    record = prepare(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    folder = Path(sys.argv[2])
    (folder / name).write_text(markdown(record), encoding="utf-8")
    plots(record, folder)
    return 0
