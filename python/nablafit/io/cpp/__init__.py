"""Likelihoods as C++ source: one self-contained header per model and data set.

The text is written from the `ModelSpec`, like a file of any other format. Its size is linear in the
model: data are tables, and each sample is two short functions with their pullbacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core import __version__
from ...data import Data
from ...errors import ArgumentError, located
from ...model import Model
from ...spec import FormulaFactor, IdentityTransformation
from ...surgery import modifiers_of
from ._channels import Names, write_channel
from ._constraints import write_constraints, write_transformations
from ._expression import FormulaKey, formula_functions
from ._functions import Transformations
from ._text import Identifiers, array, comment, documented, formulas_for, identifier_of, number
from ._text import string as quoted

if TYPE_CHECKING:
    from ...model import Likelihood
    from ...spec import ModelSpec, Observations

__all__ = ["to_cpp"]


def to_cpp(
    spec: ModelSpec,
    observations: Observations | Data,
    *,
    namespace: str = "model",
    clad: bool = False,
) -> str:
    """Return a C++17 header with the likelihood of a model for given data.

    Parameters
    ----------
    spec : ModelSpec
        A model of any format.
    observations : Observations or Data
        Counts and global observables.
    namespace : str
        C++ namespace of everything in the header.
    clad : bool
        Add the request that makes clang with the Clad plugin write the gradient of `nll`, as
        `clad_nll_and_gradient`. Such a header needs those of Clad; others have no dependencies.

    Returns
    -------
    str
        The header. Its `nll(x)` is the value of `Likelihood(x)`, its `nll_and_gradient(x, g)` that
        and the derivatives by a reverse sweep, `expected(x, yields)` the events per bin. Its last
        lines are a main() that checks the value at the initial point, for compilers that are told
        to define NABLAFIT_EXAMPLE.

    Raises
    ------
    ArgumentError
        If the data do not fit the model, or `namespace` is not a C++ identifier.
    SpecError
        If the specification is not valid.
    """
    if identifier_of(namespace) != namespace:
        message = (
            f"found {namespace!r}, expected a C++ identifier such as {identifier_of(namespace)!r}"
        )
        raise located(ArgumentError, message, "namespace")
    model = Model(spec)
    data = observations if isinstance(observations, Data) else model.data(observations)
    return _Header(model.likelihood(data), namespace, clad=clad).text()


class _Header:
    """The parts of one header, in order."""

    def __init__(self, likelihood: Likelihood, namespace: str, *, clad: bool) -> None:
        self._likelihood = likelihood
        self._spec = likelihood.model.spec
        self._namespace = namespace
        self._clad = clad
        self._par = Identifiers()
        self._channels = Identifiers("channel_")

    def text(self) -> str:
        body = [
            *self._parameters(),
            *write_transformations(self._spec.parameters, self._par),
            *self._body(),
            *self._likelihood_functions(),
        ]
        formulas = formulas_for("\n".join(body))
        heading = ["", "// ---- formulas ".ljust(100, "-"), ""]
        guard = f"NABLAFIT_EXPORT_{self._namespace.upper()}_HPP"
        lines = [
            *self._introduction(),
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            "#include <cmath>",
            "#include <limits>",
            "",
            f"namespace {self._namespace} {{",
            *heading,
            "\n\n".join(formulas),
            *body,
            "",
            f"}}  // namespace {self._namespace}",
            *(clad_lines(self._namespace) if self._clad else []),
            *example_lines(self._namespace, clad=self._clad),
            "",
            f"#endif  // {guard}",
        ]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _introduction(self) -> list[str]:
        model = self._likelihood.model
        title = f"Likelihood of {self._spec.name}." if self._spec.name else "A likelihood."
        sizes = (
            f"{len(model.channels)} channels, {model.n_bins} bins, {model.n_parameters} parameters."
        )
        return [
            f"// {comment(title)} {sizes} Written by nablafit {__version__}.",
            "//",
            "// The expected events of a bin are the sum over the samples of the channel of",
            "//",
            "//     (nominal + changes by histosys) * norm factors * normsys factors * gammas,",
            "//",
            "// and nll(x) = -log L(x) - nll_constant is the sum over bins of",
            "// expected - observed + observed log(observed / expected), plus one term for each",
            "// constrained parameter. x holds n_parameters numbers in the order of namespace par.",
            "//",
            "// To see it run:",
            f"//     c++ -std=c++17 -O2 -DNABLAFIT_EXAMPLE -x c++ {self._namespace}.hpp && ./a.out",
        ]

    def _parameters(self) -> list[str]:
        model = self._likelihood.model
        n = model.n_parameters
        initial = model.initial.tolist()
        lower, upper = zip(*model.bounds, strict=True) if n else ((), ())
        lines = [
            "",
            "// ---- parameters ".ljust(100, "-"),
            "",
            f"inline constexpr int n_parameters = {n};",
            "",
            *documented("Positions of the parameters in x."),
            "namespace par {",
            "enum Index : int {",
        ]
        for name in model.parameters:
            identifier = self._par[name]
            note = "" if identifier == name else f"  // {comment(name)}"
            lines.append(f"  {identifier},{note}")
        lines += ["};", "}  // namespace par", ""]
        fixed = ["true" if is_fixed else "false" for is_fixed in model.fixed]
        size = max(n, 1)  # C++ has no empty arrays
        return [
            *lines,
            *array(f"const char* names[{size}]", map(quoted, model.parameters or ("",))),
            *array(f"double initial[{size}]", map(number, initial)),
            *array(f"double lower[{size}]", map(number, lower)),
            *array(f"double upper[{size}]", map(number, upper)),
            *documented("Whether each parameter is meant to be constant in fits."),
            *array(f"bool fixed[{size}]", fixed),
        ]

    def _formula_functions(self) -> tuple[list[str], dict[FormulaKey, str]]:
        """Return the functions of all different expressions, and their names."""
        lines: list[str] = []
        known: dict[FormulaKey, str] = {}
        for modifier in modifiers_of(self._spec):
            if not isinstance(modifier, FormulaFactor):
                continue
            key = FormulaKey.of(modifier)
            if key not in known:
                known[key] = f"formula_{len(known)}"
                lines += formula_functions(known[key], key, self._par)
        return (["", *lines[:-1]] if lines else []), known

    def _body(self) -> list[str]:
        lines, formulas = self._formula_functions()
        plain = (
            isinstance(p.transformation, IdentityTransformation) for p in self._spec.parameters
        )
        transformed = not all(plain)
        names = Names(self._par, Transformations(transformed), formulas)
        counts, start = self._likelihood.data.counts, 0
        for channel in self._spec.channels:
            stop = start + channel.n_bins
            lines += write_channel(channel, counts[start:stop], self._channels[channel.name], names)
            start = stop
        by_name = {parameter.name: parameter for parameter in self._spec.parameters}
        constrained = [by_name[n] for n in self._likelihood.model.constrained_parameters]
        observed = self._likelihood.data.global_observables.tolist()
        return [*lines, *write_constraints(constrained, observed, self._par)]

    def _likelihood_functions(self) -> list[str]:
        model = self._likelihood.model
        parts = [self._channels[name] for name in model.channels]
        offsets = [bins.start for bins in model.channel_bins.values()]
        terms = [*parts, *(["constraints"] if model.constrained_parameters else [])]
        value = self._likelihood(model.initial)
        return [
            "",
            "// ---- likelihood ".ljust(100, "-"),
            "",
            *documented("-log L(x) = nll(x) + nll_constant."),
            f"inline constexpr double nll_constant = {number(self._likelihood.constant)};",
            *documented("nll(initial) as nablafit evaluates it."),
            f"inline constexpr double nll_at_initial = {number(value)};",
            f"inline constexpr int n_bins = {model.n_bins};",
            "",
            *documented("Expected events of all channels, into yields[n_bins]."),
            "inline void expected(const double* x, double* yields) {",
            *(f"  {p}::expected(x, yields + {o});" for p, o in zip(parts, offsets, strict=True)),
            "}",
            "",
            *documented(
                "Negative log-likelihood; infinity where a yield is negative, or zero with "
                "events observed, or a constraint has no density."
            ),
            "inline double nll(const double* x) {",
            "  double sum = 0.0;",
            *(f"  sum += {name}::nll(x);" for name in terms),
            "  if (!(sum < infinity)) return infinity;",
            "  return sum;",
            "}",
            "",
            *documented(
                "The same, and its derivatives with respect to all parameters into "
                "gradient[n_parameters]; they are zero where nll is infinity."
            ),
            "inline double nll_and_gradient(const double* x, double* gradient) {",
            "  for (int i = 0; i < n_parameters; ++i) gradient[i] = 0.0;",
            "  double sum = 0.0;",
            *(f"  sum += {name}::nll_and_gradient(x, gradient);" for name in terms),
            "  if (sum < infinity) return sum;",
            "  for (int i = 0; i < n_parameters; ++i) gradient[i] = 0.0;",
            "  return infinity;",
            "}",
        ]


def clad_lines(namespace: str) -> list[str]:
    """Return the request to Clad."""
    return [
        "",
        "// ---- Clad ".ljust(100, "-"),
        "",
        '#include "clad/Differentiator/Differentiator.h"',
        "",
        f"namespace {namespace} {{",
        "",
        "/// nll and the gradient that Clad writes for it, by reverse mode; the same numbers as",
        "/// nll_and_gradient. Needs clang with the Clad plugin.",
        "inline double clad_nll_and_gradient(const double* x, double* gradient) {",
        "  for (int i = 0; i < n_parameters; ++i) gradient[i] = 0.0;",
        "  auto nll_gradient = clad::gradient(nll);",
        "  nll_gradient.execute(x, gradient);",
        "  return nll(x);",
        "}",
        "",
        f"}}  // namespace {namespace}",
    ]


def example_lines(namespace: str, *, clad: bool) -> list[str]:
    """Return a main() that prints nll and gradient at the initial values and checks nll."""
    function = "clad_nll_and_gradient" if clad else "nll_and_gradient"
    return [
        "",
        "// ---- example ".ljust(100, "-"),
        "",
        "#ifdef NABLAFIT_EXAMPLE",
        "#include <cstdio>",
        "",
        "int main() {",
        f"  using namespace {namespace};",
        "  double gradient[n_parameters + 1];",
        f"  const double value = {function}(initial, gradient);",
        '  std::printf("nll %.17g\\n", value);',
        "  for (int i = 0; i < n_parameters; ++i) {",
        '    std::printf("%s %.17g %.17g\\n", names[i], initial[i], gradient[i]);',
        "  }",
        "  const double scale = std::abs(nll_at_initial) + 1.0;",
        "  return std::abs(value - nll_at_initial) <= 1e-12 * scale ? 0 : 1;",
        "}",
        "#endif  // NABLAFIT_EXAMPLE",
    ]
