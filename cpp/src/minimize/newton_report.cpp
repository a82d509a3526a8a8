// What the summary says about the point where the iteration ended.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "minimize/newton_solver.hpp"

namespace nablafit::detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
/// Directions with a curvature below this are flat within the rounding of the Hessian, whose
/// elements are sums of positive terms but for that of the gradient.
constexpr double no_curvature = 1e-13;
/// Pivots of covariances, as a part of the diagonal, that are more than rounding.
constexpr double smallest_pivot = 1e-14;
/// Away from the minimum by this much, in standard deviations, a Hessian differs from that at the
/// minimum by about this factor more, in units of its diagonal.
constexpr double curvature_per_distance = 10.0;
/// A distance squared that is as good as none, and how many steps lead there.
constexpr double polished_edm = 1e-30;
constexpr int max_polishing = 4;
/// The largest with which errors are those of the minimum to about 1e-8.
constexpr double invariant_edm = 1e-17;
/// Slopes in units of the error along one parameter that push nothing against a bound.
constexpr double idle_slope = 1e-3;
/// Part of a curvature that constraint terms have when they determine the direction.
constexpr double determining_part = 0.1;
/// Smallest part, in units of the scaled parameters, that counts as taking part in a direction.
constexpr double smallest_part = 1e-3;

}  // namespace

void NewtonSolver::finish(MinimizeStatus status) {
  MinimizeSummary& summary = *summary_;
  summary.status = status;
  for (const Kink& kink : problem_->kinks) {
    if (is_at_kink(kink)) x_[kink.parameter] = kink.position;
  }
  summary.message.clear();
  report_point();
  summary.weak_directions.clear();
  summary.condition = not_a_number;
  summary.errors.clear();
  summary.covariance.clear();
  report_bounds();
  if (is_minimum(status)) report_covariance();
  if (!is_minimum(status) || !has_hessian_) {
    if (options_->covariance != CovarianceKind::none) summary.errors.assign(n_, not_a_number);
    if (options_->covariance == CovarianceKind::full)
      summary.covariance.assign(n_ * n_, not_a_number);
  }
}

void NewtonSolver::report_point() {
  MinimizeSummary& summary = *summary_;
  summary.x.assign(x_.begin(), x_.end());
  summary.value = value_;
  summary.gradient.assign(gradient_.begin(), gradient_.end());
  summary.edm = edm_;
  summary.projected_gradient = projected_gradient_;
}

void NewtonSolver::report_bounds() {
  MinimizeSummary& summary = *summary_;
  summary.active_bounds.clear();
  summary.at_kink.clear();
  summary.without_effect.clear();
  summary.zero_yield_bins.clear();
  summary.outside_support.clear();
  if (summary.status == MinimizeStatus::infeasible_start) {
    report_infeasibility();
    return;
  }
  summary.zero_yield_bins = border_bins_;
  for (std::size_t j = 0; j < n_; ++j) {
    if (fixed_[j] != 0) continue;
    if (pinned_[j] == 2) summary.at_kink.push_back(j);
    if (pinned_[j] != 0) continue;
    if (barred_[j] != 0) {
      const bool at_lower = x_[j] <= problem_->lower[j];
      summary.active_bounds.push_back({j, at_lower ? BoundSide::lower : BoundSide::upper, 0.0});
      continue;
    }
    const double multiplier = std::abs(gradient_[j]);
    if (x_[j] <= problem_->lower[j] && gradient_[j] >= 0.0) {
      summary.active_bounds.push_back({j, BoundSide::lower, multiplier});
    } else if (x_[j] >= problem_->upper[j] && gradient_[j] <= 0.0) {
      summary.active_bounds.push_back({j, BoundSide::upper, multiplier});
    } else if (free_[j] == 0 && summary.n_hessians > 0) {
      summary.without_effect.push_back(j);
    }
  }
}

void NewtonSolver::report_infeasibility() {
  const Evaluation end = evaluate(x_.data(), gradient_.data());
  if (end.status == EvaluationStatus::negative_yield)
    summary_->zero_yield_bins.push_back(end.index);
  if (end.status == EvaluationStatus::outside_support)
    summary_->outside_support.push_back(end.index);
}

