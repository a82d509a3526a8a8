"""Objectives as functions of PyTorch tensors."""

import numpy as np
import pytest

import nablafit as nf
from diff_models import direction, everything, opened, slope
from nablafit import diff

torch = pytest.importorskip("torch")
nft = pytest.importorskip("nablafit.interop.torch")


def assert_close(found: np.ndarray, wanted: np.ndarray) -> None:
    """Models with exchanged inputs are packed differently, so that sums round differently."""
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11 * np.max(np.abs(wanted)))


def tensor(values: np.ndarray, *, grad: bool = True) -> "torch.Tensor":
    return torch.tensor(np.array(values, dtype=float), requires_grad=grad)


@pytest.mark.parametrize("name", ["expected_uncertainty", "expected_significance", "cls"])
def test_gradients_are_those_of_diff(name: str) -> None:
    model, _ = opened(everything())
    inputs = tensor(model.inputs.values)
    value = getattr(nft, name)(model)(inputs)
    value.backward()
    wanted = getattr(diff, name)(model)
    assert value.item() == pytest.approx(float(wanted), rel=1e-9)
    assert_close(inputs.grad.numpy(), wanted.inputs)


def test_functions_of_data() -> None:
    model, data = opened(everything())
    arguments = [tensor(a) for a in (model.inputs.values, data.counts, data.global_observables)]
    for name, options in {"test_statistic": {"mu": 3.0}, "goodness_of_fit": {}}.items():
        value = getattr(nft, name)(model, **options)(*arguments)
        gradients = torch.autograd.grad(value, arguments)
        wanted = getattr(diff, name)(model, data, **options)
        for found, member in zip(
            gradients, ("inputs", "counts", "global_observables"), strict=True
        ):
            assert_close(found.numpy(), getattr(wanted, member))
    observed = nft.cls(model, observed=True, mu=3.0)(*arguments)
    assert observed.item() == pytest.approx(float(diff.cls(model, data, mu=3.0)), rel=1e-9)
    held = nft.cls(model, data, mu=3.0)(arguments[0])
    assert held.item() == pytest.approx(observed.item(), rel=1e-9)


def test_batches_and_broadcasting() -> None:
    model, data = opened(everything())
    rows = model.inputs.values + 0.02 * np.array(
        [direction(model.inputs.values, seed) for seed in range(3)]
    )
    inputs, counts = tensor(rows), tensor(data.counts)
    x, value = nft.fit(model)(inputs, counts, tensor(data.global_observables))
    assert tuple(x.shape) == (3, model.n_parameters)
    (x[:, 0].sum() + value.sum()).backward()
    wanted = [
        diff.fit(model.with_inputs(row), data).vjp(x=np.eye(model.n_parameters)[0], value=1.0)
        for row in rows
    ]
    np.testing.assert_allclose(inputs.grad, [w.inputs for w in wanted], rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(counts.grad, sum(w.counts for w in wanted), rtol=1e-7, atol=1e-10)


def test_profiled_parameters_follow_held_ones() -> None:
    model, data = opened(everything())
    observed = [
        tensor(a, grad=False) for a in (model.inputs.values, data.counts, data.global_observables)
    ]
    scan = tensor(np.array([[0.5, 1.0], [2.0, 1.01]]))
    x, value = nft.fit(model, held=["mu", "lumi"])(*observed, scan)
    (x[:, model.index("theory")] + value).sum().backward()
    for gradient, (mu, lumi) in zip(scan.grad.numpy(), scan.detach().numpy(), strict=True):
        there = diff.fit(model, data, fixed={"mu": float(mu), "lumi": float(lumi)})
        wanted = there.vjp(x={"theory": 1.0}, value=1.0).fixed
        assert_close(gradient, wanted[[model.index("mu"), model.index("lumi")]])


def test_assembled_inputs_and_the_likelihood() -> None:
    model, data = opened(everything())
    address = ("SR", "signal", "nominal")
    signal = tensor([3.0, 9.0, 5.0])
    x = tensor(model.initial)
    inputs = nft.assemble(model, {address: signal})
    value = nft.nll(model)(x, inputs, tensor(data.counts), tensor(data.global_observables))
    value.backward()
    likelihood = model.likelihood(data)
    assert value.item() == pytest.approx(-likelihood.logpdf(model.initial), rel=1e-14)
    np.testing.assert_allclose(x.grad, likelihood.gradient(model.initial), rtol=1e-10, atol=1e-12)
    gradient = likelihood.input_gradient(model.initial)
    assert_close(signal.grad, gradient.inputs[model.inputs[address]])


def test_differences_through_a_chain() -> None:
    model, _ = opened(everything())
    limit = nft.cls(model)

    def loss(threshold: "torch.Tensor") -> "torch.Tensor":
        signal = torch.exp(-threshold * torch.arange(3, dtype=torch.float64)) * 8.0
        return torch.log(limit(nft.assemble(model, {("SR", "signal", "nominal"): signal})))

    at = tensor(np.array(0.3))
    loss(at).backward()
    assert slope(lambda t: loss(at.detach() + t).item(), at.grad.item()) < 1e-8


def test_single_precision_is_refused() -> None:
    model, _ = opened(everything())
    with pytest.raises(nf.ArgumentError, match="float64"):
        nft.cls(model)(torch.zeros(model.inputs.size))
    with pytest.raises(nf.ArgumentError, match="expected shape"):
        nft.cls(model)(tensor(np.zeros(3)))
    with pytest.raises(nf.Error, match="width"):
        nft.cls(model)(tensor(np.zeros(model.inputs.size)))
