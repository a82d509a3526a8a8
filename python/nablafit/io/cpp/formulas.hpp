// Formulas of exported likelihoods. An export holds those that it uses, each copied from here with
// the comment above it; blocks are separated by blank lines.
//
// These are the kernels of cpp/src/kernels and their first derivatives, for plain numbers. Where
// two sides of a kink differ, the derivative is that of the branch that the condition selects.
#ifndef NABLAFIT_EXPORT_FORMULAS_HPP
#define NABLAFIT_EXPORT_FORMULAS_HPP

#include <cmath>
#include <limits>

/// What nll is where there is no likelihood.
inline constexpr double infinity = std::numeric_limits<double>::infinity();

/// g of interpolation code 0, piecewise linear: 8 |alpha|.
inline double additive_piecewise_linear(const double alpha) {
  if (alpha < 0.0) return -8.0 * alpha;
  return 8.0 * alpha;
}

/// Derivative of additive_piecewise_linear; that of the right side at 0.
inline double additive_piecewise_linear_slope(const double alpha) {
  if (alpha < 0.0) return -8.0;
  return 8.0;
}

/// g of interpolation code 2, quadratic inside |alpha| <= 1: 8 alpha^2, and 8 (2 |alpha| - 1)
/// beyond.
inline double additive_quadratic(const double alpha) {
  if (alpha > 1.0) return 16.0 * alpha - 8.0;
  if (alpha < -1.0) return -16.0 * alpha - 8.0;
  return 8.0 * alpha * alpha;
}

/// Derivative of additive_quadratic.
inline double additive_quadratic_slope(const double alpha) {
  if (alpha > 1.0) return 16.0;
  if (alpha < -1.0) return -16.0;
  return 16.0 * alpha;
}

/// g of interpolation code 4 (pyhf's code4p): alpha^2 (15 + alpha^2 (3 alpha^2 - 10)) inside
/// |alpha| < 1, and 8 |alpha| beyond.
inline double additive_polynomial(const double alpha) {
  if (alpha >= 1.0) return 8.0 * alpha;
  if (alpha <= -1.0) return -8.0 * alpha;
  const double square = alpha * alpha;
  return square * (15.0 + square * (3.0 * square - 10.0));
}

/// Derivative of additive_polynomial.
inline double additive_polynomial_slope(const double alpha) {
  if (alpha >= 1.0) return 8.0;
  if (alpha <= -1.0) return -8.0;
  const double square = alpha * alpha;
  return alpha * (30.0 + square * (18.0 * square - 40.0));
}

/// Interpolation code 1, piecewise exponential: high^alpha for alpha >= 0, low^-alpha below.
inline double factor_exponential(const double alpha, const double log_low, const double log_high) {
  if (alpha >= 0.0) return std::exp(alpha * log_high);
  return std::exp(alpha * -log_low);
}

/// Derivative of factor_exponential; that of the right side at 0.
inline double factor_exponential_slope(const double alpha, const double log_low,
                                       const double log_high) {
  if (alpha >= 0.0) return log_high * std::exp(alpha * log_high);
  return -log_low * std::exp(alpha * -log_low);
}

/// Interpolation code 5 (pyhf's code4): the polynomial 1 + c1 alpha + ... + c6 alpha^6 inside
/// |alpha| < 1, high^alpha or low^-alpha beyond. The coefficients make value and two derivatives
/// continuous.
inline double factor_polynomial_exponential(const double alpha, const double log_low,
                                            const double log_high, const double c1, const double c2,
                                            const double c3, const double c4, const double c5,
                                            const double c6) {
  if (alpha >= 1.0) return std::exp(alpha * log_high);
  if (alpha <= -1.0) return std::exp(alpha * -log_low);
  return 1.0 +
         alpha * (c1 + alpha * (c2 + alpha * (c3 + alpha * (c4 + alpha * (c5 + alpha * c6)))));
}

