"""User-defined factors: values against NumPy, derivatives against other backends."""

from collections.abc import Callable

import numpy as np
import pytest

import nablafit as nf
from nablafit import formulas
from nablafit import spec as s

EDGES = np.array([0.0, 0.5, 1.5, 4.0])
RNG = np.random.default_rng(3)


def model_of(*modifiers: s.Modifier, **initial: float) -> nf.Model:
    """One sample with nominal yields 10, 20, 30 and a free scale, next to a constant one."""
    modifiers = (s.NormFactor("scale", "scale"), *modifiers)
    samples = [s.Sample("sig", [10.0, 20.0, 30.0], modifiers), s.Sample("bkg", [5.0, 5.0, 5.0])]
    parameters = [
        s.Parameter(name, value, -5.0, 5.0) for name, value in {"scale": 1.0, **initial}.items()
    ]
    channel = s.Channel("SR", samples, [s.Axis("m", EDGES)])
    return nf.Model(s.ModelSpec("formulas", [channel], parameters))


def signal(model: nf.Model, x: np.ndarray) -> np.ndarray:
    return model.expected_by_sample(x)["SR"]["sig"] / [10.0, 20.0, 30.0]


def check_derivatives(model: nf.Model) -> None:
    """All exact backends agree on gradient and Hessian, at and around the initial point."""
    data = model.asimov()
    likelihood = model.likelihood(data)
    reference = model.likelihood(data, backend="forward")
    for width in (0.0, 0.1, 0.2):
        x = np.array(model.initial) + width * RNG.uniform(-1, 1, model.n_parameters)
        assert likelihood(x) == pytest.approx(reference(x), rel=1e-12, abs=1e-12)
        for name in ("gradient", "hessian"):
            expected = getattr(reference, name)(x)
            atol = 1e-10 * max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(getattr(likelihood, name)(x), expected, rtol=0, atol=atol)
        v = RNG.normal(size=x.size)
        expected = reference.hessian(x) @ v
        atol = 1e-10 * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(likelihood.hvp(x, v), expected, rtol=0, atol=atol)


def test_factor_of_all_bins() -> None:
    model = model_of(formulas.factor("k", "a * b**2", ["a", "b"]), a=1.1, b=0.9)
    np.testing.assert_allclose(signal(model, model.initial), 1.1 * 0.9**2, rtol=1e-14)
    check_derivatives(model)


def test_polynomial_with_coefficients_per_bin() -> None:
    a, b = np.array([0.1, 0.3, -0.2]), np.array([0.02, 0.2, 0.5])
    model = model_of(formulas.bin_factor("eft", "1 + c*a + c**2*b", ["c"], a=a, b=b), c=0.7)
    np.testing.assert_allclose(signal(model, model.initial), 1 + 0.7 * a + 0.49 * b, rtol=1e-14)
    check_derivatives(model)


def test_expression_in_centres_and_edges() -> None:
    expression = "exp(-k*x) * (x_high - x_low) + 0*x"
    model = model_of(formulas.bin_factor("shape", expression, ["k"], edges=EDGES), k=0.8)
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    expected = np.exp(-0.8 * centres) * np.diff(EDGES)
    np.testing.assert_allclose(signal(model, model.initial), expected, rtol=1e-14)
    check_derivatives(model)
    plain = formulas.bin_factor("shape", "k", ["k"], edges=EDGES)
    assert plain.variables == ()


def test_integral_of_a_density() -> None:
    density = formulas.bin_integral("falling", "k * exp(-k*m)", ["k"], edges=EDGES, variable="m")
    model = model_of(density, k=0.8)
    expected = -np.diff(np.exp(-0.8 * EDGES))
    np.testing.assert_allclose(signal(model, model.initial), expected, rtol=1e-13)
    check_derivatives(model)
    coarse = formulas.bin_integral("cubic", "k * x**3", ["k"], edges=EDGES, n_nodes=2)
    np.testing.assert_allclose(
        signal(model_of(coarse, k=2.0), [1.0, 2.0]), 0.5 * np.diff(EDGES**4), rtol=1e-13
    )


def test_several_formulas_share_parameters_and_a_channel() -> None:
    first = formulas.bin_factor("first", "1 + c*a", ["c"], a=[0.1, 0.2, 0.3])
    second = formulas.bin_integral("second", "exp(c*x) + k", ["k", "c"], edges=EDGES)
    third = formulas.factor("third", "k + 2", ["k"])
    check_derivatives(model_of(first, second, third, c=0.3, k=0.5))


def test_fit_finds_the_slope() -> None:
    density = formulas.bin_integral("falling", "k * exp(-k*x)", ["k"], edges=EDGES)
    model = model_of(density, k=0.5)
    data = model.asimov({"scale": 1.4, "k": 1.1})
    for minimizer in ("newton", "minuit"):
        result = nf.fit(model, data, minimizer=minimizer)
        assert result.valid
        assert result.values["k"] == pytest.approx(1.1, abs=2e-3)
        assert result.values["scale"] == pytest.approx(1.4, abs=2e-3)


