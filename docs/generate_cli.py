"""Write docs/cli.md, the reference of the command line, from the commands themselves.

python docs/generate_cli.py           writes it
python docs/generate_cli.py --check   says whether it is current
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import click

from nablafit.cli import _cli

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# Commands and options

<!-- Written by docs/generate_cli.py from the commands; do not edit. -->

What all commands do alike (files, exit codes, data and parameters of fits, shell completion) is in
[command-line.md](command-line.md). Every command has `--help` too.
"""


def page() -> str:
    """Return the page as Markdown."""
    names = sorted(_cli.commands)
    links = "\n".join(f"* [`{name}`](#nablafit-{name}): {summary(name)}" for name in names)
    return "\n\n".join([HEAD.rstrip(), links, *map(section, names)]) + "\n"


def summary(name: str) -> str:
    """Return the first line of the help text of a command."""
    return text_of(_cli.commands[name].help).split("\n", 1)[0]


def section(name: str) -> str:
    """Return the section of one command."""
    command = _cli.commands[name]
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    usage = " ".join(["nablafit", name, "[OPTIONS]", *map(argument, arguments)])
    options = [each for each in command.params if isinstance(each, click.Option)]
    rows = [row(option) for option in options if not option.hidden]
    table = ["| option | meaning |", "|---|---|", *rows]
    return "\n".join(
        [f"## nablafit {name}", "", f"    {usage}", "", text_of(command.help), "", *table]
    )


def argument(given: click.Argument) -> str:
    """Return an argument as usage lines have it."""
    name = str(given.name).upper()
    word = name if given.required else f"[{name}]"
    return f"{word}..." if given.nargs == -1 else " ".join([word] * given.nargs)


def row(option: click.Option) -> str:
    """Return the row of a table for one option."""
    words = ", ".join(sorted(option.opts, key=len))
    words += "".join(f" / {name}" for name in option.secondary_opts)
    meaning = " ".join(part for part in (option.help or "", default_of(option)) if part)
    code = f"`{words}{value(option)}`".replace("|", r"\|")
    return f"| {code} | {meaning.replace('|', chr(92) + '|').replace('<', chr(92) + '<')} |"


def value(option: click.Option) -> str:
    """Return what follows an option, nothing for flags."""
    if option.is_flag:
        return ""
    if option.metavar:
        return f" {option.metavar}"
    if isinstance(option.type, click.Choice):
        return " " + "|".join(map(str, option.type.choices))
    kind = {"integer range": "N", "integer": "N", "float": "X", "text": "TEXT", "path": "PATH"}
    found = kind.get(option.type.name, option.type.name.upper())
    return f" {' '.join([found] * option.nargs)}"


def default_of(option: click.Option) -> str:
    """Return the default in words, nothing if it says nothing."""
    default = option.default
    if option.is_flag and not option.secondary_opts:
        return ""
    if option.secondary_opts and isinstance(default, bool):
        return f"Default: `{(option.opts if default else option.secondary_opts)[0]}`."
    if isinstance(default, tuple | list):
        return f"Default: {', '.join(f'`{each}`' for each in default)}." if default else ""
    return f"Default: `{default}`." if isinstance(default, str | int | float | Path) else ""


def text_of(help_text: str | None) -> str:
    """Return a help text without indentation."""
    return inspect.cleandoc(help_text or "")


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    text = page()
    if arguments != ["--check"]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/cli.md is not current: run python docs/generate_cli.py")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
