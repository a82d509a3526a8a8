#include "evaluate/first_derivatives.hpp"

#include <algorithm>

#include "ad/derivatives.hpp"

namespace nablafit::detail {

namespace {

constexpr std::size_t lanes = n_lanes;

/// `data`: of one factor, lanes apart (see SweepModel::factor_data).
double factor_second(std::uint8_t code, double alpha, const double* data) {
  namespace derivatives = kernels::derivatives;
  const auto at = [data](std::size_t slot) { return data[slot * lanes]; };
  switch (static_cast<Interpolation>(code)) {
    case Interpolation::polynomial_linear_multiplicative:
      return derivatives::factor_polynomial_linear_second(alpha, at(0), at(1));
    case Interpolation::polynomial_exponential:
      return derivatives::factor_polynomial_exponential_second(alpha, at(0), at(1), at(2), at(3),
                                                               at(4), at(5), at(6), at(7));
    default:
      return derivatives::factor_exponential_second(alpha, at(0), at(1));
  }
}

bool acts_on_lane(const double* factor_data, std::size_t lane) {
  for (std::size_t slot = 0; slot < 8; ++slot) {
    if (factor_data[slot * lanes + lane] != 0.0) return true;
  }
  return false;
}

}  // namespace

// --- products ------------------------------------------------------------------------------------

ProductOfOthers::ProductOfOthers(const std::vector<ScopeElement>& elements) {
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (elements[i].value != 0.0) {
      nonzero_ *= elements[i].value;
    } else {
      if (n_zeros_ < 2) zeros_[n_zeros_] = i;
      ++n_zeros_;
    }
  }
}

double ProductOfOthers::without(std::size_t i, double value) const {
  if (n_zeros_ == 0) return nonzero_ / value;
  return n_zeros_ == 1 && zeros_[0] == i ? nonzero_ : 0.0;
}

double ProductOfOthers::without(std::size_t i, double value_i, std::size_t j,
                                double value_j) const {
  if (n_zeros_ == 0) return nonzero_ / value_i / value_j;
  if (n_zeros_ == 2) return zeros_[0] == i && zeros_[1] == j ? nonzero_ : 0.0;
  if (n_zeros_ > 2) return 0.0;
  if (zeros_[0] == i) return nonzero_ / value_j;
  return zeros_[0] == j ? nonzero_ / value_i : 0.0;
}

// --- structure -----------------------------------------------------------------------------------

FirstDerivatives::FirstDerivatives(const CompiledModel& compiled)
    : model(&compiled), n_dense(compiled.arrow.n_dense()) {
  kind.assign(model->n_operands, OperandKind::derived);
  arrow_row.assign(model->n_operands, 0);
  std::fill_n(kind.begin(), model->parameter_operand, OperandKind::scope);
  kind[model->one_operand] = OperandKind::one;
  for (std::size_t p = 0; p < model->names.size(); ++p) {
    const bool dense = model->arrow_row[p] < n_dense;
    kind[model->parameter_operand + p] = dense ? OperandKind::dense : OperandKind::local;
    arrow_row[model->parameter_operand + p] =
        dense ? model->arrow_row[p] : model->arrow_row[p] - static_cast<std::uint32_t>(n_dense);
  }
  for (const std::uint32_t argument : model->interpolant_argument) {
    interpolant_row.push_back(model->arrow_row[model->transformed[argument].parameter]);
  }
  set_scope_factors();
  interpolant_slope.resize(interpolant_row.size());
  interpolant_scale.resize(interpolant_row.size());
  gradient_begin.resize(model->n_operands);
  gradient_end.resize(model->n_operands);
}

void FirstDerivatives::set_scope_factors() {
  scope_factors_.resize(model->parameter_operand);
  for (std::size_t b = 0; b < model->scope_blocks.size(); ++b) {
    const ScopeBlock& block = model->scope_blocks[b];
    for (std::uint32_t f = block.factor_begin; f < block.factor_end; ++f) {
      for (std::size_t l = 0; l < lanes; ++l) {
        if (acts_on_lane(model->factor_data.data() + 8 * lanes * f, l)) {
          scope_factors_[b * lanes + l].push_back(f);
        }
      }
    }
  }
}

// --- derivatives at a point ----------------------------------------------------------------------

void FirstDerivatives::set(const double* x, const SweepState& state, const ScopeVisitor& visit) {
  gradients.clear();
  set_interpolants(x, state);
  set_parameters();
  set_derived(state);
  set_scopes(state, visit);
}

