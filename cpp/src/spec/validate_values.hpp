/// \file
/// Checks of single values of a ModelSpec; each throws SpecError where its argument is wrong.
#ifndef NABLAFIT_SRC_SPEC_VALIDATE_VALUES_HPP
#define NABLAFIT_SRC_SPEC_VALIDATE_VALUES_HPP

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "nablafit/error.hpp"
#include "nablafit/spec.hpp"
#include "spec/location.hpp"

namespace nablafit::detail {

/// "found <found>, expected <expected> (channel 'SR', sample 'signal')" at the place `at`.
[[noreturn]] inline void fail(const SpecLocation& at, const std::string& found,
                              const std::string& expected) {
  const std::string names = at.names();
  const std::string where = names.empty() ? std::string() : " (" + names + ")";
  throw SpecError("found " + found + ", expected " + expected + where, at.path());
}

inline std::string quoted(const std::string& name) { return "'" + name + "'"; }

inline std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.10g", value);
  return buffer;
}

inline std::string text(const Range& range) {
  return "[" + text(range.lower) + ", " + text(range.upper) + "]";
}

/// "1 value", "2 values".
inline std::string counted(std::size_t n, const char* what) {
  return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s");
}

inline void check_finite(const SpecLocation& at, double value) {
  if (!std::isfinite(value)) fail(at, text(value), "a finite number");
}

inline void check_positive(const SpecLocation& at, double value) {
  check_finite(at, value);
  if (!(value > 0.0)) fail(at, text(value), "a number above 0");
}

inline void check_not_negative(const SpecLocation& at, double value) {
  check_finite(at, value);
  if (value < 0.0) fail(at, text(value), "a number that is not negative");
}

inline void check_all_finite(const SpecLocation& parent, const char* field,
                             const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) check_finite(SpecLocation(parent, field, i), values[i]);
  }
}

inline void check_size(const SpecLocation& at, std::size_t found, std::size_t expected,
                       const char* why, const char* what = "value") {
  if (found == expected) return;
  fail(at, counted(found, what), std::to_string(expected) + ", " + why);
}

/// The member `uncertainties` of `parent`: one per bin, none negative.
inline void check_uncertainties(const SpecLocation& parent, const std::vector<double>& values,
                                std::size_t n_bins) {
  check_size(SpecLocation(parent, "uncertainties"), values.size(), n_bins,
             "one per bin of the channel");
  for (std::size_t i = 0; i < values.size(); ++i) {
    check_not_negative(SpecLocation(parent, "uncertainties", i), values[i]);
  }
}

/// `lower` below `upper`; with `may_be_point` they may be equal. Either may be infinite.
inline void check_range(const SpecLocation& at, const Range& range, bool may_be_point) {
  if (std::isnan(range.lower)) check_finite(SpecLocation(at, "lower"), range.lower);
  if (std::isnan(range.upper)) check_finite(SpecLocation(at, "upper"), range.upper);
  if (range.lower < range.upper) return;
  if (may_be_point && range.lower == range.upper) return;
  fail(at, "the range " + text(range),
       may_be_point ? "lower not above upper"
                    : "lower below upper; fix a parameter to hold it at one value");
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_SPEC_VALIDATE_VALUES_HPP
