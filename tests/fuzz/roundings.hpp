/// \file
/// Where the arithmetic of double decides what a likelihood is, so that two evaluators may differ.
#ifndef NABLAFIT_TESTS_ROUNDINGS_HPP
#define NABLAFIT_TESTS_ROUNDINGS_HPP

#include <vector>

#include "nablafit/spec.hpp"

namespace nablafit::testing {

/// The specification with templates and factors that differ by dozens of roundings of the largest
/// number in their bin (of a factor, 1 at least), up or down: variations are kept as sums,
/// differences and polynomials, which cancel to 0 but for some of these roundings. `seed` chooses
/// them.
ModelSpec with_roundings(ModelSpec spec, unsigned seed);

/// True if no product of some factors of a sample can leave the range of double at the point `x`,
/// by a generous estimate: evaluators multiply them in an order of their own.
bool stays_in_range(const ModelSpec& spec, const std::vector<double>& x);

}  // namespace nablafit::testing

#endif  // NABLAFIT_TESTS_ROUNDINGS_HPP
