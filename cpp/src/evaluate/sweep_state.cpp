#include "evaluate/sweep_state.hpp"

#include <algorithm>
#include <utility>

#include "ad/derivatives.hpp"
#include "kernels/transforms.hpp"

namespace nablafit::detail {

namespace derivatives = kernels::derivatives;

double transformed_value(const TransformedParameter& argument, double x) noexcept {
  switch (argument.kind) {
    case TransformationKind::gamma:
      return kernels::gamma_transformation(x, argument.relative);
    case TransformationKind::lognormal:
      return kernels::lognormal_transformation(x, argument.log_kappa, argument.relative);
    case TransformationKind::identity:
      break;
  }
  return x;
}

double transformed_first(const TransformedParameter& argument, double x) noexcept {
  switch (argument.kind) {
    case TransformationKind::gamma:
      return derivatives::gamma_transformation_first(x, argument.relative);
    case TransformationKind::lognormal:
      return derivatives::lognormal_transformation_first(x, argument.log_kappa, argument.relative);
    case TransformationKind::identity:
      break;
  }
  return 1.0;
}

double transformed_second(const TransformedParameter& argument, double x) noexcept {
  if (argument.kind != TransformationKind::lognormal) return 0.0;
  return derivatives::lognormal_transformation_second(x, argument.log_kappa, argument.relative);
}

SweepState::SweepState(const CompiledModel& model)
    : model_(&model), functions_(&sweep_functions()) {
  allocate(memory_, scratch_);
  scratch_.operand[model.one_operand] = 1.0;
  std::size_t n_arguments = 0, n_slopes = 0;
  for (const DerivedFactor& factor : model.derived_factors) {
    n_arguments = std::max(n_arguments, factor.parameters.size());
    n_slopes += factor.formula.n_values() * factor.parameters.size();
  }
  arguments_.resize(n_arguments);
  derived_slopes_.resize(n_slopes);
  if (n_partitions() > 1) parts_.resize(n_partitions());
}

void SweepState::allocate(AlignedVector<double>& memory, SweepScratch& s) {
  const CompiledModel& model = *model_;
  constexpr std::size_t lanes = n_lanes;
  const std::size_t n_transformed = model.transformed.size();
  const std::size_t n_interpolants = model.interpolant_argument.size();
  const std::size_t n_factors = lanes * model.factor_interpolant.size();
  const std::size_t n_rows = lanes * model.row_blocks.size();
  const std::size_t n_bins = model.n_bins;
  const std::pair<double**, std::size_t> parts[] = {
      {&s.transformed, n_transformed},
      {&s.transformed_gradient, n_transformed},
      {&s.alpha, n_interpolants},
      {&s.shape, n_interpolants},
      {&s.shape_slope, n_interpolants},
      {&s.interpolant_adjoint, lanes * n_interpolants},
      {&s.factor_value, n_factors},
      {&s.factor_slope, n_factors},
      {&s.factor_prefix, n_factors},
      {&s.scope_inside, lanes * model.scope_blocks.size()},
      {&s.operand, model.n_operands},
      {&s.operand_adjoint, model.n_operands},
      {&s.row_yield, n_rows},
      {&s.row_factor, n_rows},
      {&s.lambda, n_bins},
      {&s.weight, n_bins}};
  const auto whole_lanes = [](std::size_t size) { return (size + lanes - 1) / lanes * lanes; };
  std::size_t total = 0;
  for (const auto& part : parts) total += whole_lanes(part.second);
  memory.assign(total, 0.0);
  double* next = memory.data();
  for (const auto& [pointer, size] : parts) {
    *pointer = next;
    next += whole_lanes(size);
  }
}

void SweepState::set_parameters(const double* x, bool with_gradient) {
  const CompiledModel& model = *model_;
  SweepScratch& s = scratch_;
  s.tangent = nullptr;
  for (std::size_t i = 0; i < model.transformed.size(); ++i) {
    s.transformed[i] = transformed_value(model.transformed[i], x[model.transformed[i].parameter]);
  }
  functions_->set_interpolants(model.sweep, s, with_gradient);
  set_factors(x, with_gradient);
  functions_->forward_scopes(model.sweep, s);
  if (with_gradient) std::fill_n(s.operand_adjoint, model.n_operands, 0.0);
}

void SweepState::set_factors(const double* x, bool with_gradient) {
  std::copy_n(x, model_->names.size(), scratch_.operand + model_->parameter_operand);
  set_additive_factors();
  set_derived_factors(with_gradient);
}

const double* SweepState::arguments(const DerivedFactor& factor) {
  const double* x = scratch_.operand + model_->parameter_operand;
  for (std::size_t i = 0; i < factor.parameters.size(); ++i) {
    arguments_[i] = x[factor.parameters[i]];
  }
  return arguments_.data();
}

SweepScratch SweepState::begin_partition(std::size_t partition) {
  if (partition == 0) return scratch_;
  Part& part = parts_[partition];
  const std::size_t n_adjoints = n_lanes * model_->interpolant_argument.size() + model_->n_operands;
  const auto with_own_adjoints = [&](SweepScratch scratch, AlignedVector<double>& adjoints) {
    adjoints.assign(n_adjoints, 0.0);
    scratch.interpolant_adjoint = adjoints.data();
    scratch.operand_adjoint = adjoints.data() + n_lanes * model_->interpolant_argument.size();
    return scratch;
  };
  SweepScratch scratch = with_own_adjoints(scratch_, part.adjoints);
  if (scratch_.tangent != nullptr) {
    part.tangent = with_own_adjoints(tangent_, part.tangent_adjoints);
    scratch.tangent = &part.tangent;
  }
  return scratch;
}

void SweepState::merge_partitions() {
  const std::size_t n_interpolants = n_lanes * model_->interpolant_argument.size();
  const auto add = [&](const AlignedVector<double>& adjoints, SweepScratch& sum) {
    for (std::size_t i = 0; i < n_interpolants; ++i) sum.interpolant_adjoint[i] += adjoints[i];
    for (std::size_t i = 0; i < model_->n_operands; ++i) {
      sum.operand_adjoint[i] += adjoints[n_interpolants + i];
    }
  };
  for (std::size_t partition = 1; partition < n_partitions(); ++partition) {
    add(parts_[partition].adjoints, scratch_);
    if (scratch_.tangent != nullptr) add(parts_[partition].tangent_adjoints, tangent_);
  }
}

void SweepState::set_additive_factors() {
  const SweepScratch& s = scratch_;
  for (const AdditiveFactor& factor : model_->additive_factors) {
    double value = 1.0;
    for (std::size_t i = 0; i < factor.interpolants.size(); ++i) {
      const std::uint32_t t = factor.interpolants[i];
      value += s.alpha[t] * factor.symmetric[i] + s.shape[t] * factor.asymmetric[i];
    }
    s.operand[factor.operand] = value;
  }
}

void SweepState::set_derived_factors(bool with_gradient) {
  double* slopes = derived_slopes_.data();
  for (const DerivedFactor& factor : model_->derived_factors) {
    double* values = scratch_.operand + factor.operand;
    if (with_gradient) {
      factor.formula.differentiate(arguments(factor), formulas_, values, slopes);
      slopes += factor.formula.n_values() * factor.parameters.size();
    } else {
      factor.formula.evaluate(arguments(factor), formulas_, values);
    }
  }
}

void SweepState::forward_rows() {
  for (const Chunk& chunk : model_->chunks)
    functions_->forward_rows(model_->sweep, scratch_, chunk);
}

void SweepState::backward_additive_factors() {
  const SweepScratch& s = scratch_;
  for (const AdditiveFactor& factor : model_->additive_factors) {
    const double adjoint = s.operand_adjoint[factor.operand];
    for (std::size_t i = 0; i < factor.interpolants.size(); ++i) {
      const std::uint32_t t = factor.interpolants[i];
      s.transformed_gradient[model_->interpolant_argument[t]] +=
          adjoint * (factor.symmetric[i] + s.shape_slope[t] * factor.asymmetric[i]);
    }
  }
}

void SweepState::backward_derived_factors(double* gradient) {
  const double* slopes = derived_slopes_.data();
  for (const DerivedFactor& factor : model_->derived_factors) {
    const double* adjoints = scratch_.operand_adjoint + factor.operand;
    for (std::size_t bin = 0; bin < factor.formula.n_values(); ++bin) {
      for (const std::size_t parameter : factor.parameters) {
        gradient[parameter] += adjoints[bin] * *slopes++;
      }
    }
  }
}

void SweepState::collect_gradient(const double* x, double* gradient) {
  const CompiledModel& model = *model_;
  SweepScratch& s = scratch_;
  functions_->backward_scopes(model.sweep, s);
  std::fill_n(s.transformed_gradient, model.transformed.size(), 0.0);
  backward_additive_factors();
  functions_->collect_interpolants(model.sweep, s);
  std::copy_n(s.operand_adjoint + model.parameter_operand, model.names.size(), gradient);
  backward_derived_factors(gradient);
  for (std::size_t i = 0; i < model.transformed.size(); ++i) {
    const TransformedParameter& argument = model.transformed[i];
    const double slope = argument.kind == TransformationKind::identity
                             ? 1.0
                             : transformed_first(argument, x[argument.parameter]);
    gradient[argument.parameter] += s.transformed_gradient[i] * slope;
  }
}

}  // namespace nablafit::detail
