#include "minimize/newton_step.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nablafit::detail {
namespace {

constexpr double sufficient_decrease = 1e-4;
/// Shorter steps than this part of the Newton step do not count as progress.
constexpr double smallest_fraction = 1e-12;
/// The same for steps confined by bounds, before other directions are tried.
constexpr double shortest_confined = 1e-3;
/// A step, bent by the bounds, that still leads uphill when it is this short does so at any length.
constexpr double smallest_fraction_uphill = 1e-3;
/// Estimated distance to the minimum from which on the information replaces the Hessian.
constexpr double far_edm = 100.0;
/// The same for estimates that are not this small and shrink by less than this factor per step.
constexpr double close_edm = 1e-2;
constexpr double slow_reduction = 0.3;
/// A border is in the way if so small a part of a step ends behind it, or a larger one in more
/// steps than this.
constexpr double shortest_at_border = 0.05;
constexpr double cut_at_border = 0.5;
constexpr int max_border_cuts = 2;
constexpr int max_releases = 6;
constexpr int max_confinements = 30;
/// Factorisations on the way along bounds.
constexpr int max_moves = 50;

}  // namespace

NewtonStep::NewtonStep(Iterate& here)
    : here_(here),
      step_(here.n_parameters()),
      held_(step_.size()),
      slopes_(step_.size()),
      move_(step_.size()) {}

void NewtonStep::forget() {
  last_edm_ = std::numeric_limits<double>::infinity();
  used_information_ = false;
}

void NewtonStep::solve() {
  here_.curvature.solve(here_.point.gradient, step_);
  for (double& component : step_) component = -component;
  here_.edm = -0.5 * dot(here_.point.gradient, step_);
  here_.projected_gradient = here_.measure(here_.point.gradient);
  kind_ = Kind::newton;
}

void NewtonStep::choose() {
  here_.curvature.factorize(here_.point.gradient, here_.active.mask());
  solve();
  const bool is_slow = here_.edm > slow_reduction * last_edm_ && here_.edm > close_edm;
  const bool is_turn = is_slow && !used_information_;
  last_edm_ = here_.edm;
  used_information_ = (here_.edm > far_edm || is_turn) && here_.curvature.use_information();
  if (!used_information_) return;
  here_.curvature.factorize(here_.point.gradient, here_.active.mask());
  solve();
}

void NewtonStep::choose_carefully() {
  here_.curvature.factorize_carefully(here_.point.gradient, here_.active.mask());
  solve();
}

void NewtonStep::confine() {
  model_free_ = here_.active.mask();
  unconfined_ = step_;
  int n_releases = 0;
  for (int round = 0; round < max_confinements; ++round) {
    if (!clamp()) {
      if (kind_ == Kind::newton) return;
      if (n_releases++ == max_releases) break;
      if (!here_.curvature.is_exact()) return;
      find_model_slopes(step_);
      if (!release()) return;
    }
    kind_ = Kind::confined;
    solve_rest();
  }
  walk_along_bounds();
}

/// Moves components that would leave the box to its border. True if there are new ones.
bool NewtonStep::clamp() {
  bool changed = false;
  for (std::size_t j = 0; j < step_.size(); ++j) {
    if (model_free_[j] == 0) continue;
    const double target = here_.point.x[j] + step_[j];
    if (target >= here_.lower[j] && target <= here_.upper[j]) continue;
    step_[j] = room(j, target < here_.lower[j]);
    model_free_[j] = 0;
    changed = true;
  }
  return changed;
}

/// Lets go of bounds that the quadratic model, with these slopes after the step, would leave
/// inwards. True if there are any.
bool NewtonStep::release() {
  bool changed = false;
  for (std::size_t j = 0; j < step_.size(); ++j) {
    if (!is_held(j)) continue;
    const bool at_lower = step_[j] == room(j, true);
    if (at_lower ? slopes_[j] >= 0.0 : slopes_[j] <= 0.0) continue;
    model_free_[j] = 1;
    changed = true;
  }
  return changed;
}

/// Minimises the quadratic model while what it holds makes its step.
void NewtonStep::solve_rest() {
  for (std::size_t j = 0; j < step_.size(); ++j) held_[j] = is_held(j) ? step_[j] : 0.0;
  find_model_slopes(held_);
  here_.curvature.factorize(slopes_, model_free_);
  here_.curvature.solve(slopes_, step_);
  for (std::size_t j = 0; j < step_.size(); ++j) step_[j] = is_held(j) ? held_[j] : -step_[j];
}

/// Minimises the quadratic model on the box where guessing many bounds at once goes in circles, as
/// it does when long and strongly correlated components leave the box together. Every move lowers
/// the model (active-set method, J. Nocedal and S. Wright, Numerical Optimization, 2nd edition,
/// algorithm 16.3), so that any number of them makes a step downhill.
void NewtonStep::walk_along_bounds() {
  model_free_ = here_.active.mask();
  std::fill(step_.begin(), step_.end(), 0.0);
  double height = find_model_slopes(step_);
  for (int move = 0; move < max_moves; ++move) {
    if (!here_.curvature.factorize_exactly(model_free_)) break;
    here_.curvature.solve(slopes_, move_);
    const bool met_bounds = move_to_bounds(height);
    height = find_model_slopes(step_);
    if (!met_bounds && !release()) break;
  }
}

