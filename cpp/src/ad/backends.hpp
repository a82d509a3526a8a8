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

/// Backend::minuit_difference. Gradients as Minuit2's Numerical2PGradientCalculator takes them at
/// strategy 1: central differences whose step adapts to the second derivative, at most three times
/// per parameter. In the coordinates of the model: no sine transform of bounded parameters. The
/// first step is that of InitialGradientCalculator for a width of 0.1 max(1, |x|), at every call,
/// so that the answer does not depend on earlier ones. Everything else is as for
/// Backend::finite_difference.
std::unique_ptr<Evaluator> make_minuit_difference_evaluator(const Likelihood& likelihood);

#ifdef NABLAFIT_HAS_CODIPACK
/// Backend::codipack. One tape per evaluator, recorded anew in every call, because the operations
/// depend on the point, and emptied after it; it keeps its memory, which is that of the longest
/// recording, until the evaluator dies. Hessian and product take forward derivatives in 4
/// directions of a tape. Where there is no likelihood, Hessian and product are zero.
std::unique_ptr<Evaluator> make_codipack_evaluator(const Likelihood& likelihood);
#endif

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_AD_BACKENDS_HPP
