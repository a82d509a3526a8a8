#include "differentiate/implicit_fit.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "minimize/likelihood_objective.hpp"
#include "nablafit/error.hpp"
#include "util/polled_run.hpp"

namespace nablafit::detail {
namespace {

constexpr int most_polishing_steps = 10;
/// Gradient, in units of 1 / conditional standard deviation, below which a minimum needs no more
/// refinement.
constexpr double polished = 1e-11;
/// A multiplier below this, in the same units, is treated as zero, and so is a distance from a
/// bound or a kink in conditional standard deviations.
constexpr double no_distance = 1e-7;
/// Directions with a curvature below this, with the Hessian scaled to unit diagonal, are named.
constexpr double weak_curvature = 1e-8;

std::string listed(const std::vector<std::size_t>& parameters, const Model& model) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(parameters.size(), 5); ++i) {
    text += (i == 0 ? "" : ", ") + model.parameter_names()[parameters[i]];
  }
  return parameters.size() > 5 ? text + ", ..." : text;
}

/// Parameters that contribute to a direction, largest contribution first.
std::vector<std::size_t> parameters_of(const ArrowDirection& direction,
                                       const std::vector<double>& widths) {
  std::vector<std::size_t> parameters;
  const auto part = [&](std::size_t p) { return std::abs(direction.vector[p]) / widths[p]; };
  double largest = 0.0;
  for (std::size_t p = 0; p < widths.size(); ++p) largest = std::max(largest, part(p));
  for (std::size_t p = 0; p < widths.size(); ++p) {
    if (part(p) > 1e-3 * largest) parameters.push_back(p);
  }
  std::sort(parameters.begin(), parameters.end(),
            [&](std::size_t a, std::size_t b) { return part(a) > part(b); });
  return parameters;
}

[[noreturn]] void refuse_kink(const std::vector<std::size_t>& parameters, const Model& model) {
  throw Error("the minimum is at a kink of the piecewise interpolation of " +
              listed(parameters, model) +
              ", where it has no derivative; use a smooth interpolation code");
}

}  // namespace

// --- Hessian -------------------------------------------------------------------------------------

FactorizedHessian::FactorizedHessian(const Likelihood& likelihood)
    : evaluator_(likelihood),
      factorization_(evaluator_.likelihood().model().compiled().arrow),
      gradient_(likelihood.model().n_parameters()) {}

void FactorizedHessian::accept(const Evaluation& evaluation) {
  if (evaluation.status != EvaluationStatus::ok) {
    throw Error("the likelihood is not defined here: " + std::string(to_string(evaluation.status)));
  }
  value_ = evaluation.value;
}

void FactorizedHessian::move(const double* x) {
  accept(evaluator_.value_and_gradient(x, gradient_.data()));
}

void FactorizedHessian::set(const double* x, const std::vector<char>& free) {
  accept(evaluator_.arrow_hessian(x, gradient_.data(), hessian_));
  if (factorization_.factorize(hessian_, free.data())) return;
  const Model& model = evaluator_.likelihood().model();
  const std::vector<double> widths = typical_widths(model);
  factorization_.factorize_modified(hessian_, free.data(), {gradient_.data(), widths.data()});
  const auto weak =
      factorization_.weak_directions(hessian_, free.data(), widths.data(), weak_curvature);
  std::string names;
  for (const ArrowDirection& direction : weak) {
    names += (names.empty() ? "" : "; ") + listed(parameters_of(direction, widths), model);
  }
  throw Error(
      "the Hessian is singular here, so the minimum has no derivative: nothing determines " +
      (names.empty() ? "some combination of parameters" : "the directions of " + names) +
      "; fix or constrain parameters among them");
}

std::vector<double> FactorizedHessian::solve(const std::vector<double>& right_hand_side) {
  std::vector<double> solution(right_hand_side.size());
  factorization_.solve(right_hand_side.data(), solution.data());
  return solution;
}

std::vector<double> FactorizedHessian::covariance() {
  std::vector<double> matrix(gradient_.size() * gradient_.size());
  factorization_.covariance(matrix.data());
  return matrix;
}

std::vector<double> FactorizedHessian::scales() const {
  std::vector<double> scales(gradient_.size());
  arrow_diagonal(evaluator_.likelihood().model().compiled().arrow, hessian_, scales.data());
  for (double& scale : scales) scale = scale > 0.0 ? std::sqrt(scale) : 0.0;
  return scales;
}

// --- fit -----------------------------------------------------------------------------------------

ImplicitFit::ImplicitFit(const Likelihood& likelihood, const MinimizeArguments& arguments)
    : likelihood_(likelihood), derivatives_(likelihood), hessian_(likelihood) {
  MinimizeOptions options;
  options.covariance = CovarianceKind::none;
  options.diagnostics = false;
  Minimizer minimizer(likelihood, options);
  summary_ = uninterrupted(minimizer.minimize(arguments));
  if (!is_minimum(summary_.status)) {
    throw Error("the fit that is differentiated failed: " +
                describe(summary_, likelihood.model(), ""));
  }
  x_ = summary_.x;
  value_ = summary_.value;
  lower_ = arguments.lower.empty() ? likelihood.model().lower() : arguments.lower;
  upper_ = arguments.upper.empty() ? likelihood.model().upper() : arguments.upper;
  fixed_ = arguments.fixed.empty() ? likelihood.model().fixed() : arguments.fixed;
  free_.assign(x_.size(), 1);
  for (std::size_t p = 0; p < x_.size(); ++p) {
    if (lower_[p] == upper_[p]) fixed_[p] = 1;
    if (fixed_[p] != 0) free_[p] = 0;
  }
  for (const ActiveBound& bound : summary_.active_bounds) free_[bound.parameter] = 0;
  for (const std::size_t p : summary_.without_effect) free_[p] = 0;
  polish();
}

