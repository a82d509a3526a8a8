"""The command that writes a likelihood as C++ source."""

from __future__ import annotations

from pathlib import Path

import click

from .._results.files import write_text
from ..io.cpp import to_cpp
from .common import Source, measurement_option, open_workspace, poi_option, workspace_argument

__all__ = ["export"]


@click.command("export")
@workspace_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help='Header file to write, "-" for the terminal.',
)
@measurement_option
@poi_option
@click.option(
    "--namespace", default="model", show_default=True, help="C++ namespace of the functions."
)
@click.option("--clad", is_flag=True, help="Prepare nll for differentiation by Clad.")
def export(
    workspace: Source,
    output: Path,
    measurement: str | None,
    poi: str | None,
    namespace: str,
    clad: bool,
) -> None:
    """Write the likelihood of WORKSPACE as one self-contained C++17 header.

    It holds nll, its gradient and the expected events as plain functions, and needs no nablafit.
    """
    _, model, data = open_workspace(workspace, measurement, poi)
    text = to_cpp(model.spec, data, namespace=namespace, clad=clad)
    if str(output) == "-":
        click.echo(text, nl=False)
    else:
        write_text(output, text)
