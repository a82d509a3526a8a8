/// \file
/// Eigen's forward-mode scalar, with the functions that our kernels need and Eigen lacks.
#ifndef NABLAFIT_SRC_AD_EIGEN_SCALAR_HPP
#define NABLAFIT_SRC_AD_EIGEN_SCALAR_HPP

#include <Eigen/Core>
#include <cmath>
#include <unsupported/Eigen/AutoDiff>

#include "formula/expression_tape.hpp"

namespace Eigen {

// Here, and not in our namespace, because argument-dependent lookup finds them here. Each calls
// itself for the value of a nested scalar.

/// The plain scalar behind an expression of Eigen's.
template <typename Derivatives>
using PlainAutoDiff = AutoDiffScalar<typename internal::remove_all<Derivatives>::type::PlainObject>;

template <typename Derivatives>
PlainAutoDiff<Derivatives> log1p(const AutoDiffScalar<Derivatives>& x) {
  using std::log1p;
  return PlainAutoDiff<Derivatives>(log1p(x.value()), x.derivatives() * (1.0 / (1.0 + x.value())));
}

template <typename Derivatives>
PlainAutoDiff<Derivatives> erf(const AutoDiffScalar<Derivatives>& x) {
  using std::erf;
  using std::exp;
  using Scalar = typename PlainAutoDiff<Derivatives>::Scalar;
  constexpr double two_over_sqrt_pi = 1.12837916709551257390;
  const Scalar square = x.value() * x.value();
  const Scalar slope = two_over_sqrt_pi * exp(-square);
  return PlainAutoDiff<Derivatives>(erf(x.value()), x.derivatives() * slope);
}

template <typename Derivatives>
PlainAutoDiff<Derivatives> erfc(const AutoDiffScalar<Derivatives>& x) {
  using std::erfc;
  using std::exp;
  using Scalar = typename PlainAutoDiff<Derivatives>::Scalar;
  constexpr double two_over_sqrt_pi = 1.12837916709551257390;
  const Scalar square = x.value() * x.value();
  const Scalar slope = -two_over_sqrt_pi * exp(-square);
  return PlainAutoDiff<Derivatives>(erfc(x.value()), x.derivatives() * slope);
}

/// x^exponent; powers 0 and 1 have vanishing derivatives at x = 0 too.
template <typename Derivatives>
PlainAutoDiff<Derivatives> constant_power(const AutoDiffScalar<Derivatives>& x, double exponent) {
  using nablafit::detail::constant_power;
  using Scalar = typename PlainAutoDiff<Derivatives>::Scalar;
  Scalar slope(0.0);
  if (exponent != 0.0) slope = exponent * constant_power(x.value(), exponent - 1.0);
  return PlainAutoDiff<Derivatives>(constant_power(x.value(), exponent), x.derivatives() * slope);
}

}  // namespace Eigen

namespace nablafit::detail {

/// A number with its derivatives in N directions.
template <int N>
using ForwardScalar = Eigen::AutoDiffScalar<Eigen::Matrix<double, N, 1>>;

/// A number with its derivatives in M directions, each again with derivatives in N directions:
/// x.derivatives()[i].derivatives()[j] is a second derivative.
template <int M, int N>
using NestedScalar = Eigen::AutoDiffScalar<Eigen::Matrix<ForwardScalar<N>, M, 1>>;

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_AD_EIGEN_SCALAR_HPP