void FirstDerivatives::set_interpolants(const double* x, const SweepState& state) {
  for (std::size_t t = 0; t < interpolant_row.size(); ++t) {
    const TransformedParameter& argument = model->transformed[model->interpolant_argument[t]];
    interpolant_scale[t] = transformed_first(argument, x[argument.parameter]);
    const bool additive = t < model->n_additive_interpolants;
    interpolant_slope[t] = additive ? state.scratch().shape_slope[t] * interpolant_scale[t] : 0.0;
  }
}

void FirstDerivatives::set_parameters() {
  for (std::uint32_t i = 0; i < model->n_operands; ++i) {
    gradient_begin[i] = gradient_end[i] = static_cast<std::uint32_t>(gradients.size());
    if (kind[i] != OperandKind::dense) continue;
    gradients.push_back({arrow_row[i], 1.0});
    gradient_end[i] = static_cast<std::uint32_t>(gradients.size());
  }
}

void FirstDerivatives::set_derived(const SweepState& state) {
  const double* slopes = state.derived_slopes().data();
  for (const DerivedFactor& factor : model->derived_factors) {
    for (std::uint32_t bin = 0; bin < factor.formula.n_values(); ++bin) {
      const std::uint32_t operand = factor.operand + bin;
      gradient_begin[operand] = static_cast<std::uint32_t>(gradients.size());
      for (const std::size_t parameter : factor.parameters) {
        gradients.push_back({model->arrow_row[parameter], *slopes++});
      }
      gradient_end[operand] = static_cast<std::uint32_t>(gradients.size());
    }
  }
  for (const AdditiveFactor& factor : model->additive_factors) set_additive(factor);
}

void FirstDerivatives::set_additive(const AdditiveFactor& factor) {
  gradient_begin[factor.operand] = static_cast<std::uint32_t>(gradients.size());
  for (std::size_t i = 0; i < factor.interpolants.size(); ++i) {
    const std::uint32_t t = factor.interpolants[i];
    gradients.push_back({interpolant_row[t], interpolant_scale[t] * factor.symmetric[i] +
                                                 interpolant_slope[t] * factor.asymmetric[i]});
  }
  gradient_end[factor.operand] = static_cast<std::uint32_t>(gradients.size());
}

void FirstDerivatives::set_scopes(const SweepState& state, const ScopeVisitor& visit) {
  for (std::uint32_t scope = 0; scope < model->parameter_operand; ++scope) {
    collect_elements(state, scope);
    const ProductOfOthers product(elements_);
    gradient_begin[scope] = static_cast<std::uint32_t>(gradients.size());
    for (std::size_t i = 0; i < elements_.size(); ++i) {
      append_gradient(elements_[i], product.without(i, elements_[i].value));
    }
    gradient_end[scope] = static_cast<std::uint32_t>(gradients.size());
    if (visit) visit(scope, elements_, product);
  }
}

void FirstDerivatives::collect_elements(const SweepState& state, std::uint32_t scope) {
  const SweepScratch& s = state.scratch();
  const ScopeBlock& block = model->scope_blocks[scope / lanes];
  const std::size_t lane = scope % lanes;
  elements_.clear();
  const auto add_gathers = [&](std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t g = begin; g < end; ++g) {
      const auto i = static_cast<std::uint32_t>(model->scope_gathers[g * lanes + lane]);
      if (kind[i] == OperandKind::one) continue;
      const bool derived = kind[i] == OperandKind::derived;
      elements_.push_back({s.operand[i], 1.0, 0.0, arrow_row[i], derived ? i : no_operand});
    }
  };
  if (s.scope_inside[scope] < model->scope_floor[scope]) {
    elements_.push_back({model->scope_floor[scope], 0.0, 0.0, 0, model->one_operand});
  } else {
    for (const std::uint32_t f : scope_factors_[scope]) {
      const std::uint32_t t = model->factor_interpolant[f];
      const double second = factor_second(model->interpolant_code[t], s.alpha[t],
                                          model->factor_data.data() + 8 * lanes * f + lane);
      elements_.push_back({s.factor_value[f * lanes + lane],
                           s.factor_slope[f * lanes + lane] * interpolant_scale[t],
                           second * interpolant_scale[t] * interpolant_scale[t], interpolant_row[t],
                           no_operand});
    }
    add_gathers(block.gather_begin, block.gather_floor);
  }
  add_gathers(block.gather_floor, block.gather_end);
}

void FirstDerivatives::append_gradient(const ScopeElement& element, double others) {
  if (element.derived == no_operand) {
    gradients.push_back({element.row, others * element.first});
    return;
  }
  const std::uint32_t begin = gradient_begin[element.derived], end = gradient_end[element.derived];
  for (std::uint32_t k = begin; k < end; ++k) {
    const SparseEntry entry = gradients[k];
    gradients.push_back({entry.index, others * entry.value});
  }
}

}  // namespace nablafit::detail
