// Points where Newton's method needs help: outside the domain, and on kinks.
#include <algorithm>
#include <cmath>

#include "minimize/newton_solver.hpp"

namespace nablafit::detail {
namespace {

constexpr int max_repair_steps = 60;
constexpr int n_nominal_mixtures = 16;
/// Slopes, in units of the width, below which a kink is no kink.
constexpr double negligible_jump = 1e-5;

bool is_ok(const Evaluation& evaluation) {
  return evaluation.status == EvaluationStatus::ok && std::isfinite(evaluation.value);
}

}  // namespace

double beside_kink(double position, double sign) {
  if (position == 0.0) return sign * 1e-300;
  return std::nextafter(position, sign * HUGE_VAL);
}

/// Moves the start into the domain: along the gradient that points out of the forbidden region,
/// then towards the nominal point, then from there again along the gradient.
bool NewtonSolver::make_feasible() {
  for (std::size_t j = 0; j < n_; ++j) {
    if (!std::isfinite(x_[j])) return false;
  }
  const Evaluation start = evaluate(x_.data(), gradient_.data());
  value_ = start.value;
  if (is_ok(start)) return true;
  return follow_feasibility_gradient() || approach_nominal();
}

bool NewtonSolver::follow_feasibility_gradient() {
  std::copy(x_.begin(), x_.end(), trial_.begin());
  std::copy(gradient_.begin(), gradient_.end(), trial_gradient_.begin());
  double size = 1e-3;
  for (int i = 0; i < max_repair_steps; ++i) {
    double largest = 0.0;
    for (std::size_t j = 0; j < n_; ++j) {
      const double slope = fixed_[j] != 0 ? 0.0 : trial_gradient_[j] * problem_->widths[j];
      const bool blocked =
          (slope > 0.0 && trial_[j] <= lower_[j]) || (slope < 0.0 && trial_[j] >= upper_[j]);
      scratch_[j] = blocked ? 0.0 : slope;
      largest = std::max(largest, std::abs(scratch_[j]));
    }
    if (!(largest > 0.0) || !std::isfinite(largest)) return false;
    for (std::size_t j = 0; j < n_; ++j) {
      if (scratch_[j] == 0.0) continue;
      const double change = -size * scratch_[j] / largest * problem_->widths[j];
      trial_[j] = std::clamp(trial_[j] + change, lower_[j], upper_[j]);
    }
    const Evaluation trial = evaluate(trial_.data(), trial_gradient_.data());
    if (is_ok(trial)) {
      x_.swap(trial_);
      gradient_.swap(trial_gradient_);
      value_ = trial.value;
      return true;
    }
    size = std::min(1.5 * size, 0.25);
  }
  return false;
}

bool NewtonSolver::approach_nominal() {
  std::copy(x_.begin(), x_.end(), clamped_.begin());
  for (int i = 1; i <= n_nominal_mixtures; ++i) {
    const double weight = static_cast<double>(i) / n_nominal_mixtures;
    for (std::size_t j = 0; j < n_; ++j) {
      if (fixed_[j] != 0) continue;
      const double mixture = clamped_[j] + weight * (problem_->nominal[j] - clamped_[j]);
      x_[j] = std::clamp(mixture, lower_[j], upper_[j]);
    }
    const Evaluation trial = evaluate(x_.data(), gradient_.data());
    value_ = trial.value;
    if (is_ok(trial)) return true;
  }
  if (follow_feasibility_gradient()) return true;
  std::copy(clamped_.begin(), clamped_.end(), x_.begin());
  return false;
}

bool NewtonSolver::is_at_kink(const Kink& kink) const {
  const std::size_t j = kink.parameter;
  const double x = x_[j];
  const bool has_two_sides =
      problem_->lower[j] < kink.position && kink.position < problem_->upper[j];
  return fixed_[j] == 0 && has_two_sides && x >= beside_kink(kink.position, -1.0) &&
         x <= beside_kink(kink.position, 1.0);
}

/// Puts a parameter on the side of its kink where the value falls, or pins it (1: by a slope of
/// zero, 2: by slopes that rise on both sides).
void NewtonSolver::choose_kink_side(const Kink& kink, double slope_above, double slope_below) {
  const std::size_t j = kink.parameter;
  if (slope_above >= 0.0 && slope_below <= 0.0) {
    const double jump = std::min(slope_above, -slope_below) * problem_->widths[j];
    pinned_[j] = jump > negligible_jump ? 2 : 1;
    x_[j] = beside_kink(kink.position, 1.0);
    return;
  }
  const bool go_up = slope_above < 0.0 && (slope_below <= 0.0 || -slope_above >= slope_below);
  x_[j] = beside_kink(kink.position, go_up ? 1.0 : -1.0);
}

/// Where the domain ends at a kink: puts a parameter on the side that is left, and pins it if its
/// slope points to the other.
void NewtonSolver::stay_on_kink_side(const Kink& kink, double sign, double slope) {
  x_[kink.parameter] = beside_kink(kink.position, sign);
  if (slope * sign >= 0.0) pinned_[kink.parameter] = 2;
}

/// The gradient with everything at a kink moved above or below. False outside the domain.
bool NewtonSolver::find_side_slopes(double sign, std::vector<double>& gradient) {
  std::copy(x_.begin(), x_.end(), trial_.begin());
  for (const Kink& kink : problem_->kinks) {
    if (is_at_kink(kink)) trial_[kink.parameter] = beside_kink(kink.position, sign);
  }
  return is_ok(evaluate(trial_.data(), gradient.data()));
}

/// At kinks, decides by one-sided derivatives where to go; then confines the iteration to one side.
void NewtonSolver::settle_kinks() {
  if (problem_->kinks.empty()) return;
  bool at_any = false;
  std::fill(pinned_.begin(), pinned_.end(), char{0});
  for (const Kink& kink : problem_->kinks) at_any = at_any || is_at_kink(kink);
  if (at_any) {
    const bool has_upper = find_side_slopes(1.0, trial_gradient_);
    const bool has_lower = find_side_slopes(-1.0, scratch_);
    std::copy(x_.begin(), x_.end(), clamped_.begin());
    for (const Kink& kink : problem_->kinks) {
      if (!is_at_kink(kink)) continue;
      const double above = trial_gradient_[kink.parameter];
      const double below = scratch_[kink.parameter];
      if (has_upper && has_lower) choose_kink_side(kink, above, below);
      if (has_upper && !has_lower) stay_on_kink_side(kink, 1.0, above);
      if (!has_upper && has_lower) stay_on_kink_side(kink, -1.0, below);
    }
    Evaluation chosen = evaluate(x_.data(), gradient_.data());
    if (!is_ok(chosen)) {
      std::copy(clamped_.begin(), clamped_.end(), x_.begin());
      std::fill(pinned_.begin(), pinned_.end(), char{0});
      chosen = evaluate(x_.data(), gradient_.data());
    }
    value_ = chosen.value;
  }
  set_working_bounds();
}

void NewtonSolver::set_working_bounds() {
  std::copy(problem_->lower.begin(), problem_->lower.end(), lower_.begin());
  std::copy(problem_->upper.begin(), problem_->upper.end(), upper_.begin());
  for (const Kink& kink : problem_->kinks) {
    const std::size_t j = kink.parameter;
    if (x_[j] > kink.position) {
      lower_[j] = std::max(lower_[j], beside_kink(kink.position, 1.0));
    } else if (x_[j] < kink.position) {
      upper_[j] = std::min(upper_[j], beside_kink(kink.position, -1.0));
    }
  }
}

}  // namespace nablafit::detail
