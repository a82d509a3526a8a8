#include "util/random_stream.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/terms.hpp"

namespace nablafit::detail {
namespace {

constexpr double two_pi = 6.28318530717958647693;
/// Transformed rejection is used from this mean; it is valid from 10.
constexpr double smallest_rejection_mean = 10.0;
/// The probability of more events at a mean below 10 is less than 1e-100.
constexpr double most_by_inversion = 150.0;

std::uint32_t low_half(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
std::uint32_t high_half(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32U); }

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, StreamPurpose purpose, std::uint64_t index) noexcept
    : key_{low_half(seed), high_half(seed)},
      counter_{0, static_cast<std::uint32_t>(purpose), low_half(index), high_half(index)} {}

std::uint64_t RandomStream::bits() noexcept {
  const std::size_t first = half_used_ ? 2 : 0;
  if (!half_used_) {
    block_ = philox(counter_, key_);
    ++counter_[0];
  }
  half_used_ = !half_used_;
  return (std::uint64_t{block_[first]} << 32U) | block_[first + 1];
}

double RandomStream::uniform() noexcept {
  return (static_cast<double>(bits() >> 11U) + 0.5) * 0x1p-53;
}

/// Box and Muller's pair.
double RandomStream::normal() noexcept {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2.0 * std::log(uniform()));
  const double angle = two_pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

double RandomStream::poisson(double mean) noexcept {
  if (!(mean > 0.0)) return 0.0;
  return mean < smallest_rejection_mean ? poisson_by_inversion(mean) : poisson_by_rejection(mean);
}

double RandomStream::poisson_by_inversion(double mean) noexcept {
  double rest = uniform();
  double probability = std::exp(-mean);
  double count = 0.0;
  while (rest > probability && count < most_by_inversion) {
    rest -= probability;
    count += 1.0;
    probability *= mean / count;
  }
  return count;
}

/// Transformed rejection with squeeze: algorithm PTRS of W. Hörmann, Insurance: Mathematics and
/// Economics 12 (1993) 39, doi:10.1016/0167-6687(93)90997-4. The logarithm of the probability is
/// computed as deviance plus constant, which stays precise at means of 1e12 and above.
double RandomStream::poisson_by_rejection(double mean) noexcept {
  const double b = 0.931 + 2.53 * std::sqrt(mean);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double always_below = 0.9277 - 3.6224 / (b - 2.0);
  for (;;) {
    const double u = uniform() - 0.5;
    const double v = uniform();
    const double distance = 0.5 - std::abs(u);
    const double count = std::floor((2.0 * a / distance + b) * u + mean + 0.43);
    if (distance >= 0.07 && v <= always_below) return count;
    if (count < 0.0 || (distance < 0.013 && v > distance)) continue;
    const double log_probability =
        -kernels::poisson_deviance(count, mean) - kernels::poisson_constant(count);
    if (std::log(v * inverse_alpha / (a / (distance * distance) + b)) <= log_probability) {
      return count;
    }
  }
}

double RandomStream::truncated_normal(double lower, double upper) noexcept {
  if (upper < 0.0) return -truncated_normal(-upper, -lower);
  if (lower > 0.0) return tail_normal(lower, upper);
  constexpr double narrow = 2.5;
  if (upper - lower < narrow) return flat_rejection(lower, upper, 0.0);
  for (;;) {
    const double z = normal();
    if (z >= lower && z <= upper) return z;
  }
}

/// 0 < lower. Rejection from an exponential (C. P. Robert, Statistics and Computing 5 (1995) 121).
double RandomStream::tail_normal(double lower, double upper) noexcept {
  const double rate = 0.5 * (lower + std::sqrt(lower * lower + 4.0));
  if ((upper - lower) * rate < 1.0) return flat_rejection(lower, upper, lower);
  for (;;) {
    const double z = lower - std::log(uniform()) / rate;
    if (z > upper) continue;
    const double difference = z - rate;
    if (std::log(uniform()) <= -0.5 * difference * difference) return z;
  }
}

/// `nearest`: the point of the interval where the density is largest.
double RandomStream::flat_rejection(double lower, double upper, double nearest) noexcept {
  for (;;) {
    const double z = std::min(upper, lower + (upper - lower) * uniform());
    if (std::log(uniform()) <= 0.5 * (nearest - z) * (nearest + z)) return z;
  }
}

}  // namespace nablafit::detail
