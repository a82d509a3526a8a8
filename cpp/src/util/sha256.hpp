/// \file
/// SHA-256 (FIPS 180-4).
#ifndef NABLAFIT_SRC_UTIL_SHA256_HPP
#define NABLAFIT_SRC_UTIL_SHA256_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace nablafit::detail {

/// Takes bytes piece by piece, then gives the digest once.
class Sha256 {
 public:
  void update(const unsigned char* bytes, std::size_t size) noexcept;
  /// 64 hexadecimal digits. The object cannot be used afterwards.
  std::string finish();

 private:
  void process_block(const unsigned char* block) noexcept;

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  std::uint64_t n_bytes_ = 0;
};

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_SHA256_HPP
