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

/// Poisson term -log[Pois(n | lambda) / Pois(n | n)] = lambda - n + n log(n / lambda).
///
/// `n` >= 0: observed events, not necessarily an integer; `lambda`: expected events. Defined for
/// lambda > 0, and for lambda = 0 if n = 0 (the caller checks). Smooth; minimum 0 at lambda = n.
/// Both forms below are the same function; for |lambda - n| < n / 2 the one with log1p loses only
/// 1e-16 |lambda - n| to rounding (3e-9 one standard deviation off at n = 1e15), the other
/// 1e-16 n log n. Derivatives need n = 0 or 1e-70 < n < 1e70.
template <typename T>
T poisson_deviance(const double n, const T& lambda) {
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

/// Gaussian term z^2 / 2, z = (observed - mean) / sigma.
///
/// All arguments in the same unit, sigma > 0. Smooth.
template <typename T, typename D = double>
T gaussian_deviance(const D observed, const T& mean, const D sigma) {
  const T pull = (mean - observed) / sigma;
  return 0.5 * pull * pull;
}

/// Log-normal term z^2 / 2, z = log(observed / median) / log_kappa (RooLognormal's m0 and log k).
///
/// observed > 0 and median > 0 in the same unit, log_kappa != 0. Smooth.
template <typename T, typename D = double>
T lognormal_deviance(const D observed, const T& median, const D log_kappa) {
  using std::log;
  const T pull = (log(median) - log(observed)) / log_kappa;
  return 0.5 * pull * pull;
}

/// Gamma term of HistFactory, Gamma(beta; shape = observed + 1, scale), equal to
/// poisson_deviance(observed, beta / scale); in the same two forms, around the mode.
///
/// `observed` >= 0 in pseudo-events (HistFactory: 1 / relative^2), `scale` > 0 the beta of one
/// pseudo-event (relative^2), `beta` > 0 dimensionless. Smooth.
template <typename T>
T gamma_deviance(const double observed, const T& beta, const double scale) {
  using std::log;
  using std::log1p;
  if (observed == 0.0) return beta / scale;
  const double mode = observed * scale;
  const T difference = beta - mode;
  if (difference > -0.5 * mode && difference < 0.5 * mode) {
    const T ratio = difference / mode;
    return observed * (ratio - log1p(ratio));
  }
  return difference / scale + observed * (log(mode) - log(beta));
}

/// Gaussian term of an observation confined to [lower, upper], as RooFit normalises over its range:
/// z^2 / 2 + log(Phi((upper - mean) / sigma) - Phi((lower - mean) / sigma)),
/// where z = (observed - mean) / sigma.
///
/// All arguments in the same unit, sigma > 0, lower <= observed <= upper. The edges are finite
/// (1e30 sigma for none). The constant is gaussian_constant(sigma). One smooth function; its three
/// forms, which agree to 1e-13 where they meet, are for a mean inside the range, near it, and
/// farther than 6 sqrt(2) sigma from it. In the last, the common factor exp(-distance^2 / 2) of
/// density and tail probabilities is cancelled, and Laplace's continued fraction gives
/// exp(x^2) erfc(x), converged to rounding.
template <typename T, typename D = double>
T truncated_gaussian_deviance(const D observed, const T& mean, const D sigma, const double lower,
                              const double upper) {
  using std::erf;
  using std::erfc;
  using std::exp;
  using std::log;
  const T above = (mean - upper) / sigma;
  const T below = (lower - mean) / sigma;
  const T pull = (mean - observed) / sigma;
  if (above < 0.0 && below < 0.0) {
    const T mass = -0.5 * (erf(above * inverse_sqrt_two) + erf(below * inverse_sqrt_two));
    return 0.5 * pull * pull + log(mass);
  }
  T distance = above;
  D inset = (upper - observed) / sigma;
  if (below > above) {
    distance = below;
    inset = (observed - lower) / sigma;
  }
  const D width = (upper - lower) / sigma;
  const T near_edge = distance * inverse_sqrt_two;
  const T far_edge = (distance + width) * inverse_sqrt_two;
  if (near_edge < 6.0) return 0.5 * pull * pull + log(0.5 * (erfc(near_edge) - erfc(far_edge)));
  T near_level = near_edge;
  T far_level = far_edge;
  for (int level = 12; level > 0; --level) {
    near_level = near_edge + 0.5 * level / near_level;
    far_level = far_edge + 0.5 * level / far_level;
  }
  const T mass = 1.0 / near_level - exp(-0.5 * width * (2.0 * distance + width)) / far_level;
  return 0.5 * inset * (2.0 * distance + inset) + log(0.5 * inverse_sqrt_pi * mass);
}

// --- minus the logarithm of whole densities ------------------------------------------------------
//
// The sum of deviance and constant, written so that it is smooth in the data arguments too (the
// deviance of a Poisson term has an infinite slope at n = 0). Derivatives with respect to data are
// taken of these; domains and units are those of the deviances.

/// log Gamma(n + 1) for real n >= 0. Smooth; by recurrence to n >= 10, then Stirling's series.
template <typename T>
T log_factorial(const T& n) {
  using std::log;
  T shifted = n;
  T product = T(1.0);
  while (shifted < 10.0) {
    shifted = shifted + 1.0;
    product = product * shifted;
  }
  return (shifted + 0.5) * log(shifted) - shifted + half_log_two_pi + stirling_remainder(shifted) -
         log(product);
}

/// -log Pois(n | lambda) = lambda - n log(lambda) + log Gamma(n + 1), lambda > 0.
template <typename T, typename D = double>
T poisson_nll(const D n, const T& lambda) {
  using std::log;
  return lambda - n * log(lambda) + log_factorial(n);
}

/// Pois(observed | tau * parameter).
template <typename T, typename D = double>
T poisson_constraint_nll(const D observed, const T& parameter, const D tau) {
  using std::log;
  const T mean = tau * parameter;
  return mean - observed * log(mean) + log_factorial(observed);
}

/// z^2 / 2 + log(sigma sqrt(2 pi)), z = (observed - mean) / sigma.
template <typename T, typename D = double>
T gaussian_nll(const D observed, const T& mean, const D sigma) {
  using std::log;
  const T pull = (mean - observed) / sigma;
  return 0.5 * pull * pull + log(sigma) + half_log_two_pi;
}

/// z^2 / 2 + log(observed log_kappa sqrt(2 pi)), z = log(observed / median) / log_kappa.
template <typename T, typename D = double>
T lognormal_nll(const D observed, const T& median, const D log_kappa) {
  using std::log;
  const T pull = (log(median) - log(observed)) / log_kappa;
  return 0.5 * pull * pull + log(observed) + log(log_kappa) + half_log_two_pi;
}

/// -log Gamma(beta; shape = observed + 1, scale).
template <typename T, typename D = double>
T gamma_nll(const D observed, const T& beta, const D scale) {
  using std::log;
  const T mean = beta / scale;
  return mean - observed * log(mean) + log_factorial(observed) + log(scale);
}

/// truncated_gaussian_deviance + log(sigma sqrt(2 pi)).
template <typename T, typename D = double>
T truncated_gaussian_nll(const D observed, const T& mean, const D sigma, const double lower,
                         const double upper) {
  using std::log;
  return truncated_gaussian_deviance(observed, mean, sigma, lower, upper) + log(sigma) +
         half_log_two_pi;
}

// --- widths of constraints from statistical uncertainties ----------------------------------------

/// HistFactory's relative statistical uncertainty sqrt(variance) / nominal, the sigma of a Gaussian
/// constraint; `variance` > 0 in events^2 and `nominal` > 0 in events are sums over the samples
/// that share the parameter.
template <typename T>
T relative_width(const T& variance, const T& nominal) {
  using std::sqrt;
  return sqrt(variance) / nominal;
}

/// The same as events of an auxiliary measurement, the tau of a Poisson constraint:
/// nominal^2 / variance.
template <typename T>
T relative_tau(const T& variance, const T& nominal) {
  return nominal * nominal / variance;
}

}  // namespace nablafit::kernels

#endif  // NABLAFIT_KERNELS_TERMS_HPP
