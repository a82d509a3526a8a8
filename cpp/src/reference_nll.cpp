#include "reference_nll.hpp"

#include <cmath>

namespace nablafit::detail {

namespace {

/// True if events can be observed with this expectation: a Poisson mean.
bool is_poisson_mean(double mean, double observed) {
  return (mean > 0.0 && std::isfinite(mean)) || (mean == 0.0 && observed == 0.0);
}

bool is_in_support(const Parameter& parameter, double observed, double x) {
  if (const auto* c = std::get_if<PoissonConstraint>(&parameter.constraint)) {
    return is_poisson_mean(c->tau * x, observed);
  }
  if (const auto* c = std::get_if<GammaConstraint>(&parameter.constraint)) {
    return is_poisson_mean(x / c->scale, observed);
  }
  if (std::holds_alternative<LogNormalConstraint>(parameter.constraint)) return x > 0.0;
  return true;
}

}  // namespace

Offence find_offence(const ReferenceModel& model, const Data& data, const double* x) {
  Offence offence;
  for (std::size_t i = 0; i < model.n_parameters(); ++i) {
    if (!std::isfinite(x[i])) offence.indices.push_back(i);
  }
  if (!offence.indices.empty()) {
    offence.status = EvaluationStatus::invalid_parameter;
    return offence;
  }
  std::vector<double> yields(model.n_bins());
  reference_expected(model, x, yields.data());
  for (std::size_t bin = 0; bin < yields.size(); ++bin) {
    if (!is_poisson_mean(yields[bin], data.counts[bin])) offence.indices.push_back(bin);
  }
  if (!offence.indices.empty()) {
    offence.status = EvaluationStatus::negative_yield;
    return offence;
  }
  for (std::size_t i = 0; i < model.constrained().size(); ++i) {
    const std::size_t index = model.constrained()[i];
    if (!is_in_support(model.spec().parameters[index], data.global_observables[i], x[index])) {
      offence.indices.push_back(index);
    }
  }
  if (!offence.indices.empty()) offence.status = EvaluationStatus::outside_support;
  return offence;
}

}  // namespace nablafit::detail
