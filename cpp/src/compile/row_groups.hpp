/// \file
/// Grouping of sparse rows into blocks of eight with few distinct columns.
#ifndef NABLAFIT_SRC_COMPILE_ROW_GROUPS_HPP
#define NABLAFIT_SRC_COMPILE_ROW_GROUPS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "util/lanes.hpp"

namespace nablafit::detail {

/// Rows with the columns in which they are not zero: those of row r are
/// columns[offsets[r]] .. columns[offsets[r + 1] - 1].
struct SparsePattern {
  const std::vector<std::uint32_t>& offsets;
  const std::vector<std::uint32_t>& columns;
};

inline constexpr std::uint32_t no_row = 0xFFFFFFFFU;

/// Eight rows of one block; no_row pads the last ones.
using RowGroup = std::array<std::uint32_t, n_lanes>;

/// Groups `rows` so that the blocks have few columns in total: a column costs the same in a block
/// with one row as with eight. Consecutive rows with equal `family[r]` are similar (bins of one
/// sample): runs of eight of them form blocks directly, the rest is grouped greedily by overlap,
/// 1024 rows at a time, so that the time is linear in the number of entries. Deterministic.
std::vector<RowGroup> group_rows(const SparsePattern& pattern,
                                 const std::vector<std::uint32_t>& rows,
                                 const std::vector<std::uint32_t>& family);

/// Columns that any row of the group uses, ascending.
std::vector<std::uint32_t> columns_of(const SparsePattern& pattern, const RowGroup& group);

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_COMPILE_ROW_GROUPS_HPP
