#ifndef NABLAFIT_AD_CLAD_RUNTIME_HPP
#define NABLAFIT_AD_CLAD_RUNTIME_HPP

/// What the code that Clad generated (cpp/generated/) refers to at run time, so that neither Clad
/// nor its headers are needed to build.
///
/// The names are Clad's, but inside nablafit: generated code sits in nablafit::kernels, where
/// `clad::` finds this namespace. A program that also includes Clad's own headers is therefore not
/// disturbed.
///
/// A push-forward gives f(x) and its directional derivative f'(x) d_x. All are free of branches,
/// state and errors: out of domain they return what <cmath> returns (NaN or infinity).

// <math.h>, not only <cmath>: generated code calls exp, log, ... in the global namespace.
#include <math.h>

#include <cmath>

namespace nablafit::clad {

/// A value and its derivative along one direction. Nested for second order.
template <typename Value, typename Pushforward>
struct ValueAndPushforward {
  Value value;
  Pushforward pushforward;
};

namespace custom_derivatives::std {

constexpr double two_over_sqrt_pi = 1.12837916709551257390;

inline ValueAndPushforward<double, double> exp_pushforward(double x, double d_x) {
  const double value = ::std::exp(x);
  return {value, value * d_x};
}

inline ValueAndPushforward<double, double> log_pushforward(double x, double d_x) {
  return {::std::log(x), d_x / x};
}

inline ValueAndPushforward<double, double> log1p_pushforward(double x, double d_x) {
  return {::std::log1p(x), d_x / (1.0 + x)};
}

inline ValueAndPushforward<double, double> erf_pushforward(double x, double d_x) {
  return {::std::erf(x), two_over_sqrt_pi * ::std::exp(-x * x) * d_x};
}

inline ValueAndPushforward<double, double> erfc_pushforward(double x, double d_x) {
  return {::std::erfc(x), -two_over_sqrt_pi * ::std::exp(-x * x) * d_x};
}

inline ValueAndPushforward<double, double> sqrt_pushforward(double x, double d_x) {
  const double value = ::std::sqrt(x);
  return {value, d_x / (2.0 * value)};
}

}  // namespace custom_derivatives::std

}  // namespace nablafit::clad

#endif  // NABLAFIT_AD_CLAD_RUNTIME_HPP
