#include "compile/row_groups.hpp"

#include <algorithm>

#include "util/interruption.hpp"

namespace nablafit::detail {
namespace {

RowGroup empty_group() {
  RowGroup group;
  group.fill(no_row);
  return group;
}

/// Sets of columns as bits, one row of words per sparse row.
class BitRows {
 public:
  BitRows(const SparsePattern& pattern, const std::vector<std::uint32_t>& rows,
          std::size_t n_columns)
      : n_words_((n_columns + 63) / 64), bits_(rows.size() * n_words_, 0) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::uint32_t k = pattern.offsets[rows[i]]; k < pattern.offsets[rows[i] + 1]; ++k) {
        bits_[i * n_words_ + pattern.columns[k] / 64] |= std::uint64_t{1}
                                                         << (pattern.columns[k] % 64);
      }
    }
  }

  std::size_t n_words() const { return n_words_; }
  const std::uint64_t* operator[](std::size_t row) const { return bits_.data() + row * n_words_; }

 private:
  std::size_t n_words_;
  std::vector<std::uint64_t> bits_;
};

int count_bits(std::uint64_t word) {
  int count = 0;
  for (; word != 0; word &= word - 1) ++count;
  return count;
}

/// New columns minus shared ones: the cost of adding the row to the union.
int added_cost(const std::uint64_t* row, const std::vector<std::uint64_t>& in_union) {
  int cost = 0;
  for (std::size_t w = 0; w < in_union.size(); ++w) {
    cost += count_bits(row[w] & ~in_union[w]) - count_bits(row[w] & in_union[w]);
  }
  return cost;
}

/// Position in `left` of the row that fits the union best, the first one if several do.
std::size_t best_fit(const std::vector<std::size_t>& left, const BitRows& bits,
                     const std::vector<std::uint64_t>& in_union) {
  std::size_t best = 0;
  int best_cost = added_cost(bits[left[0]], in_union);
  for (std::size_t i = 1; i < left.size(); ++i) {
    const int cost = added_cost(bits[left[i]], in_union);
    if (cost < best_cost) {
      best = i;
      best_cost = cost;
    }
  }
  return best;
}

void group_greedily(const SparsePattern& pattern, const std::vector<std::uint32_t>& rows,
                    std::size_t n_columns, std::vector<RowGroup>& groups) {
  const BitRows bits(pattern, rows, n_columns);
  const auto n_entries = [&](std::size_t i) {
    return pattern.offsets[rows[i] + 1] - pattern.offsets[rows[i]];
  };
  std::vector<std::size_t> left(rows.size());
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = i;
  std::sort(left.begin(), left.end(), [&](std::size_t a, std::size_t b) {
    return n_entries(a) != n_entries(b) ? n_entries(a) > n_entries(b) : a < b;
  });
  std::vector<std::uint64_t> in_union;
  while (!left.empty()) {
    RowGroup group = empty_group();
    in_union.assign(bits.n_words(), 0);
    check_interruption(n_lanes * left.size() * bits.n_words());
    for (int lane = 0; lane < n_lanes && !left.empty(); ++lane) {
      const std::size_t position = lane == 0 ? 0 : best_fit(left, bits, in_union);
      const std::size_t chosen = left[position];
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(position));
      group[static_cast<std::size_t>(lane)] = rows[chosen];
      for (std::size_t w = 0; w < in_union.size(); ++w) in_union[w] |= bits[chosen][w];
    }
    groups.push_back(group);
  }
}

}  // namespace

std::vector<RowGroup> group_rows(const SparsePattern& pattern,
                                 const std::vector<std::uint32_t>& rows,
                                 const std::vector<std::uint32_t>& family, std::size_t n_columns) {
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
  group_greedily(pattern, rest, n_columns, groups);
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
