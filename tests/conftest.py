"""Settings of all tests."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Compare pictures wherever pytest-mpl is installed, without an option to remember."""
    if config.pluginmanager.hasplugin("pytest_mpl"):
        config.option.mpl = True
