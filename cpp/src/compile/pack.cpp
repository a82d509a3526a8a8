#include <algorithm>
#include <limits>
#include <unordered_map>

#include "compile/lists.hpp"
#include "compile/row_groups.hpp"
#include "kernels/interpolation.hpp"
#include "util/interruption.hpp"

namespace nablafit::detail {
namespace {

constexpr std::size_t lanes = n_lanes;
constexpr double no_floor = -std::numeric_limits<double>::infinity();

// A chunk's entries (16 bytes per row and entry) must stay in the second-level cache between the
// forward and the backward pass, and so must what is kept of its rows.
constexpr std::size_t max_chunk_entries = 16384;
constexpr std::size_t max_chunk_rows = 1024;

// Models are cut into partitions for threads if the cost of starting a thread is negligible (4 MB
// of templates). Results depend on the number of partitions, so it must not depend on the machine.
constexpr std::size_t min_partition_entries = 32768;
constexpr std::size_t max_partitions = 16;

std::uint32_t size32(std::size_t size) { return static_cast<std::uint32_t>(size); }

/// Final index of an operand.
std::int32_t resolve(const CompiledModel& model, const std::vector<std::uint32_t>& scope_position,
                     const OperandRef& ref) {
  switch (ref.kind) {
    case OperandRef::Kind::scope:
      return static_cast<std::int32_t>(scope_position[ref.index]);
    case OperandRef::Kind::parameter:
      return static_cast<std::int32_t>(model.parameter_operand + ref.index);
    case OperandRef::Kind::derived:
      break;
  }
  return static_cast<std::int32_t>(model.one_operand + 1 + ref.index);
}

/// Appends groups of eight indices: the i-th reference of each lane, or 1 where a lane has fewer.
template <typename RefsOfLane>
void append_gathers(AlignedVector<std::int32_t>& target, std::int32_t one,
                    RefsOfLane refs_of_lane) {
  std::array<std::vector<std::int32_t>, lanes> refs;
  std::size_t longest = 0;
  for (std::size_t l = 0; l < lanes; ++l) {
    refs[l] = refs_of_lane(l);
    longest = std::max(longest, refs[l].size());
  }
  for (std::size_t i = 0; i < longest; ++i) {
    for (std::size_t l = 0; l < lanes; ++l) target.push_back(i < refs[l].size() ? refs[l][i] : one);
  }
}

// --- scopes --------------------------------------------------------------------------------------

class ScopePacker {
 public:
  ScopePacker(CompiledModel& model, const ModelLists& lists, InputPlaces* places)
      : model_(model), lists_(lists), places_(places) {
    std::size_t n_factors = 0;
    for (const Scope& scope : lists.scopes) {
      first_factor_.push_back(n_factors);
      n_factors += scope.factors.size();
    }
    if (places != nullptr) places->factor.resize(n_factors);
  }

  std::vector<std::uint32_t> pack() {
    const std::vector<RowGroup> groups = group();
    std::vector<std::uint32_t> position(lists_.scopes.size());
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t l = 0; l < lanes; ++l) {
        if (groups[g][l] != no_row) position[groups[g][l]] = size32(g * lanes + l);
      }
    }
    place_operands(groups.size());
    for (const RowGroup& group : groups) {
      check_interruption(lanes * model_.interpolant_code.size());
      emit(group, position);
    }
    return position;
  }

 private:
  std::vector<RowGroup> group() const {
    std::vector<std::uint32_t> offsets{0}, columns, family;
    for (const Scope& scope : lists_.scopes) {
      for (const InterpolatedFactor& factor : scope.factors) columns.push_back(factor.interpolant);
      offsets.push_back(size32(columns.size()));
      family.push_back(size32(family.size()));
    }
    return group_rows({offsets, columns}, family, family);  // each of them is a family of its own
  }

  void place_operands(std::size_t n_groups) {
    model_.parameter_operand = size32(n_groups * lanes);
    model_.one_operand = model_.parameter_operand + size32(model_.names.size());
    model_.n_operands =
        model_.one_operand + 1 + model_.n_derived + size32(model_.additive_factors.size());
    for (DerivedFactor& factor : model_.derived_factors) factor.operand += model_.one_operand + 1;
    for (AdditiveFactor& factor : model_.additive_factors) factor.operand += model_.one_operand + 1;
  }

  const Scope* scope(const RowGroup& group, std::size_t lane) const {
    return group[lane] == no_row ? nullptr : &lists_.scopes[group[lane]];
  }

  void emit(const RowGroup& group, const std::vector<std::uint32_t>& position) {
    ScopeBlock block{};
    block.factor_begin = size32(model_.factor_interpolant.size());
    emit_factors(group);
    block.factor_end = size32(model_.factor_interpolant.size());
    block.gather_begin = size32(model_.scope_gathers.size() / lanes);
    emit_gathers(group, position, &Scope::inside);
    block.gather_floor = size32(model_.scope_gathers.size() / lanes);
    emit_gathers(group, position, &Scope::outside);
    block.gather_end = size32(model_.scope_gathers.size() / lanes);
    for (std::size_t l = 0; l < lanes; ++l) {
      const Scope* lane = scope(group, l);
      model_.scope_floor.push_back(lane == nullptr ? no_floor : lane->floor);
      block.has_floor = block.has_floor || (lane != nullptr && lane->has_floor());
    }
    model_.scope_blocks.push_back(block);
  }

