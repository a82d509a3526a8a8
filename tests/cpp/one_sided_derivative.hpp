/// \file
/// Finite differences that know their own error.
#ifndef NABLAFIT_TESTS_ONE_SIDED_DERIVATIVE_HPP
#define NABLAFIT_TESTS_ONE_SIDED_DERIVATIVE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace nablafit::testing {

/// Derivatives of several functions on one side of a point, with estimated errors (infinite where
/// the functions could not be evaluated).
struct SideDerivatives {
  std::vector<double> values;
  std::vector<double> errors;
};

/// Derivatives at t = 0 from the side of `step` (negative: left) of the n functions f(t), by
/// Ridders' method for one-sided differences: steps fall by factors of 2, and Neville's
/// extrapolation removes one power of the step after the other. The error is the larger of the last
/// corrections and the rounding of f. `f(t)` returns a vector, empty where the functions do not
/// exist.
template <typename Function>
SideDerivatives one_sided_derivatives(const Function& f, double step, std::size_t n) {
  constexpr std::size_t n_levels = 16;
  constexpr double rounding = 8.0 * std::numeric_limits<double>::epsilon();
  constexpr double unknown = std::numeric_limits<double>::infinity();
  SideDerivatives best{std::vector<double>(n, 0.0), std::vector<double>(n, unknown)};
  const std::vector<double> centre = f(0.0);
  std::vector<std::vector<double>> previous;
  for (std::size_t level = 0; level < n_levels; ++level, step /= 2.0) {
    const std::vector<double> shifted = f(step);
    if (shifted.empty()) {
      previous.clear();
      continue;
    }
    std::vector<std::vector<double>> current(1, std::vector<double>(n));
    for (std::size_t i = 0; i < n; ++i) current[0][i] = (shifted[i] - centre[i]) / step;
    double power = 2.0;
    for (std::size_t order = 1; order <= previous.size(); ++order, power *= 2.0) {
      std::vector<double> column(n);
      for (std::size_t i = 0; i < n; ++i) {
        const double lower = current[order - 1][i];
        const double before = previous[order - 1][i];
        column[i] = lower + (lower - before) / (power - 1.0);
        const double spread = std::max(std::abs(column[i] - lower), std::abs(column[i] - before));
        const double noise = rounding * std::abs(centre[i] / step);
        const double error = std::max(spread, noise);
        if (error < best.errors[i]) {
          best.errors[i] = error;
          best.values[i] = column[i];
        }
      }
      current.push_back(std::move(column));
    }
    previous = std::move(current);
  }
  return best;
}

}  // namespace nablafit::testing

#endif  // NABLAFIT_TESTS_ONE_SIDED_DERIVATIVE_HPP