/// Newton steps to rounding precision, all with the same Hessian: the error of the minimum
/// propagates to its derivatives.
void ImplicitFit::polish() {
  if (summary_.status != MinimizeStatus::converged) return;
  try {
    hessian_.set(x_.data(), free_);
    factorized_ = has_factors_ = true;
    value_ = hessian_.value();
    const std::vector<double> scales = hessian_.scales();
    for (int step = 0; step < most_polishing_steps; ++step) {
      double worst = 0.0;
      for (std::size_t p = 0; p < x_.size(); ++p) {
        if (free_[p] != 0 && scales[p] > 0.0) {
          worst = std::max(worst, std::abs(hessian_.gradient()[p]) / scales[p]);
        }
      }
      if (worst < polished) return;
      const std::vector<double> change = hessian_.solve(hessian_.gradient());
      for (std::size_t p = 0; p < x_.size(); ++p) {
        const double next = x_[p] - change[p];
        if (free_[p] != 0 && next > lower_[p] && next < upper_[p]) x_[p] = next;
      }
      factorized_ = false;
      hessian_.move(x_.data());
      value_ = hessian_.value();
    }
  } catch (const Interrupted&) {
    throw;
  } catch (const Error&) {  // singular: reported by whoever needs a derivative
    factorized_ = false;
  }
}

void ImplicitFit::require_differentiable() {
  const Model& model = likelihood_.model();
  if (summary_.status == MinimizeStatus::converged_at_kink) {
    refuse_kink(summary_.at_kink, model);
  }
  if (summary_.status == MinimizeStatus::converged_at_zero_yield) {
    throw Error("the minimum is where expected yields are zero, and has no derivative there");
  }
  const std::vector<double> scales = hessian_.scales();
  std::vector<std::size_t> at_kink;
  for (const Kink& kink : find_kinks(model)) {
    const std::size_t p = kink.parameter;
    if (free_[p] != 0 && std::abs(x_[p] - kink.position) * scales[p] < no_distance) {
      at_kink.push_back(p);
    }
  }
  if (!at_kink.empty()) refuse_kink(at_kink, model);
  std::vector<std::size_t> degenerate;
  for (std::size_t p = 0; p < x_.size(); ++p) {
    const double distance = std::min(x_[p] - lower_[p], upper_[p] - x_[p]);
    if (free_[p] != 0 && distance * scales[p] < no_distance) degenerate.push_back(p);
  }
  for (const ActiveBound& bound : summary_.active_bounds) {
    const double operand = std::abs(hessian_.gradient()[bound.parameter]);
    if (!(operand > no_distance * scales[bound.parameter])) {
      degenerate.push_back(bound.parameter);
    }
  }
  if (degenerate.empty()) return;
  throw Error("the minimum is exactly at a bound of " + listed(degenerate, model) +
              " without being pushed against it, so that it has derivatives on one side only; move "
              "the bound, or hold the parameter with `fixed`");
}

FactorizedHessian& ImplicitFit::hessian() {
  if (!factorized_) hessian_.set(x_.data(), free_);
  factorized_ = true;
  require_differentiable();
  return hessian_;
}

std::vector<double> ImplicitFit::minimum_at(std::size_t p, double value) {
  std::vector<double> x = x_;
  const double change = value - x[p];
  x[p] = value;
  if (!has_factors_ || free_[p] == 0) return x;
  std::vector<double> unit(x.size(), 0.0);
  unit[p] = 1.0;
  const std::vector<double> column = hessian_.solve(unit);
  for (std::size_t q = 0; q < x.size(); ++q) {
    if (q == p || free_[q] == 0) continue;
    const double moved = x[q] + change * column[q] / column[p];
    x[q] = std::min(std::max(moved, lower_[q]), upper_[q]);
  }
  return x;
}

FullGradient ImplicitFit::envelope() {
  FullGradient gradient = derivatives_.gradient(x_.data());
  for (std::size_t p = 0; p < x_.size(); ++p) {
    if (fixed_[p] == 0) gradient.parameters[p] = 0.0;
  }
  return gradient;
}

void ImplicitFit::pull_back_minimum(FullGradient& total) {
  std::vector<double> cotangent = total.parameters;
  bool any = false;
  for (std::size_t p = 0; p < x_.size(); ++p) {
    if (free_[p] == 0) cotangent[p] = 0.0;
    any = any || cotangent[p] != 0.0;
  }
  if (any) {
    const std::vector<double> u = hessian().solve(cotangent);
    total.add(-1.0, derivatives_.mixed(x_.data(), u.data()));
  }
  for (std::size_t p = 0; p < x_.size(); ++p) {
    if (fixed_[p] == 0) total.parameters[p] = 0.0;
  }
}

void ImplicitFit::add_variance(double weight, const std::vector<double>& direction,
                               FullGradient& total) {
  const std::vector<double> h = hessian().solve(direction);
  total.add(-weight, derivatives_.curvature(x_.data(), h.data()));
}

}  // namespace nablafit::detail
