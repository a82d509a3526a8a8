/// \file
/// Random numbers of one toy or one start, keyed by a seed and an index.
#ifndef NABLAFIT_SRC_UTIL_RANDOM_STREAM_HPP
#define NABLAFIT_SRC_UTIL_RANDOM_STREAM_HPP

#include <cstdint>

#include "util/philox.hpp"

namespace nablafit::detail {

/// What a stream is used for: streams of different purpose are independent for the same seed.
enum class StreamPurpose : std::uint32_t { toys, starts };

/// The stream of (seed, purpose, index): the same numbers in any thread and process. Every draw
/// advances it. The samplers are exact up to the 53 bits of a uniform number.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, StreamPurpose purpose, std::uint64_t index) noexcept;

  /// Uniform in the open interval (0, 1).
  double uniform() noexcept;
  /// Standard normal.
  double normal() noexcept;
  /// Standard normal restricted to [lower, upper], lower < upper.
  double truncated_normal(double lower, double upper) noexcept;
  /// Poisson with finite mean >= 0; an integer, exact up to 2^53.
  double poisson(double mean) noexcept;

 private:
  std::uint64_t bits() noexcept;
  double poisson_by_inversion(double mean) noexcept;
  double poisson_by_rejection(double mean) noexcept;
  double tail_normal(double lower, double upper) noexcept;
  double flat_rejection(double lower, double upper, double nearest) noexcept;

  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  bool half_used_ = false;  ///< the second half of block_ is returned next
  bool has_spare_ = false;
  double spare_ = 0.0;  ///< second normal of a pair
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_RANDOM_STREAM_HPP
