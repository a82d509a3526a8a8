/// \file
/// Numbers with derivatives along several directions at once.
#ifndef NABLAFIT_SRC_FORMULA_BUNDLE_HPP
#define NABLAFIT_SRC_FORMULA_BUNDLE_HPP

#include <array>
#include <cmath>
#include <cstddef>

#include "formula/expression_tape.hpp"

namespace nablafit::detail {

/// A value and its derivatives along N directions. Comparisons use only the value.
template <std::size_t N>
struct Bundle {
  double value = 0.0;
  std::array<double, N> slopes{};

  Bundle() = default;
  Bundle(double constant) : value(constant) {}  // NOLINT(google-explicit-constructor)

  double getValue() const noexcept { return value; }  ///< for plain_number

  /// f, whose derivative with respect to x is `slope`.
  static Bundle compose(const Bundle& x, double f, double slope) {
    Bundle result(f);
    for (std::size_t i = 0; i < N; ++i) result.slopes[i] = slope * x.slopes[i];
    return result;
  }
  /// f, whose derivatives with respect to a and b are `by_a` and `by_b`.
  static Bundle compose(const Bundle& a, const Bundle& b, double f, double by_a, double by_b) {
    Bundle result(f);
    for (std::size_t i = 0; i < N; ++i) result.slopes[i] = by_a * a.slopes[i] + by_b * b.slopes[i];
    return result;
  }

  friend Bundle operator-(const Bundle& x) { return compose(x, -x.value, -1.0); }
  friend Bundle operator+(const Bundle& a, const Bundle& b) {
    return compose(a, b, a.value + b.value, 1.0, 1.0);
  }
  friend Bundle operator-(const Bundle& a, const Bundle& b) {
    return compose(a, b, a.value - b.value, 1.0, -1.0);
  }
  friend Bundle operator*(const Bundle& a, const Bundle& b) {
    return compose(a, b, a.value * b.value, b.value, a.value);
  }
  friend Bundle operator/(const Bundle& a, const Bundle& b) {
    const double quotient = a.value / b.value;
    return compose(a, b, quotient, 1.0 / b.value, -quotient / b.value);
  }
  friend Bundle operator+(const Bundle& a, double b) { return compose(a, a.value + b, 1.0); }
  friend Bundle operator*(const Bundle& a, double b) { return compose(a, a.value * b, b); }
  friend bool operator<(const Bundle& a, const Bundle& b) { return a.value < b.value; }

  friend Bundle exp(const Bundle& x) {
    const double f = std::exp(x.value);
    return compose(x, f, f);
  }
  friend Bundle log(const Bundle& x) { return compose(x, std::log(x.value), 1.0 / x.value); }
  friend Bundle sqrt(const Bundle& x) {
    const double f = std::sqrt(x.value);
    return compose(x, f, 0.5 / f);
  }
  friend Bundle sin(const Bundle& x) { return compose(x, std::sin(x.value), std::cos(x.value)); }
  friend Bundle cos(const Bundle& x) { return compose(x, std::cos(x.value), -std::sin(x.value)); }
  /// Derivatives that vanish for exponents 0 and 1 do so at x = 0 too.
  friend Bundle constant_power(const Bundle& x, double exponent) {
    const double slope = exponent == 0.0 ? 0.0 : exponent * std::pow(x.value, exponent - 1.0);
    return compose(x, std::pow(x.value, exponent), slope);
  }
  friend bool is_zero(const Bundle& x) {
    bool zero = x.value == 0.0;
    for (const double slope : x.slopes) zero = zero && slope == 0.0;
    return zero;
  }
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_FORMULA_BUNDLE_HPP
