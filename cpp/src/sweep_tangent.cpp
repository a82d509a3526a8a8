// The part of SweepState that works on dual numbers: Hessian-vector products.
#include <algorithm>

#include "sweep_state.hpp"

namespace nablafit::detail {

void SweepState::set_parameters_along(const double* x, const double* v) {
  const CompiledModel& model = *model_;
  if (tangent_memory_.empty()) allocate(tangent_memory_, tangent_);
  scratch_.tangent = &tangent_;
  for (std::size_t i = 0; i < model.pulls.size(); ++i) {
    const PullArgument& pull = model.pulls[i];
    scratch_.pull[i] = pull_value(pull, x[pull.parameter]);
    tangent_.pull[i] = pull_first(pull, x[pull.parameter]) * v[pull.parameter];
  }
  functions_->set_terms(model.sweep, scratch_, true);
  set_factors(x);
  std::copy_n(v, model.names.size(), tangent_.multiplier + model.parameter_multiplier);
  set_tangents_of_factors();
  functions_->forward_scopes(model.sweep, scratch_);
  std::fill_n(scratch_.multiplier_adjoint, model.n_multipliers, 0.0);
  std::fill_n(tangent_.multiplier_adjoint, model.n_multipliers, 0.0);
}

void SweepState::set_tangents_of_factors() {
  const SweepScratch& d = tangent_;
  for (const AdditiveFactor& factor : model_->additive_factors) {
    double tangent = 0.0;
    for (std::size_t i = 0; i < factor.terms.size(); ++i) {
      const std::uint32_t t = factor.terms[i];
      tangent += d.alpha[t] * factor.symmetric[i] + d.shape[t] * factor.asymmetric[i];
    }
    d.multiplier[factor.multiplier] = tangent;
  }
  const double* v = d.multiplier + model_->parameter_multiplier;
  for (const DerivedFactor& factor : model_->derived_factors) {
    load_arguments(factor);
    factor.formula.derivatives(arguments_.data(), slopes_.data(), nullptr);
    double tangent = 0.0;
    for (std::size_t i = 0; i < factor.parameters.size(); ++i) {
      tangent += slopes_[i] * v[factor.parameters[i]];
    }
    d.multiplier[factor.multiplier] = tangent;
  }
}

void SweepState::backward_tangents_of_additive_factors() {
  const SweepScratch &s = scratch_, &d = tangent_;
  for (const AdditiveFactor& factor : model_->additive_factors) {
    const double adjoint = s.multiplier_adjoint[factor.multiplier];
    const double tangent = d.multiplier_adjoint[factor.multiplier];
    for (std::size_t i = 0; i < factor.terms.size(); ++i) {
      const std::uint32_t t = factor.terms[i];
      const double slope = factor.symmetric[i] + s.shape_slope[t] * factor.asymmetric[i];
      d.pull_gradient[model_->term_pull[t]] +=
          tangent * slope + adjoint * d.shape_slope[t] * factor.asymmetric[i];
    }
  }
}

void SweepState::backward_tangents_of_derived_factors(double* product) {
  const double* v = tangent_.multiplier + model_->parameter_multiplier;
  for (const DerivedFactor& factor : model_->derived_factors) {
    const std::size_t n = factor.parameters.size();
    load_arguments(factor);
    curvatures_.resize(n * n);
    factor.formula.derivatives(arguments_.data(), slopes_.data(), curvatures_.data());
    const double adjoint = scratch_.multiplier_adjoint[factor.multiplier];
    const double tangent = tangent_.multiplier_adjoint[factor.multiplier];
    for (std::size_t i = 0; i < n; ++i) {
      double sum = tangent * slopes_[i];
      for (std::size_t j = 0; j < n; ++j) {
        sum += adjoint * curvatures_[i * n + j] * v[factor.parameters[j]];
      }
      product[factor.parameters[i]] += sum;
    }
  }
}

void SweepState::collect_product(const double* x, const double* v, double* product) {
  const CompiledModel& model = *model_;
  functions_->backward_scopes(model.sweep, scratch_);
  std::fill_n(scratch_.pull_gradient, model.pulls.size(), 0.0);
  std::fill_n(tangent_.pull_gradient, model.pulls.size(), 0.0);
  backward_additive_factors();
  backward_tangents_of_additive_factors();
  functions_->collect_terms(model.sweep, scratch_);
  std::copy_n(tangent_.multiplier_adjoint + model.parameter_multiplier, model.names.size(),
              product);
  backward_tangents_of_derived_factors(product);
  for (std::size_t i = 0; i < model.pulls.size(); ++i) {
    const PullArgument& pull = model.pulls[i];
    const std::uint32_t p = pull.parameter;
    product[p] += tangent_.pull_gradient[i] * pull_first(pull, x[p]) +
                  scratch_.pull_gradient[i] * pull_second(pull, x[p]) * v[p];
  }
}

}  // namespace nablafit::detail
