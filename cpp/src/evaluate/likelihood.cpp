#include "nablafit/likelihood.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "ad/derivatives.hpp"
#include "compile/compiled_model.hpp"
#include "evaluate/compiled_likelihood.hpp"
#include "evaluate/fused_evaluator.hpp"
#include "kernels/terms.hpp"
#include "nablafit/error.hpp"

namespace nablafit {
namespace detail {
namespace {

namespace derivatives = kernels::derivatives;
using Kind = ConstraintTerm::Kind;

/// Adds the term of one constrained parameter to `target`, and its constant.
class TermBuilder {
 public:
  TermBuilder(CompiledLikelihood& target, std::size_t parameter, double observed)
      : target_(target), parameter_(static_cast<std::uint32_t>(parameter)), observed_(observed) {}

  void operator()(const Unconstrained&) const {}
  void operator()(const UniformConstraint&) const {}

  void operator()(const GaussianConstraint& constraint) const {
    target_.constant += kernels::gaussian_constant(constraint.sigma);
    if (constraint.observable_range) {
      check(observed_ >= constraint.observable_range->lower &&
                observed_ <= constraint.observable_range->upper,
            "inside its range");
      target_.others.push_back({Kind::truncated_gaussian, parameter_, observed_, constraint.sigma,
                                *constraint.observable_range});
      return;
    }
    target_.gaussians.parameter.push_back(parameter_);
    target_.gaussians.observed.push_back(observed_);
    target_.gaussians.sigma.push_back(constraint.sigma);
  }

  void operator()(const PoissonConstraint& constraint) const {
    check(observed_ >= 0.0, "not negative (Poisson constraint)");
    target_.constant += kernels::poisson_constant(observed_);
    target_.others.push_back({Kind::poisson, parameter_, observed_, constraint.tau, {}});
  }

  void operator()(const GammaConstraint& constraint) const {
    check(observed_ >= 0.0, "not negative (Gamma constraint)");
    target_.constant += kernels::gamma_constant(observed_, constraint.scale);
    target_.others.push_back({Kind::gamma, parameter_, observed_, constraint.scale, {}});
  }

  void operator()(const LogNormalConstraint& constraint) const {
    check(observed_ > 0.0, "positive (LogNormal constraint)");
    const double log_kappa = std::log(constraint.kappa);
    target_.constant += kernels::lognormal_constant(observed_, log_kappa);
    target_.others.push_back({Kind::lognormal, parameter_, observed_, log_kappa, {}});
  }

 private:
  void check(bool good, const char* expected) const {
    if (good) return;
    throw ArgumentError("the global observable is " + std::to_string(observed_) +
                            ", expected a value that is " + expected,
                        target_.model.parameter_names()[parameter_]);
  }

