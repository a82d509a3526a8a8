#include "minimize/newton_solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nablafit::detail {
namespace {

/// Distance from the start in widths, and for how many steps, from which on parameters may have
/// left for infinity.
constexpr double far_away = 1e9;
constexpr int max_far_steps = 5;
/// Growth of the estimated distance to the minimum, there, that is a sign of it.
constexpr double runaway_growth = 10.0;
/// Relative rounding error of a value.
constexpr double value_rounding = 1e-14;
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
/// Steps with the factors of an earlier point, taken only while each reduces the estimated distance
/// to this part; the estimate is trusted without a new Hessian if the one before was small.
constexpr int max_refinements = 3;
constexpr double refinement_contraction = 0.1;
constexpr double trusted_edm = 1e-2;
/// Where that is wanted, steps go on down to this before the Hessian at the end, which errors come
/// from: errors then are those of the minimum to about 1e-8, whatever the start and the units.
constexpr double invariant_edm = 1e-18;
/// Who asks for a distance as small as this wants it.
constexpr double invariant_tolerance = 1e-12;
/// Part of the tolerance of the estimated distance that is worth leaving a saddle point.
constexpr double worthwhile_gain = 0.1;
/// Change of a parameter, in widths, that shows what is next to a bound.
constexpr double smallest_move = 1e-6;

}  // namespace

bool NewtonSolver::wants_invariance() const {
  return options_->covariance == CovarianceKind::full &&
         options_->edm_tolerance <= invariant_tolerance;
}

bool is_finite(const ArrowHessian& hessian) {
  double sum = 0.0;
  for (const auto* part : {&hessian.dense, &hessian.coupling, &hessian.blocks}) {
    for (const double number : *part) sum += number * 0.0;
  }
  return sum == 0.0;
}

NewtonSolver::NewtonSolver(const ArrowStructure& structure)
    : structure_(structure),
      n_(structure.n_dense() + structure.n_local()),
      factorization_(structure),
      x_(n_),
      gradient_(n_),
      lower_(n_),
      upper_(n_),
      fixed_(n_),
      pinned_(n_),
      barred_(n_),
      free_(n_),
      model_free_(n_),
      diagonal_(n_),
      step_(n_),
      newton_(n_),
      trial_(n_),
      trial_gradient_(n_),
      scratch_(n_),
      clamped_(n_) {
  const std::size_t n_dense = structure_.n_dense();
  hessian_.dense.resize(n_dense * n_dense);
  hessian_.coupling.resize(structure_.n_local() * n_dense);
  hessian_.blocks.resize(structure_.n_blocks() == 0 ? 0 : structure_.block_entries.back());
}

Evaluation NewtonSolver::evaluate(const double* x, double* gradient) {
  ++summary_->n_gradients;
  const Evaluation evaluation = objective_->value_and_gradient(x, gradient);
  met_negative_yield_ |= evaluation.status == EvaluationStatus::negative_yield;
  return evaluation;
}

/// False where there is no Hessian, or it overflows (yields next to zero).
bool NewtonSolver::find_hessian(const double* x, ArrowHessian& hessian) {
  ++summary_->n_hessians;
  return objective_->hessian(x, hessian) && is_finite(hessian);
}

/// Hessian at the current point. Where there is none, a diagonal one that makes the next step a
/// short one along the gradient.
void NewtonSolver::evaluate_hessian() {
  has_information_ = blended_ = false;
  has_hessian_ = find_hessian(x_.data(), hessian_);
  if (has_hessian_) return;
  for (auto* part : {&hessian_.dense, &hessian_.coupling, &hessian_.blocks}) {
    std::fill(part->begin(), part->end(), 0.0);
  }
  const auto curvature = [&](std::size_t parameter) {
    const double width = problem_->widths[parameter];
    return std::max(1.0 / width, std::abs(gradient_[parameter])) / width;
  };
  for (std::size_t i = 0; i < structure_.n_dense(); ++i) {
    hessian_.dense[i * structure_.n_dense() + i] = curvature(structure_.dense_parameters[i]);
  }
  for (std::size_t b = 0; b < structure_.n_blocks(); ++b) {
    const std::size_t first = structure_.block_offsets[b];
    const std::size_t size = structure_.block_offsets[b + 1] - first;
    for (std::size_t i = 0; i < size; ++i) {
      hessian_.blocks[structure_.block_entries[b] + i * size + i] =
          curvature(structure_.local_parameters[first + i]);
    }
  }
}

double NewtonSolver::value_noise() const { return value_rounding * (1.0 + std::abs(value_)); }

