/// \file
/// Vectors whose data start on a cache line, as the sweeps require.
#ifndef NABLAFIT_SRC_UTIL_ALIGNED_HPP
#define NABLAFIT_SRC_UTIL_ALIGNED_HPP

#include <cstddef>
#include <new>
#include <vector>

namespace nablafit::detail {

template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t alignment{64};

  CacheLineAllocator() noexcept = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) noexcept {}

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), alignment)); }
  void deallocate(T* pointer, std::size_t) noexcept { ::operator delete(pointer, alignment); }

  template <typename U>
  bool operator==(const CacheLineAllocator<U>&) const noexcept {
    return true;
  }
  template <typename U>
  bool operator!=(const CacheLineAllocator<U>&) const noexcept {
    return false;
  }
};

template <typename T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_ALIGNED_HPP
