// The part of SweepState that works on dual numbers: Hessian-vector products.
#include <algorithm>

#include "evaluate/sweep_state.hpp"

namespace nablafit::detail {

void SweepState::set_parameters_along(const double* x, const double* v) {
  const CompiledModel& model = *model_;
  if (tangent_memory_.empty()) allocate(tangent_memory_, tangent_);
  scratch_.tangent = &tangent_;
  for (std::size_t i = 0; i < model.transformed.size(); ++i) {
    const TransformedParameter& argument = model.transformed[i];
    scratch_.transformed[i] = transformed_value(argument, x[argument.parameter]);
    tangent_.transformed[i] =
        transformed_first(argument, x[argument.parameter]) * v[argument.parameter];
  }
  functions_->set_interpolants(model.sweep, scratch_, true);
  set_factors(x, true);
  std::copy_n(v, model.names.size(), tangent_.operand + model.parameter_operand);
  set_tangents_of_factors();
  functions_->forward_scopes(model.sweep, scratch_);
  std::fill_n(scratch_.operand_adjoint, model.n_operands, 0.0);
  std::fill_n(tangent_.operand_adjoint, model.n_operands, 0.0);
}

void SweepState::set_tangents_of_factors() {
  const SweepScratch& d = tangent_;
  for (const AdditiveFactor& factor : model_->additive_factors) {
    double tangent = 0.0;
    for (std::size_t i = 0; i < factor.interpolants.size(); ++i) {
      const std::uint32_t t = factor.interpolants[i];
      tangent += d.alpha[t] * factor.symmetric[i] + d.shape[t] * factor.asymmetric[i];
    }
    d.operand[factor.operand] = tangent;
  }
  const double* v = d.operand + model_->parameter_operand;
  const double* slopes = derived_slopes_.data();
  for (const DerivedFactor& factor : model_->derived_factors) {
    for (std::size_t bin = 0; bin < factor.formula.n_values(); ++bin) {
      double tangent = 0.0;
      for (const std::size_t parameter : factor.parameters) tangent += *slopes++ * v[parameter];
      d.operand[factor.operand + bin] = tangent;
    }
  }
}

void SweepState::backward_tangents_of_additive_factors() {
  const SweepScratch &s = scratch_, &d = tangent_;
  for (const AdditiveFactor& factor : model_->additive_factors) {
    const double adjoint = s.operand_adjoint[factor.operand];
    const double tangent = d.operand_adjoint[factor.operand];
    for (std::size_t i = 0; i < factor.interpolants.size(); ++i) {
      const std::uint32_t t = factor.interpolants[i];
      const double slope = factor.symmetric[i] + s.shape_slope[t] * factor.asymmetric[i];
      d.transformed_gradient[model_->interpolant_argument[t]] +=
          tangent * slope + adjoint * d.shape_slope[t] * factor.asymmetric[i];
    }
  }
}

void SweepState::backward_tangents_of_derived_factors(double* product) {
  const double* x = scratch_.operand + model_->parameter_operand;
  const double* v = tangent_.operand + model_->parameter_operand;
  for (const DerivedFactor& factor : model_->derived_factors) {
    dual_arguments_.clear();
    for (const std::size_t p : factor.parameters) dual_arguments_.emplace_back(x[p], v[p]);
    dual_adjoints_.clear();
    for (std::size_t bin = 0; bin < factor.formula.n_values(); ++bin) {
      dual_adjoints_.emplace_back(scratch_.operand_adjoint[factor.operand + bin],
                                  tangent_.operand_adjoint[factor.operand + bin]);
    }
    dual_gradient_.assign(factor.parameters.size(), 0.0);
    factor.formula.pull_back(dual_arguments_.data(), tangent_formulas_, dual_adjoints_.data(),
                             dual_gradient_.data());
    for (std::size_t i = 0; i < factor.parameters.size(); ++i) {
      product[factor.parameters[i]] += dual_gradient_[i].slope;
    }
  }
}

void SweepState::collect_product(const double* x, const double* v, double* product) {
  const CompiledModel& model = *model_;
  functions_->backward_scopes(model.sweep, scratch_);
  std::fill_n(scratch_.transformed_gradient, model.transformed.size(), 0.0);
  std::fill_n(tangent_.transformed_gradient, model.transformed.size(), 0.0);
  backward_additive_factors();
  backward_tangents_of_additive_factors();
  functions_->collect_interpolants(model.sweep, scratch_);
  std::copy_n(tangent_.operand_adjoint + model.parameter_operand, model.names.size(), product);
  backward_tangents_of_derived_factors(product);
  for (std::size_t i = 0; i < model.transformed.size(); ++i) {
    const TransformedParameter& argument = model.transformed[i];
    const std::uint32_t p = argument.parameter;
    product[p] += tangent_.transformed_gradient[i] * transformed_first(argument, x[p]) +
                  scratch_.transformed_gradient[i] * transformed_second(argument, x[p]) * v[p];
  }
}

}  // namespace nablafit::detail
