#ifndef NABLAFIT_AD_DERIVATIVES_HPP
#define NABLAFIT_AD_DERIVATIVES_HPP

/// First and second derivatives of the kernels, made by Clad (or by CoDiPack in builds that asked
/// for it): the one header that others include.
///
/// `<kernel>_first` and `<kernel>_second` take the arguments of `<kernel>` and differentiate with
/// respect to its fitted parameter (the argument of type T); those at the end with respect to data.
/// Domains, units and the side taken at a kink are those of the kernel. There are no formulas here:
/// each function forwards to cpp/generated/, inline, so that hot loops see straight-line code and
/// share the subexpressions of value and derivative.

#ifdef NABLAFIT_DERIVATIVES_BY_CODIPACK
#include "ad/codipack_kernel_derivatives.hpp"
#else
#include "generated/kernel_derivatives.hpp"
#endif

namespace nablafit::kernels::derivatives {

// Interpolation (kernels/interpolation.hpp).

inline double additive_piecewise_linear_first(double alpha) {
  return additive_piecewise_linear_darg0(alpha);
}
inline double additive_piecewise_linear_second(double alpha) {
  return additive_piecewise_linear_d2arg0(alpha);
}

inline double additive_quadratic_first(double alpha) { return additive_quadratic_darg0(alpha); }
inline double additive_quadratic_second(double alpha) { return additive_quadratic_d2arg0(alpha); }

inline double additive_polynomial_first(double alpha) { return additive_polynomial_darg0(alpha); }
inline double additive_polynomial_second(double alpha) { return additive_polynomial_d2arg0(alpha); }

inline double factor_exponential_first(double alpha, double log_low, double log_high) {
  return factor_exponential_darg0(alpha, log_low, log_high);
}
inline double factor_exponential_second(double alpha, double log_low, double log_high) {
  return factor_exponential_d2arg0(alpha, log_low, log_high);
}

inline double factor_polynomial_first(double alpha, double c1, double c2, double c3, double c4,
                                      double c5, double c6) {
  return factor_polynomial_darg0(alpha, c1, c2, c3, c4, c5, c6);
}
inline double factor_polynomial_second(double alpha, double c1, double c2, double c3, double c4,
                                       double c5, double c6) {
  return factor_polynomial_d2arg0(alpha, c1, c2, c3, c4, c5, c6);
}

/// Code 5 is one of two other kernels: its derivatives are theirs, chosen by the same conditions.
inline double factor_polynomial_exponential_first(double alpha, double log_low, double log_high,
                                                  double c1, double c2, double c3, double c4,
                                                  double c5, double c6) {
  if (alpha >= 1.0 || alpha <= -1.0) return factor_exponential_first(alpha, log_low, log_high);
  return factor_polynomial_first(alpha, c1, c2, c3, c4, c5, c6);
}
inline double factor_polynomial_exponential_second(double alpha, double log_low, double log_high,
                                                   double c1, double c2, double c3, double c4,
                                                   double c5, double c6) {
  if (alpha >= 1.0 || alpha <= -1.0) return factor_exponential_second(alpha, log_low, log_high);
  return factor_polynomial_second(alpha, c1, c2, c3, c4, c5, c6);
}

inline double factor_polynomial_linear_first(double alpha, double symmetric, double asymmetric) {
  return factor_polynomial_linear_darg0(alpha, symmetric, asymmetric);
}
inline double factor_polynomial_linear_second(double alpha, double symmetric, double asymmetric) {
  return factor_polynomial_linear_d2arg0(alpha, symmetric, asymmetric);
}

// Transforms of parameters (kernels/transforms.hpp).

inline double gamma_transformation_first(double beta, double relative) {
  return gamma_transformation_darg0(beta, relative);
}
inline double gamma_transformation_second(double beta, double relative) {
  return gamma_transformation_d2arg0(beta, relative);
}

inline double lognormal_transformation_first(double alpha, double log_kappa, double relative) {
  return lognormal_transformation_darg0(alpha, log_kappa, relative);
}
inline double lognormal_transformation_second(double alpha, double log_kappa, double relative) {
  return lognormal_transformation_d2arg0(alpha, log_kappa, relative);
}

// Terms of the likelihood (kernels/terms.hpp).

inline double poisson_deviance_first(double n, double lambda) {
  return poisson_deviance_darg1(n, lambda);
}
inline double poisson_deviance_second(double n, double lambda) {
  return poisson_deviance_d2arg1(n, lambda);
}

inline double gaussian_deviance_first(double observed, double mean, double sigma) {
  return gaussian_deviance_darg1(observed, mean, sigma);
}
inline double gaussian_deviance_second(double observed, double mean, double sigma) {
  return gaussian_deviance_d2arg1(observed, mean, sigma);
}

inline double lognormal_deviance_first(double observed, double median, double log_kappa) {
  return lognormal_deviance_darg1(observed, median, log_kappa);
}
inline double lognormal_deviance_second(double observed, double median, double log_kappa) {
  return lognormal_deviance_d2arg1(observed, median, log_kappa);
}

inline double gamma_deviance_first(double observed, double beta, double scale) {
  return gamma_deviance_darg1(observed, beta, scale);
}
inline double gamma_deviance_second(double observed, double beta, double scale) {
  return gamma_deviance_d2arg1(observed, beta, scale);
}

inline double truncated_gaussian_deviance_first(double observed, double mean, double sigma,
                                                double lower, double upper) {
  return truncated_gaussian_deviance_darg1(observed, mean, sigma, lower, upper);
}
inline double truncated_gaussian_deviance_second(double observed, double mean, double sigma,
                                                 double lower, double upper) {
  return truncated_gaussian_deviance_d2arg1(observed, mean, sigma, lower, upper);
}

// With respect to data (kernels/interpolation.hpp, kernels/terms.hpp). `<kernel>_by_<argument>`.

inline double bounded_log_by_ratio(double ratio) { return bounded_log_darg0(ratio); }
inline double end_of_polynomial_by_ratio(double ratio, double value, double first, double second) {
  return end_of_polynomial_darg0(ratio, value, first, second);
}
inline double log_factorial_by_n(double n) { return log_factorial_darg0(n); }
inline double poisson_nll_by_n(double n, double lambda) { return poisson_nll_darg0(n, lambda); }
inline double relative_width_by_variance(double variance, double nominal) {
  return relative_width_darg0(variance, nominal);
}
inline double relative_width_by_nominal(double variance, double nominal) {
  return relative_width_darg1(variance, nominal);
}
inline double relative_tau_by_variance(double variance, double nominal) {
  return relative_tau_darg0(variance, nominal);
}
inline double relative_tau_by_nominal(double variance, double nominal) {
  return relative_tau_darg1(variance, nominal);
}

/// Derivatives of a constraint term, a whole density, with respect to all that it depends on.
struct ConstraintGradient {
  double by_observed, by_parameter, by_width;
};
inline ConstraintGradient gaussian_nll_gradient(double observed, double mean, double sigma) {
  return {gaussian_nll_darg0(observed, mean, sigma), gaussian_nll_darg1(observed, mean, sigma),
          gaussian_nll_darg2(observed, mean, sigma)};
}
inline ConstraintGradient poisson_constraint_nll_gradient(double observed, double parameter,
                                                          double tau) {
  return {poisson_constraint_nll_darg0(observed, parameter, tau),
          poisson_constraint_nll_darg1(observed, parameter, tau),
          poisson_constraint_nll_darg2(observed, parameter, tau)};
}
inline ConstraintGradient lognormal_nll_gradient(double observed, double median, double log_kappa) {
  return {lognormal_nll_darg0(observed, median, log_kappa),
          lognormal_nll_darg1(observed, median, log_kappa),
          lognormal_nll_darg2(observed, median, log_kappa)};
}
inline ConstraintGradient gamma_nll_gradient(double observed, double beta, double scale) {
  return {gamma_nll_darg0(observed, beta, scale), gamma_nll_darg1(observed, beta, scale),
          gamma_nll_darg2(observed, beta, scale)};
}
inline ConstraintGradient truncated_gaussian_nll_gradient(double observed, double mean,
                                                          double sigma, double lower,
                                                          double upper) {
  return {truncated_gaussian_nll_darg0(observed, mean, sigma, lower, upper),
          truncated_gaussian_nll_darg1(observed, mean, sigma, lower, upper),
          truncated_gaussian_nll_darg2(observed, mean, sigma, lower, upper)};
}

}  // namespace nablafit::kernels::derivatives

#endif  // NABLAFIT_AD_DERIVATIVES_HPP
