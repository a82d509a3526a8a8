"""Channels and their samples as C++: data, expected events, likelihood and pullbacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..._core import factor_constants
from ...spec import FormulaFactor, HistoSys, Interpolation, Lumi, NormFactor, NormSys, is_additive
from ._expression import FormulaKey, per_bin_functions, varies
from ._functions import (
    Scope,
    Term,
    Variations,
    function_term,
    parameter_term,
    product_functions,
    sum_functions,
)
from ._text import Identifiers, array, comment, documented, function, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..._arrays import FloatArray
    from ...spec import Channel, Sample
    from ._functions import Transformations


@dataclass(frozen=True)
class SampleCode:
    """The namespace of a sample, and how the channel calls what is in it.

    The yield of a bin is `factor` times `shape`; without `factor` it is `shape` alone.
    """

    lines: tuple[str, ...]
    factor: str | None
    factor_pullback: str | None
    """Takes a seed in braces."""
    shape: str
    shape_pullback: str | None
    """Takes a seed in braces."""

    @property
    def value(self) -> str:
        """Expected events in a bin."""
        return self.shape if self.factor is None else f"{self.factor} * {self.shape}"


@dataclass(frozen=True)
class Names:
    """What a sample's code refers to."""

    par: Identifiers
    transformations: Transformations
    formulas: Mapping[FormulaKey, str]
    """The function of each formula."""


def write_sample(sample: Sample, namespace: str, names: Names) -> SampleCode:
    """Write one sample of a channel."""
    return _Writer(sample, namespace, names).write()


