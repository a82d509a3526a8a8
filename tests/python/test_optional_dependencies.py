"""Without an optional package, everything that does not need it works."""

import importlib.metadata
import subprocess
import sys

import pytest

from locations import REPOSITORY

pytestmark = pytest.mark.process

EXTRAS_ONLY = (
    *("pyhf", "matplotlib", "mplhep", "hist", "boost_histogram", "pandas", "yaml"),
    *("jax", "torch", "dask", "ROOT", "cabinetry"),
)

SCRIPT = """
import importlib, pkgutil, sys, warnings

hidden, example = sys.argv[1].split(","), sys.argv[2]

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r} (hidden)", name=name)
        return None

sys.meta_path.insert(0, Hide())
warnings.simplefilter("error")
import nablafit as nf

for module in pkgutil.walk_packages(nf.__path__, "nablafit."):
    if "._" in module.name:  # behind a public one, which has to say what it needs
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        # A module for one package alone may say so, and how to get it.
        assert "nablafit[" in str(error), f"{module.name}: {error}"

workspace = nf.Workspace.load(example)
model = workspace.model()
data = workspace.data(model)
assert nf.fit(model, data).valid
assert nf.fit(model, data, minimizer="minuit").valid
assert len(nf.toys(model, n=3, seed=1).counts) == 3
from nablafit.cli import main
assert main(["inspect", example]) == 0
assert not [name for name in hidden if name in sys.modules]
"""


@pytest.mark.parametrize("hidden", [*EXTRAS_ONLY, ",".join(EXTRAS_ONLY)])
def test_works_without(hidden: str) -> None:
    example = str(REPOSITORY / "examples" / "multichannel.json")
    command = [sys.executable, "-c", SCRIPT, hidden, example]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_import_leaves_slow_packages_alone() -> None:
    """Every command starts with it: SciPy loads its parts when they are used."""
    slow = "{'scipy.linalg', 'scipy.optimize', 'scipy.special', 'uproot', 'matplotlib', 'pyhf'}"
    script = f"import sys, nablafit, nablafit.cli; print(sorted({slow} & set(sys.modules)))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_required_is_what_the_test_does_not_hide() -> None:
    required = {
        text.partition(">")[0].strip().lower()
        for text in importlib.metadata.requires("nablafit") or ()
        if "extra ==" not in text
    }
    assert not required & {name.lower() for name in EXTRAS_ONLY}