/// Sets the slopes of the quadratic model after the step; returns its height.
double NewtonStep::find_model_slopes(const std::vector<double>& step) {
  const Curvature& curvature = here_.curvature;
  const std::vector<double>& gradient = here_.point.gradient;
  arrow_multiply(curvature.structure(), curvature.hessian(), step.data(), slopes_.data());
  double height = 0.0;
  for (std::size_t j = 0; j < step.size(); ++j) {
    height += step[j] * (gradient[j] + 0.5 * slopes_[j]);
    slopes_[j] += gradient[j];
  }
  return height;
}

/// step -= move, bent at all bounds if that lowers the model, else as far as the first; what meets
/// a bound is held from then on. False if nothing does.
bool NewtonStep::move_to_bounds(double height) {
  const std::size_t n = step_.size();
  const auto moves = [&](std::size_t j) { return model_free_[j] != 0 && move_[j] != 0.0; };
  before_move_ = step_;
  double fraction = 1.0;
  std::size_t first = n;
  for (std::size_t j = 0; j < n; ++j) {
    if (!moves(j)) continue;
    const double part = std::max((step_[j] - room(j, move_[j] > 0.0)) / move_[j], 0.0);
    step_[j] -= move_[j];
    if (part >= 1.0) continue;
    step_[j] = room(j, move_[j] > 0.0);
    if (part >= fraction) continue;
    fraction = part;
    first = j;
  }
  if (first == n) return false;
  const bool is_lower = find_model_slopes(step_) < height;
  for (std::size_t j = 0; j < n; ++j) {
    if (!moves(j)) continue;
    if (is_lower ? step_[j] == room(j, move_[j] > 0.0) : j == first) model_free_[j] = 0;
    if (!is_lower)
      step_[j] = j == first ? room(j, move_[j] > 0.0) : before_move_[j] - fraction * move_[j];
  }
  return true;
}

void NewtonStep::bend() {
  step_ = unconfined_;
  kind_ = Kind::bent;
}

void NewtonStep::follow_gradient() {
  const std::vector<double>& diagonal = here_.curvature.diagonal();
  double largest = 0.0;
  for (std::size_t j = 0; j < step_.size(); ++j) {
    const double typical = here_.problem->widths[j];
    const double width = diagonal[j] > 0.0 && std::isfinite(diagonal[j])
                             ? std::min(typical, 1.0 / std::sqrt(diagonal[j]))
                             : typical;
    step_[j] = here_.active.is_free(j) ? -here_.point.gradient[j] * width * width : 0.0;
    largest = std::max(largest, std::abs(step_[j]) / width);
  }
  if (largest > 1.0) {
    for (double& component : step_) component /= largest;
  }
  kind_ = Kind::gradient;
}

LineSearch::Outcome LineSearch::descend(NewtonStep& step) {
  const bool is_confined = step.kind() == NewtonStep::Kind::confined;
  Outcome outcome = search(step.step(), is_confined ? shortest_confined : smallest_fraction);
  if (outcome == Outcome::failed && is_confined) {
    step.bend();
    outcome = search(step.step(), shortest_confined);
  }
  if (outcome == Outcome::failed) {
    step.follow_gradient();
    outcome = search(step.step(), smallest_fraction);
  }
  return outcome;
}

/// Takes the accepted point over, or leaves the iterate as it was.
LineSearch::Outcome LineSearch::search(const std::vector<double>& step, double shortest) {
  Objective& function = *here_.objective.function;
  double fraction = 1.0;
  while (fraction > shortest) {
    here_.move_trial(step, fraction);
    const double predicted = change_along(here_.point.gradient);
    const Evaluation trial = here_.evaluate_trial();
    if (!(predicted < 0.0) && fraction < smallest_fraction_uphill) return Outcome::failed;
    if (is_acceptable(trial, predicted)) {
      here_.accept_trial();
      function.note_step(fraction);
      fraction_ = fraction;
      return Outcome::accepted;
    }
    if (is_ok(trial)) {
      const double curved = trial.value - here_.point.value - predicted;
      const double best = curved > 0.0 ? -0.5 * predicted / curved : 0.5;
      fraction *= std::clamp(best, 0.1, 0.5);
    } else {
      const bool at_border = function.has_finite_border(trial);
      if (at_border && fraction == cut_at_border) ++n_border_cuts_;
      const bool is_cut = n_border_cuts_ > max_border_cuts || fraction <= shortest_at_border;
      if (at_border && is_cut && here_.problem->stop_at_border) return Outcome::stopped_at_border;
      fraction *= function.part_inside(here_.trial.x.data());
    }
  }
  return Outcome::failed;
}

double LineSearch::change_along(const std::vector<double>& gradient) const {
  double sum = 0.0;
  for (std::size_t j = 0; j < gradient.size(); ++j) {
    sum += gradient[j] * (here_.trial.x[j] - here_.point.x[j]);
  }
  return sum;
}

/// Armijo's condition; where the change drowns in rounding, the slope at the trial point decides.
bool LineSearch::is_acceptable(const Evaluation& trial, double predicted) const {
  if (!is_ok(trial) || !(predicted < 0.0)) return false;
  if (trial.value <= here_.point.value + sufficient_decrease * predicted) return true;
  if (trial.value > here_.point.value + here_.noise()) return false;
  return std::abs(change_along(here_.trial.gradient)) <=
         (1.0 - 2.0 * sufficient_decrease) * std::abs(predicted);
}

}  // namespace nablafit::detail
