"""pytest plugin for the test suites of pyhf and cabinetry: nablafit does the fits.

`pytest -p nablafit_fits` with this folder on the import path. NABLAFIT_PEER_OPTIMIZERS names the
optimizers of pyhf that run on nablafit: "scipy", "minuit" or both with a comma. What nablafit
cannot do, such as other objectives than pyhf's likelihood, is left to them, and counted. Tests that
the file NABLAFIT_PEER_KNOWN lists may fail: a line each, the test, two spaces, and why.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

import pyhf
import pytest

from nablafit.interop.pyhf import optimizer

# pyhf has no types.
PyhfObject: TypeAlias = Any

fits = {"nablafit": 0, "left to pyhf": 0}


def pytest_configure(config: pytest.Config) -> None:
    for name in ("FitWarning", "ModelWarning"):
        config.addinivalue_line("filterwarnings", f"ignore::nablafit.{name}")
    for name in os.environ.get("NABLAFIT_PEER_OPTIMIZERS", "scipy").split(","):
        replace(getattr(pyhf.optimize, f"{name}_optimizer"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests fail of which it is known why."""
    path = os.environ.get("NABLAFIT_PEER_KNOWN")
    lines = Path(path).read_text("utf-8").splitlines() if path else []
    known = dict(line.split("  ", 1) for line in lines if line and not line.startswith("#"))
    for item in items:
        if item.nodeid in known:
            item.add_marker(pytest.mark.xfail(reason=known[item.nodeid], strict=False))


def replace(kind: PyhfObject) -> None:
    """Make all objects of one of pyhf's classes of optimizers run on nablafit."""
    theirs = kind._minimize
    ours: dict[int, PyhfObject] = {}

    def counted(self: PyhfObject, *args: object, **options: object) -> PyhfObject:
        fits["left to pyhf"] += 1
        return theirs(self, *args, **options)

    def minimize(self: PyhfObject, *args: PyhfObject, **options: PyhfObject) -> PyhfObject:
        fits["nablafit"] += 1
        options.setdefault("maxiter", self.maxiter)
        if id(self) not in ours:
            ours[id(self)] = optimizer(fallback=self)
        return ours[id(self)].minimize(*args, **options)

    kind._minimize = counted
    kind.minimize = minimize


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left = fits["left to pyhf"]
    terminalreporter.write_line(f"{fits['nablafit']} fits, of which {left} were left to pyhf")
