/// \file
/// Checks of arrays that have one entry per bin.
#ifndef NABLAFIT_SRC_IO_HS3_SIZES_HPP
#define NABLAFIT_SRC_IO_HS3_SIZES_HPP

#include <cstddef>
#include <string>
#include <string_view>

#include "io/json/reader.hpp"

namespace nablafit::io {

/// Placeholder for an uncertainty of 0 in the first bin: ROOT 6.40 uses sqrt(yield) as the
/// uncertainty of all bins before the first nonzero one. The square of this is 0.
constexpr double hs3_no_uncertainty = 1e-200;

/// `what` names the array: "'vals'".
inline void expect_hs3_size(JsonValue array, std::size_t expected, std::string_view what,
                            std::string_view channel) {
  if (array.size() == expected) return;
  fail(array, "found " + std::to_string(array.size()) + " entries in " + std::string(what) +
                  ", expected " + std::to_string(expected) + ", one per bin of the channel " +
                  quoted(channel) + "; make the lengths equal");
}

inline void expect_hs3_not_negative(JsonValue numbers, std::string_view what) {
  for (const JsonValue element : numbers.elements()) {
    if (element.number() >= 0.0) continue;
    fail(element, "found " + describe(element) + " in " + std::string(what) +
                      ", expected numbers that are not negative; 0 means none");
  }
}

}  // namespace nablafit::io

#endif  // NABLAFIT_SRC_IO_HS3_SIZES_HPP