/// Derivative of factor_polynomial_exponential.
inline double factor_polynomial_exponential_slope(const double alpha, const double log_low,
                                                  const double log_high, const double c1,
                                                  const double c2, const double c3, const double c4,
                                                  const double c5, const double c6) {
  if (alpha >= 1.0) return log_high * std::exp(alpha * log_high);
  if (alpha <= -1.0) return -log_low * std::exp(alpha * -log_low);
  return c1 +
         alpha * (2.0 * c2 +
                  alpha * (3.0 * c3 + alpha * (4.0 * c4 + alpha * (5.0 * c5 + alpha * 6.0 * c6))));
}

/// Interpolation code 6: 1 + alpha S + g(alpha) A with g of code 4.
inline double factor_polynomial_linear(const double alpha, const double S, const double A) {
  return 1.0 + alpha * S + additive_polynomial(alpha) * A;
}

/// Derivative of factor_polynomial_linear.
inline double factor_polynomial_linear_slope(const double alpha, const double S, const double A) {
  return S + additive_polynomial_slope(alpha) * A;
}

/// Argument of interpolations for HistFactory's Gamma constraint: (beta - 1) / relative.
inline double gamma_transformation(const double beta, const double relative) {
  return (beta - 1.0) / relative;
}

/// Argument of interpolations for HistFactory's LogNormal constraint: (kappa^alpha - 1) / relative.
inline double lognormal_transformation(const double alpha, const double log_kappa,
                                       const double relative) {
  return (std::exp(alpha * log_kappa) - 1.0) / relative;
}

/// Derivative of lognormal_transformation.
inline double lognormal_transformation_slope(const double alpha, const double log_kappa,
                                             const double relative) {
  return log_kappa * std::exp(alpha * log_kappa) / relative;
}

/// True if n events can be observed where `mean` are expected. Means below 1e-140 count as zero.
inline bool is_possible(const double n, const double mean) {
  return n == 0.0 ? mean >= 0.0 : mean >= 1e-140;
}

/// -log[Pois(n | mean) / Pois(n | n)] = mean - n + n log(n / mean), for any real n >= 0; in the
/// form that keeps its digits where mean is close to n.
inline double poisson_deviance(const double n, const double mean) {
  if (!is_possible(n, mean)) return infinity;
  if (n == 0.0) return mean;
  const double difference = mean - n;
  if (difference > -0.5 * n && difference < 0.5 * n) {
    const double ratio = difference / n;
    return n * (ratio - std::log1p(ratio));
  }
  return difference + n * (std::log(n) - std::log(mean));
}

/// Derivative of poisson_deviance with respect to the mean: 1 - n / mean.
inline double poisson_deviance_slope(const double n, const double mean) {
  if (n == 0.0) return 1.0;
  return (mean - n) / mean;
}

/// Gaussian constraint without its constant: z^2 / 2, z = (mean - observed) / sigma.
inline double gaussian_deviance(const double observed, const double mean, const double sigma) {
  const double z = (mean - observed) / sigma;
  return 0.5 * z * z;
}

/// Derivative of gaussian_deviance with respect to the mean.
inline double gaussian_deviance_slope(const double observed, const double mean,
                                      const double sigma) {
  return (mean - observed) / sigma / sigma;
}

/// Log-normal constraint without its constant: z^2 / 2, z = log(median / observed) / log(kappa).
inline double lognormal_deviance(const double observed, const double median,
                                 const double log_kappa) {
  if (!(median > 0.0)) return infinity;
  const double z = (std::log(median) - std::log(observed)) / log_kappa;
  return 0.5 * z * z;
}

/// Derivative of lognormal_deviance with respect to the median.
inline double lognormal_deviance_slope(const double observed, const double median,
                                       const double log_kappa) {
  return (std::log(median) - std::log(observed)) / (log_kappa * log_kappa * median);
}

/// sqrt(pi) exp(edge^2) erfc(edge) for edges above 6, by Laplace's continued fraction.
inline double tail_ratio(const double edge) {
  double level = edge;
  for (int k = 12; k > 0; --k) level = edge + 0.5 * k / level;
  return 1.0 / level;
}

