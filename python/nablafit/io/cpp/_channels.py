"""One channel as C++: its data, samples, expected events and likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._samples import write_sample
from ._text import Identifiers, array, comment, documented, function, number

if TYPE_CHECKING:
    from ..._arrays import FloatArray
    from ...spec import Channel
    from ._samples import Names, SampleCode


@dataclass(frozen=True)
class _Sample:
    """A sample's code and the local names for it."""

    code: SampleCode
    local: str

    @property
    def factor(self) -> str | None:
        """The factor, where a variable holds it."""
        return None if self.code.factor is None else f"factor_{self.local}"

    def weighted(self, weight: str) -> str:
        """Return `weight` times the factor."""
        return weight if self.factor is None else f"{weight} * {self.factor}"


def write_channel(
    channel: Channel, observed: FloatArray, namespace: str, names: Names
) -> list[str]:
    """Return the namespace of a channel."""
    locals_ = Identifiers()
    samples = [
        _Sample(write_sample(s, f"sample_{locals_[s.name]}", names), locals_[s.name])
        for s in channel.samples
    ]
    lines = [
        "",
        f"// ---- channel {comment(channel.name)} ".ljust(100, "-"),
        "",
        f"namespace {namespace} {{",
        "",
        f"inline constexpr int n_bins = {channel.n_bins};",
        "",
        *documented("Observed events per bin."),
        *array("double observed[n_bins]", map(number, observed.tolist())),
    ]
    for sample in samples:
        lines += sample.code.lines
    floor = channel.yield_floor
    return [
        *lines,
        "",
        *_expected(samples, floor),
        *_nll(samples, floor),
        *_nll_and_gradient(samples, floor),
        f"}}  // namespace {namespace}",
    ]


def _factors(samples: list[_Sample]) -> list[str]:
    return [f"  const double {s.factor} = {s.code.factor};" for s in samples if s.factor]


def _sum(samples: list[_Sample], *, shapes: bool) -> list[str]:
    """Return the lines of `yield`, a bin's events, from the factors and shapes."""
    terms = [s.weighted(f"shape_{s.local}" if shapes else s.code.shape) for s in samples]
    lines = [f"    double yield = {terms[0]};"]
    return lines + [f"    yield += {term};" for term in terms[1:]]


def _raise(floor: float | None) -> list[str]:
    return [] if floor is None else [f"    if (yield < {number(floor)}) yield = {number(floor)};"]


def _expected(samples: list[_Sample], floor: float | None) -> list[str]:
    body = [
        *_factors(samples),
        "  for (int bin = 0; bin < n_bins; ++bin) {",
        *_sum(samples, shapes=False),
        *_raise(floor),
        "    yields[bin] = yield;",
        "  }",
    ]
    what = "Expected events of all bins, into yields[n_bins]."
    return function(what, "void", "expected", ["const double* x", "double* yields"], body)


def _nll(samples: list[_Sample], floor: float | None) -> list[str]:
    body = [
        *_factors(samples),
        "  double sum = 0.0;",
        "  for (int bin = 0; bin < n_bins; ++bin) {",
        *_sum(samples, shapes=False),
        *_raise(floor),
        "    sum += poisson_deviance(observed[bin], yield);",
        "  }",
        "  return sum;",
    ]
    return function("Poisson terms of all bins.", "double", "nll", ["const double* x"], body)


def _nll_and_gradient(samples: list[_Sample], floor: float | None) -> list[str]:
    """Return the reverse sweep: bins first, then what all bins have in common."""
    changing = [s for s in samples if s.code.factor_pullback is not None]
    varying = [s for s in samples if s.code.shape_pullback is not None]
    body = [
        *_factors(samples),
        *(f"  double seed_{s.local} = 0.0;" for s in changing),
        "  double sum = 0.0;",
        "  for (int bin = 0; bin < n_bins; ++bin) {",
        *(f"    const double shape_{s.local} = {s.code.shape};" for s in samples),
        *_sum(samples, shapes=True),
    ]
    if floor is not None:
        body.append(f"    const bool is_raised = yield < {number(floor)};")
    body += [*_raise(floor), "    sum += poisson_deviance(observed[bin], yield);"]
    if floor is not None:
        body.append("    if (is_raised) continue;")
    if changing or varying:
        body.append("    const double weight = poisson_deviance_slope(observed[bin], yield);")
    body += [f"    seed_{s.local} += weight * shape_{s.local};" for s in changing]
    for sample in varying:
        pullback = sample.code.shape_pullback or ""
        body.append(f"    {pullback.format(sample.weighted('weight'))}")
    body.append("  }")
    for sample in changing:
        pullback = sample.code.factor_pullback or ""
        body.append(f"  {pullback.format(f'seed_{sample.local}')}")
    what = "The same, and its derivatives added to the gradient."
    arguments = ["const double* x", "double* gradient"]
    return function(what, "double", "nll_and_gradient", arguments, [*body, "  return sum;"])
