#include "evaluate/hessian_rows.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ad/derivatives.hpp"
#include "arrow/dense_cholesky.hpp"
#include "util/interruption.hpp"

namespace nablafit::detail {

namespace {

constexpr std::size_t lanes = n_lanes;

/// d''(n, lambda) of a bin's deviance.
double bin_curvature(const HessianInputs& inputs, std::uint32_t bin, double lambda) {
  const double count = inputs.likelihood->data.counts[bin];
  const std::vector<char>& is_barrier = inputs.likelihood->is_barrier;
  const bool has_data = is_barrier.empty() || is_barrier[bin] == 0;
  const bool expected = inputs.information && has_data && lambda > 0.0;
  return kernels::derivatives::poisson_deviance_second(expected ? lambda : count, lambda);
}

}  // namespace

HessianInputs::HessianInputs(const CompiledLikelihood& of)
    : FirstDerivatives(of.model.compiled()),
      likelihood(&of),
      block_of_local(model->arrow.n_local()) {
  const std::vector<std::size_t>& offsets = model->arrow.block_offsets;
  for (std::size_t b = 0; b < model->arrow.n_blocks(); ++b) {
    std::fill(block_of_local.begin() + static_cast<std::ptrdiff_t>(offsets[b]),
              block_of_local.begin() + static_cast<std::ptrdiff_t>(offsets[b + 1]),
              static_cast<std::uint32_t>(b));
  }
}

void HessianRows::clear(const HessianInputs& inputs) {
  n_dense_ = inputs.n_dense;
  half_.assign(n_dense_ * n_dense_, 0.0);
  negative_rank_one_.assign(n_dense_ * n_dense_, 0.0);
  interpolant_curvature_.assign(inputs.interpolant_row.size(), 0.0);
  local_gradient_.assign(inputs.model->arrow.n_local(), 0.0);
  scope_slot_.assign(inputs.model->parameter_operand, no_operand);
}

void HessianRows::add_chunk(const HessianInputs& inputs, const SweepState& state,
                            const Chunk& chunk, ArrowHessian& hessian) {
  const CompiledModel& model = *inputs.model;
  const std::size_t n_bins = chunk.bin_end - chunk.bin_begin;
  const std::size_t n_panels = (n_bins + panel_rows - 1) / panel_rows;
  jacobian_.assign(n_panels * panel_rows * n_dense_, 0.0);
  find_scopes(inputs, chunk);
  for (std::size_t row = lanes * chunk.block_begin; row < lanes * chunk.block_end; ++row) {
    if (model.row_position[row] == model.n_rows) continue;
    const std::size_t bin = static_cast<std::size_t>(model.row_bin[row]) - chunk.bin_begin;
    check_interruption(n_dense_);
    add_row(inputs, state, row, jacobian_.data() + bin * n_dense_, hessian);
  }
  add_scopes(inputs, state);
  add_bins(inputs, state, chunk, hessian);
}

/// Assigns each scope that acts in the chunk a row of scope_vectors_.
void HessianRows::find_scopes(const HessianInputs& inputs, const Chunk& chunk) {
  const CompiledModel& model = *inputs.model;
  touched_scopes_.clear();
  for (std::uint32_t b = chunk.block_begin; b < chunk.block_end; ++b) {
    const RowBlock& block = model.row_blocks[b];
    for (std::size_t j = lanes * block.operand_begin; j < lanes * block.operand_end; ++j) {
      const auto i = static_cast<std::uint32_t>(model.row_operands[j]);
      if (inputs.kind[i] != OperandKind::scope || scope_slot_[i] != no_operand) continue;
      scope_slot_[i] = static_cast<std::uint32_t>(touched_scopes_.size());
      touched_scopes_.push_back(i);
    }
  }
  scope_vectors_.assign(touched_scopes_.size() * n_dense_, 0.0);
}

void HessianRows::add_scopes(const HessianInputs& inputs, const SweepState& state) {
  for (const std::uint32_t scope : touched_scopes_) {
    check_interruption((inputs.gradient_end[scope] - inputs.gradient_begin[scope]) * n_dense_);
    state.functions().add_outer_product(half_.data(), n_dense_,
                                        inputs.gradients.data() + inputs.gradient_begin[scope],
                                        inputs.gradient_end[scope] - inputs.gradient_begin[scope],
                                        scope_vectors_.data() + scope_slot_[scope] * n_dense_);
    scope_slot_[scope] = no_operand;
  }
}

void HessianRows::add_bins(const HessianInputs& inputs, const SweepState& state, const Chunk& chunk,
                           ArrowHessian& hessian) {
  for (std::uint32_t bin = chunk.bin_begin; bin < chunk.bin_end; ++bin) {
    const double lambda = state.scratch().lambda[bin];
    const bool floored =
        inputs.model->sweep.bin_floor != nullptr && lambda <= inputs.model->sweep.bin_floor[bin];
    const double curvature = floored ? 0.0 : bin_curvature(inputs, bin, lambda);
    double* row = jacobian_.data() + (bin - chunk.bin_begin) * n_dense_;
    add_local_curvature(inputs, state, bin, curvature, row, hessian);
    const double scale = std::sqrt(curvature);
    for (std::size_t p = 0; p < n_dense_; ++p) row[p] *= scale;
  }
  for (std::size_t row = 0; row < jacobian_.size(); row += panel_rows * n_dense_) {
    check_interruption(panel_rows * n_dense_ * n_dense_);
    subtract_outer_products(negative_rank_one_.data(), n_dense_, n_dense_, jacobian_.data() + row,
                            n_dense_);
  }
}

/// The part of a bin's rank-one term that involves its local parameters. `row`: the dense part of
/// the gradient of its yield.
void HessianRows::add_local_curvature(const HessianInputs& inputs, const SweepState& state,
                                      std::uint32_t bin, double curvature, const double* row,
                                      ArrowHessian& hessian) {
  const std::uint32_t block = inputs.model->block_of_bin[bin];
  if (block == no_block) return;
  const std::size_t begin = inputs.model->arrow.block_offsets[block];
  const std::size_t m = inputs.model->arrow.block_offsets[block + 1] - begin;
  double* entries = hessian.blocks.data() + inputs.model->arrow.block_entries[block];
  for (std::size_t i = 0; i < m; ++i) {
    const SparseEntry slope{static_cast<std::uint32_t>(begin + i),
                            curvature * local_gradient_[begin + i]};
    state.functions().add_outer_product(hessian.coupling.data(), n_dense_, &slope, 1, row);
    for (std::size_t j = 0; j < m; ++j) {
      entries[i * m + j] += slope.value * local_gradient_[begin + j];
    }
  }
}

double HessianRows::product_without(const SweepState& state, std::size_t i, std::size_t j) const {
  double product = 1.0;
  for (std::size_t k = 0; k < row_operands_.size(); ++k) {
    if (k != i && k != j) product *= state.scratch().operand[row_operands_[k]];
  }
  return product;
}

void HessianRows::add_row(const HessianInputs& inputs, const SweepState& state, std::size_t row,
                          double* jacobian, ArrowHessian& hessian) {
  const SweepScratch& s = state.scratch();
  const RowBlock& block = inputs.model->row_blocks[row / lanes];
  row_operands_.clear();
  for (std::uint32_t j = block.operand_begin; j < block.operand_end; ++j) {
    const auto i = static_cast<std::uint32_t>(inputs.model->row_operands[j * lanes + row % lanes]);
    if (inputs.kind[i] != OperandKind::one) row_operands_.push_back(i);
  }
  const double weight = s.weight[inputs.model->row_bin[row]];
  const bool floored = s.row_yield[row] < inputs.model->row_floor[row];
  const double yield = floored ? inputs.model->row_floor[row] : s.row_yield[row];
  targets_.clear();
  targets_.push_back({jacobian, s.row_factor[row]});
  for (std::size_t i = 0; i < row_operands_.size(); ++i) {
    const double others = product_without(state, i, i);
    add_operand(inputs, row_operands_[i], yield * others, weight * others, jacobian, hessian);
    for (std::size_t j = i + 1; j < row_operands_.size(); ++j) {
      add_pair(inputs, row_operands_[i], row_operands_[j],
               weight * yield * product_without(state, i, j), hessian);
    }
  }
  if (!floored) add_entries(inputs, row, weight * s.row_factor[row]);
}

/// First derivatives of the row with respect to one operand, and the place of the derivatives of
/// its yield in the second-order part.
void HessianRows::add_operand(const HessianInputs& inputs, std::uint32_t operand, double slope,
                              double cross, double* jacobian, ArrowHessian& hessian) {
  if (inputs.kind[operand] == OperandKind::local) {
    const std::size_t local = inputs.arrow_row[operand];
    local_gradient_[local] += slope;
    targets_.push_back({hessian.coupling.data() + local * n_dense_, cross});
    return;
  }
  const std::uint32_t begin = inputs.gradient_begin[operand], end = inputs.gradient_end[operand];
  for (std::uint32_t k = begin; k < end; ++k) {
    jacobian[inputs.gradients[k].index] += slope * inputs.gradients[k].value;
  }
  if (inputs.kind[operand] == OperandKind::scope) {
    targets_.push_back({scope_vectors_.data() + scope_slot_[operand] * n_dense_, cross});
    return;
  }
  for (std::uint32_t k = begin; k < end; ++k) {
    targets_.push_back({half_row(inputs.gradients[k].index), cross * inputs.gradients[k].value});
  }
}

void HessianRows::add_entries(const HessianInputs& inputs, std::size_t row, double weight) {
  const std::size_t lane = row % lanes;
  const RowBlock& block = inputs.model->row_blocks[row / lanes];
  for (std::uint32_t e = block.entry_begin; e < block.entry_end; ++e) {
    const std::uint32_t t = inputs.model->entry_interpolant[e];
    const double* data = inputs.model->entry_data.data() + 2 * lanes * e + lane;
    const double slope =
        inputs.interpolant_scale[t] * data[0] + inputs.interpolant_slope[t] * data[lanes];
    for (const Target& target : targets_)
      target.row[inputs.interpolant_row[t]] += target.coefficient * slope;
    interpolant_curvature_[t] += weight * data[lanes];
  }
}

void HessianRows::add_pair(const HessianInputs& inputs, std::uint32_t a, std::uint32_t b,
                           double weight, ArrowHessian& hessian) {
  if (inputs.kind[a] != OperandKind::local) std::swap(a, b);
  if (inputs.kind[a] != OperandKind::local) {
    for (std::uint32_t i = inputs.gradient_begin[a]; i < inputs.gradient_end[a]; ++i) {
      double* row = half_row(inputs.gradients[i].index);
      for (std::uint32_t j = inputs.gradient_begin[b]; j < inputs.gradient_end[b]; ++j) {
        row[inputs.gradients[j].index] +=
            weight * inputs.gradients[i].value * inputs.gradients[j].value;
      }
    }
    return;
  }
  if (inputs.kind[b] != OperandKind::local) {
    double* coupling = hessian.coupling.data() + inputs.arrow_row[a] * n_dense_;
    for (std::uint32_t j = inputs.gradient_begin[b]; j < inputs.gradient_end[b]; ++j) {
      coupling[inputs.gradients[j].index] += weight * inputs.gradients[j].value;
    }
    return;
  }
  const std::size_t block = inputs.block_of_local[inputs.arrow_row[a]];
  const std::size_t begin = inputs.model->arrow.block_offsets[block];
  const std::size_t m = inputs.model->arrow.block_offsets[block + 1] - begin;
  double* entries = hessian.blocks.data() + inputs.model->arrow.block_entries[block];
  const std::size_t i = inputs.arrow_row[a] - begin, j = inputs.arrow_row[b] - begin;
  entries[i * m + j] += weight;
  entries[j * m + i] += weight;
}

}  // namespace nablafit::detail