void NewtonSolver::begin(Objective& objective, const BoxProblem& problem,
                         const MinimizeOptions& options, MinimizeSummary& summary) {
  objective_ = &objective;
  problem_ = &problem;
  options_ = &options;
  summary_ = &summary;
  summary.iterations = summary.n_gradients = summary.n_hessians = 0;
  accepted_fraction_ = 0.0;
  n_crawls_ = n_border_cuts_ = n_far_steps_ = 0;
  met_negative_yield_ = stopped_at_border_ = confined_ = false;
  border_bins_.clear();
  std::fill(barred_.begin(), barred_.end(), char{0});
  used_information_ = false;
  edm_ = newton_edm_ = projected_gradient_ = std::numeric_limits<double>::infinity();
  std::fill(pinned_.begin(), pinned_.end(), char{0});
  std::fill(free_.begin(), free_.end(), char{0});
  for (std::size_t j = 0; j < n_; ++j) {
    fixed_[j] = problem.fixed[j] != 0 || problem.lower[j] == problem.upper[j];
    lower_[j] = problem.lower[j];
    upper_[j] = problem.upper[j];
    const bool is_free = fixed_[j] == 0 || problem.lower[j] == problem.upper[j];
    x_[j] = is_free ? std::clamp(problem.start[j], lower_[j], upper_[j]) : problem.start[j];
  }
}

void NewtonSolver::run(Objective& objective, const BoxProblem& problem,
                       const MinimizeOptions& options, MinimizeSummary& summary) {
  begin(objective, problem, options, summary);
  if (!make_feasible()) {
    finish(MinimizeStatus::infeasible_start);
    return;
  }
  for (;;) {
    const std::optional<MinimizeStatus> status = iterate();
    if (!status) continue;
    finish(*status);
    return;
  }
}

bool NewtonSolver::has_converged() const {
  return edm_ < options_->edm_tolerance && projected_gradient_ < options_->gradient_tolerance;
}

MinimizeStatus NewtonSolver::converged_status() const {
  const bool at_kink =
      std::any_of(pinned_.begin(), pinned_.end(), [](char pinned) { return pinned == 2; });
  if (!border_bins_.empty()) return MinimizeStatus::converged_at_zero_yield;
  return at_kink ? MinimizeStatus::converged_at_kink : MinimizeStatus::converged;
}

std::optional<MinimizeStatus> NewtonSolver::iterate() {
  settle_kinks();
  evaluate_hessian();
  find_free_parameters();
  const double previous_edm = edm_;
  choose_step();
  if (has_converged() && (blended_ || !factorization_.is_exact())) {
    evaluate_hessian();
    newton_step(true);
  }
  if (has_converged()) return judge_stationary_point();
  if (is_leaving(previous_edm)) return MinimizeStatus::unbounded;
  if (summary_->iterations >= options_->max_iterations) return MinimizeStatus::iteration_limit;
  const bool exact = factorization_.is_exact();
  const double previous = value_;
  confine_step();
  if (!descend()) {
    if (stopped_at_border_) return MinimizeStatus::stalled;
    if (bar_bounds()) return std::nullopt;
    return judge_failed_search();
  }
  const bool crawls = previous - value_ <= crawling_decrease * std::min(edm_, 1.0);
  n_crawls_ = crawls ? n_crawls_ + 1 : 0;
  if (n_crawls_ > max_crawls) return judge_failed_search();
  ++summary_->iterations;
  if (exact && !confined_ && accepted_fraction_ == 1.0 && refine_with_old_factors()) {
    return converged_status();
  }
  return std::nullopt;
}

/// Where the gradient vanishes: a minimum, unless the curvature is negative in a direction that
/// bounds do not forbid.
std::optional<MinimizeStatus> NewtonSolver::judge_stationary_point() {
  const MinimizeStatus status = converged_status();
  const double curvature = factorization_.most_negative_curvature();
  if (curvature > saddle_curvature) return status;
  if (summary_->iterations >= options_->max_iterations) return MinimizeStatus::saddle_point;
  saddle_direction_ = factorization_.negative_direction();
  if (leave_saddle()) {
    ++summary_->iterations;
    return std::nullopt;
  }
  hold_degenerate_bounds();
  has_factors_ = factorization_.factorize(hessian_, free_.data());
  return has_factors_ || curvature > clear_saddle_curvature ? status : MinimizeStatus::saddle_point;
}

bool NewtonSolver::is_degenerate(std::size_t j) const {
  return free_[j] != 0 && gradient_[j] == 0.0 &&
         (x_[j] <= problem_->lower[j] || x_[j] >= problem_->upper[j]);
}

/// Holds what sits on a bound with a slope of zero, like one of two factors that are both zero.
/// Every step may move it, but at a minimum it is not free: nothing lower was found inwards.
void NewtonSolver::hold_degenerate_bounds() {
  for (std::size_t j = 0; j < n_; ++j) {
    if (is_degenerate(j)) free_[j] = 0;
  }
}

