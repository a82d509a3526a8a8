#ifndef NABLAFIT_AD_CODIPACK_KERNEL_DERIVATIVES_HPP
#define NABLAFIT_AD_CODIPACK_KERNEL_DERIVATIVES_HPP

/// What cpp/generated/kernel_derivatives.hpp defines, by CoDiPack instead of Clad: for builds with
/// NABLAFIT_AD_BACKEND=codipack, which need no generated file. Forward mode, without a tape.

#include <codi.hpp>
#include <type_traits>

#include "kernels/interpolation.hpp"
#include "kernels/terms.hpp"
#include "kernels/transforms.hpp"

namespace nablafit::kernels::derivatives {

/// Derivative of a kernel of one argument.
template <typename Kernel>
double codipack_first(const Kernel& kernel, double x) {
  codi::RealForward argument(x);
  argument.setGradient(1.0);
  const codi::RealForward result = kernel(argument);
  return result.getGradient();
}

/// Second derivative of a kernel of one argument: forward mode over forward mode.
template <typename Kernel>
double codipack_second(const Kernel& kernel, double x) {
  using Scalar = codi::RealForwardGen<codi::RealForward>;
  codi::RealForward inner(x);
  inner.setGradient(1.0);
  Scalar argument(inner);
  argument.setGradient(codi::RealForward(1.0));
  const Scalar result = kernel(argument);
  return result.getGradient().getGradient();
}

inline double additive_piecewise_linear_darg0(double alpha) {
  return codipack_first([](const auto& t) { return additive_piecewise_linear(t); }, alpha);
}
inline double additive_piecewise_linear_d2arg0(double alpha) {
  return codipack_second([](const auto& t) { return additive_piecewise_linear(t); }, alpha);
}

inline double additive_quadratic_darg0(double alpha) {
  return codipack_first([](const auto& t) { return additive_quadratic(t); }, alpha);
}
inline double additive_quadratic_d2arg0(double alpha) {
  return codipack_second([](const auto& t) { return additive_quadratic(t); }, alpha);
}

inline double additive_polynomial_darg0(double alpha) {
  return codipack_first([](const auto& t) { return additive_polynomial(t); }, alpha);
}
inline double additive_polynomial_d2arg0(double alpha) {
  return codipack_second([](const auto& t) { return additive_polynomial(t); }, alpha);
}

inline double factor_exponential_darg0(double alpha, double log_low, double log_high) {
  return codipack_first([=](const auto& t) { return factor_exponential(t, log_low, log_high); },
                        alpha);
}
inline double factor_exponential_d2arg0(double alpha, double log_low, double log_high) {
  return codipack_second([=](const auto& t) { return factor_exponential(t, log_low, log_high); },
                         alpha);
}

inline double factor_polynomial_darg0(double alpha, double c1, double c2, double c3, double c4,
                                      double c5, double c6) {
  return codipack_first([=](const auto& t) { return factor_polynomial(t, c1, c2, c3, c4, c5, c6); },
                        alpha);
}
inline double factor_polynomial_d2arg0(double alpha, double c1, double c2, double c3, double c4,
                                       double c5, double c6) {
  return codipack_second(
      [=](const auto& t) { return factor_polynomial(t, c1, c2, c3, c4, c5, c6); }, alpha);
}

inline double factor_polynomial_linear_darg0(double alpha, double symmetric, double asymmetric) {
  return codipack_first(
      [=](const auto& t) { return factor_polynomial_linear(t, symmetric, asymmetric); }, alpha);
}
inline double factor_polynomial_linear_d2arg0(double alpha, double symmetric, double asymmetric) {
  return codipack_second(
      [=](const auto& t) { return factor_polynomial_linear(t, symmetric, asymmetric); }, alpha);
}

inline double gamma_transformation_darg0(double beta, double relative) {
  return codipack_first([=](const auto& t) { return gamma_transformation(t, relative); }, beta);
}
inline double gamma_transformation_d2arg0(double beta, double relative) {
  return codipack_second([=](const auto& t) { return gamma_transformation(t, relative); }, beta);
}

inline double lognormal_transformation_darg0(double alpha, double log_kappa, double relative) {
  return codipack_first(
      [=](const auto& t) { return lognormal_transformation(t, log_kappa, relative); }, alpha);
}
inline double lognormal_transformation_d2arg0(double alpha, double log_kappa, double relative) {
  return codipack_second(
      [=](const auto& t) { return lognormal_transformation(t, log_kappa, relative); }, alpha);
}

inline double poisson_deviance_darg1(double n, double lambda) {
  return codipack_first([=](const auto& t) { return poisson_deviance(n, t); }, lambda);
}
inline double poisson_deviance_d2arg1(double n, double lambda) {
  return codipack_second([=](const auto& t) { return poisson_deviance(n, t); }, lambda);
}

inline double gaussian_deviance_darg1(double observed, double mean, double sigma) {
  return codipack_first([=](const auto& t) { return gaussian_deviance(observed, t, sigma); }, mean);
}
inline double gaussian_deviance_d2arg1(double observed, double mean, double sigma) {
  return codipack_second([=](const auto& t) { return gaussian_deviance(observed, t, sigma); },
                         mean);
}

inline double lognormal_deviance_darg1(double observed, double median, double log_kappa) {
  return codipack_first([=](const auto& t) { return lognormal_deviance(observed, t, log_kappa); },
                        median);
}
inline double lognormal_deviance_d2arg1(double observed, double median, double log_kappa) {
  return codipack_second([=](const auto& t) { return lognormal_deviance(observed, t, log_kappa); },
                         median);
}

inline double gamma_deviance_darg1(double observed, double beta, double scale) {
  return codipack_first([=](const auto& t) { return gamma_deviance(observed, t, scale); }, beta);
}
inline double gamma_deviance_d2arg1(double observed, double beta, double scale) {
  return codipack_second([=](const auto& t) { return gamma_deviance(observed, t, scale); }, beta);
}

inline double truncated_gaussian_deviance_darg1(double observed, double mean, double sigma,
                                                double lower, double upper) {
  return codipack_first(
      [=](const auto& t) { return truncated_gaussian_deviance(observed, t, sigma, lower, upper); },
      mean);
}
inline double truncated_gaussian_deviance_d2arg1(double observed, double mean, double sigma,
                                                 double lower, double upper) {
  return codipack_second(
      [=](const auto& t) { return truncated_gaussian_deviance(observed, t, sigma, lower, upper); },
      mean);
}

// With respect to data.

inline double bounded_log_darg0(double ratio) {
  return codipack_first([=](const auto& t) { return bounded_log(t); }, ratio);
}

inline double end_of_polynomial_darg0(double ratio, double value, double first, double second) {
  return codipack_first([=](const auto& t) { return end_of_polynomial(t, value, first, second); },
                        ratio);
}

inline double log_factorial_darg0(double n) {
  return codipack_first([=](const auto& t) { return log_factorial(t); }, n);
}

inline double poisson_nll_darg0(double n, double lambda) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return poisson_nll(t, S(lambda));
      },
      n);
}

