#include "minimize/newton_solver.hpp"

#include <algorithm>
#include <cmath>

#include "minimize/newton_pieces.hpp"
#include "minimize/newton_special_points.hpp"
#include "nablafit/interruption.hpp"

namespace nablafit::detail {
namespace {

/// Distance from the start in widths, and for how many steps, from which on parameters may have
/// left for infinity.
constexpr double far_away = 1e9;
constexpr int max_far_steps = 5;
/// Growth of the estimated distance to the minimum, there, that is a sign of it.
constexpr double runaway_growth = 10.0;
/// Most negative curvature, with unit diagonal, that is still rounding at a minimum.
constexpr double saddle_curvature = -1e-7;
/// One that counts even if no lower value is found along it.
constexpr double clear_saddle_curvature = -1e-3;
/// Steps that gain less than this part of what they promised (or of 1), and how many of them in a
/// row are allowed.
constexpr double crawling_decrease = 1e-4;
constexpr int max_crawls = 8;
/// An estimated distance this small, made of rounding, is as good as zero.
constexpr double acceptable_edm = 1e-7;
/// Gain on the way to a bound that is not worth being there; steps that halve the distance crawl
/// before it is as small.
constexpr double negligible_gain = 3e-7;
/// Steps with the factors of an earlier point, taken only while each reduces the estimated distance
/// to this part; the estimate is trusted without a new Hessian if the one before was small.
constexpr int max_refinements = 3;
constexpr double refinement_contraction = 0.1;
constexpr double trusted_edm = 1e-2;
/// Where that is wanted, steps go on down to this before the Hessian at the end, which errors come
/// from: errors then are those of the minimum to about 1e-8, whatever the start and the units.
constexpr double invariant_edm = 1e-18;
/// Change of a parameter, in widths, that shows what is next to a bound.
constexpr double smallest_move = 1e-6;

}  // namespace

NewtonSolver::NewtonSolver(const ArrowStructure& structure)
    : here_(structure), step_(here_), line_search_(here_), refinement_(here_.n_parameters()) {}

void NewtonSolver::run(Objective& objective, const BoxProblem& problem,
                       const MinimizeOptions& options, MinimizeSummary& summary) {
  here_.begin(objective, problem, options);
  step_.forget();
  line_search_.forget();
  n_iterations_ = n_far_steps_ = n_crawls_ = 0;
  stopped_at_border_ = false;
  try {
    std::optional<MinimizeStatus> status;
    if (!make_feasible(here_)) status = MinimizeStatus::infeasible_start;
    while (!status) status = iterate();
    summary.iterations = n_iterations_;
    report(*status, summary);
  } catch (const Interrupted&) {
    summary.iterations = n_iterations_;
    report(MinimizeStatus::interrupted, summary);
    throw;
  }
}

/// The outcome; none if it goes on.
std::optional<MinimizeStatus> NewtonSolver::iterate() {
  const double previous_edm = here_.edm;
  settle_kinks(here_);
  here_.curvature.evaluate();
  here_.find_free_parameters();
  step_.choose();
  const bool is_rough =
      here_.curvature.state() == Curvature::State::blended || !here_.curvature.is_exact();
  if (here_.has_converged() && is_rough) {
    here_.curvature.evaluate();
    step_.choose_carefully();
  }
  if (here_.has_converged()) return judge_stationary_point();
  if (is_leaving(previous_edm)) return MinimizeStatus::unbounded;
  if (n_iterations_ >= here_.options->max_iterations) return MinimizeStatus::iteration_limit;
  step_.confine();
  return move();
}

std::optional<MinimizeStatus> NewtonSolver::move() {
  const double previous = here_.point.value;
  const LineSearch::Outcome outcome = line_search_.descend(step_);
  stopped_at_border_ = outcome == LineSearch::Outcome::stopped_at_border;
  if (stopped_at_border_) return MinimizeStatus::stalled;
  if (outcome == LineSearch::Outcome::failed) {
    if (bar_bounds()) return std::nullopt;
    return settle_stall();
  }
  const double gain = previous - here_.point.value;
  const bool crawls = gain <= crawling_decrease * std::min(here_.edm, 1.0);
  n_crawls_ = crawls ? n_crawls_ + 1 : 0;
  if (n_crawls_ > max_crawls) return settle_stall();
  ++n_iterations_;
  const bool is_plain = step_.kind() == NewtonStep::Kind::newton && here_.curvature.is_exact();
  if (is_plain && line_search_.fraction() == 1.0 && refine()) return converged_status();
  return std::nullopt;
}

MinimizeStatus NewtonSolver::converged_status() const {
  if (!here_.border_bins.empty()) return MinimizeStatus::converged_at_zero_yield;
  const std::vector<Kink>& kinks = here_.problem->kinks;
  const bool at_kink = std::any_of(kinks.begin(), kinks.end(), [&](const Kink& kink) {
    return here_.active.is(kink.parameter, ParameterState::at_kink);
  });
  return at_kink ? MinimizeStatus::converged_at_kink : MinimizeStatus::converged;
}

/// Where the gradient vanishes: a minimum, unless the curvature is negative in a direction that
/// bounds do not forbid.
std::optional<MinimizeStatus> NewtonSolver::judge_stationary_point() {
  const MinimizeStatus status = converged_status();
  const double curvature = here_.curvature.factors().most_negative_curvature();
  if (curvature > saddle_curvature) return status;
  if (n_iterations_ >= here_.options->max_iterations) return MinimizeStatus::saddle_point;
  if (leave_saddle(here_, here_.curvature.factors().negative_direction())) {
    ++n_iterations_;
    return std::nullopt;
  }
  // What sits on a bound with a slope of zero is free in steps; but nothing lower was found
  // inwards.
  for (std::size_t j = 0; j < here_.n_parameters(); ++j) {
    if (here_.is_degenerate(j)) here_.active.set(j, ParameterState::at_bound);
  }
  const bool is_minimum = here_.curvature.factorize_exactly(here_.active.mask());
  return is_minimum || curvature > clear_saddle_curvature ? status : MinimizeStatus::saddle_point;
}

/// Where no step lowers the value: rounding, if the estimated distance is small. With a Hessian
/// that had to be modified it may be too small; then single parameters show it.
MinimizeStatus NewtonSolver::judge_failed_search() const {
  const double limit = std::max(acceptable_edm, 10.0 * here_.noise());
  const double single = 0.5 * here_.projected_gradient * here_.projected_gradient;
  return std::max(here_.edm, single) < limit ? converged_status() : MinimizeStatus::stalled;
}

/// The same; but where floors make kinks, the minimum may be on one.
MinimizeStatus NewtonSolver::settle_stall() {
  MinimizeStatus status = judge_failed_search();
  if (status == MinimizeStatus::stalled && hold_next_to_bounds()) status = judge_failed_search();
  if (status != MinimizeStatus::stalled || !here_.problem->has_floors) return status;
  return descend_between_pieces(here_) ? MinimizeStatus::converged_at_kink : status;
}

/// Holds what is so near to a bound that going there gains nothing; it may be impossible, as at the
/// end of a root. The distance is then that of the others. False if there is nothing to hold.
bool NewtonSolver::hold_next_to_bounds() {
  bool changed = false;
  for (std::size_t j = 0; j < here_.n_parameters(); ++j) {
    const double slope = here_.point.gradient[j];
    const double bound = slope > 0.0 ? here_.problem->lower[j] : here_.problem->upper[j];
    const double gain = slope * (here_.point.x[j] - bound);
    if (!here_.active.is_free(j) || slope == 0.0 || !(gain < negligible_gain)) continue;
    here_.active.set(j, ParameterState::at_bound);
    changed = true;
  }
  if (changed) step_.choose_carefully();
  return changed;
}

/// Corrects the point with the Hessian of the previous one, which costs neither a Hessian nor a
/// factorisation. True if that shows convergence and nothing else needs the Hessian.
bool NewtonSolver::refine() {
  const MinimizeOptions& options = *here_.options;
  const bool needs_hessian = options.covariance != CovarianceKind::none || options.diagnostics;
  const std::size_t n = here_.n_parameters();
  std::vector<double>& step = refinement_;
  for (int i = 0; i < max_refinements; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      if (here_.active.is_free(j) ? here_.is_binding(j) : here_.is_released(j)) return false;
    }
    here_.curvature.solve(here_.point.gradient, step);
    const double previous = here_.edm;
    here_.edm = 0.5 * dot(here_.point.gradient, step);
    here_.projected_gradient = here_.measure(here_.point.gradient);
    if (here_.has_converged()) {
      const bool is_blended = here_.curvature.state() == Curvature::State::blended;
      if (!needs_hessian) return !is_blended && previous < trusted_edm;
      if (!here_.wants_invariance() || here_.edm < invariant_edm) return false;
    }
    if (!(here_.edm < refinement_contraction * previous)) return false;
    for (std::size_t j = 0; j < n; ++j) {
      here_.trial.x[j] = here_.point.x[j] - step[j];
      if (here_.trial.x[j] < here_.lower[j] || here_.trial.x[j] > here_.upper[j]) return false;
    }
    if (!here_.try_trial()) return false;
    here_.accept_trial();
    here_.objective.function->note_step(1.0);
  }
  return false;
}