def test_exported_header_holds_formulas() -> None:
    density = formulas.bin_integral("falling", "k * exp(-k*x)", ["k"], edges=EDGES)
    model = model_of(density, k=0.5)
    text = model.spec.to_cpp(model.asimov())
    assert "formula_0(const double* x, const double v_x)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("q", "1 + d", ["c"]), "'d'"),
        (("q", "c.__class__", ["c"]), "__class__"),
        (("q", "__import__('os')", ["c"]), "__import__"),
        (("q", "c + a", ["c"]), "'a'"),
    ],
)
def test_names_outside_the_lists_are_refused(
    arguments: tuple[str, str, list[str]], message: str
) -> None:
    with pytest.raises(nf.SpecError, match=message):
        model_of(formulas.factor(*arguments), c=1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: formulas.factor("kappa", "1 + d", ["c"]),
            (
                "expression of 'kappa': found 'd' at column 5 of '1 + d', expected one of the 1 "
                "parameters of the formula (parameters: c)"
            ),
        ),
        (
            lambda: formulas.bin_factor("eft", "1 + c*a +", ["c"], a=[1.0]),
            (
                "expression of 'eft': found the end at column 10 of '1 + c*a +', expected a "
                "number, a name, '@' or '(' (parameters: c; numbers of the bin: a)"
            ),
        ),
        (
            lambda: formulas.bin_integral("pdf", "gauss(x)", [], edges=[0.0, 1.0]),
            (
                "expression of 'pdf': found the function 'gauss' at column 1 of 'gauss(x)', "
                "expected exp, log, log10, sqrt, abs, sin, cos, tan, pow, min or max "
                "(parameters: none; numbers of the bin: x)"
            ),
        ),
    ],
)
def test_wrong_expressions_are_refused_where_they_are_written(
    make: Callable[[], s.FormulaFactor], message: str
) -> None:
    with pytest.raises(nf.SpecError) as error:
        make()
    assert str(error.value) == message
    assert error.value.location == message.partition(":")[0]


def test_one_name_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(nf.ArgumentError, match=r"parameters: found the text 'mu', expected a list"):
        formulas.factor("f", "mu", "mu")


def test_contradictions_say_where() -> None:
    with pytest.raises(nf.SpecError, match=r"variables\[0\].*values"):
        model_of(formulas.bin_factor("q", "c*a", ["c"], a=[1.0, 2.0]), c=1.0)
    with pytest.raises(nf.SpecError, match="'c'"):
        model_of(formulas.bin_factor("q", "c", ["c"], c=[1.0, 2.0, 3.0]), c=1.0)
    with pytest.raises(nf.SpecError, match="weights"):
        model_of(s.FormulaFactor("q", "c", ["c"], (), [1.0, 2.0]), c=1.0)
    with pytest.raises(nf.ArgumentError, match="edges"):
        formulas.bin_factor("q", "x", [], edges=[0.0, 2.0, 1.0])
    with pytest.raises(nf.ArgumentError, match="x: defined by"):
        formulas.bin_factor("q", "x", [], edges=[0.0, 2.0], x=[1.0])
    with pytest.raises(nf.ArgumentError, match="n_nodes"):
        formulas.bin_integral("q", "x", [], edges=[0.0, 2.0], n_nodes=0)


def test_formats_that_cannot_hold_them_say_so() -> None:
    model = model_of(formulas.bin_factor("eft", "1 + c*a", ["c"], a=[0.1, 0.2, 0.3]), c=1.0)
    with pytest.raises(nf.Error, match="eft"):
        model.spec.to_pyhf()
    with pytest.raises(nf.Error, match="eft"):
        model.spec.to_hs3()
    with pytest.warns(nf.ModelWarning, match="eft"):
        document = model.spec.to_pyhf(lossy=True)
    sample = next(c for c in document["channels"][0]["samples"] if c["name"] == "sig")
    np.testing.assert_allclose(sample["data"], [11.0, 24.0, 39.0])


def test_specifications_compare_and_rename() -> None:
    one = formulas.bin_factor("eft", "1 + c*a", ["c"], a=[0.1, 0.2, 0.3])
    assert one == formulas.bin_factor("eft", "1 + c*a", ["c"], a=[0.1, 0.2, 0.3])
    assert one != formulas.bin_factor("eft", "1 + c*a", ["c"], a=[0.1, 0.2, 0.4])
    model = model_of(one, c=1.0)
    renamed = nf.Model(nf.surgery.rename(model.spec, parameters={"c": "wilson"}))
    np.testing.assert_array_equal(renamed.expected(renamed.initial), model.expected(model.initial))
