"""Where tests find the repository and the published workspaces."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

SHARED_DATA = Path(
    os.environ.get("NABLAFIT_SHARED_DATA", REPOSITORY.parent / "shared" / "data")
).resolve()
"""Real inputs, kept outside the repository; tests that need them skip where they are missing."""


def published_workspaces() -> list[Path]:
    """Return the published pyhf JSON workspaces, none where the folder is missing."""
    return sorted((SHARED_DATA / "pyhf").glob("*.json"))
