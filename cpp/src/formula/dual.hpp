/// \file
/// Nestable dual numbers: a value and its exact derivative along one direction.
///
/// Dual<double> carries one directional derivative; Dual<Dual<double>> two, independent ones: with
/// seeds u on the inner and v on the outer level, x.slope.slope is the mixed second derivative.
/// Numbers of a lower level are constants for the levels above. Comparisons use the innermost
/// value.
#ifndef NABLAFIT_SRC_FORMULA_DUAL_HPP
#define NABLAFIT_SRC_FORMULA_DUAL_HPP

#include <cmath>
#include <type_traits>

#include "formula/expression_tape.hpp"

namespace nablafit::detail {

template <typename T>
struct Dual {
  T value{};
  T slope{};

  Dual() = default;
  template <typename S, typename = std::enable_if_t<std::is_convertible_v<S, T>>>
  Dual(const S& constant) : value(constant) {}  // NOLINT(google-explicit-constructor)
  Dual(const T& v, const T& s) : value(v), slope(s) {}

  const T& getValue() const noexcept { return value; }  ///< for plain_number
};

template <typename T>
struct DualLevel : std::integral_constant<int, 0> {};
template <typename T>
struct DualLevel<Dual<T>> : std::integral_constant<int, 1 + DualLevel<T>::value> {};

/// Enabled for numbers S that are constants for Dual<T>.
template <typename T, typename S>
using IfLower = std::enable_if_t<(std::is_arithmetic_v<S> || DualLevel<S>::value > 0) &&
                                     DualLevel<S>::value <= DualLevel<T>::value,
                                 int>;

inline double innermost(double x) { return x; }
template <typename T>
double innermost(const Dual<T>& x) {
  return innermost(x.value);
}

/// The derivative along all directions at once: the number itself on level 0.
inline double top(double x) { return x; }
template <typename T>
double top(const Dual<T>& x) {
  return top(x.slope);
}

/// top(a * b).
inline double top_of_product(double a, double b) { return a * b; }
template <typename T>
double top_of_product(const Dual<T>& a, const Dual<T>& b) {
  return top_of_product(a.slope, b.value) + top_of_product(a.value, b.slope);
}

template <typename T>
Dual<T> operator-(const Dual<T>& x) {
  return {-x.value, -x.slope};
}
template <typename T>
Dual<T> operator+(const Dual<T>& a, const Dual<T>& b) {
  return {a.value + b.value, a.slope + b.slope};
}
template <typename T>
Dual<T> operator-(const Dual<T>& a, const Dual<T>& b) {
  return {a.value - b.value, a.slope - b.slope};
}
template <typename T>
Dual<T> operator*(const Dual<T>& a, const Dual<T>& b) {
  return {a.value * b.value, a.slope * b.value + a.value * b.slope};
}
template <typename T>
Dual<T> operator/(const Dual<T>& a, const Dual<T>& b) {
  const T quotient = a.value / b.value;
  return {quotient, (a.slope - quotient * b.slope) / b.value};
}

template <typename T, typename S, IfLower<T, S> = 0>
Dual<T> operator+(const Dual<T>& a, const S& b) {
  return {a.value + b, a.slope};
}
template <typename T, typename S, IfLower<T, S> = 0>
Dual<T> operator+(const S& a, const Dual<T>& b) {
  return {a + b.value, b.slope};
}
template <typename T, typename S, IfLower<T, S> = 0>
Dual<T> operator-(const Dual<T>& a, const S& b) {
  return {a.value - b, a.slope};
}
template <typename T, typename S, IfLower<T, S> = 0>
Dual<T> operator-(const S& a, const Dual<T>& b) {
  return {a - b.value, -b.slope};
}
template <typename T, typename S, IfLower<T, S> = 0>
Dual<T> operator*(const Dual<T>& a, const S& b) {
  return {a.value * b, a.slope * b};
}
template <typename T, typename S, IfLower<T, S> = 0>
Dual<T> operator*(const S& a, const Dual<T>& b) {
  return {a * b.value, a * b.slope};
}
template <typename T, typename S, IfLower<T, S> = 0>
Dual<T> operator/(const Dual<T>& a, const S& b) {
  return {a.value / b, a.slope / b};
}
template <typename T, typename S, IfLower<T, S> = 0>
Dual<T> operator/(const S& a, const Dual<T>& b) {
  const T quotient = a / b.value;
  return {quotient, -(quotient * b.slope) / b.value};
}

template <typename T, typename S>
Dual<T>& operator+=(Dual<T>& a, const S& b) {
  a = a + b;
  return a;
}
template <typename T, typename S>
Dual<T>& operator*=(Dual<T>& a, const S& b) {
  a = a * b;
  return a;
}

template <typename T, typename S>
bool operator<(const Dual<T>& a, const S& b) {
  return innermost(a) < innermost(b);
}
template <typename T, typename S>
bool operator>(const Dual<T>& a, const S& b) {
  return innermost(a) > innermost(b);
}
template <typename T, typename S>
bool operator<=(const Dual<T>& a, const S& b) {
  return innermost(a) <= innermost(b);
}
template <typename T, typename S>
bool operator>=(const Dual<T>& a, const S& b) {
  return innermost(a) >= innermost(b);
}
template <typename T, typename S>
bool operator==(const Dual<T>& a, const S& b) {
  return innermost(a) == innermost(b);
}

template <typename T>
Dual<T> exp(const Dual<T>& x) {
  using std::exp;
  const T value = exp(x.value);
  return {value, value * x.slope};
}
template <typename T>
Dual<T> log(const Dual<T>& x) {
  using std::log;
  return {log(x.value), x.slope / x.value};
}
template <typename T>
Dual<T> log1p(const Dual<T>& x) {
  using std::log1p;
  return {log1p(x.value), x.slope / (1.0 + x.value)};
}
template <typename T>
Dual<T> sqrt(const Dual<T>& x) {
  using std::sqrt;
  const T value = sqrt(x.value);
  return {value, x.slope / (2.0 * value)};
}
template <typename T>
Dual<T> sin(const Dual<T>& x) {
  using std::cos;
  using std::sin;
  return {sin(x.value), cos(x.value) * x.slope};
}
template <typename T>
Dual<T> cos(const Dual<T>& x) {
  using std::cos;
  using std::sin;
  return {cos(x.value), -(sin(x.value) * x.slope)};
}
template <typename T>
Dual<T> erf(const Dual<T>& x) {
  using std::erf;
  using std::exp;
  constexpr double two_over_sqrt_pi = 1.12837916709551257390;
  return {erf(x.value), two_over_sqrt_pi * exp(-(x.value * x.value)) * x.slope};
}
template <typename T>
Dual<T> erfc(const Dual<T>& x) {
  using std::erfc;
  using std::exp;
  constexpr double two_over_sqrt_pi = 1.12837916709551257390;
  return {erfc(x.value), -two_over_sqrt_pi * exp(-(x.value * x.value)) * x.slope};
}

template <typename T>
bool is_zero(const Dual<T>& x) {
  return is_zero(x.value) && is_zero(x.slope);
}

/// x^exponent; derivatives that vanish for exponents 0 and 1 do so at x = 0 too.
template <typename T>
Dual<T> constant_power(const Dual<T>& x, double exponent) {
  T slope{};
  if (exponent != 0.0) slope = exponent * constant_power(x.value, exponent - 1.0) * x.slope;
  return {constant_power(x.value, exponent), slope};
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_FORMULA_DUAL_HPP
