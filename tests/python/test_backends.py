"""Every backend that was built answers the same questions with the same numbers."""

import numpy as np
import pytest

import nablafit as nf
from locations import REPOSITORY, published_workspaces
from nablafit.cli import main

BACKENDS = [str(name) for name in nf.build_info()["backends"]]
EXACT = [name for name in BACKENDS if not name.endswith("difference")]


def points(model: nf.Model) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    initial = np.array(model.initial)
    return [initial, *(np.abs(initial) + rng.uniform(-0.3, 0.3, (3, initial.size)))]


@pytest.mark.parametrize("backend", BACKENDS)
def test_value_and_derivatives(model: nf.Model, data: nf.Data, backend: str) -> None:
    likelihood = model.likelihood(data, backend=backend)
    reference = model.likelihood(data)
    assert likelihood.backend == backend
    precision = {"finite-difference": 1e-7, "minuit-difference": 1e-3}.get(backend, 1e-11)
    for x in points(model):
        value, gradient = likelihood.value_and_gradient(x)
        assert value == pytest.approx(reference(x), rel=1e-13)
        scale = np.abs(reference.gradient(x)).max()
        np.testing.assert_allclose(gradient, reference.gradient(x), rtol=0, atol=precision * scale)
        hessian, expected = likelihood.hessian(x), reference.hessian(x)
        tolerance = (1e-10 if backend in EXACT else 1e-4) * np.abs(expected).max()
        np.testing.assert_allclose(hessian, expected, rtol=0, atol=tolerance)
        v = np.cos(np.arange(x.size))
        np.testing.assert_allclose(likelihood.hvp(x, v), expected @ v, rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
def test_minuit_finds_the_same_minimum(model: nf.Model, data: nf.Data, backend: str) -> None:
    best = nf.fit(model, data)
    found = nf.fit(model, data, minimizer="minuit", backend=backend)
    assert found.valid
    assert found.value - best.value < 1e-4
    np.testing.assert_allclose(found.x, best.x, atol=5e-3)


def test_fit_takes_the_backend_from_one_place(likelihood: nf.Likelihood) -> None:
    assert nf.fit(likelihood, backend=likelihood.backend).valid
    with pytest.raises(nf.ArgumentError, match="backend: a Likelihood has its backend already"):
        nf.fit(likelihood, backend="forward")
    with pytest.raises(nf.ArgumentError, match='use minimizer="minuit"'):
        nf.fit(likelihood.model, likelihood.data, backend="forward")


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    example = str(REPOSITORY / "examples" / "multichannel.json")
    options = ["--minimizer", "minuit", "--backend"]
    assert main(["fit", example, *options, BACKENDS[0]]) == 0
    capsys.readouterr()
    assert main(["fit", example, *options, "enzyme"]) == 2
    assert "'forward', 'finite-difference' or 'minuit-difference'" in capsys.readouterr().err


def test_build_info_tells_what_was_built(model: nf.Model, data: nf.Data) -> None:
    info = nf.build_info()
    assert info["version"] == nf.__version__
    assert info["instruction_set"] in info["instruction_sets"]
    assert {"forward", "finite-difference", "minuit-difference"} < set(BACKENDS)
    assert ("codipack" in BACKENDS) == bool(info["codipack"])
    for name in {"clad", "codipack"} - set(BACKENDS):
        with pytest.raises(nf.ArgumentError, match="this build does not have it"):
            model.likelihood(data, backend=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("path", published_workspaces(), ids=lambda path: path.stem)
def test_exact_backends_agree_on_published_workspaces(path: object) -> None:
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    data = workspace.data(model)
    expected, reference = model.likelihood(data).value_and_gradient(model.initial)
    for backend in EXACT:
        value, gradient = model.likelihood(data, backend=backend).value_and_gradient(model.initial)
        assert value == pytest.approx(expected, rel=1e-12)
        scale = np.maximum(np.abs(reference), 1.0)
        assert np.max(np.abs(gradient - reference) / scale) < 1e-9
