#include "nablafit/minimize.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "minimize/likelihood_objective.hpp"
#include "minimize/newton_solver.hpp"
#include "minimize/zero_yields.hpp"
#include "nablafit/error.hpp"
#include "nablafit/interruption.hpp"

namespace nablafit {
namespace {

/// Points that are tried where the likelihood is zero at the start.
constexpr std::size_t n_draws = 32;

}  // namespace

std::string_view to_string(MinimizeStatus status) noexcept {
  switch (status) {
    case MinimizeStatus::converged:
      return "converged";
    case MinimizeStatus::converged_at_kink:
      return "converged_at_kink";
    case MinimizeStatus::converged_at_zero_yield:
      return "converged_at_zero_yield";
    case MinimizeStatus::iteration_limit:
      return "iteration_limit";
    case MinimizeStatus::stalled:
      return "stalled";
    case MinimizeStatus::saddle_point:
      return "saddle_point";
    case MinimizeStatus::unbounded:
      return "unbounded";
    case MinimizeStatus::interrupted:
      return "interrupted";
    case MinimizeStatus::infeasible_start:
      break;
  }
  return "infeasible_start";
}

bool is_minimum(MinimizeStatus status) noexcept {
  return status == MinimizeStatus::converged || status == MinimizeStatus::converged_at_kink ||
         status == MinimizeStatus::converged_at_zero_yield;
}

struct Minimizer::Implementation {
  Implementation(const Likelihood& likelihood, const MinimizeOptions& options_in)
      : options(options_in),
        objective(std::make_unique<detail::LikelihoodObjective>(likelihood)),
        solver(std::make_unique<detail::NewtonSolver>(objective->structure())) {
    const Model& model = likelihood.model();
    problem.nominal = model.initial();
    problem.widths = detail::typical_widths(model);
    problem.kinks = detail::find_kinks(model);
    problem.has_floors = detail::has_floors(model);
  }

  void set_problem(const MinimizeArguments& arguments);
  void check_problem() const;
  void fit();
  void start_elsewhere();
  void note_interruption();
  void list_forbidden_bins();

  MinimizeOptions options;
  std::unique_ptr<detail::LikelihoodObjective> objective;
  std::unique_ptr<detail::NewtonSolver> solver;
  detail::BoxProblem problem;
  MinimizeSummary summary;
};

namespace {

template <typename T>
void assign(std::vector<T>& target, const std::vector<T>& argument, const std::vector<T>& standard,
            const char* what) {
  if (!argument.empty() && argument.size() != standard.size()) {
    throw ArgumentError(std::string(what) + " has " + std::to_string(argument.size()) +
                        " values, the model " + std::to_string(standard.size()) + " parameters");
  }
  const std::vector<T>& source = argument.empty() ? standard : argument;
  target.assign(source.begin(), source.end());
}

}  // namespace

void Minimizer::Implementation::set_problem(const MinimizeArguments& arguments) {
  const Model& model = objective->likelihood().model();
  assign(problem.start, arguments.start, model.initial(), "start");
  assign(problem.lower, arguments.lower, model.lower(), "lower");
  assign(problem.upper, arguments.upper, model.upper(), "upper");
  assign(problem.fixed, arguments.fixed, model.fixed(), "fixed");
  check_problem();
}

void Minimizer::Implementation::check_problem() const {
  const auto& names = objective->likelihood().model().parameter_names();
  for (std::size_t j = 0; j < names.size(); ++j) {
    if (!std::isfinite(problem.start[j])) {
      throw ArgumentError("the start value is not a finite number", names[j]);
    }
    if (!(problem.lower[j] <= problem.upper[j])) {
      throw ArgumentError("the bounds [" + std::to_string(problem.lower[j]) + ", " +
                              std::to_string(problem.upper[j]) +
                              "] are empty, expected lower <= upper",
                          names[j]);
    }
  }
}

/// Fits from the best of some points drawn from the ranges of the parameters, where the likelihood
/// is zero at the start. If it is zero there too, the summary stays as it is.
void Minimizer::Implementation::start_elsewhere() {
  const std::size_t n = problem.start.size();
  const std::vector<double> points = detail::draw_points(objective->likelihood(), problem, n_draws);
  std::vector<double> gradient(n);
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < n_draws; ++i) {
    const double* point = points.data() + i * n;
    const Evaluation evaluation = objective->value_and_gradient(point, gradient.data());
    if (evaluation.status != EvaluationStatus::ok || !(evaluation.value < lowest)) continue;
    lowest = evaluation.value;
    problem.start.assign(point, point + n);
  }
  const int n_gradients = summary.n_gradients + static_cast<int>(n_draws);
  if (std::isfinite(lowest)) {
    fit();
    summary.n_gradients += n_gradients;
  } else {
    summary.n_gradients = n_gradients;
  }
}

