/// \file
/// Expected values of global observables.
#ifndef NABLAFIT_SRC_SPEC_EXPECTED_OBSERVABLE_HPP
#define NABLAFIT_SRC_SPEC_EXPECTED_OBSERVABLE_HPP

#include <cmath>
#include <variant>

#include "nablafit/spec.hpp"
#include "util/one_of.hpp"

namespace nablafit::detail {

/// Mean of the density of a global observable at the parameter `x`; `width` is tau, kappa or scale.
template <typename T>
struct ExpectedObservable {
  T x, width;

  T operator()(const PoissonConstraint&) const { return width * x; }
  T operator()(const GammaConstraint&) const { return x / width; }
  T operator()(const LogNormalConstraint&) const {
    using std::exp;
    using std::log;
    const T log_kappa = log(width);
    return x * exp(0.5 * log_kappa * log_kappa);
  }
  template <typename Other,
            typename = OneOf<Other, GaussianConstraint, Unconstrained, UniformConstraint>>
  T operator()(const Other&) const {
    return x;
  }
};

template <typename T>
T expected_observable(const Constraint& constraint, const T& x, const T& width) {
  return std::visit(ExpectedObservable<T>{x, width}, constraint);
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_SPEC_EXPECTED_OBSERVABLE_HPP
