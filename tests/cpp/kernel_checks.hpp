/// \file
/// Comparisons of a kernel's generated derivatives with independent ones.
#ifndef NABLAFIT_TESTS_KERNEL_CHECKS_HPP
#define NABLAFIT_TESTS_KERNEL_CHECKS_HPP

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ad/eigen_scalar.hpp"

namespace nablafit::test {

/// |a - b| <= relative * max(|a|, |b|) + absolute; equal infinities are close, NaN never is.
inline bool close(double a, double b, double relative, double absolute = 0.0) {
  if (a == b) return true;
  return std::abs(a - b) <= relative * std::max(std::abs(a), std::abs(b)) + absolute;
}

struct Derivatives {
  double value;
  double first;
  double second;
};

/// Value and derivatives of a generic callable at x, by Eigen's nested forward-mode scalar.
template <typename Kernel>
Derivatives by_autodiff(const Kernel& kernel, double x) {
  using Outer = detail::NestedScalar<1, 1>;
  using Inner = detail::ForwardScalar<1>;
  const Outer variable(Inner(x, 1, 0), 1, 0);
  const Outer result = kernel(variable);
  return {result.value().value(), result.derivatives()[0].value(),
          result.derivatives()[0].derivatives()[0]};
}

/// What expect_derivatives tolerates. `step` is that of the central difference; 0 skips it, for
/// points where a derivative jumps.
struct Tolerance {
  double relative = 1e-12;
  double absolute = 1e-14;
  double step = 1e-5;
};

/// Checks generated derivatives at x against automatic and numerical ones.
///
/// `Function` is a kernel with its data bound: operator()(const T&) for any scalar, and the
/// generated first(double) and second(double).
template <typename Function>
void expect_derivatives(const Function& function, double x, const Tolerance& tolerance = {}) {
  INFO("x = " << x);
  const Derivatives expected = by_autodiff(function, x);
  CHECK(close(function(x), expected.value, 1e-15, tolerance.absolute));
  CHECK(close(function.first(x), expected.first, tolerance.relative, tolerance.absolute));
  CHECK(close(function.second(x), expected.second, tolerance.relative, tolerance.absolute));
  if (tolerance.step == 0.0) return;

  const double h = tolerance.step;
  const double slope = (function(x + h) - function(x - h)) / (2.0 * h);
  const double curvature = (function.first(x + h) - function.first(x - h)) / (2.0 * h);
  // What rounding does to a difference, and the third derivative where the first one vanishes.
  constexpr double rounding = 16.0 * std::numeric_limits<double>::epsilon();
  const double curved = 0.01 * h * std::abs(function.second(x));
  CHECK(close(function.first(x), slope, 1e-6, rounding * std::abs(function(x)) / h + curved));
  CHECK(close(function.second(x), curvature, 1e-6, rounding * std::abs(function.first(x)) / h));
}

}  // namespace nablafit::test

#endif  // NABLAFIT_TESTS_KERNEL_CHECKS_HPP
