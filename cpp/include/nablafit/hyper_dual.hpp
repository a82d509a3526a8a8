/// \file
/// Numbers that carry exact first and second derivatives: the scalar for user-defined functions.
#ifndef NABLAFIT_HYPER_DUAL_HPP
#define NABLAFIT_HYPER_DUAL_HPP

#include <cmath>
#include <cstddef>
#include <vector>

namespace nablafit {

/// f together with df/du, df/dv and d2f/dudv for two directions u and v of the arguments.
/// Comparisons use only the value, so at a kink the derivative is that of the branch taken.
/// Functions are friends found only for arguments of this type, invisible to code for plain
/// numbers.
struct HyperDual {
  double value = 0.0;
  double first = 0.0;   ///< df/du
  double second = 0.0;  ///< df/dv
  double mixed = 0.0;   ///< d2f/dudv

  HyperDual() = default;
  HyperDual(double x) : value(x) {}  // NOLINT: implicit, so that plain numbers can be mixed in
  HyperDual(double x, double u, double v, double uv) : value(x), first(u), second(v), mixed(uv) {}

  /// f(x) from the value of f and its first two derivatives at x.value.
  static HyperDual compose(const HyperDual& x, double f, double derivative, double curvature) {
    return {f, derivative * x.first, derivative * x.second,
            derivative * x.mixed + curvature * x.first * x.second};
  }

  friend HyperDual operator+(const HyperDual& x) { return x; }
  friend HyperDual operator-(const HyperDual& x) {
    return {-x.value, -x.first, -x.second, -x.mixed};
  }
  friend HyperDual operator+(const HyperDual& a, const HyperDual& b) {
    return {a.value + b.value, a.first + b.first, a.second + b.second, a.mixed + b.mixed};
  }
  friend HyperDual operator-(const HyperDual& a, const HyperDual& b) { return a + -b; }
  friend HyperDual operator*(const HyperDual& a, const HyperDual& b) {
    return {a.value * b.value, a.first * b.value + a.value * b.first,
            a.second * b.value + a.value * b.second,
            a.mixed * b.value + a.first * b.second + a.second * b.first + a.value * b.mixed};
  }
  friend HyperDual operator*(const HyperDual& a, double b) {
    return compose(a, a.value * b, b, 0.0);
  }
  friend HyperDual operator*(double a, const HyperDual& b) { return b * a; }
  friend HyperDual operator/(const HyperDual& a, const HyperDual& b) {
    const double inverse = 1.0 / b.value;
    const double square = inverse * inverse;
    HyperDual quotient = a * compose(b, inverse, -square, 2.0 * square * inverse);
    quotient.value = a.value / b.value;
    return quotient;
  }
  friend HyperDual& operator+=(HyperDual& a, const HyperDual& b) { return a = a + b; }
  friend HyperDual& operator-=(HyperDual& a, const HyperDual& b) { return a = a - b; }
  friend HyperDual& operator*=(HyperDual& a, const HyperDual& b) { return a = a * b; }
  friend HyperDual& operator/=(HyperDual& a, const HyperDual& b) { return a = a / b; }

  friend bool operator<(const HyperDual& a, const HyperDual& b) { return a.value < b.value; }
  friend bool operator>(const HyperDual& a, const HyperDual& b) { return a.value > b.value; }
  friend bool operator<=(const HyperDual& a, const HyperDual& b) { return a.value <= b.value; }
  friend bool operator>=(const HyperDual& a, const HyperDual& b) { return a.value >= b.value; }
  friend bool operator==(const HyperDual& a, const HyperDual& b) { return a.value == b.value; }
  friend bool operator!=(const HyperDual& a, const HyperDual& b) { return a.value != b.value; }

  friend HyperDual exp(const HyperDual& x) {
    const double f = std::exp(x.value);
    return compose(x, f, f, f);
  }
  friend HyperDual log(const HyperDual& x) {
    const double inverse = 1.0 / x.value;
    return compose(x, std::log(x.value), inverse, -inverse * inverse);
  }
  friend HyperDual sqrt(const HyperDual& x) {
    const double f = std::sqrt(x.value);
    return compose(x, f, 0.5 / f, -0.25 / (f * x.value));
  }
  friend HyperDual sin(const HyperDual& x) {
    const double f = std::sin(x.value);
    return compose(x, f, std::cos(x.value), -f);
  }
  friend HyperDual cos(const HyperDual& x) {
    const double f = std::cos(x.value);
    return compose(x, f, -std::sin(x.value), -f);
  }

  friend HyperDual tan(const HyperDual& x) {
    const double f = std::tan(x.value);
    const double slope = 1.0 + f * f;
    return compose(x, f, slope, 2.0 * f * slope);
  }
  friend HyperDual tanh(const HyperDual& x) {
    const double f = std::tanh(x.value);
    const double slope = 1.0 - f * f;
    return compose(x, f, slope, -2.0 * f * slope);
  }
  friend HyperDual erf(const HyperDual& x) {
    const double slope = 1.12837916709551257390 * std::exp(-x.value * x.value);
    return compose(x, std::erf(x.value), slope, -2.0 * x.value * slope);
  }
  friend HyperDual abs(const HyperDual& x) { return x.value < 0.0 ? -x : x; }

  /// x^exponent; derivatives that vanish for exponents 0 and 1 do so at x = 0 too.
  friend HyperDual constant_power(const HyperDual& x, double exponent) {
    const double slope = exponent == 0.0 ? 0.0 : exponent * std::pow(x.value, exponent - 1.0);
    const double factor = exponent * (exponent - 1.0);
    const double curvature = factor == 0.0 ? 0.0 : factor * std::pow(x.value, exponent - 2.0);
    return compose(x, std::pow(x.value, exponent), slope, curvature);
  }

  friend HyperDual pow(const HyperDual& x, double exponent) { return constant_power(x, exponent); }
  /// exp(exponent log x): x must be positive.
  friend HyperDual pow(const HyperDual& x, const HyperDual& exponent) {
    return exp(exponent * log(x));
  }
};

// --- derivatives ---------------------------------------------------------------------------------

/// Value of `f(x)` for n numbers x, and its exact derivatives: `gradient` has n entries; `hessian`,
/// which may be null, n squared. `f` takes a pointer to any scalar type.
template <typename Function>
double differentiate(const Function& f, std::size_t n, const double* point, double* gradient,
                     double* hessian) {
  std::vector<HyperDual> x(point, point + n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i].first = 1.0;
    const std::size_t end = hessian != nullptr ? i + 1 : 1;
    for (std::size_t j = 0; j < end; ++j) {
      x[j].second = 1.0;
      const HyperDual result = f(static_cast<const HyperDual*>(x.data()));
      x[j].second = 0.0;
      gradient[i] = result.first;
      if (hessian == nullptr) break;
      hessian[i * n + j] = result.mixed;
      hessian[j * n + i] = result.mixed;
    }
    x[i].first = 0.0;
  }
  return f(point);
}

}  // namespace nablafit

#endif  // NABLAFIT_HYPER_DUAL_HPP
