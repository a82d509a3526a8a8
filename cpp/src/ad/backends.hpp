/// \file
/// Evaluators that differentiate the plain reference: slow, and independent of the fast one.
#ifndef NABLAFIT_SRC_AD_BACKENDS_HPP
#define NABLAFIT_SRC_AD_BACKENDS_HPP

#include <memory>

#include "nablafit/likelihood.hpp"

namespace nablafit::detail {

/// Backend::forward. Exact derivatives by Eigen's AutoDiffScalar: the gradient in chunks of 8
/// parameters, the Hessian in tiles of 4 x 8 by nesting, a Hessian-vector product as the gradient
/// of a directional derivative. Where there is no likelihood, Hessian and product are zero.
std::unique_ptr<Evaluator> make_forward_evaluator(const Likelihood& likelihood);

/// Backend::finite_difference. Central differences with steps of eps^(1/3) max(1, |x|) = 6e-6
/// max(1, |x|) for first and eps^(1/4) max(1, |x|) = 1.2e-4 max(1, |x|) for second derivatives:
/// good to about 1e-9 and 1e-7 of the value's own scale. Within a step of a forbidden region,
/// one-sided differences of second order; NaN where both sides are forbidden. Where there is no
/// likelihood, Hessian and product are zero.
std::unique_ptr<Evaluator> make_finite_difference_evaluator(const Likelihood& likelihood);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_AD_BACKENDS_HPP
