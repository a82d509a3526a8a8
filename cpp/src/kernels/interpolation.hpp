#ifndef NABLAFIT_KERNELS_INTERPOLATION_HPP
#define NABLAFIT_KERNELS_INTERPOLATION_HPP

/// Interpolation of systematic variations between their -1, 0 and +1 sigma templates.
///
/// Numbering of the codes: RooFit's flexibleInterp (RooFit/Detail/MathFuncs.h), as in HistFactory
/// and HS3; pyhf's code0, code1, code2, code4p and code4 are 0, 1, 2, 4 and 5 here.
///
/// `alpha` is the nuisance parameter in units of its standard deviation (dimensionless). Any finite
/// alpha is allowed; NaN gives NaN.
///
/// Additive codes (0, 2, 4) share the form, in events per bin,
///
///     Delta(alpha) = alpha * S + g(alpha) * A,   S = (hi - lo) / 2,   A = (hi + lo - 2 nom) / 16,
///
/// so that the code is in `g` alone, a dimensionless function of the parameter alone.
/// Multiplicative codes (1, 5, 6) give a dimensionless factor that is 1 at alpha = 0.
///
/// Kinks: where the two sides have different derivatives, the derivative is the one of the branch
/// that the conditions below select at the point itself. Each function names its branch.
///
/// Data arguments are declared const: Clad then leaves their zero derivatives out of its code. They
/// have a scalar type of their own, D, so that they may carry derivatives too.

#include <array>
#include <cmath>
#include <cstddef>