  CompiledLikelihood& target_;
  std::uint32_t parameter_;
  double observed_;
};

void check_length(const char* what, std::size_t found, std::size_t expected) {
  if (found == expected) return;
  throw ArgumentError(std::string("data has ") + std::to_string(found) + " " + what +
                      ", the model " + std::to_string(expected));
}

void check_data(const Model& model, const Data& data) {
  check_length("counts", data.counts.size(), model.n_bins());
  check_length("global observables", data.global_observables.size(),
               model.constrained_parameters().size());
  for (std::size_t b = 0; b < data.counts.size(); ++b) {
    if (data.counts[b] >= 0.0 && std::isfinite(data.counts[b])) continue;
    throw ArgumentError("the observed count is " + std::to_string(data.counts[b]) +
                            ", expected a finite number that is not negative",
                        "counts[" + std::to_string(b) + "]");
  }
  for (std::size_t i = 0; i < data.global_observables.size(); ++i) {
    if (std::isfinite(data.global_observables[i])) continue;
    throw ArgumentError("the global observable is not finite",
                        model.parameter_names()[model.constrained_parameters()[i]]);
  }
}

}  // namespace

void compile_data(CompiledLikelihood& likelihood) {
  const Model& model = likelihood.model;
  const Data& data = likelihood.data;
  check_data(model, data);
  likelihood.constant = 0.0;
  likelihood.gaussians.parameter.clear();
  likelihood.gaussians.observed.clear();
  likelihood.gaussians.sigma.clear();
  likelihood.others.clear();
  for (const double count : data.counts) likelihood.constant += kernels::poisson_constant(count);
  for (std::size_t i = 0; i < model.constrained_parameters().size(); ++i) {
    const std::size_t parameter = model.constrained_parameters()[i];
    std::visit(TermBuilder(likelihood, parameter, data.global_observables[i]),
               model.compiled().constraints[parameter]);
  }
}

double stored_observable(const Constraint& constraint) {
  Parameter parameter;
  parameter.constraint = constraint;
  return *observed_value(parameter);  // NOLINT(bugprone-unchecked-optional-access): has a term
}

double deviance(const ConstraintTerm& term, double x) {
  switch (term.kind) {
    case Kind::poisson:
      return kernels::poisson_deviance(term.observed, x * term.width);
    case Kind::gamma:
      return kernels::gamma_deviance(term.observed, x, term.width);
    case Kind::lognormal:
      return kernels::lognormal_deviance(term.observed, x, term.width);
    case Kind::truncated_gaussian:
      break;
  }
  return kernels::truncated_gaussian_deviance(term.observed, x, term.width, term.range.lower,
                                              term.range.upper);
}

double deviance_first(const ConstraintTerm& term, double x) {
  switch (term.kind) {
    case Kind::poisson:
      return term.width * derivatives::poisson_deviance_first(term.observed, x * term.width);
    case Kind::gamma:
      return derivatives::gamma_deviance_first(term.observed, x, term.width);
    case Kind::lognormal:
      return derivatives::lognormal_deviance_first(term.observed, x, term.width);
    case Kind::truncated_gaussian:
      break;
  }
  return derivatives::truncated_gaussian_deviance_first(term.observed, x, term.width,
                                                        term.range.lower, term.range.upper);
}

double deviance_second(const ConstraintTerm& term, double x) {
  switch (term.kind) {
    case Kind::poisson:
      return term.width * term.width *
             derivatives::poisson_deviance_second(term.observed, x * term.width);
    case Kind::gamma:
      return derivatives::gamma_deviance_second(term.observed, x, term.width);
    case Kind::lognormal:
      return derivatives::lognormal_deviance_second(term.observed, x, term.width);
    case Kind::truncated_gaussian:
      break;
  }
  return derivatives::truncated_gaussian_deviance_second(term.observed, x, term.width,
                                                         term.range.lower, term.range.upper);
}

bool in_support(const ConstraintTerm& term, double x) noexcept {
  switch (term.kind) {
    case Kind::poisson:
      return kernels::is_possible(term.observed, x * term.width);
    case Kind::gamma:
      return kernels::is_possible(term.observed, x / term.width);
    case Kind::lognormal:
      return x > 0.0;
    case Kind::truncated_gaussian:
      break;
  }
  return true;
}

}  // namespace detail

std::string_view to_string(EvaluationStatus status) noexcept {
  switch (status) {
    case EvaluationStatus::ok:
      return "ok";
    case EvaluationStatus::negative_yield:
      return "negative yield";
    case EvaluationStatus::not_finite:
      return "yield not finite";
    case EvaluationStatus::outside_support:
      return "outside the support of a constraint";
    case EvaluationStatus::overflow:
      return "overflow";
    case EvaluationStatus::invalid_parameter:
      break;
  }
  return "invalid parameter";
}

Likelihood::Likelihood(Model model, Data data) {
  auto compiled = std::make_shared<detail::CompiledLikelihood>(std::move(model), std::move(data));
  detail::compile_data(*compiled);
  compiled_ = std::move(compiled);
}

Likelihood::Likelihood(std::shared_ptr<const detail::CompiledLikelihood> compiled) noexcept
    : compiled_(std::move(compiled)) {}

const Model& Likelihood::model() const noexcept { return compiled_->model; }
const Data& Likelihood::data() const noexcept { return compiled_->data; }
double Likelihood::constant() const noexcept { return compiled_->constant; }

void Likelihood::deviances(const double* x, double* bins, double* constraints) const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  model().expected(x, bins);
  for (std::size_t b = 0; b < model().n_bins(); ++b) {
    const double count = data().counts[b];
    const bool defined = kernels::is_possible(count, bins[b]) && std::isfinite(bins[b]);
    bins[b] = defined ? kernels::poisson_deviance(count, bins[b]) : infinity;
  }
  const std::vector<std::size_t>& constrained = model().constrained_parameters();
  const auto place = [&](std::size_t parameter) -> double& {
    const auto found = std::lower_bound(constrained.begin(), constrained.end(), parameter);
    return constraints[found - constrained.begin()];
  };
  std::fill_n(constraints, constrained.size(), 0.0);
  const detail::GaussianTerms& gaussians = compiled_->gaussians;
  for (std::size_t i = 0; i < gaussians.parameter.size(); ++i) {
    const std::uint32_t p = gaussians.parameter[i];
    place(p) = kernels::gaussian_deviance(gaussians.observed[i], x[p], gaussians.sigma[i]);
  }
  for (const detail::ConstraintTerm& term : compiled_->others) {
    const double value = x[term.parameter];
    place(term.parameter) =
        detail::in_support(term, value) ? detail::deviance(term, value) : infinity;
  }
}

}  // namespace nablafit
