#ifndef NABLAFIT_KERNELS_TERMS_HPP
#define NABLAFIT_KERNELS_TERMS_HPP

/// Terms of the negative log-likelihood: main Poisson terms and constraint terms.
///
/// Every density is split as  -log p = deviance + constant.  The constant depends on data only and
/// is summed once; the deviance is small near the best fit, so that sums of many terms keep their
/// digits. Natural logarithms; results are dimensionless. Constants follow the normalisation of
/// pyhf (SciPy's norm.logpdf and xlogy(n, lambda) - lambda - gammaln(n + 1)) and RooFit's densities
/// elsewhere.

#include <cmath>

#include "kernels/constants.hpp"

namespace nablafit::kernels {

constexpr double inverse_sqrt_two = 0.70710678118654752440;
constexpr double inverse_sqrt_pi = 0.56418958354775628695;

/// Poisson term -log[Pois(n | lambda) / Pois(n | n)] = lambda - n + n log(n / lambda), for real n
/// >= 0.
///
/// `n`: observed events, `lambda`: expected events. Defined for lambda > 0, and lambda = 0 if n = 0
/// (the caller checks). Smooth; minimum 0 at lambda = n. For |lambda - n| < n / 2 it is evaluated
/// as n (r - log1p(r)), r = (lambda - n) / n, which has no cancellation of large terms up to n =
/// 1e15 and above; both forms are the same function.
template <typename T>
T poisson_deviance(double n, const T& lambda) {
  using std::log;
  using std::log1p;
  if (n == 0.0) return lambda;
  const T difference = lambda - n;
  if (difference > -0.5 * n && difference < 0.5 * n) {
    const T ratio = difference / n;
    return n * (ratio - log1p(ratio));
  }
  return difference + n * (log(n) - log(lambda));
}

/// Gaussian term z^2 / 2, z = (observed - mean) / sigma, sigma > 0, all three in the same unit.
/// Smooth.
template <typename T>
T gaussian_deviance(double observed, const T& mean, double sigma) {
  const T pull = (mean - observed) / sigma;
  return 0.5 * pull * pull;
}

/// Log-normal term z^2 / 2, z = log(observed / median) / log_kappa (RooLognormal: median m0, kappa
/// k).
///
/// observed > 0 and median > 0 in the same unit, log_kappa != 0. Smooth.
template <typename T>
T lognormal_deviance(double observed, const T& median, double log_kappa) {
  using std::log;
  const T pull = (log(median) - log(observed)) / log_kappa;
  return 0.5 * pull * pull;
}

/// Gamma term of HistFactory, Gamma(beta; shape = observed + 1, scale): a Poisson term with mean
/// beta / scale.
///
/// `observed` >= 0 in pseudo-events (HistFactory: 1 / relative^2), `scale` > 0 (relative^2), beta >
/// 0. Smooth.
template <typename T>
T gamma_deviance(double observed, const T& beta, double scale) {
  const T mean = beta / scale;
  return poisson_deviance(observed, mean);
}

/// Scaled complementary error function exp(x^2) erfc(x) for x >= 0: between 1 and 1 / (x sqrt(pi)).
///
/// exp * erfc below 6, Laplace's continued fraction from 6 on (12 levels: converged to rounding).
/// The branches agree to 1e-14 relative.
template <typename T>
T scaled_erfc(const T& x) {
  using std::erfc;
  using std::exp;
  if (x < 6.0) return exp(x * x) * erfc(x);
  const T level_11 = x + 6.0 / x;
  const T level_10 = x + 5.5 / level_11;
  const T level_9 = x + 5.0 / level_10;
  const T level_8 = x + 4.5 / level_9;
  const T level_7 = x + 4.0 / level_8;
  const T level_6 = x + 3.5 / level_7;
  const T level_5 = x + 3.0 / level_6;
  const T level_4 = x + 2.5 / level_5;
  const T level_3 = x + 2.0 / level_4;
  const T level_2 = x + 1.5 / level_3;
  const T level_1 = x + 1.0 / level_2;
  const T level_0 = x + 0.5 / level_1;
  return inverse_sqrt_pi / level_0;
}

/// truncated_gaussian_deviance for a mean outside the range, from distances in units of sigma (all
/// >= 0).
///
/// `distance`: mean to nearest edge; `inset`: that edge to the observation; `width`: of the range.
/// Neither exp(-z^2 / 2) nor a tail probability appears: their common factor is cancelled.
template <typename T>
T outside_range_deviance(const T& distance, double inset, double width) {
  using std::exp;
  using std::log;
  const T near_edge = scaled_erfc<T>(distance * inverse_sqrt_two);
  const T far_edge = scaled_erfc<T>((distance + width) * inverse_sqrt_two);
  const T mass = near_edge - exp(-0.5 * width * (2.0 * distance + width)) * far_edge;
  return 0.5 * inset * (2.0 * distance + inset) + log(0.5 * mass);
}

/// Gaussian term of an observation confined to [lower, upper], as RooFit normalises over its range:
/// z^2 / 2 + log(Phi((upper - mean) / sigma) - Phi((lower - mean) / sigma)), z = (observed - mean)
/// / sigma.
///
/// All arguments in the same unit, sigma > 0, finite lower < upper (1e30 will do for none), lower
/// <= observed <= upper; any mean up to 1e70 sigma away. The constant is gaussian_constant(sigma).
/// One smooth function; its three forms avoid underflow and cancellation for a mean below, inside
/// and above the range, and agree to rounding where they meet.
template <typename T>
T truncated_gaussian_deviance(double observed, const T& mean, double sigma, double lower,
                              double upper) {
  using std::erf;
  using std::log;
  const double width = (upper - lower) / sigma;
  const T above = (mean - upper) / sigma;
  if (above >= 0.0) return outside_range_deviance(above, (upper - observed) / sigma, width);
  const T below = (lower - mean) / sigma;
  if (below >= 0.0) return outside_range_deviance(below, (observed - lower) / sigma, width);
  const T pull = (mean - observed) / sigma;
  const T mass = -0.5 * (erf(above * inverse_sqrt_two) + erf(below * inverse_sqrt_two));
  return 0.5 * pull * pull + log(mass);
}

}  // namespace nablafit::kernels

#endif  // NABLAFIT_KERNELS_TERMS_HPP
