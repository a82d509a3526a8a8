/// \file
/// Suggestions for misspelt names in error messages.
#ifndef NABLAFIT_SRC_UTIL_NEAREST_NAME_HPP
#define NABLAFIT_SRC_UTIL_NEAREST_NAME_HPP

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace nablafit::detail {

/// Number of characters to insert, delete or replace to turn `a` into `b` (Levenshtein), bytes;
/// exact up to `limit`, anything above it beyond. Looks at `limit` places on each side of the
/// diagonal, so that long names cost no more than their length.
inline std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::size_t first = i > limit ? i - limit : 0;
    const std::size_t last = std::min(b.size(), i + limit + 1);
    if (first > 0 && first >= b.size()) return limit + 1;
    std::size_t diagonal = row[first];
    row[first] = first == 0 ? i + 1 : limit + 1;
    for (std::size_t j = first; j < last; ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// The name in `known` closest to `name`, or an empty string if none is within two edits and half
/// the length of the longer name. `known` is any range of strings; of equally close names the first
/// is returned.
template <typename Names>
std::string nearest_name(std::string_view name, const Names& known) {
  std::string nearest;
  std::size_t best = 3;
  for (const auto& item : known) {
    const std::string_view candidate = item;
    const std::size_t longer = std::max(name.size(), candidate.size());
    const std::size_t shorter = std::min(name.size(), candidate.size());
    if (longer - shorter >= best) continue;
    const std::size_t distance = edit_distance(name, candidate, best - 1);
    if (distance < best && 2 * distance <= longer) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/// "; did you mean 'name'?" or "", the end of a message.
template <typename Names>
std::string did_you_mean(std::string_view name, const Names& known) {
  const std::string nearest = nearest_name(name, known);
  return nearest.empty() ? std::string() : "; did you mean '" + nearest + "'?";
}

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_UTIL_NEAREST_NAME_HPP