  /// One factor entry for each interpolant; a lane that uses one k times fills k entries.
  void emit_factors(const RowGroup& group) {
    std::unordered_map<std::uint32_t, std::vector<std::size_t>> entries;  // offsets of their data
    for (std::size_t l = 0; l < lanes; ++l) {
      const Scope* lane = scope(group, l);
      if (lane == nullptr) continue;
      std::unordered_map<std::uint32_t, std::size_t> n_used;
      for (std::size_t i = 0; i < lane->factors.size(); ++i) {
        const InterpolatedFactor& factor = lane->factors[i];
        std::vector<std::size_t>& offsets = entries[factor.interpolant];
        const std::size_t k = n_used[factor.interpolant]++;
        if (k == offsets.size()) offsets.push_back(append_neutral_factor(factor.interpolant));
        set_factor(offsets[k], l, factor);
        if (places_ != nullptr) places_->factor[first_factor_[group[l]] + i] = offsets[k] + l;
      }
    }
  }

  std::size_t append_neutral_factor(std::uint32_t interpolant) {
    const std::size_t offset = model_.factor_data.size();
    model_.factor_data.resize(offset + 8 * lanes, 0.0);
    model_.factor_interpolant.push_back(model_.n_additive_interpolants + interpolant);
    return offset;
  }

  void set_factor(std::size_t offset, std::size_t lane, const InterpolatedFactor& factor) {
    const auto code =
        static_cast<Interpolation>(lists_.factor_interpolants.codes[factor.interpolant]);
    const FactorSlots slots = factor_slots(code, factor.low, factor.high);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      model_.factor_data[offset + i * lanes + lane] = slots[i];
    }
  }

  void emit_gathers(const RowGroup& group, const std::vector<std::uint32_t>& position,
                    std::vector<OperandRef> Scope::* member) {
    append_gathers(model_.scope_gathers, static_cast<std::int32_t>(model_.one_operand),
                   [&](std::size_t l) {
                     std::vector<std::int32_t> indices;
                     const Scope* lane = scope(group, l);
                     if (lane == nullptr) return indices;
                     for (const OperandRef& ref : lane->*member) {
                       indices.push_back(resolve(model_, position, ref));
                     }
                     return indices;
                   });
  }

  CompiledModel& model_;
  const ModelLists& lists_;
  InputPlaces* places_;
  std::vector<std::size_t> first_factor_;  ///< per scope: number of factors before it
};

// --- rows ----------------------------------------------------------------------------------------

class RowPacker {
 public:
  RowPacker(CompiledModel& model, const ModelLists& lists,
            const std::vector<std::uint32_t>& scope_position, InputPlaces* places)
      : model_(model),
        lists_(lists),
        scope_position_(scope_position),
        places_(places),
        entry_of_(lists.additive_interpolants.size(), 0) {
    if (places == nullptr) return;
    places->row.resize(lists.rows.size());
    places->entry.resize(lists.rows.entry_interpolants.size());
  }

  void pack() {
    const std::vector<std::vector<std::uint32_t>> rows = rows_of_chunks();
    const SparsePattern pattern{lists_.rows.entry_offsets, lists_.rows.entry_interpolants};
    for (std::size_t c = 0; c < model_.chunks.size(); ++c) {
      model_.chunks[c].block_begin = size32(model_.row_blocks.size());
      for (const RowGroup& group : group_rows(pattern, rows[c], lists_.rows.family)) {
        check_interruption(lanes * lists_.additive_interpolants.size());
        emit(group, pattern);
      }
      model_.chunks[c].block_end = size32(model_.row_blocks.size());
    }
    cut_partitions();
  }

