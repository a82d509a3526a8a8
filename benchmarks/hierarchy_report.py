"""Turn the record of hierarchy.py into the tables of docs/how-big-are-the-gaps.md.

python benchmarks/hierarchy_report.py RECORD >> docs/how-big-are-the-gaps.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _common import seconds_text
from report import conditions, table


def gradient_rows(found: dict[str, Any]) -> Iterator[list[str]]:
    """One row per way; ways that are absent say why."""
    fastest = found["clad"]["gradient"]["median"]
    for way, result in found.items():
        value, gradient = result["value"], result["gradient"]
        if "absent" in gradient:
            yield [way, f"absent: {gradient['absent']}", "", "", "", ""]
            continue
        compilation = result.get("compile_seconds")
        yield [
            way,
            seconds_text(value["median"]),
            seconds_text(gradient["median"]),
            f"{gradient['median'] / value['median']:.3g}",
            f"{gradient['median'] / fastest:.3g}",
            "" if compilation is None else seconds_text(compilation),
        ]


def fit_rows(found: list[dict[str, Any]]) -> Iterator[list[str]]:
    """One row per fit."""
    for fit in found:
        if "absent" in fit:
            yield [fit["name"], f"absent: {fit['absent']}", "", "", "", ""]
            continue
        yield [
            fit["name"],
            str(fit["calls"]),
            str(fit["gradients"]),
            seconds_text(fit["seconds"]),
            f"{2 * fit['above_lowest']:.2g}",
            "yes" if fit["valid"] else "no",
        ]


def markdown(record: dict[str, Any]) -> str:
    parts = [conditions(record)]
    for name, model in record["models"].items():
        parts += [
            f"### {name}: {model['parameters']} parameters, {model['bins']} bins\n",
            table(
                ["way", "value", "value and gradient", "ratio", "over clad", "compilation"],
                list(gradient_rows(model["gradients"])),
            ),
            table(
                ["fit", "values", "gradients", "time", "above lowest, -2 log L", "says valid"],
                list(fit_rows(model["fits"])),
            ),
        ]
    return "\n".join(parts)


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    print(markdown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
