"""Constraint terms and pulls as C++."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...spec import (
    GammaConstraint,
    GammaTransformation,
    GaussianConstraint,
    IdentityTransformation,
    LogNormalConstraint,
    LogNormalTransformation,
    PoissonConstraint,
)
from ._text import comment, documented, function, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...spec import Parameter
    from ._text import Identifiers

# Formula, columns of the table besides the parameter, and how the loop calls the formula and adds
# its derivative.
_KINDS = {
    "gaussian": (
        "N(observed | x, sigma)",
        ("observed", "sigma"),
        "gaussian_deviance{slope}({row}[0], {x}, {row}[1])",
        "",
    ),
    "truncated": (
        "N(observed | x, sigma), normalised over lower <= observed <= upper",
        ("observed", "sigma", "lower", "upper"),
        "truncated_gaussian_deviance{slope}({row}[0], {x}, {row}[1], {row}[2], {row}[3])",
        "",
    ),
    "poisson": (
        "Pois(observed | tau x)",
        ("observed", "tau"),
        "poisson_deviance{slope}({row}[0], {row}[1] * {x})",
        "{row}[1] * ",
    ),
    "gamma": (
        "Gamma(x; observed + 1, scale), which is Pois(observed | x / scale)",
        ("observed", "scale"),
        "poisson_deviance{slope}({row}[0], {x} / {row}[1])",
        "1.0 / {row}[1] * ",
    ),
    "lognormal": (
        "LogNormal(observed; median x, sigma = log(kappa))",
        ("observed", "log(kappa)"),
        "lognormal_deviance{slope}({row}[0], {x}, {row}[1])",
        "",
    ),
}


def _term(parameter: Parameter, observed: float) -> tuple[str, list[float]]:
    constraint = parameter.constraint
    if isinstance(constraint, PoissonConstraint):
        return "poisson", [observed, constraint.tau]
    if isinstance(constraint, GammaConstraint):
        return "gamma", [observed, constraint.scale]
    if isinstance(constraint, LogNormalConstraint):
        return "lognormal", [observed, math.log(constraint.kappa)]
    assert isinstance(constraint, GaussianConstraint)  # noqa: S101
    limits = constraint.observable_range
    if limits is None:
        return "gaussian", [observed, constraint.sigma]
    return "truncated", [observed, constraint.sigma, limits.lower, limits.upper]


def write_constraints(
    constrained: Sequence[Parameter], observed: Sequence[float], par: Identifiers
) -> list[str]:
    """Return the namespace `constraints` with nll and nll_and_gradient."""
    groups: dict[str, list[tuple[str, list[float]]]] = {}
    for parameter, value in zip(constrained, observed, strict=True):
        kind, row = _term(parameter, value)
        groups.setdefault(kind, []).append((parameter.name, row))
    if not groups:
        return []
    lines = ["", "// ---- constraint terms ".ljust(100, "-"), "", "namespace constraints {", ""]
    for kind, rows in groups.items():
        formula, columns, _, _ = _KINDS[kind]
        lines += documented(f"{formula}, one row ({', '.join(columns)}) for each parameter x.")
        lines.append(f"inline constexpr int {kind}_parameter[{len(rows)}] = {{")
        lines += [f"    par::{par[name]}," for name, _ in rows] + ["};"]
        lines.append(f"inline constexpr double {kind}[{len(rows)}][{len(columns)}] = {{")
        lines += [
            f"    {{{', '.join(map(number, row))}}},  // {comment(name)}" for name, row in rows
        ] + ["};", ""]
    return [
        *lines,
        *_function("nll", "Constraint terms without their constants.", _loops(groups)),
        *_function(
            "nll_and_gradient",
            "The same, and its derivatives added to the gradient.",
            _loops(groups, gradient=True),
        ),
        "}  // namespace constraints",
    ]


def _function(name: str, what: str, loops: Sequence[str]) -> list[str]:
    arguments = ["const double* x", "double* gradient"][: 2 if name.endswith("gradient") else 1]
    body = ["  double sum = 0.0;", *loops, "  return sum;"]
    return function(what, "double", name, arguments, body)


def _loops(
    groups: dict[str, list[tuple[str, list[float]]]], *, gradient: bool = False
) -> list[str]:
    lines: list[str] = []
    for kind, rows in groups.items():
        _, _, call, inner = _KINDS[kind]
        row, x = f"{kind}[k]", "x[parameter]"
        lines += [
            f"  for (int k = 0; k < {len(rows)}; ++k) {{",
            f"    const int parameter = {kind}_parameter[k];",
            f"    sum += {call.format(slope='', row=row, x=x)};",
        ]
        if gradient:
            slope = inner.format(row=row) + call.format(slope="_slope", row=row, x=x)
            lines.append(f"    gradient[parameter] += {slope};")
        lines.append("  }")
    return lines


def write_pulls(parameters: Sequence[Parameter], par: Identifiers) -> list[str]:
    """Return `pull` and its derivative where interpolations do not take the parameter itself."""
    transformed = [
        p for p in parameters if not isinstance(p.transformation, IdentityTransformation)
    ]
    if not transformed:
        return []
    values, slopes = [], []
    for parameter in transformed:
        place = f"par::{par[parameter.name]}"
        condition = f"  if (parameter == {place}) return"
        relative = number(parameter.transformation.relative)  # type: ignore[union-attr]
        if isinstance(parameter.transformation, GammaTransformation):
            values.append(f"{condition} gamma_pull(x[{place}], {relative});")
            slopes.append(f"{condition} 1.0 / {relative};")
        else:
            assert isinstance(parameter.transformation, LogNormalTransformation)  # noqa: S101
            arguments = (
                f"x[{place}], {number(math.log1p(parameter.transformation.relative))}, {relative}"
            )
            values.append(f"{condition} lognormal_pull({arguments});")
            slopes.append(f"{condition} lognormal_pull_slope({arguments});")
    declared = ["const double* x", "const int parameter"]
    what = "Argument of the interpolations that belong to a parameter."
    what_slope = "Derivative of pull with respect to its parameter."
    return [
        "",
        *function(what, "double", "pull", declared, [*values, "  return x[parameter];"]),
        *function(what_slope, "double", "pull_slope", declared, [*slopes, "  return 1.0;"])[:-1],
    ]
