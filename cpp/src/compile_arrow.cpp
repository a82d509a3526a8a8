#include <algorithm>
#include <map>

#include "compile_lists.hpp"

namespace nablafit::detail {
namespace {

constexpr std::uint32_t unused = 0xFFFFFFFFU;
constexpr std::uint32_t everywhere = 0xFFFFFFFEU;

/// For each parameter: the one bin in which it multiplies rows, `unused`, or `everywhere`.
std::vector<std::uint32_t> bins_of_parameters(const CompiledModel& model, const ModelLists& lists) {
  std::vector<std::uint32_t> bin_of(model.names.size(), unused);
  for (const PullArgument& pull : model.pulls) bin_of[pull.parameter] = everywhere;
  for (const DerivedFactor& factor : model.derived_factors) {
    for (const std::size_t parameter : factor.parameters) bin_of[parameter] = everywhere;
  }
  for (const Scope& scope : lists.scopes) {
    for (const MultiplierRef& ref : scope.outside) {
      if (ref.kind == MultiplierRef::Kind::parameter) bin_of[ref.index] = everywhere;
    }
  }
  const RowList& rows = lists.rows;
  std::vector<std::uint32_t> last_row(model.names.size(), unused);
  for (std::uint32_t r = 0; r < rows.size(); ++r) {
    for (std::uint32_t k = rows.multiplier_offsets[r]; k < rows.multiplier_offsets[r + 1]; ++k) {
      if (rows.multipliers[k].kind != MultiplierRef::Kind::parameter) continue;
      const std::uint32_t parameter = rows.multipliers[k].index;
      const bool twice_in_row = last_row[parameter] == r;
      const bool same_bin = bin_of[parameter] == unused || bin_of[parameter] == rows.bin[r];
      bin_of[parameter] = same_bin && !twice_in_row ? rows.bin[r] : everywhere;
      last_row[parameter] = r;
    }
  }
  return bin_of;
}

void append_block(ArrowStructure& arrow, const std::vector<std::size_t>& parameters) {
  const std::size_t m = parameters.size();
  arrow.local_parameters.insert(arrow.local_parameters.end(), parameters.begin(), parameters.end());
  arrow.block_offsets.push_back(arrow.local_parameters.size());
  arrow.block_entries.push_back(arrow.block_entries.back() + m * m);
}

}  // namespace

void set_arrow_structure(CompiledModel& model, const ModelLists& lists) {
  const std::vector<std::uint32_t> bin_of = bins_of_parameters(model, lists);
  ArrowStructure& arrow = model.arrow;
  arrow.block_offsets = {0};
  arrow.block_entries = {0};
  std::map<std::uint32_t, std::vector<std::size_t>> locals_of_bin;
  for (std::size_t p = 0; p < bin_of.size(); ++p) {
    if (bin_of[p] == everywhere) {
      arrow.dense_parameters.push_back(p);
    } else if (bin_of[p] == unused) {
      append_block(arrow, {p});
    } else {
      locals_of_bin[bin_of[p]].push_back(p);
    }
  }
  model.block_of_bin.assign(model.n_bins, no_block);
  for (const auto& [bin, parameters] : locals_of_bin) {
    model.block_of_bin[bin] = static_cast<std::uint32_t>(arrow.n_blocks());
    append_block(arrow, parameters);
  }
  model.arrow_row.resize(bin_of.size());
  for (std::size_t i = 0; i < arrow.n_dense(); ++i) {
    model.arrow_row[arrow.dense_parameters[i]] = static_cast<std::uint32_t>(i);
  }
  for (std::size_t i = 0; i < arrow.n_local(); ++i) {
    model.arrow_row[arrow.local_parameters[i]] = static_cast<std::uint32_t>(arrow.n_dense() + i);
  }
}

}  // namespace nablafit::detail