/// The Hessian with pinned parameters next to their kinks, above or below. False where there is
/// none.
bool NewtonSolver::find_side_hessian(double sign, ArrowHessian& hessian) {
  std::copy(x_.begin(), x_.end(), trial_.begin());
  for (const Kink& kink : problem_->kinks) {
    if (pinned_[kink.parameter] != 0) trial_[kink.parameter] = beside_kink(kink.position, sign);
  }
  const Evaluation side = evaluate(trial_.data(), trial_gradient_.data());
  return side.status == EvaluationStatus::ok && find_hessian(trial_.data(), hessian);
}

/// Parameters at a kink count as free for the covariance, with the mean of the Hessians of both
/// sides; where the domain ends at the kink, with that of the side that is left.
void NewtonSolver::average_kink_hessians() {
  const bool any =
      std::any_of(pinned_.begin(), pinned_.end(), [](char pinned) { return pinned != 0; });
  if (!any) return;
  other_hessian_ = hessian_;
  const bool has_lower = find_side_hessian(-1.0, other_hessian_);
  has_hessian_ = find_side_hessian(1.0, hessian_);
  if (has_hessian_ && has_lower) {
    const auto average = [](std::vector<double>& a, const std::vector<double>& b) {
      for (std::size_t i = 0; i < a.size(); ++i) a[i] = 0.5 * (a[i] + b[i]);
    };
    average(hessian_.dense, other_hessian_.dense);
    average(hessian_.coupling, other_hessian_.coupling);
    average(hessian_.blocks, other_hessian_.blocks);
  } else if (has_lower) {
    std::swap(hessian_, other_hessian_);
    has_hessian_ = true;
  } else if (!has_hessian_) {
    evaluate_hessian();
  }
  arrow_diagonal(structure_, hessian_, diagonal_.data());
  has_factors_ = blended_ = false;
  for (std::size_t j = 0; j < n_; ++j) {
    if (pinned_[j] != 0) free_[j] = 1;
  }
}

void NewtonSolver::report_covariance() {
  const bool wants_errors = options_->covariance != CovarianceKind::none;
  if (!wants_errors && !options_->diagnostics) return;
  average_kink_hessians();
  free_idle_bounds();
  if (blended_) evaluate_hessian();
  if (!has_factors_ || blended_) factorize_precisely();
  report_errors();
  const bool is_rough = wants_invariance() && edm_ > invariant_edm;
  if ((is_rough || is_doubtful()) && polish()) {
    report_point();
    report_errors();
  }
  if (options_->diagnostics || is_doubtful()) report_condition();
  if (wants_errors) mark_undetermined();
}

/// Parameters on a bound that nothing pushes against it have an error like any other: a slope of
/// rounding, as of Asimov data made there, does not decide.
void NewtonSolver::free_idle_bounds() {
  for (std::size_t j = 0; j < n_; ++j) {
    if (free_[j] != 0 || fixed_[j] != 0 || pinned_[j] != 0 || barred_[j] != 0) continue;
    const double slope = std::abs(gradient_[j]);
    if (!(diagonal_[j] > 0.0) || !(slope < idle_slope * std::sqrt(diagonal_[j]))) continue;
    free_[j] = 1;
    has_factors_ = false;
  }
}

/// Factorises the Hessian if it is positive definite by more than rounding, else one near it.
bool NewtonSolver::factorize_precisely() {
  has_factors_ = factorization_.factorize(hessian_, free_.data(), smallest_pivot);
  if (!has_factors_) factorize(free_.data(), gradient_.data(), true);
  return has_factors_;
}

void NewtonSolver::report_errors() {
  MinimizeSummary& summary = *summary_;
  if (options_->covariance == CovarianceKind::full) {
    summary.covariance.resize(n_ * n_);
    factorization_.covariance(summary.covariance.data());
  }
  if (options_->covariance == CovarianceKind::none) return;
  summary.errors.resize(n_);
  factorization_.variances(summary.errors.data());
  for (double& error : summary.errors) error = std::sqrt(error);
}

/// Whether the Hessian is singular, or so nearly that the small distance from the minimum, where
/// its flat directions have the curvature of the gradient, may be the reason that it is not.
bool NewtonSolver::is_doubtful() const {
  if (!factorization_.is_exact()) return true;
  const double distance = std::sqrt(2.0 * std::max(edm_, 0.0));
  const double smallest = std::max(curvature_per_distance * distance, no_curvature * 10.0);
  for (std::size_t j = 0; j < summary_->errors.size(); ++j) {
    const double error = summary_->errors[j];
    if (free_[j] != 0 && error * error * diagonal_[j] * smallest > 1.0) return true;
  }
  return false;
}

