#ifndef NABLAFIT_KERNELS_CONSTANTS_HPP
#define NABLAFIT_KERNELS_CONSTANTS_HPP

/// The part of each term of terms.hpp that depends on data only: -log p = deviance + constant.
/// Natural logarithms; a density has the inverse unit of its variable.

#include <cmath>

namespace nablafit::kernels {

constexpr double half_log_two_pi = 0.91893853320467274178;

/// Means below this, with events observed, count as zero: the second derivative n / lambda^2 of the
/// Poisson term is not a number any more.
constexpr double smallest_mean = 1e-140;

/// True if Pois(n | lambda) and the derivatives of its logarithm exist. False for NaN.
inline bool is_possible(double n, double lambda) {
  return n == 0.0 ? lambda >= 0.0 : lambda >= smallest_mean;
}

/// Stirling's remainder log Gamma(n + 1) - (n log n - n + log(2 pi n) / 2), for n >= 10, to 1e-16.
template <typename T>
T stirling_remainder(const T& n) {
  const T inverse = 1.0 / n;
  const T square = inverse * inverse;
  return inverse *
         (1.0 / 12.0 +
          square *
              (-1.0 / 360.0 +
               square * (1.0 / 1260.0 +
                         square * (-1.0 / 1680.0 +
                                   square * (1.0 / 1188.0 + square * (-691.0 / 360360.0 +
                                                                      square * (1.0 / 156.0)))))));
}

/// Constant of poisson_deviance: -log Pois(n | n) = n - n log n + log Gamma(n + 1) for real n >= 0.
///
/// 0 at n = 0. The error is at most 5e-15, absolute or relative, whichever is larger, for n up to
/// 1e300. std::lgamma is not used: it writes the global `signgam`, a data race between threads, and
/// its difference from n log n loses all digits at large n.
inline double poisson_constant(double n) {
  if (n == 0.0) return 0.0;
  double shifted = n;
  double product = 1.0;
  while (shifted < 10.0) {
    shifted += 1.0;
    product *= shifted;
  }
  const double stirling = half_log_two_pi + 0.5 * std::log(shifted) + stirling_remainder(shifted);
  if (shifted == n) return stirling;
  const double log_gamma = shifted * std::log(shifted) - shifted + stirling - std::log(product);
  return n - n * std::log(n) + log_gamma;
}

/// Constant of gaussian_deviance and truncated_gaussian_deviance: log(sigma sqrt(2 pi)).
inline double gaussian_constant(double sigma) { return std::log(sigma) + half_log_two_pi; }

/// Constant of lognormal_deviance: log(observed |log_kappa| sqrt(2 pi)), a density in `observed`.
inline double lognormal_constant(double observed, double log_kappa) {
  return std::log(observed) + std::log(std::abs(log_kappa)) + half_log_two_pi;
}

/// Constant of gamma_deviance: poisson_constant(observed) + log(scale), a density in beta.
inline double gamma_constant(double observed, double scale) {
  return poisson_constant(observed) + std::log(scale);
}

}  // namespace nablafit::kernels

#endif  // NABLAFIT_KERNELS_CONSTANTS_HPP
