"""Peaks of the resident set, where the system tells (Linux)."""

from __future__ import annotations

from pathlib import Path


def reset_peak() -> int | None:
    """Forget the peak of the resident set; return its present size in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return None
    return _resident("VmRSS")


def growth_since(before: int | None) -> int | None:
    """Return by how many bytes the peak went beyond what `reset_peak` returned."""
    after = _resident("VmHWM")
    return None if before is None or after is None else max(after - before, 0)


def _resident(field: str) -> int | None:
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    line = next(line for line in text.splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])