inline double gaussian_nll_darg0(double observed, double mean, double sigma) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return gaussian_nll(t, S(mean), S(sigma));
      },
      observed);
}

inline double gaussian_nll_darg1(double observed, double mean, double sigma) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return gaussian_nll(S(observed), t, S(sigma));
      },
      mean);
}

inline double gaussian_nll_darg2(double observed, double mean, double sigma) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return gaussian_nll(S(observed), S(mean), t);
      },
      sigma);
}

inline double poisson_constraint_nll_darg0(double observed, double parameter, double tau) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return poisson_constraint_nll(t, S(parameter), S(tau));
      },
      observed);
}

inline double poisson_constraint_nll_darg1(double observed, double parameter, double tau) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return poisson_constraint_nll(S(observed), t, S(tau));
      },
      parameter);
}

inline double poisson_constraint_nll_darg2(double observed, double parameter, double tau) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return poisson_constraint_nll(S(observed), S(parameter), t);
      },
      tau);
}

inline double lognormal_nll_darg0(double observed, double median, double log_kappa) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return lognormal_nll(t, S(median), S(log_kappa));
      },
      observed);
}

inline double lognormal_nll_darg1(double observed, double median, double log_kappa) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return lognormal_nll(S(observed), t, S(log_kappa));
      },
      median);
}

inline double lognormal_nll_darg2(double observed, double median, double log_kappa) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return lognormal_nll(S(observed), S(median), t);
      },
      log_kappa);
}

inline double gamma_nll_darg0(double observed, double beta, double scale) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return gamma_nll(t, S(beta), S(scale));
      },
      observed);
}

inline double gamma_nll_darg1(double observed, double beta, double scale) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return gamma_nll(S(observed), t, S(scale));
      },
      beta);
}

inline double gamma_nll_darg2(double observed, double beta, double scale) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return gamma_nll(S(observed), S(beta), t);
      },
      scale);
}

inline double truncated_gaussian_nll_darg0(double observed, double mean, double sigma, double lower,
                                           double upper) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return truncated_gaussian_nll(t, S(mean), S(sigma), lower, upper);
      },
      observed);
}

inline double truncated_gaussian_nll_darg1(double observed, double mean, double sigma, double lower,
                                           double upper) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return truncated_gaussian_nll(S(observed), t, S(sigma), lower, upper);
      },
      mean);
}

inline double truncated_gaussian_nll_darg2(double observed, double mean, double sigma, double lower,
                                           double upper) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return truncated_gaussian_nll(S(observed), S(mean), t, lower, upper);
      },
      sigma);
}

inline double relative_width_darg0(double variance, double nominal) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return relative_width(t, S(nominal));
      },
      variance);
}

inline double relative_width_darg1(double variance, double nominal) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return relative_width(S(variance), t);
      },
      nominal);
}

inline double relative_tau_darg0(double variance, double nominal) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return relative_tau(t, S(nominal));
      },
      variance);
}

inline double relative_tau_darg1(double variance, double nominal) {
  return codipack_first(
      [=](const auto& t) {
        using S = std::decay_t<decltype(t)>;
        return relative_tau(S(variance), t);
      },
      nominal);
}

}  // namespace nablafit::kernels::derivatives

#endif  // NABLAFIT_AD_CODIPACK_KERNEL_DERIVATIVES_HPP
