// The part of HessianAssembler that walks over rows.
#include <utility>

#include "hessian_assembler.hpp"

namespace nablafit::detail {

namespace {
constexpr std::size_t lanes = n_lanes;
}

void HessianAssembler::add_block(const SweepState& state, const Chunk& chunk, std::uint32_t block,
                                 ArrowHessian& hessian) {
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const std::size_t row = block * lanes + lane;
    const auto bin = static_cast<std::size_t>(model_->row_bin[row]);
    if (bin == model_->n_bins) continue;
    add_row(state, row, jacobian_.data() + (bin - chunk.bin_begin) * n_dense_, hessian);
  }
}

double HessianAssembler::product_without(const SweepState& state, std::size_t i,
                                         std::size_t j) const {
  double product = 1.0;
  for (std::size_t k = 0; k < row_multipliers_.size(); ++k) {
    if (k != i && k != j) product *= state.scratch().multiplier[row_multipliers_[k]];
  }
  return product;
}

void HessianAssembler::add_row(const SweepState& state, std::size_t row, double* jacobian,
                               ArrowHessian& hessian) {
  const SweepScratch& s = state.scratch();
  const RowBlock& block = model_->row_blocks[row / lanes];
  row_multipliers_.clear();
  for (std::uint32_t j = block.multiplier_begin; j < block.multiplier_end; ++j) {
    const auto i = static_cast<std::uint32_t>(model_->row_multipliers[j * lanes + row % lanes]);
    if (kind_[i] != Kind::one) row_multipliers_.push_back(i);
  }
  const double weight = s.weight[model_->row_bin[row]];
  const bool floored = s.row_yield[row] < model_->row_floor[row];
  const double yield = floored ? model_->row_floor[row] : s.row_yield[row];
  targets_.clear();
  targets_.push_back({jacobian, s.row_factor[row]});
  for (std::size_t i = 0; i < row_multipliers_.size(); ++i) {
    const double others = product_without(state, i, i);
    add_multiplier(row_multipliers_[i], yield * others, weight * others, jacobian, hessian);
    for (std::size_t j = i + 1; j < row_multipliers_.size(); ++j) {
      add_pair(row_multipliers_[i], row_multipliers_[j],
               weight * yield * product_without(state, i, j), hessian);
    }
  }
  if (!floored) add_entries(row, weight * s.row_factor[row]);
}

/// First derivatives of the row with respect to one multiplier, and where the derivatives of its
/// yield go in the second-order part.
void HessianAssembler::add_multiplier(std::uint32_t multiplier, double slope, double cross,
                                      double* jacobian, ArrowHessian& hessian) {
  if (kind_[multiplier] == Kind::local) {
    const std::size_t local = arrow_row_[multiplier];
    local_gradient_[local] += slope;
    targets_.push_back({hessian.coupling.data() + local * n_dense_, cross});
    return;
  }
  const std::uint32_t begin = gradient_begin_[multiplier], end = gradient_end_[multiplier];
  for (std::uint32_t k = begin; k < end; ++k) {
    jacobian[gradients_[k].index] += slope * gradients_[k].value;
  }
  if (kind_[multiplier] == Kind::scope) {
    targets_.push_back({scope_vectors_.data() + scope_slot_[multiplier] * n_dense_, cross});
    return;
  }
  for (std::uint32_t k = begin; k < end; ++k) {
    targets_.push_back({half_row(gradients_[k].index), cross * gradients_[k].value});
  }
}

void HessianAssembler::add_entries(std::size_t row, double weight) {
  const std::size_t lane = row % lanes;
  const RowBlock& block = model_->row_blocks[row / lanes];
  for (std::uint32_t e = block.entry_begin; e < block.entry_end; ++e) {
    const std::uint32_t t = model_->entry_term[e];
    const double* data = model_->entry_data.data() + 2 * lanes * e + lane;
    const double slope = term_scale_[t] * data[0] + term_slope_[t] * data[lanes];
    for (const Target& target : targets_) target.row[term_row_[t]] += target.coefficient * slope;
    pull_curvature_[t] += weight * data[lanes];
  }
}

void HessianAssembler::add_pair(std::uint32_t a, std::uint32_t b, double weight,
                                ArrowHessian& hessian) {
  if (kind_[a] != Kind::local) std::swap(a, b);
  if (kind_[a] != Kind::local) {
    for (std::uint32_t i = gradient_begin_[a]; i < gradient_end_[a]; ++i) {
      double* row = half_row(gradients_[i].index);
      for (std::uint32_t j = gradient_begin_[b]; j < gradient_end_[b]; ++j) {
        row[gradients_[j].index] += weight * gradients_[i].value * gradients_[j].value;
      }
    }
    return;
  }
  if (kind_[b] != Kind::local) {
    double* coupling = hessian.coupling.data() + arrow_row_[a] * n_dense_;
    for (std::uint32_t j = gradient_begin_[b]; j < gradient_end_[b]; ++j) {
      coupling[gradients_[j].index] += weight * gradients_[j].value;
    }
    return;
  }
  const std::size_t block = block_of_local_[arrow_row_[a]];
  const std::size_t begin = model_->arrow.block_offsets[block];
  const std::size_t m = model_->arrow.block_offsets[block + 1] - begin;
  double* entries = hessian.blocks.data() + model_->arrow.block_entries[block];
  const std::size_t i = arrow_row_[a] - begin, j = arrow_row_[b] - begin;
  entries[i * m + j] += weight;
  entries[j * m + i] += weight;
}

}  // namespace nablafit::detail