/// Goes on to the minimum as far as rounding allows, and takes the Hessian there. False if nothing
/// was gained.
bool NewtonSolver::polish() {
  if (std::any_of(pinned_.begin(), pinned_.end(), [](char pinned) { return pinned != 0; })) {
    return false;
  }
  bool moved = false;
  const double goal = is_doubtful() ? polished_edm : invariant_edm;
  for (int i = 0; i < max_polishing && std::abs(edm_) > goal; ++i) {
    factorization_.solve(gradient_.data(), step_.data());
    for (std::size_t j = 0; j < n_; ++j) {
      trial_[j] = x_[j] - step_[j];
      if (step_[j] != 0.0 && (trial_[j] < lower_[j] || trial_[j] > upper_[j])) return moved;
    }
    const Evaluation trial = evaluate(trial_.data(), trial_gradient_.data());
    const bool holds =
        trial.status == EvaluationStatus::ok && trial.value <= value_ + value_noise();
    if (!holds) return moved;
    const double previous = projected_gradient_;
    gradient_.swap(trial_gradient_);
    measure_gradient();
    if (!(projected_gradient_ < previous)) {
      gradient_.swap(trial_gradient_);
      projected_gradient_ = previous;
      return moved;
    }
    x_.swap(trial_);
    value_ = trial.value;
    moved = true;
    evaluate_hessian();
    arrow_diagonal(structure_, hessian_, diagonal_.data());
    factorize_precisely();
    factorization_.solve(gradient_.data(), step_.data());
    edm_ = 0.0;
    for (std::size_t j = 0; j < n_; ++j) edm_ += 0.5 * gradient_[j] * step_[j];
  }
  return moved;
}

/// Condition number, and the directions behind a bad one.
void NewtonSolver::report_condition() {
  MinimizeSummary& summary = *summary_;
  double smallest = 0.0;
  if (factorization_.is_exact()) {
    const auto spectrum = factorization_.spectrum(hessian_);
    smallest = spectrum.smallest;
    summary.condition = spectrum.condition();
  } else {
    summary.condition = infinity;
  }
  if (smallest >= options_->weak_curvature) return;
  const double threshold = std::max(options_->weak_curvature, no_curvature);
  objective_->separate_curvatures(x_.data(), scratch_.data());
  for (const ArrowDirection& found :
       factorization_.weak_directions(hessian_, free_.data(), problem_->widths.data(), threshold)) {
    report_direction(found);
  }
}

/// Names a weak direction, unless constraint terms determine it: then it is as good as they are.
/// Their curvature is a sum of positive terms, exact however large the others are.
void NewtonSolver::report_direction(const ArrowDirection& found) {
  double separate = 0.0;
  for (std::size_t j = 0; j < n_; ++j) {
    separate += found.vector[j] * found.vector[j] * std::max(scratch_[j], 0.0);
  }
  if (separate > no_curvature && separate > determining_part * found.curvature) return;
  const bool is_flat = found.curvature <= no_curvature;
  WeakDirection direction{is_flat ? 0.0 : found.curvature, {}, {}};
  const auto part = [&](std::size_t j) {
    return std::abs(found.vector[j]) * std::sqrt(std::max(diagonal_[j], 0.0));
  };
  for (std::size_t j = 0; j < n_; ++j) {
    if (part(j) > smallest_part || (found.vector[j] != 0.0 && !(diagonal_[j] > 0.0))) {
      direction.parameters.push_back(j);
    }
  }
  std::sort(
      direction.parameters.begin(), direction.parameters.end(),
      [&](std::size_t a, std::size_t b) { return part(a) != part(b) ? part(a) > part(b) : a < b; });
  for (const std::size_t j : direction.parameters) direction.weights.push_back(found.vector[j]);
  summary_->weak_directions.push_back(std::move(direction));
}

/// Infinite errors where nothing determines a parameter.
void NewtonSolver::mark_undetermined() {
  MinimizeSummary& summary = *summary_;
  const auto mark = [&](std::size_t j) {
    summary.errors[j] = infinity;
    if (!summary.covariance.empty()) summary.covariance[j * n_ + j] = infinity;
  };
  for (const std::size_t j : summary.without_effect) mark(j);
  for (const WeakDirection& direction : summary.weak_directions) {
    if (direction.curvature != 0.0) continue;
    for (const std::size_t j : direction.parameters) mark(j);
  }
}

}  // namespace nablafit::detail
