/// \file
/// Tails and densities of the smoothing kernels, many at once.
#ifndef NABLAFIT_SRC_RELAX_TAILS_HPP
#define NABLAFIT_SRC_RELAX_TAILS_HPP

#include <cstddef>

#include "nablafit/relax.hpp"

namespace nablafit::detail {

/// Beyond this many bandwidths the tail of a kernel is below 1e-17, and taken as zero.
constexpr double reach_of(SmoothingKernel kernel) {
  return kernel == SmoothingKernel::gaussian ? 8.5 : 40.0;
}

/// tails[i] and densities[i] at the distances |z[i]| of at most the reach, for i < n rounded up to
/// a multiple of `tail_lanes`: arrays must be that long. Bits do not depend on the place in the
/// array.
inline constexpr std::size_t tail_lanes = 16;
void tails_and_densities(SmoothingKernel kernel, std::size_t n, const double* z, double* tails,
                         double* densities);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_RELAX_TAILS_HPP