class _Writer:
    def __init__(self, sample: Sample, namespace: str, names: Names) -> None:
        self._sample = sample
        self._namespace = namespace
        self._names = names
        n_bins = len(sample.nominal)
        self._whole = Scope(per_bin=False, n_bins=n_bins)
        self._bin = Scope(per_bin=True, n_bins=n_bins)
        self._norms: dict[Interpolation, Variations] = {}
        self._shapes: dict[Interpolation, Variations] = {}
        self._factors: list[Term] = []
        self._bin_factors: list[Term] = []
        self._lines: list[str] = []

    def write(self) -> SampleCode:
        for modifier in self._sample.modifiers:
            self._collect(modifier)
        tables = self._lines
        self._lines = ["", f"/// Sample {comment(self._sample.name)}."]
        self._lines += [f"namespace {self._namespace} {{", "", *self._nominal(), *tables]
        for what, groups in (("Factors", self._norms), ("Histograms", self._shapes)):
            for group in groups.values():
                self._lines += group.definitions(what, self._names.par)
        factor = self._write_factor()
        shape = self._write_shape()
        self._lines.append(f"}}  // namespace {self._namespace}")
        return SampleCode(
            lines=tuple(self._lines),
            factor=None if factor is None else self._outside(factor, factor.value),
            factor_pullback=self._pullback(factor),
            shape=f"{self._namespace}::{shape.value if shape else 'nominal[bin]'}",
            shape_pullback=self._pullback(shape),
        )

    def _outside(self, term: Term, text: str) -> str:
        return text if term.pullback is None else f"{self._namespace}::{text}"

    def _pullback(self, term: Term | None) -> str | None:
        if term is None or term.pullback is None:
            return None
        return self._outside(term, term.pullback("{}"))

    def _nominal(self) -> list[str]:
        values = self._sample.nominal
        varies = any(is_additive(code) for code in self._shapes)
        if self._sample.yield_floor is not None and not varies:
            values = np.maximum(values, self._sample.yield_floor)
        what = "Expected events per bin before any modifier."
        return [
            *documented(what),
            *array("double nominal[n_bins]", map(number, values.tolist())),
            "",
        ]

    def _collect(self, modifier: object) -> None:
        """Put a modifier where it belongs in the formula."""
        if isinstance(modifier, NormFactor | Lumi):
            self._factors.append(parameter_term(self._place(modifier.parameter)))
        elif isinstance(modifier, FormulaFactor):
            self._add_formula(modifier)
        elif isinstance(modifier, NormSys):
            group = self._group(self._norms, "norm", modifier.interpolation, self._whole)
            group.parameters.append(modifier.parameter)
            row = _constants(modifier.interpolation, modifier.low, 1.0, modifier.high)
            group.rows.append(np.array(row))
        elif isinstance(modifier, HistoSys):
            self._add_histogram(modifier)
        else:
            self._add_bin_factor(modifier.name, modifier.parameters)  # type: ignore[attr-defined]

    def _place(self, parameter: str) -> str:
        return f"par::{self._names.par[parameter]}"

    def _group(
        self,
        groups: dict[Interpolation, Variations],
        prefix: str,
        code: Interpolation,
        scope: Scope,
    ) -> Variations:
        return groups.setdefault(code, Variations(f"{prefix}{int(code)}", code, scope))

    def _add_formula(self, modifier: FormulaFactor) -> None:
        key = FormulaKey.of(modifier)
        formula, depends = self._names.formulas[key], varies(key)
        scope, terms = self._whole, self._factors
        if modifier.variables or modifier.weights.size:
            scope, terms = self._bin, self._bin_factors
            name = f"formula{len(self._bin_factors)}"
            self._lines += per_bin_functions(name, formula, modifier, scope, depends=depends)
            formula = name
        term = function_term(formula, scope)
        terms.append(term if depends else Term(term.value))

    def _add_histogram(self, modifier: HistoSys) -> None:
        group = self._group(self._shapes, "shape", modifier.interpolation, self._bin)
        group.parameters.append(modifier.parameter)
        low, nominal, high = modifier.low, self._sample.nominal, modifier.high
        if not is_additive(modifier.interpolation):
            safe = np.where(nominal != 0.0, nominal, 1.0)
            low = np.where(nominal != 0.0, low / safe, 1.0)
            high = np.where(nominal != 0.0, high / safe, 1.0)
            nominal = np.ones_like(low)
        bins = zip(low.tolist(), nominal.tolist(), high.tolist(), strict=True)
        group.rows.append(
            np.array([_constants(modifier.interpolation, *values) for values in bins])
        )

    def _add_bin_factor(self, name: str, parameters: Sequence[str]) -> None:
        table = f"gamma{len(self._bin_factors)}"
        self._lines += [
            *documented(f"{name}: the parameter that multiplies each bin."),
            *array(f"int {table}[n_bins]", map(self._place, parameters)),
            "",
        ]
        self._bin_factors.append(parameter_term(f"{table}[bin]"))

    def _write_factor(self) -> Term | None:
        """Write the factor that is common to all bins, if there is one."""
        terms = list(self._factors)
        sums = [group for code, group in self._norms.items() if is_additive(code)]
        products = [group for code, group in self._norms.items() if not is_additive(code)]
        transformations, floor = self._names.transformations, self._sample.factor_floor
        norm_terms: list[Term] = []
        if sums:
            what = "1 + the changes of all normsys with additive interpolation."
            self._lines += sum_functions("norm_sum", what, "1.0", sums, transformations)
            norm_terms.append(function_term("norm_sum", self._whole))
        if floor is not None and self._norms:
            what = "Product of the normsys factors."
            self._lines += product_functions(
                "norm_product", what, self._whole, norm_terms, products, transformations, floor
            )
            norm_terms, products = [function_term("norm_product", self._whole)], []
        elif floor is not None and floor > 1.0:
            terms.append(Term(number(floor)))
        terms += norm_terms
        if not terms and not products:
            return None
        if not products and all(term.pullback is None for term in terms):
            return Term(" * ".join(term.value for term in terms))
        what = "Factor that is common to all bins."
        self._lines += product_functions(
            "factor", what, self._whole, terms, products, transformations
        )
        return function_term("factor", self._whole)

    def _write_shape(self) -> Term | None:
        """Write what differs from bin to bin; none if that is `nominal`."""
        sums = [group for code, group in self._shapes.items() if is_additive(code)]
        products = [group for code, group in self._shapes.items() if not is_additive(code)]
        transformations, floor = self._names.transformations, self._sample.yield_floor
        histogram = Term("nominal[bin]")
        if sums:
            what = "Expected events of a bin with the changes of all histosys."
            self._lines += sum_functions(
                "histogram", what, "nominal[bin]", sums, transformations, floor
            )
            histogram = function_term("histogram", self._bin)
        if not self._bin_factors and not products:
            return histogram if sums else None
        what = "Expected events of a bin times the factors of its own."
        terms = [histogram, *self._bin_factors]
        self._lines += product_functions("shape", what, self._bin, terms, products, transformations)
        return function_term("shape", self._bin)


def _constants(code: Interpolation, low: float, nominal: float, high: float) -> list[float]:
    """Return the constants of an interpolation between low, nominal and high."""
    if code is Interpolation.piecewise_exponential:
        return factor_constants(low, high)[:2]
    if code is Interpolation.polynomial_exponential:
        return factor_constants(low, high)
    return [(high - low) / 2.0, (high + low - 2.0 * nominal) / 16.0]


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
