#include "reference/nll.hpp"

#include <cmath>

namespace nablafit::detail {

namespace {

bool is_in_support(const Parameter& parameter, double observed, double x) {
  if (const auto* c = std::get_if<PoissonConstraint>(&parameter.constraint)) {
    return kernels::is_possible(observed, c->tau * x);
  }
  if (const auto* c = std::get_if<GammaConstraint>(&parameter.constraint)) {
    return kernels::is_possible(observed, x / c->scale);
  }
  if (std::holds_alternative<LogNormalConstraint>(parameter.constraint)) return x > 0.0;
  return true;
}

Offence invalid_parameters(const ReferenceModel& model, const double* x) {
  Offence offence;
  for (std::size_t i = 0; i < model.n_parameters(); ++i) {
    if (!std::isfinite(x[i])) offence.indices.push_back(i);
  }
  if (!offence.indices.empty()) offence.status = EvaluationStatus::invalid_parameter;
  return offence;
}

Offence parameters_outside_support(const ReferenceModel& model, const Data& data, const double* x) {
  Offence offence;
  for (std::size_t i = 0; i < model.constrained().size(); ++i) {
    const std::size_t index = model.constrained()[i];
    if (!is_in_support(model.spec().parameters[index], data.global_observables[i], x[index])) {
      offence.indices.push_back(index);
    }
  }
  if (!offence.indices.empty()) offence.status = EvaluationStatus::outside_support;
  return offence;
}

Offence forbidden_yields(const ReferenceModel& model, const Data& data, const double* x) {
  Offence offence;
  std::vector<double> yields(model.n_bins());
  reference_expected(model, x, yields.data());
  bool all_finite = true;
  for (std::size_t bin = 0; bin < yields.size(); ++bin) {
    const bool is_finite = std::isfinite(yields[bin]);
    all_finite = all_finite && is_finite;
    if (!is_finite || !kernels::is_possible(data.counts[bin], yields[bin]))
      offence.indices.push_back(bin);
  }
  if (!offence.indices.empty()) offence.status = EvaluationStatus::negative_yield;
  if (!all_finite) offence.status = EvaluationStatus::not_finite;
  return offence;
}

}  // namespace

Offence find_offence(const ReferenceModel& model, const Data& data, const double* x) {
  Offence offence = invalid_parameters(model, x);
  if (offence.indices.empty()) offence = parameters_outside_support(model, data, x);
  if (offence.indices.empty()) offence = forbidden_yields(model, data, x);
  return offence;
}

}  // namespace nablafit::detail
