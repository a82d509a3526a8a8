// Derivatives of the rows' yields. With y = h F, h the interpolated histogram and F the product of
// operands m_k,
//
//     dy/dx_p = F dh/dx_p + sum_k h (product of the other operands) dm_k/dx_p.
#include "evaluate/yield_jacobian.hpp"

#include <algorithm>

#include "compile/compiled_model.hpp"

namespace nablafit {
namespace detail {
namespace {

constexpr std::size_t lanes = n_lanes;

/// Position in the order of the sweeps of each row in the order of the model.
std::vector<std::size_t> rows_by_position(const CompiledModel& model) {
  std::vector<std::size_t> rows(model.n_rows);
  for (std::size_t row = 0; row < model.row_position.size(); ++row) {
    if (model.row_position[row] < model.n_rows) rows[model.row_position[row]] = row;
  }
  return rows;
}

}  // namespace

RowGradients::RowGradients(const CompiledModel& model)
    : model_(model),
      state_(model),
      derivatives_(model),
      dense_(model.arrow.n_dense(), 0.0),
      is_touched_(model.arrow.n_dense(), 0) {}

void RowGradients::set(const double* x) {
  x_ = x;
  has_derivatives_ = false;
  state_.set_parameters(x, true);
  state_.forward_rows();
}

double RowGradients::yield(std::size_t row) const {
  return std::max(scratch().row_yield[row], model_.row_floor[row]) * scratch().row_factor[row];
}

void RowGradients::multiply_operands() {
  const std::size_t n = operands_.size();
  before_.assign(n, 1.0);
  after_.assign(n, 1.0);
  const double* values = state_.scratch().operand;
  for (std::size_t i = 1; i < n; ++i) before_[i] = before_[i - 1] * values[operands_[i - 1]];
  for (std::size_t i = n - 1; i-- > 0;) after_[i] = values[operands_[i + 1]] * after_[i + 1];
}

void RowGradients::add_operand(std::uint32_t operand, double slope) {
  if (derivatives_.kind[operand] == OperandKind::local) {
    const std::size_t local = derivatives_.arrow_row[operand];
    const std::size_t parameter = model_.arrow.local_parameters[local];
    local_.push_back({static_cast<std::uint32_t>(parameter), slope});
    return;
  }
  const std::uint32_t begin = derivatives_.gradient_begin[operand];
  const std::uint32_t end = derivatives_.gradient_end[operand];
  for (std::uint32_t k = begin; k < end; ++k) {
    add(derivatives_.gradients[k].index, slope * derivatives_.gradients[k].value);
  }
}

void RowGradients::add_entries(std::size_t row, double factor) {
  const RowBlock& block = model_.row_blocks[row / lanes];
  for (std::uint32_t e = block.entry_begin; e < block.entry_end; ++e) {
    const double* data = model_.entry_data.data() + 2 * lanes * e + row % lanes;
    // Rows of a block share entries: those that do not act on this row are zero.
    if (data[0] == 0.0 && data[lanes] == 0.0) continue;
    const std::uint32_t t = model_.entry_interpolant[e];
    const double slope = derivatives_.interpolant_scale[t] * data[0] +
                         derivatives_.interpolant_slope[t] * data[lanes];
    add(derivatives_.interpolant_row[t], factor * slope);
  }
}

void RowGradients::append(std::size_t row, YieldJacobian& jacobian, RowBranch branch) {
  if (!has_derivatives_) derivatives_.set(x_, state_);
  has_derivatives_ = true;
  const RowBlock& block = model_.row_blocks[row / lanes];
  operands_.clear();
  for (std::uint32_t j = block.operand_begin; j < block.operand_end; ++j) {
    const auto i = static_cast<std::uint32_t>(model_.row_operands[j * lanes + row % lanes]);
    if (derivatives_.kind[i] != OperandKind::one) operands_.push_back(i);
  }
  const SweepScratch& s = state_.scratch();
  const bool is_above = branch == RowBranch::above_floor;
  const bool floored = !is_above && s.row_yield[row] < model_.row_floor[row];
  const double yield = floored ? model_.row_floor[row] : s.row_yield[row];
  const double histogram = is_above ? yield - model_.row_floor[row] : yield;
  if (!operands_.empty()) multiply_operands();
  for (std::size_t i = 0; i < operands_.size(); ++i) {
    add_operand(operands_[i], histogram * (before_[i] * after_[i]));
  }
  if (!floored && branch != RowBranch::factors) add_entries(row, s.row_factor[row]);
  flush(jacobian);
}

void RowGradients::flush(YieldJacobian& jacobian) {
  const auto by_parameter = [](const SparseEntry& a, const SparseEntry& b) {
    return a.index < b.index;
  };
  std::sort(local_.begin(), local_.end(), by_parameter);
  auto local = local_.cbegin();
  const auto push = [&](std::size_t parameter, double value) {
    jacobian.parameters.push_back(static_cast<std::int64_t>(parameter));
    jacobian.derivatives.push_back(value);
  };
  const auto push_locals_below = [&](std::size_t parameter) {
    for (; local != local_.cend() && local->index < parameter; ++local) {
      push(local->index, local->value);
    }
  };
  std::sort(touched_.begin(), touched_.end());
  for (const std::uint32_t i : touched_) {
    push_locals_below(model_.arrow.dense_parameters[i]);
    push(model_.arrow.dense_parameters[i], dense_[i]);
    dense_[i] = 0.0;
    is_touched_[i] = 0;
  }
  touched_.clear();
  push_locals_below(model_.names.size());
  local_.clear();
  jacobian.offsets.push_back(static_cast<std::int64_t>(jacobian.parameters.size()));
}

}  // namespace detail

YieldJacobian Model::jacobian_by_sample(const double* x) const {
  detail::RowGradients gradients(*compiled_);
  gradients.set(x);
  YieldJacobian jacobian;
  jacobian.offsets.reserve(n_rows() + 1);
  jacobian.offsets.push_back(0);
  for (const std::size_t row : detail::rows_by_position(*compiled_)) {
    gradients.append(row, jacobian);
  }
  return jacobian;
}

}  // namespace nablafit
