/// \file
/// The number inside a scalar of any differentiation tool.
#ifndef NABLAFIT_SRC_UTIL_PLAIN_NUMBER_HPP
#define NABLAFIT_SRC_UTIL_PLAIN_NUMBER_HPP

#include <type_traits>
#include <utility>

namespace nablafit::detail {

template <typename T, typename = void>
struct HasValueMember : std::false_type {};
template <typename T>
struct HasValueMember<T, std::void_t<decltype(std::declval<const T&>().value())>> : std::true_type {
};

/// Scalars carry it as x, x.value() (Eigen) or x.getValue() (CoDiPack), and may be nested.
template <typename T>
double plain_number(const T& x) {
  if constexpr (std::is_same_v<T, double>) {
    return x;
  } else if constexpr (HasValueMember<T>::value) {
    return plain_number(x.value());
  } else {
    return plain_number(x.getValue());
  }
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_PLAIN_NUMBER_HPP
