#include "compile/row_groups.hpp"

#include <algorithm>
#include <unordered_map>

#include "util/interruption.hpp"

namespace nablafit::detail {
namespace {

/// The greedy search takes a time quadratic in the number of rows that it chooses from.
constexpr std::size_t max_window_rows = 1024;

RowGroup empty_group() {
  RowGroup group;
  group.fill(no_row);
  return group;
}

/// Which rows of a window have a column, and what each row would add to the union of a group.
class Window {
 public:
  Window(const SparsePattern& pattern, const std::vector<std::uint32_t>& rows)
      : columns_(rows.size()) {
    std::unordered_map<std::uint32_t, std::uint32_t> local;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::uint32_t k = pattern.offsets[rows[i]]; k < pattern.offsets[rows[i] + 1]; ++k) {
        const auto [known, is_new] =
            local.emplace(pattern.columns[k], static_cast<std::uint32_t>(rows_of_.size()));
        if (is_new) rows_of_.emplace_back();
        std::vector<std::uint32_t>& those = rows_of_[known->second];
        if (!those.empty() && those.back() == i) continue;  // a column that the row has twice
        those.push_back(static_cast<std::uint32_t>(i));
        columns_[i].push_back(known->second);
      }
    }
    in_union_.assign(rows_of_.size(), 0);
    clear_union();
  }

  void clear_union() {
    for (const std::uint32_t column : union_) in_union_[column] = 0;
    union_.clear();
    costs_.resize(columns_.size());
    for (std::size_t i = 0; i < columns_.size(); ++i)
      costs_[i] = static_cast<int>(columns_[i].size());
  }

  void add_to_union(std::size_t row) {
    for (const std::uint32_t column : columns_[row]) {
      if (in_union_[column] != 0) continue;
      in_union_[column] = 1;
      union_.push_back(column);
      for (const std::uint32_t other : rows_of_[column]) costs_[other] -= 2;
    }
  }

  /// Columns new to the union minus shared ones: the cost of adding the row to it.
  int added_cost(std::size_t row) const { return costs_[row]; }

 private:
  std::vector<std::vector<std::uint32_t>> columns_;  ///< of each row, numbered within the window
  std::vector<std::vector<std::uint32_t>> rows_of_;  ///< of each column
  std::vector<char> in_union_;
  std::vector<std::uint32_t> union_;
  std::vector<int> costs_;
};

/// Position in `left` of the row that fits the union best, the first one if several do.
std::size_t best_fit(const std::vector<std::size_t>& left, const Window& window) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < left.size(); ++i) {
    if (window.added_cost(left[i]) < window.added_cost(left[best])) best = i;
  }
  return best;
}

void group_greedily(const SparsePattern& pattern, const std::vector<std::uint32_t>& rows,
                    std::vector<RowGroup>& groups) {
  Window window(pattern, rows);
  const auto n_entries = [&](std::size_t i) {
    return pattern.offsets[rows[i] + 1] - pattern.offsets[rows[i]];
  };
  std::vector<std::size_t> left(rows.size());
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = i;
  std::sort(left.begin(), left.end(), [&](std::size_t a, std::size_t b) {
    return n_entries(a) != n_entries(b) ? n_entries(a) > n_entries(b) : a < b;
  });
  while (!left.empty()) {
    RowGroup group = empty_group();
    window.clear_union();
    check_interruption(n_lanes * left.size());
    for (int lane = 0; lane < n_lanes && !left.empty(); ++lane) {
      const std::size_t position = lane == 0 ? 0 : best_fit(left, window);
      const std::size_t chosen = left[position];
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(position));
      group[static_cast<std::size_t>(lane)] = rows[chosen];
      window.add_to_union(chosen);
    }
    groups.push_back(group);
  }
}

}  // namespace

std::vector<RowGroup> group_rows(const SparsePattern& pattern,
                                 const std::vector<std::uint32_t>& rows,
                                 const std::vector<std::uint32_t>& family) {
  std::vector<RowGroup> groups;
  std::vector<std::uint32_t> rest;
  std::size_t begin = 0;
  while (begin < rows.size()) {
    std::size_t end = begin + 1;
    while (end < rows.size() && family[rows[end]] == family[rows[begin]]) ++end;
    for (; begin + n_lanes <= end; begin += n_lanes) {
      RowGroup group;
      std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(begin), n_lanes, group.begin());
      groups.push_back(group);
    }
    rest.insert(rest.end(), rows.begin() + static_cast<std::ptrdiff_t>(begin),
                rows.begin() + static_cast<std::ptrdiff_t>(end));
    begin = end;
  }
  for (std::size_t first = 0; first < rest.size(); first += max_window_rows) {
    const std::size_t last = std::min(first + max_window_rows, rest.size());
    group_greedily(pattern,
                   {rest.begin() + static_cast<std::ptrdiff_t>(first),
                    rest.begin() + static_cast<std::ptrdiff_t>(last)},
                   groups);
  }
  return groups;
}

std::vector<std::uint32_t> columns_of(const SparsePattern& pattern, const RowGroup& group) {
  std::vector<std::uint32_t> columns;
  for (const std::uint32_t row : group) {
    if (row == no_row) continue;
    columns.insert(columns.end(), pattern.columns.begin() + pattern.offsets[row],
                   pattern.columns.begin() + pattern.offsets[row + 1]);
  }
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

}  // namespace nablafit::detail
