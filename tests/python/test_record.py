"""The base of results: a trip through JSON changes nothing."""

import json
import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import nablafit as nf
from nablafit._arrays import FloatArray
from nablafit._results.record import Record


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Part(Record):
    name: str
    values: dict[str, float]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Whole(Record, format="nablafit.TestWhole/1"):
    number: float
    count: int
    flag: bool
    text: str | None
    vector: FloatArray
    optional: FloatArray | None
    flags: NDArray[np.bool_]
    names: tuple[str, ...]
    pair: tuple[float, float]
    parts: tuple[Part, ...]
    part: Part | None
    by_name: dict[str, tuple[float, ...]]
    fit: nf.FitResult


@pytest.fixture
def whole(likelihood: nf.Likelihood) -> Whole:
    return Whole(
        number=math.inf,
        count=3,
        flag=True,
        text=None,
        vector=np.array([[1.0, math.nan], [-math.inf, 0.1]]),
        optional=None,
        flags=np.array([True, False]),
        names=("a", "b"),
        pair=(0.0, math.nan),
        parts=(Part(name="p", values={"x": 1.5}),),
        part=None,
        by_name={"a": (1.0, 2.0)},
        fit=nf.fit(likelihood),
    )


def test_round_trip_through_a_file(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    whole.save(path)
    loaded = nf.load_result(path)
    assert isinstance(loaded, Whole)
    assert loaded == whole
    assert loaded.vector.dtype == np.float64
    assert loaded.flags.dtype == np.bool_
    np.testing.assert_array_equal(loaded.vector, whole.vector)
    assert math.isinf(loaded.number)
    assert math.isnan(loaded.pair[1])
    assert loaded.parts == whole.parts
    assert isinstance(loaded.fit, nf.FitResult)
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_arrays_are_read_only(whole: Whole) -> None:
    with pytest.raises(ValueError, match="read-only"):
        whole.vector[0, 0] = 2.0


def test_a_fit_result_is_loaded_by_its_format(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(whole.fit.to_json())
    assert nf.load_result(path) == whole.fit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a saved result of nablafit, found JSON of another kind"),
        ("[]", "expected a saved result of nablafit"),
        ('{"format": "other/1"}', "other/1"),
        ('{"format": "nablafit.TestWhole/1", "number": 1.0}', "'count'"),
    ],
)
def test_other_documents_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(nf.ArgumentError, match=message):
        nf.load_result(path)


def test_a_member_of_the_wrong_type_is_named(whole: Whole) -> None:
    document = whole.to_dict()
    document["pair"] = [1.0, "many"]
    with pytest.raises(nf.ArgumentError, match=r"pair\[1\].*'many'"):
        Whole.from_dict(document)


def test_a_record_with_members_that_nothing_reads_is_refused() -> None:
    @dataclass(frozen=True, eq=False, kw_only=True, repr=False)
    class Odd(Record):
        names: set[str]

    with pytest.raises(TypeError, match=r"names: no way to read a member of the type set\[str\]"):
        Odd.from_dict({"names": ["a"]})


def results(likelihood: nf.Likelihood) -> dict[str, Callable[[Path], None]]:
    """What writes a file, by its name."""
    fit = nf.fit(likelihood)
    toys = nf.toys(likelihood.model, n=2)
    return {
        "fit.json": fit.save,
        "pulls.json": nf.pulls(fit).save,
        "toys.npz": toys.save,
        "fits.npz": nf.fit_many(likelihood.model, toys).save,
    }


def test_files_have_the_mode_of_any_new_file(
    likelihood: nf.Likelihood, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing asks for the umask: that sets it, for all threads of the process."""
    plain = tmp_path / "plain"
    plain.touch()
    made = results(likelihood)
    monkeypatch.setattr(os, "umask", None)
    for name, save in made.items():
        save(tmp_path / name)
        assert (tmp_path / name).stat().st_mode == plain.stat().st_mode, name
    assert {path.name for path in tmp_path.iterdir()} == {"plain", *made}


def test_replaced_files_keep_their_mode_and_links(
    likelihood: nf.Likelihood, tmp_path: Path
) -> None:
    for name, save in results(likelihood).items():
        target, link = tmp_path / name, tmp_path / f"link_{name}"
        target.touch()
        target.chmod(0o640)
        link.symlink_to(target)
        save(link)
        assert link.is_symlink(), name
        assert stat.S_IMODE(target.stat().st_mode) == 0o640, name
        assert target.stat().st_size > 100, name


def test_load_result_reads_what_every_result_saves(
    likelihood: nf.Likelihood, tmp_path: Path
) -> None:
    kinds = {}
    for name, save in results(likelihood).items():
        save(tmp_path / name)
        kinds[name] = type(nf.load_result(tmp_path / name)).__name__
    assert kinds == {
        "fit.json": "FitResult",
        "pulls.json": "PullsResult",
        "toys.npz": "Toys",
        "fits.npz": "FitManyResult",
    }


def test_other_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, format=np.array("other/1"))
    with pytest.raises(nf.ArgumentError, match="of format 'other/1'"):
        nf.load_result(path)
    path.write_bytes(b"PK and no more")
    with pytest.raises(nf.ArgumentError, match="expected a file of a result"):
        nf.load_result(path)
