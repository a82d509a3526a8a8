/// \file
/// Counter-based random bits: Philox-4x32-10 (Salmon, Moraes, Dror and Shaw, SC11,
/// doi:10.1145/2063384.2063405). A pure function of counter and key, so any number of a stream can
/// be computed anywhere.
#ifndef NABLAFIT_SRC_UTIL_PHILOX_HPP
#define NABLAFIT_SRC_UTIL_PHILOX_HPP

#include <array>
#include <cstdint>

namespace nablafit::detail {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

inline PhiloxCounter philox_round(const PhiloxCounter& counter, const PhiloxKey& key) noexcept {
  const std::uint64_t a = std::uint64_t{0xD2511F53U} * counter[0];
  const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * counter[2];
  const auto high = [](std::uint64_t product) {
    return static_cast<std::uint32_t>(product >> 32U);
  };
  const auto low = [](std::uint64_t product) { return static_cast<std::uint32_t>(product); };
  return {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
}

/// 128 random bits.
inline PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) noexcept {
  constexpr int n_rounds = 10;
  for (int round = 0; round < n_rounds; ++round) {
    counter = philox_round(counter, key);
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_PHILOX_HPP