/// The summary has the point of the last descent that was written: errors may be those of another.
void Minimizer::Implementation::note_interruption() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  summary.status = MinimizeStatus::interrupted;
  std::fill(summary.errors.begin(), summary.errors.end(), nan);
  summary.covariance.clear();
}

/// An evaluation stops at the first bin that leaves no likelihood.
void Minimizer::Implementation::list_forbidden_bins() {
  if (summary.zero_yield_bins.empty()) return;
  const Likelihood& likelihood = objective->likelihood();
  std::vector<double> yields(likelihood.model().n_bins());
  likelihood.model().expected(summary.x.data(), yields.data());
  std::vector<std::size_t> bins;
  for (std::size_t b = 0; b < yields.size(); ++b) {
    const bool has_likelihood =
        yields[b] > 0.0 || (yields[b] == 0.0 && likelihood.data().counts[b] == 0.0);
    if (!has_likelihood) bins.push_back(b);
  }
  if (!bins.empty()) summary.zero_yield_bins = std::move(bins);
}

Minimizer::Minimizer(const Likelihood& likelihood, const MinimizeOptions& options)
    : implementation_(std::make_unique<Implementation>(likelihood, options)) {}

Minimizer::~Minimizer() = default;
Minimizer::Minimizer(Minimizer&&) noexcept = default;
Minimizer& Minimizer::operator=(Minimizer&&) noexcept = default;

const Likelihood& Minimizer::likelihood() const noexcept {
  return implementation_->objective->likelihood();
}

void Minimizer::set_likelihood(const Likelihood& likelihood) {
  Implementation& self = *implementation_;
  if (&likelihood.model().compiled() != &self.objective->likelihood().model().compiled()) {
    throw ArgumentError("this likelihood has another model; make a Minimizer for it");
  }
  self.objective = std::make_unique<detail::LikelihoodObjective>(likelihood);
}

/// One fit; the border where yields are zero included.
void Minimizer::Implementation::fit() {
  problem.stop_at_border = true;
  solver->run(*objective, problem, options, summary);
  problem.stop_at_border = false;
  const bool is_over = summary.status == MinimizeStatus::converged ||
                       summary.status == MinimizeStatus::infeasible_start;
  if (is_over || !solver->met_negative_yield()) return;
  detail::approach_zero_yields(*solver, *objective, problem, options, summary);
}

const MinimizeSummary& Minimizer::minimize(const MinimizeArguments& arguments) {
  Implementation& self = *implementation_;
  self.set_problem(arguments);
  try {
    self.fit();
    if (self.summary.status == MinimizeStatus::infeasible_start) self.start_elsewhere();
    if (self.summary.status == MinimizeStatus::infeasible_start) self.list_forbidden_bins();
  } catch (const Interrupted&) {
    self.note_interruption();
  }
  return self.summary;
}

MinimizeSummary minimize(const Likelihood& likelihood, const MinimizeArguments& arguments,
                         const MinimizeOptions& options) {
  Minimizer minimizer(likelihood, options);
  MinimizeSummary summary = minimizer.minimize(arguments);
  summary.message = describe(summary, likelihood.model());
  return summary;
}

}  // namespace nablafit
