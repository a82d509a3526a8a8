// First and mixed derivatives of one likelihood at one point.
#include <string>

#include "fused_evaluator.hpp"
#include "input_derivatives.hpp"
#include "nablafit/differentiate.hpp"
#include "nablafit/error.hpp"

namespace nablafit {
namespace {

void require_length(const char* name, Span<const double> values, std::size_t size) {
  if (values.size() == size) return;
  throw ArgumentError(
      "expected " + std::to_string(size) + " values, got " + std::to_string(values.size()), name);
}

void require_likelihood(const Likelihood& likelihood, Span<const double> x) {
  require_length("x", x, likelihood.model().n_parameters());
  detail::FusedEvaluator evaluator(likelihood);
  const Evaluation evaluation = evaluator.value(x.data());
  if (evaluation.status == EvaluationStatus::ok) return;
  throw ArgumentError("there is no likelihood at this point, and no derivative: " +
                          std::string(to_string(evaluation.status)),
                      "x");
}

/// Yields do not depend on data: any will do.
Likelihood without_events(const Model& model, Span<const double> x) {
  require_length("x", x, model.n_parameters());
  Data data{std::vector<double>(model.n_bins(), 0.0), {}};
  for (const std::size_t p : model.constrained_parameters()) {
    data.global_observables.push_back(detail::stored_observable(model.compiled().constraints[p]));
  }
  return {model, std::move(data)};
}

}  // namespace

FullGradient full_gradient(const Likelihood& likelihood, Span<const double> x, bool deviance) {
  require_likelihood(likelihood, x);
  detail::InputDerivatives derivatives(likelihood);
  FullGradient gradient = derivatives.gradient(x.data());
  if (deviance) gradient.add(-1.0, derivatives.constant());
  return gradient;
}

FullGradient mixed_product(const Likelihood& likelihood, Span<const double> x,
                           Span<const double> v) {
  require_likelihood(likelihood, x);
  require_length("v", v, x.size());
  return detail::InputDerivatives(likelihood).mixed(x.data(), v.data());
}

std::vector<double> gradient_tangent(const Likelihood& likelihood, Span<const double> x,
                                     const FullTangent& tangent) {
  require_likelihood(likelihood, x);
  return detail::InputDerivatives(likelihood).tangent_of_gradient(x.data(), tangent);
}

FullGradient yields_gradient(const Model& model, Span<const double> x, Span<const double> weights) {
  require_length("weights", weights, model.n_bins());
  return detail::InputDerivatives(without_events(model, x)).yields(x.data(), weights.data());
}

std::vector<double> yields_tangent(const Model& model, Span<const double> x,
                                   const FullTangent& tangent) {
  return detail::InputDerivatives(without_events(model, x)).tangent_of_yields(x.data(), tangent);
}

}  // namespace nablafit
