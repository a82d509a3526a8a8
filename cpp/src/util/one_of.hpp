/// \file
/// Overloads for the alternatives of a variant that need no action.
#ifndef NABLAFIT_SRC_UTIL_ONE_OF_HPP
#define NABLAFIT_SRC_UTIL_ONE_OF_HPP

#include <type_traits>

namespace nablafit::detail {

/// Restricts an overload to the listed types: with a new alternative of the variant the code does
/// not compile until it is handled.
///
///     template <typename Other, typename = OneOf<Other, Unconstrained, UniformConstraint>>
///     double operator()(const Other&) const;
template <typename T, typename... Listed>
using OneOf = std::enable_if_t<(std::is_same_v<std::remove_const_t<T>, Listed> || ...)>;

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_ONE_OF_HPP
