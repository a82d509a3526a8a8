/// \file
/// The parameters of pyhf's modifiers (its src/pyhf/modifiers and parameters): initial value,
/// bounds, constraint.
#ifndef NABLAFIT_SRC_SPEC_STANDARD_PARAMETERS_HPP
#define NABLAFIT_SRC_SPEC_STANDARD_PARAMETERS_HPP

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "nablafit/spec.hpp"

namespace nablafit::detail {

/// Name of the parameter of bin `b`: `gamma[0]`.
inline std::string bin_name(const std::string& name, std::size_t bin) {
  return name + '[' + std::to_string(bin) + ']';
}

/// A norm factor, or a bin of a shape factor: free, starts at 1, in [0, 10].
inline Parameter free_factor(std::string name) {
  Parameter parameter;
  parameter.name = std::move(name);
  parameter.initial = 1.0;
  parameter.upper = 10.0;
  return parameter;
}

/// The parameter of a systematic: starts at 0, in [-5, 5], N(0 | alpha, 1).
inline Parameter systematic_parameter(std::string name) {
  Parameter parameter;
  parameter.name = std::move(name);
  parameter.lower = -5.0;
  parameter.upper = 5.0;
  parameter.constraint = GaussianConstraint{};
  return parameter;
}

/// One bin of a staterror: starts at 1, in [1e-10, 10], N(1 | gamma, sigma); fixed where sigma is
/// 0, with sigma 1 in the constraint.
inline Parameter stat_gamma(std::string name, double sigma) {
  Parameter parameter = free_factor(std::move(name));
  parameter.lower = 1e-10;
  parameter.fixed = sigma == 0.0;
  parameter.constraint = GaussianConstraint{1.0, parameter.fixed ? 1.0 : sigma, std::nullopt};
  return parameter;
}

/// One bin of a shapesys: starts at 1, in [1e-10, 10], Pois(tau | gamma tau); fixed where tau is 0,
/// with tau 1 in the constraint.
inline Parameter shape_gamma(std::string name, double tau) {
  Parameter parameter = free_factor(std::move(name));
  parameter.lower = 1e-10;
  parameter.fixed = tau == 0.0;
  const double used = parameter.fixed ? 1.0 : tau;
  parameter.constraint = PoissonConstraint{used, used};
  return parameter;
}

/// Fixes a free parameter whose bounds are equal, as RooFit does; returns whether it did.
inline bool hold_at_equal_bounds(Parameter& parameter) {
  if (parameter.fixed || parameter.lower != parameter.upper) return false;
  parameter.initial = parameter.lower;
  parameter.fixed = true;
  return true;
}

/// tau = (nominal / uncertainty)^2 of a shapesys; 0 where either is not positive.
inline double shape_tau(double nominal, double uncertainty) {
  if (!(nominal > 0.0 && uncertainty > 0.0)) return 0.0;
  return nominal * nominal / (uncertainty * uncertainty);
}

/// One term of sigma^2 = sum (uncertainty / total)^2 over the samples that have a staterror,
/// `total` the sum of their nominal yields; 0 where the total is not positive.
inline double relative_square(double uncertainty, double total) {
  const double relative = total > 0.0 ? uncertainty / total : 0.0;
  return relative * relative;
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_SPEC_STANDARD_PARAMETERS_HPP
