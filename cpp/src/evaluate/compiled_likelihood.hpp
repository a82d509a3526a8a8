/// \file
/// Data of a Likelihood in the form that evaluators use.
#ifndef NABLAFIT_SRC_EVALUATE_COMPILED_LIKELIHOOD_HPP
#define NABLAFIT_SRC_EVALUATE_COMPILED_LIKELIHOOD_HPP

#include <cstdint>
#include <vector>

#include "compile/compiled_model.hpp"
#include "nablafit/likelihood.hpp"

namespace nablafit::detail {

/// Gaussian constraint terms, the common kind, as a structure of arrays.
struct GaussianTerms {
  std::vector<std::uint32_t> parameter;
  std::vector<double> observed, sigma;
};

/// Any other constraint term.
struct ConstraintTerm {
  enum class Kind : std::uint8_t { poisson, gamma, lognormal, truncated_gaussian } kind;
  std::uint32_t parameter;
  double observed;
  double width;  ///< tau, scale, log kappa or sigma
  Range range;   ///< of truncated_gaussian
};

struct CompiledLikelihood {
  CompiledLikelihood(Model model_in, Data data_in)
      : model(std::move(model_in)), data(std::move(data_in)) {}

  Model model;
  Data data;
  double constant = 0.0;
  GaussianTerms gaussians;
  std::vector<ConstraintTerm> others;
  /// Per bin: whether its events are not data, but keep the yield away from zero. Empty: none is.
  std::vector<char> is_barrier;
};

/// Computes constant and terms from `model` and `data`, in place: calls after the first allocate
/// nothing. Throws ArgumentError as Likelihood's constructor does.
void compile_data(CompiledLikelihood& likelihood);

/// Value of the global observable that is stored with a constraint term.
double stored_observable(const Constraint& constraint);

/// One per entry of Model::constrained_parameters(), in that order.
inline std::vector<double> stored_observables(const Model& model) {
  std::vector<double> values;
  values.reserve(model.constrained_parameters().size());
  for (const std::size_t p : model.constrained_parameters()) {
    values.push_back(stored_observable(model.compiled().constraints[p]));
  }
  return values;
}

/// Deviance of a term and its derivatives with respect to the parameter.
double deviance(const ConstraintTerm& term, double x);
double deviance_first(const ConstraintTerm& term, double x);
double deviance_second(const ConstraintTerm& term, double x);

/// True where the term's density is not zero.
bool in_support(const ConstraintTerm& term, double x) noexcept;

}  // namespace nablafit::detail

#endif  // NABLAFIT_SRC_EVALUATE_COMPILED_LIKELIHOOD_HPP