/// log of the Gaussian's mass between the edges, plus z^2 / 2: the constraint N(observed | mean,
/// sigma) normalised over lower <= observed <= upper, without its constant. Three forms of one
/// function: mean inside the range, near it, and far from it. All variables stand before the first
/// return, and none is assigned twice: Clad's reverse mode goes wrong otherwise.
inline double truncated_gaussian_deviance(const double observed, const double mean,
                                          const double sigma, const double lower,
                                          const double upper) {
  const double root_half = 0.70710678118654752440;
  const double inverse_root_pi = 0.56418958354775628695;
  const double above = (mean - upper) / sigma;
  const double below = (lower - mean) / sigma;
  const double z = (mean - observed) / sigma;
  const bool is_below = below > above;
  const double distance = is_below ? below : above;
  const double inset = is_below ? (observed - lower) / sigma : (upper - observed) / sigma;
  const double width = (upper - lower) / sigma;
  const double near_edge = distance * root_half;
  const double far_edge = (distance + width) * root_half;
  if (distance < 0.0) {
    return 0.5 * z * z +
           std::log(-0.5 * (std::erf(above * root_half) + std::erf(below * root_half)));
  }
  if (near_edge < 6.0) {
    return 0.5 * z * z + std::log(0.5 * (std::erfc(near_edge) - std::erfc(far_edge)));
  }
  return 0.5 * inset * (2.0 * distance + inset) +
         std::log(0.5 * inverse_root_pi *
                  (tail_ratio(near_edge) -
                   std::exp(-0.5 * width * (2.0 * distance + width)) * tail_ratio(far_edge)));
}

/// Derivative of truncated_gaussian_deviance with respect to the mean.
inline double truncated_gaussian_deviance_slope(const double observed, const double mean,
                                                const double sigma, const double lower,
                                                const double upper) {
  const double root_half = 0.70710678118654752440;
  const double inverse_root_pi = 0.56418958354775628695;
  const double inverse_root_two_pi = 0.39894228040143267794;
  const double above = (mean - upper) / sigma;
  const double below = (lower - mean) / sigma;
  const double z = (mean - observed) / sigma;
  if (above < 0.0 && below < 0.0) {
    const double mass = -0.5 * (std::erf(above * root_half) + std::erf(below * root_half));
    const double edges = std::exp(-0.5 * below * below) - std::exp(-0.5 * above * above);
    return (z + inverse_root_two_pi * edges / mass) / sigma;
  }
  const bool is_below = below > above;
  const double distance = is_below ? below : above;
  const double inset = is_below ? (observed - lower) / sigma : (upper - observed) / sigma;
  const double width = (upper - lower) / sigma;
  const double near_edge = distance * root_half;
  const double far_edge = (distance + width) * root_half;
  // Density at the far edge relative to the near one, and the mass relative to the latter.
  const double far_density = std::exp(-0.5 * width * (2.0 * distance + width));
  const double mass =
      near_edge < 6.0
          ? 0.5 * (std::erfc(near_edge) - std::erfc(far_edge)) * std::exp(near_edge * near_edge)
          : 0.5 * inverse_root_pi * (tail_ratio(near_edge) - far_density * tail_ratio(far_edge));
  const double slope = distance + inset - inverse_root_two_pi * (1.0 - far_density) / mass;
  return (is_below ? -slope : slope) / sigma;
}

/// seed times the product of all values but one, into `others`: the derivatives of a product.
inline void products_of_others(const int n, const double* values, const double seed,
                               double* others) {
  double product = seed;
  for (int i = 0; i < n; ++i) {
    others[i] = product;
    product *= values[i];
  }
  product = 1.0;
  for (int i = n - 1; i >= 0; --i) {
    others[i] *= product;
    product *= values[i];
  }
}

/// |a|; its derivative at 0 is that of the right side.
inline double absolute(const double a) {
  if (a < 0.0) return -a;
  return a;
}

/// The smaller of two numbers; the first where they are equal.
inline double minimum(const double a, const double b) {
  if (b < a) return b;
  return a;
}

/// The larger of two numbers; the first where they are equal.
inline double maximum(const double a, const double b) {
  if (a < b) return b;
  return a;
}

#endif  // NABLAFIT_EXPORT_FORMULAS_HPP
