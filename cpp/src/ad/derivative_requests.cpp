/// Requests to Clad: which derivative of which kernel goes into cpp/generated/.
///
/// Compiled by cpp/tools/generate_derivatives.py alone, never by the build. Each call below names
/// one kernel, instantiated with double, and the argument to differentiate; data arguments stay
/// constant. cpp/src/ad/derivatives.hpp gives the results readable names.
///
/// All are made in forward mode, and no kernel here calls another one: Clad 2.5's second forward
/// pass over a nested call writes a function with two parameters of one name, and its reverse mode
/// (clad::hessian) gives NaN after early returns. factor_polynomial_exponential, which does call
/// another kernel, is put together from two kernels in derivatives.hpp.

#include <cmath>

#include "clad/Differentiator/Differentiator.h"
#include "kernels/interpolation.hpp"
#include "kernels/terms.hpp"
#include "kernels/transforms.hpp"

/// Every elementary function that a kernel calls, each of which clad_runtime.hpp must provide. It
/// is the first request because Clad 2.5 finds its rules for them from a plain function, but not
/// from inside a template in a namespace unless they have been found before; the generator drops
/// the derivatives of this function itself.
inline double elementary_functions(double x) {
  return std::exp(x) + std::log(x) + std::log1p(x) + std::erf(x) + std::erfc(x) + std::sqrt(x);
}

void request_derivatives() {
  using namespace nablafit::kernels;

  clad::differentiate(elementary_functions, "x");

  clad::differentiate(additive_piecewise_linear<double>, "alpha");
  clad::differentiate<2>(additive_piecewise_linear<double>, "alpha");
  clad::differentiate(additive_quadratic<double>, "alpha");
  clad::differentiate<2>(additive_quadratic<double>, "alpha");
  clad::differentiate(additive_polynomial<double>, "alpha");
  clad::differentiate<2>(additive_polynomial<double>, "alpha");

  clad::differentiate(factor_exponential<double>, "alpha");
  clad::differentiate<2>(factor_exponential<double>, "alpha");
  clad::differentiate(factor_polynomial<double>, "alpha");
  clad::differentiate<2>(factor_polynomial<double>, "alpha");
  clad::differentiate(factor_polynomial_linear<double>, "alpha");
  clad::differentiate<2>(factor_polynomial_linear<double>, "alpha");

  clad::differentiate(gamma_transformation<double>, "beta");
  clad::differentiate<2>(gamma_transformation<double>, "beta");
  clad::differentiate(lognormal_transformation<double>, "alpha");
  clad::differentiate<2>(lognormal_transformation<double>, "alpha");

  clad::differentiate(poisson_deviance<double>, "lambda");
  clad::differentiate<2>(poisson_deviance<double>, "lambda");
  clad::differentiate(gaussian_deviance<double>, "mean");
  clad::differentiate<2>(gaussian_deviance<double>, "mean");
  clad::differentiate(lognormal_deviance<double>, "median");
  clad::differentiate<2>(lognormal_deviance<double>, "median");
  clad::differentiate(gamma_deviance<double>, "beta");
  clad::differentiate<2>(gamma_deviance<double>, "beta");
  clad::differentiate(truncated_gaussian_deviance<double>, "mean");
  clad::differentiate<2>(truncated_gaussian_deviance<double>, "mean");

  // With respect to data: templates, uncertainties, counts and global observables.
  clad::differentiate(bounded_log<double>, "ratio");
  clad::differentiate(end_of_polynomial<double>, "ratio");
  clad::differentiate(log_factorial<double>, "n");
  clad::differentiate(poisson_nll<double>, "n");
  clad::differentiate(gaussian_nll<double>, "observed");
  clad::differentiate(gaussian_nll<double>, "mean");
  clad::differentiate(gaussian_nll<double>, "sigma");
  clad::differentiate(poisson_constraint_nll<double>, "observed");
  clad::differentiate(poisson_constraint_nll<double>, "parameter");
  clad::differentiate(poisson_constraint_nll<double>, "tau");
  clad::differentiate(lognormal_nll<double>, "observed");
  clad::differentiate(lognormal_nll<double>, "median");
  clad::differentiate(lognormal_nll<double>, "log_kappa");
  clad::differentiate(gamma_nll<double>, "observed");
  clad::differentiate(gamma_nll<double>, "beta");
  clad::differentiate(gamma_nll<double>, "scale");
  clad::differentiate(truncated_gaussian_nll<double>, "observed");
  clad::differentiate(truncated_gaussian_nll<double>, "mean");
  clad::differentiate(truncated_gaussian_nll<double>, "sigma");
  clad::differentiate(relative_width<double>, "variance");
  clad::differentiate(relative_width<double>, "nominal");
  clad::differentiate(relative_tau<double>, "variance");
  clad::differentiate(relative_tau<double>, "nominal");
}