 private:
  /// Cuts the bins into chunks (without blocks yet) and lists the rows of each.
  std::vector<std::vector<std::uint32_t>> rows_of_chunks() {
    const RowList& rows = lists_.rows;
    std::vector<std::size_t> bin_entries(model_.n_bins, 0), bin_rows(model_.n_bins, 0);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      bin_entries[rows.bin[r]] += rows.entry_offsets[r + 1] - rows.entry_offsets[r];
      ++bin_rows[rows.bin[r]];
    }
    std::vector<std::uint32_t> chunk_of(model_.n_bins);
    std::size_t n_entries = 0, n_rows = 0;
    for (std::uint32_t bin = 0; bin < model_.n_bins; ++bin) {
      n_entries += bin_entries[bin];
      n_rows += bin_rows[bin];
      if (model_.chunks.empty() || n_entries > max_chunk_entries || n_rows > max_chunk_rows) {
        model_.chunks.push_back({bin, bin, 0, 0});
        n_entries = bin_entries[bin];
        n_rows = bin_rows[bin];
      }
      model_.chunks.back().bin_end = bin + 1;
      chunk_of[bin] = size32(model_.chunks.size() - 1);
    }
    std::vector<std::vector<std::uint32_t>> rows_of(model_.chunks.size());
    for (std::uint32_t r = 0; r < rows.size(); ++r) rows_of[chunk_of[rows.bin[r]]].push_back(r);
    return rows_of;
  }

  /// Cuts the chunks into partitions of about equal numbers of entries.
  void cut_partitions() {
    const std::size_t n_entries = model_.entry_interpolant.size();
    const std::size_t n_partitions =
        std::clamp<std::size_t>(n_entries / min_partition_entries, 1, max_partitions);
    model_.partitions.assign(1, 0);
    for (std::size_t c = 0; c < model_.chunks.size(); ++c) {
      const Chunk& chunk = model_.chunks[c];
      const std::size_t end = chunk.block_end == chunk.block_begin
                                  ? 0
                                  : model_.row_blocks[chunk.block_end - 1].entry_end;
      const bool last = c + 1 == model_.chunks.size();
      if (last || end * n_partitions >= model_.partitions.size() * n_entries) {
        model_.partitions.push_back(size32(c + 1));
      }
    }
  }

  void emit(const RowGroup& group, const SparsePattern& pattern) {
    RowBlock block{};
    block.entry_begin = size32(model_.entry_interpolant.size());
    emit_entries(group, columns_of(pattern, group));
    block.entry_end = size32(model_.entry_interpolant.size());
    block.operand_begin = size32(model_.row_operands.size() / lanes);
    append_gathers(model_.row_operands, static_cast<std::int32_t>(model_.one_operand),
                   [&](std::size_t l) { return operands(group[l]); });
    block.operand_end = size32(model_.row_operands.size() / lanes);
    const RowList& rows = lists_.rows;
    for (const std::uint32_t r : group) {
      const bool padding = r == no_row;
      if (places_ != nullptr && !padding) places_->row[r] = model_.row_nominal.size();
      model_.row_nominal.push_back(padding ? 0.0 : rows.nominal[r]);
      model_.row_floor.push_back(padding ? no_floor : rows.floor[r]);
      model_.row_bin.push_back(static_cast<std::int32_t>(rows.bin[padding ? group[0] : r]));
      model_.row_position.push_back(padding ? size32(model_.n_rows) : r);
      block.has_floor = block.has_floor || model_.row_floor.back() > no_floor;
    }
    model_.row_blocks.push_back(block);
  }

  void emit_entries(const RowGroup& group, const std::vector<std::uint32_t>& interpolants) {
    const RowList& rows = lists_.rows;
    const std::size_t first = model_.entry_interpolant.size();
    for (std::size_t i = 0; i < interpolants.size(); ++i) entry_of_[interpolants[i]] = first + i;
    model_.entry_interpolant.insert(model_.entry_interpolant.end(), interpolants.begin(),
                                    interpolants.end());
    model_.entry_data.resize(2 * lanes * model_.entry_interpolant.size(), 0.0);
    for (std::size_t l = 0; l < lanes; ++l) {
      if (group[l] == no_row) continue;
      for (std::uint32_t k = rows.entry_offsets[group[l]]; k < rows.entry_offsets[group[l] + 1];
           ++k) {
        const std::size_t place = 2 * lanes * entry_of_[rows.entry_interpolants[k]] + l;
        if (places_ != nullptr) places_->entry[k] = place;
        double* data = model_.entry_data.data() + place;
        data[0] += rows.symmetric[k];
        data[lanes] += rows.asymmetric[k];
      }
    }
  }

  std::vector<std::int32_t> operands(std::uint32_t row) const {
    std::vector<std::int32_t> indices;
    if (row == no_row) return indices;
    const RowList& rows = lists_.rows;
    for (std::uint32_t k = rows.operand_offsets[row]; k < rows.operand_offsets[row + 1]; ++k) {
      indices.push_back(resolve(model_, scope_position_, rows.operands[k]));
    }
    return indices;
  }

  CompiledModel& model_;
  const ModelLists& lists_;
  const std::vector<std::uint32_t>& scope_position_;
  InputPlaces* places_;
  std::vector<std::size_t> entry_of_;  ///< entry of each interpolant in the block being emitted
};

}  // namespace

FactorSlots factor_slots(Interpolation code, double low, double high) {
  FactorSlots slots{};
  if (code == Interpolation::polynomial_linear_multiplicative) {
    slots[0] = (high - low) / 2.0;
    slots[1] = (high + low - 2.0) / 16.0;
    return slots;
  }
  slots[0] = kernels::bounded_log(low);
  slots[1] = kernels::bounded_log(high);
  if (code != Interpolation::polynomial_exponential) return slots;
  const auto c = kernels::polynomial_exponential_coefficients(low, high);
  std::copy(c.begin(), c.end(), slots.begin() + 2);
  return slots;
}

void pack(CompiledModel& model, const ModelLists& lists, InputPlaces* places) {
  const std::vector<std::uint32_t> scope_position = ScopePacker(model, lists, places).pack();
  RowPacker(model, lists, scope_position, places).pack();
}

}  // namespace nablafit::detail
