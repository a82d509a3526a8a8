"""Settings of all tests."""

import os
import signal

import pytest

LONG = ("bench", "build", "process", "reference", "slow")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Compare pictures wherever pytest-mpl is installed, without an option to remember.

    Shells start what runs in the background with SIGINT ignored, and processes inherit that. Some
    tests interrupt themselves or what they start. Tables have no width to fit, whatever readline,
    which pytest imports, writes into the environment.
    """
    os.environ.pop("COLUMNS", None)
    if config.pluginmanager.hasplugin("pytest_mpl"):
        config.option.mpl = True
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as quick what has no mark that says otherwise."""
    for item in items:
        if not any(item.get_closest_marker(name) for name in LONG):
            item.add_marker(pytest.mark.quick)
