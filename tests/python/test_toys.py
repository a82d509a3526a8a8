"""Pseudo-experiments."""

import json
import os
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import nablafit as nf
from locations import published_workspaces
from nablafit.cli import main


def test_counts_are_poisson(model: nf.Model) -> None:
    toys = nf.toys(model, {"mu": 2.0, "scale": 0.5}, n=20000, seed=1)
    yields = model.expected({"mu": 2.0, "scale": 0.5})
    for bin_, mean in enumerate(yields):
        edges = stats.poisson.ppf(np.linspace(0, 1, 11)[1:-1], mean)
        cumulative = stats.poisson.cdf(edges, mean)
        observed = np.histogram(toys.counts[:, bin_], [-1, *(edges + 0.5), np.inf])[0]
        expected = np.diff([0.0, *cumulative, 1.0]) * len(toys)
        assert stats.chisquare(observed, expected).pvalue > 1e-5


def test_global_observables_follow_their_constraint(model: nf.Model) -> None:
    x = {"scale": 1.2, "lumi": 1.03, "stat[0]": 0.97}
    toys = nf.toys(model, x, n=20000, seed=2)
    _, width = model.prefit()
    names = model.constrained_parameters
    for name in ("scale", "lumi", "stat[0]"):
        column = toys.global_observables[:, names.index(name)]
        sigma = width[model.index(name)]
        assert stats.kstest(column, stats.norm(x[name], sigma).cdf).pvalue > 1e-5
    shape = toys.global_observables[:, names.index("shape[0]")]
    tau = 120.0**2 / 6.0**2
    assert shape.mean() == pytest.approx(tau, abs=5 * np.sqrt(tau / len(toys)))
    assert shape.var() == pytest.approx(tau, rel=5 * np.sqrt(2.0 / len(toys)))


def test_shards_merge_to_the_identical_result(model: nf.Model) -> None:
    whole = nf.toys(model, n=1000, seed=7, n_threads=1)
    cuts = [0, 1, 130, 700, 1000]
    shards = [nf.toys(model, None, b - a, 7, a, n_threads=3) for a, b in pairwise(cuts)]
    assert nf.Toys.merge(shards[::-1]) == whole
    assert nf.toys(model, n=1000, seed=8) != whole
    with pytest.raises(nf.ArgumentError, match="starts at toy 1,"):
        nf.Toys.merge([shards[0], shards[2]])
    with pytest.raises(nf.ArgumentError, match="differs"):
        nf.Toys.merge([shards[0], nf.toys(model, n=5, seed=9, start=1)])
    with pytest.raises(nf.ArgumentError, match="differs"):
        nf.Toys.merge([shards[0], nf.toys(model, {"mu": 2.0}, n=5, seed=7, start=1)])


def test_global_observables_can_be_held(model: nf.Model) -> None:
    nominal = nf.toys(model, n=3, global_observables="nominal")
    assert not nominal.randomized
    np.testing.assert_array_equal(
        nominal.global_observables, [model.asimov().global_observables] * 3
    )
    values = np.arange(1.0, 1.0 + len(model.constrained_parameters))
    held = nf.toys(model, n=3, global_observables=values)
    np.testing.assert_array_equal(held.global_observables, [values] * 3)
    drawn = nf.toys(model, n=3)
    np.testing.assert_array_equal(drawn.counts, held.counts)
    for wrong in ("fixed", [1.0]):
        with pytest.raises(nf.ArgumentError, match="global_observables"):
            nf.toys(model, n=3, global_observables=wrong)


def test_impossible_toys_say_where(model: nf.Model) -> None:
    with pytest.raises(nf.ArgumentError, match=r"signal_region\[1\]: the expected yield is -"):
        nf.toys(model, {"mu": -8.0}, n=1)
    with pytest.raises(nf.ArgumentError, match="n: expected"):
        nf.toys(model, n=-1)
    with pytest.raises(nf.ArgumentError, match="seed: expected"):
        nf.toys(model, seed=-1)


def test_toys_round_trip(model: nf.Model, tmp_path: Path) -> None:
    toys = nf.toys(model, {"mu": 0.5}, n=20, seed=2**63 + 5, start=10**12)
    toys.save(tmp_path / "toys.npz")
    assert nf.Toys.load(tmp_path / "toys.npz") == toys
    assert nf.Toys.from_dict(json.loads(json.dumps(toys.to_dict()))) == toys
    assert len(toys) == len(list(toys)) == 20
    assert toys[3] == nf.Data(toys.counts[3], toys.global_observables[3])
    assert "1000000000000 to 1000000000019" in repr(toys)
    with pytest.raises(nf.ArgumentError, match="expected format"):
        nf.FitManyResult.load(tmp_path / "toys.npz")


