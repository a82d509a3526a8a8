#include "relax/spread.hpp"

#include <Eigen/Core>
#include <algorithm>

#include "kernels/smoothing.hpp"

namespace nablafit::detail {
namespace {

constexpr std::size_t events_per_block = 256;
constexpr std::size_t edges_per_block = 4096;

/// Probability between two edges, from the tails beyond them, to subtract only small numbers.
double share_between(double z_low, double tail_low, double z_high, double tail_high) {
  if (z_low >= 0.0) return std::max(0.0, tail_low - tail_high);
  if (z_high <= 0.0) return std::max(0.0, tail_high - tail_low);
  return 1.0 - tail_low - tail_high;
}

}  // namespace

SpreadBlock::SpreadBlock(Span<const double> edges, SmoothingKernel kernel)
    : edges_(edges), kernel_(kernel) {
  ranges_.reserve(events_per_block);
}

void SpreadBlock::place(double value, double bandwidth) {
  const double* begin = edges_.begin();
  const double* end = edges_.end();
  Range range{0, 0, distances_.size(), 0, bandwidth};
  if (bandwidth == 0.0) {
    const bool on_last_edge = value == end[-1];
    const auto below = std::upper_bound(begin, end, value) - begin;
    range.first = range.last = static_cast<std::size_t>(below) - (on_last_edge ? 1 : 0);
  } else {
    const double reach = reach_of(kernel_) * bandwidth;
    const double* low = std::upper_bound(begin, end, value - reach);
    const double* high = std::lower_bound(low, end, value + reach);
    range.first = static_cast<std::size_t>(low - begin);
    range.last = static_cast<std::size_t>(high - begin);
    const double limit = reach_of(kernel_);
    for (const double* edge = low; edge < high; ++edge) {
      distances_.push_back(std::clamp((*edge - value) / bandwidth, -limit, limit));
    }
  }
  ranges_.push_back(range);
}

std::size_t SpreadBlock::fill(const double* values, Span<const double> bandwidths,
                              std::size_t begin, std::size_t end) {
  ranges_.clear();
  distances_.clear();
  const std::size_t stop = std::min(end, begin + events_per_block);
  for (std::size_t i = begin; i < stop && distances_.size() < edges_per_block; ++i) {
    place(values[i], bandwidths[bandwidths.size() == 1 ? 0 : i]);
  }
  const std::size_t n = distances_.size();
  distances_.resize((n + tail_lanes - 1) / tail_lanes * tail_lanes);
  tails_.resize(distances_.size());
  slopes_.resize(distances_.size());
  tails_and_densities(kernel_, n, distances_.data(), tails_.data(), slopes_.data());
  shares_.clear();
  for (Range& range : ranges_) {
    range.share_offset = shares_.size();
    share_out(range);
  }
  return ranges_.size();
}

void SpreadBlock::share_out(const Range& range) {
  const double limit = reach_of(kernel_);
  double z_low = -limit;
  double tail_low = 0.0;
  const std::size_t end = range.edge_offset + (range.last - range.first);
  for (std::size_t i = range.edge_offset; i < end; ++i) {
    shares_.push_back(share_between(z_low, tail_low, distances_[i], tails_[i]));
    z_low = distances_[i];
    tail_low = tails_[i];
    slopes_[i] /= range.bandwidth;
  }
  shares_.push_back(share_between(z_low, tail_low, limit, 0.0));
}

EventSpread SpreadBlock::operator[](std::size_t i) const {
  const Range& range = ranges_[i];
  return {range.first, range.last, shares_.data() + range.share_offset,
          slopes_.data() + range.edge_offset, distances_.data() + range.edge_offset};
}

void tails_and_densities(SmoothingKernel kernel, std::size_t n, const double* z, double* tails,
                         double* densities) {
  using Lanes = Eigen::Array<double, static_cast<int>(tail_lanes), 1>;
  for (std::size_t i = 0; i < n; i += tail_lanes) {
    const Lanes distance = Eigen::Map<const Lanes>(z + i).abs();
    Lanes tail, density;
    if (kernel == SmoothingKernel::gaussian) {
      density = kernels::gaussian_density(distance);
      tail = density * kernels::mills_ratio(distance);
    } else {
      tail = kernels::logistic_tail(distance);
      density = kernels::logistic_density(tail);
    }
    Eigen::Map<Lanes>(tails + i) = tail;
    Eigen::Map<Lanes>(densities + i) = density;
  }
}

}  // namespace nablafit::detail
