/// \file
/// Gauss-Legendre quadrature.
#ifndef NABLAFIT_SRC_FORMULA_QUADRATURE_HPP
#define NABLAFIT_SRC_FORMULA_QUADRATURE_HPP

#include <cmath>
#include <cstddef>
#include <vector>

namespace nablafit::detail {

/// On [-1, 1], nodes ascending.
struct Quadrature {
  std::vector<double> nodes, weights;
};

/// The rule with n nodes: roots of the Legendre polynomial P_n by Newton's method, weights
/// 2 (1 - x^2) / (n P_{n-1}(x))^2 (Abramowitz and Stegun 25.4.29 with 22.8.5). Exact for
/// polynomials up to degree 2 n - 1.
inline Quadrature gauss_legendre(std::size_t n) {
  constexpr double pi = 3.14159265358979323846;
  Quadrature rule{std::vector<double>(n), std::vector<double>(n)};
  const auto size = static_cast<double>(n);
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t mirrored = n - 1 - i;
    double x = -std::cos(pi * (static_cast<double>(i) + 0.75) / (size + 0.5));
    if (2 * i + 1 == n) x = 0.0;
    double before = 0.0, change = 1.0;
    for (int step = 0; step < 20 && std::abs(change) > 1e-16; ++step) {
      double value = 1.0;
      before = 0.0;
      for (std::size_t degree = 1; degree <= n; ++degree) {
        const auto k = static_cast<double>(degree);
        const double next = ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k;
        before = value;
        value = next;
      }
      change = value * (1.0 - x * x) / (size * (before - x * value));
      x -= change;
    }
    rule.nodes[i] = mirrored < i ? -rule.nodes[mirrored] : x;
    const double product = size * before;
    rule.weights[i] =
        mirrored < i ? rule.weights[mirrored] : 2.0 * (1.0 - x * x) / (product * product);
    sum += rule.weights[i];
  }
  for (double& weight : rule.weights) weight *= 2.0 / sum;  // corrects rounding
  return rule;
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_FORMULA_QUADRATURE_HPP
