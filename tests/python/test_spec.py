"""Specification types as Python objects."""

import copy
import pickle

import numpy as np
import pytest

import nablafit as nf
from nablafit import spec

NORMSYS = spec.NormSys("scale", "alpha", 0.9, 1.1)


def test_fields_by_keyword_and_position() -> None:
    by_name = spec.NormSys(name="scale", parameter="alpha", low=0.9, high=1.1)
    assert by_name == NORMSYS
    assert by_name.interpolation is spec.Interpolation.polynomial_exponential
    assert by_name.type == "normsys"


def test_objects_are_immutable_and_without_hash() -> None:
    with pytest.raises(AttributeError):
        NORMSYS.low = 0.8  # type: ignore[misc]
    with pytest.raises(TypeError, match="unhashable"):
        hash(NORMSYS)


def test_arrays_are_read_only_views(model: nf.Model) -> None:
    nominal = model.spec.channels[0].samples[0].nominal
    assert nominal.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        nominal[0] = 1.0


def test_items_outlive_the_object_that_holds_them(workspace: nf.Workspace) -> None:
    modifier = workspace.spec().channels[1].samples[0].modifiers[1]
    assert isinstance(modifier, spec.HistoSys)
    low = workspace.spec().channels[1].samples[0].modifiers[1].low  # type: ignore[union-attr]
    np.testing.assert_array_equal(low, [38.0, 26.0])


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"channels": []},
        {"parameters_of_interest": ["scale"]},
        {"parameter_points": [spec.ParameterPoint("p", [spec.ParameterValue("mu", 2.0)])]},
    ],
)
def test_equality_sees_every_field(model: nf.Model, change: dict[str, object]) -> None:
    changed = model.spec.replace(**change)
    assert changed != model.spec
    assert changed.replace(**{name: getattr(model.spec, name) for name in change}) == model.spec


def test_equality_looks_into_nested_objects() -> None:
    a = spec.Parameter("x", 0, -5, 5, constraint=spec.GaussianConstraint(0, 1))
    b = a.replace(constraint=spec.GaussianConstraint(0, 1, spec.Range(-5, 5)))
    assert a != b
    assert b.constraint.observable_range == spec.Range(-5, 5)  # type: ignore[union-attr]
    assert a != "x"


@pytest.mark.parametrize("function", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_copies_are_equal(model: nf.Model, function: object) -> None:
    assert function(model.spec) == model.spec  # type: ignore[operator]


def test_repr_leaves_out_defaults() -> None:
    assert repr(NORMSYS) == "NormSys(name='scale', parameter='alpha', low=0.9, high=1.1)"
    sample = spec.Sample("s", np.arange(20.0), [NORMSYS])
    shown = "[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, ... 20 in all]"
    assert repr(sample) == f"Sample(name='s', nominal={shown}, modifiers=<1>)"


def test_pattern_matching() -> None:
    match NORMSYS:
        case spec.NormSys(name, low=low):
            assert (name, low) == ("scale", 0.9)


def test_wrong_types_and_names_are_refused() -> None:
    with pytest.raises(TypeError):
        spec.NormSys("scale", "alpha", "low", 1.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        NORMSYS.replace(lo=0.9)


def test_contradictions_raise_with_their_location() -> None:
    channel = spec.Channel("c", [spec.Sample("s", [1.0]), spec.Sample("t", [1.0, 2.0])])
    with pytest.raises(nf.SpecError) as caught:
        nf.Model(nf.ModelSpec("m", [channel], []))
    assert caught.value.location.startswith("channels[0].samples[1]")
    assert str(caught.value).startswith(caught.value.location)
    assert isinstance(caught.value, nf.Error)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("kind", ["Identity", "Gamma", "LogNormal"])
def test_old_names_of_transformations_are_deprecated(kind: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{kind}Transformation"):
        old = getattr(spec, f"{kind}Pull")
    assert old is getattr(spec, f"{kind}Transformation")


def test_old_name_of_a_transformation_is_deprecated() -> None:
    parameter = spec.Parameter("a", 0.0, -5.0, 5.0)
    with pytest.warns(DeprecationWarning, match=r"Parameter\.transformation"):
        assert parameter.pull == spec.IdentityTransformation()
