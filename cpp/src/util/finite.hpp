/// \file
/// Checks that results are finite.
#ifndef NABLAFIT_SRC_UTIL_FINITE_HPP
#define NABLAFIT_SRC_UTIL_FINITE_HPP

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "nablafit/likelihood.hpp"

namespace nablafit::detail {

/// Index of the first entry that is NaN or infinite; n if none is.
inline std::size_t first_not_finite(const double* values, std::size_t n) noexcept {
  double probe = 0.0;  // NaN as soon as one of them is either
  for (std::size_t i = 0; i < n; ++i) probe += values[i] * 0.0;
  if (probe == 0.0) return n;
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(values[i])) return i;
  }
  return n;
}

/// True if the floor of a channel replaces the yield. A yield of -infinity is an overflow in an
/// intermediate result, which a floor must not hide.
inline bool is_floored(double yield, double floor) noexcept {
  return yield < floor && yield >= -std::numeric_limits<double>::max();
}

/// `result` if its status is not ok, or if it and the `n` numbers computed with it, in rows of
/// `n_parameters`, are finite. Otherwise the status is overflow, and the numbers are set to zero.
inline Evaluation unless_overflow(const Evaluation& result, double* numbers, std::size_t n,
                                  std::size_t n_parameters) noexcept {
  if (result.status != EvaluationStatus::ok) return result;
  const std::size_t first = first_not_finite(numbers, n);
  if (first == n && std::isfinite(result.value)) return result;
  std::fill_n(numbers, n, 0.0);
  return {std::numeric_limits<double>::infinity(), EvaluationStatus::overflow,
          first == n ? 0 : first % n_parameters};
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_FINITE_HPP