namespace nablafit::kernels {

/// Code 0, piecewise linear: g = 8 |alpha|.
///
/// Continuous; kink at alpha = 0, where the derivative is that of the right side (+8).
template <typename T>
T additive_piecewise_linear(const T& alpha) {
  if (alpha < 0.0) return -8.0 * alpha;
  return 8.0 * alpha;
}

/// Code 2, quadratic with linear continuation:
/// g = 8 alpha^2 for |alpha| <= 1, 8 (2 |alpha| - 1) beyond.
///
/// Value and first derivative are continuous. The second derivative jumps from 16 to 0 where
/// |alpha| = 1; there it is that of the inside (16). The offset -8 beyond 1 is RooFit's and HS3's;
/// pyhf 0.7 omits it.
template <typename T>
T additive_quadratic(const T& alpha) {
  if (alpha > 1.0) return 16.0 * alpha - 8.0;
  if (alpha < -1.0) return -16.0 * alpha - 8.0;
  return 8.0 * alpha * alpha;
}

/// Code 4 (pyhf code4p), sixth-order polynomial with linear continuation:
/// g = alpha^2 (15 + alpha^2 (3 alpha^2 - 10)) for |alpha| < 1, 8 |alpha| beyond.
///
/// Value, first and second derivative are continuous everywhere.
template <typename T>
T additive_polynomial(const T& alpha) {
  if (alpha >= 1.0) return 8.0 * alpha;
  if (alpha <= -1.0) return -8.0 * alpha;
  const T square = alpha * alpha;
  return square * (15.0 + square * (3.0 * square - 10.0));
}

/// Code 1, piecewise exponential:
/// exp(alpha * log_high) for alpha >= 0, exp(-alpha * log_low) below.
///
/// `log_low`, `log_high`: bounded_log of the factors at alpha = -1 and +1. Continuous for factors
/// > 0; kink at alpha = 0, where the derivatives are those of the right side (log_high and its
/// square).
template <typename T, typename D = double>
T factor_exponential(const T& alpha, const D log_low, const D log_high) {
  using std::exp;
  if (alpha >= 0.0) return exp(alpha * log_high);
  return exp(alpha * -log_low);
}

/// Inside (|alpha| < 1) of code 5: 1 + alpha (c1 + alpha (c2 + ... + alpha c6)).
///
/// Coefficients from polynomial_exponential_coefficients. A polynomial: smooth for any alpha,
/// without branches, for loops that have sorted their arguments already. It may be negative when
/// the factors at -1 and +1 are very unequal (0.01 and 40: near alpha = -0.29).
template <typename T, typename D = double>
T factor_polynomial(const T& alpha, const D c1, const D c2, const D c3, const D c4, const D c5,
                    const D c6) {
  return 1.0 +
         alpha * (c1 + alpha * (c2 + alpha * (c3 + alpha * (c4 + alpha * (c5 + alpha * c6)))));
}

/// Code 5 (pyhf code4; FlexibleInterpVar's "4"):
/// factor_polynomial for |alpha| < 1, factor_exponential beyond.
///
/// Value, first and second derivative are continuous for positive factors. With a factor <= 0 at +1
/// or -1 the polynomial reaches it with both derivatives 0; see bounded_log for the continuation.
template <typename T, typename D = double>
T factor_polynomial_exponential(const T& alpha, const D log_low, const D log_high, const D c1,
                                const D c2, const D c3, const D c4, const D c5, const D c6) {
  using std::exp;
  if (alpha >= 1.0) return exp(alpha * log_high);
  if (alpha <= -1.0) return exp(alpha * -log_low);
  return factor_polynomial(alpha, c1, c2, c3, c4, c5, c6);
}

/// Code 6, the multiplicative form of code 4:
/// 1 + alpha * symmetric + additive_polynomial(alpha) * asymmetric.
///
/// `symmetric` is (high - low) / 2 and `asymmetric` (high + low - 2) / 16, of the factors `low` at
/// -1 and `high` at +1. Value, first and second derivative are continuous; the result may be
/// negative. Written out, because Clad cannot make second derivatives of a nested kernel.
template <typename T, typename D = double>
T factor_polynomial_linear(const T& alpha, const D symmetric, const D asymmetric) {
  if (alpha >= 1.0) return 1.0 + alpha * (symmetric + 8.0 * asymmetric);
  if (alpha <= -1.0) return 1.0 + alpha * (symmetric - 8.0 * asymmetric);
  const T square = alpha * alpha;
  return 1.0 + alpha * symmetric + square * (15.0 + square * (3.0 * square - 10.0)) * asymmetric;
}

/// log(ratio) for a factor of a multiplicative code; -1e150 for ratio <= 0.
///
/// Finite, so that exp(alpha * bounded_log(0)) is 0 with derivatives 0 for every alpha > 0, where
/// -inf would give inf * 0. (A negative factor thus continues as 0: its real power does not exist.)
/// The derivative at ratio <= 0 is 0.
template <typename T>
T bounded_log(const T& ratio) {
  using std::log;
  if (ratio > 0.0) return log(ratio);
  return T(-1e150);
}

/// What the factor `ratio` at one end of code 5 (alpha = -1 or +1) contributes to a coefficient:
/// value (ratio - 1) + first ratio log(ratio) + second ratio log(ratio)^2, in which ratio - 1,
/// ratio log(ratio) and ratio log(ratio)^2 are the change of factor_exponential from 1 and its
/// first and second derivatives there.
///
/// The logarithm of a ratio <= 0 counts as 0, as in RooFit, and so does its derivative.
template <typename T>
T end_of_polynomial(const T& ratio, const double value, const double first, const double second) {
  using std::log;
  if (ratio <= 0.0) return value * (ratio - 1.0);
  const T logarithm = log(ratio);
  return value * (ratio - 1.0) + ratio * logarithm * (first + second * logarithm);
}

/// Weights of end_of_polynomial for c1..c6: value, first, second.
constexpr double end_weights[6][3] = {
    {15.0 / 8.0, -7.0 / 8.0, 1.0 / 8.0}, {24.0 / 8.0, -9.0 / 8.0, 1.0 / 8.0},
    {-5.0 / 4.0, 5.0 / 4.0, -1.0 / 4.0}, {-12.0 / 4.0, 7.0 / 4.0, -1.0 / 4.0},
    {3.0 / 8.0, -3.0 / 8.0, 1.0 / 8.0},  {8.0 / 8.0, -5.0 / 8.0, 1.0 / 8.0}};

/// Coefficients c1..c6 of factor_polynomial for the factors `low` at alpha = -1 and `high` at +1.
///
/// They match value, first and second derivative of factor_exponential at both ends: the odd ones
/// (c1, c3, c5) are half the difference of what the ends contribute, the even ones half the sum.
inline std::array<double, 6> polynomial_exponential_coefficients(double low, double high) {
  std::array<double, 6> coefficients{};
  for (int i = 0; i < 6; ++i) {
    const double* w = end_weights[i];
    const double at_high = end_of_polynomial(high, w[0], w[1], w[2]);
    const double at_low = end_of_polynomial(low, w[0], w[1], w[2]);
    coefficients[static_cast<std::size_t>(i)] =
        0.5 * (i % 2 == 0 ? at_high - at_low : at_high + at_low);
  }
  return coefficients;
}

}  // namespace nablafit::kernels

#endif  // NABLAFIT_KERNELS_INTERPOLATION_HPP