/// Corrects the point with the Hessian of the previous one, which costs neither a Hessian nor a
/// factorisation. True if that shows convergence and nothing else needs the Hessian.
bool NewtonSolver::refine_with_old_factors() {
  const bool needs_hessian = options_->covariance != CovarianceKind::none || options_->diagnostics;
  for (int i = 0; i < max_refinements; ++i) {
    for (std::size_t j = 0; j < n_; ++j) {
      if (free_[j] != 0 ? is_binding(j) : is_released(j)) return false;
    }
    factorization_.solve(gradient_.data(), step_.data());
    double slope = 0.0;
    for (std::size_t j = 0; j < n_; ++j) slope += gradient_[j] * step_[j];
    const double previous = edm_;
    edm_ = 0.5 * slope;
    measure_gradient();
    if (has_converged()) {
      if (!needs_hessian) return !blended_ && previous < trusted_edm;
      if (!wants_invariance() || edm_ < invariant_edm) return false;
    }
    if (!(edm_ < refinement_contraction * previous)) return false;
    for (std::size_t j = 0; j < n_; ++j) {
      trial_[j] = x_[j] - step_[j];
      if (trial_[j] < lower_[j] || trial_[j] > upper_[j]) return false;
    }
    const Evaluation trial = evaluate(trial_.data(), trial_gradient_.data());
    if (trial.status != EvaluationStatus::ok || !(trial.value <= value_ + value_noise()))
      return false;
    x_.swap(trial_);
    gradient_.swap(trial_gradient_);
    value_ = trial.value;
    objective_->note_step(1.0);
  }
  return false;
}

/// Where no step lowers the value: rounding, if the estimated distance is small. With a Hessian
/// that had to be modified it may be too small; then single parameters show it.
std::optional<MinimizeStatus> NewtonSolver::judge_failed_search() {
  const double limit = std::max(acceptable_edm, 10.0 * value_noise());
  const double single = 0.5 * projected_gradient_ * projected_gradient_;
  return std::max(edm_, single) < limit ? converged_status() : MinimizeStatus::stalled;
}

/// Whether parameters that are far from the start have left for infinity. One step may lead far: a
/// width guessed from the start is not that of a factor of a tiny template; then the minimum is
/// near.
bool NewtonSolver::is_leaving(double previous_edm) {
  const auto is_far = [this](std::size_t j) {
    return std::abs(x_[j] - problem_->start[j]) > far_away * problem_->widths[j];
  };
  bool any = false;
  for (std::size_t j = 0; j < n_; ++j) any = any || is_far(j);
  n_far_steps_ = any ? n_far_steps_ + 1 : 0;
  if (!any) return false;
  const bool runs_away = !(edm_ < runaway_growth * std::max(previous_edm, 1.0));
  return !factorization_.is_exact() || runs_away || n_far_steps_ > max_far_steps;
}

/// Where no step leads down: holds parameters on a bound that a gradient pulls inwards, out of the
/// domain, like a factor >= 0 of a negative yield. True if there are new ones.
bool NewtonSolver::bar_bounds() {
  if (!met_negative_yield_) return false;
  bool changed = false;
  for (std::size_t j = 0; j < n_; ++j) {
    const bool at_lower = x_[j] <= problem_->lower[j];
    if (free_[j] == 0 || (!at_lower && x_[j] < problem_->upper[j])) continue;
    const double size = std::min(smallest_move * problem_->widths[j],
                                 0.5 * (problem_->upper[j] - problem_->lower[j]));
    std::copy(x_.begin(), x_.end(), trial_.begin());
    trial_[j] += at_lower ? size : -size;
    const Evaluation inwards = evaluate(trial_.data(), trial_gradient_.data());
    if (!objective_->has_finite_border(inwards)) continue;
    barred_[j] = 1;
    changed = true;
    const auto place = std::lower_bound(border_bins_.begin(), border_bins_.end(), inwards.index);
    if (place == border_bins_.end() || *place != inwards.index) {
      border_bins_.insert(place, inwards.index);
    }
  }
  return changed;
}

/// At a stationary point with negative curvature: looks for a lower value on both sides, then with
/// what sits on a bound turned inwards.
bool NewtonSolver::leave_saddle() {
  if (search_saddle()) return true;
  bool turned = false;
  for (std::size_t j = 0; j < n_; ++j) {
    if (!is_degenerate(j)) continue;
    const double inwards = x_[j] <= problem_->lower[j] ? 1.0 : -1.0;
    saddle_direction_[j] = inwards * std::abs(saddle_direction_[j]);
    turned = true;
  }
  if (!turned) return false;
  if (search_saddle()) return true;
  for (std::size_t j = 0; j < n_; ++j) {
    if (!is_degenerate(j)) saddle_direction_[j] = -saddle_direction_[j];
  }
  return search_saddle();
}

/// Takes over the first lower value found along the direction or against it.
bool NewtonSolver::search_saddle() {
  const double least_gain = std::max(value_noise(), worthwhile_gain * options_->edm_tolerance);
  double length = 0.0;
  for (std::size_t j = 0; j < n_; ++j) {
    length = std::max(length, std::abs(saddle_direction_[j]) / problem_->widths[j]);
  }
  for (double size = 1.0; size > 1e-4; size *= 0.25) {
    for (const double sign : {1.0, -1.0}) {
      for (std::size_t j = 0; j < n_; ++j) step_[j] = sign * size / length * saddle_direction_[j];
      move_along(1.0);
      const Evaluation trial = evaluate(trial_.data(), trial_gradient_.data());
      if (trial.status != EvaluationStatus::ok || !(trial.value < value_ - least_gain)) continue;
      x_.swap(trial_);
      gradient_.swap(trial_gradient_);
      value_ = trial.value;
      return true;
    }
  }
  return false;
}

}  // namespace nablafit::detail
