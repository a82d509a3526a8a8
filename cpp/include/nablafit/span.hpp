/// \file
/// A view of contiguous values owned by the caller.
#ifndef NABLAFIT_SPAN_HPP
#define NABLAFIT_SPAN_HPP

#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>

namespace nablafit {

/// Pointer and length: the part of C++20's std::span that this library needs. Converts implicitly
/// from anything that has `data()` and `size()` (std::vector, std::array, std::span, Eigen vectors)
/// and from arrays; copies nothing and must not outlive what it was made from. A function that
/// takes `Span<const double>` reads, one that takes `Span<double>` writes.
template <typename T>
class Span {
  /// Whether values of type U can be viewed as T: the same type, with or without const.
  template <typename U>
  using is_viewable = std::is_convertible<U (*)[], T (*)[]>;
  template <typename Container>
  using element_of = std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))>;

 public:
  constexpr Span() noexcept = default;
  constexpr Span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}

  template <typename Container, typename = decltype(std::size(std::declval<Container&>())),
            std::enable_if_t<is_viewable<element_of<Container>>::value, int> = 0>
  // A view of its argument, like std::span; copies of a Span are copies.
  // NOLINTNEXTLINE(google-explicit-constructor, bugprone-forwarding-reference-overload)
  constexpr Span(Container&& values) noexcept
      : data_(std::data(values)), size_(static_cast<std::size_t>(std::size(values))) {}

  constexpr T* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T& operator[](std::size_t i) const noexcept { return data_[i]; }
  constexpr T* begin() const noexcept { return data_; }
  constexpr T* end() const noexcept { return data_ + size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace nablafit

#endif  // NABLAFIT_SPAN_HPP
