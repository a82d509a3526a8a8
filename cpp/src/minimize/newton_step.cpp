// One step of the projected Newton method: who is free, where to go, how far.
#include <algorithm>
#include <cmath>

#include "minimize/newton_solver.hpp"

namespace nablafit::detail {
namespace {

constexpr double sufficient_decrease = 1e-4;
/// Shorter steps than this part of the Newton step do not count as progress.
constexpr double smallest_fraction = 1e-12;
/// The same for steps confined by bounds, before other directions are tried.
constexpr double shortest_confined = 1e-3;
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
constexpr int max_blends = 5;
constexpr int max_releases = 6;
constexpr int max_confinements = 30;
/// Factorisations on the way along bounds.
constexpr int max_moves = 50;
/// A step, bent by the bounds, that still leads uphill when it is this short does so at any length.
constexpr double smallest_fraction_uphill = 1e-3;
/// Distances to a bound below this many widths are rounding.
constexpr double snap_widths = 1e-14;

}  // namespace

bool NewtonSolver::is_binding(std::size_t j) const {
  return (x_[j] <= lower_[j] && gradient_[j] > 0.0) || (x_[j] >= upper_[j] && gradient_[j] < 0.0);
}

/// True for a parameter held at a bound that the gradient now pulls inwards.
bool NewtonSolver::is_released(std::size_t j) const {
  if (fixed_[j] != 0 || pinned_[j] != 0 || barred_[j] != 0 || gradient_[j] == 0.0) return false;
  return !is_binding(j);
}

/// False if the gradient and the whole row of the Hessian are zero.
bool NewtonSolver::has_effect(std::size_t j) const {
  if (diagonal_[j] != 0.0 || gradient_[j] != 0.0) return true;
  const auto& dense = structure_.dense_parameters;
  const std::size_t n_dense = dense.size();
  const auto position = std::lower_bound(dense.begin(), dense.end(), j);
  const bool is_dense = position != dense.end() && *position == j;
  const auto column = static_cast<std::size_t>(position - dense.begin());
  if (is_dense) {
    for (std::size_t i = 0; i < n_dense; ++i) {
      if (hessian_.dense[i * n_dense + column] != 0.0) return true;
    }
  }
  for (std::size_t l = 0; l < structure_.n_local(); ++l) {
    const double* row = hessian_.coupling.data() + l * n_dense;
    if (is_dense && row[column] != 0.0) return true;
    if (structure_.local_parameters[l] != j) continue;
    if (std::any_of(row, row + n_dense, [](double element) { return element != 0.0; })) return true;
  }
  return false;
}

void NewtonSolver::find_free_parameters() {
  arrow_diagonal(structure_, hessian_, diagonal_.data());
  for (std::size_t j = 0; j < n_; ++j) {
    free_[j] =
        fixed_[j] == 0 && pinned_[j] == 0 && barred_[j] == 0 && !is_binding(j) && has_effect(j);
  }
}

/// Largest distance from the minimum along one free parameter, in units of its conditional spread.
void NewtonSolver::measure_gradient() {
  projected_gradient_ = 0.0;
  for (std::size_t j = 0; j < n_; ++j) {
    if (free_[j] == 0) continue;
    const double width = diagonal_[j] > 0.0 ? 1.0 / std::sqrt(diagonal_[j]) : problem_->widths[j];
    projected_gradient_ = std::max(projected_gradient_, std::abs(gradient_[j]) * width);
  }
}

bool NewtonSolver::get_information() {
  has_information_ = has_information_ ||
                     (objective_->information(x_.data(), information_) && is_finite(information_));
  return has_information_;
}

/// Replaces the Hessian by the mean of itself and the information, again and again until it is
/// positive definite.
bool NewtonSolver::blend_information(const char* free) {
  if (!get_information()) return false;
  blended_ = true;
  for (int i = 1; i <= max_blends; ++i) {
    const double part = i < max_blends ? 0.5 : 1.0;
    const auto blend = [part](std::vector<double>& numbers, const std::vector<double>& others) {
      for (std::size_t k = 0; k < numbers.size(); ++k) {
        numbers[k] += part * (others[k] - numbers[k]);
      }
    };
    blend(hessian_.dense, information_.dense);
    blend(hessian_.coupling, information_.coupling);
    blend(hessian_.blocks, information_.blocks);
    if (factorization_.factorize(hessian_, free)) return true;
  }
  return false;
}

/// Factorises the Hessian of the free parameters, made positive definite: by blending it with the
/// information or by a shift, which is cheap, or carefully.
void NewtonSolver::factorize(const char* free, const double* gradient, bool carefully) {
  if (factorization_.factorize(hessian_, free)) return;
  if (!carefully && blend_information(free)) return;
  const StepScale scale{gradient, problem_->widths.data()};
  if (!carefully && factorization_.factorize_shifted(hessian_, free, scale)) return;
  factorization_.factorize_modified(hessian_, free, scale);
}

/// Far from the minimum, or where Newton's steps hardly reduce the estimated distance, the
/// information is the better guide: it is exact for yields that are linear in the parameters,
/// however far.
void NewtonSolver::choose_step() {
  newton_step(false);
  const bool is_slow = edm_ > slow_reduction * newton_edm_ && edm_ > close_edm;
  const bool is_turn = is_slow && !used_information_;
  newton_edm_ = edm_;
  used_information_ = (edm_ > far_edm || is_turn) && get_information();
  if (!used_information_) return;
  hessian_ = information_;
  blended_ = true;
  newton_step(false);
}

void NewtonSolver::newton_step(bool carefully) {
  factorize(free_.data(), gradient_.data(), carefully);
  has_factors_ = factorization_.is_exact();
  factorization_.solve(gradient_.data(), step_.data());
  for (std::size_t j = 0; j < n_; ++j) step_[j] = -step_[j];
  double slope = 0.0;
  for (std::size_t j = 0; j < n_; ++j) slope += gradient_[j] * step_[j];
  edm_ = -0.5 * slope;
  measure_gradient();
}

/// Moves components that would leave the box to its border. True if there are new ones.
bool NewtonSolver::clamp_step() {
  bool changed = false;
  for (std::size_t j = 0; j < n_; ++j) {
    if (model_free_[j] == 0) continue;
    const double target = x_[j] + step_[j];
    if (target >= lower_[j] && target <= upper_[j]) continue;
    clamped_[j] = (target < lower_[j] ? lower_[j] : upper_[j]) - x_[j];
    model_free_[j] = 0;
    changed = true;
  }
  return changed;
}

/// Lets go of bounds that the quadratic model, at its confined minimum, would leave inwards. True
/// if there are any.
bool NewtonSolver::release_step() {
  if (!factorization_.is_exact()) return false;
  arrow_multiply(structure_, hessian_, step_.data(), scratch_.data());
  bool changed = false;
  for (std::size_t j = 0; j < n_; ++j) {
    if (free_[j] == 0 || model_free_[j] != 0) continue;
    const double slope = gradient_[j] + scratch_[j];
    const bool at_lower = clamped_[j] == lower_[j] - x_[j];
    if (at_lower ? slope >= 0.0 : slope <= 0.0) continue;
    model_free_[j] = 1;
    clamped_[j] = 0.0;
    changed = true;
  }
  return changed;
}

/// Minimises the quadratic model on the box: holds what hits a bound there, lets go of what should
/// not be held, and solves again for the rest.
void NewtonSolver::confine_step() {
  std::copy(free_.begin(), free_.end(), model_free_.begin());
  std::copy(step_.begin(), step_.end(), newton_.begin());
  std::fill(clamped_.begin(), clamped_.end(), 0.0);
  confined_ = false;
  int n_releases = 0;
  for (int round = 0; round < max_confinements; ++round) {
    if (!clamp_step()) {
      if (!confined_) return;
      if (n_releases++ == max_releases) break;
      if (!release_step()) return;
    }
    confined_ = true;
    arrow_multiply(structure_, hessian_, clamped_.data(), scratch_.data());
    for (std::size_t j = 0; j < n_; ++j) scratch_[j] += gradient_[j];
    factorize(model_free_.data(), scratch_.data(), false);
    has_factors_ = false;
    factorization_.solve(scratch_.data(), step_.data());
    for (std::size_t j = 0; j < n_; ++j) {
      step_[j] = free_[j] != 0 && model_free_[j] == 0 ? clamped_[j] : -step_[j];
    }
  }
  walk_along_bounds();
}

/// Minimises the quadratic model on the box where guessing many bounds at once goes in circles, as
/// it does when long and strongly correlated components leave the box together. Every move lowers
/// the model (active-set method, J. Nocedal and S. Wright, Numerical Optimization, 2nd edition,
/// algorithm 16.3), so that any number of them makes a step downhill.
void NewtonSolver::walk_along_bounds() {
  std::copy(free_.begin(), free_.end(), model_free_.begin());
  std::fill(clamped_.begin(), clamped_.end(), 0.0);
  double height = find_model_slopes();
  for (int move = 0; move < max_moves; ++move) {
    if (!factorization_.factorize(hessian_, model_free_.data())) break;
    factorization_.solve(scratch_.data(), step_.data());
    const bool met_bounds = move_to_bounds(height);
    height = find_model_slopes();
    if (!met_bounds && !release_reluctant_bounds()) break;
  }
  std::copy(clamped_.begin(), clamped_.end(), step_.begin());
}

/// scratch = slopes of the quadratic model after the step in `clamped_`; returns its height.
double NewtonSolver::find_model_slopes() {
  arrow_multiply(structure_, hessian_, clamped_.data(), scratch_.data());
  double height = 0.0;
  for (std::size_t j = 0; j < n_; ++j) {
    height += clamped_[j] * (gradient_[j] + 0.5 * scratch_[j]);
    scratch_[j] += gradient_[j];
  }
  return height;
}

/// clamped -= step, bent at all bounds if that lowers the model, else as far as the first; what
/// meets a bound is held from then on. False if nothing does.
bool NewtonSolver::move_to_bounds(double height) {
  std::copy(clamped_.begin(), clamped_.end(), trial_.begin());
  double fraction = 1.0;
  std::size_t first = n_;
  for (std::size_t j = 0; j < n_; ++j) {
    if (model_free_[j] == 0 || step_[j] == 0.0) continue;
    const double room = (step_[j] > 0.0 ? lower_[j] : upper_[j]) - x_[j];
    const double part = std::max((clamped_[j] - room) / step_[j], 0.0);
    clamped_[j] -= step_[j];
    if (part >= 1.0) continue;
    clamped_[j] = room;
    if (part >= fraction) continue;
    fraction = part;
    first = j;
  }
  if (first == n_) return false;
  const bool is_lower = find_model_slopes() < height;
  for (std::size_t j = 0; j < n_; ++j) {
    if (model_free_[j] == 0 || step_[j] == 0.0) continue;
    const double room = (step_[j] > 0.0 ? lower_[j] : upper_[j]) - x_[j];
    if (is_lower ? clamped_[j] == room : j == first) model_free_[j] = 0;
    if (!is_lower) clamped_[j] = j == first ? room : trial_[j] - fraction * step_[j];
  }
  return true;
}

/// Lets go of bounds that the quadratic model would leave inwards. True if there are any.
bool NewtonSolver::release_reluctant_bounds() {
  bool changed = false;
  for (std::size_t j = 0; j < n_; ++j) {
    if (free_[j] == 0 || model_free_[j] != 0) continue;
    const bool at_lower = clamped_[j] == lower_[j] - x_[j];
    if (at_lower ? scratch_[j] >= 0.0 : scratch_[j] <= 0.0) continue;
    model_free_[j] = 1;
    changed = true;
  }
  return changed;
}

/// Along the step, or what replaces it if that fails: the Newton step before it was confined, bent
/// at the bounds; then steepest descent.
bool NewtonSolver::descend() {
  if (search_line(confined_ ? shortest_confined : smallest_fraction)) return true;
  if (stopped_at_border_) return false;
  if (confined_) {
    std::copy(newton_.begin(), newton_.end(), step_.begin());
    if (search_line(shortest_confined)) return true;
    if (stopped_at_border_) return false;
  }
  confined_ = true;
  gradient_step();
  return search_line(smallest_fraction);
}

/// Steepest descent in units of the widths, at most one width long.
void NewtonSolver::gradient_step() {
  double largest = 0.0;
  for (std::size_t j = 0; j < n_; ++j) {
    const double width = diagonal_[j] > 0.0 && std::isfinite(diagonal_[j])
                             ? std::min(problem_->widths[j], 1.0 / std::sqrt(diagonal_[j]))
                             : problem_->widths[j];
    step_[j] = free_[j] != 0 ? -gradient_[j] * width * width : 0.0;
    largest = std::max(largest, std::abs(step_[j]) / width);
  }
  if (largest > 1.0) {
    for (std::size_t j = 0; j < n_; ++j) step_[j] /= largest;
  }
}

/// trial = projection of x + fraction * step on the box.
void NewtonSolver::move_along(double fraction) {
  for (std::size_t j = 0; j < n_; ++j) {
    const double target = x_[j] + fraction * step_[j];
    const double margin = snap_widths * problem_->widths[j];
    trial_[j] = target;
    if (step_[j] == 0.0) continue;
    if (target <= lower_[j] + margin) trial_[j] = lower_[j];
    if (target >= upper_[j] - margin) trial_[j] = upper_[j];
  }
}

double NewtonSolver::change_along_gradient() const {
  double sum = 0.0;
  for (std::size_t j = 0; j < n_; ++j) sum += gradient_[j] * (trial_[j] - x_[j]);
  return sum;
}

/// Armijo's condition; where the change drowns in rounding, the slope at the trial point decides.
bool NewtonSolver::is_acceptable(const Evaluation& trial, double predicted) const {
  if (trial.status != EvaluationStatus::ok || !std::isfinite(trial.value)) return false;
  if (!(predicted < 0.0)) return false;
  if (trial.value <= value_ + sufficient_decrease * predicted) return true;
  if (trial.value > value_ + value_noise()) return false;
  double slope = 0.0;
  for (std::size_t j = 0; j < n_; ++j) slope += trial_gradient_[j] * (trial_[j] - x_[j]);
  return std::abs(slope) <= (1.0 - 2.0 * sufficient_decrease) * std::abs(predicted);
}

/// Whether to give up at a border that cut a step to this part.
bool NewtonSolver::is_in_the_way(double fraction) {
  if (fraction == cut_at_border) ++n_border_cuts_;
  stopped_at_border_ = problem_->stop_at_border &&
                       (n_border_cuts_ > max_border_cuts || fraction <= shortest_at_border);
  return stopped_at_border_;
}

/// Backtracks along the step. Takes the accepted point over and returns true, or leaves all as it
/// was.
bool NewtonSolver::search_line(double shortest) {
  double fraction = 1.0;
  while (fraction > shortest) {
    move_along(fraction);
    const double predicted = change_along_gradient();
    const Evaluation trial = evaluate(trial_.data(), trial_gradient_.data());
    if (!(predicted < 0.0) && fraction < smallest_fraction_uphill) return false;
    if (is_acceptable(trial, predicted)) {
      x_.swap(trial_);
      gradient_.swap(trial_gradient_);
      value_ = trial.value;
      accepted_fraction_ = fraction;
      objective_->note_step(fraction);
      return true;
    }
    if (trial.status == EvaluationStatus::ok && std::isfinite(trial.value)) {
      const double curved = trial.value - value_ - predicted;
      const double best = curved > 0.0 ? -0.5 * predicted / curved : 0.5;
      fraction *= std::clamp(best, 0.1, 0.5);
    } else {
      if (objective_->has_finite_border(trial) && is_in_the_way(fraction)) return false;
      fraction *= objective_->part_inside(trial_.data());
    }
  }
  return false;
}

}  // namespace nablafit::detail