def test_pulls_have_mean_zero_and_width_one(model: nf.Model) -> None:
    truth = model.point({"mu": 3.0})
    fits = nf.fit_many(model, nf.toys(model, truth, n=4000, seed=11))
    assert fits.valid.mean() > 0.999
    free = fits["mu"] > 0.01
    pulls = (fits["mu"][free] - 3.0) / fits.error("mu")[free]
    assert free.mean() > 0.98
    # Counts of 35 to 117 events: the pull is a Gaussian up to a skewness of a few per cent.
    assert abs(pulls.mean()) < 0.1
    assert pulls.std() == pytest.approx(1.0, abs=0.06)
    scale = fits["scale"] / fits.error("scale")
    assert abs(scale.mean()) < 0.1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::nablafit.ModelWarning")
@pytest.mark.parametrize("path", published_workspaces(), ids=lambda path: path.stem)
def test_pulls_of_published_models(path: Path) -> None:
    """Of the typical parameter: some are far from linear, so that theirs are no Gaussians."""
    workspace = nf.Workspace.load(path)
    model = workspace.model()
    best = nf.fit(model, workspace.data(model))
    fits = nf.fit_many(model, nf.toys(model, best.x, n=300, seed=1))
    assert fits.valid.mean() > 0.98
    medians, widths = [], []
    for index in np.flatnonzero(~np.array(model.fixed)):
        good = fits.valid & (fits.errors[:, index] > 0) & np.isfinite(fits.errors[:, index])
        if good.mean() < 0.9:
            continue
        pulls = (fits.x[good, index] - best.x[index]) / fits.errors[good, index]
        medians.append(np.median(pulls))
        widths.append(np.std(pulls))
    assert len(medians) > 0
    assert abs(np.median(medians)) < 0.15
    assert np.median(widths) == pytest.approx(1.0, abs=0.12)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_interruption_keeps_the_first_toys(model: nf.Model) -> None:
    def interrupt(_: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(nf.Interrupted) as caught:
        nf.toys(model, n=5_000_000, seed=3, progress=interrupt)
    partial = caught.value.result
    assert isinstance(partial, nf.Toys)
    assert 0 < len(partial) < 5_000_000
    assert nf.toys(model, n=10, seed=3) == nf.Toys.merge(
        [
            nf.Toys(
                **{
                    **vars(partial),
                    "counts": partial.counts[:10],
                    "global_observables": partial.global_observables[:10],
                }
            )
        ]
    )


@pytest.fixture
def path(document: dict[str, object], tmp_path: Path) -> Path:
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(document))
    return path


def test_command_line_makes_shards_that_merge(path: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    assert main(["toys", str(path), "--toys", "700", "--seed", "5", "-o", str(whole)]) == 0
    shards = []
    for i in (1, 2, 3):
        target = tmp_path / f"{i}.npz"
        options = ["--toys", "700", "--seed", "5", "--shard", f"{i}/3", "--threads", "2"]
        assert main(["toys", str(path), *options, "-o", str(target)]) == 0
        shards.append(nf.FitManyResult.load(target))
    assert nf.FitManyResult.merge(shards) == nf.FitManyResult.load(whole)


def test_command_line_continues_where_it_was_interrupted(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nablafit._cli import toys as _toys_command

    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    command = ["toys", str(path), "--toys", "1500", "--keep", "mu", "--set", "mu=1", "-o"]
    assert main([*command, str(whole)]) == 0
    fit_many = _toys_command.fit_many
    blocks: list[int] = []

    def interrupted(*args: object, **options: object) -> nf.FitManyResult:
        result = fit_many(*args, **options)  # type: ignore[arg-type]
        blocks.append(len(result))
        if len(blocks) == 2:
            raise nf.Interrupted("interrupted", result.first(100))
        return result

    monkeypatch.setattr(_toys_command, "fit_many", interrupted)
    assert main([*command, str(parts)]) == 130
    assert len(nf.FitManyResult.load(parts)) == blocks[0] + 100
    assert main([*command, str(parts)]) == 0
    assert sum(blocks) - blocks[1] == 1500 - 100
    assert nf.FitManyResult.load(parts) == nf.FitManyResult.load(whole)
    assert main([*command, str(parts)]) == 0
    assert main([*command, str(parts), "--seed", "2"]) == 2


def test_command_line_writes_toys_without_fits(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "toys.npz"
    command = ["toys", str(path), "--no-fit", "--initial", "--seed", "4", "-o", str(target)]
    assert main([*command, "--toys", "30"]) == 0
    assert main([*command, "--toys", "50"]) == 0
    model = nf.Workspace.load(path).model()
    assert nf.Toys.load(target) == nf.toys(model, n=50, seed=4)
    assert main([*command, "--toys", "40"]) == 2
    assert main(["toys", str(path), "--shard", "3/2", "-o", str(target)]) == 2
