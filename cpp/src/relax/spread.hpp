/// \file
/// How events are spread over bins, block by block, with vectorised tails of the smoothing kernels.
#ifndef NABLAFIT_SRC_RELAX_SPREAD_HPP
#define NABLAFIT_SRC_RELAX_SPREAD_HPP

#include <cstddef>
#include <vector>

#include "nablafit/relax.hpp"

namespace nablafit::detail {

/// Beyond this many bandwidths the tail of a kernel is below 1e-17, and treated as zero.
constexpr double reach_of(SmoothingKernel kernel) {
  return kernel == SmoothingKernel::gaussian ? 8.5 : 40.0;
}

/// tails[i] and densities[i] at the distances |z[i]| of at most the reach, for i < n rounded up to
/// a multiple of `tail_lanes`: arrays must be that long. Results are bitwise independent of the
/// position in the array.
inline constexpr std::size_t tail_lanes = 16;
void tails_and_densities(SmoothingKernel kernel, std::size_t n, const double* z, double* tails,
                         double* densities);

/// One event. Bin k lies below edge k: bin 0 is the underflow, bin n_edges the overflow. The event
/// touches the bins from `first` to `last` and the edges between them, first to last - 1.
struct EventSpread {
  std::size_t first;
  std::size_t last;
  const double* shares;     ///< [last - first + 1], not negative, sum 1
  const double* slopes;     ///< [last - first], K(z)/s: derivative of C(z) with respect to the edge
  const double* distances;  ///< [last - first], z = (edge - value)/s
};

/// Scratch for a block of events; one per thread.
class SpreadBlock {
 public:
  SpreadBlock(Span<const double> edges, SmoothingKernel kernel);

  /// Takes as many events from `begin` to `end` as fit; returns their number.
  /// `bandwidths` has one value, or one per event.
  std::size_t fill(const double* values, Span<const double> bandwidths, std::size_t begin,
                   std::size_t end);

  /// An event of the block; valid until the next fill.
  EventSpread operator[](std::size_t i) const;

 private:
  struct Range {
    std::size_t first;
    std::size_t last;
    std::size_t edge_offset;
    std::size_t share_offset;
    double bandwidth;
  };

  void place(double value, double bandwidth);
  void share_out(const Range& range);

  Span<const double> edges_;
  SmoothingKernel kernel_;
  std::vector<Range> ranges_;
  std::vector<double> distances_;
  std::vector<double> tails_;
  std::vector<double> slopes_;
  std::vector<double> shares_;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_RELAX_SPREAD_HPP
