"""The end of a header: what Clad is asked for, and a program that shows how to use it all."""

from __future__ import annotations


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
