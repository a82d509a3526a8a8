"""Turn the JSON of evaluate.py and fit.py into the tables of docs/benchmarks.md.

python benchmarks/report.py EVALUATE.json FIT.json > docs/benchmarks.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.run import ratio_text, seconds_text

HEAD = """# Benchmarks

Medians of one run, in which all tools worked in turns; on another machine only the ratios compare.
`benchmarks/README.md` says what each number covers and how each tool is used.
"""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is left, the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def conditions(document: dict[str, Any]) -> str:
    """Return one paragraph on versions, kind of machine and date."""
    versions = ", ".join(f"{k} {v}" for k, v in document["packages"].items() if v)
    build = document["build"]
    compiler = f", compiled with {build['compiler']}" if "compiler" in build else ""
    return (
        f"{document['date'][:10]}; {document['processor']}, {document['processors']} processors, "
        f"{document['system']}, load {document['load'][0]:.1f}; {document['clock']} clock; "
        f"Python {document['python']}; {versions}{compiler}.\n"
    )


def time_text(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    return "absent" if "absent" in result else seconds_text(result["median"])


def names_with_sizes(document: dict[str, Any]) -> list[str]:
    return [
        f"{name} ({found['sizes']['parameters']} parameters, {found['sizes']['bins']} bins)"
        for name, found in document["workspaces"].items()
    ]


def evaluation(document: dict[str, Any]) -> str:
    """Return the tables of evaluate.py: times and ratios."""
    workspaces = list(document["workspaces"].values())
    header = names_with_sizes(document)
    times = []
    for quantity, by_tool in workspaces[0]["results"].items():
        for tool in by_tool:
            row = [time_text(found["results"][quantity].get(tool)) for found in workspaces]
            if any(text not in ("", "absent") for text in row):
                times.append([f"{quantity}: {tool}", *row])
    ratios = [
        [name, *(ratio_text(found["ratios"][name]) for found in workspaces)]
        for name in workspaces[0]["ratios"]
    ]
    text = f"\n## Values and gradients\n\n{conditions(document)}\n{table(['', *header], times)}"
    return text + f"\n{table(['ratio', *header], ratios)}"


def fits(document: dict[str, Any]) -> str:
    """Return the tables of fit.py: times, distances from the lowest minimum, ratios."""
    workspaces = list(document["workspaces"].values())
    header = names_with_sizes(document)
    tools = list(dict.fromkeys(tool for found in workspaces for tool in found["fits"]))
    times = [[tool, *(fit_text(found["fits"].get(tool)) for found in workspaces)] for tool in tools]
    ratios = [
        [name, *(ratio_text(found["ratios"][name]) for found in workspaces)]
        for name in workspaces[0]["ratios"]
    ]
    return (
        f"\n## Fits\n\n{conditions(document)}\n"
        "Time; then how far above the lowest -2 log L of the run the fit ended; in brackets where "
        "the tool itself calls it invalid.\n\n"
        f"{table(['', *header], times)}\n{table(['ratio', *header], ratios)}"
    )


def fit_text(result: dict[str, Any] | None) -> str:
    if result is None or "absent" in result:
        return time_text(result)
    text = f"{time_text(result)}; {max(result['above_lowest'], 0.0):.0e}"
    return text if result["says_valid"] else f"({text})"


def main() -> None:
    sections = []
    for name in sys.argv[1:]:
        document = json.loads(Path(name).read_text("utf-8"))
        first = next(iter(document["workspaces"].values()))
        sections.append(fits(document) if "fits" in first else evaluation(document))
    print(HEAD + "".join(sections), end="")


if __name__ == "__main__":
    main()