/// Whether parameters that are far from the start have left for infinity. One step may lead far: a
/// width guessed from the start is not that of a factor of a tiny template; then the minimum is
/// near.
bool NewtonSolver::is_leaving(double previous_edm) {
  bool is_far = false;
  for (std::size_t j = 0; j < here_.n_parameters(); ++j) {
    const double distance = std::abs(here_.point.x[j] - here_.problem->start[j]);
    is_far = is_far || distance > far_away * here_.problem->widths[j];
  }
  n_far_steps_ = is_far ? n_far_steps_ + 1 : 0;
  if (!is_far) return false;
  const bool runs_away = !(here_.edm < runaway_growth * std::max(previous_edm, 1.0));
  return !here_.curvature.is_exact() || runs_away || n_far_steps_ > max_far_steps;
}

/// Where no step leads down: holds parameters on a bound that a gradient pulls inwards, out of the
/// domain, like a factor >= 0 of a negative yield. True if there are new ones.
bool NewtonSolver::bar_bounds() {
  if (!met_negative_yield()) return false;
  const BoxProblem& problem = *here_.problem;
  bool changed = false;
  for (std::size_t j = 0; j < here_.n_parameters(); ++j) {
    const bool at_lower = here_.is_at_lower(j);
    if (!here_.active.is_free(j) || (!at_lower && !here_.is_at_upper(j))) continue;
    const double size =
        std::min(smallest_move * problem.widths[j], 0.5 * (problem.upper[j] - problem.lower[j]));
    here_.trial.x = here_.point.x;
    here_.trial.x[j] += at_lower ? size : -size;
    const Evaluation inwards = here_.evaluate_trial();
    if (!here_.objective.function->has_finite_border(inwards)) continue;
    here_.active.set(j, ParameterState::at_domain_end);
    changed = true;
    std::vector<std::size_t>& bins = here_.border_bins;
    const auto place = std::lower_bound(bins.begin(), bins.end(), inwards.index);
    if (place == bins.end() || *place != inwards.index) bins.insert(place, inwards.index);
  }
  return changed;
}

}  // namespace nablafit::detail
