/// \file
/// The check that every derivative must pass.
#ifndef NABLAFIT_TESTS_EXPECT_AD_HPP
#define NABLAFIT_TESTS_EXPECT_AD_HPP

#include <cstddef>
#include <vector>

#include "nablafit/likelihood.hpp"

namespace nablafit::testing {

/// Largest accepted deviations, relative to a scale that is at least 1.
struct AdTolerances {
  double value = 1e-12;       ///< scale: the value
  double gradient = 1e-9;     ///< scale: the component
  double hessian = 1e-8;      ///< scale: geometric mean of the largest elements of row and column
  double differences = 1e-6;  ///< scale: the largest component; besides their own estimated error
};

/// Checks, with doctest, what `evaluator` says about the point `x`: status, index and value are the
/// same from all of its members, and status, index, value, gradient, Hessian and its product with a
/// vector are those of the forward backend. At kinks both take the derivatives of the side that the
/// kernel names, so they agree there too.
void expect_forward(Evaluator& evaluator, const std::vector<double>& x,
                    const AdTolerances& tolerances = {});

/// Checks the gradient of `evaluator` by finite differences of its value, and columns of its
/// Hessian (of at most `n_columns` parameters, spread over all) by differences of its gradient.
/// Nothing is checked at points without likelihood.
///
/// Differences are taken on each side of the point separately, extrapolated to step zero until
/// their estimated error stops falling. At a smooth point both sides agree; at a kink of an
/// interpolation a derivative must lie between the two sides. A side without likelihood does not
/// count.
void expect_differences(Evaluator& evaluator, const std::vector<double>& x, std::size_t n_columns,
                        const AdTolerances& tolerances = {});

/// Both of the above.
void expect_ad(Evaluator& evaluator, const std::vector<double>& x,
               const AdTolerances& tolerances = {});

/// The same for the default evaluator.
void expect_ad(const Likelihood& likelihood, const std::vector<double>& x,
               const AdTolerances& tolerances = {});

}  // namespace nablafit::testing

#endif  // NABLAFIT_TESTS_EXPECT_AD_HPP
